/*
 * The network namespace: a new one, one that whoever restores has given us under the name that the dump has noted
 * (--external net[INODE]:NAME and --inherit-fd), or one that is named here (--join-ns). What is in it is filled in by
 * restore/ns/net_*.c, unless that is left to others (--empty-ns net) or it was there before.
 */
#include "images/ns/net.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/nsfs.h>

#include "images/image.h"
#include "lib/own.h"
#include "restore/ns.h"
#include "restore/ns_net.h"

static int net_load(struct restore *r, uint32_t id, struct err *e)
{
	struct rnet *net = r->ns->net = pool_new(&r->pool, struct rnet);

	net->id = id;
	if (r->opt->join_ns[NS_NET])
		return 0;
	if (image_load(r->images, IMG_NETNS, id, &net->entry, e) < 0)
		return e->code;
	net->key = net->entry->ext_key;
	if (!net->key)
		return rnet_load(r, net, e);
	if (options_inherited(r->opt, net->key) >= 0)
		return 0;
	err_say(e, "the network namespace '%s' is not of the images", net->key);
	return err_hint(e, "say which one it is with --inherit-fd 'fd[N]:%s' or --join-ns net:FILE",
			net->key);
}

static int check_kind(int fd, const char *what, struct err *e)
{
	if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return 0;
	return err_say(e, "%s is no network namespace", what);
}

static int take_inherited(const struct restore *r, const char *key, int *ret_fd, struct err *e)
{
	int given = options_inherited(r->opt, key);
	own_fd fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
	char what[64];

	if (fd < 0)
		return err_sys(e, "copy descriptor %d, which is given for '%s'", given, key);
	snprintf(what, sizeof(what), "descriptor %d (--inherit-fd)", given);
	if (check_kind(fd, what, e) < 0)
		return e->code;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int join(const char *path, int *ret_fd, struct err *e)
{
	own_fd fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open '%s' (--join-ns)", path);
	if (check_kind(fd, path, e) < 0)
		return e->code;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int make_new(void *ret_fd, struct err *e)
{
	static const char path[] = "/proc/thread-self/ns/net";
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, "make a network namespace");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	*(int *)ret_fd = fd;
	return 0;
}

static int net_make(struct restore *r, int *ret_fd, struct err *e)
{
	if (r->opt->join_ns[NS_NET])
		return join(r->opt->join_ns[NS_NET], ret_fd, e);
	if (r->ns->net->key)
		return take_inherited(r, r->ns->net->key, ret_fd, e);
	return namespace_run(NULL, 0, make_new, ret_fd, e);
}

static int net_populate(struct restore *r, struct err *e)
{
	struct rnet *net = r->ns->net;

	return r->opt->join_ns[NS_NET] || net->key ? 0 : rnet_populate(r, net, e);
}

static void net_close(struct restore *r)
{
	if (r->ns->net)
		rnet_close(r->ns->net);
}

const struct ns_restore_kind net_ns_restore_kind = {
	.name = "ns/net",
	.kind = NS_NET,
	.load = net_load,
	.make = net_make,
	.populate = net_populate,
	.close = net_close,
};
