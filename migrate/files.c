/* Files that have to be on both sides; see files.h. */
#include "migrate/files.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/buildid.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/maps.h"
#include "lib/own.h"

enum { PIECE = 256 << 10 };

void wanted_files_free(struct wanted_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->all[i].path);
	free(f->all);
	*f = (struct wanted_files){ 0 };
}

/* --- which ---------------------------------------------------------------------------------------- */

/* What the kernel makes up is on the other side as well. */
static bool is_made_up(const char *path)
{
	static const char *const folders[] = { "/proc/",  "/sys/", "/dev/",
					       "/memfd:", "/SYSV", "/[aio]" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (strncmp(path, folders[i], strlen(folders[i])) == 0)
			return true;
	return path[0] != '/';
}

/* A path that leads somewhere else by now (the file was removed, or renamed) is a matter of the dump. */
static int add(struct wanted_files *f, const char *path, const struct stat *st, bool writes,
	       struct err *e)
{
	struct stat there;
	char *copy;

	if (is_made_up(path) || !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) ||
	    stat(path, &there) < 0 || there.st_ino != st->st_ino || there.st_dev != st->st_dev)
		return 0;
	copy = strdup(path);
	if (!copy || io_grow(&f->all, f->count, sizeof(*f->all), e) < 0) {
		free(copy);
		return err_sys(e, "memory for a path");
	}
	f->all[f->count++] = (struct wanted_file){ .path = copy, .st = there, .writes = writes };
	return 0;
}

static int add_link(struct wanted_files *f, int proc, const char *link, bool writes, struct err *e)
{
	char path[PATH_MAX];
	ssize_t n = readlinkat(proc, link, path, sizeof(path) - 1);
	struct stat st;

	if (n < 0 || fstatat(proc, link, &st, 0) < 0)
		return 0;
	path[n] = 0;
	return add(f, path, &st, writes, e);
}

static int add_descriptors(struct wanted_files *f, int proc, struct err *e)
{
	own_pids numbers = { 0 };
	struct err ignored = { 0 };

	if (proc_descriptors(proc, &numbers, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < numbers.count; i++) {
		char link[32];
		struct stat st;

		snprintf(link, sizeof(link), "fd/%d", numbers.pid[i]);
		/* The link itself tells how it was opened. */
		if (fstatat(proc, link, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    add_link(f, proc, link, st.st_mode & S_IWUSR, e) < 0)
			return e->code;
	}
	return 0;
}

static int add_mappings(struct wanted_files *f, int proc, struct err *e)
{
	struct pool pool = { 0 };
	struct maps maps = { 0 };
	struct err ignored = { 0 };
	int r = 0;

	if (maps_read_brief(proc, &pool, &maps, &ignored) == 0)
		for (size_t i = 0; i < maps.count && r == 0; i++) {
			const struct vma *v = &maps.vmas[i];
			bool same = i && strcmp(v->name, maps.vmas[i - 1].name) == 0;
			bool writes = (v->flags & (VMA_SH | VMA_WR)) == (VMA_SH | VMA_WR);
			size_t before = f->count;
			struct stat st;

			if ((same && !writes) || v->name[0] != '/' || stat(v->name, &st) < 0 ||
			    st.st_ino != v->inode)
				continue;
			r = add(f, v->name, &st, writes, e);
			if (f->count > before)
				f->all[before].maps = writes;
		}
	pool_free(&pool);
	return r;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct wanted_file *)a)->path, ((const struct wanted_file *)b)->path);
}

static void unite(struct wanted_files *f)
{
	size_t kept = 0;

	if (f->count)
		qsort(f->all, f->count, sizeof(*f->all), by_path);
	for (size_t i = 0; i < f->count; i++) {
		if (kept && strcmp(f->all[kept - 1].path, f->all[i].path) == 0) {
			f->all[kept - 1].writes |= f->all[i].writes;
			f->all[kept - 1].maps |= f->all[i].maps;
			free(f->all[i].path);
		} else {
			f->all[kept++] = f->all[i];
		}
	}
	f->count = kept;
}

int wanted_files_find(const struct pids *tree, struct wanted_files *ret, struct err *e)
{
	*ret = (struct wanted_files){ 0 };
	for (size_t i = 0; i < tree->count; i++) {
		struct err ignored = { 0 };
		own_fd proc = -1;

		if (proc_open(tree->pid[i], &proc, &ignored) < 0)
			continue;
		if (add_link(ret, proc, "exe", false, e) < 0 ||
		    add_link(ret, proc, "cwd", false, e) < 0 ||
		    add_link(ret, proc, "root", false, e) < 0 ||
		    add_descriptors(ret, proc, e) < 0 || add_mappings(ret, proc, e) < 0)
			return e->code;
	}
	unite(ret);
	return 0;
}

bool wanted_file_changed(const struct wanted_files *before, const struct wanted_file *now)
{
	const struct wanted_file *was =
		before->count ? bsearch(now, before->all, before->count, sizeof(*now), by_path) :
				NULL;

	if (!S_ISREG(now->st.st_mode))
		return false;
	return !was || now->maps || was->st.st_size != now->st.st_size ||
	       was->st.st_mtim.tv_sec != now->st.st_mtim.tv_sec ||
	       was->st.st_mtim.tv_nsec != now->st.st_mtim.tv_nsec;
}

/* --- what they are -------------------------------------------------------------------------------- */

struct contents {
	const char *kind;
	char value[2 * BUILDID_MAX + 1];
};

static int add_up(int fd, char value[17], struct err *e)
{
	struct checksum_parts *sum = checksum_parts_new();
	own_mem char *buf = malloc(PIECE);
	ssize_t n = -1;

	if (sum && buf) {
		checksum_parts_begin(sum);
		for (off_t at = 0; (n = pread(fd, buf, PIECE, at)) > 0; at += n)
			checksum_parts_add(sum, buf, n);
		snprintf(value, 17, "%016lx", checksum_parts_end(sum));
	}
	checksum_parts_free(sum);
	return n < 0 ? err_sys(e, "read it") : 0;
}

static int look(const char *path, const struct stat *st, struct contents *ret, struct err *e)
{
	_Alignas(4) uint8_t id[BUILDID_MAX];
	size_t size;

	*ret = (struct contents){ "dir", "-" };
	if (S_ISDIR(st->st_mode))
		return 0;
	own_fd fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	size = buildid_read(fd, id);
	ret->kind = size ? "id" : "sum";
	for (size_t i = 0; i < size; i++)
		sprintf(ret->value + 2 * i, "%02x", id[i]);
	return size ? 0 : add_up(fd, ret->value, e) < 0 ? err_on(e, "'%s'", path) : 0;
}

void word_write(FILE *to, const char *text)
{
	for (; *text; text++)
		if (*text == '%' || iscntrl((unsigned char)*text))
			fprintf(to, "%%%02x", (unsigned char)*text);
		else
			fputc(*text, to);
}

char *word_read(char *word)
{
	char *to = word, hex[3] = "";

	for (const char *from = word; *from; from++) {
		if (*from == '%' && from[1] && from[2]) {
			memcpy(hex, from + 1, 2);
			*to++ = strtol(hex, NULL, 16);
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = 0;
	return word;
}

int wanted_file_say(const struct wanted_file *f, FILE *to, struct err *e)
{
	struct contents c;

	if (look(f->path, &f->st, &c, e) < 0)
		return e->code;
	fprintf(to, "file\t%s%s\t%o\t%lu\t%s\t", c.kind, f->writes ? "w" : "", f->st.st_mode,
		(unsigned long)f->st.st_size, c.value);
	word_write(to, f->path);
	fputc('\n', to);
	return 0;
}

/* --- on the other side ---------------------------------------------------------------------------- */

enum { KIND, MODE, SIZE, VALUE, PATH, WORDS };

static bool cut(char *line, char *words[WORDS])
{
	for (int i = 0; i < WORDS; i++) {
		words[i] = line;
		line = strchr(line, '\t');
		if (!line)
			return i == WORDS - 1;
		*line++ = 0;
	}
	return false;
}

/* "file PATH: what"; the one who asks may want to send it. */
static void complain(FILE *to, const char *path, const char *what)
{
	fputs("file\t", to);
	word_write(to, path);
	fprintf(to, "\t%s\n", what);
}

int wanted_file_check(char *line, FILE *to, struct err *e)
{
	char *words[WORDS];
	struct contents c;
	struct stat st;
	mode_t mode;

	if (strncmp(line, "file\t", 5) != 0 || !cut(line + 5, words))
		return err_code(e, EPROTO, "a line about a file makes no sense");
	word_read(words[PATH]);
	mode = strtoul(words[MODE], NULL, 8);
	if (words[PATH][0] != '/')
		return err_code(e, EPROTO, "a line about a file has no path");
	if (stat(words[PATH], &st) < 0) {
		complain(to, words[PATH], errno == ENOENT ? "is missing" : strerror(errno));
		return 0;
	}
	if ((st.st_mode & S_IFMT) != (mode & S_IFMT)) {
		complain(to, words[PATH], "is another kind of file");
		return 0;
	}
	if (S_ISDIR(mode))
		return 0;
	if ((uint64_t)st.st_size != strtoull(words[SIZE], NULL, 10)) {
		complain(to, words[PATH], "has another size");
		return 0;
	}
	if (look(words[PATH], &st, &c, e) < 0)
		return e->code;
	if (strncmp(words[KIND], c.kind, strlen(c.kind)) != 0 || strcmp(words[VALUE], c.value) != 0)
		complain(to, words[PATH],
			 c.kind[0] == 'i' ? "is another version" : "has other contents");
	return 0;
}
