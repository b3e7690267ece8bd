/*
 * log.c - one line per event, on standard error.
 *
 * Owns: the escaping, and what happens when nobody reads: a line that can't be written at once is dropped and counted,
 * because a full pipe must not stop calls; the next line that gets through is preceded by the count.
 * Thread: any, under one lock that is never held across a blocking call.
 */
#include "daemon/base/log.h"

#include "daemon/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const level_labels[] = {"ERROR", "WARN", "INFO", "DEBUG"};
static const char *const level_words[] = {"error", "warn", "info", "debug"};

static _Atomic int highest_level = LOG_LEVEL_INFO;
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_ullong dropped_lines;     /* ever */
static unsigned long long told_dropped; /* of them, those that a line has told of; under write_lock */

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&highest_level, (int)level, memory_order_relaxed);
}

int log_level_parse(const char *text)
{
    for (int i = 0; i <= LOG_LEVEL_DEBUG; i++)
        if (strcmp(text, level_words[i]) == 0)
            return i;
    return -1;
}

unsigned long long log_dropped(void)
{
    return atomic_load_explicit(&dropped_lines, memory_order_relaxed);
}

/* Writes the escaped form of one byte, at most 4 octets, and returns its length. */
static size_t escape(unsigned char byte, char out[5])
{
    switch (byte) {
    case '\n':
        return memcpy(out, "\\n", 2), 2;
    case '\r':
        return memcpy(out, "\\r", 2), 2;
    case '\t':
        return memcpy(out, "\\t", 2), 2;
    case '\\': /* so that an escaped byte can't be confused with its escape sequence sent as text */
        return memcpy(out, "\\\\", 2), 2;
    default:
        if (byte >= 0x20 && byte < 0x7f)
            return out[0] = (char)byte, 1;
        return (size_t)snprintf(out, 5, "\\x%02x", byte);
    }
}

/* The whole line with its line end; a cut message ends in "...". */
static size_t build_line(char line[LOG_LINE_BYTES], enum log_level level, const char *part, const char *format,
                         va_list args)
{
    char message[LOG_LINE_BYTES];
    int length = vsnprintf(message, sizeof message, format, args);
    if (length < 0)
        snprintf(message, sizeof message, "(this line could not be formatted)");
    bool cut = length >= (int)sizeof message;

    char time[TIME_TEXT_BYTES];
    const struct clock_source *clock = clock_system();
    time_format(clock_wall_ms(clock), time);
    size_t at = (size_t)snprintf(line, LOG_LINE_BYTES, "%s %-5s %.32s  ", time, level_labels[level], part);

    const size_t end = LOG_LINE_BYTES - 4; /* "...\n" */
    for (const char *from = message; *from; from++) {
        char piece[5];
        size_t bytes = escape((unsigned char)*from, piece);
        if (at + bytes > end) {
            cut = true;
            break;
        }
        memcpy(line + at, piece, bytes);
        at += bytes;
    }
    if (cut) {
        memcpy(line + at, "...", 3);
        at += 3;
    }
    line[at++] = '\n';
    return at;
}

/*
 * One write, and only where it can't block: a pipe or socket that polls writable takes a line whole. The descriptor is
 * not made non-blocking, because it is shared with whoever started us.
 */
static bool put_line(const char *line, size_t bytes)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) != 1 || out.revents != POLLOUT)
        return false;
    ssize_t written;
    do
        written = write(STDERR_FILENO, line, bytes);
    while (written < 0 && errno == EINTR);
    return written == (ssize_t)bytes;
}

__attribute__((format(printf, 1, 2))) static bool put_note(const char *format, ...)
{
    char line[LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    size_t bytes = build_line(line, LOG_LEVEL_WARN, "log", format, args);
    va_end(args);
    return put_line(line, bytes);
}

static void write_line(enum log_level level, const char *part, const char *format, va_list args)
{
    int saved_errno = errno;
    char line[LOG_LINE_BYTES];
    size_t bytes = build_line(line, level, part, format, args);

    pthread_mutex_lock(&write_lock);
    unsigned long long untold = log_dropped() - told_dropped;
    if (untold > 0 && put_note("%llu lines were dropped: their destination was full or closed", untold))
        told_dropped += untold;
    if (!put_line(line, bytes))
        atomic_fetch_add_explicit(&dropped_lines, 1, memory_order_relaxed);
    pthread_mutex_unlock(&write_lock);
    errno = saved_errno;
}

void log_write(enum log_level level, const char *part, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&highest_level, memory_order_relaxed))
        return;
    va_list args;
    va_start(args, format);
    write_line(level, part, format, args);
    va_end(args);
}

void log_fatal(const char *part, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(LOG_LEVEL_ERROR, part, format, args);
    va_end(args);
    abort();
}
