/*
 * Terminals: both ends of pseudo-terminals, /dev/tty, and those that come from outside. Settings and size are read by
 * ioctl(2) on our copy; sessions are told by /proc (dump/ttys.c), since TIOCGSID answers only who is in
 * the session.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "dump/files_table.h"
#include "dump/ttys.h"
#include "images/image.h"
#include "lib/pty.h"

extern const struct fd_kind tty_fd_kind;

enum { VIRTUAL_LAST = 63, PTY_INDEX_MAX = 1000 };
enum { CC_WORDS = 19 };

static bool is_pts(const struct stat *st)
{
	unsigned int m = major(st->st_rdev);

	return m >= PTS_MAJOR && m <= PTS_MAJOR_LAST;
}

static bool tty_match(const struct file *f)
{
	unsigned int device;

	if (!S_ISCHR(f->st.st_mode) || f->flags & O_PATH)
		return false;
	return is_pts(&f->st) || ioctl(f->fd, TIOCGDEV, &device) == 0;
}

static int sort_out(const struct file *f, struct tty *t, struct err *e)
{
	unsigned int ma = major(f->st.st_rdev), mi = minor(f->st.st_rdev), number;

	if (ioctl(f->fd, TIOCGDEV, &t->device) < 0)
		t->device = 0;
	if (is_pts(&f->st)) {
		t->sort = TTY_SLAVE;
		t->index = (ma - PTS_MAJOR) * 256 + mi;
	} else if (ma == 5 && mi == 2) {
		t->sort = TTY_MASTER;
		if (ioctl(f->fd, TIOCGPTN, &number) < 0)
			return err_sys(e, "the number of the pseudo-terminal");
		t->index = number;
	} else if (ma == 5 && mi == 0) {
		t->sort = TTY_OWN;
		if (tty_major(t->device) == PTS_MAJOR)
			t->index = tty_minor(t->device);
	} else {
		t->sort = ma == 5 && mi == 1		? TTY_CONSOLE :
			  ma == 4 && mi <= VIRTUAL_LAST ? TTY_VIRTUAL :
							  TTY_SERIAL;
	}
	if (t->index > PTY_INDEX_MAX)
		return err_code(e, ENOTSUP, "its number, %u, is above %d", t->index, PTY_INDEX_MAX);
	return 0;
}

static TermiosEntry *settings(struct dump *d, int fd, unsigned long request)
{
	TermiosEntry *entry = pool_new(&d->pool, TermiosEntry);
	struct kernel_termios k = { 0 };

	if (ioctl(fd, request, &k) < 0)
		return NULL;
	termios_entry__init(entry);
	entry->c_iflag = k.iflag;
	entry->c_oflag = k.oflag;
	entry->c_cflag = k.cflag;
	entry->c_lflag = k.lflag;
	entry->c_line = k.line;
	/* As many words as there are characters, of which the first five hold them all: CRIU's form. */
	entry->n_c_cc = CC_WORDS;
	entry->c_cc = pool_array(&d->pool, uint32_t, CC_WORDS);
	memcpy(entry->c_cc, k.cc, KERNEL_CCS);
	return entry;
}

static WinsizeEntry *window(struct dump *d, int fd)
{
	WinsizeEntry *entry = pool_new(&d->pool, WinsizeEntry);
	struct winsize w;

	if (ioctl(fd, TIOCGWINSZ, &w) < 0)
		return NULL;
	winsize_entry__init(entry);
	entry->ws_row = w.ws_row;
	entry->ws_col = w.ws_col;
	entry->ws_xpixel = w.ws_xpixel;
	entry->ws_ypixel = w.ws_ypixel;
	return entry;
}

static bool ask(int fd, unsigned long request)
{
	int answer = 0;

	return ioctl(fd, request, &answer) == 0 && answer;
}

static TtyType type_of(const struct tty *t)
{
	static const TtyType types[] = {
		[TTY_MASTER] = TTY_TYPE__PTY, [TTY_SLAVE] = TTY_TYPE__PTY,
		[TTY_OWN] = TTY_TYPE__CTTY,   [TTY_CONSOLE] = TTY_TYPE__CONSOLE,
		[TTY_VIRTUAL] = TTY_TYPE__VT, [TTY_SERIAL] = TTY_TYPE__SERIAL,
	};

	return t->external ? TTY_TYPE__EXT_TTY : types[t->sort];
}

static void describe(const struct file *f, struct tty *t)
{
	struct dump *d = f->dump;
	TtyInfoEntry *info = &t->info;

	info->type = type_of(t);
	info->locked = t->sort == TTY_MASTER && ask(f->fd, TIOCGPTLCK);
	info->packet_mode = t->sort == TTY_MASTER && ask(f->fd, TIOCGPKT);
	info->exclusive = ask(f->fd, TIOCGEXCL);
	info->rdev = f->st.st_rdev;
	info->has_dev = info->has_uid = info->has_gid = 1;
	info->dev = f->st.st_dev;
	info->uid = f->st.st_uid;
	info->gid = f->st.st_gid;
	if (t->device) {
		info->termios = settings(d, f->fd, TCGETS);
		info->termios_locked = settings(d, f->fd, TIOCGLCKTRMIOS);
		info->winsize = window(d, f->fd);
	}
	/* For /dev/tty this says which pty was meant, if no session does; see ttys_assign(). */
	if (t->sort == TTY_MASTER || t->sort == TTY_SLAVE ||
	    (t->sort == TTY_OWN && tty_major(t->device) == PTS_MAJOR)) {
		info->pty = pool_new(&d->pool, TtyPtyEntry);
		tty_pty_entry__init(info->pty);
		info->pty->index = t->index;
	}
}

static struct tty *find(const struct files *files, uint32_t id)
{
	for (struct tty *t = files->ttys; t; t = t->next)
		if (t->info.id == id)
			return t;
	return NULL;
}

static bool is_external(const struct file *f)
{
	char key[64];

	snprintf(key, sizeof(key), "tty[%lx:%lx]", (unsigned long)f->st.st_rdev,
		 (unsigned long)f->st.st_dev);
	return options_external(f->dump->opt, key, NULL);
}

static int find_tty(struct file *f, struct tty **ret, struct err *e)
{
	struct files *files = f->dump->files;
	struct tty *t = pool_new(&f->dump->pool, struct tty);

	tty_info_entry__init(&t->info);
	if (sort_out(f, t, e) < 0)
		return e->code;
	t->external = is_external(f);
	t->file = f;
	t->info.id = tty_id(files->ttys, t);
	*ret = find(files, t->info.id);
	if (*ret)
		return 0;
	describe(f, t);
	t->next = files->ttys;
	files->ttys = *ret = t;
	return 0;
}

/* Without " (deleted)": so it is called after it was hung up. */
static const char *node_name(struct file *f)
{
	static const char suffix[] = " (deleted)";
	char *name = pool_text(&f->dump->pool, f->link);
	size_t size = strlen(name), end = sizeof(suffix) - 1;

	if (size > end && strcmp(name + size - end, suffix) == 0)
		name[size - end] = 0;
	return name;
}

static int tty_dump(struct file *f, FileEntry *entry, struct err *e)
{
	TtyFileEntry *tty = pool_new(&f->dump->pool, TtyFileEntry);
	struct tty *t = NULL;

	if (find_tty(f, &t, e) < 0)
		return e->code;
	f->note = t;
	tty_file_entry__init(tty);
	tty->id = f->id;
	tty->tty_info_id = t->info.id;
	tty->flags = f->flags;
	tty->fown = f->fown;
	tty->has_regf_id = !t->external;
	entry->tty = tty;
	return t->external ? 0 : files_add_named(f, node_name(f), &tty->regf_id, e);
}

static int tty_finish(struct dump *d, struct err *e)
{
	own_image img = {};

	if (ttys_assign(d, e) < 0)
		return e->code;
	if (!d->files->ttys)
		return 0;
	if (image_create(&img, d->images, IMG_TTY_INFO, 0, e) < 0)
		return e->code;
	for (const struct tty *t = d->files->ttys; t; t = t->next)
		if (image_write(&img, &t->info, e) < 0)
			return e->code;
	if (image_close(&img, e) < 0)
		return e->code;
	return tty_queues_save(d, e);
}

const struct fd_kind tty_fd_kind = {
	.name = "fd/tty",
	.type = FD_TYPES__TTY,
	.match = tty_match,
	.dump = tty_dump,
	.finish = tty_finish,
};
