/*
 * truth.h - every history that a region's hub ever made durable, and what each hub shows of it.
 *
 * Owns: the entries of all logs by hash (a tree a region: a restore or a fork branches it), each with the state that
 * the log leads to there; the mirror of what each hub's observers were told; what was promised as REPLICATED.
 * Not here: how hubs come to it.
 * Thread: the simulator's one.
 * Invariant: an entry gets here only from the store of the region's own hub, after its commit.
 */
#ifndef VACANCY_TESTS_SIM_TRUTH_H
#define VACANCY_TESTS_SIM_TRUTH_H

#include "daemon/register/home.h"
#include "tests/sim/federation/world.h"

#define NO_ENTRY UINT32_MAX /* before the first */

/* A set of records as a sum that does not depend on order: not LtHash, so that LtHash is checked by something else. */
struct state_sum {
    uint64_t low, high, records;
};

struct entry {
    uint8_t hash[DIGEST_BYTES];
    uint32_t parent;
    uint32_t made_by; /* the hub that was first seen with it; others take it from there */
    uint64_t epoch, sequence;
    uint32_t opened; /* the entry that opened its epoch: another one of the same number is a fork */
    enum log_table table;
    bool deleted;
    uint8_t key[64];
    size_t key_bytes;
    uint8_t *value;
    size_t value_bytes;
    struct state_sum state; /* after it */
};

struct history {
    struct entry *entries;
    uint32_t count, capacity;
    bool forked; /* two entries for one position of one epoch, or two ids for one epoch: somebody has to notice */
};

struct shown_row {
    enum log_table table;
    uint8_t key[64];
    size_t key_bytes;
    uint8_t *value;
    size_t value_bytes;
};

/* What a hub's observers were told of a region. */
struct shown {
    struct shown_row *rows;
    uint32_t count, capacity;
    uint64_t epoch, sequence;
    bool any, in_parts, changed;
    uint32_t entry;   /* where it stands, after the last check; NO_ENTRY: nothing */
    uint32_t durable; /* the furthest that its disk was known to have */
    uint32_t lost;    /* that a disk had which was lost: it may have been told before */
};

struct promise {
    uint32_t region, entry, hub;
};

struct truth {
    struct history histories[WORLD_REGIONS_MAX];
    struct shown shown[WORLD_HUBS_MAX][WORLD_REGIONS_MAX];
    struct promise *promises;
    uint32_t promise_count, promise_capacity;
};

struct truth *truth_create(void);
void truth_destroy(struct truth *truth);

/* Reads on in the hub's own log from where it was last read (its `head`; NO_ENTRY: from the start). */
void truth_learn(struct world *world, struct fed_hub *hub);
const struct entry *truth_entry(const struct world *world, uint32_t region, uint32_t index);
/* By the hash of its header; NO_ENTRY: no such entry was ever made. */
uint32_t truth_find(const struct world *world, uint32_t region, const uint8_t hash[DIGEST_BYTES]);
/* Whether `ancestor` is `entry` or before it. */
bool truth_leads_to(const struct world *world, uint32_t region, uint32_t ancestor, uint32_t entry);
/* The record's octets in the state at `entry`; NULL: it isn't in it. */
const struct entry *truth_record(const struct world *world, uint32_t region, uint32_t entry, enum log_table table,
                                 const void *key, size_t key_bytes);
/* LtHash's digest of that state, computed afresh from the octets of its log. */
void truth_digest(const struct world *world, uint32_t region, uint32_t entry, uint8_t out[DIGEST_BYTES]);

/* For home_observe and replica_observe. */
struct commit_observer truth_observer(struct fed_hub *hub);
/* A process is gone, or another begins: what it showed is nothing to go by. */
void truth_forget_shown(struct world *world, uint32_t hub);
/* After each event at a hub: all that it was told since is proven, and where it says it stands. */
void truth_check_shown(struct world *world, struct fed_hub *hub);

/* A receipt said REPLICATED for the hub's own entry at this position. */
void truth_promised(struct world *world, struct fed_hub *hub, uint64_t epoch, uint64_t sequence);
/* The hub decides: everything promised must lie behind it. */
void truth_check_promises(struct world *world, struct fed_hub *hub);
/* The operator gave up what does not lead to `entry`. */
void truth_release_promises(struct world *world, uint32_t region, uint32_t entry);
/* A second disk was lost: what neither the region's own hub (at `entry`) nor any other one has can't be kept. */
void truth_release_unheld(struct world *world, uint32_t region, uint32_t entry);

#endif
