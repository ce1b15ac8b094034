/* Checksums while a file is written; see manifest_part.h. */
#include "images/manifest_part.h"

#include "lib/checksum.h"

void manifest_part_free(struct manifest_part *m)
{
	checksum_parts_free(m->parts);
	*m = (struct manifest_part){};
}

/* Goes to another place: what was begun elsewhere is left to whoever reads the file. */
static void go_to(struct manifest_part *m, uint64_t *sums, uint64_t at)
{
	if (m->begun)
		checksum_parts_begin(m->parts);
	m->begun = false;
	m->sums = sums;
	m->next = at;
}

/* All of it is of one chunk. */
static void add_to_chunk(struct manifest_part *m, const void *data, size_t size)
{
	uint64_t chunk = m->next / MANIFEST_CHUNK, from = m->next % MANIFEST_CHUNK;

	m->next += size;
	if (size == MANIFEST_CHUNK) {
		m->sums[chunk] = checksum(data, size);
		return;
	}
	if (from == 0 && !m->parts)
		m->parts = checksum_parts_new();
	m->begun = m->parts && (from == 0 || m->begun);
	if (!m->begun)
		return;
	checksum_parts_add(m->parts, data, size);
	if (m->next % MANIFEST_CHUNK == 0) {
		m->sums[chunk] = checksum_parts_end(m->parts);
		m->begun = false;
	}
}

void manifest_part_add(struct manifest_part *m, uint64_t *sums, uint64_t at, const void *data,
		       size_t size)
{
	if (!sums)
		return;
	if (sums != m->sums || at != m->next)
		go_to(m, sums, at);
	for (size_t done = 0, n; done < size; done += n) {
		size_t room = MANIFEST_CHUNK - m->next % MANIFEST_CHUNK;

		n = size - done < room ? size - done : room;
		add_to_chunk(m, (const char *)data + done, n);
	}
}
