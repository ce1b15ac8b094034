/* Page maps that go elsewhere; see page_outlet.h. */
#include "images/page_outlet.h"

#include "images/pages.h"
#include "lib/io.h"

int page_remote_add(struct page_remote *m, const struct stored_run *run, struct err *e)
{
	if (io_grow(&m->runs, m->count, sizeof(*run), e) < 0)
		return e->code;
	m->runs[m->count++] = *run;
	return 0;
}

static int open_map(struct page_remote *m, struct err *e)
{
	if (m->open)
		return 0;
	m->open = true;
	return m->outlet->open(m->outlet, m->kind, m->id, e);
}

/* Up to and including the next one with pages. */
static int add_entries(struct page_remote *m, struct err *e)
{
	if (open_map(m, e) < 0)
		return e->code;
	while (m->next < m->count && !m->left) {
		const struct stored_run *run = &m->runs[m->next++];

		if (m->outlet->add(m->outlet, run, e) < 0)
			return e->code;
		if (run->flags & PE_PRESENT)
			m->left = run->nr_pages * PAGE_SIZE;
	}
	return 0;
}

int page_remote_put(struct page_remote *m, const char *data, size_t size, bool last, struct err *e)
{
	while (size) {
		size_t part;

		if (add_entries(m, e) < 0)
			return e->code;
		part = size < m->left ? size : m->left;
		if (!part)
			return err_say(e, "more pages came than the page map has");
		if (m->outlet->data(m->outlet, data, part, e) < 0)
			return e->code;
		data += part;
		size -= part;
		m->left -= part;
	}
	return last ? add_entries(m, e) : 0;
}

int page_remote_finish(struct page_remote *m, struct err *e)
{
	if (add_entries(m, e) < 0)
		return e->code;
	return m->left || m->next < m->count ?
		       err_say(e, "fewer pages came than the page map has") :
		       0;
}
