/* A BPF program that writes down start, end and flags of each mapping; see vma_bits.h. */
#include "lib/vma_bits.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "lib/bpf_iter.h"
#include "lib/own.h"

enum { DEEP = 8 };

/* Where something lies in a structure of the running kernel. */
struct place {
	const char *name;
	int bytes; /* from its start; -1: not found */
};

struct search {
	const struct btf *btf;
	struct place *all;
	size_t count;
};

/* Members of members without a name count as its own. */
static void find_members(const struct search *s, unsigned int type, int from, int depth)
{
	const struct btf_type *t = btf__type_by_id(s->btf, type);
	const struct btf_member *m;

	if (!t || !btf_is_composite(t) || depth > DEEP)
		return;
	m = btf_members(t);
	for (int i = 0; i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(s->btf, m[i].name_off);
		int at = from + (int)(btf_member_bit_offset(t, i) / 8);

		if (!name || !*name)
			find_members(s, m[i].type, at, depth + 1);
		for (size_t n = 0; name && n < s->count; n++)
			if (strcmp(s->all[n].name, name) == 0)
				s->all[n].bytes = at;
	}
}

static int not_told(struct err *e, const char *what)
{
	return err_code(e, ENOTSUP, "the kernel does not tell where %s is", what);
}

static int find_places(struct place *all, size_t count, int *ret_hook, struct err *e)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int type;

	if (!btf)
		return err_sys(e, "read the types of the kernel");
	*ret_hook = btf__find_by_name_kind(btf, "bpf_iter_task_vma", BTF_KIND_FUNC);
	type = btf__find_by_name_kind(btf, "vm_area_struct", BTF_KIND_STRUCT);
	if (type > 0)
		find_members(&(struct search){ btf, all, count }, type, 0, 0);
	btf__free(btf);
	if (*ret_hook <= 0)
		return not_told(e, "the iterator of mappings");
	for (size_t n = 0; n < count; n++)
		if (all[n].bytes < 0)
			return not_told(e, all[n].name);
	return 0;
}

int vma_bits_open(int *ret_program, struct err *e)
{
	struct place p[] = { { "vm_start", -1 }, { "vm_end", -1 }, { "vm_flags", -1 } };
	const int size = sizeof(struct vma_bits);
	int hook = 0;

	if (find_places(p, ARRAY_SIZE(p), &hook, e) < 0)
		return e->code;
	const struct bpf_insn program[] = {
		/* What it is called with: { meta, task, vma }; vma is NULL when all have been told. */
		LOAD(BPF_REG_6, BPF_REG_1, 16),
		JUMP(BPF_JEQ | BPF_K, BPF_REG_6, 12, 0),
		LOAD(BPF_REG_7, BPF_REG_1, 0),
		LOAD(BPF_REG_1, BPF_REG_7, 0), /* meta->seq */
		LOAD(BPF_REG_2, BPF_REG_6, p[0].bytes),
		STORE((int)offsetof(struct vma_bits, start) - size, BPF_REG_2),
		LOAD(BPF_REG_2, BPF_REG_6, p[1].bytes),
		STORE((int)offsetof(struct vma_bits, end) - size, BPF_REG_2),
		LOAD(BPF_REG_2, BPF_REG_6, p[2].bytes),
		STORE((int)offsetof(struct vma_bits, bits) - size, BPF_REG_2),
		OPERATE(BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0),
		OPERATE(BPF_ADD | BPF_K, BPF_REG_2, 0, -size),
		OPERATE(BPF_MOV | BPF_K, BPF_REG_3, 0, size),
		JUMP(BPF_CALL, 0, 0, BPF_FUNC_seq_write),
		OPERATE(BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
		JUMP(BPF_EXIT, 0, 0, 0),
	};
	return bpf_iter_load(&(struct bpf_iter_program){ "stasis_vmas", hook, program,
							 ARRAY_SIZE(program) },
			     ret_program, e);
}

int vma_bits_read(int program, pid_t pid, struct vma_bits **ret, size_t *count, struct err *e)
{
	struct bpf_iter_records r = { .bytes = sizeof(**ret) };

	if (bpf_iter_read(program, pid, &r, e) < 0)
		return e->code;
	*ret = r.all;
	*count = r.count;
	return 0;
}
