/* Loading programs of BPF iterators and reading what they write; see bpf_iter.h. */
#include "lib/bpf_iter.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/own.h"

enum { AT_ONCE = 64 << 10 };

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
