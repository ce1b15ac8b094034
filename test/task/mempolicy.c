/*
 * NUMA: the policies of two threads and of a child, and of mappings: private, shared, of a file, one with more pieces
 * than fit into one plan. One node is enough for them to differ.
 */
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

#define PAGE 4096UL
enum { MAPPINGS = 6, PIECES = 2400 };

static const int modes[] = { MPOL_DEFAULT,    MPOL_PREFERRED, MPOL_BIND,
			     MPOL_INTERLEAVE, MPOL_LOCAL,     MPOL_BIND | MPOL_F_STATIC_NODES };
static char *mapping[MAPPINGS], *pieces;
static unsigned long node = 1;

static void set_own(int mode)
{
	SYS(syscall(SYS_set_mempolicy, mode, mode == MPOL_DEFAULT ? NULL : &node, 64L));
}

static void bind_pages(char *at, size_t pages, int mode)
{
	bool none = mode == MPOL_LOCAL || mode == MPOL_DEFAULT;

	SYS(syscall(SYS_mbind, at, pages * PAGE, mode, none ? NULL : &node, none ? 0L : 64L, 0));
}

/* The mode, and the nodes from bit 32 on. */
static uint64_t policy(void *at)
{
	unsigned long nodes[16] = { 0 };
	int mode;

	SYS(syscall(SYS_get_mempolicy, &mode, nodes, 1024L, at, at ? MPOL_F_ADDR : 0));
	return (uint32_t)mode | nodes[0] << 32;
}

static uint64_t were[MAPPINGS];

static void look(int from)
{
	for (int i = from; i < MAPPINGS; i++)
		SAME(policy(mapping[i]), were[i]);
	for (int i = 0; i < PIECES; i++)
		SAME(policy(pieces + i * PAGE), i % 2 ? 1UL << 32 | MPOL_PREFERRED : 0);
}

static void *thread(void *arg)
{
	(void)arg;
	set_own(MPOL_INTERLEAVE);
	victim_set();
	victim_wait();
	SAME(policy(NULL), 1UL << 32 | MPOL_INTERLEAVE);
	return NULL;
}

static void *plain_thread(void *arg)
{
	(void)arg;
	set_own(MPOL_DEFAULT);
	victim_set();
	victim_wait();
	SAME(policy(NULL), 0);
	return NULL;
}

int main(void)
{
	pid_t child;
	int mode;

	if (syscall(SYS_get_mempolicy, &mode, NULL, 0L, NULL, 0) < 0)
		victim_skip("this kernel has no memory policies");
	for (int i = 0; i < MAPPINGS; i++) {
		mapping[i] = SYS(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
				      MAP_ANONYMOUS | (i % 2 ? MAP_SHARED : MAP_PRIVATE), -1, 0));
		bind_pages(mapping[i], 2, modes[i]);
		*mapping[i] = i;
		were[i] = policy(mapping[i]);
		SAME(were[i] & 0xffffffff, modes[i]);
	}
	pieces = SYS(mmap(NULL, PIECES * PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE,
			  -1, 0));
	for (int i = 1; i < PIECES; i += 2)
		bind_pages(pieces + i * PAGE, 1, MPOL_PREFERRED);
	set_own(MPOL_BIND);
	victim_thread(thread, NULL);
	victim_thread(plain_thread, NULL);
	child = victim_fork();
	if (child == 0) {
		set_own(MPOL_DEFAULT);
		bind_pages(mapping[2], 2, MPOL_DEFAULT);
		victim_set();
		victim_wait();
		SAME(policy(NULL), 0);
		SAME(policy(mapping[2]), 0);
		look(3);
		_exit(0);
	}
	victim_ready();
	SAME(policy(NULL), 1UL << 32 | MPOL_BIND);
	look(0);
	victim_reap(child);
	victim_join();
	victim_ok();
}
