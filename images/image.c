/* Reading and writing image files; see image.h. */
#include "images/image.h"

#include <byteswap.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "images/wire.h"
#include "lib/buffered.h"
#include "lib/own.h"

enum { BUFFER = 16 << 10 }; /* most images are smaller */

void image_drop(struct image *i)
{
	(void)buffered_close(i->file);
	i->file = NULL;
}

void image_message_free(void *message_pointer)
{
	ProtobufCMessage **m = message_pointer;

	if (*m)
		protobuf_c_message_free_unpacked(*m, NULL);
	*m = NULL;
}

uint64_t image_left(const struct image *i)
{
	return i->size - i->at;
}

static int put(struct image *i, const void *data, size_t size, struct err *e)
{
	if (buffered_write(i->file, data, size) < 0)
		return err_sys(e, "write '%s'", i->name);
	i->at += size;
	return 0;
}

/* Callers have made sure that so much is left; less means that the file shrinks under us. */
static int get(struct image *i, void *buf, size_t size, struct err *e)
{
	ssize_t n = buffered_read(i->file, buf, size);

	if (n < 0)
		return err_sys(e, "read '%s'", i->name);
	i->at += n;
	if ((size_t)n == size)
		return 0;
	return err_code(e, ENODATA, "'%s' became shorter while it was read", i->name);
}

/* The words that a file of this kind opens with. Returns how many. */
static int magic_words(enum image_kind kind, uint32_t words[2])
{
	const struct image_info *info = image_info(kind);

	switch (info->framing) {
	case FRAME_RAW:
		return 0;
	case FRAME_INVENTORY:
		words[0] = info->magic;
		return 1;
	case FRAME_SERVICE:
	case FRAME_SERVICE_ONE:
		words[0] = IMAGE_SERVICE;
		break;
	default:
		words[0] = IMAGE_COMMON;
	}
	words[1] = info->magic;
	return 2;
}

static int start_writing(struct image *i, int *fd, struct err *e)
{
	uint32_t words[2];
	int count = magic_words(i->kind, words);

	i->file = buffered_new(*fd, BUFFER);
	if (!i->file)
		return err_sys(e, "memory for '%s'", i->name);
	take_fd(fd);
	return put(i, words, count * sizeof(*words), e);
}

int image_create_fd(struct image *ret, int fd, enum image_kind kind, const char *name,
		    struct err *e)
{
	own_image i = { .kind = kind, .writing = true };
	own_fd own = fd;
	int r;

	snprintf(i.name, sizeof(i.name), "%s", name);
	r = start_writing(&i, &own, e);
	if (r < 0)
		return r;
	*ret = i;
	i.file = NULL;
	return 0;
}

int image_create(struct image *ret, int dir_fd, enum image_kind kind, uint64_t id, struct err *e)
{
	char name[IMAGE_NAME_MAX];
	int fd;

	image_name(name, kind, id);
	/* Not blocking: see image_open. */
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return err_sys(e, "create '%s'", name);
	return image_create_fd(ret, fd, kind, name, e);
}

static int refuse_magic(struct image *i, uint32_t first, uint32_t magic, struct err *e)
{
	const struct image_info *info = image_info(i->kind);

	if (first == bswap_32(IMAGE_COMMON) || first == bswap_32(IMAGE_SERVICE) ||
	    first == bswap_32(info->magic))
		return err_say(e, "'%s' comes from a machine of the other byte order", i->name);
	for (int k = 0; k < IMG_KINDS; k++)
		if (image_info(k)->magic == magic && magic != info->magic && magic)
			return err_say(e, "'%s' is not %s but %s by its magic", i->name,
				       info->magic_name, image_info(k)->magic_name);
	return err_say(e, "'%s' is not an image: its magic is 0x%08x, that of %s is 0x%08x",
		       i->name, magic, info->magic_name, info->magic);
}

/* Images of version 1 have the magic alone; the first word tells. */
static int check_magic(struct image *i, struct err *e)
{
	uint32_t want[2], word;
	int count = magic_words(i->kind, want);
	int r;

	for (int n = 0; n < count; n++) {
		if (image_left(i) < sizeof(word))
			return err_code(e, ENODATA, "'%s' is cut short: no room for its magic",
					i->name);
		r = get(i, &word, sizeof(word), e);
		if (r < 0)
			return r;
		if (n == 0 && word == want[count - 1])
			return 0;
		if (word != want[n])
			return refuse_magic(i, word, word, e);
	}
	return 0;
}

static int start_reading(struct image *i, int *fd, struct err *e)
{
	struct stat st;

	if (fstat(*fd, &st) < 0)
		return err_sys(e, "stat '%s'", i->name);
	if (!S_ISREG(st.st_mode))
		return err_say(e, "'%s' is not a regular file", i->name);
	i->size = st.st_size;
	i->file = buffered_new(*fd, i->size < BUFFER ? i->size : BUFFER);
	if (!i->file)
		return err_sys(e, "memory for '%s'", i->name);
	take_fd(fd);
	return check_magic(i, e);
}

int image_open_fd(struct image *ret, int fd, enum image_kind kind, const char *name, struct err *e)
{
	own_image i = { .kind = kind };
	own_fd own = fd;
	int r;

	snprintf(i.name, sizeof(i.name), "%s", name);
	r = start_reading(&i, &own, e);
	if (r < 0)
		return r;
	*ret = i;
	i.file = NULL;
	return 0;
}

int image_open(struct image *ret, int dir_fd, enum image_kind kind, uint64_t id, struct err *e)
{
	char name[IMAGE_NAME_MAX];
	int fd;

	image_name(name, kind, id);
	/* Not blocking: should somebody have left a fifo there, it is refused and not waited for. */
	fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_code(e, ENOENT, "'%s' is missing", name);
	if (fd < 0)
		return err_sys(e, "open '%s'", name);
	return image_open_fd(ret, fd, kind, name, e);
}

int image_flush(struct image *i, struct err *e)
{
	return buffered_flush(i->file) < 0 ? err_sys(e, "write '%s'", i->name) : 0;
}

int image_fd(const struct image *i)
{
	return buffered_fd(i->file);
}

int image_close(struct image *i, struct err *e)
{
	struct buffered *file = i->file;
	int r = file && i->writing ? image_flush(i, e) : 0;

	i->file = NULL;
	if (buffered_close(file) < 0 && i->writing && r == 0)
		r = err_sys(e, "write '%s'", i->name);
	return r;
}

int image_write(struct image *i, const void *message, struct err *e)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	own_mem uint8_t *data = malloc(size + 1);
	uint32_t word = size;
	int r;

	if (!data)
		return err_sys(e, "memory for a record of '%s'", i->name);
	if (size > IMAGE_RECORD_MAX)
		return err_code(e, EFBIG, "a record of '%s' would have %zu bytes, %u are possible",
				i->name, size, IMAGE_RECORD_MAX);
	protobuf_c_message_pack(message, data);
	r = put(i, &word, sizeof(word), e);
	if (r < 0)
		return r;
	i->records++;
	return put(i, data, size, e);
}

int image_write_extra(struct image *i, const void *data, size_t size, struct err *e)
{
	return put(i, data, size, e);
}

/* The size word of the next record; 1 when there is one, 0 at the end. */
static int next_size(struct image *i, uint32_t *ret, struct err *e)
{
	uint64_t left = image_left(i), start = i->at;
	unsigned int nr = i->records + 1;
	uint32_t size;
	int r;

	if (left == 0)
		return 0;
	if (i->records == 1 && image_is_single(i->kind))
		return err_say(e, "'%s' holds %lu bytes behind its only record", i->name, left);
	if (left < sizeof(size))
		return err_code(e, ENODATA, "'%s' is cut short: %lu stray bytes at byte %lu",
				i->name, left, start);
	r = get(i, &size, sizeof(size), e);
	if (r < 0)
		return r;
	left -= sizeof(size);
	if (size > IMAGE_RECORD_MAX)
		return err_say(e, "'%s' is damaged: record %u at byte %lu claims %u bytes", i->name,
			       nr, start, size);
	if (size > left)
		return err_code(e, ENODATA,
				"'%s' is cut short: record %u at byte %lu has %lu of %u bytes",
				i->name, nr, start, left, size);
	*ret = size;
	return 1;
}

int image_read(struct image *i, const ProtobufCMessageDescriptor *d, void *ret_message,
	       struct err *e)
{
	uint64_t start = i->at;
	own_mem uint8_t *data = NULL;
	ProtobufCMessage *m;
	uint32_t size = 0;
	int r;

	r = next_size(i, &size, e);
	if (r <= 0)
		return r;
	data = malloc(size + 1);
	if (!data)
		return err_sys(e, "memory for a record of '%s'", i->name);
	r = get(i, data, size, e);
	if (r < 0)
		return r;
	i->records++;
	if (wire_too_deep(d, data, size))
		return err_say(e, "'%s' is damaged: record %u at byte %lu is nested too deep",
			       i->name, i->records, start);
	m = protobuf_c_message_unpack(d, NULL, size, data);
	if (!m)
		return err_say(e, "'%s' is damaged: record %u at byte %lu is no valid %s", i->name,
			       i->records, start, d->name);
	*(ProtobufCMessage **)ret_message = m;
	return 1;
}

static int check_extra(const struct image *i, size_t size, struct err *e)
{
	if (size <= image_left(i))
		return 0;
	return err_code(e, ENODATA, "'%s' is cut short: record %u is followed by %lu of %zu bytes",
			i->name, i->records, image_left(i), size);
}

int image_read_extra(struct image *i, void *buf, size_t size, struct err *e)
{
	int r = check_extra(i, size, e);

	return r < 0 ? r : get(i, buf, size, e);
}

int image_take_extra(struct image *i, size_t size, char **ret, struct err *e)
{
	own_mem char *data = NULL;
	int r;

	r = check_extra(i, size, e);
	if (r < 0)
		return r;
	data = malloc(size + 1);
	if (!data)
		return err_sys(e, "memory for %zu bytes of '%s'", size, i->name);
	r = get(i, data, size, e);
	if (r < 0)
		return r;
	*ret = take_mem(data);
	return 0;
}

int image_save(int dir_fd, enum image_kind kind, uint64_t id, const void *message, struct err *e)
{
	own_image i = {};
	int r;

	r = image_create(&i, dir_fd, kind, id, e);
	if (r < 0)
		return r;
	r = image_write(&i, message, e);
	if (r < 0)
		return r;
	return image_close(&i, e);
}

int image_load(int dir_fd, enum image_kind kind, uint64_t id, void *ret_message, struct err *e)
{
	own_image i = {};
	own_message ProtobufCMessage *m = NULL;
	ProtobufCMessage *more = NULL;
	int r;

	r = image_open(&i, dir_fd, kind, id, e);
	if (r < 0)
		return r;
	r = image_read(&i, image_info(kind)->first, &m, e);
	if (r < 0)
		return r;
	if (r == 0)
		return err_code(e, ENODATA, "'%s' is cut short: it holds no record", i.name);
	/* Whatever follows the only record is an error that image_read reports. */
	r = image_read(&i, image_info(kind)->first, &more, e);
	if (r < 0)
		return r;
	*(ProtobufCMessage **)ret_message = take_mem(m);
	return 0;
}
