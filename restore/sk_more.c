/* Options of sockets that only we keep; see sk_more.h. */
#include "restore/sk_more.h"

#include <errno.h>
#include <sys/socket.h>

/* What a socket is made with. */
static bool is_made_so(const SkOption *o)
{
	return o->level == SOL_SOCKET && o->name == SO_TYPE;
}

int sk_more_set(const struct restore *r, uint32_t id, int fd, struct err *e)
{
	const FileExtraEntry *x = rfiles_extra(r, id);

	for (size_t i = 0; x && i < x->n_options; i++) {
		const SkOption *o = x->options[i];
		int value = o->value, now;
		socklen_t size = sizeof(now);

		if (is_made_so(o) ||
		    (getsockopt(fd, o->level, o->name, &now, &size) == 0 && now == value))
			continue;
		if (setsockopt(fd, o->level, o->name, &value, sizeof(value)) < 0)
			return err_sys(e, "set option %u of level %u to %d", o->name, o->level,
				       value);
	}
	return 0;
}

int sk_more_value(const struct restore *r, uint32_t id, int level, int name, int usual)
{
	const FileExtraEntry *x = rfiles_extra(r, id);

	for (size_t i = 0; x && i < x->n_options; i++)
		if ((int)x->options[i]->level == level && (int)x->options[i]->name == name)
			return x->options[i]->value;
	return usual;
}
