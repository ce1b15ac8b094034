/* Loading programs of BPF iterators and reading what they write; see bpf_iter.h. */
#include "lib/bpf_iter.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/own.h"

enum { AT_ONCE = 64 << 10, DEEP = 8 };

static void find_member(const struct btf *btf, unsigned int type, int from, int depth,
			struct bpf_place *p)
{
	const struct btf_type *t = btf__type_by_id(btf, type);
	const struct btf_member *m;

	if (!t || !btf_is_composite(t) || depth > DEEP)
		return;
	m = btf_members(t);
	for (int i = 0; i < btf_vlen(t); i++) {
		const char *name = btf__name_by_offset(btf, m[i].name_off);
		int at = from + (int)(btf_member_bit_offset(t, i) / 8);

		if (!name || !*name)
			find_member(btf, m[i].type, at, depth + 1, p);
		else if (strcmp(p->name, name) == 0) {
			p->bytes = at;
			p->is_pointer = btf_is_ptr(btf__type_by_id(btf, m[i].type));
		}
	}
}

static int not_told(struct err *e, const char *what)
{
	return err_code(e, ENOTSUP, "the kernel does not tell where %s is", what);
}

int bpf_places_find(const char *function, struct bpf_place *all, size_t count, int *ret_hook,
		    struct err *e)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return err_sys(e, "read the types of the kernel");
	*ret_hook = btf__find_by_name_kind(btf, function, BTF_KIND_FUNC);
	for (size_t i = 0; i < count; i++) {
		int type = btf__find_by_name_kind(btf, all[i].type, BTF_KIND_STRUCT);

		all[i].bytes = -1;
		if (type > 0)
			find_member(btf, type, 0, 0, &all[i]);
	}
	btf__free(btf);
	if (*ret_hook <= 0)
		return not_told(e, function);
	for (size_t i = 0; i < count; i++)
		if (all[i].bytes < 0 && !all[i].may_miss)
			return not_told(e, all[i].name);
	return 0;
}

int bpf_iter_load(const struct bpf_iter_program *p, int *ret_program, struct err *e)
{
	const struct bpf_prog_load_opts options = { .sz = sizeof(options),
						    .expected_attach_type = BPF_TRACE_ITER,
						    .attach_btf_id = p->hook };
	int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, p->name, "GPL", p->insns, p->count, &options);

	if (fd < 0)
		return err_sys(e, "load the program '%s'", p->name);
	*ret_program = fd;
	return 0;
}

static int read_all(int fd, struct bpf_iter_records *ret, struct err *e)
{
	own_mem char *all = NULL;
	size_t used = 0, room = 0;

	for (;;) {
		ssize_t n;

		if (room - used < AT_ONCE) {
			char *more = realloc(all, room = room * 2 + AT_ONCE);

			if (!more)
				return err_sys(e, "memory for what a program has read");
			all = more;
		}
		n = read(fd, all + used, room - used);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_sys(e, "read what a program has read");
		if (n == 0)
			break;
		used += n;
	}
	ret->count = used / ret->bytes;
	ret->all = take_mem(all);
	return 0;
}

int bpf_iter_read(int program, pid_t pid, struct bpf_iter_records *ret, struct err *e)
{
	union bpf_iter_link_info whose = { .task.pid = pid };
	const struct bpf_link_create_opts options = { .sz = sizeof(options),
						      .iter_info = &whose,
						      .iter_info_len = sizeof(whose) };
	own_fd link = bpf_link_create(program, 0, BPF_TRACE_ITER, &options), fd = -1;

	/* A kernel that knows no such choice says E2BIG. */
	if (link < 0)
		return err_sys(e, "let a program look at one process");
	fd = bpf_iter_create(link);
	if (fd < 0)
		return err_sys(e, "let a program look at a process");
	return read_all(fd, ret, e);
}
