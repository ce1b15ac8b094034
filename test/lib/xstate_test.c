/* Extended state to messages and back, with the components of this processor. */
#include <string.h>

#include "images/xstate.h"
#include "lib/own.h"
#include "lib/ptrace.h"
#include "test/lib/unit.h"

enum {
	BV = 512,
	MXCSR = 24,
	MXCSR_MASK = 28,
	ST = 32,
	LEGACY_END = 416,
	HEADER_END = 576,
	PKRU = 9
};

static const struct xstate_layout *layout(void)
{
	static struct xstate_layout l;

	if (!l.size)
		xstate_layout_read(&l);
	return &l;
}

static struct xstate state(void *buf, size_t size)
{
	return (struct xstate){ layout(), buf, size };
}

static unsigned char *fresh(size_t *ret_size)
{
	unsigned char *buf;

	*ret_size = xstate_size_max();
	buf = calloc(1, *ret_size);
	assert(buf);
	buf[0] = 0x7f, buf[1] = 0x03;
	buf[MXCSR] = 0x80, buf[MXCSR + 1] = 0x1f;
	buf[MXCSR_MASK] = buf[MXCSR_MASK + 1] = 0xff;
	return buf;
}

/* Every user component that can be carried gets bytes of its own. */
static unsigned char *full(size_t *ret_size)
{
	unsigned char *buf = fresh(ret_size);
	uint64_t bv = 3;

	for (size_t i = ST; i < LEGACY_END; i++)
		buf[i] = i * 7 + 1;
	for (int n = 2; n < 63; n++) {
		const struct xstate_part *part = &layout()->part[n];

		if (!part->size || part->dynamic)
			continue;
		assert(part->offset >= HEADER_END && part->offset + part->size <= *ret_size);
		memset(buf + part->offset, 0x20 + n, part->size);
		bv |= 1ULL << n;
	}
	memcpy(buf + BV, &bv, 8);
	return buf;
}

static void round_trip(unsigned char *was, unsigned char *is, size_t size)
{
	struct xstate from = state(was, size), to = state(is, size);
	struct pool pool = { 0 };
	struct err e = { 0 };
	ThreadInfoX86 info;
	ExtraEntry extra;

	thread_info_x86__init(&info);
	extra_entry__init(&extra);
	xstate_to_image(&pool, &from, &info);
	assert(xstate_rest_to_image(&pool, &from, &extra, &e) == 0);
	assert(xstate_from_image(info.fpregs, &extra, &to, &e) == 0);
	pool_free(&pool);
}

static void everything_survives(void)
{
	size_t size;
	unsigned char *was = full(&size), *is = fresh(&size);

	round_trip(was, is, size);
	assert(memcmp(was, is, size) == 0);
}

static void what_is_not_in_use_stays_so(void)
{
	size_t size;
	unsigned char *was = full(&size), *is = full(&size);
	uint64_t bv = 3;

	memcpy(was + BV, &bv, 8);
	round_trip(was, is, size);
	memcpy(&bv, is + BV, 8);
	/* Protection keys: not in use means that all are open, and that was saved. */
	assert(bv == 3);
}

static UserX86FpregsEntry *image_of(struct pool *pool, struct xstate *ret)
{
	ThreadInfoX86 info;
	size_t size;
	unsigned char *buf = full(&size);

	*ret = state(buf, size);
	thread_info_x86__init(&info);
	xstate_to_image(pool, ret, &info);
	return info.fpregs;
}

static void refused(const UserX86FpregsEntry *fp, const ExtraEntry *extra, const char *sentence)
{
	struct err e = { 0 };
	size_t size;
	unsigned char *buf = fresh(&size);
	struct xstate x = state(buf, size);

	assert(xstate_from_image(fp, extra, &x, &e) < 0);
	if (strcmp(e.text, sentence) != 0)
		fprintf(stderr, "# it says: %s\n", e.text);
	assert(strcmp(e.text, sentence) == 0);
}

static void wrong_sizes_are_refused(void)
{
	struct pool pool = { 0 };
	struct xstate x;
	UserX86FpregsEntry *fp = image_of(&pool, &x);

	fp->n_st_space = 31;
	refused(fp, NULL,
		"the image has 31 words of x87 and 64 of SSE registers instead of 32 and 64");
	fp->n_st_space = 32;
	if (!fp->xsave->n_ymmh_space)
		unit_skip("this processor has no AVX");
	fp->xsave->n_ymmh_space = 63;
	refused(fp, NULL, "the image has 63 words of AVX registers instead of 64");
	/* Without a value it is as if it had not been in use. */
	fp->xsave->n_ymmh_space = 0;
	assert(xstate_from_image(fp, NULL, &x, &(struct err){ 0 }) == 0);
}

static void unknown_registers_are_refused(void)
{
	struct pool pool = { 0 };
	unsigned char data[8] = { 1 };
	struct xstate x;
	UserX86FpregsEntry *fp = image_of(&pool, &x);
	XstateComponentEntry part, *parts[] = { &part };
	ExtraEntry extra;

	xstate_component_entry__init(&part);
	extra_entry__init(&extra);
	extra.n_xstate = 1;
	extra.xstate = parts;
	part.number = 62;
	part.data = (ProtobufCBinaryData){ sizeof(data), data };
	refused(fp, &extra, "it uses registers that this processor lacks (xstate component 62)");
	/* Never touched, so it will not be missed. */
	data[0] = 0;
	assert(xstate_from_image(fp, &extra, &x, &(struct err){ 0 }) == 0);
}

static void avx512_of_another_machine(void)
{
	struct pool pool = { 0 };
	uint64_t words[64] = { [63] = 1 };
	struct xstate x;
	UserX86FpregsEntry *fp = image_of(&pool, &x);

	if (layout()->part[6].size)
		unit_skip("this processor has AVX-512");
	fp->xsave->xstate_bv |= 1 << 6;
	fp->xsave->n_zmm_upper = 64;
	fp->xsave->zmm_upper = words;
	refused(fp, NULL, "it uses registers that this processor lacks (AVX-512)");
	words[63] = 0;
	assert(xstate_from_image(fp, NULL, &x, &(struct err){ 0 }) == 0);
}

static void control_word_with_unknown_bits(void)
{
	struct pool pool = { 0 };
	struct xstate x;
	UserX86FpregsEntry *fp = image_of(&pool, &x);

	fp->mxcsr = 0x11f80;
	refused(fp, NULL,
		"the SSE control word 0x11f80 has bits that this processor does not know");
}

static void own_state_passes_the_check(void)
{
	struct pool pool = { 0 };
	struct xstate x;
	UserX86FpregsEntry *fp = image_of(&pool, &x);

	struct xstate scratch;

	assert(xstate_scratch(layout(), &scratch, &(struct err){ 0 }) == 0);
	assert(xstate_from_image(fp, NULL, &scratch, &(struct err){ 0 }) == 0);
	free(scratch.data);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(everything_survives),
		UNIT(what_is_not_in_use_stays_so),
		UNIT(wrong_sizes_are_refused),
		UNIT(unknown_registers_are_refused),
		UNIT(avx512_of_another_machine),
		UNIT(control_word_with_unknown_bits),
		UNIT(own_state_passes_the_check),
		{},
	});
}
