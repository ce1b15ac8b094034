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

void xstate_layout_read(struct xstate_layout *ret)
{
	uint64_t on = enabled();
	unsigned int a, b, c, d;

	*ret = (struct xstate_layout){ .size = XSTATE_HEADER_END };
	if (!on || !__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
		return;
	if (b > ret->size)
		ret->size = b;
	for (int n = FIRST_COMPONENT; n < XSTATE_COMPONENTS; n++)
		if (on >> n & 1 && __get_cpuid_count(0xd, n, &a, &b, &c, &d))
			ret->part[n] = (struct xstate_part){ b, a, c >> 2 & 1 };
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

/* The place of a component in the buffer, NULL: there is none. */
static char *place(const struct xstate *x, int number)
{
	const struct xstate_part *part;

	if (number < FIRST_COMPONENT || number >= XSTATE_COMPONENTS)
		return NULL;
	part = &x->layout->part[number];
	if (!part->size || part->offset < XSTATE_HEADER_END ||
	    (uint64_t)part->offset + part->size > x->size)
		return NULL;
	return (char *)x->data + part->offset;
}

/* --- to images ----------------------------------------------------------------------------------- */

static UserX86XsaveEntry *xsave_to_image(struct pool *pool, const struct xstate *x)
{
	UserX86XsaveEntry *ret = pool_new(pool, UserX86XsaveEntry);

	user_x86_xsave_entry__init(ret);
	ret->xstate_bv = get(x->data, XSTATE_BV, 8);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		const char *data = place(x, f->number);
		size_t size = (size_t)f->word * f->words;

		if (!data || x->layout->part[f->number].size != size)
			continue;
		*count_of(ret, f) = f->words;
		*data_of(ret, f) = pool_copy(pool, data, size);
	}
	return ret;
}

void xstate_to_image(struct pool *pool, const struct xstate *x, ThreadInfoX86 *ret)
{
	UserX86FpregsEntry *fp = pool_new(pool, UserX86FpregsEntry);
	const char *buf = x->data;

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
	fp->st_space = pool_copy(pool, buf + FX_ST, ST_WORDS * 4);
	fp->n_xmm_space = XMM_WORDS;
	fp->xmm_space = pool_copy(pool, buf + FX_XMM, XMM_WORDS * 4);
	if (x->size >= XSTATE_HEADER_END)
		fp->xsave = xsave_to_image(pool, x);
	ret->fpregs = fp;
}

static void add_component(struct pool *pool, ExtraEntry *ret, int number, const struct xstate *x)
{
	XstateComponentEntry *c = pool_new(pool, XstateComponentEntry);
	XstateComponentEntry **all = pool_array(pool, XstateComponentEntry *, ret->n_xstate + 1);

	xstate_component_entry__init(c);
	c->number = number;
	c->data.len = x->layout->part[number].size;
	c->data.data = pool_copy(pool, place(x, number), c->data.len);
	if (ret->n_xstate)
		memcpy(all, ret->xstate, ret->n_xstate * sizeof(*all));
	all[ret->n_xstate++] = c;
	ret->xstate = all;
}

int xstate_rest_to_image(struct pool *pool, const struct xstate *x, ExtraEntry *ret, struct err *e)
{
	uint64_t bv = x->size >= XSTATE_HEADER_END ? get(x->data, XSTATE_BV, 8) : 0;

	for (int n = FIRST_COMPONENT; n < XSTATE_COMPONENTS; n++) {
		if (!(bv >> n & 1) || field_find(n) || !place(x, n) ||
		    is_zero(place(x, n), x->layout->part[n].size))
			continue;
		if (x->layout->part[n].dynamic)
			return err_code(
				e, ENOTSUP,
				"AMX tiles (xstate component %d) are in use, and the kernel "
				"has no way to put them back; try again a moment later",
				n);
		add_component(pool, ret, n, x);
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

static int put_component(const struct xstate *x, int number, const ProtobufCBinaryData *from,
			 uint64_t *bv, struct err *e)
{
	const struct field *f = field_find(number);
	char *to = place(x, number);
	char other[40];

	snprintf(other, sizeof(other), "xstate component %d", number);
	if (!to && dispensable(number, from->data, from->len))
		return 0;
	if (!to)
		return err_code(e, ENOTSUP, "it uses registers that this processor lacks (%s)",
				f ? f->name : other);
	if (from->len != x->layout->part[number].size)
		return err_say(e, "the image has %zu bytes of %s, this processor wants %u",
			       from->len, f ? f->name : other, x->layout->part[number].size);
	memcpy(to, from->data, from->len);
	*bv |= 1ULL << number;
	return 0;
}

static int xsave_from_image(UserX86XsaveEntry *from, const struct xstate *x, uint64_t *bv,
			    struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		size_t count = *count_of(from, f);
		ProtobufCBinaryData data = { count * f->word, *data_of(from, f) };

		if (count == 0)
			continue; /* the processor of the dump did not have it */
		if (count != f->words)
			return err_say(e, "the image has %zu words of %s registers instead of %u",
				       count, f->name, f->words);
		if (from->xstate_bv >> f->number & 1 &&
		    put_component(x, f->number, &data, bv, e) < 0)
			return e->code;
	}
	return 0;
}

int xstate_from_image(const UserX86FpregsEntry *fp, const ExtraEntry *extra, const struct xstate *x,
		      struct err *e)
{
	uint64_t bv = LEGACY;

	if (x->size < FX_SIZE)
		return err_say(e, "the kernel gives only %zu bytes of extended state", x->size);
	if (legacy_from_image(fp, x->data, e) < 0)
		return e->code;
	/* Without protection keys in the image they stay as the kernel gives them to every program. */
	if (x->size >= XSTATE_HEADER_END && !(fp->xsave && fp->xsave->n_pkru))
		bv |= get(x->data, XSTATE_BV, 8) & 1ULL << PKRU;
	if (fp->xsave && xsave_from_image(fp->xsave, x, &bv, e) < 0)
		return e->code;
	for (size_t i = 0; extra && i < extra->n_xstate; i++)
		if (put_component(x, (int)extra->xstate[i]->number, &extra->xstate[i]->data, &bv,
				  e) < 0)
			return e->code;
	if (x->size >= XSTATE_HEADER_END)
		put(x->data, XSTATE_BV, 8, bv);
	return 0;
}

int xstate_scratch(const struct xstate_layout *layout, struct xstate *ret, struct err *e)
{
	size_t size = (layout->size + 63) & ~63UL;
	void *data = aligned_alloc(64, size);

	if (!data)
		return err_sys(e, "memory for %zu bytes of extended state", size);
	memset(data, 0, size);
	__asm__ volatile("fxsave64 %0" : "=m"(*(char(*)[FX_SIZE])data));
	*ret = (struct xstate){ layout, data, layout->size };
	return 0;
}
