/* 'lazy-pages'; see daemon.h. */
#include "lazy/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "images/image.h"
#include "images/inventory.pb-c.h"
#include "images/pages.h"
#include "images/pstree.pb-c.h"
#include "images/task/ids.pb-c.h"
#include "lazy/folder.h"
#include "lazy/remote.h"
#include "lazy/server.h"
#include "lazy/socket.h"
#include "lib/io.h"
#include "lib/kernel.h"
#include "lib/log.h"
#include "lib/own.h"

struct lazy_daemon {
	const struct options *opt;
	int listener;
	int *pids; /* of the images, which the restore is going to tell; 0: it has */
	size_t count;
	struct source_folder *folder;
	struct lazy_source *remote; /* NULL: all pages are in the images */
	struct source_chain chain;
	struct lazy_server server;
};

static int load_pids(struct lazy_daemon *d, struct err *e)
{
	own_image i = {};
	int r = image_open(&i, d->opt->images_fd, IMG_PSTREE, 0, e);

	while (r >= 0) {
		own_message PstreeEntry *task = NULL;

		r = image_read(&i, &pstree_entry__descriptor, &task, e);
		if (r == 0)
			return d->count ? 0 : err_say(e, "'pstree.img' has no process");
		if (r > 0)
			r = io_grow(&d->pids, d->count, sizeof(*d->pids), e);
		if (r == 0)
			d->pids[d->count++] = (int)task->pid;
	}
	return r;
}

/* The kernel names who waits for a page by numbers inside. */
static int check_namespace(const struct lazy_daemon *d, struct err *e)
{
	own_message InventoryEntry *inv = NULL;
	own_message TaskKobjIdsEntry *ids = NULL;

	if (image_load(d->opt->images_fd, IMG_INVENTORY, 0, &inv, e) < 0 ||
	    image_load(d->opt->images_fd, IMG_IDS, d->pids[0], &ids, e) < 0)
		return e->code;
	if (!inv->root_ids || inv->root_ids->pid_ns_id == ids->pid_ns_id)
		return 0;
	err_code(e, ENOTSUP,
		 "the tree has a pid namespace of its own, whose pages cannot come "
		 "later yet");
	return err_hint(e, "restore it without --lazy-pages");
}

int lazy_daemon_begin(struct lazy_daemon **ret, const struct options *opt, struct err *e)
{
	struct lazy_daemon *d = calloc(1, sizeof(*d));

	if (!d)
		return err_sys(e, "memory for serving pages");
	d->opt = opt;
	d->listener = -1;
	*ret = d;
	if (!kernel_has(KERNEL_UFFD_NONCOOP))
		return err_code(e, ENOTSUP,
				"'lazy-pages' needs userfaultfd with its events, which "
				"this kernel has not (uffd-noncoop)");
	if (load_pids(d, e) < 0 || check_namespace(d, e) < 0 ||
	    source_folder_begin(&d->folder, opt->images_fd, e) < 0)
		return e->code;
	return lazy_socket_listen(&d->listener, e);
}

void lazy_daemon_free(struct lazy_daemon *d)
{
	if (!d)
		return;
	own_close(&d->listener);
	if (d->folder)
		source_folder_source(d->folder)->close(source_folder_source(d->folder));
	if (d->remote)
		d->remote->close(d->remote);
	free(d->pids);
	free(d);
}

static int add_region(struct lazy_space *sp, struct lazy_region **all, const struct stored_run *run,
		      struct err *e)
{
	struct lazy_region *last = sp->saved_count ? &(*all)[sp->saved_count - 1] : NULL;
	struct lazy_region r = { .at = run->vaddr,
				 .pages = run->nr_pages,
				 .first = last ? last->first + last->pages : 0 };

	if (io_grow(all, sp->saved_count, sizeof(r), e) < 0)
		return e->code;
	(*all)[sp->saved_count++] = r;
	return 0;
}

/* What may come later comes later: the other side has left it all to us. */
static int add_task(struct lazy_daemon *d, int pid, int *uffd, struct err *e)
{
	struct lazy_space sp = { .pid = pid };
	struct lazy_region *saved = NULL;
	const struct stored_pages *pages;

	if (source_folder_map(d->folder, pid, &pages, e) < 0)
		return e->code;
	for (size_t i = 0; i < pages->count; i++) {
		const struct stored_run *run = &pages->runs[i];

		if (!(run->flags & PE_LAZY))
			continue;
		if (!(run->flags & PE_PRESENT) && !d->remote) {
			err_code(e, ENODATA,
				 "pages at %lx of pid %d are not in the images (a lazy dump)",
				 run->vaddr, pid);
			return err_hint(e, "--page-server, --address and --port say who has them");
		}
		if (add_region(&sp, &saved, run, e) < 0)
			return e->code;
	}
	sp.saved = saved;
	sp.uffd = take_fd(uffd);
	return lazy_server_add(&d->server, &sp, e);
}

static int take_task(struct lazy_daemon *d, int sock, struct err *e)
{
	own_fd uffd = -1;
	int pid;

	if (lazy_socket_receive(sock, &pid, &uffd, e) < 0)
		return e->code;
	for (size_t i = 0; i < d->count; i++) {
		if (d->pids[i] != pid)
			continue;
		d->pids[i] = 0;
		if (uffd < 0)
			return 0;
		return add_task(d, pid, &uffd, e) < 0 ? err_on(e, "memory of pid %d", pid) : 0;
	}
	return err_say(e, "pid %d is not in the images, or was told before", pid);
}

static int take_restore(struct lazy_daemon *d, int sock, struct err *e)
{
	d->server.source = source_folder_source(d->folder);
	if (d->remote) {
		source_chain_begin(&d->chain, d->server.source, d->remote);
		d->server.source = &d->chain.source;
	}
	d->server.go = sock;
	d->server.go_word = LAZY_FINISHED;
	d->server.work_fd = d->opt->work_fd;
	if (lazy_server_begin(&d->server, e) < 0)
		return e->code;
	for (size_t i = 0; i < d->count; i++)
		if (take_task(d, sock, e) < 0)
			return e->code;
	return 0;
}

int lazy_daemon_run(struct lazy_daemon *d, struct err *e)
{
	own_fd sock = -1;

	if (d->opt->pages.server && source_remote_begin(&d->remote, d->opt, e) < 0)
		return e->code;
	while (sock < 0) {
		sock = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC);
		if (sock < 0 && errno != EINTR && errno != ECONNABORTED)
			return err_sys(e, "accept a restore");
	}
	/* The restore is the only one. */
	own_close(&d->listener);
	d->listener = -1;
	unlink(LAZY_SOCKET);
	return take_restore(d, sock, e) < 0 ? e->code : lazy_server_here(&d->server, e);
}
