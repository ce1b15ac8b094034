/* How far it has come; see progress.h. */
#include "migrate/progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/io.h"

enum { LINE = 400 };

struct progress *progress_new(bool json)
{
	struct progress *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p->json = json;
	p->begun_at = io_now_us();
	return p;
}

void progress_free(struct progress *p)
{
	if (p)
		munmap(p, sizeof(*p));
}

static double mib(uint64_t bytes)
{
	return bytes / 1048576.0;
}

static const char *phase_word(const struct progress *p)
{
	static const char *const words[] = { "checks", "round", "stopped", "hand-over", "done" };

	return words[p->phase];
}

/* What one second has brought. */
static void show(const struct progress *p, uint64_t before, bool line)
{
	uint64_t sent = p->sent - p->round_from, rate = p->sent - before;
	uint64_t left = p->expected > sent ? p->expected - sent : 0;
	char text[LINE], end[64] = "";
	int n;

	if (p->phase == PHASE_CHECKS || p->phase == PHASE_DONE)
		return;
	if (rate && left)
		snprintf(end, sizeof(end), ", %lu s", left / rate);
	n = snprintf(text, sizeof(text),
		     "%s %u: %.1f MiB sent, %.1f left, %.1f MiB/s, written %.1f MiB/s%s",
		     phase_word(p), p->round, mib(p->sent), mib(left), mib(rate),
		     p->written_us ? mib(p->written) * 1e6 / p->written_us : 0.0, end);
	if (n > 0)
		fprintf(stderr, line ? "\r\033[K%s" : "%s\n", text);
}

static void show_json(const struct progress *p, uint64_t before)
{
	char more[LINE];
	uint64_t sent = p->sent - p->round_from;

	snprintf(more, sizeof(more),
		 ", \"phase\": \"%s\", \"round\": %u, \"sent\": %lu, \"left\": %lu, "
		 "\"rate\": %lu",
		 phase_word(p), p->round, p->sent, p->expected > sent ? p->expected - sent : 0,
		 p->sent - before);
	progress_event(p, "progress", more);
}

static void tell(struct progress *p)
{
	bool terminal = isatty(STDERR_FILENO);
	uint64_t before = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN); /* who sends us decides when that is enough */
	for (;;) {
		usleep(1000000);
		if (p->json)
			show_json(p, before);
		else
			show(p, before, terminal);
		before = p->sent;
	}
}

void progress_tell(struct progress *p)
{
	fflush(NULL);
	p->teller = fork();
	if (p->teller == 0)
		tell(p);
}

void progress_hush(struct progress *p)
{
	if (p->teller <= 0)
		return;
	kill(p->teller, SIGKILL);
	waitpid(p->teller, NULL, 0);
	p->teller = 0;
	if (!p->json && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

/* One write, since several processes have something to say. */
void progress_event(const struct progress *p, const char *name, const char *more)
{
	char text[LINE + 100];
	int n = snprintf(text, sizeof(text), "{\"event\": \"%s\", \"ms\": %lu%s}\n", name,
			 (io_now_us() - p->begun_at) / 1000, more);

	if (p->json && n > 0 && write(STDOUT_FILENO, text, n) < 0)
		return; /* nobody listens */
}

void progress_event_text(const struct progress *p, const char *name, const char *key,
			 const char *text)
{
	char more[LINE], *to = more;

	to += snprintf(more, sizeof(more) - 8, ", \"%s\": \"", key);
	for (; *text && to < more + sizeof(more) - 16; text++) {
		if (*text == '"' || *text == '\\')
			*to++ = '\\';
		*to++ = (unsigned char)*text < ' ' ? ' ' : *text;
	}
	strcpy(to, "\"");
	progress_event(p, name, more);
}

void progress_summary(const struct progress *p, const char *host)
{
	uint64_t down = p->frozen_at && p->ended_at ? p->ended_at - p->frozen_at : 0;
	char more[LINE];

	snprintf(more, sizeof(more),
		 ", \"downtime_us\": %lu, \"bytes\": %lu, \"rounds\": %u, \"memory\": %lu", down,
		 p->sent, p->rounds, p->memory);
	progress_event(p, "moved", more);
	if (!p->json)
		printf("moved to %s: %.1f ms without running, %.1f MiB sent in %u rounds, %.1f s "
		       "in all\n",
		       host, down / 1e3, mib(p->sent), p->rounds,
		       (io_now_us() - p->begun_at) / 1e6);
}
