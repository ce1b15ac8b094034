/* --join-ns NS:PID or NS:FILE: namespaces that are there already, which the tree is to live in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options_set.h"

enum { PID_AT_MOST = 65535 }; /* a larger number is the name of a file, as CRIU has it */

static int kind_of(const char *value, size_t length, enum ns *ret, struct err *e)
{
	for (enum ns k = 0; k < NS_COUNT; k++)
		if (strlen(namespace_kinds[k].name) == length &&
		    strncmp(namespace_kinds[k].name, value, length) == 0) {
			*ret = k;
			return 0;
		}
	return err_say(e, "'%.*s' is no kind of namespace", (int)length, value);
}

static int check_kind(const char *value, enum ns kind, struct err *e)
{
	if (kind == NS_PID) {
		err_say(e, "a tree cannot be put into a pid namespace by '%s'", value);
		return err_hint(e, "dump it with --external pid[INODE]:NAME, and restore it with "
				   "--inherit-fd 'fd[N]:NAME'");
	}
	if (kind == NS_NET || kind == NS_UTS || kind == NS_IPC || kind == NS_TIME)
		return 0;
	return err_code(e, ENOTSUP,
			"option '--join-ns %s' is not supported yet: a tree can be put into "
			"namespaces of the kinds net, uts, ipc and time",
			value);
}

int set_join_ns(struct options *opt, const char *value, struct err *e)
{
	const char *what = strchr(value, ':');
	char path[64], *end;
	unsigned long pid;
	enum ns kind = NS_COUNT;

	if (!what || what == value || !what[1])
		return err_say(e, "'%s' has not the form NS:PID or NS:FILE", value);
	if (kind_of(value, what - value, &kind, e) < 0 || check_kind(value, kind, e) < 0)
		return e->code;
	pid = strtoul(++what, &end, 10);
	if (!*end && pid && pid <= PID_AT_MOST) {
		snprintf(path, sizeof(path), "/proc/%lu/ns/%s", pid, namespace_kinds[kind].name);
		what = path;
	}
	if (access(what, F_OK) < 0)
		return err_sys(e, "'%s': find '%s'", value, what);
	return set_text(&opt->join_ns[kind], what, e);
}
