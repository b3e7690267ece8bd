/*
 * federation_claim.c - what peers say they have of each region.
 *
 * A claim that is ahead of us chooses sources, so it counts only if the region's key signed it. One that contradicts
 * what we have proven (the same epoch number with another id, another entry at one position) is a fork if it is signed:
 * it goes to the replica writer, which keeps both and freezes the region. Thread: as federation.h.
 * Invariant: a claim with `have` is either not ahead of us, or signed.
 */
#include "daemon/federation/federation_parts.h"

#include "daemon/base/log.h"

#include <string.h>

#define UNSIGNED_MS  1000
#define UNSIGNED_MAX (2 * ROSTER_REGIONS_MAX) /* in that time: as many as a hub with another roster may show */

bool checkpoint_from(const Vacancy__V1__SignedCheckpoint *in, struct signed_checkpoint *out)
{
    return in != NULL &&
           checkpoint_read(in->text, strlen(in->text), in->signature.data, in->signature.len, out) == ERR_NONE;
}

/* The roster's word ended a fork: checkpoints of other epochs up to the surviving one mean nothing any more. */
static bool is_dead(const struct roster_region *rostered, const struct checkpoint *checkpoint)
{
    return rostered->thawed && (checkpoint->epoch < rostered->thaw_epoch ||
                                (checkpoint->epoch == rostered->thaw_epoch &&
                                 memcmp(checkpoint->epoch_id, rostered->thaw_epoch_id, EPOCH_ID_BYTES) != 0));
}

void region_refresh(struct federation *f, uint32_t number)
{
    struct region *region = &f->regions[number];
    struct signed_checkpoint newest;
    enum err err = region->ours ? home_checkpoint(f->options.home, &newest)
                                : f->replica_log.newest(f->replica_log.ctx, region_name(f, number), &newest);
    if (err == ERR_NONE) {
        region->mine = newest;
        region->have = true;
    } else if (err == ERR_NOT_FOUND) {
        region->have = false;
    }
    struct replica_status status;
    if (!region->ours && replica_status(f->options.replica, region_name(f, number), &status) == ERR_NONE)
        region->frozen = status.frozen != FROZEN_NOT;
    const struct roster_region *rostered = &f->roster->regions[number];
    region->dead = region->have && !region->ours && rostered->thawed &&
                   region->mine.checkpoint.epoch == rostered->thaw_epoch && is_dead(rostered, &region->mine.checkpoint);
    if (region->dead)
        region->snapshot_needed = true;
}

/* A signature takes a tenth of a millisecond to refuse: a peer's flood of false ones must not take the thread. */
static bool is_believed_too_little(struct federation *f, struct peer *peer)
{
    if (f->now_ms - peer->unsigned_since_ms >= UNSIGNED_MS) {
        peer->unsigned_since_ms = f->now_ms;
        peer->unsigned_count = 0;
    }
    return peer->unsigned_count >= UNSIGNED_MAX;
}

bool region_signed(struct federation *f, uint32_t peer, uint32_t number, const struct signed_checkpoint *checkpoint)
{
    struct region *region = &f->regions[number];
    if (strcmp(region->verified.text, checkpoint->text) == 0 &&
        memcmp(region->verified.signature, checkpoint->signature, SIGNATURE_BYTES) == 0)
        return true;
    if (is_believed_too_little(f, &f->peers[peer]))
        return false;
    if (!checkpoint_verify(checkpoint, f->roster->regions[number].key)) {
        f->peers[peer].unsigned_count++;
        return false;
    }
    region->verified = *checkpoint;
    return true;
}

/* Whether it can't be that both this and what we have are of one history. */
static bool contradicts(struct federation *f, uint32_t number, const struct checkpoint *theirs)
{
    const struct region *region = &f->regions[number];
    const struct checkpoint *mine = &region->mine.checkpoint;
    if (!region->have || region->dead || theirs->epoch != mine->epoch)
        return false;
    if (!checkpoint_same_epoch(theirs, mine))
        return true;
    if (theirs->sequence == mine->sequence)
        return memcmp(theirs->head, mine->head, DIGEST_BYTES) != 0;
    if (theirs->sequence > mine->sequence || theirs->sequence == 0)
        return false;
    struct arena arena;
    struct octets header = {0};
    uint8_t head[DIGEST_BYTES];
    arena_init(&arena, 4096);
    enum err err = f->replica_log.headers(f->replica_log.ctx, region_name(f, number), theirs->sequence,
                                          theirs->sequence, &arena, &header);
    bool differs = false;
    if (err == ERR_NONE && header.size == LOG_HEADER_BYTES) {
        log_header_hash(header.data, head);
        differs = memcmp(head, theirs->head, DIGEST_BYTES) != 0;
    }
    arena_finish(&arena);
    return differs;
}

static void complain(struct federation *f, uint32_t peer, uint32_t number)
{
    struct pair *pair = pair_of(f, peer, number);
    if (!pair->complained)
        log_warn("federation", "%s shows a checkpoint of %s that this region's key in the roster did not sign",
                 peer_name(f, peer), region_name(f, number));
    pair->complained = true;
}

static void send_evidence(struct federation *f, uint32_t peer, uint32_t number,
                          const struct signed_checkpoint *checkpoint)
{
    struct region *region = &f->regions[number];
    if (region->evidence != 0 || region->frozen)
        return;
    struct replica_work *work = replica_work_create(WORK_BATCH, region_name(f, number));
    if (work == NULL)
        return; /* it is said again */
    log_warn("federation", "%s shows a checkpoint of %s that contradicts what is proven here", peer_name(f, peer),
             region_name(f, number));
    work->has_checkpoint = true;
    work->checkpoint = *checkpoint;
    region->evidence = serial_next(f);
    work_send(f, number, peer, region->evidence, work);
}

/* Ahead of us: further, or signed later at the same place. */
static bool is_ahead(const struct claim *claim, const struct region *region)
{
    int order = claim_compare(claim, region);
    return order > 0 ||
           (order == 0 && (!region->have || region->dead || claim->time_ms > region->mine.checkpoint.time_ms));
}

void claim_heard(struct federation *f, uint32_t peer, uint32_t number, const struct signed_checkpoint *heard)
{
    struct region *region = &f->regions[number];
    struct pair *pair = pair_of(f, peer, number);
    const struct checkpoint *theirs = &heard->checkpoint;
    if (region->ours) {
        standing_claim(f, peer, heard);
        return;
    }
    struct claim claim = {true, theirs->epoch, theirs->sequence, theirs->horizon, theirs->time_ms};
    pair->claim.have = false;
    if (is_dead(&f->roster->regions[number], theirs))
        return;
    bool contradiction = contradicts(f, number, theirs);
    if ((contradiction || is_ahead(&claim, region)) && !region_signed(f, peer, number, heard)) {
        complain(f, peer, number);
        return;
    }
    if (contradiction)
        send_evidence(f, peer, number, heard);
    else
        pair->claim = claim;
    region->look_ms = 0;
}

void claims_heard(struct federation *f, uint32_t peer, bool complete, const struct signed_checkpoint *checkpoints,
                  size_t count)
{
    for (uint32_t i = 0; complete && i < f->count; i++)
        pair_of(f, peer, i)->claim.have = false;
    for (size_t i = 0; i < count; i++) {
        uint32_t region = region_index(f, checkpoints[i].checkpoint.region);
        if (region != NO_PEER)
            claim_heard(f, peer, region, &checkpoints[i]);
    }
    if (complete)
        f->peers[peer].answered = true;
}
