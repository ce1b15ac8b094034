/*
 * What was written at one end of a pty and not read at the other yet. It cannot be looked at, only taken, so
 * lib/pty_look.c puts it back at once, whatever becomes of the dump. Only ptys whose master is in the tree have their bytes
 * saved; those of a shell job stay where they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "dump/files_table.h"
#include "dump/ttys.h"
#include "images/image.h"
#include "lib/pty.h"

static bool has_slave(const struct dump *d, const struct tty *master)
{
	for (const struct tty *t = d->files->ttys; t; t = t->next)
		if ((t->sort == TTY_SLAVE || t->sort == TTY_OWN) && t->device == master->device)
			return true;
	return false;
}

static int write_data(struct image *img, uint32_t id, const struct pty_bytes *b, struct err *e)
{
	TtyDataEntry entry = TTY_DATA_ENTRY__INIT;

	if (b->size == 0)
		return 0;
	entry.tty_id = id;
	entry.data.data = (uint8_t *)b->data;
	entry.data.len = b->size;
	return image_write(img, &entry, e);
}

static int save(struct dump *d, const struct tty *t, struct image *img, struct err *e)
{
	bool input = has_slave(d, t);
	struct pty_queues q = { 0 };
	struct pollfd status = { .events = POLLIN | POLLPRI };
	own_fd master = -1;
	int r;

	if (files_copy(t->file, &master, e) < 0)
		return e->code;
	status.fd = master;
	if (poll(&status, 1, 0) < 0)
		return err_sys(e, "poll");
	if (status.revents & POLLPRI) {
		err_code(e, EAGAIN, "it has a status in packet mode that was not read");
		return err_hint(e, "try again");
	}
	if (!(status.revents & POLLIN) && !input)
		return 0;
	r = pty_look(master, input, &q, e);
	if (r == 0 && (q.out.size || q.in.size) && !img->file)
		r = image_create(img, d->images, IMG_TTY_DATA, 0, e);
	if (r == 0)
		r = write_data(img, t->info.id, &q.out, e);
	if (r == 0)
		r = write_data(img, t->info.id - 1, &q.in, e);
	free(q.out.data);
	free(q.in.data);
	return r;
}

int tty_queues_save(struct dump *d, struct err *e)
{
	own_image img = {};

	for (const struct tty *t = d->files->ttys; t; t = t->next)
		if (t->sort == TTY_MASTER && !t->external && save(d, t, &img, e) < 0)
			return files_blame(t->file, e);
	return image_close(&img, e);
}
