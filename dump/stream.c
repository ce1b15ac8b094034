/* Sending a dump; see stream.h. */
#include "dump/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "dump/core.h"
#include "dump/guard.h"
#include "dump/increment.h"
#include "dump/mm/shmem.h"
#include "images/image.h"
#include "images/stream.h"
#include "lib/handover.h"
#include "lib/io.h"
#include "lib/stats.h"

/* Pages that are to be sent. */
struct later {
	uint32_t pages_id;
	uint64_t bytes;
	struct page_run *runs;
	size_t count;
	int pid;		 /* of a task; 0: of an object */
	struct shmem_contents c; /* the descriptor is ours */
};

struct dump_stream {
	struct stream_out out;
	struct later *all;
	size_t count;
	bool begun; /* the head has been sent: there were rounds */
};

int dstream_check_options(const struct options *opt, struct err *e)
{
	if (!opt->stream)
		return 0;
	if (opt->prev_images_dir || opt->track_mem || opt->auto_dedup) {
		err_say(e, "a stream is whole: it holds no increments");
		return err_hint(e, "leave --prev-images-dir, --track-mem and --auto-dedup out");
	}
	if (opt->compress.once) {
		err_say(e, "a stream cannot lead back to pages that were sent before");
		return err_hint(e, "leave --dedup-pages out, or save into a folder");
	}
	/* What is saved in rounds, or behind the moment, would have to be kept until it is known where it belongs. */
	if ((opt->freeze == FREEZE_PRECOPY && !opt->handover) || opt->freeze == FREEZE_COW) {
		err_say(e,
			"a stream is written while the tree stands still (--freeze=stop), not with "
			"--freeze=%s",
			freeze_word(opt->freeze));
		return err_hint(e, "save into a folder, and send that");
	}
	return 0;
}

static int go_on(void *arg, struct err *e)
{
	struct dump *d = arg;

	return guard_check(d->guard, e);
}

int dstream_begin(struct dump *d, struct err *e)
{
	struct dump_stream *s;

	if (!d->opt->stream)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_sys(e, "memory for the stream");
	if (stream_out_begin(&s->out, d->opt->stream_fd, e) < 0) {
		free(s);
		return e->code;
	}
	s->out.patience = d->opt->timeout;
	s->out.go_on = go_on;
	s->out.arg = d;
	if (d->opt->handover) {
		s->out.sent = d->opt->handover->sent_bytes;
		s->out.bandwidth = d->opt->handover->bandwidth;
	}
	d->stream = s;
	return 0;
}

void dstream_close(struct dump *d)
{
	struct dump_stream *s = d->stream;

	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++) {
		own_close(&s->all[i].c.fd);
		free(s->all[i].runs);
	}
	free(s->all);
	stream_out_drop(&s->out);
	free(s);
	d->stream = NULL;
}

/* --- noting -------------------------------------------------------------------------------------- */

static int note(struct dump_stream *s, struct later l, const struct page_list *p, struct err *e)
{
	if (io_grow(&s->all, s->count, sizeof(*s->all), e) < 0)
		return e->code;
	l.pages_id = p->w->pages_id;
	l.bytes = p->w->size;
	l.runs = take_mem(*p->runs);
	l.count = p->count;
	s->all[s->count++] = l;
	return 0;
}

/* Pages that a restore needs for making the memory (vdso, AIO rings) stand among the images. */
static int save_early(int pid, const struct page_run *run, int fd, struct err *e)
{
	own_mem char *buf = malloc(run->bytes);
	struct page_run first = *run;

	if (!buf)
		return err_sys(e, "memory for pages");
	first.offset = 0;
	if (memory_read_run(pid, &first, buf, e) < 0)
		return e->code;
	return io_pwrite(fd, buf, run->bytes, run->offset, e);
}

int dstream_task(struct dump *d, int pid, const struct page_list *l, struct err *e)
{
	for (size_t i = 0; i < l->count; i++)
		if ((*l->runs)[i].early && save_early(pid, &(*l->runs)[i], l->w->pages_fd, e) < 0)
			return e->code;
	l->w->sink.later = true;
	if (pagemap_writer_finish(l->w, e) < 0)
		return e->code;
	return note(d->stream, (struct later){ .pid = pid, .c.fd = -1 }, l, e);
}

int dstream_object(struct dump *d, const struct shmem_contents *c, const struct page_list *l,
		   struct err *e)
{
	struct later later = { .c = *c };
	own_fd fd = -1;

	l->w->sink.later = true;
	if (pagemap_writer_finish(l->w, e) < 0)
		return e->code;
	fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_sys(e, "keep the shared object open");
	later.c.fd = fd;
	if (note(d->stream, later, l, e) < 0)
		return e->code;
	take_fd(&fd);
	return 0;
}

/* --- sending ------------------------------------------------------------------------------------- */

static int send_task(const struct dump *d, const struct later *l, struct page_sink *sink,
		     struct err *e)
{
	struct page_copy c = { .pid = l->pid, .runs = l->runs, .count = l->count, .sink = sink };
	int r = memory_copy(&c, e);

	return r < 0 && !d->stream->out.failed ? err_on(e, "memory of pid %d", l->pid) : r;
}

static int send_pages(struct dump *d, const struct later *l, struct err *e)
{
	struct dump_stats *stats = d->opt->dump_stats;
	struct page_sink sink;
	uint64_t pages;
	int r;

	page_sink_to_stream(&sink, &d->stream->out, l->pages_id, d->opt->compress);
	r = l->pid ? send_task(d, l, &sink, e) : shmem_send(&l->c, l->runs, l->count, &sink, e);
	pages = l->bytes / PAGE_SIZE - sink.zero_pages;
	*(l->pid ? &stats->pages_written : &stats->shpages_written) += pages;
	stats->pages_zero += sink.zero_pages;
	page_sink_drop(&sink);
	return r;
}

/* Once; of a tree that stands still already the other side is told so before. */
static int begin(struct dump *d, bool rounds, struct err *e)
{
	const struct handover *h = d->opt->handover;
	int r = 0;

	if (d->stream->begun)
		return 0;
	d->stream->begun = true;
	if (h)
		r = rounds ? h->rounds(h->arg, e) : h->frozen(h->arg, e);
	return r < 0 ? r : stream_head_write(&d->stream->out, e);
}

static int send_images(struct dump *d, struct err *e)
{
	InventoryEntry *inventory;

	if (increment_name(d, &d->name, e) < 0 || core_inventory(d, &inventory, e) < 0 ||
	    image_save(d->images, IMG_INVENTORY, 0, inventory, e) < 0)
		return e->code;
	if (begin(d, false, e) < 0)
		return e->code;
	return stream_write_folder(&d->stream->out, d->images, e);
}

int dstream_send(struct dump *d, struct err *e)
{
	const struct handover *h = d->opt->handover;
	uint64_t start = io_now_us(), bytes = 0;

	if (!d->stream)
		return 0;
	for (size_t i = 0; i < d->stream->count; i++)
		bytes += d->stream->all[i].bytes;
	if (h)
		h->round(h->arg, 0, bytes);
	if (send_images(d, e) < 0)
		return e->code;
	for (size_t i = 0; i < d->stream->count; i++)
		if (send_pages(d, &d->stream->all[i], e) < 0)
			return e->code;
	d->opt->dump_stats->memwrite_time += io_now_us() - start;
	return 0;
}

/* --- rounds -------------------------------------------------------------------------------------- */

int dstream_round_begin(struct dump *d, unsigned round, struct err *e)
{
	struct stream_frame f = { .kind = STREAM_ROUND, .at = round };

	return begin(d, true, e) < 0 ? e->code : stream_write(&d->stream->out, &f, "", e);
}

int dstream_round_end(struct dump *d, int dir_fd, struct err *e)
{
	if (image_save(dir_fd, IMG_INVENTORY, 0, core_inventory_round(d, NULL), e) < 0)
		return e->code;
	return stream_write_folder(&d->stream->out, dir_fd, e);
}

/* The file gets its size, and nothing is in it. */
static void sunk(struct page_sink *sink, struct pagemap_writer *w)
{
	w->sink.later = true;
	w->sink.zero_pages = sink->zero_pages;
	page_sink_drop(sink);
}

int dstream_round_copy(struct dump *d, const struct page_copy *what, struct pagemap_writer *w,
		       struct err *e)
{
	struct page_copy c = *what;
	struct page_sink sink;
	int r;

	page_sink_to_stream(&sink, &d->stream->out, w->pages_id, d->opt->compress);
	c.sink = &sink;
	r = memory_copy(&c, e);
	sunk(&sink, w);
	return r;
}

int dstream_round_pump(struct dump *d, const struct page_source *from, struct pagemap_writer *w,
		       struct err *e)
{
	struct page_sink sink;
	int r;

	page_sink_to_stream(&sink, &d->stream->out, w->pages_id, d->opt->compress);
	r = page_pump(from, w->size, &sink, e);
	sunk(&sink, w);
	return r;
}

int dstream_end(struct dump *d, struct err *e)
{
	return d->stream ? stream_write_end(&d->stream->out, e) : 0;
}
