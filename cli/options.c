/* The command line; see options.h. */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/options_set.h"
#include "lib/own.h"
#include "lib/target.h"

/*
 * What getopt_long answers for a long option: its place in the table, and once more that for
 * --no-NAME.
 */
#define LONG_BASE 256

struct getopt_tables {
	struct option *longs;
	char (*no_names)[40];
	char letters[3 * 64];
};

static void tables_free(struct getopt_tables *t)
{
	free(t->longs);
	free(t->no_names);
}

static int tables_build(struct getopt_tables *t, const struct parse *p, struct err *e)
{
	static const int has_arg[] = { no_argument, required_argument, optional_argument };
	char *letter = t->letters;
	size_t n = 0;

	t->longs = calloc(option_count * 2 + 1, sizeof(*t->longs));
	t->no_names = calloc(option_count, sizeof(*t->no_names));
	if (!t->longs || !t->no_names)
		return err_sys(e, "memory for the table of options");
	for (size_t i = 0; i < option_count; i++) {
		const struct option_entry *entry = &option_table[i];
		bool bare = p->tree_is_flag && entry->set == set_tree;
		int arg = bare ? no_argument : has_arg[entry->value];

		t->longs[n++] = (struct option){ entry->name, arg, NULL, LONG_BASE + (int)i };
		if (entry->negatable) {
			snprintf(t->no_names[i], sizeof(*t->no_names), "no-%s", entry->name);
			t->longs[n++] = (struct option){ t->no_names[i], no_argument, NULL,
							 LONG_BASE + (int)(option_count + i) };
		}
		if (entry->letter && !strchr(t->letters, entry->letter)) {
			*letter++ = entry->letter;
			for (int colon = 0; colon < arg; colon++)
				*letter++ = ':';
		}
	}
	return 0;
}

static size_t entry_of_letter(int letter)
{
	size_t i = 0;

	while (option_table[i].letter != letter)
		i++;
	return i;
}

/* A setter that does not like its value. */
static int complain(const struct option_entry *entry, int r, struct err *e)
{
	if (r == -ENOTSUP)
		return r;
	err_on(e, "option '--%s'", entry->name);
	return r == -EINVAL ? PARSE_USAGE : r;
}

const struct option_entry *option_find(const char *name)
{
	for (size_t i = 0; i < option_count; i++)
		if (strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	return NULL;
}

int options_take(struct parse *p, const struct option_entry *entry, bool on, const char *value,
		 struct err *e)
{
	char *base = (char *)p->opt;
	int r = 0;

	p->given[entry - option_table] = true;
	if (entry->missing)
		p->lacking[entry - option_table] = on;
	else if (entry->flag && !(on && entry->set))
		*(bool *)(base + entry->flag) = on;
	else if (entry->text)
		r = set_text((char **)(base + entry->text), value, e);
	else if (entry->set == set_tree && p->tree_is_flag)
		p->opt->show_tree = true;
	else if (entry->set)
		r = entry->set(p->opt, value, e);
	/* Else --config or --no-default-config, which config.c has looked for by itself. */
	return r < 0 ? complain(entry, r, e) : PARSE_RUN;
}

/* One option as getopt_long has found it. */
static int take(struct parse *p, int found, const char *value, struct err *e)
{
	size_t i = found < LONG_BASE ? entry_of_letter(found) : (size_t)found - LONG_BASE;
	bool on = i < option_count;
	const struct option_entry *entry = &option_table[on ? i : i - option_count];

	if (entry->letter == 'h')
		return PARSE_HELP;
	if (entry->letter == 'V')
		return PARSE_VERSION;
	return options_take(p, entry, on, value, e);
}

/* Takes all options of argv, or with 'one' the first only. */
static int take_all(struct parse *p, int argc, char **argv, bool one, struct err *e)
{
	struct getopt_tables t = {};
	int r = tables_build(&t, p, e);
	int found;

	optind = 0; /* start anew, forgetting the previous argv */
	while (r == 0 && (found = getopt_long(argc, argv, t.letters, t.longs, NULL)) != -1) {
		r = found == '?' ? PARSE_USAGE : take(p, found, optarg, e);
		if (one)
			break;
	}
	tables_free(&t);
	return r;
}

int options_take_one(struct parse *p, int argc, char **argv, struct err *e)
{
	return take_all(p, argc, argv, true, e);
}

/* The entry that a long option can mean, a prefix too; NULL: none or several. */
static const struct option_entry *entry_of_word(const char *word, size_t len)
{
	const struct option_entry *found = NULL;

	for (size_t i = 0; i < option_count; i++) {
		if (strncmp(option_table[i].name, word, len) != 0)
			continue;
		if (!option_table[i].name[len])
			return &option_table[i];
		if (found)
			return NULL;
		found = &option_table[i];
	}
	return found;
}

static bool letter_takes_next(const char *word)
{
	for (word++; *word; word++) {
		size_t i = 0;

		while (i < option_count && option_table[i].letter != *word)
			i++;
		if (i == option_count || option_table[i].value == VALUE_OPTIONAL)
			return false;
		if (option_table[i].value == VALUE_REQUIRED)
			return !word[1];
	}
	return false;
}

/*
 * True if the command is 'show', where --tree is a flag. That has to be known before getopt reads
 * the line, so the command word is looked for here, as the first that is neither an option nor
 * its value.
 */
static bool command_is_show(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const struct option_entry *entry;

		if (argv[i][0] != '-' || !argv[i][1])
			return strcmp(argv[i], "show") == 0;
		if (argv[i][1] != '-') {
			i += letter_takes_next(argv[i]);
			continue;
		}
		entry = strchr(argv[i], '=') ? NULL :
					       entry_of_word(argv[i] + 2, strlen(argv[i] + 2));
		if (entry && entry->value == VALUE_REQUIRED && entry->set != set_tree)
			i++;
	}
	return false;
}

int options_exec_cmd(struct options *opt, int count, char **words, struct err *e)
{
	for (char **word = opt->exec_cmd; word && *word; word++)
		free(*word);
	free(opt->exec_cmd);
	opt->exec_cmd = calloc(count + 1, sizeof(*opt->exec_cmd));
	if (!opt->exec_cmd)
		return err_sys(e, "memory for --exec-cmd");
	for (int i = 0; i < count; i++) {
		int r = set_text(&opt->exec_cmd[i], words[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The command and what follows it. */
static int take_words(struct invocation *inv, int count, char **words, struct err *e)
{
	if (count == 0) {
		err_say(e, "there is no command");
		return PARSE_USAGE;
	}
	inv->command = command_find(words[0]);
	if (!inv->command) {
		err_say(e, "there is no command '%s'", words[0]);
		return PARSE_USAGE;
	}
	if (inv->command->id == COMMAND_RESTORE && inv->opt.exec_cmd)
		return options_exec_cmd(&inv->opt, count - 1, words + 1, e);
	if (count - 1 > inv->command->max_words) {
		err_say(e, "'%s' is one word too many for '%s'", words[1 + inv->command->max_words],
			words[0]);
		return PARSE_USAGE;
	}
	inv->word = count > 1 ? words[1] : NULL;
	inv->second_word = count > 2 ? words[2] : NULL;
	return PARSE_RUN;
}

/* Options that only make sense with, or never go with, others. */
static int refuse_combinations(const struct invocation *inv, struct err *e)
{
	const struct options *opt = &inv->opt;
	bool restore = inv->command->id == COMMAND_RESTORE;
	bool restores = restore || inv->command->id == COMMAND_RECEIVE;
	const unsigned with_stream = ON_DUMP | ON_RESTORE | ON_VERIFY;
	const unsigned of_a_tree = ON_DUMP | ON_PRE_DUMP | ON_UNTRACK | ON_PROTECT;

	if (of_a_tree >> inv->command->id & 1 && !opt->tree)
		return err_say(e, "option '--tree' is missing: the pid whose tree is to be %s",
			       inv->command->id == COMMAND_UNTRACK ? "let go" : "saved");
	if ((opt->every_us != EVERY_DEFAULT_US || opt->keep != KEEP_DEFAULT) &&
	    inv->command->id != COMMAND_PROTECT)
		return err_say(e, "options '--every' and '--keep' are for 'protect' only");
	if (opt->restore_sibling && !opt->detached)
		return err_say(e, "option '--restore-sibling' needs '--restore-detached'");
	if (opt->inherit_count && !restores)
		return err_say(e, "option '--inherit-fd' is for 'restore' only");
	if (opt->stream && !(with_stream >> inv->command->id & 1))
		return err_say(e, "option '--stream' is for 'dump', 'restore' and 'verify' only");
	if (opt->stream && opt->dry_run)
		return err_say(e,
			       "options '--stream' and '--dry-run' exclude each other: plans are "
			       "made of images in a folder");
	if (restore && opt->stream && opt->track_mem)
		return err_say(e, "options '--stream' and '--track-mem' exclude each other: there "
				  "is no folder that the next dump could stand on");
	if (opt->dry_run && !restore && inv->command->id != COMMAND_MIGRATE)
		return err_say(e, "option '--dry-run' is for 'restore' and 'migrate' only");
	if (opt->exec_cmd && !restore)
		return err_say(e, "option '--exec-cmd' is for 'restore' only");
	if (opt->exec_cmd && opt->detached)
		return err_say(e, "options '--exec-cmd' and '--restore-detached' exclude each "
				  "other");
	if (opt->exec_cmd && !opt->exec_cmd[0])
		return err_say(e, "option '--exec-cmd' needs the program to become, after '--'");
	return 0;
}

/* What is about page servers, where there is none. */
static int check_pages(const struct invocation *inv, const bool *given, struct err *e)
{
	const struct options *opt = &inv->opt;
	const struct page_options *p = &opt->pages;
	unsigned this = 1u << inv->command->id;
	bool serves = this & (ON_PAGE_SERVER | ON_LAZY_PAGES) || (this & ON_DUMP && p->lazy);
	bool speaks = this & ON_PAGE_SERVER || p->server || serves;

	if (p->server && !(this & (ON_DUMP | ON_PRE_DUMP | ON_LAZY_PAGES)))
		return err_say(e, "option '--page-server' is for 'dump', 'pre-dump' and "
				  "'lazy-pages' only");
	if (p->lazy && !(this & (ON_DUMP | ON_RESTORE | ON_PAGE_SERVER)))
		return err_say(e, "option '--lazy-pages' is for 'dump', 'restore' and "
				  "'page-server' only");
	if (opt->status_fd >= 0 && !serves && !(this & ON_SERVICE))
		return err_say(e, "option '--status-fd' is for servers only: 'service', "
				  "'page-server', 'lazy-pages', and 'dump --lazy-pages'");
	if (opt->address && !speaks && !(this & ON_SERVICE))
		return err_say(e, "option '--address' is for 'service' and page servers only; is "
				  "'--page-server' missing?");
	/* Files may ask for TLS whatever the command is. */
	if ((p->port || p->socket >= 0 || (given[option_find("tls") - option_table] && p->tls)) &&
	    !speaks)
		return err_say(e, "options '--port', '--ps-socket' and '--tls' are for page "
				  "servers only; is '--page-server' missing?");
	if (p->socket >= 0 && p->socket <= STDERR_FILENO && opt->detached &&
	    this & (ON_PAGE_SERVER | ON_LAZY_PAGES))
		return err_say(e,
			       "option '--ps-socket %d' and '--daemon' exclude each other: what "
			       "goes on in the background has no standard descriptors",
			       p->socket);
	return 0;
}

/* 'protect 123' is 'protect --tree 123'. */
static int take_pid(struct invocation *inv, struct err *e)
{
	char *end;
	long pid = inv->word ? strtol(inv->word, &end, 10) : 0;

	if (inv->command->id == COMMAND_DUMP && inv->word && inv->opt.tree)
		return err_say(e, "'%s' and '--tree %d' are two names; use one", inv->word,
			       inv->opt.tree);
	if (inv->command->id == COMMAND_DUMP && inv->word)
		return target_find(inv->word, &inv->opt.tree, e);
	if (inv->command->id != COMMAND_PROTECT || !inv->word)
		return 0;
	if (end == inv->word || *end || pid < 1 || pid > INT_MAX)
		return err_say(e, "'%s' is not a pid", inv->word);
	if (inv->opt.tree && inv->opt.tree != pid)
		return err_say(e, "'%s' and '--tree %d' are two processes; name one", inv->word,
			       inv->opt.tree);
	inv->opt.tree = pid;
	return 0;
}

/* 'migrate NAME HOST', or one of the words about a migration that there was. */
static int check_migrate(const struct invocation *inv, struct err *e)
{
	const struct migrate_options *m = &inv->opt.migrate;
	int by_hand = m->show_status + (m->resume != NULL) + (m->abort != NULL);

	if (inv->command->id != COMMAND_MIGRATE)
		return 0;
	if (m->force && !m->abort)
		return err_say(e, "option '--force' needs '--abort'");
	if (by_hand > 1)
		return err_say(e, "'--status', '--resume' and '--abort' exclude each other");
	if (by_hand && inv->word)
		return err_say(e, "'%s' is one word too many: a migration is named by its number",
			       inv->word);
	if (by_hand || inv->second_word || (inv->opt.tree && inv->word))
		return 0;
	return err_say(e, "'migrate' is followed by a process and a host");
}

/* The older commands take what CRIU takes; these have nobody to please who says more than it means. */
static int refuse_foreign(const struct invocation *inv, const bool *given, struct err *e)
{
	const unsigned strict = ON_PROTECT | ON_MIGRATE | ON_RECEIVE;
	unsigned this = 1u << inv->command->id;

	for (size_t i = 0; i < option_count && strict & this; i++)
		if (given[i] && !(option_table[i].on & this))
			return err_say(e, "option '--%s' is not for '%s'", option_table[i].name,
				       inv->command->name);
	return 0;
}

int options_check(struct invocation *inv, const struct parse *p, struct err *e)
{
	const bool *lacking = p->lacking;
	bool sub = inv->word && (!strcmp(inv->word, "dump") || !strcmp(inv->word, "check"));

	for (size_t i = 0; i < option_count; i++) {
		if (lacking[i])
			return err_code(e, ENOTSUP, "option '--%s' is not supported yet: %s",
					option_table[i].name, option_table[i].missing);
	}
	if (inv->command->id == COMMAND_CPUINFO && !sub) {
		err_say(e, "'cpuinfo' is followed by 'dump' or 'check'");
		return PARSE_USAGE;
	}
	if (inv->command->id == COMMAND_SWRK && !inv->word) {
		err_say(e, "'swrk' is followed by the number of a connected socket");
		return PARSE_USAGE;
	}
	if (inv->command->id == COMMAND_SHOW && !inv->word) {
		err_say(e, "'show' is followed by a directory or an image file");
		return PARSE_USAGE;
	}
	if (inv->command->id == COMMAND_VERIFY && !inv->word == !inv->opt.stream) {
		err_say(e, "'verify' is followed by a directory, or by --stream");
		return PARSE_USAGE;
	}
	if (take_pid(inv, e) < 0 || check_migrate(inv, e) < 0 ||
	    refuse_foreign(inv, p->given, e) < 0)
		return e->code;
	return check_pages(inv, p->given, e) < 0 ? e->code : refuse_combinations(inv, e);
}

int options_parse(struct invocation *inv, int argc, char **argv, struct err *e)
{
	own_mem bool *lacking = calloc(option_count, 2 * sizeof(*lacking));
	struct parse p = { .opt = &inv->opt,
			   .program = argv[0],
			   .lacking = lacking,
			   .given = lacking + option_count };
	struct config_choice config;
	int r;

	*inv = (struct invocation){};
	options_init(&inv->opt);
	if (!lacking)
		return err_sys(e, "memory for the options");
	if (argc < 2)
		return PARSE_USAGE;
	if (config_choose(argc, argv, &config) == PARSE_HELP)
		return PARSE_HELP;
	r = config_read_all(&p, &config, e);
	if (r != PARSE_RUN)
		return r;
	memset(p.given, 0, option_count * sizeof(*p.given));
	p.tree_is_flag = command_is_show(argc, argv);
	r = take_all(&p, argc, argv, false, e);
	if (r == PARSE_RUN)
		r = take_words(inv, argc - optind, argv + optind, e);
	/* A command that we lack is refused as such, whatever its options. */
	if (r != PARSE_RUN || inv->command->missing)
		return r;
	return options_check(inv, &p, e);
}
