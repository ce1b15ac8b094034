/* Dumps and restores as a whole; see jobs.h. */
#include "cli/jobs.h"

#include "cli/stats.h"
#include "dump/dump.h"
#include "images/stats.h"
#include "lib/log.h"
#include "restore/restore.h"

static void tell_dump_stats(const struct options *opt)
{
	struct err e = {};

	if (!opt->stream && stats_dump_write(opt->work_fd, opt->dump_stats, &e) < 0)
		log_warn("%s", e.text);
	if (opt->display_stats)
		print_dump_stats(opt->dump_stats);
	if (opt->json_stats)
		print_dump_json(opt->dump_stats);
}

int job_dump(const struct options *opt, struct err *e)
{
	if (dump_run(opt, e) < 0)
		return err_on(e, "cannot dump %d", opt->tree);
	tell_dump_stats(opt);
	log_info("Dumping finished successfully");
	return 0;
}

int job_pre_dump(const struct options *opt, struct err *e)
{
	if (pre_dump_run(opt, e) < 0)
		return err_on(e, "cannot pre-dump %d", opt->tree);
	tell_dump_stats(opt);
	log_info("Pre-dumping finished successfully");
	return 0;
}

int job_restore(const struct options *opt, struct err *e)
{
	if (restore_run(opt, e) < 0)
		return opt->stream ? err_on(e, "cannot restore the stream") :
				     err_on(e, "cannot restore '%s'",
					    opt->images_dir ? opt->images_dir : ".");
	if (opt->dry_run)
		return 0;
	if (opt->display_stats)
		print_restore_stats(opt->restore_stats);
	log_info("Restore finished successfully. Tasks resumed.");
	return 0;
}
