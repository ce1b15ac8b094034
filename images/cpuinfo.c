/* cpuinfo.img; see cpuinfo.h. */
#include "images/cpuinfo.h"

#include <errno.h>
#include <string.h>

#include "images/cpuinfo.pb-c.h"
#include "images/image.h"
#include "lib/cpuinfo.h"
#include "lib/own.h"

/* The layout of the feature words: version 1 had fewer of them. */
#define WORDS_VERSION 2

/*
 * SSE, which is always there, and the first half of MPX: CRIU does not count them and refuses
 * them.
 */
#define UNSAID_XFEATURES (1UL << 1 | 1UL << 3)

int cpuinfo_image_write(int images_fd, struct err *e)
{
	struct cpuinfo c;
	CpuinfoX86Entry entry = CPUINFO_X86_ENTRY__INIT;
	CpuinfoEntry all = CPUINFO_ENTRY__INIT;

	cpuinfo_read(&c);
	entry.vendor_id = (CpuinfoX86Entry__Vendor)c.vendor;
	entry.cpu_family = c.family;
	entry.model = c.model;
	entry.stepping = c.stepping;
	entry.capability_ver = WORDS_VERSION;
	entry.n_capability = CPUINFO_WORDS;
	entry.capability = c.words;
	entry.model_id = c.model_id[0] ? c.model_id : NULL;
	entry.has_xfeatures_mask = true;
	entry.xfeatures_mask = c.xfeatures_mask & ~UNSAID_XFEATURES;
	entry.has_xsave_size = true;
	entry.xsave_size = c.xsave_size;
	entry.has_xsave_size_max = true;
	entry.xsave_size_max = c.xsave_size_max;
	all.n_x86_entry = 1;
	all.x86_entry = (CpuinfoX86Entry *[]){ &entry };
	return image_save(images_fd, IMG_CPUINFO, 0, &all, e);
}

static int unpack(const CpuinfoEntry *all, struct cpuinfo *ret, struct err *e)
{
	const CpuinfoX86Entry *entry = all->n_x86_entry ? all->x86_entry[0] : NULL;

	if (!entry)
		return err_say(e,
			       "'cpuinfo.img' says nothing about a processor of this architecture");
	if (entry->capability_ver != WORDS_VERSION)
		return err_code(e, ENOTSUP, "'cpuinfo.img' has feature words of version %u, not %d",
				entry->capability_ver, WORDS_VERSION);
	*ret = (struct cpuinfo){
		.vendor = (enum cpu_vendor)entry->vendor_id,
		.family = entry->cpu_family,
		.model = entry->model,
		.stepping = entry->stepping,
		.xfeatures_mask = entry->xfeatures_mask,
		.xsave_size = entry->xsave_size,
		.xsave_size_max = entry->xsave_size_max,
	};
	for (size_t i = 0; i < entry->n_capability && i < CPUINFO_WORDS; i++)
		ret->words[i] = entry->capability[i];
	if (entry->model_id)
		strncpy(ret->model_id, entry->model_id, sizeof(ret->model_id) - 1);
	return 0;
}

int cpuinfo_image_check(int images_fd, unsigned caps, struct err *e)
{
	own_message CpuinfoEntry *all = NULL;
	struct cpuinfo was, here;
	int r = image_load(images_fd, IMG_CPUINFO, 0, &all, e);

	if (r < 0)
		return r;
	r = unpack(all, &was, e);
	if (r < 0)
		return r;
	cpuinfo_read(&here);
	return cpuinfo_compare(&was, &here, caps, e);
}
