/*
 * screen.c - see screen.h. Owns: widths, wrapping, the words for times and numbers. The client's one thread.
 */
#include "client/screen.h"

#include "client/memory.h"
#include "daemon/base/clock.h"
#include "daemon/base/text.h"

#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define REPLACEMENT        "\xef\xbf\xbd"
#define CLEAN_MAX_BYTES    4096
#define PROGRESS_EVERY_MS  100
#define BAR_COLUMNS        30
#define METRES_IN_TEN_MILE 16093.44

void screen_init(void)
{
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        setlocale(LC_CTYPE, "");
}

unsigned screen_width(FILE *out)
{
    const char *columns = getenv("COLUMNS");
    uint64_t width = 0;
    struct winsize size;
    if (columns == NULL || !text_parse_u64(columns, 10000, &width) || width == 0) {
        width = 100;
        if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
            width = size.ws_col;
    }
    return width < 40 ? 40 : width > 240 ? 240 : (unsigned)width;
}

/* Bytes of the well-formed character at `at` that may be shown; 0 when what stands there may not. */
static size_t shown_character(const char *at, size_t bytes)
{
    unsigned char lead = (unsigned char)at[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    char one[5] = {0};
    if (length > bytes)
        return 0;
    memcpy(one, at, length);
    return text_is_plain(one) && strlen(one) == length ? length : 0;
}

char *clean_text(const char *text, size_t max_bytes)
{
    size_t bytes = strnlen(text, max_bytes ? max_bytes : CLEAN_MAX_BYTES), used = 0;
    char *out = must_alloc(bytes * strlen(REPLACEMENT) + 1, 1);
    for (size_t at = 0; at < bytes;) {
        size_t length = shown_character(text + at, bytes - at);
        if (length == 0) {
            memcpy(out + used, REPLACEMENT, strlen(REPLACEMENT));
            used += strlen(REPLACEMENT);
            at++;
        } else {
            memcpy(out + used, text + at, length);
            used += length;
            at += length;
        }
    }
    return out;
}

/* Bytes and columns of the character at `at` of a clean text. */
static size_t step(const char *at, size_t *columns)
{
    mbstate_t state = {0};
    wchar_t c;
    size_t length = mbrtowc(&c, at, strlen(at), &state);
    if (length == 0 || length == (size_t)-1 || length == (size_t)-2) {
        *columns = 1;
        return 1;
    }
    int width = wcwidth(c);
    *columns = width < 0 ? 1 : (size_t)width;
    return length;
}

size_t text_columns(const char *text)
{
    size_t total = 0, columns;
    while (*text) {
        text += step(text, &columns);
        total += columns;
    }
    return total;
}

/* Bytes of the front part that fits into `room` columns. */
static size_t fitting_bytes(const char *text, size_t room)
{
    size_t at = 0, used = 0, columns;
    while (text[at]) {
        size_t length = step(text + at, &columns);
        if (used + columns > room)
            break;
        used += columns;
        at += length;
    }
    return at;
}

size_t text_line_bytes(const char *text, size_t room)
{
    if (text_columns(text) <= room)
        return strlen(text);
    size_t cut = fitting_bytes(text, room), space = cut;
    while (space > 0 && text[space] != ' ')
        space--;
    return space > 0 ? space : cut;
}

void print_wrapped(FILE *out, unsigned indent, const char *label, unsigned label_columns, const char *text,
                   unsigned width)
{
    char *clean = clean_text(text, 0), *rest = clean;
    unsigned start = indent + label_columns;
    size_t room = width > start + 20 ? width - start : 20;
    fprintf(out, "%*s%s%*s", (int)indent, "", label, (int)(label_columns - text_columns(label)), "");
    while (text_columns(rest) > room) {
        size_t end = text_line_bytes(rest, room);
        fprintf(out, "%.*s\n%*s", (int)end, rest, (int)start, "");
        rest += end;
        while (*rest == ' ')
            rest++;
    }
    fprintf(out, "%s\n", rest);
    free(clean);
}

char *ago_text(int64_t then_ms, int64_t now_ms, char out[AGO_TEXT_BYTES])
{
    bool future = then_ms > now_ms;
    int64_t minutes = (future ? then_ms - now_ms : now_ms - then_ms) / 60000;
    const char *unit = "min";
    int64_t count = minutes;
    if (minutes >= 48 * 60) {
        unit = "days";
        count = minutes / (24 * 60);
    } else if (minutes >= 60) {
        unit = "h";
        count = minutes / 60;
    }
    if (minutes < 1)
        snprintf(out, AGO_TEXT_BYTES, "%s", future ? "in a moment" : "just now");
    else if (future)
        snprintf(out, AGO_TEXT_BYTES, "in %" PRId64 " %s", count, unit);
    else
        snprintf(out, AGO_TEXT_BYTES, "%" PRId64 " %s ago", count, unit);
    return out;
}

char *age_text(int64_t ms, char out[AGO_TEXT_BYTES])
{
    int64_t seconds = ms < 0 ? 0 : ms / 1000;
    if (seconds < 120)
        snprintf(out, AGO_TEXT_BYTES, "%" PRId64 " s", seconds);
    else if (seconds < 120 * 60)
        snprintf(out, AGO_TEXT_BYTES, "%" PRId64 " min", seconds / 60);
    else if (seconds < 48 * 3600)
        snprintf(out, AGO_TEXT_BYTES, "%" PRId64 " h", seconds / 3600);
    else
        snprintf(out, AGO_TEXT_BYTES, "%" PRId64 " days", seconds / 86400);
    return out;
}

char *when_text(int64_t wall_ms, char out[WHEN_TEXT_BYTES])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;
    out[0] = '\0';
    if (wall_ms != 0 && localtime_r(&seconds, &local) != NULL)
        strftime(out, WHEN_TEXT_BYTES, "%e %b %Y %H:%M", &local);
    if (out[0] == ' ')
        memmove(out, out + 1, strlen(out));
    return out;
}

char *grouped_text(uint64_t number, char out[GROUPED_TEXT_BYTES])
{
    char digits[GROUPED_TEXT_BYTES];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number), used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

char *miles_text(uint32_t metres, char out[GROUPED_TEXT_BYTES])
{
    uint64_t tenths = (uint64_t)(metres * 100.0 / METRES_IN_TEN_MILE + 0.5);
    snprintf(out, GROUPED_TEXT_BYTES, "%" PRIu64 ".%u", tenths / 10, (unsigned)(tenths % 10));
    return out;
}

void progress_begin(struct progress *progress, const char *what, FILE *out)
{
    int64_t now_ms = clock_boot_ms(clock_system());
    *progress = (struct progress){isatty(fileno(out)) ? out : NULL, what, now_ms, now_ms};
}

void progress_show(struct progress *progress, double share, uint64_t count)
{
    if (progress->out == NULL)
        return;
    int64_t now_ms = clock_boot_ms(clock_system());
    if (now_ms - progress->shown_ms < PROGRESS_EVERY_MS)
        return;
    progress->shown_ms = now_ms;
    char done[GROUPED_TEXT_BYTES], rate[GROUPED_TEXT_BYTES];
    int64_t taken_ms = now_ms - progress->began_ms;
    grouped_text(count, done);
    grouped_text(taken_ms > 0 ? count * 1000 / (uint64_t)taken_ms : 0, rate);
    fprintf(progress->out, "\r%s ", progress->what);
    if (share >= 0) {
        int filled = (int)((share > 1 ? 1 : share) * BAR_COLUMNS);
        fputc('[', progress->out);
        for (int i = 0; i < BAR_COLUMNS; i++)
            fputc(i < filled ? '#' : ' ', progress->out);
        fprintf(progress->out, "] %3d%%  ", (int)((share > 1 ? 1 : share) * 100));
    }
    fprintf(progress->out, "%s, %s a second \033[K", done, rate);
    fflush(progress->out);
}

void progress_end(struct progress *progress)
{
    if (progress->out != NULL)
        fputs("\r\033[K", progress->out);
}
