/* The commands by name; see commands.h. */
#include "cli/commands.h"

#include <string.h>

#define DEPRECATED "it is deprecated and does nothing"

const struct command commands[COMMAND_COUNT] = {
	{ COMMAND_DUMP, "dump", "-t PID|NAME [options]",
	  "save a process tree into a directory of images", .max_words = 1 },
	{ COMMAND_RESTORE, "restore", "[options]", "start a saved process tree again",
	  .max_words = 0 },
	{ COMMAND_SHOW, "show", "[--tree] DIR|FILE.img",
	  "print images as JSON, or the tree as a person reads it", .max_words = 1 },
	{ COMMAND_VERIFY, "verify", "DIR|--stream",
	  "hold images, and those that they stand on, against their checksums", .max_words = 1 },
	{ COMMAND_CHECK, "check", "[options]",
	  "ask the kernel for every feature: there, or missing and what that costs",
	  .max_words = 0 },
	{ COMMAND_CPUINFO, "cpuinfo", "dump|check [options]",
	  "write what this processor can do to cpuinfo.img, or compare with it", .max_words = 1 },
	{ COMMAND_PRE_DUMP, "pre-dump", "-t PID [options]",
	  "save the memory of a tree that runs on, for dumps that come later", .max_words = 0 },
	{ COMMAND_CONVERT, "convert", "[--compress[=CODEC[:N]]] [--dedup-pages] [DIR [TO]]",
	  "compress the pages of an image directory, or expand them without an option",
	  .max_words = 2 },
	{ COMMAND_PAGE_SERVER, "page-server", "[options]",
	  "take pages from a dump on another machine, or give some to it", .max_words = 0 },
	{ COMMAND_LAZY_PAGES, "lazy-pages", "[options]",
	  "bring pages to a tree of 'restore --lazy-pages', from images or a page server",
	  .max_words = 0 },
	{ COMMAND_SERVICE, "service", "[options]",
	  "take requests of container runtimes and others from a socket", .max_words = 0 },
	{ COMMAND_SWRK, "swrk", "FD", "take requests from a socket that is connected already",
	  .max_words = 1 },
	{ COMMAND_DEDUP, "dedup", "[options]",
	  "free the room of pages in 'parent' that the images have themselves", .max_words = 0 },
	{ COMMAND_EXEC, "exec", .missing = DEPRECATED, .missing_status = 255 },
	{ COMMAND_UNTRACK, "untrack", "-t PID",
	  "end what --track-mem has left behind: nothing of the tree is tracked any more",
	  .max_words = 0 },
	{ COMMAND_PROTECT, "protect", "PID [--every 1s] [--keep 5] [options]",
	  "save a tree again and again while it runs, to be restored as it last was",
	  .max_words = 1 },
	{ COMMAND_MIGRATE, "migrate", "NAME [USER@]HOST [options]",
	  "move a running tree to another machine, by ssh", .max_words = 2 },
	{ COMMAND_RECEIVE, "receive", "[options]",
	  "the other side of 'migrate', which starts it: takes a tree from standard input",
	  .max_words = 0 },
};

const struct command *command_find(const char *name)
{
	for (int i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}
