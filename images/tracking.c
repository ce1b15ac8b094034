/* Tracking that goes on while nobody dumps; see tracking.h. */
#include "images/tracking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "images/image.h"
#include "lib/io.h"
#include "lib/own.h"
#include "lib/proc.h"

static int open_folder(bool create, int *ret, struct err *e)
{
	if (create && mkdir(TRACKING_FOLDER, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "create '%s'", TRACKING_FOLDER);
	*ret = open(TRACKING_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open '%s'", TRACKING_FOLDER) : 0;
}

static int start_time_of(int pid, uint64_t *ret, struct err *e)
{
	struct proc_stat stat;
	own_fd proc = -1;

	if (proc_open(pid, &proc, e) < 0 || proc_stat_read(proc, &stat, e) < 0)
		return e->code;
	*ret = stat.start_time;
	return 0;
}

int tracking_process(int pid, uint64_t start_time)
{
	own_fd fd = syscall(SYS_pidfd_open, pid, 0);
	struct err ignored = { 0 };
	uint64_t is;

	if (fd < 0 || start_time_of(pid, &is, &ignored) < 0 || is != start_time)
		return -1;
	return take_fd(&fd);
}

int tracking_load(int tree, TrackingEntry **ret, struct err *e)
{
	own_fd folder = -1;
	int r;

	if (open_folder(false, &folder, e) < 0)
		return e->code == -ENOENT ? 0 : e->code;
	r = image_load(folder, IMG_TRACKING, tree, ret, e);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? err_on(e, "'%s'", TRACKING_FOLDER) : 1;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/*
 * Everything that we have open but what is kept and these two goes: at the other end of a pipe somebody may wait until all have let
 * go of it.
 */
static void close_others(const struct tracking *t, int a, int b)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), from = 3;
	own_mem int *keep = calloc(t->count + 3, sizeof(*keep));
	size_t count = t->count;

	if (!keep || null < 0)
		_exit(1);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	for (size_t i = 0; i < t->count; i++)
		keep[i] = t->tasks[i]->uffd;
	keep[count++] = a;
	keep[count++] = b;
	if (t->has_hashes)
		keep[count++] = t->hashes;
	qsort(keep, count, sizeof(*keep), by_number);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] > from)
			syscall(SYS_close_range, from, keep[i] - 1, 0);
		from = keep[i] + 1;
	}
	syscall(SYS_close_range, from, ~0U, 0);
}

static void await_end(int pid, uint64_t start_time)
{
	own_fd process = tracking_process(pid, start_time);
	struct pollfd end = { .fd = process, .events = POLLIN };

	while (process >= 0 && poll(&end, 1, -1) < 0 && errno == EINTR)
		;
}

/* Unless another one has come in our place. */
static void remove_state(int tree, int keeper)
{
	own_message TrackingEntry *kept = NULL;
	struct err ignored = { 0 };
	char name[IMAGE_NAME_MAX];
	own_fd folder = -1;

	if (tracking_load(tree, &kept, &ignored) == 1 && (int)kept->keeper != keeper)
		return;
	if (open_folder(false, &folder, &ignored) == 0)
		unlinkat(folder, image_name(name, IMG_TRACKING, tree), 0);
}

/* It has nothing to do but to be there: until the last of the processes is gone, or somebody ends it. */
static _Noreturn void keep(const struct tracking *t, int go, int there)
{
	pid_t self = getpid();
	char word;

	setsid();
	prctl(PR_SET_PDEATHSIG, 0);
	prctl(PR_SET_NAME, "stasis-keeper");
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	(void)!chdir("/");
	close_others(t, go, there);
	if (write(there, &self, sizeof(self)) != sizeof(self))
		_exit(1);
	close(there);
	/* Whoever dies meanwhile, perhaps before the file names us, leaves nothing behind. */
	bool kept = read(go, &word, 1) == 1;
	close(go);
	for (size_t i = 0; kept && i < t->count; i++)
		await_end(t->tasks[i]->pid, t->tasks[i]->start_time);
	remove_state(t->tree, self);
	_exit(0);
}

/*
 * Both the tree and the command go on while it lives, so it is nobody's child. It leaves again unless *ret_go, a pipe, is
 * written to.
 */
static int fork_keeper(const struct tracking *t, pid_t *ret, int *ret_go, struct err *e)
{
	int end[2], go[2];
	pid_t between;

	if (pipe2(end, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	own_fd from = end[0], to = end[1];
	if (pipe2(go, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	own_fd go_from = go[0], go_to = go[1];
	between = fork();
	if (between == 0) {
		if (fork() == 0)
			keep(t, go_from, to);
		_exit(0);
	}
	if (between < 0)
		return err_sys(e, "fork");
	while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
		;
	own_close(&to);
	to = -1;
	if (read(from, ret, sizeof(*ret)) != sizeof(*ret) || *ret <= 0)
		return err_say(e, "the keeper could not be started");
	*ret_go = take_fd(&go_to);
	return 0;
}

static int write_state(int tree, const TrackingEntry *state, struct err *e)
{
	own_fd folder = -1;

	if (open_folder(true, &folder, e) < 0)
		return e->code;
	return image_save(folder, IMG_TRACKING, tree, state, e);
}

int tracking_start(const struct tracking *t, struct err *e)
{
	TrackingEntry state;
	pid_t keeper = 0;
	own_fd go = -1;

	if (tracking_end(t->tree, e) < 0)
		return e->code;
	if (t->count == 0)
		return 0;
	tracking_entry__init(&state);
	state.images = (char *)t->images;
	state.tasks = t->tasks;
	state.n_tasks = t->count;
	state.shared = t->shared;
	state.n_shared = t->shared_count;
	state.has_hashes = t->has_hashes;
	state.hashes = t->hashes;
	if (fork_keeper(t, &keeper, &go, e) < 0 ||
	    start_time_of(keeper, &state.keeper_start_time, e) < 0)
		return e->code;
	state.keeper = keeper;
	return write_state(t->tree, &state, e) < 0 ? e->code : io_write(go, "", 1, "the keeper", e);
}

int tracking_end(int tree, struct err *e)
{
	own_message TrackingEntry *kept = NULL;
	char name[IMAGE_NAME_MAX];
	own_fd folder = -1;
	struct pollfd end = { .events = POLLIN };
	int r = tracking_load(tree, &kept, e);

	if (r <= 0)
		return r;
	if (open_folder(false, &folder, e) < 0)
		return e->code;
	if (unlinkat(folder, image_name(name, IMG_TRACKING, tree), 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove '%s/%s'", TRACKING_FOLDER, name);
	own_fd keeper = tracking_process(kept->keeper, kept->keeper_start_time);
	if (keeper < 0)
		return 0;
	syscall(SYS_pidfd_send_signal, keeper, SIGKILL, NULL, 0);
	end.fd = keeper;
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	return 1;
}

static bool holds(int tree, int pid)
{
	own_message TrackingEntry *kept = NULL;
	struct err ignored = { 0 };

	if (tracking_load(tree, &kept, &ignored) <= 0)
		return false;
	for (size_t i = 0; i < kept->n_tasks; i++) {
		const TrackedEntry *t = kept->tasks[i];

		if (t->has_mark && syscall(SYS_kcmp, t->pid, pid, KCMP_VM, 0, 0) == 0)
			return true;
	}
	return false;
}

int tracking_end_of_memory(int pid, struct err *e)
{
	own_dir folder = opendir(TRACKING_FOLDER);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		int tree;

		if (sscanf(entry->d_name, "tracking-%d", &tree) == 1 && holds(tree, pid) &&
		    tracking_end(tree, e) < 0)
			return e->code;
	}
	return 0;
}
