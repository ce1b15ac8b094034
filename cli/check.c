/* stasis check; see check.h. */
#include "cli/check.h"

#include <errno.h>
#include <stdio.h>

#include "lib/kernel.h"

static int check_one(const char *name, struct err *e)
{
	enum kernel_feature feature = kernel_find(name);

	if (feature == KERNEL_COUNT) {
		err_say(e, "there is no feature '%s'", name);
		return err_hint(e, "--help lists them");
	}
	if (!kernel_has(feature))
		return err_code(e, ENOTSUP, "%s is missing: %s", name, kernel_info(feature)->cost);
	printf("%s is supported\n", name);
	return 0;
}

static const char *class_name(enum kernel_class class)
{
	static const char *const names[] = {
		[CLASS_MANDATORY] = "needed",
		[CLASS_EXTRA] = "extra",
		[CLASS_EXPERIMENTAL] = "experimental",
		[CLASS_OPTIONAL] = "optional",
	};

	return names[class];
}

static void print_feature(const struct kernel_info *info, bool there)
{
	if (there)
		printf("%-26s %-13s there\n", info->name, class_name(info->class));
	else
		printf("%-26s %-13s missing: %s\n", info->name, class_name(info->class),
		       info->cost);
}

int check_run(const struct options *opt, struct err *e)
{
	bool demanded[] = {
		[CLASS_MANDATORY] = true,
		[CLASS_EXTRA] = opt->check_extra,
		[CLASS_EXPERIMENTAL] = opt->check_experimental,
		[CLASS_OPTIONAL] = false,
	};
	const struct kernel_info *first = NULL;
	bool mandatory = false;

	if (opt->check_feature)
		return check_one(opt->check_feature, e);
	for (int i = 0; i < KERNEL_COUNT; i++) {
		const struct kernel_info *info = kernel_info(i);
		bool there = kernel_has(i);

		print_feature(info, there);
		if (there || !demanded[info->class])
			continue;
		mandatory |= info->class == CLASS_MANDATORY;
		first = first ? first : info;
	}
	if (!first) {
		puts("Looks good.");
		return 0;
	}
	if (mandatory)
		puts("Does not look good.");
	else
		puts("Looks good but some kernel features are missing:\n"
		     "programs that need one of them cannot be saved or restored,\n"
		     "all others can.");
	return err_code(e, ENOTSUP, "%s is missing: %s", first->name, first->cost);
}
