/*
 * watch_shown.c - see watch_shown.h. The client's one thread.
 */
#include "client/watch_shown.h"

#include "client/memory.h"
#include "client/rule_words.h"
#include "client/screen.h"
#include "daemon/base/digest.h"

#include <stdlib.h>
#include <string.h>

#define EVENT(name) VACANCY__V1__WATCH_VACANCIES_RESPONSE__EVENT__EVENT_##name

typedef Vacancy__V1__WatchVacanciesResponse event_t;

struct shown_option {
    char *id, *line;
    uint8_t card[DIGEST_BYTES];
    bool here; /* said since the stream began */
};

struct watch_shown {
    struct shown_option options[WATCH_SHOWN_MAX];
    size_t count;
    bool ready; /* told, once and for all */
};

struct watch_shown *watch_shown_create(void)
{
    return must_alloc(1, sizeof(struct watch_shown));
}

static void forget(struct watch_shown *shown, size_t at)
{
    free(shown->options[at].id);
    free(shown->options[at].line);
    memmove(&shown->options[at], &shown->options[at + 1], (--shown->count - at) * sizeof shown->options[0]);
}

void watch_shown_destroy(struct watch_shown *shown)
{
    if (shown == NULL)
        return;
    while (shown->count > 0)
        forget(shown, shown->count - 1);
    free(shown);
}

void watch_shown_begin(struct watch_shown *shown)
{
    for (size_t i = 0; i < shown->count; i++)
        shown->options[i].here = false;
}

size_t watch_shown_count(const struct watch_shown *shown)
{
    return shown->count;
}

/* --- an option in a line, and its digest -------------------------------------------------------------------------- */

static char *line_of(const Vacancy__V1__Option *o)
{
    char miles[GROUPED_TEXT_BYTES];
    const Vacancy__V1__AgencyContact *agency = o->agency;
    const char *approval = approval_word(o->approval_needed);
    return must_print("%s%s miles, %s, %s%s%s%s, %u bed%s%s%s%s%s", o->unconfirmed ? "PHONE FIRST: " : "",
                      miles_text(o->distance_metres, miles), o->area, relation_words(o->relation),
                      *approval ? " (" : "", approval, *approval ? ")" : "", o->beds_free, o->beds_free == 1 ? "" : "s",
                      agency ? ", " : "", agency ? agency->name : "", agency && agency->phone[0] ? " " : "",
                      agency ? agency->phone : "");
}

/* Without how many hours ago it was confirmed, which changes by itself: as the hub compares cards. */
static void digest_of(const Vacancy__V1__Option *o, uint8_t out[DIGEST_BYTES])
{
    char *said = NULL, **words = &said;
    for (size_t i = 0; i < o->n_reasons; i++)
        if (o->reasons[i]->rule == VACANCY__V1__RULE__RULE_S10_FRESH)
            words = &o->reasons[i]->found;
    said = *words;
    *words = (char *)"";
    size_t bytes = protobuf_c_message_get_packed_size(&o->base);
    uint8_t *octets = must_alloc(bytes + 1, 1);
    protobuf_c_message_pack(&o->base, octets);
    *words = said;
    digest_sha256(octets, bytes, out);
    free(octets);
}

static struct shown_option *find(struct watch_shown *shown, const char *id)
{
    for (size_t i = 0; i < shown->count; i++)
        if (strcmp(shown->options[i].id, id) == 0)
            return &shown->options[i];
    return NULL;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

/* It is there: told if it was not, or was otherwise. */
static void hear_option(struct watch_shown *shown, const event_t *event, watch_tell tell, void *context)
{
    struct shown_option *known = find(shown, event->option->vacancy_id);
    event_t told = *event;
    uint8_t card[DIGEST_BYTES];
    digest_of(event->option, card);
    told.event = known ? EVENT(CHANGED) : EVENT(APPEARED);
    if (known == NULL) {
        if (shown->count == WATCH_SHOWN_MAX)
            return;
        known = &shown->options[shown->count++];
        *known = (struct shown_option){.id = must_copy(event->option->vacancy_id)};
    } else if (memcmp(known->card, card, sizeof card) == 0) {
        known->here = true;
        return;
    }
    known->here = true;
    memcpy(known->card, card, sizeof card);
    free(known->line);
    known->line = line_of(event->option);
    tell(context, &told, known->line);
}

static void tell_gone(struct watch_shown *shown, size_t at, const event_t *event, watch_tell tell, void *context)
{
    event_t told = VACANCY__V1__WATCH_VACANCIES_RESPONSE__INIT;
    told.event = EVENT(GONE);
    told.vacancy_id = shown->options[at].id;
    told.as_of_ms = event->as_of_ms;
    told.n_positions = event->event == EVENT(GONE) ? event->n_positions : 0;
    told.positions = event->positions;
    tell(context, &told, shown->options[at].line);
    forget(shown, at);
}

static void hear_gone(struct watch_shown *shown, const event_t *event, watch_tell tell, void *context)
{
    struct shown_option *known = find(shown, event->vacancy_id);
    if (known != NULL)
        tell_gone(shown, (size_t)(known - shown->options), event, tell, context);
}

/* All that there is has been said: what was told before and was not said again is gone. */
static void hear_ready(struct watch_shown *shown, const event_t *event, watch_tell tell, void *context)
{
    for (size_t i = shown->count; i-- > 0;)
        if (!shown->options[i].here)
            tell_gone(shown, i, event, tell, context);
    if (!shown->ready)
        tell(context, event, "");
    shown->ready = true;
}

void watch_shown_hear(struct watch_shown *shown, const event_t *event, watch_tell tell, void *context)
{
    switch (event->event) {
    case EVENT(APPEARED):
    case EVENT(CHANGED):
        if (event->option != NULL)
            hear_option(shown, event, tell, context);
        break;
    case EVENT(GONE):
        hear_gone(shown, event, tell, context);
        break;
    case EVENT(READY):
        hear_ready(shown, event, tell, context);
        break;
    default:
        break; /* of a newer hub */
    }
}
