/* Host name and domain name: uname(2), asked inside. */
#include <sys/utsname.h>

#include "dump/ns.h"
#include "images/image.h"
#include "images/ns/uts.pb-c.h"

static int ask(void *arg, struct err *e)
{
	return uname(arg) < 0 ? err_sys(e, "uname") : 0;
}

static int uts_save(struct dump *d, uint32_t id, struct err *e)
{
	UtsnsEntry m = UTSNS_ENTRY__INIT;
	struct utsname names;

	if (ns_run(d, NS_UTS, ask, &names, e) < 0)
		return e->code;
	m.nodename = names.nodename;
	m.domainname = names.domainname;
	return image_save(d->images, IMG_UTSNS, id, &m, e);
}

const struct ns_kind uts_ns_kind = { .name = "ns/uts", .kind = NS_UTS, .save = uts_save };
