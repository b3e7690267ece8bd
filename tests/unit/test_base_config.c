/* tier: check */
/* The configuration file: every type, and errors that name file, line and option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/base/config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    char *region, *key, *motd;
    int64_t port, drain_ms, map_bytes, offset;
    bool strict;
    struct config_list listen, peers;
};

#define AT(member) offsetof(struct settings, member)
static const struct config_option options[] = {
    {"hub", "region", CONFIG_TEXT, AT(region), NULL, false, 0, 0, "The region whose register this hub keeps."},
    {"hub", "key", CONFIG_PATH, AT(key), "region.key", false, 0, 0, "The region's signing key."},
    {"hub", "motd", CONFIG_TEXT, AT(motd), NULL, true, 0, 0, "Shown by nobody."},
    {"hub", "offset", CONFIG_INTEGER, AT(offset), "-5", false, -10, 10, "A number that may be negative."},
    {"net", "port", CONFIG_INTEGER, AT(port), "7443", false, 1, 65535, "The port."},
    {"net", "listen", CONFIG_LIST, AT(listen), "127.0.0.1", false, 0, 0, "Addresses to listen on."},
    {"net", "peers", CONFIG_LIST, AT(peers), NULL, true, 0, 0, "Peers."},
    {"net", "drain", CONFIG_DURATION, AT(drain_ms), "10s", false, 250, 86400000, "How long to drain."},
    {"store", "map", CONFIG_SIZE, AT(map_bytes), "4G", false, 1 << 20, INT64_MAX, "The map's size."},
    {"store", "strict", CONFIG_BOOLEAN, AT(strict), "yes", false, 0, 0, "Whether to be strict."},
};
#define OPTIONS (sizeof options / sizeof options[0])

static char folder[] = "/tmp/vacancy-config-XXXXXX";
static char path[128];
static struct problem problem;

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/hub.conf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static enum err load_bytes(const char *text, size_t bytes, struct settings *settings)
{
    FILE *file = fopen(path, "w");
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    fclose(file);
    memset(settings, 0, sizeof *settings);
    memset(&problem, 0, sizeof problem);
    return config_load(path, options, OPTIONS, settings, &problem);
}

static void defaults_stand_where_nothing_is_given(void **state)
{
    (void)state;
    struct settings settings;
    const char *text = "[hub]\nregion=E92000001\n";
    assert_int_equal(load_bytes(text, strlen(text), &settings), ERR_NONE);
    assert_string_equal(settings.region, "E92000001");
    assert_null(settings.motd);
    assert_int_equal(settings.offset, -5);
    assert_int_equal(settings.port, 7443);
    assert_int_equal(settings.drain_ms, 10000);
    assert_true(settings.map_bytes == INT64_C(4) << 30);
    assert_true(settings.strict);
    assert_int_equal(settings.listen.count, 1);
    assert_string_equal(settings.listen.items[0], "127.0.0.1");
    assert_int_equal(settings.peers.count, 0);
    char *resolved = realpath(folder, NULL), expected[256];
    snprintf(expected, sizeof expected, "%s/region.key", resolved);
    free(resolved);
    assert_string_equal(settings.key, expected);
    config_free(options, OPTIONS, &settings);
    assert_null(settings.region);
    config_free(options, OPTIONS, &settings);
}

static void every_type_is_read(void **state)
{
    (void)state;
    struct settings settings;
    const char *text = "\xef\xbb\xbf# a comment\r\n"
                       "; another\r\n"
                       "[hub]\r\n"
                       "  region = E12000003   ; Yorkshire\r\n"
                       "\tkey=/etc/keys/a;b\r\n"
                       "motd: caf\xc3\xa9 # 1 = a = b\r\n"
                       "offset = -10\r\n"
                       "[net]\r\n"
                       "listen = [::1]\r\n"
                       "listen = 10.0.0.1\r\n"
                       "port = 65535\r\n"
                       "[store]\r\n"
                       "strict = off\r\n"
                       "map = 16M\r\n"
                       "[net]\r\n"
                       "drain = 250ms\r\n"
                       "listen = 10.0.0.2"; /* no line end */
    assert_int_equal(load_bytes(text, strlen(text), &settings), ERR_NONE);
    assert_string_equal(settings.region, "E12000003");
    assert_string_equal(settings.key, "/etc/keys/a;b");
    assert_string_equal(settings.motd, "caf\xc3\xa9 # 1 = a = b");
    assert_int_equal(settings.offset, -10);
    assert_int_equal(settings.port, 65535);
    assert_int_equal(settings.drain_ms, 250);
    assert_int_equal(settings.map_bytes, 16 << 20);
    assert_false(settings.strict);
    assert_int_equal(settings.listen.count, 3);
    assert_string_equal(settings.listen.items[0], "[::1]");
    assert_string_equal(settings.listen.items[2], "10.0.0.2");
    config_free(options, OPTIONS, &settings);
}

static void errors_name_file_line_and_option(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says[3];
        const char *field;
    } cases[] = {
        {"[hub]\n", {"hub.conf:", "[hub] region is missing", "The region whose"}, "hub.region"},
        {"[hub]\nregion=a\n[nett]\n", {"line 3", "no section [nett]"}, ""},
        {"[hub]\nregion=a\nprot=1\n", {"line 3", "[hub] prot is not an option"}, "hub.prot"},
        {"[hub]\nport=1\n", {"line 2", "[hub] port is not an option"}, "hub.port"},
        {"region=a\n", {"line 1", "region stands before any [section]"}, ""},
        {"[hub]\nregion=a\n\nregion=b\n", {"line 4", "[hub] region is given on line 2"}, "hub.region"},
        {"[hub]\nregion=a\n  region=b\n", {"line 3", "[hub] region is given on line 2"}, "hub.region"},
        {"[hub]\nregion =\n", {"line 2", "[hub] region has no value"}, "hub.region"},
        {"[hub]\nregion = ; none\n", {"line 2", "[hub] region has no value"}, "hub.region"},
        {"[hub]\nregion\n", {"line 2", "name = value"}, ""},
        {"[hub\nregion=a\n", {"line 1", "name = value"}, ""},
        {"[hub]\nrubbish\nregion=a\nprot=1\n", {"line 2", "name = value"}, ""},
        {"[hub]\nrubbish\nregion=a\n[nett]\n", {"line 2", "name = value"}, ""},
        {"[net]\nport=0\n", {"line 2", "[net] port takes a whole number from 1 to 65535", "\"0\""}, "net.port"},
        {"[net]\nport=65536\n", {"line 2", "from 1 to 65535", "\"65536\""}, "net.port"},
        {"[net]\nport=-1\n", {"line 2", "[net] port"}, "net.port"},
        {"[net]\nport=1x\n", {"line 2", "[net] port"}, "net.port"},
        {"[net]\nport=99999999999999999999\n", {"line 2", "[net] port"}, "net.port"},
        {"[net]\ndrain=10\n", {"line 2", "[net] drain takes a duration", "from 250ms to 1d"}, "net.drain"},
        {"[net]\ndrain=10 s\n", {"line 2", "[net] drain"}, "net.drain"},
        {"[net]\ndrain=249ms\n", {"line 2", "[net] drain"}, "net.drain"},
        {"[net]\ndrain=25h\n", {"line 2", "[net] drain"}, "net.drain"},
        {"[net]\ndrain=9223372036854775807d\n", {"line 2", "[net] drain"}, "net.drain"},
        {"[store]\nmap=1K\n", {"line 2", "[store] map takes a size", "at least 1M"}, "store.map"},
        {"[store]\nmap=1m\n", {"line 2", "[store] map"}, "store.map"},
        {"[store]\nstrict=Yes\n", {"line 2", "[store] strict takes yes or no"}, "store.strict"},
        {"[hub]\nregion=a\x1b[2J\n", {"line 2", "control or invisible"}, ""},
        {"[hub]\nregion=\xe2\x80\xae"
         "a\n",
         {"line 2", "control or invisible"},
         ""},
        {"[hub]\nregion=\xff\n", {"line 2", "not UTF-8"}, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings settings, empty = {0};
        assert_int_equal(load_bytes(cases[i].text, strlen(cases[i].text), &settings), ERR_INVALID);
        assert_int_equal(problem.code, ERR_INVALID);
        assert_non_null(strstr(problem.text, "hub.conf"));
        for (int j = 0; j < 3 && cases[i].says[j]; j++)
            if (strstr(problem.text, cases[i].says[j]) == NULL)
                fail_msg("case %zu: \"%s\" does not say \"%s\"", i, problem.text, cases[i].says[j]);
        assert_string_equal(problem.field, cases[i].field);
        assert_ptr_equal(settings.region, empty.region);
        assert_ptr_equal(settings.key, empty.key);
        assert_int_equal(settings.listen.count, 0);
    }
}

/* inih by itself would take the rest of such a line for another line. */
static void an_over_long_line_is_refused(void **state)
{
    (void)state;
    struct settings settings;
    int longest = 0;
    for (int length = 100; length < 400; length++) {
        char text[512] = "[hub]\nregion=", *value = text + strlen(text);
        memset(value, 'x', (size_t)length);
        enum err err = load_bytes(text, strlen(text), &settings);
        if (err == ERR_NONE) {
            assert_int_equal(longest, length == 100 ? 0 : length - 1);
            longest = length;
            assert_string_equal(settings.region, value);
            config_free(options, OPTIONS, &settings);
        } else {
            assert_non_null(strstr(problem.text, "line 2: longer than"));
        }
    }
    assert_in_range(longest, 180, 200); /* Debian's inih: 200 with its own octets */
    char text[600] = "[hub]\nregion=a\n#";
    memset(text + strlen(text), 'x', 500);
    assert_int_equal(load_bytes(text, strlen(text), &settings), ERR_INVALID);
    assert_non_null(strstr(problem.text, "line 3: longer than"));
    assert_int_equal(load_bytes("[hub]\nregion=a\0b\n", 17, &settings), ERR_INVALID);
    assert_non_null(strstr(problem.text, "line 2: holds a NUL"));
}

static void a_file_that_is_not_there(void **state)
{
    (void)state;
    struct settings settings = {0};
    char deep[400] = "/none/";
    memset(deep + strlen(deep), 'd', 200);
    strcat(deep, "/hub.conf");
    assert_int_equal(config_load(deep, options, OPTIONS, &settings, &problem), ERR_NOT_FOUND);
    assert_non_null(strstr(problem.text, "/hub.conf can't be opened: No such file"));
    assert_int_equal(config_load(folder, options, OPTIONS, &settings, &problem), ERR_INVALID);
    assert_non_null(strstr(problem.text, "can't be read"));
    assert_int_equal(config_load(folder, options, OPTIONS, &settings, NULL), ERR_INVALID);
}

/* What --help-config prints is itself a file that can be read, but for what is required. */
static void the_reference_reads_back(void **state)
{
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    config_print_reference(options, OPTIONS, out);
    fclose(out);
    assert_non_null(strstr(text, "# The port.\n# Takes a whole number from 1 to 65535.\n#port = 7443\n"));
    assert_non_null(strstr(text, "# Required.\nregion =\n"));
    assert_non_null(strstr(text, "\n\n[store]\n"));
    struct settings settings;
    assert_int_equal(load_bytes(text, bytes, &settings), ERR_INVALID);
    assert_non_null(strstr(problem.text, "[hub] region has no value"));
    memcpy(strstr(text, "region =\n"), "region=a\n", 9);
    assert_int_equal(load_bytes(text, bytes, &settings), ERR_NONE);
    config_free(options, OPTIONS, &settings);
    *strstr(text, "#port") = ' '; /* the default as it stands there is accepted */
    assert_int_equal(load_bytes(text, bytes, &settings), ERR_NONE);
    assert_int_equal(settings.port, 7443);
    config_free(options, OPTIONS, &settings);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_stand_where_nothing_is_given),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(errors_name_file_line_and_option),
        cmocka_unit_test(an_over_long_line_is_refused),
        cmocka_unit_test(a_file_that_is_not_there),
        cmocka_unit_test(the_reference_reads_back),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
