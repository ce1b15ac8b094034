/* Memory of a size that the test gives, in MiB, every page of which says who it is. */
#include <sys/mman.h>

#include "test/lib/victim.h"

#define PAGE 4096UL

int main(int argc, char **argv)
{
	size_t pages = (argc > 1 ? strtoul(argv[1], NULL, 10) : 64) << 8;
	uint64_t *mem = SYS(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	for (size_t n = 0; n < pages * PAGE / 8; n++)
		mem[n] = n * 0x9e3779b97f4a7c15ULL;
	victim_ready();
	for (size_t n = 0; n < pages * PAGE / 8; n++)
		CHECK(mem[n] == n * 0x9e3779b97f4a7c15ULL, "word %zu", n);
	victim_ok();
}
