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

enum { PART = 64 * 1024 };

static int failed(struct archive *a, const char *what, struct err *e)
{
	int code = archive_errno(a);
	const char *why = archive_error_string(a);

	return err_code(e, code > 0 ? code : EIO, "%s: %s", what, why ? why : "failed");
}

static void end_entry_list(struct archive_entry_linkresolver **l)
{
	if (*l)
		archive_entry_linkresolver_free(*l);
}

static void end_read(struct archive **a)
{
	if (*a)
		archive_read_free(*a);
}

static void end_write(struct archive **a)
{
	if (*a)
		archive_write_free(*a);
}

static void end_entry(struct archive_entry **entry)
{
	if (*entry)
		archive_entry_free(*entry);
}

#define own_reader __attribute__((cleanup(end_read))) struct archive *
#define own_writer __attribute__((cleanup(end_write))) struct archive *
#define own_entry __attribute__((cleanup(end_entry))) struct archive_entry *
#define own_links __attribute__((cleanup(end_entry_list))) struct archive_entry_linkresolver *

static int write_zeros(struct archive *out, int64_t size)
{
	static const char zeros[PART];

	while (size > 0) {
		la_ssize_t n = archive_write_data(out, zeros, size < PART ? (size_t)size : PART);

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

	while ((r = archive_read_data_block(in, &data, &size, &from)) == ARCHIVE_OK) {
		if (from > at && write_zeros(out, from - at) < 0)
			return failed(out, path, e);
		if (archive_write_data(out, data, size) < 0)
			return failed(out, path, e);
		at = from + (int64_t)size;
	}
	return r == ARCHIVE_EOF ? 0 : failed(in, path, e);
}

static int save_entry(struct archive *in, struct archive *out, struct archive_entry *entry,
		      struct err *e)
{
	const char *path = archive_entry_pathname(entry);

	if (archive_write_header(out, entry) < ARCHIVE_WARN)
		return failed(out, path, e);
	return archive_entry_size(entry) > 0 && archive_entry_filetype(entry) == AE_IFREG ?
		       copy_contents(in, out, path, e) :
		       0;
}

static int save_all(struct archive *in, struct archive *out, struct err *e)
{
	own_links links = archive_entry_linkresolver_new();
	own_entry entry = archive_entry_new();
	struct archive_entry *first, *other;
	int r;

	if (!links || !entry)
		return err_sys(e, "memory for an archive");
	archive_entry_linkresolver_set_strategy(links, archive_format(out));
	while ((r = archive_read_next_header2(in, entry)) != ARCHIVE_EOF) {
		if (r < ARCHIVE_WARN)
			return failed(in, "read a file", e);
		archive_read_disk_descend(in);
		if (archive_entry_filetype(entry) == AE_IFSOCK)
			continue;
		first = entry;
		archive_entry_linkify(links, &first, &other);
		if (first && save_entry(in, out, first, e) < 0)
			return e->code;
	}
	return 0;
}

int archive_save(int dir_fd, int to_fd, struct err *e)
{
	own_reader in = archive_read_disk_new();
	own_writer out = archive_write_new();

	if (!in || !out)
		return err_sys(e, "memory for an archive");
	if (fchdir(dir_fd) < 0)
		return err_sys(e, "go there");
	archive_read_disk_set_symlink_physical(in);
	archive_read_disk_set_behavior(in, ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS);
	archive_write_set_format_pax(out);
	archive_write_add_filter_gzip(out);
	archive_write_set_filter_option(out, "gzip", "compression-level", "1");
	archive_write_set_options(out, "hdrcharset=BINARY");
	archive_write_set_bytes_in_last_block(out, 1);
	if (archive_write_open_fd(out, to_fd) != ARCHIVE_OK)
		return failed(out, "begin the archive", e);
	if (archive_read_disk_open(in, ".") != ARCHIVE_OK)
		return failed(in, "read", e);
	if (save_all(in, out, e) < 0)
		return e->code;
	return archive_write_close(out) == ARCHIVE_OK ? 0 : failed(out, "end the archive", e);
}

static int unpack_entry(struct archive *in, struct archive *out, struct archive_entry *entry,
			struct err *e)
{
	const char *path = archive_entry_pathname(entry);
	const void *data;
	int64_t from;
	size_t size;
	int r;

	if (archive_write_header(out, entry) != ARCHIVE_OK)
		return failed(out, path ? path : "a file", e);
	while ((r = archive_read_data_block(in, &data, &size, &from)) == ARCHIVE_OK)
		if (archive_write_data_block(out, data, size, from) != ARCHIVE_OK)
			return failed(out, path, e);
	if (r != ARCHIVE_EOF)
		return failed(in, path, e);
	return archive_write_finish_entry(out) == ARCHIVE_OK ? 0 : failed(out, path, e);
}

int archive_unpack(int from_fd, int dir_fd, struct err *e)
{
	own_reader in = archive_read_new();
	own_writer out = archive_write_disk_new();
	struct archive_entry *entry;
	int r;

	if (!in || !out)
		return err_sys(e, "memory for an archive");
	if (fchdir(dir_fd) < 0)
		return err_sys(e, "go there");
	archive_read_support_format_all(in);
	archive_read_support_filter_all(in);
	archive_write_disk_set_options(out, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM |
						    ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR |
						    ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_FFLAGS |
						    ARCHIVE_EXTRACT_SPARSE |
						    ARCHIVE_EXTRACT_SECURE_NODOTDOT |
						    ARCHIVE_EXTRACT_SECURE_SYMLINKS |
						    ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
	if (archive_read_open_fd(in, from_fd, PART) != ARCHIVE_OK)
		return failed(in, "open the archive", e);
	while ((r = archive_read_next_header(in, &entry)) == ARCHIVE_OK)
		if (unpack_entry(in, out, entry, e) < 0)
			return e->code;
	if (r != ARCHIVE_EOF)
		return failed(in, "read the archive", e);
	return archive_write_close(out) == ARCHIVE_OK ? 0 : failed(out, "end unpacking", e);
}
