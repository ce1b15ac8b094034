/*
 * 'stasis show': one image file or a folder of them as JSON.
 *
 * Records are written as they are read, so a file of any size takes little memory. What is found to be wrong
 * half-way stands in the output as "error", behind what could be read, and is the result in the end.
 */
#include "cli/show.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "images/latest.h"
#include "lib/io.h"
#include "lib/own.h"

static int show_record(struct json *j, struct image *i, struct err *e)
{
	const struct image_info *info = image_info(i->kind);
	own_message ProtobufCMessage *m = NULL;
	int r;

	r = image_read(i, i->records ? info->rest : info->first, &m, e);
	if (r <= 0)
		return r;
	json_begin(j, NULL, '{');
	show_fields(j, m, false);
	r = show_extra(j, i, m, e);
	json_end(j, '}');
	return r < 0 ? r : 1;
}

/* The members of the object that stands for a file. */
static int show_open_image(struct json *j, struct image *i, struct err *e)
{
	const struct image_info *info = image_info(i->kind);
	int r;

	json_string(j, "magic", info->magic_name, strlen(info->magic_name));
	if (!info->first) {
		json_plain(j, "size", "%lu", i->size);
		return 0;
	}
	json_begin(j, "entries", '[');
	do {
		r = show_record(j, i, e);
	} while (r > 0 && info->framing != FRAME_DATA);
	json_end(j, ']');
	if (info->framing == FRAME_DATA)
		json_plain(j, "size", "%lu", i->size);
	return r < 0 ? r : 0;
}

/* By its name; else, for a file that somebody has called otherwise, by its magic. */
static int find_kind(int fd, const char *name, enum image_kind *ret, struct err *e)
{
	uint32_t words[2] = {};
	uint64_t id;
	int r;

	if (image_name_parse(name, ret, &id))
		return 0;
	r = pread(fd, words, sizeof(words), 0);
	if (r < 0)
		return err_sys(e, "read '%s'", name);
	for (int k = 0; k < IMG_KINDS; k++) {
		const struct image_info *info = image_info(k);
		bool bare = info->framing == FRAME_INVENTORY;

		if (!info->magic || words[!bare] != info->magic)
			continue;
		*ret = k;
		return 0;
	}
	return err_say(e, "'%s' is no image: neither its name nor its magic is that of any kind",
		       name);
}

static int show_at(struct json *j, const char *key, int dir_fd, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	own_fd fd = openat(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	own_image i = {};
	enum image_kind kind;
	int r;

	json_begin(j, key, '{');
	if (fd < 0)
		r = err_sys(e, "open '%s'", path);
	else
		r = find_kind(fd, name, &kind, e);
	if (r == 0)
		r = image_open_fd(&i, take_fd(&fd), kind, name, e);
	if (r == 0)
		r = show_open_image(j, &i, e);
	if (r < 0)
		json_string(j, "error", e->text, strlen(e->text));
	json_end(j, '}');
	return r;
}

/* Files that are called like an image, or end like one. */
static int is_image(const struct dirent *d)
{
	size_t size = strlen(d->d_name);
	enum image_kind kind;
	uint64_t id;

	if (image_name_parse(d->d_name, &kind, &id))
		return 1;
	return size > 4 && strcmp(d->d_name + size - 4, ".img") == 0;
}

static int show_folder(struct json *j, int dir_fd, struct err *e)
{
	struct dirent **names = NULL;
	int count = scandirat(dir_fd, ".", &names, is_image, versionsort);
	int result = 0;

	if (count < 0)
		return err_sys(e, "read the image folder");
	json_begin(j, NULL, '{');
	for (int n = 0; n < count; n++) {
		struct err one = {};
		int r = show_at(j, names[n]->d_name, dir_fd, names[n]->d_name, &one);

		/* The first that is wrong is the result; the others are in the output. */
		if (r < 0 && result == 0) {
			result = r;
			*e = one;
		}
		free(names[n]);
	}
	free(names);
	json_end(j, '}');
	return result;
}

int show_images(const char *path, bool tree, FILE *out, struct err *e)
{
	own_fd dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct json j = { .out = out };
	int r;

	if (dir < 0 && errno != ENOTDIR)
		return err_sys(e, "open '%s'", path);
	if (dir < 0 && tree)
		return err_say(e, "'%s' is not a folder: a tree is made of all images of a dump",
			       path);
	if (dir >= 0 && latest_follow(&dir, e) < 0)
		return e->code;
	if (dir < 0)
		r = show_at(&j, NULL, AT_FDCWD, path, e);
	else if (tree)
		r = show_tree(dir, out, e);
	else
		r = show_folder(&j, dir, e);
	if (fflush(out) != 0 && r >= 0)
		return err_sys(e, "write what is shown");
	return r;
}
