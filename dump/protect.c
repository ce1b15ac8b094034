/*
 * Continuous checkpoints; see protect.h. An increment that fails, be it that the process has something open just then that
 * cannot be saved, or that the disk is full, leaves those before it as they are; the next one tries again. The first one
 * has to work.
 *
 * Signals that ask for an end wait until an increment is complete: it takes as long as that to take it back.
 */
#include "dump/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dump/chain.h"
#include "dump/dump.h"
#include "images/image.h"
#include "images/tracking.h"
#include "lib/io.h"
#include "lib/own.h"
#include "lib/proc.h"

struct protection {
	const struct options *opt;
	struct chain chain;
	int process; /* pidfd of the root */
	int inner;   /* its number in the images */
	int signals; /* signalfd */
	FILE *out;
};

/* What an increment costs. */
struct cost {
	struct dump_stats stats;
	unsigned number;
	uint64_t bytes, merge_us, us;
};

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* What can be saved of a process that has just ended is its exit status, and nobody wants that started again. */
static int check_alive(int folder, int pid, struct err *e)
{
	char name[IMAGE_NAME_MAX];

	if (faccessat(folder, image_name(name, IMG_MM, pid), F_OK, 0) == 0)
		return 0;
	return err_code(e, ESRCH, "pid %d has ended", pid);
}

static int make(struct protection *p, struct cost *cost, struct err *e)
{
	const struct chain *c = &p->chain;
	struct options opt = *p->opt;
	char name[CHAIN_NAME_MAX], before[CHAIN_NAME_MAX + 3];
	own_fd folder = -1;

	if (chain_begin(&p->chain, &folder, e) < 0)
		return e->code;
	if (c->count)
		snprintf(before, sizeof(before), "../%s",
			 chain_name(name, c->numbers[c->count - 1]));
	opt.images_fd = folder;
	opt.prev_images_dir = c->count ? before : NULL;
	opt.track_mem = opt.leave_running = true;
	opt.dump_stats = &cost->stats;
	if (dump_run(&opt, e) < 0 || check_alive(folder, p->inner, e) < 0)
		return e->code;
	return chain_publish(&p->chain, e);
}

static void say_cost(const struct protection *p, const struct cost *cost)
{
	char name[CHAIN_NAME_MAX];

	fprintf(p->out, "%s: frozen %.3f ms, %" PRIu64 " pages, %" PRIu64 " bytes, %.3f ms in all",
		chain_name(name, cost->number), cost->stats.frozen_time / 1e3,
		cost->stats.pages_written + cost->stats.shpages_written, cost->bytes,
		cost->us / 1e3);
	if (cost->merge_us)
		fprintf(p->out, ", %.3f ms of it to merge older ones", cost->merge_us / 1e3);
	if (cost->us > p->opt->every_us)
		fprintf(p->out, "; longer than --every, so the next one follows at once");
	fprintf(p->out, "\n");
	fflush(p->out);
}

static void say_failure(const struct protection *p, const char *what, const struct err *why)
{
	char text[sizeof(why->text) + sizeof(why->hint) + 4];

	fprintf(p->out, "%s: %s\n", what, err_text(why, text, sizeof(text)));
	fflush(p->out);
}

/* That older ones cannot be merged costs room, and no checkpoint. */
static void shorten(struct protection *p, struct cost *cost)
{
	uint64_t start = io_now_us();
	struct err why = { 0 };
	int r = chain_shorten(&p->chain, p->opt->keep, p->opt->compress, &why);

	if (r > 0)
		cost->merge_us = io_now_us() - start;
	if (r < 0)
		say_failure(p, "older checkpoints could not be merged, and are all kept", &why);
}

static int increment(struct protection *p, struct err *e)
{
	struct cost cost = { .number = p->chain.next };
	uint64_t start = io_now_us();
	char name[CHAIN_NAME_MAX];

	if (make(p, &cost, e) < 0) {
		chain_abandon(&p->chain);
		if (p->chain.count && !is_readable(p->process)) {
			say_failure(p, chain_name(name, cost.number), e);
			*e = (struct err){ 0 };
		}
		return e->code;
	}
	cost.bytes = chain_bytes(&p->chain, cost.number);
	shorten(p, &cost);
	cost.us = io_now_us() - start;
	say_cost(p, &cost);
	return 0;
}

/* Until the time has come, the process has ended, or somebody wants us to. */
static void wait_until(const struct protection *p, uint64_t when)
{
	struct pollfd fds[] = { { .fd = p->process, .events = POLLIN },
				{ .fd = p->signals, .events = POLLIN } };
	struct timespec ts = { 0 };
	uint64_t now = io_now_us();

	if (now < when) {
		ts.tv_sec = (when - now) / 1000000;
		ts.tv_nsec = (when - now) % 1000000 * 1000;
	}
	(void)!ppoll(fds, ARRAY_SIZE(fds), &ts, NULL);
}

static int loop(struct protection *p, struct err *e)
{
	while (!is_readable(p->process) && !is_readable(p->signals)) {
		uint64_t start = io_now_us();

		if (increment(p, e) < 0 && (p->chain.count == 0 || !is_readable(p->process)))
			return e->code;
		wait_until(p, start + p->opt->every_us);
	}
	return 0;
}

static void say_end(const struct protection *p)
{
	const char *dir = p->opt->images_dir ? p->opt->images_dir : ".";

	if (is_readable(p->process))
		fprintf(p->out,
			"pid %d has ended; 'stasis restore -D %s' starts it as it last was\n",
			p->opt->tree, dir);
	else
		fprintf(p->out,
			"pid %d goes on unprotected, and nothing of it is tracked any more\n",
			p->opt->tree);
	fflush(p->out);
}

static int open_signals(int *ret, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*ret = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret < 0 ? err_sys(e, "signalfd") : 0;
}

static int run(struct protection *p, struct err *e)
{
	struct err later = { 0 };
	int r = loop(p, e);

	if (tracking_end(p->opt->tree, &later) < 0 && r == 0) {
		*e = later;
		r = e->code;
	}
	if (r == 0)
		say_end(p);
	return r;
}

int protect_run(const struct options *opt, FILE *out, struct err *e)
{
	struct protection p = { .opt = opt, .out = out };
	own_fd process = syscall(SYS_pidfd_open, opt->tree, 0);
	own_fd proc = -1;
	own_fd signals = -1;
	char name[CHAIN_NAME_MAX];
	int r;

	if (process < 0)
		return err_sys(e, "open the process");
	if (proc_open(opt->tree, &proc, e) < 0 ||
	    proc_inner(proc, "status", "NSpid:", &p.inner, e) < 0)
		return e->code;
	if (opt->freeze == FREEZE_COW) {
		err_say(e, "--freeze=cow cannot tell what was written since another dump");
		return err_hint(e, "use --freeze=auto");
	}
	if (open_signals(&signals, e) < 0)
		return e->code;
	p.process = process;
	p.signals = signals;
	r = chain_open(&p.chain, opt->images_fd, p.inner, e);
	if (r < 0)
		err_on(e, "'%s'", opt->images_dir ? opt->images_dir : ".");
	if (r == 0 && p.chain.count)
		fprintf(out, "continues after %s\n",
			chain_name(name, p.chain.numbers[p.chain.count - 1]));
	if (r == 0)
		r = run(&p, e);
	chain_close(&p.chain);
	return r;
}
