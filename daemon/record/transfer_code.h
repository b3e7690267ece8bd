/*
 * transfer_code.h - the code with which a carer moves to another agency, as people hand it on.
 *
 * "E12000003-7KQ2M9FW3TXB-0H3MZ8VQ4C7T": the region that decides, the carer's national reference, and a secret of 55
 * bits, each of the two in the form and with the check character of an id (ids.h). So that a code leads to its carer
 * without a table of codes, and a slip of the pen is told from a wrong code. Guessing is up to the hub that decides:
 * one call a guess, each on its trail. Thread: any; no state.
 */
#ifndef VACANCY_RECORD_TRANSFER_CODE_H
#define VACANCY_RECORD_TRANSFER_CODE_H

#include "daemon/record/carer.h"
#include "daemon/record/ids.h"

#define TRANSFER_CODE_BYTES 36 /* with NUL */
#define TRANSFER_SEED_BYTES 16

struct transfer_code {
    char region[GSS_BYTES];
    uint64_t national_reference, secret;
};

/* The secret follows from region's key, agency, carer and seed (a request id, or random octets): the same again is the
 * same code. region and national_reference are filled in before. */
void transfer_code_derive(const uint8_t region_secret[32], const char *agency, const uint8_t seed[TRANSFER_SEED_BYTES],
                          struct transfer_code *code);
void transfer_code_format(const struct transfer_code *code, char out[TRANSFER_CODE_BYTES]);
/* As it may be typed: lower case, O for 0, hyphens where one likes. */
bool transfer_code_parse(const char *text, struct transfer_code *out) __attribute__((warn_unused_result));
/* SHA-256 of its text: what is kept of it. */
void transfer_code_hash(const struct transfer_code *code, uint8_t out[DIGEST_BYTES]);

#endif
