/*
 * hub_audit.c - HubService: ReadAudit, the trail with the head that proves it.
 *
 * The head is signed first and fixes how far both chains are sent, so that the stream ends however much is added while
 * it runs, and the last message covers all before it. Reading the trail is itself on the trail.
 * On the call's worker.
 */
#include "daemon/service/check.h"
#include "daemon/service/handlers.h"
#include "daemon/service/requests.h"
#include "daemon/service/views.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <stdlib.h>

#define PAGE_RECORDS     64
#define PAGE_ARENA_BYTES (512u * 1024)

enum { WRITES, DISCLOSURES, CHAINS };

struct reading {
    struct signed_head head;
    unsigned chain;        /* being sent; CHAINS: the head is next */
    uint64_t next[CHAINS]; /* sequence */
    uint64_t last[CHAINS];
    struct arena arena;
    struct audit_row rows[PAGE_RECORDS];
    size_t count, at;
};

static void send_head(struct call *call, struct reading *reading)
{
    Vacancy__V1__AuditHead head = VACANCY__V1__AUDIT_HEAD__INIT;
    Vacancy__V1__ReadAuditResponse out = VACANCY__V1__READ_AUDIT_RESPONSE__INIT;
    head.text = reading->head.text;
    head.signature = (ProtobufCBinaryData){SIGNATURE_BYTES, reading->head.signature};
    head.public_key = (ProtobufCBinaryData){PUBLIC_KEY_BYTES, reading->head.public_key};
    out.item_case = VACANCY__V1__READ_AUDIT_RESPONSE__ITEM_HEAD;
    out.head = &head;
    call_answer(call, &out.base);
}

/* Reads on in the chain being sent, or passes to the next. False: the call was ended. */
static bool load_page(struct call *call, struct reading *reading)
{
    struct service_context *ctx = call_context(call);
    arena_reset(&reading->arena);
    reading->at = reading->count = 0;
    while (reading->chain < CHAINS && reading->next[reading->chain] > reading->last[reading->chain])
        reading->chain++;
    if (reading->chain == CHAINS)
        return true;
    uint64_t from = reading->next[reading->chain];
    enum err err =
        reading->chain == WRITES
            ? home_read_audit(ctx->home, from, &reading->arena, reading->rows, PAGE_RECORDS, &reading->count)
            : disclosures_read(ctx->disclosures, from, &reading->arena, reading->rows, PAGE_RECORDS, &reading->count);
    if (err == ERR_NONE && reading->count == 0)
        err = ERR_STORE_DAMAGED; /* the head covers records that are not there */
    if (err != ERR_NONE)
        call_fail(call, err, "", "the audit trail can't be read at record %llu", (unsigned long long)from);
    return err == ERR_NONE;
}

static bool send_record(struct call *call, struct reading *reading, const struct audit_row *row)
{
    Vacancy__V1__AuditItem item = VACANCY__V1__AUDIT_ITEM__INIT;
    Vacancy__V1__ReadAuditResponse out = VACANCY__V1__READ_AUDIT_RESPONSE__INIT;
    item.chain = reading->chain == WRITES ? VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_WRITES
                                          : VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_DISCLOSURES;
    item.sequence = row->sequence;
    item.octets = (ProtobufCBinaryData){row->octets.size, (uint8_t *)row->octets.data};
    out.item_case = VACANCY__V1__READ_AUDIT_RESPONSE__ITEM_RECORD;
    out.record = &item;
    reading->next[reading->chain] = row->sequence + 1;
    return call_send(call, &out.base);
}

/* One turn: at most a page, as far as the client takes it. */
static void read_turn(struct call *call)
{
    struct reading *reading = call->state;
    if (reading->at == reading->count && !load_page(call, reading))
        return;
    if (reading->chain == CHAINS) {
        send_head(call, reading);
        return;
    }
    while (reading->at < reading->count) {
        const struct audit_row *row = &reading->rows[reading->at++];
        if (row->sequence > reading->last[reading->chain]) {
            reading->at = reading->count; /* added since the head was signed */
            break;
        }
        if (!send_record(call, reading, row))
            return; /* until writable */
    }
    call_yield(call);
}

static void read_audit(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__ReadAuditRequest *in = (const Vacancy__V1__ReadAuditRequest *)message;
    struct principal who;
    struct problem problem = {0};
    uint8_t chain;
    if (!call_identify(call, ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_AUDITOR), &who))
        return;
    if (check_code(&problem, NULL, "chain", (int)in->chain, CHAINS + 1, false, "AuditChain", &chain) != ERR_NONE) {
        call_finish(call, &problem);
        return;
    }
    if (!call_disclose(call, &who, &(struct shown){0}))
        return;
    struct reading *reading = call_begin_state(call, sizeof *reading);
    if (reading == NULL)
        return;
    arena_init(&reading->arena, PAGE_ARENA_BYTES);
    enum err err = disclosures_last_head(call_context(call)->disclosures, &reading->head);
    if (err != ERR_NONE) {
        call_fail(call, ERR_UNAVAILABLE, "",
                  "the audit trail's head can't be signed now; "
                  "the hub's operator sees why in its log");
        return;
    }
    uint64_t from = in->from_sequence == 0 ? 1 : in->from_sequence;
    reading->next[WRITES] = chain == VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_DISCLOSURES ? UINT64_MAX : from;
    reading->next[DISCLOSURES] = chain == VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_WRITES ? UINT64_MAX : from;
    reading->last[WRITES] = reading->head.head.writes.sequence;
    reading->last[DISCLOSURES] = reading->head.head.disclosures.sequence;
    read_turn(call);
}

static void read_closed(struct call *call)
{
    struct reading *reading = call->state;
    if (reading == NULL)
        return;
    call->state = NULL;
    arena_finish(&reading->arena);
    free(reading);
}

const struct call_handler read_audit_handler = {.message = read_audit, .writable = read_turn, .closed = read_closed};
