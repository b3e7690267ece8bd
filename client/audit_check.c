/*
 * audit_check.c - see audit_check.h. The client's one thread.
 */
#include "client/audit_check.h"

#include "daemon/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const chain_names[AUDIT_CHAINS] = {"writes", "disclosures"};

size_t audit_head_write(const struct audit_head_seen *head, char out[AUDIT_HEAD_MAX_BYTES])
{
    char hex[AUDIT_CHAINS][DIGEST_HEX_SIZE];
    for (int i = 0; i < AUDIT_CHAINS; i++)
        hex_encode(head->ends[i].hash, DIGEST_BYTES, hex[i]);
    return (size_t)snprintf(out, AUDIT_HEAD_MAX_BYTES,
                            "vacancy audit head v1\n%s\nwrites %" PRIu64 " %s\ndisclosures %" PRIu64 " %s\n%" PRId64
                            "\n",
                            head->region, head->ends[AUDIT_WRITES].sequence, hex[AUDIT_WRITES],
                            head->ends[AUDIT_DISCLOSURES].sequence, hex[AUDIT_DISCLOSURES], head->at_ms);
}

bool audit_head_read(const char *text, struct audit_head_seen *out)
{
    char hex[AUDIT_CHAINS][DIGEST_HEX_SIZE], again[AUDIT_HEAD_MAX_BYTES];
    struct audit_head_seen head = {0};
    if (sscanf(text, "vacancy audit head v1 %9s writes %" SCNu64 " %64s disclosures %" SCNu64 " %64s %" SCNd64,
               head.region, &head.ends[AUDIT_WRITES].sequence, hex[AUDIT_WRITES],
               &head.ends[AUDIT_DISCLOSURES].sequence, hex[AUDIT_DISCLOSURES], &head.at_ms) != 6 ||
        !text_is_gss_code(head.region))
        return false;
    for (int i = 0; i < AUDIT_CHAINS; i++)
        if (!hex_decode(hex[i], strlen(hex[i]), head.ends[i].hash, DIGEST_BYTES))
            return false;
    /* Whatever sscanf let pass: only the one form counts. */
    audit_head_write(&head, again);
    if (strcmp(again, text) != 0)
        return false;
    *out = head;
    return true;
}

void audit_check_begin(struct audit_check *check, const char *region, const struct audit_memory *memory)
{
    *check = (struct audit_check){.region = region, .memory = *memory};
    for (int i = 0; i < AUDIT_CHAINS; i++)
        check->passed[i] = !memory->has_head || memory->head.ends[i].sequence == 0;
}

static bool bad(struct audit_check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool bad(struct audit_check *check, const char *format, ...)
{
    char text[PROBLEM_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    problem_set(&check->problem, ERR_STORE_DAMAGED, "", "%s", text);
    return false;
}

static bool check_record(struct audit_check *check, const Vacancy__V1__AuditItem *record)
{
    enum audit_chain chain =
        record->chain == VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_WRITES ? AUDIT_WRITES : AUDIT_DISCLOSURES;
    struct audit_point *at = &check->at[chain];
    if (record->chain != VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_WRITES &&
        record->chain != VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_DISCLOSURES)
        return bad(check, "a record names no chain");
    if (record->sequence != at->sequence + 1)
        return bad(check, "%s: record %" PRIu64 " was expected, %" PRIu64 " came: records are missing or out of order",
                   chain_names[chain], at->sequence + 1, record->sequence);
    struct octets parts[] = {{at->hash, DIGEST_BYTES}, {record->octets.data, record->octets.len}};
    digest_sha256_parts(parts, 2, at->hash);
    at->sequence++;
    const struct audit_point *seen = &check->memory.head.ends[chain];
    if (check->passed[chain] || at->sequence != seen->sequence)
        return true;
    if (!octets_equal(at->hash, seen->hash, DIGEST_BYTES))
        return bad(check,
                   "%s: the first %" PRIu64 " records are not those that were seen before: the trail was changed",
                   chain_names[chain], at->sequence);
    return check->passed[chain] = true;
}

static bool check_key(struct audit_check *check, const Vacancy__V1__AuditHead *head)
{
    if (head->public_key.len != PUBLIC_KEY_BYTES || head->signature.len != SIGNATURE_BYTES)
        return bad(check, "the head has no signature");
    if (check->memory.has_key && !octets_equal(head->public_key.data, check->memory.public_key, PUBLIC_KEY_BYTES))
        return bad(check, "the head is signed with another key than the region's that was given or seen before");
    const uint8_t *key = check->memory.has_key ? check->memory.public_key : head->public_key.data;
    if (!signature_verify(key, head->text, strlen(head->text), head->signature.data))
        return bad(check, "the head's signature is not the region's");
    memcpy(check->public_key, key, PUBLIC_KEY_BYTES);
    return true;
}

static bool check_head(struct audit_check *check, const Vacancy__V1__AuditHead *head)
{
    if (!check_key(check, head))
        return false;
    if (!audit_head_read(head->text, &check->head))
        return bad(check, "the head's statement can't be read; is this program older than the hub?");
    if (strcmp(check->head.region, check->region) != 0)
        return bad(check, "the head is of region %s, the hub's certificate of region %s", check->head.region,
                   check->region);
    for (int i = 0; i < AUDIT_CHAINS; i++) {
        const struct audit_point *end = &check->head.ends[i];
        if (end->sequence != check->at[i].sequence)
            return bad(check, "%s: the head covers %" PRIu64 " records, %" PRIu64 " came", chain_names[i],
                       end->sequence, check->at[i].sequence);
        if (!octets_equal(end->hash, check->at[i].hash, DIGEST_BYTES))
            return bad(check, "%s: the records are not those that the region signed", chain_names[i]);
    }
    if (check->memory.has_head && check->head.at_ms < check->memory.head.at_ms)
        return bad(check, "the head is older than the one that was seen before");
    return true;
}

bool audit_check_item(struct audit_check *check, const Vacancy__V1__ReadAuditResponse *item)
{
    if (check->problem.code != ERR_NONE)
        return false;
    check->headed = false;
    switch (item->item_case) {
    case VACANCY__V1__READ_AUDIT_RESPONSE__ITEM_RECORD:
        return check_record(check, item->record);
    case VACANCY__V1__READ_AUDIT_RESPONSE__ITEM_HEAD:
        return check->headed = check_head(check, item->head);
    default:
        return true; /* something that a newer hub sends; what counts is the head */
    }
}

enum err audit_check_end(struct audit_check *check, struct problem *problem)
{
    for (int i = 0; i < AUDIT_CHAINS && check->problem.code == ERR_NONE; i++)
        if (!check->passed[i])
            bad(check, "%s: %" PRIu64 " records were seen before, now there are %" PRIu64 ": the trail was cut",
                chain_names[i], check->memory.head.ends[i].sequence, check->at[i].sequence);
    if (check->problem.code == ERR_NONE && !check->headed)
        bad(check, "no signed head came at the end");
    *problem = check->problem;
    return problem->code;
}
