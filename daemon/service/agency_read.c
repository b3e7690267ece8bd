/*
 * agency_read.c - AgencyService: GetCarer, ListCarers, ListVacancies.
 *
 * A listing is no snapshot: a carer pushed meanwhile is listed if its reference is still to come. On the call's worker.
 */
#include "daemon/service/check.h"
#include "daemon/service/convert.h"
#include "daemon/service/handlers.h"
#include "daemon/service/listing.h"
#include "daemon/service/views.h"

#include <string.h>

#define PAGE_CARERS      10
#define VIEW_ARENA_BYTES (256u * 1024)

/* --- GetCarer -------------------------------------------------------------------------------------------------- */

static void get_carer(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__GetCarerRequest *in = (const Vacancy__V1__GetCarerRequest *)message;
    struct principal who;
    struct problem problem = {0};
    char reference[AGENCY_REFERENCE_BYTES];
    struct home_carer home;
    if (!call_identify(call, ROLE_BIT(ROLE_AGENCY), &who))
        return;
    if (check_reference(&problem, NULL, "agency_reference", in->agency_reference, reference) != ERR_NONE) {
        call_finish(call, &problem);
        return;
    }
    enum err err = home_get_carer(call_context(call)->home, who.id, reference, &home);
    if (err == ERR_NOT_FOUND) {
        call_fail(call, ERR_FORBIDDEN, "agency_reference", "this agency has no carer with this reference");
        return;
    }
    if (err != ERR_NONE) {
        call_fail(call, err, "", "the register could not be read");
        return;
    }
    if (!call_disclose(call, &who, &(struct shown){.subjects = &home.national_reference, .subject_count = 1}))
        return;
    Vacancy__V1__GetCarerResponse out = VACANCY__V1__GET_CARER_RESPONSE__INIT;
    out.carer = carer_view(call_context(call), &home, call->arena);
    call_answer(call, out.carer != NULL ? &out.base : NULL);
}

const struct call_handler get_carer_handler = {.message = get_carer};

/* --- listings -------------------------------------------------------------------------------------------------- */

struct carers {
    struct listing listing; /* first: listing.h */
    bool (*wanted)(const struct carers *carers, const struct home_carer *home);
    char after[AGENCY_REFERENCE_BYTES];
    bool include_ended;
    bool with_lost; /* after those with a reference, those that are lost in a restore */
    bool in_lost, has_hash;
    uint8_t after_hash[DIGEST_BYTES]; /* of the last lost one */
    int64_t lapsing_before_ms;        /* INT64_MAX: all */
    struct home_carer page[PAGE_CARERS];
};

/* Lost ones have no reference to be listed by. */
static enum err read_page(struct home *home, struct carers *carers, size_t *got)
{
    const struct home_carer *last;
    enum err err;
    if (carers->in_lost)
        err = home_list_lost(home, carers->listing.who.id, carers->has_hash ? carers->after_hash : NULL, carers->page,
                             PAGE_CARERS, got);
    else
        err = home_list_carers(home, carers->listing.who.id, carers->after, carers->page, PAGE_CARERS, got);
    if (err != ERR_NONE)
        return err;
    last = *got > 0 ? &carers->page[*got - 1] : NULL;
    if (last != NULL && carers->in_lost) {
        memcpy(carers->after_hash, last->reference_hash, DIGEST_BYTES);
        carers->has_hash = true;
    } else if (last != NULL) {
        memcpy(carers->after, last->carer.agency_reference, sizeof carers->after);
    }
    bool end = *got < PAGE_CARERS;
    carers->listing.last = end && (carers->in_lost || !carers->with_lost);
    carers->in_lost |= end;
    return ERR_NONE;
}

/* Keeps of the next page what is wanted. */
static bool load_carers(struct call *call, struct listing *listing)
{
    struct carers *carers = (struct carers *)listing;
    size_t got = 0;
    uint64_t subjects[PAGE_CARERS];
    enum err err = read_page(call_context(call)->home, carers, &got);
    if (err != ERR_NONE)
        return listing_unreadable(call, err);
    for (size_t i = 0; i < got; i++) {
        if (!carers->wanted(carers, &carers->page[i]))
            continue;
        if (listing->count != i)
            carers->page[listing->count] = carers->page[i];
        subjects[listing->count++] = carers->page[i].national_reference;
    }
    return listing_shown(call, listing, subjects, listing->count);
}

/* For an agency that may, from after_reference on; else ends the call and returns NULL. */
static struct carers *carers_begin(struct call *call, const struct listing_source *source, const char *after_reference)
{
    struct problem problem = {0};
    struct carers *carers = listing_begin(call, ROLE_BIT(ROLE_AGENCY), sizeof *carers, VIEW_ARENA_BYTES);
    if (carers == NULL)
        return NULL;
    if (after_reference[0] != '\0' &&
        check_reference(&problem, NULL, "after_reference", after_reference, carers->after) != ERR_NONE) {
        call_finish(call, &problem);
        return NULL;
    }
    carers->listing.source = source;
    carers->include_ended = true;
    carers->lapsing_before_ms = INT64_MAX;
    return carers;
}

static bool carer_wanted(const struct carers *carers, const struct home_carer *home)
{
    return carers->include_ended || home->carer.status != CARER_ENDED;
}

static bool carer_send(struct call *call, struct listing *listing, size_t i, bool *more)
{
    Vacancy__V1__ListCarersResponse out = VACANCY__V1__LIST_CARERS_RESPONSE__INIT;
    out.carer = carer_view(call_context(call), &((const struct carers *)listing)->page[i], &listing->arena);
    return listing_send(call, out.carer != NULL, "a carer", &out.base, more);
}

static void list_carers(struct call *call, const ProtobufCMessage *message)
{
    static const struct listing_source source = {load_carers, carer_send};
    const Vacancy__V1__ListCarersRequest *in = (const Vacancy__V1__ListCarersRequest *)message;
    struct carers *carers = carers_begin(call, &source, in->after_reference);
    if (carers == NULL)
        return;
    carers->wanted = carer_wanted;
    carers->include_ended = in->include_ended;
    carers->with_lost = true;
    listing_turn(call);
}

const struct call_handler list_carers_handler = {
    .message = list_carers, .writable = listing_turn, .closed = listing_closed};

static bool vacancy_wanted(const struct carers *carers, const struct home_carer *home)
{
    return home->vacancy.vacancy_id != 0 && home->vacancy.valid_until_ms < carers->lapsing_before_ms;
}

static bool vacancy_send(struct call *call, struct listing *listing, size_t i, bool *more)
{
    Vacancy__V1__ListVacanciesResponse out = VACANCY__V1__LIST_VACANCIES_RESPONSE__INIT;
    out.vacancy = vacancy_view(&((const struct carers *)listing)->page[i], &listing->arena);
    return listing_send(call, out.vacancy != NULL, "a carer", &out.base, more);
}

static void list_vacancies(struct call *call, const ProtobufCMessage *message)
{
    static const struct listing_source source = {load_carers, vacancy_send};
    const Vacancy__V1__ListVacanciesRequest *in = (const Vacancy__V1__ListVacanciesRequest *)message;
    struct carers *carers = carers_begin(call, &source, in->after_reference);
    if (carers == NULL)
        return;
    if (in->lapsing_before_ms < 0) {
        call_fail(call, ERR_INVALID, "lapsing_before_ms", "negative; Unix time in milliseconds, or 0 for all");
        return;
    }
    carers->wanted = vacancy_wanted;
    if (in->lapsing_before_ms != 0)
        carers->lapsing_before_ms = in->lapsing_before_ms;
    listing_turn(call);
}

const struct call_handler list_vacancies_handler = {
    .message = list_vacancies, .writable = listing_turn, .closed = listing_closed};
