/*
 * Any bytes as an image of any kind: read as restore does, and shown. libFuzzer calls LLVMFuzzerTestOneInput; the
 * first byte chooses the kind, whose magic is put before the rest, so that every input gets past it.
 *
 *	make fuzz		a minute of it
 */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/show.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int image_of(enum image_kind kind, const uint8_t *data, size_t size)
{
	const struct image_info *info = image_info(kind);
	bool service = info->framing == FRAME_SERVICE || info->framing == FRAME_SERVICE_ONE;
	uint32_t words[2] = { service ? IMAGE_SERVICE : IMAGE_COMMON, info->magic };
	size_t skip = info->framing == FRAME_INVENTORY ? sizeof(*words) : 0;
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert(fd >= 0);
	assert(write(fd, (char *)words + skip, sizeof(words) - skip) > 0);
	assert(write(fd, data, size) == (ssize_t)size);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void read_all(int fd, enum image_kind kind)
{
	const struct image_info *info = image_info(kind);
	own_image i = {};
	struct err e = {};
	int r;

	r = image_open_fd(&i, dup(fd), kind, "image", &e);
	while (r >= 0) {
		own_message ProtobufCMessage *m = NULL;

		r = image_read(&i, i.records ? info->rest : info->first, &m, &e);
		if (r == 0)
			return;
	}
	/* Whatever is refused is refused in words. */
	assert(e.code == r && strncmp(e.text, "'image' ", 8) == 0);
}

static void show_all(int fd)
{
	own_file out = fopen("/dev/null", "we");
	struct err e = {};
	char path[32];
	int r;

	assert(out);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = show_images(path, false, out, &e);
	assert(r == 0 || (e.code == r && e.text[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum image_kind kind = size ? data[0] % IMG_KINDS : 0;

	if (!size || !image_info(kind)->first)
		return 0;
	own_fd fd = image_of(kind, data + 1, size - 1);
	read_all(fd, kind);
	show_all(fd);
	return 0;
}
