/* Increments; see increment.h. */
#include "dump/increment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "dump/keeper.h"
#include "dump/mm/shmem_held.h"
#include "dump/page_server.h"
#include "images/image.h"
#include "images/inventory.pb-c.h"
#include "images/pages.h"
#include "lib/log.h"

/* A link that is there already is kept, as CRIU does; then that is the folder before. */
static int open_parent(struct dump *d, int *ret, struct err *e)
{
	const char *to = d->opt->prev_images_dir;

	if (symlinkat(to, d->images, "parent") < 0 && errno != EEXIST)
		return err_sys(e, "create the link 'parent'");
	*ret = openat(d->images, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret < 0) {
		err_sys(e, "open the folder before, '%s'", to);
		return err_hint(e, "--prev-images-dir is relative to the folder of images");
	}
	return 0;
}

/* What went to a page server is known by what was sent. */
static int load_pages(const struct dump *d, int parent, int pid, struct stored_pages *ret,
		      struct err *e)
{
	char name[IMAGE_NAME_MAX];

	if (d->outlet && faccessat(parent, image_name(name, IMG_SENT, pid), F_OK, 0) == 0)
		return stored_pages_load_sent(ret, parent, pid, e);
	return stored_pages_load(ret, parent, IMG_PAGEMAP, pid, e);
}

static int load_known(struct dump *d, int parent, struct track *k, struct err *e)
{
	own_stored_pages pages = { 0 };
	int r = load_pages(d, parent, k->inner, &pages, e);

	if (r == -ENOENT && faccessat(parent, "inventory.img", F_OK, 0) == 0) {
		char name[IMAGE_NAME_MAX];

		/* It was born since, or could not be tracked. */
		image_name(name, IMG_PAGEMAP, k->inner);
		if (faccessat(parent, name, F_OK, 0) < 0)
			return 0;
	}
	if (r < 0)
		return err_on(e, "'parent'");
	for (size_t i = 0; i < pages.count; i++) {
		const struct stored_run *run = &pages.runs[i];

		if (ranges_append(&k->known, run->vaddr, run->vaddr + run->nr_pages * PAGE_SIZE,
				  e) < 0)
			return e->code;
	}
	return dserver_ask(d, k, e);
}

int increment_begin(struct dump *d, struct err *e)
{
	own_message InventoryEntry *inv = NULL;
	own_fd parent = -1;
	int r;

	/* Asked now, so that nobody is stopped meanwhile. */
	if (d->track_mem || d->opt->freeze != FREEZE_STOP)
		(void)track_way();
	if (!d->opt->prev_images_dir)
		return d->track_mem ? keeper_fetch(d, NULL, e) : 0;
	if (open_parent(d, &parent, e) < 0)
		return e->code;
	r = image_load(parent, IMG_INVENTORY, 0, &inv, e);
	if (r < 0)
		return err_on(e, "the folder before, '%s'", d->opt->prev_images_dir);
	if (!d->track_mem)
		return 0;
	if (keeper_fetch(d, inv->dump_criu_run_id, e) < 0)
		return e->code;
	/* A page server gets shared memory whole. */
	if (!d->outlet && shmem_held_load(d, parent, e) < 0)
		return e->code;
	for (size_t i = 0; d->tracks && i < d->tracks->count; i++)
		if (load_known(d, parent, &d->tracks->all[i], e) < 0)
			return e->code;
	return 0;
}

void increment_go_on(struct dump *d, const char *images)
{
	struct err e = { 0 };

	if (keeper_start(d, images, &e) < 0)
		log_warn("the next dump will save all pages: %s", e.text);
}

/* The beginning of a random UUID, as text. */
int increment_name(struct dump *d, char **ret, struct err *e)
{
	unsigned char b[9];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return err_sys(e, "getrandom");
	b[6] = (b[6] & 0x0f) | 0x40;
	/* CRIU calls a table of nftables by this, and up to 4.2 takes no more than 21 characters of it. */
	*ret = pool_format(&d->pool, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x", b[0], b[1], b[2],
			   b[3], b[4], b[5], b[6], b[7], b[8]);
	return 0;
}
