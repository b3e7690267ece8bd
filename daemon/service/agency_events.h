/*
 * agency_events.h - a page of an agency's events, on its way to the agency. Private to daemon/service.
 *
 * Owns: reading a page, putting it on the trail, giving its events one by one. Not here: what is wanted of it, when
 * there is more (agency_history.c, agency_watch.c). Thread: the call's worker.
 */
#ifndef VACANCY_SERVICE_AGENCY_EVENTS_H
#define VACANCY_SERVICE_AGENCY_EVENTS_H

#include "daemon/record/scratch.h"
#include "daemon/service/requests.h"
#include "vacancy/v1/agency_service.pb-c.h"

#define PAGE_EVENTS 64

struct event_page {
    struct principal who; /* the agency */
    /* Which events are shown; NULL: all. */
    bool (*wanted)(const struct event_page *page, const Vacancy__V1__AgencyEvent *event);
    uint64_t cursor; /* the last event that was read */
    size_t count, next;
    bool last; /* there was no more when it was read */
    struct event_row rows[PAGE_EVENTS];
    struct arena arena; /* what the rows point into */
};

void event_page_init(struct event_page *page, const struct principal *who, uint64_t after);
void event_page_finish(struct event_page *page);
/* The next page in place of the one before. False: the call was ended. */
bool event_page_load(struct call *call, struct event_page *page) __attribute__((warn_unused_result));
/* The next wanted event, in the scratch; NULL: the page is at its end, or the call was ended (*ended). */
Vacancy__V1__AgencyEvent *event_page_next(struct call *call, struct event_page *page, struct scratch *scratch,
                                          bool *ended);

#endif
