/*
 * Settings: those of all interfaces and of new ones by their files; those of each interface only where they differ from what it has come
 * with, which netlink tells of all at once.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/net_conf.h"
#include "lib/rtnl.h"
#include "restore/ns_net.h"

static int put_failed(struct restore *r, int res, const char *what, const char *text, struct err *e)
{
	if (res == -ENOENT && r->opt->weak_sysctls) {
		log_warn("%s: this kernel does not have it", what);
		return 0;
	}
	err_res(e, res, "set %s to '%s'", what, text);
	return res == -ENOENT ? err_hint(e, "--weak-sysctls passes over it") : e->code;
}

static bool text_of(const SysctlEntry *s, char *ret, size_t size)
{
	if (s->sarg)
		snprintf(ret, size, "%s", s->sarg);
	else if (s->has_iarg)
		snprintf(ret, size, "%d", s->iarg);
	return s->sarg || s->has_iarg;
}

/* Whose settings: of an interface, or "all" or "default". */
struct place {
	struct restore *r;
	int family;
	const char *device;
};

/* One that the kernel does not have is only missed if it had been set to something. */
static int put_conf(const struct place *p, size_t i, const SysctlEntry *s, struct err *e)
{
	const struct net_conf_name *n = &net_conf_names[p->family][i];
	char want[128], is[128], what[192];
	int res;

	if (!text_of(s, want, sizeof(want)))
		return 0;
	res = net_conf_read(p->family, p->device, n->name, is, sizeof(is));
	if (res == 0 && strcmp(is, want) == 0)
		return 0;
	if (res == -ENOENT && s->has_iarg && !s->iarg)
		return 0;
	res = net_conf_write(p->family, p->device, n->name, want);
	if (res == 0)
		return 0;
	snprintf(what, sizeof(what), "net.ipv%d.conf.%s.%s", p->family == CONF_V4 ? 4 : 6,
		 p->device, n->name);
	return put_failed(p->r, res, what, want, e);
}

static int put_all(const struct place *p, SysctlEntry **all, size_t count, struct err *e)
{
	for (size_t i = 0; i < count && i < net_conf_counts[p->family]; i++)
		if (put_conf(p, i, all[i], e) < 0)
			return e->code;
	return 0;
}

static int put_one(struct restore *r, const char *name, const SysctlEntry *s, struct err *e)
{
	char want[128], what[64];
	int res;

	if (!text_of(s, want, sizeof(want)))
		return 0;
	res = net_sysctl_write(name, want);
	snprintf(what, sizeof(what), "net/%s", name);
	return res < 0 ? put_failed(r, res, what, want, e) : 0;
}

/* What is set for all changes what is for new ones, and for each. */
int rnet_settings(struct restore *r, struct rnet *n, struct err *e)
{
	const NetnsEntry *m = n->entry;

	const struct place all4 = { r, CONF_V4, "all" }, all6 = { r, CONF_V6, "all" },
			   default4 = { r, CONF_V4, "default" },
			   default6 = { r, CONF_V6, "default" };

	if (put_all(&all4, m->all_conf4, m->n_all_conf4, e) < 0 ||
	    put_all(&all6, m->all_conf6, m->n_all_conf6, e) < 0 ||
	    put_all(&default4, m->def_conf4, m->n_def_conf4, e) < 0 ||
	    put_all(&default6, m->def_conf6, m->n_def_conf6, e) < 0)
		return e->code;
	if (m->n_unix_conf && put_one(r, "unix/max_dgram_qlen", m->unix_conf[0], e) < 0)
		return e->code;
	return m->n_ipv4_sysctl ? put_one(r, "ipv4/ping_group_range", m->ipv4_sysctl[0], e) : 0;
}

/* --- of each interface ---------------------------------------------------------------------------- */

struct comparing {
	struct restore *r;
	const struct rnet *n;
	struct err *e;
};

static int compare(const struct comparing *c, const struct nlmsghdr *m, const NetDeviceEntry *d,
		   int family, struct err *e)
{
	const struct place p = { c->r, family, d->name };
	SysctlEntry **all = family == CONF_V4 ? d->conf4 : d->conf6;
	size_t count = family == CONF_V4 ? d->n_conf4 : d->n_conf6;

	for (size_t i = 0; i < count && i < net_conf_counts[family]; i++) {
		int is;

		if (net_conf_get(m, family, i, &is) && (!all[i]->has_iarg || all[i]->iarg == is))
			continue;
		if (put_conf(&p, i, all[i], e) < 0)
			return e->code;
	}
	return 0;
}

static void hear(const struct nlmsghdr *m, void *arg)
{
	struct comparing *c = arg;
	const struct ifinfomsg *head = NLMSG_DATA(m);
	const struct rlink *l = rnet_link_of(c->n, (uint32_t)head->ifi_index);

	if (m->nlmsg_type != RTM_NEWLINK || c->e->code || !l)
		return;
	if (compare(c, m, l->m, CONF_V4, c->e) == 0)
		(void)!compare(c, m, l->m, CONF_V6, c->e);
}

int rnet_link_settings(struct restore *r, struct rnet *n, struct err *e)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct comparing c = { r, n, e };
	struct rtnl_message question;
	int res;

	rtnl_begin(&question, RTM_GETLINK, 0, &head, sizeof(head));
	rtnl_add_u32(&question, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	res = rtnl_list(n->fd, &question, hear, NULL, &c);
	return res < 0 ? err_res(e, res, "list the interfaces that were made") : e->code;
}
