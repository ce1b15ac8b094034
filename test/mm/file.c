/* Mapped files: private and shared, written and not, deleted. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL
#define PAGES 8

static char *private_map, *shared_map, *read_map, *gone_map, *zero_map;
static char before[SMAPS_ROOM], after[SMAPS_ROOM];
static char path[256], gone_path[256];

static int make_file(char *name, const char *leaf, unsigned int seed)
{
	char buf[PAGES * PAGE];
	int fd;

	snprintf(name, 256, "%s/%s", getenv("TEST_DIR"), leaf);
	fd = SYS(open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	fill(buf, sizeof(buf), seed);
	SAME(write(fd, buf, sizeof(buf)), sizeof(buf));
	return fd;
}

static void *map(int prot, int flags, int fd, off_t at)
{
	return SYS(mmap(NULL, PAGES * PAGE - at, prot, flags, fd, at));
}

static void read_all(char *text)
{
	smaps_read(private_map, PAGES * PAGE, text);
	smaps_read(shared_map, PAGES * PAGE, text + strlen(text));
	smaps_read(read_map, PAGES * PAGE - PAGE, text + strlen(text));
	smaps_read(gone_map, PAGES * PAGE, text + strlen(text));
	smaps_read(zero_map, PAGES * PAGE, text + strlen(text));
}

static void set_up(void)
{
	int rw = PROT_READ | PROT_WRITE, fd = make_file(path, "mapped", 1);
	int read_only = SYS(open(path, O_RDONLY | O_CLOEXEC)), zero, gone;

	private_map = map(rw, MAP_PRIVATE, fd, 0);
	fill(private_map + 2 * PAGE, PAGE, 50);
	SYS(mprotect(private_map + 2 * PAGE, 2 * PAGE, PROT_READ));
	shared_map = map(rw, MAP_SHARED, fd, 0);
	read_map = map(PROT_READ, MAP_SHARED, read_only, PAGE);
	CHECK(read_map[0] == shared_map[PAGE]);
	gone = make_file(gone_path, "gone", 7);
	gone_map = map(rw, MAP_PRIVATE, gone, 0);
	fill(gone_map + PAGE, PAGE, 70);
	SYS(unlink(gone_path));
	zero = SYS(open("/dev/zero", O_RDWR | O_CLOEXEC));
	zero_map = map(rw, MAP_PRIVATE, zero, 0);
	fill(zero_map, PAGE, 80);
	close(zero);
	close(gone);
	close(fd);
	close(read_only);
}

int main(void)
{
	char page[PAGE];
	int fd;

	set_up();
	read_all(before);
	victim_ready();
	read_all(after);
	same_text(after, before);
	CHECK(filled(private_map, 2 * PAGE, 1) && filled(private_map + 2 * PAGE, PAGE, 50));
	CHECK(memcmp(private_map + 3 * PAGE, shared_map + 3 * PAGE, PAGE) == 0);
	CHECK(filled(gone_map, PAGE, 7) && filled(gone_map + PAGE, PAGE, 70));
	CHECK(access(gone_path, F_OK) < 0 && errno == ENOENT, "the deleted file is there");
	CHECK(filled(zero_map, PAGE, 80) && zeroed(zero_map + PAGE, (PAGES - 1) * PAGE));
	/* Shared is shared: with the file, and not with the private one. */
	fill(shared_map + PAGE, PAGE, 99);
	fd = SYS(open(path, O_RDONLY | O_CLOEXEC));
	SAME(pread(fd, page, PAGE, PAGE), PAGE);
	CHECK(filled(page, PAGE, 99) && filled(read_map, PAGE, 99));
	CHECK(mprotect(read_map, PAGE, PROT_READ | PROT_WRITE) < 0 && errno == EACCES);
	SYS(mprotect(private_map, PAGES * PAGE, PROT_READ | PROT_WRITE));
	fill(private_map, PAGES * PAGE, 3);
	SAME(pread(fd, page, PAGE, 2 * PAGE), PAGE);
	CHECK(!filled(page, PAGE, 50));
	victim_ok();
}
