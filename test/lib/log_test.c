/* Lines of the log: their shape, which are kept early, which go to a file of their pid. */
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>

#include "lib/io.h"
#include "test/lib/unit.h"

static char dir[] = "/tmp/stasis-log.XXXXXX";

static int make(const char *name)
{
	return open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* Reads and removes a file. */
static const char *text_of(const char *name)
{
	struct err e;
	char *text;

	assert(io_slurp(AT_FDCWD, name, &text, NULL, &e) == 0 && unlink(name) == 0);
	return text;
}

static void levels_and_shape(void)
{
	assert(mkdtemp(dir) && chdir(dir) == 0);
	log_setup(make("log"), LOG_LEVEL_WARN);
	log_line(LOG_LEVEL_ERROR, "a.c:1", "no %d", 5);
	log_line(LOG_LEVEL_WARN, "a.c:2", "hm\n");
	log_info("not shown");
	assert(!strcmp(text_of("log"), "Error (a.c:1): no 5\nWarn  (a.c:2): hm\n"));
	log_setup(make("log"), LOG_LEVEL_INFO);
	log_info("shown");
	log_debug("not shown");
	/* "(SS.UUUUUU) " in front */
	assert(!strcmp(text_of("log") + 12, "shown\n"));
	rmdir(dir);
}

static void early_lines_are_kept(void)
{
	const char *text;

	assert(mkdtemp(dir) && chdir(dir) == 0);
	log_hold(LOG_LEVEL_INFO);
	log_info("early");
	for (int i = 0; i < 100; i++)
		log_info("too much");
	log_setup(make("log"), LOG_LEVEL_INFO);
	log_info("late");
	text = text_of("log");
	assert(!strncmp(text, "(00.000000) early\n", 18));
	assert(strlen(text) < 1100 && strstr(text, ") late\n"));
	rmdir(dir);
}

static void lines_of_a_pid(void)
{
	assert(mkdtemp(dir) && chdir(dir) == 0);
	log_setup(make("log"), LOG_LEVEL_WARN);
	log_split(AT_FDCWD, "log");
	log_warn("for all");
	log_line(LOG_LEVEL_WARN, "a.c:1", "pid 12 fd 3: x");
	log_line(LOG_LEVEL_WARN, "a.c:1", "pid 12: y");
	assert(strstr(text_of("log"), "for all\n"));
	assert(!strcmp(text_of("log.12"),
		       "Warn  (a.c:1): pid 12 fd 3: x\nWarn  (a.c:1): pid 12: y\n"));
	rmdir(dir);
}

/* A name of an image could move the cursor, or begin a line of its own. */
static void nothing_that_a_terminal_obeys(void)
{
	assert(mkdtemp(dir) && chdir(dir) == 0);
	log_setup(make("log"), LOG_LEVEL_WARN);
	log_line(LOG_LEVEL_WARN, "a.c:1", "'%s' is gone", "a\x1b[2Jb\nc\xc2\x9b\x7f\xc3\xa4");
	assert(!strcmp(text_of("log"), "Warn  (a.c:1): 'a?[2Jb?c?\x9b?\xc3\xa4' is gone\n"));
	rmdir(dir);
}

int main(void)
{
	return unit_run((struct unit[]){ UNIT(levels_and_shape),
					 UNIT(early_lines_are_kept),
					 UNIT(lines_of_a_pid),
					 UNIT(nothing_that_a_terminal_obeys),
					 {} });
}
