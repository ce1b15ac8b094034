/*
 * Descriptors of namespaces (/proc/PID/ns/NAME), of those that the tree lives in; others are refused. One that was opened by a path of
 * its own, as in /run/netns, is a file like others.
 */
#include "images/fd/nsfile.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "dump/files.h"
#include "dump/ns.h"

/* "net:[4026531840]" */
static const struct namespace_kind *kind_of(const struct file *f)
{
	for (size_t i = 0; i < namespace_kind_count; i++) {
		const struct namespace_kind *k = &namespace_kinds[i];
		size_t size = strlen(k->name);

		if (strncmp(f->link, k->name, size) == 0 && strncmp(f->link + size, ":[", 2) == 0)
			return k;
	}
	return NULL;
}

static bool nsfile_match(const struct file *f)
{
	return S_ISREG(f->st.st_mode) && !(f->flags & O_PATH) && kind_of(f);
}

static int nsfile_dump(struct file *f, FileEntry *entry, struct err *e)
{
	const struct namespace_kind *k = kind_of(f);
	NsFileEntry *ns = pool_new(&f->dump->pool, NsFileEntry);
	const struct dump_namespaces *all = f->dump->ns;
	enum ns kind = (enum ns)(k - namespace_kinds);

	if (all->ino[kind] != f->st.st_ino) {
		err_code(e, ENOTSUP, "it is a %s namespace ('%s') that the tree does not live in",
			 k->name, f->link);
		return err_hint(e, "let the program close it before the dump");
	}
	/* It comes with its first process, too late for a descriptor. */
	if (kind == NS_PID && ns_is_own(f->dump, kind)) {
		err_code(e, ENOTSUP, "it is the tree's own pid namespace, which is not supported");
		return err_hint(e, "let the program close it before the dump");
	}
	ns_file_entry__init(ns);
	ns->id = f->id;
	ns->ns_id = all->id[kind];
	ns->ns_cflag = k->flag;
	ns->flags = f->flags;
	entry->nsf = ns;
	return 0;
}

const struct fd_kind nsfile_fd_kind = {
	.name = "fd/nsfile",
	.type = FD_TYPES__NS,
	.match = nsfile_match,
	.dump = nsfile_dump,
};
