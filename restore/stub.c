/*
 * What a restored process is before it is anything: an ELF file with nothing but an entry, executed from a memfd for
 * the empty address space that comes with it. It stops at once; the coordinator then makes it map the arena with the
 * system call instruction behind the stop (restore/spawn.c knows the offsets).
 */
__asm__(".section .text.entry, \"ax\"\n"
	".global _start\n"
	"_start:\n"
	"	int3\n"	   /* 0 */
	"	syscall\n" /* 1 */
	"	int3\n");  /* 3 */
