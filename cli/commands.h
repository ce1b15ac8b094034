/*
 * The commands by name: what each is for, which words follow it, and why some are not there yet.
 * What they do is in main.c, so that reading a command line needs nothing of dump and restore.
 */
#ifndef STASIS_CLI_COMMANDS_H
#define STASIS_CLI_COMMANDS_H

enum command_id {
	COMMAND_DUMP,
	COMMAND_RESTORE,
	COMMAND_SHOW,
	COMMAND_VERIFY,
	COMMAND_CHECK,
	COMMAND_CPUINFO,
	COMMAND_CONVERT,
	COMMAND_PRE_DUMP,
	COMMAND_PAGE_SERVER,
	COMMAND_LAZY_PAGES,
	COMMAND_SERVICE,
	COMMAND_SWRK,
	COMMAND_DEDUP,
	COMMAND_EXEC,
	COMMAND_UNTRACK,
	COMMAND_PROTECT,
	COMMAND_MIGRATE,
	COMMAND_RECEIVE,
	COMMAND_COUNT,
};

/* For masks of commands, as in the table of options. */
#define ON_DUMP (1u << COMMAND_DUMP)
#define ON_RESTORE (1u << COMMAND_RESTORE)
#define ON_PRE_DUMP (1u << COMMAND_PRE_DUMP)
#define ON_PROTECT (1u << COMMAND_PROTECT)
#define ON_UNTRACK (1u << COMMAND_UNTRACK)
#define ON_SERVICE (1u << COMMAND_SERVICE)
#define ON_SWRK (1u << COMMAND_SWRK)
#define ON_SHOW (1u << COMMAND_SHOW)
#define ON_CHECK (1u << COMMAND_CHECK)
#define ON_CPUINFO (1u << COMMAND_CPUINFO)
#define ON_CONVERT (1u << COMMAND_CONVERT)
#define ON_VERIFY (1u << COMMAND_VERIFY)
#define ON_MIGRATE (1u << COMMAND_MIGRATE)
#define ON_RECEIVE (1u << COMMAND_RECEIVE)
#define ON_PAGE_SERVER (1u << COMMAND_PAGE_SERVER)
#define ON_LAZY_PAGES (1u << COMMAND_LAZY_PAGES)
#define ON_ALL ((1u << COMMAND_COUNT) - 1)

struct command {
	enum command_id id;
	const char *name;
	const char *usage;   /* what follows the name in the usage */
	const char *help;    /* one line; NULL: not listed */
	const char *missing; /* why it cannot be used; NULL: it can */
	int max_words;	     /* words allowed behind it */
	int missing_status;  /* exit status of one that cannot be used */
};

extern const struct command commands[COMMAND_COUNT];

const struct command *command_find(const char *name);

#endif
