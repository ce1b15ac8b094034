/*
 * What a BPF iterator tells of all descriptors at once (lib/bpf_files.h), where there are so many that this costs less than asking
 * for each: addresses of descriptions, which are compared as numbers, and what fdinfo says of those that are of no kind
 * with a text of its own; and whether a ring of io_uring has groups of buffers, where there is one. Nobody of the tree opens or closes anything meanwhile. Addresses stay within this process.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/files_table.h"
#include "lib/bpf_files.h"

enum { WORTH = 2000 };

struct told {
	int program, self; /* self: our own pid */
	int pid;	   /* whose they are; 0: nobody's yet */
	struct file_told *all;
	size_t count;
	struct file_told ours; /* one of our own */
};

/* The size of the folder is their number; on older kernels it is 0. */
static size_t count_descriptors(const struct dump *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->task_count; i++) {
		struct stat st;

		if (d->tasks[i]->state != TASK_DEAD &&
		    fstatat(d->tasks[i]->proc_fd, "fd", &st, 0) == 0)
			n += st.st_size;
	}
	return n;
}

void files_told_prepare(struct dump *d, size_t count, bool rings)
{
	struct err why = { 0 };
	struct told *a;
	int program;

	if (d->told || (count < WORTH && !rings) || files_told_open(&program, &why) < 0)
		return;
	a = pool_new(&d->pool, struct told);
	a->program = program;
	a->self = getpid();
	d->told = a;
}

void files_told_begin(struct files *files)
{
	files_told_prepare(files->dump, count_descriptors(files->dump), false);
}

static int by_number(const void *va, const void *vb)
{
	const struct file_told *a = va, *b = vb;

	return a->num < b->num ? -1 : a->num > b->num;
}

static const struct file_told *find(const struct file_told *all, size_t count, int num)
{
	const struct file_told key = { .num = num };

	return count ? bsearch(&key, all, count, sizeof(key), by_number) : NULL;
}

/* Descriptors of ours come and go, so they are asked for each time. */
static int find_ours(struct told *a, int num, const struct file_told **ret, struct err *e)
{
	own_mem struct file_told *all = NULL;
	const struct file_told *found;
	size_t count;

	if (files_told_read(a->program, a->self, &all, &count, e) < 0)
		return e->code;
	found = find(all, count, num);
	if (found)
		a->ours = *found;
	*ret = found ? &a->ours : NULL;
	return 0;
}

int files_told_all(struct files *files, int pid, const struct file_told **ret, size_t *ret_count,
		   struct err *e)
{
	struct told *a = files->dump->told;

	*ret = NULL;
	*ret_count = 0;
	if (!a)
		return 0;
	if (a->pid != pid) {
		free(a->all);
		a->all = NULL;
		a->pid = 0;
		if (files_told_read(a->program, pid, &a->all, &a->count, e) < 0)
			return e->code;
		a->pid = pid;
	}
	*ret = a->all;
	*ret_count = a->count;
	return 0;
}

int files_told(struct files *files, int pid, int num, const struct file_told **ret, struct err *e)
{
	struct told *a = files->dump->told;
	const struct file_told *all;
	size_t count;

	*ret = NULL;
	if (!a)
		return 0;
	if (pid == a->self) {
		if (find_ours(a, num, ret, e) < 0)
			return e->code;
	} else {
		if (files_told_all(files, pid, &all, &count, e) < 0)
			return e->code;
		*ret = find(all, count, num);
	}
	if (!*ret || !(*ret)->at)
		return err_code(e, ENOENT, "the kernel does not tell where fd %d of pid %d is", num,
				pid);
	return 0;
}

void files_told_end(struct dump *d)
{
	struct told *a = d->told;

	if (!a)
		return;
	close(a->program);
	free(a->all);
	d->told = NULL;
}
