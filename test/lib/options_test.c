/*
 * Command lines and configuration files: what is understood, what is refused, and with which
 * sentence.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/config.h"
#include "cli/options.h"
#include "test/lib/unit.h"

#define NO_FILES "--no-default-config"

static struct invocation inv;
static struct err error;

/* Words of one line, separated by single blanks; the first is the program. */
static int parse(const char *line)
{
	static char copy[1024];
	static char *argv[64];
	char *word, *rest;
	int argc = 0;

	error = (struct err){};
	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	argv[argc] = NULL;
	/* What getopt complains about is not looked at here. */
	assert(freopen("/dev/null", "w", stderr));
	return options_parse(&inv, argc, argv, &error);
}

static void understands(const char *line)
{
	if (parse(line) == PARSE_RUN)
		return;
	printf("# '%s': %s\n", line, error.text);
	abort();
}

/* A file of options, read by --config. */
static int parse_file(const char *text, const char *more)
{
	char path[] = "/tmp/stasis-options.XXXXXX";
	char line[256];
	int fd = mkstemp(path);
	int r;

	assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	snprintf(line, sizeof(line), "stasis check --config %s %s", path, more);
	r = parse(line);
	unlink(path);
	return r;
}

static void defaults(void)
{
	understands("stasis check " NO_FILES);
	assert(inv.command->id == COMMAND_CHECK);
	assert(inv.opt.verbosity == 2 && inv.opt.timeout == 10);
	assert(inv.opt.ghost_limit == 1 << 20 && inv.opt.ghost_fiemap);
	assert(inv.opt.cpu_cap == (CPU_CAP_FPU | CPU_CAP_INS) && !inv.opt.cpu_cap_image);
	assert(inv.opt.file_validation == FILE_VALIDATION_BUILDID);
	assert(inv.opt.images_fd == -1 && !inv.opt.images_dir && !inv.opt.log_file);
}

static void words_and_options_mix(void)
{
	understands("stasis -D img dump -v4 -t 12 --leave-running -o log");
	assert(inv.command->id == COMMAND_DUMP && inv.opt.tree == 12);
	assert(inv.opt.leave_running && inv.opt.verbosity == 4);
	assert(!strcmp(inv.opt.images_dir, "img") && !strcmp(inv.opt.log_file, "log"));
	understands("stasis restore -d --images-dir=img --pidfile p -rroot");
	assert(inv.opt.detached && !strcmp(inv.opt.pidfile, "p") && !strcmp(inv.opt.root, "root"));
	/* An unambiguous beginning will do. */
	understands("stasis restore --images img --no-dis --restore-d");
	assert(inv.opt.detached && !strcmp(inv.opt.images_dir, "img"));
}

static void last_one_wins(void)
{
	understands("stasis dump -t 1 -t 2 -o a -o b -R -s");
	assert(inv.opt.tree == 2 && !strcmp(inv.opt.log_file, "b"));
	assert(inv.opt.leave_stopped && !inv.opt.leave_running);
	understands("stasis dump -t 1 -s -R");
	assert(!inv.opt.leave_stopped && inv.opt.leave_running);
	understands("stasis restore -d --no-daemon -j --no-shell-job -l");
	assert(!inv.opt.detached && !inv.opt.shell_job && inv.opt.file_locks);
	understands("stasis dump -t 1 --no-ghost-fiemap");
	assert(!inv.opt.ghost_fiemap);
}

static void lists_grow(void)
{
	const char *value = NULL;

	understands("stasis restore --external file[1:2f]:x --action-script a --external "
		    "tty[8800:1b] --action-script b --inherit-fd fd[0]:pipe:[4] --inherit-fd "
		    "fd[1]:pipe:[4]");
	assert(inv.opt.external.count == 2 && inv.opt.action_scripts.count == 2);
	assert(options_external(&inv.opt, "file[1:2f]", &value) && !strcmp(value, "x"));
	assert(options_external(&inv.opt, "tty[8800:1b]", &value) && !strcmp(value, ""));
	assert(!options_external(&inv.opt, "tty[8800:1]", NULL));
	assert(!strcmp(inv.opt.action_scripts.item[1], "b"));
	assert(inv.opt.inherit_count == 2 && options_inherited(&inv.opt, "pipe:[4]") == 0);
	assert(options_inherited(&inv.opt, "pipe:[5]") == -1);
	options_free(&inv.opt);
	assert(inv.opt.external.count == 0);
}

static void numbers_and_sizes(void)
{
	static const struct {
		const char *line;
		uint64_t size;
	} sizes[] = {
		{ "stasis check --ghost-limit 0", 0 },
		{ "stasis check --ghost-limit 4096", 4096 },
		{ "stasis check --ghost-limit 2K", 2048 },
		{ "stasis check --ghost-limit 3M", 3 << 20 },
		{ "stasis check --ghost-limit 5G", 5ULL << 30 },
		{ "stasis check --ghost-limit 7k", 7 },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		understands(sizes[i].line);
		assert(inv.opt.ghost_limit == sizes[i].size);
	}
	assert(parse("stasis check --ghost-limit much") == PARSE_USAGE);
	assert(parse("stasis check --ghost-limit 99999999999G") == PARSE_USAGE);
	understands("stasis dump -t 12abc --timeout 0");
	assert(inv.opt.tree == 12 && inv.opt.timeout == 0);
	assert(parse("stasis dump -t 0") == PARSE_USAGE);
	assert(!strcmp(error.text, "option '--tree': '0' is not a pid"));
}

static void verbosity_counts(void)
{
	static const struct {
		const char *line;
		int level;
	} levels[] = {
		{ "stasis check -v", 3 },
		{ "stasis check -vv", 4 },
		{ "stasis check -vvvv", 6 },
		{ "stasis check -v0", 0 },
		{ "stasis check -v4 -v", 5 },
		{ "stasis check --verbosity=1", 1 },
		{ "stasis check -v --verbosity", 4 },
	};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		understands(levels[i].line);
		assert(inv.opt.verbosity == levels[i].level);
	}
	assert(parse("stasis check -v 4") == PARSE_USAGE);
	assert(parse("stasis check -vx") == PARSE_USAGE);
}

static void processor_capabilities(void)
{
	static const struct {
		const char *line;
		unsigned caps;
		bool image;
	} caps[] = {
		{ "stasis check --cpu-cap", CPU_CAP_ALL, true },
		{ "stasis check --cpu-cap=none", 0, false },
		{ "stasis check --cpu-cap=cpu", CPU_CAP_ALL, true },
		{ "stasis check --cpu-cap=^fpu", CPU_CAP_INS, true },
		{ "stasis check --cpu-cap=none,ins", CPU_CAP_INS, true },
		{ "stasis check --cpu-cap=^none", CPU_CAP_ALL, true },
		{ "stasis check --cpu-cap=^all", 0, false },
	};

	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		understands(caps[i].line);
		assert(inv.opt.cpu_cap == caps[i].caps && inv.opt.cpu_cap_image == caps[i].image);
	}
	assert(parse("stasis check --cpu-cap=mmx") == PARSE_USAGE);
	/* A value of its own word is one word too many. */
	assert(parse("stasis check --cpu-cap all") == PARSE_USAGE);
}

static void how_reading_ends(void)
{
	static const struct {
		const char *line;
		enum parse_end end;
	} ends[] = {
		{ "stasis", PARSE_USAGE },
		{ "stasis frobnicate", PARSE_USAGE },
		{ "stasis -v", PARSE_USAGE },
		{ "stasis check more", PARSE_USAGE },
		{ "stasis check --frobnicate", PARSE_USAGE },
		{ "stasis check --no-tree", PARSE_USAGE },
		{ "stasis check --no-leave-running", PARSE_USAGE },
		{ "stasis check --shell-job=1", PARSE_USAGE },
		{ "stasis check -o", PARSE_USAGE },
		{ "stasis restore --file-validation never", PARSE_USAGE },
		{ "stasis cpuinfo", PARSE_USAGE },
		{ "stasis cpuinfo look", PARSE_USAGE },
		{ "stasis show", PARSE_USAGE },
		{ "stasis verify", PARSE_USAGE },
		{ "stasis verify one two", PARSE_USAGE },
		{ "stasis verify one", PARSE_RUN },
		{ "stasis -V", PARSE_VERSION },
		{ "stasis dump --version --frobnicate", PARSE_VERSION },
		{ "stasis --frobnicate --help", PARSE_HELP },
		{ "stasis restore -h -t", PARSE_HELP },
		{ "stasis restore --exec-cmd -- ls -h", PARSE_RUN },
		{ "stasis page-server --port 5 --address x", PARSE_RUN },
		{ "stasis cpuinfo dump --cpu-cap", PARSE_RUN },
		{ "stasis check --tree 5", PARSE_RUN },
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		int end = parse(ends[i].line);

		if (end != (int)ends[i].end)
			printf("# '%s' ends with %d: %s\n", ends[i].line, end, error.text);
		assert(end == (int)ends[i].end);
	}
}

struct refusal {
	const char *line, *sentence;
};

static void refuses_all(const struct refusal *refusals, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int end = parse(refusals[i].line);

		if (end == PARSE_RUN || strcmp(error.text, refusals[i].sentence) != 0)
			printf("# '%s' ends with %d: %s\n", refusals[i].line, end, error.text);
		assert(end != PARSE_RUN && !strcmp(error.text, refusals[i].sentence));
	}
}

static void services_and_cgroups(void)
{
	static const struct refusal refusals[] = {
		{ "stasis dump -t 1 --manage-cgroups=some",
		  "option '--manage-cgroups': 'some' is no way to manage cgroups: soft, none, "
		  "props, full, strict or ignore" },
		{ "stasis restore --cgroup-root cpu",
		  "option '--cgroup-root': 'cpu' has not the form [CTL:]/PATH" },
		{ "stasis service --status-fd 999",
		  "option '--status-fd': '999' names a descriptor that is not open" },
		{ "stasis dump -t 1 --address x",
		  "option '--address' is for 'service' and page servers only; is '--page-server' "
		  "missing?" },
		{ "stasis restore --page-server",
		  "option '--page-server' is for 'dump', 'pre-dump' and 'lazy-pages' only" },
		{ "stasis dump -t 1 --tls",
		  "options '--port', '--ps-socket' and '--tls' are for page "
		  "servers only; is '--page-server' missing?" },
		{ "stasis page-server --port 65536", "option '--port': '65536' is no port" },
		{ "stasis swrk", "'swrk' is followed by the number of a connected socket" },
	};

	refuses_all(refusals, sizeof(refusals) / sizeof(refusals[0]));
	understands("stasis dump -t 1 --manage-cgroups=ignore");
	assert(inv.opt.cgroup_mode == CGROUPS_IGNORE);
	understands("stasis dump -t 1 --manage-cgroups");
	assert(inv.opt.cgroup_mode == CGROUPS_SOFT);
	understands("stasis service --address x --status-fd 0 -d");
	assert(inv.opt.status_fd == 0 && !strcmp(inv.opt.address, "x") && inv.opt.detached);
}

static void refusals_in_one_sentence(void)
{
	static const struct refusal refusals[] = {
		{ "stasis dump -t 1 --network-lock=iptables",
		  "option '--network-lock': 'iptables' is not supported; nftables does the same" },
		{ "stasis pre-dump -t 1 --lazy-pages",
		  "option '--lazy-pages' is for 'dump', 'restore' and 'page-server' only" },
		{ "stasis restore --tcp-rebind 1.2.3.4=::1",
		  "option '--tcp-rebind': '1.2.3.4=::1' has not the form OLD=NEW, two addresses of one kind" },
		{ "stasis pre-dump",
		  "option '--tree' is missing: the pid whose tree is to be saved" },
		{ "stasis dump -t 1 --freeze=later",
		  "option '--freeze': 'later' is no way to freeze: auto, stop, cow or precopy" },
		{ "stasis dump -t 1 --max-rounds 0",
		  "option '--max-rounds': '0' is no number of rounds: 1 to 32" },
		{ "stasis restore -Jmnt:1",
		  "option '--join-ns mnt:1' is not supported yet: a tree can be put into namespaces "
		  "of the kinds net, uts, ipc and time" },
		{ "stasis check --ms", "option '--ms' is gone from CRIU; see --help for 'check'" },
		{ "stasis dump", "option '--tree' is missing: the pid whose tree is to be saved" },
		{ "stasis restore -S", "option '--restore-sibling' needs '--restore-detached'" },
		{ "stasis dump -t 1 --inherit-fd fd[0]:x",
		  "option '--inherit-fd' is for 'restore' only" },
		{ "stasis dump -t 1 --exec-cmd", "option '--exec-cmd' is for 'restore' only" },
		{ "stasis restore -d --exec-cmd -- ls",
		  "options '--exec-cmd' and '--restore-detached' exclude each other" },
		{ "stasis restore --exec-cmd",
		  "option '--exec-cmd' needs the program to become, after '--'" },
		{ "stasis dump -t 1 --external ib[1]:m",
		  "option '--external ib[1]:m' is not supported yet: external resources can be of "
		  "the types 'file', 'tty', 'unix', 'dev', 'mnt', 'net', 'pid', 'veth' and 'macvlan'" },
		{ "stasis dump -t 1 --ext-unix-sk=0",
		  "option '--ext-unix-sk': '0' is no list of inode numbers" },
		{ "stasis dump -t 1 -x12,x",
		  "option '--ext-unix-sk': '12,x' is no list of inode numbers" },
		{ "stasis restore --inherit-fd fd[999]:x",
		  "option '--inherit-fd': 'fd[999]:x' names a descriptor that is not open" },
		{ "stasis restore --inherit-fd fd[0]:",
		  "option '--inherit-fd': 'fd[0]:' has not the form fd[N]:KEY" },
		{ "stasis restore --external tty",
		  "option '--external': 'tty' has not the form TYPE[ID] or TYPE[ID]:VALUE" },
	};

	refuses_all(refusals, sizeof(refusals) / sizeof(refusals[0]));
	understands("stasis dump -t 1 --manage-cgroups=ignore --no-tcp-established");
	understands("stasis dump -t 1 --tcp-close --no-tcp-close");
}

static void words_of_exec_cmd(void)
{
	understands("stasis restore --exec-cmd -- ls -l /");
	assert(!strcmp(inv.opt.exec_cmd[0], "ls") && !strcmp(inv.opt.exec_cmd[1], "-l"));
	assert(!strcmp(inv.opt.exec_cmd[2], "/") && !inv.opt.exec_cmd[3]);
	understands("stasis restore --exec-cmd sleep 5");
	assert(!strcmp(inv.opt.exec_cmd[1], "5"));
}

/* --tree is a flag there, and only there. */
static void tree_of_show(void)
{
	understands("stasis show --tree img");
	assert(inv.command->id == COMMAND_SHOW && inv.opt.show_tree);
	assert(!strcmp(inv.word, "img"));
	understands("stasis -v show img --tree");
	assert(inv.opt.show_tree && !strcmp(inv.word, "img"));
	understands("stasis show img/core-1.img");
	assert(!inv.opt.show_tree);
	understands("stasis --images-dir show dump --tree 5");
	assert(inv.command->id == COMMAND_DUMP && inv.opt.tree == 5);
	understands("stasis -Dshow -o show dump --tree 5");
	assert(inv.command->id == COMMAND_DUMP && inv.opt.tree == 5);
}

static void posixly_correct(void)
{
	setenv("POSIXLY_CORRECT", "1", 1);
	assert(parse("stasis dump -t 1") == PARSE_USAGE);
	understands("stasis -t 1 dump");
}

static void lines_of_files(void)
{
	assert(parse_file("# a comment\n\n  \tlog-file \t a\nverbosity=4\nshell-job # yes\n"
			  "images-dir \"a \\\"b\" \nwork-dir=w#comment\npidfile \"\"\n",
			  "") == PARSE_RUN);
	assert(!strcmp(inv.opt.log_file, "a") && inv.opt.verbosity == 4 && inv.opt.shell_job);
	assert(!strcmp(inv.opt.images_dir, "a \"b") && !strcmp(inv.opt.work_dir, "w"));
	assert(!strcmp(inv.opt.pidfile, ""));
	/* A value behind a blank is lost on an option that may have one, and on a flag. */
	assert(parse_file("verbosity 4\nfile-locks yes\n", "-v") == PARSE_RUN);
	assert(inv.opt.verbosity == 4 && inv.opt.file_locks);
	/* The command line comes later, and lists grow over both. */
	assert(parse_file("log-file a\naction-script x\nshell-job\nconfig /nowhere",
			  "-o b --action-script y --no-shell-job") == PARSE_RUN);
	assert(!strcmp(inv.opt.log_file, "b") && inv.opt.action_scripts.count == 2);
	assert(!inv.opt.shell_job);
	/* What we lack may be taken back later. */
	assert(parse_file("unprivileged\n", "") == -ENOTSUP);
	assert(parse_file("unprivileged\n", "--no-unprivileged") == PARSE_RUN);
	assert(parse_file("help\n", "") == PARSE_HELP);
	assert(parse_file("version\n", "") == PARSE_VERSION);
}

static void bad_files(void)
{
	static const char *const formats[] = {
		"log-file a b\n",
		"log-file \"a\n",
		"log-file \"a#b\"\n",
		"log-file \"a\"b\n",
	};
	static const char *const usages[] = {
		"dump\n", "frobnicate\n", "log-file\n", "shell-job#x\n", "shell-job=1\n", "o a\n",
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		assert(parse_file(formats[i], "") == -EINVAL);
		assert(strstr(error.text, "line 1: Unsupported configuration file format: "));
	}
	for (size_t i = 0; i < sizeof(usages) / sizeof(usages[0]); i++)
		assert(parse_file(usages[i], "") == PARSE_USAGE);
	understands("stasis check --config /nowhere/at/all");
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void which_files(void)
{
	char home[] = "/tmp/stasis-home.XXXXXX";
	char dir[64], file[128], named[128], line[256];

	assert(mkdtemp(home));
	snprintf(dir, sizeof(dir), "%s/.criu", home);
	snprintf(file, sizeof(file), "%s/default.conf", dir);
	snprintf(named, sizeof(named), "%s/named.conf", home);
	assert(mkdir(dir, 0700) == 0);
	write_file(file, "log-file home\npidfile home\n");
	write_file(named, "log-file named\n");
	setenv("HOME", home, 1);
	understands("stasis check");
	assert(!strcmp(inv.opt.log_file, "home"));
	setenv("CRIU_CONFIG_FILE", named, 1);
	understands("stasis check");
	assert(!strcmp(inv.opt.log_file, "named") && !strcmp(inv.opt.pidfile, "home"));
	understands("stasis check " NO_FILES);
	assert(!strcmp(inv.opt.log_file, "named") && !inv.opt.pidfile);
	snprintf(line, sizeof(line), "stasis check --config=%s", file);
	understands(line);
	assert(!strcmp(inv.opt.log_file, "home"));
	unlink(file), unlink(named), rmdir(dir), rmdir(home);
}

/* "\fB\-\-images\-dir\fR" in the man page: the entry of the table, or NULL. */
static const struct option_entry *entry_of_man(const char *at)
{
	char plain[64] = "";
	size_t n = 0;

	for (at = strstr(at, "\\-\\-") + 4; strncmp(at, "\\f", 2) != 0 && n < sizeof(plain) - 1;
	     at++)
		if (*at != '\\')
			plain[n++] = *at;
	for (size_t i = 0; i < option_count; i++)
		if (strcmp(option_table[i].name, plain) == 0)
			return &option_table[i];
	printf("# docs/stasis.1 explains '--%s', which there is not\n", plain);
	return NULL;
}

/* What --help explains the man page explains too, and nothing else. */
static void man_page_agrees(void)
{
	FILE *f = fopen("docs/stasis.1", "r");
	bool seen[128] = { 0 }, title = false;
	char line[512];

	if (!f)
		unit_skip("not started at the top of the tree");
	for (; fgets(line, sizeof(line), f); title = strcmp(line, ".TP\n") == 0) {
		const struct option_entry *entry;

		if (!title || !strstr(line, "\\-\\-"))
			continue;
		entry = entry_of_man(line);
		assert(entry && entry->help);
		seen[entry - option_table] = true;
	}
	fclose(f);
	for (size_t i = 0; i < option_count; i++) {
		if (option_table[i].help && !seen[i])
			printf("# docs/stasis.1 has no '--%s'\n", option_table[i].name);
		assert(!option_table[i].help || seen[i]);
	}
}

int main(void)
{
	setenv("HOME", "/nonexistent", 1);
	unsetenv("CRIU_CONFIG_FILE");
	unsetenv("POSIXLY_CORRECT");
	return unit_run((struct unit[]){ UNIT(defaults),
					 UNIT(words_and_options_mix),
					 UNIT(last_one_wins),
					 UNIT(lists_grow),
					 UNIT(numbers_and_sizes),
					 UNIT(verbosity_counts),
					 UNIT(processor_capabilities),
					 UNIT(how_reading_ends),
					 UNIT(refusals_in_one_sentence),
					 UNIT(services_and_cgroups),
					 UNIT(words_of_exec_cmd),
					 UNIT(tree_of_show),
					 UNIT(posixly_correct),
					 UNIT(lines_of_files),
					 UNIT(bad_files),
					 UNIT(which_files),
					 UNIT(man_page_agrees),
					 {} });
}
