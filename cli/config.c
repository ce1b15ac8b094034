/* Configuration files; see config.h. */
#include "cli/config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/io.h"
#include "lib/own.h"

#define SYSTEM_FILE "/etc/criu/default.conf"
#define USER_FILE ".criu/default.conf"

enum parse_end config_choose(int argc, char **argv, struct config_choice *ret)
{
	*ret = (struct config_choice){ .defaults = true };
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return PARSE_HELP;
		if (strcmp(argv[i], "--no-default-config") == 0)
			ret->defaults = false;
		else if (strncmp(argv[i], "--config=", 9) == 0)
			ret->file = argv[i] + 9;
		else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			ret->file = argv[i + 1];
	}
	if (ret->file)
		ret->defaults = false;
	return PARSE_RUN;
}

static int bad_format(struct err *e, const char *why)
{
	return err_say(e, "Unsupported configuration file format: %s", why);
}

/* The text between double quotes, where \" is a quote; only blanks may follow. Cuts in place. */
static int cut_quoted(char *at, struct err *e)
{
	char *to = at, *from = at + 1;

	for (; *from && *from != '"'; from++) {
		if (from[0] == '\\' && from[1] == '"')
			from++;
		*to++ = *from;
	}
	if (!*from)
		return bad_format(e, "a closing quote is missing");
	from++;
	if (from[strspn(from, " \t")])
		return bad_format(e, "there is text behind the closing quote");
	*to = 0;
	return 0;
}

/* A value in quotes, or a single word. A '#' has ended it already, wherever it stood. */
static int cut_value(char *at, struct err *e)
{
	size_t len;

	if (*at == '"')
		return cut_quoted(at, e);
	len = strcspn(at, " \t");
	if (at[len + strspn(at + len, " \t")])
		return bad_format(e, "a value of several words needs double quotes");
	at[len] = 0;
	return 0;
}

int config_cut(char *line, struct config_line *ret, struct err *e)
{
	size_t name_len;
	int r = 0;

	*ret = (struct config_line){};
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	name_len = strcspn(line, " \t=");
	if (line[name_len] == '=') {
		line[name_len + 1 + strcspn(line + name_len + 1, "#")] = 0;
		r = cut_value(line + name_len + 1, e);
	} else if (line[name_len]) {
		char *value = line + name_len + strspn(line + name_len, " \t");

		line[name_len] = 0;
		value[strcspn(value, "#")] = 0;
		if (*value) {
			ret->value = value;
			r = cut_value(value, e);
		}
	}
	if (r == 0 && asprintf(&ret->name, "--%s", line) < 0)
		return err_sys(e, "memory for a line");
	return r;
}

static int read_line(struct parse *p, char *text, struct err *e)
{
	struct config_line line;
	own_mem char *name = NULL;
	char *argv[4];
	int r = config_cut(text, &line, e);

	if (r < 0 || !line.name)
		return r;
	name = line.name;
	argv[0] = p->program;
	argv[1] = name;
	argv[2] = line.value;
	argv[3] = NULL;
	return options_take_one(p, line.value ? 3 : 2, argv, e);
}

int config_read(struct parse *p, const char *path, struct err *e)
{
	own_mem char *text = NULL;
	struct err unread = {};
	char *line, *next;
	int number = 1;

	if (io_slurp(AT_FDCWD, path, &text, NULL, &unread) < 0)
		return PARSE_RUN;
	for (line = text; line; line = next, number++) {
		char *end = strchr(line, '\n');
		int r;

		next = end ? end + 1 : NULL;
		if (end)
			*end = 0;
		r = read_line(p, line, e);
		if (r != PARSE_RUN) {
			if (e->code)
				err_on(e, "'%s' line %d", path, number);
			return r;
		}
	}
	return PARSE_RUN;
}

int config_read_all(struct parse *p, const struct config_choice *choice, struct err *e)
{
	const char *home = getenv("HOME");
	own_mem char *user = NULL;
	const char *paths[4] = { 0 };
	int r = PARSE_RUN;

	if (home && asprintf(&user, "%s/" USER_FILE, home) < 0) {
		user = NULL;
		return err_sys(e, "memory for a path");
	}
	paths[0] = choice->defaults ? SYSTEM_FILE : NULL;
	paths[1] = choice->defaults ? user : NULL;
	paths[2] = getenv("CRIU_CONFIG_FILE");
	paths[3] = choice->file;
	for (size_t i = 0; i < ARRAY_SIZE(paths) && r == PARSE_RUN; i++)
		r = paths[i] ? config_read(p, paths[i], e) : PARSE_RUN;
	return r;
}
