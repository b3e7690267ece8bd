/* tier: check */
/*
 * Nothing that is passed over would have been kept: searches against every offer of the version judged and ordered one
 * after the other, with random offers, questions, overrides and orders (SEED=N repeats one), while offers come and go.
 */
#include "daemon/match/match_search.h"

#include "daemon/gazetteer/grid.h"
#include "tests/unit/match_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#define OFFERS   8000
#define ROUNDS   40
#define SEARCHES 60 /* in each */

static uint64_t seed, state;

static uint32_t pick(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20) % limit;
}

/* Each code now and then, or most of them. */
static uint32_t some_codes(uint32_t end, uint32_t of_eight)
{
    uint32_t codes = 0;
    for (uint32_t code = 1; code < end; code++)
        codes |= (uint32_t)(pick(8) < of_eight) << code;
    return codes;
}

static void random_point(uint32_t *e, uint32_t *n)
{
    bool town = pick(2) == 0;
    *e = town ? 428000 + 500 * pick(8) : 300000 + pick(200000);
    *n = town ? 433000 + 500 * pick(8) : 350000 + pick(200000);
}

static void random_offer(struct offer *offer, uint64_t id)
{
    uint32_t e, n;
    random_point(&e, &n);
    fixture_offer(offer, id, e, n);
    snprintf(offer->agency, sizeof offer->agency, "agency-%u", pick(8));
    offer->state = pick(5) ? VACANCY_VACANT : pick(2) ? VACANCY_NOT_AVAILABLE : VACANCY_LAPSED;
    offer->bucket = pick(3) ? BUCKET_NONE : BUCKET_HOME;
    offer->beds_free = pick(5);
    offer->max_children = pick(6);
    offer->max_children_if_siblings = pick(6);
    offer->child_count = pick(4);
    for (uint32_t i = 0; i < offer->child_count; i++)
        offer->children[i] = (struct child_at_home){(uint8_t)(1 + pick(6)), SEX_F, (uint8_t)pick(2), pick(2)};
    offer->bedrooms = pick(6);
    offer->room_sharing = (uint8_t)pick(ROOM_SHARING_END);
    offer->sibling_group_only = pick(8) == 0;
    offer->age_from_months = pick(3) ? 12 * pick(12) : pick(150);
    offer->age_below_months = offer->age_from_months + (pick(3) ? 12 * pick(14) : pick(200));
    offer->sex = pick(3) ? SEX_ANY : (uint8_t)(1 + pick(2));
    offer->care_types = some_codes(CARE_TYPE_END, 5);
    offer->approved_care_types = some_codes(CARE_TYPE_END, 7);
    offer->home_features = some_codes(HOME_FEATURE_END, 5);
    offer->pets = some_codes(PET_END, 1);
    offer->cannot_take = some_codes(RISK_END, 2);
    offer->skills = some_codes(SKILL_END, 3);
    offer->on_call = pick(2);
    offer->from = pick(3) ? DATE_NONE : FIXTURE_DAY - 20 + (date_days)pick(40);
    offer->until = pick(3) ? DATE_NONE : FIXTURE_DAY - 20 + (date_days)pick(40);
    offer->approved_on = FIXTURE_DAY - 100 + (date_days)pick(110);
    offer->confirmed_at_ms = FIXTURE_AS_OF - 3600000LL * pick(100);
    offer->valid_until_ms = FIXTURE_AS_OF + 3600000LL * pick(100) - 36000000;
}

static void random_children(struct criteria *criteria)
{
    uint32_t youngest = pick(20), oldest = youngest + pick(6);
    criteria->child_count = pick(2) ? 1 : 1 + pick(5);
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        uint32_t years = youngest + pick(oldest - youngest + 1);
        criteria->children[i].age_months = years == 0 ? pick(12) : years > 20 ? 240 : 12 * years;
        criteria->children[i].sex = (uint8_t)(1 + pick(2));
    }
}

static void random_criteria(struct criteria *criteria)
{
    uint32_t e, n;
    random_point(&e, &n);
    fixture_criteria(criteria, e, n);
    random_children(criteria);
    criteria->care_type = (enum care_type)(1 + pick(CARE_TYPE_END - 1));
    criteria->starts_on = FIXTURE_DAY + (date_days)pick(20);
    criteria->grouping = pick(3) ? GROUPING_TOGETHER : GROUPING_SPLIT;
    criteria->alongside = pick(2) ? ALONGSIDE_NO_PREFERENCE : (enum alongside)pick(ALONGSIDE_END);
    criteria->home_features = pick(2) ? 0 : some_codes(HOME_FEATURE_END, 2);
    criteria->risks = pick(2) ? 0 : some_codes(RISK_END, 1);
    criteria->no_pets = pick(2) ? 0 : some_codes(PET_END, 1);
    criteria->pets_must = pick(8) == 0;
    criteria->skills = some_codes(SKILL_END, 1);
    criteria->within_metres = pick(3) ? 0 : 1 + pick(60000);
    criteria->limit = pick(2) ? 3 : 1 + pick(OPTIONS_MAX);
    criteria->overrides = pick(2) ? 0 : some_codes(OVERRIDE_END, 3);
    if (pick(4) == 0)
        criteria->avoided[criteria->avoided_count++] = (struct avoided){e + 2000, n, 1 + pick(20000), 0, ""};
    for (uint32_t step = 1; step < STEP_END && pick(8) != 0; step++) {
        uint32_t at = pick(criteria->step_count + 1);
        memmove(criteria->steps + at + 1, criteria->steps + at, criteria->step_count - at);
        criteria->steps[at] = (uint8_t)(1 + (step * 5 + e) % (STEP_END - 1));
        criteria->step_count++;
        if (criteria->step_count == ORDER_STEPS_MAX)
            break;
    }
    if (pick(4) == 0)
        criteria->step_count = 0;
}

/* --- every offer, one after the other ---------------------------------------------------------------------------- */

struct everything {
    uint32_t count;
    struct found found[OFFERS];
};

static const struct match_version *comparing;

static int by_order(const void *a, const void *b)
{
    return found_before(comparing, a, b) ? -1 : found_before(comparing, b, a);
}

static void add(struct everything *all, const struct fact_group *group, uint32_t lane, const struct verdict *verdict,
                uint64_t key, const struct criteria *criteria)
{
    struct found *found = &all->found[all->count++];
    *found = (struct found){
        .group = group,
        .lane = lane,
        .key = key,
        .vacancy_id = group->vacancy_id[lane],
        .distance_metres =
            grid_distance_metres((int32_t)group->point_e_metres[lane], (int32_t)group->point_n_metres[lane],
                                 (int32_t)criteria->near_e_metres, (int32_t)criteria->near_n_metres),
        .children_taken = number_of_lane(&verdict->children_taken, lane),
    };
    for (uint32_t rule = 0; rule < RULES_JUDGED; rule++)
        found->overridden |= (uint32_t)(verdict->overridden[rule] >> lane & 1) << rule;
}

static void judge_all(const struct match *match, const struct match_version *version, const struct criteria *criteria,
                      struct everything *options, struct everything *phone_first)
{
    struct asked asked;
    static struct order order;
    struct group_cursor cursor = {0};
    const struct fact_group *group;
    uint32_t count;
    options->count = phone_first->count = 0;
    asked_prepare(criteria, &asked);
    order_prepare(criteria, index_gazetteer(match), version->agencies, &order);
    while ((group = version_next_group(version, &cursor, &count)) != NULL) {
        struct verdict verdict;
        uint64_t keys[LANES] = {0};
        lanes used = lanes_used(count);
        rules_judge(group, used, version_active(version, group, used), &asked, &verdict);
        order_keys(&order, group, &verdict, verdict.suitable, UINT64_MAX, keys);
        for (uint32_t lane = 0; lane < count; lane++)
            if (verdict.suitable >> lane & 1)
                add(verdict.overridden[RULE_H2] >> lane & 1 ? phone_first : options, group, lane, &verdict, keys[lane],
                    criteria);
    }
    comparing = version;
    qsort(options->found, options->count, sizeof options->found[0], by_order);
    qsort(phone_first->found, phone_first->count, sizeof phone_first->found[0], by_order);
}

/* --- the test ------------------------------------------------------------------------------------------------------
 */

static uint64_t compare(const struct search_list *found, const struct everything *all, uint32_t limit)
{
    assert_int_equal(found->count, all->count < limit ? all->count : limit);
    for (uint32_t i = 0; i < found->count; i++) {
        const struct found *a = &found->best[i], *b = &all->found[i];
        assert_ptr_equal(a->group, b->group);
        assert_int_equal(a->lane, b->lane);
        assert_int_equal(a->key, b->key);
        assert_int_equal(a->vacancy_id, b->vacancy_id);
        assert_int_equal(a->distance_metres, b->distance_metres);
        assert_int_equal(a->children_taken, b->children_taken);
        assert_int_equal(a->overridden, b->overridden);
    }
    return found->count;
}

static uint64_t search_once(const struct match *match, const struct match_version *version)
{
    static struct everything options, phone_first;
    struct criteria criteria;
    uint64_t found, looked_at = 0, turns = 0;
    random_criteria(&criteria);
    uint32_t budget = pick(2) ? UINT32_MAX : 1 + pick(300);
    judge_all(match, version, &criteria, &options, &phone_first);
    struct search *search = search_new(match, version, &criteria);
    assert_non_null(search);
    while (!search_run(search, budget, &looked_at))
        turns++;
    assert_true(looked_at >= turns);
    found = compare(search_options(search), &options, criteria.limit);
    found += compare(search_phone_first(search), &phone_first, criteria.limit);
    search_free(search);
    return found;
}

/* A hundredth of them, and at first all. */
static void change_offers(struct match *match, uint64_t *sequence, bool all)
{
    struct fixture_batch batch;
    struct offer offer;
    for (uint32_t i = 0; i < (all ? OFFERS : OFFERS / 100);) {
        fixture_begin(&batch);
        for (uint32_t at = 0; at < FIXTURE_BATCH; at++, i++) {
            uint32_t reference = all ? i : pick(OFFERS);
            random_offer(&offer, 1 + reference % (OFFERS / 2)); /* each id twice */
            fixture_put(&batch, reference, pick(10) ? &offer : NULL);
        }
        fixture_commit(&batch, match, ++*sequence);
    }
}

static void test_against_every_offer(void **unused)
{
    (void)unused;
    struct match *match = match_create(NULL, FIXTURE_REGION);
    struct fixture_batch batch;
    uint64_t sequence = 0, found = 0;
    for (uint32_t i = 0; i < 8; i++) {
        char id[AGENCY_ID_BYTES];
        snprintf(id, sizeof id, "agency-%u", i);
        fixture_begin(&batch);
        fixture_agency(&batch, id, i != 0);
        fixture_commit(&batch, match, ++sequence);
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t slot;
        change_offers(match, &sequence, round == 0);
        const struct match_version *version = index_pin(match, &slot);
        assert_non_null(version);
        for (uint32_t i = 0; i < SEARCHES; i++)
            found += search_once(match, version);
        index_unpin(match, slot);
    }
    assert_true(found > ROUNDS * SEARCHES);
    match_destroy(match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_every_offer)};
    const char *given = getenv("SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    state = seed * 2 + 1;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
