/* tier: check */
/* The auditor's eye (design 4.8): a trail that was altered, cut, reordered, replaced or re-signed is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/audit_check.h"
#include "client/audit_memory.h"
#include "client/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REGION  "E12000003"
#define RECORDS 6

/* A trail as a hub sends it: four writes, two disclosures, then the head. What a test does to it, it does here. */
struct trail {
    char octets[RECORDS][16];
    int order[RECORDS];
    int count;
    int64_t at_ms;
    const char *region;
    uint8_t seed;
    int covers; /* records that the head covers; below count: more came than it covers */
    bool no_head, bad_signature;
};

static const enum audit_chain chain_of[RECORDS] = {AUDIT_WRITES, AUDIT_WRITES,      AUDIT_WRITES,
                                                   AUDIT_WRITES, AUDIT_DISCLOSURES, AUDIT_DISCLOSURES};

static struct trail whole_trail(void)
{
    struct trail trail = {.count = RECORDS, .covers = RECORDS, .at_ms = 1000, .region = REGION, .seed = 1};
    for (int i = 0; i < RECORDS; i++) {
        snprintf(trail.octets[i], sizeof trail.octets[i], "record %d", i);
        trail.order[i] = i;
    }
    return trail;
}

static void chain_on(struct audit_point *at, const char *octets)
{
    struct octets parts[] = {{at->hash, DIGEST_BYTES}, {(const uint8_t *)octets, strlen(octets)}};
    digest_sha256_parts(parts, 2, at->hash);
    at->sequence++;
}

static void send_head(struct audit_check *check, const struct trail *trail)
{
    struct audit_head_seen head = {.at_ms = trail->at_ms};
    uint8_t seed[32] = {trail->seed}, signature[SIGNATURE_BYTES], key[PUBLIC_KEY_BYTES];
    char text[AUDIT_HEAD_MAX_BYTES];
    snprintf(head.region, sizeof head.region, "%s", trail->region);
    struct trail honest = whole_trail();
    for (int i = 0; i < trail->covers; i++)
        chain_on(&head.ends[chain_of[i]], honest.octets[i]);
    audit_head_write(&head, text);
    struct signer *signer = signer_from_seed(seed);
    signer_public_key(signer, key);
    signer_sign(signer, text, strlen(text), signature);
    signer_destroy(signer);
    signature[0] ^= trail->bad_signature;
    Vacancy__V1__AuditHead message = VACANCY__V1__AUDIT_HEAD__INIT;
    Vacancy__V1__ReadAuditResponse response = VACANCY__V1__READ_AUDIT_RESPONSE__INIT;
    message.text = text;
    message.signature = (ProtobufCBinaryData){sizeof signature, signature};
    message.public_key = (ProtobufCBinaryData){sizeof key, key};
    response.item_case = VACANCY__V1__READ_AUDIT_RESPONSE__ITEM_HEAD;
    response.head = &message;
    audit_check_item(check, &response);
}

/* Verifies it against the memory, and remembers on success. */
static enum err verify(const struct trail *trail, struct audit_memory *memory, struct problem *problem)
{
    struct audit_check check;
    uint64_t next[AUDIT_CHAINS] = {1, 1};
    audit_check_begin(&check, REGION, memory);
    for (int i = 0; i < trail->count; i++) {
        int at = trail->order[i];
        Vacancy__V1__AuditItem item = VACANCY__V1__AUDIT_ITEM__INIT;
        Vacancy__V1__ReadAuditResponse response = VACANCY__V1__READ_AUDIT_RESPONSE__INIT;
        item.chain = chain_of[at] == AUDIT_WRITES ? VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_WRITES
                                                  : VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_DISCLOSURES;
        item.sequence = next[chain_of[at]]++;
        item.octets = (ProtobufCBinaryData){strlen(trail->octets[at]), (uint8_t *)trail->octets[at]};
        response.item_case = VACANCY__V1__READ_AUDIT_RESPONSE__ITEM_RECORD;
        response.record = &item;
        audit_check_item(&check, &response);
    }
    if (!trail->no_head)
        send_head(&check, trail);
    enum err err = audit_check_end(&check, problem);
    if (err == ERR_NONE) {
        memory->has_key = memory->has_head = true;
        memory->head = check.head;
        memcpy(memory->public_key, check.public_key, PUBLIC_KEY_BYTES);
    }
    return err;
}

static void a_whole_trail_verifies_and_may_grow(void **state)
{
    (void)state;
    struct audit_memory memory = {0};
    struct problem problem;
    struct trail trail = whole_trail();
    trail.count = trail.covers = 4;
    assert_int_equal(verify(&trail, &memory, &problem), ERR_NONE);
    assert_int_equal(memory.head.ends[AUDIT_WRITES].sequence, 4);
    trail.count = trail.covers = RECORDS;
    trail.at_ms = 2000;
    assert_int_equal(verify(&trail, &memory, &problem), ERR_NONE);
    assert_int_equal(memory.head.ends[AUDIT_DISCLOSURES].sequence, 2);
    struct trail empty = {.at_ms = 1, .region = REGION, .seed = 1};
    struct audit_memory none = {0};
    assert_int_equal(verify(&empty, &none, &problem), ERR_NONE);
}

static void every_tampering_is_refused(void **state)
{
    (void)state;
    struct problem problem;
    for (int what = 0; what < 11; what++) {
        struct audit_memory memory = {0};
        struct trail trail = whole_trail();
        assert_int_equal(verify(&trail, &memory, &problem), ERR_NONE);
        trail.at_ms = 2000;
        switch (what) {
        case 0: /* altered */
            trail.octets[2][0] = 'R';
            break;
        case 1: /* reordered */
            trail.order[1] = 2;
            trail.order[2] = 1;
            break;
        case 2: /* one dropped from the middle, numbers closed up */
            memmove(trail.order + 1, trail.order + 2, 4 * sizeof trail.order[0]);
            trail.count--;
            break;
        case 3: /* truncated, the head still over all */
            trail.count = 5;
            break;
        case 4: /* truncated, and signed anew: only the memory tells */
            trail.count = trail.covers = 5;
            break;
        case 5: /* the head left out */
            trail.no_head = true;
            break;
        case 6: /* more records than the head covers */
            trail.covers = 5;
            break;
        case 7:
            trail.bad_signature = true;
            break;
        case 8: /* another key */
            trail.seed = 2;
            break;
        case 9: /* another region's trail */
            trail.region = "E12000004";
            break;
        case 10: /* an old head again */
            trail.at_ms = 999;
            break;
        }
        enum err err = verify(&trail, &memory, &problem);
        if (err != ERR_STORE_DAMAGED)
            fail_msg("tampering %d was not seen", what);
        assert_true(strlen(problem.text) > 10);
    }
}

/* The same signed by the region itself: a trail rewritten from the start is told by the memory alone. */
static void another_trail_of_the_same_region_is_refused(void **state)
{
    (void)state;
    struct problem problem;
    struct audit_memory memory = {0};
    struct trail trail = whole_trail();
    assert_int_equal(verify(&trail, &memory, &problem), ERR_NONE);
    memory.head.ends[AUDIT_WRITES].hash[0] ^= 1;
    trail.at_ms = 2000;
    assert_int_equal(verify(&trail, &memory, &problem), ERR_STORE_DAMAGED);
}

static void heads_have_one_form(void **state)
{
    (void)state;
    struct audit_head_seen head = {.region = REGION, .at_ms = 5}, again;
    char text[AUDIT_HEAD_MAX_BYTES], bad[AUDIT_HEAD_MAX_BYTES + 8];
    head.ends[0].sequence = 3;
    audit_head_write(&head, text);
    assert_true(audit_head_read(text, &again));
    for (size_t i = 0; i < strlen(text); i++) {
        snprintf(bad, sizeof bad, "%s", text);
        bad[i] = bad[i] == ' ' ? '\n' : ' ';
        assert_false(audit_head_read(bad, &again));
    }
    snprintf(bad, sizeof bad, "%s\n", text);
    assert_false(audit_head_read(bad, &again));
    assert_false(audit_head_read("", &again));
}

static void what_was_seen_is_remembered_on_disk(void **state)
{
    (void)state;
    char folder[] = "/tmp/client-audit-XXXXXX";
    struct audit_memory memory = {0}, again;
    struct problem problem;
    struct trail trail = whole_trail();
    assert_non_null(mkdtemp(folder));
    char *path = must_print("%s/a/b/audit-" REGION, folder), *parent = must_print("%s/a/b", folder),
         *grandparent = must_print("%s/a", folder);
    assert_int_equal(audit_memory_load(path, &again, &problem), ERR_NONE);
    assert_false(again.has_head || again.has_key);
    assert_int_equal(verify(&trail, &memory, &problem), ERR_NONE);
    assert_int_equal(audit_memory_save(path, &memory, &problem), ERR_NONE);
    assert_int_equal(audit_memory_load(path, &again, &problem), ERR_NONE);
    assert_true(again.has_head && again.has_key && again.head.at_ms == 1000);
    assert_memory_equal(again.public_key, memory.public_key, PUBLIC_KEY_BYTES);
    assert_memory_equal(&again.head.ends, &memory.head.ends, sizeof again.head.ends);
    assert_int_equal(truncate(path, 90), 0); /* damaged: never taken for "first look" */
    assert_int_equal(audit_memory_load(path, &again, &problem), ERR_INVALID);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(audit_memory_load(path, &again, &problem), ERR_INVALID);
    unlink(path);
    rmdir(parent);
    rmdir(grandparent);
    rmdir(folder);
    free(path);
    free(parent);
    free(grandparent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_trail_verifies_and_may_grow),         cmocka_unit_test(every_tampering_is_refused),
        cmocka_unit_test(another_trail_of_the_same_region_is_refused), cmocka_unit_test(heads_have_one_form),
        cmocka_unit_test(what_was_seen_is_remembered_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
