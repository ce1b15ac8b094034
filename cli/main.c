/*
 * The commands of stasis: what runs, what is said at the end, and the exit status. Errors are
 * printed here and nowhere else.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/check.h"
#include "cli/commands.h"
#include "cli/convert.h"
#include "cli/help.h"
#include "cli/jobs.h"
#include "cli/move.h"
#include "cli/options.h"
#include "cli/server.h"
#include "cli/service.h"
#include "cli/setup.h"
#include "cli/show.h"
#include "cli/verify.h"
#include "dump/protect.h"
#include "images/cpuinfo.h"
#include "images/dedup.h"
#include "images/tracking.h"
#include "lib/log.h"
#include "restore/foreground.h"

/* The exit status of 'dump' when it went well but a post-dump script did not, as CRIU has it. */
#define STATUS_POST_DUMP 255
#define STATUS_CPUINFO_DUMP 255

/*
 * The one place where an error becomes text: on standard error, and in the log if that is
 * elsewhere.
 */
static void print_error(const struct err *e)
{
	char text[sizeof(e->text) + sizeof(e->hint) + 4];

	err_text(e, text, sizeof(text));
	fflush(stdout);
	fprintf(stderr, "%s\n", text);
	if (log_fd() != STDERR_FILENO)
		log_error("%s", text);
}

/* The words that tools look for at the end of a log. */
static void note_failure(const char *text)
{
	if (log_fd() != STDERR_FILENO)
		log_error("%s", text);
}

static int cmd_dump(const struct invocation *inv, struct err *e)
{
	int r = job_dump(&inv->opt, e);

	if (r == 0)
		return 0;
	print_error(e);
	note_failure(JOB_DUMP_FAILED);
	return r == -ECANCELED ? STATUS_POST_DUMP : 1;
}

static int cmd_pre_dump(const struct invocation *inv, struct err *e)
{
	if (job_pre_dump(&inv->opt, e) == 0)
		return 0;
	print_error(e);
	note_failure(JOB_PRE_DUMP_FAILED);
	return 1;
}

static int cmd_protect(const struct invocation *inv, struct err *e)
{
	const struct options *opt = &inv->opt;

	if (protect_run(opt, stdout, e) == 0)
		return 0;
	err_on(e, "cannot protect %d", opt->tree);
	print_error(e);
	return 1;
}

static int cmd_dedup(const struct invocation *inv, struct err *e)
{
	if (dedup_run(inv->opt.images_fd, e) == 0)
		return 0;
	err_on(e, "cannot dedup '%s'", inv->opt.images_dir ? inv->opt.images_dir : ".");
	print_error(e);
	return 1;
}

static int cmd_untrack(const struct invocation *inv, struct err *e)
{
	int r = tracking_end(inv->opt.tree, e);

	if (r > 0)
		return 0;
	if (r == 0)
		err_code(e, ESRCH, "nothing of it is tracked");
	err_on(e, "cannot untrack %d", inv->opt.tree);
	print_error(e);
	return 1;
}

/*
 * The tasks run: become the program that was asked for, or stay their parent until the last has
 * gone.
 */
static int after_restore(const struct options *opt, struct err *e)
{
	if (opt->exec_cmd) {
		signal(SIGPIPE, SIG_DFL);
		execvp(opt->exec_cmd[0], opt->exec_cmd);
		err_sys(e, "the tasks are restored and run, but start '%s'", opt->exec_cmd[0]);
		print_error(e);
		return 1;
	}
	if (!opt->detached)
		foreground_stay(opt);
	return 0;
}

static int cmd_restore(const struct invocation *inv, struct err *e)
{
	const struct options *opt = &inv->opt;

	if (job_restore(opt, e) < 0) {
		print_error(e);
		note_failure(JOB_RESTORE_FAILED);
		return 1;
	}
	fflush(stdout);
	return opt->dry_run ? 0 : after_restore(opt, e);
}

static int cmd_service(const struct invocation *inv, struct err *e)
{
	if (service_run(&inv->opt, e) == 0)
		return 0;
	err_on(e, "cannot serve");
	print_error(e);
	return 1;
}

static int cmd_page_server(const struct invocation *inv, struct err *e)
{
	if (page_server_run(&inv->opt, e) == 0)
		return 0;
	err_on(e, "cannot serve pages");
	print_error(e);
	return 1;
}

static int cmd_lazy_pages(const struct invocation *inv, struct err *e)
{
	if (lazy_pages_run(&inv->opt, e) == 0)
		return 0;
	err_on(e, "cannot bring pages");
	print_error(e);
	return 1;
}

static int cmd_swrk(const struct invocation *inv, struct err *e)
{
	if (swrk_run(inv, e) < 0)
		print_error(e);
	return 1;
}

static int cmd_show(const struct invocation *inv, struct err *e)
{
	if (show_images(inv->word, inv->opt.show_tree, stdout, e) < 0) {
		err_on(e, "cannot show '%s'", inv->word);
		print_error(e);
		return 1;
	}
	return 0;
}

static int cmd_verify(const struct invocation *inv, struct err *e)
{
	if (inv->opt.stream) {
		if (verify_stream(STDIN_FILENO, stdout, e) == 0)
			return 0;
		err_on(e, "cannot verify the stream");
		print_error(e);
		return 1;
	}
	if (verify_images(inv->word, stdout, e) < 0) {
		err_on(e, "cannot verify '%s'", inv->word);
		print_error(e);
		return 1;
	}
	return 0;
}

static int cmd_check(const struct invocation *inv, struct err *e)
{
	if (check_run(&inv->opt, e) < 0) {
		print_error(e);
		return 1;
	}
	return 0;
}

static int cmd_cpuinfo(const struct invocation *inv, struct err *e)
{
	const struct options *opt = &inv->opt;
	bool dump = strcmp(inv->word, "dump") == 0;
	int r = dump ? cpuinfo_image_write(opt->images_fd, e) :
		       cpuinfo_image_check(opt->images_fd,
					   opt->cpu_cap ? opt->cpu_cap : CPU_CAP_ALL, e);

	if (r == 0)
		return 0;
	print_error(e);
	return dump ? STATUS_CPUINFO_DUMP : 1;
}

static int cmd_convert(const struct invocation *inv, struct err *e)
{
	const struct options *opt = &inv->opt;
	const char *folder = opt->images_dir ? opt->images_dir : ".";
	const char *from = inv->word ? inv->word : folder;

	if (convert_images(from, inv->second_word, opt->compress, e) < 0) {
		err_on(e, "cannot convert '%s'", from);
		print_error(e);
		return 1;
	}
	return 0;
}

static int cmd_migrate(const struct invocation *inv, struct err *e)
{
	int status = move_away(inv, e);

	if (status)
		print_error(e);
	return status;
}

/* What went wrong has been told to the other side, if there was one to be told. */
static int cmd_receive(const struct invocation *inv, struct err *e)
{
	int status = move_here(inv, e);

	if (status && e->code)
		print_error(e);
	return status;
}

/* Returns the exit status; a failure has been printed. */
static int (*const runs[COMMAND_COUNT])(const struct invocation *inv, struct err *e) = {
	[COMMAND_DUMP] = cmd_dump,
	[COMMAND_RESTORE] = cmd_restore,
	[COMMAND_SHOW] = cmd_show,
	[COMMAND_CHECK] = cmd_check,
	[COMMAND_CPUINFO] = cmd_cpuinfo,
	[COMMAND_PRE_DUMP] = cmd_pre_dump,
	[COMMAND_DEDUP] = cmd_dedup,
	[COMMAND_UNTRACK] = cmd_untrack,
	[COMMAND_PROTECT] = cmd_protect,
	[COMMAND_VERIFY] = cmd_verify,
	[COMMAND_CONVERT] = cmd_convert,
	[COMMAND_SERVICE] = cmd_service,
	[COMMAND_SWRK] = cmd_swrk,
	[COMMAND_MIGRATE] = cmd_migrate,
	[COMMAND_RECEIVE] = cmd_receive,
	[COMMAND_PAGE_SERVER] = cmd_page_server,
	[COMMAND_LAZY_PAGES] = cmd_lazy_pages,
};

/* Images are read and converted without privilege, and the paths are the caller's; 'swrk' asks when a request comes. */
#define ON_PLAIN (ON_SHOW | ON_VERIFY | ON_CONVERT | ON_SWRK)

static int run_command(struct invocation *inv, struct err *e)
{
	struct dump_stats dump_stats = {};
	struct restore_stats restore_stats = {};
	const struct command *command = inv->command;

	if (command->missing) {
		err_code(e, ENOTSUP, "command '%s' is not supported: %s", command->name,
			 command->missing);
		print_error(e);
		return command->missing_status;
	}
	inv->opt.dump_stats = &dump_stats;
	inv->opt.restore_stats = &restore_stats;
	log_hold(inv->opt.verbosity);
	if (1u << command->id & ON_PLAIN) {
		log_setup(STDERR_FILENO, inv->opt.verbosity);
	} else if (setup_run(inv, e) < 0) {
		log_setup(STDERR_FILENO, inv->opt.verbosity);
		err_on(e, "cannot %s", command->name);
		print_error(e);
		return 1;
	}
	return runs[command->id](inv, e);
}

int main(int argc, char **argv)
{
	struct invocation inv;
	struct err e = {};
	int status = 0;
	int r;

	setup_stdio();
	signal(SIGPIPE, SIG_IGN);
	r = options_parse(&inv, argc, argv, &e);
	if (r == PARSE_HELP) {
		print_help(argv[0]);
	} else if (r == PARSE_VERSION) {
		print_version(argv[0]);
	} else if (r == PARSE_RUN) {
		status = run_command(&inv, &e);
	} else {
		status = 1;
		if (e.code)
			print_error(&e);
		if (r == PARSE_USAGE)
			print_usage(argv[0]);
	}
	options_free(&inv.opt);
	return status;
}
