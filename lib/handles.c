/* See handles.h. */
#include "lib/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/mounts.h"
#include "lib/own.h"

struct mount {
	struct handle_mount m;
	int fd; /* O_PATH; -1: not tried, -2: it cannot be seen */
};

struct handles {
	struct mount *mounts;
	size_t count;
	const struct mount *here; /* where we are, NULL: where we were */
	int home;
};

static int by_root(const void *va, const void *vb)
{
	const struct mount *a = va, *b = vb;

	if (a->m.whole != b->m.whole)
		return a->m.whole ? -1 : 1;
	return a->m.id - b->m.id;
}

static int add_mount(struct handles *h, const struct mount_line *l, struct err *e)
{
	char *at = strdup(l->at);

	if (!at)
		return err_sys(e, "memory for the list of mounts");
	if (io_grow(&h->mounts, h->count, sizeof(*h->mounts), e) < 0) {
		free(at);
		return e->code;
	}
	h->mounts[h->count++] = (struct mount){
		.m = { .id = l->id, .dev = l->dev, .at = at, .whole = strcmp(l->root, "/") == 0 },
		.fd = -1
	};
	return 0;
}

static int read_mounts(struct handles *h, struct pool *pool, struct err *e)
{
	own_fd proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct mount_line *lines = NULL;
	size_t count = 0;

	if (proc < 0)
		return err_sys(e, "open '/proc'");
	if (mounts_read(proc, pool, &lines, &count, e) < 0)
		return e->code;
	for (size_t i = 0; i < count; i++)
		if (add_mount(h, &lines[i], e) < 0)
			return e->code;
	return 0;
}

int handles_begin(struct handles **ret, struct err *e)
{
	struct handles *h = calloc(1, sizeof(*h));
	struct pool pool = { 0 };
	int res;

	if (!h)
		return err_sys(e, "memory for the list of mounts");
	h->home = -1;
	res = read_mounts(h, &pool, e);
	pool_free(&pool);
	if (res < 0) {
		handles_end(h);
		return res;
	}
	if (h->count)
		qsort(h->mounts, h->count, sizeof(*h->mounts), by_root);
	*ret = h;
	return 0;
}

void handles_end(struct handles *h)
{
	if (!h)
		return;
	/* A directory that is gone can be gone to as well. */
	if (h->home >= 0)
		(void)!fchdir(h->home);
	own_close(&h->home);
	for (size_t i = 0; i < h->count; i++) {
		own_close(&h->mounts[i].fd);
		free((char *)h->mounts[i].m.at);
	}
	free(h->mounts);
	free(h);
}

const struct handle_mount *handles_mount(const struct handles *h, size_t n)
{
	return n < h->count ? &h->mounts[n].m : NULL;
}

/* Only a directory can be gone to, and only what no other mount covers. */
static int look_at(const struct mount *m)
{
	own_fd fd = open(m->m.at, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statx st;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0 ||
	    !(st.stx_mask & STATX_MNT_ID) || (int)st.stx_mnt_id != m->m.id)
		return -2;
	return take_fd(&fd);
}

static bool go(struct handles *h, struct mount *m)
{
	if (h->here == m)
		return true;
	if (h->home < 0)
		h->home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m->fd == -1)
		m->fd = look_at(m);
	if (h->home < 0 || m->fd < 0 || fchdir(m->fd) < 0)
		return false;
	h->here = m;
	return true;
}

int handles_open(struct handles *h, const struct handle *what, size_t *at, int *ret_fd)
{
	struct {
		struct file_handle head;
		uint8_t bytes[MAX_HANDLE_SZ];
	} fh = { .head = { .handle_bytes = what->size, .handle_type = (int)what->type } };
	int res = -ENOENT;

	if (!what->size || what->size > MAX_HANDLE_SZ)
		return -ENOENT;
	memcpy(fh.head.f_handle, what->bytes, what->size);
	while (*at < h->count) {
		struct mount *m = &h->mounts[(*at)++];
		int fd;

		if (m->m.dev != what->dev || !go(h, m))
			continue;
		fd = open_by_handle_at(AT_FDCWD, &fh.head, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
		res = -errno;
	}
	return res;
}
