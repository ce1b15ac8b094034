/*
 * Image files: a magic, then records of (size, protobuf message), some with plain bytes behind them.
 *
 * A reader trusts nothing: whatever is wrong with a file is one sentence that names it, and memory stays
 * in proportion to the file. A folder is complete when it has an inventory.img, which is written last.
 */
#ifndef STASIS_IMAGES_IMAGE_H
#define STASIS_IMAGES_IMAGE_H

#include <stdio.h>

#include "images/kinds.h"
#include "lib/err.h"

struct InventoryEntry;
struct buffered;
struct manifest;

#define IMAGE_RECORD_MAX (256U << 20)

/* An open image file. Zeroed means closed. */
struct image {
	struct buffered *file;
	enum image_kind kind;
	bool writing;
	unsigned int records; /* read or written so far */
	uint64_t at;	      /* position, in bytes */
	uint64_t size;	      /* of the whole file, when reading */
	char name[128];	      /* for sentences */
};

/* Closed by leaving the block, errors unheard: what was written goes through image_close. */
void image_drop(struct image *i);
#define own_image __attribute__((cleanup(image_drop))) struct image

/* Frees any message that came out of here; NULL is fine. */
void image_message_free(void *message_pointer);
#define own_message __attribute__((cleanup(image_message_free)))

/* Creates or empties the file (0644) and writes the magic. */
must_check int image_create(struct image *ret, int dir_fd, enum image_kind kind, uint64_t id,
			    struct err *e);
/* Opens it and checks the magic. -ENOENT when there is no such file, which for most kinds means "none". */
must_check int image_open(struct image *ret, int dir_fd, enum image_kind kind, uint64_t id,
			  struct err *e);
/* The same for an open descriptor, which is taken over whatever comes of it. */
must_check int image_create_fd(struct image *ret, int fd, enum image_kind kind, const char *name,
			       struct err *e);
must_check int image_open_fd(struct image *ret, int fd, enum image_kind kind, const char *name,
			     struct err *e);
/* Everything to the kernel; the descriptor for fsync. */
must_check int image_flush(struct image *i, struct err *e);
int image_fd(const struct image *i);
/* Flushes and closes; a second call does nothing. */
must_check int image_close(struct image *i, struct err *e);

must_check int image_write(struct image *i, const void *message, struct err *e);
/* Plain bytes behind a record. */
must_check int image_write_extra(struct image *i, const void *data, size_t size, struct err *e);

/* The next record into *ret_message (a struct of d's). 1 when there was one, 0 at the end. */
must_check int image_read(struct image *i, const ProtobufCMessageDescriptor *d, void *ret_message,
			  struct err *e);
must_check int image_read_extra(struct image *i, void *buf, size_t size, struct err *e);
/* The same into memory of its own, which the caller frees: a size that the file does not have takes none. */
must_check int image_take_extra(struct image *i, size_t size, char **ret, struct err *e);
/* Bytes that have not been read yet. */
uint64_t image_left(const struct image *i);

/* A file of one record, written or read in one call; the message has to be the kind's. */
must_check int image_save(int dir_fd, enum image_kind kind, uint64_t id, const void *message,
			  struct err *e);
must_check int image_load(int dir_fd, enum image_kind kind, uint64_t id, void *ret_message,
			  struct err *e);

/* Before a dump writes into a folder: what an earlier dump left there is no longer a set of images. */
must_check int image_set_begin(int dir_fd, struct err *e);
/*
 * Everything on disk, with a manifest, then the inventory under its name: from here on the set is complete. m has the
 * page maps and pages files that belong to it (images/manifest.h), the others are added here.
 */
must_check int image_set_finish(int dir_fd, const struct InventoryEntry *inventory,
				struct manifest *m, struct err *e);

#endif
