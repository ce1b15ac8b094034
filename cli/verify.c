/*
 * 'stasis verify': every file that the manifests of a chain of folders list is read from start to end. A folder without
 * a manifest is an error: nobody should take silence for an answer. A stream has its checksums in itself.
 */
#include "cli/verify.h"

#include <errno.h>
#include <fcntl.h>

#include "images/latest.h"
#include "images/manifest_chain.h"
#include "images/stream.h"
#include "lib/own.h"

struct totals {
	uint64_t files, bytes;
};

static int verify_folder(const struct chain_folder *f, struct totals *t, struct err *e)
{
	if (!f->has_manifest)
		return err_code(e, ENODATA,
				"there is no '" MANIFEST_NAME
				"' (it was written by CRIU or an older "
				"stasis), so there is nothing to hold its files against");
	for (size_t n = 0; n < f->manifest.count; n++) {
		if (listed_check_all(&f->manifest.files[n], f->fd, e) < 0)
			return e->code;
		t->bytes += f->manifest.files[n].size;
	}
	t->files += f->manifest.count;
	return 0;
}

int verify_images(const char *path, FILE *out, struct err *e)
{
	own_fd dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_manifest_chain c = {};
	struct totals t = {};

	if (dir < 0)
		return err_sys(e, "open the directory");
	if (latest_follow(&dir, e) < 0)
		return e->code;
	if (manifest_chain_open(&c, dir, e) < 0 || manifest_chain_extend(&c, e) < 0)
		return e->code;
	for (size_t n = 0; n < c.count; n++)
		if (verify_folder(&c.folders[n], &t, e) < 0)
			return manifest_chain_on(&c.folders[n], e);
	fprintf(out, "%lu files, %lu bytes, %zu folder%s: all as they were written\n", t.files,
		t.bytes, c.count, c.count == 1 ? "" : "s");
	return fflush(out) != 0 ? err_sys(e, "write what was found") : 0;
}

static int read_stream(struct stream_in *s, int fd, struct err *e)
{
	if (stream_in_begin(s, fd, e) < 0)
		return e->code;
	while (!s->ended)
		if (stream_next(s, e) < 0 || (s->f.kind == STREAM_PAGES && stream_expand(s, e) < 0))
			return e->code;
	return 0;
}

int verify_stream(int fd, FILE *out, struct err *e)
{
	struct stream_in s;
	int r = read_stream(&s, fd, e);

	stream_in_drop(&s);
	if (r < 0)
		return r;
	fprintf(out, "%lu frames, %lu bytes: all as they were written\n", s.frames, s.position);
	return fflush(out) != 0 ? err_sys(e, "write what was found") : 0;
}
