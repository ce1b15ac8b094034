/*
 * Mounts of a namespace of its own (dump/mounts*.c): the list, and the contents of the file systems that are in memory. These are
 * read when all else has been written, since the dump may have made links there.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "dump/mounts.h"
#include "dump/ns.h"
#include "images/image.h"
#include "lib/archive.h"

/* File systems that are only known by a number. */
static const struct {
	const char *name;
	Fstype type;
} others[] = {
	{ "overlay", FSTYPE__OVERLAYFS },	{ "fuse", FSTYPE__FUSE },
	{ "autofs", FSTYPE__AUTOFS },		{ "aufs", FSTYPE__AUFS },
	{ "binfmt_misc", FSTYPE__BINFMT_MISC },
};

static Fstype type_of(const struct dmount *m)
{
	const struct filesystem *fs = filesystem_by_name(m->line.type);

	if (m->automatic)
		return FSTYPE__AUTO;
	if (fs)
		return fs->type;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcmp(others[i].name, m->line.type) == 0)
			return others[i].type;
	return FSTYPE__UNSUPPORTED;
}

static int mnt_check(struct dump *d, struct err *e)
{
	if (d->opt->handover) {
		err_code(e, ENOTSUP, "its mounts cannot be migrated yet");
		return err_hint(e, "dump it, copy the images and restore them");
	}
	if (archive_prepare(e) < 0 || dmounts_read(d, e) < 0)
		return e->code;
	return dmounts_decide(d, e);
}

static void fill(const struct dmount *m, MntEntry *ret)
{
	const struct mount_line *l = &m->line;

	mnt_entry__init(ret);
	ret->fstype = type_of(m);
	ret->mnt_id = l->id;
	ret->root_dev = l->dev;
	ret->parent_mnt_id = l->parent;
	ret->flags = l->flags;
	ret->root = (char *)l->root;
	ret->mountpoint = (char *)l->at;
	ret->source = (char *)l->source;
	ret->options = (char *)l->options;
	ret->has_shared_id = l->shared != 0;
	ret->shared_id = l->shared;
	ret->has_master_id = l->master != 0;
	ret->master_id = l->master;
	ret->fsname = m->automatic ? (char *)l->type : NULL;
	ret->has_internal_sharing = m->ext_key && m->internal;
	ret->internal_sharing = 1;
	ret->has_sb_flags = 1;
	ret->sb_flags = l->sb_flags;
	ret->ext_key = (char *)m->ext_key;
}

struct saving {
	struct dump *d;
	const struct dmount *m;
};

static int save_inside(void *arg, struct err *e)
{
	const struct saving *s = arg;
	char name[IMAGE_NAME_MAX];
	/* What we read is not to be seen by those who look when that was last done. */
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOATIME, .attr_clr = MOUNT_ATTR__ATIME };

	image_name(name, IMG_TMPFS, s->m->line.dev);
	own_fd fd = openat(s->d->images, name,
			   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "create '%s'", name);
	(void)mount_setattr(s->m->fd, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	return archive_save(s->m->fd, fd, e);
}

static int save_contents(struct dump *d, struct dmount *m, struct err *e)
{
	struct saving s = { d, m };
	int fd;

	if (!m->fs || !m->fs->contents || dmounts_whole(d->mounts, m->line.dev) != m)
		return 0;
	/* The copy needs no visit, but a current directory that is nobody else's. */
	if (dmounts_copy(d, m, &fd, e) < 0 || namespace_run(NULL, 0, save_inside, &s, e) < 0)
		return err_on(e, "save what is in '%s'", m->line.at);
	return 0;
}

static int mnt_save_last(struct dump *d, uint32_t id, struct err *e)
{
	const struct dump_mounts *all = d->mounts;
	own_image img = {};

	if (image_create(&img, d->images, IMG_MNTS, id, e) < 0)
		return e->code;
	for (size_t i = 0; i < all->count; i++) {
		MntEntry m;

		if (all->all[i].skipped)
			continue;
		fill(&all->all[i], &m);
		if (image_write(&img, &m, e) < 0 || save_contents(d, &all->all[i], e) < 0)
			return e->code;
	}
	return image_close(&img, e);
}

const struct ns_kind mnt_ns_kind = {
	.name = "ns/mnt",
	.kind = NS_MNT,
	.check = mnt_check,
	.save_last = mnt_save_last,
};
