/* Options of network namespaces. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cli/options_set.h"
#include "lib/own.h"

int set_empty_ns(struct options *opt, const char *value, struct err *e)
{
	if (strcmp(value, "net") != 0)
		return err_say(e, "'%s' is no namespace that can be left empty: 'net' is", value);
	opt->empty_net = true;
	return 0;
}

/* The old way to say --external veth[IN]:OUT. */
int set_veth_pair(struct options *opt, const char *value, struct err *e)
{
	size_t in = strcspn(value, "=");
	own_mem char *text = NULL;

	if (!in || !value[in] || !value[in + 1])
		return err_say(e, "'%s' has not the form IN=OUT", value);
	if (asprintf(&text, "veth[%.*s]:%s", (int)in, value, value + in + 1) < 0)
		return err_sys(e, "memory for a word");
	return set_external(opt, text, e);
}

/* TYPE[ID]:NAME, in which nothing may be missing. */
static int check_form(const char *value, const char *form, struct err *e)
{
	size_t id = strcspn(value, "]");
	size_t name = id + 2;

	if (value[id - 1] != '[' && value[id + 1] && value[name])
		return 0;
	return err_say(e, "'%s' has not the form %s", value, form);
}

int check_external_net(const char *value, struct err *e)
{
	if (strncmp(value, "net[", 4) == 0)
		return check_form(value, "net[INODE]:NAME", e);
	if (strncmp(value, "veth[", 5) == 0)
		return check_form(value, "veth[IN]:OUT or veth[IN]:OUT@BRIDGE", e);
	if (strncmp(value, "macvlan[", 8) == 0) {
		const char *lower = strchr(value, ':');

		if (check_form(value, "macvlan[NAME]:LOWER", e) < 0)
			return e->code;
		return if_nametoindex(lower + 1) ?
			       0 :
			       err_sys(e, "'%s': the network device '%s'", value, lower + 1);
	}
	return 0;
}
