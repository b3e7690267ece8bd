/*
 * audit_entry.h - a record of the audit trail, its chain and its signed head (design 4.8; proto AuditRecord,
 * AuditHead).
 *
 * hash(n) = SHA-256(hash(n-1) || octets(n)), hash(0) = 32 zero octets. Two chains: writes, disclosures.
 * Thread: any; no state.
 */
#ifndef VACANCY_RECORD_AUDIT_ENTRY_H
#define VACANCY_RECORD_AUDIT_ENTRY_H

#include "daemon/base/arena.h"
#include "daemon/base/digest.h"
#include "daemon/base/error.h"
#include "daemon/base/signer.h"
#include "daemon/record/carer.h"

#define PRINCIPAL_NAME_BYTES 256 /* a SPIFFE name of ours is far shorter than the standard's 2048 */
#define AUDIT_SUBJECTS_MAX   128

struct audit_entry {
    int64_t at_ms;
    const char *principal, *method, *request_reference; /* borrowed */
    uint32_t code, purpose;
    const uint64_t *subjects; /* ids; borrowed */
    uint32_t subject_count;
    uint64_t epoch, sequence;
    const char *object;       /* whom an operator's write is about; NULL: nobody; borrowed */
    bool suspended;           /* what became of them */
    const char *forwarded_by; /* region of the hub that vouches for the principal; NULL: asked here; borrowed */
    const char *asked_of;     /* region whose hub decides; code 4: what came of it is not known; NULL: here; borrowed */
};

struct audit_position {
    uint64_t sequence;
    uint8_t hash[DIGEST_BYTES];
};

enum err audit_entry_encode(const struct audit_entry *entry, struct arena *arena, struct octets *out);
void audit_chain_next(struct audit_position *position, const struct octets *octets);

/* The signed statement over both chains' ends. */
#define AUDIT_HEAD_TEXT_BYTES 512
struct audit_head {
    char region[GSS_BYTES];
    struct audit_position writes, disclosures;
    int64_t at_ms;
};
size_t audit_head_text(const struct audit_head *head, char out[AUDIT_HEAD_TEXT_BYTES]);
enum err audit_head_parse(const char *text, size_t bytes, struct audit_head *out);

#endif
