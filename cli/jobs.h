/* A dump, pre-dump or restore with what belongs to it besides the images: statistics, and the words that tools look for. */
#ifndef STASIS_CLI_JOBS_H
#define STASIS_CLI_JOBS_H

#include "lib/err.h"
#include "lib/options.h"

/* The last lines of logs. */
#define JOB_DUMP_FAILED "Dumping FAILED."
#define JOB_PRE_DUMP_FAILED "Pre-dumping FAILED."
#define JOB_RESTORE_FAILED "Restoring FAILED."

must_check int job_dump(const struct options *opt, struct err *e);
must_check int job_pre_dump(const struct options *opt, struct err *e);
must_check int job_restore(const struct options *opt, struct err *e);

#endif
