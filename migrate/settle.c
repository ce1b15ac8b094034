/*
 * Who has the tree; see settle.h and record.h. The target decides, so whoever asks it has an answer that stays. A tree whose
 * receiver was killed between its claim and its record of having it lives or does not, and that is looked at.
 */
#include "migrate/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/netlink_address.h"
#include "lib/netlock.h"
#include "lib/own.h"
#include "lib/proc.h"

enum { ANSWER_SECONDS = 20, PAUSE_US = 500000, SETTLING_US = 200000, TRIES = 25 };

static const char *boot_id(char buf[64])
{
	own_mem char *text = NULL;
	struct err ignored = { 0 };
	size_t size;

	snprintf(buf, 64, "unknown");
	if (io_slurp(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text, &size, &ignored) == 0)
		snprintf(buf, 64, "%.*s", (int)strcspn(text, "\n"), text);
	return buf;
}

/* --- records -------------------------------------------------------------------------------------- */

static int finish(FILE *to, struct err *e)
{
	return fclose(to) != 0 ? err_sys(e, "memory for a record") : 0;
}

int settle_describe(const struct transport *t, const struct handover_tree *tree,
		    const char *address, char **ret, struct err *e)
{
	char boot[64];
	size_t size;
	FILE *to = open_memstream(ret, &size);

	if (!to)
		return err_sys(e, "memory for a record");
	fprintf(to, "host %s\nprogram %s\nboot %s\n", t->host, t->program, boot_id(boot));
	if (t->command)
		fprintf(to, "transport %s\n", t->command);
	if (tree->lock)
		fprintf(to, "lock %s\n", tree->lock);
	if (address)
		fprintf(to, "address %s\n", address);
	for (size_t i = 0; i < tree->count; i++)
		fprintf(to, "task %d %lu %d\n", tree->tasks[i].pid, tree->tasks[i].start_time,
			tree->tasks[i].stopped);
	return finish(to, e);
}

int settle_describe_root(int root, char **ret, struct err *e)
{
	struct proc_stat stat;
	own_fd proc = -1;
	char boot[64];
	size_t size;
	FILE *to;

	if (proc_open(root, &proc, e) < 0 || proc_stat_read(proc, &stat, e) < 0)
		return e->code;
	to = open_memstream(ret, &size);
	if (!to)
		return err_sys(e, "memory for a record");
	fprintf(to, "boot %s\ntask %d %lu 0\n", boot_id(boot), root, stat.start_time);
	return finish(to, e);
}

static bool is_this_boot(const struct record *r)
{
	char was[64], is[64];

	return record_value(r, "boot", was, sizeof(was)) && strcmp(was, boot_id(is)) == 0;
}

/* A pidfd of the very process; -1: it is gone. */
static int open_task(const struct handover_task *t)
{
	struct err ignored = { 0 };
	struct proc_stat stat;
	own_fd proc = -1;
	own_fd fd = syscall(SYS_pidfd_open, t->pid, 0);

	if (fd < 0 || proc_open(t->pid, &proc, &ignored) < 0 ||
	    proc_stat_read(proc, &stat, &ignored) < 0 || stat.start_time != t->start_time ||
	    proc_stat_dead(&stat))
		return -1;
	return take_fd(&fd);
}

static bool next_task(const char **line, struct handover_task *ret)
{
	int stopped = 0;

	for (; *line; *line = strchr(*line, '\n'), *line += *line != NULL) {
		if (sscanf(*line, "task %d %lu %d", &ret->pid, &ret->start_time, &stopped) != 3)
			continue;
		ret->stopped = stopped;
		*line = strchr(*line, '\n');
		*line += *line != NULL;
		return true;
	}
	return false;
}

/* --- the target ----------------------------------------------------------------------------------- */

/* Nobody holds it stopped any more, and it is not about to die with its receiver. */
static bool lives(const struct record *r)
{
	const char *line = r->body;
	struct handover_task root;
	struct err ignored = { 0 };
	uint64_t tracer = 0;
	own_fd proc = -1;

	if (!is_this_boot(r) || !next_task(&line, &root))
		return false;
	for (int i = 0; i < TRIES; i++) {
		own_fd fd = open_task(&root);

		if (fd < 0)
			return false;
		own_close(&proc);
		proc = -1;
		if (proc_open(root.pid, &proc, &ignored) < 0 ||
		    proc_status_number(proc, "TracerPid", 10, &tracer, &ignored) < 0)
			return false;
		usleep(SETTLING_US);
		if (!tracer) {
			own_fd still = open_task(&root);

			return still >= 0;
		}
	}
	return true;
}

static int answer_claimed(struct record *r, enum handover_owner *ret, struct err *e)
{
	bool there;

	if (record_is_alive(r)) {
		*ret = OWNER_UNKNOWN;
		return 0;
	}
	there = lives(r);
	*ret = there ? OWNER_THERE : OWNER_HERE;
	return record_change(r, 1 << STATE_CLAIMED, there ? STATE_OWNED : STATE_ABORTED, NULL, e);
}

static int answer(struct record *r, enum handover_owner *ret, struct err *e)
{
	*ret = r->state == STATE_OWNED ? OWNER_THERE : OWNER_HERE;
	if (r->state == STATE_CLAIMED)
		return answer_claimed(r, ret, e);
	if (r->state == STATE_OFFERED || r->state == STATE_READY)
		return record_change(r, 1 << STATE_OFFERED | 1 << STATE_READY, STATE_ABORTED, NULL,
				     e);
	return 0;
}

/* One that was never heard of here must not turn up later. */
int settle_answer(const char *id, enum handover_owner *ret, struct err *e)
{
	own_record r = { .fd = -1 };
	int res = record_open(&r, SIDE_TARGET, id, e);

	if (res == -ENOENT) {
		*e = (struct err){ 0 };
		res = record_create(&r, SIDE_TARGET, id, e);
	}
	if (res == 0)
		res = answer(&r, ret, e);
	if (res == -EBUSY) { /* it has just been decided */
		*e = (struct err){ 0 };
		*ret = OWNER_UNKNOWN;
		return 0;
	}
	return res;
}

/* --- the source ----------------------------------------------------------------------------------- */

static int ask(struct channel *c, const char *id, enum handover_owner *ret, struct err *e)
{
	own_message_in m = { 0 };

	if (channel_greet(c, e) < 0 || channel_text(c, MESSAGE_ASK, id, e) < 0 ||
	    channel_expect(c, MESSAGE_STATE, &m, ANSWER_SECONDS, e) < 0)
		return e->code;
	*ret = strcmp(m.data, "there") == 0 ? OWNER_THERE :
	       strcmp(m.data, "here") == 0  ? OWNER_HERE :
					      OWNER_UNKNOWN;
	return 0;
}

int settle_ask(const struct transport *t, const char *id, enum handover_owner *ret, struct err *e)
{
	struct channel c;
	int r = channel_open(&c, t, e);

	*ret = OWNER_UNKNOWN;
	if (r == 0)
		r = ask(&c, id, ret, e);
	channel_close(&c);
	return r;
}

enum handover_owner settle_ask_patiently(const struct transport *t, const char *id,
					 unsigned seconds, struct err *e)
{
	uint64_t until = io_now_us() + seconds * 1000000ULL;
	enum handover_owner owner = OWNER_UNKNOWN;

	for (;;) {
		*e = (struct err){ 0 };
		if (settle_ask(t, id, &owner, e) == 0 && owner != OWNER_UNKNOWN)
			return owner;
		if (io_now_us() > until)
			return OWNER_UNKNOWN;
		usleep(PAUSE_US);
	}
}

static void signal_tasks(const struct record *r, int sig)
{
	const char *line = r->body;
	struct handover_task t;

	while (is_this_boot(r) && next_task(&line, &t)) {
		own_fd fd = open_task(&t);

		if (fd >= 0 && !(sig == SIGCONT && t.stopped))
			syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
	}
}

int settle_here(struct record *r, struct err *e)
{
	struct err later = { 0 };
	char lock[256];

	if (record_change(r, 1 << STATE_GIVEN | 1 << STATE_ABORTED, STATE_ABORTED, NULL, e) < 0)
		return e->code;
	if (record_value(r, "lock", lock, sizeof(lock)) && netlock_remove(lock, &later) < 0)
		log_warn("%s", later.text);
	signal_tasks(r, SIGCONT);
	return 0;
}

int settle_there(struct record *r, struct err *e)
{
	struct err later = { 0 };
	char text[256];

	signal_tasks(r, SIGKILL);
	if (record_value(r, "address", text, sizeof(text)) && address_take_down(text, &later) < 0)
		log_warn("%s", later.text);
	later = (struct err){ 0 };
	if (record_value(r, "lock", text, sizeof(text)) && netlock_remove(text, &later) < 0)
		log_warn("%s", later.text);
	return record_change(r, 1 << STATE_GIVEN | 1 << STATE_DONE, STATE_DONE, NULL, e);
}
