/*
 * What the folder before holds of shared objects, as a hash of each page: a page that has the same is not stored again.
 *
 * No page table can prove that a page of shared memory was not written. A child that was forked, has written and has ended, or a
 * second mapping that is gone again, leaves no trace in any that is there; nor do write() and holes. So contents are compared,
 * in the stop. That is right whoever wrote, and whatever object it was that had this number before.
 *
 * The hash has 128 bits and a secret of this dump.
 */
#ifndef STASIS_DUMP_MM_SHMEM_HELD_H
#define STASIS_DUMP_MM_SHMEM_HELD_H

#include "dump/mm/shmem.h"
#include "lib/checksum.h"
#include "lib/ranges.h"

struct shmem_identity {
	uint64_t dev, ino;
	int64_t born_s;
	uint32_t born_ns;
};

/* Of one object. */
struct shmem_held {
	struct shmem_held *next, *next_alike; /* of all, and in its bucket */
	uint64_t shmid;
	uint64_t owner; /* the number of another inode that is called so; 0: none is known to be */
	struct shmem_held *next_owned;
	const struct hash_secret *secret;
	struct page_hash *hashes; /* a page each; zeros: the folder does not hold it */
	uint64_t pages;		  /* that there is room for */
	struct ranges due;	  /* what was found changed, to be saved in the round that comes */
	bool looked;		  /* due is filled in */
	unsigned pass;		  /* through all objects: the last that came to it */
	char *map;		  /* of the object, or NULL */
	uint64_t map_size;
	struct shmem_identity mapped;
};

enum { SHMEM_HELD_BUCKETS = 1024 };

struct shmem_helds {
	struct hash_secret secret;
	struct shmem_held *all, *buckets[SHMEM_HELD_BUCKETS], *owned[SHMEM_HELD_BUCKETS];
	unsigned pass;
	bool complete; /* what the folder before holds is known without reading it */
};

/* What is held of an object; NULL: nothing is. */
struct shmem_held *shmem_held_find(const struct dump *d, uint64_t shmid);
/* With room for so many bytes of it. NULL: there is no memory for that. */
struct shmem_held *shmem_held_make(struct dump *d, uint64_t shmid, uint64_t size, struct err *e);
/* The object with this inode goes on to be called shmid, as before a restore has made it anew. */
must_check int shmem_held_own(struct dump *d, uint64_t ino, uint64_t shmid, struct err *e);
/* What an object is called; 0: it has to be something that no other is. */
uint64_t shmem_held_id(const struct dump *d, uint64_t ino);
bool shmem_held_is_owned(const struct dump *d, uint64_t shmid);
/* Nothing of [start, end) is held. */
void shmem_held_forget(struct shmem_held *h, uint64_t start, uint64_t end);
/* Whether the page at 'at' is held; *ret_end is where that changes, end at most. */
bool shmem_held_has(const struct shmem_held *h, uint64_t at, uint64_t end, uint64_t *ret_end);
/* The folder holds this page from now on. */
void shmem_held_put(struct shmem_held *h, uint64_t at, const void *page);
/* A pass through all objects. Of those that it does not come to nothing is held afterwards. */
void shmem_held_begin_pass(struct dump *d);
void shmem_held_forget_others(struct dump *d);
/* What the newest folder holds, into a memfd for the next dump, and from there. */
must_check int shmem_kept_write(const struct dump *d, int *ret, struct err *e);
must_check int shmem_kept_read(struct dump *d, int fd, struct err *e);
/* What a folder holds, with its parents. One that cannot be read holds nothing. */
must_check int shmem_held_load(struct dump *d, int folder, struct err *e);
must_check int shmem_held_begin(struct dump *d, struct err *e);
void shmem_held_drop(struct dump *d);

/* Which pages of data, that are there, are not what is held, or are not held. */
must_check int shmem_compare(const struct shmem_contents *c, const struct shmem_held *h,
			     const struct ranges *data, struct ranges *ret, struct err *e);
/* Maps an object that runs on, and keeps its size, for the stop that is to come. */
void shmem_map(struct shmem_held *h, const struct shmem_contents *c, const struct ranges *data);
/* Whether it is this object that is mapped, and all stand still. */
bool shmem_is_mapped(const struct shmem_held *h, const struct shmem_contents *c);
void shmem_unmap(struct shmem_held *h);
/* Reads an object that somebody may make shorter meanwhile: what is not there is zeros. */
must_check int shmem_read(const struct shmem_contents *c, char *buf, uint64_t at, size_t size,
			  struct err *e);

#endif
