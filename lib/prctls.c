/* Settings of prctl(2); see prctls.h. */
#include "lib/prctls.h"

#include <sys/prctl.h>

/* Newer than the headers of Debian 12. */
#define PR_SET_MDWE_ 65
#define PR_GET_MDWE_ 66
#define PR_SET_MEMORY_MERGE_ 67
#define PR_GET_MEMORY_MERGE_ 68

#define SPECULATION(what, thing, value)                                                       \
	{                                                                                     \
		.name = what, .get = PR_GET_SPECULATION_CTRL, .set = PR_SET_SPECULATION_CTRL, \
		.has_which = true, .which = thing, .speculates = true, .usual = value         \
	}

const struct prctl_setting prctl_settings[] = {
	{ .name = "whether it may read the time stamp counter",
	  .get = PR_GET_TSC,
	  .into = true,
	  .set = PR_SET_TSC,
	  .usual = PR_TSC_ENABLE },
	{ .name = "when broken memory ends it",
	  .get = PR_MCE_KILL_GET,
	  .set = PR_MCE_KILL,
	  .has_which = true,
	  .which = PR_MCE_KILL_SET,
	  .usual = PR_MCE_KILL_DEFAULT },
	SPECULATION("speculative store bypass", PR_SPEC_STORE_BYPASS, PR_SPEC_ENABLE),
	SPECULATION("speculation of indirect branches", PR_SPEC_INDIRECT_BRANCH, PR_SPEC_ENABLE),
	SPECULATION("flushing of the data cache", PR_SPEC_L1D_FLUSH, PR_SPEC_DISABLE),
	{ .name = "that memory is never writable and executable",
	  .get = PR_GET_MDWE_,
	  .set = PR_SET_MDWE_,
	  .process = true,
	  .usual = 0 },
	{ .name = "whether equal pages may be merged",
	  .get = PR_GET_MEMORY_MERGE_,
	  .set = PR_SET_MEMORY_MERGE_,
	  .process = true,
	  .usual = 0 },
};

const size_t prctl_setting_count = sizeof(prctl_settings) / sizeof(prctl_settings[0]);
