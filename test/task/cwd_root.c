/* Working directory, root and umask of each process: in a place of its own, and shared by CLONE_FS. */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

static ino_t inode(const char *path)
{
	struct stat st;

	SYS(stat(path, &st));
	return st.st_ino;
}

static void enter(const char *top, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	SYS(mkdir(path, 0777));
	SYS(chdir(path));
}

/* In a root of its own the files of the test cannot be seen: the parent says when to look. */
static _Noreturn void in_own_root(const char *top, volatile int *go)
{
	ino_t root, here;

	enter(top, "root");
	SYS(chroot("."));
	SYS(mkdir("inner", 0700));
	SYS(chdir("inner"));
	root = inode("/");
	here = inode(".");
	victim_set();
	while (!*go)
		victim_sleep_ms(5);
	SAME(inode("/"), root);
	SAME(inode("/inner"), here);
	SAME(inode("."), here);
	_exit(0);
}

static int sharing(void *arg)
{
	volatile int *go = arg;

	while (*go < 1)
		victim_sleep_ms(5);
	if (chdir("/") < 0)
		return 1;
	umask(0123);
	*go = 2;
	return 0;
}

int main(int argc, char **argv)
{
	static char stack[64 * 1024];
	volatile int *go = victim_shared(4096);
	char was[PATH_MAX], is[PATH_MAX];
	pid_t rooted, shared;
	int status;

	CHECK(argc == 2, "which directory?");
	rooted = victim_fork();
	if (rooted == 0)
		in_own_root(argv[1], go);
	enter(argv[1], "with blank and\nline");
	CHECK(getcwd(was, sizeof(was)));
	shared = SYS(clone(sharing, stack + sizeof(stack), CLONE_FS | SIGCHLD, (void *)go));
	victim_ready();
	CHECK(getcwd(is, sizeof(is)));
	CHECK(strcmp(is, was) == 0, "it is '%s', it was '%s'", is, was);
	*go = 1;
	victim_reap(rooted);
	SYS(waitpid(shared, &status, 0));
	SAME(status, 0);
	/* What the one did, the other one sees. */
	SAME(inode("."), inode("/"));
	SAME(umask(0), 0123);
	victim_ok();
}
