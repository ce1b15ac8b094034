/*
 * Memory of a dump: mappings are recognised by kinds (dump/mm), private pages go into pagemap-PID and
 * pages-N, shared objects are written once by their kind.
 */
#ifndef STASIS_DUMP_MEMORY_H
#define STASIS_DUMP_MEMORY_H

#include "dump/dump.h"
#include "images/pages.h"
#include "lib/maps.h"
#include "lib/ranges.h"

struct track;

/* Which pages of a mapping are stored in the task's own pagemap. */
enum vma_pages {
	VMA_PAGES_NONE,
	VMA_PAGES_ANON, /* present or swapped, not the zero page, not a page of the file */
	VMA_PAGES_ALL,	/* every page (vdso, AIO rings) */
};

struct vma_kind {
	const char *name; /* "mm/sysv" */
	enum vma_pages pages;
	/* Whether the mapping is of the kind; asked in the order of the table. */
	bool (*match)(const struct task *t, const struct vma *v);
	/*
	 * Fills v->status (VMA_* bits of the image; 0: it is not in the images), v->shmid and v->fd_flags; refuses what
	 * cannot be carried. May register files (files_add_link) and shared objects. Runs while the task is
	 * stopped; nothing of ours is in it yet.
	 */
	int (*classify)(struct task *t, struct vma *v, struct err *e);
	/* May change the entry made from v (merge, extend mm->aios). entry is in the pool. May be NULL. */
	int (*entry)(struct task *t, const struct vma *v, VmaEntry *entry, struct err *e);
	/* Once per task, behind the entries of its mappings: adds those that are no mappings. May be NULL. */
	int (*task)(struct task *t, struct err *e);
	/* Once, after all tasks are read, still stopped: writes objects and their images. May be NULL. */
	int (*finish)(struct dump *d, struct err *e);
};

extern const struct vma_kind *const vma_kinds[];
extern const size_t vma_kind_count;

/* Which pages of a mapping are stored with the task. */
enum vma_pages memory_pages_of(const struct task *t, const struct vma *v);
/* Reads and classifies the mappings of a task. */
must_check int memory_read(struct task *t, struct err *e);
/* Writes the private pages of all tasks: pagemap-PID.img and pages-N.img; counts in opt->dump_stats. */
must_check int memory_save_all(struct dump *d, struct err *e);
/*
 * The same while it runs, a round of pre-copy: saves what its track counts as written, and says of the rest what the
 * parent of the folder knows. What could not be read is suspect afterwards, and nothing else.
 */
must_check int memory_save_round(struct track *k, int dir_fd, uint32_t pages_id, struct manifest *m,
				 struct err *e);
/* Fills t->mm->vmas. */
must_check int memory_entries(struct task *t, struct err *e);

/* A run of pages to be copied from a task into a pages file. */
struct page_run {
	uint64_t vaddr; /* in the task */
	uint64_t bytes;
	uint64_t offset; /* in the pages file; runs follow each other there without gaps, from 0 */
	bool forced;	 /* not readable by process_vm_readv (PROT_NONE): through /proc/PID/mem */
	bool early;	 /* a restore needs it before other pages (dump/stream.h) */
};

struct page_copy {
	int pid;
	const struct page_run *runs;
	size_t count;
	struct page_sink *sink;
	bool runs_on; /* the task does: pages may be gone, their place is left as it is */
	struct ranges *lost; /* what could not be read of one that runs on; else NULL */
};
/* Copies all runs. */
must_check int memory_copy(const struct page_copy *what, struct err *e);
/* Those of several tasks at once. ret_failed: whose copy the error is about. */
must_check int memory_copy_all(const struct page_copy *what, size_t count, size_t *ret_failed,
			       struct err *e);

/* All of one run, whose offset is 0. */
must_check int memory_read_run(int pid, const struct page_run *run, char *buf, struct err *e);

/* With --dedup-pages: equal pages are those of this folder from here on. */
must_check int memory_folder(struct dump *d, int dir_fd, struct err *e);
/* How pages are stored; those of a stream are compressed on their way. */
struct compression memory_how(const struct dump *d);
/* Number for a new pages-N.img. */
uint32_t memory_pages_id(struct dump *d);

#endif
