/* Whether a tree fits here; see offer.h. All that is wrong is said at once. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/cpuinfo.h"
#include "lib/io.h"
#include "lib/kernel.h"
#include "lib/own.h"
#include "migrate/offer.h"

struct checking {
	const struct options *opt;
	FILE *to;
	uint64_t last_user, last_group; /* asked already; + 1 */
};

static int check_arch(struct checking *k, char *value, struct err *e)
{
	struct utsname name;

	(void)e;
	uname(&name);
	if (strcmp(name.machine, value) != 0)
		fprintf(k->to, "the processor is a %s, not a %s\n", name.machine, value);
	return 0;
}

static int check_page(struct checking *k, char *value, struct err *e)
{
	(void)e;
	if (atol(value) != sysconf(_SC_PAGESIZE))
		fprintf(k->to, "pages have %ld bytes, not %s\n", sysconf(_SC_PAGESIZE), value);
	return 0;
}

static int check_cpu(struct checking *k, char *value, struct err *e)
{
	struct cpuinfo was, here;
	char hex[3] = "";
	struct err why = { 0 };

	if (strlen(value) != 2 * sizeof(was))
		return err_code(e, EPROTO, "what is said about the processor makes no sense");
	for (size_t i = 0; i < sizeof(was); i++) {
		memcpy(hex, value + 2 * i, 2);
		((unsigned char *)&was)[i] = strtoul(hex, NULL, 16);
	}
	was.model_id[sizeof(was.model_id) - 1] = 0;
	cpuinfo_read(&here);
	if (k->opt->cpu_cap && cpuinfo_compare(&was, &here, k->opt->cpu_cap, &why) < 0)
		fprintf(k->to, "%s\n", why.text);
	return 0;
}

static int check_memory(struct checking *k, char *value, struct err *e)
{
	own_mem char *text = NULL;
	uint64_t wanted = strtoull(value, NULL, 10), there;
	size_t size;
	char *line;

	if (io_slurp(AT_FDCWD, "/proc/meminfo", &text, &size, e) < 0)
		return e->code;
	line = strstr(text, "MemAvailable:");
	there = line ? strtoull(line + 13, NULL, 10) << 10 : wanted;
	if (there < wanted)
		fprintf(k->to, "%lu MiB of memory are needed, %lu are free\n", wanted >> 20,
			there >> 20);
	return 0;
}

static int check_pid(struct checking *k, char *value, struct err *e)
{
	own_mem char *most = NULL;
	char name[300];
	size_t size;
	int pid = atoi(value);

	if (pid < 1)
		return err_code(e, EPROTO, "'%s' is no pid", value);
	if (io_slurp(AT_FDCWD, "/proc/sys/kernel/pid_max", &most, &size, e) < 0)
		return e->code;
	if (pid >= atoi(most))
		fprintf(k->to, "pid %d is beyond the largest there (kernel.pid_max)\n", pid);
	else if (kill(pid, 0) == 0 || errno == EPERM)
		fprintf(k->to, "%s is in use\n", proc_name(pid, name, sizeof(name)));
	return 0;
}

static int check_name(FILE *to, const char *what, char *value, bool user)
{
	char *name = strchr(value, '\t');
	unsigned long id = strtoul(value, NULL, 10);
	const struct passwd *p = user ? getpwuid(id) : NULL;
	const struct group *g = user ? NULL : getgrgid(id);
	const char *here = p ? p->pw_name : g ? g->gr_name : NULL;

	if (!name)
		return 0;
	if (!here)
		fprintf(to, "there is no %s %lu (%s)\n", what, id, name + 1);
	else if (strcmp(here, name + 1) != 0)
		fprintf(to, "%s %lu is '%s', not '%s'\n", what, id, here, name + 1);
	return 0;
}

static int check_user(struct checking *k, char *value, struct err *e)
{
	uint64_t id = strtoul(value, NULL, 10) + 1;

	(void)e;
	if (id == k->last_user)
		return 0;
	k->last_user = id;
	return check_name(k->to, "user", value, true);
}

static int check_group(struct checking *k, char *value, struct err *e)
{
	uint64_t id = strtoul(value, NULL, 10) + 1;

	(void)e;
	if (id == k->last_group)
		return 0;
	k->last_group = id;
	return check_name(k->to, "group", value, false);
}

static const struct {
	const char *key;
	int (*check)(struct checking *k, char *value, struct err *e);
} checks[] = {
	{ "arch", check_arch },	    { "page", check_page }, { "cpu", check_cpu },
	{ "memory", check_memory }, { "pid", check_pid },   { "user", check_user },
	{ "group", check_group },
};

static int check_line(struct checking *k, char *line, struct err *e)
{
	char *value = strchr(line, '\t');

	if (!value)
		return err_code(e, EPROTO, "a line of the offer makes no sense");
	if (strncmp(line, "file\t", 5) == 0)
		return wanted_file_check(line, k->to, e);
	*value++ = 0;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (strcmp(checks[i].key, line) == 0)
			return checks[i].check(k, value, e);
	return err_code(e, EPROTO, "the offer speaks of '%s', which is not known here", line);
}

static void check_kernel(FILE *to)
{
	for (int i = 0; i < KERNEL_COUNT; i++) {
		const struct kernel_info *info = kernel_info(i);

		if (info->class == CLASS_MANDATORY && !kernel_has(i))
			fprintf(to, "the kernel has no %s: %s\n", info->name, info->cost);
	}
}

int offer_check(char *text, const struct options *opt, char **ret, struct err *e)
{
	size_t size;
	struct checking k = { .opt = opt, .to = open_memstream(ret, &size) };
	int r = 0;

	if (!k.to)
		return err_sys(e, "memory for the answer");
	check_kernel(k.to);
	for (char *line = text, *next; line && *line && r == 0; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		r = check_line(&k, line, e);
	}
	if (fclose(k.to) != 0 && r == 0)
		r = err_sys(e, "memory for the answer");
	return r;
}
