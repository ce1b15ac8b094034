/* A BPF program that writes down number and address of each open file; see bpf_files.h. */
#include "lib/bpf_files.h"

#include <bpf/btf.h>
#include <errno.h>

#include "lib/bpf_iter.h"
#include "lib/own.h"

int file_addresses_open(int *ret_program, struct err *e)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const int size = sizeof(struct file_address);
	const struct bpf_insn program[] = {
		/* What it is called with: { meta, task, number, file }; file is NULL when all have been told. */
		LOAD(BPF_REG_6, BPF_REG_1, 24),
		JUMP(BPF_JEQ | BPF_K, BPF_REG_6, 11, 0),
		{ BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, 16, 0 },
		LOAD(BPF_REG_7, BPF_REG_1, 0),
		LOAD(BPF_REG_1, BPF_REG_7, 0), /* meta->seq */
		STORE((int)offsetof(struct file_address, num) - size, BPF_REG_2),
		STORE((int)offsetof(struct file_address, at) - size, BPF_REG_6),
		OPERATE(BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0),
		OPERATE(BPF_ADD | BPF_K, BPF_REG_2, 0, -size),
		OPERATE(BPF_MOV | BPF_K, BPF_REG_3, 0, size),
		JUMP(BPF_CALL, 0, 0, BPF_FUNC_seq_write),
		OPERATE(BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
		JUMP(BPF_EXIT, 0, 0, 0),
		OPERATE(BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
		JUMP(BPF_EXIT, 0, 0, 0),
	};
	struct bpf_iter_program p = { "stasis_files", 0, program, ARRAY_SIZE(program) };

	if (!btf)
		return err_sys(e, "read the types of the kernel");
	p.hook = btf__find_by_name_kind(btf, "bpf_iter_task_file", BTF_KIND_FUNC);
	btf__free(btf);
	if (p.hook <= 0)
		return err_code(e, ENOTSUP, "the kernel does not tell where open files are");
	return bpf_iter_load(&p, ret_program, e);
}

int file_addresses_read(int program, pid_t pid, struct file_address **ret, size_t *count,
			struct err *e)
{
	struct bpf_iter_records r = { .bytes = sizeof(**ret) };

	if (bpf_iter_read(program, pid, &r, e) < 0)
		return e->code;
	*ret = r.all;
	*count = r.count;
	return 0;
}
