/* Manifests: written, held against the files, followed along a chain of folders, and refused when they are wrong. */
#include <errno.h>
#include <string.h>

#include "cli/verify.h"
#include "images/image.h"
#include "images/inventory.pb-c.h"
#include "images/manifest.pb-c.h"
#include "images/manifest_chain.h"
#include "images/pages.h"
#include "lib/io.h"
#include "lib/own.h"
#include "restore/intact.h"
#include "test/lib/folder.h"
#include "test/lib/said.h"
#include "test/lib/unit.h"

#define PURPOSE "; if it was changed on purpose, remove 'stasis-manifest.img'"

enum { PID = 5 };

static struct err e;

/* A complete folder with pages first up to last of a process, all else of it in 'parent' if there is one. */
static void make_dump(const struct folder *f, const char *parent, uint64_t first, uint64_t last)
{
	InventoryEntry inventory = INVENTORY_ENTRY__INIT;
	own_manifest m = {};
	own_pagemap_writer w = {
		.dir_fd = f->fd, .kind = IMG_PAGEMAP, .id = PID, .pages_id = 1, .manifest = &m
	};
	char page[PAGE_SIZE] = {};

	assert(image_set_begin(f->fd, &e) == 0);
	if (parent)
		assert(symlinkat(parent, f->fd, "parent") == 0);
	assert(pagemap_writer_begin(&w, &e) == 0);
	if (parent && first)
		assert(pagemap_writer_add(&w, 0, first, PE_PARENT, &e) == 0);
	assert(pagemap_writer_add(&w, first * PAGE_SIZE, last - first, PE_PRESENT, &e) == 0);
	for (uint64_t n = first; n < last; n++) {
		memset(page, n, sizeof(page));
		assert(io_write(w.pages_fd, page, sizeof(page), "page", &e) == 0);
	}
	assert(pagemap_writer_finish(&w, &e) == 0);
	inventory.img_version = 2;
	assert(image_set_finish(f->fd, &inventory, &m, &e) == 0);
}

static void flip(const struct folder *f, const char *name, off_t at)
{
	int fd = openat(f->fd, name, O_RDWR | O_CLOEXEC);
	char c;

	assert(pread(fd, &c, 1, at) == 1);
	c ^= 1;
	assert(pwrite(fd, &c, 1, at) == 1);
	close(fd);
}

static int verify(const struct folder *f)
{
	own_file out = fopen("/dev/null", "we");

	e = (struct err){};
	return verify_images(f->path, out, &e);
}

/* What a restore does with the page map. */
static int take_pages(const struct folder *f)
{
	struct restore r = { .images = f->fd };
	own_stored_pages p = {};
	int res;

	e = (struct err){};
	res = intact_begin(&r, &e);
	if (res == 0)
		res = intact_images(&r, &e);
	if (res == 0)
		res = intact_load(&r, &p, IMG_PAGEMAP, PID, &e);
	if (res == 0)
		res = intact_wait(&r, &e);
	intact_close(&r);
	pool_free(&r.pool);
	return res;
}

static void good_folder_is_good(void)
{
	own_folder f = folder_make();
	own_manifest m = {};

	make_dump(&f, NULL, 0, 20);
	assert(manifest_load(&m, f.fd, &e) == 1 && m.count == 3 && !m.has_parent);
	assert(strcmp(m.files[2].name, "pages-1.img") == 0 && m.files[2].sum_count == 3);
	assert(verify(&f) == 0 && take_pages(&f) == 0);
}

static void folder_without_manifest_is_taken(void)
{
	own_folder f = folder_make();

	make_dump(&f, NULL, 0, 20);
	flip(&f, "pages-1.img", 70000);
	unlinkat(f.fd, MANIFEST_NAME, 0);
	assert(take_pages(&f) == 0);
	assert(verify(&f) == -ENODATA);
	must_say(&e,
		 "there is no 'stasis-manifest.img' (it was written by CRIU or an older stasis), "
		 "so there is nothing to hold its files against");
}

static void damage_is_named(void)
{
	own_folder f = folder_make();

	make_dump(&f, NULL, 0, 20);
	flip(&f, "pages-1.img", 65536 + 16383);
	for (int n = 0; n < 2; n++) {
		assert((n ? take_pages(&f) : verify(&f)) == -EBADMSG);
		must_say(&e, "'pages-1.img' is damaged at offset 65536: the 16384 bytes from there "
			     "are not those that were written" PURPOSE);
	}
	flip(&f, "pages-1.img", 65536 + 16383);
	flip(&f, "pagemap-5.img", 15);
	for (int n = 0; n < 2; n++) {
		assert((n ? take_pages(&f) : verify(&f)) == -EBADMSG);
		assert(strstr(e.text, "'pagemap-5.img' is damaged at offset 0: "));
	}
}

/* So much that others read it, several at once where there are processors; of more it is those who put it in place. */
static void damage_is_found_by_threads(void)
{
	own_folder f = folder_make();

	make_dump(&f, NULL, 0, 2000);
	assert(take_pages(&f) == 0);
	for (off_t at = 4095; at < 2000 * 4096; at += 2000000) {
		char want[64];

		flip(&f, "pages-1.img", at);
		snprintf(want, sizeof(want),
			 "'pages-1.img' is damaged at offset %lu: ", at & ~32767UL);
		assert(take_pages(&f) == -EBADMSG && strstr(e.text, want));
		flip(&f, "pages-1.img", at);
	}
}

static void size_is_looked_at(void)
{
	own_folder f = folder_make();

	make_dump(&f, NULL, 0, 20);
	folder_put(&f, "pagemap-5.img", "", 0);
	for (int n = 0; n < 2; n++) {
		assert((n ? take_pages(&f) : verify(&f)) == -EINVAL);
		assert(strstr(e.text, "'pagemap-5.img' has 0 bytes, but it was written with "));
	}
	/* Then it is no dump at all, and what reads the inventory says so. */
	unlinkat(f.fd, "inventory.img", 0);
	folder_put(&f, "pagemap-5.img", "", 0);
	assert(take_pages(&f) == -ENODATA && verify(&f) == -ENOENT);
	must_say(&e, "'inventory.img' is missing");
}

static void only_what_is_read_counts(void)
{
	own_folder old = folder_make(), new = folder_make();

	make_dump(&old, NULL, 0, 40);
	make_dump(&new, old.path, 8, 40);
	assert(take_pages(&new) == 0 && verify(&new) == 0);
	/* Page 8 and what follows is in the second chunk: the newer folder has pages of its own for them. */
	flip(&old, "pages-1.img", 8 * PAGE_SIZE);
	assert(take_pages(&new) == 0);
	assert(verify(&new) == -EBADMSG);
	must_say(&e,
		 "'parent': 'pages-1.img' is damaged at offset 32768: the 32768 bytes from there "
		 "are not those that were written" PURPOSE);
	flip(&old, "pages-1.img", 0);
	assert(take_pages(&new) == -EBADMSG);
	assert(strstr(e.text, "'parent': 'pages-1.img' is damaged at offset 0: "));
}

static void parent_is_the_same(void)
{
	own_folder oldest = folder_make(), old = folder_make(), new = folder_make();

	make_dump(&oldest, NULL, 0, 9);
	make_dump(&old, oldest.path, 5, 9);
	make_dump(&new, old.path, 7, 9);
	assert(take_pages(&new) == 0 && verify(&new) == 0);
	/* Byte for byte the same, but another dump. */
	make_dump(&oldest, NULL, 0, 9);
	for (int n = 0; n < 2; n++) {
		assert((n ? take_pages(&new) : verify(&new)) == -ESTALE);
		must_say(&e,
			 "'parent/parent' is not what it was when the next dump was made on top "
			 "of it: it holds another dump");
	}
	unlinkat(oldest.fd, MANIFEST_NAME, 0);
	assert(take_pages(&new) == -ESTALE);
	must_say(&e, "'parent/parent' is not what it was when the next dump was made on top of it: "
		     "it holds no 'stasis-manifest.img' any more; if it was removed on purpose, "
		     "remove those of the folders on top of it as well");
	unlinkat(old.fd, "parent", 0);
	for (int n = 0; n < 2; n++) {
		assert((n ? take_pages(&new) : verify(&new)) == -ENOENT);
		must_say(&e, "open 'parent/parent': No such file or directory; the images are "
			     "incremental and need those of the dump before");
	}
}

static void parent_of_criu_is_taken(void)
{
	own_folder old = folder_make(), new = folder_make();

	make_dump(&old, NULL, 0, 9);
	unlinkat(old.fd, MANIFEST_NAME, 0);
	make_dump(&new, old.path, 7, 9);
	assert(take_pages(&new) == 0);
	assert(verify(&new) == -ENODATA && strstr(e.text, "'parent': there is no "));
}

static void parent_that_is_not_needed(void)
{
	own_folder old = folder_make(), new = folder_make();

	make_dump(&old, NULL, 0, 9);
	make_dump(&new, old.path, 0, 9);
	make_dump(&old, NULL, 0, 3);
	assert(take_pages(&new) == 0);
	assert(verify(&new) == -ESTALE);
}

static void circle_is_refused(void)
{
	own_folder old = folder_make(), new = folder_make();

	make_dump(&old, NULL, 0, 9);
	make_dump(&new, old.path, 7, 9);
	assert(symlinkat(new.path, old.fd, "parent") == 0);
	assert(verify(&new) == -ELOOP);
	must_say(&e, "'parent/parent' leads back to where it came from");
	assert(take_pages(&new) == -ELOOP);
}

static void damaged_manifest_is_refused(void)
{
	own_folder f = folder_make();
	own_manifest m = {};
	char data[1000];
	size_t size;
	int fd;

	make_dump(&f, NULL, 0, 20);
	size = folder_file_size(&f, MANIFEST_NAME);
	assert(size < sizeof(data));
	for (size_t at = 0; at < size; at++) {
		flip(&f, MANIFEST_NAME, at);
		assert(manifest_load(&m, f.fd, &e) < 0 && strstr(e.text, MANIFEST_NAME));
		flip(&f, MANIFEST_NAME, at);
	}
	fd = openat(f.fd, MANIFEST_NAME, O_RDONLY | O_CLOEXEC);
	assert(read(fd, data, size) == (ssize_t)size);
	close(fd);
	for (size_t cut = 0; cut < size; cut++) {
		folder_put(&f, MANIFEST_NAME, data, cut);
		assert(manifest_load(&m, f.fd, &e) < 0 && strstr(e.text, MANIFEST_NAME));
	}
	folder_put(&f, MANIFEST_NAME, data, size);
	assert(manifest_load(&m, f.fd, &e) == 1);
}

/* Somebody has gone to the length of getting its own checksum right. */
static const char *load_with(const struct listed_file *files, size_t count)
{
	own_folder f = folder_make();
	own_manifest good = {};
	struct manifest m = { .files = (struct listed_file *)files, .count = count };

	assert(manifest_write(&m, f.fd, &e) == 0);
	assert(manifest_load(&good, f.fd, &e) < 0);
	return e.text;
}

static void hostile_manifest_is_refused(void)
{
	uint64_t sums[2] = {};
	struct listed_file out = { "../x.img", true, 1, sums, 1 };
	struct listed_file other = { "passwd", true, 1, sums, 1 };
	struct listed_file few = { "core-1.img", true, 1UL << 60, sums, 2 };
	struct listed_file twice[] = { { "core-1.img", true, 1, sums, 1 },
				       { "fs-1.img", true, 1, sums, 1 },
				       { "core-1.img", true, 1, sums, 1 } };

	assert(strstr(load_with(&out, 1), "lists '../x.img', which is no name of an image"));
	assert(strstr(load_with(&other, 1), "lists 'passwd', which is no name of an image"));
	assert(strstr(load_with(&few, 1), "has 2 checksums of 'core-1.img', which has 115292150"));
	assert(strstr(load_with(twice, 3), "lists 'core-1.img' twice"));
}

/* So many that they do not go into one record. */
static void file_of_many_chunks(void)
{
	const uint64_t count = (2 << 20) + 5, size = count * MANIFEST_CHUNK - 7;
	own_folder f = folder_make();
	own_manifest m = {}, got = {};
	uint64_t *sums = malloc(count * sizeof(*sums));

	for (uint64_t n = 0; n < count; n++)
		sums[n] = n * 3;
	assert(manifest_take(&m, "pages-7.img", size, sums, &e) == 0);
	assert(manifest_write(&m, f.fd, &e) == 0);
	assert(manifest_load(&got, f.fd, &e) == 1 && got.count == 1);
	assert(got.files[0].size == size && got.files[0].sum_count == count);
	assert(memcmp(got.files[0].sums, m.files[0].sums, count * sizeof(*sums)) == 0);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(good_folder_is_good),
		UNIT(folder_without_manifest_is_taken),
		UNIT(damage_is_named),
		UNIT(damage_is_found_by_threads),
		UNIT(size_is_looked_at),
		UNIT(only_what_is_read_counts),
		UNIT(parent_is_the_same),
		UNIT(parent_of_criu_is_taken),
		UNIT(parent_that_is_not_needed),
		UNIT(circle_is_refused),
		UNIT(damaged_manifest_is_refused),
		UNIT(hostile_manifest_is_refused),
		UNIT(file_of_many_chunks),
		{},
	});
}
