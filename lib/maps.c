/*
 * Reads /proc/PID/smaps, which tells for each mapping what 'maps' tells and the flags besides. For that the kernel
 * walks through all pages, 10 to 35 ms for each GiB; of large processes 'maps' is read, and the flags are had otherwise
 * (vma_quick.h).
 *
 * The kernel hands out some five mappings a read, so ten thousand are two thousand reads; lines are taken
 * apart by hand, and only five of the two dozen of a mapping are looked at.
 */
#include "lib/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/io.h"
#include "lib/own.h"
#include "lib/vma_letters.h"
#include "lib/vma_quick.h"

enum { BUFFER_SIZE = 64 * 1024 };

struct reader {
	struct pool *pool;
	struct vma *vmas; /* malloc'ed while it grows */
	size_t count;
	const char *last_name; /* neighbours share their file's name more often than not */
};

static uint64_t take_hex(const char **p)
{
	uint64_t v = 0;

	for (;; (*p)++) {
		char c = **p;

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else
			return v;
	}
}

static uint64_t take_decimal(const char **p)
{
	uint64_t v = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		v = v * 10 + (**p - '0');
	return v;
}

static bool expect(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static const char *keep_name(struct reader *r, const char *name)
{
	if (!*name)
		return "";
	if (!r->last_name || strcmp(r->last_name, name) != 0)
		r->last_name = pool_text(r->pool, name);
	return r->last_name;
}

/* 7f24f1a00000-7f24f1a21000 rw-p 00000000 fe:00 247134       /usr/bin/cat */
static int parse_header(struct reader *r, const char *line, struct err *e)
{
	struct vma v = { .name = "", .fd_flags = -1 };
	const char *p = line;
	int res;

	v.start = take_hex(&p);
	if (!expect(&p, '-'))
		return err_say(e, "this line of 'smaps' has no range: '%.100s'", line);
	v.end = take_hex(&p);
	if (!expect(&p, ' ') || strnlen(p, 5) < 5)
		return err_say(e, "this line of 'smaps' has no permissions: '%.100s'", line);
	/* VmFlags tells these again, but a kernel without CONFIG_PROC_PAGE_MONITOR has none of it. */
	v.flags = (p[0] == 'r' ? VMA_RD : 0) | (p[1] == 'w' ? VMA_WR : 0) |
		  (p[2] == 'x' ? VMA_EX : 0) | (p[3] == 's' ? VMA_SH : 0);
	p += 5;
	v.pgoff = take_hex(&p);
	if (!expect(&p, ' '))
		return err_say(e, "this line of 'smaps' has no offset: '%.100s'", line);
	v.dev_major = take_hex(&p);
	if (!expect(&p, ':'))
		return err_say(e, "this line of 'smaps' has no device: '%.100s'", line);
	v.dev_minor = take_hex(&p);
	if (!expect(&p, ' '))
		return err_say(e, "this line of 'smaps' has no inode: '%.100s'", line);
	v.inode = take_decimal(&p);
	while (*p == ' ')
		p++;
	v.name = keep_name(r, p);
	v.page_size = PAGE_SIZE;
	res = io_grow(&r->vmas, r->count, sizeof(v), e);
	if (res < 0)
		return res;
	r->vmas[r->count++] = v;
	return 0;
}

/* The number behind the colon. */
static uint64_t value_of(const char *line)
{
	const char *p = strchr(line, ':');

	if (!p)
		return 0;
	for (p++; *p == ' '; p++)
		;
	return take_decimal(&p);
}

/* Flags of higher bits than VM_LOCKONFAULT, which are told after it. */
#define AFTER_LF (VMA_AC | VMA_NR | VMA_HT | VMA_WF | VMA_DD | VMA_MG | VMA_HG | VMA_NH)

static void parse_flags(struct vma *v, const char *p)
{
	const uint16_t none = '?' | '?' << 8;
	uint16_t letters;

	while ((letters = vma_next_letters(&p))) {
		/* Older kernels (6.1) have no letters for it. */
		if (letters == none && v->flags & VMA_LO && !(v->flags & AFTER_LF))
			v->flags |= VMA_LF;
		vma_letters_mean(letters, &v->flags, &v->may);
	}
}

static int parse_line(struct reader *r, const char *line, struct err *e)
{
	struct vma *v;

	/* Keys begin with a capital, addresses are in small letters. */
	if (*line < 'A' || *line > 'Z')
		return parse_header(r, line, e);
	if (r->count == 0)
		return err_say(e, "'smaps' begins with '%.100s'", line);
	v = &r->vmas[r->count - 1];
	if (*line == 'K' && strncmp(line, "KernelPageSize:", 15) == 0)
		v->page_size = value_of(line) * 1024;
	else if (*line == 'P' && strncmp(line, "ProtectionKey:", 14) == 0)
		v->pkey = value_of(line);
	else if (*line == 'V' && strncmp(line, "VmFlags: ", 9) == 0)
		parse_flags(v, line + 9);
	return 0;
}

/* Takes whole lines from buf; returns how many bytes they were, or -errno. */
static ssize_t parse_lines(struct reader *r, char *buf, size_t size, struct err *e)
{
	char *line = buf, *end;

	while ((end = memchr(line, '\n', buf + size - line))) {
		int res;

		*end = 0;
		res = parse_line(r, line, e);
		if (res < 0)
			return res;
		line = end + 1;
	}
	return line - buf;
}

static int read_all(struct reader *r, int fd, struct err *e)
{
	own_mem char *buf = malloc(BUFFER_SIZE);
	size_t used = 0;

	if (!buf)
		return err_sys(e, "memory for 'smaps'");
	for (;;) {
		ssize_t n = read(fd, buf + used, BUFFER_SIZE - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read 'smaps'");
		if (n == 0)
			break;
		used += n;
		n = parse_lines(r, buf, used, e);
		if (n < 0)
			return n;
		memmove(buf, buf + n, used - n);
		used -= n;
		if (used == BUFFER_SIZE)
			return err_say(e, "'smaps' has a line of more than %zu bytes", used);
	}
	return used ? err_say(e, "'smaps' is cut short") : 0;
}

/*
 * The file is read in parts. If the process runs, a mapping may have been joined with one that was told before: it is told
 * again, as a whole.
 */
static void drop_repeated(struct reader *r)
{
	uint64_t end = 0;
	size_t n = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct vma v = r->vmas[i];

		if (v.end <= end)
			continue;
		if (v.start < end && (v.inode || v.dev_major || v.dev_minor))
			v.pgoff += end - v.start;
		if (v.start < end)
			v.start = end;
		end = v.end;
		r->vmas[n++] = v;
	}
	r->count = n;
}

static int read_file(int proc_fd, const char *name, struct reader *r, struct err *e)
{
	own_fd fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open '%s'", name);
	if (read_all(r, fd, e) < 0)
		return e->code;
	drop_repeated(r);
	return 0;
}

static struct vma *keep(struct reader *r)
{
	static const struct vma none;

	return pool_copy(r->pool, r->vmas ? r->vmas : &none, r->count * sizeof(*r->vmas));
}

static int read_into_pool(int proc_fd, const char *name, struct pool *pool, struct maps *ret,
			  struct err *e)
{
	struct reader r = { .pool = pool };
	int res = read_file(proc_fd, name, &r, e);

	if (res == 0)
		*ret = (struct maps){ keep(&r), r.count };
	free(r.vmas);
	return res;
}

/* The same without that walk, where it can be: 1. */
static int read_quick(int proc_fd, struct pool *pool, struct maps *ret, struct err *e)
{
	struct reader r = { .pool = pool };
	int res = read_file(proc_fd, "maps", &r, e);

	if (res == 0 && vma_quick_flags(proc_fd, r.vmas, r.count)) {
		*ret = (struct maps){ keep(&r), r.count };
		res = 1;
	}
	free(r.vmas);
	return res;
}

int maps_read(int proc_fd, struct pool *pool, struct maps *ret, struct err *e)
{
	int r = vma_quick_prepare(proc_fd) ? read_quick(proc_fd, pool, ret, e) : 0;

	if (r == 0)
		r = read_into_pool(proc_fd, "smaps", pool, ret, e);
	return r < 0 ? r : 0;
}

int maps_read_brief(int proc_fd, struct pool *pool, struct maps *ret, struct err *e)
{
	return read_into_pool(proc_fd, "maps", pool, ret, e);
}

/* A heap and a stack are the same when they have grown or shrunk at their loose end. */
static bool is_same(const struct vma *was, const struct vma *is)
{
	const uint32_t told = VMA_RD | VMA_WR | VMA_EX | VMA_SH;
	bool grows_up = strcmp(is->name, "[heap]") == 0, grows_down = was->flags & VMA_GD;

	return (was->start == is->start || grows_down) && (was->end == is->end || grows_up) &&
	       (was->flags & told) == (is->flags & told) &&
	       (was->pgoff == is->pgoff || grows_down) && was->dev_major == is->dev_major &&
	       was->dev_minor == is->dev_minor && was->inode == is->inode &&
	       strcmp(was->name, is->name) == 0;
}

static void take_over(struct vma *is, const struct vma *was)
{
	is->flags = was->flags;
	is->may = was->may;
	is->page_size = was->page_size;
	is->pkey = was->pkey;
}

/* Both are ascending: one pass. */
static bool take_over_all(struct vma *now, size_t count, const struct maps *before)
{
	size_t b = 0;

	for (size_t i = 0; i < count; i++) {
		while (b < before->count && before->vmas[b].end <= now[i].start)
			b++;
		if (b == before->count || !is_same(&before->vmas[b], &now[i]))
			return false;
		take_over(&now[i], &before->vmas[b]);
	}
	return true;
}

int maps_update(int proc_fd, struct pool *pool, struct maps *m, struct err *e)
{
	struct reader r = { .pool = pool };
	int res = vma_quick_ready() ? read_quick(proc_fd, pool, m, e) : 0;

	if (res != 0)
		return res;
	res = read_file(proc_fd, "maps", &r, e);
	if (res == 0 && take_over_all(r.vmas, r.count, m)) {
		*m = (struct maps){ keep(&r), r.count };
		res = 1;
	}
	free(r.vmas);
	return res;
}

bool maps_is_anon(const struct vma *v)
{
	return v->inode == 0 && v->dev_major == 0 && v->dev_minor == 0 && !(v->flags & VMA_SH) &&
	       (!*v->name || strcmp(v->name, "[heap]") == 0 || strncmp(v->name, "[stack", 6) == 0 ||
		strncmp(v->name, "[anon:", 6) == 0);
}
