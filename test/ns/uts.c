/* A host name and a domain name of a namespace of its own, of a parent and a child. */
#include <sched.h>
#include <sys/utsname.h>

#include "test/lib/victim.h"

static void check_names(const char *host, const char *domain)
{
	struct utsname is;

	SYS(uname(&is));
	CHECK(strcmp(is.nodename, host) == 0, "%s", is.nodename);
	CHECK(strcmp(is.domainname, domain) == 0, "%s", is.domainname);
}

int main(void)
{
	static const char host[] = "a-host-of-its-own.example", domain[] = "domain of its own";
	volatile bool *looked = victim_shared(1);
	pid_t pid;

	if (unshare(CLONE_NEWUTS) < 0)
		victim_skip("no uts namespace can be made");
	SYS(sethostname(host, strlen(host)));
	SYS(setdomainname(domain, strlen(domain)));
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		victim_wait();
		check_names(host, domain);
		while (!*looked)
			victim_sleep_ms(1);
		SYS(sethostname("changed", 7));
		_exit(0);
	}
	victim_ready();
	check_names(host, domain);
	*looked = true;
	victim_reap(pid);
	check_names("changed", domain); /* it is the same one for both */
	victim_ok();
}
