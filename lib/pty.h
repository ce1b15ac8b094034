/*
 * What lies unread in a pseudo-terminal, taken out and put in as if it had just been written. The kernel
 * has no way to peek: whoever looks takes, and has to put back.
 */
#ifndef STASIS_LIB_PTY_H
#define STASIS_LIB_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum { KERNEL_CCS = 19 };

/* What TCGETS and TCSETS take; the library's struct is another. */
struct kernel_termios {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line, cc[KERNEL_CCS];
};

struct pty_bytes {
	char *data; /* malloc */
	size_t size;
};

/* Everything that can be read at the master. In packet mode without the packets' first bytes. */
must_check int pty_take_output(int master, struct pty_bytes *ret, struct err *e);
/* Everything that was typed and not read, a line that has no end yet included. slave: O_NONBLOCK. */
must_check int pty_take_input(int slave, struct pty_bytes *ret, struct err *e);
/* The other way round. Input is to be put in while there is no output: what is echoed tells that it has arrived. */
must_check int pty_put_input(int master, const struct pty_bytes *in, struct err *e);
must_check int pty_put_output(int slave, const struct pty_bytes *out, struct err *e);

/* Both directions, and they stay there, also if we are killed meanwhile. The caller frees the bytes. */
struct pty_queues {
	struct pty_bytes out, in;
};
/* Input is looked at only if the other end is open somewhere: it could not be put back. */
must_check int pty_look(int master, bool input, struct pty_queues *ret, struct err *e);

#endif
