/* Freezing by control group; see freezer.h. */
#include "dump/freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/guard.h"
#include "lib/cgroup.h"
#include "lib/io.h"
#include "lib/log.h"

struct freezer {
	int dir;
	bool v2, was_frozen;
	dev_t dev;
	ino_t ino;
	struct guard_file *note; /* what puts it back if we are killed */
};

/* The file that is written, and what it says. */
static const char *file_of(const struct freezer *f)
{
	return f->v2 ? "cgroup.freeze" : "freezer.state";
}

static const char *word(const struct freezer *f, bool frozen)
{
	if (f->v2)
		return frozen ? "1" : "0";
	return frozen ? "FROZEN" : "THAWED";
}

static bool is_frozen(const struct freezer *f)
{
	return f->v2 ? cgroup_says(f->dir, "cgroup.events", "frozen 1") :
		       cgroup_says(f->dir, "freezer.state", "FROZEN");
}

static bool is_asked(const struct freezer *f)
{
	return f->v2 ? cgroup_says(f->dir, "cgroup.freeze", "1") :
		       cgroup_says(f->dir, "freezer.state", "FR");
}

static int note(struct dump *d, struct freezer *f, struct err *e)
{
	char path[PATH_MAX];
	ssize_t length =
		readlink(pool_format(&d->pool, "/proc/self/fd/%d", f->dir), path, sizeof(path) - 1);

	if (length < 0)
		return err_sys(e, "the path of '%s'", d->opt->freeze_cgroup);
	path[length] = 0;
	return guard_note_file(d->guard, pool_format(&d->pool, "%s/%s", path, file_of(f)),
			       word(f, f->was_frozen), &f->note, e);
}

static int open_group(struct dump *d, struct err *e)
{
	const char *path = d->opt->freeze_cgroup;
	struct freezer *f;
	struct stat st;
	own_fd dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || fstat(dir, &st) < 0)
		return err_sys(e, "open '%s' to freeze what is in it", path);
	f = pool_new(&d->pool, struct freezer);
	f->v2 = faccessat(dir, "cgroup.freeze", F_OK, 0) == 0;
	if (!f->v2 && faccessat(dir, "freezer.state", F_OK, 0) < 0) {
		err_say(e, "'%s' has neither 'cgroup.freeze' nor 'freezer.state'", path);
		return err_hint(e, "--freeze-cgroup takes a directory of cgroup v2, or of the "
				   "freezer, below its root");
	}
	f->dir = take_fd(&dir);
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->was_frozen = is_asked(f);
	d->freezer = f;
	return note(d, f, e);
}

/* A group of version 1 may stay on its way for good, until it is told again. */
static int await_frozen(struct dump *d, const struct freezer *f, struct err *e)
{
	unsigned seconds = d->opt->timeout ? d->opt->timeout : TIMEOUT_DEFAULT;
	uint64_t end = io_now_us() + seconds * 1000000ULL;

	for (unsigned int tries = 1; !is_frozen(f); tries++) {
		if (guard_check(d->guard, e) < 0)
			return e->code;
		if (io_now_us() > end) {
			err_code(e, ETIMEDOUT, "'%s' is not frozen after %u s",
				 d->opt->freeze_cgroup, seconds);
			return err_hint(e, "something in it waits in the kernel; --timeout sets "
					   "how long is waited");
		}
		if (!f->v2 && tries % 100 == 0 && io_put(f->dir, file_of(f), "FROZEN", e) < 0)
			return e->code;
		usleep(tries < 100 ? 100 : 1000);
	}
	return 0;
}

/* In the tree of processes a group is frozen for all that is below it. */
static int refuse_frozen(const struct dump *d, const struct cgroup_member *m, struct err *e)
{
	err_code(e, EBUSY, "pid %d is in a frozen cgroup ('%s' of '%s')", d->opt->tree, m->path,
		 cgroup_words(m->hierarchy));
	return err_hint(e, "thaw it, or use --freeze-cgroup with its directory: it is frozen again "
			   "afterwards");
}

static bool can_freeze(const struct cgroup_member *m)
{
	return cgroup_is_v2(m->hierarchy) || cgroup_has(m->hierarchy, "freezer");
}

/* Who shares our groups cannot be frozen, as we are not. */
static int check_thawed(struct dump *d, struct err *e)
{
	const char *path = pool_format(&d->pool, "/proc/%d/cgroup", d->opt->tree);
	own_mem char *text = NULL, *own = NULL;
	struct cgroup_members members;

	if (io_slurp(AT_FDCWD, path, &text, NULL, e) < 0 ||
	    io_slurp(AT_FDCWD, "/proc/self/cgroup", &own, NULL, e) < 0 || strcmp(text, own) == 0 ||
	    cgroup_members_parse(&members, &d->pool, text, e) < 0) {
		*e = (struct err){ 0 }; /* whoever is gone is missed elsewhere */
		return 0;
	}
	for (size_t i = 0; i < members.count; i++) {
		const struct cgroup_member *m = &members.all[i];
		struct err ignored = { 0 };
		own_fd root = -1;

		if (can_freeze(m) && strcmp(m->path, "/") != 0 &&
		    cgroup_open(m->hierarchy, d->opt->cgroup_yard, &root, &ignored) == 0 &&
		    cgroup_is_frozen(root, m->hierarchy, m->path))
			return refuse_frozen(d, m, e);
	}
	return 0;
}

int freezer_freeze(struct dump *d, struct err *e)
{
	const struct freezer *f;

	if (!d->opt->freeze_cgroup)
		return check_thawed(d, e);
	if (!d->freezer && open_group(d, e) < 0)
		return e->code;
	f = d->freezer;
	guard_file_begin(f->note);
	if (io_put(f->dir, file_of(f), word(f, true), e) < 0)
		return err_on(e, "freeze '%s'", d->opt->freeze_cgroup);
	if (await_frozen(d, f, e) == 0)
		return 0;
	freezer_before_go(d);
	freezer_after_go(d);
	return e->code;
}

static int put(const struct freezer *f, bool frozen, struct err *e)
{
	return io_put(f->dir, file_of(f), word(f, frozen), e);
}

int freezer_thaw(struct dump *d, struct err *e)
{
	const struct freezer *f = d->freezer;

	if (!f)
		return 0;
	if (put(f, false, e) < 0)
		return err_on(e, "thaw '%s'", d->opt->freeze_cgroup);
	if (!f->was_frozen)
		guard_file_end(f->note);
	return 0;
}

static void put_back(const struct freezer *f)
{
	struct err e = { 0 };

	if (is_asked(f) != f->was_frozen && put(f, f->was_frozen, &e) < 0)
		log_error("a frozen cgroup: %s", e.text);
}

/* Nobody can be let go in a frozen one of version 1. */
void freezer_before_go(struct dump *d)
{
	if (d->freezer && (d->freezer->v2 || !d->freezer->was_frozen))
		put_back(d->freezer);
}

void freezer_after_go(struct dump *d)
{
	if (!d->freezer)
		return;
	put_back(d->freezer);
	guard_file_end(d->freezer->note);
}

const char *freezer_was(const struct dump *d, int dir, const char *file)
{
	const struct freezer *f = d->freezer;
	struct stat st;

	if (!f || !f->was_frozen || strcmp(file, file_of(f)) != 0 || fstat(dir, &st) < 0 ||
	    st.st_dev != f->dev || st.st_ino != f->ino)
		return NULL;
	return word(f, true);
}

void freezer_close(struct dump *d)
{
	if (d->freezer)
		own_close(&d->freezer->dir);
	d->freezer = NULL;
}
