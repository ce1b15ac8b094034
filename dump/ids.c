/*
 * Which kernel objects the tasks share. kcmp(2) gives a total order of kernel objects, so tasks are kept
 * sorted by it and each new one is placed by binary search.
 *
 * Tasks live in the namespaces of this process for now; a task in another one is refused by name.
 */
#include "dump/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAMESPACES = 8 };

/* In the order in which the dumper's own get their numbers, from 1. */
static const char *const namespaces[NAMESPACES] = { "pid",  "net", "ipc",  "uts",
						    "time", "mnt", "user", "cgroup" };

static void set_namespaces(TaskKobjIdsEntry *ids)
{
	ids->has_pid_ns_id = ids->has_net_ns_id = ids->has_ipc_ns_id = ids->has_uts_ns_id = 1;
	ids->has_time_ns_id = ids->has_mnt_ns_id = ids->has_user_ns_id = ids->has_cgroup_ns_id = 1;
	ids->pid_ns_id = 1;
	ids->net_ns_id = 2;
	ids->ipc_ns_id = 3;
	ids->uts_ns_id = 4;
	ids->time_ns_id = 5;
	ids->mnt_ns_id = 6;
	ids->user_ns_id = 7;
	ids->cgroup_ns_id = 8;
}

int ids_own(struct dump *d, TaskKobjIdsEntry **ret, struct err *e)
{
	TaskKobjIdsEntry *ids = pool_new(&d->pool, TaskKobjIdsEntry);

	(void)e;
	task_kobj_ids_entry__init(ids);
	ids->vm_id = ids->files_id = ids->fs_id = ids->sighand_id = 1;
	set_namespaces(ids);
	*ret = ids;
	return 0;
}

/* 0: in none; the inode number of the namespace otherwise. */
static ino_t namespace_of(int proc_fd, const char *name)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "ns/%s", name);
	return fstatat(proc_fd, path, &st, 0) < 0 ? 0 : st.st_ino;
}

static int check_namespaces(struct task *t, const ino_t own[NAMESPACES], struct err *e)
{
	for (int i = 0; i < NAMESPACES; i++) {
		ino_t its = namespace_of(t->proc_fd, namespaces[i]);

		if (its == own[i])
			continue;
		err_code(e, ENOTSUP,
			 "pid %d lives in a %s namespace of its own (%s:[%lu]), which is "
			 "not supported yet",
			 t->pid, namespaces[i], namespaces[i], (unsigned long)its);
		return err_hint(e, "run stasis inside that namespace");
	}
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
	set_namespaces(t->ids);
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
	ino_t own[NAMESPACES];
	own_fd self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (self < 0)
		return err_sys(e, "open '/proc/self'");
	for (int i = 0; i < NAMESPACES; i++)
		own[i] = namespace_of(self, namespaces[i]);
	start_order(d, &orders[0], KCMP_VM);
	start_order(d, &orders[1], KCMP_FS);
	start_order(d, &orders[2], KCMP_SIGHAND);
	d->ids = (struct id_counters){ 1, 1, 1, 1 };
	for (size_t i = 0; i < d->task_count; i++) {
		struct task *t = d->tasks[i];

		if (t->state == TASK_DEAD)
			continue;
		if (check_namespaces(t, own, e) < 0 || read_task(t, orders, e) < 0)
			return e->code;
	}
	return 0;
}
