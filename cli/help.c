/* What stasis says about itself; see help.h. */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/version.h"
#include "lib/kernel.h"

#define COLUMN 30

const char *program_name(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *name = slash ? slash + 1 : argv0;

	return name && *name ? name : "stasis";
}

bool program_is_criu(const char *argv0)
{
	return strcmp(program_name(argv0), "criu") == 0;
}

static void print_commands(const char *argv0)
{
	puts("\nUsage:");
	for (int i = 0; i < COMMAND_COUNT; i++) {
		if (commands[i].help)
			printf("  %s %s %s\n", program_name(argv0), commands[i].name,
			       commands[i].usage);
	}
	puts("\nCommands:");
	for (int i = 0; i < COMMAND_COUNT; i++) {
		if (commands[i].help)
			printf("  %-14s %s\n", commands[i].name, commands[i].help);
	}
}

void print_usage(const char *argv0)
{
	print_commands(argv0);
	puts("\nTry -h|--help for more info");
}

/* "  -o, --log-file FILE", padded to the column of the explanations. */
static void print_option(const struct option_entry *entry)
{
	char text[64], letter[8] = "    ";
	const char *shape[] = { "%s", "%s %s", "%s[=%s]" };
	size_t n;

	if (entry->letter)
		snprintf(letter, sizeof(letter), "-%c, ", entry->letter);
	n = snprintf(text, sizeof(text), "  %s--", letter);
	snprintf(text + n, sizeof(text) - n, shape[entry->value], entry->name, entry->value_name);
	if (strlen(text) < COLUMN)
		printf("%-*s%s\n", COLUMN, text, entry->help);
	else
		printf("%s\n%*s%s\n", text, COLUMN, "", entry->help);
}

/* Words one after the other, in lines of at most 100 columns. */
static void print_word(size_t *at, const char *word)
{
	if (*at + strlen(word) + 2 > 100)
		*at = 0;
	if (*at == 0)
		printf("\n ");
	*at += printf(" %s", word);
}

static void print_missing(void)
{
	size_t at = 0;

	printf("\nOptions of CRIU that are refused so far:");
	for (size_t i = 0; i < option_count; i++) {
		if (option_table[i].missing)
			print_word(&at, option_table[i].name);
	}
	putchar('\n');
}

static void print_features(void)
{
	size_t at = 0;

	printf("\nNames for check --feature:");
	for (int i = 0; i < KERNEL_COUNT; i++)
		print_word(&at, kernel_info(i)->name);
	putchar('\n');
}

static void print_negatable(void)
{
	size_t at = 0;

	printf("\nOptions that --no-NAME takes back:");
	for (size_t i = 0; i < option_count; i++) {
		if (option_table[i].negatable && !option_table[i].missing)
			print_word(&at, option_table[i].name);
	}
	putchar('\n');
}

void print_help(const char *argv0)
{
	static const char *const titles[GROUP_COUNT] = {
		[GROUP_GENERAL] = "For every command",
		[GROUP_DUMP] = "What is saved",
		[GROUP_RESTORE] = "Restoring",
		[GROUP_PAGES] = "Page servers, and the service",
		[GROUP_MOVE] = "Moving",
		[GROUP_CHECK] = "Checking the kernel",
		[GROUP_LOG] = "The log",
	};

	print_commands(argv0);
	for (int group = 0; group < GROUP_COUNT; group++) {
		printf("\n%s:\n", titles[group]);
		for (size_t i = 0; i < option_count; i++) {
			if (option_table[i].help && (int)option_table[i].group == group)
				print_option(&option_table[i]);
		}
	}
	print_negatable();
	print_missing();
	print_features();
}

void print_version(const char *argv0)
{
	if (program_is_criu(argv0))
		printf("Version: %s\n", CRIU_VERSION);
	printf("stasis %s\n", STASIS_VERSION);
}
