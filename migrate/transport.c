/*
 * Starting the other side: by ssh, with the user's own settings, keys and agent, or by another command that takes a host
 * and a command line, as rsync's -e has it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/own.h"
#include "migrate/channel.h"

enum { MOST_WORDS = 128, ENDING_MS = 2000 };

/* Dead links are noticed; all else is up to ssh_config(5). */
#define SSH "ssh -o ServerAliveInterval=5 -o ServerAliveCountMax=4"

struct line {
	char *words[MOST_WORDS + 1];
	size_t count;
};

static void line_free(struct line *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->words[i]);
}

static int add(struct line *l, char *word, struct err *e)
{
	if (!word)
		return err_sys(e, "memory for a command line");
	if (l->count == MOST_WORDS) {
		free(word);
		return err_say(e, "the command that starts the other side has too many words");
	}
	l->words[l->count++] = word;
	return 0;
}

/* A shell reads it over there. */
static char *quote(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-+=./:,@%";
	char *text = malloc(strlen(word) * 4 + 3), *to = text;

	if (!text)
		return NULL;
	if (*word && word[strspn(word, plain)] == 0)
		return strcpy(text, word);
	*to++ = '\'';
	for (; *word; word++)
		to = *word == '\'' ? stpcpy(to, "'\\''") : (*to = *word, to + 1);
	strcpy(to, "'");
	return text;
}

/* Words between spaces; quotes hold them together. */
static int split(struct line *l, const char *text, struct err *e)
{
	while (*(text += strspn(text, " \t"))) {
		own_mem char *word = malloc(strlen(text) + 1);
		char *to = word, mark = 0;

		if (!word)
			return err_sys(e, "memory for a command line");
		for (; *text && (mark || !strchr(" \t", *text)); text++) {
			if (mark ? *text == mark : *text == '\'' || *text == '"')
				mark = mark ? 0 : *text;
			else
				*to++ = *text;
		}
		*to = 0;
		if (mark)
			return err_say(e, "a quote is not closed in the command of '-e'");
		if (add(l, take_mem(word), e) < 0)
			return e->code;
	}
	return 0;
}

static int build(struct line *l, const struct transport *t, struct err *e)
{
	if (t->host[0] == '-' || !t->host[0])
		return err_say(e, "'%s' is no host", t->host);
	if (split(l, t->command ? t->command : SSH, e) < 0 || add(l, strdup(t->host), e) < 0 ||
	    split(l, t->program, e) < 0 || add(l, strdup("receive"), e) < 0)
		return e->code;
	for (size_t i = 0; t->words[i]; i++)
		if (add(l, quote(t->words[i]), e) < 0)
			return e->code;
	return 0;
}

static void become(char *const *words, int fd)
{
	signal(SIGPIPE, SIG_DFL);
	/* The key that interrupts us must not cut the link: what that leads to is ours to decide. */
	signal(SIGINT, SIG_IGN);
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(126);
	execvp(words[0], words);
	fprintf(stderr, "cannot start '%s': %s\n", words[0], strerror(errno));
	_exit(127);
}

int channel_open(struct channel *c, const struct transport *t, struct err *e)
{
	__attribute__((cleanup(line_free))) struct line l = { .count = 0 };
	int ends[2];

	*c = (struct channel){ .in = -1, .out = -1 };
	if (build(&l, t, e) < 0)
		return e->code;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "make a pair of sockets");
	own_fd ours = ends[0];
	own_fd theirs = ends[1];
	fflush(NULL);
	c->child = fork();
	if (c->child < 0)
		return err_sys(e, "fork");
	if (c->child == 0)
		become(l.words, theirs);
	c->in = c->out = take_fd(&ours);
	return 0;
}

/* It has nothing more to do; one that does not end is ended. */
void channel_close(struct channel *c)
{
	int status;

	own_close(&c->in);
	if (c->out != c->in)
		own_close(&c->out);
	c->in = c->out = -1;
	for (int i = 0; c->child > 0 && i < ENDING_MS; i++) {
		if (waitpid(c->child, &status, WNOHANG) != 0) {
			c->child = 0;
			return;
		}
		usleep(1000);
	}
	if (c->child > 0) {
		kill(c->child, SIGTERM);
		waitpid(c->child, &status, 0);
	}
	c->child = 0;
}
