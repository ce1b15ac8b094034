/* Sending to a page server; see client.h. */
#include "pages/client.h"

#include <endian.h>
#include <errno.h>

#include "images/pages.h"
#include "lib/io.h"
#include "pages/wire.h"

static int client_open(struct page_outlet *o, enum image_kind kind, uint64_t id, struct err *e)
{
	struct page_client *c = (struct page_client *)o;
	struct page_request r = { .command = PS_OPEN2, .map = request_map(kind, id) };
	uint8_t answer;

	if (request_send(&c->link, &r, e) < 0 || link_read(&c->link, &answer, 1, e) < 0)
		return err_on(e, "the page server");
	c->map = r.map;
	c->has_parent = answer == 1;
	return 0;
}

static int client_add(struct page_outlet *o, const struct stored_run *run, struct err *e)
{
	struct page_client *c = (struct page_client *)o;
	struct page_request r = { .command = PS_ADD_F | run->flags << 16,
				  .nr_pages = run->nr_pages,
				  .vaddr = run->vaddr,
				  .map = c->map };

	if (run->flags & PE_PARENT && !c->has_parent) {
		err_code(e, ENOENT, "the page server has no folder before that holds pages at %lx",
			 run->vaddr);
		return err_hint(e, "start it with --prev-images-dir");
	}
	return request_send(&c->link, &r, e) < 0 ? err_on(e, "the page server") : 0;
}

static int client_data(struct page_outlet *o, const void *data, size_t size, struct err *e)
{
	struct page_client *c = (struct page_client *)o;

	return link_write(&c->link, data, size, e) < 0 ? err_on(e, "the page server") : 0;
}

int page_client_begin(struct page_client *c, const struct options *opt, struct err *e)
{
	c->outlet = (struct page_outlet){ client_open, client_add, client_data };
	return link_connect(&c->link, opt, e) < 0 ? err_on(e, "the page server") : 0;
}

int page_client_has(struct page_client *c, enum image_kind kind, uint64_t id, bool *ret,
		    struct err *e)
{
	struct page_request r = { .command = PS_PARENT, .map = request_map(kind, id) };
	int32_t answer;

	if (request_send(&c->link, &r, e) < 0 ||
	    link_read(&c->link, &answer, sizeof(answer), e) < 0)
		return err_on(e, "the page server");
	*ret = le32toh(answer) == 1;
	return 0;
}

int page_client_finish(struct page_client *c, struct err *e)
{
	struct page_request r = { .command = PS_CLOSE };
	int32_t answer;

	if (request_send(&c->link, &r, e) < 0 ||
	    link_read(&c->link, &answer, sizeof(answer), e) < 0)
		return err_on(e, "the page server");
	if (answer) {
		err_say(e, "the page server could not store the pages (status %d)",
			(int)le32toh(answer));
		return err_hint(e, "its log says why");
	}
	link_close(&c->link);
	return 0;
}

void page_client_drop(struct page_client *c)
{
	link_drop(&c->link);
}
