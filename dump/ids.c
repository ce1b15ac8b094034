/*
 * Which kernel objects the tasks share. kcmp(2) gives a total order of kernel objects, so tasks are kept
 * sorted by it and each new one is placed by binary search.
 */
#include "dump/ids.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dump/ns.h"

int ids_own(struct dump *d, TaskKobjIdsEntry **ret, struct err *e)
{
	TaskKobjIdsEntry *ids = pool_new(&d->pool, TaskKobjIdsEntry);

	(void)e;
	task_kobj_ids_entry__init(ids);
	ids->vm_id = ids->files_id = ids->fs_id = ids->sighand_id = 1;
	for (enum ns k = 0; k < NS_COUNT; k++)
		ns_ids_set(ids, k, namespace_kinds[k].own_id);
	*ret = ids;
	return 0;
}

/* Tasks sorted by one kind of kernel object. */
struct order {
	int type; /* KCMP_... */
	const struct task **task;
	uint32_t *id;
	size_t count;
};

/* kcmp answers 0 equal, 1 less, 2 greater, 3 different without an order. */
static int compare(const struct order *o, const struct task *a, const struct task *b, struct err *e)
{
	long r = syscall(SYS_kcmp, a->pid, b->pid, o->type, 0, 0);

	if (r < 0)
		return err_sys(e, "kcmp(%d, %d)", a->pid, b->pid);
	return r;
}

/* The id of the object of t: that of a task that shares it, or the next number. */
static int number(struct order *o, const struct task *t, uint32_t *counter, uint32_t *ret,
		  struct err *e)
{
	size_t low = 0, high = o->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int r = compare(o, t, o->task[mid], e);

		if (r < 0)
			return r;
		if (r == 0) {
			*ret = o->id[mid];
			return 0;
		}
		if (r == 1)
			high = mid;
		else
			low = mid + 1;
	}
	memmove(&o->task[low + 1], &o->task[low], (o->count - low) * sizeof(*o->task));
	memmove(&o->id[low + 1], &o->id[low], (o->count - low) * sizeof(*o->id));
	o->task[low] = t;
	o->id[low] = *ret = ++*counter;
	o->count++;
	return 0;
}

static int sole(const struct task *t, const char *what, uint32_t id, uint32_t newest, struct err *e)
{
	if (id == newest)
		return 0;
	err_code(e, ENOTSUP, "pid %d shares its %s with another process, which is not supported",
		 t->pid, what);
	return err_hint(e, "a process made by vfork() does so until it calls exec()");
}

static int read_task(struct task *t, struct order orders[3], struct err *e)
{
	struct id_counters *c = &t->dump->ids;
	uint32_t vm = c->vm, sighand = c->sighand;

	t->ids = pool_new(&t->dump->pool, TaskKobjIdsEntry);
	task_kobj_ids_entry__init(t->ids);
	if (number(&orders[0], t, &c->vm, &t->ids->vm_id, e) < 0 ||
	    number(&orders[1], t, &c->fs, &t->ids->fs_id, e) < 0 ||
	    number(&orders[2], t, &c->sighand, &t->ids->sighand_id, e) < 0)
		return e->code;
	if (sole(t, "memory", t->ids->vm_id, vm + 1, e) < 0)
		return e->code;
	return sole(t, "signal handlers", t->ids->sighand_id, sighand + 1, e);
}

static int start_order(struct dump *d, struct order *o, int type)
{
	o->type = type;
	o->task = pool_array(&d->pool, const struct task *, d->task_count + 1);
	o->id = pool_array(&d->pool, uint32_t, d->task_count + 1);
	return 0;
}

int ids_read(struct dump *d, struct err *e)
{
	struct order orders[3] = { 0 };

	if (ns_read(d, e) < 0)
		return e->code;
	start_order(d, &orders[0], KCMP_VM);
	start_order(d, &orders[1], KCMP_FS);
	start_order(d, &orders[2], KCMP_SIGHAND);
	d->ids = (struct id_counters){ 1, 1, 1, 1 };
	for (size_t i = 0; i < d->task_count; i++) {
		struct task *t = d->tasks[i];

		if (t->state == TASK_DEAD)
			continue;
		if (read_task(t, orders, e) < 0 || ns_number(t, e) < 0)
			return e->code;
	}
	return 0;
}
