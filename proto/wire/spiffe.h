/*
 * spiffe.h - the names of principals:
 *     spiffe://TRUST-DOMAIN/region/R/{agency/ID | placement-team/LA/ID | hub | auditor/ID | operator/ID}
 *
 * Owns: reading and writing them, on length-counted bytes as they come out of a certificate, by SPIFFE's rules and our
 * own (R and LA are GSS codes, an ID is a slug of at most 40). Not here: whether the bearer may do anything (access).
 * Thread: any; no state. Invariant: spiffe_parse accepts exactly what spiffe_format writes.
 */
#ifndef VACANCY_WIRE_SPIFFE_H
#define VACANCY_WIRE_SPIFFE_H

#include "daemon/base/error.h"

#include <stdint.h>

#define SPIFFE_DOMAIN_BYTES 256 /* with NUL */
#define SPIFFE_GSS_BYTES    10  /* with NUL */
#define SPIFFE_ID_BYTES     41  /* with NUL */
/* Longest name with NUL: "spiffe://" domain "/region/" R "/placement-team/" LA "/" ID */
#define SPIFFE_NAME_BYTES (9 + 255 + 8 + 9 + 16 + 9 + 1 + 40 + 1)

enum spiffe_kind { SPIFFE_AGENCY, SPIFFE_TEAM, SPIFFE_HUB, SPIFFE_AUDITOR, SPIFFE_OPERATOR };

struct spiffe_name {
    enum spiffe_kind kind;
    char region[SPIFFE_GSS_BYTES];
    char authority[SPIFFE_GSS_BYTES]; /* teams; else "" */
    char id[SPIFFE_ID_BYTES];         /* "" for a hub */
};

/*
 * `trust_domain` is ours; another one is refused (A3). ERR_UNAUTHENTICATED with what is wrong with the name, never the
 * name itself (A4: it may hold anything). *out is filled only on ERR_NONE.
 */
enum err spiffe_parse(const void *uri, size_t bytes, const char *trust_domain, struct spiffe_name *out,
                      struct problem *problem) __attribute__((warn_unused_result));
/* Writes the name and a NUL; returns its length. The fields must be valid (codes, slugs). */
size_t spiffe_format(const struct spiffe_name *name, const char *trust_domain, char out[SPIFFE_NAME_BYTES]);
/* [a-z0-9.-_], 1 to 255. */
bool spiffe_is_trust_domain(const char *text);

#endif
