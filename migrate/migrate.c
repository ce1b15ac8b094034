/*
 * Moving a tree: this side. First all is compared, while nobody has been touched; then the dump sends the tree, and at its end
 * the two sides settle who has it (record.h).
 */
#include "migrate/migrate.h"

#include <errno.h>
#include <string.h>

#include "images/codec.h"
#include "images/stream.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/netlink_address.h"
#include "lib/own.h"
#include "lib/scripts.h"
#include "lib/thread.h"
#include "migrate/offer.h"
#include "migrate/send_file.h"
#include "migrate/settle.h"
#include "migrate/source.h"
#include "migrate/tree.h"

enum {
	MOST_WORDS = 100,
	LISTED = 1100, /* bytes of the list of what does not fit */
	PROBE = 1 << 20,
	DOWNTIME_MS = 100, /* as long as the last stop may take, unless it is said */
	RUNNING_SECONDS = 30,
	PATIENCE = 30,
};
/* Bytes a second that a processor compresses about as fast as a link takes them. */
#define SLOW_LINK (150UL << 20)

/* --- the other side's options -------------------------------------------------------------------- */

struct words {
	char *all[MOST_WORDS + 1];
	size_t count;
};

static int add_word(struct words *w, const char *name, const char *value, struct err *e)
{
	if (w->count == MOST_WORDS)
		return err_say(e, "there are too many options for the other side");
	if (asprintf(&w->all[w->count], "%s%s", name, value) < 0)
		return err_sys(e, "memory for the options of the other side");
	w->count++;
	return 0;
}

static void words_free(struct words *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->all[i]);
}

/* What a restore has to be told as well. */
static int tell_options(struct words *w, const struct options *opt, const char *address,
			struct err *e)
{
	static const char *const cgroup_words[] = {
		[CGROUPS_SOFT] = "soft", [CGROUPS_NONE] = "none",     [CGROUPS_PROPS] = "props",
		[CGROUPS_FULL] = "full", [CGROUPS_STRICT] = "strict", [CGROUPS_IGNORE] = "ignore",
	};
	const struct {
		bool given;
		const char *word;
	} flags[] = {
		{ opt->shell_job, "--shell-job" },
		{ opt->file_locks, "--file-locks" },
		{ opt->tcp_established, "--tcp-established" },
		{ opt->tcp_close, "--tcp-close" },
		{ opt->ext_unix_sk, "--ext-unix-sk" },
		{ opt->leave_stopped, "--leave-stopped" },
		{ opt->network_lock == NETWORK_LOCK_SKIP, "--network-lock=skip" },
		{ opt->file_validation == FILE_VALIDATION_FILESIZE, "--file-validation=filesize" },
		{ !opt->cpu_cap, "--cpu-cap=none" },
	};

	if (add_word(w, "--manage-cgroups=", cgroup_words[opt->cgroup_mode], e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].given && add_word(w, flags[i].word, "", e) < 0)
			return e->code;
	for (size_t i = 0; i < opt->external.count; i++)
		if (add_word(w, "--external=", opt->external.item[i], e) < 0)
			return e->code;
	if (address[0] && add_word(w, "--move-address=", address, e) < 0)
		return e->code;
	for (size_t i = 0; i < opt->migrate.remote_options.count; i++)
		if (add_word(w, opt->migrate.remote_options.item[i], "", e) < 0)
			return e->code;
	return 0;
}

/* --- before anything is touched ------------------------------------------------------------------ */

static int refuse_list(char *list, struct err *e)
{
	char text[LISTED + 64] = "";
	size_t count = 0, left_out = 0, used = 0;

	for (char *line = list, *next; *line; line = next) {
		char *tab;

		next = line + strcspn(line, "\n");
		next += *next != 0;
		if (next > line && next[-1] == '\n')
			next[-1] = 0;
		if (strncmp(line, "file\t", 5) == 0 && (tab = strchr(line + 5, '\t'))) {
			*tab = 0;
			word_read(line + 5);
			used += snprintf(text + used, used < LISTED ? LISTED - used : 0,
					 "%s'%s' %s", count ? "; " : " ", line + 5, tab + 1);
		} else {
			used += snprintf(text + used, used < LISTED ? LISTED - used : 0, "%s%s",
					 count ? "; " : " ", line);
		}
		count++;
		left_out += used >= LISTED;
		used = used < LISTED ? used : LISTED - 1;
	}
	if (left_out)
		snprintf(text + strlen(text), 60, "; and %zu more", left_out);
	return err_say(e, "%zu %s there:%s", count,
		       count == 1 ? "thing does not fit" : "things do not fit", text);
}

/* Of an answer: files that can be sent are, and their lines are taken out. */
static int send_missing(struct source *s, char *list, struct err *e)
{
	char *kept = list;

	for (char *line = list, *next; *line; line = next) {
		struct wanted_file key, *f = NULL;
		size_t size = strcspn(line, "\n");
		char path[4096];

		next = line + size + (line[size] != 0);
		if (s->opt->migrate.with_files && sscanf(line, "file\t%4095[^\t]", path) == 1) {
			key.path = word_read(path);
			for (size_t i = 0; i < s->files.count && !f; i++)
				if (strcmp(s->files.all[i].path, key.path) == 0)
					f = &s->files.all[i];
		}
		if (f && (f->writes || memmem(line, size, "\tis missing", 11))) {
			if (send_file(&s->channel, f, e) < 0)
				return e->code;
			continue;
		}
		memmove(kept, line, next - line);
		kept += next - line;
	}
	*kept = 0;
	return 0;
}

static int compare(struct source *s, struct err *e)
{
	struct offer offer = { 0 };
	own_mem char *text = NULL;
	own_message_in m = { 0 };
	own_pids tree = { 0 };
	int size;

	if (tree_pids(s->opt->tree, &tree, e) < 0 || tree_check_sockets(&tree, s->opt, e) < 0 ||
	    wanted_files_find(&tree, &s->files, e) < 0)
		return e->code;
	if (offer_make(s->opt, &tree, &s->files, &offer, e) < 0) {
		free(offer.text);
		return e->code;
	}
	s->progress->memory = offer.memory;
	size = asprintf(&text, "id\t%s\n%s", s->id, offer.text);
	free(offer.text);
	if (size < 0)
		return err_sys(e, "memory for the offer");
	if (channel_greet(&s->channel, e) < 0 ||
	    channel_send(&s->channel, MESSAGE_OFFER, text, size, e) < 0 ||
	    channel_expect(&s->channel, MESSAGE_ANSWER, &m, 0, e) < 0)
		return e->code;
	if (!s->opt->dry_run && send_missing(s, m.data, e) < 0)
		return e->code;
	return m.data[0] ? refuse_list(m.data, e) : 0;
}

/* Compresses if the link is slower than the processors, and nobody has said what they want. */
static int choose_compression(struct source *s, struct options *opt, struct err *e)
{
	own_mem char *buf = malloc(PROBE);
	own_message_in m = { 0 };
	uint64_t start = io_now_us(), rate, took;
	uint32_t seed = 1;

	if (opt->migrate.plain || opt->compress.codec)
		return 0;
	if (!buf)
		return err_sys(e, "memory for a probe");
	for (size_t i = 0; i < PROBE; i++) /* what ssh could compress would tell nothing */
		buf[i] = (seed = seed * 1664525 + 1013904223) >> 24;
	if (channel_send(&s->channel, MESSAGE_PROBE, buf, PROBE, e) < 0 ||
	    channel_expect(&s->channel, MESSAGE_PROBE, &m, 0, e) < 0)
		return e->code;
	took = io_now_us() - start;
	rate = PROBE * 1000000ULL / (took ? took : 1);
	if (opt->migrate.bandwidth && opt->migrate.bandwidth < rate)
		rate = opt->migrate.bandwidth;
	if (rate < SLOW_LINK * thread_processors())
		opt->compress = (struct compression){ .codec = codec_find("zstd"), .level = 1 };
	log_debug("the link takes %lu MiB a second: %s", rate >> 20,
		  opt->compress.codec ? "compressed" : "as it is");
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------------ */

static void say_running(struct source *s)
{
	own_message_in m = { 0 };
	struct err e = { 0 };

	/* It is there already; this is only to know since when. */
	if (channel_expect(&s->channel, MESSAGE_RUNNING, &m, RUNNING_SECONDS, &e) < 0)
		log_debug("%s", e.text);
	s->progress->ended_at = io_now_us();
}

static int say_doubt(const struct source *s, struct err *e)
{
	err_code(
		e, EINPROGRESS,
		"the link was lost while the tree was handed over, and '%s' does not answer; it stands "
		"still here",
		s->opt->migrate.host);
	return err_hint(e,
			"'stasis migrate --resume %s' asks again, '--abort %s --force' takes it "
			"back if it does not run there",
			s->id, s->id);
}

/* The one who dumped is gone, or has nobody heard: whoever has it, it stands still here. */
static int settle(struct source *s, struct err *e)
{
	own_record r = { .fd = -1 };
	enum handover_owner owner;
	struct err why = { 0 };

	if (record_open(&r, SIDE_SOURCE, s->id, e) < 0)
		return e->code;
	owner = settle_ask_patiently(&s->transport, s->id, PATIENCE, &why);
	if (owner == OWNER_UNKNOWN)
		return say_doubt(s, e);
	if (owner == OWNER_THERE)
		return settle_there(&r, e);
	if (settle_here(&r, e) < 0)
		return e->code;
	return err_code(e, ECANCELED, "the link was lost; the tree goes on here");
}

/* If it is gone: what it has said at last says more than that. */
static void hear_why(struct source *s, struct err *e)
{
	own_message_in m = { 0 };
	struct err ignored = { 0 };

	for (int i = 0; i < 4 && (e->code == -EPIPE || e->code == -ENOTCONN); i++) {
		message_free(&m);
		if (channel_receive(&s->channel, &m, 2, &ignored) < 0)
			return;
		if (m.kind == MESSAGE_REFUSED)
			err_code(e, ECONNREFUSED, "the other side: %s", m.data);
	}
}

static int move(struct source *s, struct options *opt, tree_fn dump, struct err *e)
{
	struct handover h;
	int r;

	record_forget_old();
	if (record_create(&s->record, SIDE_SOURCE, s->id, e) < 0)
		return e->code;
	source_handover(s, &h);
	opt->handover = &h;
	opt->stream = true;
	opt->stream_fd = s->channel.out;
	progress_tell(s->progress);
	r = dump(opt, e);
	progress_hush(s->progress);
	opt->handover = NULL;
	if (r == -EINPROGRESS) {
		*e = (struct err){ 0 };
		r = settle(s, e);
	} else if (r == 0) {
		struct err later = { 0 };

		if (record_change(&s->record, 1 << STATE_GIVEN, STATE_DONE, NULL, &later) < 0)
			log_warn("%s", later.text);
	}
	if (r < 0 && r != -EINPROGRESS) {
		hear_why(s, e);
		record_remove(&s->record);
	}
	return r < 0 ? r : 0;
}

static int run(struct source *s, struct options *opt, tree_fn dump, struct err *e)
{
	if (compare(s, e) < 0)
		return e->code;
	progress_event(s->progress, "checked", "");
	if (opt->dry_run) {
		if (!opt->json_stats)
			printf("all that pid %d needs is on %s\n", opt->tree, opt->migrate.host);
		return 0;
	}
	if (choose_compression(s, opt, e) < 0 || move(s, opt, dump, e) < 0)
		return e->code;
	say_running(s);
	s->progress->phase = PHASE_DONE;
	progress_summary(s->progress, opt->migrate.host);
	return 0;
}

static int prepare(struct source *s, struct options *opt, struct words *w, struct err *e)
{
	if (!s->progress)
		return err_sys(e, "memory for numbers");
	if (opt->leave_running)
		return err_say(e, "a tree that moves does not stay: leave --leave-running out");
	if (opt->freeze == FREEZE_COW)
		return err_say(e, "--mode is stop, precopy or auto");
	if (!opt->max_freeze)
		opt->max_freeze = DOWNTIME_MS;
	if (opt->migrate.move_address) {
		if (address_find(opt->migrate.move_address, s->address, sizeof(s->address), e) < 0)
			return e->code;
		opt->tcp_established = true;
	}
	if (record_name(s->id, e) < 0 || tell_options(w, opt, s->address, e) < 0 ||
	    stream_folder(&opt->images_fd, e) < 0)
		return e->code;
	return channel_open(&s->channel, &s->transport, e);
}

int migrate_run(struct options *opt, tree_fn dump, struct err *e)
{
	const struct migrate_options *m = &opt->migrate;
	__attribute__((cleanup(words_free))) struct words words = { .count = 0 };
	struct source s = { .opt = opt,
			    .transport = { m->transport, m->host,
					   m->remote_program ? m->remote_program : "stasis",
					   words.all },
			    .channel = { .in = -1, .out = -1 },
			    .record = { .fd = -1 },
			    .progress = progress_new(opt->json_stats) };
	struct err later = { 0 };
	int r = prepare(&s, opt, &words, e);

	if (r == 0)
		r = run(&s, opt, dump, e);
	channel_close(&s.channel);
	record_close(&s.record);
	wanted_files_free(&s.files);
	if (r == 0 && !opt->dry_run && scripts_run(opt, "post-migrate", opt->tree, &later) < 0)
		log_warn("%s", later.text);
	if (r < 0 && s.progress)
		progress_event_text(s.progress, r == -EINPROGRESS ? "in doubt" : "failed", "why",
				    e->text);
	progress_free(s.progress);
	return r;
}
