/*
 * proof.h - everything a hub has ever been seen to have durably, and the check that it keeps it.
 *
 * Owns: every header of the log ever seen, the shared state replayed from the log's post-states, the end of the audit
 * chain, the last signed head, and the mirror that a commit observer of the simulator's own keeps.
 * Thread: the simulator's one.
 * Invariant: only what a commit has made durable is in it, so whatever is in it must be found after any crash.
 */
#ifndef VACANCY_TESTS_SIM_PROOF_H
#define VACANCY_TESTS_SIM_PROOF_H

#include "daemon/access/disclosure.h"
#include "daemon/register/home.h"
#include "tests/sim/sim.h"

#define ROWS_MAX   512 /* holds, mostly */
#define OFFERS_MAX 64

struct sim_hub;

/* One shared table: (key, octets), unordered. */
struct rows {
    struct row {
        uint8_t key[PRINCIPAL_NAME_BYTES];
        size_t key_bytes;
        uint8_t *octets;
        size_t bytes;
    } at[ROWS_MAX];
    uint32_t count;
};

struct shared_state {
    struct rows tables[LOG_TABLE_END];
};

struct proof {
    struct sim_hub *hub;
    uint8_t (*headers)[LOG_HEADER_BYTES];
    uint64_t count, capacity;
    uint8_t head_hash[DIGEST_BYTES];
    struct log_header last;
    struct shared_state replayed; /* from the log */
    struct shared_state mirrored; /* from what the observer was told */
    struct audit_position audit;
    int64_t audit_time_ms;
    struct signed_head head;
    bool has_head;
    struct audit_position disclosures;                    /* the chain's end when last read */
    struct audit_position audit_known, disclosures_known; /* the chains' ends before the last restart */
    uint64_t commits_told;                                /* seam's count when the observer was last told of one */
};

void proof_init(struct proof *proof, struct sim_hub *hub);
void proof_finish(struct proof *proof);
struct commit_observer proof_observer(struct proof *proof);
/* A new process: the mirror was told all anew; the log and both chains are read again from the start. What the
 * operating system had of the trail of disclosures survives a kill; a power cut may take what no signed head covers. */
void proof_restarted(struct proof *proof, bool power_cut);
/* Before home_observe of a new process. */
void proof_forget_mirror(struct proof *proof);
/* Reads what is new in log and audit, checks it, and compares replayed state, mirror and register. */
void proof_catch_up(struct proof *proof);
/* A head just signed: verifies, covers all writes, never goes back. */
void proof_head(struct proof *proof, const struct signed_head *head);
/* The records just added to the trail of disclosures name `principal`, `method` and every id of `ids`. */
void proof_disclosed(struct proof *proof, const char *principal, const char *method, const char *const *ids,
                     size_t count);
/* The offers as replayed, for comparing with searches. */
const struct rows *proof_offers(const struct proof *proof);
const struct row *rows_find(const struct rows *rows, const void *key, size_t key_bytes);

#endif
