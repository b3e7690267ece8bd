/*
 * tables.h - every table of both environments: its key, its value, who writes it, who reads it; and the check that each
 * record carries.
 *
 * Keys begin with the region (9 ASCII characters); numbers are big-endian, so byte order is scanning order.
 *
 *     table        key, after the region               value                                    written by
 *
 *     META         no region: "schema"                 version, region, public signing key      home_open
 *                  no region: "position"               epoch, ends of log, audit and events,    batch
 *                                                      horizon, lease clock
 *                  no region: "events-ends"            where the events of each epoch end       home_events
 *                  no region: "state-0", "state-1"     records (8), half an LtHash16 (1024)     batch
 *                  no region: "restoring"              1: after a restore, until it decides     home_standing
 *                  no region: "superseded"             the checkpoint that superseded us        home_standing
 *                  no region: "forgetting"             1: REQUESTS may name erased carers       home_requests
 *     CARERS       national reference (8)              HomeCarer (home.proto)                   home_apply
 *     REFERENCES   agency, 0, agency reference         national reference (8)                   home_apply
 *     AGENCIES     agency id                           AgencyRow (shared.proto)                 home_apply
 *     PRINCIPALS   SPIFFE name                         PrincipalRow (home.proto)                home_apply
 *     LOG          sequence (8)                        header (109), salt (32), payload         batch
 *     AUDIT        sequence (8)                        AuditRecord (hub_service.proto)          batch
 *     REQUESTS     UUIDv7 (16), SHA-256(principal)/16  content hash, outcome (home_requests.c)  home_apply
 *                  id by when it goes, SHA-256(         no outcome: a transfer code with which   home_apply
 *                  "transfer codes")/16                a carer came from another region
 *     CHECKPOINTS  sequence (8)                        signed checkpoint (checkpoint.h)         batch
 *     ORPHANS      agency, 0, hash of reference (32)   national reference (8)                   home_apply
 *     HOLDS        token: epoch (8), sequence (8)      HomeHold (home.proto)                    home_apply
 *     HOLD_LISTS   SHA-256 of list, 0, owner / 16,     nothing; lists: of a team and of an      home_apply
 *                  token's complement                  agency all holds, and live ones; of a carer
 *     EVENTS       agency, 0, event number (8)         HomeEvent (home.proto)                   batch
 *     ASKED        SHA-256 of "asked", 0, holder / 16, AskedHold (home.proto)                   home_apply
 *                  request id's complement
 *     FORMER       agency, 0, hash of reference (32)   of a carer that went (home_former.c)     home_apply
 *     REPORTS      SHA-256 of "reports", 0, holder/16  a team's reports of a day (home_report.c) home_apply
 *
 * All are read by home_open (home_check.c); CARERS, AGENCIES and PRINCIPALS by observers, CARERS, AGENCIES, LOG and
 * CHECKPOINTS by log_reader. Of CHECKPOINTS the last of each block of 256 sequences is kept, and the newest.
 *
 *     replica              key, after the region                    value
 *
 *     REGIONS              no region: "schema"                      version
 *                          nothing                                  a region's row (replica_rows.c)
 *                          "staged"                                 a snapshot that arrives (replica_rows.c)
 *     RECORDS              generation (4), table (1), record's key  octets, verbatim
 *     REPLICA_LOG          generation (4), sequence (8)             header (109); salt (32), payload: unless dropped
 *     REPLICA_CHECKPOINTS  generation (4), sequence (8)             checkpoint: as CHECKPOINTS keeps them
 *     EVIDENCE             number (8)                               why, and both checkpoints of a fork
 *
 * All of the replica's are written by its writer and read by replica*.c. A generation is a region's log and records as
 * proven, or as staged by a snapshot; REGIONS says which is which, and any other is being dropped.
 *
 * CARERS is the one table of home's with random keys that an update writes; LOG and AUDIT are appended to, REQUESTS
 * nearly so, REFERENCES is written once per carer. Due times are in no table: due.c keeps them in memory, rebuilt when
 * CARERS is read through at open, because a table by due time would cost each confirmation two more random pages.
 *
 * A stored value is: version octet, first 8 octets of SHA-256(version, table, key size (2), key, octets), octets.
 * Thread: any; no state.
 */
#ifndef VACANCY_REGISTER_TABLES_H
#define VACANCY_REGISTER_TABLES_H

#include "daemon/base/arena.h"
#include "daemon/record/hold.h"
#include "daemon/record/ids.h"
#include "daemon/register/store.h"

#define SCHEMA_VERSION      4
#define RECORD_VERSION      1
#define RECORD_PREFIX_BYTES 9
#define TABLE_KEY_MAX_BYTES 288

struct table_key {
    uint8_t data[TABLE_KEY_MAX_BYTES];
    size_t size;
};

const char *tables_name(enum store_table table);

/* Keys. A text that does not fit aborts: its length was checked where it came in. */
struct table_key key_of_region(const char *region);
struct table_key key_of_id(const char *region, uint64_t id);
struct table_key key_of_text(const char *region, const char *text);
struct table_key key_of_reference(const char *region, const char *agency, const char *agency_reference);
/* Of a carer that is lost since a restore, or went to another agency, under the keyed hash of its reference. */
struct table_key key_of_orphan(const char *region, const char *agency, const uint8_t hash[DIGEST_BYTES]);
struct table_key key_of_event(const char *region, const char *agency, uint64_t number);
struct table_key key_of_request(const char *region, const uint8_t request_id[REQUEST_ID_BYTES], const char *principal);
struct table_key key_of_hold(const char *region, const struct hold_token *token);
/* In one of an owner's lists, which are scanned newest first: so the token's complement. token NULL: the list's prefix.
 */
/* owner: SPIFFE name, agency id, national reference as id_format has it */
enum hold_list { HOLD_LIST_TEAM, HOLD_LIST_TEAM_LIVE, HOLD_LIST_AGENCY, HOLD_LIST_AGENCY_LIVE, HOLD_LIST_CARER };
struct table_key key_of_hold_list(const char *region, enum hold_list list, const char *owner,
                                  const struct hold_token *token);
bool key_hold_list_token(const struct octets *key, struct hold_token *out);
/* Newest first, too. request_id NULL: the holder's prefix. */
struct table_key key_of_asked(const char *region, const char *holder, const uint8_t *request_id);
struct table_key key_of_reports(const char *region, const char *holder);
/* The replica's. */
struct table_key key_of_generation(const char *region, uint32_t generation);
struct table_key key_of_entry(const char *region, uint32_t generation, uint64_t sequence);
struct table_key key_of_record(const char *region, uint32_t generation, unsigned table, const struct octets *key);
struct octets key_octets(const struct table_key *key);
/* Makes *next the smallest key after *key, which may lie in *next itself. */
void key_step_past(struct table_key *next, const struct octets *key);
bool key_begins(const struct octets *key, const struct table_key *prefix);

/*
 * Through the seam, with the record's check added and taken off. A record that fails it is ERR_STORE_DAMAGED, and
 * *problem (may be NULL) names table and key. Output views as in store.h.
 */
enum err tables_get(struct store *store, struct store_txn *txn, enum store_table table, const struct octets *key,
                    struct octets *value, struct problem *problem);
enum err tables_seek(struct store *store, struct store_txn *txn, enum store_table table, const struct octets *from,
                     bool backwards, struct octets *key, struct octets *value, struct problem *problem);
/* Needs room in the arena for a copy. */
enum err tables_put(struct store *store, struct store_txn *txn, struct arena *arena, enum store_table table,
                    const struct octets *key, const struct octets *value);
/* Takes the prefix off a stored value and checks it. */
enum err tables_open_value(enum store_table table, const struct octets *key, const struct octets *stored,
                           struct octets *value, struct problem *problem);

#endif
