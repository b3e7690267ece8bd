/*
 * federation.c - FederationService: Follow, other hubs' way to the logs that this hub has.
 *
 * A turn: if the client takes responses, tell our positions when that is due, then send slices of the logs that were
 * asked for, region after region, until nothing is left or the turn's share is used up. The stream waits in `wakes`,
 * armed before it reads, so that what is committed meanwhile wakes it. Nothing is copied for a follower but the slice
 * being sent: one that reads slowly costs its send queue, and one that never reads is ended by write progress (R15).
 * On the call's worker. Invariant: a take's cursor stands after the last entry sent of its region.
 */
#include "daemon/service/check.h"
#include "daemon/service/federation_views.h"
#include "daemon/service/handlers.h"
#include "daemon/service/views.h"

#include "daemon/base/text.h"

#include <stdlib.h>
#include <string.h>

#define SIGN_OF_LIFE_MS (FEDERATION_PING_MS * 4 / 5) /* the wake that sends it comes every FEDERATION_PING_MS */
#define TURN_BYTES      LOG_SLICE_MAX_BYTES
#define TURN_SLICES     32u

struct take {
    char region[GSS_BYTES];
    struct log_cursor cursor;
    int64_t told_time_ms; /* signed time of the last checkpoint sent, */
    uint64_t told_horizon;
    bool hungry; /* there may be more */
};

/* What this follower was last told that we have. */
struct told {
    uint64_t epoch, sequence;
    int64_t time_ms;
    char region[GSS_BYTES];
};

struct follow {
    struct principal who;
    struct reply_address address; /* while armed */
    bool armed, full, yielded;
    bool heard_complete, told_complete;
    int64_t told_ms;
    uint32_t take_count, next, told_count;
    struct take takes[ROSTER_REGIONS_MAX];
    struct told told[ROSTER_REGIONS_MAX + 1];
    struct arena arena;
};

/* --- positions ------------------------------------------------------------------------------------------------- */

static struct told *told_of(struct follow *follow, const char *region)
{
    for (uint32_t i = 0; i < follow->told_count; i++)
        if (strcmp(follow->told[i].region, region) == 0)
            return &follow->told[i];
    if (follow->told_count == ROSTER_REGIONS_MAX + 1)
        follow->told_count = 0; /* rosters came and went: they are told again */
    struct told *told = &follow->told[follow->told_count++];
    *told = (struct told){0};
    memcpy(told->region, region, GSS_BYTES);
    return told;
}

/* Adds the region's newest checkpoint, if it is news. False: the arena's limit. */
static bool add_position(struct call *call, const char *region, Vacancy__V1__Positions *positions)
{
    struct follow *follow = call->state;
    const struct log_reader *reader = reader_of(call_context(call), region);
    struct signed_checkpoint *newest = arena_alloc(&follow->arena, sizeof *newest);
    if (newest == NULL)
        return false;
    if (reader->newest(reader->ctx, region, newest) != ERR_NONE)
        return true;
    struct told *told = told_of(follow, region);
    const struct checkpoint *now = &newest->checkpoint;
    if (told->epoch == now->epoch && told->sequence == now->sequence && told->time_ms == now->time_ms)
        return true;
    told->epoch = now->epoch;
    told->sequence = now->sequence;
    told->time_ms = now->time_ms;
    positions->checkpoints[positions->n_checkpoints] = signed_checkpoint_view(newest, &follow->arena);
    return positions->checkpoints[positions->n_checkpoints++] != NULL;
}

static bool add_positions(struct call *call, Vacancy__V1__Positions *positions)
{
    const struct service_context *ctx = call_context(call);
    struct follow *follow = call->state;
    const struct roster *roster = access_roster(ctx->access);
    uint32_t count = roster != NULL ? roster->region_count : 0;
    positions->checkpoints = arena_alloc(&follow->arena, (count + 1) * sizeof *positions->checkpoints);
    bool fits = positions->checkpoints != NULL;
    for (uint32_t i = 0; fits && i < count; i++)
        fits = add_position(call, roster->regions[i].region, positions);
    roster_unref(roster);
    return fits;
}

/* False: the call was ended. */
static bool tell_positions(struct call *call)
{
    struct follow *follow = call->state;
    int64_t now_ms = clock_boot_ms(call->clock);
    if (follow->told_complete && now_ms - follow->told_ms < SIGN_OF_LIFE_MS)
        return true;
    Vacancy__V1__Positions positions = VACANCY__V1__POSITIONS__INIT;
    Vacancy__V1__FollowResponse out = VACANCY__V1__FOLLOW_RESPONSE__INIT;
    if (!add_positions(call, &positions)) {
        call_fail(call, ERR_INTERNAL, "", "positions could not be made");
        return false;
    }
    positions.complete = !follow->told_complete;
    follow->told_complete = true;
    follow->told_ms = now_ms;
    out.item_case = VACANCY__V1__FOLLOW_RESPONSE__ITEM_POSITIONS;
    out.positions = &positions;
    follow->full = !call_send(call, &out.base);
    arena_reset(&follow->arena);
    return true;
}

/* --- logs ------------------------------------------------------------------------------------------------------ */

static void remove_take(struct follow *follow, const char *region)
{
    for (uint32_t i = 0; i < follow->take_count; i++)
        if (strcmp(follow->takes[i].region, region) == 0) {
            follow->takes[i] = follow->takes[--follow->take_count];
            return;
        }
}

static bool refuse_take(struct call *call, struct take *take, enum log_refusal why)
{
    struct follow *follow = call->state;
    const struct log_reader *reader = reader_of(call_context(call), take->region);
    char region[GSS_BYTES];
    struct signed_checkpoint newest;
    Vacancy__V1__Refusal refusal = VACANCY__V1__REFUSAL__INIT;
    Vacancy__V1__FollowResponse out = VACANCY__V1__FOLLOW_RESPONSE__INIT;
    memcpy(region, take->region, sizeof region);
    remove_take(follow, region);
    refusal.region = region;
    refusal.reason = (Vacancy__V1__Refusal__Reason)why;
    if (reader->newest(reader->ctx, region, &newest) == ERR_NONE)
        refusal.checkpoint = signed_checkpoint_view(&newest, &follow->arena);
    out.item_case = VACANCY__V1__FOLLOW_RESPONSE__ITEM_REFUSAL;
    out.refusal = &refusal;
    follow->full = !call_send(call, &out.base);
    return true;
}
_Static_assert((int)LOG_AHEAD == (int)VACANCY__V1__REFUSAL__REASON__REASON_AHEAD &&
                   (int)LOG_NOT_HERE == (int)VACANCY__V1__REFUSAL__REASON__REASON_NOT_HERE,
               "the log's refusals are the contract's");

static bool send_batch(struct call *call, struct take *take, const struct log_slice *slice)
{
    struct follow *follow = call->state;
    Vacancy__V1__FollowResponse out = VACANCY__V1__FOLLOW_RESPONSE__INIT;
    out.item_case = VACANCY__V1__FOLLOW_RESPONSE__ITEM_BATCH;
    out.batch = batch_view(take->region, slice, &follow->arena);
    if (out.batch == NULL) {
        call_fail(call, ERR_INTERNAL, "", "a batch could not be made");
        return false;
    }
    cursor_advance(&take->cursor, slice);
    if (slice->has_checkpoint) {
        take->told_time_ms = slice->checkpoint.checkpoint.time_ms;
        take->told_horizon = slice->checkpoint.checkpoint.horizon;
    }
    follow->full = !call_send(call, &out.base);
    return true;
}

/* At the log's end: the checkpoint there, if it was signed again since it was sent. */
static bool send_signature(struct call *call, struct take *take)
{
    const struct log_reader *reader = reader_of(call_context(call), take->region);
    struct log_slice slice = {.has_checkpoint = true};
    const struct checkpoint *newest = &slice.checkpoint.checkpoint;
    take->hungry = false;
    if (reader->newest(reader->ctx, take->region, &slice.checkpoint) != ERR_NONE ||
        newest->sequence != take->cursor.sequence ||
        (newest->time_ms <= take->told_time_ms && newest->horizon <= take->told_horizon))
        return true;
    return send_batch(call, take, &slice);
}

/* The next slice of one region's log. False: the call was ended. */
static bool serve(struct call *call, struct take *take)
{
    struct follow *follow = call->state;
    const struct log_reader *reader = reader_of(call_context(call), take->region);
    struct log_slice slice = {0};
    bool goes_on;
    enum err err = reader->entries(reader->ctx, take->region, &take->cursor, &follow->arena, &slice);
    if (err != ERR_NONE) {
        call_fail(call, err, "", "the log of region %s can't be read", take->region);
        return false;
    }
    if (slice.refusal != LOG_SERVED)
        goes_on = refuse_take(call, take, slice.refusal);
    else if (slice.count == 0)
        goes_on = send_signature(call, take);
    else
        goes_on = send_batch(call, take, &slice);
    return goes_on;
}

/* Region after region, so that a large one keeps no other waiting. NULL: nothing is left to send. */
static struct take *next_hungry(struct follow *follow)
{
    for (uint32_t i = 0; i < follow->take_count; i++) {
        struct take *take = &follow->takes[follow->next++ % follow->take_count];
        if (take->hungry)
            return take;
    }
    return NULL;
}

/* False: the call was ended. */
static bool serve_turn(struct call *call)
{
    struct follow *follow = call->state;
    size_t bytes = 0;
    for (uint32_t slices = 0; !follow->full; slices++) {
        struct take *take = next_hungry(follow);
        if (take == NULL)
            return true;
        if (bytes >= TURN_BYTES || slices == TURN_SLICES) {
            follow->next--; /* it is its turn still */
            follow->yielded = true;
            call_yield(call);
            return true;
        }
        if (!serve(call, take))
            return false;
        bytes += follow->arena.used_bytes;
        arena_reset(&follow->arena);
    }
    return true;
}

/* --- turns ----------------------------------------------------------------------------------------------------- */

/* Whose logs it takes. */
static unsigned logs_of(const struct call *call)
{
    const struct follow *follow = call->state;
    unsigned logs = 0;
    for (uint32_t i = 0; i < follow->take_count; i++)
        logs |= strcmp(follow->takes[i].region, call_context(call)->region) == 0 ? WAKE_HOME : WAKE_REPLICAS;
    return logs;
}

/* It takes other logs from now on. If its mail is on the way already, it arms itself when that comes. */
static void disarm(struct call *call)
{
    struct follow *follow = call->state;
    if (!follow->armed || !wakes_disarm(call_context(call)->federation.wakes, &follow->address))
        return;
    call_unreserve_reply(call);
    follow->armed = false;
}

static void turn(struct call *call)
{
    struct follow *follow = call->state;
    if (!follow->armed && call_reserve_reply(call, &follow->address) == ERR_NONE) {
        follow->armed = true;
        wakes_arm(call_context(call)->federation.wakes, &follow->address, logs_of(call));
    }
    if (!follow->armed && !follow->yielded) { /* the mailbox is full: this worker is about to empty it */
        follow->yielded = true;
        call_yield(call);
    }
    if (follow->full || !tell_positions(call) || follow->full)
        return;
    (void)serve_turn(call);
}

static void follow_resumed(struct call *call, const struct mail *mail)
{
    struct follow *follow = call->state;
    (void)mail;
    follow->armed = false;
    for (uint32_t i = 0; i < follow->take_count; i++)
        follow->takes[i].hungry = true;
    turn(call);
}

static void follow_orphaned(const struct mail *mail)
{
    (void)mail; /* wakes carry nothing */
}

/* For room in the queue, or because the stream yielded: a yield's turn while there is no room is none. */
static void follow_writable(struct call *call)
{
    struct follow *follow = call->state;
    if (follow->yielded) {
        follow->yielded = false;
        if (follow->full)
            return;
    }
    follow->full = false;
    turn(call);
}

/* --- what the follower says ------------------------------------------------------------------------------------ */

static enum err positions_from(const Vacancy__V1__Positions *in, struct peer_positions *out, struct problem *problem)
{
    for (size_t i = 0; i < in->n_checkpoints; i++) {
        const Vacancy__V1__SignedCheckpoint *from = in->checkpoints[i];
        const struct path positions = {NULL, "positions", -1};
        const struct path at = {&positions, "checkpoints", (int)i};
        if (checkpoint_read(from->text, strlen(from->text), from->signature.data, from->signature.len,
                            &out->checkpoints[i]) != ERR_NONE)
            return wrong(problem, &at, NULL, "no checkpoint: text or signature is not as the contract describes");
    }
    out->count = (uint32_t)in->n_checkpoints;
    out->complete = in->complete;
    return ERR_NONE;
}

static enum err hear_positions(struct call *call, const Vacancy__V1__Positions *in, struct problem *problem)
{
    const struct federation_port *port = &call_context(call)->federation;
    struct follow *follow = call->state;
    if (in->n_checkpoints > ROSTER_REGIONS_MAX)
        return problem_set(problem, ERR_INVALID, "positions.checkpoints", "%zu given; a roster has at most %d regions",
                           in->n_checkpoints, ROSTER_REGIONS_MAX);
    if (!in->complete && !follow->heard_complete)
        return problem_set(problem, ERR_INVALID, "positions.complete", "the first positions of a stream must be");
    struct peer_positions *positions =
        calloc(1, sizeof *positions + in->n_checkpoints * sizeof positions->checkpoints[0]);
    if (positions == NULL)
        return problem_set(problem, ERR_LIMIT, "", "this hub is short of memory; try again");
    memcpy(positions->peer, follow->who.region, sizeof positions->peer);
    enum err err = positions_from(in, positions, problem);
    follow->heard_complete |= err == ERR_NONE;
    if (err == ERR_NONE && port->peer_has != NULL)
        port->peer_has(port->peer_has_ctx, positions);
    else
        free(positions);
    return err;
}

static enum err check_cursor(const Vacancy__V1__Cursor *in, struct problem *problem)
{
    static const uint8_t none[DIGEST_BYTES];
    if (!text_is_gss_code(in->region))
        return problem_set(problem, ERR_INVALID, "take.region", "no GSS code of a region");
    if (in->head.len != DIGEST_BYTES)
        return problem_set(problem, ERR_INVALID, "take.head", "%zu octets given; 32 are expected", in->head.len);
    if (in->sequence > (uint64_t)INT64_MAX)
        return problem_set(problem, ERR_INVALID, "take.sequence", "no log is that long");
    if ((in->sequence == 0) != (memcmp(in->head.data, none, DIGEST_BYTES) == 0))
        return problem_set(problem, ERR_INVALID, "take.head", "32 zero octets for sequence 0, and for no other");
    return ERR_NONE;
}

static enum err hear_take(struct follow *follow, const Vacancy__V1__Cursor *in, struct problem *problem)
{
    enum err err = check_cursor(in, problem);
    if (err != ERR_NONE)
        return err;
    remove_take(follow, in->region);
    if (follow->take_count == ROSTER_REGIONS_MAX)
        return problem_set(problem, ERR_INVALID, "take", "more than %d regions are taken", ROSTER_REGIONS_MAX);
    struct take *take = &follow->takes[follow->take_count++];
    *take = (struct take){.cursor.sequence = in->sequence, .hungry = true};
    memcpy(take->region, in->region, GSS_BYTES);
    memcpy(take->cursor.head, in->head.data, DIGEST_BYTES);
    return ERR_NONE;
}

static enum err hear(struct call *call, const Vacancy__V1__FollowRequest *in, struct problem *problem)
{
    struct follow *follow = call->state;
    switch (in->item_case) {
    case VACANCY__V1__FOLLOW_REQUEST__ITEM_POSITIONS:
        return hear_positions(call, in->positions, problem);
    case VACANCY__V1__FOLLOW_REQUEST__ITEM_TAKE:
        return hear_take(follow, in->take, problem);
    case VACANCY__V1__FOLLOW_REQUEST__ITEM_DROP:
        if (!text_is_gss_code(in->drop))
            return problem_set(problem, ERR_INVALID, "drop", "no GSS code of a region");
        remove_take(follow, in->drop);
        return ERR_NONE;
    default:
        return problem_set(problem, ERR_INVALID, "item", "one of positions, take and drop is required");
    }
}

static bool begin(struct call *call, const struct principal *who)
{
    struct follow *follow = call_begin_state(call, sizeof *follow);
    if (follow == NULL)
        return false;
    follow->who = *who;
    arena_init(&follow->arena, SLICE_ARENA_BYTES);
    return true;
}

/* Who calls is asked at each message: a certificate that runs out or is shut out ends the stream (T20). */
static void follow_message(struct call *call, const ProtobufCMessage *message)
{
    struct principal who;
    struct problem problem = {0};
    if (!call_identify_hub(call, &who) || (call->state == NULL && !begin(call, &who)))
        return;
    if (hear(call, (const Vacancy__V1__FollowRequest *)message, &problem) != ERR_NONE) {
        call_finish(call, &problem);
        return;
    }
    const Vacancy__V1__FollowRequest *said = (const Vacancy__V1__FollowRequest *)message;
    if (said->item_case != VACANCY__V1__FOLLOW_REQUEST__ITEM_POSITIONS)
        disarm(call);
    turn(call);
}

static void follow_half_closed(struct call *call)
{
    call_finish(call, NULL);
}

static void follow_closed(struct call *call)
{
    struct follow *follow = call->state;
    if (follow == NULL)
        return;
    if (follow->armed && wakes_disarm(call_context(call)->federation.wakes, &follow->address))
        call_unreserve_reply(call);
    call->state = NULL;
    arena_finish(&follow->arena);
    free(follow);
}

const struct call_handler follow_handler = {.message = follow_message,
                                            .half_closed = follow_half_closed,
                                            .resumed = follow_resumed,
                                            .orphaned = follow_orphaned,
                                            .writable = follow_writable,
                                            .closed = follow_closed};
