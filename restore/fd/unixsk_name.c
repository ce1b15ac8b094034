/*
 * Names of UNIX sockets at restore. bind(2) makes a file, and the tree that was saved has left one behind: that one is
 * replaced, and no other. It is known by its inode and its birth, or by a mark (an extended attribute) that an earlier restore
 * of the same images has left on the one that it has made; and nobody may be bound to it any more.
 *
 * A name that leads nowhere is only words. It is given in a file system that is seen by nobody, where all its directories can
 * be made.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "restore/fd/unixsk.h"

#ifndef SIOCPROTOPRIVATE
#define SIOCPROTOPRIVATE 0x89E0
#endif
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif

#define MARK "trusted.stasis.socket"

enum { NO_ACCESS = 07777 };

void rsocket_set_address(struct unix_address *ret, const ProtobufCBinaryData *name)
{
	*ret = (struct unix_address){ .size = offsetof(struct sockaddr_un, sun_path) + name->len };
	ret->un.sun_family = AF_UNIX;
	memcpy((char *)&ret->room + offsetof(struct sockaddr_un, sun_path), name->data, name->len);
}

int rsocket_address(int fd, struct unix_address *ret, int *ret_hold, struct err *e)
{
	*ret = (struct unix_address){ .size = sizeof(ret->room) };
	if (getsockname(fd, &ret->any, &ret->size) < 0)
		return err_sys(e, "ask for a socket's name");
	if (!ret->un.sun_path[0])
		return 0;
	*ret_hold = ioctl(fd, SIOCUNIXFILE, 0);
	if (*ret_hold < 0)
		return err_sys(e, "open the file of a socket's name");
	ret->size =
		offsetof(struct sockaddr_un, sun_path) + 1 +
		snprintf(ret->un.sun_path, sizeof(ret->un.sun_path), "/proc/self/fd/%d", *ret_hold);
	return 0;
}

struct binding {
	int fd;
	struct unix_address address;
	const char *name; /* as a string, when its directories are to be made */
};

static int call_bind(void *arg)
{
	const struct binding *b = arg;

	return bind(b->fd, &b->address.any, b->address.size) < 0 ? -errno : 0;
}

/* Nobody is to come in before all who were there are back. */
static int bind_closed(void *arg)
{
	umask(0777);
	return call_bind(arg);
}

/* --- hidden ----------------------------------------------------------------------------------- */

static int make_directory(const char *name)
{
	return mkdir(name, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Deep enough for every ".." of a relative name. */
static int go_down(const char *name)
{
	for (const char *c = name; (c = strstr(c, "..")); c += 2) {
		int res = make_directory("d");

		if (res < 0 || chdir("d") < 0)
			return res < 0 ? res : -errno;
	}
	return 0;
}

static int bind_apart(void *arg)
{
	const struct binding *b = arg;
	char path[sizeof(b->address.room)];
	int res = go_down(b->name);

	snprintf(path, sizeof(path), "%s", b->name);
	for (char *slash = strchr(path + 1, '/'); slash && res == 0; slash = strchr(slash, '/')) {
		*slash = 0;
		res = make_directory(path);
		*slash++ = '/';
	}
	if (res == 0)
		res = call_bind(arg);
	if (res == 0)
		unlink(b->name);
	return res;
}

static int apart(int *ret, struct err *e)
{
	own_fd fs = syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "make a file system for a name that leads nowhere");
	*ret = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return *ret < 0 ? err_sys(e, "mount a file system for a name that leads nowhere") : 0;
}

int rsocket_bind_hidden(struct restore *r, int fd, const ProtobufCBinaryData *name, struct err *e)
{
	struct binding b = { .fd = fd };
	char text[sizeof(b.address.room)] = "";
	struct actor actor = { .root = -1 };
	own_fd root = -1;
	int res;

	(void)r;
	rsocket_set_address(&b.address, name);
	if (!name->data[0]) {
		res = call_bind(&b);
		return res < 0 ? err_res(e, res, "bind it to '@%.*s'", (int)name->len - 1,
					 name->data + 1) :
				 0;
	}
	if (apart(&root, e) < 0)
		return e->code;
	memcpy(text, name->data, name->len);
	b.name = text;
	actor.root = root;
	res = actor_do(&actor, bind_apart, &b, NULL);
	return res < 0 ? err_res(e, res, "bind it to '%s', which is gone", text) : 0;
}

/* --- where others find it --------------------------------------------------------------------- */

static const char *path_of(const struct rsocket *s)
{
	const UnixSkEntry *entry = s->entry;
	int size = (int)strnlen((char *)entry->name.data, entry->name.len);

	if (entry->name.data[0] == '/' || !entry->name_dir)
		return pool_format(&s->r->pool, "%.*s", size, entry->name.data);
	return pool_format(&s->r->pool, "%s/%.*s", entry->name_dir, size, entry->name.data);
}

/* Of which images the file is, when a restore has made it. */
static const char *mark_of(const struct rsocket *s)
{
	return s->r->inventory ? s->r->inventory->dump_criu_run_id : NULL;
}

static bool has_mark(const struct rsocket *s, int fd)
{
	const char *mark = mark_of(s);
	char path[32], text[128];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = getxattr(path, MARK, text, sizeof(text));
	return mark && n > 0 && (size_t)n == strlen(mark) && memcmp(text, mark, n) == 0;
}

/* CRIU's images know no more of it than owner and mode. */
static bool is_same(const struct rsocket *s, int fd, const struct stat *st)
{
	const FilePermsEntry *perms = s->entry->file_perms;
	struct statx born;

	if (has_mark(s, fd))
		return true;
	if (!s->extra || !s->extra->has_file_ino)
		return perms && perms->mode == st->st_mode && perms->uid == st->st_uid &&
		       perms->gid == st->st_gid;
	if (s->extra->file_ino != st->st_ino)
		return false;
	if (!s->extra->has_file_born || statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &born) < 0 ||
	    !(born.stx_mask & STATX_BTIME))
		return true;
	return s->extra->file_born == born.stx_btime.tv_sec * 1000000000UL + born.stx_btime.tv_nsec;
}

/* Nobody is bound to it: to connect to a living one of another type is refused with another error. */
static bool is_dead(int fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	own_fd probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "/proc/self/fd/%d", fd);
	return connect(probe, (struct sockaddr *)&name, sizeof(name)) < 0 && errno == ECONNREFUSED;
}

static int unlink_path(const struct rsocket *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dir = slash ? pool_format(&s->r->pool, "%.*s", (int)(slash - path) + 1, path) :
				  ".";
	own_fd fd = rfiles_path_open(s->r, dir, O_PATH | O_DIRECTORY);

	if (fd < 0)
		return fd;
	return unlinkat(fd, slash ? slash + 1 : path, 0) < 0 ? -errno : 0;
}

/* The file that is there: removed if it is the one that the tree had. */
static int clear(struct rsocket *s, const char *path, struct err *e)
{
	own_fd fd = rfiles_path_open(s->r, path, O_PATH | O_NOFOLLOW);
	struct stat st;
	int res;

	s->made_file = fd < 0;
	if (fd < 0)
		return 0; /* if it is not that, bind() says why */
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat '%s'", path);
	if (!S_ISSOCK(st.st_mode) || !is_same(s, fd, &st)) {
		err_code(e, EEXIST, "'%s' is not the file that it was bound to", path);
		return err_hint(e, "move it away if nobody needs it");
	}
	if (!is_dead(fd)) {
		err_code(e, EADDRINUSE, "'%s' is in use by another process", path);
		return err_hint(e, "end that process first");
	}
	res = unlink_path(s, path);
	return res < 0 ? err_res(e, res, "remove '%s', which the tree had left", path) : 0;
}

static int bind_path(struct rsocket *s, struct err *e)
{
	struct actor actor = { .root = s->r->files->root, .dir = s->entry->name_dir };
	struct binding b = { .fd = s->fd };
	const char *path = path_of(s);
	int res;

	if (clear(s, path, e) < 0)
		return e->code;
	rsocket_set_address(&b.address, &s->entry->name);
	res = actor_do(&actor, bind_closed, &b, NULL);
	if (res < 0) {
		s->made_file = false;
		return err_res(e, res, "bind it to '%s'", path);
	}
	s->file = ioctl(s->fd, SIOCUNIXFILE, 0);
	return s->file < 0 ? err_sys(e, "open '%s'", path) : 0;
}

int rsocket_bind(struct rsocket *s, struct err *e)
{
	struct unix_address address;

	if (!s->entry->name.len || s->bound || s->accepted)
		return 0;
	s->bound = true;
	if (rsocket_is_path(s))
		return s->entry->deleted ? rsocket_bind_hidden(s->r, s->fd, &s->entry->name, e) :
					   bind_path(s, e);
	rsocket_set_address(&address, &s->entry->name);
	if (bind(s->fd, &address.any, address.size) == 0)
		return 0;
	err_sys(e, "bind it to '@%.*s'", (int)s->entry->name.len - 1, s->entry->name.data + 1);
	return e->code == -EADDRINUSE ? err_hint(e, "end the process that has the name now") :
					e->code;
}

int rsocket_open_file(struct rsocket *s, struct err *e)
{
	const FilePermsEntry *perms = s->entry->file_perms;
	const char *mark = mark_of(s);
	char path[32];

	if (s->file < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->file);
	if (mark) /* where it cannot be marked, the next restore asks for help */
		(void)!setxattr(path, MARK, mark, strlen(mark), 0);
	if (perms && fchownat(s->file, "", perms->uid, perms->gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, "give '%s' its owner", path_of(s));
	if (chmod(path, (perms ? perms->mode : 0777) & NO_ACCESS) < 0)
		return err_sys(e, "give '%s' its mode", path_of(s));
	return 0;
}

/* The restore has failed. One that had been there stays, since there was one. */
void rsocket_remove_file(struct rsocket *s)
{
	own_fd there = -1;
	struct stat ours, st;

	if (s->file < 0 || !s->made_file)
		return;
	there = rfiles_path_open(s->r, path_of(s), O_PATH | O_NOFOLLOW);
	if (there >= 0 && fstat(there, &st) == 0 && fstat(s->file, &ours) == 0 &&
	    st.st_ino == ours.st_ino && st.st_dev == ours.st_dev)
		unlink_path(s, path_of(s));
}
