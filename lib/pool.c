/* Memory that lives as long as the whole work; see pool.h. */
#include "lib/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

enum { BLOCK_SIZE = 64 * 1024 };

struct pool_block {
	struct pool_block *next;
	size_t size, used;
	char data[] __attribute__((aligned(16)));
};

static struct pool_block *new_block(size_t size)
{
	struct pool_block *b = calloc(1, sizeof(*b) + size);

	if (!b) {
		log_error("out of memory (%zu bytes)", size);
		exit(1);
	}
	b->size = size;
	return b;
}

void *pool_alloc(struct pool *p, size_t size)
{
	struct pool_block *b = p->blocks;
	void *got;

	size = (size + 15) & ~15UL;
	if (size > BLOCK_SIZE / 4) {
		/* Large ones get a block of their own, behind the one in use. */
		b = new_block(size);
		b->used = size;
		if (p->blocks) {
			b->next = p->blocks->next;
			p->blocks->next = b;
		} else {
			p->blocks = b;
		}
		return b->data;
	}
	if (!b || b->size - b->used < size) {
		b = new_block(BLOCK_SIZE);
		b->next = p->blocks;
		p->blocks = b;
	}
	got = b->data + b->used;
	b->used += size;
	return got;
}

void *pool_copy(struct pool *p, const void *from, size_t size)
{
	void *to = pool_alloc(p, size);

	return size ? memcpy(to, from, size) : to;
}

char *pool_text(struct pool *p, const char *s)
{
	return pool_copy(p, s, strlen(s) + 1);
}

char *pool_format(struct pool *p, const char *fmt, ...)
{
	char buf[4096 + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	return pool_text(p, buf);
}

void pool_unite(struct pool *p, struct pool *more)
{
	struct pool_block **end = &p->blocks;

	/* The first one has room left. */
	while (*end)
		end = &(*end)->next;
	*end = more->blocks;
	more->blocks = NULL;
}

void pool_free(struct pool *p)
{
	while (p->blocks) {
		struct pool_block *b = p->blocks;

		p->blocks = b->next;
		free(b);
	}
}
