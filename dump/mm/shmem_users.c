/* Who may have shared objects while the tree runs. What is missed here is saved in the stop. */
#include <stdlib.h>

#include "dump/mm/shmem.h"
#include "dump/track.h"
#include "lib/io.h"
#include "lib/proc.h"

struct shmem_users shmem_tracked(struct dump *d)
{
	struct shmem_users u = { .count = d->tracks->count };

	u.all = pool_array(&d->pool, struct shmem_user, u.count + 1);
	for (size_t i = 0; i < u.count; i++) {
		const struct track *k = &d->tracks->all[i];

		u.all[i] = (struct shmem_user){ k->pid, k->proc_fd, k->maps };
	}
	return u;
}

/* One that ends meanwhile has nothing. */
static int add_user(struct dump *d, struct shmem_users *u, int pid, struct err *e)
{
	struct shmem_user user = { .pid = pid };
	struct err gone = { 0 };
	own_fd proc = -1;

	if (proc_open(pid, &proc, &gone) < 0 ||
	    maps_read_brief(proc, &d->pool, &user.maps, &gone) < 0)
		return 0;
	if (io_grow(&u->all, u->count, sizeof(*u->all), e) < 0)
		return e->code;
	user.proc_fd = take_fd(&proc);
	u->all[u->count++] = user;
	return 0;
}

static bool is_known(const struct shmem_users *u, int pid)
{
	for (size_t i = 0; i < u->count; i++)
		if (u->all[i].pid == pid)
			return true;
	return false;
}

static int add_children(struct dump *d, struct shmem_users *u, size_t of, struct err *e)
{
	own_pids threads = { 0 }, children = { 0 };
	struct shmem_user parent = u->all[of];
	struct err gone = { 0 };

	if (proc_threads(parent.proc_fd, &threads, &gone) < 0 ||
	    proc_children(parent.proc_fd, parent.pid, &threads, &children, &gone) < 0)
		return 0;
	for (size_t i = 0; i < children.count; i++)
		if (!is_known(u, children.pid[i]) && add_user(d, u, children.pid[i], e) < 0)
			return e->code;
	return 0;
}

int shmem_users_find(struct dump *d, struct shmem_users *ret, struct err *e)
{
	struct shmem_users u = { 0 };
	int r = add_user(d, &u, d->opt->tree, e);

	for (size_t i = 0; i < u.count && r == 0; i++)
		r = add_children(d, &u, i, e);
	if (r < 0)
		shmem_users_close(&u);
	*ret = u;
	return r;
}

void shmem_users_close(struct shmem_users *users)
{
	for (size_t i = 0; i < users->count; i++)
		own_close(&users->all[i].proc_fd);
	free(users->all);
	*users = (struct shmem_users){ 0 };
}
