/*
 * The fields of a request, made into what a command line would say: a table has the option that means the same as a
 * field, and others how a field that is no text becomes one. A field that nothing looks at is refused.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/config.h"
#include "cli/rpc.h"
#include "lib/own.h"

/* What one value of a field says. */
struct word {
	bool on;    /* false: nothing is asked for */
	char *text; /* NULL: the option has no value, or none was given */
};

static int say(struct word *w, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int say(struct word *w, struct err *e, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&w->text, fmt, ap);
	va_end(ap);
	if (n >= 0)
		return 0;
	w->text = NULL;
	return err_sys(e, "memory for a word");
}

/* --- fields that have a form of their own -------------------------------------------------------- */

static int word_inherit_fd(const void *value, struct word *w, struct err *e)
{
	const InheritFd *f = *(InheritFd *const *)value;

	return say(w, e, "fd[%d]:%s", f->fd, f->key);
}

static int word_ext_mnt(const void *value, struct word *w, struct err *e)
{
	const ExtMountMap *m = *(ExtMountMap *const *)value;

	return say(w, e, "%s:%s", m->key, m->val);
}

static int word_auto_ext_mnt(const void *value, struct word *w, struct err *e)
{
	(void)value;
	return say(w, e, "auto");
}

static int word_join_ns(const void *value, struct word *w, struct err *e)
{
	const JoinNamespace *n = *(JoinNamespace *const *)value;

	return say(w, e, "%s:%s%s%s", n->ns, n->ns_file, n->extra_opt ? "," : "",
		   n->extra_opt ? n->extra_opt : "");
}

/* Without a controller it is for all, with an empty one for version 2. */
static int word_cg_root(const void *value, struct word *w, struct err *e)
{
	const CgroupRoot *c = *(CgroupRoot *const *)value;

	return say(w, e, "%s%s%s", c->ctrl ? c->ctrl : "", c->ctrl ? ":" : "", c->path);
}

static int word_veths(const void *value, struct word *w, struct err *e)
{
	const CriuVethPair *v = *(CriuVethPair *const *)value;

	return say(w, e, "%s=%s", v->if_in, v->if_out);
}

static int word_unix_sk_ino(const void *value, struct word *w, struct err *e)
{
	return say(w, e, "%" PRIu32, (*(UnixSk *const *)value)->inode);
}

static int word_empty_ns(const void *value, struct word *w, struct err *e)
{
	uint32_t flags = *(const uint32_t *)value;

	w->on = flags != 0;
	if (flags & ~(uint32_t)CLONE_NEWNET)
		return err_say(e, "0x%x names other namespaces than that of the network", flags);
	return say(w, e, "net");
}

/* Which bit is which the protocol does not say. */
static int word_cpu_cap(const void *value, struct word *w, struct err *e)
{
	uint32_t caps = *(const uint32_t *)value;

	if (caps && caps != UINT32_MAX)
		return err_say(e, "0x%x is neither all bits nor none", caps);
	return say(w, e, "%s", caps ? "all" : "none");
}

static int word_cg_mode(const void *value, struct word *w, struct err *e)
{
	CriuCgMode mode = *(const CriuCgMode *)value;

	if (mode == CRIU_CG_MODE__CG_NONE)
		return say(w, e, "none");
	if (mode == CRIU_CG_MODE__DEFAULT)
		return say(w, e, "soft");
	w->text = NULL; /* its own name */
	return 0;
}

static int word_pre_dump_mode(const void *value, struct word *w, struct err *e)
{
	if (*(const CriuPreDumpMode *)value == CRIU_PRE_DUMP_MODE__VM_READ)
		return say(w, e, "read");
	return 0;
}

static const struct {
	const char *field;
	int (*word)(const void *value, struct word *w, struct err *e);
} forms[] = {
	{ "inherit_fd", word_inherit_fd },
	{ "ext_mnt", word_ext_mnt },
	{ "auto_ext_mnt", word_auto_ext_mnt },
	{ "join_ns", word_join_ns },
	{ "cg_root", word_cg_root },
	{ "veths", word_veths },
	{ "unix_sk_ino", word_unix_sk_ino },
	{ "empty_ns", word_empty_ns },
	{ "cpu_cap", word_cpu_cap },
	{ "manage_cgroups_mode", word_cg_mode },
	{ "pre_dump_mode", word_pre_dump_mode },
};

/* --- fields by their type ------------------------------------------------------------------------ */

/* "NFTABLES" is nftables. */
static int word_enum(const ProtobufCFieldDescriptor *f, int value, struct word *w, struct err *e)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(f->descriptor, value);

	if (!v)
		return err_say(e, "there is no value %d", value);
	if (say(w, e, "%s", v->name) < 0)
		return e->code;
	for (char *c = w->text; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return 0;
}

static int word_plain(const ProtobufCFieldDescriptor *f, const void *value, struct word *w,
		      struct err *e)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		w->on = *(const protobuf_c_boolean *)value;
		return 0;
	case PROTOBUF_C_TYPE_STRING:
		return say(w, e, "%s", *(char *const *)value);
	case PROTOBUF_C_TYPE_INT32:
		return say(w, e, "%" PRId32, *(const int32_t *)value);
	case PROTOBUF_C_TYPE_UINT32:
		return say(w, e, "%" PRIu32, *(const uint32_t *)value);
	case PROTOBUF_C_TYPE_ENUM:
		return word_enum(f, *(const int *)value, w, e);
	default:
		return 0; /* a message; its own fields follow */
	}
}

static int word_of(const ProtobufCFieldDescriptor *f, const void *value, struct word *w,
		   struct err *e)
{
	*w = (struct word){ .on = true };
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (strcmp(forms[i].field, f->name) == 0 && forms[i].word(value, w, e) < 0)
			return e->code;
	if (w->text) {
		if (f->type == PROTOBUF_C_TYPE_BOOL)
			w->on = *(const protobuf_c_boolean *)value;
		return 0;
	}
	return word_plain(f, value, w, e);
}

/* --- where a word goes --------------------------------------------------------------------------- */

/* rpc_setup.c looks at these; or they are about the request and not about what is done. */
static const char *const elsewhere[] = {
	"images_dir_fd", "work_dir_fd",	   "config_file",   "notify_scripts", "orphan_pts_master",
	"exec_cmd",	 "pidfd_store_sk", "log_to_stderr", "ps.pid",
};

static bool is_elsewhere(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (strcmp(elsewhere[i], name) == 0)
			return true;
	return false;
}

/* The field of criu_opts, and the option that means the same. What an option does, or why it is refused, its own table says. */
static const struct {
	const char *field, *option;
} same[] = {
	{ "auto_dedup", "auto-dedup" },
	{ "auto_ext_mnt", "ext-mount-map" },
	{ "cg_root", "cgroup-root" },
	{ "cgroup_dump_controller", "cgroup-dump-controller" },
	{ "cgroup_props", "cgroup-props" },
	{ "cgroup_props_file", "cgroup-props-file" },
	{ "cgroup_yard", "cgroup-yard" },
	{ "cpu_cap", "cpu-cap" },
	{ "display_stats", "display-stats" },
	{ "empty_ns", "empty-ns" },
	{ "enable_fs", "enable-fs" },
	{ "evasive_devices", "evasive-devices" },
	{ "ext_masters", "enable-external-masters" },
	{ "ext_mnt", "ext-mount-map" },
	{ "ext_sharing", "enable-external-sharing" },
	{ "ext_unix_sk", "ext-unix-sk" },
	{ "external", "external" },
	{ "file_locks", "file-locks" },
	{ "force_irmap", "force-irmap" },
	{ "freeze_cgroup", "freeze-cgroup" },
	{ "ghost_limit", "ghost-limit" },
	{ "images_dir", "images-dir" },
	{ "inherit_fd", "inherit-fd" },
	{ "irmap_scan_paths", "irmap-scan-path" },
	{ "join_ns", "join-ns" },
	{ "lazy_pages", "lazy-pages" },
	{ "leave_running", "leave-running" },
	{ "leave_stopped", "leave-stopped" },
	{ "link_remap", "link-remap" },
	{ "log_file", "log-file" },
	{ "log_level", "verbosity" },
	{ "lsm_mount_context", "lsm-mount-context" },
	{ "lsm_profile", "lsm-profile" },
	{ "manage_cgroups", "manage-cgroups" },
	{ "manage_cgroups_mode", "manage-cgroups" },
	{ "mntns_compat_mode", "mntns-compat-mode" },
	{ "network_lock", "network-lock" },
	{ "parent_img", "prev-images-dir" },
	{ "pid", "tree" },
	{ "pre_dump_mode", "pre-dump-mode" },
	{ "ps", "page-server" },
	{ "ps.address", "address" },
	{ "ps.fd", "ps-socket" },
	{ "ps.port", "port" },
	{ "root", "root" },
	{ "rst_sibling", "restore-sibling" },
	{ "shell_job", "shell-job" },
	{ "skip_file_rwx_check", "skip-file-rwx-check" },
	{ "skip_mnt", "skip-mnt" },
	{ "tcp_close", "tcp-close" },
	{ "tcp_established", "tcp-established" },
	{ "tcp_skip_in_flight", "skip-in-flight" },
	{ "timeout", "timeout" },
	{ "tls", "tls" },
	{ "tls_cacert", "tls-cacert" },
	{ "tls_cacrl", "tls-cacrl" },
	{ "tls_cert", "tls-cert" },
	{ "tls_key", "tls-key" },
	{ "tls_no_cn_verify", "tls-no-cn-verify" },
	{ "track_mem", "track-mem" },
	{ "unix_sk_ino", "ext-unix-sk" },
	{ "unprivileged", "unprivileged" },
	{ "veths", "veth-pair" },
	{ "weak_sysctls", "weak-sysctls" },
};

static const struct option_entry *entry_of(const char *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (strcmp(same[i].field, field) == 0)
			return option_find(same[i].option);
	return NULL;
}

bool rpc_field_is_known(const char *name)
{
	return is_elsewhere(name) || entry_of(name);
}

static int take_value(struct rpc_job *job, const struct option_entry *entry,
		      const ProtobufCFieldDescriptor *f, const void *value, struct err *e)
{
	struct word w;
	int r = word_of(f, value, &w, e);
	own_mem char *text = w.text;

	/* What is not asked for says so to an option that can be taken back only. */
	if (r == 0 && (w.on || entry->flag))
		r = options_take(&job->parse, entry, w.on, entry->value == VALUE_NONE ? NULL : text,
				 e);
	return e->code ? e->code : r;
}

static int take_fields(struct rpc_job *job, const ProtobufCMessage *m, const char *outer,
		       struct err *e);

static int take_field(struct rpc_job *job, const ProtobufCFieldDescriptor *f, const char *at,
		      const char *name, struct err *e)
{
	bool list = f->label == PROTOBUF_C_LABEL_REPEATED;
	const struct option_entry *entry = entry_of(name);
	size_t count = 1, size = sizeof(void *); /* all lists are of texts and messages */

	if (is_elsewhere(name))
		return 0;
	if (!entry)
		return err_code(e, ENOTSUP, "it means nothing to stasis");
	if (list) {
		count = *(const size_t *)(at + f->quantifier_offset);
		at = *(const char *const *)(at + f->offset);
	} else {
		at += f->offset;
	}
	for (size_t i = 0; i < count; i++)
		if (take_value(job, entry, f, at + i * size, e) < 0)
			return e->code;
	if (f->descriptor != &criu_page_server_info__descriptor)
		return 0;
	return take_fields(job, *(ProtobufCMessage *const *)at, name, e);
}

static bool is_there(const ProtobufCFieldDescriptor *f, const char *message)
{
	const char *at = message + f->offset;

	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)(message + f->quantifier_offset) > 0;
	if (f->label == PROTOBUF_C_LABEL_REQUIRED)
		return true;
	if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(const void *const *)at && *(const void *const *)at != f->default_value;
	return *(const protobuf_c_boolean *)(message + f->quantifier_offset);
}

static int take_fields(struct rpc_job *job, const ProtobufCMessage *m, const char *outer,
		       struct err *e)
{
	const char *message = (const char *)m;

	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		char name[64];

		snprintf(name, sizeof(name), "%s%s%s", outer, *outer ? "." : "", f->name);
		if (is_there(f, message) && take_field(job, f, message, name, e) < 0)
			return err_on(e, "field '%s'", name);
	}
	return 0;
}

/* One that is not there is passed over. What it says counts more than the request. */
static int read_config(struct rpc_job *job, struct err *e)
{
	const CriuOpts *opts = job->req->opts;
	int r;

	memset(job->parse.given, 0, option_count * sizeof(*job->parse.given));
	if (!opts->config_file || !*opts->config_file)
		return 0;
	if (!job->peer.owner) {
		err_code(e, EPERM, "field 'config_file' is not for user %d", (int)job->peer.uid);
		return err_hint(e, "it may name programs, and they would run as another user");
	}
	r = config_read(&job->parse, opts->config_file, e);
	if (r == PARSE_RUN || e->code)
		return r == PARSE_RUN ? 0 : e->code;
	return err_say(e, "'%s' has an option that there is not", opts->config_file);
}

int rpc_options(struct rpc_job *job, struct err *e)
{
	const CriuOpts *opts = job->req->opts;
	struct options *opt = &job->inv.opt;
	int r;

	if (opts && (take_fields(job, &opts->base, "", e) < 0 || read_config(job, e) < 0))
		return e->code;
	if (opts && opts->n_exec_cmd) {
		r = options_exec_cmd(opt, (int)opts->n_exec_cmd, opts->exec_cmd, e);
		if (r < 0)
			return r;
	}
	/* What it is about is said by the type of the request. */
	if (job->inv.command->id == COMMAND_PAGE_SERVER)
		opt->pages.server = false;
	/* A restore that is not to become another program is always detached. */
	opt->detached = job->inv.command->id == COMMAND_RESTORE && !opt->exec_cmd;
	r = options_check(&job->inv, &job->parse, e);
	return e->code ? e->code : r;
}
