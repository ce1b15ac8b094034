/*
 * What page servers say to each other: a header of 32 bytes each time, little-endian, sometimes with pages behind it. The
 * protocol is that of CRIU 4.2; older ones had headers of 24 bytes, and nothing tells them apart.
 */
#ifndef STASIS_PAGES_WIRE_H
#define STASIS_PAGES_WIRE_H

#include "images/kinds.h"
#include "pages/link.h"

enum page_command {
	PS_ADD = 1,	       /* older: as ADD_F with PE_PRESENT */
	PS_HOLE = 2,	       /* older: as ADD_F with PE_PARENT */
	PS_OPEN = 3,	       /* older: as OPEN2 without an answer */
	PS_OPEN2 = 4,	       /* begins a page map; answer: a byte, 1: the folder before has this map */
	PS_PARENT = 5,	       /* answer: 32 bits, 1: the folder before has this map */
	PS_ADD_F = 6,	       /* an entry of the map; its pages follow if they are PE_PRESENT */
	PS_GET = 7,	       /* answer: ADD_F with some of these pages */
	PS_CLOSE = 0x1023,     /* answer: 32 bits, 0: all is stored */
	PS_FORCE_CLOSE = 0x1024,
};

struct page_request {
	uint32_t command; /* with flags in the upper half */
	uint32_t unused;
	uint64_t nr_pages;
	uint64_t vaddr;
	uint64_t map; /* see request_map(); of a GET the pid itself */
};

static inline unsigned request_command(const struct page_request *r)
{
	return r->command & 0xffff;
}

static inline unsigned request_flags(const struct page_request *r)
{
	return r->command >> 16;
}

/* IMG_PAGEMAP or IMG_PAGEMAP_SHMEM. */
uint64_t request_map(enum image_kind kind, uint64_t id);
/* The other way, also of what older ones say. */
must_check int request_map_parse(uint64_t map, enum image_kind *ret_kind, uint64_t *ret_id,
				 struct err *e);

must_check int request_send(struct page_link *l, const struct page_request *r, struct err *e);
/* 0: the other side has ended. */
must_check int request_receive(struct page_link *l, struct page_request *ret, struct err *e);
must_check int request_answer(struct page_link *l, int32_t answer, struct err *e);

#endif
