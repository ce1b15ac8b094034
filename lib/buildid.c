/* The build-id of an ELF file; see buildid.h. Whatever is odd about the file means that it has none. */
#include "lib/buildid.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { HEADERS_MAX = 64, NOTES_MAX = 4096 };

/* Both classes as the 64-bit one. */
struct headers {
	bool is64;
	uint64_t offset;
	unsigned int count, size;
};

static bool read_at(int fd, void *buf, size_t size, uint64_t at)
{
	return pread(fd, buf, size, at) == (ssize_t)size;
}

static bool read_header(int fd, struct headers *ret)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr h32;
		Elf64_Ehdr h64;
	} u;
	const uint16_t one = 1;

	if (!read_at(fd, &u.h32, sizeof(u.h32), 0) || memcmp(u.ident, ELFMAG, SELFMAG) != 0 ||
	    u.ident[EI_DATA] != (*(const uint8_t *)&one ? ELFDATA2LSB : ELFDATA2MSB))
		return false;
	ret->is64 = u.ident[EI_CLASS] == ELFCLASS64;
	if (ret->is64 && !read_at(fd, &u.h64, sizeof(u.h64), 0))
		return false;
	ret->offset = ret->is64 ? u.h64.e_phoff : u.h32.e_phoff;
	ret->count = ret->is64 ? u.h64.e_phnum : u.h32.e_phnum;
	ret->size = ret->is64 ? u.h64.e_phentsize : u.h32.e_phentsize;
	return ret->count <= HEADERS_MAX &&
	       ret->size == (ret->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
}

static size_t find_note(const uint8_t *notes, size_t size, uint8_t id[BUILDID_MAX])
{
	size_t at = 0;

	while (at + sizeof(Elf64_Nhdr) <= size) {
		const Elf64_Nhdr *n = (const void *)(notes + at); /* the same in both classes */
		uint64_t name = at + sizeof(*n);
		uint64_t data = name + (((uint64_t)n->n_namesz + 3) & ~3UL);
		uint64_t end = data + n->n_descsz;

		if (end > size)
			return 0;
		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 &&
		    memcmp(notes + name, "GNU", 4) == 0 && n->n_descsz <= BUILDID_MAX) {
			memcpy(id, notes + data, n->n_descsz);
			return n->n_descsz;
		}
		at = (end + 3) & ~3UL;
	}
	return 0;
}

size_t buildid_read(int fd, uint8_t id[BUILDID_MAX])
{
	_Alignas(8) uint8_t table[HEADERS_MAX * sizeof(Elf64_Phdr)];
	_Alignas(8) uint8_t notes[NOTES_MAX];
	struct headers h;
	size_t got = 0;

	if (!read_header(fd, &h) || !read_at(fd, table, h.count * h.size, h.offset))
		return 0;
	for (unsigned int i = 0; i < h.count && !got; i++) {
		const Elf64_Phdr *p64 = (const void *)(table + i * h.size);
		const Elf32_Phdr *p32 = (const void *)p64;
		uint64_t at = h.is64 ? p64->p_offset : p32->p_offset;
		uint64_t size = h.is64 ? p64->p_filesz : p32->p_filesz;

		/* p_type comes first in both. */
		if (p64->p_type == PT_NOTE && size <= NOTES_MAX && read_at(fd, notes, size, at))
			got = find_note(notes, size, id);
	}
	return got;
}
