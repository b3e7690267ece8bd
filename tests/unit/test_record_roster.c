/* tier: check */
/*
 * test_record_roster.c - which rosters are taken, and that nothing is taken that the root did not sign.
 */
#include "daemon/base/randomness.h"
#include "daemon/base/thread.h"
#include "daemon/record/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t seed;
static struct signer *root;
static uint8_t root_key[PUBLIC_KEY_BYTES];

static int make_root(void **unused)
{
    (void)unused;
    root = signer_from_seed((const uint8_t *)"the national root's roster key..");
    signer_public_key(root, root_key);
    return 0;
}

static int drop_root(void **unused)
{
    (void)unused;
    signer_destroy(root);
    return 0;
}

/* A text on the heap, so that a sanitizer sees a read past its end. */
struct text {
    char *data;
    size_t bytes;
};

static struct text text_of(const char *data, size_t bytes)
{
    struct text text = {malloc(bytes > 0 ? bytes : 1), bytes};
    assert_non_null(text.data);
    memcpy(text.data, data, bytes);
    return text;
}

/* The body with the root's signature, as vacancy-ca writes it. */
static struct text signed_text(const char *body)
{
    size_t bytes = strlen(body);
    uint8_t signature[SIGNATURE_BYTES];
    signer_sign(root, body, bytes, signature);
    char hex[2 * SIGNATURE_BYTES + 1], line[2 * SIGNATURE_BYTES + 16];
    hex_encode(signature, sizeof signature, hex);
    int more = snprintf(line, sizeof line, "signature %s\n", hex);
    struct text text = {malloc(bytes + (size_t)more), bytes + (size_t)more};
    assert_non_null(text.data);
    memcpy(text.data, body, bytes);
    memcpy(text.data + bytes, line, (size_t)more);
    return text;
}

/* Takes over the text. */
static enum err parse(struct text text, const struct roster **out, struct problem *problem)
{
    *problem = (struct problem){0};
    enum err err = roster_parse(text.data, text.bytes, root_key, out, problem);
    free(text.data);
    return err;
}

#define HEX(pair) pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair pair
#define KEY_A     HEX("a1") HEX("a2")
#define KEY_B     HEX("b1") HEX("b2")
#define ISSUER_A  HEX("c1") HEX("c2")
#define ISSUER_B  HEX("d1") HEX("d2")
#define ISSUER_C  HEX("e1") HEX("e2")
#define BEGIN     "vacancy roster v1\nversion 3\n"
#define REGION_A  "region E12000001 key " KEY_A " issuer " ISSUER_A "\n"
#define REGION_B  "region E12000003 key " KEY_B " issuer " ISSUER_B "\n"
#define GOOD                                                                                                           \
    BEGIN "# lines may stand in any order\n"                                                                           \
          "team E08000035 E12000003\n"                                                                                 \
          "thaw E12000001 epoch 3 0123456789abcdef0123456789abcdef\n"                                                  \
          "endpoint E12000001 hub.north-east.example:8443\n" REGION_B "issuer E12000001 " ISSUER_C "\n" REGION_A       \
          "endpoint E12000001 192.0.2.7:1\n"                                                                           \
          "#\n"                                                                                                        \
          "endpoint E12000001 [2001:db8::7]:65535\n"                                                                   \
          "team E06000047 E12000001\n"

static void check_octets(const uint8_t *octets, size_t bytes, const char *hex)
{
    uint8_t expected[64];
    assert_true(hex_decode(hex, strlen(hex), expected, bytes));
    assert_memory_equal(octets, expected, bytes);
}

static void a_roster_says_what_it_says(void **unused)
{
    (void)unused;
    const struct roster *roster = NULL;
    struct problem problem;
    assert_int_equal(parse(signed_text(GOOD), &roster, &problem), ERR_NONE);
    assert_true(roster->version == 3);
    assert_int_equal(roster->region_count, 2);
    assert_int_equal(roster->team_count, 2);
    assert_string_equal(roster->teams[0].authority, "E06000047");
    assert_string_equal(roster->teams[0].region, "E12000001");
    assert_string_equal(roster->teams[1].authority, "E08000035");
    assert_string_equal(roster->teams[1].region, "E12000003");

    const struct roster_region *a = roster_find(roster, "E12000001"), *b = roster_find(roster, "E12000003");
    assert_ptr_equal(a, &roster->regions[0]);
    assert_ptr_equal(b, &roster->regions[1]);
    assert_null(roster_find(roster, "E12000002"));
    assert_null(roster_find(roster, ""));
    check_octets(a->key, PUBLIC_KEY_BYTES, KEY_A);
    check_octets(b->key, PUBLIC_KEY_BYTES, KEY_B);
    assert_int_equal(a->issuer_count, 2);
    check_octets(a->issuers[0], DIGEST_BYTES, ISSUER_A);
    check_octets(a->issuers[1], DIGEST_BYTES, ISSUER_C);
    assert_int_equal(a->endpoint_count, 3); /* in their order */
    assert_string_equal(a->endpoints[0].host, "hub.north-east.example");
    assert_int_equal(a->endpoints[0].port, 8443);
    assert_string_equal(a->endpoints[1].host, "192.0.2.7");
    assert_int_equal(a->endpoints[1].port, 1);
    assert_string_equal(a->endpoints[2].host, "2001:db8::7");
    assert_int_equal(a->endpoints[2].port, 65535);
    assert_true(a->thawed && a->thaw_epoch == 3);
    check_octets(a->thaw_epoch_id, EPOCH_ID_BYTES, "0123456789abcdef0123456789abcdef");
    assert_int_equal(b->issuer_count, 1);
    assert_int_equal(b->endpoint_count, 0);
    assert_false(b->thawed);
    roster_unref(roster);

    assert_int_equal(parse(signed_text("vacancy roster v1\nversion 18446744073709551615\n"), &roster, &problem),
                     ERR_NONE);
    assert_true(roster->version == UINT64_MAX && roster->region_count == 0 && roster->team_count == 0);
    assert_null(roster_find(roster, "E12000001"));
    roster_unref(roster);
    roster_unref(NULL);
}

/* Signed by the root, and wrong all the same: the line is named, and what it should have been. */
static void wrong_lines_are_named(void **unused)
{
    (void)unused;
    static const struct {
        const char *body;
        unsigned line;
        const char *said;
    } wrongs[] = {
        {"", 1, "vacancy roster v1"},
        {"vacancy roster v2\nversion 3\n", 1, "vacancy roster v1"},
        {"# first\nvacancy roster v1\nversion 3\n", 1, "vacancy roster v1"},
        {"vacancy roster v1 \nversion 3\n", 1, "vacancy roster v1"},
        {"vacancy roster v1\n", 2, "version"},
        {"vacancy roster v1\n" REGION_A "version 3\n", 2, "version"},
        {"vacancy roster v1\nversion 0\n", 2, "version"},
        {"vacancy roster v1\nversion 03\n", 2, "version"},
        {"vacancy roster v1\nversion -1\n", 2, "version"},
        {"vacancy roster v1\nversion \n", 2, "version"},
        {"vacancy roster v1\nversion 3 \n", 2, "version"},
        {"vacancy roster v1\nversion 18446744073709551616\n", 2, "version"},
        {BEGIN "version 3\n", 3, "expected region,"},
        {BEGIN "\n", 3, "expected region,"},
        {BEGIN "quorum 3\n", 3, "expected region,"},
        {BEGIN " # not at the line's beginning\n", 3, "expected region,"},
        {BEGIN "Region E12000001 key " KEY_A " issuer " ISSUER_A "\n", 3, "expected region,"},
        {BEGIN "signature 00\n", 3, "the signature stands last"},
        {BEGIN "region\n", 3, "expected region,"},
        {BEGIN "region \n", 3, "region CODE key"},
        {BEGIN "region E1200001 key " KEY_A " issuer " ISSUER_A "\n", 3, "region CODE key"},
        {BEGIN "region E12000001\n", 3, "region CODE key"},
        {BEGIN "region E12000001 key " KEY_A "\n", 3, "region CODE key"},
        {BEGIN "region E12000001 key " KEY_A "a1 issuer " ISSUER_A "\n", 3, "region CODE key"},
        {BEGIN "region E12000001 key " HEX("a1") " issuer " ISSUER_A "\n", 3, "region CODE key"},
        {BEGIN "region E12000001 key " HEX("A1") HEX("a2") " issuer " ISSUER_A "\n", 3, "region CODE key"},
        {BEGIN "region E12000001 issuer " ISSUER_A " key " KEY_A "\n", 3, "region CODE key"},
        {BEGIN "region E12000001 key " KEY_A " issuer " ISSUER_A " \n", 3, "region CODE key"},
        {BEGIN "region E12000001 key " KEY_A " issuer " ISSUER_A "\r\n", 3, "region CODE key"},
        {BEGIN REGION_A REGION_A, 4, "has a line already"},
        {BEGIN REGION_A REGION_B "# again, with another key\nregion E12000001 key " KEY_B " issuer " ISSUER_B "\n", 6,
         "has a line already"},
        {BEGIN REGION_A "issuer E12000003 " ISSUER_B "\n", 4, "no region line names"},
        {BEGIN REGION_A "issuer " ISSUER_B "\n", 4, "GSS code"},
        {BEGIN REGION_A "issuer E12000001\n", 4, "issuer CODE HEX"},
        {BEGIN REGION_A "issuer E12000001 " ISSUER_B "00\n", 4, "issuer CODE HEX"},
        {BEGIN REGION_A "issuer E12000001 " ISSUER_A "\n", 4, "has this issuer already"},
        {BEGIN REGION_A "issuer E12000001 " KEY_A "\nissuer E12000001 " KEY_B "\nissuer E12000001 " ISSUER_B
                        "\nissuer E12000001 " ISSUER_C "\n",
         7, "more issuers"},
        {BEGIN "endpoint E12000009 a:1\n" REGION_A, 3, "no region line names"},
        {BEGIN REGION_A "endpoint E12000001\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 hub.example\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 :8443\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 hub.example:\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 hub.example:0\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 hub.example:08443\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 hub.example:65536\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 hub.example:8443 x\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 Hub.example:8443\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 hub example:8443\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 .example:8443\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 2001:db8::7:8443\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 [2001:db8::7:8443\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 [hub.example]:8443\n", 4, "endpoint CODE HOST:PORT"},
        {BEGIN REGION_A "endpoint E12000001 a:1\nendpoint E12000001 a:1\n", 5, "has this endpoint already"},
        {BEGIN REGION_A "endpoint E12000001 a:1\nendpoint E12000001 a:2\nendpoint E12000001 a:3\n"
                        "endpoint E12000001 a:4\nendpoint E12000001 a:5\n",
         8, "more endpoints"},
        {BEGIN REGION_A "team E08000035\n", 4, "team AUTHORITY REGION"},
        {BEGIN REGION_A "team Leeds E12000001\n", 4, "team AUTHORITY REGION"},
        {BEGIN REGION_A "team E08000035 E12000003\n", 4, "no region line names"},
        {BEGIN REGION_A "team E08000035 E12000001 \n", 4, "team AUTHORITY REGION"},
        {BEGIN REGION_A REGION_B "team E08000035 E12000001\nteam E08000035 E12000003\n", 6, "has a line already"},
        {BEGIN "thaw E12000001 epoch 3 " HEX("00") "\n", 3, "no region line names"},
        {BEGIN REGION_A "thaw E12000001 epoch 0 " HEX("00") "\n", 4, "thaw CODE epoch"},
        {BEGIN REGION_A "thaw E12000001 3 " HEX("00") "\n", 4, "thaw CODE epoch"},
        {BEGIN REGION_A "thaw E12000001 epoch 3\n", 4, "thaw CODE epoch"},
        {BEGIN REGION_A "thaw E12000001 epoch 3 " HEX("00") "00\n", 4, "thaw CODE epoch"},
        {BEGIN REGION_A "thaw E12000001 epoch 3 " HEX("00") "\nthaw E12000001 epoch 4 " HEX("00") "\n", 5,
         "thawed already"},
    };
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        const struct roster *roster = NULL;
        struct problem problem;
        enum err err = parse(signed_text(wrongs[i].body), &roster, &problem);
        char line[32];
        snprintf(line, sizeof line, "line %u: ", wrongs[i].line);
        if (err != ERR_INVALID || strstr(problem.text, line) == NULL || strstr(problem.text, wrongs[i].said) == NULL)
            fail_msg("%s%s: %s (wanted %s%s)", wrongs[i].body, err_name(err), problem.text, line, wrongs[i].said);
        assert_null(roster);
    }
}

static void a_host_is_at_most_255_octets(void **unused)
{
    (void)unused;
    char host[ROSTER_HOST_BYTES + 1], body[2048];
    for (size_t length = ROSTER_HOST_BYTES - 1; length <= ROSTER_HOST_BYTES; length++) {
        memset(host, 'a', length);
        host[length] = '\0';
        snprintf(body, sizeof body, BEGIN REGION_A "endpoint E12000001 %s:1\n", host);
        const struct roster *roster = NULL;
        struct problem problem;
        enum err err = parse(signed_text(body), &roster, &problem);
        assert_int_equal(err, length < ROSTER_HOST_BYTES ? ERR_NONE : ERR_INVALID);
        if (err == ERR_NONE)
            assert_string_equal(roster->regions[0].endpoints[0].host, host);
        roster_unref(roster);
    }
}

/* Where the signature is not one line at the very end, the last line is named. */
static void the_signature_ends_the_file(void **unused)
{
    (void)unused;
    struct text good = signed_text(BEGIN REGION_A);
    const struct roster *roster = NULL;
    struct problem problem;
    for (size_t bytes = 0; bytes < good.bytes; bytes++) {
        assert_int_equal(parse(text_of(good.data, bytes), &roster, &problem), ERR_INVALID);
        assert_non_null(strstr(problem.text, bytes == 0 ? "line 1: the last line must be" : "the last line must be"));
    }
    static const char *const after[] = {"\n", "x", "# a comment\n", "team E08000035 E12000001\n", "\0\n"};
    for (size_t i = 0; i < sizeof after / sizeof after[0]; i++) {
        size_t more = i == 4 ? 2 : strlen(after[i]);
        char *longer = malloc(good.bytes + more);
        assert_non_null(longer);
        memcpy(longer, good.data, good.bytes);
        memcpy(longer + good.bytes, after[i], more);
        assert_int_equal(parse((struct text){longer, good.bytes + more}, &roster, &problem), ERR_INVALID);
        assert_non_null(strstr(problem.text, "line 5: the last line must be"));
    }
    good.data[good.bytes - 2] = 'F'; /* hex of the other case is another text */
    assert_int_equal(parse(good, &roster, &problem), ERR_INVALID);
    assert_null(roster);
}

static void only_what_the_root_signed_is_taken(void **unused)
{
    (void)unused;
    struct seeded_random random;
    seeded_random_init(&random, seed);
    struct text good = signed_text(GOOD);
    const struct roster *roster = NULL;
    struct problem problem;
    for (size_t at = 0; at < good.bytes; at++) { /* whatever octet it is */
        struct text changed = text_of(good.data, good.bytes);
        changed.data[at] ^= (char)(1 << seeded_random_below(&random, 8));
        enum err err = parse(changed, &roster, &problem);
        assert_true(err == ERR_INVALID || err == ERR_UNAUTHENTICATED);
        if (at < strlen(GOOD) - 1) /* its last newline makes the signature's line one */
            assert_int_equal(err, ERR_UNAUTHENTICATED);
    }

    struct signer *other = signer_from_seed((const uint8_t *)"somebody else's key, 32 octets..");
    uint8_t other_key[PUBLIC_KEY_BYTES];
    signer_public_key(other, other_key);
    signer_destroy(other);
    assert_int_equal(roster_parse(good.data, good.bytes, other_key, &roster, &problem), ERR_UNAUTHENTICATED);
    assert_non_null(strstr(problem.text, "roster-key"));
    assert_null(roster);
    assert_int_equal(parse(good, &roster, &problem), ERR_NONE);
    roster_unref(roster);
}

#define LONG_BODY (128 * 1024)

/* All regions and teams that fit, in random order: sorted, found, and one more is refused. */
static void as_many_as_fit_and_no_more(void **unused)
{
    (void)unused;
    struct seeded_random random;
    seeded_random_init(&random, seed + 1);
    uint32_t order[ROSTER_TEAMS_MAX + 1];
    for (uint32_t more = 0; more < 3; more++) { /* 1: a region, 2: a team */
        uint32_t regions = ROSTER_REGIONS_MAX + (more == 1), teams = ROSTER_TEAMS_MAX + (more == 2);
        char *body = malloc(LONG_BODY);
        assert_non_null(body);
        size_t bytes = (size_t)snprintf(body, LONG_BODY, BEGIN);
        for (uint32_t i = 0; i < teams; i++) {
            uint32_t j = (uint32_t)seeded_random_below(&random, i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        for (uint32_t i = 0; i < teams; i++) {
            if (order[i] < regions)
                bytes += (size_t)snprintf(body + bytes, LONG_BODY - bytes,
                                          "region E%08u key " KEY_A " issuer " ISSUER_A "\n", 7 * order[i]);
            bytes += (size_t)snprintf(body + bytes, LONG_BODY - bytes, "team E%08u E%08u\n", 3 * order[i],
                                      7 * (order[i] % ROSTER_REGIONS_MAX));
        }
        assert_true(bytes < LONG_BODY);
        const struct roster *roster = NULL;
        struct problem problem;
        enum err err = parse(signed_text(body), &roster, &problem);
        free(body);
        if (more > 0) {
            assert_int_equal(err, ERR_INVALID);
            assert_non_null(strstr(problem.text, more == 1 ? "more regions" : "more teams"));
            continue;
        }
        assert_int_equal(err, ERR_NONE);
        assert_int_equal(roster->region_count, regions);
        assert_int_equal(roster->team_count, teams);
        for (uint32_t i = 0; i < regions; i++) {
            char code[GSS_BYTES];
            snprintf(code, sizeof code, "E%08u", 7 * i);
            assert_ptr_equal(roster_find(roster, code), &roster->regions[i]);
            assert_string_equal(roster->regions[i].region, code);
            snprintf(code, sizeof code, "E%08u", 7 * i + 1);
            assert_null(roster_find(roster, code));
        }
        for (uint32_t i = 1; i < teams; i++)
            assert_true(strcmp(roster->teams[i - 1].authority, roster->teams[i].authority) < 0);
        roster_unref(roster);
    }
}

static void write_file(const char *path, struct text text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.bytes, file), text.bytes);
    assert_int_equal(fclose(file), 0);
    free(text.data);
}

static void a_file_is_read_within_its_bound(void **unused)
{
    (void)unused;
    char folder[] = "/tmp/vacancy-roster.XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/roster", folder);
    const struct roster *roster = NULL;
    struct problem problem;
    assert_int_equal(roster_load(path, root_key, &roster, &problem), ERR_NOT_FOUND);
    assert_non_null(strstr(problem.text, path));
    assert_int_equal(roster_load(folder, root_key, &roster, &problem), ERR_NOT_FOUND);
    assert_int_equal(mkfifo(path, 0600), 0); /* not waited for */
    assert_int_equal(roster_load(path, root_key, &roster, &problem), ERR_INVALID);
    assert_int_equal(unlink(path), 0);
    assert_null(roster);

    write_file(path, signed_text(GOOD));
    assert_int_equal(roster_load(path, root_key, &roster, &problem), ERR_NONE);
    assert_int_equal(roster->region_count, 2);
    roster_unref(roster);
    roster = NULL;

    for (size_t more = 0; more < 2; more++) { /* one long comment up to the bound, and past it by one */
        struct text empty = signed_text("");
        size_t bytes = ROSTER_FILE_MAX - empty.bytes + more;
        free(empty.data);
        char *body = malloc(bytes + 1);
        assert_non_null(body);
        memset(body, '#', bytes);
        memcpy(body, BEGIN, strlen(BEGIN));
        body[bytes - 1] = '\n';
        body[bytes] = '\0';
        write_file(path, signed_text(body));
        free(body);
        assert_int_equal(roster_load(path, root_key, &roster, &problem), more ? ERR_LIMIT : ERR_NONE);
        roster_unref(roster);
        roster = NULL;
    }
    unlink(path);
    rmdir(folder);
}

static void *hold_and_let_go(void *arg)
{
    const struct roster *roster = arg;
    for (int i = 0; i < 2000; i++) {
        const struct roster *mine = roster_ref(roster);
        if (mine->region_count != 2)
            abort();
        roster_unref(mine);
    }
    roster_unref(roster);
    return NULL;
}

/* The last reference frees it, whoever holds it (the sanitizers see a leak, a use after, a race). */
static void references_are_counted_across_threads(void **unused)
{
    (void)unused;
    const struct roster *roster = NULL;
    struct problem problem;
    assert_int_equal(parse(signed_text(GOOD), &roster, &problem), ERR_NONE);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = thread_start("holder", hold_and_let_go, (void *)(uintptr_t)roster_ref(roster));
    roster_unref(roster);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* test_certs.py sets ROSTER_FILE and ROSTER_KEY to what vacancy-ca made, and reads what is printed. */
static int show_file(const char *path, const char *key_hex)
{
    uint8_t key[PUBLIC_KEY_BYTES];
    const struct roster *roster = NULL;
    struct problem problem = {.text = "ROSTER_KEY is no key"};
    if (key_hex == NULL || !hex_decode(key_hex, strlen(key_hex), key, sizeof key) ||
        roster_load(path, key, &roster, &problem) != ERR_NONE) {
        printf("%s\n", problem.text);
        return 1;
    }
    printf("version %llu\n", (unsigned long long)roster->version);
    for (uint32_t i = 0; i < roster->region_count; i++) {
        const struct roster_region *region = &roster->regions[i];
        char key_text[2 * PUBLIC_KEY_BYTES + 1], issuer[DIGEST_HEX_SIZE];
        hex_encode(region->key, PUBLIC_KEY_BYTES, key_text);
        hex_encode(region->issuers[0], DIGEST_BYTES, issuer);
        printf("region %s %s %s", region->region, key_text, issuer);
        for (uint32_t j = 0; j < region->endpoint_count; j++)
            printf(" %s %u", region->endpoints[j].host, region->endpoints[j].port);
        if (region->thawed)
            printf(" thaw %llu", (unsigned long long)region->thaw_epoch);
        printf("\n");
    }
    for (uint32_t i = 0; i < roster->team_count; i++)
        printf("team %s %s\n", roster->teams[i].authority, roster->teams[i].region);
    roster_unref(roster);
    return 0;
}

int main(void)
{
    if (getenv("ROSTER_FILE") != NULL)
        return show_file(getenv("ROSTER_FILE"), getenv("ROSTER_KEY"));
    const char *text = getenv("SEED");
    seed = text ? strtoull(text, NULL, 10) : 20261125;
    printf("SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_roster_says_what_it_says),         cmocka_unit_test(wrong_lines_are_named),
        cmocka_unit_test(a_host_is_at_most_255_octets),       cmocka_unit_test(the_signature_ends_the_file),
        cmocka_unit_test(only_what_the_root_signed_is_taken), cmocka_unit_test(as_many_as_fit_and_no_more),
        cmocka_unit_test(a_file_is_read_within_its_bound),    cmocka_unit_test(references_are_counted_across_threads),
    };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
