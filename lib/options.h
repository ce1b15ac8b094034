/*
 * What the user asked for: plain data, filled by cli/ (command line and configuration files) and
 * read as const by dump and restore. Paths are as given; -o, --pidfile and the action scripts are
 * relative to the work directory, which is the current directory by the time dump_run() or
 * restore_run() is called.
 */
#ifndef STASIS_LIB_OPTIONS_H
#define STASIS_LIB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/compression.h"
#include "lib/namespaces.h"
#include "lib/stats.h"

/* --file-validation: how a file opened at restore is recognised as the dumped one. */
enum file_validation {
	FILE_VALIDATION_BUILDID, /* size, and the ELF build-id where one is stored */
	FILE_VALIDATION_FILESIZE,
};

/* --cpu-cap: what has to agree between the processor of the dump and this one. */
enum {
	CPU_CAP_FPU = 1 << 0,
	CPU_CAP_CPU = 1 << 1,
	CPU_CAP_INS = 1 << 2,
	CPU_CAP_ALL = CPU_CAP_FPU | CPU_CAP_CPU | CPU_CAP_INS,
};

/* --freeze: when pages are saved. */
enum freeze_mode {
	FREEZE_AUTO,	/* the one of the others that promises the shortest stop */
	FREEZE_STOP,	/* while the tree stands still */
	FREEZE_COW,	/* while the tree runs on; first writes wait for it */
	FREEZE_PRECOPY, /* in rounds while it runs, and what was written since while it stands still */
	FREEZE_LAST = FREEZE_PRECOPY,
};

/* --network-lock: how connections are blocked between dump and restore. */
enum network_lock {
	NETWORK_LOCK_NFTABLES,
	NETWORK_LOCK_SKIP, /* the caller does it */
};

/* --manage-cgroups. Of a dump only that they are ignored, or not. */
enum cgroup_mode {
	CGROUPS_SOFT,	/* those that are missing are made, with their settings */
	CGROUPS_NONE,	/* they have to be there, and stay as they are */
	CGROUPS_PROPS,	/* they have to be there; settings are made */
	CGROUPS_FULL,	/* those that are missing are made; settings are made in all */
	CGROUPS_STRICT, /* as soft; one that is there is an error */
	CGROUPS_IGNORE, /* nobody looks at them */
};

/* --cgroup-root [CTL:]/PATH; controller is NULL for those that have none of their own. */
struct cgroup_root {
	char *controller;
	char *path;
};

/* "stop" and the like. */
const char *freeze_word(enum freeze_mode mode);

#define MAX_ROUNDS_DEFAULT 8
#define EVERY_DEFAULT_US 1000000
#define KEEP_DEFAULT 5
#define GHOST_LIMIT_DEFAULT (1024 * 1024)
#define TIMEOUT_DEFAULT 10

struct client;
struct handover;

struct string_list {
	char **item;
	size_t count;
};

/* --inherit-fd fd[N]:KEY: our descriptor fd stands for the object named key. */
struct inherit_fd {
	int fd;
	char *key;
};

/* --tcp-rebind OLD=NEW: addresses of sockets at restore. IPv4 uses the first four bytes. */
struct tcp_rebind {
	bool six;
	uint8_t old[16], new[16];
};

/* migrate and receive. */
struct migrate_options {
	const char *host;     /* where to; NULL: not given */
	char *transport;      /* -e, NULL: ssh */
	char *remote_program; /* NULL: stasis */
	struct string_list remote_options;
	char *id;		       /* receive: the migration that it is for */
	char *status, *resume, *abort; /* one of these names a migration, or "" */
	bool show_status;
	bool force; /* abort without having asked the other side */
	bool with_files;
	uint64_t bandwidth; /* bytes a second; 0: no limit */
	bool plain;	    /* --no-compress, or --compress: not what the link is like decides */
	char *move_address; /* DEV/ADDRESS[/PREFIX] */
};

/* page-server, lazy-pages, and what goes to one or comes from one. */
struct page_options {
	bool server;	  /* --page-server: pages go there, or come from there */
	bool lazy;	  /* --lazy-pages */
	bool insecure;	  /* without TLS at an address that others can reach */
	int port;	  /* 0: the kernel chooses */
	int socket;	  /* --ps-socket, -1: address and port; not ours to close */
	bool tls;
	bool tls_no_cn_verify;
	char *tls_cacert, *tls_cacrl, *tls_cert, *tls_key; /* NULL: where CRIU has them */
};

struct options {
	struct migrate_options migrate;
	struct page_options pages;
	pid_t tree;	  /* -t, 0: not given */
	char *images_dir; /* -D */
	int images_fd;	  /* the images directory, -1 until it is open */
	char *work_dir;	  /* -W, NULL: the images directory */
	int work_fd;
	char *log_file; /* -o; NULL: standard error, "-": standard output */
	int verbosity;	/* enum log_level */
	bool log_pid;	/* restored tasks log to log_file.PID */
	bool display_stats;
	bool json_stats; /* the same as JSON */
	char *pidfile;
	unsigned timeout; /* seconds for finding and freezing, 0: none */

	enum freeze_mode freeze;
	unsigned max_rounds; /* of pre-copy */
	unsigned
		max_freeze; /* milliseconds that the last stop should take; 0: as short as it gets */

	bool track_mem;	       /* take clean pages from the dump before, and go on counting */
	char *prev_images_dir; /* as given, relative to the images directory; NULL: none */
	bool auto_dedup;       /* pages that are stored anew are taken out of the folders before */

	uint64_t every_us; /* protect: from one increment to the next */
	unsigned keep;	   /* so many of them */

	/* What becomes of the tasks; at most one of the two. */
	bool leave_running;
	bool leave_stopped;

	bool tcp_established; /* connections are carried */
	bool tcp_close;	      /* they come back closed */
	bool skip_in_flight;  /* those that were not accepted yet are dropped */
	enum network_lock network_lock;
	struct tcp_rebind *tcp_rebinds;
	size_t rebind_count;

	char *freeze_cgroup; /* directory of a control group; NULL: threads are stopped one by one */
	enum cgroup_mode cgroup_mode;
	struct cgroup_root *cgroup_roots;
	size_t cgroup_root_count;
	char *cgroup_props;		       /* text of --cgroup-props */
	char *cgroup_props_file;	       /* relative to the work directory */
	struct string_list cgroup_controllers; /* only their settings are saved; none: all */
	char *cgroup_yard; /* hierarchies are mounted below, relative to the work directory */

	bool shell_job;
	bool orphan_pts_master; /* requests only: whoever asks takes the masters that are outside of the tree */
	bool file_locks;
	bool evasive_devices;
	bool link_remap;
	uint64_t ghost_limit; /* bytes */
	bool ghost_fiemap;
	enum file_validation file_validation;
	bool skip_file_rwx_check;
	bool weak_sysctls;
	unsigned cpu_cap;   /* CPU_CAP_*; fpu and ins unless told otherwise */
	bool cpu_cap_image; /* write or require cpuinfo.img: --cpu-cap was given and is not none */

	struct compression compress; /* of pages, at a dump or conversion */
	bool stream;		     /* images go to standard output, or come from standard input */
	int stream_fd;		     /* what that was when we began */

	bool lazy;     /* private memory comes when it is touched, and behind that */
	bool detached; /* -d: leave once the tasks run */
	bool restore_sibling;
	char *root;	 /* -r */
	char **exec_cmd; /* the program to become, NULL behind it; NULL: none */
	bool dry_run;	 /* restore: print the plans and touch nothing */

	bool empty_net;	/* --empty-ns net: what is in the network namespace is left to others */
	bool mnt_auto;	  /* --external mnt[]: all mounts that come from outside */
	bool mnt_sharing; /* they may be shared with outside, */
	bool mnt_masters; /* and follow what is mounted there */
	struct string_list skip_mnts, enable_fs;

	char *join_ns
		[NS_COUNT]; /* files: namespaces that the tree is to live in; NULL: not given */
	struct string_list external; /* TYPE[ID] or TYPE[ID]:VALUE, as typed */
	bool ext_unix_sk;	     /* datagram sockets may have peers outside of the tree */
	bool reconnect_logs;	     /* sockets to the machine's log are connected anew */
	bool force_irmap;	     /* watched files without a known path are looked for */
	struct string_list irmap_scan_paths; /* there, before anywhere else */
	struct string_list action_scripts;
	struct inherit_fd *inherit_fds;
	size_t inherit_count;

	/*
	 * For tests: the driver of steps fails after the step of this name, as if the step itself
	 * had failed.
	 */
	char *inject_fault;

	/* check */
	bool check_extra;
	bool check_experimental;
	char *check_feature;

	/* show */
	bool show_tree;

	/* service and page servers */
	char *address;
	int status_fd; /* gets a byte when connections are taken, -1: none */

	/* lib/client.h: who asks over a socket; NULL: a command line. */
	const struct client *client;
	const struct handover *handover; /* lib/handover.h; NULL: nobody else is involved */

	/* Where dump and restore count; owned by the caller, never NULL when they run. */
	struct dump_stats *dump_stats;
	struct restore_stats *restore_stats;
};

/* The defaults; everything else is 0. */
void options_init(struct options *opt);
void options_free(struct options *opt);

/*
 * True if --external names exactly this TYPE[ID] (any value). ret_value (may be NULL) is ""
 * without one.
 */
bool options_external(const struct options *opt, const char *resource, const char **ret_value);
/* The descriptor of --inherit-fd for this key, -1: none. The first one given counts. */
int options_inherited(const struct options *opt, const char *key);

#endif
