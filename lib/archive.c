/* See archive.h; libarchive does it. Sockets are no part of an archive: those who have bound them make them again. */
#include "lib/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/own.h"
#include "lib/late.h"

/* clang-format off */
#define LIBARCHIVE(X) \
	X(archive_entry_filetype) X(archive_entry_free) X(archive_entry_linkify) \
	X(archive_entry_linkresolver_free) X(archive_entry_linkresolver_new) \
	X(archive_entry_linkresolver_set_strategy) X(archive_entry_new) \
	X(archive_entry_pathname) X(archive_entry_size) X(archive_errno) \
	X(archive_error_string) X(archive_format) X(archive_read_data_block) \
	X(archive_read_disk_descend) X(archive_read_disk_new) X(archive_read_disk_open) \
	X(archive_read_disk_set_behavior) X(archive_read_disk_set_symlink_physical) \
	X(archive_read_free) X(archive_read_new) X(archive_read_next_header) \
	X(archive_read_next_header2) X(archive_read_open_fd) X(archive_read_support_filter_all) \
	X(archive_read_support_format_all) X(archive_write_add_filter_gzip) \
	X(archive_write_close) X(archive_write_data) X(archive_write_data_block) \
	X(archive_write_disk_new) X(archive_write_disk_set_options) \
	X(archive_write_finish_entry) X(archive_write_free) X(archive_write_header) \
	X(archive_write_new) X(archive_write_open_fd) X(archive_write_set_bytes_in_last_block) \
	X(archive_write_set_filter_option) X(archive_write_set_format_pax) \
	X(archive_write_set_options)
/* clang-format on */

static struct {
	LIBARCHIVE(LATE_MEMBER)
} la;

int archive_prepare(struct err *e)
{
	static const char *const names[] = { LIBARCHIVE(LATE_NAME) };

	return late_load("libarchive.so.13", names, ARRAY_SIZE(names), &la, e);
}

enum { PART = 64 * 1024 };

static int failed(struct archive *a, const char *what, struct err *e)
{
	int code = la.archive_errno(a);
	const char *why = la.archive_error_string(a);

	return err_code(e, code > 0 ? code : EIO, "%s: %s", what, why ? why : "failed");
}

static void end_entry_list(struct archive_entry_linkresolver **l)
{
	if (*l)
		la.archive_entry_linkresolver_free(*l);
}

static void end_read(struct archive **a)
{
	if (*a)
		la.archive_read_free(*a);
}

static void end_write(struct archive **a)
{
	if (*a)
		la.archive_write_free(*a);
}

static void end_entry(struct archive_entry **entry)
{
	if (*entry)
		la.archive_entry_free(*entry);
}

#define own_reader __attribute__((cleanup(end_read))) struct archive *
#define own_writer __attribute__((cleanup(end_write))) struct archive *
#define own_entry __attribute__((cleanup(end_entry))) struct archive_entry *
#define own_links __attribute__((cleanup(end_entry_list))) struct archive_entry_linkresolver *

static int write_zeros(struct archive *out, int64_t size)
{
	static const char zeros[PART];

	while (size > 0) {
		la_ssize_t n = la.archive_write_data(out, zeros, size < PART ? (size_t)size : PART);

		if (n <= 0)
			return -1;
		size -= n;
	}
	return 0;
}

static int copy_contents(struct archive *in, struct archive *out, const char *path, struct err *e)
{
	const void *data;
	int64_t at = 0, from;
	size_t size;
	int r;

	while ((r = la.archive_read_data_block(in, &data, &size, &from)) == ARCHIVE_OK) {
		if (from > at && write_zeros(out, from - at) < 0)
			return failed(out, path, e);
		if (la.archive_write_data(out, data, size) < 0)
			return failed(out, path, e);
		at = from + (int64_t)size;
	}
	return r == ARCHIVE_EOF ? 0 : failed(in, path, e);
}

static int save_entry(struct archive *in, struct archive *out, struct archive_entry *entry,
		      struct err *e)
{
	const char *path = la.archive_entry_pathname(entry);

	if (la.archive_write_header(out, entry) < ARCHIVE_WARN)
		return failed(out, path, e);
	return la.archive_entry_size(entry) > 0 && la.archive_entry_filetype(entry) == AE_IFREG ?
		       copy_contents(in, out, path, e) :
		       0;
}

static int save_all(struct archive *in, struct archive *out, struct err *e)
{
	own_links links = la.archive_entry_linkresolver_new();
	own_entry entry = la.archive_entry_new();
	struct archive_entry *first, *other;
	int r;

	if (!links || !entry)
		return err_sys(e, "memory for an archive");
	la.archive_entry_linkresolver_set_strategy(links, la.archive_format(out));
	while ((r = la.archive_read_next_header2(in, entry)) != ARCHIVE_EOF) {
		if (r < ARCHIVE_WARN)
			return failed(in, "read a file", e);
		la.archive_read_disk_descend(in);
		if (la.archive_entry_filetype(entry) == AE_IFSOCK)
			continue;
		first = entry;
		la.archive_entry_linkify(links, &first, &other);
		if (first && save_entry(in, out, first, e) < 0)
			return e->code;
	}
	return 0;
}

int archive_save(int dir_fd, int to_fd, struct err *e)
{
	own_reader in = la.archive_read_disk_new();
	own_writer out = la.archive_write_new();

	if (!in || !out)
		return err_sys(e, "memory for an archive");
	if (fchdir(dir_fd) < 0)
		return err_sys(e, "go there");
	la.archive_read_disk_set_symlink_physical(in);
	la.archive_read_disk_set_behavior(in, ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS);
	la.archive_write_set_format_pax(out);
	la.archive_write_add_filter_gzip(out);
	la.archive_write_set_filter_option(out, "gzip", "compression-level", "1");
	la.archive_write_set_options(out, "hdrcharset=BINARY");
	la.archive_write_set_bytes_in_last_block(out, 1);
	if (la.archive_write_open_fd(out, to_fd) != ARCHIVE_OK)
		return failed(out, "begin the archive", e);
	if (la.archive_read_disk_open(in, ".") != ARCHIVE_OK)
		return failed(in, "read", e);
	if (save_all(in, out, e) < 0)
		return e->code;
	return la.archive_write_close(out) == ARCHIVE_OK ? 0 : failed(out, "end the archive", e);
}

static int unpack_entry(struct archive *in, struct archive *out, struct archive_entry *entry,
			struct err *e)
{
	const char *path = la.archive_entry_pathname(entry);
	const void *data;
	int64_t from;
	size_t size;
	int r;

	if (la.archive_write_header(out, entry) != ARCHIVE_OK)
		return failed(out, path ? path : "a file", e);
	while ((r = la.archive_read_data_block(in, &data, &size, &from)) == ARCHIVE_OK)
		if (la.archive_write_data_block(out, data, size, from) != ARCHIVE_OK)
			return failed(out, path, e);
	if (r != ARCHIVE_EOF)
		return failed(in, path, e);
	return la.archive_write_finish_entry(out) == ARCHIVE_OK ? 0 : failed(out, path, e);
}

int archive_unpack(int from_fd, int dir_fd, struct err *e)
{
	own_reader in = la.archive_read_new();
	own_writer out = la.archive_write_disk_new();
	struct archive_entry *entry;
	int r;

	if (!in || !out)
		return err_sys(e, "memory for an archive");
	if (fchdir(dir_fd) < 0)
		return err_sys(e, "go there");
	la.archive_read_support_format_all(in);
	la.archive_read_support_filter_all(in);
	la.archive_write_disk_set_options(out, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM |
						       ARCHIVE_EXTRACT_TIME |
						       ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_ACL |
						       ARCHIVE_EXTRACT_FFLAGS |
						       ARCHIVE_EXTRACT_SPARSE |
						       ARCHIVE_EXTRACT_SECURE_NODOTDOT |
						       ARCHIVE_EXTRACT_SECURE_SYMLINKS |
						       ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
	if (la.archive_read_open_fd(in, from_fd, PART) != ARCHIVE_OK)
		return failed(in, "open the archive", e);
	while ((r = la.archive_read_next_header(in, &entry)) == ARCHIVE_OK)
		if (unpack_entry(in, out, entry, e) < 0)
			return e->code;
	if (r != ARCHIVE_EOF)
		return failed(in, "read the archive", e);
	return la.archive_write_close(out) == ARCHIVE_OK ? 0 : failed(out, "end unpacking", e);
}
