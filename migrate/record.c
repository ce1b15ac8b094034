/*
 * Records of migrations; see record.h.
 *
 * A file has two slots, which are written by turns, each with its checksum and a number that grows: so one that the power
 * was cut in leaves the other. Behind them is the body. A change of state takes no room, so a disk that is full stops a
 * migration before anything was decided, or not at all.
 */
#include "migrate/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"

#define MAGIC 0x6d73697361747331UL /* stasism1 */

enum { SLOT = 512, SLOTS = 2, BODY_AT = 4096, BODY_MAX = 16 << 20, MONTH = 31 * 86400 };
enum { LOCK_ALIVE, LOCK_CHANGE }; /* bytes of the file */

struct slot {
	uint64_t magic, sequence;
	uint32_t state, side;
	uint64_t body_size, body_sum, sum;
};

static const char *const words[] = {
	[STATE_OFFERED] = "offered", [STATE_READY] = "ready", [STATE_GIVEN] = "given",
	[STATE_CLAIMED] = "claimed", [STATE_OWNED] = "owned", [STATE_DONE] = "done",
	[STATE_ABORTED] = "aborted",
};

const char *record_word(enum record_state state)
{
	return words[state];
}

const char *record_side_word(enum record_side side)
{
	return side == SIDE_SOURCE ? "source" : "target";
}

void record_close(struct record *r)
{
	own_close(&r->fd);
	free(r->body);
	*r = (struct record){ .fd = -1 };
}

int record_name(char ret[RECORD_ID + 1], struct err *e)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return err_sys(e, "getrandom");
	snprintf(ret, RECORD_ID + 1, "%016lx", number);
	return 0;
}

bool record_is_name(const char *id)
{
	return strlen(id) == RECORD_ID && strspn(id, "0123456789abcdef") == RECORD_ID;
}

/* --- where they are ------------------------------------------------------------------------------ */

static void folder_path(char *buf, size_t size)
{
	const char *home = getenv("XDG_STATE_HOME");

	snprintf(buf, size, "%s/stasis/migrate", home && *home == '/' ? home : "/var/lib");
}

/* Each part that is missing, and its name durably. */
static int make_folder(const char *path, struct err *e)
{
	char part[PATH_MAX];

	for (const char *end = path; end;) {
		end = strchr(end + 1, '/');
		snprintf(part, sizeof(part), "%.*s", end ? (int)(end - path) : INT_MAX, path);
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return err_sys(e, "create the folder '%s'", part);
	}
	return 0;
}

static int open_folder(int *ret, struct err *e)
{
	char path[PATH_MAX];

	folder_path(path, sizeof(path));
	if (make_folder(path, e) < 0)
		return e->code;
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open the folder '%s'", path) : 0;
}

static void file_name(char *buf, size_t size, enum record_side side, const char *id)
{
	snprintf(buf, size, "%s.%s", id, record_side_word(side));
}

/* --- slots --------------------------------------------------------------------------------------- */

static bool makes_sense(const struct slot *s)
{
	return s->magic == MAGIC && s->sum == checksum(s, offsetof(struct slot, sum)) &&
	       s->state >= STATE_OFFERED && s->state <= STATE_ABORTED && s->body_size <= BODY_MAX;
}

/* The newest that makes sense. */
static int load(struct record *r, struct err *e)
{
	r->sequence = 0;
	for (int n = 0; n < SLOTS; n++) {
		struct slot s = { .magic = 0 };

		if (pread(r->fd, &s, sizeof(s), n * SLOT) != sizeof(s) || !makes_sense(&s) ||
		    s.sequence < r->sequence)
			continue;
		r->sequence = s.sequence;
		r->state = s.state;
		r->body_size = s.body_size;
		r->body_sum = s.body_sum;
	}
	return r->sequence ? 0 : err_code(e, EBADMSG, "the record of %s is damaged", r->id);
}

static int load_body(struct record *r, struct err *e)
{
	own_mem char *body = malloc(r->body_size + 1);

	if (!body)
		return err_sys(e, "memory for a record");
	if (io_pread(r->fd, body, r->body_size, BODY_AT, e) < 0 ||
	    checksum(body, r->body_size) != r->body_sum)
		return err_code(e, EBADMSG, "the record of %s is damaged", r->id);
	body[r->body_size] = 0;
	free(r->body);
	r->body = take_mem(body);
	return 0;
}

static int put_body(struct record *r, const char *body, struct err *e)
{
	r->body_size = strlen(body);
	r->body_sum = checksum(body, r->body_size);
	if (io_pwrite(r->fd, body, r->body_size, BODY_AT, e) < 0)
		return e->code;
	/* What the new slot will say has to be there before. */
	return fdatasync(r->fd) < 0 ? err_sys(e, "fdatasync") : load_body(r, e);
}

static int put_slot(struct record *r, enum record_state state, struct err *e)
{
	struct slot s = { MAGIC, r->sequence + 1, state, r->side, r->body_size, r->body_sum, 0 };

	s.sum = checksum(&s, offsetof(struct slot, sum));
	if (io_pwrite(r->fd, &s, sizeof(s), s.sequence % SLOTS * SLOT, e) < 0)
		return e->code;
	if (fdatasync(r->fd) < 0)
		return err_sys(e, "fdatasync");
	r->sequence = s.sequence;
	r->state = state;
	return 0;
}

/* --- locks --------------------------------------------------------------------------------------- */

static int lock(int fd, int which, short type, int how)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = which, .l_len = 1 };

	return fcntl(fd, how, &l);
}

bool record_is_alive(const struct record *r)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = LOCK_ALIVE, .l_len = 1 };

	return fcntl(r->fd, F_OFD_GETLK, &l) < 0 || l.l_type != F_UNLCK;
}

/* --- */

/* Room for both slots, before anything is decided. */
static int begin(struct record *r, int folder, struct err *e)
{
	if (lock(r->fd, LOCK_ALIVE, F_WRLCK, F_OFD_SETLK) < 0)
		return err_sys(e, "lock it");
	errno = posix_fallocate(r->fd, 0, BODY_AT);
	if (errno)
		return err_sys(e, "make room for it");
	if (put_body(r, "", e) < 0 || put_slot(r, STATE_OFFERED, e) < 0)
		return e->code;
	return fsync(r->fd) < 0 || fsync(folder) < 0 ? err_sys(e, "fsync") : 0;
}

int record_create(struct record *ret, enum record_side side, const char *id, struct err *e)
{
	own_record r = { .fd = -1, .side = side };
	own_fd folder = -1;
	char name[64];

	if (open_folder(&folder, e) < 0)
		return e->code;
	snprintf(r.id, sizeof(r.id), "%s", id);
	file_name(name, sizeof(name), side, id);
	r.fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (r.fd < 0)
		return err_sys(e, "create the record of migration %s", id);
	if (begin(&r, folder, e) < 0) {
		unlinkat(folder, name, 0);
		return err_on(e, "the record of migration %s", id);
	}
	*ret = r;
	r = (struct record){ .fd = -1 };
	return 0;
}

int record_open(struct record *ret, enum record_side side, const char *id, struct err *e)
{
	own_record r = { .fd = -1, .side = side };
	own_fd folder = -1;
	char name[64];

	if (!record_is_name(id))
		return err_say(e, "'%s' is no name of a migration", id);
	if (open_folder(&folder, e) < 0)
		return e->code;
	snprintf(r.id, sizeof(r.id), "%s", id);
	file_name(name, sizeof(name), side, id);
	r.fd = openat(folder, name, O_RDWR | O_CLOEXEC);
	if (r.fd < 0)
		return err_sys(e, "open the record of migration %s", id);
	if (load(&r, e) < 0 || load_body(&r, e) < 0)
		return e->code;
	*ret = r;
	r = (struct record){ .fd = -1 };
	return 0;
}

static int change(struct record *r, unsigned from, enum record_state to, const char *body,
		  struct err *e)
{
	if (load(r, e) < 0)
		return e->code;
	if (!(from >> r->state & 1))
		return err_code(e, EBUSY, "migration %s is '%s' by now", r->id,
				record_word(r->state));
	if (body && put_body(r, body, e) < 0)
		return e->code;
	return put_slot(r, to, e);
}

/* The descriptor is shared with our children, and so would be a lock by it: a file opened for this once. */
int record_change(struct record *r, unsigned from, enum record_state to, const char *body,
		  struct err *e)
{
	char path[40];
	int res;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->fd);
	own_fd fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || lock(fd, LOCK_CHANGE, F_WRLCK, F_OFD_SETLKW) < 0)
		return err_sys(e, "lock the record of migration %s", r->id);
	res = change(r, from, to, body, e);
	return res < 0 && res != -EBUSY ? err_on(e, "the record of migration %s", r->id) : res;
}

void record_remove(struct record *r)
{
	char path[PATH_MAX + 64], folder[PATH_MAX], name[64];

	if (r->fd < 0)
		return;
	folder_path(folder, sizeof(folder));
	file_name(name, sizeof(name), r->side, r->id);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
	record_close(r);
}

const char *record_value(const struct record *r, const char *key, char *buf, size_t size)
{
	size_t length = strlen(key);

	for (const char *line = r->body; line && *line; line = strchr(line, '\n') + 1) {
		if (strncmp(line, key, length) == 0 && line[length] == ' ') {
			snprintf(buf, size, "%.*s", (int)strcspn(line + length + 1, "\n"),
				 line + length + 1);
			return buf;
		}
		if (!strchr(line, '\n'))
			break;
	}
	return NULL;
}

int record_list(void (*found)(enum record_side side, const char *id, void *arg), void *arg,
		struct err *e)
{
	char path[PATH_MAX];
	struct dirent *entry;

	folder_path(path, sizeof(path));
	own_dir dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, "read the folder '%s'", path);
	while ((entry = readdir(dir))) {
		char id[RECORD_ID + 1];

		snprintf(id, sizeof(id), "%.*s", RECORD_ID, entry->d_name);
		if (record_is_name(id) && entry->d_name[RECORD_ID] == '.')
			found(strcmp(entry->d_name + RECORD_ID, ".source") == 0 ? SIDE_SOURCE :
										  SIDE_TARGET,
			      id, arg);
	}
	return 0;
}

static void forget(enum record_side side, const char *id, void *arg)
{
	const unsigned settled = ~(1u << STATE_GIVEN | 1u << STATE_CLAIMED);
	own_record r = { .fd = -1 };
	struct err ignored = { 0 };
	struct stat st;

	if (record_open(&r, side, id, &ignored) == 0 && settled >> r.state & 1 &&
	    fstat(r.fd, &st) == 0 && st.st_mtime < *(const time_t *)arg && !record_is_alive(&r))
		record_remove(&r);
}

void record_forget_old(void)
{
	time_t before = time(NULL) - MONTH;
	struct err ignored = { 0 };

	(void)!record_list(forget, &before, &ignored);
}
