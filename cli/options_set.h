/* What options with a value of their own shape do; options_table.c names these functions. */
#ifndef STASIS_CLI_OPTIONS_SET_H
#define STASIS_CLI_OPTIONS_SET_H

#include "lib/err.h"
#include "lib/options.h"

/*
 * Each returns 0, or -EINVAL with a sentence that quotes the value. value is NULL when none was
 * given.
 */
int set_tree(struct options *opt, const char *value, struct err *e);
int set_freeze(struct options *opt, const char *value, struct err *e);
int set_network_lock(struct options *opt, const char *value, struct err *e);
int set_max_rounds(struct options *opt, const char *value, struct err *e);
int set_pre_dump_mode(struct options *opt, const char *value, struct err *e);
int set_max_freeze(struct options *opt, const char *value, struct err *e);
/* --every: 500ms, 2s, 1m; --keep */
int set_every(struct options *opt, const char *value, struct err *e);
int set_keep(struct options *opt, const char *value, struct err *e);
int set_leave_running(struct options *opt, const char *value, struct err *e);
int set_leave_stopped(struct options *opt, const char *value, struct err *e);
int set_timeout(struct options *opt, const char *value, struct err *e);
int set_ghost_limit(struct options *opt, const char *value, struct err *e);
int set_file_validation(struct options *opt, const char *value, struct err *e);
int set_cpu_cap(struct options *opt, const char *value, struct err *e);
int set_manage_cgroups(struct options *opt, const char *value, struct err *e);
int set_cgroup_root(struct options *opt, const char *value, struct err *e);
int set_cgroup_controller(struct options *opt, const char *value, struct err *e);
int set_status_fd(struct options *opt, const char *value, struct err *e);
int set_port(struct options *opt, const char *value, struct err *e);
int set_ps_socket(struct options *opt, const char *value, struct err *e);
int set_inherit_fd(struct options *opt, const char *value, struct err *e);
int set_irmap_scan_path(struct options *opt, const char *value, struct err *e);
int set_tcp_rebind(struct options *opt, const char *value, struct err *e);
int set_external_mount(struct options *opt, const char *value, struct err *e);
int set_ext_mount_map(struct options *opt, const char *value, struct err *e);
int set_skip_mnt(struct options *opt, const char *value, struct err *e);
int set_enable_fs(struct options *opt, const char *value, struct err *e);
int set_external(struct options *opt, const char *value, struct err *e);
/* cli/options_net.c; check_external_net: of the types 'net', 'veth' and 'macvlan'. */
int set_empty_ns(struct options *opt, const char *value, struct err *e);
int set_join_ns(struct options *opt, const char *value, struct err *e);
int set_veth_pair(struct options *opt, const char *value, struct err *e);
int check_external_net(const char *value, struct err *e);
int set_ext_unix_sk(struct options *opt, const char *value, struct err *e);
int set_action_script(struct options *opt, const char *value, struct err *e);
int set_exec_cmd(struct options *opt, const char *value, struct err *e);
int set_verbosity(struct options *opt, const char *value, struct err *e);
int set_close(struct options *opt, const char *value, struct err *e);
/* --compress: zstd or lz4, with :LEVEL or without; none. */
int set_compress(struct options *opt, const char *value, struct err *e);
int set_remote_option(struct options *opt, const char *value, struct err *e);
int set_mode(struct options *opt, const char *value, struct err *e);
int set_bandwidth(struct options *opt, const char *value, struct err *e);
int set_status(struct options *opt, const char *value, struct err *e);
int set_removed(struct options *opt, const char *value, struct err *e);
int set_all(struct options *opt, const char *value, struct err *e);
/* A number with K, M or G. */
int parse_size(const char *value, uint64_t *ret, struct err *e);
int list_add(struct string_list *list, const char *value, struct err *e);
/* Replaces a text: the last one given counts. */
int set_text(char **at, const char *value, struct err *e);

#endif
