/* 'migrate' and 'receive'; see move.h. */
#include "cli/move.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "dump/dump.h"
#include "lib/own.h"
#include "lib/target.h"
#include "migrate/migrate.h"
#include "restore/restore.h"

enum { STATUS_IN_DOUBT = 2 };

static int by_hand(const struct options *opt, struct err *e)
{
	const char *id = opt->migrate.resume ? opt->migrate.resume : opt->migrate.abort;
	int r;

	if (opt->migrate.show_status)
		return migrate_status(opt, e);
	r = opt->migrate.resume ? migrate_resume(opt, id, e) : migrate_abort(opt, id, e);
	return r < 0 ? err_on(e, "cannot %s migration %s", opt->migrate.resume ? "resume" : "abort",
			      id) :
		       0;
}

int move_away(const struct invocation *inv, struct err *e)
{
	struct options opt = inv->opt;
	const char *name = inv->word;

	if (opt.migrate.show_status || opt.migrate.resume || opt.migrate.abort)
		return by_hand(&opt, e) < 0;
	opt.migrate.host = inv->second_word ? inv->second_word : inv->word;
	if (inv->second_word && target_find(name, &opt.tree, e) < 0) {
		err_on(e, "cannot migrate '%s'", name);
		return 1;
	}
	if (migrate_run(&opt, dump_run, e) == 0)
		return 0;
	err_on(e, "cannot migrate %d to '%s'", opt.tree, opt.migrate.host);
	return e->code == -EINPROGRESS ? STATUS_IN_DOUBT : 1;
}

/* The channel is ours alone: what scripts would write there goes to standard error. */
static int take_channel(int *in, int *out, struct err *e)
{
	own_fd null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	*in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	*out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (*in < 0 || *out < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return err_sys(e, "set the channel apart");
	return 0;
}

int move_here(const struct invocation *inv, struct err *e)
{
	struct options opt = inv->opt;
	own_fd in = -1, out = -1;
	int r;

	if (isatty(STDIN_FILENO)) {
		err_say(e, "'receive' is the other side of 'migrate', which starts it");
		return 1;
	}
	if (take_channel(&in, &out, e) < 0)
		return 1;
	r = receive_run(&opt, restore_run, in, out, e);
	if (r == 1)
		*e = (struct err){ 0 };
	else if (r < 0)
		err_on(e, "cannot receive a tree");
	return r != 0;
}
