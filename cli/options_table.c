/*
 * All options of CRIU 4.2, and the few of our own: what each is called, takes, does and is for.
 * --help and the reading of command lines and configuration files are made from this table; a
 * test holds docs/stasis.1 against it.
 */
#include "cli/options.h"

#include "cli/options_set.h"
#include "lib/own.h"

#define FLAG(member) .flag = offsetof(struct options, member)
#define TEXT(member, shown) \
	.value = VALUE_REQUIRED, .value_name = shown, .text = offsetof(struct options, member)
#define NEEDS(shown) .value = VALUE_REQUIRED, .value_name = shown
#define MAY_HAVE(shown) .value = VALUE_OPTIONAL, .value_name = shown
#define NO .negatable = true
#define IN(name) .group = GROUP_##name
#define ON_BOTH (ON_DUMP | ON_RESTORE)
#define ON_SAVE (ON_DUMP | ON_PRE_DUMP)
#define ON_DUMPS (ON_DUMP | ON_PROTECT)

/* Why an option is refused. */
#define NO_PAGE_SERVER "there is no page server"
#define NO_TLS "there is no page server, and so no TLS"
#define NO_LAZY "there is no page server; restore --lazy does it alone"
#define NO_MOUNTS "mount namespaces cannot be dumped"
#define NO_NAMESPACES "namespaces cannot be restored"

const struct option_entry option_table[] = {
	/* What stands in a line belongs together. */
	/* clang-format off */
	{ "images-dir", 'D', TEXT(images_dir, "DIR"), .on = ON_ALL,
	  .help = "the images are here (default: .)" },
	{ "work-dir", 'W', TEXT(work_dir, "DIR"), .on = ON_ALL,
	  .help = "logs, pid files, statistics (default: the images directory)" },
	{ "config", 0, NEEDS("FILE"), .on = ON_ALL,
	  .help = "read options from this file instead of the default ones" },
	{ "no-default-config", 0, .on = ON_ALL,
	  .help = "do not read the default configuration files" },
	{ "close", 0, NEEDS("FD"), .set = set_close, .on = ON_ALL,
	  .help = "close this descriptor first of all" },
	{ "display-stats", 0, NO, FLAG(display_stats), .on = ON_BOTH | ON_SAVE,
	  .help = "print what was counted and how long it took" },
	{ "help", 'h', .on = ON_ALL, .help = "print this text" },
	{ "version", 'V', .on = ON_ALL, .help = "print the version" },

	{ "tree", 't', NEEDS("PID"), .set = set_tree, .on = ON_SAVE | ON_PROTECT | ON_UNTRACK | ON_SHOW, IN(DUMP),
	  .help = "the process whose tree is saved" },
	{ "leave-running", 'R', .set = set_leave_running, .on = ON_DUMP, IN(DUMP),
	  .help = "let the tasks run on after a good dump" },
	{ "leave-stopped", 's', .set = set_leave_stopped, .on = ON_BOTH, IN(DUMP),
	  .help = "leave the tasks stopped after the dump, or after the restore" },
	{ "timeout", 0, NEEDS("SECONDS"), .set = set_timeout, .on = ON_SAVE | ON_PROTECT, IN(DUMP),
	  .help = "for finding and freezing the tasks (default: 10; 0: no limit)" },
	{ "freeze", 0, NEEDS("MODE"), .set = set_freeze, .on = ON_DUMPS, IN(DUMP),
	  .help = "save memory while the tree stands (stop), before (precopy) or behind it (cow) (default: auto)" },
	{ "max-rounds", 0, NEEDS("N"), .set = set_max_rounds, .on = ON_DUMPS, IN(DUMP),
	  .help = "of pre-copy, before the last stop (default: 8)" },
	{ "max-freeze", 0, NEEDS("MS"), .set = set_max_freeze, .on = ON_DUMPS, IN(DUMP),
	  .help = "no more rounds when the last stop would be as short (default: 1)" },
	{ "json", 0, NO, FLAG(json_stats), .on = ON_SAVE, IN(DUMP),
	  .help = "print what was counted as JSON: times, stops, rounds, bytes" },
	{ "track-mem", 0, NO, FLAG(track_mem), .on = ON_SAVE | ON_RESTORE, IN(DUMP),
	  .help = "store only what was written since the dump, or the restore, before, and count on" },
	{ "prev-images-dir", 0, TEXT(prev_images_dir, "DIR"), .on = ON_SAVE, IN(DUMP),
	  .help = "the dump before, relative to the images directory" },
	{ "auto-dedup", 0, NO, FLAG(auto_dedup), .on = ON_SAVE, IN(DUMP),
	  .help = "free the room of pages that are stored anew in the dumps before" },
	{ "every", 0, NEEDS("TIME"), .set = set_every, .on = ON_PROTECT, IN(DUMP),
	  .help = "from one checkpoint to the next: 500ms, 2s, 1m (default: 1s)" },
	{ "keep", 0, NEEDS("N"), .set = set_keep, .on = ON_PROTECT, IN(DUMP),
	  .help = "so many checkpoints; older ones are merged (default: 5)" },
	{ "pre-dump-mode", 0, NEEDS("MODE"), .set = set_pre_dump_mode, .on = ON_PRE_DUMP, IN(DUMP),
	  .help = "'splice' or 'read', for CRIU's sake: here both save while the tree runs" },
	{ "shell-job", 'j', NO, FLAG(shell_job), .on = ON_BOTH | ON_PROTECT, IN(DUMP),
	  .help = "the tree belongs to a shell's session and terminal; on both sides" },
	{ "file-locks", 'l', NO, FLAG(file_locks), .on = ON_BOTH | ON_PROTECT, IN(DUMP),
	  .help = "carry file locks, which may be held against others" },
	{ "evasive-devices", 0, NO, FLAG(evasive_devices), .on = ON_DUMPS, IN(DUMP),
	  .help = "take any path to a device when its own has gone" },
	{ "link-remap", 0, NO, FLAG(link_remap), .on = ON_DUMP, IN(DUMP),
	  .help = "link deleted files that have other names as link_remap.N beside them" },
	{ "ghost-limit", 0, NEEDS("SIZE"), .set = set_ghost_limit, .on = ON_DUMPS, IN(DUMP),
	  .help = "the largest deleted file to store, with K, M or G (default: 1M)" },
	{ "ghost-fiemap", 0, NO, FLAG(ghost_fiemap), .on = ON_DUMPS, IN(DUMP),
	  .help = "find the holes of deleted files by FIEMAP (default)" },
	{ "compress", 0, MAY_HAVE("CODEC[:N]"), .set = set_compress, .on = ON_DUMPS | ON_CONVERT,
	  IN(DUMP), .help = "store pages compressed: zstd (default) or lz4, at level N (1)" },
	{ "dedup-pages", 0, NO, FLAG(compress.once), .on = ON_DUMPS | ON_CONVERT,
	  IN(DUMP), .help = "store equal pages once" },
	{ "stream", 0, NO, FLAG(stream), .on = ON_BOTH | ON_VERIFY, IN(DUMP),
	  .help = "the images go to standard output; restore, verify: come from standard input" },
	{ "force-irmap", 0, NO, FLAG(force_irmap), .on = ON_DUMPS, IN(DUMP),
	  .help = "look for the paths of all watched files, also of those that a handle leads to" },
	{ "irmap-scan-path", 0, NEEDS("PATH"), .set = set_irmap_scan_path, .on = ON_DUMPS, IN(DUMP),
	  .help = "look for watched files below PATH first; repeatable" },
	{ "external", 0, NEEDS("TYPE[ID]"), .set = set_external, .on = ON_BOTH | ON_PROTECT, IN(DUMP),
	  .help = "file[MNT_ID:INODE], tty[RDEV:DEV] (hex), unix[INODE] or dev[MAJOR/MINOR]:NAME is not of the tree" },
	{ "ext-unix-sk", 'x', MAY_HAVE("INODE,..."), .set = set_ext_unix_sk, .on = ON_BOTH | ON_PROTECT, IN(DUMP),
	  .help = "sockets may have peers outside: all datagram ones, or those given" },
	{ "tcp-established", 0, NO, FLAG(tcp_established), .on = ON_BOTH | ON_PROTECT, IN(DUMP),
	  .help = "carry TCP connections; on both sides" },
	{ "tcp-close", 0, NO, FLAG(tcp_close), .on = ON_BOTH | ON_PROTECT, IN(DUMP),
	  .help = "TCP connections come back closed; on both sides" },
	{ "skip-in-flight", 0, NO, FLAG(skip_in_flight), .on = ON_DUMPS, IN(DUMP),
	  .help = "drop connections that were not accepted yet" },
	{ "network-lock", 0, NEEDS("METHOD"), .set = set_network_lock, .on = ON_BOTH | ON_PROTECT, IN(DUMP),
	  .help = "block connections until they are restored: nftables (default), or skip" },
	{ "freeze-cgroup", 0, TEXT(freeze_cgroup, "DIR"), .on = ON_SAVE | ON_PROTECT, IN(DUMP),
	  .help = "freeze this cgroup while its tasks are stopped" },
	{ "manage-cgroups", 0, MAY_HAVE("MODE"), .set = set_manage_cgroups, .on = ON_BOTH | ON_PROTECT, IN(DUMP),
	  .help = "soft (default), none, props, full, strict or ignore: what is made of cgroups at restore" },
	{ "cgroup-root", 0, NEEDS("[CTL:]/PATH"), .set = set_cgroup_root, .on = ON_BOTH | ON_PROTECT, IN(DUMP),
	  .help = "cgroups are saved from here on; at restore this takes the place of where they began" },
	{ "cgroup-props", 0, TEXT(cgroup_props, "TEXT"), .on = ON_DUMPS, IN(DUMP),
	  .help = "settings of cgroups to be saved besides the usual ones, or instead of them" },
	{ "cgroup-props-file", 0, TEXT(cgroup_props_file, "FILE"), .on = ON_DUMPS, IN(DUMP),
	  .help = "the same, from a file" },
	{ "cgroup-dump-controller", 0, NEEDS("NAME"), .set = set_cgroup_controller, .on = ON_DUMPS, IN(DUMP),
	  .help = "save the settings of these cgroup controllers only" },
	{ "cgroup-yard", 0, TEXT(cgroup_yard, "DIR"), .on = ON_BOTH | ON_PROTECT, IN(DUMP),
	  .help = "cgroup hierarchies are mounted below, each in a folder of its name" },

	{ "restore-detached", 'd', NO, FLAG(detached), .on = ON_RESTORE, IN(RESTORE),
	  .help = "leave when the tasks run, instead of waiting for their end" },
	{ "daemon", 'd', NO, FLAG(detached), .on = ON_RESTORE, IN(RESTORE),
	  .help = "another name of --restore-detached" },
	{ "lazy", 0, NO, FLAG(lazy), .on = ON_RESTORE, IN(RESTORE),
	  .help = "let the tasks run at once; their pages come when they are touched, the rest behind that" },
	{ "restore-sibling", 'S', NO, FLAG(restore_sibling), .on = ON_RESTORE, IN(RESTORE),
	  .help = "the root task becomes a child of our parent; needs -d" },
	{ "exec-cmd", 0, .set = set_exec_cmd, .on = ON_RESTORE, IN(RESTORE),
	  .help = "become the program given after -- when the tasks run" },
	{ "pidfile", 0, TEXT(pidfile, "FILE"), .on = ON_RESTORE, IN(RESTORE),
	  .help = "write the pid of the root task to this new file" },
	{ "root", 'r', TEXT(root, "DIR"), .on = ON_BOTH, IN(RESTORE),
	  .help = "the root of the restored tasks" },
	{ "inherit-fd", 0, NEEDS("fd[N]:KEY"), .set = set_inherit_fd, .on = ON_RESTORE, IN(RESTORE),
	  .help = "our descriptor N takes the place of the object KEY" },
	{ "tcp-rebind", 0, NEEDS("OLD=NEW"), .set = set_tcp_rebind, .on = ON_RESTORE, IN(RESTORE),
	  .help = "sockets get the address NEW instead of OLD" },
	{ "file-validation", 0, NEEDS("HOW"), .set = set_file_validation, .on = ON_BOTH | ON_PROTECT,
	  IN(RESTORE), .help = "recognise files by 'filesize' or also by 'buildid' (default)" },
	{ "skip-file-rwx-check", 0, NO, FLAG(skip_file_rwx_check), .on = ON_RESTORE, IN(RESTORE),
	  .help = "do not compare the r, w and x bits of files" },
	{ "weak-sysctls", 0, NO, FLAG(weak_sysctls), .on = ON_RESTORE, IN(RESTORE),
	  .help = "pass over sysctls that this kernel lacks" },
	{ "action-script", 0, NEEDS("FILE"), .set = set_action_script, .on = ON_BOTH, IN(RESTORE),
	  .help = "run this at the events of a dump or restore" },
	{ "cpu-cap", 0, MAY_HAVE("LIST"), .set = set_cpu_cap, .on = ON_BOTH | ON_PROTECT | ON_CPUINFO,
	  IN(RESTORE),
	  .help = "what of the processor has to agree: fpu, cpu, ins, all, none" },
	{ "dry-run", 0, FLAG(dry_run), .on = ON_RESTORE, IN(RESTORE),
	  .help = "print the plans of a restore and touch nothing" },
	{ "inject-fault", 0, TEXT(inject_fault, "STEP"), .on = ON_BOTH, IN(RESTORE),
	  .help = "for tests: fail after the step of this name" },

	{ "feature", 0, TEXT(check_feature, "NAME"), .on = ON_CHECK, IN(CHECK),
	  .help = "ask for this one only" },
	{ "extra", 0, NO, FLAG(check_extra), .on = ON_CHECK, IN(CHECK),
	  .help = "also demand what only some programs need" },
	{ "experimental", 0, NO, FLAG(check_experimental), .on = ON_CHECK, IN(CHECK),
	  .help = "also demand what is being tried" },
	{ "all", 0, .set = set_all, .on = ON_CHECK, IN(CHECK), .help = "both" },

	{ "log-file", 'o', TEXT(log_file, "FILE"), .on = ON_ALL, IN(LOG),
	  .help = "write the log here, '-' is standard output (default: standard error)" },
	{ "verbosity", 'v', MAY_HAVE("LEVEL"), .set = set_verbosity, .on = ON_ALL, IN(LOG),
	  .help = "0 nothing, 1 errors, 2 warnings (default), 3 more, 4 all; -v: +1" },
	{ "log-pid", 0, NO, FLAG(log_pid), .on = ON_RESTORE, IN(LOG),
	  .help = "lines about a restored task go to FILE.PID" },

	{ "lazy-pages", 0, .missing = NO_LAZY },
	{ "page-server", 0, NO, .missing = NO_PAGE_SERVER },
	{ "address", 0, NEEDS("ADDRESS"), .missing = NO_PAGE_SERVER },
	{ "port", 0, NEEDS("N"), .missing = NO_PAGE_SERVER },
	{ "ps-socket", 0, NEEDS("FD"), .missing = NO_PAGE_SERVER },
	{ "status-fd", 0, NEEDS("FD"), .missing = NO_PAGE_SERVER },
	{ "tls", 0, NO, .missing = NO_TLS },
	{ "tls-cacert", 0, NEEDS("FILE"), .missing = NO_TLS },
	{ "tls-cacrl", 0, NEEDS("FILE"), .missing = NO_TLS },
	{ "tls-cert", 0, NEEDS("FILE"), .missing = NO_TLS },
	{ "tls-key", 0, NEEDS("FILE"), .missing = NO_TLS },
	{ "tls-no-cn-verify", 0, .missing = NO_TLS },
	{ "libdir", 'L', NEEDS("DIR"), .missing = "there are no plugins" },
	{ "unprivileged", 0, NO, .missing = "stasis has to be started by root" },
	{ "deprecated", 0, NO, .missing = "image layouts that CRIU has given up cannot be read" },
	{ "allow-uprobes", 0, NO, .missing = "processes under uprobes cannot be dumped" },
	{ "veth-pair", 0, NEEDS("IN=OUT"), .missing = NO_NAMESPACES },
	{ "join-ns", 'J', NEEDS("NS:FILE"), .missing = NO_NAMESPACES },
	{ "empty-ns", 0, NEEDS("NS"), .missing = NO_NAMESPACES },
	{ "mntns-compat-mode", 0, NO, .missing = NO_MOUNTS },
	{ "ext-mount-map", 'M', NEEDS("KEY:VALUE"), .missing = NO_MOUNTS },
	{ "enable-external-sharing", 0, .missing = NO_MOUNTS },
	{ "enable-external-masters", 0, .missing = NO_MOUNTS },
	{ "skip-mnt", 0, NEEDS("PATH"), .missing = NO_MOUNTS },
	{ "enable-fs", 0, NEEDS("NAMES"), .missing = NO_MOUNTS },
	{ "lsm-mount-context", 0, NEEDS("CONTEXT"), .missing = NO_MOUNTS },
	{ "lsm-profile", 0, NEEDS("TYPE:NAME"), .missing = "security labels cannot be changed" },
	{ "ms", 0, .set = set_removed },
	/* clang-format on */
};

const size_t option_count = ARRAY_SIZE(option_table);
