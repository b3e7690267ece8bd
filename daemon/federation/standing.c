/*
 * standing.c - our own region: whether this hub may decide.
 *
 * At start it asks: one peer's answer that it has nothing of us that we don't have is enough to decide, unless we have
 * nothing at all (then all are asked, as far as they answer within FEDERATION_EMPTY_WAIT_MS). A peer that has
 * more of our log means that we lost entries: they are taken back and replayed, and every peer of the roster is asked
 * before we decide (or the operator promotes). A checkpoint of a later epoch of our region means that another hub
 * decides: this one stops. It also stops when it decides and a peer shows more of its own epoch than it has: then it
 * is an old copy, or has a double, and only its operator knows. Also tells the home writer how far peers have our log,
 * for REPLICATED. Not here: what deciding means (register/home). Thread: as federation.h. Invariant: an own checkpoint
 * that a peer shows counts if our log has it, or if our key signed it; else not at all.
 */
#include "daemon/federation/federation_parts.h"

#include "daemon/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MISSING_LOG_MS 60000
#define AGAIN_MS       250

static enum home_standing standing_now(const struct federation *f)
{
    return home_standing_now(f->options.home);
}

static bool may_decide_yet(enum home_standing standing)
{
    return standing == STANDING_ASKING || standing == STANDING_RESTORING;
}

/* --- what peers have of our log -------------------------------------------------------------------------------- */

/* Our log has this entry at this place. */
static bool is_in_our_log(struct federation *f, const struct checkpoint *theirs)
{
    const struct checkpoint *mine = &f->regions[f->home].mine.checkpoint;
    struct arena arena;
    struct octets header = {0};
    uint8_t head[DIGEST_BYTES];
    if (theirs->sequence == mine->sequence)
        return memcmp(theirs->head, mine->head, DIGEST_BYTES) == 0;
    if (theirs->sequence > mine->sequence || theirs->sequence == 0)
        return false;
    arena_init(&arena, 4096);
    enum err err =
        f->home_log.headers(f->home_log.ctx, f->options.region, theirs->sequence, theirs->sequence, &arena, &header);
    bool same = err == ERR_NONE && header.size == LOG_HEADER_BYTES;
    if (same) {
        log_header_hash(header.data, head);
        same = memcmp(head, theirs->head, DIGEST_BYTES) == 0;
    }
    arena_finish(&arena);
    return same;
}

static void replicated(struct federation *f, uint32_t peer, const struct checkpoint *theirs)
{
    struct peer *it = &f->peers[peer];
    bool more = theirs->epoch > it->replicated_epoch ||
                (theirs->epoch == it->replicated_epoch && theirs->sequence > it->replicated_sequence);
    it->replicated_epoch = theirs->epoch;
    it->replicated_sequence = theirs->sequence;
    if (more)
        f->options.works.replicated(f->options.works.ctx, theirs->epoch, theirs->sequence);
}

/* What peers have beyond us, for the home writer: it must know that before its next decision, not only by the update
 * that follows. */
static void show(struct federation *f)
{
    const struct standing *standing = &f->standing;
    uint64_t epoch = 0, sequence = 0;
    if (standing->have_superseding) {
        epoch = standing->superseding.checkpoint.epoch;
        sequence = UINT64_MAX; /* also where only the epoch's id is another */
    }
    for (uint32_t i = 0; i < f->count; i++) {
        const struct claim *claim = &pair_of(f, i, f->home)->claim;
        if (!standing_has_more(f, i) || claim->epoch < epoch || (claim->epoch == epoch && claim->sequence <= sequence))
            continue;
        epoch = claim->epoch;
        sequence = claim->sequence;
    }
    home_shown(f->options.home, epoch, sequence);
}

/* Entries of ours that we don't have. */
static void ahead(struct federation *f, uint32_t peer, const struct signed_checkpoint *theirs)
{
    struct standing *standing = &f->standing;
    const struct checkpoint *it = &theirs->checkpoint;
    struct claim *claim = &pair_of(f, peer, f->home)->claim;
    *claim = (struct claim){true, it->epoch, it->sequence, it->horizon, it->time_ms};
    standing->ahead = *theirs;
    f->regions[f->home].look_ms = 0;
    show(f);
    unsigned long long has = it->sequence, have = f->regions[f->home].mine.checkpoint.sequence;
    enum home_standing now = standing_now(f);
    if (now == STANDING_DECIDING && !standing->have_behind) {
        standing->have_behind = true;
        backoff_clear(&standing->again);
        log_error("federation",
                  "ALARM: %s has this region's log up to %llu, this hub only up to %llu, and decides already: it stops",
                  peer_name(f, peer), has, have);
    }
    if (!may_decide_yet(now) || standing->restoring)
        return;
    standing->restoring = true;
    log_warn("federation", "%s has this region's log up to %llu, this hub only up to %llu: restoring from peers",
             peer_name(f, peer), has, have);
}

static void superseding(struct federation *f, uint32_t peer, const struct signed_checkpoint *theirs)
{
    if (f->standing.have_superseding)
        return;
    /* Once superseded, only a still later epoch is news: should this hub be promoted, it opens one after that. */
    if (standing_now(f) == STANDING_SUPERSEDED && theirs->checkpoint.epoch <= f->standing.superseding.checkpoint.epoch)
        return;
    f->standing.superseding = *theirs;
    f->standing.have_superseding = true;
    show(f);
    backoff_clear(&f->standing.again);
    log_error("federation", "%s shows epoch %llu of this region, which this hub did not open: another hub decides",
              peer_name(f, peer), (unsigned long long)theirs->checkpoint.epoch);
}

void standing_claim(struct federation *f, uint32_t peer, const struct signed_checkpoint *heard)
{
    const struct region *region = &f->regions[f->home];
    const struct checkpoint *theirs = &heard->checkpoint;
    struct pair *pair = pair_of(f, peer, f->home);
    pair->claim.have = false;
    /* After a fork: the roster has named the epoch that survives, and this is of another one of its number. */
    const struct roster_region *rostered = &f->roster->regions[f->home];
    if (rostered->thawed && theirs->epoch == rostered->thaw_epoch &&
        memcmp(theirs->epoch_id, rostered->thaw_epoch_id, EPOCH_ID_BYTES) != 0)
        return;
    if (!region->have || theirs->epoch != region->mine.checkpoint.epoch ||
        theirs->sequence > region->mine.checkpoint.sequence)
        region_refresh(f, f->home); /* it may be newer than what was last looked at */
    const struct checkpoint *mine = &region->mine.checkpoint;
    bool same_epoch = region->have && checkpoint_same_epoch(theirs, mine);
    if (region->have && theirs->epoch < mine->epoch)
        return; /* it is behind */
    if (same_epoch && is_in_our_log(f, theirs)) {
        replicated(f, peer, theirs);
        return;
    }
    if (!region_signed(f, peer, f->home, heard)) {
        if (!pair->complained)
            log_warn("federation", "%s shows a checkpoint of this region that its key did not sign",
                     peer_name(f, peer));
        pair->complained = true;
        return;
    }
    if (region->have && !same_epoch)
        home_told_horizon(f->options.home, theirs->horizon);
    /* After a restore a later epoch may be the rest of our own log: whether it goes on from here, a take shows. */
    bool restoring = standing_now(f) == STANDING_RESTORING;
    if (!region->have || (same_epoch && theirs->sequence > mine->sequence) ||
        (restoring && theirs->epoch > mine->epoch))
        ahead(f, peer, heard);
    else if (!same_epoch)
        superseding(f, peer, heard);
    else if (!pair->complained) {
        pair->complained = true;
        log_error("federation", "ALARM: %s shows another entry %llu of this region than this hub made",
                  peer_name(f, peer), (unsigned long long)theirs->sequence);
    }
}

void standing_other_history(struct federation *f, uint32_t peer)
{
    const struct checkpoint *theirs = &f->standing.ahead.checkpoint;
    const struct region *region = &f->regions[f->home];
    if (region->have && theirs->epoch > region->mine.checkpoint.epoch)
        superseding(f, peer, &f->standing.ahead);
    else
        log_error("federation", "ALARM: the log of this region at %s does not go on from what is here",
                  peer_name(f, peer));
}

/* --- replay ---------------------------------------------------------------------------------------------------- */

bool standing_has_more(const struct federation *f, uint32_t peer)
{
    if (f->home == NO_PEER)
        return false;
    const struct claim *claim = &f->pairs[(size_t)peer * f->count + f->home].claim;
    return claim->have && claim_compare(claim, &f->regions[f->home]) > 0;
}

static bool anybody_is_ahead(const struct federation *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (standing_has_more(f, i))
            return true;
    return false;
}

bool standing_replays(const struct federation *f)
{
    enum home_standing now = standing_now(f);
    return (now == STANDING_BEHIND || (f->standing.restoring && may_decide_yet(now))) && anybody_is_ahead(f);
}

static struct update *update_of(enum update_kind kind)
{
    struct update *update = update_create(kind);
    if (update != NULL)
        update->method = "federation";
    return update;
}

static bool submit(struct federation *f, struct update *update)
{
    if (f->options.works.update(f->options.works.ctx, update) == ERR_NONE)
        return true;
    update_destroy(update);
    return false;
}

void standing_submit_replay(struct federation *f, struct update *update, size_t bytes)
{
    struct region *region = &f->regions[f->home];
    struct peer *peer = &f->peers[region->source];
    update->method = "federation";
    update->tag = (uint64_t)bytes << 32 | region->source << 24 | region->serial;
    if (!submit(f, update)) {
        backoff_more(f, &region->rest, AGAIN_MS);
        source_end(f, f->home, false, "the home writer has no room");
        return;
    }
    region->works_out++;
    peer->works_out++;
    peer->bytes_out += bytes;
    peer_flow(f, region->source);
}

void standing_replay(struct federation *f, const struct signed_checkpoint *checkpoint)
{
    struct region *region = &f->regions[f->home];
    struct gathering *gathering = &region->gathering;
    if (gathering->count == 0)
        return; /* signed again at rest */
    struct update *update = update_create(UPDATE_REPLAY);
    struct arena *arena = malloc(sizeof *arena);
    if (update == NULL || arena == NULL) {
        free(arena);
        update_destroy(update);
        source_end(f, f->home, true, "this hub is short of memory");
        return;
    }
    size_t bytes = gathering->arena.used_bytes;
    *arena = gathering->arena;
    update->as.replay.arena = arena;
    update->as.replay.rows = gathering->rows;
    update->as.replay.count = gathering->count;
    update->as.replay.checkpoint = *checkpoint;
    *gathering = (struct gathering){0};
    arena_init(&gathering->arena, REPLICA_COMMIT_MAX_BYTES);
    f->peers[region->source].gathered_bytes -= bytes;
    standing_submit_replay(f, update, bytes);
}

static void replayed(struct federation *f, const struct update *update)
{
    uint32_t serial = update->tag & 0xffffff, peer = (update->tag >> 24) & 0xff;
    if (source_is_of_old_roster(f, serial) || f->home == NO_PEER || peer >= f->count)
        return;
    struct region *region = &f->regions[f->home];
    bool whole = update->as.replay.whole, done = update->result.problem.code == ERR_NONE;
    bool ours = serial == region->serial && region->source == peer;
    region->works_out--;
    f->peers[peer].works_out--;
    f->peers[peer].bytes_out -= update->tag >> 32;
    region->look_ms = 0;
    if (done) {
        region_refresh(f, f->home);
        region->progress_ms = f->now_ms;
        region->snapshot_needed &= !whole;
    }
    if (ours && !done)
        source_end(f, f->home, true, "replaying it failed: %s", update->result.problem.text);
    else if (ours && whole)
        source_end(f, f->home, false, "replayed");
    peer_flow(f, peer);
}

/* --- the decision ---------------------------------------------------------------------------------------------- */

static void send_update(struct federation *f, enum update_kind kind)
{
    struct update *update = update_of(kind);
    if (update == NULL)
        return;
    if (kind == UPDATE_SUPERSEDED)
        update->as.superseded = f->standing.superseding;
    if (kind == UPDATE_BEHIND)
        update->as.ahead = f->standing.ahead;
    f->standing.update_out = submit(f, update);
    if (!f->standing.update_out)
        backoff_more(f, &f->standing.again, AGAIN_MS);
}

void standing_updated(struct federation *f, struct update *update)
{
    if (update->kind == UPDATE_REPLAY) {
        replayed(f, update);
        return;
    }
    f->standing.update_out = false;
    bool done = update->result.problem.code == ERR_NONE;
    if (update->kind == UPDATE_SUPERSEDED)
        f->standing.have_superseding = false;
    if (update->kind == UPDATE_BEHIND)
        f->standing.have_behind = !done; /* nothing is decided meanwhile */
    if (done) {
        backoff_clear(&f->standing.again);
    } else {
        f->standing.superseding.checkpoint.epoch = 0; /* it is said again */
        if (f->standing.again.step_ms == 0)
            log_error("federation", "the home register refuses to %s: %s",
                      update->kind == UPDATE_DECIDE ? "decide" : "stand back", update->result.problem.text);
        backoff_more(f, &f->standing.again, AGAIN_MS);
    }
    f->home_changed = true;
}

static void say_standing(struct federation *f, enum home_standing standing)
{
    static const char *const words[] = {
        [STANDING_DECIDING] = "this hub decides about its region",
        [STANDING_ASKING] = "this hub asks its peers before it decides; until one has answered, writes wait",
        [STANDING_RESTORING] = "this hub restores its region's log from its peers; until then, writes wait",
        [STANDING_SUPERSEDED] = "another hub decides about this region: writes are refused here for good",
        [STANDING_BEHIND] =
            ("this hub lacks entries of its own log that others have: writes are refused until its operator "
             "says `vacancy hub promote`"),
    };
    if (f->standing.logged == standing)
        return;
    f->standing.logged = standing;
    if (standing == STANDING_SUPERSEDED || standing == STANDING_BEHIND)
        log_error("federation", "%s", words[standing]);
    else
        log_info("federation", "%s", words[standing]);
}

static void say_missing(struct federation *f, uint32_t missing)
{
    char names[400] = "";
    size_t length = 0;
    if (f->standing.said_missing_ms == 0)
        f->standing.said_missing_ms = f->now_ms; /* those that are up answer within seconds */
    if (!is_due(f, f->standing.said_missing_ms + MISSING_LOG_MS))
        return;
    f->standing.said_missing_ms = f->now_ms;
    for (uint32_t i = 0; i < f->count && length < sizeof names - GSS_BYTES - 1; i++)
        if (i != f->home && !f->peers[i].answered)
            length += (size_t)snprintf(names + length, sizeof names - length, " %s", f->peers[i].region);
    log_warn("federation", "writes still wait for %u hubs to answer:%s; `vacancy hub promote%s` decides without them",
             missing, names, f->standing.restoring ? " --accept-loss" : "");
}

/* One answer is enough for a register that has something: it is behind, or it isn't. An empty one may have been lost,
 * and the first to answer may know as little as we: then the others get a moment. */
static bool has_asked_enough(struct federation *f, uint32_t answered, uint32_t missing)
{
    if (missing == 0)
        return true;
    if (f->standing.restoring || answered == 0)
        return false;
    return f->regions[f->home].have || is_due(f, f->standing.first_answer_ms + FEDERATION_EMPTY_WAIT_MS);
}

/* Who is away may hear of more that our key signed elsewhere, so its answer of before does not hold. */
static void forget_who_is_away(struct federation *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->peers[i].state != PEER_LINKED)
            f->peers[i].answered = false;
}

void standing_tick(struct federation *f)
{
    if (f->home == NO_PEER)
        return;
    struct standing *standing = &f->standing;
    enum home_standing now = standing_now(f);
    uint32_t answered = 0, missing = 0;
    say_standing(f, now);
    show(f);
    if (now == STANDING_BEHIND)
        forget_who_is_away(f);
    if (standing->update_out || !is_due(f, standing->again.until_ms))
        return;
    if (standing->have_superseding) {
        send_update(f, UPDATE_SUPERSEDED);
        return;
    }
    if (standing->have_behind) {
        send_update(f, UPDATE_BEHIND);
        return;
    }
    if (!may_decide_yet(now)) {
        standing->restoring = false;
        standing->said_missing_ms = 0;
        return;
    }
    standing->restoring |= now == STANDING_RESTORING;
    for (uint32_t i = 0; i < f->count; i++) {
        answered += i != f->home && f->peers[i].answered;
        missing += i != f->home && !f->peers[i].answered;
    }
    if (answered > 0 && standing->first_answer_ms == 0)
        standing->first_answer_ms = f->now_ms;
    if (anybody_is_ahead(f) || f->regions[f->home].works_out > 0)
        return;
    if (has_asked_enough(f, answered, missing))
        send_update(f, UPDATE_DECIDE);
    else
        say_missing(f, missing);
}
