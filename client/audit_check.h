/*
 * audit_check.h - is the audit trail whole, is it the one that was seen before, did the region sign it?
 *
 * Owns: both hash chains as they stream by, the head's signature, the comparison with what was remembered. Not here:
 * where it is remembered (audit_memory.h), the calls (cmd_audit.c). Written from the contract alone
 * (hub_service.proto), so that it does not share a mistake with the hub. Thread: the client's one thread. Invariant:
 * audit_check_end says ERR_NONE only if every record of both chains, from the first on, is covered by a head that the
 * pinned key signed, and that head is not older than, and continues, the remembered one.
 */
#ifndef VACANCY_CLIENT_AUDIT_CHECK_H
#define VACANCY_CLIENT_AUDIT_CHECK_H

#include "daemon/base/digest.h"
#include "daemon/base/signer.h"
#include "vacancy/v1/hub_service.pb-c.h"

enum audit_chain { AUDIT_WRITES, AUDIT_DISCLOSURES, AUDIT_CHAINS };

struct audit_point {
    uint64_t sequence;
    uint8_t hash[DIGEST_BYTES];
};

/* A head as it was signed. */
struct audit_head_seen {
    char region[10];
    struct audit_point ends[AUDIT_CHAINS];
    int64_t at_ms;
};

#define AUDIT_HEAD_MAX_BYTES 512
/* Reads a head's statement; false for anything that is not exactly one. */
bool audit_head_read(const char *text, struct audit_head_seen *out) __attribute__((warn_unused_result));
/* The statement's only form. Returns its length. */
size_t audit_head_write(const struct audit_head_seen *head, char out[AUDIT_HEAD_MAX_BYTES]);

/* What the last verification remembered. */
struct audit_memory {
    bool has_key, has_head;
    uint8_t public_key[PUBLIC_KEY_BYTES];
    struct audit_head_seen head;
};

struct audit_check {
    const char *region; /* of the hub's certificate */
    struct audit_memory memory;
    struct audit_point at[AUDIT_CHAINS];
    bool passed[AUDIT_CHAINS]; /* the remembered end was met, with the same hash */
    bool headed;               /* the last message was a good head */
    struct audit_head_seen head;
    uint8_t public_key[PUBLIC_KEY_BYTES];
    struct problem problem; /* the first; nothing is looked at after it */
};

/* memory: what to compare with. region is borrowed. */
void audit_check_begin(struct audit_check *check, const char *region, const struct audit_memory *memory);
/* The next message of ReadAudit from the first record of both chains on; false: it is wrong, see ->problem. */
bool audit_check_item(struct audit_check *check, const Vacancy__V1__ReadAuditResponse *item);
/* The stream is over. ERR_NONE: verified, remember ->head and ->public_key. ERR_STORE_DAMAGED: *problem says what. */
enum err audit_check_end(struct audit_check *check, struct problem *problem) __attribute__((warn_unused_result));

#endif
