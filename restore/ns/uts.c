/* Host name and domain name. */
#include "images/ns/uts.pb-c.h"

#include <string.h>
#include <unistd.h>

#include "images/image.h"
#include "restore/ns.h"

enum { NAME_MAX_BYTES = 64 };

static int uts_load(struct restore *r, uint32_t id, struct err *e)
{
	if (image_load(r->images, IMG_UTSNS, id, &r->ns->uts, e) < 0)
		return e->code;
	if (strlen(r->ns->uts->nodename) > NAME_MAX_BYTES ||
	    strlen(r->ns->uts->domainname) > NAME_MAX_BYTES)
		return err_say(e, "'utsns-%u.img' has a name of more than %d bytes", id,
			       NAME_MAX_BYTES);
	return 0;
}

static int uts_fill(struct restore *r, struct err *e)
{
	const char *host = r->ns->uts->nodename, *domain = r->ns->uts->domainname;

	if (sethostname(host, strlen(host)) < 0)
		return err_sys(e, "sethostname('%s')", host);
	if (setdomainname(domain, strlen(domain)) < 0)
		return err_sys(e, "setdomainname('%s')", domain);
	return 0;
}

static void uts_close(struct restore *r)
{
	image_message_free(&r->ns->uts);
}

const struct ns_restore_kind uts_ns_restore_kind = {
	.name = "ns/uts",
	.kind = NS_UTS,
	.load = uts_load,
	.fill = uts_fill,
	.close = uts_close,
};
