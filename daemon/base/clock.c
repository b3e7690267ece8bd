/*
 * clock.c - the machine's clocks, and dates as text.
 * Owns no state. Any thread. Invariant: calendar arithmetic is proleptic Gregorian in UTC, without leap seconds and
 * without the C library's time zone.
 */
#include "daemon/base/clock.h"

#include "daemon/base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS_PER_DAY INT64_C(86400000)

static int64_t read_clock_ms(clockid_t id)
{
    struct timespec now;
    if (clock_gettime(id, &now) != 0)
        log_fatal("base", "clock %d can't be read", (int)id);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall_ms(void *ctx)
{
    (void)ctx;
    return read_clock_ms(CLOCK_REALTIME);
}

static int64_t system_boot_ms(void *ctx)
{
    (void)ctx;
    return read_clock_ms(CLOCK_BOOTTIME);
}

/* Its hex digits without the hyphens; zeros where the kernel does not say. */
static void system_boot_id(void *ctx, uint8_t out[BOOT_ID_BYTES])
{
    (void)ctx;
    char text[64] = {0};
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    memset(out, 0, BOOT_ID_BYTES);
    if (file == NULL)
        return;
    size_t size = fread(text, 1, sizeof text - 1, file), digits = 0;
    fclose(file);
    for (size_t i = 0; i < size && digits < 2 * BOOT_ID_BYTES; i++) {
        const char *hex = "0123456789abcdef", *digit = text[i] != '\0' ? strchr(hex, text[i]) : NULL;
        if (digit == NULL)
            continue;
        out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | (digit - hex));
        digits++;
    }
}

void clock_boot_id(const struct clock_source *clock, uint8_t out[BOOT_ID_BYTES])
{
    memset(out, 0, BOOT_ID_BYTES);
    if (clock->boot_id != NULL)
        clock->boot_id(clock->ctx, out);
}

const struct clock_source *clock_system(void)
{
    static const struct clock_source clock = {
        .wall_ms = system_wall_ms, .boot_ms = system_boot_ms, .boot_id = system_boot_id};
    return &clock;
}

struct civil {
    int64_t year;
    int month, day;
};

/*
 * Days from and to a civil date by eras of 400 years (146,097 days) that begin on 1 March, so that the leap day is the
 * last of its year (Howard Hinnant, "chrono-compatible low-level date algorithms"). 719,468 days lie between
 * 0000-03-01 and 1970-01-01.
 */
static int64_t days_from_civil(struct civil date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct civil civil_from_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month_from_march = (int)((5 * day_of_year + 2) / 153);
    struct civil date;
    date.day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    date.month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    date.year = year_of_era + era * 400 + (date.month <= 2);
    return date;
}

/* The number that `count` digits spell; -1 when one is no digit. */
static int read_digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool date_parse(const char *text, date_days *out)
{
    if (text == NULL || strnlen(text, DATE_TEXT_BYTES) != DATE_TEXT_BYTES - 1 || text[4] != '-' || text[7] != '-')
        return false;
    struct civil date = {
        .year = read_digits(text, 4), .month = read_digits(text + 5, 2), .day = read_digits(text + 8, 2)};
    if (date.year < 1900 || date.year > 2199 || date.month < 1 || date.month > 12 || date.day < 1)
        return false;
    int64_t days = days_from_civil(date);
    struct civil again = civil_from_days(days); /* 30 February comes back as a day in March */
    if (again.month != date.month || again.day != date.day)
        return false;
    *out = (date_days)days;
    return true;
}

/* False for years that four digits can't show: such a value comes only from a damaged record or a broken clock. */
static bool has_four_digit_year(struct civil date)
{
    return date.year >= 0 && date.year <= 9999;
}

static void two_digits(char *out, unsigned value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
}

/* Every option of a search shows some dates. */
void date_format(date_days date, char out[DATE_TEXT_BYTES])
{
    struct civil civil = civil_from_days(date);
    if (date == DATE_NONE) {
        out[0] = '\0';
    } else if (!has_four_digit_year(civil)) {
        memcpy(out, "XXXX-XX-XX", DATE_TEXT_BYTES);
    } else {
        memcpy(out, "0000-00-00", DATE_TEXT_BYTES);
        two_digits(out, (unsigned)civil.year / 100);
        two_digits(out + 2, (unsigned)civil.year);
        two_digits(out + 5, (unsigned)civil.month);
        two_digits(out + 8, (unsigned)civil.day);
    }
}

static int64_t floor_days(int64_t wall_ms)
{
    return wall_ms / MS_PER_DAY - (wall_ms % MS_PER_DAY < 0);
}

date_days date_of_wall_ms(int64_t wall_ms)
{
    int64_t days = floor_days(wall_ms);
    if (days <= DATE_NONE)
        return DATE_NONE + 1;
    return days > INT32_MAX ? INT32_MAX : (date_days)days;
}

void time_format(int64_t wall_ms, char out[TIME_TEXT_BYTES])
{
    int64_t days = floor_days(wall_ms);
    struct civil date = civil_from_days(days);
    if (!has_four_digit_year(date)) {
        snprintf(out, TIME_TEXT_BYTES, "%s", "XXXX-XX-XXTXX:XX:XX.XXXZ");
        return;
    }
    unsigned ms = (unsigned)(wall_ms - days * MS_PER_DAY);
    snprintf(out, TIME_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)date.year % 10000,
             (unsigned)date.month % 100, (unsigned)date.day % 100, ms / 3600000 % 24, ms / 60000 % 60, ms / 1000 % 60,
             ms % 1000);
}
