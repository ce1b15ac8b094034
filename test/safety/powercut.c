/*
 * powercut DIR: as if the power of the disk below DIR (ext4, xfs) had gone: what is not synced is lost, its journal included.
 * The file system has to be unmounted afterwards.
 */
#include <fcntl.h>
#include <linux/types.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define SHUTDOWN _IOR('X', 125, __u32)

enum { WITHOUT_LOG = 2 };

int main(int argc, char **argv)
{
	__u32 how = WITHOUT_LOG;
	int fd = open(argc > 1 ? argv[1] : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && ioctl(fd, SHUTDOWN, &how) == 0)
		return 0;
	perror("powercut");
	return 1;
}
