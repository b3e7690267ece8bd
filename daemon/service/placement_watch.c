/*
 * placement_watch.c - PlacementService: WatchVacancies, a standing search.
 *
 * A stream goes in rounds: search, compare with what the caller was shown, send the differences. Between rounds it
 * waits: for match to say that a commit may have changed its answer, and for the next moment at which time itself does.
 * However much happens, there is at most one round each ROUND_EVERY_MS, fewer for a principal that has many, and none
 * while the caller takes nothing: what is kept for a slow one is what it was shown, at most as many options as it asked
 * for, and no queue of events. Each round's differences are on the trail before the first of them leaves. Who calls is
 * asked in each round. On the call's worker. Invariant: what is shown is changed only by an event that was handed to
 * the stream.
 */
#include "daemon/service/handlers.h"
#include "daemon/service/placement.h"

#include "daemon/base/digest.h"
#include "daemon/match/match_watch.h"

#include <stdlib.h>
#include <string.h>

#define ROUND_EVERY_MS    200 /* of each stream, up to ROUND_FULL_RATE of a principal: then it grows with their number */
#define ROUND_FULL_RATE   16
#define LOOK_EVERY_MS     60000 /* also when nothing is known to change: the dates and times of what is not shown */
#define ROUND_ARENA_BYTES ((size_t)4 << 20)
#define DAY_MS            86400000LL
#define CARD_DIGEST_BYTES 16

typedef Vacancy__V1__WatchVacanciesResponse response;
#define EVENT(name) VACANCY__V1__WATCH_VACANCIES_RESPONSE__EVENT__EVENT_##name

struct shown_option {
    uint64_t vacancy_id, national_reference;
    char region[GSS_BYTES];
    uint8_t card[CARD_DIGEST_BYTES];
    bool still; /* this round's: it is in the answer */
};

/* What is to be said of one option. */
struct difference {
    Vacancy__V1__Option *card;
    struct shown_option option;
    bool is_new;
};

struct standing {
    struct question question;
    bool any_day;   /* starts_on was not given */
    bool opened;    /* `watch` is ours */
    bool armed;     /* match has our address, or its mail is on the way */
    bool wanted;    /* there is reason for another round */
    bool cut_short; /* the last one was: the stream was full */
    bool full, ready;
    bool counted; /* in service_context.rounds: while `unfinished` */
    uint32_t watch;
    uint64_t owner;
    struct reply_address address;
    struct match_search *unfinished;
    struct answer answer;                   /* this round's, in the arena, as the differences are */
    int64_t began_boot_ms, allowed_boot_ms; /* the last round, and the next */
    struct arena arena;
    struct difference *differences;
    uint32_t difference_count, gone_count;
    uint32_t shown_count; /* at most `limit` of each list */
    struct shown_option shown[];
};

static void round_begin(struct call *call);

/* --- when ------------------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_moment(const struct option *options, uint32_t count, int64_t as_of_ms, int64_t moment_ms)
{
    for (uint32_t i = 0; i < count; i++)
        if (options[i].offer.valid_until_ms > as_of_ms)
            moment_ms = earlier(moment_ms, options[i].offer.valid_until_ms);
    return moment_ms;
}

/* When the answer may be another one although nothing is committed: a confirmation that is shown runs out, a day
 * begins; and every LOOK_EVERY_MS, for all else. */
static int64_t next_look_ms(const struct standing *s)
{
    int64_t as_of_ms = s->question.criteria.as_of_ms, midnight_ms = (as_of_ms / DAY_MS + 1) * DAY_MS;
    int64_t moment_ms = earlier(as_of_ms + LOOK_EVERY_MS, midnight_ms);
    moment_ms = next_moment(s->answer.options, s->answer.option_count, as_of_ms, moment_ms);
    return next_moment(s->answer.phone_first, s->answer.phone_first_count, as_of_ms, moment_ms);
}

/* Now, or as soon as one is allowed. */
static void round_soon(struct call *call)
{
    struct standing *s = call->state;
    if (s->unfinished != NULL || s->full)
        return; /* what goes on looks at `wanted` at its end */
    if (clock_boot_ms(call->clock) < s->allowed_boot_ms)
        call_wake_at(call, s->allowed_boot_ms);
    else
        round_begin(call);
}

/* A round is over, or could not be had now. */
static void rest(struct call *call, int64_t look_ms)
{
    struct standing *s = call->state;
    int64_t look_boot_ms = s->began_boot_ms + (look_ms - s->question.criteria.as_of_ms);
    s->wanted |= !s->armed;
    arena_finish(&s->arena);
    s->differences = NULL;
    call_wake_at(call, s->wanted || look_boot_ms < s->allowed_boot_ms ? s->allowed_boot_ms : look_boot_ms);
}

/* --- what is different ------------------------------------------------------------------------------------------ */

/* What the card shows, but for what time alone changes of its words: what was asked (of H1 and H2 it is the day, the
 * rest never changes), and how long ago it was confirmed. */
static bool card_digest(const Vacancy__V1__Option *card, struct arena *arena, uint8_t out[CARD_DIGEST_BYTES])
{
    uint8_t digest[DIGEST_BYTES], *octets;
    Vacancy__V1__Option told = *card;
    Vacancy__V1__Reason *reasons = arena_alloc(arena, card->n_reasons * sizeof *reasons);
    told.reasons = arena_alloc(arena, card->n_reasons * sizeof *told.reasons);
    if (card->n_reasons > 0 && (reasons == NULL || told.reasons == NULL))
        return false;
    for (size_t i = 0; i < card->n_reasons; i++) {
        reasons[i] = *card->reasons[i];
        reasons[i].asked = (char *)"";
        if (reasons[i].rule == VACANCY__V1__RULE__RULE_S10_FRESH)
            reasons[i].found = (char *)"";
        told.reasons[i] = &reasons[i];
    }
    size_t size = protobuf_c_message_get_packed_size(&told.base);
    if ((octets = arena_alloc(arena, size)) == NULL)
        return false;
    protobuf_c_message_pack(&told.base, octets);
    digest_sha256(octets, size, digest);
    memcpy(out, digest, CARD_DIGEST_BYTES);
    return true;
}

static struct shown_option *find_shown(struct standing *s, const struct shown_option *option)
{
    for (uint32_t i = 0; i < s->shown_count; i++) {
        struct shown_option *shown = &s->shown[i];
        if (shown->vacancy_id == option->vacancy_id && shown->national_reference == option->national_reference &&
            strcmp(shown->region, option->region) == 0)
            return shown;
    }
    return NULL;
}

static bool compare(struct call *call, const struct option *options, uint32_t count)
{
    struct standing *s = call->state;
    for (uint32_t i = 0; i < count; i++) {
        struct difference *difference = &s->differences[s->difference_count];
        struct shown_option *now = &difference->option, *was;
        *difference =
            (struct difference){.card = option_view(call_context(call), &s->question, &options[i], &s->arena)};
        now->vacancy_id = options[i].offer.vacancy_id;
        now->national_reference = options[i].national_reference;
        memcpy(now->region, options[i].region, sizeof now->region);
        now->still = true;
        if (difference->card == NULL || !card_digest(difference->card, &s->arena, now->card))
            return false;
        if ((was = find_shown(s, now)) != NULL)
            was->still = true;
        difference->is_new = was == NULL;
        s->difference_count += was == NULL || memcmp(was->card, now->card, CARD_DIGEST_BYTES) != 0;
    }
    return true;
}

/* False when the arena is too small. */
static bool compare_all(struct call *call)
{
    struct standing *s = call->state;
    uint32_t most = s->answer.option_count + s->answer.phone_first_count;
    s->difference_count = s->gone_count = 0;
    s->differences = arena_alloc(&s->arena, ((size_t)most + 1) * sizeof *s->differences);
    for (uint32_t i = 0; i < s->shown_count; i++)
        s->shown[i].still = false;
    if (s->differences == NULL || !compare(call, s->answer.options, s->answer.option_count) ||
        !compare(call, s->answer.phone_first, s->answer.phone_first_count))
        return false;
    for (uint32_t i = 0; i < s->shown_count; i++)
        s->gone_count += !s->shown[i].still;
    return true;
}

/* False: the call was ended. The first round is on the trail also when it found nothing, as a search is. */
static bool disclose(struct call *call)
{
    struct standing *s = call->state;
    uint64_t subjects[4 * 2 * OPTIONS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < s->shown_count; i++)
        if (!s->shown[i].still) {
            subjects[count++] = s->shown[i].vacancy_id;
            subjects[count++] = s->shown[i].national_reference;
        }
    for (uint32_t i = 0; i < s->difference_count; i++) {
        subjects[count++] = s->differences[i].option.vacancy_id;
        subjects[count++] = s->differences[i].option.national_reference;
    }
    return (count == 0 && s->ready) ||
           call_disclose(call, &s->question.team,
                         &(struct shown){.request_reference = s->question.frame.request_reference,
                                         .purpose = s->question.frame.purpose,
                                         .subjects = subjects,
                                         .subject_count = count});
}

/* --- telling ---------------------------------------------------------------------------------------------------- */

static void too_large(struct call *call)
{
    call_fail(call, ERR_LIMIT, "", "the answer is larger than this hub gives; ask for fewer options");
}

/* `left`: events of this round after this one. False: the stream takes no more now, or (positions) memory is short and
 * the call was ended: *ended. */
static bool tell(struct call *call, response *event, uint32_t left, bool *ended)
{
    struct standing *s = call->state;
    event->as_of_ms = s->question.criteria.as_of_ms;
    if (left == 0 && !positions_view(call_context(call), &s->question, s->answer.positions, s->answer.position_count,
                                     &event->positions, &event->n_positions, &s->arena)) {
        too_large(call);
        *ended = true;
        return false;
    }
    s->full = !call_send(call, &event->base);
    return !s->full;
}

static bool tell_gone(struct call *call, uint32_t *left, bool *ended)
{
    struct standing *s = call->state;
    char id[ID_TEXT_BYTES];
    bool goes_on = true;
    for (uint32_t i = s->shown_count; goes_on && i-- > 0;) {
        if (s->shown[i].still)
            continue;
        response event = VACANCY__V1__WATCH_VACANCIES_RESPONSE__INIT;
        event.event = EVENT(GONE);
        id_format(s->shown[i].vacancy_id, id);
        event.vacancy_id = id;
        goes_on = tell(call, &event, --*left, ended);
        if (!*ended)
            s->shown[i] = s->shown[--s->shown_count]; /* the last one stays: it was looked at before */
    }
    return goes_on;
}

static bool tell_differences(struct call *call, uint32_t *left, bool *ended)
{
    struct standing *s = call->state;
    bool goes_on = true;
    for (uint32_t i = 0; goes_on && i < s->difference_count; i++) {
        const struct difference *difference = &s->differences[i];
        response event = VACANCY__V1__WATCH_VACANCIES_RESPONSE__INIT;
        event.event = difference->is_new ? EVENT(APPEARED) : EVENT(CHANGED);
        event.option = difference->card;
        goes_on = tell(call, &event, --*left, ended);
        if (!*ended)
            *(difference->is_new ? &s->shown[s->shown_count++] : find_shown(s, &difference->option)) =
                difference->option;
    }
    return goes_on;
}

static void tell_ready(struct call *call, uint32_t *left, bool *ended)
{
    struct standing *s = call->state;
    response event = VACANCY__V1__WATCH_VACANCIES_RESPONSE__INIT;
    event.event = EVENT(READY);
    event.policy = (char *)s->question.frame.order_name;
    event.gazetteer_digest = gazetteer_view(call_context(call), &s->arena);
    if (event.gazetteer_digest == NULL ||
        !order_view(&s->question, &event.order_steps, &event.n_order_steps, &s->arena)) {
        too_large(call);
        *ended = true;
        return;
    }
    (void)tell(call, &event, --*left, ended);
    if (!*ended)
        atomic_fetch_add_explicit(&call_context(call)->searches, 1, memory_order_relaxed);
}

static void round_end(struct call *call)
{
    struct standing *s = call->state;
    bool ended = false, was_ready = s->ready;
    if (!compare_all(call)) {
        too_large(call);
        return;
    }
    if (!disclose(call))
        return;
    uint32_t left = s->gone_count + s->difference_count + !was_ready;
    bool goes_on = tell_gone(call, &left, &ended) && tell_differences(call, &left, &ended);
    if (goes_on && !was_ready)
        tell_ready(call, &left, &ended);
    if (ended)
        return;
    s->ready |= left == 0;
    s->cut_short = left > 0;
    rest(call, next_look_ms(s));
}

/* --- rounds ----------------------------------------------------------------------------------------------------- */

static void search_end(struct call *call, struct standing *s)
{
    if (s->unfinished != NULL)
        match_search_abandon(s->unfinished);
    s->unfinished = NULL;
    if (s->counted)
        atomic_fetch_sub(&call_context(call)->rounds, 1);
    s->counted = false;
}

/* Its search needs a further turn. When as many rounds do as may, it begins anew later. */
static void search_goes_on(struct call *call)
{
    struct standing *s = call->state;
    struct service_context *ctx = call_context(call);
    if (clock_boot_ms(call->clock) - s->began_boot_ms > QUESTION_MAX_MS) {
        search_end(call, s);
        call_fail(call, ERR_DEADLINE, "", "this hub works on a question for %d s at most: ask more narrowly",
                  QUESTION_MAX_MS / 1000);
        return;
    }
    if (!s->counted && atomic_fetch_add(&ctx->rounds, 1) >= ROUNDS_MAX) {
        atomic_fetch_sub(&ctx->rounds, 1);
        search_end(call, s);
        s->wanted = true;
        rest(call, s->question.criteria.as_of_ms);
        return;
    }
    s->counted = true;
    call_yield(call);
}

static void search_turn(struct call *call)
{
    struct standing *s = call->state;
    struct service_context *ctx = call_context(call);
    enum err err =
        match_find(ctx->match, &s->question.criteria, PLACEMENT_SLICE_OFFERS, &s->arena, &s->answer, &s->unfinished);
    if (err == ERR_NONE && s->unfinished != NULL) {
        search_goes_on(call);
        return;
    }
    search_end(call, s);
    if (err == ERR_UNAVAILABLE) { /* too many searches are unfinished: in a moment */
        s->wanted = true;
        rest(call, s->question.criteria.as_of_ms);
    } else if (err != ERR_NONE) {
        call_fail(call, err, "", "the search failed; ask for fewer options");
    } else {
        match_watch_settle(ctx->match, s->watch, s->answer.reach_squared);
        round_end(call);
    }
}

/* The request as of now. */
static void ask_anew(struct call *call)
{
    struct criteria *criteria = &((struct standing *)call->state)->question.criteria;
    criteria->as_of_ms = clock_wall_ms(call->clock);
    date_days today = date_of_wall_ms(criteria->as_of_ms);
    if (((struct standing *)call->state)->any_day || criteria->starts_on < today)
        criteria->starts_on = today;
}

/* How long after one round the next may begin. */
static int64_t round_every_ms(struct call *call)
{
    uint32_t owned = match_watch_owned(call_context(call)->match, ((struct standing *)call->state)->owner);
    return owned <= ROUND_FULL_RATE ? ROUND_EVERY_MS : (int64_t)ROUND_EVERY_MS * owned / ROUND_FULL_RATE;
}

/* Armed before the search begins, so that what is committed meanwhile is not missed. */
static void round_begin(struct call *call)
{
    struct standing *s = call->state;
    struct match *match = call_context(call)->match;
    struct principal team;
    if (!call_identify(call, ROLE_BIT(ROLE_TEAM), &team))
        return;
    if (match_watch_ended(match)) {
        call_fail(call, ERR_UNAVAILABLE, "", "the hub is stopping: watch again when it is back");
        return;
    }
    s->wanted = s->cut_short = false;
    s->began_boot_ms = clock_boot_ms(call->clock);
    s->allowed_boot_ms = s->began_boot_ms + round_every_ms(call);
    ask_anew(call);
    bool arms = !s->armed && call_reserve_reply(call, &s->address) == ERR_NONE;
    match_watch_begin(match, s->watch, &s->question.criteria, arms ? &s->address : NULL);
    s->armed |= arms;
    if (!question_take_ages(call, &s->arena, &s->question)) {
        call_short_of_memory(call);
        return;
    }
    search_turn(call);
}

static void watch_resumed(struct call *call, const struct mail *mail)
{
    struct standing *s = call->state;
    (void)mail;
    s->armed = false;
    s->wanted = true;
    round_soon(call);
}

static void watch_orphaned(const struct mail *mail)
{
    (void)mail; /* wakes carry nothing */
}

static void watch_due(struct call *call)
{
    struct standing *s = call->state;
    s->wanted = true;
    round_soon(call);
}

/* A search's next turn, or room in the queue: never both, since no search begins while it is full. */
static void watch_writable(struct call *call)
{
    struct standing *s = call->state;
    if (s->unfinished != NULL) {
        search_turn(call);
        return;
    }
    s->full = false;
    if (s->cut_short)
        round_begin(call); /* it has taken a queue's worth: that is pause enough */
    else if (s->wanted)
        round_soon(call);
}

/* --- from beginning to end -------------------------------------------------------------------------------------- */

static bool begin(struct call *call, struct question *question, const Vacancy__V1__FindVacanciesRequest *asked)
{
    struct criteria *criteria = &question->criteria;
    uint32_t lists = code_in(criteria->overrides, OVERRIDE_UNCONFIRMED) ? 2 : 1;
    struct standing *s = call_begin_state(call, sizeof *s + (size_t)lists * criteria->limit * sizeof s->shown[0]);
    if (s == NULL)
        return false;
    criteria->unexplained = true;
    criteria->split_into = 0;
    s->question = *question;
    s->any_day = asked->starts_on[0] == '\0';
    arena_init(&s->arena, ROUND_ARENA_BYTES);
    return true;
}

static bool open_watch(struct call *call)
{
    struct standing *s = call->state;
    s->owner = question_owner(&s->question.team);
    enum err err = match_watch_open(call_context(call)->match, s->owner, &s->watch);
    s->opened = err == ERR_NONE;
    if (err == ERR_LIMIT)
        call_fail(call, err, "", "this hub keeps %d standing searches, %d for one principal: end one first",
                  WATCHES_MAX, WATCHES_EACH);
    else if (err != ERR_NONE)
        call_fail(call, err, "", "the hub is stopping: watch again when it is back");
    return err == ERR_NONE;
}

static void watch_vacancies(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__WatchVacanciesRequest *in = (const Vacancy__V1__WatchVacanciesRequest *)message;
    const struct path at = {NULL, "question", -1};
    struct principal team;
    struct question question;
    if (!call_identify(call, ROLE_BIT(ROLE_TEAM), &team))
        return;
    if (in->question == NULL) {
        call_fail(call, ERR_INVALID, "question", "required: what is searched for, as for FindVacancies");
        return;
    }
    Vacancy__V1__FindVacanciesRequest asked = *in->question;
    asked.explain = VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_UNSPECIFIED;
    asked.split_into = 0;
    if (question_take(call, &team, &at, &asked, &question) && begin(call, &question, &asked) && open_watch(call))
        round_begin(call);
}

static void watch_closed(struct call *call)
{
    struct standing *s = call->state;
    if (s == NULL)
        return;
    call->state = NULL;
    if (s->opened && match_watch_close(call_context(call)->match, s->watch))
        call_unreserve_reply(call);
    search_end(call, s);
    arena_finish(&s->arena);
    free(s);
}

const struct call_handler watch_vacancies_handler = {.message = watch_vacancies,
                                                     .resumed = watch_resumed,
                                                     .orphaned = watch_orphaned,
                                                     .writable = watch_writable,
                                                     .due = watch_due,
                                                     .closed = watch_closed};
