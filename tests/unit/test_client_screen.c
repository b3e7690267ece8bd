/* tier: check */
/* What the client shows: widths, cleaned text, tables, times, codes, options, exit codes, request ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/codes.h"
#include "client/exit_code.h"
#include "client/memory.h"
#include "client/options.h"
#include "client/screen.h"
#include "client/settings.h"
#include "client/uuid.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void hostile_text_is_cleaned(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"Leeds, LS6", "Leeds, LS6"},
        {"Caf\xc3\xa9 \xe6\xbc\xa2", "Caf\xc3\xa9 \xe6\xbc\xa2"},
        {"\x1b[2J", "\xef\xbf\xbd[2J"},
        {"a\nb\tc", "a\xef\xbf\xbd"
                    "b\xef\xbf\xbd"
                    "c"},
        {"\xc2\x9b"
         "31m",
         "\xef\xbf\xbd\xef\xbf\xbd"
         "31m"},
        {"\xe2\x80\xae"
         "abc",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
         "abc"},
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"cut \xe6\xbc", "cut \xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char *clean = clean_text(table[i][0], 0);
        assert_string_equal(clean, table[i][1]);
        free(clean);
    }
}

static char *printed(const struct table *table, unsigned indent, unsigned width)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    table_print(table, out, indent, width);
    fclose(out);
    return text;
}

static void tables_align_wide_characters_too(void **state)
{
    (void)state;
    struct table *table = table_create();
    table_column(table, "area", TABLE_LEFT);
    table_column(table, "beds", TABLE_RIGHT);
    table_column(table, "care", TABLE_LEFT);
    table_cell(table, "%s", "\xe6\xbc\xa2\xe5\xad\x97"); /* two characters, four columns */
    table_cell(table, "%d", 2);
    table_cell(table, "%s", "short term, long term");
    table_cell(table, "%s", "Caf\xc3\xa9s");
    table_cell(table, "%d", 12);
    table_cell(table, "%s", "");
    char *text = printed(table, 0, 80);
    assert_string_equal(text, "area   beds  care\n"
                              "\xe6\xbc\xa2\xe5\xad\x97      2  short term, long term\n"
                              "Caf\xc3\xa9s    12\n");
    free(text);
    text = printed(table, 2, 24);
    assert_string_equal(text, "  area   beds  care\n"
                              "  \xe6\xbc\xa2\xe5\xad\x97      2  short te\xe2\x80\xa6\n"
                              "  Caf\xc3\xa9s    12\n");
    free(text);
    table_destroy(table);
}

static void narrow_tables_give_what_may_go(void **state)
{
    (void)state;
    struct table *table = table_create();
    table_column(table, "area", TABLE_LEFT);
    table_may_shrink(table, 6);
    table_column(table, "again", TABLE_LEFT);
    table_may_shrink(table, 0);
    table_column(table, "confirmed", TABLE_LEFT);
    table_column(table, "care", TABLE_LEFT);
    table_cell(table, "Bristol, BS3");
    table_cell(table, "Bristol");
    table_cell(table, "2 h ago");
    table_cell(table, "short term, respite");
    static const struct {
        unsigned width;
        const char *want;
    } rows[] = {
        {60, "area          again    confirmed  care\nBristol, BS3  Bristol  2 h ago    short term, respite\n"},
        {40, "area          again    confirmed  care\nBristol, BS3  Bristol  2 h ago    short\xe2\x80\xa6\n"},
        {37, "area          confirmed  care\nBristol, BS3  2 h ago    short term,\xe2\x80\xa6\n"},
        {26, "area       confirmed  care\nBristol,\xe2\x80\xa6  2 h ago    sho\xe2\x80\xa6\n"},
        {20, "area    confirmed  \xe2\x80\xa6\nBrist\xe2\x80\xa6  2 h ago    \xe2\x80\xa6\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *text = printed(table, 0, rows[i].width);
        assert_string_equal(text, rows[i].want);
        free(text);
    }
    table_destroy(table);
}

static void long_lines_wrap_at_spaces(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    print_wrapped(out, 2, "label", 8, "one two three four five six seven eight", 32);
    fclose(out);
    assert_string_equal(text, "  label   one two three four\n          five six seven eight\n");
    free(text);
}

static void times_and_numbers(void **state)
{
    (void)state;
    static const struct {
        int64_t then, now;
        const char *want;
    } ago[] = {
        {0, 1000, "just now"},         {0, 60000, "1 min ago"},           {0, 2 * 3600000, "2 h ago"},
        {0, 47 * 3600000, "47 h ago"}, {0, 72 * 3600000LL, "3 days ago"}, {5 * 3600000, 0, "in 5 h"},
    };
    char text[64];
    for (size_t i = 0; i < COUNT(ago); i++)
        assert_string_equal(ago_text(ago[i].then, ago[i].now, text), ago[i].want);
    static const struct {
        int64_t ms;
        const char *want;
    } ages[] = {{-5, "0 s"},
                {999, "0 s"},
                {3400, "3 s"},
                {119999, "119 s"},
                {120000, "2 min"},
                {7199999, "119 min"},
                {7200000, "2 h"},
                {47 * 3600000LL, "47 h"},
                {48 * 3600000LL, "2 days"}};
    for (size_t i = 0; i < COUNT(ages); i++)
        assert_string_equal(age_text(ages[i].ms, text), ages[i].want);
    assert_string_equal(grouped_text(0, text), "0");
    assert_string_equal(grouped_text(999, text), "999");
    assert_string_equal(grouped_text(1234567, text), "1,234,567");
    assert_string_equal(miles_text(0, text), "0.0");
    assert_string_equal(miles_text(1609, text), "1.0");
    assert_string_equal(miles_text(1690, text), "1.1");
    assert_string_equal(miles_text(160934, text), "100.0");
}

static void codes_are_the_contracts(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *care = &vacancy__v1__care_type__descriptor;
    int value;
    char text[512];
    for (int i = 1; i <= 13; i++) {
        const char *name = code_name(care, i);
        assert_true(code_parse(care, name, strlen(name), &value));
        assert_int_equal(value, i);
    }
    assert_string_equal(code_name(care, 2), "SHORT_TERM");
    assert_string_equal(code_name(care, 0), "");
    assert_null(code_name(care, 99));
    assert_true(code_parse(care, "short-term", 10, &value));
    assert_false(code_parse(care, "UNSPECIFIED", 11, &value));
    assert_false(code_parse(care, "", 0, &value));
    assert_true(code_parse(&vacancy__v1__age_band__descriptor, "15-17", 5, &value));
    assert_string_equal(code_words(&vacancy__v1__age_band__descriptor, value, text, sizeof text), "15-17");
    assert_string_equal(code_words(care, 8, text, sizeof text), "UASC");
    assert_string_equal(code_words(care, 6, text, sizeof text), "parent and child");
    assert_string_equal(code_list(&vacancy__v1__sex__descriptor, text, sizeof text), "M, F, U");
    unsigned months;
    assert_true(age_parse("14", 2, &months, NULL) && months == 168);
    assert_true(age_parse("8m", 2, &months, NULL) && months == 8);
    static const char *const bad[] = {"", "m", "-1", "1.5", "8 m", "100", "8mm", "\xd9\xa1"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(age_parse(bad[i], strlen(bad[i]), &months, NULL));
}

static void options_come_in_every_form(void **state)
{
    (void)state;
    static const struct option_spec own[] = {
        {"near", "P", "", false}, {"child", "A", "", true}, {"json", NULL, "", false}, {0}};
    const struct option_spec *const tables[2] = {own, NULL};
    static const char *const good[] = {"--near", "LS6", "a", "--child=4", "--child", "7", "--json", "--", "--x", "-"};
    struct options options;
    struct problem problem;
    assert_int_equal(options_parse(tables, COUNT(good), good, &options, &problem), ERR_NONE);
    assert_string_equal(options_text(&options, "near"), "LS6");
    assert_string_equal(options_nth(&options, "child", 1), "7");
    assert_null(options_nth(&options, "child", 2));
    assert_true(options_flag(&options, "json"));
    assert_int_equal(options.argument_count, 3);
    assert_string_equal(options.arguments[1], "--x");
    options_free(&options);
    static const char *const bad[][2] = {
        {"--nowhere", "x"}, {"--near", NULL}, {"--json=1", NULL}, {"-x", NULL}, {"--near", "--json"}};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(options_parse(tables, bad[i][1] ? 2 : 1, bad[i], &options, &problem), ERR_INVALID);
    static const char *const twice[] = {"--near", "a", "--near", "b"};
    assert_int_equal(options_parse(tables, 4, twice, &options, &problem), ERR_INVALID);
}

static void addresses(void **state)
{
    (void)state;
    static const char *const good[][3] = {{"hub.example.org:7443", "hub.example.org", "7443"},
                                          {"127.0.0.1:1", "127.0.0.1", "1"},
                                          {"[2001:db8::1]:65535", "2001:db8::1", "65535"}};
    static const char *const bad[] = {"", "hub", "hub:", ":1", "hub:0", "hub:65536", "hub:x", "::1:80", "[]:1"};
    char *host, *port;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(settings_split_address(good[i][0], &host, &port));
        assert_string_equal(host, good[i][1]);
        assert_string_equal(port, good[i][2]);
        free(host);
        free(port);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(settings_split_address(bad[i], &host, &port));
}

static void exit_codes(void **state)
{
    (void)state;
    for (int err = 0; err < ERR_COUNT; err++) {
        enum exit_code want = err == ERR_NONE                                                         ? EXIT_DONE
                              : err == ERR_UNAVAILABLE || err == ERR_DEADLINE || err == ERR_CANCELLED ? EXIT_UNAVAILABLE
                                                                                                      : EXIT_REFUSED;
        assert_int_equal(exit_code_of_call((enum err)err), want);
    }
}

static void request_ids_are_uuid_7(void **state)
{
    (void)state;
    char id[UUID_TEXT_BYTES], other[UUID_TEXT_BYTES];
    uuid_make(INT64_C(0x018f3a5e7b1c), random_system(), id);
    uuid_make(INT64_C(0x018f3a5e7b1c), random_system(), other);
    assert_int_equal(strlen(id), 36);
    assert_memory_equal(id, "018f3a5e-7b1c-7", 15);
    assert_non_null(strchr("89ab", id[19]));
    assert_string_not_equal(id, other);
}

int main(void)
{
    screen_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_text_is_cleaned),
        cmocka_unit_test(tables_align_wide_characters_too),
        cmocka_unit_test(narrow_tables_give_what_may_go),
        cmocka_unit_test(long_lines_wrap_at_spaces),
        cmocka_unit_test(times_and_numbers),
        cmocka_unit_test(codes_are_the_contracts),
        cmocka_unit_test(options_come_in_every_form),
        cmocka_unit_test(addresses),
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(request_ids_are_uuid_7),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
