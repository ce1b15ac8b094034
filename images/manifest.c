/* Writing and loading stasis-manifest.img; see manifest.h. */
#include "images/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "images/image.h"
#include "images/manifest.pb-c.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"

enum {
	XXH3_64 = 1,
	SUMS_AT_ONCE = 1 << 20, /* in a record, which may not become too large */
};

void manifest_free(struct manifest *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->files[i].sums);
	free(m->files);
	*m = (struct manifest){};
}

static struct listed_file *add(struct manifest *m, const char *name, struct err *e)
{
	struct listed_file *f;

	if (io_grow(&m->files, m->count, sizeof(*m->files), e) < 0)
		return NULL;
	f = &m->files[m->count++];
	*f = (struct listed_file){};
	snprintf(f->name, sizeof(f->name), "%s", name);
	return f;
}

int manifest_list(struct manifest *m, const char *name, struct err *e)
{
	return add(m, name, e) ? 0 : e->code;
}

int manifest_take(struct manifest *m, const char *name, uint64_t size, uint64_t *sums,
		  struct err *e)
{
	struct listed_file *f = add(m, name, e);

	if (!f) {
		free(sums);
		return e->code;
	}
	f->known = true;
	f->size = size;
	f->sums = sums;
	f->sum_count = manifest_chunks(size);
	return 0;
}

int manifest_take_some(struct manifest *m, const char *name, uint64_t *sums, size_t count,
		       struct err *e)
{
	struct listed_file *f = add(m, name, e);

	if (!f) {
		free(sums);
		return e->code;
	}
	f->sums = sums;
	f->sum_count = count;
	return 0;
}

int manifest_take_data(struct manifest *m, const char *name, const void *data, size_t size,
		       struct err *e)
{
	uint64_t *sums = malloc(manifest_chunks(size) * sizeof(*sums) + 1);

	if (!sums)
		return err_sys(e, "memory for the checksums of '%s'", name);
	for (size_t n = 0, at = 0; at < size; n++, at += MANIFEST_CHUNK)
		sums[n] = checksum((const char *)data + at,
				   size - at < MANIFEST_CHUNK ? size - at : MANIFEST_CHUNK);
	return manifest_take(m, name, size, sums, e);
}

/* --- writing ------------------------------------------------------------------------------------ */

static int write_file(struct image *i, const struct listed_file *f, struct err *e)
{
	size_t at = 0;

	do {
		ManifestFile m = MANIFEST_FILE__INIT;
		size_t left = f->sum_count - at;

		m.name = (char *)f->name;
		m.size = f->size;
		m.has_first = at > 0;
		m.first = at;
		m.checksums = f->sums + at;
		m.n_checksums = left < SUMS_AT_ONCE ? left : SUMS_AT_ONCE;
		if (image_write(i, &m, e) < 0)
			return e->code;
		at += m.n_checksums;
	} while (at < f->sum_count);
	return 0;
}

static int write_head(struct image *i, struct manifest *m, struct err *e)
{
	ManifestHead head = MANIFEST_HEAD__INIT;

	head.checksum = XXH3_64;
	head.chunk = MANIFEST_CHUNK;
	head.set_id = (ProtobufCBinaryData){ MANIFEST_ID, m->id };
	head.has_parent_id = m->has_parent;
	head.parent_id = (ProtobufCBinaryData){ MANIFEST_ID, m->parent_id };
	head.has_lent = head.lent = m->lent;
	return image_write(i, &head, e);
}

/* The record that is the last: about what stands before it. */
static int write_own(struct image *i, struct err *e)
{
	own_manifest own = {};
	own_mem char *all = malloc(i->at);

	if (!all)
		return err_sys(e, "memory for '%s'", MANIFEST_NAME);
	if (image_flush(i, e) < 0)
		return e->code;
	if (io_pread(image_fd(i), all, i->at, 0, e) < 0)
		return err_on(e, "'%s'", MANIFEST_NAME);
	if (manifest_take_data(&own, MANIFEST_NAME, all, i->at, e) < 0)
		return e->code;
	return write_file(i, &own.files[0], e);
}

static int note_parent(struct manifest *m, int dir_fd, struct err *e)
{
	own_fd fd = openat(dir_fd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_manifest parent = {};
	int r = fd < 0 ? 0 : manifest_load(&parent, fd, e);

	if (r < 0)
		return err_on(e, "'parent'");
	m->has_parent = r > 0;
	memcpy(m->parent_id, parent.id, MANIFEST_ID);
	return 0;
}

static int write_all(struct manifest *m, int fd, struct err *e)
{
	own_image i = {};

	if (image_create_fd(&i, fd, IMG_MANIFEST, MANIFEST_NAME, e) < 0 || write_head(&i, m, e) < 0)
		return e->code;
	for (size_t n = 0; n < m->count; n++)
		if (write_file(&i, &m->files[n], e) < 0)
			return e->code;
	if (write_own(&i, e) < 0)
		return e->code;
	return image_close(&i, e);
}

static int create(int dir_fd, const char *name, int *ret, struct err *e)
{
	*ret = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return *ret < 0 ? err_sys(e, "create '%s'", name) : 0;
}

int manifest_write(struct manifest *m, int dir_fd, struct err *e)
{
	int fd;

	if (!m->keeps_id && getrandom(m->id, MANIFEST_ID, 0) != MANIFEST_ID)
		return err_sys(e, "make an id for the folder");
	if ((!m->sent && note_parent(m, dir_fd, e) < 0) ||
	    create(dir_fd, MANIFEST_NAME, &fd, e) < 0)
		return e->code;
	return write_all(m, fd, e);
}

int manifest_replace(struct manifest *m, int dir_fd, struct err *e)
{
	int fd;

	if (create(dir_fd, MANIFEST_NAME ".part", &fd, e) < 0 || write_all(m, fd, e) < 0)
		return e->code;
	if (renameat(dir_fd, MANIFEST_NAME ".part", dir_fd, MANIFEST_NAME) < 0)
		return err_sys(e, "rename '%s.part'", MANIFEST_NAME);
	return 0;
}

bool manifest_drop(struct manifest *m, const char *name)
{
	for (size_t n = 0; n < m->count; n++) {
		if (strcmp(m->files[n].name, name) != 0)
			continue;
		free(m->files[n].sums);
		memmove(&m->files[n], &m->files[n + 1], (m->count - n - 1) * sizeof(*m->files));
		m->count--;
		return true;
	}
	return false;
}

/* --- loading ------------------------------------------------------------------------------------ */

static int read_head(struct image *i, struct manifest *m, struct err *e)
{
	own_message ManifestHead *head = NULL;
	int r = image_read(i, &manifest_head__descriptor, &head, e);

	if (r < 0)
		return r;
	if (r == 0)
		return err_code(e, ENODATA, "'%s' is cut short: it holds no record", i->name);
	if (head->checksum != XXH3_64 || head->chunk != MANIFEST_CHUNK)
		return err_code(e, ENOTSUP,
				"'%s' has checksums of a kind that is not known (%u, of %u bytes)",
				i->name, head->checksum, head->chunk);
	if (head->set_id.len != MANIFEST_ID ||
	    (head->has_parent_id && head->parent_id.len != MANIFEST_ID))
		return err_say(e, "'%s' is damaged: the id of a folder has not %d bytes", i->name,
			       MANIFEST_ID);
	memcpy(m->id, head->set_id.data, MANIFEST_ID);
	m->lent = head->lent;
	m->has_parent = head->has_parent_id;
	if (m->has_parent)
		memcpy(m->parent_id, head->parent_id.data, MANIFEST_ID);
	return 0;
}

/* A name that leads out of the folder is none. */
static bool is_name(const char *name)
{
	enum image_kind kind;
	uint64_t id;

	return strlen(name) < IMAGE_NAME_MAX && image_name_parse(name, &kind, &id);
}

static int take_record(struct manifest *m, const ManifestFile *record, struct err *e)
{
	struct listed_file *f = m->count ? &m->files[m->count - 1] : NULL;
	uint64_t *more;

	if (!is_name(record->name))
		return err_say(e, "'%s' lists '%.60s', which is no name of an image", MANIFEST_NAME,
			       record->name);
	if (!record->has_first) {
		f = add(m, record->name, e);
		if (!f)
			return e->code;
		f->known = true;
		f->size = record->size;
	} else if (!f || strcmp(f->name, record->name) != 0 || f->sum_count != record->first ||
		   f->size != record->size) {
		return err_say(e, "'%s' is damaged: the record of '%s' continues none",
			       MANIFEST_NAME, record->name);
	}
	more = realloc(f->sums, (f->sum_count + record->n_checksums) * sizeof(*more) + 1);
	if (!more)
		return err_sys(e, "memory for '%s'", MANIFEST_NAME);
	f->sums = more;
	for (size_t n = 0; n < record->n_checksums; n++)
		f->sums[f->sum_count++] = record->checksums[n];
	return 0;
}

/* Nothing else vouches for the last record: it has to be as it was written, not only mean the same. */
static bool is_as_written(const ManifestFile *record, uint64_t size)
{
	return record->base.n_unknown_fields == 0 &&
	       sizeof(uint32_t) + manifest_file__get_packed_size(record) == size;
}

/* Whether the record just taken is that of the manifest itself, which ends it. 1 when it does. */
static int check_own(struct manifest *m, const struct image *i, const ManifestFile *record,
		     uint64_t before, struct err *e)
{
	struct listed_file *f = &m->files[m->count - 1];
	own_mem char *buf = NULL;

	if (strcmp(f->name, MANIFEST_NAME) != 0)
		return 0;
	if (f->size != before || f->sum_count != manifest_chunks(before) || image_left(i) != 0 ||
	    !is_as_written(record, i->at - before))
		return err_say(e, "'%s' is damaged: it does not end where it should", i->name);
	buf = malloc(MANIFEST_CHUNK);
	if (!buf)
		return err_sys(e, "memory for '%s'", i->name);
	for (uint64_t n = 0; n < f->sum_count; n++)
		if (listed_check(f, image_fd(i), n, buf, e) < 0)
			return e->code;
	free(f->sums);
	m->count--;
	return 1;
}

static int read_records(struct image *i, struct manifest *m, struct err *e)
{
	int r;

	for (;;) {
		own_message ManifestFile *record = NULL;
		uint64_t before = i->at;

		r = image_read(i, &manifest_file__descriptor, &record, e);
		if (r < 0)
			return r;
		if (r == 0)
			return err_code(e, ENODATA, "'%s' is cut short: its last record is missing",
					i->name);
		if (take_record(m, record, e) < 0)
			return e->code;
		r = check_own(m, i, record, before, e);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

static int by_name(const void *a, const void *b)
{
	const struct listed_file *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static int check_files(struct manifest *m, struct err *e)
{
	if (m->count)
		qsort(m->files, m->count, sizeof(*m->files), by_name);
	for (size_t n = 0; n < m->count; n++) {
		const struct listed_file *f = &m->files[n];

		if (n && strcmp(f->name, f[-1].name) == 0)
			return err_say(e, "'%s' lists '%s' twice", MANIFEST_NAME, f->name);
		if (f->sum_count != manifest_chunks(f->size))
			return err_say(e, "'%s' has %zu checksums of '%s', which has %lu bytes",
				       MANIFEST_NAME, f->sum_count, f->name, f->size);
	}
	return 0;
}

int manifest_load(struct manifest *ret, int dir_fd, struct err *e)
{
	own_manifest m = {};
	own_image i = {};

	if (image_open(&i, dir_fd, IMG_MANIFEST, 0, e) < 0) {
		if (e->code != -ENOENT)
			return e->code;
		*e = (struct err){};
		return 0;
	}
	if (read_head(&i, &m, e) < 0 || read_records(&i, &m, e) < 0 || check_files(&m, e) < 0)
		return e->code;
	*ret = m;
	m = (struct manifest){};
	return 1;
}
