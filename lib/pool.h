/*
 * Memory that lives as long as the whole dump or restore: the messages of the images, and what is read
 * on the way. Never freed piece by piece.
 *
 * Out of memory ends the program here: the guardian of a dump (dump/guard.h) then lets the target go
 * unharmed, and a restore takes its half-made tree with it.
 */
#ifndef STASIS_LIB_POOL_H
#define STASIS_LIB_POOL_H

#include <stddef.h>

struct pool_block;

struct pool {
	struct pool_block *blocks;
};

/* Zeroed, aligned to 16. Never NULL. */
void *pool_alloc(struct pool *p, size_t size);
#define pool_new(p, type) ((type *)pool_alloc(p, sizeof(type)))
#define pool_array(p, type, n) ((type *)pool_alloc(p, sizeof(type) * (n)))
void *pool_copy(struct pool *p, const void *from, size_t size);
char *pool_text(struct pool *p, const char *s);
char *pool_format(struct pool *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What is in more lives as long as p from now on; more is empty then. */
void pool_unite(struct pool *p, struct pool *more);
void pool_free(struct pool *p);

#endif
