/* memfds: descriptions of one inode with positions of their own, mappings, seals, mode and size. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL
#define SIZE (5 * PAGE + 100)

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

static int fd, again, reader, sealed, future;
static char *shared, *copy, *sealed_map, *future_map;
static char before[SMAPS_ROOM], after[SMAPS_ROOM];
static struct stat was;

static int reopen(int of, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", of);
	return SYS(open(path, flags | O_CLOEXEC));
}

static void set_up(void)
{
	int rw = PROT_READ | PROT_WRITE;

	fd = SYS(memfd_create("a name", MFD_CLOEXEC));
	SYS(ftruncate(fd, SIZE));
	SYS(fchmod(fd, 0640));
	SYS(fchown(fd, 1234, 5678));
	shared = SYS(mmap(NULL, 6 * PAGE, rw, MAP_SHARED, fd, 0));
	fill(shared, PAGE, 1);
	fill(shared + 3 * PAGE, PAGE, 3);
	copy = SYS(mmap(NULL, 2 * PAGE, rw, MAP_PRIVATE, fd, 3 * PAGE));
	fill(copy + PAGE, PAGE, 40);
	again = SYS(dup(fd));
	reader = reopen(fd, O_RDONLY);
	SYS(lseek(fd, 77, SEEK_SET));
	SYS(lseek(reader, 4096, SEEK_SET));
	/* Sealed against writing: its mapping cannot be made writable. */
	sealed = SYS(memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	SAME(write(sealed, "sealed!", 8), 8);
	SYS(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW));
	sealed_map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reopen(sealed, O_RDONLY), 0);
	CHECK(sealed_map != MAP_FAILED);
	/* Sealed but for the mappings that were there before. */
	future = SYS(memfd_create("future", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	SYS(ftruncate(future, PAGE));
	future_map = SYS(mmap(NULL, PAGE, rw, MAP_SHARED, future, 0));
	fill(future_map, PAGE, 9);
	SYS(fcntl(future, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL));
}

static void read_all(char *text)
{
	smaps_read(shared, 6 * PAGE, text);
	smaps_read(copy, 2 * PAGE, text + strlen(text));
	smaps_read(sealed_map, PAGE, text + strlen(text));
	smaps_read(future_map, PAGE, text + strlen(text));
}

static void check_files(void)
{
	char link[64], buf[16];
	struct stat is;

	SYS(fstat(fd, &is));
	SAME(is.st_size, was.st_size);
	SAME(is.st_mode, was.st_mode);
	SAME(is.st_uid, 1234);
	SAME(is.st_gid, 5678);
	SAME(is.st_blocks, was.st_blocks);
	SAME(readlink("/proc/self/fd/3", link, sizeof(link)), strlen("/memfd:a name (deleted)"));
	SAME(lseek(fd, 0, SEEK_CUR), 77);
	SAME(lseek(fd, 10, SEEK_CUR), 87);
	SAME(lseek(again, 0, SEEK_CUR), 87);
	SAME(lseek(reader, 0, SEEK_CUR), 4096);
	SAME(fcntl(reader, F_GETFL) & O_ACCMODE, O_RDONLY);
	SAME(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	SAME(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	SAME(fcntl(sealed, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	SAME(fcntl(future, F_GET_SEALS), F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	SAME(pread(sealed, buf, 8, 0), 8);
	SAME(strcmp(buf, "sealed!"), 0);
	CHECK(write(sealed, "x", 1) < 0 && errno == EPERM);
	CHECK(write(future, "x", 1) < 0 && errno == EPERM);
}

int main(void)
{
	char page[PAGE];

	set_up();
	SYS(fstat(fd, &was));
	read_all(before);
	victim_ready();
	read_all(after);
	same_text(after, before);
	check_files();
	CHECK(filled(shared, PAGE, 1) && filled(shared + 3 * PAGE, PAGE, 3));
	CHECK(zeroed(shared + PAGE, 2 * PAGE));
	CHECK(filled(copy, PAGE, 3) && filled(copy + PAGE, PAGE, 40));
	CHECK(strcmp(sealed_map, "sealed!") == 0);
	CHECK(mprotect(sealed_map, PAGE, PROT_READ | PROT_WRITE) < 0 && errno == EACCES);
	CHECK(filled(future_map, PAGE, 9));
	fill(future_map, PAGE, 10);
	SAME(pread(future, page, PAGE, 0), PAGE);
	CHECK(filled(page, PAGE, 10));
	/* One inode, whichever way it is reached. */
	fill(shared + PAGE, PAGE, 55);
	SAME(pread(reader, page, PAGE, PAGE), PAGE);
	CHECK(filled(page, PAGE, 55));
	victim_ok();
}
