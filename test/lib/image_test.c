/* Images written and read again, and everything that can be wrong with a file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "images/core.pb-c.h"
#include "images/fd/pipe.pb-c.h"
#include "images/image.h"
#include "images/inventory.pb-c.h"
#include "images/ns/cgroup.pb-c.h"
#include "images/ns/uts.pb-c.h"
#include "images/pstree.pb-c.h"
#include "lib/io.h"
#include "lib/own.h"
#include "test/lib/unit.h"

static struct err e;

/* A folder that is gone with the test. */
static int folder(void)
{
	char path[] = "/tmp/image_test.XXXXXX", proc[64];
	int fd;

	assert(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(fd >= 0 && rmdir(path) == 0);
	/* A removed folder takes no files: its contents live in a tmpfs of our own instead. */
	close(fd);
	snprintf(proc, sizeof(proc), "/dev/shm/image_test.%d", getpid());
	assert(mkdir(proc, 0700) == 0);
	fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(fd >= 0);
	return fd;
}
