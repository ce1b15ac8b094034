/* Libraries that few runs need; see late.h. */
#include "lib/late.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int late_load(const char *library, const char *const *names, size_t count, void *ret, struct err *e)
{
	void *at, *loaded;

	memcpy(&at, ret, sizeof(at));
	if (at)
		return 0;
	loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!loaded)
		return err_code(e, ENOENT, "%s", dlerror());
	/* The first one says that all are there. */
	for (size_t i = count; i-- > 0;) {
		at = dlsym(loaded, names[i]);
		if (!at)
			return err_code(e, ENOENT, "%s", dlerror());
		memcpy((char *)ret + i * sizeof(at), &at, sizeof(at));
	}
	return 0;
}
