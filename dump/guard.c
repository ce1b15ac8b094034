/* The guardian of a dump; see guard.h. */
#include "dump/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/io.h"
#include "dump/give.h"
#include "lib/log.h"
#include "lib/namespaces.h"
#include "lib/netlock.h"
#include "lib/own.h"
#include "lib/proc.h"
#include "lib/repair.h"
#include "lib/stats.h"

/* Address space, not memory: pages come as they are touched. */
enum { GUARD_SIZE = 64 << 20 };

/* A process that is to be ended or stopped when the dump is complete. */
struct ending {
	int pid, signal;
	uint64_t start_time; /* tells it from another one that has got its number */
};

struct guard_file {
	const char *name, *text; /* name NULL: none */
	volatile bool counts;
};

struct note {
	struct note *next;
	struct injection injection; /* pid 0: none */
	struct ending ending;	    /* pid 0: none */
	struct guard_socket socket; /* pid 0: none */
	struct guard_file file;
	const char *lock;	    /* the name of a network lock, NULL: none */
	int lock_pid;		    /* in whose network namespace; 0: in ours */
	char path[];		    /* "": none */
};

struct guard {
	size_t used;
	int result;
	bool finished;	/* result and err are valid */
	bool committed; /* nothing is to be undone any more */
	bool given;	/* or may be somebody else's by now */
	volatile sig_atomic_t stop;
	int guardian;
	struct err err;
	struct dump_stats stats;
	struct note *notes; /* newest first */
	volatile bool peeking;
	struct guard_peek peek;
};

/* The signal handlers have no other way to it. */
static struct guard *current;
static volatile sig_atomic_t worker;

static void on_stop(int sig)
{
	if (worker > 0)
		kill(worker, sig); /* we are the guardian: hand it on, and wait */
	else if (current)
		current->stop = 1;
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_stop };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static void drop_signals(void)
{
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
}

int guard_alloc(struct guard *g, size_t size, void *ret, struct err *e)
{
	size = (size + 63) & ~63UL;
	if (size > GUARD_SIZE - g->used)
		return err_code(e, ENOMEM, "no room for %zu bytes of notes", size);
	*(void **)ret = (char *)g + g->used;
	g->used += size;
	return 0;
}

static int add_note(struct guard *g, size_t size, struct note **ret, struct err *e)
{
	if (guard_alloc(g, sizeof(struct note) + size, ret, e) < 0)
		return e->code;
	(*ret)->next = g->notes;
	return 0;
}

int guard_injection(struct guard *g, int pid, size_t threads, struct injection **ret, struct err *e)
{
	struct note *n = NULL;

	if (add_note(g, 0, &n, e) < 0 ||
	    guard_alloc(g, threads * sizeof(struct inject_thread), &n->injection.threads, e) < 0)
		return e->code;
	n->injection.pid = pid;
	n->injection.thread_count = threads;
	g->notes = n;
	*ret = &n->injection;
	return 0;
}

int guard_note_link(struct guard *g, const char *path, struct err *e)
{
	struct note *n = NULL;

	if (add_note(g, strlen(path) + 1, &n, e) < 0)
		return e->code;
	strcpy(n->path, path);
	g->notes = n;
	return 0;
}

int guard_note_ending(struct guard *g, int pid, uint64_t start_time, int signal, struct err *e)
{
	struct note *n = NULL;

	if (add_note(g, 1, &n, e) < 0)
		return e->code;
	n->ending = (struct ending){ pid, signal, start_time };
	g->notes = n;
	return 0;
}

int guard_note_socket(struct guard *g, const struct guard_socket *s, struct err *e)
{
	struct note *n = NULL;

	if (add_note(g, 1, &n, e) < 0)
		return e->code;
	n->socket = *s;
	g->notes = n;
	return 0;
}

static int keep_text(struct guard *g, const char *text, const char **ret, struct err *e)
{
	size_t size = strlen(text) + 1;
	char *copy = NULL;

	if (guard_alloc(g, size, &copy, e) < 0)
		return e->code;
	*ret = memcpy(copy, text, size);
	return 0;
}

int guard_note_file(struct guard *g, const char *path, const char *text, struct guard_file **ret,
		    struct err *e)
{
	struct note *n = NULL;

	if (add_note(g, 1, &n, e) < 0 || keep_text(g, path, &n->file.name, e) < 0 ||
	    keep_text(g, text, &n->file.text, e) < 0)
		return e->code;
	g->notes = n;
	*ret = &n->file;
	return 0;
}

void guard_file_begin(struct guard_file *f)
{
	f->counts = true;
}

void guard_file_end(struct guard_file *f)
{
	f->counts = false;
}

static void put_files_back(const struct guard *g)
{
	for (const struct note *n = g->notes; n; n = n->next) {
		struct err e = { 0 };

		if (n->file.counts && io_put(AT_FDCWD, n->file.name, n->file.text, &e) < 0)
			log_error("%s", e.text);
	}
}

int guard_note_lock(struct guard *g, const char *table, int pid, struct err *e)
{
	struct note *n = NULL;

	if (add_note(g, 1, &n, e) < 0 || keep_text(g, table, &n->lock, e) < 0)
		return e->code;
	n->lock_pid = pid;
	g->notes = n;
	return 0;
}

static int remove_lock(void *note, struct err *e)
{
	const struct note *n = note;

	return netlock_remove(n->lock, e);
}

/* With the last task of a namespace the lock is gone, too. */
static int remove_lock_there(struct note *n, struct err *e)
{
	char path[32];

	if (!n->lock_pid)
		return remove_lock(n, e);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", n->lock_pid);
	own_fd ns = open(path, O_RDONLY | O_CLOEXEC);
	return ns < 0 ? 0 : namespace_visit(NS_NET, ns, remove_lock, n, e);
}

void guard_remove_locks(struct guard *g)
{
	for (struct note *n = g->notes; n; n = n->next) {
		struct err e = { 0 };

		if (n->lock && remove_lock_there(n, &e) < 0)
			log_error("%s", e.text);
		n->lock = NULL;
	}
}

void guard_peek_begin(struct guard *g, const struct guard_peek *was)
{
	g->peek = *was;
	g->peeking = true;
}

void guard_peek_end(struct guard *g)
{
	g->peeking = false;
}

void guard_remove_links(struct guard *g)
{
	for (struct note *n = g->notes; n; n = n->next) {
		if (n->injection.pid || !n->path[0])
			continue;
		unlink(n->path);
		n->path[0] = 0;
	}
}

void guard_give(struct guard *g)
{
	g->given = true;
}

void guard_keep(struct guard *g)
{
	g->given = false;
}

void guard_commit(struct guard *g, const struct dump_stats *stats)
{
	g->stats = *stats;
	g->committed = true;
}

int guard_check(struct guard *g, struct err *e)
{
	/* PR_SET_PDEATHSIG can be lost (it is cleared by some credential changes): look as well. */
	if (getppid() != g->guardian)
		return err_code(e, EINTR, "the dump was killed");
	if (g->stop)
		return err_code(e, EINTR, "the dump was interrupted");
	return 0;
}

static void do_work(struct guard *g, const struct options *opt,
		    int (*work)(struct guard *, void *, struct err *), void *arg)
{
	struct err e = { 0 };

	sigset_t term;

	worker = 0;
	/* Whoever called us may want no signals; ours is that the guardian is gone. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &term, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	g->result = work(g, arg, &e);
	g->err = e;
	g->stats = *opt->dump_stats;
	g->finished = true;
	fflush(NULL);
	_exit(0);
}

/* A pidfd, unless it is another process by now. */
static int open_process(int pid, uint64_t start_time)
{
	struct err ignored = { 0 };
	struct proc_stat stat;
	own_fd proc = -1;
	own_fd fd = pid ? syscall(SYS_pidfd_open, pid, 0) : -1;

	if (fd < 0 || proc_open(pid, &proc, &ignored) < 0 ||
	    proc_stat_read(proc, &stat, &ignored) < 0 || stat.start_time != start_time)
		return -1;
	return take_fd(&fd);
}

/* A copy of a socket, if that one is still there. */
static int open_socket(int pid, uint64_t start_time, int num, uint64_t ino)
{
	own_fd process = open_process(pid, start_time);
	own_fd fd = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, num, 0);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == ino ? take_fd(&fd) : -1;
}

static void put_peek_back(const struct guard_peek *was)
{
	own_fd fd = open_socket(was->pid, was->start_time, was->num, was->ino);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &was->offset, sizeof(was->offset));
}

static void end_repair(const struct guard *g)
{
	for (const struct note *n = g->notes; n; n = n->next) {
		const struct guard_socket *s = &n->socket;
		own_fd fd = s->pid ? open_socket(s->pid, s->start_time, s->num, s->ino) : -1;

		if (fd >= 0)
			repair_end(fd, s->reuse);
	}
}

void guard_silence(struct guard *g)
{
	for (const struct note *n = g->notes; n; n = n->next) {
		const struct guard_socket *s = &n->socket;
		struct err e = { 0 };
		own_fd fd = s->closes ? open_socket(s->pid, s->start_time, s->num, s->ino) : -1;

		if (fd >= 0 && repair_begin(fd, &e) < 0)
			log_warn("a connection of pid %d: %s", s->pid, e.text);
	}
}

static void await_end(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
}

/* The images are complete: half a tree that runs on would be one too many. */
static void carry_out(struct guard *g)
{
	guard_silence(g);
	for (const struct note *n = g->notes; n; n = n->next) {
		own_fd fd = open_process(n->ending.pid, n->ending.start_time);

		if (fd >= 0)
			syscall(SYS_pidfd_send_signal, fd, n->ending.signal, NULL, 0);
	}
	for (const struct note *n = g->notes; n; n = n->next) {
		own_fd fd = n->ending.signal == SIGKILL ?
				    open_process(n->ending.pid, n->ending.start_time) :
				    -1;

		if (fd >= 0)
			await_end(fd);
	}
}

/* The worker died before it could say how it went. */
static int heal(struct guard *g, int status, struct err *e)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (g->committed) {
		carry_out(g);
		put_files_back(g);
		if (g->given)
			guard_remove_locks(g);
		log_warn("the process that dumps was killed by signal %d, when all was saved", sig);
		return 0;
	}
	if (g->given) {
		put_files_back(g);
		return give_doubt(e);
	}
	for (struct note *n = g->notes; n; n = n->next)
		if (n->injection.pid)
			inject_heal(&n->injection);
	if (g->peeking)
		put_peek_back(&g->peek);
	put_files_back(g);
	end_repair(g);
	guard_remove_locks(g);
	guard_remove_links(g);
	err_code(e, EINTR, "the process that dumps was killed by signal %d", sig);
	return err_hint(e, "what it had changed was put back, the target goes on");
}

/* A signal that comes before it is known whom to hand it on to would be heard by nobody: it waits. */
static void fork_worker(void)
{
	sigset_t stop, before;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGHUP);
	sigprocmask(SIG_BLOCK, &stop, &before);
	worker = fork();
	sigprocmask(SIG_SETMASK, &before, NULL);
}

int guard_run(const struct options *opt, int (*work)(struct guard *g, void *arg, struct err *e),
	      void *arg, struct err *e)
{
	struct guard *g = mmap(NULL, GUARD_SIZE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int status = 0, r;

	if (g == MAP_FAILED)
		return err_sys(e, "map memory for the guardian's notes");
	g->used = sizeof(*g);
	g->used = (g->used + 63) & ~63UL;
	g->guardian = getpid();
	current = g;
	catch_signals();
	fflush(NULL); /* or the worker would write it once more */
	fork_worker();
	if (worker == 0)
		do_work(g, opt, work, arg);
	if (worker < 0)
		return err_sys(e, "fork");
	while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
		;
	worker = 0;
	if (g->finished) {
		r = g->result;
		*e = g->err;
	} else {
		r = heal(g, status, e);
	}
	*opt->dump_stats = g->stats;
	drop_signals();
	current = NULL;
	munmap(g, GUARD_SIZE);
	return r;
}
