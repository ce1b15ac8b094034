/* The functions of our own vDSO, and images that lie. */
#include "lib/vdso.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

#include "test/lib/unit.h"

static const char *image;
static size_t size;

static void open_own(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		if (!strstr(line, "[vdso]") || sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		image = (const char *)start;
		size = end - start;
	}
	if (f)
		fclose(f);
	if (!image)
		unit_skip("there is no vDSO");
}

static void functions_work(void)
{
	int (*gettime)(clockid_t, struct timespec *);
	struct timespec ts = {};
	uint64_t at;

	open_own();
	assert(image == (const char *)getauxval(AT_SYSINFO_EHDR));
	assert(vdso_find(image, size, "__vdso_clock_gettime", &at));
	gettime = (void *)(image + at);
	assert(gettime(CLOCK_REALTIME, &ts) == 0 && ts.tv_sec > 1000000000);
	assert(vdso_find(image, size, "__vdso_time", &at) && at < size);
	assert(!vdso_find(image, size, "__vdso_nothing", &at));
	assert(!vdso_find(image, size, "LINUX_2.6", &at)); /* no function */
}

/* Without the old hash table the GNU one has to do. */
static void gnu_hash_alone(void)
{
	uint64_t was, is;
	Elf64_Dyn *d;
	char *copy;
	Elf64_Phdr *p;

	open_own();
	copy = malloc(size);
	memcpy(copy, image, size);
	assert(vdso_find(image, size, "__vdso_getcpu", &was));
	p = (void *)(copy + ((Elf64_Ehdr *)copy)->e_phoff);
	while (p->p_type != PT_DYNAMIC)
		p++;
	for (d = (void *)(copy + p->p_offset); d->d_tag != DT_HASH; d++)
		if (d->d_tag == DT_NULL)
			unit_skip("this vDSO has no such table");
	d->d_tag = DT_DEBUG;
	assert(vdso_find(copy, size, "__vdso_getcpu", &is) && is == was);
}

/* Whatever bytes are wrong, nothing outside of the image is read (make SAN=1 sees it). */
static void broken_images(void)
{
	unsigned int seed = 1;
	uint64_t at;
	char *copy;

	open_own();
	assert(!vdso_find(image, 0, "__vdso_time", &at) &&
	       !vdso_find(image, 70, "__vdso_time", &at));
	for (int round = 0; round < 20000; round++) {
		size_t cut = round % 4 ? size : (size_t)rand_r(&seed) % size + 1;

		copy = malloc(cut);
		memcpy(copy, image, cut);
		for (int k = 0; k < 4; k++)
			copy[rand_r(&seed) % (cut < 0x500 ? cut : 0x500)] = rand_r(&seed);
		(void)vdso_find(copy, cut, "__vdso_time", &at);
		free(copy);
	}
}

static void marker(void)
{
	struct vdso_marker m = { VDSO_MARKER_MAGIC, 0x7000, VDSO_MARKER_VERSION, 0x3000, 0x5000 };
	struct vdso_marker got;
	char buf[4096] = {};

	assert(!vdso_find_marker(buf, sizeof(buf), &got));
	memcpy(buf + sizeof(buf) - sizeof(m), &m, sizeof(m));
	assert(memcmp(buf + sizeof(buf) - sizeof(m), "CRIUvDSO", 8) == 0);
	assert(vdso_find_marker(buf, sizeof(buf), &got) && got.vdso_at == 0x7000);
	memset(buf, 0, sizeof(buf));
	memcpy(buf + 64, &m, sizeof(m));
	assert(vdso_find_marker(buf, sizeof(buf), &got) && got.vvar_at == 0x3000);
	assert(!vdso_find_marker(buf, 96, &got));
	open_own();
	assert(!vdso_find_marker(image, size, &got));
}

int main(void)
{
	return unit_run((struct unit[]){ UNIT(functions_work),
					 UNIT(gnu_hash_alone),
					 UNIT(broken_images),
					 UNIT(marker),
					 {} });
}
