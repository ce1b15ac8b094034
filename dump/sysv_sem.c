/* Semaphore sets of System V: reading them, and ipcns-sem-*.img. */
#include "dump/sysv.h"

#include <errno.h>
#include <string.h>
#include <sys/sem.h>

union semun {
	int value;
	struct semid_ds *set;
	unsigned short *values;
	struct seminfo *info;
};

/* Gone meanwhile, or not for us to look at. */
static bool passes(int error)
{
	return error == EINVAL || error == EIDRM || error == EACCES;
}

int sem_set_values(const struct sem_set *s, uint16_t *ret, struct err *e)
{
	union semun arg = { .values = ret };

	if (semctl(s->desc.id, 0, GETALL, arg) < 0)
		return err_sys(e, "semctl(GETALL) of the semaphores with id %u", s->desc.id);
	return 0;
}

/* 1: read; 0: it is passed over. */
static int read_set(struct pool *pool, struct sem_set *s, struct err *e)
{
	s->values = pool_array(pool, uint16_t, s->count + 4);
	s->pids = pool_array(pool, uint32_t, s->count);
	if (sem_set_values(s, s->values, e) < 0)
		return passes(-e->code) ? 0 : e->code;
	for (uint32_t i = 0; i < s->count; i++) {
		int pid = semctl(s->desc.id, i, GETPID);

		if (pid < 0)
			return passes(errno) ? 0 : err_sys(e, "semctl(GETPID)");
		s->pids[i] = pid;
	}
	return 1;
}

int sem_sets_read(struct pool *pool, struct sem_set **ret, struct err *e)
{
	struct seminfo info;
	struct sem_set *all = NULL;
	int last = semctl(0, 0, SEM_INFO, (union semun){ .info = &info });

	if (last < 0)
		return errno == ENOSYS ? 0 : err_sys(e, "semctl(SEM_INFO)");
	for (int i = 0; i <= last && info.semusz; i++) {
		struct semid_ds ds;
		int id = semctl(i, 0, SEM_STAT_ANY, (union semun){ .set = &ds }), got;
		struct sem_set *s;
		struct err ignored = { 0 };

		if (id < 0)
			continue;
		s = pool_new(pool, struct sem_set);
		sysv_describe(&ds.sem_perm, id, &s->desc);
		s->count = ds.sem_nsems;
		got = read_set(pool, s, &ignored);
		if (got < 0) {
			*e = ignored;
			return got;
		}
		if (got == 0)
			continue;
		s->next = all;
		all = s;
	}
	*ret = all;
	return 0;
}

int sem_set_write(struct image *img, const struct sem_set *s, struct err *e)
{
	IpcSemEntry m = IPC_SEM_ENTRY__INIT;
	IpcDescEntry desc = s->desc;

	m.desc = &desc;
	m.nsems = s->count;
	if (image_write(img, &m, e) < 0)
		return e->code;
	return image_write_extra(img, s->values, (s->count * sizeof(*s->values) + 7) & ~7UL, e);
}
