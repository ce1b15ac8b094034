/* See mounts.h. */
#include "lib/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/io.h"
#include "lib/own.h"

struct flag_word {
	const char *word;
	uint32_t flag;
};

static const struct flag_word mount_flags[] = {
	{ "ro", MS_RDONLY },
	{ "nosuid", MS_NOSUID },
	{ "nodev", MS_NODEV },
	{ "noexec", MS_NOEXEC },
	{ "noatime", MS_NOATIME },
	{ "nodiratime", MS_NODIRATIME },
	{ "relatime", MS_RELATIME },
	{ "nosymfollow", MS_NOSYMFOLLOW },
	{ "rw", 0 },
};

static const struct flag_word sb_flags[] = {
	{ "ro", MS_RDONLY },	    { "rw", 0 },
	{ "sync", MS_SYNCHRONOUS }, { "dirsync", MS_DIRSYNC },
	{ "mand", MS_MANDLOCK },    { "lazytime", MS_LAZYTIME },
};

/* Blanks and the like are "\040". */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] & 3) << 6 | (s[2] & 7) << 3 | (s[3] & 7));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

/* Takes the words that it knows out of the list, and leaves the others as they were. */
static uint32_t take_flags(char *list, const struct flag_word *known, size_t count)
{
	uint32_t flags = 0;
	char *to = list, *save = NULL;

	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		size_t i = 0, size = strlen(w);

		while (i < count && strcmp(w, known[i].word) != 0)
			i++;
		if (i < count) {
			flags |= known[i].flag;
			continue;
		}
		if (to != list)
			*to++ = ',';
		memmove(to, w, size);
		to += size;
	}
	*to = 0;
	return flags;
}

static void take_groups(struct mount_line *m, char *words)
{
	char *save = NULL;

	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (sscanf(w, "shared:%u", &m->shared) == 1)
			m->flags |= MS_SHARED;
		else if (sscanf(w, "master:%u", &m->master) == 1)
			m->flags |= MS_SLAVE;
		else if (strcmp(w, "unbindable") == 0)
			m->flags |= MS_UNBINDABLE;
	}
}

static char *next_word(char **at)
{
	char *word = *at, *end = word ? strchr(word, ' ') : NULL;

	if (!word)
		return NULL;
	*at = end ? end + 1 : NULL;
	if (end)
		*end = 0;
	return word;
}

/* The kernel puts it behind the path of a root that is gone. */
static bool cut_removed(char *root)
{
	static const char end[] = "//deleted";
	size_t size = strlen(root);

	if (size < sizeof(end) || strcmp(root + size - strlen(end), end) != 0)
		return false;
	root[size - strlen(end)] = 0;
	return true;
}

static bool parse(char *line, struct mount_line *m)
{
	unsigned int ma, mi;
	int n = 0;
	char *at, *root, *where, *flags, *behind = strstr(line, " - ");
	char *type, *source, *options;

	if (!behind || sscanf(line, "%u %u %u:%u %n", &m->id, &m->parent, &ma, &mi, &n) < 4 || !n)
		return false;
	*behind = 0;
	behind += 3;
	at = line + n;
	root = next_word(&at);
	where = next_word(&at);
	flags = next_word(&at);
	type = next_word(&behind);
	source = next_word(&behind);
	options = next_word(&behind);
	if (!flags || !options)
		return false;
	m->dev = ma << 20 | mi;
	m->flags = take_flags(flags, mount_flags, ARRAY_SIZE(mount_flags));
	m->other = flags;
	if (!(m->flags & (MS_NOATIME | MS_RELATIME)))
		m->flags |= MS_STRICTATIME;
	if (at)
		take_groups(m, at);
	unescape(root);
	unescape(where);
	unescape(source);
	m->removed = cut_removed(root);
	m->sb_flags = take_flags(options, sb_flags, ARRAY_SIZE(sb_flags));
	m->root = root;
	m->at = where;
	m->type = type;
	m->source = source;
	m->options = options;
	return true;
}

int mounts_read(int proc_fd, struct pool *pool, struct mount_line **ret, size_t *ret_count,
		struct err *e)
{
	own_mem char *read = NULL;
	char *text, *save = NULL;
	size_t n = 0, lines = 0;

	if (io_slurp(proc_fd, "thread-self/mountinfo", &read, NULL, e) < 0)
		return e->code;
	text = pool_text(pool, read);
	for (const char *s = text; (s = strchr(s, '\n')); s++)
		lines++;
	*ret = pool_array(pool, struct mount_line, lines + 1);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!parse(line, &(*ret)[n++]))
			return err_say(e, "'mountinfo' has a line of an unknown form: '%s'", line);
	*ret_count = n;
	return 0;
}

const char *mounts_below(const char *at, const char *path)
{
	size_t size = strlen(at);

	if (strcmp(at, "/") == 0)
		size = 0;
	if (strncmp(path, at, size) != 0 || (path[size] && path[size] != '/'))
		return NULL;
	path += size;
	while (*path == '/')
		path++;
	return path;
}

uint32_t mounts_id_of(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0 || !(st.stx_mask & STATX_MNT_ID))
		return 0;
	return (uint32_t)st.stx_mnt_id;
}

int mounts_open(int dir_fd, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned int)flags | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS };
	long fd = syscall(SYS_openat2, dir_fd, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}
