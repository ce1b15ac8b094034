/* What is the same for every thread of a dump; see machine.h. */
#include "dump/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPS_MAX = 64 };

static int count_caps(void)
{
	int n = 0;

	while (n < CAPS_MAX && prctl(PR_CAPBSET_READ, n) >= 0)
		n++;
	return n;
}

/* The kernel refuses a set that could not hold all the nodes that there may be. */
static size_t count_node_bytes(void)
{
	size_t size = sizeof(long);
	unsigned long nodes[1024 / sizeof(long)];

	while (syscall(SYS_get_mempolicy, NULL, nodes, 8 * size, NULL, 0) < 0) {
		if (errno != EINVAL || size == sizeof(nodes))
			return 0;
		size *= 2;
	}
	return size;
}

void machine_read_label(int dir, const char *path, char *ret, size_t size)
{
	own_fd fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret, size - 1);

	ret[n > 0 ? n : 0] = 0;
	ret[strcspn(ret, "\n")] = 0;
}

const struct machine *machine_of(struct dump *d)
{
	if (!d->machine) {
		d->machine = pool_new(&d->pool, struct machine);
		xstate_layout_read(&d->machine->xstate);
		d->machine->caps = count_caps();
		d->machine->processors = sysconf(_SC_NPROCESSORS_ONLN);
		d->machine->node_bytes = count_node_bytes();
		machine_read_label(AT_FDCWD, "/proc/thread-self/attr/current", d->machine->label,
				   sizeof(d->machine->label));
	}
	return d->machine;
}
