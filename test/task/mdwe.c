/* A program that may have no memory both writable and executable: it can be saved, and still may not afterwards. */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "test/lib/victim.h"

#define SET_MDWE 65
#define GET_MDWE 66

static void look(void)
{
	void *both;

	SAME(SYS(prctl(GET_MDWE, 0, 0, 0, 0)), 1);
	both = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	CHECK(both == MAP_FAILED && errno == EACCES);
}

int main(void)
{
	if (prctl(SET_MDWE, 1, 0, 0, 0) < 0)
		victim_skip("this kernel has no PR_SET_MDWE");
	look();
	victim_ready();
	look();
	victim_ok();
}
