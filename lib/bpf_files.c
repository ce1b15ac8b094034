/* A BPF program that writes down what each open file is; see bpf_files.h. */
#include "lib/bpf_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/bpf_iter.h"
#include "lib/own.h"

enum {
	POS,
	FLAGS,
	INODE,
	CALLS,
	PATH,
	OWNER,
	MNT,
	MNT_OF,
	MNT_ID,
	INO,
	MODE,
	LOCKS,
	SHOW,
	TABLE,
	FDT,
	CLOEXEC,
	PRIVATE,
	GROUPS,
	GROUPS_BEFORE,
	ROOT,
};

/* Where a field of the record is, from the end of the stack. */
#define FIELD(name) ((int)offsetof(struct file_told, name) - (int)sizeof(struct file_told))
/* Copies bytes from where R3 leads to into a field. */
#define COPY(name, bytes)                                            \
	OPERATE(BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_10, 0),          \
		OPERATE(BPF_ADD | BPF_K, BPF_REG_1, 0, FIELD(name)), \
		OPERATE(BPF_MOV | BPF_K, BPF_REG_2, 0, bytes),       \
		JUMP(BPF_CALL, 0, 0, BPF_FUNC_probe_read_kernel)

#define TELL_INODE(p)                                                                             \
	LOAD(BPF_REG_1, BPF_REG_6, (p)[INODE].bytes), LOAD(BPF_REG_2, BPF_REG_1, (p)[INO].bytes), \
		STORE(FIELD(ino), BPF_REG_2),                                                     \
		LOAD_PART(BPF_H, BPF_REG_2, BPF_REG_1, (p)[MODE].bytes),                          \
		STORE(FIELD(mode), BPF_REG_2), LOAD(BPF_REG_2, BPF_REG_1, (p)[LOCKS].bytes),      \
		STORE(FIELD(locks), BPF_REG_2)

/* Where a ring has its groups of buffers. Elsewhere in older kernels: then it is the inode, which is never 0. */
#define COPY_GROUPS(p)                                                           \
	(p)[GROUPS].bytes < 0 || (p)[GROUPS_BEFORE].bytes >= 0 ?                 \
		OPERATE(BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_6, 0) :              \
		LOAD(BPF_REG_3, BPF_REG_6, (p)[PRIVATE].bytes),                  \
		OPERATE(BPF_ADD | BPF_K, BPF_REG_3, 0,                           \
			(p)[GROUPS].bytes < 0 || (p)[GROUPS_BEFORE].bytes >= 0 ? \
				(p)[INODE].bytes :                               \
				(p)[GROUPS].bytes + (p)[ROOT].bytes),            \
		COPY(groups, 8)

static int load(const struct bpf_place *p, int hook, int *ret_program, struct err *e)
{
	struct bpf_insn program[] = {
		/* What it is called with: { meta, task, number, file }; file is NULL when all have been told. */
		LOAD(BPF_REG_6, BPF_REG_1, 24),
		JUMP(BPF_JEQ | BPF_K, BPF_REG_6, 0, 0),
		LOAD(BPF_REG_9, BPF_REG_1, 8),
		JUMP(BPF_JEQ | BPF_K, BPF_REG_9, 0, 0),
		LOAD_PART(BPF_W, BPF_REG_8, BPF_REG_1, 16),
		LOAD(BPF_REG_7, BPF_REG_1, 0),
		STORE(FIELD(num), BPF_REG_8),
		STORE(FIELD(at), BPF_REG_6),
		LOAD(BPF_REG_2, BPF_REG_6, p[POS].bytes),
		STORE(FIELD(pos), BPF_REG_2),
		LOAD_PART(BPF_W, BPF_REG_2, BPF_REG_6, p[FLAGS].bytes),
		STORE(FIELD(flags), BPF_REG_2),
		LOAD(BPF_REG_2, BPF_REG_6, p[OWNER].bytes),
		STORE(FIELD(owner), BPF_REG_2),
		TELL_INODE(p),
		LOAD(BPF_REG_1, BPF_REG_6, p[CALLS].bytes),
		LOAD(BPF_REG_2, BPF_REG_1, p[SHOW].bytes),
		STORE(FIELD(show), BPF_REG_2),
		OPERATE(BPF_MOV | BPF_K, BPF_REG_2, 0, 0),
		STORE(FIELD(mnt_id), BPF_REG_2),
		STORE(FIELD(cloexec), BPF_REG_2),
		STORE(FIELD(groups), BPF_REG_2),
		/* The mount is around what the path leads to. */
		LOAD(BPF_REG_3, BPF_REG_6, p[PATH].bytes + p[MNT].bytes),
		OPERATE(BPF_ADD | BPF_K, BPF_REG_3, 0, p[MNT_ID].bytes - p[MNT_OF].bytes),
		COPY(mnt_id, 4),
		LOAD(BPF_REG_1, BPF_REG_9, p[TABLE].bytes),
		LOAD(BPF_REG_1, BPF_REG_1, p[FDT].bytes),
		LOAD(BPF_REG_3, BPF_REG_1, p[CLOEXEC].bytes),
		OPERATE(BPF_RSH | BPF_K, BPF_REG_8, 0, 6),
		OPERATE(BPF_LSH | BPF_K, BPF_REG_8, 0, 3),
		OPERATE(BPF_ADD | BPF_X, BPF_REG_3, BPF_REG_8, 0),
		COPY(cloexec, 8),
		COPY_GROUPS(p),
		LOAD(BPF_REG_1, BPF_REG_7, 0), /* meta->seq */
		OPERATE(BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0),
		OPERATE(BPF_ADD | BPF_K, BPF_REG_2, 0, -(int)sizeof(struct file_told)),
		OPERATE(BPF_MOV | BPF_K, BPF_REG_3, 0, sizeof(struct file_told)),
		JUMP(BPF_CALL, 0, 0, BPF_FUNC_seq_write),
		OPERATE(BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
		JUMP(BPF_EXIT, 0, 0, 0),
		OPERATE(BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
		JUMP(BPF_EXIT, 0, 0, 0),
	};

	/* Both jumps lead to the last but one, from behind themselves. */
	program[1].off = ARRAY_SIZE(program) - 2 - 2;
	program[3].off = ARRAY_SIZE(program) - 2 - 4;
	return bpf_iter_load(&(struct bpf_iter_program){ "stasis_files", hook, program,
							 ARRAY_SIZE(program) },
			     ret_program, e);
}

int files_told_open(int *ret_program, struct err *e)
{
	struct bpf_place p[] = {
		[POS] = { .type = "file", .name = "f_pos" },
		[FLAGS] = { .type = "file", .name = "f_flags" },
		[INODE] = { .type = "file", .name = "f_inode" },
		[CALLS] = { .type = "file", .name = "f_op" },
		[PATH] = { .type = "file", .name = "f_path" },
		[OWNER] = { .type = "file", .name = "f_owner" },
		[MNT] = { .type = "path", .name = "mnt" },
		[MNT_OF] = { .type = "mount", .name = "mnt" },
		[MNT_ID] = { .type = "mount", .name = "mnt_id" },
		[INO] = { .type = "inode", .name = "i_ino" },
		[MODE] = { .type = "inode", .name = "i_mode" },
		[LOCKS] = { .type = "inode", .name = "i_flctx" },
		[SHOW] = { .type = "file_operations", .name = "show_fdinfo" },
		[TABLE] = { .type = "task_struct", .name = "files" },
		[FDT] = { .type = "files_struct", .name = "fdt" },
		[CLOEXEC] = { .type = "fdtable", .name = "close_on_exec" },
		[PRIVATE] = { .type = "file", .name = "private_data" },
		[GROUPS] = { .type = "io_ring_ctx", .name = "io_bl_xa", .may_miss = true },
		[GROUPS_BEFORE] = { .type = "io_ring_ctx", .name = "io_bl", .may_miss = true },
		[ROOT] = { .type = "xarray", .name = "xa_head" },
	};
	int hook = 0;

	if (bpf_places_find("bpf_iter_task_file", p, ARRAY_SIZE(p), &hook, e) < 0)
		return e->code;
	/* Until 6.12 it is a part of the description, and tells nothing by being there. */
	if (!p[OWNER].is_pointer)
		p[OWNER].bytes = p[INODE].bytes;
	return load(p, hook, ret_program, e);
}

int files_told_read(int program, pid_t pid, struct file_told **ret, size_t *count, struct err *e)
{
	struct bpf_iter_records r = { .bytes = sizeof(**ret) };

	if (bpf_iter_read(program, pid, &r, e) < 0)
		return e->code;
	*ret = r.all;
	*count = r.count;
	return 0;
}

bool file_told_text(const struct file_told *f, char text[FILE_TEXT_MAX])
{
	bool cloexec = f->cloexec >> (f->num % 64) & 1;

	if (f->locks || (f->show && !S_ISSOCK(f->mode)))
		return false;
	snprintf(text, FILE_TEXT_MAX, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%lu\n",
		 (long long)f->pos, (unsigned int)f->flags | (cloexec ? O_CLOEXEC : 0),
		 (int)f->mnt_id, (unsigned long)f->ino);
	return true;
}
