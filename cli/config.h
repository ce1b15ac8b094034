/*
 * Configuration files: /etc/criu/default.conf, ~/.criu/default.conf, $CRIU_CONFIG_FILE and
 * --config, in this order, before the command line. A line is the long name of an option and
 * perhaps its value.
 */
#ifndef STASIS_CLI_CONFIG_H
#define STASIS_CLI_CONFIG_H

#include "cli/options.h"

/* What the command line says about configuration files, looked for literally before it is read. */
struct config_choice {
	bool defaults;	  /* read the two default files */
	const char *file; /* --config; points into argv */
};

/* PARSE_HELP if --help or -h is among the words, else PARSE_RUN. */
enum parse_end config_choose(int argc, char **argv, struct config_choice *ret);

/* Files that are not there or cannot be read are passed over, as CRIU does. As options_parse. */
must_check int config_read_all(struct parse *p, const struct config_choice *choice, struct err *e);

/* One file, likewise. */
must_check int config_read(struct parse *p, const char *path, struct err *e);

/* A line cut into "--name" or "--name=value" and a value; for the unit test. */
struct config_line {
	char *name;  /* NULL: nothing on this line */
	char *value; /* NULL: none */
};

/* Cuts in place; ret->name is in memory of its own. */
must_check int config_cut(char *line, struct config_line *ret, struct err *e);

#endif
