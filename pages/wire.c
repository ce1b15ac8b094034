/* Headers; see wire.h. */
#include "pages/wire.h"

#include <endian.h>
#include <errno.h>

enum { OF_TASK = 1, OF_SHMEM = 2, TYPE_BITS = 8, OLDER_HEADER = 24 };

uint64_t request_map(enum image_kind kind, uint64_t id)
{
	return id << TYPE_BITS | (kind == IMG_PAGEMAP ? OF_TASK : OF_SHMEM);
}

int request_map_parse(uint64_t map, enum image_kind *ret_kind, uint64_t *ret_id, struct err *e)
{
	switch (map & ((1 << TYPE_BITS) - 1)) {
	case OF_TASK:
	case 10:
	case 11:
	case 16:
	case 17:
		*ret_kind = IMG_PAGEMAP;
		break;
	case OF_SHMEM:
	case 27:
	case 28:
	case 29:
	case 32:
	case 33:
	case 34:
		*ret_kind = IMG_PAGEMAP_SHMEM;
		break;
	default:
		return err_say(e, "there is no page map of the type %u",
			       (unsigned)map & ((1 << TYPE_BITS) - 1));
	}
	*ret_id = map >> TYPE_BITS;
	if (*ret_kind == IMG_PAGEMAP && (*ret_id == 0 || *ret_id > INT32_MAX))
		return err_say(e, "%lu is no pid", *ret_id);
	return 0;
}

int request_send(struct page_link *l, const struct page_request *r, struct err *e)
{
	struct page_request wire = { htole32(r->command), 0, htole64(r->nr_pages),
				     htole64(r->vaddr), htole64(r->map) };

	return link_write(l, &wire, sizeof(wire), e);
}

int request_receive(struct page_link *l, struct page_request *ret, struct err *e)
{
	struct page_request wire;
	int r = link_read_first(l, &wire, sizeof(wire), e);

	if (r < 0 && (e->code == -ETIMEDOUT || e->code == -EPIPE))
		return err_hint(
			e,
			"CRIU up to 4.1 sends headers of %d bytes, which nobody can tell from "
			"others: use 4.2 or later",
			OLDER_HEADER);
	if (r <= 0)
		return r;
	*ret = (struct page_request){ le32toh(wire.command), 0, le64toh(wire.nr_pages),
				      le64toh(wire.vaddr), le64toh(wire.map) };
	return 1;
}

int request_answer(struct page_link *l, int32_t answer, struct err *e)
{
	int32_t wire = (int32_t)htole32((uint32_t)answer);

	return link_write(l, &wire, sizeof(wire), e) < 0 ? e->code : link_flush(l, e);
}
