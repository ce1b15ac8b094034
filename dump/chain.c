/* The directory of continuous checkpoints; see chain.h. */
#include "dump/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/image.h"
#include "images/latest.h"
#include "images/manifest_chain.h"
#include "images/merge.h"
#include "images/pstree.pb-c.h"
#include "lib/io.h"
#include "lib/own.h"

#define PREFIX "increment-"
#define MERGING "merging"
#define LATEST_PART LATEST_NAME ".part"

enum { LOCK_TRIES = 50, LOCK_WAIT_US = 100000, BASE_SHARE = 2 };

const char *chain_name(char *buf, unsigned number)
{
	snprintf(buf, CHAIN_NAME_MAX, PREFIX "%06u", number);
	return buf;
}

static bool parse_name(const char *name, unsigned *ret)
{
	char again[CHAIN_NAME_MAX];
	unsigned long n;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return false;
	n = strtoul(name + strlen(PREFIX), NULL, 10);
	*ret = n;
	return n && n < UINT_MAX && strcmp(chain_name(again, n), name) == 0;
}

static int open_folder(int at, const char *name, int *ret, struct err *e)
{
	*ret = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open the folder '%s'", name) : 0;
}

static int sync_dir(const struct chain *c, struct err *e)
{
	return fsync(c->fd) < 0 ? err_sys(e, "fsync the directory") : 0;
}

/* --- removing, and what it takes ---------------------------------------------------------------- */

static void remove_tree(int at, const char *name)
{
	struct err ignored = { 0 };
	own_fd fd = -1;

	if (open_folder(at, name, &fd, &ignored) < 0)
		return;
	/* Cut off in between, it is not to be taken for a complete one. */
	unlinkat(fd, "inventory.img", 0);
	own_dir dir = fdopendir(dup(fd));
	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, d->d_name, 0) < 0 && errno == EISDIR)
			remove_tree(fd, d->d_name);
	}
	unlinkat(at, name, AT_REMOVEDIR);
}

static uint64_t bytes_of(int at, const char *name)
{
	struct err ignored = { 0 };
	uint64_t bytes = 0;
	struct stat st;
	own_fd fd = -1;

	if (open_folder(at, name, &fd, &ignored) < 0)
		return 0;
	own_dir dir = fdopendir(dup(fd));
	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		    fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		bytes += S_ISDIR(st.st_mode) ? bytes_of(fd, d->d_name) : st.st_blocks * 512ULL;
	}
	return bytes;
}

uint64_t chain_bytes(const struct chain *c, unsigned number)
{
	char name[CHAIN_NAME_MAX];

	return bytes_of(c->fd, chain_name(name, number));
}

/* --- opening ------------------------------------------------------------------------------------ */

/* One that was killed has a process behind it that is still putting back what it had changed. */
static int lock(int fd, struct err *e)
{
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK)
			return err_sys(e, "lock the directory");
		if (i == LOCK_TRIES)
			return err_code(e, EBUSY, "another 'stasis protect' writes to it");
		usleep(LOCK_WAIT_US);
	}
	return 0;
}

/* Asked before anything is done to the process. */
static int check_exchange(int fd, struct err *e)
{
	int r = 0;

	if (mkdirat(fd, MERGING, 0700) < 0 || mkdirat(fd, MERGING ".probe", 0700) < 0)
		r = err_sys(e, "create a folder");
	else if (renameat2(fd, MERGING, fd, MERGING ".probe", RENAME_EXCHANGE) < 0)
		r = err_sys(e, "exchange two folders");
	if (r < 0)
		err_hint(e, "use a directory on ext4, xfs, btrfs or tmpfs");
	unlinkat(fd, MERGING, AT_REMOVEDIR);
	unlinkat(fd, MERGING ".probe", AT_REMOVEDIR);
	return r;
}

static int by_number(const void *a, const void *b)
{
	unsigned one = *(const unsigned *)a, other = *(const unsigned *)b;

	return one < other ? -1 : one > other;
}

static bool in_chain(const struct manifest_chain *m, int at, const char *name)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	for (size_t i = 0; i < m->count; i++)
		if (m->folders[i].st.st_dev == st.st_dev && m->folders[i].st.st_ino == st.st_ino)
			return true;
	return false;
}

/* Those that the latest stands on are kept, the rest of what an earlier one has left goes. */
static int sort_out(struct chain *c, const struct manifest_chain *m, struct err *e)
{
	own_fd fd = openat(c->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	unsigned number;

	if (!dir)
		return err_sys(e, "read the directory");
	take_fd(&fd);
	remove_tree(c->fd, MERGING);
	remove_tree(c->fd, MERGING ".probe");
	unlinkat(c->fd, LATEST_PART, 0);
	while ((d = readdir(dir))) {
		if (!parse_name(d->d_name, &number))
			continue;
		if (!in_chain(m, c->fd, d->d_name)) {
			remove_tree(c->fd, d->d_name);
			continue;
		}
		if (io_grow(&c->numbers, c->count, sizeof(*c->numbers), e) < 0)
			return e->code;
		c->numbers[c->count++] = number;
	}
	if (c->count)
		qsort(c->numbers, c->count, sizeof(*c->numbers), by_number);
	return 0;
}

static int check_pid(int fd, int pid, struct err *e)
{
	own_message PstreeEntry *root = NULL;
	own_image i = {};
	int r = image_open(&i, fd, IMG_PSTREE, 0, e);

	if (r == 0)
		r = image_read(&i, &pstree_entry__descriptor, &root, e);
	if (r < 0)
		return r;
	if (r == 1 && root->pid == (uint32_t)pid)
		return 0;
	err_code(e, EEXIST, "it holds the checkpoints of pid %u", r ? root->pid : 0);
	return err_hint(e, "use another directory, or remove them");
}

/* Goes on where an earlier one has ended. */
static int continue_from(struct chain *c, const char *latest, int pid, struct err *e)
{
	own_manifest_chain m = {};
	own_fd fd = -1;

	if (!parse_name(latest, &c->next)) {
		err_say(e, "its link '" LATEST_NAME "' leads to '%s', which is no increment",
			latest);
		return err_hint(e, "use another directory");
	}
	if (open_folder(c->fd, latest, &fd, e) < 0 || check_pid(fd, pid, e) < 0)
		return e->code;
	if (manifest_chain_open(&m, fd, e) < 0 || manifest_chain_extend(&m, e) < 0)
		return err_on(e, "it cannot be continued: '%s'", latest);
	c->next++;
	return sort_out(c, &m, e);
}

int chain_open(struct chain *c, int dir_fd, int pid, struct err *e)
{
	const struct manifest_chain none = {};
	char latest[PATH_MAX];
	ssize_t n;

	*c = (struct chain){ .fd = dir_fd, .next = 1 };
	if (faccessat(dir_fd, "inventory.img", F_OK, 0) == 0) {
		err_code(e, EEXIST, "it holds the images of a dump");
		return err_hint(e, "use a directory that is empty");
	}
	/* Nothing is removed that the disk may still need. */
	if (lock(dir_fd, e) < 0 || sync_dir(c, e) < 0)
		return e->code;
	n = readlinkat(dir_fd, LATEST_NAME, latest, sizeof(latest) - 1);
	if (n < 0 && errno != ENOENT)
		return err_sys(e, "read its link '" LATEST_NAME "'");
	latest[n < 0 ? 0 : n] = 0;
	if ((n < 0 ? sort_out(c, &none, e) : continue_from(c, latest, pid, e)) < 0)
		return e->code;
	return check_exchange(dir_fd, e);
}

void chain_close(struct chain *c)
{
	free(c->numbers);
	*c = (struct chain){ .fd = -1 };
}

/* --- one more ----------------------------------------------------------------------------------- */

int chain_begin(struct chain *c, int *ret_fd, struct err *e)
{
	char name[CHAIN_NAME_MAX];

	chain_name(name, c->next);
	if (mkdirat(c->fd, name, 0700) < 0)
		return err_sys(e, "create the folder '%s'", name);
	return open_folder(c->fd, name, ret_fd, e);
}

/* The name of the folder is on disk before that of the link. */
int chain_publish(struct chain *c, struct err *e)
{
	char name[CHAIN_NAME_MAX];

	chain_name(name, c->next);
	if (io_grow(&c->numbers, c->count, sizeof(*c->numbers), e) < 0 || sync_dir(c, e) < 0)
		return e->code;
	unlinkat(c->fd, LATEST_PART, 0);
	if (symlinkat(name, c->fd, LATEST_PART) < 0)
		return err_sys(e, "create the link '" LATEST_PART "'");
	if (renameat(c->fd, LATEST_PART, c->fd, LATEST_NAME) < 0)
		return err_sys(e, "rename '" LATEST_PART "' to '" LATEST_NAME "'");
	c->numbers[c->count++] = c->next++;
	return sync_dir(c, e);
}

void chain_abandon(struct chain *c)
{
	char name[CHAIN_NAME_MAX];

	remove_tree(c->fd, chain_name(name, c->next));
}

/* --- fewer -------------------------------------------------------------------------------------- */

static int make_merging(struct chain *c, const char *base, int *ret, struct err *e)
{
	char to[CHAIN_NAME_MAX + 3];

	if (sync_dir(c, e) < 0)
		return e->code;
	remove_tree(c->fd, MERGING);
	if (mkdirat(c->fd, MERGING, 0700) < 0)
		return err_sys(e, "create the folder '" MERGING "'");
	if (open_folder(c->fd, MERGING, ret, e) < 0)
		return e->code;
	if (!*base)
		return 0;
	snprintf(to, sizeof(to), "../%s", base);
	return symlinkat(to, *ret, "parent") < 0 ? err_sys(e, "create the link 'parent'") : 0;
}

/* Both folders hold the same, so it does not matter which of them somebody finds under the name. */
static int take_over(struct chain *c, const char *name, struct err *e)
{
	if (sync_dir(c, e) < 0)
		return e->code;
	if (renameat2(c->fd, MERGING, c->fd, name, RENAME_EXCHANGE) < 0)
		return err_sys(e, "exchange '" MERGING "' with '%s'", name);
	return sync_dir(c, e);
}

/* The folder 'which' comes to stand on 'base' (-1: on none), and those between are removed. */
static int merge(struct chain *c, size_t which, ssize_t base, struct compression how, struct err *e)
{
	char name[CHAIN_NAME_MAX], base_name[CHAIN_NAME_MAX] = "", old[CHAIN_NAME_MAX];
	own_fd from = -1, to = -1;
	size_t first = base + 1;

	chain_name(name, c->numbers[which]);
	if (base >= 0)
		chain_name(base_name, c->numbers[base]);
	if (open_folder(c->fd, name, &from, e) < 0 || make_merging(c, base_name, &to, e) < 0 ||
	    merge_folder(from, to, how, e) < 0) {
		remove_tree(c->fd, MERGING);
		return err_on(e, "merge '%s' with those before", name);
	}
	if (take_over(c, name, e) < 0)
		return e->code;
	remove_tree(c->fd, MERGING);
	for (size_t i = first; i < which; i++)
		remove_tree(c->fd, chain_name(old, c->numbers[i]));
	memmove(&c->numbers[first], &c->numbers[which], (c->count - which) * sizeof(*c->numbers));
	c->count -= which - first;
	return 0;
}

/*
 * The base is copied as a whole, so increments are merged with each other until they are half as large. Then at most
 * one and a half of it is kept, and what is copied in the long run is in proportion to what was written.
 */
static bool base_is_due(const struct chain *c, size_t keep)
{
	return keep < 2 ||
	       (chain_bytes(c, c->numbers[1]) + chain_bytes(c, c->numbers[2])) * BASE_SHARE >
		       chain_bytes(c, c->numbers[0]);
}

int chain_shorten(struct chain *c, size_t keep, struct compression how, struct err *e)
{
	int merged = 0;

	for (; c->count > keep; merged = 1) {
		bool base = base_is_due(c, keep);

		if (merge(c, base ? 1 : 2, base ? -1 : 0, how, e) < 0)
			return e->code;
	}
	return merged;
}
