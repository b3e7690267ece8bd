/*
 * home_report.c - a team telephoned, and the vacancy is not to be had: UPDATE_REPORT_UNAVAILABLE.
 * Owns: what a report does, which is one too many, and the REPORTS table. The writer's thread. Invariant: a report ends
 * what is believed of the vacancy, and nothing else; only its agency can say more (vacancy_settle). A team's record has
 * all that it has reported within REPORT_EVERY_MS, by the lease clock, so that no step of the wall clock frees or bars
 * anybody; it is at most policy.reports_each long, or what that was before.
 *
 *     value: oldest first, as often as there are reports: lease clock (8) | of the vacancy (8): a keyed hash of its id,
 *     with the team's name, so that nothing here tells of a carer who was erased
 */
#include "daemon/record/bytes.h"
#include "daemon/record/states.h"
#include "daemon/register/home_parts.h"

#include <string.h>

#define MARK_BYTES   8
#define REPORT_BYTES (8 + MARK_BYTES)
#define OWNER_BYTES  16 /* of a team, in the key */

/* --- a team's day ------------------------------------------------------------------------------------------------ */

/* What a team has reported that still counts; a view in the batch's arena. */
struct reported {
    const uint8_t *rows;
    size_t count;
};

static int64_t row_lease_ms(const uint8_t *row)
{
    return (int64_t)get_be64(row);
}

static bool counts(const struct batch *batch, const uint8_t *row)
{
    return row_lease_ms(row) > batch->position.lease.lease_ms - REPORT_EVERY_MS;
}

static enum err read_day(struct batch *batch, const struct table_key *key, struct reported *out,
                         struct problem *problem)
{
    struct octets value;
    *out = (struct reported){.count = 0};
    enum err err = batch_get(batch, STORE_REPORTS, key, &value, problem);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? ERR_NONE : err;
    out->rows = value.data;
    out->count = value.size / REPORT_BYTES;
    while (out->count > 0 && !counts(batch, out->rows)) {
        out->rows += REPORT_BYTES;
        out->count--;
    }
    return ERR_NONE;
}

/* What its record has of a vacancy. */
static void mark_of(const struct batch *batch, const struct update *update, uint8_t out[MARK_BYTES])
{
    uint8_t hash[DIGEST_BYTES];
    hold_hash(batch->home->options.reference_secret, "report", update->as.hold.vacancy_id, NULL, update->as.hold.holder,
              hash);
    memcpy(out, hash, MARK_BYTES);
}

static bool has_reported(const struct reported *day, const uint8_t mark[MARK_BYTES])
{
    for (size_t i = 0; i < day->count; i++)
        if (memcmp(day->rows + i * REPORT_BYTES + 8, mark, MARK_BYTES) == 0)
            return true;
    return false;
}

/* Says when the first of those that keep it from another one counts no more. */
static enum err check_limit(struct batch *batch, const struct reported *day, struct problem *problem)
{
    uint32_t most = batch->home->options.policy.reports_each;
    char next[TIME_TEXT_BYTES];
    if (day->count == 0 || day->count < most)
        return ERR_NONE;
    int64_t frees_ms = row_lease_ms(day->rows + (day->count - most) * REPORT_BYTES) + REPORT_EVERY_MS;
    time_format(batch->now_ms + (frees_ms - batch->position.lease.lease_ms), next);
    return problem_set(problem, ERR_LIMIT, "",
                       "this team has reported %zu vacancies of this region within 24 hours, and may report %u; the "
                       "next one can be reported at %s",
                       day->count, most, next);
}

static bool add_report(struct batch *batch, const struct table_key *key, const struct reported *day,
                       const uint8_t mark[MARK_BYTES])
{
    size_t before = day->count * REPORT_BYTES;
    uint8_t *rows = arena_alloc(batch->arena, before + REPORT_BYTES);
    if (rows == NULL) {
        batch->failed = ERR_LIMIT;
        return false;
    }
    if (before > 0)
        memcpy(rows, day->rows, before);
    put_be64(rows + before, (uint64_t)batch->position.lease.lease_ms);
    memcpy(rows + before + 8, mark, MARK_BYTES);
    struct octets value = {rows, before + REPORT_BYTES};
    return batch_put(batch, STORE_REPORTS, key, &value);
}

bool reports_row_check(const struct octets *rest, const struct octets *value)
{
    bool good = rest->size == OWNER_BYTES && value->size > 0 && value->size % REPORT_BYTES == 0;
    for (size_t at = REPORT_BYTES; good && at < value->size; at += REPORT_BYTES)
        good = row_lease_ms(value->data + at - REPORT_BYTES) <= row_lease_ms(value->data + at);
    return good;
}

enum err reports_are_old(const struct batch *batch, const struct octets *rest, const struct octets *value, bool *old)
{
    bool good = reports_row_check(rest, value);
    *old = good && !counts(batch, value->data + value->size - REPORT_BYTES);
    return good ? ERR_NONE : ERR_STORE_DAMAGED;
}

/* --- a report ---------------------------------------------------------------------------------------------------- */

static bool store_report(struct batch *batch, const struct update *update, struct stored_carer *carer)
{
    struct vacancy *vacancy = &carer->home.vacancy;
    vacancy->reported_unavailable_at_ms = batch->now_ms;
    if (vacancy->valid_until_ms > batch->now_ms)
        vacancy->valid_until_ms = batch->now_ms;
    vacancy->stage = STAGE_STALE;
    const struct home_event event = {
        .kind = EVENT_REPORTED_UNAVAILABLE,
        .home = &carer->home,
        .by = update->as.hold.holder,
        .until_ms = vacancy->valid_until_ms + vacancy_lapse_ms(&batch->home->options.policy, &carer->home),
    };
    return batch_event(batch, &event) && batch_put_carer(batch, carer, false);
}

/* The vacancy, if there is something to report of it. */
static enum err find_offered(struct batch *batch, struct update *update, struct stored_carer *carer)
{
    struct problem *problem = &update->result.problem;
    enum err err = batch_find_vacancy(batch, update->as.hold.vacancy_id, carer, problem);
    if (err == ERR_NOT_FOUND)
        return problem_set(problem, ERR_NOT_FOUND, "vacancy_id",
                           "no live vacancy of this region has this id: it was taken or withdrawn; search again");
    if (err == ERR_NONE && carer->home.lost)
        return problem_set(problem, ERR_PRECONDITION, "vacancy_id",
                           "since this hub was restored its agency has not said again what is true of this home, so it "
                           "is known to need that");
    return err == ERR_NONE
               ? states_check(&vacancy_states, vacancy_state_now(&carer->home), VACANCY_REPORT, "vacancy_id", problem)
               : err;
}

enum err report_unavailable(struct batch *batch, struct update *update)
{
    uint8_t mark[MARK_BYTES];
    struct stored_carer carer;
    struct reported day;
    const struct table_key key = key_of_reports(batch->home->options.region, update->as.hold.holder);
    enum err err = find_offered(batch, update, &carer);
    if (err == ERR_NONE)
        err = read_day(batch, &key, &day, &update->result.problem);
    if (err != ERR_NONE)
        return err;
    mark_of(batch, update, mark);
    bool before = has_reported(&day, mark);
    if (!before && (err = check_limit(batch, &day, &update->result.problem)) != ERR_NONE)
        return err;
    if (before) /* it knows */
        batch_subject(batch, carer.home.national_reference);
    else if (!add_report(batch, &key, &day, mark) || !store_report(batch, update, &carer))
        return batch->failed;
    update_settle(batch, update, before ? OUTCOME_CONFIRMED : OUTCOME_UPDATED, &carer);
    return ERR_NONE;
}
