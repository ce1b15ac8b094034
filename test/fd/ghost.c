/* Files without a name: contents, holes, owners and times; names that were taken, long, several or in vanished directories. */
#include "test/lib/fds.h"

#include <sys/mman.h>
#include <sys/sysmacros.h>

static struct fds before;
static struct stat first;
static char occupied[4200];
static char *map;
static int plain, holes, twin, taken;

static int create(const char *name, const char *text)
{
	int fd = SYS(open(fds_path(name), O_CREAT | O_EXCL | O_RDWR, 0640));

	SAME(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void regular_files(void)
{
	struct timespec times[2] = { { 1000000000, 5000 }, { 1100000000, 7000 } };
	char name[252];

	plain = create("plain", "what was in it");
	SYS(open(fds_path("plain"), O_WRONLY | O_APPEND));
	SYS(fchown(plain, 7, 8));
	SYS(fchmod(plain, 04751));
	map = SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, plain, 0));
	SYS(futimens(plain, times));
	SYS(unlink(fds_path("plain")));
	SYS(fstat(plain, &first));

	holes = create("holes", "");
	SYS(ftruncate(holes, 3 << 20));
	SAME(pwrite(holes, "middle", 6, 1 << 20), 6);
	SYS(unlink(fds_path("holes")));

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	create(name, "long");
	SYS(unlink(fds_path(name)));

	/* Two names of one file, each open under its own. */
	create("one", "shared");
	SYS(link(fds_path("one"), fds_path("two")));
	twin = SYS(open(fds_path("two"), O_RDWR));
	SYS(unlink(fds_path("one")));
	SYS(unlink(fds_path("two")));

	SYS(open(fds_path("."), O_TMPFILE | O_RDWR, 0600));

	/* Another file has come under its name. */
	taken = create("taken", "old");
	SYS(unlink(fds_path("taken")));
	SYS(close(create("taken", "new")));
}

static void other_files(void)
{
	SYS(mkdir(fds_path("dir"), 0751));
	SYS(mkdir(fds_path("dir/inner"), 0711));
	SYS(chdir(fds_path("dir/inner")));
	SYS(open(fds_path("dir"), O_RDONLY | O_DIRECTORY));
	create("dir/inner/file", "in a directory that is gone");
	SYS(unlink(fds_path("dir/inner/file")));
	SYS(rmdir(fds_path("dir/inner")));
	SYS(rmdir(fds_path("dir")));

	SYS(symlink("nowhere", fds_path("link")));
	SYS(open(fds_path("link"), O_PATH | O_NOFOLLOW));
	SYS(unlink(fds_path("link")));

	SYS(mknod(fds_path("node"), S_IFCHR | 0600, makedev(1, 3)));
	SYS(open(fds_path("node"), O_RDWR));
	SYS(unlink(fds_path("node")));
}

static void check_regular(void)
{
	char text[64], link[4200];
	struct stat st;

	SYS(fstat(plain, &st));
	SAME(st.st_nlink, 0);
	SAME(st.st_uid, 7);
	SAME(st.st_mode, S_IFREG | 04751);
	SAME(st.st_mtim.tv_sec, first.st_mtim.tv_sec);
	SAME(st.st_mtim.tv_nsec, first.st_mtim.tv_nsec);
	CHECK(memcmp(map, "what was in it", 15) == 0);
	map[0] = 'W';
	SAME(pread(plain, text, 5, 0), 5);
	CHECK(memcmp(text, "What ", 5) == 0);

	SYS(fstat(holes, &st));
	SAME(st.st_size, 3 << 20);
	CHECK(st.st_blocks * 512 < 1 << 20, "%ld blocks", (long)st.st_blocks);
	SAME(pread(holes, text, 8, (1 << 20) - 1), 8);
	CHECK(memcmp(text, "\0middle\0", 8) == 0);

	SAME(pwrite(twin, "S", 1, 0), 1);
	SAME(pread(twin - 1, text, 6, 0), 6);
	CHECK(memcmp(text, "Shared", 6) == 0);

	/* The one thing that shows: its name has something behind it, since another file has it. */
	fds_link(taken, link, sizeof(link));
	strcpy(occupied, fds_path("taken.cr_link (deleted)"));
	CHECK(strcmp(link, occupied) == 0 || strcmp(link, fds_path("taken (deleted)")) == 0);
	SAME(pread(taken, text, 3, 0), 3);
	CHECK(memcmp(text, "old", 3) == 0);
	SAME(access(fds_path("taken.cr_link"), F_OK), -1);
}

/* More than the usual limit allows. */
static void large(void)
{
	static char block[1 << 16];

	plain = create("large", "");
	for (int i = 0; i < 32; i++)
		SAME(write(plain, block, sizeof(block)), sizeof(block));
	SYS(unlink(fds_path("large")));
	victim_ready();
	victim_ok();
}

int main(int argc, char **argv)
{
	char cwd[4200];

	(void)argv;
	if (argc > 1)
		large();
	regular_files();
	other_files();
	fds_note(&before);
	victim_ready();
	check_regular();
	for (size_t i = 0; i < before.count; i++)
		if (before.at[i].fd == taken)
			fds_link(taken, before.at[i].link, sizeof(before.at[i].link));
	fds_check(&before);
	SAME(readlink("/proc/self/cwd", cwd, sizeof(cwd)),
	     (long)strlen(fds_path("dir/inner")) + 10);
	SAME(open("x", O_CREAT | O_RDWR, 0600), -1);
	SAME(errno, ENOENT);
	victim_ok();
}
