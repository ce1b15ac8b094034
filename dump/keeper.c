/* Tracking between dumps; see keeper.h. */
#include "dump/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dump/trackers.h"
#include "images/image.h"
#include "images/tracking.pb-c.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "lib/uffd.h"

#define FOLDER "/run/stasis"

static int open_folder(bool create, int *ret, struct err *e)
{
	if (create && mkdir(FOLDER, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "create '%s'", FOLDER);
	*ret = open(FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open '%s'", FOLDER) : 0;
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

/* A process that is the one of this start time, and not another that has got its number. -1: it is gone. */
static int open_process(int pid, uint64_t start_time)
{
	own_fd fd = syscall(SYS_pidfd_open, pid, 0);
	struct err ignored = { 0 };
	uint64_t is;

	if (fd < 0 || start_time_of(pid, &is, &ignored) < 0 || is != start_time)
		return -1;
	return take_fd(&fd);
}

/* 0: there is none. */
static int load(int tree, TrackingEntry **ret, struct err *e)
{
	own_fd folder = -1;
	int r;

	if (open_folder(false, &folder, e) < 0)
		return e->code == -ENOENT ? 0 : e->code;
	r = image_load(folder, IMG_TRACKING, tree, ret, e);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? err_on(e, "'%s'", FOLDER) : 1;
}

static int fetch_suspects(struct track *k, const TrackedEntry *t, struct err *e)
{
	for (size_t i = 0; i < t->n_suspect; i++) {
		const AddressRangeEntry *s = t->suspect[i];
		uint64_t end = k->suspect.count ? k->suspect.all[k->suspect.count - 1].end : 0;

		if (s->start >= s->end || s->start < end)
			return err_say(e, "what '%s' says of pid %u is damaged", FOLDER, t->pid);
		if (ranges_append(&k->suspect, s->start, s->end, e) < 0)
			return e->code;
	}
	return 0;
}

/* A process that has ended, or called execve(), is passed over. */
static int fetch_one(struct dump *d, int keeper, const TrackedEntry *t, struct err *e)
{
	struct track k = { .pid = t->pid, .start_time = t->start_time, .proc_fd = -1, .uffd = -1 };
	struct err gone = { 0 };
	struct task *task = pool_new(&d->pool, struct task);
	int r;

	own_fd process = open_process(t->pid, t->start_time);
	own_fd held = syscall(SYS_pidfd_getfd, keeper, t->uffd, 0);
	if (process < 0 || held < 0 || (!t->has_mark && !uffd_lives(held)) ||
	    proc_open(t->pid, &k.proc_fd, &gone) < 0)
		return 0;
	task->dump = d;
	task->pid = t->pid;
	k.task = task;
	if (t->has_mark)
		soft_track_put(d, &k, take_fd(&held), t->mark);
	else
		k.uffd = take_fd(&held);
	r = fetch_suspects(&k, t, e);
	if (r == 0)
		r = track_add(d, &k, e);
	if (r < 0)
		track_close(&k);
	return r;
}

static int fetch_all(struct dump *d, const TrackingEntry *kept, const char *images, struct err *e)
{
	own_fd keeper = open_process(kept->keeper, kept->keeper_start_time);

	if (keeper < 0) {
		log_info("the keeper is gone, so all pages are saved");
		return 0;
	}
	if (!images || strcmp(images, kept->images) != 0) {
		log_warn("the images named by --prev-images-dir are not those that pages were "
			 "tracked since, so all are saved");
		return 0;
	}
	for (size_t i = 0; i < kept->n_tasks; i++)
		if (fetch_one(d, keeper, kept->tasks[i], e) < 0)
			return e->code;
	return 0;
}

int keeper_fetch(struct dump *d, const char *images, struct err *e)
{
	own_message TrackingEntry *kept = NULL;
	int r = load(d->opt->tree, &kept, e);

	if (r == 0)
		log_info("nothing is tracked yet, so all pages are saved");
	if (r <= 0)
		return r;
	if (fetch_all(d, kept, images, e) < 0)
		return e->code;
	/* What is protected anew from here on would be missing from what the keeper holds. */
	return keeper_end(d->opt->tree, e) < 0 ? e->code : 0;
}

static TrackedEntry *entry_of(struct dump *d, const struct track *k)
{
	TrackedEntry *t = pool_new(&d->pool, TrackedEntry);

	tracked_entry__init(t);
	t->pid = k->pid;
	t->start_time = k->start_time;
	t->uffd = track_held(k); /* the keeper is a fork of us */
	t->has_mark = k->soft != NULL;
	t->mark = k->soft ? k->soft->mark : 0;
	t->suspect = pool_array(&d->pool, AddressRangeEntry *, k->suspect.count + 1);
	for (size_t i = 0; i < k->suspect.count; i++) {
		AddressRangeEntry *s = pool_new(&d->pool, AddressRangeEntry);

		address_range_entry__init(s);
		s->start = k->suspect.all[i].start;
		s->end = k->suspect.all[i].end;
		t->suspect[t->n_suspect++] = s;
	}
	return t;
}

/* Everything that we have open but what tracks hold goes, so that nobody waits for the keeper to let go of it. */
static void close_others(const struct tracks *tracks)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	long most = sysconf(_SC_OPEN_MAX);

	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	for (int fd = 3; fd < most; fd++) {
		bool ours = false;

		for (size_t i = 0; i < tracks->count && !ours; i++)
			ours = track_held(&tracks->all[i]) == fd;
		if (!ours)
			close(fd);
	}
}

static void await_end(int pid, uint64_t start_time)
{
	own_fd process = open_process(pid, start_time);
	struct pollfd end = { .fd = process, .events = POLLIN };

	while (process >= 0 && poll(&end, 1, -1) < 0 && errno == EINTR)
		;
}

/* Whoever dies before the file names us leaves nobody behind that knows of us. */
static void await_go(int go)
{
	char word;

	if (read(go, &word, 1) != 1)
		_exit(1);
}

/* It has nothing to do but to be there: until the last of the processes is gone, or somebody ends it. */
static _Noreturn void keep(const struct dump *d, int go)
{
	const struct tracks *tracks = d->tracks;
	struct err ignored = { 0 };
	own_fd folder = -1;

	setsid();
	prctl(PR_SET_PDEATHSIG, 0);
	prctl(PR_SET_NAME, "stasis-keeper");
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	(void)!chdir("/");
	await_go(go);
	close_others(tracks);
	for (size_t i = 0; i < tracks->count; i++)
		await_end(tracks->all[i].pid, tracks->all[i].start_time);
	if (open_folder(false, &folder, &ignored) == 0) {
		char name[IMAGE_NAME_MAX];

		unlinkat(folder, image_name(name, IMG_TRACKING, d->opt->tree), 0);
	}
	_exit(0);
}

/*
 * Both the tree and the command go on while it lives, so it is nobody's child. It leaves again unless *ret_go, a pipe, is
 * written to.
 */
static int fork_keeper(const struct dump *d, pid_t *ret, int *ret_go, struct err *e)
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
		pid_t keeper = fork();

		close(go_to);
		if (keeper == 0)
			keep(d, go_from);
		_exit(write(to, &keeper, sizeof(keeper)) != sizeof(keeper));
	}
	if (between < 0)
		return err_sys(e, "fork");
	while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
		;
	if (read(from, ret, sizeof(*ret)) != sizeof(*ret) || *ret <= 0)
		return err_say(e, "the keeper could not be started");
	*ret_go = take_fd(&go_to);
	return 0;
}

static int write_state(struct dump *d, TrackingEntry *state, struct err *e)
{
	own_fd folder = -1;

	state->tasks = pool_array(&d->pool, TrackedEntry *, d->tracks->count + 1);
	for (size_t i = 0; i < d->tracks->count; i++)
		if (track_held(&d->tracks->all[i]) >= 0)
			state->tasks[state->n_tasks++] = entry_of(d, &d->tracks->all[i]);
	if (open_folder(true, &folder, e) < 0)
		return e->code;
	return image_save(folder, IMG_TRACKING, d->opt->tree, state, e);
}

int keeper_start(struct dump *d, const char *images, struct err *e)
{
	TrackingEntry state;
	pid_t keeper = 0;
	own_fd go = -1;

	if (keeper_end(d->opt->tree, e) < 0)
		return e->code;
	if (!d->tracks || d->tracks->count == 0)
		return 0;
	tracking_entry__init(&state);
	state.images = pool_text(&d->pool, images);
	if (fork_keeper(d, &keeper, &go, e) < 0 ||
	    start_time_of(keeper, &state.keeper_start_time, e) < 0)
		return e->code;
	state.keeper = keeper;
	return write_state(d, &state, e) < 0 ? e->code : io_write(go, "", 1, "the keeper", e);
}

int keeper_end(int tree, struct err *e)
{
	own_message TrackingEntry *kept = NULL;
	char name[IMAGE_NAME_MAX];
	own_fd folder = -1;
	struct pollfd end = { .events = POLLIN };
	int r = load(tree, &kept, e);

	if (r <= 0)
		return r;
	if (open_folder(false, &folder, e) < 0)
		return e->code;
	if (unlinkat(folder, image_name(name, IMG_TRACKING, tree), 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove '%s/%s'", FOLDER, name);
	own_fd keeper = open_process(kept->keeper, kept->keeper_start_time);
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

	if (load(tree, &kept, &ignored) <= 0)
		return false;
	for (size_t i = 0; i < kept->n_tasks; i++) {
		const TrackedEntry *t = kept->tasks[i];

		if (t->has_mark && syscall(SYS_kcmp, t->pid, pid, KCMP_VM, 0, 0) == 0)
			return true;
	}
	return false;
}

int keeper_end_of_memory(int pid, struct err *e)
{
	own_dir folder = opendir(FOLDER);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		int tree;

		if (sscanf(entry->d_name, "tracking-%d", &tree) == 1 && holds(tree, pid) &&
		    keeper_end(tree, e) < 0)
			return e->code;
	}
	return 0;
}
