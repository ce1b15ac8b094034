/*
 * What the kernel knows about an address space beside its mappings: where code, data, heap, stack, arguments and
 * environment lie, the auxiliary vector, the program's file.
 */
#include <elf.h>
#include <string.h>
#include <sys/syscall.h>

#include "dump/files.h"
#include "lib/io.h"

static void take_addresses(MmEntry *mm, const struct proc_stat *s)
{
	mm->mm_start_code = s->start_code;
	mm->mm_end_code = s->end_code;
	mm->mm_start_stack = s->start_stack;
	mm->mm_start_data = s->start_data;
	mm->mm_end_data = s->end_data;
	mm->mm_start_brk = s->start_brk;
	mm->mm_arg_start = s->arg_start;
	mm->mm_arg_end = s->arg_end;
	mm->mm_env_start = s->env_start;
	mm->mm_env_end = s->env_end;
}

static int mm_read(struct task *t, struct err *e)
{
	own_mem char *vector = NULL;
	uint64_t *words;
	size_t size, n;

	take_addresses(t->mm, &t->stat);
	if (io_slurp(t->proc_fd, "auxv", &vector, &size, e) < 0)
		return e->code;
	words = pool_copy(&t->dump->pool, vector, size);
	/* Without the end mark: CRIU takes 44 words and no more, and the kernel puts the mark there again. */
	for (n = 0; n + 2 <= size / sizeof(*words) && words[n] != AT_NULL; n += 2)
		;
	t->mm->n_mm_saved_auxv = n;
	t->mm->mm_saved_auxv = words;
	return 0;
}

static int mm_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	int *entry = pool_new(&t->dump->pool, int);

	(void)e;
	*entry = plan_call(p, "ask for the end of the heap", SYS_brk, ARG(0));
	*note = entry;
	return 0;
}

static int mm_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	t->mm->mm_brk = plan_result(p, *(int *)note);
	return files_add_link(t, "exe", &t->mm->exe_file_id, e);
}

const struct task_kind mm_task_kind = {
	.name = "task/mm",
	.read = mm_read,
	.ask = mm_ask,
	.save = mm_save,
};
