/* Punching holes into older folders; see dedup.h. */
#include "images/dedup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "images/manifest.h"
#include "images/pages.h"
#include "lib/io.h"
#include "lib/own.h"

enum { LONGEST_CHAIN = 4096 };

static int punch(const struct stored_run *in, uint64_t start, uint64_t end, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", in->fd);
	own_fd fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open the pages of a parent for writing");
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      in->offset + (start - in->vaddr), end - start) == 0)
		return 0;
	err_sys(e, "take pages out of a parent");
	return errno == EOPNOTSUPP ? err_hint(e, "its file system cannot free a part of a file") :
				     e->code;
}

static uint64_t end_of(const struct stored_run *run)
{
	return run->vaddr + run->nr_pages * PAGE_SIZE;
}

typedef int (*common_fn)(const struct stored_run *in, uint64_t start, uint64_t end, struct err *e);

/* Both are ascending, and only pages that both store themselves are meant. */
static int for_common(const struct stored_pages *newer, const struct stored_pages *older,
		      common_fn fn, struct err *e)
{
	for (size_t i = 0; i < newer->count; i++) {
		const struct stored_run *run = &newer->runs[i];
		const struct stored_run *in = stored_pages_find(older, run->vaddr);

		if (!(run->flags & PE_PRESENT))
			continue;
		for (; in && in < older->runs + older->count && in->vaddr < end_of(run); in++) {
			uint64_t start = in->vaddr > run->vaddr ? in->vaddr : run->vaddr;
			uint64_t end = end_of(in) < end_of(run) ? end_of(in) : end_of(run);

			int r = in->flags & PE_PRESENT ? fn(in, start, end, e) : 0;

			if (r != 0)
				return r;
		}
	}
	return 0;
}

static int say_yes(const struct stored_run *, uint64_t, uint64_t, struct err *)
{
	return 1;
}

/* Before anything is taken out, all is looked at: what cannot be done is not half done. */
static int check_common(const struct stored_pages *, const struct stored_pages *older, int,
			struct err *e)
{
	if (!older->packed_count)
		return 0;
	err_code(e, ENOTSUP, "its pages are %s, and none can be taken out of them",
		 older->packed[0]->once ? "stored once" : "compressed");
	return err_hint(e, "'stasis convert' expands them");
}

/*
 * While a file changes its folder's manifest does not speak of it, so whoever is ended in between leaves images that
 * can be restored. Then it has the checksums of what is left.
 */
static int punch_common(const struct stored_pages *newer, const struct stored_pages *older,
			int dir_fd, struct err *e)
{
	char name[IMAGE_NAME_MAX];
	own_manifest m = { 0 };
	int r = manifest_load(&m, dir_fd, e);
	bool listed;

	if (r < 0)
		return r;
	image_name(name, IMG_PAGES, older->pages_id);
	m.lent = true;
	listed = r == 1 && manifest_drop(&m, name);
	if ((listed && manifest_replace(&m, dir_fd, e) < 0) ||
	    for_common(newer, older, punch, e) < 0)
		return e->code;
	if (!listed)
		return 0;
	if (manifest_list(&m, name, e) < 0 || manifest_read(&m, dir_fd, e) < 0)
		return e->code;
	return manifest_replace(&m, dir_fd, e);
}

typedef int (*older_fn)(const struct stored_pages *newer, const struct stored_pages *older,
			int dir_fd, struct err *e);

struct map {
	int dir_fd;
	enum image_kind kind;
	uint64_t id;
};

/* *ret is -1 where the chain ends. */
static int open_older(int dir_fd, int *ret, struct err *e)
{
	struct stat st;

	*ret = -1;
	if (fstatat(dir_fd, "parent", &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	*ret = openat(dir_fd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open 'parent'") : 0;
}

/* It may be older than the process. */
static bool has_map(int dir_fd, const struct map *m)
{
	char name[IMAGE_NAME_MAX];

	return faccessat(dir_fd, image_name(name, m->kind, m->id), F_OK, 0) == 0;
}

/* From the parent on: one map of every folder that has it. */
static int dedup_map(const struct map *m, older_fn fn, struct err *e)
{
	own_stored_pages newest = { 0 };
	own_fd at = -1;

	if (stored_pages_load_folder(&newest, m->dir_fd, m->kind, m->id, e) < 0 ||
	    open_older(m->dir_fd, &at, e) < 0)
		return e->code;
	for (int depth = 0; at >= 0 && has_map(at, m); depth++) {
		own_stored_pages older = { 0 };
		int next, r = stored_pages_load_folder(&older, at, m->kind, m->id, e);

		if (r == 0 && for_common(&newest, &older, say_yes, e) > 0)
			r = fn(&newest, &older, at, e);
		if (r < 0)
			return err_on(e, "'parent'");
		if (depth == LONGEST_CHAIN)
			return err_code(e, ELOOP, "'parent' leads back to where it came from");
		if (open_older(at, &next, e) < 0)
			return err_on(e, "'parent'");
		own_close(&at);
		at = next;
	}
	return 0;
}

static int dedup_maps(int dir_fd, older_fn fn, struct err *e)
{
	own_fd copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;

	own_dir dir = fdopendir(copy);
	if (!dir)
		return err_sys(e, "read the folder of images");
	take_fd(&copy);
	while ((entry = readdir(dir))) {
		struct map m = { .dir_fd = dir_fd };

		if (!image_name_parse(entry->d_name, &m.kind, &m.id) ||
		    (m.kind != IMG_PAGEMAP && m.kind != IMG_PAGEMAP_SHMEM))
			continue;
		if (dedup_map(&m, fn, e) < 0)
			return err_on(e, "'%s'", entry->d_name);
	}
	return 0;
}

int dedup_run(int dir_fd, struct err *e)
{
	if (faccessat(dir_fd, "parent", F_OK, 0) < 0)
		return err_sys(e, "find the link 'parent'");
	if (dedup_maps(dir_fd, check_common, e) < 0)
		return e->code;
	return dedup_maps(dir_fd, punch_common, e);
}
