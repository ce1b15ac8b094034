/* Which capabilities we have; see caps.h. */
#include "lib/caps.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/capability.h>
#include <unistd.h>

#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

bool caps_have(int cap)
{
	cap_t all = cap_get_proc();
	cap_flag_value_t on = CAP_CLEAR;

	if (all)
		cap_get_flag(all, cap, CAP_EFFECTIVE, &on);
	cap_free(all);
	return on == CAP_SET;
}

const char *caps_name(int cap, char *buf, unsigned long size)
{
	char *name = cap_to_name(cap);

	snprintf(buf, size, "%s", name ? name : "an unknown capability");
	cap_free(name);
	for (char *c = buf; name && *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return buf;
}

int caps_drop_all(void)
{
	cap_t none = cap_init();
	int r = none ? cap_set_proc(none) : -1;

	cap_free(none);
	return r;
}

int caps_privileged(struct err *e)
{
	if (!caps_have(CAP_SYS_ADMIN) && !caps_have(CAP_CHECKPOINT_RESTORE)) {
		err_code(e, EPERM, "CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE is needed");
		return err_hint(e, "run as root");
	}
	if (geteuid() != 0) {
		err_code(e, EPERM, "the effective uid is %d, not 0", (int)geteuid());
		return err_hint(e, "stasis does not run unprivileged yet: run as root");
	}
	return 0;
}
