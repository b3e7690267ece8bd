/*
 * hold.c - a hold's octets, its token's text form and its keyed hashes, see hold.h.
 * Owns: HoldRow and HomeHold <-> struct hold. Any thread; no state.
 * Invariant: decode(encode(x)) == x, and equal holds give equal octets.
 */
#include "daemon/record/hold.h"

#include "daemon/record/bytes.h"
#include "daemon/record/carer_parts.h"
#include "daemon/record/ids.h"
#include "daemon/record/scratch.h"
#include "vacancy/v1/home.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- token ------------------------------------------------------------------------------------------------------- */

void hold_key(const struct hold_token *token, uint8_t out[HOLD_KEY_BYTES])
{
    put_be64(out, token->epoch);
    put_be64(out + 8, token->sequence);
}

bool hold_key_read(const struct octets *key, struct hold_token *out)
{
    if (key->size != HOLD_KEY_BYTES)
        return false;
    *out = (struct hold_token){get_be64(key->data), get_be64(key->data + 8)};
    return true;
}

void hold_id_format(const char *region, const struct hold_token *token, char out[HOLD_ID_BYTES])
{
    snprintf(out, HOLD_ID_BYTES, "%.9s-%" PRIu64 "-%" PRIu64, region, token->epoch, token->sequence);
}

/* A number from 1 as it is written: no sign, no leading zero. Moves *at past it. */
static bool read_number(const char **at, uint64_t *out)
{
    if (**at < '1' || **at > '9')
        return false;
    for (*out = 0; **at >= '0' && **at <= '9'; (*at)++)
        if (__builtin_mul_overflow(*out, (uint64_t)10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(**at - '0'), out))
            return false;
    return true;
}

bool hold_id_parse(const char *text, char region[GSS_BYTES], struct hold_token *out)
{
    const char *at = text;
    for (; at < text + GSS_BYTES - 1; at++)
        if (!(*at >= '0' && *at <= '9') && !(at == text && *at >= 'A' && *at <= 'Z'))
            return false;
    if (*at++ != '-' || !read_number(&at, &out->epoch) || *at++ != '-' || !read_number(&at, &out->sequence) ||
        *at != '\0')
        return false;
    memcpy(region, text, GSS_BYTES - 1);
    region[GSS_BYTES - 1] = '\0';
    return true;
}

/* --- octets ------------------------------------------------------------------------------------------------------ */

enum err hold_row_encode(const struct hold *hold, struct arena *arena, struct octets *out)
{
    Vacancy__V1__HoldRow m;
    vacancy__v1__hold_row__init(&m);
    m.national_reference = hold->national_reference;
    m.vacancy_id = hold->vacancy_id;
    m.beds = hold->beds;
    m.state = (Vacancy__V1__HoldState)hold->state;
    m.made_at_ms = hold->made_at_ms;
    m.until_ms = hold->until_ms;
    m.holder_hash = (ProtobufCBinaryData){DIGEST_BYTES, (uint8_t *)hold->holder_hash};
    m.request_hash = (ProtobufCBinaryData){DIGEST_BYTES, (uint8_t *)hold->request_hash};
    m.extended = hold->extended;
    m.ended_at_ms = hold->ended_at_ms;
    return pack_message(&m.base, arena, out);
}

/* A state that this hub does not know may be a newer hub's; what is refused is what does not fit its byte. */
static bool read_row(const ProtobufCBinaryData *octets, struct scratch *scratch, struct hold *out)
{
    const Vacancy__V1__HoldRow *m = vacancy__v1__hold_row__unpack(&scratch->allocator, octets->len, octets->data);
    if (m == NULL || m->holder_hash.len != DIGEST_BYTES || m->request_hash.len != DIGEST_BYTES ||
        (unsigned)m->state > INT8_MAX)
        return false;
    out->national_reference = m->national_reference;
    out->vacancy_id = m->vacancy_id;
    out->beds = m->beds;
    out->state = (uint8_t)m->state;
    out->extended = m->extended;
    out->made_at_ms = m->made_at_ms;
    out->until_ms = m->until_ms;
    out->ended_at_ms = m->ended_at_ms;
    memcpy(out->holder_hash, m->holder_hash.data, DIGEST_BYTES);
    memcpy(out->request_hash, m->request_hash.data, DIGEST_BYTES);
    return true;
}

enum err hold_row_decode(const struct octets *key, const struct octets *row, struct hold *out)
{
    struct scratch scratch;
    const ProtobufCBinaryData octets = {row->size, (uint8_t *)row->data};
    scratch_init(&scratch);
    memset(out, 0, sizeof *out);
    return hold_key_read(key, &out->token) && read_row(&octets, &scratch, out) ? ERR_NONE : ERR_STORE_DAMAGED;
}

enum err home_hold_encode(const struct hold *hold, const struct octets *row, struct arena *arena, struct octets *out)
{
    Vacancy__V1__HomeHold m;
    struct octets last = *row;
    vacancy__v1__home_hold__init(&m);
    m.row_gone = row->size == 0;
    enum err err = m.row_gone ? hold_row_encode(hold, arena, &last) : ERR_NONE;
    if (err != ERR_NONE)
        return err;
    m.row = (ProtobufCBinaryData){last.size, (uint8_t *)last.data};
    m.agency = (char *)hold->agency;
    m.agency_reference = (char *)hold->agency_reference;
    m.holder = (char *)hold->holder;
    m.authority = (char *)hold->authority;
    m.forwarded_by = (char *)hold->forwarded_by;
    m.request_reference = (char *)hold->request_reference;
    m.until_lease_ms = hold->until_lease_ms;
    m.answered_at_ms = hold->answered_at_ms;
    m.decline_reason = (Vacancy__V1__DeclineReason)hold->decline_reason;
    m.placement_code = (Vacancy__V1__PlacementCode)hold->placement_code;
    m.starts_on_days = hold->starts_on;
    m.provider_consent = (Vacancy__V1__Consent)hold->provider_consent;
    m.authorities_consent = (Vacancy__V1__Consent)hold->authorities_consent;
    return pack_message(&m.base, arena, out);
}

enum err home_hold_decode(const struct octets *key, const struct octets *octets, struct hold *out, struct octets *row)
{
    struct scratch scratch;
    scratch_init(&scratch);
    memset(out, 0, sizeof *out);
    const Vacancy__V1__HomeHold *m = vacancy__v1__home_hold__unpack(&scratch.allocator, octets->size, octets->data);
    if (m == NULL || !hold_key_read(key, &out->token) || !read_row(&m->row, &scratch, out))
        return ERR_STORE_DAMAGED;
    out->until_lease_ms = m->until_lease_ms;
    out->answered_at_ms = m->answered_at_ms;
    out->starts_on = m->starts_on_days;
    bool good = out->state > HOLD_NONE && out->state < HOLD_STATE_END &&
                copy_text(out->agency, sizeof out->agency, m->agency) &&
                copy_text(out->agency_reference, sizeof out->agency_reference, m->agency_reference) &&
                copy_text(out->holder, sizeof out->holder, m->holder) &&
                copy_text(out->authority, sizeof out->authority, m->authority) &&
                copy_text(out->forwarded_by, sizeof out->forwarded_by, m->forwarded_by) &&
                copy_text(out->request_reference, sizeof out->request_reference, m->request_reference) &&
                read_code((int)m->decline_reason, DECLINE_REASON_END, &out->decline_reason) &&
                read_code((int)m->placement_code, PLACEMENT_CODE_END, &out->placement_code) &&
                read_code((int)m->provider_consent, CONSENT_END, &out->provider_consent) &&
                read_code((int)m->authorities_consent, CONSENT_END, &out->authorities_consent);
    static const struct octets none;
    if (row != NULL)
        *row = m->row_gone ? none : view_in(octets, &m->row);
    return good ? ERR_NONE : ERR_STORE_DAMAGED;
}

/* --- hashes ------------------------------------------------------------------------------------------------------ */

void hold_hash(const uint8_t secret[32], const char *what, uint64_t vacancy_id, const uint8_t *request_id,
               const char *holder, uint8_t out[DIGEST_BYTES])
{
    uint8_t named[16 + 8 + REQUEST_ID_BYTES + PRINCIPAL_NAME_BYTES];
    size_t size = strnlen(what, 15);
    memcpy(named, what, size);
    named[size++] = 0;
    put_be64(named + size, vacancy_id);
    size += 8;
    if (request_id != NULL) {
        memcpy(named + size, request_id, REQUEST_ID_BYTES);
        size += REQUEST_ID_BYTES;
    }
    size_t holder_bytes = strnlen(holder, PRINCIPAL_NAME_BYTES - 1);
    memcpy(named + size, holder, holder_bytes);
    digest_hmac_sha256(secret, 32, named, size + holder_bytes, out);
}
