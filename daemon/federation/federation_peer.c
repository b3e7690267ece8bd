/*
 * federation_peer.c - links to other hubs as the logic sees them: dialling with back-off, what we tell them, signs of
 * life, back-pressure. Owns: struct peer. Thread: as federation.h.
 * Invariant: a peer that is linked is heard of within FEDERATION_DEAD_MS of our own running, is paused by us, or is
 * hung up.
 */
#include "daemon/federation/federation_parts.h"

#include "daemon/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BROKE_LOG_MS 10000

static void move(struct federation *f, struct peer *peer, enum peer_state state)
{
    peer->state = state;
    peer->since_ms = f->now_ms;
}

bool peer_usable(const struct federation *f, uint32_t peer)
{
    return f->peers[peer].state == PEER_LINKED && f->peers[peer].gave_complete;
}

void peer_linked(struct federation *f, uint32_t number)
{
    struct peer *peer = &f->peers[number];
    move(f, peer, PEER_LINKED);
    peer->heard_ms = peer->batch_ms = f->now_ms;
    peer->told_complete = peer->gave_complete = peer->paused = false;
    log_info("federation", "linked to %s", peer->region);
}

/* Whoever was linked is no more; regions look for other sources. */
static void unlink_peer(struct federation *f, uint32_t number, enum peer_state next)
{
    struct peer *peer = &f->peers[number];
    bool was_linked = peer->state == PEER_LINKED;
    bool spoke = was_linked && peer->gave_complete && peer->told_complete;
    /* A link that was of use is dialled anew at once but for the jitter; one that was not, ever more slowly. Where both
     * said what they have and the link then broke, as in a network that comes and goes, not so slowly. */
    if (spoke && f->now_ms - peer->since_ms >= FEDERATION_USEFUL_MS)
        backoff_clear(&peer->dial);
    else if (spoke && peer->dial.step_ms > FEDERATION_BACKOFF_SPOKE_MS / 2)
        peer->dial.step_ms = FEDERATION_BACKOFF_SPOKE_MS / 2; /* is doubled */
    move(f, peer, next);
    backoff_more(f, &peer->dial, FEDERATION_BACKOFF_MS);
    peer->gave_complete = peer->told_complete = peer->paused = false;
    if (was_linked)
        source_lost(f, number);
    peer->fetching = NO_PEER;
}

/* One line when a link is lost, and one when the reason changes why it does not come back. */
static void say_why(struct peer *peer, bool was_linked, const char *why)
{
    if (!was_linked && strncmp(peer->why, why, sizeof peer->why - 1) == 0)
        return;
    snprintf(peer->why, sizeof peer->why, "%s", why);
    if (was_linked)
        log_warn("federation", "link to %s lost: %s", peer->region, why);
    else
        log_warn("federation", "no link to %s: %s", peer->region, why);
}

void peer_down(struct federation *f, uint32_t number, const char *why)
{
    struct peer *peer = &f->peers[number];
    if (peer->state == PEER_CLOSING) {
        move(f, peer, PEER_DOWN);
        return;
    }
    if (peer->state != PEER_LINKED && peer->state != PEER_DIALLING)
        return;
    bool was_linked = peer->state == PEER_LINKED;
    say_why(peer, was_linked, why);
    unlink_peer(f, number, PEER_DOWN);
}

static void hang_up(struct federation *f, uint32_t number)
{
    unlink_peer(f, number, PEER_CLOSING);
    f->options.links.hang_up(f->options.links.ctx, number);
}

void peer_broke(struct federation *f, uint32_t number, const char *format, ...)
{
    struct peer *peer = &f->peers[number];
    char text[160];
    va_list args;
    if (peer->state != PEER_LINKED)
        return;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    if (peer->broke_log_ms == 0 || f->now_ms - peer->broke_log_ms >= BROKE_LOG_MS) {
        peer->broke_log_ms = f->now_ms;
        log_warn("federation", "hung up on %s, which breaks the protocol: %s", peer->region, text);
    }
    peer->gave_complete = false; /* so that its back-off grows */
    hang_up(f, number);
}

/* --- signs of life --------------------------------------------------------------------------------------------- */

static void dial(struct federation *f, uint32_t number)
{
    struct peer *peer = &f->peers[number];
    move(f, peer, PEER_DIALLING);
    due_at(f, f->now_ms + DIAL_MS);
    f->options.links.dial(f->options.links.ctx, number);
}

static void peer_tick(struct federation *f, uint32_t number)
{
    struct peer *peer = &f->peers[number];
    switch (peer->state) {
    case PEER_SELF:
        break;
    case PEER_DOWN:
        if (is_due(f, peer->dial.until_ms))
            dial(f, number);
        break;
    case PEER_DIALLING:
        if (is_due(f, peer->since_ms + DIAL_MS)) {
            say_why(peer, false, "it takes the connection but does not finish the handshake");
            unlink_peer(f, number, PEER_DOWN);
            f->options.links.hang_up(f->options.links.ctx, number);
        }
        break;
    case PEER_CLOSING: /* links says when it is closed; a dial before that would meet the old connection */
        if (is_due(f, peer->since_ms + DIAL_MS))
            move(f, peer, PEER_DOWN);
        break;
    case PEER_LINKED:
        if (!peer->paused && is_due(f, peer->heard_ms + FEDERATION_DEAD_MS)) {
            say_why(peer, true, "nothing was heard from it");
            hang_up(f, number);
        }
        break;
    }
}

void peers_tick(struct federation *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        peer_tick(f, i);
}

static int64_t later_ms(const struct federation *f, int64_t since_ms, int64_t held_ms)
{
    return f->now_ms - since_ms > held_ms ? since_ms + held_ms : f->now_ms;
}

/* By no more than we were held up: who is dead is found so while we run, however often we are paused. */
void peers_held_up(struct federation *f, int64_t held_ms)
{
    for (uint32_t i = 0; i < f->count; i++) {
        struct peer *peer = &f->peers[i];
        struct region *region = &f->regions[i];
        if (peer->state == PEER_LINKED) {
            peer->heard_ms = later_ms(f, peer->heard_ms, held_ms);
            peer->batch_ms = later_ms(f, peer->batch_ms, held_ms);
        }
        if (region->state != REGION_IDLE)
            region->progress_ms = later_ms(f, region->progress_ms, held_ms);
    }
}

/* --- what we tell ---------------------------------------------------------------------------------------------- */

struct telling {
    Vacancy__V1__FollowRequest request;
    Vacancy__V1__Positions positions;
    Vacancy__V1__SignedCheckpoint checkpoints[ROSTER_REGIONS_MAX];
    Vacancy__V1__SignedCheckpoint *list[ROSTER_REGIONS_MAX];
};

static bool is_news(const struct region *region, const struct claim *told)
{
    const struct checkpoint *mine = &region->mine.checkpoint;
    return region->have && (!told->have || told->epoch != mine->epoch || told->sequence != mine->sequence ||
                            told->time_ms != mine->time_ms);
}

static void add_position(struct federation *f, struct telling *telling, uint32_t peer, uint32_t number)
{
    struct region *region = &f->regions[number];
    struct claim *told = &pair_of(f, peer, number)->told;
    Vacancy__V1__SignedCheckpoint *out = &telling->checkpoints[telling->positions.n_checkpoints];
    vacancy__v1__signed_checkpoint__init(out);
    out->text = region->mine.text;
    out->signature = (ProtobufCBinaryData){SIGNATURE_BYTES, region->mine.signature};
    telling->list[telling->positions.n_checkpoints++] = out;
    *told = (struct claim){.have = true,
                           .epoch = region->mine.checkpoint.epoch,
                           .sequence = region->mine.checkpoint.sequence,
                           .time_ms = region->mine.checkpoint.time_ms};
}

/* Only its own region's position is urgent: a receipt there says REPLICATED once it is told. */
static void tell(struct federation *f, uint32_t number, struct telling *telling)
{
    struct peer *peer = &f->peers[number];
    bool complete = !peer->told_complete;
    bool alive = complete || is_due(f, peer->told_ms + FEDERATION_PING_MS);
    vacancy__v1__follow_request__init(&telling->request);
    vacancy__v1__positions__init(&telling->positions);
    for (uint32_t i = 0; i < f->count; i++) {
        if (complete)
            pair_of(f, number, i)->told.have = false;
        if ((alive || i == number) && is_news(&f->regions[i], &pair_of(f, number, i)->told))
            add_position(f, telling, number, i);
    }
    if (!alive && telling->positions.n_checkpoints == 0)
        return;
    if (alive)
        peer->told_ms = f->now_ms;
    peer->told_complete = true;
    due_at(f, peer->told_ms + FEDERATION_PING_MS);
    telling->positions.checkpoints = telling->list;
    telling->positions.complete = complete;
    telling->request.item_case = VACANCY__V1__FOLLOW_REQUEST__ITEM_POSITIONS;
    telling->request.positions = &telling->positions;
    f->options.links.send(f->options.links.ctx, number, &telling->request);
}

void peers_tell(struct federation *f)
{
    struct telling *telling = NULL;
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->peers[i].state != PEER_LINKED)
            continue;
        if (telling == NULL && (telling = malloc(sizeof *telling)) == NULL)
            return; /* the next tick tells */
        tell(f, i, telling);
    }
    free(telling);
}

/* --- back-pressure --------------------------------------------------------------------------------------------- */

void peer_flow(struct federation *f, uint32_t number)
{
    struct peer *peer = &f->peers[number];
    if (peer->state != PEER_LINKED)
        return;
    bool full = peer->works_out >= WORKS_OUT_MAX || peer->bytes_out >= WORKS_OUT_BYTES_MAX;
    bool room = peer->works_out <= WORKS_OUT_MAX / 2 && peer->bytes_out <= WORKS_OUT_BYTES_MAX / 2;
    if (!peer->paused && full) {
        peer->paused = true;
        f->options.links.set_reading(f->options.links.ctx, number, false);
    } else if (peer->paused && room) {
        peer->paused = false;
        /* What it said meanwhile is still to be read: it has not been silent. */
        peer->heard_ms = peer->batch_ms = f->now_ms;
        f->options.links.set_reading(f->options.links.ctx, number, true);
    }
}
