/* tier: check */
/* What may stand in a string from outside: faults.md V13, and well-formed UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/base/text.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void well_formed_utf8_passes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "plain",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "Caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8f\xa0",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    assert_true(text_is_utf8(NULL, 0));
}

static void ill_formed_utf8_does_not(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "a\xff",
        "\xfe", /* stray and impossible octets */
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf", /* overlong */
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xed\xa0\xbd\xed\xb8\x80", /* surrogates, a pair of them */
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80", /* past U+10FFFF */
        "\xc2",
        "\xe2\x82",
        "\xf0\x9f\x8f",
        "\xe2\x28\xa1",
        "\xc2"
        "A", /* cut short */
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(text_is_utf8(bad[i], strlen(bad[i])));
        assert_false(text_is_plain(bad[i]));
    }
    assert_false(text_is_utf8("a\0b", 3));
    assert_false(text_is_utf8("\xe2\x82\xac", 2)); /* the end counts, not the NUL */
}

static void hidden_characters_are_not_plain(void **state)
{
    (void)state;
    static const char *const hidden[] = {
        "\n",
        "\r",
        "\t",
        "\x1b",
        "\x01",
        "\x7f",
        "\xc2\x80",
        "\xc2\x85",
        "\xc2\x9f", /* C0, DEL, C1 */
        "\xd8\x9c",
        "\xe2\x80\x8e",
        "\xe2\x80\x8f", /* marks of direction */
        "\xe2\x80\xaa",
        "\xe2\x80\xae",
        "\xe2\x81\xa6",
        "\xe2\x81\xa9", /* embeddings, isolates */
        "\xe2\x80\x8b",
        "\xe2\x80\x8c",
        "\xe2\x80\x8d",
        "\xe2\x81\xa0",
        "\xef\xbb\xbf", /* zero width */
        "\xe2\x80\xa8",
        "\xe2\x80\xa9",     /* line, paragraph separator */
        "\xf3\xa0\x81\x81", /* tag letter */
    };
    for (size_t i = 0; i < COUNT(hidden); i++) {
        char text[32] = "ab";
        strcat(text, hidden[i]);
        assert_true(text_is_utf8(text, strlen(text)));
        assert_false(text_is_plain(text));
        strcat(text, "c");
        assert_false(text_is_plain(text));
    }
    static const char *const plain[] = {"",
                                        "O'Neill & Sons (Leeds)",
                                        "Caf\xc3\xa9",
                                        "\xc2\xa0",
                                        "\xd8\xa7\xd8\xb1\xd8\xaf\xd9\x88",
                                        "\xe2\x80\x90",
                                        "\xe2\x80\xaf"};
    for (size_t i = 0; i < COUNT(plain); i++)
        assert_true(text_is_plain(plain[i]));
}

static void identifiers(void **state)
{
    (void)state;
    assert_true(text_is_identifier("AB/12 x", 7));
    assert_true(text_is_identifier("~", 1));
    assert_false(text_is_identifier("AB/12 xy", 7));
    assert_false(text_is_identifier("", 7));
    assert_false(text_is_identifier(" a", 7));
    assert_false(text_is_identifier("a ", 7));
    assert_false(text_is_identifier(" ", 7));
    assert_false(text_is_identifier("a\tb", 7));
    assert_false(text_is_identifier("a\x7f", 7));
    assert_false(text_is_identifier("\xc3\xa9", 7));

    assert_true(text_is_slug("leeds-1", 7));
    assert_true(text_is_slug("7", 1));
    assert_false(text_is_slug("leeds-12", 7));
    assert_false(text_is_slug("", 7));
    assert_false(text_is_slug("-a", 7));
    assert_false(text_is_slug("a-", 7));
    assert_false(text_is_slug("Leeds", 7));
    assert_false(text_is_slug("a_b", 7));
    assert_false(text_is_slug("..", 7));

    assert_true(text_is_gss_code("E08000035"));
    assert_true(text_is_gss_code("W06000015"));
    assert_false(text_is_gss_code("E0800003"));
    assert_false(text_is_gss_code("E080000350"));
    assert_false(text_is_gss_code("K02000001"));
    assert_false(text_is_gss_code("e08000035"));
    assert_false(text_is_gss_code("E0800003x"));
    assert_false(text_is_gss_code(""));
}

static void numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "1.0", "101", "18446744073709551616", "99999999999999999999999", "\xd9\xa1"};
    uint64_t value = 4711;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(text_parse_u64(bad[i], 100, &value));
    assert_false(text_parse_u64("18446744073709551616", UINT64_MAX, &value));
    assert_int_equal(value, 4711);
    assert_true(text_parse_u64("18446744073709551615", UINT64_MAX, &value) && value == UINT64_MAX);
    assert_true(text_parse_u64("100", 100, &value) && value == 100);
    assert_true(text_parse_u64("0", 0, &value) && value == 0);
    assert_true(text_parse_u64("007", 100, &value) && value == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_utf8_passes),
        cmocka_unit_test(ill_formed_utf8_does_not),
        cmocka_unit_test(hidden_characters_are_not_plain),
        cmocka_unit_test(identifiers),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
