/* Options about mounts, and what they mean in the form of --external. */
#include <string.h>

#include "cli/options_set.h"
#include "lib/own.h"

static int add(struct string_list *list, const char *word, size_t size, struct err *e)
{
	own_mem char *copy = strndup(word, size);

	return copy ? list_add(list, copy, e) : err_sys(e, "memory for an option");
}

/* "mnt[]", "mnt[]:m", "mnt[]:s": only the first letter counts. */
static int set_automatic(struct options *opt, const char *letter, struct err *e)
{
	if (*letter && *letter != 'm' && *letter != 's')
		return err_say(e, "'%s' is not 'm' (masters) or 's' (sharing)", letter);
	opt->mnt_auto = true;
	opt->mnt_masters |= *letter == 'm';
	opt->mnt_sharing |= *letter == 's';
	return 0;
}

int set_external_mount(struct options *opt, const char *value, struct err *e)
{
	const char *end = strchr(value, ']');

	if (strncmp(value, "mnt[]", 5) == 0)
		return set_automatic(opt, value + 5 + (value[5] == ':'), e);
	if (end[1] != ':' || !end[2])
		return err_say(e,
			       "'%s' has not the form mnt[MOUNTPOINT]:NAME for a dump, or "
			       "mnt[NAME]:PATH for a restore",
			       value);
	return list_add(&opt->external, value, e);
}

int set_ext_mount_map(struct options *opt, const char *value, struct err *e)
{
	const char *colon = strchr(value, ':');
	own_mem char *text = NULL;

	if (strcmp(value, "auto") == 0)
		return set_automatic(opt, "", e);
	if (!colon || !colon[1] || colon == value)
		return err_say(e, "'%s' has not the form KEY:VALUE", value);
	if (asprintf(&text, "mnt[%.*s]:%s", (int)(colon - value), value, colon + 1) < 0)
		return err_sys(e, "memory for an option");
	return list_add(&opt->external, text, e);
}

int set_skip_mnt(struct options *opt, const char *value, struct err *e)
{
	if (value[0] != '/')
		return err_say(e, "'%s' is no path of a mount in the namespace", value);
	return list_add(&opt->skip_mnts, value, e);
}

int set_enable_fs(struct options *opt, const char *value, struct err *e)
{
	for (const char *word = value;; word++) {
		size_t size = strcspn(word, ",");

		if (!size)
			return err_say(e, "'%s' is no list of file systems", value);
		if (add(&opt->enable_fs, word, size, e) < 0)
			return e->code;
		word += size;
		if (!*word)
			return 0;
	}
}
