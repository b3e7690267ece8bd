/*
 * agency_read.c - AgencyService: GetCarer, ListCarers, ListVacancies.
 *
 * A listing is read in pages, each one read transaction, recorded as shown before its first message is sent, and sent
 * as fast as the client takes it. It is no snapshot: a carer pushed meanwhile is listed if its reference is still to
 * come. On the call's worker.
 */
#include "daemon/service/check.h"
#include "daemon/service/convert.h"
#include "daemon/service/handlers.h"
#include "daemon/service/requests.h"
#include "daemon/service/views.h"

#include <stdlib.h>
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
    out.carer = carer_view(&home, call->arena);
    call_answer(call, out.carer != NULL ? &out.base : NULL);
}

const struct call_handler get_carer_handler = {.message = get_carer};

/* --- listings -------------------------------------------------------------------------------------------------- */

struct listing {
    struct principal who;
    char after[AGENCY_REFERENCE_BYTES];
    bool (*wanted)(const struct listing *listing, const struct home_carer *home);
    bool (*send)(struct call *call, struct listing *listing, const struct home_carer *home, bool *more);
    bool include_ended;
    bool with_lost; /* after those with a reference, those that are lost in a restore */
    bool in_lost, has_hash;
    uint8_t after_hash[DIGEST_BYTES]; /* of the last lost one */
    int64_t lapsing_before_ms;        /* INT64_MAX: all */
    bool last_page;
    size_t count, next;
    struct arena arena; /* one message */
    struct home_carer page[PAGE_CARERS];
};

/* Lost ones have no reference to be listed by. */
static enum err read_page(struct home *home, struct listing *listing, size_t *got)
{
    const struct home_carer *last;
    enum err err;
    if (listing->in_lost)
        err = home_list_lost(home, listing->who.id, listing->has_hash ? listing->after_hash : NULL, listing->page,
                             PAGE_CARERS, got);
    else
        err = home_list_carers(home, listing->who.id, listing->after, listing->page, PAGE_CARERS, got);
    if (err != ERR_NONE)
        return err;
    last = *got > 0 ? &listing->page[*got - 1] : NULL;
    if (last != NULL && listing->in_lost) {
        memcpy(listing->after_hash, last->reference_hash, DIGEST_BYTES);
        listing->has_hash = true;
    } else if (last != NULL) {
        memcpy(listing->after, last->carer.agency_reference, sizeof listing->after);
    }
    bool end = *got < PAGE_CARERS;
    listing->last_page = end && (listing->in_lost || !listing->with_lost);
    listing->in_lost |= end;
    return ERR_NONE;
}

/* Reads the next page, keeps what is wanted, and records it. False: the call was ended. */
static bool load_page(struct call *call, struct listing *listing)
{
    size_t got = 0;
    uint64_t subjects[PAGE_CARERS];
    enum err err = read_page(call_context(call)->home, listing, &got);
    if (err != ERR_NONE) {
        call_fail(call, err, "", "the register could not be read");
        return false;
    }
    listing->next = listing->count = 0;
    for (size_t i = 0; i < got; i++) {
        if (!listing->wanted(listing, &listing->page[i]))
            continue;
        if (listing->count != i)
            listing->page[listing->count] = listing->page[i];
        subjects[listing->count++] = listing->page[i].national_reference;
    }
    return listing->count == 0 ||
           call_disclose(call, &listing->who, &(struct shown){.subjects = subjects, .subject_count = listing->count});
}

/* One turn: at most a page, as far as the client takes it. */
static void list_turn(struct call *call)
{
    struct listing *listing = call->state;
    if (listing->next == listing->count && !load_page(call, listing))
        return;
    while (listing->next < listing->count) {
        bool more;
        if (!listing->send(call, listing, &listing->page[listing->next], &more))
            return;
        listing->next++;
        arena_reset(&listing->arena);
        if (!more && !(listing->last_page && listing->next == listing->count))
            return; /* until writable */
    }
    if (listing->last_page)
        call_finish(call, NULL);
    else
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

/* A listing for an agency that may, from after_reference on; else ends the call and returns NULL. */
static struct listing *list_begin(struct call *call, const char *after_reference)
{
    struct principal who;
    struct problem problem = {0};
    char after[AGENCY_REFERENCE_BYTES] = "";
    if (!call_identify(call, ROLE_BIT(ROLE_AGENCY), &who))
        return NULL;
    if (after_reference[0] != '\0' &&
        check_reference(&problem, NULL, "after_reference", after_reference, after) != ERR_NONE) {
        call_finish(call, &problem);
        return NULL;
    }
    struct listing *listing = call_begin_state(call, sizeof *listing);
    if (listing == NULL)
        return NULL;
    listing->who = who;
    memcpy(listing->after, after, sizeof after);
    listing->include_ended = true;
    listing->with_lost = listing->in_lost = listing->has_hash = false;
    listing->lapsing_before_ms = INT64_MAX;
    listing->last_page = false;
    listing->count = listing->next = 0;
    arena_init(&listing->arena, VIEW_ARENA_BYTES);
    return listing;
}

/* The view was made, or the call ended. */
static bool list_send(struct call *call, bool made, const ProtobufCMessage *message, bool *more)
{
    if (!made) {
        call_fail(call, ERR_LIMIT, "", "a carer's record is larger than this hub gives");
        return false;
    }
    *more = call_send(call, message);
    return true;
}

static bool carer_wanted(const struct listing *listing, const struct home_carer *home)
{
    return listing->include_ended || home->carer.status != CARER_ENDED;
}

static bool carer_send(struct call *call, struct listing *listing, const struct home_carer *home, bool *more)
{
    Vacancy__V1__ListCarersResponse out = VACANCY__V1__LIST_CARERS_RESPONSE__INIT;
    out.carer = carer_view(home, &listing->arena);
    return list_send(call, out.carer != NULL, &out.base, more);
}

static void list_carers(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__ListCarersRequest *in = (const Vacancy__V1__ListCarersRequest *)message;
    struct listing *listing = list_begin(call, in->after_reference);
    if (listing == NULL)
        return;
    listing->wanted = carer_wanted;
    listing->send = carer_send;
    listing->include_ended = in->include_ended;
    listing->with_lost = true;
    list_turn(call);
}

const struct call_handler list_carers_handler = {.message = list_carers, .writable = list_turn, .closed = list_closed};

static bool vacancy_wanted(const struct listing *listing, const struct home_carer *home)
{
    return home->vacancy.vacancy_id != 0 && home->vacancy.valid_until_ms < listing->lapsing_before_ms;
}

static bool vacancy_send(struct call *call, struct listing *listing, const struct home_carer *home, bool *more)
{
    Vacancy__V1__ListVacanciesResponse out = VACANCY__V1__LIST_VACANCIES_RESPONSE__INIT;
    out.vacancy = vacancy_view(home, &listing->arena);
    return list_send(call, out.vacancy != NULL, &out.base, more);
}

static void list_vacancies(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__ListVacanciesRequest *in = (const Vacancy__V1__ListVacanciesRequest *)message;
    struct listing *listing = list_begin(call, in->after_reference);
    if (listing == NULL)
        return;
    if (in->lapsing_before_ms < 0) {
        call_fail(call, ERR_INVALID, "lapsing_before_ms", "negative; Unix time in milliseconds, or 0 for all");
        return;
    }
    listing->wanted = vacancy_wanted;
    listing->send = vacancy_send;
    if (in->lapsing_before_ms != 0)
        listing->lapsing_before_ms = in->lapsing_before_ms;
    list_turn(call);
}

const struct call_handler list_vacancies_handler = {
    .message = list_vacancies, .writable = list_turn, .closed = list_closed};
