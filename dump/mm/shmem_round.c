/*
 * Shared objects that are saved while the tree runs: those that tasks have mapped, as their layout was looked at,
 * or have a descriptor of. Others (which are on their way through a socket) are saved whole in the last stop.
 *
 * What a round saves of an object is of no moment. That is made good in the stop, where every page is compared with what
 * the rounds have saved.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dump/guard.h"
#include "dump/mm/shmem_held.h"
#include "lib/io.h"

/* Drivers have objects there too, which a dump refuses. */
static bool is_object(struct dump *d, uint64_t dev, const char *name)
{
	static const char *const names[] = { "/dev/zero", "/memfd:", "/SYSV" };

	if (!shmem_is_device(d, dev))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Where an object was seen. */
struct place {
	const struct shmem_user *user;
	const char *link, *name;
	uint64_t dev, ino;
};

/* What is no memfd can be reached by no descriptor. */
static bool keeps_size(const struct place *p, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return strncmp(p->name, "/memfd:", 7) != 0 || (seals >= 0 && seals & F_SEAL_SHRINK);
}

/* False: it is not there any more. */
static bool open_object(const struct place *p, struct shmem_contents *ret)
{
	own_fd fd = openat(p->user->proc_fd, p->link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != p->ino || st.st_dev != p->dev)
		return false;
	*ret = (struct shmem_contents){ .size = st.st_size, .runs_on = true };
	ret->keeps_size = keeps_size(p, fd);
	ret->fd = take_fd(&fd);
	return true;
}

/* What is to be done with each object. */
struct for_each {
	struct dump *d;
	const struct shmem_users *users;
	int (*fn)(struct dump *d, const struct shmem_contents *c, struct shmem_held *h, void *arg,
		  struct err *e);
	void *arg;
};

/* Which of two objects with one number is taken does not matter: what is held is compared, whatever it is from. */
static int with_object(const struct for_each *f, const struct place *p, struct err *e)
{
	struct dump *d = f->d;
	bool is_sysv = strncmp(p->name, "/SYSV", 5) == 0;
	uint64_t id = is_sysv ? p->ino : shmem_held_id(d, p->ino);
	struct shmem_held *h = shmem_held_find(d, id);
	struct shmem_contents c;

	/* The first segment of all has number 0. */
	if ((!id && !is_sysv) || (h && h->pass == d->shmem_helds->pass) || !open_object(p, &c))
		return 0;
	own_fd fd = c.fd;
	c.shmid = id;
	h = shmem_held_make(d, id, c.size, e);
	if (!h)
		return e->code;
	h->pass = d->shmem_helds->pass;
	if (guard_check(d->guard, e) < 0)
		return e->code;
	return f->fn(d, &c, h, f->arg, e) < 0 ? err_on(e, "shared memory of pid %d", p->user->pid) :
						0;
}

static int for_mappings(const struct for_each *f, const struct shmem_user *user, struct err *e)
{
	for (size_t n = 0; n < user->maps.count; n++) {
		const struct vma *v = &user->maps.vmas[n];
		char link[VMA_LINK_SIZE];
		struct place p = { .user = user,
				   .link = vma_link(link, v),
				   .name = v->name,
				   .dev = makedev(v->dev_major, v->dev_minor),
				   .ino = v->inode };

		if (is_object(f->d, p.dev, p.name) && with_object(f, &p, e) < 0)
			return e->code;
	}
	return 0;
}

static int with_descriptor(const struct for_each *f, const struct shmem_user *user,
			   const char *number, struct err *e)
{
	char link[32], name[PATH_MAX];
	struct place p = { .user = user, .link = link, .name = name };
	struct stat st;
	ssize_t n;

	snprintf(link, sizeof(link), "fd/%s", number);
	if (fstatat(user->proc_fd, link, &st, 0) < 0 || !shmem_is_device(f->d, st.st_dev))
		return 0;
	n = readlinkat(user->proc_fd, link, name, sizeof(name) - 1);
	name[n < 0 ? 0 : n] = 0;
	p.dev = st.st_dev;
	p.ino = st.st_ino;
	return is_object(f->d, p.dev, name) ? with_object(f, &p, e) : 0;
}

static int for_descriptors(const struct for_each *f, const struct shmem_user *user, struct err *e)
{
	own_fd fd = openat(user->proc_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return 0; /* it has ended */
	take_fd(&fd);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && with_descriptor(f, user, entry->d_name, e) < 0)
			return e->code;
	return 0;
}

static int for_objects(const struct for_each *f, struct err *e)
{
	struct dump *d = f->d;

	if (shmem_held_begin(d, e) < 0)
		return e->code;
	shmem_held_begin_pass(d);
	for (size_t i = 0; i < f->users->count; i++)
		if (for_mappings(f, &f->users->all[i], e) < 0 ||
		    for_descriptors(f, &f->users->all[i], e) < 0)
			return e->code;
	return 0;
}

static int save(struct dump *d, const struct shmem_contents *c, struct shmem_held *h, void *arg,
		struct err *e)
{
	struct shmem_round *r = arg;
	int res = shmem_save_running(d, c, r, h, e);

	r->pages_id++;
	return res;
}

/* Of what is not in this folder the next one cannot say that it is. */
int shmem_save_round(struct dump *d, const struct shmem_users *users, struct shmem_round *r,
		     struct err *e)
{
	const struct for_each f = { d, users, save, r };

	if (for_objects(&f, e) < 0)
		return e->code;
	shmem_held_forget_others(d);
	return 0;
}

static int look(struct dump *d, const struct shmem_contents *c, struct shmem_held *h, void *arg,
		struct err *e)
{
	own_ranges data = { 0 };
	uint64_t *sum = arg;

	(void)d;
	ranges_free(&h->due);
	h->looked = false;
	if (shmem_find_data(c, &data, e) < 0)
		return e->code;
	shmem_map(h, c, &data);
	if (shmem_compare(c, h, &data, &h->due, e) < 0)
		return e->code;
	h->looked = true;
	*sum += ranges_size(&h->due);
	return 0;
}

int shmem_left(struct dump *d, const struct shmem_users *users, uint64_t *ret, struct err *e)
{
	const struct for_each f = { d, users, look, ret };

	*ret = 0;
	return for_objects(&f, e);
}
