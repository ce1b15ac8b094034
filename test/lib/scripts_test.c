/* Action scripts and pid files. */
#include "lib/scripts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/pidfile.h"
#include "test/lib/unit.h"

static struct options options;
static struct err error;
static char dir[] = "/tmp/stasis-scripts.XXXXXX";

/* An empty work directory with the scripts a and b, in this order; both log what they are told. */
static void prepare(const char *end_of_a, const char *end_of_b)
{
	static char *names[] = { "./a", "./b" };
	const char *ends[] = { end_of_a, end_of_b };

	assert(mkdtemp(dir) && chdir(dir) == 0);
	options_init(&options);
	options.images_fd = open(".", O_RDONLY | O_CLOEXEC);
	options.work_fd = options.images_fd;
	options.action_scripts.item = names;
	options.action_scripts.count = 2;
	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(names[i], "w");

		assert(f);
		fprintf(f,
			"#!/bin/sh\necho \"$0 $# $CRTOOLS_SCRIPT_ACTION ${CRTOOLS_INIT_PID-none}\"\n"
			"test -e \"$CRTOOLS_IMAGE_DIR/a\" || echo no images\n"
			"test -e /proc/self/fd/0 && echo stdin\n%s\n",
			ends[i]);
		assert(fclose(f) == 0 && chmod(names[i], 0700) == 0);
	}
	log_setup(open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), LOG_LEVEL_WARN);
}

static void log_is(const char *wanted)
{
	char *text;

	assert(io_slurp(AT_FDCWD, "log", &text, NULL, &error) == 0);
	if (strcmp(text, wanted) != 0)
		printf("# %s\n", text);
	assert(strcmp(text, wanted) == 0);
	assert(unlink("a") == 0 && unlink("b") == 0 && unlink("log") == 0 && rmdir(dir) == 0);
}

static void the_last_given_runs_first(void)
{
	prepare("exit 0", "exit 0");
	assert(scripts_run(&options, "pre-dump", 0, &error) == 0);
	assert(scripts_run(&options, "post-restore", 77, &error) == 0);
	log_is("./b 0 pre-dump none\n./a 0 pre-dump none\n"
	       "./b 0 post-restore 77\n./a 0 post-restore 77\n");
}

static void all_run_though_one_fails(void)
{
	prepare("exit 0", "exit 3");
	assert(scripts_run(&options, "pre-dump", 0, &error) == -EINVAL);
	assert(!strcmp(error.text, "action script './b' for pre-dump ended with status 3"));
	assert(scripts_run(&options, "post-dump", 5, &error) == -ECANCELED);
	log_is("./b 0 pre-dump none\n./a 0 pre-dump none\n./b 0 post-dump 5\n./a 0 post-dump 5\n");
}

static void a_script_that_is_killed(void)
{
	prepare("exit 0", "kill -TERM $$");
	assert(scripts_run(&options, "pre-dump", 0, &error) == -EINVAL);
	assert(!strcmp(error.text, "action script './b' for pre-dump was killed by signal 15"));
	log_is("./b 0 pre-dump none\n./a 0 pre-dump none\n");
}

static void a_script_that_cannot_start(void)
{
	prepare("exit 0", "exit 0");
	assert(chmod("b", 0600) == 0);
	assert(scripts_run(&options, "pre-dump", 0, &error) == -EINVAL);
	assert(!strcmp(error.text, "start action script './b' for pre-dump: Permission denied"));
	log_is("./a 0 pre-dump none\n");
}

static void a_pid_file_is_new(void)
{
	char *text;
	struct stat st;

	prepare("", "");
	assert(pidfile_write(&options, 12, &error) == 0);
	options.pidfile = "pid";
	assert(pidfile_write(&options, 12, &error) == 0);
	assert(io_slurp(AT_FDCWD, "pid", &text, NULL, &error) == 0 && !strcmp(text, "12"));
	assert(stat("pid", &st) == 0 && (st.st_mode & 0777) == 0600);
	assert(pidfile_write(&options, 13, &error) == -EEXIST);
	assert(!strcmp(error.text, "create pid file 'pid': File exists"));
	pidfile_remove(&options);
	assert(access("pid", F_OK) < 0);
	log_is("");
}

int main(void)
{
	return unit_run((struct unit[]){ UNIT(the_last_given_runs_first),
					 UNIT(all_run_though_one_fails),
					 UNIT(a_script_that_is_killed),
					 UNIT(a_script_that_cannot_start),
					 UNIT(a_pid_file_is_new),
					 {} });
}
