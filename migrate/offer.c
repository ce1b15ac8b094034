/* What the tree is and needs; see offer.h. */
#include "migrate/offer.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/cpuinfo.h"
#include "lib/io.h"
#include "lib/namespaces.h"
#include "lib/own.h"
#include "migrate/tree.h"

static void say_machine(FILE *to)
{
	struct utsname name;
	struct cpuinfo cpu;

	uname(&name);
	cpuinfo_read(&cpu);
	fprintf(to, "arch\t%s\npage\t%ld\ncpu\t", name.machine, sysconf(_SC_PAGESIZE));
	for (size_t i = 0; i < sizeof(cpu); i++)
		fprintf(to, "%02x", ((const unsigned char *)&cpu)[i]);
	fputc('\n', to);
}

/* Ids of a line of /proc/PID/status, as lines "user ID NAME": those without a name have none over there either. */
static void say_ids(FILE *to, const char *status, const char *key, bool users)
{
	const char *line = strstr(status, key);
	char *end;

	line = line ? line + strlen(key) : NULL;
	for (unsigned long id; line && *line != '\n'; line = end) {
		const struct passwd *user = NULL;
		const struct group *group = NULL;

		line += strspn(line, " \t");
		id = strtoul(line, &end, 10);
		if (end == line)
			break;
		if (users)
			user = getpwuid(id);
		else
			group = getgrgid(id);
		if (user || group)
			fprintf(to, "%s\t%lu\t%s\n", users ? "user" : "group", id,
				user ? user->pw_name : group->gr_name);
	}
}

/* In a pid namespace of its own all numbers are free. */
static bool shares_our_pids(int proc)
{
	own_fd self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return self < 0 || namespace_of(self, "pid") == namespace_of(proc, "pid");
}

static void say_task(FILE *to, int pid)
{
	own_mem char *status = NULL;
	own_pids threads = { 0 };
	struct err ignored = { 0 };
	struct proc_stat stat;
	own_fd proc = -1;
	size_t size;

	if (proc_open(pid, &proc, &ignored) < 0 || proc_stat_read(proc, &stat, &ignored) < 0 ||
	    proc_threads(proc, &threads, &ignored) < 0 ||
	    io_slurp(proc, "status", &status, &size, &ignored) < 0)
		return;
	for (size_t i = 0; i < threads.count && shares_our_pids(proc); i++)
		fprintf(to, "pid\t%d\n", threads.pid[i]);
	say_ids(to, status, "\nUid:", true);
	say_ids(to, status, "\nGid:", false);
	say_ids(to, status, "\nGroups:", false);
}

int offer_make(const struct options *opt, const struct pids *tree, const struct wanted_files *files,
	       struct offer *ret, struct err *e)
{
	bool twice = opt->freeze != FREEZE_STOP;
	FILE *to = open_memstream(&ret->text, &ret->size);
	int r = to ? tree_memory(tree, &ret->memory, e) : err_sys(e, "memory for the offer");

	if (!to)
		return r;
	say_machine(to);
	/* What comes in rounds is kept until it is known which of it counts. */
	fprintf(to, "memory\t%lu\n", ret->memory * (twice ? 2 : 1));
	for (size_t i = 0; i < tree->count; i++)
		say_task(to, tree->pid[i]);
	for (size_t i = 0; i < files->count && r == 0; i++)
		r = wanted_file_say(&files->all[i], to, e);
	if (fclose(to) != 0 && r == 0)
		r = err_sys(e, "memory for the offer");
	return r;
}
