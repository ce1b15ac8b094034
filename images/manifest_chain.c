/* Walking along 'parent' with the manifests of the folders; see manifest_chain.h. */
#include "images/manifest_chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/io.h"
#include "lib/own.h"

void manifest_chain_free(struct manifest_chain *c)
{
	for (size_t n = 0; n < c->count; n++) {
		own_close(&c->folders[n].fd);
		manifest_free(&c->folders[n].manifest);
	}
	free(c->folders);
	*c = (struct manifest_chain){};
}

int manifest_chain_on(const struct chain_folder *f, struct err *e)
{
	return f->words[0] ? err_on(e, "'%s'", f->words) : e->code;
}

/* Takes fd over. */
static int append(struct manifest_chain *c, int fd, const char *words, struct err *e)
{
	struct chain_folder f = { .fd = -1 };
	own_fd own = fd;
	int r;

	snprintf(f.words, sizeof(f.words), "%s", words);
	if (fstat(own, &f.st) < 0)
		return err_sys(e, "stat the image folder");
	for (size_t n = 0; n < c->count; n++)
		if (c->folders[n].st.st_dev == f.st.st_dev &&
		    c->folders[n].st.st_ino == f.st.st_ino)
			return err_code(e, ELOOP, "'%s' leads back to where it came from", words);
	if (io_grow(&c->folders, c->count, sizeof(*c->folders), e) < 0)
		return e->code;
	r = manifest_load(&f.manifest, own, e);
	if (r < 0)
		return manifest_chain_on(&f, e);
	f.has_manifest = r > 0;
	f.fd = take_fd(&own);
	c->folders[c->count++] = f;
	return 0;
}

int manifest_chain_open(struct manifest_chain *ret, int dir_fd, struct err *e)
{
	own_manifest_chain c = {};
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open the image folder");
	if (append(&c, fd, "", e) < 0)
		return e->code;
	*ret = c;
	c = (struct manifest_chain){};
	return 0;
}

/* Is the folder just added what the one before it stands on? */
static int check_parent(const struct manifest_chain *c, struct err *e)
{
	const struct chain_folder *f = &c->folders[c->count - 1], *child = f - 1;

	if (!child->has_manifest || !child->manifest.has_parent ||
	    (f->has_manifest &&
	     memcmp(child->manifest.parent_id, f->manifest.id, MANIFEST_ID) == 0))
		return 0;
	err_code(e, ESTALE,
		 "'%s' is not what it was when the next dump was made on top of it: it holds %s",
		 f->words, f->has_manifest ? "another dump" : "no '" MANIFEST_NAME "' any more");
	return f->has_manifest ?
		       e->code :
		       err_hint(e, "if it was removed on purpose, remove those of the folders on "
				   "top of it as well");
}

int manifest_chain_extend(struct manifest_chain *c, struct err *e)
{
	for (;;) {
		const struct chain_folder *last = &c->folders[c->count - 1];
		char words[sizeof(last->words)];
		struct stat st;
		int fd;

		if (fstatat(last->fd, "parent", &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT &&
		    !last->manifest.has_parent)
			return 0;
		snprintf(words, sizeof(words), "%.240s%sparent", last->words,
			 last->words[0] ? "/" : "");
		fd = openat(last->fd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0) {
			err_sys(e, "open '%s'", words);
			return err_hint(e, "the images are incremental and need those of the dump "
					   "before");
		}
		if (append(c, fd, words, e) < 0 || check_parent(c, e) < 0)
			return e->code;
	}
}
