/*
 * cmd_audit.c - vacancy audit verify, audit read. The client's one thread.
 */
#include "client/audit_check.h"
#include "client/audit_memory.h"
#include "client/codes.h"
#include "client/command.h"
#include "client/json.h"
#include "client/memory.h"
#include "daemon/base/text.h"
#include "proto/wire/message.h"
#include "proto/wire/status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define READ_AUDIT "/vacancy.v1.HubService/ReadAudit"

/* --- verify ------------------------------------------------------------------------------------------------------ */

struct verifying {
    struct audit_check check;
    struct progress progress;
    uint64_t records;
};

static bool on_item(void *context, const ProtobufCMessage *message)
{
    struct verifying *verifying = context;
    progress_show(&verifying->progress, -1, ++verifying->records);
    return audit_check_item(&verifying->check, (const Vacancy__V1__ReadAuditResponse *)message);
}

static enum exit_code unverified(struct cli *cli, const char *text)
{
    cli_say(cli, "NOT VERIFIED: %s", text);
    return EXIT_UNVERIFIED;
}

/* --region-key pins; it must agree with what was remembered. */
static enum exit_code pin(struct cli *cli, struct audit_memory *memory)
{
    const char *given = options_text(&cli->options, "region-key");
    uint8_t key[PUBLIC_KEY_BYTES];
    if (given == NULL)
        return EXIT_DONE;
    if (!hex_decode(given, strlen(given), key, sizeof key))
        return cli_usage(cli, "--region-key is the region's public key, 64 hex digits");
    if (memory->has_key && !octets_equal(key, memory->public_key, sizeof key))
        return unverified(cli, "the key that was seen before is not the one given");
    memcpy(memory->public_key, key, sizeof key);
    memory->has_key = true;
    return EXIT_DONE;
}

static void print_verified(struct cli *cli, const struct audit_check *check)
{
    char writes[GROUPED_TEXT_BYTES], disclosures[GROUPED_TEXT_BYTES], when[WHEN_TEXT_BYTES],
        key[2 * PUBLIC_KEY_BYTES + 1];
    hex_encode(check->public_key, PUBLIC_KEY_BYTES, key);
    if (options_flag(&cli->options, "json")) {
        json_print(cli->out, json_pack("{s:b,s:s,s:I,s:I,s:I,s:s}", "verified", 1, "region", check->region, "writes",
                                       (json_int_t)check->at[AUDIT_WRITES].sequence, "disclosures",
                                       (json_int_t)check->at[AUDIT_DISCLOSURES].sequence, "at_ms",
                                       (json_int_t)check->head.at_ms, "public_key", key));
        return;
    }
    fprintf(cli->out, "The audit trail of region %s is whole: %s changes, %s disclosures, signed %s.\n", check->region,
            grouped_text(check->at[AUDIT_WRITES].sequence, writes),
            grouped_text(check->at[AUDIT_DISCLOSURES].sequence, disclosures), when_text(check->head.at_ms, when));
    if (!check->memory.has_head)
        fprintf(cli->out, "First look at it; from now on it must continue from here. The region's key%s is\n%s\n",
                check->memory.has_key ? "" : ", to be compared with what its operator says,", key);
    else
        fputs("It continues what was seen before.\n", cli->out);
}

static enum exit_code verify_against(struct cli *cli, const char *path)
{
    struct problem problem = {0};
    struct audit_memory memory;
    struct verifying verifying = {.records = 0};
    Vacancy__V1__ReadAuditRequest request = VACANCY__V1__READ_AUDIT_REQUEST__INIT;
    if (audit_memory_load(path, &memory, &problem) != ERR_NONE)
        return unverified(cli, problem.text);
    enum exit_code code = pin(cli, &memory);
    if (code != EXIT_DONE)
        return code;
    audit_check_begin(&verifying.check, link_region(cli->link), &memory);
    progress_begin(&verifying.progress, "verifying", cli->err);
    enum err err = link_stream(cli->link, READ_AUDIT, &request.base, &vacancy__v1__read_audit_response__descriptor,
                               on_item, &verifying, &problem);
    progress_end(&verifying.progress);
    if (err != ERR_NONE)
        return cli_failed(cli, &problem);
    if (audit_check_end(&verifying.check, &problem) != ERR_NONE)
        return unverified(cli, problem.text);
    print_verified(cli, &verifying.check);
    memory.has_key = memory.has_head = true;
    memory.head = verifying.check.head;
    memcpy(memory.public_key, verifying.check.public_key, PUBLIC_KEY_BYTES);
    if (audit_memory_save(path, &memory, &problem) != ERR_NONE) {
        cli_say(cli, "%s; the next look can't compare with this one", problem.text);
        return EXIT_UNVERIFIED;
    }
    return EXIT_DONE;
}

static enum exit_code run_verify(struct cli *cli)
{
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    const char *given = options_text(&cli->options, "state");
    char *path = given ? must_copy(given) : audit_memory_path(link_region(cli->link));
    code = verify_against(cli, path);
    free(path);
    return code;
}

/* --- read -------------------------------------------------------------------------------------------------------- */

struct reading {
    struct cli *cli;
    bool json;
    uint64_t count, limit;
    struct arena arena;
};

static void print_record(struct reading *reading, const Vacancy__V1__AuditItem *item,
                         const Vacancy__V1__AuditRecord *record)
{
    FILE *out = reading->cli->out;
    char when[WHEN_TEXT_BYTES], purpose[64];
    const char *method = strrchr(record->method, '/');
    struct grown_text text = {0};
    grown_add(&text, "%s %" PRIu64 "  %s  %s  %s",
              item->chain == VACANCY__V1__AUDIT_CHAIN__AUDIT_CHAIN_WRITES ? "w" : "d", item->sequence,
              when_text(record->at_ms, when), method ? method + 1 : record->method, record->principal);
    if (record->asked_of[0])
        grown_add(&text, "  asked of the hub of %s", record->asked_of);
    if (record->asked_of[0] && record->code == GRPC_DEADLINE_EXCEEDED)
        grown_add(&text, "  outcome unknown");
    else if (record->code != GRPC_OK)
        grown_add(&text, "  %s", grpc_code_name((enum grpc_code)record->code));
    if (record->request_reference[0])
        grown_add(&text, "  %s %s", record->request_reference,
                  code_words(&vacancy__v1__purpose__descriptor, (int)record->purpose, purpose, sizeof purpose));
    if (record->object[0])
        grown_add(&text, "  %s%s", record->object, record->suspended ? " suspended" : "");
    if (record->forwarded_by[0])
        grown_add(&text, "  by the hub of %s", record->forwarded_by);
    for (size_t i = 0; i < record->n_subjects; i++)
        grown_add(&text, "%s%s", i ? " " : "  ", record->subjects[i]);
    char *clean = clean_text(text.text, text.bytes);
    fprintf(out, "%s\n", clean);
    free(clean);
    grown_free(&text);
}

static bool on_record(void *context, const ProtobufCMessage *message)
{
    struct reading *reading = context;
    const Vacancy__V1__ReadAuditResponse *response = (const Vacancy__V1__ReadAuditResponse *)message;
    struct problem ignored;
    ProtobufCMessage *record;
    if (response->item_case != VACANCY__V1__READ_AUDIT_RESPONSE__ITEM_RECORD)
        return true;
    arena_reset(&reading->arena);
    const Vacancy__V1__AuditItem *item = response->record;
    if (message_unpack(&vacancy__v1__audit_record__descriptor, item->octets.data, item->octets.len, &reading->arena,
                       &record, &ignored) != ERR_NONE) {
        cli_say(reading->cli, "record %" PRIu64 " can't be read; `vacancy audit verify` tells more", item->sequence);
    } else if (reading->json) {
        json_t *object = json_of_message(record);
        json_object_set_new(object, "chain",
                            json_string(code_name(&vacancy__v1__audit_chain__descriptor, (int)item->chain)));
        json_object_set_new(object, "number", json_integer((json_int_t)item->sequence));
        fputs(reading->count ? ",\n " : "[\n ", reading->cli->out);
        json_print_inline(reading->cli->out, object);
    } else {
        print_record(reading, item, (const Vacancy__V1__AuditRecord *)record);
    }
    return ++reading->count < reading->limit && !ferror(reading->cli->out);
}

static enum exit_code run_read(struct cli *cli)
{
    struct reading reading = {.cli = cli, .json = options_flag(&cli->options, "json"), .limit = UINT64_MAX};
    Vacancy__V1__ReadAuditRequest request = VACANCY__V1__READ_AUDIT_REQUEST__INIT;
    const char *chain = options_text(&cli->options, "chain"), *from = options_text(&cli->options, "from"),
               *limit = options_text(&cli->options, "limit");
    struct problem problem = {0};
    if (chain && !code_parse(&vacancy__v1__audit_chain__descriptor, chain, strlen(chain), (int *)&request.chain))
        return cli_usage(cli, "--chain is writes or disclosures");
    if (from && !text_parse_u64(from, UINT64_MAX, &request.from_sequence))
        return cli_usage(cli, "--from is a whole number");
    if (limit && (!text_parse_u64(limit, UINT64_MAX, &reading.limit) || reading.limit == 0))
        return cli_usage(cli, "--limit is a whole number above 0");
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    arena_init(&reading.arena, MESSAGE_UNPACKED_BYTES);
    enum err err = link_stream(cli->link, READ_AUDIT, &request.base, &vacancy__v1__read_audit_response__descriptor,
                               on_record, &reading, &problem);
    arena_finish(&reading.arena);
    if (reading.json)
        fputs(reading.count ? "\n]\n" : "[]\n", cli->out);
    return err == ERR_NONE ? EXIT_DONE : cli_failed(cli, &problem);
}

static const struct option_spec verify_options[] = {
    {"region-key", "HEX", "the region's public key, 64 hex digits, as its operator says; else the one seen first",
     false},
    {"state", "FILE", "where the last head seen is kept; default ~/.local/state/vacancy/audit-REGION", false},
    {"json", NULL, "what was verified, as JSON", false},
    {0},
};

static const struct option_spec read_options[] = {
    {"chain", "CHAIN", "writes or disclosures; default both", false},
    {"from", "N", "first record wanted; default 1", false},
    {"limit", "N", "most records; default all", false},
    {"json", NULL, "as JSON", false},
    {0},
};

const struct command command_audit_verify = {
    .name = "audit verify",
    .arguments = "",
    .summary = "Prove that the hub's audit trail is whole, signed, and continues what was seen before (auditors).",
    .example = "  vacancy audit verify\n",
    .notes =
        "Reads both chains from the first record, recomputes their hashes, checks the region's signature over their "
        "ends, and compares with the head of the last verification: an older or another trail is refused.",
    .options = verify_options,
    .run = run_verify,
};

const struct command command_audit_read = {
    .name = "audit read",
    .arguments = "",
    .summary = "Read the audit trail: who did and saw what, when and why (auditors).",
    .example = "  vacancy audit read --chain disclosures --limit 20\n",
    .options = read_options,
    .run = run_read,
};
