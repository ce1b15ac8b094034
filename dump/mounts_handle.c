/* Files that are known by their handles: what is watched. They are opened in a copy of each mount of their file system. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "dump/mounts.h"
#include "dump/ns.h"
#include "lib/handles.h"

struct opening {
	const struct handle *what;
	int base, fd;
};

/* The current directory says in which mount. */
static int open_apart(void *arg, struct err *e)
{
	struct opening *o = arg;
	struct {
		struct file_handle head;
		uint8_t bytes[MAX_HANDLE_SZ];
	} fh = { .head = { .handle_bytes = o->what->size, .handle_type = (int)o->what->type } };

	(void)e;
	memcpy(fh.head.f_handle, o->what->bytes, o->what->size);
	if (fchdir(o->base) == 0)
		o->fd = open_by_handle_at(AT_FDCWD, &fh.head, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return 0;
}

/* The kernel tells the path from the root of the copy on. */
static const char *path_of(struct dump *d, const struct dmount *m, int fd)
{
	char link[32], text[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, text, sizeof(text) - 1);
	if (n <= 0 || text[0] != '/')
		return NULL;
	text[n] = 0;
	if (strcmp(text, "/") == 0)
		return m->line.at;
	return pool_format(&d->pool, "%s%s", strcmp(m->line.at, "/") == 0 ? "" : m->line.at, text);
}

static bool try(struct dump *d, struct dmount *m, const struct handle *what, struct stat *ret_st,
		const char **ret_path)
{
	struct opening o = { what, -1, -1 };
	struct err ignored = { 0 };
	own_fd fd = -1;

	if (dmounts_copy(d, m, &o.base, &ignored) < 0 ||
	    namespace_run(NULL, 0, open_apart, &o, &ignored) < 0)
		return false;
	fd = o.fd;
	if (fd < 0 || fstat(fd, ret_st) < 0)
		return false;
	*ret_path = path_of(d, m, fd);
	return *ret_path && dmounts_leads(d, (int)m->line.id, *ret_path, ret_st);
}

bool dmounts_by_handle(struct dump *d, const struct handle *what, size_t *at, struct stat *ret_st,
		       const char **ret_path)
{
	if (!d->mounts || !what->size || what->size > MAX_HANDLE_SZ)
		return false;
	while (*at < d->mounts->count) {
		struct dmount *m = &d->mounts->all[(*at)++];

		if (!m->skipped && m->line.dev == what->dev && try(d, m, what, ret_st, ret_path))
			return true;
	}
	return false;
}
