/* tier: check */
/* Dates and times as text, held to the C library's calendar; the seeded stream and the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/randomness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void dates_that_exist_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        date_days days;
    } dates[] = {
        {"1970-01-01", 0},      {"1969-12-31", -1},     {"2000-02-29", 11016},  {"2024-02-29", 19782},
        {"1900-01-01", -25567}, {"1900-02-28", -25509}, {"1900-03-01", -25508}, {"2199-12-31", 84005},
    };
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        date_days days = 0;
        char text[DATE_TEXT_BYTES];
        assert_true(date_parse(dates[i].text, &days));
        assert_int_equal(days, dates[i].days);
        date_format(days, text);
        assert_string_equal(text, dates[i].text);
    }
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "2025-02-30",
        "2025-02-29",
        "1900-02-29",
        "2100-02-29",
        "2025-04-31",
        "2025-13-01",
        "2025-00-01",
        "2025-01-00",
        "2025-01-32",
        "1899-12-31",
        "2200-01-01",
        "2025-1-01",
        "2025-01-1",
        "2025/01/01",
        "01-01-2025",
        "20250101",
        "2025-01-01 ",
        " 2025-01-01",
        "2025-01-01T",
        "2025-01-0a",
        "-025-01-01",
        "+025-01-01",
        "2025--1-01",
        "0000-00-00",
        "2025-01-+1",
        "\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa5-1-",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        date_days days = 4711;
        assert_false(date_parse(wrong[i], &days));
        assert_int_equal(days, 4711);
    }
    date_days days;
    assert_false(date_parse(NULL, &days));
}

/* The C library counts in UTC by gmtime: every day of the allowed years. */
static void every_day_agrees_with_the_c_library(void **state)
{
    (void)state;
    for (date_days day = -25567; day <= 84005; day++) {
        time_t seconds = (time_t)day * 86400;
        struct tm tm;
        char expected[64], text[DATE_TEXT_BYTES];
        assert_non_null(gmtime_r(&seconds, &tm));
        strftime(expected, sizeof expected, "%Y-%m-%d", &tm);
        date_format(day, text);
        assert_string_equal(text, expected);
        date_days back;
        assert_true(date_parse(text, &back));
        assert_int_equal(back, day);
        assert_int_equal(date_of_wall_ms((int64_t)day * 86400000), day);
        assert_int_equal(date_of_wall_ms((int64_t)day * 86400000 + 86399999), day);
    }
}

static void odd_values_are_shown_safely(void **state)
{
    (void)state;
    char date[DATE_TEXT_BYTES], moment[TIME_TEXT_BYTES];
    date_format(DATE_NONE, date);
    assert_string_equal(date, "");
    date_format(INT32_MAX, date);
    assert_string_equal(date, "XXXX-XX-XX");
    date_format(DATE_NONE + 1, date);
    assert_string_equal(date, "XXXX-XX-XX");
    time_format(1795318402123, moment);
    assert_string_equal(moment, "2026-11-22T03:33:22.123Z");
    time_format(-1, moment);
    assert_string_equal(moment, "1969-12-31T23:59:59.999Z");
    time_format(INT64_MAX, moment);
    assert_string_equal(moment, "XXXX-XX-XXTXX:XX:XX.XXXZ");
    time_format(INT64_MIN, moment);
    assert_string_equal(moment, "XXXX-XX-XXTXX:XX:XX.XXXZ");
    assert_int_equal(date_of_wall_ms(INT64_MAX), INT32_MAX);
    assert_int_equal(date_of_wall_ms(INT64_MIN), DATE_NONE + 1);
}

static void the_system_clocks_tell_the_time(void **state)
{
    (void)state;
    const struct clock_source *clock = clock_system();
    int64_t wall = clock_wall_ms(clock), boot = clock_boot_ms(clock);
    assert_in_range(wall / 1000, (int64_t)time(NULL) - 5, (int64_t)time(NULL) + 5);
    assert_true(clock_boot_ms(clock) >= boot);
}

/* In its own words: 8-4-4-4-12 hex digits. */
static void the_boot_id_is_the_kernels(void **state)
{
    (void)state;
    char text[64] = {0}, digits[2 * BOOT_ID_BYTES + 1] = {0}, found[2 * BOOT_ID_BYTES + 1] = {0};
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL)
        skip();
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    for (size_t i = 0, at = 0; text[i] != '\0' && at < 2 * BOOT_ID_BYTES; i++)
        if (text[i] != '-')
            digits[at++] = text[i];
    uint8_t id[BOOT_ID_BYTES], again[BOOT_ID_BYTES], none[BOOT_ID_BYTES] = {0};
    clock_boot_id(clock_system(), id);
    clock_boot_id(clock_system(), again);
    for (size_t i = 0; i < BOOT_ID_BYTES; i++)
        snprintf(found + 2 * i, 3, "%02x", id[i]);
    assert_string_equal(found, digits);
    assert_memory_equal(id, again, sizeof id);
    assert_memory_not_equal(id, none, sizeof id);
    clock_boot_id(&(struct clock_source){0}, id); /* a simulator's that has none */
    assert_memory_equal(id, none, sizeof id);
}

static void the_seeded_stream_is_xoshiro256ss(void **state)
{
    (void)state;
    struct seeded_random random = {.state = {1, 2, 3, 4}};
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    for (int i = 0; i < 4; i++)
        assert_true(seeded_random_next(&random) == expected[i]);
    seeded_random_init(&random, 0); /* splitmix64's own first outputs */
    assert_true(random.state[0] == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(random.state[1] == UINT64_C(0x6e789e6aa1b965f4));

    uint32_t seen[7] = {0};
    for (int i = 0; i < 70000; i++)
        seen[seeded_random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 9500, 10500);
    assert_int_equal(seeded_random_below(&random, 1), 0);

    uint8_t a[21] = {0}, b[21] = {0};
    struct seeded_random other;
    seeded_random_init(&random, 42);
    seeded_random_init(&other, 42);
    struct randomness source = seeded_random_source(&random), again = seeded_random_source(&other);
    random_fill(&source, a, sizeof a);
    random_fill(&again, b, sizeof b);
    assert_memory_equal(a, b, sizeof a);
    random_fill(&source, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

static void the_kernel_gives_every_byte_once(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static uint8_t ids[COUNT][16];
    for (int i = 0; i < COUNT; i++)
        random_fill(random_system(), ids[i], sizeof ids[i]);
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(ids[i], ids[j], sizeof ids[i]);
    uint8_t large[5000] = {0}, zeros[64] = {0};
    random_fill(random_system(), large, sizeof large);
    assert_memory_not_equal(large + sizeof large - 64, zeros, 64);
}

/* A forked child that went on with the parent's buffer would draw the parent's next ids. */
static void a_forked_child_draws_other_bytes(void **state)
{
    (void)state;
    uint8_t mine[32], childs[32];
    random_fill(random_system(), mine, 1); /* something is buffered */
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        random_fill(random_system(), childs, sizeof childs);
        _exit(write(fds[1], childs, sizeof childs) == sizeof childs ? 0 : 1);
    }
    random_fill(random_system(), mine, sizeof mine);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(fds[0], childs, sizeof childs), sizeof childs);
    assert_memory_not_equal(mine, childs, sizeof mine);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_that_exist_are_read_and_written), cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(every_day_agrees_with_the_c_library),   cmocka_unit_test(odd_values_are_shown_safely),
        cmocka_unit_test(the_system_clocks_tell_the_time),       cmocka_unit_test(the_boot_id_is_the_kernels),
        cmocka_unit_test(the_seeded_stream_is_xoshiro256ss),     cmocka_unit_test(the_kernel_gives_every_byte_once),
        cmocka_unit_test(a_forked_child_draws_other_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
