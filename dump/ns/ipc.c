/*
 * What belongs to an IPC namespace and to no process: its sysctls (/proc/sys shows those of whoever opens it), and POSIX message
 * queues (ipc_mqueue.c). Segments are dump/mm/sysv.c's, semaphores and message queues of System V dump/task/sysvipc.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>

#include "dump/mqueues.h"
#include "dump/ns.h"
#include "images/image.h"
#include "images/ns/ipc.pb-c.h"
#include "lib/io.h"

enum { SEM_VALUES = 4 };

static int read_text(const char *name, char **ret, struct err *e)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	return io_slurp(AT_FDCWD, path, ret, NULL, e);
}

static int read_number(const char *name, uint64_t *ret, struct err *e)
{
	own_mem char *text = NULL;

	if (read_text(name, &text, e) < 0)
		return e->code;
	*ret = strtoull(text, NULL, 10);
	return 0;
}

/* With that switch the kernel removes one that nobody has attached as soon as we have looked at it. */
static int check_segments(struct err *e)
{
	struct shm_info info;
	struct shmid_ds state;
	uint64_t forced = 0;
	int last = shmctl(0, SHM_INFO, (struct shmid_ds *)&info);

	if (last < 0 || read_number("kernel/shm_rmid_forced", &forced, e) < 0)
		return last < 0 ? err_sys(e, "shmctl(SHM_INFO)") : e->code;
	for (int i = 0; forced && i <= last; i++) {
		int id = shmctl(i, SHM_STAT_ANY, &state);

		if (id < 0 || state.shm_nattch)
			continue;
		err_code(e, ENOTSUP,
			 "SysV segment %d is attached nowhere, and kernel.shm_rmid_forced would "
			 "remove it once it was read",
			 id);
		return err_hint(e, "set that sysctl to 0 inside before the dump");
	}
	return 0;
}

static int check_inside(void *arg, struct err *e)
{
	(void)arg;
	return ipc_mqueues_check(e) < 0 ? e->code : check_segments(e);
}

static int ipc_check(struct dump *d, struct err *e)
{
	return ns_run(d, NS_IPC, check_inside, NULL, e);
}

static int read_sems(IpcVarEntry *m, uint32_t values[SEM_VALUES], struct err *e)
{
	own_mem char *text = NULL;

	if (read_text("kernel/sem", &text, e) < 0)
		return e->code;
	if (sscanf(text, "%u %u %u %u", &values[0], &values[1], &values[2], &values[3]) !=
	    SEM_VALUES)
		return err_say(e, "/proc/sys/kernel/sem has an unknown form: '%s'", text);
	m->sem_ctls = values;
	m->n_sem_ctls = SEM_VALUES;
	return 0;
}

/* True: the kernel has it, and it is set. */
static bool read_optional(const char *name, uint32_t *ret)
{
	struct err ignored = { 0 };
	uint64_t value;

	if (read_number(name, &value, &ignored) < 0 || value == UINT64_MAX)
		return false;
	*ret = value;
	return true;
}

static int read_all(IpcVarEntry *m, struct err *e)
{
	uint64_t value;

#define VAR(name, field)                      \
	if (read_number(name, &value, e) < 0) \
		return e->code;               \
	m->field = value;
#define OPTIONAL(name, field) m->has_##field = read_optional(name, &m->field);
#include "images/ns/ipc_vars.def"
#undef VAR
#undef OPTIONAL
	(void)read_optional("kernel/auto_msgmni", &m->auto_msgmni); /* means nothing since 3.19 */
	return read_sems(m, m->sem_ctls, e);
}

struct saving {
	struct dump *d;
	uint32_t id;
};

static int save_inside(void *arg, struct err *e)
{
	const struct saving *s = arg;
	IpcVarEntry m = IPC_VAR_ENTRY__INIT;
	uint32_t sems[SEM_VALUES];

	m.sem_ctls = sems;
	if (read_all(&m, e) < 0 || ipc_mqueues_save(s->d, s->id, e) < 0)
		return e->code;
	return image_save(s->d->images, IMG_IPC_VAR, s->id, &m, e);
}

static int ipc_save(struct dump *d, uint32_t id, struct err *e)
{
	struct saving s = { d, id };

	return ns_run(d, NS_IPC, save_inside, &s, e);
}

const struct ns_kind ipc_ns_kind = {
	.name = "ns/ipc",
	.kind = NS_IPC,
	.check = ipc_check,
	.save = ipc_save,
};
