/*
 * Addresses of open file descriptions (lib/bpf_files.h), where there are so many descriptors that loading the program
 * that tells them (some 10 ms) costs less than comparing them one by one. Nobody of the tree opens or closes anything
 * meanwhile. Addresses stay within this process.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/files_table.h"
#include "lib/bpf_files.h"

enum { WORTH = 2000 };

struct addresses {
	int program, pid; /* pid: whose they are; 0: nobody's yet */
	struct file_address *all;
	size_t count;
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

void files_addresses_begin(struct files *files)
{
	struct err why = { 0 };
	int program;

	if (count_descriptors(files->dump) < WORTH || file_addresses_open(&program, &why) < 0)
		return;
	files->addresses = pool_new(&files->dump->pool, struct addresses);
	files->addresses->program = program;
}

static int by_number(const void *va, const void *vb)
{
	const struct file_address *a = va, *b = vb;

	return a->num < b->num ? -1 : a->num > b->num;
}

/* Descriptors of ours come and go, so they are asked for each time. */
static int read_those_of(struct addresses *a, int pid, struct err *e)
{
	free(a->all);
	a->all = NULL;
	a->count = 0;
	a->pid = 0;
	if (file_addresses_read(a->program, pid, &a->all, &a->count, e) < 0)
		return e->code;
	if (pid != getpid())
		a->pid = pid;
	return 0;
}

int files_address(struct files *files, int pid, int num, uint64_t *ret, struct err *e)
{
	const struct file_address key = { .num = num };
	const struct file_address *found;
	struct addresses *a = files->addresses;

	*ret = 0;
	if (!a)
		return 0;
	if (a->pid != pid && read_those_of(a, pid, e) < 0)
		return e->code;
	found = a->count ? bsearch(&key, a->all, a->count, sizeof(key), by_number) : NULL;
	if (!found || !found->at)
		return err_code(e, ENOENT, "the kernel does not tell where fd %d of pid %d is", num,
				pid);
	*ret = found->at;
	return 0;
}

void files_addresses_end(struct files *files)
{
	if (!files->addresses)
		return;
	close(files->addresses->program);
	free(files->addresses->all);
	files->addresses = NULL;
}
