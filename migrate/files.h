/*
 * Files that the tree has mapped or open: the same have to be on the other side. Each is a line of words between tabs:
 *
 *	file KIND MODE SIZE VALUE PATH
 *
 * KIND: 'id' (VALUE is a build-id), 'sum' (a checksum of all of it), 'dir' (it is one); 'w' behind it: the tree may write it.
 */
#ifndef STASIS_MIGRATE_FILES_H
#define STASIS_MIGRATE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/err.h"
#include "lib/proc.h"

struct wanted_file {
	char *path;
	struct stat st;
	bool writes;  /* the tree may write it */
	bool maps;    /* and does so without a trace in its times */
	bool missing; /* over there, or is another one */
};

struct wanted_files {
	struct wanted_file *all; /* by path */
	size_t count;
};

void wanted_files_free(struct wanted_files *f);
/* Those of the tree. */
must_check int wanted_files_find(const struct pids *tree, struct wanted_files *ret, struct err *e);
/* Whether it may have been written since. */
bool wanted_file_changed(const struct wanted_files *before, const struct wanted_file *now);
/* Its line. */
must_check int wanted_file_say(const struct wanted_file *f, FILE *to, struct err *e);
/* On the other side: what is wrong with the file of a line, if anything: a sentence about it into 'to'. */
must_check int wanted_file_check(char *line, FILE *to, struct err *e);

/* Text that may be anything as a word without tabs and ends of lines, and back in place. */
void word_write(FILE *to, const char *text);
char *word_read(char *word);

#endif
