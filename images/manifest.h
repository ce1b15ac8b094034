/*
 * stasis-manifest.img: size and checksums of every file of a folder, a checksum for each chunk, so that a damaged place
 * can be named. A folder that CRIU has written has none and is taken as it is.
 *
 * Whoever writes a file may know its checksums as he goes (manifest_take); the others are read again when the folder
 * is made complete (image_set_finish), while they are still in the page cache.
 */
#ifndef STASIS_IMAGES_MANIFEST_H
#define STASIS_IMAGES_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/kinds.h"
#include "lib/err.h"

enum { MANIFEST_CHUNK = 32 << 10, MANIFEST_ID = 16 };
#define MANIFEST_NAME "stasis-manifest.img"

struct listed_file {
	char name[IMAGE_NAME_MAX];
	bool known; /* size and checksums; else they are still to be read */
	uint64_t size;
	uint64_t *sums; /* 0, if not known: to be read (and one that is 0 is read in vain) */
	size_t sum_count;
};

/* Zeroed is empty. */
struct manifest {
	uint8_t id[MANIFEST_ID], parent_id[MANIFEST_ID];
	bool has_parent;
	bool lent; /* dedup has taken pages out of the folder, which is of use only below a later one */
	bool sent; /* pages went to a page server: whatever lies before there is not known here */
	bool keeps_id; /* manifest_write: id is set, of a folder with the same contents */
	struct listed_file *files; /* sorted by name once it is loaded */
	size_t count;
};

void manifest_free(struct manifest *m);
#define own_manifest __attribute__((cleanup(manifest_free))) struct manifest

static inline uint64_t manifest_chunks(uint64_t size)
{
	return size / MANIFEST_CHUNK + (size % MANIFEST_CHUNK != 0);
}

/* Adds a file that manifest_read is to read. Names have to be those of images, and come once. */
must_check int manifest_list(struct manifest *m, const char *name, struct err *e);
/* Adds a file whose checksums are known, manifest_chunks(size) of them; takes them over, also when it fails. */
must_check int manifest_take(struct manifest *m, const char *name, uint64_t size, uint64_t *sums,
			     struct err *e);
/* Adds a file that manifest_read is to read where the checksum of a chunk is 0, or beyond the last; takes them over. */
must_check int manifest_take_some(struct manifest *m, const char *name, uint64_t *sums,
				  size_t count, struct err *e);
/* The same as manifest_take, of what it holds. */
must_check int manifest_take_data(struct manifest *m, const char *name, const void *data,
				  size_t size, struct err *e);
/* Reads the files that are not known yet. */
must_check int manifest_read(struct manifest *m, int dir_fd, struct err *e);
/* Gives the folder an id of its own (unless it keeps one), notes that of 'parent', and writes the file. */
must_check int manifest_write(struct manifest *m, int dir_fd, struct err *e);

/* Writes one that was loaded and changed in the place of the one that is there; the ids stay. */
must_check int manifest_replace(struct manifest *m, int dir_fd, struct err *e);
/* Takes a file out. Whether it was in there. */
bool manifest_drop(struct manifest *m, const char *name);

/* 1: it is there and makes sense, 0: the folder has none. */
must_check int manifest_load(struct manifest *ret, int dir_fd, struct err *e);

/* Opens a file to hold it against what is said of it: its size is looked at. */
must_check int listed_open(const struct listed_file *f, int dir_fd, int *ret_fd, struct err *e);
/* Holds what is said to be one chunk against its checksum. */
must_check int listed_compare(const struct listed_file *f, uint64_t chunk, const void *data,
			      struct err *e);
/* The same of the file's; buf has MANIFEST_CHUNK bytes. */
must_check int listed_check(const struct listed_file *f, int fd, uint64_t chunk, void *buf,
			    struct err *e);
/* All of it. */
must_check int listed_check_all(const struct listed_file *f, int dir_fd, struct err *e);

#endif
