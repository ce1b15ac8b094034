/* Messages of the kernel; see journal.h. */
#include "lazy/journal.h"

#include <sys/mman.h>

struct journal *journal_new(void)
{
	struct journal *j =
		mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return j == MAP_FAILED ? NULL : j;
}

void journal_drop(struct journal *j)
{
	if (j)
		munmap(j, sizeof(*j));
}
