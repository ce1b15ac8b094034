/*
 * Everything beside the general registers, while a thread runs in user code: x87 with its control
 * word, MXCSR, ymm0-15, and with AVX-512 zmm0-31 and the mask registers k0-7.
 */
#include <stddef.h>

#include "test/lib/victim.h"

#define VECTORS 32
#define BYTES 64

struct state {
	uint8_t vector[VECTORS][BYTES];
	uint64_t mask[8];
	uint8_t x87[8][16]; /* ten bytes each */
	uint32_t mxcsr;
	uint16_t control;
} __attribute__((aligned(64)));

extern struct state in, out;
extern volatile uint64_t go, spins;
struct state in, out;
volatile uint64_t go, spins;

/* Offsets in struct state, as the assembly sees them. */
_Static_assert(offsetof(struct state, mask) == 2048, "mask");
_Static_assert(offsetof(struct state, x87) == 2112, "x87");
_Static_assert(offsetof(struct state, mxcsr) == 2240, "mxcsr");
_Static_assert(offsetof(struct state, control) == 2244, "control");

/* The line for each register %n of the list, "at" going up from where they lie in the struct. */
#define EACH(list, from, step, line)      \
	"	.set at, " from "\n"      \
	".irp n, " list "\n"              \
	"	" line "\n"               \
	"	.set at, at + " step "\n" \
	".endr\n"
#define N8 "0, 1, 2, 3, 4, 5, 6, 7"
#define N16 N8 ", 8, 9, 10, 11, 12, 13, 14, 15"
#define N32 N16 ", 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31"

#define BEGIN                      \
	"	fninit\n"                \
	"	fldcw in + 2244(%rip)\n" \
	"	ldmxcsr in + 2240(%rip)\n" EACH(N8, "2112", "16", "fldt in + at(%rip)")
#define SPIN                    \
	"1:	incq spins(%rip)\n" \
	"	cmpq $0, go(%rip)\n"  \
	"	je 1b\n"
#define END                                            \
	EACH(N8, "2112", "16", "fstpt out + at(%rip)") \
	"	stmxcsr out + 2240(%rip)\n"                  \
	"	fnstcw out + 2244(%rip)\n"                   \
	"	fninit\n"                                    \
	"	ldmxcsr default_mxcsr(%rip)\n"               \
	"	vzeroupper\n"                                \
	"	ret\n"
#define FUNCTION(name, load, store) \
	__asm__(".text\n.globl " #name "\n" #name ":\n" BEGIN load SPIN store END)

extern const uint32_t default_mxcsr;
const uint32_t default_mxcsr = 0x1f80;

void spin_avx(void);
FUNCTION(spin_avx, EACH(N16, "0", "64", "vmovdqu in + at(%rip), %ymm\\n"),
	 EACH(N16, "0", "64", "vmovdqu %ymm\\n, out + at(%rip)"));

void spin_avx512(void);
FUNCTION(spin_avx512,
	 EACH(N32, "0", "64", "vmovdqu64 in + at(%rip), %zmm\\n")
		 EACH(N8, "2048", "8", "kmovq in + at(%rip), %k\\n"),
	 EACH(N32, "0", "64", "vmovdqu64 %zmm\\n, out + at(%rip)")
		 EACH(N8, "2048", "8", "kmovq %k\\n, out + at(%rip)"));

static void *spin(void *arg)
{
	void (*run)(void) = arg;

	victim_set();
	run();
	return NULL;
}

static void fill(int vectors, int bytes)
{
	for (int i = 0; i < vectors; i++)
		for (int k = 0; k < bytes; k++)
			in.vector[i][k] = i * 67 + k * 5 + 1;
	for (int i = 0; i < 8; i++) {
		long double value = 1.5L + i * 1000.25L;

		memcpy(in.x87[i], &value, 10);
	}
	in.mxcsr = 0x1f80 | 0x6000 | 0x21; /* round to zero; two exceptions have happened */
	in.control = 0x0f7f;		   /* round to zero, extended precision, all masked */
}

int main(int argc, char **argv)
{
	bool wide = argc > 1 && strcmp(argv[1], "avx512") == 0;

	__builtin_cpu_init();
	if (wide && !__builtin_cpu_supports("avx512bw"))
		victim_skip("this processor has no AVX-512");
	if (!__builtin_cpu_supports("avx"))
		victim_skip("this processor has no AVX");
	fill(wide ? 32 : 16, wide ? 64 : 32);
	for (int i = 0; wide && i < 8; i++)
		in.mask[i] = 0x1111111111111111ULL * (i + 1);
	victim_thread(spin, wide ? spin_avx512 : spin_avx);
	while (spins == 0)
		victim_sleep_ms(1);
	victim_ready();
	go = 1;
	victim_join();
	for (int i = 0; i < VECTORS; i++)
		CHECK(memcmp(in.vector[i], out.vector[i], BYTES) == 0, "vector register %d", i);
	for (int i = 0; i < 8; i++) {
		SAME(out.mask[i], in.mask[i]);
		/* Stored from the top of the stack down. */
		CHECK(memcmp(in.x87[7 - i], out.x87[i], 10) == 0, "st(%d)", i);
	}
	SAME(out.mxcsr, in.mxcsr);
	SAME(out.control, in.control);
	victim_ok();
}
