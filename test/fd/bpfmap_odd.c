/* A BPF map that is refused. */
#include "test/lib/fds.h"

#include <linux/bpf.h>

int main(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_QUEUE, .value_size = 8, .max_entries = 4 };

	if (syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)) < 0)
		victim_skip(strerror(errno));
	victim_ready();
	victim_ok();
}
