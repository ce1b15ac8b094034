/*
 * shared ROUNDS [NO SEGMENTS]: shared memory that is saved in increments. In every round each object is written, emptied or
 * resized in some way between two dumps, many of which leave no trace in a page table that is still there; what it has to
 * hold is kept in private memory.
 */
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

enum { PAGE = 4096, PAGES = 2048, SIZE = PAGES * PAGE, WORDS = PAGE / 8 };
enum { ANONYMOUS, MEMFD, SYSV, HIDDEN, OLD, OBJECTS }; /* HIDDEN: a memfd that nobody has mapped */

struct object {
	char *at;
	int fd, id; /* of a memfd, of a segment */
	uint64_t model
		[PAGES]; /* the first word of every page; its other words follow from it. 0: it is zero */
	size_t size;
};

static struct object objects[OBJECTS];
static uint64_t count = 1;
static bool has_segments;

static char *map_fd(int fd)
{
	return SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}

static void fill(uint64_t *page, uint64_t first)
{
	for (int i = 0; i < WORDS; i++)
		page[i] = first ? first + i : 0;
}

static uint64_t next(void)
{
	return count++ * 0x9e3779b97f4a7c15ULL | 1;
}

/* Through the mapping that is there, as the first word says. */
static void put_as(struct object *o, int page, uint64_t first)
{
	o->model[page] = first;
	fill((uint64_t *)(o->at + page * PAGE), first);
}

static void put(struct object *o, int page)
{
	put_as(o, page, next());
}

static void put_by_fd(struct object *o, int page)
{
	uint64_t buf[WORDS];

	o->model[page] = next();
	fill(buf, o->model[page]);
	SAME(SYS(pwrite(o->fd, buf, PAGE, page * PAGE)), PAGE);
}

/* A child that is born, writes and ends. */
static void put_by_child(struct object *o, int page)
{
	uint64_t first = next();
	pid_t pid = SYS(fork());

	if (pid == 0) {
		put_as(o, page, first);
		_exit(0);
	}
	SYS(waitpid(pid, NULL, 0));
	o->model[page] = first;
}

/* A second mapping, which is gone then. */
static void put_by_alias(struct object *o, int page)
{
	char *at = o->at, *alias = SYS(mremap(at, 0, SIZE, MREMAP_MAYMOVE));

	o->at = alias;
	put(o, page);
	o->at = at;
	SYS(munmap(alias, SIZE));
}

static void put_in_segment(struct object *o, int page)
{
	char *at = o->at;

	o->at = SYS(shmat(o->id, NULL, 0));
	put(o, page);
	SYS(shmdt(o->at));
	o->at = at;
}

static void forget(struct object *o, int first, int pages)
{
	memset(&o->model[first], 0, pages * sizeof(o->model[0]));
}

static void empty(struct object *o, int first, int pages)
{
	SYS(madvise(o->at + first * PAGE, pages * PAGE, MADV_REMOVE));
	forget(o, first, pages);
}

/* What page tables say of pages is gone, what the pages hold is not. */
static void drop(struct object *o, int first, int pages)
{
	SYS(madvise(o->at + first * PAGE, pages * PAGE, MADV_DONTNEED));
}

static void punch(struct object *o, int first, int pages)
{
	SYS(fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first * PAGE,
		      pages * PAGE));
	forget(o, first, pages);
}

/* To the middle of a page, and to its whole length again. */
static void shorten(struct object *o, int pages)
{
	SYS(ftruncate(o->fd, pages * PAGE));
	SYS(ftruncate(o->fd, SIZE));
	forget(o, pages, PAGES - pages);
	put_by_fd(o, PAGES - 1);
}

/* Each has at its place what the other one had there when it was saved. */
static void exchange(struct object *a, struct object *b, int page)
{
	uint64_t first = a->model[page];

	put_as(a, page, b->model[page]);
	put_as(b, page, first);
}

/* Another object in the place of one, which has some of what that had. */
static void replace(struct object *o, int pages)
{
	uint64_t model[PAGES];

	memcpy(model, o->model, sizeof(model));
	SYS(munmap(o->at, SIZE));
	o->at = victim_shared(SIZE);
	forget(o, 0, PAGES);
	for (int page = 0; page < pages; page++)
		put_as(o, page, model[page]);
}

/* What was saved is written over, and written again. */
static void there_and_back(struct object *o, int page)
{
	uint64_t first = o->model[page];

	put(o, page);
	put_as(o, page, first);
}

/* Every other dump finds what the one before the last had, which is not what the last one has. */
static void come_and_go(struct object *o, int round)
{
	static uint64_t first;

	if (!first)
		first = o->model[500];
	put_as(o, 500, round % 2 ? first : first + 2);
	if (round % 2)
		put_as(o, 501, first);
	else
		empty(o, 501, 1);
}

static void hide(struct object *o, int round)
{
	if (round % 2 == 0) {
		SYS(munmap(o->at, SIZE));
		o->at = NULL;
	} else {
		o->at = map_fd(o->fd);
	}
	put_by_fd(o, 3 * round);
}

static void disturb(int round)
{
	struct object *anon = &objects[ANONYMOUS], *memfd = &objects[MEMFD], *sysv = &objects[SYSV],
		      *old = &objects[OLD];

	put(anon, round);
	put_by_child(anon, 20 + round);
	put_by_alias(anon, 40 + round);
	put(anon, 60 + round);
	drop(anon, 60 + round, 1);
	there_and_back(anon, 80 + round);
	empty(anon, 100 + 2 * round, 2);
	CHECK(!anon->at[(100 + 2 * round) * PAGE]); /* there is a page now, of zeros */
	put(anon, 101 + 2 * round);
	put(memfd, round);
	put_by_fd(memfd, 20 + round);
	put_by_child(memfd, 40 + round);
	put_by_fd(memfd, 60 + round);
	drop(memfd, 0, PAGES);
	punch(memfd, 100 + 2 * round, 2);
	shorten(memfd, PAGES - 10 * round - 10);
	put(sysv, round);
	put_by_child(sysv, 20 + round);
	(has_segments ? put_in_segment : put_by_alias)(sysv, 40 + round);
	empty(sysv, 100 + 2 * round, 1);
	exchange(anon, sysv, 200 + round);
	come_and_go(anon, round);
	hide(&objects[HIDDEN], round);
	if (round % 3 == 1)
		replace(old, PAGES / 2);
}

static void check(struct object *o, const char *name)
{
	for (int page = 0; page < PAGES; page++) {
		const uint64_t *at = (const uint64_t *)(o->at + page * PAGE);

		for (int i = 0; i < WORDS; i++)
			CHECK(at[i] == (o->model[page] ? o->model[page] + i : 0),
			      "%s page %d word %d is %#lx, the page began with %#lx", name, page, i,
			      (unsigned long)at[i], (unsigned long)o->model[page]);
	}
}

static void check_all(void)
{
	static const char *const names[] = { "anonymous", "memfd", "System V", "hidden", "old" };

	if (!objects[HIDDEN].at)
		objects[HIDDEN].at = map_fd(objects[HIDDEN].fd);
	for (int i = 0; i < OBJECTS; i++)
		check(&objects[i], names[i]);
}

static void make(struct object *o, int kind)
{
	if (kind == MEMFD || kind == HIDDEN) {
		o->fd = SYS(memfd_create("shared", MFD_CLOEXEC));
		SYS(ftruncate(o->fd, SIZE));
		o->at = map_fd(o->fd);
	} else if (kind == SYSV && has_segments) {
		o->id = SYS(shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600));
		o->at = SYS(shmat(o->id, NULL, 0));
	} else {
		o->at = victim_shared(SIZE);
	}
	for (int page = 0; page < PAGES - 8; page++)
		put(o, page);
}

/* It has all but the one that is hidden. */
static void wait_and_end(void)
{
	SYS(munmap(objects[HIDDEN].at, SIZE));
	victim_set();
	victim_wait();
	_exit(0);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 4;
	pid_t child;

	has_segments = argc < 3;
	for (int i = 0; i < OBJECTS; i++)
		make(&objects[i], i);
	/* It goes with whoever is the last to have it. */
	if (has_segments)
		SYS(shmctl(objects[SYSV].id, IPC_RMID, NULL));
	child = victim_fork();
	if (child == 0)
		wait_and_end();
	for (int round = 0; round < rounds; round++) {
		victim_ready();
		disturb(round);
	}
	victim_ready();
	check_all();
	victim_reap(child);
	victim_ok();
}
