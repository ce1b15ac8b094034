/*
 * Shared memory objects of a dump: inodes of memory that have no path, each saved once, whoever maps it
 * or has a descriptor of it. They become MEMFD entries, MAP_SHARED | MAP_ANONYMOUS memory included; SysV
 * segments (sysv.c) have messages of their own but the same sort of contents.
 */
#ifndef STASIS_DUMP_MM_SHMEM_H
#define STASIS_DUMP_MM_SHMEM_H

#include "dump/dump.h"
#include "lib/maps.h"
#include "lib/ranges.h"

#define VMA_LINK_SIZE 64
/* The link of a mapping below /proc/PID: "map_files/START-END". Returns buf. */
const char *vma_link(char buf[VMA_LINK_SIZE], const struct vma *v);

/* Is this the kernel's own tmpfs, where memfds, anonymous shared memory and SysV segments live? */
bool shmem_is_device(struct dump *d, uint64_t dev);
/* The same for its hugetlbfs mounts: bytes of a page there, 0 for any other device. */
uint64_t shmem_huge_page(struct dump *d, uint64_t dev);

/*
 * The inode_id, in memfd.img, of what a link below /proc/PID ("fd/7", "map_files/START-END") leads to: registers
 * it the first time. Contents are saved at the end, through the link. Refuses what is no memfd and no anonymous
 * shared memory.
 */
must_check int shmem_register(struct task *t, const char *link, uint32_t *ret_inode_id,
			      struct err *e);
/* No memfd may call its contents pagemap-shmem-SHMID: a SysV segment does. */
void shmem_reserve_id(struct dump *d, uint64_t shmid);
/* Where sysv.c keeps its list. */
struct sysv_segment **shmem_segments(struct dump *d);

/* An open object whose contents go into pagemap-shmem-SHMID and a pages file. */
struct shmem_contents {
	int fd;
	uint64_t shmid, size;
	uint64_t huge_page; /* bytes, 0 for normal pages */
	bool runs_on;	    /* whoever has it does */
	bool keeps_size;    /* nobody can make it shorter */
};
must_check int shmem_save(struct dump *d, const struct shmem_contents *c, struct err *e);

/* A folder that memory is saved into while the tree runs. */
struct shmem_round {
	int dir_fd;
	uint32_t pages_id; /* the next pages-N.img */
	struct manifest *manifest;
};
/* A process that runs, and its layout a moment ago. */
struct shmem_user {
	int pid;
	int proc_fd; /* /proc/PID */
	struct maps maps;
};

struct shmem_users {
	struct shmem_user *all;
	size_t count;
};

/* What the users have: what is not held by the folder before is saved, as it is at some moment. */
must_check int shmem_save_round(struct dump *d, const struct shmem_users *users,
				struct shmem_round *r, struct err *e);
/* How much of it is not held by now. */
must_check int shmem_left(struct dump *d, const struct shmem_users *users, uint64_t *ret,
			  struct err *e);
/* Of the tracked tasks; their descriptors stay with the tracks. */
struct shmem_users shmem_tracked(struct dump *d);
/* Of the tree, as far as it can be seen while it runs. Let go of by shmem_users_close. */
must_check int shmem_users_find(struct dump *d, struct shmem_users *ret, struct err *e);
void shmem_users_close(struct shmem_users *users);
struct shmem_held;
/* One object of a round; h is what is held of it, and what this folder holds afterwards. */
must_check int shmem_save_running(struct dump *d, const struct shmem_contents *c,
				  const struct shmem_round *r, struct shmem_held *h, struct err *e);
/* What of it is data, in whole pages. */
must_check int shmem_find_data(const struct shmem_contents *c, struct ranges *ret, struct err *e);
struct page_run;
struct page_sink;
/* What shmem_save left to a stream: vaddr of a run is the offset in the object. */
must_check int shmem_send(const struct shmem_contents *c, struct page_run *runs, size_t count,
			  struct page_sink *sink, struct err *e);

#endif
