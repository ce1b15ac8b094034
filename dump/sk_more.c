/* Options of sockets that are kept in stasis-files.img; see sk_more.h. */
#include "dump/sk_more.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

const struct sk_more sk_more_any[] = {
	{ SOL_SOCKET, SO_DEBUG, 0 },
	{ SOL_SOCKET, SO_TIMESTAMP, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPNS, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPING, 0 },
	{ SOL_SOCKET, SO_TIMESTAMP_NEW, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPNS_NEW, 0 },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, 0 },
	{ SOL_SOCKET, SO_RXQ_OVFL, 0 },
	{ SOL_SOCKET, SO_LOCK_FILTER, 0 },
};
const size_t sk_more_any_count = ARRAY_SIZE(sk_more_any);

void sk_more_add(struct file *f, int level, int name, int value)
{
	FileExtraEntry *x = files_extra(f);
	SkOption *o = pool_new(&f->dump->pool, SkOption);
	SkOption **more = pool_array(&f->dump->pool, SkOption *, x->n_options + 1);

	sk_option__init(o);
	o->level = level;
	o->name = name;
	o->value = value;
	if (x->n_options)
		memcpy(more, x->options, x->n_options * sizeof(*more));
	more[x->n_options++] = o;
	x->options = more;
}

void sk_more_read(struct file *f, const struct sk_more *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		socklen_t size = sizeof(int);
		int value = 0;

		if (getsockopt(f->fd, rows[i].level, rows[i].name, &value, &size) == 0 &&
		    value != rows[i].usual)
			sk_more_add(f, rows[i].level, rows[i].name, value);
	}
}

int sk_more_check_ns(const struct file *f, struct err *e)
{
	own_fd ns = ioctl(f->fd, SIOCGSKNS);
	struct stat its, ours;

	/* A kernel that does not tell, or to whom we may not say so. */
	if (ns < 0 || fstat(ns, &its) < 0 || stat("/proc/self/ns/net", &ours) < 0 ||
	    its.st_ino == ours.st_ino)
		return 0;
	err_code(e, ENOTSUP, "it is of another network namespace");
	return err_hint(e, "run stasis in that one");
}
