/* Terminals of a dump: dump/fd/tty.c finds them, dump/ttys.c says whose they are, dump/tty_queue.c what is in them. */
#ifndef STASIS_DUMP_TTYS_H
#define STASIS_DUMP_TTYS_H

#include "dump/files.h"
#include "images/fd/tty.pb-c.h"

enum { PTS_MAJOR = 136, PTS_MAJOR_LAST = 143 };

enum tty_sort { TTY_MASTER, TTY_SLAVE, TTY_OWN, TTY_CONSOLE, TTY_VIRTUAL, TTY_SERIAL };

/* One end of a terminal; several descriptions may be of it. */
struct tty {
	TtyInfoEntry info;
	enum tty_sort sort;	 /* TTY_OWN: opened as /dev/tty, so named after nothing */
	unsigned int index;	 /* of a pty */
	unsigned int device;	 /* of the terminal itself, as in stat; 0: hung up */
	bool external;		 /* --external */
	const struct file *file; /* one of its descriptions */
	struct tty *next;
};

/* The id that the images have for an end, which may be known already; see the comment at tty_info_entry.id. */
uint32_t tty_id(const struct tty *known, const struct tty *t);
/* Sessions and foreground groups; refuses terminals of which the tree has only this end. */
must_check int ttys_assign(struct dump *d, struct err *e);
/* Numbers as TIOCGDEV and stat tell them. */
static inline unsigned int tty_major(unsigned int device)
{
	return device >> 8 & 0xfff;
}

static inline unsigned int tty_minor(unsigned int device)
{
	return (device & 0xff) | (device >> 12 & 0xfff00);
}

/* Writes tty-data.img: what was written at one end and not read at the other. */
must_check int tty_queues_save(struct dump *d, struct err *e);

#endif
