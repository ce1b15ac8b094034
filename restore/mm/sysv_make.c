/*
 * Finding or making SysV segments in the IPC namespace: the host's, or a new one, where none is found.
 *
 * A segment that is still there, with the same id, key and size, is the same one: ids are not used again for a long
 * time. If nobody has it attached, it gets the contents of the images, as the processes left them; if somebody has, it
 * stays as it is, since it is shared with the living. One that is gone is made anew with its id.
 */
#include "restore/mm/sysv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "lib/io.h"
#include "lib/log.h"
#include "restore/mm/shmem.h"
#include "restore/ns.h"
#include "restore/sysv.h"

#define HUGE_SIZE_BITS (0x3fU << 26)

static uint64_t page_size(const struct rsegment *s)
{
	uint32_t shift = s->entry->has_hugetlb_flag ? s->entry->hugetlb_flag >> 26 & 0x3f : 0;

	return shift ? 1UL << shift : s->entry->hugetlb_flag & SHM_HUGETLB ? 2UL << 20 : PAGE_SIZE;
}

uint64_t rsegment_bytes(const struct rsegment *s)
{
	return (s->entry->size + page_size(s) - 1) & ~(page_size(s) - 1);
}

static bool is_removed(const struct rsegment *s)
{
	return s->entry->desc->mode & SHM_DEST;
}

static int check_same(const struct rsegment *s, const struct shmid_ds *ds, struct err *e)
{
	const IpcDescEntry *d = s->entry->desc;
	bool removed = ds->shm_perm.mode & SHM_DEST;

	/* A removed one has lost its key. */
	if (ds->shm_segsz == s->entry->size &&
	    (removed || is_removed(s) || (uint32_t)ds->shm_perm.__key == d->key))
		return 0;
	return err_code(e, EEXIST, "there is another segment with this id (key 0x%x, %zu bytes)",
			ds->shm_perm.__key, ds->shm_segsz);
}

static int get(int key, int flags, const void *arg)
{
	const IpcShmEntry *m = arg;

	if (m->hugetlb_flag & SHM_HUGETLB)
		flags |= SHM_HUGETLB | (int)(m->hugetlb_flag & HUGE_SIZE_BITS);
	return shmget(key, m->size, flags);
}

static void remove_segment(int id)
{
	shmctl(id, IPC_RMID, NULL);
}

static int make(struct rsegment *s, int key, struct err *e)
{
	const struct sysv_maker maker = { "/proc/sys/kernel/shm_next_id", get, remove_segment,
					  s->entry };
	int r = sysv_take(s->entry->desc, key, &maker);

	return r < 0 ? err_res(e, r, "make a segment (key 0x%x, %lu bytes)", key, s->entry->size) :
		       0;
}

static int make_new(struct rsegment *s, struct err *e)
{
	struct err other;
	int key = s->entry->desc->key;

	/* A removed segment has no key to be found by; its mappings only show the one it had. */
	if (is_removed(s) && key != IPC_PRIVATE && make(s, key, &other) == 0)
		key = 0;
	else if (make(s, is_removed(s) ? IPC_PRIVATE : key, e) < 0)
		return e->code == -EEXIST ?
			       err_hint(e, "its id or its key is in use by another segment") :
			       e->code;
	s->made = true;
	return 0;
}

static int set_owner(const struct rsegment *s, struct err *e)
{
	const IpcDescEntry *d = s->entry->desc;
	struct shmid_ds ds;

	if (shmctl(d->id, IPC_STAT, &ds) < 0)
		return err_sys(e, "shmctl(IPC_STAT)");
	ds.shm_perm.uid = d->uid;
	ds.shm_perm.gid = d->gid;
	ds.shm_perm.mode = d->mode & 0777;
	if (shmctl(d->id, IPC_SET, &ds) < 0)
		return err_sys(e, "shmctl(IPC_SET)");
	if (d->mode & SHM_LOCKED && shmctl(d->id, SHM_LOCK, NULL) < 0)
		return err_sys(e, "shmctl(SHM_LOCK)");
	return 0;
}

static int fill(struct restore *r, struct rsegment *s, struct err *e)
{
	uint64_t bytes = rsegment_bytes(s);
	void *at = shmat(s->entry->desc->id, NULL, 0);
	own_fd fd = -1;
	struct shmem_target to = { .shmid = s->entry->desc->id,
				   .size = bytes,
				   .huge = s->entry->hugetlb_flag & SHM_HUGETLB };

	if (at == (void *)-1)
		return err_sys(e, "shmat");
	s->held = at;
	if (rshmem_open_mapping(at, bytes, &fd, e) < 0)
		return e->code;
	to.fd = fd;
	/* What is stored does not say what was zero. */
	if (!s->made && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, bytes) < 0)
		return err_sys(e, "empty it");
	return rshmem_fill(r, &to, e);
}

static int find(const struct rsegment *s, bool *ret_used, struct err *e)
{
	struct shmid_ds ds;

	if (shmctl(s->entry->desc->id, IPC_STAT, &ds) < 0)
		return errno == EINVAL || errno == EIDRM ? 0 : err_sys(e, "shmctl(IPC_STAT)");
	if (check_same(s, &ds, e) < 0)
		return e->code;
	*ret_used = ds.shm_nattch > 0;
	return 1;
}

int rsegment_make(struct restore *r, struct rsegment *s, struct err *e)
{
	bool used = false;
	int found;

	if (r->opt->dry_run && rns_is_own(r, NS_IPC))
		return 0;
	found = find(s, &used, e);
	if (found < 0 || r->opt->dry_run)
		return found < 0 ? found : 0;
	if (used) {
		log_info("SysV segment %u: in use, so its contents are left as they are",
			 s->entry->desc->id);
		return 0;
	}
	if (!found && make_new(s, e) < 0)
		return e->code;
	if (fill(r, s, e) < 0 || set_owner(s, e) < 0)
		return e->code;
	/* From here on it lives as long as somebody has it attached: us, for now. */
	if (is_removed(s)) {
		if (shmctl(s->entry->desc->id, IPC_RMID, NULL) < 0)
			return err_sys(e, "shmctl(IPC_RMID)");
		s->made = false;
	}
	return 0;
}

void rsegment_close(struct rsegment *s, bool failed)
{
	if (s->held)
		shmdt(s->held);
	if (failed && s->made)
		shmctl(s->entry->desc->id, IPC_RMID, NULL);
	s->held = NULL;
}
