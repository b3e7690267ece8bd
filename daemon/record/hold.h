/*
 * hold.h - a placement team's exclusive, expiring claim on beds of a vacancy.
 *
 * Owns: the struct, its stored octets (proto home.proto: HomeHold) and what others get of it (proto shared.proto:
 * HoldRow), the text form of its token. Not here: who may hold what (register), the transitions (states.h).
 * Thread: any; no state. A hold's token is the position of the log entry that made it, so it grows from hold to hold.
 */
#ifndef VACANCY_RECORD_HOLD_H
#define VACANCY_RECORD_HOLD_H

#include "daemon/record/audit_entry.h"
#include "daemon/record/carer.h"

#define REQUEST_REFERENCE_BYTES 16 /* "383-2044171234" and NUL */
#define HOLD_KEY_BYTES          16 /* epoch, sequence: big-endian */
#define HOLD_ID_BYTES           52 /* "E12000003-1-4711" and NUL */

enum consent { CONSENT_NONE = 0, CONSENT_GIVEN, CONSENT_NOT_NEEDED, CONSENT_END };

struct hold_token {
    uint64_t epoch, sequence; /* 0, 0: none */
};

struct hold {
    struct hold_token token;
    uint64_t national_reference, vacancy_id;
    uint32_t beds;
    uint8_t state; /* enum hold_state */
    bool extended;
    int64_t made_at_ms, until_ms, ended_at_ms;
    uint8_t holder_hash[DIGEST_BYTES], request_hash[DIGEST_BYTES];
    /* The home hub's own; empty after a restore from what is shared. */
    char agency[AGENCY_ID_BYTES];
    char agency_reference[AGENCY_REFERENCE_BYTES];
    char holder[PRINCIPAL_NAME_BYTES];
    char authority[GSS_BYTES];
    char forwarded_by[GSS_BYTES];
    char request_reference[REQUEST_REFERENCE_BYTES];
    int64_t until_lease_ms; /* on the register's lease clock */
    int64_t answered_at_ms;
    uint8_t decline_reason, placement_code, provider_consent, authorities_consent;
    date_days starts_on;
};

/* Still takes beds for its team (not: placed). */
static inline bool hold_live(const struct hold *hold)
{
    return hold->state == HOLD_ACTIVE || hold->state == HOLD_ACCEPTED;
}

void hold_key(const struct hold_token *token, uint8_t out[HOLD_KEY_BYTES]);
bool hold_key_read(const struct octets *key, struct hold_token *out);
/* "E12000003-1-4711"; reading takes exactly that form. */
void hold_id_format(const char *region, const struct hold_token *token, char out[HOLD_ID_BYTES]);
bool hold_id_parse(const char *text, char region[GSS_BYTES], struct hold_token *out)
    __attribute__((warn_unused_result));

enum err hold_row_encode(const struct hold *hold, struct arena *arena, struct octets *out);
/* Fills what the row tells; the rest is zeroed. key: the record's. ERR_STORE_DAMAGED. */
enum err hold_row_decode(const struct octets *key, const struct octets *row, struct hold *out);
/* row: as last logged, stored verbatim; empty: it is gone from the region's state (7 days after the end). */
enum err home_hold_encode(const struct hold *hold, const struct octets *row, struct arena *arena, struct octets *out);
/* *row (may be NULL) is a view into *octets, empty where it is gone. ERR_STORE_DAMAGED. */
enum err home_hold_decode(const struct octets *key, const struct octets *octets, struct hold *out, struct octets *row);

/* what: "holder", "report" (request_id NULL) or "request"; keyed by the region's secret. */
void hold_hash(const uint8_t secret[32], const char *what, uint64_t vacancy_id, const uint8_t *request_id,
               const char *holder, uint8_t out[DIGEST_BYTES]);

#endif
