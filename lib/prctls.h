/*
 * Settings of prctl(2) that need no care of their own: each is asked for with one request and set with another. New
 * ones are a line in the table.
 */
#ifndef STASIS_LIB_PRCTLS_H
#define STASIS_LIB_PRCTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prctl_setting {
	const char *name;
	int get;
	bool into; /* get writes the value to where its first argument points, else it returns it */
	int set;
	bool has_which;
	int which; /* first argument of set, and of get if it speculates */
	bool speculates; /* PR_SPEC_*: the value counts only with PR_SPEC_PRCTL, and need not exist elsewhere */
	bool process; /* of the whole process, else of a thread */
	uint64_t usual;
};

extern const struct prctl_setting prctl_settings[];
extern const size_t prctl_setting_count;

#endif
