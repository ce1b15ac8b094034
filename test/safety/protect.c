/*
 * Threads and a child that write to memory that knows what it has to hold (test/freeze/page.h), for as long as it is left alone;
 * they are asked again and again whether all of it does: the link 'ask' leads to a number, and the answer is the link
 * 'answer.NUMBER'. A restore may bring it to any moment before.
 */
#include <limits.h>
#include <sys/mman.h>

#include "test/freeze/page.h"

enum { WORKERS = 3, PAGES = 192, QUIET_PAGES = 512, STEPS = 8, SHARED_PAGES = 8 };

/* Of all processes. */
static struct {
	_Atomic uint64_t asked, seen[WORKERS];
} * board;

struct worker {
	int number;
	struct region busy, quiet;
};

static struct worker workers[WORKERS];

static void move(struct region *r)
{
	size_t size = r->pages * PAGE;
	void *to = map_private(size);

	r->at = SYS(mremap(r->at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

static void give_back(struct region *r, uint64_t dice)
{
	uint32_t from = dice % (r->pages - 4);

	region_check_part(r, from, 4);
	SYS(madvise(&r->at[from], 4 * PAGE, MADV_DONTNEED));
	region_zeroed(r, from, 4);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct region *r = &w->busy;

	victim_set();
	for (uint64_t turn = 0;; turn++) {
		uint64_t asked = board->asked;

		for (int i = 0; i < STEPS; i++)
			region_write(r, mixed(r->head) % r->pages);
		if (turn % 16 == 3)
			give_back(r, mixed(r->head));
		if (turn % 64 == 5)
			move(r);
		if (asked != board->seen[w->number]) {
			region_check(r);
			region_check(&w->quiet);
			board->seen[w->number] = asked;
		}
		victim_sleep_ms(1);
	}
	return NULL;
}

static void make(int number, int process)
{
	struct worker *w = &workers[number];

	w->number = number;
	region_make(&w->busy, "busy memory", 0x10 + number, PAGES);
	region_make(&w->quiet, "quiet memory", 0x20 + number, QUIET_PAGES);
	w->busy.process = w->quiet.process = process;
	for (uint32_t i = 0; i < QUIET_PAGES; i++)
		region_write(&w->quiet, i);
}

/* Links, since a checkpoint may find a file open that is another one at the restore. */
static uint64_t question(const char *path)
{
	char text[32];
	ssize_t n = readlink(path, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = 0;
	return n < 0 ? 0 : strtoul(text, NULL, 10);
}

static void answer(const char *dir, uint64_t number)
{
	char path[PATH_MAX];

	board->asked = number;
	for (int i = 0; i < WORKERS; i++)
		while (board->seen[i] != number)
			victim_sleep_ms(1);
	snprintf(path, sizeof(path), "%s/answer.%lu", dir, (unsigned long)number);
	CHECK(symlink("ok", path) == 0 || errno == EEXIST);
}

int main(void)
{
	const char *dir = getenv("TEST_DIR") ?: ".";
	char ask[PATH_MAX];

	board = victim_shared(SHARED_PAGES * PAGE);
	snprintf(ask, sizeof(ask), "%s/ask", dir);
	for (int i = 0; i < WORKERS; i++)
		make(i, i == 0);
	if (victim_fork() == 0)
		work(&workers[0]);
	for (int i = 1; i < WORKERS; i++)
		victim_thread(work, &workers[i]);
	for (uint64_t last = 0;; victim_sleep_ms(2)) {
		uint64_t number = question(ask);

		if (number && number != last)
			answer(dir, last = number);
	}
}
