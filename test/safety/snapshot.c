/* snapshot PID...: what /proc tells about these processes, for comparing before and after. */
#include "test/lib/snapshot.h"

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		fputs(snapshot_take(atoi(argv[i])), stdout);
	return 0;
}
