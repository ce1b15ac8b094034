/* Reading and writing whole things: a read or write that is cut short is carried on or is an error. */
#ifndef STASIS_LIB_IO_H
#define STASIS_LIB_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

#ifndef PAGE_SIZE
#define PAGE_SIZE 4096UL
#endif

/* Exactly size bytes, or an error ("cut short" when the file ends early). 'what' names it in the error;
 * where it is missing, the caller does (err_on). */
must_check int io_read(int fd, void *buf, size_t size, const char *what, struct err *e);
must_check int io_pread(int fd, void *buf, size_t size, off_t at, struct err *e);
must_check int io_write(int fd, const void *buf, size_t size, const char *what, struct err *e);
must_check int io_pwrite(int fd, const void *buf, size_t size, off_t at, struct err *e);

/* The whole file, NUL behind it; the caller frees *ret. dir_fd may be AT_FDCWD. */
must_check int io_slurp(int dir_fd, const char *path, char **ret, size_t *ret_size, struct err *e);
/* Writes text to an existing file (of /proc or /sys). */
must_check int io_put(int dir_fd, const char *path, const char *text, struct err *e);

/* Grows *array (elements of size each) so that it has room for one more than count. Doubles. */
must_check int io_grow(void *array, size_t count, size_t size, struct err *e);

/* As many as we may have: those of a whole tree go through our table. */
void io_allow_descriptors(void);

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t io_now_us(void);

#endif
