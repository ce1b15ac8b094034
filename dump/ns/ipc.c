/*
 * What belongs to an IPC namespace and to no process: its sysctls. Segments are dump/mm/sysv.c's. Semaphores and message queues,
 * of System V and of POSIX, are refused; /proc/sys shows those of whoever opens it, and so does a new mount of mqueue.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "dump/ns.h"
#include "images/image.h"
#include "images/ns/ipc.pb-c.h"
#include "lib/io.h"

enum { SEM_VALUES = 4 };

static int refuse(const char *what, struct err *e)
{
	err_code(e, ENOTSUP, "it has %s, which is not supported yet", what);
	return err_hint(e, "let the program remove it before the dump");
}

static int check_sysv(struct err *e)
{
	struct seminfo sems;
	struct msginfo queues;

	if (semctl(0, 0, SEM_INFO, &sems) < 0)
		return err_sys(e, "semctl(SEM_INFO)");
	if (sems.semusz)
		return refuse("a set of System V semaphores", e);
	if (msgctl(0, MSG_INFO, (struct msqid_ds *)&queues) < 0)
		return err_sys(e, "msgctl(MSG_INFO)");
	return queues.msgpool ? refuse("a System V message queue", e) : 0;
}

static int check_mqueues(struct err *e)
{
	char what[300];
	struct dirent *entry;
	own_fd fs = fsopen("mqueue", FSOPEN_CLOEXEC);
	own_fd mount = -1;
	own_dir dir = NULL;

	if (fs < 0 && errno == ENODEV)
		return 0;
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
	    (mount = fsmount(fs, FSMOUNT_CLOEXEC, 0)) < 0)
		return err_sys(e, "look at its POSIX message queues");
	dir = fdopendir(openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(what, sizeof(what), "the POSIX message queue '/%s'", entry->d_name);
		return refuse(what, e);
	}
	return dir ? 0 : err_sys(e, "list its POSIX message queues");
}

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
	if (check_sysv(e) < 0 || check_mqueues(e) < 0)
		return e->code;
	return check_segments(e);
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

static int read_all(void *arg, struct err *e)
{
	IpcVarEntry *m = arg;
	uint64_t value;

#define VAR(name, field, when)                \
	if (read_number(name, &value, e) < 0) \
		return e->code;               \
	m->field = value;
#define OPTIONAL(name, field, when) m->has_##field = read_optional(name, &m->field);
#include "images/ns/ipc_vars.def"
#undef VAR
#undef OPTIONAL
	(void)read_optional("kernel/auto_msgmni", &m->auto_msgmni); /* means nothing since 3.19 */
	return read_sems(m, m->sem_ctls, e);
}

static int ipc_save(struct dump *d, uint32_t id, struct err *e)
{
	IpcVarEntry m = IPC_VAR_ENTRY__INIT;
	uint32_t sems[SEM_VALUES];

	m.sem_ctls = sems;
	if (ns_run(d, NS_IPC, read_all, &m, e) < 0)
		return e->code;
	return image_save(d->images, IMG_IPC_VAR, id, &m, e);
}

const struct ns_kind ipc_ns_kind = {
	.name = "ns/ipc",
	.kind = NS_IPC,
	.check = ipc_check,
	.save = ipc_save,
};
