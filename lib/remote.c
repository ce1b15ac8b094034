/* Small pieces of another process's memory; see remote.h. */
#include "lib/remote.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

enum { AT_ONCE = 256 };

/* Returns how many of the pieces came, all from the first on; those at address 0 count as having come. */
static ssize_t gather(const struct remote_pieces *p, char *ret)
{
	struct iovec here[AT_ONCE], there[AT_ONCE];
	size_t which[AT_ONCE], n = 0;
	ssize_t got;

	for (size_t i = 0; i < p->count; i++) {
		if (!p->at[i])
			continue;
		here[n] = (struct iovec){ ret + i * p->size, p->size };
		there[n] = (struct iovec){ (void *)p->at[i], p->size };
		which[n++] = i;
	}
	got = n ? process_vm_readv(p->pid, here, n, there, n, 0) : 0;
	if (got < 0 && errno != EFAULT)
		return -1;
	if (got < 0)
		got = 0;
	return got / p->size == n ? p->count : which[got / p->size];
}

int remote_gather(const struct remote_pieces *p, void *ret, struct err *e)
{
	memset(ret, 0, p->count * p->size);
	for (size_t from = 0; from < p->count;) {
		struct remote_pieces part = *p;
		char *to = (char *)ret + from * p->size;
		ssize_t got;

		part.at += from;
		part.count = p->count - from < AT_ONCE ? p->count - from : AT_ONCE;
		got = gather(&part, to);
		if (got < 0)
			return err_sys(e, "read the memory of pid %d", p->pid);
		from += got;
		if ((size_t)got == part.count)
			continue;
		memset(to + got * p->size, 0, p->size);
		from++;
	}
	return 0;
}
