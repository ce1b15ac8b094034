/*
 * The first program of a guest, alone in its initial file system: puts in the modules that lie there, so
 * that the host's file tree can be mounted, read-only, and goes on as test/vm/guest.sh in it. Where the
 * project lies is in VM_ROOT, which the kernel takes from its command line.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(1);
}

/* In the order of their names. */
static void put_in_modules(void)
{
	struct dirent **list;
	int n = scandir("/modules", &list, NULL, alphasort);

	if (n < 0 || chdir("/modules") < 0)
		give_up("/modules");
	for (int i = 0; i < n; i++) {
		int fd;

		if (list[i]->d_name[0] == '.')
			continue;
		fd = open(list[i]->d_name, O_RDONLY | O_CLOEXEC);
		if (syscall(SYS_finit_module, fd, "", 0) < 0)
			give_up(list[i]->d_name);
		close(fd);
	}
}

int main(void)
{
	const char *root = getenv("VM_ROOT");
	char script[4096];

	if (!root)
		give_up("VM_ROOT");
	snprintf(script, sizeof(script), "%s/test/vm/guest.sh", root);
	put_in_modules();
	if (mount("root", "/root", "virtiofs", MS_RDONLY, NULL) < 0)
		give_up("mount the host's files");
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		give_up("go to the host's files");
	execl("/bin/bash", "bash", script, NULL);
	give_up(script);
}
