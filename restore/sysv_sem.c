/* Semaphore sets of System V: loading ipcns-sem-*.img, and finding or making them. What processes hold: task/sysvipc.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/sysv.h"

enum { TOP = 32767, SEMAPHORES_MAX = 32000 };

union semun {
	int value;
	struct semid_ds *set;
	unsigned short *values;
};

static int check(const struct rsysv_ipc *all, const IpcSemEntry *m, const char *name, struct err *e)
{
	if (m->nsems == 0 || m->nsems > SEMAPHORES_MAX || m->desc->id > INT32_MAX)
		return err_say(e, "'%s' has a set with id %u of %u semaphores, which cannot be",
			       name, m->desc->id, m->nsems);
	for (size_t i = 0; i < all->set_count; i++)
		if (all->sets[i].entry->desc->id == m->desc->id)
			return err_say(e, "'%s' has semaphores with id %u twice", name,
				       m->desc->id);
	return 0;
}

static int add(struct rsysv_ipc *all, struct image *img, IpcSemEntry **entry, struct err *e)
{
	struct rsem_set *s;
	char *bytes;

	if (check(all, *entry, img->name, e) < 0 ||
	    image_take_extra(img, ((*entry)->nsems * sizeof(uint16_t) + 7) & ~7UL, &bytes, e) < 0)
		return e->code;
	if (io_grow(&all->sets, all->set_count, sizeof(*all->sets), e) < 0) {
		free(bytes);
		return e->code;
	}
	s = &all->sets[all->set_count++];
	*s = (struct rsem_set){ .entry = *entry, .values = (uint16_t *)bytes };
	*entry = NULL;
	for (uint32_t i = 0; i < s->entry->nsems; i++)
		if (s->values[i] > TOP)
			return err_say(e, "'%s' has a semaphore of value %u, which cannot be",
				       img->name, s->values[i]);
	return 0;
}

int rsem_load(struct rsysv_ipc *all, int images, uint32_t ns, struct err *e)
{
	own_image img = { 0 };

	if (image_open(&img, images, IMG_IPC_SEM, ns, e) < 0)
		return e->code;
	for (;;) {
		own_message IpcSemEntry *m = NULL;
		int got = image_read(&img, &ipc_sem_entry__descriptor, &m, e);

		if (got <= 0)
			return got;
		if (add(all, &img, &m, e) < 0)
			return e->code;
	}
}

/* 1: it is there, *ds is filled. 0: it is gone. */
static int find(const struct rsem_set *s, struct semid_ds *ds, struct err *e)
{
	const IpcDescEntry *d = s->entry->desc;

	if (semctl(d->id, 0, IPC_STAT, (union semun){ .set = ds }) < 0)
		return errno == EINVAL || errno == EIDRM ? 0 : err_sys(e, "semctl(IPC_STAT)");
	if ((uint32_t)ds->sem_perm.__key == d->key && ds->sem_nsems == s->entry->nsems)
		return 1;
	return err_code(e, EEXIST,
			"there are other semaphores with this id (key 0x%x, %lu of them)",
			ds->sem_perm.__key, ds->sem_nsems);
}

static int clamp(int value)
{
	return value < 0 ? 0 : value > TOP ? TOP : value;
}

/*
 * At the end of the processes the kernel has taken back what they held, and they take it again. Where that went
 * below 0 or over the top it was cut off; that much is mended, if the value is what it then was.
 */
static int plan_undos(struct rsem_set *s, struct err *e)
{
	own_mem uint16_t *now = calloc(s->entry->nsems + 1UL, sizeof(*now));

	if (!now)
		return err_sys(e, "memory for semaphores");
	if (semctl(s->entry->desc->id, 0, GETALL, (union semun){ .values = now }) < 0)
		return err_sys(e, "semctl(GETALL)");
	for (size_t i = 0; i < s->undo_count; i++) {
		uint32_t n = s->undos[i].number;
		int sum = s->values[n];
		bool first = true;

		for (size_t k = 0; k < s->undo_count; k++) {
			sum += s->undos[k].number == n ? s->undos[k].adjust : 0;
			first = first && (k >= i || s->undos[k].number != n);
		}
		if (first && now[n] == clamp(sum))
			s->undos[i].mend = sum - now[n];
	}
	return 0;
}

static int get(int key, int flags, const void *arg)
{
	return semget(key, ((const IpcSemEntry *)arg)->nsems, flags);
}

static void remove_set(int id)
{
	semctl(id, 0, IPC_RMID);
}

static int make_new(struct rsem_set *s, struct err *e)
{
	const IpcDescEntry *d = s->entry->desc;
	const struct sysv_maker maker = { "/proc/sys/kernel/sem_next_id", get, remove_set,
					  s->entry };
	struct semid_ds ds = { 0 };
	int r = sysv_take(d, (int)d->key, &maker);

	if (r < 0) {
		err_res(e, r, "make %u semaphores (key 0x%x)", s->entry->nsems, d->key);
		return r == -EEXIST ? err_hint(e, "the id or the key is in use by others") : r;
	}
	s->made = true;
	ds.sem_perm.uid = d->uid;
	ds.sem_perm.gid = d->gid;
	ds.sem_perm.mode = d->mode & 0777;
	if (semctl(d->id, 0, SETALL, (union semun){ .values = s->values }) < 0)
		return err_sys(e, "semctl(SETALL)");
	if (semctl(d->id, 0, IPC_SET, (union semun){ .set = &ds }) < 0)
		return err_sys(e, "semctl(IPC_SET)");
	return 0;
}

int rsem_make(struct rsem_set *s, bool dry_run, struct err *e)
{
	struct semid_ds ds;
	int found = find(s, &ds, e);

	if (found < 0)
		return found;
	if (found)
		return plan_undos(s, e);
	return dry_run ? 0 : make_new(s, e);
}

void rsem_close(struct rsem_set *s, bool failed)
{
	if (failed && s->made)
		remove_set(s->entry->desc->id);
	image_message_free(&s->entry);
	free(s->values);
	free(s->pids);
	free(s->undos);
}
