/*
 * The sysctls of an IPC namespace: /proc/sys shows those of whoever opens it. Segments are restore/mm/sysv.c's. That images which
 * others have written hold semaphores or queues is refused.
 */
#include "images/ns/ipc.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/ns.h"

enum { EARLY, LATE };
enum { SEM_VALUES = 4 };

static int refuse(struct restore *r, enum image_kind kind, uint32_t id, const char *what,
		  struct err *e)
{
	char name[64];

	image_name(name, kind, id);
	if (faccessat(r->images, name, F_OK, 0) < 0)
		return 0;
	return err_code(e, ENOTSUP, "'%s' has %s, which are not supported yet", name, what);
}

static int ipc_load(struct restore *r, uint32_t id, struct err *e)
{
	if (refuse(r, IMG_IPC_SEM, id, "System V semaphores", e) < 0 ||
	    refuse(r, IMG_IPC_MSG, id, "System V message queues", e) < 0 ||
	    image_load(r->images, IMG_IPC_VAR, id, &r->ns->ipc, e) < 0)
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

static int put_all(const IpcVarEntry *m, int when, struct err *e)
{
#define VAR(name, field, its)                            \
	if ((its) == when && put(name, m->field, e) < 0) \
		return e->code;
#define OPTIONAL(name, field, its)                                         \
	if ((its) == when && m->has_##field && put(name, m->field, e) < 0) \
		return e->code;
#include "images/ns/ipc_vars.def"
#undef VAR
#undef OPTIONAL
	return 0;
}

static int ipc_fill(struct restore *r, struct err *e)
{
	const IpcVarEntry *m = r->ns->ipc;
	char text[64];

	snprintf(text, sizeof(text), "%u %u %u %u", m->sem_ctls[0], m->sem_ctls[1], m->sem_ctls[2],
		 m->sem_ctls[3]);
	if (io_put(AT_FDCWD, "/proc/sys/kernel/sem", text, e) < 0)
		return e->code;
	return put_all(m, EARLY, e);
}

static int ipc_done(struct restore *r, struct err *e)
{
	return put_all(r->ns->ipc, LATE, e);
}

static void ipc_close(struct restore *r)
{
	image_message_free(&r->ns->ipc);
}

const struct ns_restore_kind ipc_ns_restore_kind = {
	.name = "ns/ipc",
	.kind = NS_IPC,
	.load = ipc_load,
	.fill = ipc_fill,
	.done = ipc_done,
	.close = ipc_close,
};
