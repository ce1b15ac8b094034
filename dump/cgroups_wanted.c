/*
 * --cgroup-props and --cgroup-props-file: which settings are saved besides the usual ones, or instead of them.
 *
 *   "cpu":
 *    - "strategy": "merge"
 *    - "properties": ["cpu.shares", "cpu.foo"]
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "dump/cgroups.h"
#include "lib/io.h"

struct reader {
	struct dump *d;
	const char *at;
	unsigned int line;
	struct wanted_props *all;
	size_t count;
};

static int refuse(const struct reader *r, const char *what, struct err *e)
{
	err_say(e, "line %u of the cgroup properties: %s is expected", r->line, what);
	return err_hint(e, "they have the form\n"
			   "    \"cpu\":\n"
			   "     - \"strategy\": \"merge\"\n"
			   "     - \"properties\": [\"cpu.shares\", \"cpu.foo\"]");
}

static void skip_space(struct reader *r)
{
	for (; isspace((unsigned char)*r->at); r->at++)
		r->line += *r->at == '\n';
}

static bool take(struct reader *r, char c)
{
	skip_space(r);
	if (*r->at != c)
		return false;
	r->at++;
	return true;
}

/* A name of a controller or a file: nothing that leads elsewhere. */
static int take_text(struct reader *r, const char *what, char **ret, struct err *e)
{
	const char *end;

	if (!take(r, '"'))
		return refuse(r, what, e);
	end = strpbrk(r->at, "\"\n/");
	if (!end || *end != '"' || end == r->at || *r->at == '.')
		return refuse(r, what, e);
	*ret = pool_format(&r->d->pool, "%.*s", (int)(end - r->at), r->at);
	r->at = end + 1;
	return 0;
}

static int take_key(struct reader *r, const char *key, struct err *e)
{
	char *text;

	if (!take(r, '-') || take_text(r, key, &text, e) < 0 || strcmp(text, key) != 0 ||
	    !take(r, ':'))
		return refuse(r, key, e);
	return 0;
}

static int take_names(struct reader *r, struct wanted_props *w, struct err *e)
{
	if (!take(r, '['))
		return refuse(r, "'['", e);
	do {
		char **more = pool_array(&r->d->pool, char *, w->count + 1);

		if (w->count)
			memcpy(more, w->names, w->count * sizeof(*more));
		w->names = more;
		if (take_text(r, "a property", &more[w->count], e) < 0)
			return e->code;
		w->count++;
	} while (take(r, ','));
	return take(r, ']') ? 0 : refuse(r, "']'", e);
}

static int take_one(struct reader *r, struct wanted_props *w, struct err *e)
{
	char *strategy;

	if (take_text(r, "the name of a controller", &w->controller, e) < 0)
		return e->code;
	if (!take(r, ':'))
		return refuse(r, "':'", e);
	if (take_key(r, "strategy", e) < 0 ||
	    take_text(r, "\"merge\" or \"replace\"", &strategy, e) < 0)
		return e->code;
	w->replace = strcmp(strategy, "replace") == 0;
	if (!w->replace && strcmp(strategy, "merge") != 0)
		return refuse(r, "\"merge\" or \"replace\"", e);
	return take_key(r, "properties", e) < 0 ? e->code : take_names(r, w, e);
}

static int take_all(struct reader *r, const char *text, struct err *e)
{
	r->at = text;
	r->line = 1;
	for (skip_space(r); *r->at; skip_space(r)) {
		struct wanted_props *more =
			pool_array(&r->d->pool, struct wanted_props, r->count + 1);

		if (r->count)
			memcpy(more, r->all, r->count * sizeof(*more));
		r->all = more;
		if (take_one(r, &more[r->count], e) < 0)
			return e->code;
		r->count++;
	}
	return 0;
}

int cgroups_wanted(struct dump *d, struct wanted_props **ret, size_t *count, struct err *e)
{
	const struct options *opt = d->opt;
	struct reader r = { .d = d };
	own_mem char *text = NULL;

	if (opt->cgroup_props && take_all(&r, opt->cgroup_props, e) < 0)
		return err_on(e, "--cgroup-props");
	if (opt->cgroup_props_file &&
	    (io_slurp(AT_FDCWD, opt->cgroup_props_file, &text, NULL, e) < 0 ||
	     take_all(&r, text, e) < 0))
		return err_on(e, "'%s'", opt->cgroup_props_file);
	*ret = r.all;
	*count = r.count;
	return 0;
}
