/* What the options of 'migrate' do that have a value of their own shape; see options_set.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options_set.h"

int set_remote_option(struct options *opt, const char *value, struct err *e)
{
	if (value[0] != '-')
		return err_say(e, "'%s' is no option of the other side", value);
	return list_add(&opt->migrate.remote_options, value, e);
}

int set_mode(struct options *opt, const char *value, struct err *e)
{
	if (strcmp(value, freeze_word(FREEZE_COW)) == 0 || set_freeze(opt, value, e) < 0)
		return *e = (struct err){ 0 },
		       err_say(e, "'%s' is no way to move: auto, stop or precopy", value);
	return 0;
}

int set_bandwidth(struct options *opt, const char *value, struct err *e)
{
	if (parse_size(value, &opt->migrate.bandwidth, e) < 0)
		return e->code;
	return opt->migrate.bandwidth ? 0 : err_say(e, "with '%s' nothing would move", value);
}

int set_status(struct options *opt, const char *value, struct err *e)
{
	opt->migrate.show_status = true;
	return value ? set_text(&opt->migrate.status, value, e) : 0;
}
