/* A BPF program that writes down start, end and flags of each mapping; see vma_bits.h. */
#include "lib/vma_bits.h"

#include <stddef.h>

#include "lib/bpf_iter.h"
#include "lib/own.h"

int vma_bits_open(int *ret_program, struct err *e)
{
	struct bpf_place p[] = { { .type = "vm_area_struct", .name = "vm_start" },
				 { .type = "vm_area_struct", .name = "vm_end" },
				 { .type = "vm_area_struct", .name = "vm_flags" } };
	const int size = sizeof(struct vma_bits);
	int hook = 0;

	if (bpf_places_find("bpf_iter_task_vma", p, ARRAY_SIZE(p), &hook, e) < 0)
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
