/*
 * What stasis says about itself: usage, help, version. All on standard output, as tools expect it
 * of CRIU.
 */
#ifndef STASIS_CLI_HELP_H
#define STASIS_CLI_HELP_H

#include <stdbool.h>

/* The name we were called by, and whether it is CRIU's. */
const char *program_name(const char *argv0);
bool program_is_criu(const char *argv0);

void print_usage(const char *argv0);
void print_help(const char *argv0);
void print_version(const char *argv0);

#endif
