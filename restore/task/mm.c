/*
 * What the kernel knows about an address space beside its mappings, set in one go (PR_SET_MM_MAP): the single requests
 * need CAP_SYS_RESOURCE. The kernel checks that no mapping of the program that was there before is left.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "restore/files.h"
#include "restore/memory.h"

/* What the kernel can hold is no secret but is not told either; this is well above it. */
enum { VECTOR_MAX = 512 };

static int mm_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		const MmEntry *mm = r->tasks[i]->mm;

		if (mm && (mm->n_mm_saved_auxv > VECTOR_MAX || mm->n_mm_saved_auxv % 2))
			return err_say(e, "'mm-%d.img' has an auxiliary vector of %zu words",
				       r->tasks[i]->pid, mm->n_mm_saved_auxv);
	}
	return 0;
}

static void fill(const MmEntry *mm, struct prctl_mm_map *map, struct plan *p)
{
	size_t size = mm->n_mm_saved_auxv * sizeof(uint64_t);
	void *vector = plan_copy(p, mm->mm_saved_auxv, size);

	map->start_code = mm->mm_start_code;
	map->end_code = mm->mm_end_code;
	map->start_data = mm->mm_start_data;
	map->end_data = mm->mm_end_data;
	map->start_brk = mm->mm_start_brk;
	map->brk = mm->mm_brk;
	map->start_stack = mm->mm_start_stack;
	map->arg_start = mm->mm_arg_start;
	map->arg_end = mm->mm_arg_end;
	map->env_start = mm->mm_env_start;
	map->env_end = mm->mm_env_end;
	map->auxv = (void *)arena_there(p->arena, vector).at;
	map->auxv_size = size;
}

static int mm_state(struct rtask *t, struct plan *p, struct err *e)
{
	/* Room for the 64 bits that are written over the last 32. */
	struct prctl_mm_map *map = plan_data(p, sizeof(*map) + sizeof(uint64_t));
	struct plan_arg fd;
	int exe;

	if (rfiles_open(t->restore, t->mm->exe_file_id, O_RDONLY, &exe, e) < 0)
		return err_on(e, "the program of pid %d", t->pid);
	fill(t->mm, map, p);
	/*
	 * The number of the descriptor is known only when the plan runs, and has to get into memory. The base of GS
	 * takes it there: nobody needs that before the registers are set.
	 */
	fd = memory_fetch(t, exe, p);
	plan_call(p, "take the number of the program's descriptor", SYS_arch_prctl,
		  ARG(ARCH_SET_GS), fd);
	plan_call(p, "write it down", SYS_arch_prctl, ARG(ARCH_GET_GS), DATA(p, &map->exe_fd));
	plan_call(p, "set the layout of memory and the program's file", SYS_prctl, ARG(PR_SET_MM),
		  ARG(PR_SET_MM_MAP), DATA(p, map), ARG(sizeof(*map)));
	memory_forget(t, p);
	return 0;
}

const struct restore_kind mm_restore_kind = {
	.name = "task/mm",
	.load = mm_load,
	.task_state = mm_state,
};
