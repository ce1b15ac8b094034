/* A file that is read or written in small parts, one way and from start to end: stdio with fewer system calls. */
#ifndef STASIS_LIB_BUFFERED_H
#define STASIS_LIB_BUFFERED_H

#include <stddef.h>
#include <sys/types.h>

struct buffered;

/* Takes over the descriptor unless it returns NULL (errno). room: bytes that a call to the kernel moves. */
struct buffered *buffered_new(int fd, size_t room);
int buffered_fd(const struct buffered *b);
/* How many bytes there were: less than size at the end of the file only. -1 with errno. */
ssize_t buffered_read(struct buffered *b, void *to, size_t size);
/* 0, or -1 with errno. */
int buffered_write(struct buffered *b, const void *from, size_t size);
int buffered_flush(struct buffered *b);
/* What was written and not flushed yet is lost. NULL is fine. 0, or -1 with errno: a network file system may say so. */
int buffered_close(struct buffered *b);

#endif
