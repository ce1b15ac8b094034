/* Names of values and of bits, by the tables that the .proto files speak of. Bits appear in this order. */
#include <linux/fcntl.h> /* the kernel's flags: libc hides O_LARGEFILE */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "cli/show.h"
#include "images/pages.h"
#include "images/vma.h"
#include "lib/own.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08 /* Linux 6.11 */
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20 /* Linux 6.3 */
#endif

struct name {
	const char *table;
	uint64_t value;
	const char *name;
};

#define NAME(table, constant)              \
	{                                  \
		table, constant, #constant \
	}
#define SHORT(table, prefix, name)         \
	{                                  \
		table, prefix##name, #name \
	}

static const struct name names[] = {
	{ "task_state", 1, "Alive" },
	{ "task_state", 2, "Dead" },
	{ "task_state", 3, "Stopped" },

	NAME("mmap.prot", PROT_READ),
	NAME("mmap.prot", PROT_WRITE),
	NAME("mmap.prot", PROT_EXEC),

	NAME("mmap.flags", MAP_SHARED),
	NAME("mmap.flags", MAP_PRIVATE),
	NAME("mmap.flags", MAP_DROPPABLE),
	NAME("mmap.flags", MAP_ANONYMOUS),
	NAME("mmap.flags", MAP_GROWSDOWN),
	NAME("mmap.flags", MAP_LOCKED),
	NAME("mmap.flags", MAP_NORESERVE),
	NAME("mmap.flags", MAP_HUGETLB),

	NAME("mmap.status", VMA_AREA_REGULAR),
	NAME("mmap.status", VMA_AREA_STACK),
	NAME("mmap.status", VMA_AREA_VSYSCALL),
	NAME("mmap.status", VMA_AREA_VDSO),
	NAME("mmap.status", VMA_AREA_HEAP),
	NAME("mmap.status", VMA_FILE_PRIVATE),
	NAME("mmap.status", VMA_FILE_SHARED),
	NAME("mmap.status", VMA_ANON_SHARED),
	NAME("mmap.status", VMA_ANON_PRIVATE),
	NAME("mmap.status", VMA_AREA_SYSVIPC),
	NAME("mmap.status", VMA_AREA_SOCKET),
	NAME("mmap.status", VMA_AREA_VVAR),
	NAME("mmap.status", VMA_AREA_AIORING),
	NAME("mmap.status", VMA_AREA_MEMFD),
	NAME("mmap.status", VMA_AREA_SHSTK),
	NAME("mmap.status", VMA_AREA_GUARD),
	NAME("mmap.status", VMA_AREA_UPROBES),
	NAME("mmap.status", VMA_EXT_PLUGIN),

	NAME("pmap.flags", PE_PARENT),
	NAME("pmap.flags", PE_LAZY),
	NAME("pmap.flags", PE_PRESENT),

	NAME("rfile.flags", O_WRONLY),
	NAME("rfile.flags", O_RDWR),
	NAME("rfile.flags", O_APPEND),
	NAME("rfile.flags", O_NONBLOCK),
	NAME("rfile.flags", O_SYNC),
	NAME("rfile.flags", O_DSYNC),
	NAME("rfile.flags", FASYNC),
	NAME("rfile.flags", O_DIRECT),
	NAME("rfile.flags", O_LARGEFILE),
	NAME("rfile.flags", O_TMPFILE),
	NAME("rfile.flags", O_DIRECTORY),
	NAME("rfile.flags", O_NOFOLLOW),
	NAME("rfile.flags", O_NOATIME),
	NAME("rfile.flags", O_PATH),

	NAME("seals.flags", F_SEAL_SEAL),
	NAME("seals.flags", F_SEAL_SHRINK),
	NAME("seals.flags", F_SEAL_GROW),
	NAME("seals.flags", F_SEAL_WRITE),
	NAME("seals.flags", F_SEAL_FUTURE_WRITE),
	NAME("seals.flags", F_SEAL_EXEC),

	SHORT("sk.family", AF_, INET),
	SHORT("sk.family", AF_, INET6),

	SHORT("sk.type", SOCK_, STREAM),
	SHORT("sk.type", SOCK_, DGRAM),
	SHORT("sk.type", SOCK_, RAW),
	SHORT("sk.type", SOCK_, SEQPACKET),

	SHORT("sk.proto", IPPROTO_, IP),
	SHORT("sk.proto", IPPROTO_, ICMP),
	SHORT("sk.proto", IPPROTO_, TCP),
	SHORT("sk.proto", IPPROTO_, UDP),
	SHORT("sk.proto", IPPROTO_, ICMPV6),
	SHORT("sk.proto", IPPROTO_, UDPLITE),

	SHORT("sk.state", TCP_, ESTABLISHED),
	SHORT("sk.state", TCP_, SYN_SENT),
	SHORT("sk.state", TCP_, SYN_RECV),
	SHORT("sk.state", TCP_, FIN_WAIT1),
	SHORT("sk.state", TCP_, FIN_WAIT2),
	SHORT("sk.state", TCP_, TIME_WAIT),
	SHORT("sk.state", TCP_, CLOSE),
	SHORT("sk.state", TCP_, CLOSE_WAIT),
	SHORT("sk.state", TCP_, LAST_ACK),
	SHORT("sk.state", TCP_, LISTEN),
	SHORT("sk.state", TCP_, CLOSING),
};

const char *show_name(const char *table, uint64_t value)
{
	for (size_t n = 0; n < ARRAY_SIZE(names); n++)
		if (names[n].value == value && strcmp(names[n].table, table) == 0)
			return names[n].name;
	return NULL;
}

const char *show_flags(char *buf, size_t size, const char *table, uint64_t value)
{
	size_t used = 0;

	buf[0] = 0;
	for (size_t n = 0; n < ARRAY_SIZE(names) && used < size; n++) {
		const struct name *name = &names[n];

		/* Names of several bits come before those of one of them. */
		if (strcmp(name->table, table) != 0 || (value & name->value) != name->value)
			continue;
		used += snprintf(buf + used, size - used, "%s%s", used ? " | " : "", name->name);
		value &= ~name->value;
	}
	if ((value || !used) && used < size)
		snprintf(buf + used, size - used, "%s0x%lx", used ? " | " : "", value);
	return buf;
}
