/*
 * liar.h - what a hub that lies sends in place of what its handlers said.
 *
 * Owns: the lies: octets flipped, messages withheld, doubled, put in another order, replayed; entries, headers and
 * records left out or altered; checkpoints forged with the liar's own key or taken from another message. Whatever TLS
 * keeps an outsider from doing to an honest link, a relay can do.
 * Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_LIAR_H
#define VACANCY_TESTS_SIM_LIAR_H

#include "daemon/base/signer.h"
#include "tests/sim/sim.h"

#define LIES_MAX 4

struct liar;

/* What is sent instead: malloc'd, the caller's. */
struct lie {
    uint32_t count;
    struct {
        uint8_t *data;
        size_t bytes;
    } said[LIES_MAX];
};

struct liar *liar_create(struct sim *sim);
void liar_destroy(struct liar *liar);
/* Another hub lies now: it replays only what it said itself. (What it heard of another's position, said as its own,
 * would be a lie about its disk, and nobody can tell.) */
void liar_forget(struct liar *liar);
/* A packed FollowResponse, or FetchSnapshotResponse, that the hub would have sent; `data` stays the caller's. */
void liar_tells(struct liar *liar, struct sim *sim, bool snapshot, const uint8_t *data, size_t bytes, struct lie *out);

#endif
