/*
 * Messages on the way: levels as CRIU's (0 nothing, 1 errors, 2 warnings, 3 information, 4 debug).
 * A line starts with the object ("pid 4312 fd 7:") and is one write. Its shape is what tools know from
 * CRIU: "Error (FILE:LINE): text", and from level 3 "(SS.UUUUUU) " in front of everything.
 */
#ifndef STASIS_LIB_LOG_H
#define STASIS_LIB_LOG_H

enum log_level { LOG_LEVEL_MSG, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/*
 * Where lines go and which; the level is the one mutable global that STYLE.md allows. fd is not owned.
 * What log_hold() has kept is written first.
 */
void log_setup(int fd, int level);
/* Keeps lines (about 1 KiB of them) until log_setup() says where they go. */
void log_hold(int level);
/* From now on, lines that start with "pid N" go to the file PATH.N in dir_fd. Both must stay valid. */
void log_split(int dir_fd, const char *path);
/* The first error of all, as its line is in the log without the time, goes there too: memory that processes may share. */
struct log_first {
	char line[1024]; /* "": none so far */
};
void log_keep_first(struct log_first *first);
int log_level(void);
int log_fd(void);

/* where: "FILE:LINE", shown with errors and warnings. */
void log_line(enum log_level level, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Control characters become question marks; every line of the log and every error goes through it. */
void log_tame(char *text);

#define LOG_NUMBER(line) #line
#define LOG_WHERE(file, line) file ":" LOG_NUMBER(line)
#define LOG_HERE LOG_WHERE(__FILE__, __LINE__)

#define log_error(...) log_line(LOG_LEVEL_ERROR, LOG_HERE, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, LOG_HERE, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, LOG_HERE, __VA_ARGS__)
#define log_debug(...)                                                    \
	do {                                                              \
		if (log_level() >= LOG_LEVEL_DEBUG)                       \
			log_line(LOG_LEVEL_DEBUG, LOG_HERE, __VA_ARGS__); \
	} while (0)

#endif
