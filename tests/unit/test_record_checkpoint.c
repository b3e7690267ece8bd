/* tier: check */
/*
 * test_record_checkpoint.c - a checkpoint's text has one form only, and a signature holds for that one text: whatever
 * is changed in either is refused by the reader or by the key.
 */
#include "daemon/base/randomness.h"
#include "daemon/record/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;
static struct signer *signer;
static uint8_t public_key[PUBLIC_KEY_BYTES];

static int make_signer(void **unused)
{
    (void)unused;
    signer = signer_from_seed((const uint8_t *)"a region's key, of 32 octets ...");
    signer_public_key(signer, public_key);
    return 0;
}

static int drop_signer(void **unused)
{
    (void)unused;
    signer_destroy(signer);
    return 0;
}

#define ZEROS_32 "00000000000000000000000000000000"
#define HEAD     "00000000000000000000000000000000000000000000000000000000000000aa"
#define STATE    "bb00000000000000000000000000000000000000000000000000000000000000"
static const char example[] = "vacancy checkpoint v1\n"
                              "region E12000003\n"
                              "epoch 2 0123456789abcdef0123456789abcdef\n"
                              "sequence 4711\n"
                              "head " HEAD "\n"
                              "records 1234\n"
                              "state " STATE "\n"
                              "horizon 17\n"
                              "time 1795000000000\n"
                              "roster 3\n";

static struct checkpoint example_checkpoint(void)
{
    return (struct checkpoint){
        .region = "E12000003",
        .epoch = 2,
        .epoch_id = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef},
        .sequence = 4711,
        .head = {[31] = 0xaa},
        .records = 1234,
        .state = {0xbb},
        .horizon = 17,
        .time_ms = 1795000000000,
        .roster_version = 3,
    };
}

static enum err read_text(const char *text, size_t bytes, const uint8_t signature[SIGNATURE_BYTES],
                          struct signed_checkpoint *out)
{
    /* Of its own size on the heap, so that a sanitizer sees a read past its end. */
    char *copy = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    enum err err = checkpoint_read(copy, bytes, signature, SIGNATURE_BYTES, out);
    free(copy);
    return err;
}

static void check_same(const struct checkpoint *a, const struct checkpoint *b)
{
    assert_string_equal(a->region, b->region);
    assert_true(a->epoch == b->epoch && a->sequence == b->sequence && a->records == b->records);
    assert_true(a->horizon == b->horizon && a->time_ms == b->time_ms && a->roster_version == b->roster_version);
    assert_memory_equal(a->epoch_id, b->epoch_id, EPOCH_ID_BYTES);
    assert_memory_equal(a->head, b->head, DIGEST_BYTES);
    assert_memory_equal(a->state, b->state, DIGEST_BYTES);
}

static void the_text_is_the_documented_one(void **unused)
{
    (void)unused;
    struct checkpoint checkpoint = example_checkpoint();
    struct signed_checkpoint written, back;
    checkpoint_sign(&checkpoint, signer, &written);
    assert_string_equal(written.text, example);
    assert_int_equal(read_text(example, strlen(example), written.signature, &back), ERR_NONE);
    check_same(&back.checkpoint, &checkpoint);
    assert_string_equal(back.text, example);
    assert_true(checkpoint_verify(&back, public_key));
    uint8_t other_key[PUBLIC_KEY_BYTES];
    struct signer *other = signer_from_seed((const uint8_t *)"another region's key, 32 octets.");
    signer_public_key(other, other_key);
    signer_destroy(other);
    assert_false(checkpoint_verify(&back, other_key));
    checkpoint_sign(&back.checkpoint, signer, &back); /* in place */
    assert_string_equal(back.text, example);
    assert_true(checkpoint_verify(&back, public_key));
}

/* Numbers of every length, the longest text included. */
static uint64_t any_number(struct seeded_random *random)
{
    return seeded_random_next(random) >> seeded_random_below(random, 64);
}

static void what_is_signed_reads_back(void **unused)
{
    (void)unused;
    struct seeded_random random;
    seeded_random_init(&random, seed);
    struct randomness source = seeded_random_source(&random);
    for (int i = 0; i < 500; i++) {
        struct checkpoint checkpoint = {
            .epoch = any_number(&random) | 1,
            .sequence = i == 0 ? UINT64_MAX : any_number(&random),
            .records = i == 0 ? UINT64_MAX : any_number(&random),
            .time_ms = i == 0 ? INT64_MAX : (int64_t)(any_number(&random) & INT64_MAX),
            .roster_version = i == 0 ? UINT64_MAX : any_number(&random),
        };
        if (i == 0)
            checkpoint.epoch = UINT64_MAX;
        snprintf(checkpoint.region, sizeof checkpoint.region, "W%08u",
                 (unsigned)seeded_random_below(&random, 100000000));
        checkpoint.horizon = i % 3 ? checkpoint.sequence >> seeded_random_below(&random, 64) : checkpoint.sequence;
        random_fill(&source, checkpoint.epoch_id, EPOCH_ID_BYTES);
        random_fill(&source, checkpoint.head, DIGEST_BYTES);
        random_fill(&source, checkpoint.state, DIGEST_BYTES);
        struct signed_checkpoint written, back, stored;
        checkpoint_sign(&checkpoint, signer, &written);
        assert_true(strlen(written.text) < CHECKPOINT_TEXT_BYTES - 100);
        assert_int_equal(read_text(written.text, strlen(written.text), written.signature, &back), ERR_NONE);
        check_same(&back.checkpoint, &checkpoint);
        assert_true(checkpoint_verify(&back, public_key));

        uint8_t octets[CHECKPOINT_STORED_BYTES];
        size_t bytes = checkpoint_encode(&written, octets);
        assert_int_equal(checkpoint_decode(&(struct octets){octets, bytes}, &stored), ERR_NONE);
        check_same(&stored.checkpoint, &checkpoint);
        assert_string_equal(stored.text, written.text);
        assert_memory_equal(stored.signature, written.signature, SIGNATURE_BYTES);
    }
}

/* The example with one part replaced. */
static size_t replace(const char *part, const char *with, char out[1024])
{
    const char *at = strstr(example, part);
    assert_non_null(at);
    return (size_t)snprintf(out, 1024, "%.*s%s%s", (int)(at - example), example, with, at + strlen(part));
}

static void what_is_not_canonical_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *part, *with;
    } wrongs[] = {
        {"v1", "v2"},
        {"vacancy", " vacancy"},
        {"v1\n", "v1\r\n"},
        {"v1\n", "v1\n\n"},
        {"E12000003", "E1200003"},
        {"E12000003", "E120000033"},
        {"E12000003", "X12000003"},
        {"E12000003", "e12000003"},
        {"epoch 2", "epoch 0"},
        {"epoch 2", "epoch 02"},
        {"epoch 2", "epoch +2"},
        {"epoch 2", "epoch  2"},
        {"epoch 2", "epoch"},
        {"epoch 2", "epoch 18446744073709551616"},
        {"epoch 2", "epoch 99999999999999999999999999"},
        {"0123456789abcdef\n", "0123456789abcdeF\n"},
        {"0123456789abcdef\n", "0123456789abcdeg\n"},
        {"0123456789abcdef\n", "0123456789abcdef0\n"},
        {"0123456789abcdef\n", "0123456789abcde\n"},
        {"sequence 4711", "sequence 16"}, /* below its horizon */
        {"sequence 4711", "sequence 04711"},
        {"sequence 4711", "sequence -1"},
        {"sequence 4711", "sequence 0x1267"},
        {"sequence 4711", "sequence 4711 "},
        {"sequence 4711", "sequence 4711.0"},
        {"sequence 4711\n", ""},
        {"sequence 4711\n", "sequence 4711\nsequence 4711\n"},
        {"sequence 4711", "Sequence 4711"},
        {HEAD, "0" HEAD},
        {HEAD, ZEROS_32},
        {"aa\n", "AA\n"},
        {"bb0", "Bb0"},
        {"records 1234\nstate " STATE "\n", "state " STATE "\nrecords 1234\n"}, /* another order */
        {"horizon 17", "horizon 4712"},
        {"horizon 17", "horizon 00"},
        {"horizon 17", "horizon "},
        {"time 1795000000000", "time 9223372036854775808"},
        {"time 1795000000000", "time -1"},
        {"roster 3\n", "roster 3"},
        {"roster 3\n", "roster 3\n\n"},
        {"roster 3\n", "roster 3\nx 1\n"},
        {"roster 3\n", ""},
        {example, ""},
    };
    const uint8_t signature[SIGNATURE_BYTES] = {0};
    struct signed_checkpoint out;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        char text[1024];
        size_t bytes = replace(wrongs[i].part, wrongs[i].with, text);
        if (read_text(text, bytes, signature, &out) != ERR_INVALID)
            fail_msg("taken: \"%s\" instead of \"%s\"", wrongs[i].with, wrongs[i].part);
    }
    assert_int_equal(read_text(example, strlen(example) + 1, signature, &out), ERR_INVALID); /* its NUL */
    for (size_t bytes = 0; bytes < strlen(example); bytes++)
        assert_int_equal(read_text(example, bytes, signature, &out), ERR_INVALID);
    char longer[CHECKPOINT_TEXT_BYTES + 200];
    memset(longer, '\n', sizeof longer);
    memcpy(longer, example, strlen(example));
    assert_int_equal(read_text(longer, sizeof longer, signature, &out), ERR_INVALID);
    for (size_t bytes = 0; bytes <= SIGNATURE_BYTES + 1; bytes++) {
        uint8_t some[SIGNATURE_BYTES + 1] = {0};
        assert_int_equal(checkpoint_read(example, strlen(example), some, bytes, &out),
                         bytes == SIGNATURE_BYTES ? ERR_NONE : ERR_INVALID);
    }
}

/* What a changed text may at most be: another canonical text, for which the signature does not hold. */
static void check_forged(const char *text, size_t bytes, const uint8_t signature[SIGNATURE_BYTES], unsigned *taken)
{
    struct signed_checkpoint read, again;
    if (read_text(text, bytes, signature, &read) != ERR_NONE)
        return;
    checkpoint_sign(&read.checkpoint, signer, &again);
    assert_int_equal(strlen(again.text), bytes);
    assert_memory_equal(again.text, text, bytes);
    assert_false(checkpoint_verify(&read, public_key));
    (*taken)++;
}

static void no_changed_octet_passes_both_reader_and_key(void **unused)
{
    (void)unused;
    struct checkpoint checkpoint = example_checkpoint();
    struct signed_checkpoint good;
    checkpoint_sign(&checkpoint, signer, &good);
    struct seeded_random random;
    seeded_random_init(&random, seed + 1);
    size_t bytes = strlen(good.text);
    unsigned taken = 0;
    for (size_t at = 0; at <= bytes; at++) {
        char text[CHECKPOINT_TEXT_BYTES];
        for (int value = 0; value < 256 && at < bytes; value++) { /* replaced */
            memcpy(text, good.text, bytes);
            text[at] = (char)value;
            bool plausible = (value >= '0' && value <= '9') || (value >= 'a' && value <= 'f');
            if (value != good.text[at] && (!plausible || seeded_random_below(&random, 4) == 0))
                check_forged(text, bytes, good.signature, &taken);
        }
        memcpy(text, good.text, at); /* one put in */
        text[at] = (char)('0' + seeded_random_below(&random, 10));
        memcpy(text + at + 1, good.text + at, bytes - at);
        check_forged(text, bytes + 1, good.signature, &taken);
        if (at < bytes) { /* one left out */
            memcpy(text + at, good.text + at + 1, bytes - at - 1);
            check_forged(text, bytes - 1, good.signature, &taken);
        }
    }
    assert_in_range(taken, 100, 5000); /* the reader alone would not do */
    for (size_t at = 0; at < SIGNATURE_BYTES; at++) {
        struct signed_checkpoint changed = good;
        changed.signature[at] ^= (uint8_t)(1 << seeded_random_below(&random, 8));
        assert_false(checkpoint_verify(&changed, public_key));
    }
}

static void damaged_octets_are_not_taken_for_stored_ones(void **unused)
{
    (void)unused;
    struct checkpoint checkpoint = example_checkpoint();
    struct signed_checkpoint good, out;
    checkpoint_sign(&checkpoint, signer, &good);
    uint8_t octets[CHECKPOINT_STORED_BYTES + 1] = {0};
    size_t bytes = checkpoint_encode(&good, octets);
    for (size_t i = 0; i < sizeof octets; i++)
        if (i != bytes)
            assert_int_equal(checkpoint_decode(&(struct octets){octets, i}, &out), ERR_STORE_DAMAGED);
    for (size_t i = 0; i < bytes; i++) {
        octets[i] ^= 0x10;
        if (checkpoint_decode(&(struct octets){octets, bytes}, &out) == ERR_NONE)
            assert_false(checkpoint_verify(&out, public_key));
        octets[i] ^= 0x10;
    }
}

static void an_epoch_is_region_number_and_id(void **unused)
{
    (void)unused;
    struct checkpoint one = example_checkpoint(), other = one;
    other.sequence++, other.head[0]++, other.time_ms++;
    assert_true(checkpoint_same_epoch(&one, &other));
    other = one, other.region[8] = '4';
    assert_false(checkpoint_same_epoch(&one, &other));
    other = one, other.epoch++;
    assert_false(checkpoint_same_epoch(&one, &other));
    other = one, other.epoch_id[15]++;
    assert_false(checkpoint_same_epoch(&one, &other));
}

int main(void)
{
    const char *text = getenv("SEED");
    seed = text ? strtoull(text, NULL, 10) : 20261124;
    printf("SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_the_documented_one),
        cmocka_unit_test(what_is_signed_reads_back),
        cmocka_unit_test(what_is_not_canonical_is_refused),
        cmocka_unit_test(no_changed_octet_passes_both_reader_and_key),
        cmocka_unit_test(damaged_octets_are_not_taken_for_stored_ones),
        cmocka_unit_test(an_epoch_is_region_number_and_id),
    };
    return cmocka_run_group_tests(tests, make_signer, drop_signer);
}
