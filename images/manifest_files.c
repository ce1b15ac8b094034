/* Files against their checksums: reading those that are not known yet, and looking at those that are; see manifest.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/manifest.h"
#include "lib/background.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"

enum {
	WORTH_BACKGROUND = 64, /* files: a thread of our own costs as much as some */
	WORTH_TWO = 8 << 20,   /* bytes of one file: the same */
};

static const char AS_IT_IS[] = "if it was changed on purpose, remove '" MANIFEST_NAME "'";

/* Not blocking: should somebody have put a fifo there, it is refused and not waited for. */
static int open_file(int dir_fd, const char *name, int *ret_fd, uint64_t *ret_size, struct err *e)
{
	own_fd fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return err_code(e, ENOENT, "'%s' is missing", name);
	if (fd < 0)
		return err_sys(e, "open '%s'", name);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_say(e, "'%s' is not a regular file", name);
	*ret_fd = take_fd(&fd);
	*ret_size = st.st_size;
	return 0;
}

static size_t chunk_size(const struct listed_file *f, uint64_t chunk)
{
	uint64_t left = f->size - chunk * MANIFEST_CHUNK;

	return left < MANIFEST_CHUNK ? left : MANIFEST_CHUNK;
}

static int read_chunk(const struct listed_file *f, int fd, uint64_t chunk, void *buf, struct err *e)
{
	if (io_pread(fd, buf, chunk_size(f, chunk), chunk * MANIFEST_CHUNK, e) < 0)
		return err_on(e, "'%s'", f->name);
	return 0;
}

/* Both halves of a work, by two threads if it is worth it. */
static int in_two(int (*run)(void *half, struct err *e), void *mine, void *other, bool worth,
		  struct err *e)
{
	struct background *b = worth ? background_start() : NULL;
	struct err later = {};
	int r = background_add(b, run, other, e);

	if (r == 0)
		r = run(mine, e);
	if (background_finish(b, &later) < 0 && r == 0) {
		*e = later;
		r = e->code;
	}
	return r;
}

/* Some of the chunks of a file. */
struct stretch {
	struct listed_file *f;
	int fd;
	uint64_t first, last;
};

static int read_stretch(void *arg, struct err *e)
{
	const struct stretch *s = arg;
	own_mem char *buf = malloc(MANIFEST_CHUNK);

	if (!buf)
		return err_sys(e, "memory for checksums");
	for (uint64_t n = s->first; n < s->last; n++) {
		if (s->f->sums[n])
			continue;
		if (read_chunk(s->f, s->fd, n, buf, e) < 0)
			return e->code;
		s->f->sums[n] = checksum(buf, chunk_size(s->f, n));
	}
	return 0;
}

/* Room for all of them; those that are known stay. */
static int make_room(struct listed_file *f, struct err *e)
{
	size_t count = manifest_chunks(f->size);
	uint64_t *sums = realloc(f->sums, count * sizeof(*sums) + 1);

	if (!sums)
		return err_sys(e, "memory for the checksums of '%s'", f->name);
	f->sums = sums;
	for (size_t n = f->sum_count; n < count; n++)
		sums[n] = 0;
	f->sum_count = count;
	return 0;
}

static int read_file(struct listed_file *f, int dir_fd, struct err *e)
{
	struct stretch mine, other;
	own_fd fd = -1;

	if (open_file(dir_fd, f->name, &fd, &f->size, e) < 0 || make_room(f, e) < 0)
		return e->code;
	mine = (struct stretch){ f, fd, 0, f->sum_count / 2 };
	other = (struct stretch){ f, fd, mine.last, f->sum_count };
	if (in_two(read_stretch, &mine, &other, f->size >= WORTH_TWO, e) < 0)
		return e->code;
	f->known = true;
	return 0;
}

/* Some of the files of a manifest. */
struct span {
	struct manifest *m;
	int dir_fd;
	size_t first, last;
};

static int read_span(void *arg, struct err *e)
{
	const struct span *s = arg;

	for (size_t i = s->first; i < s->last; i++)
		if (!s->m->files[i].known && read_file(&s->m->files[i], s->dir_fd, e) < 0)
			return e->code;
	return 0;
}

int manifest_read(struct manifest *m, int dir_fd, struct err *e)
{
	size_t half = m->count / 2;
	struct span mine = { m, dir_fd, 0, half }, other = { m, dir_fd, half, m->count };

	return in_two(read_span, &mine, &other, m->count > WORTH_BACKGROUND, e);
}

int listed_open(const struct listed_file *f, int dir_fd, int *ret_fd, struct err *e)
{
	own_fd fd = -1;
	uint64_t size;

	if (open_file(dir_fd, f->name, &fd, &size, e) < 0)
		return e->code;
	if (size != f->size) {
		err_say(e, "'%s' has %lu bytes, but it was written with %lu", f->name, size,
			f->size);
		return err_hint(e, "%s", AS_IT_IS);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int listed_compare(const struct listed_file *f, uint64_t chunk, const void *data, struct err *e)
{
	size_t size = chunk_size(f, chunk);

	if (checksum(data, size) == f->sums[chunk])
		return 0;
	err_code(e, EBADMSG,
		 "'%s' is damaged at offset %lu: the %zu bytes from there are not those that were "
		 "written",
		 f->name, chunk * MANIFEST_CHUNK, size);
	return err_hint(e, "%s", AS_IT_IS);
}

int listed_check(const struct listed_file *f, int fd, uint64_t chunk, void *buf, struct err *e)
{
	if (read_chunk(f, fd, chunk, buf, e) < 0)
		return e->code;
	return listed_compare(f, chunk, buf, e);
}

int listed_check_all(const struct listed_file *f, int dir_fd, struct err *e)
{
	own_mem char *buf = malloc(MANIFEST_CHUNK);
	own_fd fd = -1;

	if (!buf)
		return err_sys(e, "memory for checksums");
	if (listed_open(f, dir_fd, &fd, e) < 0)
		return e->code;
	for (uint64_t n = 0; n < f->sum_count; n++)
		if (listed_check(f, fd, n, buf, e) < 0)
			return e->code;
	return 0;
}
