/*
 * log.h - one line per event, for an operator.
 *
 * Owns: the format of a log line and where it goes (standard error, which systemd keeps). A line is
 *     2026-11-22T03:33:22.123Z INFO  net  accepted conn=17 peer=127.0.0.1:5123
 * Personal data never enters a line: no postcode, no agency reference, no request reference.
 * Not here: the audit trail (access, register).
 * Thread: any. Invariant: a line is one write(2) of at most LOG_LINE_BYTES; control characters, non-ASCII bytes and
 * line ends in arguments are escaped, so that input can't forge a line. A line never blocks its caller: where the
 * destination takes nothing (a full pipe), the line is dropped and counted.
 */
#ifndef VACANCY_BASE_LOG_H
#define VACANCY_BASE_LOG_H

#define LOG_LINE_BYTES 1024

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above this level are dropped. Set once, before threads start. Default LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
/* Parses "error", "warn", "info", "debug"; returns -1 for anything else. */
int log_level_parse(const char *text);

/* `part` names the folder that speaks ("net", "register"). */
void log_write(enum log_level level, const char *part, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_error(part, ...) log_write(LOG_LEVEL_ERROR, part, __VA_ARGS__)
#define log_warn(part, ...)  log_write(LOG_LEVEL_WARN, part, __VA_ARGS__)
#define log_info(part, ...)  log_write(LOG_LEVEL_INFO, part, __VA_ARGS__)
#define log_debug(part, ...) log_write(LOG_LEVEL_DEBUG, part, __VA_ARGS__)

/* How many lines were dropped so far, for the metrics. */
unsigned long long log_dropped(void);

/* For states that the program itself has made impossible: logs and aborts. Input never gets here. */
_Noreturn void log_fatal(const char *part, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
