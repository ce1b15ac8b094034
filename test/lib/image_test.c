/* Images written and read again, and everything that can be wrong with a file. */
#include <byteswap.h>
#include <errno.h>
#include <string.h>

#include "images/core.pb-c.h"
#include "images/fd/pipe.pb-c.h"
#include "images/image.h"
#include "images/manifest.h"
#include "images/inventory.pb-c.h"
#include "images/ns/cgroup.pb-c.h"
#include "images/ns/uts.pb-c.h"
#include "images/pstree.pb-c.h"
#include "lib/io.h"
#include "lib/own.h"
#include "test/lib/folder.h"
#include "test/lib/said.h"
#include "test/lib/unit.h"

static struct err e;

/* "utsns-9.img" with a host name, and its bytes. */
static size_t make_uts(const struct folder *f, char **ret_bytes)
{
	UtsnsEntry uts = UTSNS_ENTRY__INIT;
	size_t size;

	uts.nodename = "node";
	uts.domainname = "domain";
	assert(image_save(f->fd, IMG_UTSNS, 9, &uts, &e) == 0);
	assert(io_slurp(f->fd, "utsns-9.img", ret_bytes, &size, &e) == 0);
	return size;
}

static int load_uts(const struct folder *f)
{
	own_message UtsnsEntry *uts = NULL;

	return image_load(f->fd, IMG_UTSNS, 9, &uts, &e);
}

static void records_and_extra_come_back(void)
{
	PipeDataEntry data = PIPE_DATA_ENTRY__INIT;
	own_folder f = folder_make();
	own_image i = {};
	char buf[8];

	assert(image_create(&i, f.fd, IMG_PIPES_DATA, 0, &e) == 0);
	for (unsigned int n = 0; n < 3; n++) {
		data.pipe_id = 100 + n;
		data.bytes = n;
		assert(image_write(&i, &data, &e) == 0);
		assert(image_write_extra(&i, "abc", n, &e) == 0);
	}
	assert(image_close(&i, &e) == 0 && image_close(&i, &e) == 0);

	assert(image_open(&i, f.fd, IMG_PIPES_DATA, 0, &e) == 0);
	for (unsigned int n = 0; n < 3; n++) {
		own_message PipeDataEntry *got = NULL;

		assert(image_read(&i, &pipe_data_entry__descriptor, &got, &e) == 1);
		assert(got->pipe_id == 100 + n && got->bytes == n && !got->has_size);
		assert(image_read_extra(&i, buf, n, &e) == 0);
		assert(memcmp(buf, "abc", n) == 0);
	}
	own_message PipeDataEntry *none = NULL;
	assert(image_read(&i, &pipe_data_entry__descriptor, &none, &e) == 0 && !none);
	assert(image_read_extra(&i, buf, 1, &e) == -ENODATA);
	must_say(&e, "'pipes-data.img' is cut short: record 3 is followed by 0 of 1 bytes");
	assert(image_close(&i, &e) == 0);
}

static void bytes_are_as_the_format_says(void)
{
	static const unsigned char core[] = {
		0x19, 0x43, 0x56, 0x54, 3,   0x32, 0x47, 0x54, 14,  0,	 0,   0,   0x0a,
		4,    'n',  'o',  'd',	'e', 0x12, 6,	 'd',  'o', 'm', 'a', 'i', 'n',
	};
	own_folder f = folder_make();
	own_mem char *bytes = NULL;
	size_t size = make_uts(&f, &bytes);

	assert(size == sizeof(core) && memcmp(bytes, core, size) == 0);
}

static void missing_file(void)
{
	own_folder f = folder_make();

	assert(load_uts(&f) == -ENOENT);
	must_say(&e, "'utsns-9.img' is missing");
}

static void not_a_regular_file(void)
{
	own_folder f = folder_make();

	assert(mkfifoat(f.fd, "utsns-9.img", 0600) == 0);
	assert(load_uts(&f) == -EINVAL);
	must_say(&e, "'utsns-9.img' is not a regular file");
}

/* Cut off anywhere, nothing but a sentence comes of it. */
static void every_prefix_is_cut_short(void)
{
	own_folder f = folder_make();
	own_mem char *bytes = NULL;
	size_t size = make_uts(&f, &bytes);

	for (size_t n = 0; n < size; n++) {
		folder_put(&f, "utsns-9.img", bytes, n);
		assert(load_uts(&f) == -ENODATA);
		assert(strncmp(e.text, "'utsns-9.img' is cut short: ", 28) == 0);
		if (n == 3)
			must_say(&e, "'utsns-9.img' is cut short: no room for its magic");
		if (n == 8)
			must_say(&e, "'utsns-9.img' is cut short: it holds no record");
		if (n == 10)
			must_say(&e, "'utsns-9.img' is cut short: 2 stray bytes at byte 8");
		if (n == 20)
			must_say(&e, "'utsns-9.img' is cut short: record 1 at byte 8 has 8 of 14 "
				     "bytes");
	}
	folder_put(&f, "utsns-9.img", bytes, size);
	assert(load_uts(&f) == 0);
}

static void other_magic(void)
{
	own_folder f = folder_make();
	own_mem char *bytes = NULL;
	size_t size = make_uts(&f, &bytes);
	uint32_t *word = (uint32_t *)bytes;

	word[1] = image_info(IMG_CORE)->magic;
	folder_put(&f, "utsns-9.img", bytes, size);
	assert(load_uts(&f) == -EINVAL);
	must_say(&e, "'utsns-9.img' is not UTSNS but CORE by its magic");

	word[1] = 0x12345678;
	folder_put(&f, "utsns-9.img", bytes, size);
	assert(load_uts(&f) == -EINVAL);
	must_say(&e, "'utsns-9.img' is not an image: its magic is 0x12345678, that of UTSNS is "
		     "0x54473203");

	word[0] = bswap_32(IMAGE_COMMON);
	folder_put(&f, "utsns-9.img", bytes, size);
	assert(load_uts(&f) == -EINVAL);
	must_say(&e, "'utsns-9.img' comes from a machine of the other byte order");
}

/* Version 1 of the format had the magic of the kind alone. */
static void one_magic_word_is_enough(void)
{
	own_folder f = folder_make();
	own_mem char *bytes = NULL;
	size_t size = make_uts(&f, &bytes);

	folder_put(&f, "utsns-9.img", bytes + 4, size - 4);
	assert(load_uts(&f) == 0);
}

static void size_beyond_reason(void)
{
	own_folder f = folder_make();
	own_mem char *bytes = NULL;
	size_t size = make_uts(&f, &bytes);

	memset(bytes + 8, 0xff, 4);
	folder_put(&f, "utsns-9.img", bytes, size);
	assert(load_uts(&f) == -EINVAL);
	must_say(&e, "'utsns-9.img' is damaged: record 1 at byte 8 claims 4294967295 bytes");
}

static void garbage_behind_the_record(void)
{
	own_folder f = folder_make();
	own_mem char *bytes = NULL;
	size_t size = make_uts(&f, &bytes);

	bytes = realloc(bytes, size + 5);
	memcpy(bytes + size, "extra", 5);
	folder_put(&f, "utsns-9.img", bytes, size + 5);
	assert(load_uts(&f) == -EINVAL);
	must_say(&e, "'utsns-9.img' holds 5 bytes behind its only record");
}

static void required_fields_are_required(void)
{
	/* A utsns_entry with the first of its two required strings. */
	static const char bytes[] = "\x19\x43\x56\x54\x03\x32\x47\x54\x03\x00\x00\x00\x0a\x01n";
	own_folder f = folder_make();

	folder_put(&f, "utsns-9.img", bytes, sizeof(bytes) - 1);
	assert(load_uts(&f) == -EINVAL);
	must_say(&e, "'utsns-9.img' is damaged: record 1 at byte 8 is no valid utsns_entry");
}

/* A small file must not run the decoder out of stack: control groups within control groups. */
static void nesting_has_an_end(void)
{
	CgroupDirEntry dirs[2000], *children[2000];
	CgControllerEntry ctl = CG_CONTROLLER_ENTRY__INIT, *ctls = &ctl;
	CgroupEntry entry = CGROUP_ENTRY__INIT;
	own_folder f = folder_make();
	own_message CgroupEntry *got = NULL;

	for (int n = 1999; n >= 0; n--) {
		cgroup_dir_entry__init(&dirs[n]);
		dirs[n].dir_name = "d";
		children[n] = &dirs[n];
		if (n < 1999) {
			dirs[n].n_children = 1;
			dirs[n].children = &children[n + 1];
		}
	}
	ctl.n_dirs = 1;
	entry.n_controllers = 1;
	entry.controllers = &ctls;
	ctl.dirs = &children[1950];
	assert(image_save(f.fd, IMG_CGROUP, 0, &entry, &e) == 0);
	assert(image_load(f.fd, IMG_CGROUP, 0, &got, &e) == 0);
	assert(strcmp(got->controllers[0]->dirs[0]->children[0]->dir_name, "d") == 0);
	ctl.dirs = &children[0];
	assert(image_save(f.fd, IMG_CGROUP, 0, &entry, &e) == 0);
	assert(image_load(f.fd, IMG_CGROUP, 0, &got, &e) == -EINVAL);
	must_say(&e, "'cgroup.img' is damaged: record 1 at byte 8 is nested too deep");
}

/* Any one bit wrong: it is read or refused, never more than that (the sanitizers watch). */
static void flipped_bits(void)
{
	PstreeEntry p = PSTREE_ENTRY__INIT;
	uint32_t threads[] = { 7, 8, 300 };
	own_folder f = folder_make();
	own_mem char *bytes = NULL;
	own_image w = {};
	size_t size;

	p.pid = 7;
	p.n_threads = 3;
	p.threads = threads;
	assert(image_create(&w, f.fd, IMG_PSTREE, 0, &e) == 0);
	assert(image_write(&w, &p, &e) == 0 && image_write(&w, &p, &e) == 0);
	assert(image_close(&w, &e) == 0);
	assert(io_slurp(f.fd, "pstree.img", &bytes, &size, &e) == 0);
	for (size_t bit = 0; bit < size * 8; bit++) {
		own_image i = {};
		int r;

		bytes[bit / 8] ^= 1 << bit % 8;
		folder_put(&f, "pstree.img", bytes, size);
		r = image_open(&i, f.fd, IMG_PSTREE, 0, &e);
		while (r >= 0) {
			own_message PstreeEntry *got = NULL;

			r = image_read(&i, &pstree_entry__descriptor, &got, &e);
			if (r == 0)
				break;
		}
		assert(r == 0 || strncmp(e.text, "'pstree.img' ", 13) == 0);
		assert(bit >= 64 || r < 0);
		bytes[bit / 8] ^= 1 << bit % 8;
	}
}

static void names_lead_to_kinds_and_back(void)
{
	enum image_kind kind;
	uint64_t id;

	for (int k = 0; k < IMG_KINDS; k++) {
		char name[IMAGE_NAME_MAX];

		image_name(name, k, UINT64_MAX);
		assert(strlen(name) < IMAGE_NAME_MAX - 1);
		assert(image_name_parse(name, &kind, &id) && (int)kind == k);
		assert(id == 0 || id == UINT64_MAX);
	}
	assert(image_name_parse("ghost-file-1f.img", &kind, &id) && kind == IMG_GHOST_FILE &&
	       id == 31);
	assert(image_name_parse("pagemap-shmem-5.img", &kind, &id) && kind == IMG_PAGEMAP_SHMEM);
	assert(!image_name_parse("core-.img", &kind, &id));
	assert(!image_name_parse("core-05.img", &kind, &id));
	assert(!image_name_parse("core-5.img.bak", &kind, &id));
}

static void inventory_comes_last(void)
{
	static const char *const stale[] = { "inventory.img", "inventory.img.part",
					     "filelocks.img" };
	static const char *const kept[] = { "pagemap-3.img", "pages-1.img", "notes.txt" };
	InventoryEntry inv = INVENTORY_ENTRY__INIT;
	own_folder f = folder_make();
	own_message InventoryEntry *got = NULL;
	own_manifest m = {};

	for (int n = 0; n < 3; n++) {
		folder_put(&f, stale[n], "", 0);
		folder_put(&f, kept[n], "x", 1);
	}
	assert(image_set_begin(f.fd, &e) == 0);
	for (int n = 0; n < 3; n++) {
		assert(faccessat(f.fd, stale[n], F_OK, 0) < 0);
		assert(faccessat(f.fd, kept[n], F_OK, 0) == 0);
	}
	inv.img_version = 2;
	assert(image_set_finish(f.fd, &inv, &m, &e) == 0);
	assert(faccessat(f.fd, "inventory.img.part", F_OK, 0) < 0);
	assert(image_load(f.fd, IMG_INVENTORY, 0, &got, &e) == 0 && got->img_version == 2);
	assert(folder_file_size(&f, "inventory.img") == 4 + 4 + 2);
}

static void full_disk_is_told(void)
{
	PstreeEntry p = PSTREE_ENTRY__INIT;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	own_image i = {};

	assert(image_create_fd(&i, fd, IMG_PSTREE, "pstree.img", &e) == 0);
	assert(image_write(&i, &p, &e) == 0);
	assert(image_close(&i, &e) == -ENOSPC);
	must_say(&e, "write 'pstree.img': No space left on device");
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(records_and_extra_come_back),
		UNIT(bytes_are_as_the_format_says),
		UNIT(missing_file),
		UNIT(not_a_regular_file),
		UNIT(every_prefix_is_cut_short),
		UNIT(other_magic),
		UNIT(one_magic_word_is_enough),
		UNIT(size_beyond_reason),
		UNIT(garbage_behind_the_record),
		UNIT(required_fields_are_required),
		UNIT(nesting_has_an_end),
		UNIT(flipped_bits),
		UNIT(names_lead_to_kinds_and_back),
		UNIT(inventory_comes_last),
		UNIT(full_disk_is_told),
		{},
	});
}
