/*
 * roster.h - who is in the federation: a file signed by the national root (design section 9).
 *
 *     vacancy roster v1
 *     version 3
 *     region E12000001 key <hex: 32-byte Ed25519 public key> issuer <hex: SHA-256 of the issuer's SPKI>
 *     endpoint E12000001 hub.northeast.example:8443
 *     team E06000047 E12000001
 *     thaw E12000001 epoch 3 0123456789abcdef0123456789abcdef
 *     signature <hex: 64 bytes, Ed25519 by the root's roster key over everything before this line>
 *
 * Lines in any order between the version and the signature, ended by newlines; '#' begins a comment line. A region has
 * one region line, may have several issuer lines ("issuer E12000001 <hex>") and endpoints (tried in their order), and
 * at most one thaw. `team` says that teams of that authority are that region's.
 * Owns: reading and checking it; a loaded roster is immutable and counted by reference.
 * Not here: what follows from it (federation, access). Thread: any.
 */
#ifndef VACANCY_RECORD_ROSTER_H
#define VACANCY_RECORD_ROSTER_H

#include "daemon/base/signer.h"
#include "daemon/record/carer.h"
#include "daemon/record/checkpoint.h"

#define ROSTER_REGIONS_MAX   200  /* every council's hub in one federation, and some */
#define ROSTER_TEAMS_MAX     2000 /* authorities; there are some 200 */
#define ROSTER_ENDPOINTS_MAX 4
#define ROSTER_ISSUERS_MAX   4
#define ROSTER_HOST_BYTES    256
#define ROSTER_FILE_MAX      (256 * 1024)

struct roster_region {
    char region[GSS_BYTES];
    uint8_t key[PUBLIC_KEY_BYTES];
    uint32_t issuer_count, endpoint_count;
    uint8_t issuers[ROSTER_ISSUERS_MAX][DIGEST_BYTES];
    struct {
        char host[ROSTER_HOST_BYTES]; /* name or address, without brackets */
        uint16_t port;
    } endpoints[ROSTER_ENDPOINTS_MAX];
    bool thawed;
    uint64_t thaw_epoch;
    uint8_t thaw_epoch_id[EPOCH_ID_BYTES];
};

struct roster {
    uint64_t version; /* from 1 */
    uint32_t region_count, team_count;
    const struct roster_region *regions; /* sorted by code */
    const struct roster_team {
        char authority[GSS_BYTES], region[GSS_BYTES];
    } * teams; /* sorted by authority */
};

/* ERR_INVALID names the line; ERR_UNAUTHENTICATED: the signature is not by root_key. The caller's first reference. */
enum err roster_parse(const char *text, size_t bytes, const uint8_t root_key[PUBLIC_KEY_BYTES],
                      const struct roster **out, struct problem *problem) __attribute__((warn_unused_result));
/* The same from a file: ERR_NOT_FOUND, ERR_LIMIT. */
enum err roster_load(const char *path, const uint8_t root_key[PUBLIC_KEY_BYTES], const struct roster **out,
                     struct problem *problem) __attribute__((warn_unused_result));
const struct roster *roster_ref(const struct roster *roster);
void roster_unref(const struct roster *roster); /* NULL is fine */
/* NULL when the roster has no such region. */
const struct roster_region *roster_find(const struct roster *roster, const char *region);

#endif
