/*
 * All descriptors of the process, noted before and compared after: flags, position, where each leads, and
 * which ones are the same description.
 */
#ifndef STASIS_TEST_FDS_H
#define STASIS_TEST_FDS_H

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

enum { FDS_MAX = 128 };

struct fd_state {
	int fd, fd_flags, flags;
	off_t pos;
	struct stat st;
	char link[4200];
	bool same[FDS_MAX]; /* as the one at this place */
};

struct fds {
	size_t count;
	struct fd_state at[FDS_MAX];
};

static inline bool fds_same(int a, int b)
{
	return SYS(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b)) == 0;
}

static inline void fds_link(int fd, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = SYS(readlink(path, buf, size - 1));
	buf[n] = 0;
}

static inline void fds_link_is(int fd, const char *wanted)
{
	char link[4200];

	fds_link(fd, link, sizeof(link));
	CHECK(strcmp(link, wanted) == 0, "fd %d leads to '%s', not '%s'", fd, link, wanted);
}

static inline void fds_note(struct fds *f)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	CHECK(dir);
	f->count = 0;
	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);
		struct fd_state *s = &f->at[f->count];

		if (entry->d_name[0] == '.' || fd == dirfd(dir))
			continue;
		CHECK(f->count < FDS_MAX);
		f->count++;
		memset(s, 0, sizeof(*s));
		s->fd = fd;
		s->fd_flags = SYS(fcntl(fd, F_GETFD));
		s->flags = SYS(fcntl(fd, F_GETFL));
		s->pos = lseek(fd, 0, SEEK_CUR);
		SYS(fstat(fd, &s->st));
		fds_link(fd, s->link, sizeof(s->link));
	}
	closedir(dir);
	for (size_t i = 0; i < f->count; i++)
		for (size_t k = 0; k < f->count; k++)
			f->at[i].same[k] = fds_same(f->at[i].fd, f->at[k].fd);
}

/* A name that is not made anew with the thing itself. */
static inline bool fds_has_path(const struct fd_state *s)
{
	size_t n = strlen(s->link);

	return s->link[0] == '/' && strncmp(s->link, "/proc/", 6) != 0 &&
	       (n < 10 || strcmp(s->link + n - 10, " (deleted)") != 0);
}

static inline void fds_check(const struct fds *was)
{
	static struct fds now;

	fds_note(&now);
	SAME(now.count, was->count);
	for (size_t i = 0; i < now.count; i++) {
		const struct fd_state *a = &now.at[i], *b = &was->at[i];

		CHECK(a->fd == b->fd, "fd %d where %d was", a->fd, b->fd);
		CHECK(a->fd_flags == b->fd_flags, "fd %d: %d was %d", a->fd, a->fd_flags,
		      b->fd_flags);
		/* A file made by O_TMPFILE cannot be opened so again. */
		CHECK(a->flags == b->flags || b->flags & (O_TMPFILE & ~O_DIRECTORY),
		      "fd %d: 0%o was 0%o", a->fd, a->flags, b->flags);
		CHECK(a->pos == b->pos, "fd %d: at %ld, was at %ld", a->fd, (long)a->pos,
		      (long)b->pos);
		CHECK(a->st.st_mode == b->st.st_mode && a->st.st_size == b->st.st_size &&
			      a->st.st_uid == b->st.st_uid && a->st.st_gid == b->st.st_gid,
		      "fd %d: mode 0%o, %ld bytes, was 0%o, %ld", a->fd, a->st.st_mode,
		      (long)a->st.st_size, b->st.st_mode, (long)b->st.st_size);
		if (b->link[0] == '/')
			CHECK(strcmp(a->link, b->link) == 0, "fd %d leads to '%s', led to '%s'",
			      a->fd, a->link, b->link);
		if (fds_has_path(b))
			CHECK(a->st.st_ino == b->st.st_ino, "fd %d is of another file", a->fd);
		for (size_t k = 0; k < now.count; k++)
			CHECK(a->same[k] == b->same[k], "fds %d and %d: same %d, was %d", a->fd,
			      now.at[k].fd, a->same[k], b->same[k]);
	}
}

/* A path in the test's own folder, or in another one that it has named. */
static inline const char *fds_path(const char *name)
{
	static char paths[16][512];
	static unsigned int next;
	char *path = paths[next++ % 16];
	const char *dir = getenv("VICTIM_DIR");

	dir = dir ? dir : getenv("TEST_DIR");
	CHECK(dir);
	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

#endif
