/* Pages that are stored once: what of a piece is stored elsewhere, and the references to that; see packed.h. */
#include <stdlib.h>

#include "images/packed.h"
#include "lib/io.h"

/* The second run carries on where the first ends: the first becomes both. */
static bool join(struct packed_ref *last, const struct packed_ref *next)
{
	uint32_t count = packed_ref_count(last), more = packed_ref_count(next);
	bool same = last->count & PACKED_SAME, next_same = next->count & PACKED_SAME;

	if (last->pages_id != next->pages_id || last->page + count != next->page ||
	    count + more >= PACKED_SAME)
		return false;
	if (next->from == last->from + count && !same && !next_same) {
		last->count += more;
		return true;
	}
	/* A page alone may begin either sort. */
	if (next->from != last->from || !(same || count == 1) || !(next_same || more == 1))
		return false;
	last->count = (count + more) | PACKED_SAME;
	return true;
}

static int add(struct packer *p, const struct packed_ref *ref, struct err *e)
{
	if (p->ref_count && join(&p->refs[p->ref_count - 1], ref))
		return 0;
	if (io_grow(&p->refs, p->ref_count, sizeof(*p->refs), e) < 0)
		return e->code;
	p->refs[p->ref_count++] = *ref;
	return 0;
}

static int add_all(struct packer *p, uint64_t chunk, const struct seen_twins *twins, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	for (size_t n = 0; n < PACKED_CHUNK / PAGE_SIZE && r == 0; n++) {
		struct packed_ref ref = { .page = chunk * (PACKED_CHUNK / PAGE_SIZE) + n,
					  .count = 1 };

		if (!(twins->pages >> n & 1))
			continue;
		ref.from = twins->where[n].page;
		ref.pages_id = twins->where[n].pages_id;
		p->ref_pages++;
		r = add(p, &ref, e);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

int packer_find_twins(struct packer *p, struct pack_hand *h, struct pack_piece *piece,
		      struct err *e)
{
	struct seen_piece s = { .file = p->seen_file,
				.chunk = piece->chunk,
				.data = piece->data,
				.size = piece->size,
				.codec = p->how.codec };
	struct seen_twins twins;

	if (seen_look(p->how.seen, &h->seen, &s, &twins, e) < 0)
		return e->code;
	piece->twins = twins.pages;
	if (!twins.pages || add_all(p, piece->chunk, &twins, e) == 0)
		return 0;
	seen_done(p->how.seen, &h->seen, NULL);
	return e->code;
}

static int by_page(const void *a, const void *b)
{
	const struct packed_ref *x = a, *y = b;

	return (x->page > y->page) - (x->page < y->page);
}

void packer_sort_refs(struct packer *p)
{
	size_t kept = 0;

	if (!p->ref_count)
		return;
	qsort(p->refs, p->ref_count, sizeof(*p->refs), by_page);
	for (size_t n = 1; n < p->ref_count; n++)
		if (!join(&p->refs[kept], &p->refs[n]))
			p->refs[++kept] = p->refs[n];
	p->ref_count = kept + 1;
}
