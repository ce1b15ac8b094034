/*
 * Names of UNIX sockets. The name is what was given to bind(2), which may be relative to a directory that the kernel does not
 * remember; it remembers the file (SIOCUNIXFILE), whose path tells the directory, or the current directory of the process
 * does. Where neither leads to the file, the socket has lost its name to others but keeps the words.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dump/fd/unixsk.h"
#include "dump/mounts.h"

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif
#ifndef SIOCPROTOPRIVATE
#define SIOCPROTOPRIVATE 0x89E0
#endif

/* The file of a name. */
struct place {
	const char *name;
	struct stat st;
	char link[PATH_MAX]; /* the path that the kernel tells */
};

static void keep_name(struct unixsk *s, ProtobufCBinaryData *ret, const struct sockaddr *name,
		      socklen_t size)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);

	if (size <= head)
		return;
	ret->len = size - head;
	ret->data = pool_copy(&s->file->dump->pool, (const char *)name + head, ret->len);
}

/* Addresses are longer than sockaddr_un when they fill it and have a NUL behind. */
static int read_addresses(struct unixsk *s, int fd, struct err *e)
{
	struct sockaddr_storage name = { 0 };
	socklen_t size = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
		return err_sys(e, "ask for its name");
	keep_name(s, &s->entry->name, (struct sockaddr *)&name, size);
	size = sizeof(name);
	if (getpeername(fd, (struct sockaddr *)&name, &size) == 0) {
		keep_name(s, &s->extra->peer_name, (struct sockaddr *)&name, size);
		s->extra->has_peer_name = s->extra->peer_name.len > 0;
	}
	return 0;
}

static int look(struct unixsk *s, int file_fd, struct place *ret, struct err *e)
{
	UnixExtraEntry *x = s->extra;
	struct statx born = { 0 };
	char path[32];
	ssize_t n;

	if (fstat(file_fd, &ret->st) < 0)
		return err_sys(e, "stat the file of its name");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
	n = readlink(path, ret->link, sizeof(ret->link) - 1);
	if (n < 0)
		return err_sys(e, "read where the file of its name is");
	ret->link[n] = 0;
	x->has_file_ino = 1;
	x->file_ino = ret->st.st_ino;
	s->has_extra = true;
	if (statx(file_fd, "", AT_EMPTY_PATH, STATX_BTIME, &born) == 0 &&
	    born.stx_mask & STATX_BTIME) {
		x->has_file_born = 1;
		x->file_born = born.stx_btime.tv_sec * 1000000000UL + born.stx_btime.tv_nsec;
	}
	return 0;
}

static bool is_same(const struct stat *st, const struct place *p)
{
	return st->st_ino == p->st.st_ino && st->st_dev == p->st.st_dev;
}

static bool leads_there(int dir_fd, const struct place *p)
{
	struct stat st;

	return fstatat(dir_fd, p->name, &st, 0) == 0 && is_same(&st, p);
}

/* "/a/b/name" is name below /a/b. */
static char *directory_by_link(struct unixsk *s, const struct place *p)
{
	size_t link = strlen(p->link), name = strlen(p->name);
	char *dir;

	if (link <= name || strcmp(p->link + link - name, p->name) != 0 ||
	    p->link[link - name - 1] != '/')
		return NULL;
	dir = pool_format(&s->file->dump->pool, "%.*s", (int)(link - name), p->link);
	own_fd fd = dmounts_walk(s->file->dump, dir, O_PATH | O_DIRECTORY);
	return fd >= 0 && leads_there(fd, p) ? dir : NULL;
}

static char *directory_of_task(struct unixsk *s, const struct task *t, const struct place *p)
{
	own_fd fd = openat(t->proc_fd, "cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char dir[PATH_MAX];
	ssize_t n;

	if (fd < 0 || !leads_there(fd, p))
		return NULL;
	n = readlinkat(t->proc_fd, "cwd", dir, sizeof(dir));
	return n > 0 ? pool_format(&s->file->dump->pool, "%.*s", (int)n, dir) : NULL;
}

static bool find_place(struct unixsk *s, const struct place *p)
{
	struct dump *d = s->file->dump;
	struct stat st;

	if (p->name[0] == '/') {
		own_fd fd = dmounts_walk(d, p->name, O_PATH);

		return fd >= 0 && fstat(fd, &st) == 0 && is_same(&st, p);
	}
	s->entry->name_dir = directory_by_link(s, p);
	if (!s->entry->name_dir)
		s->entry->name_dir = directory_of_task(s, s->file->task, p);
	for (size_t i = 0; i < d->task_count && !s->entry->name_dir; i++)
		if (d->tasks[i]->proc_fd >= 0)
			s->entry->name_dir = directory_of_task(s, d->tasks[i], p);
	return s->entry->name_dir;
}

/* Others find it by the file: not one that came by its name from a listening socket. */
static bool needs_file(const struct unixsk *s)
{
	return s->entry->state != TCP_ESTABLISHED || s->entry->type == SOCK_DGRAM;
}

static int read_place(struct unixsk *s, int file_fd, struct err *e)
{
	struct place p = { .name = pool_format(&s->file->dump->pool, "%.*s",
					       (int)s->entry->name.len, s->entry->name.data) };
	FilePermsEntry *perms = pool_new(&s->file->dump->pool, FilePermsEntry);

	if (look(s, file_fd, &p, e) < 0)
		return e->code;
	file_perms_entry__init(perms);
	perms->mode = p.st.st_mode;
	perms->uid = p.st.st_uid;
	perms->gid = p.st.st_gid;
	s->entry->file_perms = perms;
	if (s->file->dump->mounts) {
		s->entry->has_mnt_id = 1;
		s->entry->mnt_id = (int32_t)mounts_id_of(file_fd);
	}
	if (find_place(s, &p))
		return 0;
	s->entry->has_deleted = s->entry->deleted = 1;
	if (p.st.st_nlink == 0 || !needs_file(s))
		return 0;
	err_code(e, ENOTSUP, "it is bound to '%s', which does not lead to its file, '%s'", p.name,
		 p.link);
	return err_hint(
		e,
		"give the file its name back before the dump, or go to the directory that the name is relative to");
}

int unixsk_read_name(struct unixsk *s, int fd, struct err *e)
{
	own_fd file = -1;

	if (read_addresses(s, fd, e) < 0)
		return e->code;
	if (!s->entry->name.len || !s->entry->name.data[0])
		return 0;
	file = ioctl(fd, SIOCUNIXFILE, 0);
	if (file < 0)
		return err_sys(e, "open the file of its name");
	return read_place(s, file, e);
}
