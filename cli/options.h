/*
 * The command line: one table of all options that CRIU 4.2 knows (options_table.c), read by
 * getopt_long with what that implies: words and options mix, prefixes do, the last one wins,
 * lists grow.
 */
#ifndef STASIS_CLI_OPTIONS_H
#define STASIS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/commands.h"
#include "lib/err.h"
#include "lib/options.h"

enum option_value { VALUE_NONE, VALUE_REQUIRED, VALUE_OPTIONAL };

/* Sections of --help. */
enum option_group {
	GROUP_GENERAL,
	GROUP_DUMP,
	GROUP_RESTORE,
	GROUP_PAGES,
	GROUP_MOVE,
	GROUP_CHECK,
	GROUP_LOG,
	GROUP_COUNT,
};

/*
 * One option. What it does is at most one of: a flag (offset of a bool in struct options), a text
 * (offset of a char *), or set(), whose value is NULL when none was given. 'missing' says why one
 * that we lack is refused.
 */
struct option_entry {
	const char *name;
	char letter;
	enum option_value value;
	const char *value_name;
	bool negatable; /* --no-NAME exists */
	unsigned on;	/* ON_*: the commands that look at it */
	enum option_group group;
	size_t flag;
	size_t text;
	int (*set)(struct options *opt, const char *value, struct err *e);
	const char *missing;
	const char *help;
};

extern const struct option_entry option_table[];
extern const size_t option_count;

/* A whole command line, understood. */
struct invocation {
	struct options opt;
	const struct command *command;
	const char *word; /* what follows 'cpuinfo', 'show' and others; points into argv */
	const char *second_word; /* of 'convert' */
};

/* How reading ended, when not by an error. */
enum parse_end { PARSE_RUN, PARSE_HELP, PARSE_VERSION, PARSE_USAGE };

/*
 * Reads the configuration files and then the command line, which it permutes. Returns an enum
 * parse_end, or -errno with a sentence. PARSE_USAGE may come with a sentence too (e->code is set
 * then); otherwise getopt has said on stderr what is wrong. inv->opt belongs to the caller in
 * every case.
 */
must_check int options_parse(struct invocation *inv, int argc, char **argv, struct err *e);

/* Reading in progress, for config.c. */
struct parse {
	struct options *opt;
	char *program;
	bool *lacking;	   /* for each entry of the table: asked for, though we lack it */
	bool *given;	   /* the same: on the command line */
	bool tree_is_flag; /* 'show --tree' takes no value */
};

/*
 * Takes the option that argv[1] is; what follows it and its value is passed over. As
 * options_parse.
 */
must_check int options_take_one(struct parse *p, int argc, char **argv, struct err *e);

/* The entry of --NAME. */
const struct option_entry *option_find(const char *name);
/* Takes one option, on or off (--no-NAME). As options_parse. */
must_check int options_take(struct parse *p, const struct option_entry *entry, bool on,
			    const char *value, struct err *e);
/* What options_parse() looks at when all have been read: what we lack, and what does not go together. */
must_check int options_check(struct invocation *inv, const struct parse *p, struct err *e);
/* The program to become; what was asked for before is forgotten. */
must_check int options_exec_cmd(struct options *opt, int count, char **words, struct err *e);

#endif
