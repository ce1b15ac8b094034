/*
 * A stream with rounds, into a folder: what a tree had while it ran has to be kept until it is known which of it counts. The
 * folder is then like one that a dump with --freeze=precopy has written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/image.h"
#include "images/stream.h"
#include "lib/io.h"
#include "lib/own.h"

enum { MOST_ROUNDS = 1000 };

struct gathering {
	struct stream_in *in;
	int dir_fd;	   /* of all */
	int folder;	   /* of the round; -1: there is none, what comes is of the last stop */
	int pages;	   /* a pages file of that folder, -1: none */
	uint32_t pages_id; /* its number */
	uint64_t rounds;
};

static int here(const struct gathering *g)
{
	return g->folder < 0 ? g->dir_fd : g->folder;
}

static void leave_file(struct gathering *g)
{
	own_close(&g->pages);
	g->pages = -1;
}

static int link_parent(int dir_fd, const char *up, uint64_t round, struct err *e)
{
	char to[40];

	snprintf(to, sizeof(to), "%sprecopy-%lu", up, round);
	return symlinkat(to, dir_fd, "parent") < 0 ? err_sys(e, "create the link 'parent'") : 0;
}

static int begin_round(struct gathering *g, struct err *e)
{
	char name[40];

	if (g->folder >= 0 || g->in->f.at != g->rounds + 1 || g->rounds == MOST_ROUNDS)
		return stream_refuse(g->in, e);
	g->rounds++;
	snprintf(name, sizeof(name), "precopy-%lu", g->rounds);
	leave_file(g);
	if (mkdirat(g->dir_fd, name, 0700) < 0)
		return err_sys(e, "create the folder '%s'", name);
	g->folder = openat(g->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (g->folder < 0)
		return err_sys(e, "open the folder '%s'", name);
	return g->rounds > 1 ? link_parent(g->folder, "../", g->rounds - 1, e) : 0;
}

/* Of a round: the next one comes. Of the last stop: its pages come. */
static int end_folder(struct gathering *g, struct err *e)
{
	bool last = g->folder < 0;

	leave_file(g);
	own_close(&g->folder);
	g->folder = -1;
	return last && g->rounds ? link_parent(g->dir_fd, "", g->rounds, e) : 0;
}

static int open_pages(struct gathering *g, struct err *e)
{
	char name[IMAGE_NAME_MAX];

	if (g->pages >= 0 && g->pages_id == g->in->f.id)
		return 0;
	leave_file(g);
	image_name(name, IMG_PAGES, g->in->f.id);
	g->pages = openat(here(g), name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	g->pages_id = g->in->f.id;
	return g->pages < 0 ? err_sys(e, "create '%s'", name) : 0;
}

/* Zeros stay a hole. */
static int put_pages(struct gathering *g, struct err *e)
{
	const struct stream_frame *f = &g->in->f;
	size_t pages = f->bytes / PAGE_SIZE;

	if (open_pages(g, e) < 0 || stream_expand(g->in, e) < 0)
		return e->code;
	for (size_t n = 0, end; n < pages; n = end + 1) {
		for (end = n; end < pages && f->present >> end & 1;)
			end++;
		if (end > n && io_pwrite(g->pages, g->in->unpacker.data + n * PAGE_SIZE,
					 (end - n) * PAGE_SIZE, f->at + n * PAGE_SIZE, e) < 0)
			return err_on(e, "pages in memory");
	}
	return 0;
}

static int take_one(struct gathering *g, struct err *e)
{
	if (stream_next(g->in, e) < 0)
		return e->code;
	switch (g->in->f.kind) {
	case STREAM_ROUND:
		return begin_round(g, e);
	case STREAM_FILE:
		return stream_take_file(g->in, here(g), e);
	case STREAM_FOLDER:
		return end_folder(g, e);
	case STREAM_PAGES:
		return put_pages(g, e);
	case STREAM_END:
		return 0;
	default:
		return stream_refuse(g->in, e);
	}
}

int stream_gather(struct stream_in *s, int dir_fd, struct err *e)
{
	struct gathering g = { .in = s, .dir_fd = dir_fd, .folder = -1, .pages = -1 };
	int r = 0;

	while (r == 0 && !s->ended)
		r = take_one(&g, e);
	own_close(&g.pages);
	own_close(&g.folder);
	return r;
}
