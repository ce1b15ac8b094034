/*
 * Removing locks made by iptables; see netlock_iptables.h. What is there is asked of iptables-save, and what belongs to us is taken
 * away by one iptables-restore: a rule that it does not find would make it refuse all of them.
 */
#include "lib/netlock_iptables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"

extern char **environ;

/* Its input and output are files; what it complains of goes into the log. ENOENT: there is no such program. */
static int run(char *const *words, int in, int out, struct err *e)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	pid_t pid;
	int res, status;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, log_fd(), STDERR_FILENO);
	res = posix_spawnp(&pid, words[0], &files, &attr, words, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	if (res)
		return err_code(e, res, "start '%s': %s", words[0], strerror(res));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "wait for '%s'", words[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_say(e, "'%s' has failed; the log has its reason", words[0]);
	return 0;
}

static bool is_of(const struct netlock_pair *p, const struct netlock_pair *rule)
{
	size_t size = p->six ? 16 : 4;

	return p->six == rule->six && p->there_port == rule->there_port &&
	       p->here_port == rule->here_port && memcmp(p->here, rule->here, size) == 0 &&
	       memcmp(p->there, rule->there, size) == 0;
}

/* A line of iptables-save that drops packets of one of the connections. */
static bool is_ours(const char *line, bool six, const struct netlock_pair *pairs, size_t count)
{
	char chain[16], from[64], to[64];
	unsigned int mark, bits[2], ports[2];
	struct netlock_pair rule = { .six = six };
	bool in;
	int end = 0;

	if (sscanf(line,
		   "-A %15s -s %63[^/]/%u -d %63[^/]/%u -p tcp -m mark ! --mark %x -m tcp --sport "
		   "%u --dport %u -j DROP%n",
		   chain, from, &bits[0], to, &bits[1], &mark, &ports[0], &ports[1], &end) != 8 ||
	    !end || line[end] || mark != NETLOCK_MARK)
		return false;
	in = strcmp(chain, "INPUT") == 0;
	if (!in && strcmp(chain, "OUTPUT") != 0)
		return false;
	if (inet_pton(six ? AF_INET6 : AF_INET, from, in ? rule.there : rule.here) != 1 ||
	    inet_pton(six ? AF_INET6 : AF_INET, to, in ? rule.here : rule.there) != 1)
		return false;
	rule.there_port = ports[!in];
	rule.here_port = ports[in];
	for (size_t i = 0; i < count; i++)
		if (is_of(&pairs[i], &rule))
			return true;
	return false;
}

/* What was saved becomes what is to be removed. 0: nothing. */
static size_t turn_round(char *saved, bool six, const struct netlock_pair *pairs, size_t count,
			 FILE *out)
{
	size_t found = 0;
	char *rest = saved, *line;

	fputs("*filter\n", out);
	while ((line = strsep(&rest, "\n"))) {
		if (!is_ours(line, six, pairs, count))
			continue;
		fprintf(out, "-D%s\n", line + 2);
		found++;
	}
	fputs("COMMIT\n", out);
	return found;
}

static int remove_family(bool six, const struct netlock_pair *pairs, size_t count, struct err *e)
{
	char *save[] = { six ? "ip6tables-save" : "iptables-save", "-t", "filter", NULL };
	char *restore[] = { six ? "ip6tables-restore" : "iptables-restore", "-n", "-w", NULL };
	own_fd is = memfd_create("rules", MFD_CLOEXEC);
	own_fd none = open("/dev/null", O_RDWR | O_CLOEXEC);
	own_mem char *saved = NULL;
	char path[64];
	size_t found;
	int r;

	if (is < 0 || none < 0)
		return err_sys(e, "make room for the rules of iptables");
	r = run(save, none, is, e);
	if (r == -ENOENT)
		*e = (struct err){ 0 };
	if (r < 0)
		return e->code;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", is);
	if (io_slurp(AT_FDCWD, path, &saved, NULL, e) < 0)
		return e->code;
	own_file out = fopen(path, "w");
	if (!out)
		return err_sys(e, "write the rules of iptables");
	found = turn_round(saved, six, pairs, count, out);
	if (!found)
		return 0;
	if (fflush(out) != 0 || lseek(is, 0, SEEK_SET) != 0)
		return err_sys(e, "write the rules of iptables");
	log_debug("%zu rules of %s are removed", found, restore[0]);
	return run(restore, is, none, e);
}

int netlock_iptables_remove(const struct netlock_pair *pairs, size_t count, struct err *e)
{
	bool has[2] = { false, false };

	for (size_t i = 0; i < count; i++)
		has[pairs[i].six] = true;
	if ((has[0] && remove_family(false, pairs, count, e) < 0) ||
	    (has[1] && remove_family(true, pairs, count, e) < 0))
		return err_hint(e, "rules of CRIU still drop the connections' packets: see "
				   "'iptables -S'");
	return 0;
}
