/*
 * The network namespace. One that others look after, and will give to the restore, is only noted (--external net[INODE]:NAME); one that
 * is filled by others is saved without what is in it (--empty-ns net). Of all others there are settings, interfaces, addresses,
 * routes, rules and filters in the images (dump/ns/net_*.c).
 */
#include "images/ns/net.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dump/ns_net.h"
#include "images/image.h"
#include "lib/net_conf.h"
#include "lib/rtnl.h"

/* The name under which others look after it; NULL: nobody does. */
static const char *name_of(const struct dump *d)
{
	const char *name = NULL;
	char key[32];

	snprintf(key, sizeof(key), "net[%lu]", (unsigned long)d->ns->ino[NS_NET]);
	return options_external(d->opt, key, &name) ? name : NULL;
}

/* --- settings ----------------------------------------------------------------------------------- */

static SysctlEntry *new_entry(struct pool *pool)
{
	SysctlEntry *entry = pool_new(pool, SysctlEntry);

	sysctl_entry__init(entry);
	entry->type = SYSCTL_TYPE__CTL_32;
	return entry;
}

static void put(struct pool *pool, SysctlEntry *entry, const char *text, bool is_text)
{
	if (is_text) {
		entry->sarg = pool_text(pool, text);
	} else {
		entry->has_iarg = 1;
		entry->iarg = atoi(text);
	}
}

static SysctlEntry **read_conf(struct pool *pool, int family, const char *device, size_t *ret_count)
{
	size_t count = net_conf_counts[family];
	SysctlEntry **all = pool_array(pool, SysctlEntry *, count);
	char text[128];

	for (size_t i = 0; i < count; i++) {
		const struct net_conf_name *n = &net_conf_names[family][i];

		all[i] = new_entry(pool);
		if (!n->scale)
			all[i]->type = SYSCTL_TYPE__CTL_STR;
		if (net_conf_read(family, device, n->name, text, sizeof(text)) == 0)
			put(pool, all[i], text, !n->scale);
	}
	*ret_count = count;
	return all;
}

static SysctlEntry **read_one(struct pool *pool, const char *name, bool is_text, size_t *ret_count)
{
	SysctlEntry **all = pool_array(pool, SysctlEntry *, 1);
	char text[128];

	all[0] = new_entry(pool);
	if (is_text)
		all[0]->type = SYSCTL_TYPE__CTL_STR;
	if (net_sysctl_read(name, text, sizeof(text)) == 0)
		put(pool, all[0], text, is_text);
	*ret_count = 1;
	return all;
}

/* "0	10", which CRIU has with a blank. */
static void separate_by_blank(SysctlEntry *entry)
{
	char *tab = entry->sarg ? strchr(entry->sarg, '\t') : NULL;

	if (tab)
		*tab = ' ';
}

static int save_settings(struct dnet *n, struct err *e)
{
	NetnsEntry m = NETNS_ENTRY__INIT;
	struct pool *pool = &n->d->pool;

	m.def_conf4 = read_conf(pool, CONF_V4, "default", &m.n_def_conf4);
	m.all_conf4 = read_conf(pool, CONF_V4, "all", &m.n_all_conf4);
	m.def_conf6 = read_conf(pool, CONF_V6, "default", &m.n_def_conf6);
	m.all_conf6 = read_conf(pool, CONF_V6, "all", &m.n_all_conf6);
	m.unix_conf = read_one(pool, "unix/max_dgram_qlen", false, &m.n_unix_conf);
	m.ipv4_sysctl = read_one(pool, "ipv4/ping_group_range", true, &m.n_ipv4_sysctl);
	separate_by_blank(m.ipv4_sysctl[0]);
	return image_save(n->d->images, IMG_NETNS, n->id, &m, e);
}

/* --- all of it ---------------------------------------------------------------------------------- */

static int check_inside(void *arg, struct err *e)
{
	struct dnet *n = arg;
	own_fd fd = -1;

	if (rtnl_open(&fd, e) < 0)
		return e->code;
	n->fd = fd;
	return dnet_read_links(n, e) < 0 ? e->code : dnet_check_filter(n, e);
}

static int net_check(struct dump *d, struct err *e)
{
	struct dnet n = { .d = d };
	const char *name = name_of(d);

	if (d->opt->handover) {
		err_code(e, ENOTSUP, "it cannot be migrated yet");
		return err_hint(e, "dump the tree, copy the images and restore them");
	}
	if (name && !*name)
		return err_say(e, "--external net[%lu] gives it no name",
			       (unsigned long)d->ns->ino[NS_NET]);
	if (name || d->opt->empty_net)
		return 0;
	(void)!ns_run(d, NS_NET, check_inside, &n, e);
	dnet_free(&n);
	return e->code;
}

static int save_inside(void *arg, struct err *e)
{
	struct dnet *n = arg;
	own_fd fd = -1;

	if (save_settings(n, e) < 0)
		return e->code;
	if (n->d->opt->empty_net)
		return 0;
	if (rtnl_open(&fd, e) < 0)
		return e->code;
	n->fd = fd;
	if (dnet_read_links(n, e) < 0 || dnet_save_links(n, e) < 0 || dnet_save_routes(n, e) < 0)
		return e->code;
	return dnet_save_filter(n, e);
}

static int net_save(struct dump *d, uint32_t id, struct err *e)
{
	struct dnet n = { .d = d, .id = id };
	NetnsEntry m = NETNS_ENTRY__INIT;

	m.ext_key = (char *)name_of(d);
	if (m.ext_key)
		return image_save(d->images, IMG_NETNS, id, &m, e);
	(void)!ns_run(d, NS_NET, save_inside, &n, e);
	dnet_free(&n);
	return e->code;
}

const struct ns_kind net_ns_kind = {
	.name = "ns/net",
	.kind = NS_NET,
	.check = net_check,
	.save = net_save,
};
