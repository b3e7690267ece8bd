/*
 * home_events.c - what happened to an agency's carers, vacancies and holds, as the agency is told it.
 * Owns: the EVENTS table, the events' numbers, META's "events-ends". batch_event: the writer's thread; reads: any.
 * Invariant: an event is stored in the transaction of what it tells of; numbers grow over the whole register, and one
 * that anybody was told names no other event ever.
 *
 * A number begins with the epoch: epoch (24 bits) | 40 bits, that grow by one. A restore loses the events since the
 * backup, but decides in a new epoch, so it gives none of their numbers again. "events-ends" has where the events of
 * each earlier epoch ended (8 octets each): a cursor beyond that is of one that was lost.
 */
#include "daemon/base/log.h"
#include "daemon/record/bytes.h"
#include "daemon/record/scratch.h"
#include "daemon/register/home_parts.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/home.pb-c.h"

#include <string.h>

#define EPOCH_SHIFT  40
#define ENDS_MAX     128 /* epochs; a cursor of an earlier one is refused */
#define AGE_MAX      256
#define AGE_EVERY_MS (3600LL * 1000)

typedef Vacancy__V1__AgencyEvent AgencyEvent;
typedef Vacancy__V1__HomeEvent HomeEvent;

static const struct table_key meta_ends = {"events-ends", 11};

_Static_assert((int)EVENT_CARER_ERASED == (int)VACANCY__V1__AGENCY_EVENT__KIND__KIND_CARER_ERASED &&
                   (int)EVENT_HELD == (int)VACANCY__V1__AGENCY_EVENT__KIND__KIND_HELD,
               "as proto AgencyEvent.Kind");

/* --- making them ------------------------------------------------------------------------------------------------- */

/* Where the events of the last epoch ended is noted. */
static bool note_end(struct batch *batch)
{
    struct octets known = {0};
    enum err err = batch_get(batch, STORE_META, &meta_ends, &known, NULL);
    if (err == ERR_STORE_DAMAGED)
        batch->failed = err;
    if (batch->failed != ERR_NONE)
        return false;
    uint8_t ends[8 * ENDS_MAX];
    size_t skip = known.size >= sizeof ends ? known.size - sizeof ends + 8 : 0, kept = known.size - skip;
    if (kept > 0)
        memcpy(ends, known.data + skip, kept);
    put_be64(ends + kept, batch->position.events);
    struct octets value = {ends, kept + 8};
    return batch_put(batch, STORE_META, &meta_ends, &value);
}

static bool next_number(struct batch *batch, uint64_t *out)
{
    uint64_t last = batch->position.events;
    if (last >> EPOCH_SHIFT != batch->position.epoch && last != 0 && !note_end(batch))
        return false;
    *out = last >> EPOCH_SHIFT == batch->position.epoch ? last + 1 : (batch->position.epoch << EPOCH_SHIFT) + 1;
    return true;
}

struct event_texts {
    char vacancy_id[ID_TEXT_BYTES], hold_id[HOLD_ID_BYTES];
};

static void fill_hold(const struct batch *batch, const struct hold *hold, AgencyEvent *out, struct event_texts *texts)
{
    hold_id_format(batch->home->options.region, &hold->token, texts->hold_id);
    out->hold_id = texts->hold_id;
    out->beds = hold->beds;
    out->request_reference = (char *)hold->request_reference;
}

static void fill_carer(const struct home_carer *home, bool ended, AgencyEvent *out, struct event_texts *texts)
{
    struct offer offer;
    out->agency_reference = (char *)home->carer.agency_reference;
    if (home->vacancy.vacancy_id == 0)
        return;
    id_format(home->vacancy.vacancy_id, texts->vacancy_id);
    out->vacancy_id = texts->vacancy_id;
    out->beds = home->vacancy.beds;
    if (ended)
        return;
    out->state = (Vacancy__V1__VacancyState)home->vacancy.state;
    if (!home->lost && offer_derive(home, &offer)) {
        out->state = (Vacancy__V1__VacancyState)offer.state;
        out->beds_free = offer.beds_free;
    }
}

static bool ends_vacancy(enum event_kind kind)
{
    return kind == EVENT_VACANCY_WITHDRAWN || kind == EVENT_CARER_ENDED || kind == EVENT_CARER_MOVED;
}

bool batch_event(struct batch *batch, const struct home_event *event)
{
    AgencyEvent out;
    HomeEvent row;
    struct event_texts texts;
    struct octets octets, value;
    bool erased = event->kind == EVENT_CARER_ERASED;
    vacancy__v1__agency_event__init(&out);
    vacancy__v1__home_event__init(&row);
    if (!next_number(batch, &out.cursor))
        return false;
    if (!erased)
        fill_carer(event->home, ends_vacancy(event->kind), &out, &texts);
    if (event->hold != NULL)
        fill_hold(batch, event->hold, &out, &texts);
    out.at_ms = batch->time_ms;
    out.kind = (Vacancy__V1__AgencyEvent__Kind)event->kind;
    out.by = (char *)event->by;
    out.decline_reason = (Vacancy__V1__DeclineReason)event->decline_reason;
    out.detail = (char *)(event->detail != NULL ? event->detail : "");
    out.until_ms = event->until_ms;
    row.national_reference = erased ? 0 : event->home->national_reference;
    enum err err = pack_message(&out.base, batch->arena, &octets);
    if (err == ERR_NONE) {
        row.event = (ProtobufCBinaryData){.len = octets.size, .data = (uint8_t *)octets.data};
        err = pack_message(&row.base, batch->arena, &value);
    }
    if (err != ERR_NONE) {
        batch->failed = err;
        return false;
    }
    struct table_key key = key_of_event(batch->home->options.region, event->home->carer.agency, out.cursor);
    batch->position.events = out.cursor;
    return batch_put(batch, STORE_EVENTS, &key, &value);
}

/* --- forgetting them --------------------------------------------------------------------------------------------- */

/* Views into the scratch. */
static HomeEvent *row_decode(const struct octets *value, struct scratch *scratch)
{
    scratch_init(scratch);
    return vacancy__v1__home_event__unpack(&scratch->allocator, value->size, value->data);
}

/* The event of a row. Views into the scratch. */
static AgencyEvent *event_decode(const struct octets *value, struct scratch *scratch)
{
    HomeEvent *row = row_decode(value, scratch);
    return row ? vacancy__v1__agency_event__unpack(&scratch->allocator, row->event.len, row->event.data) : NULL;
}

enum err event_names_nobody(struct home *home, struct store_txn *txn, const struct octets *value, bool *out)
{
    struct scratch scratch;
    HomeEvent *row = row_decode(value, &scratch);
    *out = false;
    if (row == NULL || row->national_reference == 0)
        return row == NULL ? ERR_STORE_DAMAGED : ERR_NONE;
    struct table_key key = key_of_id(home->options.region, row->national_reference);
    struct octets k = key_octets(&key), ignored;
    enum err err = home->store->ops->get(txn, STORE_CARERS, &k, &ignored);
    *out = err == ERR_NOT_FOUND;
    return *out ? ERR_NONE : err;
}

static bool is_old(const struct octets *value, int64_t before_ms)
{
    struct scratch scratch;
    const AgencyEvent *event = event_decode(value, &scratch);
    return event != NULL && event->at_ms < before_ms;
}

/* An agency's events are in order of time: from the first that is not old on to the next agency. *at of size 0: done.
 */
static enum err drop_old(struct batch *batch, struct table_key *at, size_t *dropped)
{
    struct home *home = batch->home;
    for (int i = 0; i < AGE_MAX; i++) {
        struct octets from = key_octets(at), key, value, rest;
        enum err err = tables_seek(home->store, batch->txn, STORE_EVENTS, &from, false, &key, &value, NULL);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_in_region(&key, home->options.region, &rest))) {
            at->size = 0;
            return ERR_NONE;
        }
        if (err == ERR_NONE && (key.size >= sizeof at->data || rest.size < 10))
            err = ERR_STORE_DAMAGED;
        if (err != ERR_NONE)
            return err;
        bool old = is_old(&value, batch->now_ms - EVENTS_KEPT_MS);
        uint64_t number = get_be64(key.data + key.size - 8);
        memcpy(at->data, key.data, key.size);
        at->size = old ? key.size : key.size - 8;
        if (!old) {
            at->data[at->size - 1] = 1; /* in place of the 0 after the agency */
            continue;
        }
        if (!batch_del(batch, STORE_EVENTS, at))
            return batch->failed;
        at->data[at->size++] = 0;
        ++*dropped;
        if (number > batch->position.events_gone)
            batch->position.events_gone = number;
    }
    return ERR_NONE;
}

bool events_age_slice(struct home *home)
{
    struct batch batch;
    struct table_key at = home->ageing.at;
    size_t dropped = 0;
    int64_t now_ms = clock_boot_ms(home->options.clock);
    if (home->read_only || now_ms < home->ageing.again_boot_ms)
        return false;
    if (at.size == 0)
        at = key_of_region(home->options.region);
    enum err err = batch_begin(home, true, &batch);
    if (err == ERR_NONE)
        err = drop_old(&batch, &at, &dropped);
    if (err == ERR_NONE && dropped > 0)
        err = batch_commit(&batch);
    else if (batch.txn != NULL)
        batch_abort(&batch); /* nothing to write costs no commit */
    home_note_failure(home, err);
    if (err != ERR_NONE) {
        log_warn("register", "old events can't be dropped now: %s", err_name(err));
        at.size = 0;
    }
    home->ageing.at = at;
    if (at.size == 0)
        home->ageing.again_boot_ms = now_ms + AGE_EVERY_MS;
    return at.size != 0;
}

/* --- reading them ------------------------------------------------------------------------------------------------ */

enum err event_row_check(const struct octets *rest, const struct octets *value, uint64_t *number)
{
    struct scratch scratch;
    HomeEvent *row = row_decode(value, &scratch);
    if (row == NULL || rest->size < 10 || rest->size > AGENCY_ID_BYTES + 8 || rest->data[rest->size - 9] != 0)
        return ERR_STORE_DAMAGED;
    AgencyEvent *event = vacancy__v1__agency_event__unpack(&scratch.allocator, row->event.len, row->event.data);
    *number = get_be64(rest->data + rest->size - 8);
    return event == NULL || event->cursor != *number ? ERR_STORE_DAMAGED : ERR_NONE;
}

/* Whether nothing that came after the cursor is gone, and there is such an event. */
static enum err cursor_check(struct home *home, struct store_txn *txn, uint64_t after, struct problem *problem)
{
    struct home_position position;
    struct octets key = key_octets(&meta_ends), ends;
    enum err err = position_read(home, txn, &position, problem);
    if (err != ERR_NONE || after == 0)
        return err;
    if (after > position.events || after < position.events_gone)
        return ERR_OUT_OF_RANGE;
    if (after >> EPOCH_SHIFT == position.events >> EPOCH_SHIFT)
        return ERR_NONE;
    err = tables_get(home->store, txn, STORE_META, &key, &ends, problem);
    for (size_t i = 0; err == ERR_NONE && i + 8 <= ends.size; i += 8) {
        uint64_t end = get_be64(ends.data + i);
        if (end >> EPOCH_SHIFT == after >> EPOCH_SHIFT)
            return after <= end ? ERR_NONE : ERR_OUT_OF_RANGE;
    }
    return err == ERR_NONE || err == ERR_NOT_FOUND ? ERR_OUT_OF_RANGE : err;
}

static enum err copy_row(const struct octets *value, uint64_t number, struct arena *arena, struct event_row *out)
{
    struct scratch scratch;
    HomeEvent *row = row_decode(value, &scratch);
    if (row == NULL)
        return ERR_STORE_DAMAGED;
    uint8_t *copy = arena_alloc(arena, row->event.len);
    if (copy == NULL)
        return ERR_LIMIT;
    memcpy(copy, row->event.data, row->event.len);
    *out = (struct event_row){.cursor = number, .octets = {copy, row->event.len}};
    return ERR_NONE;
}

static enum err read_events(struct home *home, struct store_txn *txn, const char *agency, uint64_t after,
                            struct arena *arena, struct event_row *out, size_t max, size_t *got,
                            struct problem *problem)
{
    struct table_key from = key_of_event(home->options.region, agency, after);
    struct table_key agencys = from;
    agencys.size -= 8;
    key_step_past(&from, &(struct octets){from.data, from.size});
    while (*got < max) {
        struct octets at = key_octets(&from), key, value;
        enum err err = tables_seek(home->store, txn, STORE_EVENTS, &at, false, &key, &value, problem);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, &agencys)))
            return ERR_NONE;
        if (err == ERR_NONE && key.size != agencys.size + 8)
            err = ERR_STORE_DAMAGED;
        if (err == ERR_NONE)
            err = copy_row(&value, get_be64(key.data + agencys.size), arena, &out[*got]);
        if (err != ERR_NONE)
            return err == ERR_LIMIT && *got > 0 ? ERR_NONE : err; /* as many as fit */
        key_step_past(&from, &key);
        (*got)++;
    }
    return ERR_NONE;
}

enum err home_read_events(struct home *home, const char *agency, uint64_t after, struct arena *arena,
                          struct event_row *out, size_t max, size_t *got)
{
    struct store_txn *txn;
    struct problem problem = {0};
    *got = 0;
    enum err err = home->store->ops->begin(home->store, false, &txn);
    if (err != ERR_NONE)
        return err;
    err = cursor_check(home, txn, after, &problem);
    if (err == ERR_NONE)
        err = read_events(home, txn, agency, after, arena, out, max, got, &problem);
    home->store->ops->abort(txn);
    if (err == ERR_STORE_DAMAGED)
        log_error("register", "an agency's events can't be read: %s", problem.text);
    return err;
}

uint64_t home_events_end(const struct home *home)
{
    struct home *readable = (struct home *)home;
    pthread_mutex_lock(&readable->lock);
    uint64_t end = home->position.events;
    pthread_mutex_unlock(&readable->lock);
    return end;
}
