/*
 * Whoever opens it owns it: descriptors and memory that are let go by leaving the block.
 * Hand over with take_fd() and take_mem().
 */
#ifndef STASIS_LIB_OWN_H
#define STASIS_LIB_OWN_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void own_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void own_free(void *p)
{
	free(*(void **)p);
}

static inline void own_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void own_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define own_fd __attribute__((cleanup(own_close))) int
#define own_mem __attribute__((cleanup(own_free)))
#define own_dir __attribute__((cleanup(own_closedir))) DIR *
#define own_file __attribute__((cleanup(own_fclose))) FILE *

static inline int take_fd(int *fd)
{
	int was = *fd;

	*fd = -1;
	return was;
}

#define take_mem(p)                     \
	({                              \
		__typeof__(p) was_ = (p); \
		(p) = NULL;             \
		was_;                   \
	})

/* An address inside the target, never dereferenced here. */
typedef struct {
	uint64_t at;
} tptr;

#define TPTR(x) ((tptr){ .at = (x) })
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
