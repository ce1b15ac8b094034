/* Fields of requests become the same options as words of a command line; what nothing looks at is refused. */
#include <string.h>

#include "cli/rpc.h"
#include "test/lib/unit.h"

static struct rpc_job job;
static struct err error;
static CriuReq req;

/* What options_parse() begins with, for this command. */
static void begin(enum command_id command, CriuOpts *opts)
{
	static bool given[2 * 256];

	assert(option_count <= 256);
	memset(given, 0, sizeof(given));
	error = (struct err){};
	req = (CriuReq)CRIU_REQ__INIT;
	req.opts = opts;
	job = (struct rpc_job){ .req = &req, .peer.owner = true };
	job.inv.command = &commands[command];
	options_init(&job.inv.opt);
	job.parse = (struct parse){ .opt = &job.inv.opt,
				    .program = "criu",
				    .lacking = given,
				    .given = given + option_count };
}

static void accepts(enum command_id command, CriuOpts *opts)
{
	begin(command, opts);
	if (rpc_options(&job, &error) < 0)
		printf("# %s\n", error.text);
	assert(!error.code);
}

static void refuses(enum command_id command, CriuOpts *opts, const char *sentence)
{
	begin(command, opts);
	assert(rpc_options(&job, &error) < 0);
	if (strcmp(error.text, sentence) != 0)
		printf("# %s\n", error.text);
	assert(!strcmp(error.text, sentence));
}

static CriuOpts of_pid(void)
{
	CriuOpts opts = CRIU_OPTS__INIT;

	opts.has_pid = true;
	opts.pid = 7;
	return opts;
}

static void plain_fields(void)
{
	CriuOpts opts = of_pid();
	char *external[] = { "tty[1:2]", "file[3:4]" };

	opts.has_leave_running = opts.leave_running = true;
	opts.has_shell_job = opts.shell_job = true;
	opts.has_ghost_limit = true;
	opts.ghost_limit = 5;
	opts.has_timeout = true;
	opts.timeout = 0;
	opts.has_log_level = true;
	opts.log_level = 4;
	opts.log_file = "a.log";
	opts.parent_img = "../b";
	opts.external = external;
	opts.n_external = 2;
	accepts(COMMAND_DUMP, &opts);
	assert(job.inv.opt.tree == 7 && job.inv.opt.leave_running && job.inv.opt.shell_job);
	assert(job.inv.opt.ghost_limit == 5 && job.inv.opt.timeout == 0);
	assert(job.inv.opt.verbosity == 4 && !strcmp(job.inv.opt.log_file, "a.log"));
	assert(!strcmp(job.inv.opt.prev_images_dir, "../b"));
	assert(job.inv.opt.external.count == 2);
	assert(!strcmp(job.inv.opt.external.item[1], "file[3:4]"));
	assert(!job.inv.opt.detached && !job.inv.opt.tcp_established);
	options_free(&job.inv.opt);
}

/* False says so to what a configuration file has switched on; what is absent does not. */
static void false_and_absent(void)
{
	CriuOpts opts = of_pid();

	opts.has_file_locks = true;
	opts.has_leave_running = true;
	opts.has_lazy_pages = true;
	opts.has_manage_cgroups = true;
	begin(COMMAND_DUMP, &opts);
	job.inv.opt.cgroup_mode = CGROUPS_IGNORE;
	job.inv.opt.file_locks = job.inv.opt.leave_running = job.inv.opt.link_remap = true;
	assert(rpc_options(&job, &error) == 0);
	assert(!job.inv.opt.file_locks && !job.inv.opt.leave_running && job.inv.opt.link_remap);
	assert(job.inv.opt.cgroup_mode == CGROUPS_IGNORE);
}

static void fields_with_a_form(void)
{
	CriuOpts opts = CRIU_OPTS__INIT;
	InheritFd fd = INHERIT_FD__INIT;
	CgroupRoot roots[] = { CGROUP_ROOT__INIT, CGROUP_ROOT__INIT, CGROUP_ROOT__INIT };
	UnixSk sk = UNIX_SK__INIT;
	InheritFd *fds[] = { &fd };
	CgroupRoot *all[] = { &roots[0], &roots[1], &roots[2] };
	UnixSk *sks[] = { &sk };

	fd.key = "pipe:[5]";
	fd.fd = 1;
	opts.inherit_fd = fds;
	opts.n_inherit_fd = 1;
	roots[0].path = roots[1].path = roots[2].path = "/c";
	roots[1].ctrl = "";
	roots[2].ctrl = "name=x";
	opts.cg_root = all;
	opts.n_cg_root = 3;
	sk.inode = 99;
	opts.unix_sk_ino = sks;
	opts.n_unix_sk_ino = 1;
	opts.has_manage_cgroups_mode = true;
	opts.manage_cgroups_mode = CRIU_CG_MODE__STRICT;
	opts.has_network_lock = true;
	opts.network_lock = CRIU_NETWORK_LOCK_METHOD__SKIP;
	opts.has_empty_ns = true;
	opts.has_rst_sibling = opts.rst_sibling = true;
	accepts(COMMAND_RESTORE, &opts);
	assert(job.inv.opt.inherit_count == 1 && job.inv.opt.inherit_fds[0].fd == 1);
	assert(!strcmp(job.inv.opt.inherit_fds[0].key, "pipe:[5]"));
	assert(job.inv.opt.cgroup_root_count == 3 && !job.inv.opt.cgroup_roots[0].controller);
	assert(!strcmp(job.inv.opt.cgroup_roots[0].path, "/c"));
	assert(!strcmp(job.inv.opt.cgroup_roots[1].controller, ""));
	assert(!strcmp(job.inv.opt.cgroup_roots[2].controller, "name=x"));
	assert(!strcmp(job.inv.opt.external.item[0], "unix[99]"));
	assert(job.inv.opt.cgroup_mode == CGROUPS_STRICT &&
	       job.inv.opt.network_lock == NETWORK_LOCK_SKIP);
	assert(job.inv.opt.detached && job.inv.opt.restore_sibling);
	options_free(&job.inv.opt);
}

static void refusals(void)
{
	CriuOpts opts = of_pid();
	CriuPageServerInfo ps = CRIU_PAGE_SERVER_INFO__INIT;

	ps.has_port = true;
	ps.port = 70000;
	opts.ps = &ps;
	refuses(COMMAND_DUMP, &opts,
		"field 'ps': field 'ps.port': option '--port': '70000' is no port");
	opts = of_pid();
	opts.has_empty_ns = true;
	opts.empty_ns = 1;
	refuses(COMMAND_DUMP, &opts,
		"field 'empty_ns': 0x1 names other namespaces than that of the network");
	opts = of_pid();
	opts.has_status_fd = true;
	refuses(COMMAND_DUMP, &opts, "field 'status_fd': it means nothing to stasis");
	opts = of_pid();
	opts.has_network_lock = true;
	opts.network_lock = 77;
	refuses(COMMAND_DUMP, &opts, "field 'network_lock': there is no value 77");
	opts = of_pid();
	opts.pid = -4;
	refuses(COMMAND_DUMP, &opts, "field 'pid': option '--tree': '-4' is not a pid");
}

/* Each field is an option's, or is looked at elsewhere; or it is refused, and this list says so. */
static void no_field_is_forgotten(void)
{
	static const char *const refused[] = { "status_fd" };
	CriuOpts opts = CRIU_OPTS__INIT;

	for (unsigned i = 0; i < criu_opts__descriptor.n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &criu_opts__descriptor.fields[i];
		bool known = rpc_field_is_known(f->name);

		for (size_t k = 0; k < sizeof(refused) / sizeof(refused[0]); k++)
			known = strcmp(f->name, refused[k]) == 0 ? !known : known;
		if (!known)
			printf("# field '%s'\n", f->name);
		assert(known);
	}
	accepts(COMMAND_CHECK, &opts);
}

int main(void)
{
	return unit_run((struct unit[]){ UNIT(plain_fields),
					 UNIT(false_and_absent),
					 UNIT(fields_with_a_form),
					 UNIT(refusals),
					 UNIT(no_field_is_forgotten),
					 {} });
}
