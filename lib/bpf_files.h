/*
 * What the kernel has of the descriptors of a process, from a BPF iterator (Linux 6.1, CAP_SYS_ADMIN or CAP_BPF with
 * CAP_PERFMON): all at once, where each text of fdinfo takes three calls and some 9 us.
 */
#ifndef STASIS_LIB_BPF_FILES_H
#define STASIS_LIB_BPF_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

struct file_told {
	uint64_t num;
	uint64_t
		at; /* of the description: two descriptors share it if and only if this is the same. 0 is none */
	uint64_t pos, ino;
	uint64_t flags, mode, mnt_id; /* without O_CLOEXEC; of the inode */
	/* Addresses; 0: fdinfo has nothing of a kind's own, there are no locks on the file, nobody was ever told to get signals. */
	uint64_t show, locks, owner;
	uint64_t cloexec; /* a word of bits, this one's is num % 64 */
	/* Of a ring of io_uring, without meaning for others: groups of buffers that are provided. 0: none. */
	uint64_t groups;
};

enum { FILE_TEXT_MAX = 128 };

/* Loads the program, which takes some milliseconds. */
must_check int files_told_open(int *ret_program, struct err *e);
/* Those of a process, ascending by number; *ret is the caller's to free. */
must_check int files_told_read(int program, pid_t pid, struct file_told **ret, size_t *count,
			       struct err *e);
/*
 * The text of fdinfo, as far as it is the same for all kinds. false: there is more, which only /proc tells. (UNIX sockets have
 * one line more there, the count of descriptors that are on their way.)
 */
bool file_told_text(const struct file_told *f, char text[FILE_TEXT_MAX]);

#endif
