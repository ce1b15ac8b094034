/*
 * Looks up functions of a vDSO by the dynamic section alone, since what is mapped need not have section headers.
 * Addresses in it are relative to the image. Everything is checked against its size: it may come from a file.
 */
#include "lib/vdso.h"

#include <elf.h>
#include <string.h>

struct image {
	const char *at;
	uint64_t size;
	const Elf64_Sym *symbols;
	uint64_t symbol_count;
	const char *names;
	uint64_t names_size;
};

/* The bytes from offset on; NULL if that many are not there. */
static const void *bytes_at(const struct image *i, uint64_t offset, uint64_t size)
{
	if (offset > i->size || size > i->size - offset)
		return NULL;
	return i->at + offset;
}

/* Room for that many of a type, aligned as it has to be; the image itself starts on a page or as malloc gives it. */
static const void *objects_at(const struct image *i, uint64_t offset, uint64_t size, uint64_t align)
{
	return offset % align ? NULL : bytes_at(i, offset, size);
}

#define ONE(i, offset, type) ((const type *)objects_at(i, offset, sizeof(type), _Alignof(type)))

static const Elf64_Phdr *find_segment(const struct image *i, uint32_t type)
{
	const Elf64_Ehdr *h = ONE(i, 0, Elf64_Ehdr);

	if (!h || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64)
		return NULL;
	for (int k = 0; k < h->e_phnum; k++) {
		const Elf64_Phdr *p = ONE(i, h->e_phoff + k * sizeof(*p), Elf64_Phdr);

		if (p && p->p_type == type)
			return p;
	}
	return NULL;
}

static uint64_t dynamic_value(const struct image *i, const Elf64_Phdr *dynamic, int64_t tag)
{
	for (uint64_t at = 0; at < dynamic->p_memsz; at += sizeof(Elf64_Dyn)) {
		const Elf64_Dyn *d = ONE(i, dynamic->p_offset + at, Elf64_Dyn);

		if (!d || d->d_tag == DT_NULL)
			break;
		if (d->d_tag == tag)
			return d->d_un.d_val;
	}
	return 0;
}

/* Only the hash tables know how many symbols there are; the GNU one by the end of its last chain. */
static uint64_t count_gnu(const struct image *i, uint64_t offset)
{
	const uint32_t *head = objects_at(i, offset, 16, 4);
	uint64_t buckets, last = 0;

	if (!head)
		return 0;
	buckets = offset + 16 + head[2] * 8ULL;
	for (uint32_t k = 0; k < head[0]; k++) {
		const uint32_t *b = ONE(i, buckets + k * 4ULL, uint32_t);

		if (!b)
			return 0;
		last = *b > last ? *b : last;
	}
	if (last < head[1])
		return head[1];
	for (;; last++) {
		const uint32_t *c = ONE(i, buckets + (head[0] + last - head[1]) * 4ULL, uint32_t);

		if (!c)
			return 0;
		if (*c & 1)
			return last + 1;
	}
}

static bool open_image(struct image *i)
{
	const Elf64_Phdr *dynamic = find_segment(i, PT_DYNAMIC);
	uint64_t hash, gnu;

	if (!dynamic)
		return false;
	hash = dynamic_value(i, dynamic, DT_HASH);
	gnu = dynamic_value(i, dynamic, DT_GNU_HASH);
	if (hash) {
		const uint32_t *head = objects_at(i, hash, 8, 4);

		i->symbol_count = head ? head[1] : 0;
	} else if (gnu) {
		i->symbol_count = count_gnu(i, gnu);
	}
	if (i->symbol_count > i->size / sizeof(Elf64_Sym))
		return false;
	i->symbols = objects_at(i, dynamic_value(i, dynamic, DT_SYMTAB),
				i->symbol_count * sizeof(Elf64_Sym), _Alignof(Elf64_Sym));
	i->names_size = dynamic_value(i, dynamic, DT_STRSZ);
	i->names = bytes_at(i, dynamic_value(i, dynamic, DT_STRTAB), i->names_size);
	return i->symbols && i->names && i->names_size > 0 && !i->names[i->names_size - 1];
}

bool vdso_find(const void *image, size_t size, const char *name, uint64_t *ret_offset)
{
	struct image i = { .at = image, .size = size };

	if (!open_image(&i))
		return false;
	for (uint64_t k = 0; k < i.symbol_count; k++) {
		const Elf64_Sym *s = &i.symbols[k];

		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || s->st_shndx == SHN_UNDEF ||
		    s->st_name >= i.names_size || s->st_value >= size)
			continue;
		if (strcmp(i.names + s->st_name, name) == 0) {
			*ret_offset = s->st_value;
			return true;
		}
	}
	return false;
}

bool vdso_find_marker(const void *image, size_t size, struct vdso_marker *ret)
{
	for (size_t at = size & ~7UL; at >= 8; at -= 8) {
		struct vdso_marker m;

		if (at - 8 + sizeof(m) > size)
			continue;
		memcpy(&m, (const char *)image + at - 8, sizeof(m));
		/* The version keeps code that merely contains the word from being taken for one. */
		if (m.magic == VDSO_MARKER_MAGIC && m.version == VDSO_MARKER_VERSION) {
			*ret = m;
			return true;
		}
	}
	return false;
}
