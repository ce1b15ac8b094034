/* Inside of the table of open files: shared by dump/files*.c, dump/fd/ghost.c and dump/fd/remap.c. */
#ifndef STASIS_DUMP_FILES_TABLE_H
#define STASIS_DUMP_FILES_TABLE_H

#include "dump/files.h"
#include "images/fd/remap.pb-c.h"

struct file_told;
struct inet_usual;
struct netlink_unix;
struct remap;
struct held_lock;
struct tty;
struct watches;

enum { KNOWN_PATHS = 64 };

/* A path that leads to its file, and what was found out about that; dump/files_path.c. */
struct known_path {
	struct stat st;
	int mnt_id;
	const char *link;
	bool num_known; /* it was a descriptor */
	const RegFileEntry *entry;
};

struct files {
	struct dump *dump;
	uint32_t last_id;
	struct file *first, *last; /* descriptions */
	FileEntry **entries;	   /* all, in the order of their ids' making */
	size_t entry_count;
	struct fd_table *tables, *last_table;
	struct fd_table **table_of; /* sorted by kcmp(KCMP_FILES) */
	size_t table_count;
	void *by_description; /* tsearch trees */
	void *by_link;
	void *by_ghost;
	int self_fd;		     /* directory /proc/self/fd */
	int compare_errno;	     /* why a comparison of descriptions could not be made */
	FownEntry *no_owner;
	struct remap *remaps; /* dump/fd/remap.c */
	uint32_t ghost_count;
	struct held_lock *locks, *last_lock; /* dump/fd/lock.c */
	struct tty *ttys;		     /* dump/fd/tty.c */
	struct netlink_unix *unix_all;	     /* dump/fd/unixsk.c; NULL: not asked for */
	size_t unix_count, unix_asked;
	struct inet_usual *inet_usual;	     /* dump/fd/inetsk_opts.c */
	struct known_path paths[KNOWN_PATHS];
	struct watches *watches; /* dump/watch.c */
	struct image *queues;	 /* dump/fd/unixsk_queue.c; NULL: nothing waited so far */
};

/* The table, made when first asked for. */
must_check int files_get(struct dump *d, struct files **ret, struct err *e);
/* Adds an entry that has its id. */
must_check int files_put(struct files *files, FileEntry *entry, struct err *e);
/* Reads one descriptor of a table into *ret. */
must_check int files_describe(struct fd_table *table, struct descriptor *ret, struct err *e);
/*
 * Where there are many descriptors: what the kernel tells of all at once (dump/files_told.c). Of all or of none: then it
 * is NULL. What is told of one of ours is valid until the next question about one of ours, of a task until that about another task.
 */
void files_told_begin(struct files *files);
must_check int files_told(struct files *files, int pid, int num, const struct file_told **ret,
			  struct err *e);
/* Ascending by number. */
must_check int files_told_all(struct files *files, int pid, const struct file_told **ret,
			      size_t *ret_count, struct err *e);
/* Frees the trees. */
void files_forget(struct files *files);
/* dump/watch.c */
void watch_forget(struct files *files);
/* Refuses a description that no kind knows. */
int files_refuse(const struct file *f, struct err *e);

/* A file without any name: saves it, once, and notes that the entry of this id stands for it. */
must_check int ghost_add(struct file *f, uint32_t id, struct err *e);
/* A file that has lost this name (path) but has others: notes that a link is to be made by files_save. */
must_check int remap_add_link(struct file *f, uint32_t id, const char *path, struct err *e);
/* Notes a remap for remap-fpath.img. */
void remap_note(struct files *files, uint32_t id, uint32_t remap_id, RemapType type);

#endif
