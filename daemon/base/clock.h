/*
 * clock.h - time as an argument.
 *
 * Owns: the two clocks that the logic may read, behind function pointers, so that a simulator can bring its own.
 * wall_ms is UTC, Unix milliseconds, and may jump; boot_ms is CLOCK_BOOTTIME, never goes back, counts suspended time.
 * Records hold wall time; durations are measured on the boot clock. The boot id says whether two readings of the boot
 * clock are of the same boot.
 * Thread: any (the system clock); a simulator's clock belongs to its one thread.
 */
#ifndef VACANCY_BASE_CLOCK_H
#define VACANCY_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_ID_BYTES 16

struct clock_source {
    int64_t (*wall_ms)(void *ctx);
    int64_t (*boot_ms)(void *ctx);
    void (*boot_id)(void *ctx, uint8_t out[BOOT_ID_BYTES]); /* NULL: always the same boot */
    void *ctx;
};

static inline int64_t clock_wall_ms(const struct clock_source *clock)
{
    return clock->wall_ms(clock->ctx);
}
static inline int64_t clock_boot_ms(const struct clock_source *clock)
{
    return clock->boot_ms(clock->ctx);
}

/* Of this boot of the machine (Linux: /proc/sys/kernel/random/boot_id). */
void clock_boot_id(const struct clock_source *clock, uint8_t out[BOOT_ID_BYTES]);

/* The machine's own clocks. Static storage; never freed. */
const struct clock_source *clock_system(void);

/* Days since 1970-01-01, proleptic Gregorian. DATE_NONE stands for "not given". */
typedef int32_t date_days;
#define DATE_NONE INT32_MIN

/* Reads "YYYY-MM-DD", years 1900 to 2199, exactly 10 characters; false for anything else (2025-02-30 too). */
bool date_parse(const char *text, date_days *out) __attribute__((warn_unused_result));
#define DATE_TEXT_BYTES 11
/* Writes "YYYY-MM-DD" and a NUL; DATE_NONE gives "", a year past four digits "XXXX-XX-XX". */
void date_format(date_days date, char out[DATE_TEXT_BYTES]);
/* The UTC day in which a moment lies. */
date_days date_of_wall_ms(int64_t wall_ms);
/* "2026-11-22T03:33:22.123Z" */
#define TIME_TEXT_BYTES 32
void time_format(int64_t wall_ms, char out[TIME_TEXT_BYTES]);

#endif
