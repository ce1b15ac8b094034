/*
 * Messages on the way: levels as CRIU's (0 nothing, 1 errors, 2 warnings, 3 information, 4 debug).
 * A line starts with the object ("pid 4312 fd 7:") and is one write.
 */
#ifndef STASIS_LIB_LOG_H
#define STASIS_LIB_LOG_H

enum log_level { LOG_LEVEL_MSG, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Where lines go and which; the level is the one mutable global that STYLE.md allows. fd is not owned. */
void log_setup(int fd, int level);
int log_level(void);
int log_fd(void);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                           \
	do {                                                     \
		if (log_level() >= LOG_LEVEL_DEBUG)              \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);  \
	} while (0)

#endif
