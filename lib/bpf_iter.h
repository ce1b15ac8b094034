/* Small BPF programs that the kernel runs for each of something that a process has; lib/vma_bits.c, lib/bpf_files.c. */
#ifndef STASIS_LIB_BPF_ITER_H
#define STASIS_LIB_BPF_ITER_H

#include <bpf/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/err.h"

/* Where something lies in a structure of the running kernel. Members of members without a name count as its own. */
struct bpf_place {
	const char *type, *name;
	bool may_miss; /* else it is an error */
	int bytes;     /* from its start; -1: not found */
	bool is_pointer;
};

/* Finds them, and the number of the function that the kernel calls for each of something. */
must_check int bpf_places_find(const char *function, struct bpf_place *all, size_t count,
			       int *ret_hook, struct err *e);

#define LOAD(to, from, at) ((struct bpf_insn){ BPF_LDX | BPF_MEM | BPF_DW, to, from, at, 0 })
#define LOAD_PART(size, to, from, at) \
	((struct bpf_insn){ BPF_LDX | BPF_MEM | (size), to, from, at, 0 })
#define STORE(at, from) ((struct bpf_insn){ BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, from, at, 0 })
#define OPERATE(how, to, from, number) ((struct bpf_insn){ BPF_ALU64 | (how), to, from, 0, number })
#define JUMP(how, if_reg, far, number) \
	((struct bpf_insn){ BPF_JMP | (how), if_reg, 0, far, number })

struct bpf_iter_program {
	const char *name;
	int hook; /* number of the function that the kernel calls, by its types */
	const struct bpf_insn *insns;
	size_t count;
};

/* Loads it, which takes some milliseconds. */
must_check int bpf_iter_load(const struct bpf_iter_program *p, int *ret_program, struct err *e);
struct bpf_iter_records {
	size_t bytes; /* of each */
	void *all;    /* the caller's to free */
	size_t count;
};
/* What it has written about one process. */
must_check int bpf_iter_read(int program, pid_t pid, struct bpf_iter_records *ret, struct err *e);

#endif
