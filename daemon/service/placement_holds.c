/*
 * placement_holds.c - PlacementService: ListHolds, a team's holds in every region.
 *
 * Two lists, each newest first, are merged by when the holds were made: this region's, as the register has them, and
 * what the team asked of other regions, each joined with what that region's log says of it by now. Read in pages, on
 * the trail before they are sent, sent as fast as the client takes them; no snapshot. On the call's worker.
 */
#include "daemon/service/convert.h"
#include "daemon/service/handlers.h"
#include "daemon/service/requests.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_HOLDS       16
#define VIEW_ARENA_BYTES (64u * 1024)
#define CODE_OK          0
#define CODE_UNKNOWN     4 /* DEADLINE_EXCEEDED: the outcome is unknown */

struct listing {
    struct principal who;
    bool include_ended;
    int64_t now_ms;
    struct {
        bool end;
        size_t count, next;
        struct hold_token before;
        struct hold page[PAGE_HOLDS];
    } here;
    struct {
        bool begun, end;
        size_t count, next;
        uint8_t before[REQUEST_ID_BYTES];
        struct asked_hold page[PAGE_HOLDS];
    } away;
    struct arena arena; /* one message */
};

/* --- pages: false when the call was ended ------------------------------------------------------------------------ */

static bool unreadable(struct call *call, enum err err)
{
    call_fail(call, err, "", "the register could not be read");
    return false;
}

static bool disclose(struct call *call, const struct listing *listing, const uint64_t *subjects, size_t count)
{
    return count == 0 ||
           call_disclose(call, &listing->who, &(struct shown){.subjects = subjects, .subject_count = count});
}

static bool load_here(struct call *call, struct listing *listing)
{
    uint64_t subjects[2 * PAGE_HOLDS];
    struct hold_token next;
    enum err err = home_list_holds(call_context(call)->home, listing->who.name, NULL, listing->include_ended,
                                   &listing->here.before, listing->here.page, PAGE_HOLDS, &listing->here.count, &next);
    if (err != ERR_NONE)
        return unreadable(call, err);
    listing->here.next = 0;
    listing->here.before = next;
    listing->here.end = next.epoch == 0;
    for (size_t i = 0; i < listing->here.count; i++) {
        subjects[2 * i] = listing->here.page[i].vacancy_id;
        subjects[2 * i + 1] = listing->here.page[i].national_reference;
    }
    return disclose(call, listing, subjects, 2 * listing->here.count);
}

/* What was refused never was a hold. */
static bool load_away(struct call *call, struct listing *listing)
{
    uint64_t subjects[PAGE_HOLDS];
    size_t got;
    enum err err =
        home_list_asked(call_context(call)->home, listing->who.name, listing->away.begun ? listing->away.before : NULL,
                        listing->away.page, PAGE_HOLDS, &got);
    if (err != ERR_NONE)
        return unreadable(call, err);
    listing->away.begun = true;
    listing->away.end = got < PAGE_HOLDS;
    listing->away.next = listing->away.count = 0;
    if (got > 0)
        memcpy(listing->away.before, listing->away.page[got - 1].request_id, REQUEST_ID_BYTES);
    for (size_t i = 0; i < got; i++) {
        const struct asked_hold *asked = &listing->away.page[i];
        if (asked->code != CODE_OK && asked->code != CODE_UNKNOWN)
            continue;
        subjects[listing->away.count] = asked->vacancy_id;
        listing->away.page[listing->away.count++] = *asked;
    }
    return disclose(call, listing, subjects, listing->away.count);
}

static bool at_hand(const struct listing *listing)
{
    return (listing->here.next < listing->here.count || listing->here.end) &&
           (listing->away.next < listing->away.count || listing->away.end);
}

/* A page of each list that has nothing at hand: it may be one of refusals only. *ready: the next of each list is at
 * hand, or the list is at its end. False: the call was ended. */
static bool load(struct call *call, struct listing *listing, bool *ready)
{
    if (listing->here.next == listing->here.count && !listing->here.end && !load_here(call, listing))
        return false;
    if (listing->away.next == listing->away.count && !listing->away.end && !load_away(call, listing))
        return false;
    *ready = at_hand(listing);
    return true;
}

/* --- one hold ----------------------------------------------------------------------------------------------------- */

/* What the region's log says of it. False: nothing, yet or any more. */
static bool shared_of(const struct service_context *ctx, const struct asked_hold *asked, struct arena *arena,
                      struct hold *out)
{
    uint8_t bytes[HOLD_KEY_BYTES];
    struct octets key = {bytes, sizeof bytes}, row;
    if (ctx->replica == NULL || asked->token.epoch == 0)
        return false;
    hold_key(&asked->token, bytes);
    return replica_read(ctx->replica, asked->region, LOG_TABLE_HOLD, &key, arena, &row) == ERR_NONE &&
           hold_row_decode(&key, &row, out) == ERR_NONE;
}

/* Of what the log says nothing: an answer that is still to come counts while its request id may be sent again, a hold
 * until its end. */
static bool away_wanted(const struct listing *listing, const struct asked_hold *asked, const struct hold *shared)
{
    if (listing->include_ended)
        return true;
    if (shared != NULL)
        return hold_live(shared);
    return asked->token.epoch == 0 ? asked->asked_at_ms > listing->now_ms - REQUEST_ID_KEPT_MS
                                   : asked->until_ms > listing->now_ms;
}

/* Sends the newest of what is at hand. *more: the client takes further ones. False: the call was ended. */
static bool send_next(struct call *call, struct listing *listing, bool *more)
{
    const struct service_context *ctx = call_context(call);
    const struct hold *here = &listing->here.page[listing->here.next];
    const struct asked_hold *away = &listing->away.page[listing->away.next];
    bool is_here = listing->here.next < listing->here.count, is_away = listing->away.next < listing->away.count;
    struct hold shared;
    Vacancy__V1__ListHoldsResponse out = VACANCY__V1__LIST_HOLDS_RESPONSE__INIT;
    *more = true;
    if (is_here && (!is_away || here->made_at_ms >= away->asked_at_ms)) {
        listing->here.next++;
        out.hold = team_hold_view(ctx, here, NULL, &listing->arena);
    } else {
        listing->away.next++;
        const struct hold *known = shared_of(ctx, away, &listing->arena, &shared) ? &shared : NULL;
        if (!away_wanted(listing, away, known))
            return true;
        out.hold = asked_hold_view(ctx, away, known, &listing->arena);
    }
    if (out.hold == NULL) {
        call_fail(call, ERR_LIMIT, "", "a hold's record is larger than this hub gives");
        return false;
    }
    *more = call_send(call, &out.base);
    return true;
}

/* --- turns -------------------------------------------------------------------------------------------------------- */

static bool at_end(const struct listing *listing)
{
    return listing->here.end && listing->here.next == listing->here.count && listing->away.end &&
           listing->away.next == listing->away.count;
}

/* At most two pages' worth, as far as the client takes it; less where a page had nothing to show. */
static void list_turn(struct call *call)
{
    struct listing *listing = call->state;
    for (size_t sent = 0; sent < 2 * PAGE_HOLDS; sent++) {
        bool more, ready;
        if (!load(call, listing, &ready))
            return;
        if (!ready)
            break;
        if (at_end(listing)) {
            call_finish(call, NULL);
            return;
        }
        if (!send_next(call, listing, &more))
            return;
        arena_reset(&listing->arena);
        if (!more && !at_end(listing))
            return; /* until writable */
    }
    call_yield(call);
}

static void list_closed(struct call *call)
{
    struct listing *listing = call->state;
    if (listing == NULL)
        return;
    call->state = NULL;
    arena_finish(&listing->arena);
    free(listing);
}

static void list_holds(struct call *call, const ProtobufCMessage *message)
{
    struct principal who;
    if (!call_identify(call, ROLE_BIT(ROLE_TEAM), &who))
        return;
    struct listing *listing = call_begin_state(call, sizeof *listing);
    if (listing == NULL)
        return;
    listing->who = who;
    listing->now_ms = clock_wall_ms(call->clock);
    listing->include_ended = ((const Vacancy__V1__ListHoldsRequest *)message)->include_ended;
    arena_init(&listing->arena, VIEW_ARENA_BYTES);
    list_turn(call);
}

const struct call_handler list_holds_handler = {.message = list_holds, .writable = list_turn, .closed = list_closed};
