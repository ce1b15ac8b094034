/*
 * Settings of control groups; see cgroup_props.h. Which there are is in the kernel's Documentation/admin-guide/cgroup-v1
 * and cgroup-v2.rst; those that only take an action (memory.reclaim), count, or tell, are none.
 */
#include "lib/cgroup_props.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/own.h"

/* For each part of the value, with something before it; a failure ends it. */
struct parts {
	const char *separators, *before;
};

static const struct parts lines = { "\n", "" };

static int write_each(int dir, const char *name, const char *value, const struct parts *parts,
		      struct err *e)
{
	own_mem char *copy = strdup(value), *text = malloc(strlen(value) + 8);
	char *part, *rest = copy;

	if (!copy || !text)
		return err_sys(e, "memory for cgroups");
	while ((part = strsep(&rest, parts->separators))) {
		if (!*part)
			continue;
		strcat(strcpy(text, parts->before), part);
		if (io_put(dir, name, text, e) < 0)
			return e->code;
	}
	return 0;
}

/* What is not in the list is forbidden. A new group may what the one above it may. */
static int write_devices(int dir, const char *name, const char *value, struct err *e)
{
	(void)name;
	if (strcmp(value, "a *:* rwm") == 0)
		return io_put(dir, "devices.allow", "a", e);
	if (io_put(dir, "devices.deny", "a", e) < 0)
		return e->code;
	return write_each(dir, "devices.allow", value, &lines, e);
}

/* "oom_kill_disable 1", and counters. */
static int write_oom_control(int dir, const char *name, const char *value, struct err *e)
{
	const char *number = strchr(value, ' ');

	return number && number[1] == '1' ? io_put(dir, name, "1", e) : 0;
}

/* "threaded"; what else it may be follows from the groups around it. */
static int write_type(int dir, const char *name, const char *value, struct err *e)
{
	return strcmp(value, "threaded") == 0 ? io_put(dir, name, value, e) : 0;
}

static int write_subtree_control(int dir, const char *name, const char *value, struct err *e)
{
	static const struct parts controllers = { " \n", "+" };

	return write_each(dir, name, value, &controllers, e);
}

/* "root invalid (...)": what the user had asked for comes first. */
static int write_partition(int dir, const char *name, const char *value, struct err *e)
{
	own_mem char *word = strdup(value);

	if (!word)
		return err_sys(e, "memory for cgroups");
	word[strcspn(word, " ")] = 0;
	return strcmp(word, "member") == 0 ? 0 : io_put(dir, name, word, e);
}

/* "FREEZING" is no state that can be written. */
static int write_freezer(int dir, const char *name, const char *value, struct err *e)
{
	return strcmp(value, "THAWED") == 0 ? 0 : io_put(dir, name, "FROZEN", e);
}

/* In the order in which they have to be written. */
const struct cgroup_prop cgroup_props[] = {
	{ "cgroup", "cgroup.clone_children", CGROUP_EARLY, NULL },
	{ "cgroup", "notify_on_release", CGROUP_LATE, NULL },
	{ "cpuset", "cpuset.cpus", CGROUP_EARLY, NULL },
	{ "cpuset", "cpuset.mems", CGROUP_EARLY, NULL },
	{ "cpuset", "cpuset.cpu_exclusive", CGROUP_LATE, NULL },
	{ "cpuset", "cpuset.mem_exclusive", CGROUP_LATE, NULL },
	{ "cpuset", "cpuset.mem_hardwall", CGROUP_LATE, NULL },
	{ "cpuset", "cpuset.memory_migrate", CGROUP_LATE, NULL },
	{ "cpuset", "cpuset.memory_spread_page", CGROUP_LATE, NULL },
	{ "cpuset", "cpuset.memory_spread_slab", CGROUP_LATE, NULL },
	{ "cpuset", "cpuset.sched_load_balance", CGROUP_LATE, NULL },
	{ "cpuset", "cpuset.sched_relax_domain_level", CGROUP_LATE, NULL },
	{ "devices", "devices.list", CGROUP_EARLY, write_devices },
	{ "memory", "memory.use_hierarchy", CGROUP_EARLY, NULL },
	{ "memory", "memory.swappiness", CGROUP_EARLY, NULL },
	{ "memory", "memory.oom_control", CGROUP_EARLY, write_oom_control },
	{ "memory", "memory.move_charge_at_immigrate", CGROUP_LATE, NULL },
	{ "memory", "memory.limit_in_bytes", CGROUP_LATE, NULL },
	{ "memory", "memory.memsw.limit_in_bytes", CGROUP_LATE, NULL },
	{ "memory", "memory.soft_limit_in_bytes", CGROUP_LATE, NULL },
	{ "memory", "memory.kmem.tcp.limit_in_bytes", CGROUP_LATE, NULL },
	{ "cpu", "cpu.shares", CGROUP_LATE, NULL },
	{ "cpu", "cpu.cfs_period_us", CGROUP_LATE, NULL },
	{ "cpu", "cpu.cfs_quota_us", CGROUP_LATE, NULL },
	{ "cpu", "cpu.cfs_burst_us", CGROUP_LATE, NULL },
	{ "cpu", "cpu.rt_period_us", CGROUP_LATE, NULL },
	{ "cpu", "cpu.rt_runtime_us", CGROUP_EARLY,
	  NULL }, /* a task with a real-time policy is not let in without */
	{ "cpu", "cpu.idle", CGROUP_LATE, NULL },
	{ "blkio", "blkio*.weight", CGROUP_LATE, NULL },
	{ "blkio", "blkio*.weight_device", CGROUP_LATE, NULL },
	{ "blkio", "blkio.throttle.*_device", CGROUP_LATE, NULL },
	{ "pids", "pids.max", CGROUP_LATE, NULL },
	{ "net_cls", "net_cls.classid", CGROUP_LATE, NULL },
	{ "net_prio", "net_prio.ifpriomap", CGROUP_LATE, NULL },
	{ "hugetlb", "hugetlb.*limit_in_bytes", CGROUP_LATE, NULL },
	{ "rdma", "rdma.max", CGROUP_LATE, NULL },
	{ "misc", "misc.max", CGROUP_LATE, NULL },
	{ "freezer", "freezer.state", CGROUP_LAST, write_freezer },
	{ "", "cgroup.type", CGROUP_EARLY, write_type },
	{ "", "cgroup.subtree_control", CGROUP_EARLY, write_subtree_control },
	{ "", "cgroup.max.depth", CGROUP_LATE, NULL },
	{ "", "cgroup.max.descendants", CGROUP_LATE, NULL },
	{ "", "cgroup.pressure", CGROUP_LATE, NULL },
	{ "", "cpuset.cpus", CGROUP_EARLY, NULL },
	{ "", "cpuset.mems", CGROUP_EARLY, NULL },
	{ "", "cpuset.cpus.exclusive", CGROUP_LATE, NULL },
	{ "", "cpuset.cpus.partition", CGROUP_LATE, write_partition },
	{ "", "cpu.weight", CGROUP_LATE, NULL },
	{ "", "cpu.max", CGROUP_LATE, NULL },
	{ "", "cpu.max.burst", CGROUP_LATE, NULL },
	{ "", "cpu.idle", CGROUP_LATE, NULL },
	{ "", "cpu.uclamp.m*", CGROUP_LATE, NULL },
	{ "", "memory.min", CGROUP_LATE, NULL },
	{ "", "memory.low", CGROUP_LATE, NULL },
	{ "", "memory.high", CGROUP_LATE, NULL },
	{ "", "memory.max", CGROUP_LATE, NULL },
	{ "", "memory.oom.group", CGROUP_LATE, NULL },
	{ "", "memory.swap.high", CGROUP_LATE, NULL },
	{ "", "memory.swap.max", CGROUP_LATE, NULL },
	{ "", "memory.zswap.max", CGROUP_LATE, NULL },
	{ "", "memory.zswap.writeback", CGROUP_LATE, NULL },
	{ "", "io.weight", CGROUP_LATE, NULL },
	{ "", "io.bfq.weight", CGROUP_LATE, NULL },
	{ "", "io.prio.class", CGROUP_LATE, NULL },
	{ "", "io.max", CGROUP_LATE, NULL },
	{ "", "io.latency", CGROUP_LATE, NULL },
	{ "", "pids.max", CGROUP_LATE, NULL },
	{ "", "hugetlb.*.max", CGROUP_LATE, NULL },
	{ "", "rdma.max", CGROUP_LATE, NULL },
	{ "", "misc.max", CGROUP_LATE, NULL },
	{ "", "cgroup.freeze", CGROUP_LAST, NULL },
};

const size_t cgroup_prop_count = ARRAY_SIZE(cgroup_props);

const struct cgroup_prop *cgroup_prop_find(const char *file)
{
	for (size_t i = 0; i < cgroup_prop_count; i++)
		if (fnmatch(cgroup_props[i].name, file, 0) == 0)
			return &cgroup_props[i];
	return NULL;
}

static bool says_so(int dir, const char *name, const char *value)
{
	struct err ignored = { 0 };
	own_mem char *text = NULL;
	size_t size = 0;

	if (io_slurp(dir, name, &text, &size, &ignored) < 0)
		return false;
	if (size && text[size - 1] == '\n')
		text[size - 1] = 0;
	return strcmp(text, value) == 0;
}

int cgroup_prop_write(int dir, const char *name, const char *value, struct err *e)
{
	const struct cgroup_prop *p = cgroup_prop_find(name);

	if (!*value || says_so(dir, name, value))
		return 0;
	return p && p->write ? p->write(dir, name, value, e) :
			       write_each(dir, name, value, &lines, e);
}
