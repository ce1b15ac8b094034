/* See restore/user_ns.h. */
#include "restore/user_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "images/image.h"
#include "images/ns/user.pb-c.h"
#include "images/ns/user_extra.pb-c.h"
#include "lib/io.h"

enum { MAP_SIZE = 16384, KEPT = -1 };

static uint32_t outside(UidGidExtent *const *map, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++)
		if (id >= map[i]->first && id - map[i]->first < map[i]->count)
			return map[i]->lower_first + (id - map[i]->first);
	return UINT32_MAX;
}

uint32_t ruser_outside(const struct restore *r, uint32_t id, bool group)
{
	const UsernsEntry *m = r->ns && r->ns->user ? r->ns->user->maps : NULL;

	if (!m)
		return id;
	return group ? outside(m->gid_map, m->n_gid_map, id) :
		       outside(m->uid_map, m->n_uid_map, id);
}

bool ruser_maps(const struct restore *r, uint32_t id, bool group)
{
	return ruser_outside(r, id, group) != UINT32_MAX;
}

bool ruser_keeps_groups(const struct restore *r)
{
	const struct ruser_ns *u = r->ns ? r->ns->user : NULL;

	return u && u->extra && (u->extra->no_setgroups || u->extra->keep_groups);
}

static int user_load(struct restore *r, uint32_t id, struct err *e)
{
	struct ruser_ns *u = r->ns->user = pool_new(&r->pool, struct ruser_ns);

	u->euid = geteuid();
	u->dumpable = prctl(PR_GET_DUMPABLE);
	if (image_load(r->images, IMG_USERNS, id, &u->maps, e) < 0)
		return e->code;
	if (image_load(r->images, IMG_USER_EXTRA, id, &u->extra, e) < 0) {
		if (e->code != -ENOENT)
			return e->code;
		*e = (struct err){ 0 };
	}
	if (!ruser_maps(r, 0, false) || !ruser_maps(r, 0, true))
		return err_code(
			e, ENOTSUP,
			"'userns-%u.img' maps no user or no group 0, which is not supported", id);
	if (rns_is_own(r, NS_MNT) || rns_is_own(r, NS_NET))
		return err_code(e, ENOTSUP,
				"the tree has a %s namespace of its own as well, which is not "
				"supported yet",
				rns_is_own(r, NS_MNT) ? "mnt" : "net");
	if (r->opt->restore_sibling) {
		err_code(e, ENOTSUP,
			 "a tree with a user namespace of its own cannot become a sibling yet");
		return err_hint(e, "restore it without --restore-sibling");
	}
	return 0;
}

/* Who made it may do there as he likes, for good. */
static int begin(void *arg)
{
	const struct ruser_ns *u = ((struct restore *)arg)->ns->user;

	if (u->extra && syscall(SYS_setresuid, KEPT, u->extra->owner, KEPT) < 0)
		return errno;
	return unshare(CLONE_NEWUSER) < 0 ? errno : 0;
}

static int put_map(int child, const char *name, UidGidExtent *const *map, size_t count,
		   struct err *e)
{
	own_mem char *text = calloc(1, MAP_SIZE);
	char path[48];
	size_t used = 0;

	if (!text)
		return err_sys(e, "memory for a map");
	for (size_t i = 0; i < count && used < MAP_SIZE; i++)
		used += snprintf(text + used, MAP_SIZE - used, "%u %u %u\n", map[i]->first,
				 map[i]->lower_first, map[i]->count);
	snprintf(path, sizeof(path), "/proc/%d/%s", child, name);
	if (used >= MAP_SIZE)
		return err_say(e, "'%s' is too long", name);
	return count ? io_put(AT_FDCWD, path, text, e) : 0;
}

static int write_maps(void *arg, int child, struct err *e)
{
	struct restore *r = arg;
	const UserExtraEntry *x = r->ns->user->extra;
	const UsernsEntry *m = r->ns->user->maps;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/setgroups", child);
	if (x && x->no_setgroups && io_put(AT_FDCWD, path, "deny", e) < 0)
		return e->code;
	if (put_map(child, "uid_map", m->uid_map, m->n_uid_map, e) < 0)
		return e->code;
	return put_map(child, "gid_map", m->gid_map, m->n_gid_map, e);
}

static int user_make(struct restore *r, int *ret_fd, struct err *e)
{
	const struct namespace_birth b = {
		.link = "user", .user_fd = -1, .make = begin, .after = write_maps, .arg = r
	};

	return namespace_make(&b, ret_fd, e);
}

int ruser_enter(const struct restore *r)
{
	const UserExtraEntry *x = r->ns->user->extra;
	size_t count = x ? x->n_groups : 0;

	/* Ours are not the tree's. */
	if (syscall(SYS_setgroups, count, count ? x->groups : NULL) < 0 ||
	    namespace_enter_user(r->ns->fd[NS_USER]) < 0)
		return -errno;
	return 0;
}

void ruser_mend(const struct restore *r)
{
	if (r->ns && r->ns->user && r->ns->user->dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1);
}

static _Noreturn void lend(const struct restore *r, pid_t parent, int say)
{
	int code = ruser_enter(r) < 0 ? errno : 0;

	prctl(PR_SET_DUMPABLE, 1); /* a change of the user takes these two */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "stasis-lender");
	(void)!write(say, &code, sizeof(code));
	while (getppid() == parent)
		pause();
	_exit(0);
}

int ruser_lend(struct restore *r, int *ret_fd, struct err *e)
{
	struct ruser_ns *u = r->ns->user;
	pid_t self = getpid();
	int ends[2], code = 0, r_code;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	own_fd hear = ends[0];
	own_fd say = ends[1];
	u->lender = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (u->lender == 0)
		lend(r, self, say);
	if (u->lender < 0)
		return err_sys(e, "make a process that lends descriptors");
	r_code = io_read(hear, &code, sizeof(code), "the word of a child of ours", e);
	if (r_code < 0)
		return r_code;
	if (code)
		return err_res(e, -code, "enter the user namespace of the tree");
	*ret_fd = (int)syscall(SYS_pidfd_open, u->lender, 0);
	return *ret_fd < 0 ? err_sys(e, "pidfd_open") : 0;
}

void ruser_lend_end(struct restore *r)
{
	struct ruser_ns *u = r->ns ? r->ns->user : NULL;

	if (!u || u->lender <= 0)
		return;
	kill(u->lender, SIGKILL);
	while (waitpid(u->lender, NULL, 0) < 0 && errno == EINTR)
		;
	u->lender = 0;
}

void ruser_act_as_root(const struct restore *r, bool act)
{
	if (!r->ns || !r->ns->user)
		return;
	prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
	syscall(SYS_setresuid, KEPT, act ? ruser_outside(r, 0, false) : r->ns->user->euid, KEPT);
	ruser_mend(r);
}

static void user_close(struct restore *r)
{
	if (!r->ns->user)
		return;
	ruser_lend_end(r);
	image_message_free(&r->ns->user->maps);
	image_message_free(&r->ns->user->extra);
}

const struct ns_restore_kind user_ns_restore_kind = {
	.name = "ns/user",
	.kind = NS_USER,
	.load = user_load,
	.make = user_make,
	.close = user_close,
};
