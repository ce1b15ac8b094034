/* Descriptors of namespaces that the tree lives in: ours, or those that were made for it. */
#include "images/fd/nsfile.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "restore/files.h"
#include "restore/ns.h"

static uint32_t id_in(const TaskKobjIdsEntry *ids, uint32_t own_id)
{
	const uint32_t all[] = { 0,
				 ids->pid_ns_id,
				 ids->net_ns_id,
				 ids->ipc_ns_id,
				 ids->uts_ns_id,
				 ids->time_ns_id,
				 ids->mnt_ns_id,
				 ids->user_ns_id,
				 ids->cgroup_ns_id };

	return own_id < ARRAY_SIZE(all) ? all[own_id] : 0;
}

static int nsfile_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const NsFileEntry *ns = f->nsf;
	const TaskKobjIdsEntry *ids = r->tasks[0]->ids;
	char path[32];
	int fd;

	for (size_t i = 0; i < namespace_kind_count; i++) {
		const struct namespace_kind *k = &namespace_kinds[i];

		if (k->flag != ns->ns_cflag)
			continue;
		if (!ids || id_in(ids, k->own_id) != ns->ns_id)
			return err_code(e, ENOTSUP,
					"it is a %s namespace (%u) that the tree does not live in, "
					"which is not supported",
					k->name, ns->ns_id);
		if (r->ns->id[i] && r->ns->fd[i] < 0 && !r->opt->dry_run)
			return err_code(e, ENOTSUP,
					"it is the tree's own %s namespace, which is not supported",
					k->name);
		snprintf(path, sizeof(path), "/proc/self/ns/%s", k->name);
		if (r->ns->fd[i] >= 0)
			snprintf(path, sizeof(path), "/proc/self/fd/%d", r->ns->fd[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, "open '%s'", path);
		*ret_fd = fd;
		return 0;
	}
	return err_code(e, ENOTSUP, "it is a namespace of an unknown kind (0x%x)", ns->ns_cflag);
}

const struct fd_restore_kind nsfile_fd_restore_kind = {
	.name = "fd/nsfile",
	.type = FD_TYPES__NS,
	.make = nsfile_make,
};
