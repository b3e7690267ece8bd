/*
 * agency_watch.c - AgencyService: WatchAgency, an agency's events as they happen.
 *
 * A stream reads on from its cursor, page after page, until there is nothing left; then it waits for a commit of the
 * register (service_context.events), armed before it reads, so that none is missed. However much is committed, it looks
 * at most once each ROUND_EVERY_MS, and not at all while the caller takes nothing: what is kept for a slow one is a
 * page. Who calls is asked each time it looks, and each LOOK_EVERY_MS: one who is shut out is told nothing more. On the
 * call's worker. Invariant: the cursor moves only past events that were handed to the stream, each of them in order.
 */
#include "daemon/service/agency_events.h"
#include "daemon/service/handlers.h"

#include "daemon/match/match_watch.h"

#include <stdlib.h>
#include <string.h>

#define ROUND_EVERY_MS 200
#define LOOK_EVERY_MS  60000

struct watch {
    bool armed;         /* `events` has our address, or its mail is on the way */
    bool reading, full; /* within a round; the caller takes no more now */
    bool ready;
    struct reply_address address;
    int64_t allowed_boot_ms; /* the next round */
    uint64_t told;           /* the last event that was sent, or where it began */
    struct event_page page;
};

/* Whoever calls may still, and the hub goes on. False: the call was ended. */
static bool goes_on(struct call *call)
{
    struct principal who;
    if (!call_identify(call, ROLE_BIT(ROLE_AGENCY), &who))
        return false;
    if (!match_watch_ended(call_context(call)->match))
        return true;
    call_fail(call, ERR_UNAVAILABLE, "", "the hub is stopping: watch again when it is back, from the last cursor");
    return false;
}

/* Without a place for the mail, now that the mailbox is full, it looks again by the clock. */
static void arm(struct call *call)
{
    struct watch *watch = call->state;
    if (watch->armed || call_reserve_reply(call, &watch->address) != ERR_NONE)
        return;
    watch->armed = true;
    wakes_arm(call_context(call)->events, &watch->address, WAKE_HOME);
}

static void tell_ready(struct call *call)
{
    struct watch *watch = call->state;
    Vacancy__V1__WatchAgencyResponse out = VACANCY__V1__WATCH_AGENCY_RESPONSE__INIT;
    out.cursor = watch->told;
    watch->ready = true;
    watch->full = !call_send(call, &out.base);
}

/* As much of the page as the caller takes. False: the call was ended. */
static bool send_page(struct call *call)
{
    struct watch *watch = call->state;
    struct scratch scratch;
    bool ended = false;
    while (!watch->full) {
        Vacancy__V1__WatchAgencyResponse out = VACANCY__V1__WATCH_AGENCY_RESPONSE__INIT;
        out.event = event_page_next(call, &watch->page, &scratch, &ended);
        if (out.event == NULL)
            return !ended;
        watch->told = out.cursor = out.event->cursor;
        watch->full = !call_send(call, &out.base);
    }
    return true;
}

/* A page at most; the next in another turn, so that others are served. */
static void read_turn(struct call *call)
{
    struct watch *watch = call->state;
    if (watch->page.next == watch->page.count && !event_page_load(call, &watch->page))
        return;
    if (!send_page(call) || watch->full)
        return;
    if (!watch->page.last) {
        call_yield(call);
        return;
    }
    watch->reading = false;
    if (!watch->ready)
        tell_ready(call);
    call_wake_at(call, watch->armed ? clock_boot_ms(call->clock) + LOOK_EVERY_MS : watch->allowed_boot_ms);
}

static void round_begin(struct call *call)
{
    struct watch *watch = call->state;
    if (!goes_on(call))
        return;
    watch->reading = true;
    watch->allowed_boot_ms = clock_boot_ms(call->clock) + ROUND_EVERY_MS;
    arm(call);
    read_turn(call);
}

/* Now, or as soon as one is allowed. */
static void round_soon(struct call *call)
{
    struct watch *watch = call->state;
    if (clock_boot_ms(call->clock) < watch->allowed_boot_ms)
        call_wake_at(call, watch->allowed_boot_ms);
    else if (!watch->reading && !watch->full)
        round_begin(call);
    else
        call_wake_at(call, clock_boot_ms(call->clock) + ROUND_EVERY_MS);
}

static void watch_resumed(struct call *call, const struct mail *mail)
{
    (void)mail;
    ((struct watch *)call->state)->armed = false;
    round_soon(call);
}

static void watch_orphaned(const struct mail *mail)
{
    (void)mail; /* wakes carry nothing */
}

/* A page's turn, or room in the queue. */
static void watch_writable(struct call *call)
{
    struct watch *watch = call->state;
    watch->full = false;
    if (watch->reading && goes_on(call))
        read_turn(call);
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static void watch_closed(struct call *call)
{
    struct watch *watch = call->state;
    struct service_context *ctx = call_context(call);
    if (watch == NULL)
        return;
    if (watch->armed && wakes_disarm(ctx->events, &watch->address))
        call_unreserve_reply(call);
    atomic_fetch_sub(&ctx->watches, 1);
    call->state = NULL;
    event_page_finish(&watch->page);
    free(watch);
}

static void watch_agency(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__WatchAgencyRequest *in = (const Vacancy__V1__WatchAgencyRequest *)message;
    struct service_context *ctx = call_context(call);
    struct principal who;
    if (!call_identify(call, ROLE_BIT(ROLE_AGENCY), &who))
        return;
    if (in->from_now && in->after_cursor != 0) {
        call_fail(call, ERR_INVALID, "from_now", "goes with no after_cursor: give one or the other");
        return;
    }
    struct watch *watch = atomic_fetch_add(&ctx->watches, 1) < AGENCY_WATCHES_MAX ? calloc(1, sizeof *watch) : NULL;
    if (watch == NULL) {
        atomic_fetch_sub(&ctx->watches, 1);
        call_fail(call, ERR_LIMIT, "", "as many agencies watch as this hub takes (%d); try again later",
                  AGENCY_WATCHES_MAX);
        return;
    }
    watch->told = in->from_now ? home_events_end(ctx->home) : in->after_cursor;
    event_page_init(&watch->page, &who, watch->told);
    call->state = watch;
    round_begin(call);
}

const struct call_handler watch_agency_handler = {.message = watch_agency,
                                                  .resumed = watch_resumed,
                                                  .orphaned = watch_orphaned,
                                                  .writable = watch_writable,
                                                  .due = round_soon,
                                                  .closed = watch_closed};
