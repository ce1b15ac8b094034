/* Files that have lost the name they were opened by, but have another: removed, replaced, in a directory that is gone. */
#include "test/lib/fds.h"

static struct fds before;

static int create(const char *name, const char *text)
{
	int fd = SYS(open(fds_path(name), O_CREAT | O_EXCL | O_RDWR, 0640));

	SAME(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

int main(void)
{
	int removed, replaced, inner;
	struct stat st;
	char text[16];

	removed = create("removed", "removed");
	SYS(link(fds_path("removed"), fds_path("other")));
	SYS(unlink(fds_path("removed")));
	replaced = create("replaced", "old");
	SYS(rename(fds_path("replaced"), fds_path("renamed"))); /* a rename is followed */
	SYS(link(fds_path("renamed"), fds_path("second")));
	SYS(close(create("new", "new")));
	SYS(rename(fds_path("new"), fds_path("renamed")));
	SYS(mkdir(fds_path("dir"), 0755));
	inner = create("dir/inner", "inner");
	SYS(link(fds_path("dir/inner"), fds_path("outer")));
	SYS(unlink(fds_path("dir/inner")));
	SYS(rmdir(fds_path("dir")));
	SYS(open(fds_path("other"), O_RDONLY)); /* the same file, by a name that it has */

	fds_note(&before);
	victim_ready();
	/* Where a name was taken, the file is called otherwise. */
	for (size_t i = 0; i < before.count; i++)
		if (before.at[i].fd == replaced)
			fds_link(replaced, before.at[i].link, sizeof(before.at[i].link));
	fds_check(&before);
	SYS(fstat(removed, &st));
	SAME(st.st_nlink, 1);
	SYS(stat(fds_path("other"), &st));
	for (size_t i = 0; i < before.count; i++)
		if (before.at[i].fd == removed)
			SAME(st.st_ino, before.at[i].st.st_ino);
	SAME(pread(replaced, text, 3, 0), 3);
	CHECK(memcmp(text, "old", 3) == 0);
	SAME(pwrite(inner, "I", 1, 0), 1);
	inner = SYS(open(fds_path("outer"), O_RDONLY));
	SAME(read(inner, text, 5), 5);
	CHECK(memcmp(text, "Inner", 5) == 0);
	victim_ok();
}
