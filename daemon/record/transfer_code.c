/*
 * transfer_code.c - see transfer_code.h.
 * Owns: its text form, and the derivation of its secret. Any thread; no state.
 */
#include "daemon/record/transfer_code.h"

#include "daemon/base/text.h"
#include "daemon/record/bytes.h"

#include <stdio.h>
#include <string.h>

#define HALF_CHARACTERS 12

void transfer_code_derive(const uint8_t region_secret[32], const char *agency, const uint8_t seed[TRANSFER_SEED_BYTES],
                          struct transfer_code *code)
{
    /* No agency's reference is hashed under this label (agency_reference_hash): an agency's id has no space. */
    static const char label[] = "transfer code";
    uint8_t text[sizeof label + AGENCY_ID_BYTES + 8 + TRANSFER_SEED_BYTES] = {0}, hash[DIGEST_BYTES];
    memcpy(text, label, sizeof label);
    memcpy(text + sizeof label, agency, strnlen(agency, AGENCY_ID_BYTES - 1));
    put_be64(text + sizeof label + AGENCY_ID_BYTES, code->national_reference);
    memcpy(text + sizeof label + AGENCY_ID_BYTES + 8, seed, TRANSFER_SEED_BYTES);
    digest_hmac_sha256(region_secret, 32, text, sizeof text, hash);
    code->secret = get_be64(hash) >> 9;
    if (code->secret == 0) /* no id */
        code->secret = 1;
}

static void format_half(uint64_t id, char out[HALF_CHARACTERS + 1])
{
    char text[ID_TEXT_BYTES];
    int at = 0;
    id_format(id, text);
    for (const char *c = text; *c != '\0' && at < HALF_CHARACTERS; c++)
        if (*c != '-')
            out[at++] = *c;
    out[at] = '\0';
}

void transfer_code_format(const struct transfer_code *code, char out[TRANSFER_CODE_BYTES])
{
    char carer[HALF_CHARACTERS + 1], secret[HALF_CHARACTERS + 1];
    format_half(code->national_reference, carer);
    format_half(code->secret, secret);
    snprintf(out, TRANSFER_CODE_BYTES, "%s-%s-%s", code->region, carer, secret);
}

bool transfer_code_parse(const char *text, struct transfer_code *out)
{
    char halves[2][HALF_CHARACTERS + 1] = {{0}};
    int count = 0;
    for (int i = 0; i < GSS_BYTES - 1; i++) {
        if (text[i] == '\0')
            return false;
        out->region[i] = text[i] == 'e' ? 'E' : text[i];
    }
    out->region[GSS_BYTES - 1] = '\0';
    for (const char *c = text + GSS_BYTES - 1; *c != '\0'; c++) {
        if (*c == '-')
            continue;
        if (count == 2 * HALF_CHARACTERS)
            return false;
        halves[count / HALF_CHARACTERS][count % HALF_CHARACTERS] = *c;
        count++;
    }
    return count == 2 * HALF_CHARACTERS && text_is_gss_code(out->region) &&
           id_parse(halves[0], &out->national_reference) && id_parse(halves[1], &out->secret);
}

void transfer_code_hash(const struct transfer_code *code, uint8_t out[DIGEST_BYTES])
{
    char text[TRANSFER_CODE_BYTES];
    transfer_code_format(code, text);
    digest_sha256(text, strlen(text), out);
}
