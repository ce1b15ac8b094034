/* Processors compared. */
#include "lib/cpuinfo.h"

#include <errno.h>
#include <string.h>

#include "lib/options.h"
#include "test/lib/unit.h"

static struct cpuinfo was, here;
static struct err error;

static void refuses(unsigned caps, const char *sentence)
{
	was.model_id[0] = 0;
	assert(cpuinfo_compare(&was, &here, caps, &error) == -ENOTSUP);
	if (strcmp(error.text, sentence) != 0)
		printf("# %s\n", error.text);
	assert(strcmp(error.text, sentence) == 0);
}

static void the_same_processor_fits(void)
{
	cpuinfo_read(&was);
	cpuinfo_read(&here);
	assert(was.family && was.words[0] & 1 << 26); /* every x86-64 has sse2 */
	assert(cpuinfo_compare(&was, &here, CPU_CAP_ALL, &error) == 0);
}

static void a_missing_instruction(void)
{
	cpuinfo_read(&was);
	here = was;
	here.words[0] &= ~(1u << 26);
	assert(cpuinfo_compare(&was, &here, CPU_CAP_FPU, &error) == 0);
	refuses(CPU_CAP_INS, "this processor lacks 'sse2'");
	/* More than there was is no obstacle, except for equality. */
	here = was;
	was.words[0] &= ~(1u << 26);
	assert(cpuinfo_compare(&was, &here, CPU_CAP_INS | CPU_CAP_FPU, &error) == 0);
	assert(cpuinfo_compare(&was, &here, CPU_CAP_CPU, &error) == -ENOTSUP);
	strcpy(was.model_id, "i8086");
	assert(cpuinfo_compare(&was, &here, CPU_CAP_CPU, &error) == -ENOTSUP);
	assert(strncmp(error.text, "the dump was made on 'i8086': feature word 0 is 0x", 50) == 0);
}

static void extended_state(void)
{
	cpuinfo_read(&was);
	here = was;
	was.xfeatures_mask |= 1ULL << 40;
	assert(cpuinfo_compare(&was, &here, CPU_CAP_INS, &error) == 0);
	refuses(CPU_CAP_FPU, "this processor lacks the extended state components 0x10000000000");
	was = here;
	was.xsave_size = 8000;
	here.xsave_size = 832;
	refuses(CPU_CAP_FPU, "the extended state takes 8000 bytes, and only 832 on this processor");
	was = here;
	was.vendor = here.vendor + 1;
	refuses(CPU_CAP_FPU, "this processor is of another maker");
}

int main(void)
{
	return unit_run((struct unit[]){ UNIT(the_same_processor_fits),
					 UNIT(a_missing_instruction),
					 UNIT(extended_state),
					 {} });
}
