/*
 * The mounts of a dump for a person, below the tree of processes:
 *
 *	mounts of namespace 9:
 *	  / UNSUPPORTED '/dev/vda', there '/rootfs'
 *	    /dev TMPFS 'tmpfs', nosuid, size=65536k,mode=755
 *	    /proc/keys TMPFS 'tmpfs', there '/null', external '/dev/null'
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "cli/show.h"
#include "images/ns/mnt.pb-c.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"

struct mount_list {
	MntEntry **all;
	size_t count;
};

static void list_free(struct mount_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		image_message_free(&l->all[i]);
	free(l->all);
}

static int load(struct mount_list *ret, int dir, uint64_t id, struct err *e)
{
	own_image i = {};
	int r = image_open(&i, dir, IMG_MNTS, id, e);

	while (r >= 0) {
		own_message MntEntry *m = NULL;

		r = image_read(&i, &mnt_entry__descriptor, &m, e);
		if (r <= 0)
			return r;
		r = io_grow(&ret->all, ret->count, sizeof(MntEntry *), e);
		if (r >= 0)
			ret->all[ret->count++] = take_mem(m);
	}
	return r;
}

/* Bytes of an image on a terminal. */
static void put(FILE *out, const char *before, const char *text, const char *behind)
{
	own_mem char *copy = strdup(text);

	if (!copy)
		return;
	log_tame(copy);
	fprintf(out, "%s%s%s", before, copy, behind);
}

static void put_flags(FILE *out, const MntEntry *m)
{
	static const struct {
		uint32_t flag;
		const char *word;
	} words[] = {
		{ MS_RDONLY, "ro" },
		{ MS_NOSUID, "nosuid" },
		{ MS_NODEV, "nodev" },
		{ MS_NOEXEC, "noexec" },
		{ MS_NOATIME, "noatime" },
		{ MS_NODIRATIME, "nodiratime" },
		{ MS_UNBINDABLE, "unbindable" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (m->flags & words[i].flag)
			fprintf(out, ", %s", words[i].word);
	if (m->shared_id)
		fprintf(out, ", shared %u", m->shared_id);
	if (m->master_id)
		fprintf(out, ", follows %u", m->master_id);
	if (*m->options)
		put(out, ", ", m->options, "");
}

static void put_mount(FILE *out, const MntEntry *m, int depth)
{
	const ProtobufCEnumValue *type =
		protobuf_c_enum_descriptor_get_value(&fstype__descriptor, (int)m->fstype);

	fprintf(out, "%*s", 2 + 2 * depth, "");
	put(out, "", m->mountpoint, "");
	fprintf(out, " %s", m->fsname ? "AUTO" : type ? type->name : "?");
	put(out, " '", m->source, "'");
	if (strcmp(m->root, "/") != 0)
		put(out, ", there '", m->root, "'");
	if (m->ext_key)
		put(out, ", external '", m->ext_key, "'");
	put_flags(out, m);
	fputc('\n', out);
}

/* Mounts whose parent is not among them stand at the left; each is shown once, whatever an image says. */
static void put_below(FILE *out, struct mount_list *l, uint32_t parent, int depth)
{
	for (size_t i = 0; i < l->count; i++) {
		MntEntry *m = l->all[i];

		if (!m || m->parent_mnt_id != parent || m->mnt_id == parent)
			continue;
		l->all[i] = NULL;
		put_mount(out, m, depth);
		put_below(out, l, m->mnt_id, depth + 1);
		image_message_free(&m);
	}
}

static bool has(const struct mount_list *l, uint32_t id)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->all[i] && l->all[i]->mnt_id == id)
			return true;
	return false;
}

static int show_list(int dir, uint64_t id, FILE *out, struct err *e)
{
	__attribute__((cleanup(list_free))) struct mount_list l = {};

	if (load(&l, dir, id, e) < 0)
		return e->code;
	fprintf(out, "mounts of namespace %lu:\n", (unsigned long)id);
	for (size_t i = 0; i < l.count; i++)
		if (l.all[i] && !has(&l, l.all[i]->parent_mnt_id))
			put_below(out, &l, l.all[i]->parent_mnt_id, 0);
	return 0;
}

int show_mounts(int dir_fd, FILE *out, struct err *e)
{
	int again = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		enum image_kind kind;
		uint64_t id;

		if (image_name_parse(entry->d_name, &kind, &id) && kind == IMG_MNTS &&
		    show_list(dir_fd, id, out, e) < 0)
			return e->code;
	}
	return dir ? 0 : err_sys(e, "list the folder");
}
