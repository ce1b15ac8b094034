/* Reading a stream; see stream.h. Nothing of a frame is used before its checksums have been compared. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/mount.h>

#include "images/stream.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"

/* How many bytes came before the stream ended, at most size. */
static int take(struct stream_in *s, void *buf, size_t size, size_t *ret, struct err *e)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(s->fd, (char *)buf + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read the stream");
		if (n == 0)
			break;
		done += n;
	}
	s->position += done;
	*ret = done;
	return 0;
}

static int take_all(struct stream_in *s, void *buf, size_t size, struct err *e)
{
	size_t got = 0;

	if (take(s, buf, size, &got, e) < 0)
		return e->code;
	if (got == size)
		return 0;
	return err_code(e, ENODATA,
			"the stream ends at byte %lu, before its end mark: it was cut off, or the "
			"dump failed",
			s->position);
}

/* What somebody has left out between the two. */
static int refuse_head(const unsigned char *head, struct err *e)
{
	static const unsigned char zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	static const unsigned char gzip[] = { 0x1f, 0x8b };

	err_say(e, "what comes in is no stream of images");
	if (memcmp(head, zstd, sizeof(zstd)) == 0)
		return err_hint(e, "it is compressed: put 'zstd -d' before it");
	if (memcmp(head, gzip, sizeof(gzip)) == 0)
		return err_hint(e, "it is compressed: put 'gzip -d' before it");
	return e->code;
}

int stream_in_begin(struct stream_in *s, int fd, struct err *e)
{
	struct stream_head head = {};
	size_t got = 0;

	*s = (struct stream_in){ .fd = fd };
	if (isatty(fd))
		return err_say(e, "the stream would come from a terminal");
	if (unpacker_begin(&s->unpacker, e) < 0 || take(s, &head, sizeof(head), &got, e) < 0)
		return e->code;
	if (got == 0)
		return err_code(e, ENODATA,
				"the stream is empty: the dump failed, or was never begun");
	if (memcmp(head.magic, STREAM_MAGIC, got < 8 ? got : 8) != 0)
		return refuse_head((const unsigned char *)head.magic, e);
	if (got < sizeof(head))
		return take_all(s, &head, sizeof(head), e);
	if (head.version != STREAM_VERSION || head.piece != STREAM_PIECE)
		return err_code(e, ENOTSUP,
				"the stream is of version %u, in pieces of %u bytes, which this "
				"program does not know",
				head.version, head.piece);
	s->sum = checksum(&head, sizeof(head));
	return 0;
}

void stream_in_drop(struct stream_in *s)
{
	unpacker_end(&s->unpacker);
}

int stream_refuse(const struct stream_in *s, struct err *e)
{
	return err_say(e,
		       "the stream makes no sense before byte %lu: frame %lu (kind %u) does not "
		       "belong there",
		       s->position, s->frames, s->f.kind);
}

static bool is_packed(const struct stream_frame *f)
{
	return f->kind == STREAM_PAGES && f->codec[0];
}

/* What can be said of a frame by itself. */
static bool makes_sense(const struct stream_frame *f)
{
	size_t pages = f->bytes / PAGE_SIZE, full = __builtin_popcountll(f->present) * PAGE_SIZE;

	if (f->size > STREAM_PIECE)
		return false;
	if (f->kind != STREAM_PAGES)
		return true;
	if (f->bytes == 0 || f->bytes > STREAM_PIECE || f->bytes % PAGE_SIZE ||
	    f->present >> pages || f->at % STREAM_PIECE || f->at > INT64_MAX - STREAM_PIECE)
		return false;
	return is_packed(f) ? f->size && f->size < full : f->size == full;
}

int stream_next(struct stream_in *s, struct err *e)
{
	uint64_t start = s->position;
	struct stream_frame *f = &s->f;

	if (s->ended)
		return err_say(e, "the stream has ended already");
	if (take_all(s, f, sizeof(*f), e) < 0)
		return e->code;
	if (checksum_on(f, offsetof(struct stream_frame, sum), s->sum) != f->sum)
		return err_code(e, EBADMSG,
				"the stream is damaged or out of order at byte %lu: what is there "
				"is not frame %lu as it was written",
				start, s->frames);
	s->sum = f->sum;
	if (!makes_sense(f) || (f->kind == STREAM_END && f->at != s->frames))
		return stream_refuse(s, e);
	s->data = is_packed(f) ? s->unpacker.stored : s->unpacker.data;
	if (take_all(s, s->data, f->size, e) < 0)
		return e->code;
	if (checksum(s->data, f->size) != f->data_sum)
		return err_code(
			e, EBADMSG,
			"the stream is damaged at byte %lu: the %u bytes from there are not "
			"those that were written",
			s->position - f->size, f->size);
	s->frames++;
	s->ended = f->kind == STREAM_END;
	return 0;
}

int stream_expand(struct stream_in *s, struct err *e)
{
	const struct stream_frame *f = &s->f;
	const struct codec *codec = NULL;
	struct packed_chunk c = { .size = f->size,
				  .present = f->present,
				  .flags = is_packed(f) ? 0 : PACKED_RAW };
	char name[sizeof(f->codec) + 1];
	int r;

	snprintf(name, sizeof(name), "%.8s", f->codec);
	if (name[0]) {
		codec = codec_find(name);
		if (!codec)
			return err_code(e, ENOTSUP,
					"the stream is compressed with '%s', which is not known",
					name);
	}
	r = unpacker_expand(&s->unpacker, codec, &c, f->bytes / PAGE_SIZE, e);
	return r > 0 ? stream_refuse(s, e) : r;
}

/* --- a folder ------------------------------------------------------------------------------------ */

static int begin_file(struct stream_in *s, int dir_fd, char name[IMAGE_NAME_MAX], int *fd,
		      struct err *e)
{
	enum image_kind kind;
	uint64_t id;

	if (s->f.size >= IMAGE_NAME_MAX || memchr(s->data, 0, s->f.size))
		return stream_refuse(s, e);
	memcpy(name, s->data, s->f.size);
	name[s->f.size] = 0;
	/* A name that leads out of the folder is none. */
	if (!image_name_parse(name, &kind, &id))
		return err_say(e, "the stream has a file that is called like no image");
	*fd = openat(dir_fd, name,
		     O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (kind == IMG_PAGES ? 0 : O_EXCL),
		     0600);
	return *fd < 0 ? err_sys(e, "create '%s' in memory", name) : 0;
}

/* Frames between STREAM_FILE and STREAM_CLOSE. */
int stream_take_file(struct stream_in *s, int dir_fd, struct err *e)
{
	char name[IMAGE_NAME_MAX];
	own_fd fd = -1;

	if (begin_file(s, dir_fd, name, &fd, e) < 0)
		return e->code;
	for (;;) {
		if (stream_next(s, e) < 0)
			return e->code;
		if (s->f.at > INT64_MAX - STREAM_PIECE)
			return stream_refuse(s, e);
		if (s->f.kind == STREAM_CLOSE)
			break;
		if (s->f.kind != STREAM_DATA)
			return stream_refuse(s, e);
		if (io_pwrite(fd, s->data, s->f.size, s->f.at, e) < 0)
			return err_on(e, "'%s' in memory", name);
	}
	return ftruncate(fd, s->f.at) < 0 ? err_sys(e, "make '%s' %lu bytes long", name, s->f.at) :
					    0;
}

int stream_read_folder(struct stream_in *s, int dir_fd, struct err *e)
{
	for (uint64_t count = 0;; count++) {
		if (stream_next(s, e) < 0)
			return e->code;
		if (s->f.kind == STREAM_FOLDER && s->f.at == count)
			return 0;
		if (s->f.kind != STREAM_FILE)
			return stream_refuse(s, e);
		if (stream_take_file(s, dir_fd, e) < 0)
			return e->code;
	}
}

/* --- in memory ----------------------------------------------------------------------------------- */

int stream_folder(int *ret_fd, struct err *e)
{
	own_fd fs = syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	own_fd mount = -1;

	if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (mount >= 0)
		*ret_fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mount >= 0 && *ret_fd >= 0)
		return 0;
	err_sys(e, "make a folder in memory");
	return err_hint(e, "a stream needs CAP_SYS_ADMIN for that");
}
