/* Extended processor state between the kernel and the images; see xstate.h. */
#include "images/xstate.h"

#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/own.h"

/* The legacy area of FXSAVE and the header behind it. */
enum {
	FX_CWD = 0,
	FX_SWD = 2,
	FX_TWD = 4,
	FX_FOP = 6,
	FX_RIP = 8,
	FX_RDP = 16,
	FX_MXCSR = 24,
	FX_MXCSR_MASK = 28,
	FX_ST = 32,
	FX_XMM = 160,
	FX_SIZE = 512,
	XSTATE_BV = 512,
	XSTATE_HEADER_END = 576,
	ST_WORDS = 32,
	XMM_WORDS = 64,
	FIRST_COMPONENT = 2,
	COMPONENTS = 63,
	LEGACY = 3, /* x87 and SSE in XSTATE_BV */
	PKRU = 9,
};

/* What CRIU's message can hold: arrays of 4- or 8-byte words, which lie in memory as the processor's bytes do. */
static const struct field {
	int number;
	const char *name;
	uint32_t word, words;
	size_t count_at, data_at; /* in UserX86XsaveEntry */
} fields[] = {
#define FIELD(number, name, word, words, f)                                    \
	{                                                                      \
		number, name, word, words, offsetof(UserX86XsaveEntry, n_##f), \
			offsetof(UserX86XsaveEntry, f)                         \
	}
	FIELD(2, "AVX", 4, 64, ymmh_space),	    FIELD(3, "MPX", 8, 8, bndreg_state),
	FIELD(4, "MPX", 8, 8, bndcsr_state),	    FIELD(5, "AVX-512", 8, 8, opmask_reg),
	FIELD(6, "AVX-512", 8, 64, zmm_upper),	    FIELD(7, "AVX-512", 8, 128, hi16_zmm),
	FIELD(PKRU, "protection keys", 4, 2, pkru),
#undef FIELD
};

static size_t *count_of(UserX86XsaveEntry *x, const struct field *f)
{
	return (size_t *)((char *)x + f->count_at);
}

static void **data_of(UserX86XsaveEntry *x, const struct field *f)
{
	return (void **)((char *)x + f->data_at);
}

static const struct field *field_find(int number)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].number == number)
			return &fields[i];
	return NULL;
}

/* What the kernel has switched on for programs (XCR0); 0: it does not use XSAVE. */
static uint64_t enabled(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return 0;
	__asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (uint64_t)d << 32 | a;
}

bool xstate_find(int number, struct xstate_part *ret)
{
	unsigned int a, b, c, d;

	if (number < FIRST_COMPONENT || number >= COMPONENTS || !(enabled() >> number & 1) ||
	    !__get_cpuid_count(0xd, number, &a, &b, &c, &d) || a == 0)
		return false;
	*ret = (struct xstate_part){
		.number = number,
		.offset = b,
		.size = a,
		.dynamic = c >> 2 & 1,
	};
	return true;
}

static uint64_t get(const void *buf, size_t at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, (const char *)buf + at, size);
	return value;
}

static void put(void *buf, size_t at, size_t size, uint64_t value)
{
	memcpy((char *)buf + at, &value, size);
}

static bool is_zero(const void *data, size_t size)
{
	const char *p = data;

	return size == 0 || (p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
}

/* Whether the component can lie in a buffer of that size. */
static bool fits(const struct xstate_part *part, size_t size)
{
	return part->offset >= XSTATE_HEADER_END && (uint64_t)part->offset + part->size <= size;
}

/* --- to images ----------------------------------------------------------------------------------- */

static UserX86XsaveEntry *xsave_to_image(struct pool *pool, const void *buf, size_t size)
{
	UserX86XsaveEntry *x = pool_new(pool, UserX86XsaveEntry);

	user_x86_xsave_entry__init(x);
	x->xstate_bv = get(buf, XSTATE_BV, 8);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		struct xstate_part part;

		if (!xstate_find(f->number, &part) || part.size != f->word * f->words ||
		    !fits(&part, size))
			continue;
		*count_of(x, f) = f->words;
		*data_of(x, f) = pool_copy(pool, (const char *)buf + part.offset, part.size);
	}
	return x;
}

void xstate_to_image(struct pool *pool, const void *buf, size_t size, ThreadInfoX86 *ret)
{
	UserX86FpregsEntry *fp = pool_new(pool, UserX86FpregsEntry);

	user_x86_fpregs_entry__init(fp);
	fp->cwd = get(buf, FX_CWD, 2);
	fp->swd = get(buf, FX_SWD, 2);
	fp->twd = get(buf, FX_TWD, 2);
	fp->fop = get(buf, FX_FOP, 2);
	fp->rip = get(buf, FX_RIP, 8);
	fp->rdp = get(buf, FX_RDP, 8);
	fp->mxcsr = get(buf, FX_MXCSR, 4);
	fp->mxcsr_mask = get(buf, FX_MXCSR_MASK, 4);
	fp->n_st_space = ST_WORDS;
	fp->st_space = pool_copy(pool, (const char *)buf + FX_ST, ST_WORDS * 4);
	fp->n_xmm_space = XMM_WORDS;
	fp->xmm_space = pool_copy(pool, (const char *)buf + FX_XMM, XMM_WORDS * 4);
	if (size >= XSTATE_HEADER_END)
		fp->xsave = xsave_to_image(pool, buf, size);
	ret->fpregs = fp;
}

static void add_component(struct pool *pool, ExtraEntry *ret, const struct xstate_part *part,
			  const void *buf)
{
	XstateComponentEntry *c = pool_new(pool, XstateComponentEntry);
	XstateComponentEntry **all = pool_array(pool, XstateComponentEntry *, ret->n_xstate + 1);

	xstate_component_entry__init(c);
	c->number = part->number;
	c->data.len = part->size;
	c->data.data = pool_copy(pool, (const char *)buf + part->offset, part->size);
	if (ret->n_xstate)
		memcpy(all, ret->xstate, ret->n_xstate * sizeof(*all));
	all[ret->n_xstate++] = c;
	ret->xstate = all;
}

int xstate_rest_to_image(struct pool *pool, const void *buf, size_t size, ExtraEntry *ret,
			 struct err *e)
{
	uint64_t bv = size >= XSTATE_HEADER_END ? get(buf, XSTATE_BV, 8) : 0;

	for (int n = FIRST_COMPONENT; n < COMPONENTS; n++) {
		struct xstate_part part;

		if (!(bv >> n & 1) || field_find(n) || !xstate_find(n, &part) ||
		    !fits(&part, size) || is_zero((const char *)buf + part.offset, part.size))
			continue;
		if (part.dynamic)
			return err_code(
				e, ENOTSUP,
				"AMX tiles (xstate component %d) are in use, and the kernel "
				"has no way to put them back; try again a moment later",
				n);
		add_component(pool, ret, &part, buf);
	}
	return 0;
}

/* --- from images --------------------------------------------------------------------------------- */

static int legacy_from_image(const UserX86FpregsEntry *fp, void *buf, struct err *e)
{
	uint32_t mask = get(buf, FX_MXCSR_MASK, 4);

	if (fp->n_st_space != ST_WORDS || fp->n_xmm_space != XMM_WORDS)
		return err_say(e,
			       "the image has %zu words of x87 and %zu of SSE registers instead "
			       "of %d and %d",
			       fp->n_st_space, fp->n_xmm_space, ST_WORDS, XMM_WORDS);
	if (mask && fp->mxcsr & ~mask)
		return err_say(e,
			       "the SSE control word %#x has bits that this processor does not "
			       "know",
			       fp->mxcsr);
	put(buf, FX_CWD, 2, fp->cwd);
	put(buf, FX_SWD, 2, fp->swd);
	put(buf, FX_TWD, 2, fp->twd);
	put(buf, FX_FOP, 2, fp->fop);
	put(buf, FX_RIP, 8, fp->rip);
	put(buf, FX_RDP, 8, fp->rdp);
	put(buf, FX_MXCSR, 4, fp->mxcsr);
	memcpy((char *)buf + FX_ST, fp->st_space, ST_WORDS * 4);
	memcpy((char *)buf + FX_XMM, fp->xmm_space, XMM_WORDS * 4);
	return 0;
}

/* Protection keys that only say what every program starts with (key 0 is open) are no use of protection keys. */
static bool dispensable(int number, const void *data, size_t size)
{
	return is_zero(data, size) || (number == PKRU && (get(data, 0, 4) & 3) == 0);
}

struct target {
	void *buf;
	size_t size;
	uint64_t bv; /* what will be in use */
};

static int put_component(struct target *t, int number, const void *data, size_t size, struct err *e)
{
	const struct field *f = field_find(number);
	char other[40];
	struct xstate_part part;

	snprintf(other, sizeof(other), "xstate component %d", number);
	if (!xstate_find(number, &part) || !fits(&part, t->size)) {
		if (dispensable(number, data, size))
			return 0;
		return err_code(e, ENOTSUP, "it uses registers that this processor lacks (%s)",
				f ? f->name : other);
	}
	if (size != part.size)
		return err_say(e, "the image has %zu bytes of %s, this processor wants %u", size,
			       f ? f->name : other, part.size);
	memcpy((char *)t->buf + part.offset, data, size);
	t->bv |= 1ULL << number;
	return 0;
}

static int xsave_from_image(UserX86XsaveEntry *x, struct target *t, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		size_t count = *count_of(x, f);

		if (count == 0)
			continue; /* the processor of the dump did not have it */
		if (count != f->words)
			return err_say(e, "the image has %zu words of %s registers instead of %u",
				       count, f->name, f->words);
		if (x->xstate_bv >> f->number & 1 &&
		    put_component(t, f->number, *data_of(x, f), count * f->word, e) < 0)
			return e->code;
	}
	return 0;
}

int xstate_from_image(const UserX86FpregsEntry *fp, const ExtraEntry *extra, void *buf, size_t size,
		      struct err *e)
{
	struct target t = { buf, size, LEGACY };

	if (size < FX_SIZE)
		return err_say(e, "the kernel gives only %zu bytes of extended state", size);
	if (!fp)
		return err_say(e, "the image lacks the floating point registers");
	if (legacy_from_image(fp, buf, e) < 0)
		return e->code;
	/* Without protection keys in the image they stay as the kernel gives them to every program. */
	if (size >= XSTATE_HEADER_END && !(fp->xsave && fp->xsave->n_pkru))
		t.bv |= get(buf, XSTATE_BV, 8) & 1ULL << PKRU;
	if (fp->xsave && xsave_from_image(fp->xsave, &t, e) < 0)
		return e->code;
	for (size_t i = 0; extra && i < extra->n_xstate; i++)
		if (put_component(&t, extra->xstate[i]->number, extra->xstate[i]->data.data,
				  extra->xstate[i]->data.len, e) < 0)
			return e->code;
	if (size >= XSTATE_HEADER_END)
		put(buf, XSTATE_BV, 8, t.bv);
	return 0;
}

int xstate_check(const UserX86FpregsEntry *fp, const ExtraEntry *extra, struct err *e)
{
	unsigned int a, b, c, d;
	own_mem char *buf = NULL;
	size_t size = XSTATE_HEADER_END;

	if (enabled() && __get_cpuid_count(0xd, 0, &a, &b, &c, &d) && b > size)
		size = b; /* of all that is switched on */
	buf = aligned_alloc(64, (size + 63) & ~63UL);
	if (!buf)
		return err_sys(e, "memory for %zu bytes of extended state", size);
	memset(buf, 0, size);
	__asm__ volatile("fxsave64 %0" : "=m"(*(char(*)[FX_SIZE])buf));
	return xstate_from_image(fp, extra, buf, size, e);
}
