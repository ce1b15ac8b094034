/*
 * The error that travels up: one sentence that says why, what it was about, and what to do.
 *
 * Functions return 0 or a negative errno and take a struct err last. The place that fails fills it
 * (err_sys, err_say), a loop that knows the object puts its name in front (err_on), whoever knows a
 * remedy adds it (err_hint), and only main prints it.
 */
#ifndef STASIS_LIB_ERR_H
#define STASIS_LIB_ERR_H

struct err {
	int code;	 /* negative errno, 0 while nothing has failed */
	char text[1536]; /* "fd 7 of pid 12: open 'x': No such file or directory" */
	char hint[512];	 /* what to do, or empty */
};

#define must_check __attribute__((warn_unused_result))
#define err_format __attribute__((format(printf, 2, 3)))

/* A system call failed: the text is followed by strerror(errno). Returns -errno. */
int err_sys(struct err *e, const char *fmt, ...) err_format;
/* Something is not as it has to be; no errno is involved. Returns -EINVAL. */
int err_say(struct err *e, const char *fmt, ...) err_format;
/* Like err_say, with a code of the caller's choice (positive errno). Returns -code. */
int err_code(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The result of a remote or raw system call: res is -errno. Returns res. */
int err_res(struct err *e, long res, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Adds what to do about it. Returns the code of the error. */
int err_hint(struct err *e, const char *fmt, ...) err_format;
/* Puts the object in front: "fd 7 of pid 12: ". Returns the code of the error. */
int err_on(struct err *e, const char *fmt, ...) err_format;
/* The whole sentence, hint included, into buf. */
const char *err_text(const struct err *e, char *buf, unsigned long size);

#endif
