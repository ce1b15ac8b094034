/*
 * Files that go along (--with-files). What is missing there is made; a file that the tree may write replaces the one that is there.
 * Programs and libraries that are others there are never replaced.
 */
#include "migrate/send_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/io.h"
#include "lib/own.h"

enum { PIECE = 256 << 10, HEAD = PATH_MAX * 3 + 200 };

static int send_contents(struct channel *c, const char *path, struct err *e)
{
	own_mem char *buf = malloc(PIECE);
	own_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd < 0 || !buf)
		return err_sys(e, "open '%s'", path);
	while ((n = read(fd, buf, PIECE)) > 0)
		if (channel_send(c, MESSAGE_DATA, buf, n, e) < 0)
			return e->code;
	if (n < 0)
		return err_sys(e, "read '%s'", path);
	return channel_send(c, MESSAGE_DATA, "", 0, e);
}

int send_file(struct channel *c, const struct wanted_file *f, struct err *e)
{
	own_mem char *head = NULL;
	size_t size;
	FILE *to = open_memstream(&head, &size);

	if (!to)
		return err_sys(e, "memory for a message");
	fprintf(to, "%d\t%o\t%u\t%u\t%ld.%09ld\t", f->writes, f->st.st_mode, f->st.st_uid,
		f->st.st_gid, f->st.st_mtim.tv_sec, f->st.st_mtim.tv_nsec);
	word_write(to, f->path);
	fclose(to);
	if (channel_send(c, MESSAGE_FILE, head, size, e) < 0)
		return e->code;
	if (S_ISDIR(f->st.st_mode))
		return 0;
	return send_contents(c, f->path, e);
}

/* --- on the other side ---------------------------------------------------------------------------- */

struct head {
	bool replaces;
	unsigned mode, uid, gid;
	struct timespec times[2];
	char *path;
};

static int read_head(char *text, struct head *h, struct err *e)
{
	int replaces, end = 0;

	if (sscanf(text, "%d\t%o\t%u\t%u\t%ld.%ld\t%n", &replaces, &h->mode, &h->uid, &h->gid,
		   &h->times[1].tv_sec, &h->times[1].tv_nsec, &end) != 6 ||
	    text[end] != '/')
		return err_code(e, EPROTO, "what is said of a file makes no sense");
	h->replaces = replaces;
	h->times[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	h->path = word_read(text + end);
	return 0;
}

static int take_contents(struct channel *c, int fd, struct err *e)
{
	for (;;) {
		own_message_in m = { 0 };

		if (channel_expect(c, MESSAGE_DATA, &m, 0, e) < 0)
			return e->code;
		if (m.size == 0)
			return 0;
		if (io_write(fd, m.data, m.size, NULL, e) < 0)
			return e->code;
	}
}

/* Under a name of its own, beside its place. */
static int take_beside(struct channel *c, const struct head *h, const char *name, struct err *e)
{
	own_fd fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "create '%s'", name);
	if (take_contents(c, fd, e) < 0)
		return err_on(e, "'%s'", h->path);
	if (fchown(fd, h->uid, h->gid) < 0 || fchmod(fd, h->mode & 07777) < 0 ||
	    futimens(fd, h->times) < 0 || fsync(fd) < 0)
		return err_sys(e, "'%s'", h->path);
	return 0;
}

static int note(struct taken_files *t, const char *path, struct taken_file what, struct err *e)
{
	if (io_grow(&t->all, t->count, sizeof(*t->all), e) < 0)
		return e->code;
	what.path = strdup(path);
	if (!what.path)
		return err_sys(e, "memory for a path");
	t->all[t->count++] = what;
	return 0;
}

static int make_folder(struct taken_files *t, const char *path, mode_t mode, struct err *e)
{
	if (mkdir(path, mode) == 0)
		return note(t, path, (struct taken_file){ .folder = true }, e);
	return errno == EEXIST ? 0 : err_sys(e, "create the folder '%s'", path);
}

/* Those that lead to it. */
static int make_folders(struct taken_files *t, const char *path, struct err *e)
{
	char part[PATH_MAX];

	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
		if (make_folder(t, part, 0755, e) < 0)
			return e->code;
	}
	return 0;
}

static int take_folder(struct taken_files *t, const struct head *h, struct err *e)
{
	if (make_folder(t, h->path, 0700, e) < 0)
		return e->code;
	if (chown(h->path, h->uid, h->gid) < 0 || chmod(h->path, h->mode & 07777) < 0)
		return err_sys(e, "'%s'", h->path);
	return 0;
}

static const char *beside(char *buf, const struct taken_files *t, const char *path,
			  const char *what)
{
	snprintf(buf, PATH_MAX, "%s.stasis-%s%s", path, t->id, what);
	return buf;
}

static bool is_taken(const struct taken_files *t, const char *path)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->all[i].path, path) == 0)
			return true;
	return false;
}

/* The one that is there stays beside it until it is known what came of the migration. */
static int put_in_place(struct taken_files *t, const struct head *h, const char *name,
			struct err *e)
{
	char old[PATH_MAX];
	bool there = access(h->path, F_OK) == 0, again = is_taken(t, h->path);

	if (there && !h->replaces && !again)
		return err_say(e, "'%s' is there, and another file; it is not replaced", h->path);
	if (there && !again && link(h->path, beside(old, t, h->path, ".old")) < 0)
		return err_sys(e, "keep '%s'", h->path);
	if (!again && note(t, h->path, (struct taken_file){ .replaced = there }, e) < 0)
		return e->code;
	return rename(name, h->path) < 0 ? err_sys(e, "replace '%s'", h->path) : 0;
}

int take_file(struct channel *c, struct taken_files *t, char *text, struct err *e)
{
	char name[PATH_MAX];
	struct head h;
	int r;

	if (read_head(text, &h, e) < 0 || make_folders(t, h.path, e) < 0)
		return e->code;
	if (S_ISDIR(h.mode))
		return take_folder(t, &h, e);
	beside(name, t, h.path, ".new");
	r = take_beside(c, &h, name, e);
	if (r == 0)
		r = put_in_place(t, &h, name, e);
	if (r < 0)
		unlink(name);
	return r;
}

void taken_files_end(struct taken_files *t, bool keep)
{
	char old[PATH_MAX];

	for (size_t i = t->count; i-- > 0;) {
		const struct taken_file *f = &t->all[i];

		beside(old, t, f->path, ".old");
		if (f->replaced && keep)
			unlink(old);
		else if (f->replaced)
			rename(old, f->path);
		else if (!keep && f->folder)
			rmdir(f->path);
		else if (!keep)
			unlink(f->path);
		free(t->all[i].path);
	}
	free(t->all);
	t->all = NULL;
	t->count = 0;
}
