/*
 * File systems that are made anew: by their name, source and options, with the contents that were saved. They are attached
 * to the root of the namespace for as long as mounts are made of them: older kernels make none of what is attached nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "images/image.h"
#include "lib/archive.h"
#include "lib/io.h"
#include "restore/mounts.h"

/* What the kernel has written about it is better than a number. */
static int refused(int fs, const char *what, struct err *e)
{
	char text[256];
	int code = errno;
	ssize_t n = read(fs, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	errno = code;
	return n > 2 ? err_sys(e, "%s (%s)", what, text + 2) : err_sys(e, "%s", what);
}

/* Options that only tell something. */
static bool is_said_only(const char *word)
{
	return strcmp(word, "seclabel") == 0;
}

static int set_options(int fs, const char *options, struct err *e)
{
	char list[4096], *save = NULL, *value;

	if (strlen(options) >= sizeof(list))
		return err_say(e, "its options are longer than %zu bytes", sizeof(list));
	strcpy(list, options);
	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		char what[128];
		int res;

		if (is_said_only(w))
			continue;
		snprintf(what, sizeof(what), "its option '%s'", w);
		value = strchr(w, '=');
		if (value)
			*value++ = 0;
		res = value ? fsconfig(fs, FSCONFIG_SET_STRING, w, value, 0) :
			      fsconfig(fs, FSCONFIG_SET_FLAG, w, NULL, 0);
		if (res < 0)
			return refused(fs, what, e);
	}
	return 0;
}

static int set_flags(int fs, uint32_t flags, struct err *e)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = {
		{ MS_RDONLY, "ro" },	 { MS_SYNCHRONOUS, "sync" },  { MS_DIRSYNC, "dirsync" },
		{ MS_MANDLOCK, "mand" }, { MS_LAZYTIME, "lazytime" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (flags & words[i].flag &&
		    fsconfig(fs, FSCONFIG_SET_FLAG, words[i].word, NULL, 0) < 0)
			return refused(fs, words[i].word, e);
	return 0;
}

static int make(const struct rmount *m, int *ret_fd, struct err *e)
{
	const MntEntry *entry = m->entry;
	const char *name = m->fs ? m->fs->name : entry->fsname;
	own_fd fs = fsopen(name, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return err_sys(e, "the file system '%s'", name);
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", entry->source, 0) < 0)
		return refused(fs, "its source", e);
	if (set_options(fs, entry->options, e) < 0)
		return e->code;
	if (!(m->fs && m->fs->contents) && set_flags(fs, entry->sb_flags, e) < 0)
		return e->code;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return refused(fs, "make it", e);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (fd < 0)
		return refused(fs, "mount it", e);
	*ret_fd = fd;
	return 0;
}

static int set_late_flags(const struct rmount *m, int fd, struct err *e)
{
	own_fd fs = -1;

	if (!m->entry->sb_flags)
		return 0;
	fs = fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (fs < 0)
		return err_sys(e, "fspick");
	if (set_flags(fs, m->entry->sb_flags, e) < 0)
		return e->code;
	if (fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return refused(fs, "set its flags", e);
	return 0;
}

static int unpack(struct restore *r, const struct rmount *m, int fd, struct err *e)
{
	char name[IMAGE_NAME_MAX];

	image_name(name, IMG_TMPFS, m->entry->root_dev);
	own_fd from = openat(r->images, name, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (from < 0)
		return err_sys(e, "open '%s'", name);
	if (archive_unpack(from, fd, e) < 0)
		return err_on(e, "'%s'", name);
	return set_late_flags(m, fd, e);
}

int rsuper_get(struct restore *r, const struct rmount *m, int *ret_fd, struct err *e)
{
	struct rmounts *all = r->mounts;
	own_fd fd = -1;

	for (size_t i = 0; i < all->super_count; i++)
		if (all->supers[i].dev == m->entry->root_dev) {
			*ret_fd = all->supers[i].fd;
			return 0;
		}
	if (io_grow(&all->supers, all->super_count, sizeof(*all->supers), e) < 0 ||
	    make(m, &fd, e) < 0)
		return e->code;
	if (move_mount(fd, "", all->root->fd, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "attach it for the moment");
	*ret_fd = fd;
	all->supers[all->super_count++] = (struct rsuper){ m->entry->root_dev, take_fd(&fd) };
	return m->fs && m->fs->contents ? unpack(r, m, *ret_fd, e) : 0;
}
