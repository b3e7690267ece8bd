/*
 * placement_holds.c - PlacementService: ListHolds, a team's holds in every region.
 *
 * Two lists, each newest first, are merged by when the holds were made: this region's, as the register has them, and
 * what the team asked of other regions, each joined with what that region's log says of it by now. Read in pages, on
 * the trail before they are sent, sent as fast as the client takes them; no snapshot. On the call's worker.
 */
#include "daemon/service/convert.h"
#include "daemon/service/handlers.h"
#include "daemon/service/listing.h"

#include <string.h>

#define PAGE_HOLDS       16
#define VIEW_ARENA_BYTES (64u * 1024)
#define CODE_OK          0
#define CODE_UNKNOWN     4 /* DEADLINE_EXCEEDED: the outcome is unknown */

struct holds {
    struct listing listing; /* first: of listing.h its beginning and end; its page is two here */
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
};

/* --- pages: false when the call was ended ------------------------------------------------------------------------ */

static bool load_here(struct call *call, struct holds *holds)
{
    uint64_t subjects[2 * PAGE_HOLDS];
    struct hold_token next;
    enum err err = home_list_holds(call_context(call)->home, holds->listing.who.name, NULL, holds->include_ended,
                                   &holds->here.before, holds->here.page, PAGE_HOLDS, &holds->here.count, &next);
    if (err != ERR_NONE)
        return listing_unreadable(call, err);
    holds->here.next = 0;
    holds->here.before = next;
    holds->here.end = next.epoch == 0;
    for (size_t i = 0; i < holds->here.count; i++) {
        subjects[2 * i] = holds->here.page[i].vacancy_id;
        subjects[2 * i + 1] = holds->here.page[i].national_reference;
    }
    return listing_shown(call, &holds->listing, subjects, 2 * holds->here.count);
}

/* What was refused never was a hold. */
static bool load_away(struct call *call, struct holds *holds)
{
    uint64_t subjects[PAGE_HOLDS];
    size_t got;
    enum err err = home_list_asked(call_context(call)->home, holds->listing.who.name,
                                   holds->away.begun ? holds->away.before : NULL, holds->away.page, PAGE_HOLDS, &got);
    if (err != ERR_NONE)
        return listing_unreadable(call, err);
    holds->away.begun = true;
    holds->away.end = got < PAGE_HOLDS;
    holds->away.next = holds->away.count = 0;
    if (got > 0)
        memcpy(holds->away.before, holds->away.page[got - 1].request_id, REQUEST_ID_BYTES);
    for (size_t i = 0; i < got; i++) {
        const struct asked_hold *asked = &holds->away.page[i];
        if (asked->code != CODE_OK && asked->code != CODE_UNKNOWN)
            continue;
        subjects[holds->away.count] = asked->vacancy_id;
        holds->away.page[holds->away.count++] = *asked;
    }
    return listing_shown(call, &holds->listing, subjects, holds->away.count);
}

static bool at_hand(const struct holds *holds)
{
    return (holds->here.next < holds->here.count || holds->here.end) &&
           (holds->away.next < holds->away.count || holds->away.end);
}

/* A page of each list that has nothing at hand: it may be one of refusals only. *ready: the next of each list is at
 * hand, or the list is at its end. False: the call was ended. */
static bool load(struct call *call, struct holds *holds, bool *ready)
{
    if (holds->here.next == holds->here.count && !holds->here.end && !load_here(call, holds))
        return false;
    if (holds->away.next == holds->away.count && !holds->away.end && !load_away(call, holds))
        return false;
    *ready = at_hand(holds);
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
static bool away_wanted(const struct holds *holds, const struct asked_hold *asked, const struct hold *shared)
{
    if (holds->include_ended)
        return true;
    if (shared != NULL)
        return hold_live(shared);
    return asked->token.epoch == 0 ? asked->asked_at_ms > holds->now_ms - REQUEST_ID_KEPT_MS
                                   : asked->until_ms > holds->now_ms;
}

/* Sends the newest of what is at hand. *more: the client takes further ones. False: the call was ended. */
static bool send_next(struct call *call, struct holds *holds, bool *more)
{
    const struct service_context *ctx = call_context(call);
    const struct hold *here = &holds->here.page[holds->here.next];
    const struct asked_hold *away = &holds->away.page[holds->away.next];
    bool is_here = holds->here.next < holds->here.count, is_away = holds->away.next < holds->away.count;
    struct hold shared;
    Vacancy__V1__ListHoldsResponse out = VACANCY__V1__LIST_HOLDS_RESPONSE__INIT;
    *more = true;
    if (is_here && (!is_away || here->made_at_ms >= away->asked_at_ms)) {
        holds->here.next++;
        out.hold = team_hold_view(ctx, here, NULL, &holds->listing.arena);
    } else {
        holds->away.next++;
        const struct hold *known = shared_of(ctx, away, &holds->listing.arena, &shared) ? &shared : NULL;
        if (!away_wanted(holds, away, known))
            return true;
        out.hold = asked_hold_view(ctx, away, known, &holds->listing.arena);
    }
    return listing_send(call, out.hold != NULL, "a hold", &out.base, more);
}

/* --- turns -------------------------------------------------------------------------------------------------------- */

static bool at_end(const struct holds *holds)
{
    return holds->here.end && holds->here.next == holds->here.count && holds->away.end &&
           holds->away.next == holds->away.count;
}

/* At most two pages' worth, as far as the client takes it; less where a page had nothing to show. */
static void list_turn(struct call *call)
{
    struct holds *holds = call->state;
    for (size_t sent = 0; sent < 2 * PAGE_HOLDS; sent++) {
        bool more, ready;
        if (!load(call, holds, &ready))
            return;
        if (!ready)
            break;
        if (at_end(holds)) {
            call_finish(call, NULL);
            return;
        }
        if (!send_next(call, holds, &more))
            return;
        arena_reset(&holds->listing.arena);
        if (!more && !at_end(holds))
            return; /* until writable */
    }
    call_yield(call);
}

static void list_holds(struct call *call, const ProtobufCMessage *message)
{
    struct holds *holds = listing_begin(call, ROLE_BIT(ROLE_TEAM), sizeof *holds, VIEW_ARENA_BYTES);
    if (holds == NULL)
        return;
    holds->now_ms = clock_wall_ms(call->clock);
    holds->include_ended = ((const Vacancy__V1__ListHoldsRequest *)message)->include_ended;
    list_turn(call);
}

const struct call_handler list_holds_handler = {.message = list_holds, .writable = list_turn, .closed = listing_closed};
