/* What this processor can do; see cpuinfo.h. */
#include "lib/cpuinfo.h"

#include <cpuid.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/options.h"
#include "lib/own.h"

enum reg { EAX, EBX, ECX, EDX };

/*
 * Which register of which leaf of CPUID each feature word is; the others the kernel fills by
 * itself.
 */
static const struct {
	int word;
	uint32_t leaf, subleaf;
	enum reg reg;
} leaves[] = {
	{ 0, 0x1, 0, EDX },	    { 1, 0x80000001, 0, EDX },	{ 2, 0x80860001, 0, EDX },
	{ 4, 0x1, 0, ECX },	    { 5, 0xc0000001, 0, EDX },	{ 6, 0x80000001, 0, ECX },
	{ 9, 0x7, 0, EBX },	    { 10, 0xd, 1, EAX },	{ 12, 0x7, 1, EAX },
	{ 13, 0x80000008, 0, EBX }, { 14, 0x6, 0, EAX },	{ 15, 0x8000000a, 0, EDX },
	{ 11, 0x7, 0, ECX },	    { 17, 0x80000007, 0, EBX }, { 18, 0x7, 0, EDX },
};

/*
 * rep_good, nopl and cpuid: bits that the kernel makes up, and that every processor of today
 * gets.
 */
#define MADE_UP_WORD 3
#define MADE_UP_BITS 0x02110000

/* Instructions that programs use when CPUID offers them, by the names of /proc/cpuinfo. */
static const struct {
	unsigned char word, bit;
	const char *name;
} instructions[] = {
	{ 0, 4, "tsc" },
	{ 0, 8, "cx8" },
	{ 0, 15, "cmov" },
	{ 0, 19, "clflush" },
	{ 0, 23, "mmx" },
	{ 0, 24, "fxsr" },
	{ 0, 25, "sse" },
	{ 0, 26, "sse2" },
	{ 1, 11, "syscall" },
	{ 1, 22, "mmxext" },
	{ 1, 25, "fxsr_opt" },
	{ 1, 27, "rdtscp" },
	{ 1, 29, "lm" },
	{ 1, 30, "3dnowext" },
	{ 1, 31, "3dnow" },
	{ 4, 0, "sse3" },
	{ 4, 1, "pclmulqdq" },
	{ 4, 9, "ssse3" },
	{ 4, 12, "fma" },
	{ 4, 13, "cx16" },
	{ 4, 19, "sse4_1" },
	{ 4, 20, "sse4_2" },
	{ 4, 22, "movbe" },
	{ 4, 23, "popcnt" },
	{ 4, 25, "aes" },
	{ 4, 26, "xsave" },
	{ 4, 27, "osxsave" },
	{ 4, 28, "avx" },
	{ 4, 29, "f16c" },
	{ 4, 30, "rdrand" },
	{ 6, 0, "lahf_lm" },
	{ 6, 5, "abm" },
	{ 6, 6, "sse4a" },
	{ 6, 8, "3dnowprefetch" },
	{ 6, 11, "xop" },
	{ 6, 15, "lwp" },
	{ 6, 16, "fma4" },
	{ 6, 21, "tbm" },
	{ 9, 0, "fsgsbase" },
	{ 9, 3, "bmi1" },
	{ 9, 4, "hle" },
	{ 9, 5, "avx2" },
	{ 9, 8, "bmi2" },
	{ 9, 9, "erms" },
	{ 9, 11, "rtm" },
	{ 9, 14, "mpx" },
	{ 9, 16, "avx512f" },
	{ 9, 17, "avx512dq" },
	{ 9, 18, "rdseed" },
	{ 9, 19, "adx" },
	{ 9, 21, "avx512ifma" },
	{ 9, 23, "clflushopt" },
	{ 9, 24, "clwb" },
	{ 9, 26, "avx512pf" },
	{ 9, 27, "avx512er" },
	{ 9, 28, "avx512cd" },
	{ 9, 29, "sha_ni" },
	{ 9, 30, "avx512bw" },
	{ 9, 31, "avx512vl" },
	{ 10, 0, "xsaveopt" },
	{ 10, 1, "xsavec" },
	{ 10, 2, "xgetbv1" },
	{ 12, 0, "sha512" },
	{ 12, 1, "sm3" },
	{ 12, 2, "sm4" },
	{ 12, 4, "avx_vnni" },
	{ 12, 5, "avx512_bf16" },
	{ 12, 7, "cmpccxadd" },
	{ 12, 10, "fzrm" },
	{ 12, 11, "fsrs" },
	{ 12, 12, "fsrc" },
	{ 12, 21, "amx_fp16" },
	{ 12, 23, "avx_ifma" },
	{ 13, 0, "clzero" },
	{ 13, 4, "rdpru" },
	{ 13, 9, "wbnoinvd" },
	{ 11, 1, "avx512vbmi" },
	{ 11, 3, "pku" },
	{ 11, 4, "ospke" },
	{ 11, 5, "waitpkg" },
	{ 11, 6, "avx512_vbmi2" },
	{ 11, 8, "gfni" },
	{ 11, 9, "vaes" },
	{ 11, 10, "vpclmulqdq" },
	{ 11, 11, "avx512_vnni" },
	{ 11, 12, "avx512_bitalg" },
	{ 11, 14, "avx512_vpopcntdq" },
	{ 11, 22, "rdpid" },
	{ 11, 25, "cldemote" },
	{ 11, 27, "movdiri" },
	{ 11, 28, "movdir64b" },
	{ 11, 29, "enqcmd" },
	{ 18, 2, "avx512_4vnniw" },
	{ 18, 3, "avx512_4fmaps" },
	{ 18, 4, "fsrm" },
	{ 18, 8, "avx512_vp2intersect" },
	{ 18, 14, "serialize" },
	{ 18, 16, "tsxldtrk" },
	{ 18, 22, "amx_bf16" },
	{ 18, 23, "avx512_fp16" },
	{ 18, 24, "amx_tile" },
	{ 18, 25, "amx_int8" },
};

/* A leaf that the processor does not have is all zeros, not what CPUID makes of it. */
static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t ret[4])
{
	uint32_t base = leaf & 0xffff0000, top, unused;

	memset(ret, 0, 4 * sizeof(*ret));
	__cpuid(base, top, unused, unused, unused);
	if ((top & 0xffff0000) != base || leaf > top)
		return;
	if (leaf == 7 && subleaf) {
		__cpuid_count(7, 0, top, unused, unused, unused);
		if (subleaf > top)
			return;
	}
	__cpuid_count(leaf, subleaf, ret[EAX], ret[EBX], ret[ECX], ret[EDX]);
}

/* The compiler's own function for this needs -mxsave. */
static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void read_identity(struct cpuinfo *c)
{
	uint32_t r[4], name[3];

	cpuid(0, 0, r);
	memcpy(name, (uint32_t[]){ r[EBX], r[EDX], r[ECX] }, sizeof(name));
	if (memcmp(name, "GenuineIntel", sizeof(name)) == 0)
		c->vendor = CPU_VENDOR_INTEL;
	else if (memcmp(name, "AuthenticAMD", sizeof(name)) == 0)
		c->vendor = CPU_VENDOR_AMD;
	cpuid(1, 0, r);
	c->family = r[EAX] >> 8 & 0xf;
	c->model = r[EAX] >> 4 & 0xf;
	c->stepping = r[EAX] & 0xf;
	if (c->family >= 6)
		c->model |= (r[EAX] >> 16 & 0xf) << 4;
	if (c->family == 0xf)
		c->family += r[EAX] >> 20 & 0xff;
	for (uint32_t i = 0; i < 3; i++) {
		cpuid(0x80000002 + i, 0, r);
		memcpy(c->model_id + i * sizeof(r), r, sizeof(r));
	}
}

void cpuinfo_read(struct cpuinfo *ret)
{
	uint32_t r[4];

	*ret = (struct cpuinfo){};
	read_identity(ret);
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		cpuid(leaves[i].leaf, leaves[i].subleaf, r);
		ret->words[leaves[i].word] = r[leaves[i].reg];
	}
	ret->words[MADE_UP_WORD] = MADE_UP_BITS;
	if (!(ret->words[4] & 1 << 27)) /* osxsave: XCR0 may be read */
		return;
	ret->xfeatures_mask = read_xcr0();
	cpuid(0xd, 0, r);
	ret->xsave_size = r[EBX];
	ret->xsave_size_max = r[ECX];
}

static int compare_fpu(const struct cpuinfo *was, const struct cpuinfo *here, struct err *e)
{
	uint64_t lost = was->xfeatures_mask & ~here->xfeatures_mask;

	if (lost)
		return err_code(e, ENOTSUP,
				"this processor lacks the extended state components 0x%lx", lost);
	if (was->xsave_size > here->xsave_size)
		return err_code(e, ENOTSUP,
				"the extended state takes %u bytes, and only %u on this processor",
				was->xsave_size, here->xsave_size);
	return 0;
}

static int compare_instructions(const struct cpuinfo *was, const struct cpuinfo *here,
				struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(instructions); i++) {
		int word = instructions[i].word;
		uint32_t bit = 1u << instructions[i].bit;

		if ((was->words[word] & bit) && !(here->words[word] & bit))
			return err_code(e, ENOTSUP, "this processor lacks '%s'",
					instructions[i].name);
	}
	return 0;
}

static int compare_all(const struct cpuinfo *was, const struct cpuinfo *here, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		int word = leaves[i].word;

		if (was->words[word] != here->words[word])
			return err_code(e, ENOTSUP,
					"feature word %d is 0x%08x, and 0x%08x on this processor",
					word, was->words[word], here->words[word]);
	}
	return 0;
}

int cpuinfo_compare(const struct cpuinfo *was, const struct cpuinfo *here, unsigned caps,
		    struct err *e)
{
	int r = 0;

	/* Makers lay out the extended state differently. */
	if (caps & (CPU_CAP_FPU | CPU_CAP_CPU) && was->vendor != here->vendor)
		r = err_code(e, ENOTSUP, "this processor is of another maker");
	if (r == 0 && caps & CPU_CAP_FPU)
		r = compare_fpu(was, here, e);
	if (r == 0 && caps & CPU_CAP_INS)
		r = compare_instructions(was, here, e);
	if (r == 0 && caps & CPU_CAP_CPU)
		r = compare_all(was, here, e);
	if (r < 0 && was->model_id[0])
		return err_on(e, "the dump was made on '%s'", was->model_id);
	return r;
}
