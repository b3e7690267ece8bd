/*
 * federation.c - see federation.h: set-up, the roster, inputs and the tick. Thread: as federation.h.
 * Owns: struct federation. Invariant: every input first reads the clock; what it makes due is done by the tick.
 */
#include "daemon/federation/federation_parts.h"

#include "daemon/base/log.h"

#include <stdlib.h>
#include <string.h>

uint32_t region_index(const struct federation *f, const char *region)
{
    const struct roster_region *found = roster_find(f->roster, region);
    return found == NULL ? NO_PEER : (uint32_t)(found - f->roster->regions);
}

const char *peer_name(const struct federation *f, uint32_t peer)
{
    return peer < f->count ? f->peers[peer].region : "";
}

void backoff_more(struct federation *f, struct backoff *backoff, int64_t first_ms)
{
    uint32_t drawn;
    backoff->step_ms = backoff->step_ms == 0 ? first_ms : 2 * backoff->step_ms;
    if (backoff->step_ms > FEDERATION_BACKOFF_MAX_MS)
        backoff->step_ms = FEDERATION_BACKOFF_MAX_MS;
    random_fill(f->options.randomness, &drawn, sizeof drawn);
    backoff->until_ms = f->now_ms + backoff->step_ms / 2 + (int64_t)(drawn % (uint32_t)(backoff->step_ms / 2 + 1));
}

int claim_compare(const struct claim *claim, const struct region *region)
{
    bool stands = region->have && !region->dead;
    uint64_t epoch = stands ? region->mine.checkpoint.epoch : 0;
    uint64_t sequence = stands ? region->mine.checkpoint.sequence : 0;
    if (claim->epoch != epoch)
        return claim->epoch < epoch ? -1 : 1;
    return claim->sequence < sequence ? -1 : claim->sequence > sequence;
}

/* --- set-up ---------------------------------------------------------------------------------------------------- */

static void *need(void *memory)
{
    if (memory == NULL)
        log_fatal("federation", "out of memory for the roster's regions");
    return memory;
}

static void drop_held(struct federation *f)
{
    for (size_t i = 0; i < f->held_count; i++)
        replica_work_destroy(f->held[i]);
    f->held_count = 0;
}

static void free_tables(struct federation *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        arena_finish(&f->regions[i].gathering.arena);
    drop_held(f);
    standing_whole_end(f);
    free(f->peers);
    free(f->regions);
    free(f->pairs);
}

/* Room for the roster's regions; nothing is linked, what is on disk is read. */
static void make_tables(struct federation *f)
{
    f->count = f->roster->region_count;
    f->home = region_index(f, f->options.region);
    size_t count = f->count > 0 ? f->count : 1;
    f->peers = need(calloc(count, sizeof *f->peers));
    f->regions = need(calloc(count, sizeof *f->regions));
    f->pairs = need(calloc(count * count, sizeof *f->pairs));
    for (uint32_t i = 0; i < f->count; i++) {
        struct peer *peer = &f->peers[i];
        struct region *region = &f->regions[i];
        memcpy(peer->region, region_name(f, i), sizeof peer->region);
        peer->state = i == f->home ? PEER_SELF : PEER_DOWN;
        peer->fetching = NO_PEER;
        region->ours = i == f->home;
        region->source = region->snapshot_avoid = NO_PEER;
        arena_init(&region->gathering.arena, REPLICA_COMMIT_MAX_BYTES);
        region_refresh(f, i);
    }
}

static void publish(struct federation *f)
{
    pthread_mutex_lock(&f->lock);
    f->status_count = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct peer *peer = &f->peers[i];
        const struct region *region = &f->regions[i];
        if (peer->state == PEER_SELF)
            continue;
        struct federation_peer *out = &f->status[f->status_count++];
        *out = (struct federation_peer){.linked = peer->state == PEER_LINKED,
                                        .answered = peer->answered,
                                        .has_more = standing_has_more(f, i),
                                        .heard_boot_ms = peer->heard_ms,
                                        .replicated_sequence = peer->replicated_sequence};
        memcpy(out->region, peer->region, sizeof out->region);
        if (region->source != NO_PEER)
            memcpy(out->source, peer_name(f, region->source), sizeof out->source);
    }
    pthread_mutex_unlock(&f->lock);
}

struct federation *federation_create(const struct federation_options *options)
{
    struct federation *f = need(calloc(1, sizeof *f));
    f->options = *options;
    f->roster = roster_ref(options->roster);
    f->home_log = home_log_reader(options->home);
    f->replica_log = replica_log_reader(options->replica);
    f->now_ms = clock_boot_ms(options->clock);
    f->status = need(calloc(ROSTER_REGIONS_MAX, sizeof *f->status));
    pthread_mutex_init(&f->lock, NULL);
    make_tables(f);
    publish(f);
    return f;
}

void federation_destroy(struct federation *f)
{
    if (f == NULL)
        return;
    free_tables(f);
    free(f->held);
    free(f->status);
    pthread_mutex_destroy(&f->lock);
    roster_unref(f->roster);
    free(f);
}

/* --- the roster ------------------------------------------------------------------------------------------------ */

/* Who has answered since our start stays known: that is what the standing asks for. */
static void keep_answers(struct federation *f, const struct peer *old, uint32_t old_count)
{
    for (uint32_t i = 0; i < old_count; i++) {
        uint32_t peer = region_index(f, old[i].region);
        if (peer == NO_PEER)
            continue;
        f->peers[peer].answered = old[i].answered;
        f->peers[peer].replicated_epoch = old[i].replicated_epoch;
        f->peers[peer].replicated_sequence = old[i].replicated_sequence;
    }
}

/* What peers said they have is forgotten with the links: whoever has more of our log than we has to say so again. */
static void forget_unfinished_answers(struct federation *f, struct peer *peers)
{
    for (uint32_t i = 0; i < f->count && f->home != NO_PEER; i++) {
        const struct claim *claim = &pair_of(f, i, f->home)->claim;
        if (claim->have && claim_compare(claim, &f->regions[f->home]) > 0)
            peers[i].answered = false;
    }
}

enum err federation_set_roster(struct federation *f, const struct roster *roster, struct problem *problem)
{
    if (roster->version < f->roster->version)
        return problem_set(problem, ERR_STALE, "roster", "version %llu is older than %llu, which is in use",
                           (unsigned long long)roster->version, (unsigned long long)f->roster->version);
    f->now_ms = clock_boot_ms(f->options.clock);
    uint32_t old_count = f->count;
    struct peer *old = need(calloc(old_count > 0 ? old_count : 1, sizeof *old));
    memcpy(old, f->peers, old_count * sizeof *old);
    forget_unfinished_answers(f, old);
    free_tables(f);
    roster_unref(f->roster);
    f->roster = roster_ref(roster);
    f->era = f->serial;
    make_tables(f);
    keep_answers(f, old, old_count);
    free(old);
    home_set_roster_version(f->options.home, roster->version);
    f->options.works.roster(f->options.works.ctx, roster);
    f->options.links.peers_changed(f->options.links.ctx, roster);
    log_info("federation", "roster version %llu: %u regions", (unsigned long long)roster->version, f->count);
    publish(f);
    return ERR_NONE;
}

/* --- inputs ---------------------------------------------------------------------------------------------------- */

static bool enter(struct federation *f, uint32_t peer)
{
    f->now_ms = clock_boot_ms(f->options.clock);
    return peer < f->count && f->peers[peer].state != PEER_SELF;
}

void federation_linked(struct federation *f, uint32_t peer)
{
    if (enter(f, peer))
        peer_linked(f, peer);
}

void federation_unlinked(struct federation *f, uint32_t peer, const struct problem *why)
{
    if (enter(f, peer))
        peer_down(f, peer, why != NULL && why->text[0] != '\0' ? why->text : "the connection ended");
}

static void positions_heard(struct federation *f, uint32_t peer, const Vacancy__V1__Positions *in)
{
    if (in->n_checkpoints > ROSTER_REGIONS_MAX) {
        peer_broke(f, peer, "positions of %zu regions; a roster has at most %d", in->n_checkpoints, ROSTER_REGIONS_MAX);
        return;
    }
    if (!in->complete && !f->peers[peer].gave_complete) {
        peer_broke(f, peer, "its first positions are not complete");
        return;
    }
    struct signed_checkpoint *checkpoints = need(calloc(in->n_checkpoints + 1, sizeof *checkpoints));
    size_t count = 0;
    while (count < in->n_checkpoints && checkpoint_from(in->checkpoints[count], &checkpoints[count]))
        count++;
    if (count < in->n_checkpoints) {
        peer_broke(f, peer, "positions.checkpoints[%zu] is no checkpoint", count);
    } else {
        if (in->complete)
            f->peers[peer].gave_complete = true;
        claims_heard(f, peer, in->complete, checkpoints, count);
    }
    free(checkpoints);
}

void federation_heard(struct federation *f, uint32_t peer, const Vacancy__V1__FollowResponse *message)
{
    if (!enter(f, peer) || f->peers[peer].state != PEER_LINKED)
        return;
    f->peers[peer].heard_ms = f->now_ms;
    switch (message->item_case) {
    case VACANCY__V1__FOLLOW_RESPONSE__ITEM_POSITIONS:
        positions_heard(f, peer, message->positions);
        break;
    case VACANCY__V1__FOLLOW_RESPONSE__ITEM_BATCH:
        source_batch(f, peer, message->batch);
        break;
    case VACANCY__V1__FOLLOW_RESPONSE__ITEM_REFUSAL:
        source_refused(f, peer, message->refusal);
        break;
    default:
        break; /* what a newer hub says beside */
    }
}

void federation_snapshot_heard(struct federation *f, uint32_t peer, const Vacancy__V1__FetchSnapshotResponse *message)
{
    if (!enter(f, peer) || f->peers[peer].state != PEER_LINKED)
        return;
    f->peers[peer].heard_ms = f->now_ms;
    snapshot_heard(f, peer, message);
}

void federation_snapshot_over(struct federation *f, uint32_t peer, const struct problem *problem)
{
    if (enter(f, peer) && f->peers[peer].state == PEER_LINKED)
        snapshot_over(f, peer, problem);
}

void federation_worked(struct federation *f, struct replica_work *work)
{
    f->now_ms = clock_boot_ms(f->options.clock);
    source_worked(f, work);
    replica_work_destroy(work);
    works_flush(f);
}

void federation_updated(struct federation *f, struct update *update)
{
    f->now_ms = clock_boot_ms(f->options.clock);
    standing_updated(f, update);
    update_destroy(update);
}

void federation_peer_has(struct federation *f, struct peer_positions *positions)
{
    uint32_t peer = region_index(f, positions->peer);
    if (enter(f, peer))
        claims_heard(f, peer, positions->complete, positions->checkpoints, positions->count);
    free(positions);
}

void federation_held_up(struct federation *f, int64_t held_ms)
{
    f->now_ms = clock_boot_ms(f->options.clock);
    peers_held_up(f, held_ms);
}

void federation_changed(struct federation *f)
{
    f->home_changed = true;
}

/* --- the tick -------------------------------------------------------------------------------------------------- */

int64_t federation_tick(struct federation *f)
{
    f->now_ms = clock_boot_ms(f->options.clock);
    f->next_ms = f->now_ms + FEDERATION_PING_MS;
    if (f->home_changed && f->home != NO_PEER)
        region_refresh(f, f->home);
    f->home_changed = false;
    works_flush(f);
    peers_tick(f);
    snapshots_tick(f);
    sources_tick(f);
    standing_tick(f);
    peers_tell(f);
    publish(f);
    return f->next_ms;
}

size_t federation_status(struct federation *f, struct federation_peer *out, size_t max)
{
    pthread_mutex_lock(&f->lock);
    size_t count = f->status_count < max ? f->status_count : max;
    memcpy(out, f->status, count * sizeof *out);
    pthread_mutex_unlock(&f->lock);
    return count;
}
