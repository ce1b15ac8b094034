/*
 * The sysctls of an IPC namespace (/proc/sys shows those of whoever opens it), and POSIX message queues (ipc_mqueue.c). Segments are
 * restore/mm/sysv.c's, semaphores and message queues of System V restore/task/sysvipc.c's.
 */
#include "images/ns/ipc.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/mqueues.h"
#include "restore/ns.h"
#include "restore/user_ns.h"

enum { SEM_VALUES = 4 };

static int ipc_load(struct restore *r, uint32_t id, struct err *e)
{
	if (image_load(r->images, IMG_IPC_VAR, id, &r->ns->ipc, e) < 0 ||
	    ipc_mqueues_load(r, id, e) < 0)
		return e->code;
	if (r->ns->ipc->n_sem_ctls != SEM_VALUES)
		return err_say(e, "'ipcns-var-%u.img' has %zu values for kernel.sem", id,
			       r->ns->ipc->n_sem_ctls);
	return 0;
}

static int put(const char *name, uint64_t value, struct err *e)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	snprintf(text, sizeof(text), "%lu", value);
	return io_put(AT_FDCWD, path, text, e);
}

static int put_all(const IpcVarEntry *m, struct err *e)
{
#define VAR(name, field)                \
	if (put(name, m->field, e) < 0) \
		return e->code;
#define OPTIONAL(name, field)                             \
	if (m->has_##field && put(name, m->field, e) < 0) \
		return e->code;
#include "images/ns/ipc_vars.def"
#undef VAR
#undef OPTIONAL
	return 0;
}

/*
 * Room for whatever there was: a limit may have been lowered when there was more already. As much as the kernel takes; where it takes
 * less, what it has by itself has to do.
 */
static void make_room(void)
{
	static const struct {
		const char *name, *value;
	} room[] = {
		{ "kernel/sem", "32000 1024000000 500 32000" },
		{ "kernel/msgmax", "2147483647" },
		{ "kernel/msgmnb", "2147483647" },
		{ "kernel/msgmni", "32000" },
		{ "kernel/shmmni", "32000" },
		{ "fs/mqueue/queues_max", "1000000" },
		{ "fs/mqueue/msg_max", "65536" },
		{ "fs/mqueue/msgsize_max", "16777216" },
	};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(room); i++) {
		struct err ignored = { 0 };

		snprintf(path, sizeof(path), "/proc/sys/%s", room[i].name);
		(void)!io_put(AT_FDCWD, path, room[i].value, &ignored);
	}
}

static int ipc_fill(struct restore *r, struct err *e)
{
	ruser_act_as_root(r, true);
	make_room();
	ruser_act_as_root(r, false);
	return ipc_mqueues_make(r, e);
}

/* With shm_rmid_forced a segment that nobody has attached yet would be gone, so that comes late, too. */
static int ipc_done(struct restore *r, struct err *e)
{
	const IpcVarEntry *m = r->ns->ipc;
	char text[64];

	snprintf(text, sizeof(text), "%u %u %u %u", m->sem_ctls[0], m->sem_ctls[1], m->sem_ctls[2],
		 m->sem_ctls[3]);
	ruser_act_as_root(r, true);
	if (io_put(AT_FDCWD, "/proc/sys/kernel/sem", text, e) == 0)
		(void)!put_all(m, e);
	ruser_act_as_root(r, false);
	return e->code;
}

static void ipc_close(struct restore *r)
{
	image_message_free(&r->ns->ipc);
	ipc_mqueues_close(r);
}

const struct ns_restore_kind ipc_ns_restore_kind = {
	.name = "ns/ipc",
	.kind = NS_IPC,
	.load = ipc_load,
	.fill = ipc_fill,
	.done = ipc_done,
	.close = ipc_close,
};
