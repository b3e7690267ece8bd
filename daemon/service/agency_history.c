/*
 * agency_history.c - AgencyService: GetHistory; and the pages of events that WatchAgency shares.
 *
 * Pages are read each in one read transaction, and are on the trail before an event of theirs leaves: of what is shown,
 * the vacancies, and of nothing else. On the call's worker.
 */
#include "daemon/service/agency_events.h"
#include "daemon/service/check.h"
#include "daemon/service/handlers.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_ARENA_BYTES (256u * 1024)

/* --- pages -------------------------------------------------------------------------------------------------------- */

void event_page_init(struct event_page *page, const struct principal *who, uint64_t after)
{
    page->who = *who;
    page->wanted = NULL;
    page->cursor = after;
    page->count = page->next = 0;
    page->last = false;
    arena_init(&page->arena, PAGE_ARENA_BYTES);
}

void event_page_finish(struct event_page *page)
{
    arena_finish(&page->arena);
}

static Vacancy__V1__AgencyEvent *decode(const struct event_row *row, struct scratch *scratch)
{
    scratch_init(scratch);
    return vacancy__v1__agency_event__unpack(&scratch->allocator, row->octets.size, row->octets.data);
}

static bool is_wanted(const struct event_page *page, const Vacancy__V1__AgencyEvent *event)
{
    return page->wanted == NULL || page->wanted(page, event);
}

/* What is read and not shown is no disclosure. False: the call was ended. */
static bool disclose(struct call *call, const struct event_page *page)
{
    uint64_t subjects[PAGE_EVENTS];
    size_t shown = 0, count = 0;
    struct scratch scratch;
    for (size_t i = 0; i < page->count; i++) {
        const Vacancy__V1__AgencyEvent *event = decode(&page->rows[i], &scratch);
        if (event == NULL || !is_wanted(page, event))
            continue;
        shown++;
        if (id_parse(event->vacancy_id, &subjects[count]))
            count++;
    }
    return shown == 0 || call_disclose(call, &page->who, &(struct shown){.subjects = subjects, .subject_count = count});
}

bool event_page_load(struct call *call, struct event_page *page)
{
    page->count = page->next = 0;
    arena_finish(&page->arena); /* a stream that waits keeps no memory for what it has sent */
    arena_init(&page->arena, PAGE_ARENA_BYTES);
    enum err err = home_read_events(call_context(call)->home, page->who.id, page->cursor, &page->arena, page->rows,
                                    PAGE_EVENTS, &page->count);
    if (err == ERR_OUT_OF_RANGE)
        call_fail(call, err, "after_cursor",
                  "events after it are no longer kept, or it is past the end: read what stands now (ListCarers, "
                  "ListHolds) and begin with the newest (from_now)");
    else if (err != ERR_NONE)
        call_fail(call, err, "", "the register could not be read");
    if (err != ERR_NONE)
        return false;
    page->last = page->count == 0;
    if (page->count > 0)
        page->cursor = page->rows[page->count - 1].cursor;
    return page->count == 0 || disclose(call, page);
}

Vacancy__V1__AgencyEvent *event_page_next(struct call *call, struct event_page *page, struct scratch *scratch,
                                          bool *ended)
{
    *ended = false;
    while (page->next < page->count) {
        Vacancy__V1__AgencyEvent *event = decode(&page->rows[page->next++], scratch);
        if (event == NULL) {
            call_fail(call, ERR_STORE_DAMAGED, "", "an event can't be read");
            *ended = true;
        }
        if (event == NULL || is_wanted(page, event))
            return event;
    }
    return NULL;
}

/* --- GetHistory --------------------------------------------------------------------------------------------------- */

struct history {
    struct event_page page;                        /* first: `wanted` finds the rest by it */
    char agency_reference[AGENCY_REFERENCE_BYTES]; /* empty: of all */
    uint64_t vacancy_id;                           /* 0: of all */
};

static bool wanted(const struct event_page *page, const Vacancy__V1__AgencyEvent *event)
{
    const struct history *history = (const struct history *)page;
    uint64_t vacancy_id = 0;
    if (history->agency_reference[0] != '\0' && strcmp(history->agency_reference, event->agency_reference) != 0)
        return false;
    return history->vacancy_id == 0 || (id_parse(event->vacancy_id, &vacancy_id) && vacancy_id == history->vacancy_id);
}

/* One turn: at most a page, as far as the client takes it. */
static void history_turn(struct call *call)
{
    struct history *history = call->state;
    struct event_page *page = &history->page;
    struct scratch scratch;
    Vacancy__V1__AgencyEvent *event;
    bool ended;
    if (page->next == page->count && !event_page_load(call, page))
        return;
    while ((event = event_page_next(call, page, &scratch, &ended)) != NULL) {
        Vacancy__V1__GetHistoryResponse out = VACANCY__V1__GET_HISTORY_RESPONSE__INIT;
        out.event = event;
        if (!call_send(call, &out.base))
            return; /* until writable */
    }
    if (ended)
        return;
    if (page->last)
        call_finish(call, NULL);
    else
        call_yield(call);
}

static void history_closed(struct call *call)
{
    struct history *history = call->state;
    if (history == NULL)
        return;
    call->state = NULL;
    event_page_finish(&history->page);
    free(history);
}

static enum err history_from(const Vacancy__V1__GetHistoryRequest *in, struct history *out, struct problem *problem)
{
    if (in->vacancy_id[0] != '\0' && !id_parse(in->vacancy_id, &out->vacancy_id))
        return wrong(problem, NULL, "vacancy_id",
                     "no vacancy's id: mistyped? as `list` and `show` print it, or empty for all");
    return in->agency_reference[0] == '\0'
               ? ERR_NONE
               : check_reference(problem, NULL, "agency_reference", in->agency_reference, out->agency_reference);
}

static void get_history(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__GetHistoryRequest *in = (const Vacancy__V1__GetHistoryRequest *)message;
    struct principal who;
    struct problem problem = {0};
    if (!call_identify(call, ROLE_BIT(ROLE_AGENCY), &who))
        return;
    struct history *history = call_begin_state(call, sizeof *history);
    if (history == NULL)
        return;
    event_page_init(&history->page, &who, in->after_cursor);
    history->page.wanted = wanted;
    if (history_from(in, history, &problem) != ERR_NONE)
        call_finish(call, &problem);
    else
        history_turn(call);
}

const struct call_handler get_history_handler = {
    .message = get_history, .writable = history_turn, .closed = history_closed};
