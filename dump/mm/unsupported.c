/*
 * Mappings that are recognised and refused: each row says what it is, and what can be done. They come before the
 * kinds that would take them for something simpler.
 */
#include "dump/memory.h"

#include <errno.h>
#include <string.h>

struct refusal {
	uint32_t flags;	  /* any of these, */
	const char *name; /* or a name that begins so */
	const char *what;
	const char *hint;
};

static const char close_it[] = "let the program close it before the dump";

static const struct refusal refusals[] = {
	{ VMA_SL, NULL, "it is sealed (mseal)", "sealed memory cannot be rebuilt" },
	{ VMA_UM | VMA_UI, NULL, "it is watched by a userfaultfd", close_it },
	{ VMA_SS, NULL, "it is a shadow stack",
	  "start the program without one (GLIBC_TUNABLES=glibc.cpu.x86_shstk=off)" },
	{ 0, "[uprobes]", "a tracer has set probes (uprobes) in the process",
	  "remove them before the dump" },
	{ 0, "anon_inode:[perf_event]", "it is the buffer of a performance event", close_it },
	{ 0, "anon_inode:bpf-map", "it is a BPF map", close_it },
	{ 0, "socket:", "it is the ring of a packet socket", close_it },
	{ 0, "/secretmem", "it is secret memory (memfd_secret), which nobody else can read",
	  close_it },
	{ 0, "/dmabuf:", "it is a buffer of a device (dma-buf)", close_it },
	{ 0, "anon_inode:", "it is memory of a driver", close_it },
	{ VMA_PF, NULL, "it is memory of a device", close_it },
};

static const struct refusal *find(const struct vma *v)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *r = &refusals[i];

		if (v->flags & r->flags ||
		    (r->name && strncmp(v->name, r->name, strlen(r->name)) == 0))
			return r;
	}
	return NULL;
}

/* Memory that can only be executed has a key too, which mprotect finds by itself. */
static bool has_key(const struct vma *v)
{
	return v->pkey && (v->flags & (VMA_RD | VMA_WR | VMA_EX)) != VMA_EX;
}

static bool unsupported_match(const struct task *, const struct vma *v)
{
	return has_key(v) || find(v);
}

static int unsupported_classify(struct task *, struct vma *v, struct err *e)
{
	const struct refusal *r = find(v);

	if (!r)
		return err_code(e, ENOTSUP, "it has the protection key %u", v->pkey);
	err_code(e, ENOTSUP, "%s", r->what);
	return err_hint(e, "%s", r->hint);
}

const struct vma_kind unsupported_vma_kind = {
	.name = "mm/unsupported",
	.match = unsupported_match,
	.classify = unsupported_classify,
};
