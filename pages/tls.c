/* TLS by GnuTLS; see tls.h. */
#include "pages/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/late.h"
#include "lib/own.h"

/* clang-format off */
#define LIBGNUTLS(X) \
	X(gnutls_alert_get) X(gnutls_alert_get_name) X(gnutls_bye) \
	X(gnutls_certificate_allocate_credentials) X(gnutls_certificate_free_credentials) \
	X(gnutls_certificate_server_set_request) X(gnutls_certificate_set_x509_crl_file) \
	X(gnutls_certificate_set_x509_key_file) X(gnutls_certificate_set_x509_system_trust) \
	X(gnutls_certificate_set_x509_trust_file) \
	X(gnutls_certificate_verification_status_print) X(gnutls_credentials_set) \
	X(gnutls_deinit) X(gnutls_error_is_fatal) X(gnutls_free) X(gnutls_handshake) \
	X(gnutls_init) X(gnutls_record_get_direction) X(gnutls_record_recv) \
	X(gnutls_record_send) X(gnutls_session_get_verify_cert_status) \
	X(gnutls_session_set_verify_cert) X(gnutls_set_default_priority) X(gnutls_strerror) \
	X(gnutls_transport_set_ptr) X(gnutls_transport_set_pull_function) \
	X(gnutls_transport_set_push_function)
/* clang-format on */

static struct {
	LIBGNUTLS(LATE_MEMBER)
} gnutls;

static int prepare(struct err *e)
{
	static const char *const names[] = { LIBGNUTLS(LATE_NAME) };

	return late_load("libgnutls.so.30", names, ARRAY_SIZE(names), &gnutls, e);
}

#define CACERT "/etc/pki/CA/cacert.pem"
#define CACRL "/etc/pki/CA/cacrl.pem"
#define CERT "/etc/pki/criu/cert.pem"
#define KEY "/etc/pki/criu/private/key.pem"

struct tls {
	gnutls_session_t session;
	gnutls_certificate_credentials_t files;
	int fd;
	bool begun; /* the handshake is over */
	int failed; /* of GnuTLS */
	char words[160];
};

/* What is gone by: what the other side's certificate was found to be. */
static void note(struct tls *t, int code)
{
	gnutls_datum_t said = { NULL, 0 };
	unsigned status = t->session ? gnutls.gnutls_session_get_verify_cert_status(t->session) : 0;

	t->failed = code;
	snprintf(t->words, sizeof(t->words), "%s", gnutls.gnutls_strerror(code));
	if (code == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR && status != (unsigned)-1 &&
	    gnutls.gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &said,
								0) == 0)
		snprintf(t->words, sizeof(t->words), "%.*s", (int)said.size, said.data);
	if (code == GNUTLS_E_FATAL_ALERT_RECEIVED)
		snprintf(t->words, sizeof(t->words), "the other side refuses: %s",
			 gnutls.gnutls_alert_get_name(gnutls.gnutls_alert_get(t->session)));
	(*gnutls.gnutls_free)(said.data);
}

const char *tls_words(const struct page_link *l)
{
	return l->tls->words;
}

static int say(int code, const char *option, const char *path, struct err *e)
{
	return err_say(e, "option '--%s': '%s': %s", option, path, gnutls.gnutls_strerror(code));
}

static int load_trust(gnutls_certificate_credentials_t files, const struct page_options *o,
		      struct err *e)
{
	const char *ca = o->tls_cacert ? o->tls_cacert : CACERT;
	const char *crl = o->tls_cacrl ? o->tls_cacrl : CACRL;
	int trusted = 0, r;

	if (!o->tls_cacert)
		trusted = gnutls.gnutls_certificate_set_x509_system_trust(files);
	r = gnutls.gnutls_certificate_set_x509_trust_file(files, ca, GNUTLS_X509_FMT_PEM);
	if (r <= 0 && (o->tls_cacert || trusted <= 0))
		return r < 0 ? say(r, "tls-cacert", ca, e) :
			       err_say(e, "option '--tls-cacert': '%s' has no certificate", ca);
	if (!o->tls_cacrl && access(crl, R_OK) < 0)
		return 0;
	r = gnutls.gnutls_certificate_set_x509_crl_file(files, crl, GNUTLS_X509_FMT_PEM);
	return r < 0 ? say(r, "tls-cacrl", crl, e) : 0;
}

static int load(gnutls_certificate_credentials_t *ret, const struct options *opt, struct err *e)
{
	const struct page_options *o = &opt->pages;
	const char *cert = o->tls_cert ? o->tls_cert : CERT;
	const char *key = o->tls_key ? o->tls_key : KEY;
	int r;

	if (prepare(e) < 0)
		return e->code;
	r = gnutls.gnutls_certificate_allocate_credentials(ret);
	if (r < 0)
		return err_say(e, "TLS: %s", gnutls.gnutls_strerror(r));
	if (load_trust(*ret, o, e) == 0) {
		r = gnutls.gnutls_certificate_set_x509_key_file(*ret, cert, key,
								GNUTLS_X509_FMT_PEM);
		if (r < 0)
			say(r, access(cert, R_OK) < 0 ? "tls-cert" : "tls-key",
			    access(cert, R_OK) < 0 ? cert : key, e);
	}
	if (e->code) {
		gnutls.gnutls_certificate_free_credentials(*ret);
		*ret = NULL;
	}
	return e->code;
}

int tls_check(const struct options *opt, struct err *e)
{
	gnutls_certificate_credentials_t files;

	if (!opt->pages.tls)
		return 0;
	if (load(&files, opt, e) < 0)
		return e->code;
	gnutls.gnutls_certificate_free_credentials(files);
	return 0;
}

static ssize_t push(gnutls_transport_ptr_t at, const void *data, size_t size)
{
	return send(((struct tls *)at)->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t pull(gnutls_transport_ptr_t at, void *buf, size_t size)
{
	return recv(((struct tls *)at)->fd, buf, size, MSG_DONTWAIT);
}

static int set_up(struct tls *t, const struct options *opt, bool serves)
{
	int r = gnutls.gnutls_init(&t->session, (serves ? GNUTLS_SERVER : GNUTLS_CLIENT) |
							GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

	if (r == 0)
		r = gnutls.gnutls_set_default_priority(t->session);
	if (r == 0)
		r = gnutls.gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->files);
	if (r < 0)
		return r;
	gnutls.gnutls_transport_set_ptr(t->session, t);
	gnutls.gnutls_transport_set_push_function(t->session, push);
	gnutls.gnutls_transport_set_pull_function(t->session, pull);
	gnutls.gnutls_certificate_server_set_request(t->session, GNUTLS_CERT_REQUIRE);
	gnutls.gnutls_session_set_verify_cert(t->session,
					      serves || opt->pages.tls_no_cn_verify ? NULL :
										      opt->address,
					      0);
	return r;
}

/* What has to be waited for before a call is made again. */
static short events_of(const struct tls *t)
{
	return gnutls.gnutls_record_get_direction(t->session) ? POLLOUT : POLLIN;
}

static bool is_again(int r)
{
	return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED;
}

static int shake_hands(struct page_link *l, struct err *e)
{
	int r;

	do {
		r = gnutls.gnutls_handshake(l->tls->session);
		if (is_again(r) && link_wait(l, events_of(l->tls), true, e) < 0)
			return e->code;
	} while (r < 0 && !gnutls.gnutls_error_is_fatal(r));
	if (r == 0)
		return 0;
	note(l->tls, r);
	return err_code(e, EPROTO, "%s: TLS: %s", l->name, l->tls->words);
}

int tls_begin(struct page_link *l, const struct options *opt, bool serves, struct err *e)
{
	unsigned before = l->patience;
	struct tls *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_sys(e, "memory for TLS");
	t->fd = l->fd;
	l->tls = t;
	if (load(&t->files, opt, e) < 0)
		return e->code;
	r = set_up(t, opt, serves);
	if (r < 0)
		return err_say(e, "TLS: %s", gnutls.gnutls_strerror(r));
	/* Somebody who only connects must not keep us. */
	l->patience = before ? before : 60;
	r = shake_hands(l, e);
	l->patience = before;
	t->begun = r == 0;
	return r;
}

void tls_drop(struct page_link *l)
{
	if (!l->tls)
		return;
	if (l->tls->session)
		gnutls.gnutls_deinit(l->tls->session);
	if (l->tls->files)
		gnutls.gnutls_certificate_free_credentials(l->tls->files);
	free(l->tls);
	l->tls = NULL;
}

void tls_end(struct page_link *l)
{
	if (l->tls && l->tls->begun && !l->tls->failed)
		gnutls.gnutls_bye(l->tls->session, GNUTLS_SHUT_WR);
}

static ssize_t result_of(struct tls *t, ssize_t r, short *ret_events)
{
	*ret_events = 0;
	if (r >= 0)
		return r;
	if (is_again(r)) {
		*ret_events = events_of(t);
		return -EAGAIN;
	}
	/* Sessions begin anew now and then, which we have no need of. */
	if (!gnutls.gnutls_error_is_fatal(r))
		return -EINTR;
	note(t, r);
	return -EPROTO;
}

ssize_t tls_read(struct page_link *l, void *buf, size_t size, short *ret_events)
{
	return result_of(l->tls, gnutls.gnutls_record_recv(l->tls->session, buf, size), ret_events);
}

ssize_t tls_write(struct page_link *l, const void *data, size_t size, short *ret_events)
{
	return result_of(l->tls, gnutls.gnutls_record_send(l->tls->session, data, size),
			 ret_events);
}
