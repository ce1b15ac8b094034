/* userfaultfd; see uffd.h. */
#include "lib/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include "lib/io.h"

/* Newer than the headers of Debian 12. */
enum {
	USER_MODE_ONLY = 1,
	FEATURE_WP_UNPOPULATED = 1 << 13,
	FEATURE_WP_ASYNC = 1 << 15,
};

/*
 * Marking is done by the kernel, whoever writes, so a descriptor for user mode will do; that one every process may
 * make. Where writers wait, the kernel's own writes (a read() into the page) have to wait too instead of failing.
 */
int uffd_flags(enum uffd_writes writes)
{
	return O_CLOEXEC | O_NONBLOCK | (writes == UFFD_WRITES_MARK ? USER_MODE_ONLY : 0);
}

int uffd_begin(int uffd, enum uffd_writes writes, struct err *e)
{
	struct uffdio_api api = { .api = UFFD_API };

	/* PAGEMAP_SCAN protects only where pages that are not there could be protected as well. */
	api.features = writes == UFFD_WRITES_MARK ? FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED :
						    UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	if (ioctl(uffd, UFFDIO_API, &api) < 0) {
		err_sys(e, "userfaultfd: ask for %s write-protection",
			writes == UFFD_WRITES_MARK ? "asynchronous" : "synchronous");
		return err_hint(e, "'stasis check' says what this kernel can do");
	}
	return 0;
}

bool uffd_register(int uffd, uint64_t start, uint64_t end)
{
	struct uffdio_register r = { .range = { start, end - start },
				     .mode = UFFDIO_REGISTER_MODE_WP };

	return ioctl(uffd, UFFDIO_REGISTER, &r) == 0;
}

int uffd_protect(int uffd, uint64_t start, uint64_t end, bool on, struct err *e)
{
	struct uffdio_writeprotect w = { .range = { start, end - start },
					 .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };
	int r;

	/* EAGAIN: the layout is changing at this moment. */
	do
		r = ioctl(uffd, UFFDIO_WRITEPROTECT, &w);
	while (r < 0 && errno == EAGAIN);
	return r < 0 ? err_sys(e, "%s 0x%lx-0x%lx", on ? "write-protect" : "release", start, end) :
		       0;
}

/* No process has a mapping at the very first page: where there is memory at all the answer is ENOENT. */
bool uffd_lives(int uffd)
{
	struct uffdio_writeprotect w = { .range = { 0, PAGE_SIZE } };

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &w) == 0 || errno != ESRCH;
}

int uffd_missing_flags(void)
{
	return O_CLOEXEC | O_NONBLOCK;
}

int uffd_missing_begin(int uffd, struct err *e)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
					      UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP |
					      UFFD_FEATURE_THREAD_ID };

	if (ioctl(uffd, UFFDIO_API, &api) < 0) {
		err_sys(e, "userfaultfd: ask for missing pages and events");
		return err_hint(e, "'stasis check --feature uffd-noncoop' says what is missing");
	}
	return 0;
}

int uffd_missing_register(int uffd, uint64_t start, uint64_t end, struct err *e)
{
	struct uffdio_register r = { .range = { start, end - start },
				     .mode = UFFDIO_REGISTER_MODE_MISSING };

	return ioctl(uffd, UFFDIO_REGISTER, &r) < 0 ?
		       err_sys(e, "userfaultfd: register %lx-%lx", start, end) :
		       0;
}

int64_t uffd_put(int uffd, uint64_t to, const void *from, uint64_t size)
{
	struct uffdio_copy c = { .dst = to, .src = (uint64_t)(uintptr_t)from, .len = size };
	struct uffdio_zeropage z = { .range = { to, size } };
	int r = from ? ioctl(uffd, UFFDIO_COPY, &c) : ioctl(uffd, UFFDIO_ZEROPAGE, &z);
	int64_t done = from ? c.copy : z.zeropage;

	if (r == 0)
		return size;
	return done > 0 ? done : -errno;
}

void uffd_wake(int uffd, uint64_t start, uint64_t end)
{
	struct uffdio_range r = { start, end - start };

	ioctl(uffd, UFFDIO_WAKE, &r);
}
