/*
 * Peers outside of the tree that are services of the machine. What goes to the journal or to syslog is for whoever reads it
 * later, so a new connection is as good as the old one: a stream of the journal begins with some lines that say whose it is, and only
 * the program knows what it had said there. A bus knows names and subscriptions of each connection, which a new one would not have.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dump/fd/unixsk.h"
#include "lib/io.h"

enum service { NONE, SYSLOG, JOURNAL, BUS };

static const struct {
	const char *path;
	enum service service;
} known[] = {
	{ "/dev/log", SYSLOG },
	{ "/run/systemd/journal/dev-log", SYSLOG },
	{ "/run/systemd/journal/syslog", SYSLOG },
	{ "/run/systemd/journal/socket", SYSLOG },
	{ "/run/systemd/journal/stdout", JOURNAL },
	{ "/run/dbus/system_bus_socket", BUS },
	{ "/var/run/dbus/system_bus_socket", BUS },
};

static enum service service_of(const struct unixsk *s)
{
	const ProtobufCBinaryData *name = &s->extra->peer_name;
	unsigned int user;
	int end = 0;
	char path[128];

	if (!name->len || name->len >= sizeof(path) || !name->data[0])
		return NONE;
	snprintf(path, sizeof(path), "%.*s", (int)name->len, name->data);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].path, path) == 0)
			return known[i].service;
	return sscanf(path, "/run/user/%u/bus%n", &user, &end) == 1 && end && !path[end] ? BUS :
											   NONE;
}

bool unixsk_is_log(const struct unixsk *s)
{
	enum service service = service_of(s);

	return service == SYSLOG || service == JOURNAL;
}

/* Name, unit, priority, whether lines may begin with one, and whom else to tell: the usual ones of a service. */
int unixsk_reconnect_log(struct unixsk *s, struct err *e)
{
	const struct file *f = s->file;
	own_mem char *name = NULL;
	char *greeting;

	s->has_extra = true;
	s->extra->has_greeting = 1;
	if (service_of(s) != JOURNAL || s->entry->type != SOCK_STREAM)
		return 0;
	if (io_slurp(f->task->proc_fd, "comm", &name, NULL, e) < 0)
		return e->code;
	greeting = pool_format(&f->dump->pool, "%.*s\n\n6\n1\n0\n0\n0\n", (int)strcspn(name, "\n"),
			       name);
	s->extra->greeting.data = (uint8_t *)greeting;
	s->extra->greeting.len = strlen(greeting);
	return 0;
}

int unixsk_refuse_outside(const struct unixsk *s, struct err *e)
{
	uint32_t ino = s->entry->ino;

	switch (service_of(s)) {
	case SYSLOG:
	case JOURNAL:
		err_code(e, ENOTSUP, "it is connected to the log of the machine, '%.*s'",
			 (int)s->extra->peer_name.len, s->extra->peer_name.data);
		return err_hint(e, "--reconnect-logs has the restore connect it anew");
	case BUS:
		err_code(e, ENOTSUP,
			 "it is connected to a message bus (D-Bus), '%.*s', which knows what a new "
			 "connection would not have",
			 (int)s->extra->peer_name.len, s->extra->peer_name.data);
		return err_hint(e,
				"close it before the dump, or drop the peer with --external "
				"unix[%u]; the program has to connect again then",
				ino);
	default:
		err_code(e, ENOTSUP, "its peer is held by a process outside of the tree");
		return err_hint(e,
				"close it before the dump, or drop the peer with --external "
				"unix[%u] and give another one at restore with --inherit-fd "
				"'fd[N]:socket:[%u]'",
				ino, ino);
	}
}
