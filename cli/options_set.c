/*
 * What options with a value of their own shape do; see options_set.h. Numbers are read as atoi
 * does, as CRIU has it.
 */
#include "cli/options_set.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "images/codec.h"
#include "lib/io.h"
#include "lib/own.h"

enum { MOST_KEPT = 100 };
#define LONGEST_EVERY_US 86400000000UL

int set_text(char **at, const char *value, struct err *e)
{
	char *copy = strdup(value);

	if (!copy)
		return err_sys(e, "memory for '%s'", value);
	free(*at);
	*at = copy;
	return 0;
}

int list_add(struct string_list *list, const char *value, struct err *e)
{
	char *copy = NULL;
	int r = io_grow(&list->item, list->count, sizeof(*list->item), e);

	if (r == 0)
		r = set_text(&copy, value, e);
	if (r < 0)
		return r;
	list->item[list->count++] = copy;
	return 0;
}

int set_tree(struct options *opt, const char *value, struct err *e)
{
	opt->tree = value ? atoi(value) : 0;
	if (opt->tree <= 0)
		return err_say(e, "'%s' is not a pid", value ? value : "");
	return 0;
}

int set_freeze(struct options *opt, const char *value, struct err *e)
{
	for (enum freeze_mode i = 0; i <= FREEZE_LAST; i++)
		if (strcmp(value, freeze_word(i)) == 0) {
			opt->freeze = i;
			return 0;
		}
	return err_say(e, "'%s' is no way to freeze: auto, stop, cow or precopy", value);
}

int set_network_lock(struct options *opt, const char *value, struct err *e)
{
	if (strcmp(value, "nftables") == 0)
		opt->network_lock = NETWORK_LOCK_NFTABLES;
	else if (strcmp(value, "skip") == 0 || strcmp(value, "none") == 0)
		opt->network_lock = NETWORK_LOCK_SKIP;
	else if (strcmp(value, "iptables") == 0)
		return err_say(e, "'iptables' is not supported; nftables does the same");
	else
		return err_say(e, "'%s' is no way to block connections: nftables or skip", value);
	return 0;
}

int set_max_rounds(struct options *opt, const char *value, struct err *e)
{
	int n = atoi(value);

	if (n < 1 || n > STATS_ROUNDS)
		return err_say(e, "'%s' is no number of rounds: 1 to %d", value, STATS_ROUNDS);
	opt->max_rounds = n;
	return 0;
}

int set_max_freeze(struct options *opt, const char *value, struct err *e)
{
	int ms = atoi(value);

	if (ms < 1)
		return err_say(e, "'%s' is no time in milliseconds", value);
	opt->max_freeze = ms;
	return 0;
}

/* Memory is read from outside while the tree runs, and areas without PROT_READ too: what either word asks for. */
int set_pre_dump_mode(struct options *opt, const char *value, struct err *e)
{
	(void)opt;
	if (strcmp(value, "splice") == 0 || strcmp(value, "read") == 0)
		return 0;
	return err_say(e, "'%s' is no mode of a pre-dump: splice or read", value);
}

int set_every(struct options *opt, const char *value, struct err *e)
{
	static const struct {
		const char *name;
		uint64_t us;
	} units[] = { { "ms", 1000 },
		      { "s", 1000000 },
		      { "", 1000000 },
		      { "m", 60000000 },
		      { "h", 3600000000 } };
	char *unit;
	unsigned long n = strtoul(value, &unit, 10);

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(unit, units[i].name) != 0 || *value < '0' || *value > '9')
			continue;
		if (n < 1 || n > LONGEST_EVERY_US / units[i].us)
			break;
		opt->every_us = n * units[i].us;
		return 0;
	}
	return err_say(e, "'%s' is no interval from 1ms to 24h: a number with ms, s, m or h",
		       value);
}

int set_keep(struct options *opt, const char *value, struct err *e)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (end == value || *end || n < 1 || n > MOST_KEPT)
		return err_say(e, "'%s' is no number of checkpoints: 1 to %d", value, MOST_KEPT);
	opt->keep = n;
	return 0;
}

/* -R and -s are one setting: the last given wins. */
int set_leave_running(struct options *opt, const char *value, struct err *e)
{
	(void)value, (void)e;
	opt->leave_running = true;
	opt->leave_stopped = false;
	return 0;
}

int set_leave_stopped(struct options *opt, const char *value, struct err *e)
{
	(void)value, (void)e;
	opt->leave_stopped = true;
	opt->leave_running = false;
	return 0;
}

int set_timeout(struct options *opt, const char *value, struct err *e)
{
	int seconds = atoi(value);

	if (seconds < 0)
		return err_say(e, "a timeout of %s seconds cannot be kept", value);
	opt->timeout = seconds;
	return 0;
}

int parse_size(const char *value, uint64_t *ret, struct err *e)
{
	char *unit;
	unsigned shift = 0;
	uint64_t size;

	errno = 0;
	size = strtoull(value, &unit, 10);
	if (unit == value || value[0] == '-' || errno)
		return err_say(e, "'%s' is not a size", value);
	if (*unit == 'K')
		shift = 10;
	else if (*unit == 'M')
		shift = 20;
	else if (*unit == 'G')
		shift = 30;
	if (size << shift >> shift != size)
		return err_say(e, "a size of '%s' is too large", value);
	*ret = size << shift;
	return 0;
}

int set_ghost_limit(struct options *opt, const char *value, struct err *e)
{
	return parse_size(value, &opt->ghost_limit, e);
}

int set_file_validation(struct options *opt, const char *value, struct err *e)
{
	if (strcmp(value, "filesize") == 0)
		opt->file_validation = FILE_VALIDATION_FILESIZE;
	else if (strcmp(value, "buildid") == 0)
		opt->file_validation = FILE_VALIDATION_BUILDID;
	else
		return err_say(e,
			       "'%s' is no way to recognise a file: 'filesize' and 'buildid' are",
			       value);
	return 0;
}

/*
 * One word of --cpu-cap; "^" in front takes away. Returns the new set, or -1 for an unknown word.
 */
static int cpu_cap_word(int caps, const char *word)
{
	static const struct {
		const char *name;
		int caps;
	} words[] = {
		{ "fpu", CPU_CAP_FPU },
		{ "cpu", CPU_CAP_CPU },
		{ "ins", CPU_CAP_INS },
		{ "all", CPU_CAP_ALL },
	};
	bool away = *word == '^';

	word += away;
	if (strcmp(word, "none") == 0)
		return away ? CPU_CAP_ALL : 0;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].name, word) == 0)
			return away ? caps & ~words[i].caps : caps | words[i].caps;
	}
	return -1;
}

int set_cpu_cap(struct options *opt, const char *value, struct err *e)
{
	int caps = value ? CPU_CAP_FPU | CPU_CAP_INS : CPU_CAP_ALL;
	own_mem char *copy = NULL;
	char *rest, *word;
	int r = set_text(&copy, value ? value : "all", e);

	if (r < 0)
		return r;
	for (word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		caps = cpu_cap_word(caps, word);
		if (caps < 0)
			return err_say(e,
				       "'%s' is no processor capability: 'fpu', 'cpu', 'ins', "
				       "'all' and "
				       "'none' are",
				       word);
	}
	opt->cpu_cap = caps;
	opt->cpu_cap_image = caps != 0;
	return 0;
}

int set_manage_cgroups(struct options *opt, const char *value, struct err *e)
{
	static const char *const words[] = {
		[CGROUPS_SOFT] = "soft", [CGROUPS_NONE] = "none",     [CGROUPS_PROPS] = "props",
		[CGROUPS_FULL] = "full", [CGROUPS_STRICT] = "strict", [CGROUPS_IGNORE] = "ignore",
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(value ? value : "soft", words[i]) == 0) {
			opt->cgroup_mode = i;
			return 0;
		}
	return err_say(e,
		       "'%s' is no way to manage cgroups: soft, none, props, full, strict or "
		       "ignore",
		       value);
}

static bool leads_away(const char *path)
{
	return *path != '/' || strstr(path, "/../") ||
	       (strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0);
}

/* [CTL:]/PATH; an empty CTL is the hierarchy of version 2 in what runtimes say. */
int set_cgroup_root(struct options *opt, const char *value, struct err *e)
{
	const char *path = strchr(value, '/');
	struct cgroup_root r = { 0 };
	size_t end;

	if (!path || leads_away(path) || (path != value && path[-1] != ':'))
		return err_say(e, "'%s' has not the form [CTL:]/PATH", value);
	if (io_grow(&opt->cgroup_roots, opt->cgroup_root_count, sizeof(r), e) < 0 ||
	    set_text(&r.path, path, e) < 0)
		return e->code;
	for (end = strlen(r.path); end > 1 && r.path[end - 1] == '/';)
		r.path[--end] = 0;
	if (path != value) {
		r.controller = strndup(value, path - value - 1);
		if (!r.controller) {
			free(r.path);
			return err_sys(e, "memory for '%s'", value);
		}
	}
	opt->cgroup_roots[opt->cgroup_root_count++] = r;
	return 0;
}

int set_cgroup_controller(struct options *opt, const char *value, struct err *e)
{
	return list_add(&opt->cgroup_controllers, value, e);
}

/* fd[N]:KEY makes an entry, debug[N]:TEXT writes TEXT to N here and now. */
int set_inherit_fd(struct options *opt, const char *value, struct err *e)
{
	bool debug = strncmp(value, "debug[", 6) == 0;
	const char *number = value + (debug ? 6 : 3);
	char *end, *key = NULL;
	long fd;
	int r;

	if (!debug && strncmp(value, "fd[", 3) != 0)
		return err_say(e, "'%s' has not the form fd[N]:KEY", value);
	fd = strtol(number, &end, 10);
	if (end == number || strncmp(end, "]:", 2) != 0 || !end[2])
		return err_say(e, "'%s' has not the form fd[N]:KEY", value);
	if (fd < 0 || fd > INT32_MAX || fcntl((int)fd, F_GETFD) < 0)
		return err_say(e, "'%s' names a descriptor that is not open", value);
	if (debug)
		return io_write((int)fd, end + 2, strlen(end + 2), value, e);
	r = io_grow(&opt->inherit_fds, opt->inherit_count, sizeof(*opt->inherit_fds), e);
	if (r == 0)
		r = set_text(&key, end + 2, e);
	if (r < 0)
		return r;
	opt->inherit_fds[opt->inherit_count++] = (struct inherit_fd){ (int)fd, key };
	return 0;
}

int set_tcp_rebind(struct options *opt, const char *value, struct err *e)
{
	const char *new = strchr(value, '=');
	struct tcp_rebind r = { .six = strchr(value, ':') != NULL };
	int family = r.six ? AF_INET6 : AF_INET;
	char old[64];

	snprintf(old, sizeof(old), "%.*s", (int)strcspn(value, "="), value);
	if (!new || inet_pton(family, old, r.old) != 1 || inet_pton(family, new + 1, r.new) != 1)
		return err_say(e, "'%s' has not the form OLD=NEW, two addresses of one kind",
			       value);
	if (io_grow(&opt->tcp_rebinds, opt->rebind_count, sizeof(r), e) < 0)
		return e->code;
	opt->tcp_rebinds[opt->rebind_count++] = r;
	return 0;
}

/*
 * The kinds that come later are refused here and not at their object, which a restore may never
 * meet.
 */
int set_external(struct options *opt, const char *value, struct err *e)
{
	static const char *const types[] = { "file[", "tty[",  "unix[",	  "dev[",
					     "net[",  "pid[",  "veth[",  "macvlan[" };
	size_t type = strcspn(value, "[:");
	size_t id = type + strcspn(value + type, "]");

	if (value[type] != '[' || value[id] != ']' || (value[id + 1] && value[id + 1] != ':'))
		return err_say(e, "'%s' has not the form TYPE[ID] or TYPE[ID]:VALUE", value);
	if (strncmp(value, "dev[", 4) == 0 && !(value[id + 1] && value[id + 2]))
		return err_say(e, "'%s' has not the form dev[MAJOR/MINOR]:NAME or dev[NAME]:PATH",
			       value);
	if (strncmp(value, "mnt[", 4) == 0)
		return set_external_mount(opt, value, e);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strncmp(value, types[i], strlen(types[i])) == 0)
			return check_external_net(value, e) < 0 ?
				       e->code :
				       list_add(&opt->external, value, e);
	return err_code(
		e, ENOTSUP,
		"option '--external %s' is not supported yet: external resources can be of "
		"the types 'file', 'tty', 'unix', 'dev', 'mnt', 'net', 'pid', 'veth' and 'macvlan'",
		value);
}

/* The old way to say --external unix[INODE], and for all datagram sockets at once. */
int set_ext_unix_sk(struct options *opt, const char *value, struct err *e)
{
	char text[32], *end;

	if (!value) {
		opt->ext_unix_sk = true;
		return 0;
	}
	for (const char *at = value;; at = end + 1) {
		unsigned long inode = strtoul(at, &end, 10);

		if (end == at || !inode || inode > UINT32_MAX || (*end && *end != ','))
			return err_say(e, "'%s' is no list of inode numbers", value);
		snprintf(text, sizeof(text), "unix[%lu]", inode);
		if (list_add(&opt->external, text, e) < 0)
			return e->code;
		if (!*end)
			return 0;
	}
}

int set_irmap_scan_path(struct options *opt, const char *value, struct err *e)
{
	if (value[0] != '/')
		return err_say(e, "'%s' is not an absolute path", value);
	return list_add(&opt->irmap_scan_paths, value, e);
}

int set_action_script(struct options *opt, const char *value, struct err *e)
{
	return list_add(&opt->action_scripts, value, e);
}

/* Its words stand behind the command and are put here once all is read. */
int set_exec_cmd(struct options *opt, const char *value, struct err *e)
{
	(void)value;
	if (opt->exec_cmd)
		return 0;
	opt->exec_cmd = calloc(1, sizeof(*opt->exec_cmd));
	return opt->exec_cmd ? 0 : err_sys(e, "memory for --exec-cmd");
}

/* -v: one more; -vN: N; -vvv: one more for each. */
int set_verbosity(struct options *opt, const char *value, struct err *e)
{
	size_t more = value ? strspn(value, "v") : 0;

	if (!value) {
		opt->verbosity++;
		return 0;
	}
	if (more && !value[more]) {
		opt->verbosity += 1 + (int)more;
		return 0;
	}
	if (value[0] < '0' || value[0] > '9')
		return err_say(e, "'%s' is not a level of verbosity: 0 to 4 are", value);
	opt->verbosity = atoi(value);
	return 0;
}

int set_close(struct options *opt, const char *value, struct err *e)
{
	(void)opt;
	if (close(atoi(value)) < 0)
		return err_sys(e, "close descriptor '%s'", value);
	return 0;
}

int set_compress(struct options *opt, const char *value, struct err *e)
{
	/* Not even where the link is slow; 'none' of a dump is what there is anyway. */
	opt->migrate.plain = value && strcmp(value, "none") == 0;
	if (opt->migrate.plain) {
		opt->compress.codec = NULL;
		return 0;
	}
	return compression_parse(&opt->compress, value, e);
}

int set_removed(struct options *opt, const char *value, struct err *e)
{
	(void)opt, (void)value;
	return err_code(e, ENOTSUP, "option '--ms' is gone from CRIU; see --help for 'check'");
}

int set_all(struct options *opt, const char *value, struct err *e)
{
	(void)value, (void)e;
	opt->check_extra = true;
	opt->check_experimental = true;
	return 0;
}
