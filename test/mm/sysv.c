/*
 * SysV shared memory of a parent and a child: attached twice, in part, read-only; with a key, or removed while
 * attached ("removed").
 */
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL
#define PAGES 10

static int id;
static char *all, *part, *reader;
static char before[SMAPS_ROOM], after[SMAPS_ROOM];
static struct shmid_ds was;

static void read_all(char *text)
{
	smaps_read(all, PAGES * PAGE, text);
	smaps_read(part, PAGES * PAGE, text + strlen(text));
	smaps_read(reader, PAGES * PAGE, text + strlen(text));
}

static char *attach(int flags)
{
	char *at = shmat(id, NULL, flags);

	CHECK(at != (char *)-1, "%s", strerror(errno));
	return at;
}

static void set_up(key_t key, bool removed)
{
	id = SYS(shmget(key, PAGES * PAGE - 5, IPC_CREAT | IPC_EXCL | 0640));
	all = attach(0);
	fill(all, PAGE, 1);
	fill(all + 7 * PAGE, PAGE, 7);
	part = attach(0);
	/* Something else lies where a part was. */
	SYS(munmap(part + 2 * PAGE, 3 * PAGE));
	SYS(mmap(part + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	fill(part + 3 * PAGE, PAGE, 33);
	SYS(mprotect(part + 8 * PAGE, PAGE, PROT_NONE));
	reader = attach(SHM_RDONLY);
	SYS(munmap(reader, PAGE));
	was.shm_perm.uid = 1234;
	was.shm_perm.gid = 5678;
	was.shm_perm.mode = 0644;
	SYS(shmctl(id, IPC_SET, &was));
	if (removed)
		SYS(shmctl(id, IPC_RMID, NULL));
}

static void check_segment(key_t key, bool removed)
{
	struct shmid_ds is;

	SYS(shmctl(id, IPC_STAT, &is));
	SAME(is.shm_perm.__key, removed ? 0 : key);
	SAME(is.shm_perm.mode, was.shm_perm.mode);
	SAME(is.shm_perm.uid, 1234);
	SAME(is.shm_perm.gid, 5678);
	SAME(is.shm_perm.cuid, was.shm_perm.cuid);
	SAME(is.shm_segsz, PAGES * PAGE - 5);
	SAME(is.shm_nattch, was.shm_nattch);
}

static void child(void)
{
	victim_set();
	victim_wait();
	while (all[5 * PAGE] != 'p')
		victim_sleep_ms(1);
	all[5 * PAGE] = 'c';
	_exit(0);
}

int main(int argc, char **argv)
{
	bool removed = argc > 1 && strcmp(argv[1], "removed") == 0;
	key_t key = 0x57a515 + getpid();
	pid_t pid;

	set_up(key, removed);
	pid = victim_fork();
	if (pid == 0)
		child();
	SYS(shmctl(id, IPC_STAT, &was));
	read_all(before);
	victim_ready();
	read_all(after);
	same_text(after, before);
	check_segment(key, removed);
	CHECK(filled(all, PAGE, 1) && filled(all + 7 * PAGE, PAGE, 7) &&
	      zeroed(all + PAGE, 4 * PAGE));
	CHECK(filled(part, PAGE, 1) && filled(part + 3 * PAGE, PAGE, 33));
	CHECK(mprotect(reader + PAGE, PAGE, PROT_READ | PROT_WRITE) < 0 && errno == EACCES);
	all[5 * PAGE] = 'p';
	victim_reap(pid);
	SAME(part[5 * PAGE], 'c');
	SAME(reader[5 * PAGE], 'c');
	/* shmdt knows all parts by the address of the whole. */
	SYS(shmdt(part));
	CHECK(filled(part + 3 * PAGE, PAGE, 33));
	CHECK(msync(part + 5 * PAGE, PAGE, MS_ASYNC) < 0 && errno == ENOMEM);
	SYS(shmdt(all));
	if (!removed)
		SYS(shmctl(id, IPC_RMID, NULL));
	victim_ok();
}
