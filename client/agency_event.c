/*
 * agency_event.c - see agency_event.h. Owns no state; the client's one thread.
 */
#include "client/agency_event.h"

#include "client/codes.h"
#include "client/memory.h"
#include "client/screen.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REFERENCE_COLUMNS 12

char *agency_event_word(Vacancy__V1__AgencyEvent__Kind kind, char out[EVENT_WORD_BYTES])
{
    code_words(&vacancy__v1__agency_event__kind__descriptor, (int)kind, out, EVENT_WORD_BYTES);
    for (char *c = out; *c; c++)
        if (*c == ' ')
            *c = '-';
    return out;
}

/* Whether the event's beds are those of a hold. */
static bool is_of_hold(const Vacancy__V1__AgencyEvent *event)
{
    return event->hold_id[0] != '\0';
}

static void add_beds(struct grown_text *text, const Vacancy__V1__AgencyEvent *event)
{
    char word[64];
    if (event->beds == 0)
        return;
    grown_add(text, "%u bed%s", event->beds, event->beds == 1 ? "" : "s");
    if (is_of_hold(event) && event->request_reference[0])
        grown_add(text, " for %s", event->request_reference);
    grown_add(text, ", %u free", event->beds_free);
    if (event->state != VACANCY__V1__VACANCY_STATE__VACANCY_STATE_UNSPECIFIED)
        grown_add(text, ", now %s",
                  code_words(&vacancy__v1__vacancy_state__descriptor, (int)event->state, word, sizeof word));
}

static void add_part(struct grown_text *text, const char *prefix, const char *what)
{
    if (what[0] == '\0')
        return;
    grown_add(text, "%s", text->text ? "; " : "");
    grown_add(text, "%s", prefix);
    grown_add(text, "%s", what);
}

/* The name without scheme and trust domain: "E12000003/placement-team/E08000035/duty". */
static const char *short_name(const char *by)
{
    const char *region = strstr(by, "/region/");
    return region ? region + strlen("/region/") : by;
}

/* What happens at until_ms: of a vacancy that is stale or reported, its lapse unless somebody confirms it. */
static const char *before_until(const Vacancy__V1__AgencyEvent *event)
{
    bool lapses = event->kind == VACANCY__V1__AGENCY_EVENT__KIND__KIND_STALE ||
                  event->kind == VACANCY__V1__AGENCY_EVENT__KIND__KIND_REPORTED_UNAVAILABLE;
    return lapses ? "lapses " : "until ";
}

static char *what_of(const Vacancy__V1__AgencyEvent *event)
{
    struct grown_text text = {0};
    char when[WHEN_TEXT_BYTES], word[64];
    add_beds(&text, event);
    add_part(&text, before_until(event), when_text(event->until_ms, when));
    if (event->decline_reason != VACANCY__V1__DECLINE_REASON__DECLINE_REASON_UNSPECIFIED)
        add_part(&text, "because: ",
                 code_words(&vacancy__v1__decline_reason__descriptor, (int)event->decline_reason, word, sizeof word));
    add_part(&text, "", event->detail);
    add_part(&text, "vacancy ", event->vacancy_id);
    add_part(&text, "hold ", event->hold_id);
    add_part(&text, "by ", short_name(event->by));
    return text.text ? text.text : must_copy("");
}

void agency_event_print(FILE *out, const Vacancy__V1__AgencyEvent *event)
{
    char when[32] = "", word[EVENT_WORD_BYTES];
    time_t seconds = (time_t)(event->at_ms / 1000);
    struct tm local;
    if (localtime_r(&seconds, &local) != NULL)
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &local);
    char *what = what_of(event), *clean = clean_text(what, 0),
         *reference = clean_text(event->agency_reference[0] ? event->agency_reference : "-", 64);
    size_t columns = text_columns(reference);
    fprintf(out, "%s  %-20s  %s%*s  %s\n", when, agency_event_word(event->kind, word), reference,
            columns < REFERENCE_COLUMNS ? (int)(REFERENCE_COLUMNS - columns) : 0, "", clean);
    free(what);
    free(clean);
    free(reference);
}
