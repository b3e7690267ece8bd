/*
 * bench_match.c - what searches and publications cost in process, on one core: against a tight scan of the same facts,
 * whose answers must be the same.
 *
 *     bench_match [--offers N] [--searches N] [--json]
 *
 * Owns: a made-up register (towns and country; who takes whom depends on a household's leaning), 10,000 questions whose
 * selectivity, counted over a million such offers, is spread evenly in log scale from 30 % to one in a million; the
 * scan: plain columns, a selection vector for what decides most, then early exit, the nearest or best three. Prints a
 * table or, with --json, one JSON object. Figures of one machine: compare within a run. Exit status 1: an answer
 * differed.
 */
#include "daemon/gazetteer/grid.h"
#include "daemon/match/match_search.h"
#include "tests/unit/match_fixture.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define AGENCIES    465
#define SAMPLE      1000000u /* offers that selectivity is counted over */
#define FIRST_PART  100000u
#define BINS        11 /* two to a decade, from 30 % down to one in a million */
#define OPTIONS     3
#define CHUNK       1024
#define WHY_BUDGET  20000
#define WHYS        60
#define PUBLISHES   20000
#define PASSES      3
#define MEASURED_MS 2000

static uint64_t state = 20261122;

static uint32_t pick(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20) % limit;
}

static bool chance(uint32_t percent)
{
    return pick(100) < percent;
}

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* What this thread has had of its core: others on the machine are not in it. */
static double cpu_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void *get_memory(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory == NULL)
        abort();
    return memory;
}

/* --- the register ---------------------------------------------------------------------------------------------- */

/* Where people live: a town's middle in kilometres, its radius, its share in thousandths. The rest is country. */
static const struct {
    uint16_t e_km, n_km, radius_km, share;
} towns[] = {
    {530, 180, 24, 160}, {407, 287, 14, 60}, {384, 398, 14, 60}, {430, 434, 12, 45}, {335, 391, 9, 30},
    {436, 387, 9, 25},   {425, 565, 10, 30}, {359, 173, 9, 25},  {457, 340, 8, 20},  {459, 305, 8, 20},
    {442, 112, 7, 15},   {248, 55, 6, 10},   {510, 428, 7, 10},  {450, 516, 7, 15},  {464, 206, 5, 8},
    {545, 258, 4, 6},    {623, 308, 6, 8},   {531, 105, 6, 10},  {388, 347, 7, 12},  {292, 92, 4, 5},
};

/* A home is placed in its cell's point: every kilometre in towns, every fourth in the country. */
static void random_point(uint32_t *e, uint32_t *n)
{
    uint32_t at = pick(1000);
    for (size_t i = 0; i < sizeof towns / sizeof towns[0]; i++) {
        uint32_t radius = towns[i].radius_km;
        if (at < towns[i].share) { /* denser towards the middle */
            *e = 1000u * (towns[i].e_km + pick(radius + 1) + pick(radius + 1) - radius) + 500;
            *n = 1000u * (towns[i].n_km + pick(radius + 1) + pick(radius + 1) - radius) + 500;
            return;
        }
        at -= towns[i].share;
    }
    *e = 4000u * (60 + pick(95)) + 2000;
    *n = 4000u * (15 + pick(130)) + 2000;
}

#define CARE(type) (1u << CARE_##type)

/* A leaning: its share, ages in years, kinds of care that always or (each at half the chance) sometimes go with it. */
static const struct {
    uint8_t share, from_least, from_most, years_least, years_most;
    uint32_t always, sometimes;
} leanings[] = {
    {10, 0, 0, 3, 6, CARE(SHORT_TERM), CARE(EMERGENCY) | CARE(FOSTERING_FOR_ADOPTION)},
    {42, 0, 5, 8, 18, CARE(SHORT_TERM), CARE(LONG_TERM) | CARE(EMERGENCY) | CARE(RESPITE) | CARE(BRIDGING)},
    {20, 4, 6, 7, 11, CARE(SHORT_TERM) | CARE(LONG_TERM), CARE(EMERGENCY) | CARE(RESPITE)},
    {14, 10, 13, 5, 8, CARE(SHORT_TERM) | CARE(LONG_TERM), CARE(EMERGENCY) | CARE(UASC) | CARE(REMAND)},
    {5, 0, 5, 12, 18, CARE(DISABLED_CHILDREN) | CARE(SHORT_TERM), CARE(SHORT_BREAKS) | CARE(RESPITE) | CARE(LONG_TERM)},
    {4, 14, 16, 3, 7, CARE(PARENT_AND_CHILD), CARE(SHORT_TERM)},
    {5, 7, 9, 8, 11, CARE(THERAPEUTIC) | CARE(LONG_TERM), CARE(SHORT_TERM)},
};
static const uint8_t feature_percent[HOME_FEATURE_END] = {0, 12, 4, 15, 3, 1, 2, 3, 2, 40};
static const uint8_t pet_percent[PET_END] = {0, 24, 18, 6, 4, 3, 2};
static const uint8_t risk_percent[RISK_END] = {0, 35, 60, 25, 45, 30, 20, 15, 50, 10, 40, 30};
static const uint8_t skill_percent[SKILL_END] = {0, 20, 15, 12, 8, 10, 30, 4, 3, 25, 5, 12, 6};

static uint32_t codes_of(const uint8_t *percent, uint32_t end)
{
    uint32_t codes = 0;
    for (uint32_t code = 1; code < end; code++)
        codes |= (uint32_t)chance(percent[code]) << code;
    return codes;
}

static void random_terms(struct offer *offer)
{
    uint32_t at = 0, draw = pick(100);
    while (draw >= leanings[at].share)
        draw -= leanings[at++].share;
    uint32_t from = leanings[at].from_least + pick(leanings[at].from_most - leanings[at].from_least + 1u);
    uint32_t years = leanings[at].years_least + pick(leanings[at].years_most - leanings[at].years_least + 1u);
    offer->age_from_months = 12 * from;
    offer->age_below_months = 12 * (from + years < 19 ? from + years : 19);
    offer->care_types = leanings[at].always;
    for (uint32_t left = leanings[at].sometimes; left != 0; left &= left - 1)
        if (pick(2))
            offer->care_types |= left & -left;
    offer->approved_care_types = offer->care_types;
    offer->sex = chance(82) ? SEX_ANY : chance(50) ? SEX_M : SEX_F;
}

static void random_offer(struct offer *offer, uint64_t id)
{
    uint32_t e, n;
    random_point(&e, &n);
    fixture_offer(offer, id, e, n);
    random_terms(offer);
    offer->state = chance(60) ? VACANCY_VACANT : VACANCY_NOT_AVAILABLE;
    offer->beds_free = chance(68) ? 1 : chance(75) ? 2 : 3;
    offer->child_count = pick(3);
    for (uint32_t i = 0; i < offer->child_count; i++)
        offer->children[i] = (struct child_at_home){(uint8_t)(1 + pick(6)), SEX_F, 0, pick(2)};
    offer->max_children = offer->max_children_if_siblings = offer->beds_free + offer->child_count;
    offer->bedrooms = offer->max_children;
    offer->home_features = codes_of(feature_percent, HOME_FEATURE_END);
    offer->pets = codes_of(pet_percent, PET_END);
    offer->cannot_take = codes_of(risk_percent, RISK_END);
    offer->skills = codes_of(skill_percent, SKILL_END);
    offer->from = chance(85) ? DATE_NONE : FIXTURE_DAY + (date_days)pick(60);
    offer->until = chance(92) ? DATE_NONE : FIXTURE_DAY + (date_days)pick(90);
    offer->approved_on = FIXTURE_DAY - (date_days)pick(4000);
    offer->confirmed_at_ms = FIXTURE_AS_OF - 3600000LL * pick(168);
    offer->valid_until_ms = FIXTURE_AS_OF + 3600000LL * (1 + pick(168));
    snprintf(offer->agency, sizeof offer->agency, "agency-%u", pick(AGENCIES));
}

/* --- the scan's columns ------------------------------------------------------------------------------------------ */

static struct {
    uint8_t *vacant, *years_from, *years_below, *beds, *room, *bedrooms, *sexes, *bands, *at_home;
    uint16_t *care, *features, *pets, *cannot, *skills, *from, *until, *approved;
    uint32_t *e, *n;
    int64_t *confirmed, *valid;
    uint64_t *id;
} columns;

static void columns_new(size_t count)
{
#define NEW(name) columns.name = get_memory(count * sizeof *columns.name)
    NEW(vacant);
    NEW(years_from);
    NEW(years_below);
    NEW(beds);
    NEW(room);
    NEW(bedrooms);
    NEW(sexes);
    NEW(bands);
    NEW(at_home);
    NEW(care);
    NEW(features);
    NEW(pets);
    NEW(cannot);
    NEW(skills);
    NEW(from);
    NEW(until);
    NEW(approved);
    NEW(e);
    NEW(n);
    NEW(confirmed);
    NEW(valid);
    NEW(id);
#undef NEW
}

static void columns_put(size_t at, const struct offer *offer)
{
    uint32_t placed = 0, over_three = 0, bands = 0;
    for (uint32_t i = 0; i < offer->child_count; i++) {
        placed += offer->children[i].placed;
        over_three += offer->children[i].placed && offer->children[i].age_band > AGE_0_2;
        bands |= 1u << offer->children[i].age_band;
    }
    uint32_t room = offer->max_children - placed;
    room = placed > 0 && room > 3 - placed ? 3 - placed : room;
    columns.vacant[at] = offer->state == VACANCY_VACANT;
    columns.years_from[at] = (uint8_t)(offer->age_from_months / 12);
    columns.years_below[at] = (uint8_t)(offer->age_below_months / 12);
    columns.beds[at] = (uint8_t)offer->beds_free;
    columns.room[at] = (uint8_t)(room < offer->beds_free ? room : offer->beds_free);
    columns.bedrooms[at] = (uint8_t)(offer->bedrooms - over_three);
    columns.sexes[at] = offer->sex == SEX_ANY ? 1u << SEX_M | 1u << SEX_F : (uint8_t)(1u << offer->sex);
    columns.bands[at] = (uint8_t)bands;
    columns.at_home[at] = (uint8_t)offer->child_count;
    columns.care[at] = (uint16_t)offer->care_types;
    columns.features[at] = (uint16_t)offer->home_features;
    columns.pets[at] = (uint16_t)offer->pets;
    columns.cannot[at] = (uint16_t)offer->cannot_take;
    columns.skills[at] = (uint16_t)offer->skills;
    columns.from[at] = offer->from == DATE_NONE ? 0 : (uint16_t)offer->from;
    columns.until[at] = offer->until == DATE_NONE ? UINT16_MAX : (uint16_t)offer->until;
    columns.approved[at] = (uint16_t)offer->approved_on;
    columns.e[at] = offer->cell.point_e_metres;
    columns.n[at] = offer->cell.point_n_metres;
    columns.confirmed[at] = offer->confirmed_at_ms;
    columns.valid[at] = offer->valid_until_ms;
    columns.id[at] = offer->vacancy_id;
}

/* A question as the scan wants it. */
struct scanned {
    const struct criteria *criteria;
    uint8_t children, over_three, sexes, youngest, oldest;
    uint16_t day;
    int64_t e, n;
    bool in_order; /* the default one; else nearest */
};

static struct scanned scanned_of(const struct criteria *criteria)
{
    struct scanned q = {.criteria = criteria,
                        .children = (uint8_t)criteria->child_count,
                        .youngest = UINT8_MAX,
                        .day = (uint16_t)criteria->starts_on,
                        .e = criteria->near_e_metres,
                        .n = criteria->near_n_metres,
                        .in_order = criteria->step_count > 1};
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        uint8_t years = (uint8_t)(criteria->children[i].age_months / 12);
        q.over_three += years >= 3;
        q.sexes |= (uint8_t)(1u << criteria->children[i].sex);
        q.youngest = years < q.youngest ? years : q.youngest;
        q.oldest = years > q.oldest ? years : q.oldest;
    }
    return q;
}

/* What decides most, without a branch: those of a chunk that are left. */
static uint32_t scan_chunk(const struct scanned *q, uint32_t first, uint32_t count, uint32_t *left)
{
    uint32_t found = 0, care = q->criteria->care_type;
    for (uint32_t i = first; i < first + count; i++) {
        left[found] = i;
        found += columns.vacant[i] & (columns.care[i] >> care & 1) & (columns.years_from[i] <= q->youngest) &
                 (columns.years_below[i] > q->oldest) & (columns.room[i] >= q->children);
    }
    return found;
}

static bool scan_one(const struct scanned *q, uint32_t i)
{
    const struct criteria *c = q->criteria;
    return (columns.features[i] & c->home_features) == c->home_features && (columns.cannot[i] & c->risks) == 0 &&
           (columns.pets[i] & c->no_pets) == 0 && (columns.sexes[i] & q->sexes) == q->sexes &&
           columns.from[i] <= q->day && columns.until[i] >= q->day && columns.approved[i] <= q->day &&
           columns.bedrooms[i] >= q->over_three && columns.valid[i] > c->as_of_ms &&
           (c->alongside != ALONGSIDE_SOLO || columns.at_home[i] == 0);
}

static uint32_t scan_count(const struct criteria *criteria, uint32_t first, uint32_t count)
{
    const struct scanned q = scanned_of(criteria);
    uint32_t found = 0, left[CHUNK];
    for (uint32_t at = first; at < first + count; at += CHUNK) {
        uint32_t those = scan_chunk(&q, at, first + count - at < CHUNK ? first + count - at : CHUNK, left);
        for (uint32_t i = 0; i < those; i++)
            found += scan_one(&q, left[i]);
    }
    return found;
}

/* The default order by its definition (proto OrderStep), for what these questions can ask: one after the other, the
 * first of these steps in the highest bits. */
static uint32_t order_of(const struct scanned *q, uint32_t i, uint64_t squared)
{
    static const uint64_t band_below[] = {8047, 16093, 32187, 80467};
    static const uint8_t band_of_year[] = {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6};
    const struct criteria *c = q->criteria;
    const uint32_t scarce_homes = 1u << 2 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8;
    const uint32_t scarce_abilities = 1u << 1 | 1u << 8 | 1u << 10 | 1u << 12;
    const uint32_t scarce_kinds = CARE(PARENT_AND_CHILD) | CARE(REMAND) | CARE(THERAPEUTIC) | CARE(DISABLED_CHILDREN);
    const bool disabled = (c->home_features & scarce_homes) || (c->skills & (1u << 5 | 1u << 8));
    const uint32_t needed_abilities = c->skills | (c->care_type == CARE_THERAPEUTIC ? 1u << 1 : 0) |
                                      (c->care_type == CARE_PARENT_AND_CHILD ? 1u << 10 : 0);
    const uint32_t needed_kinds = 1u << c->care_type | (disabled ? CARE(DISABLED_CHILDREN) : 0) |
                                  (c->skills >> 1 & 1 ? CARE(THERAPEUTIC) : 0) |
                                  (c->skills >> 10 & 1 ? CARE(PARENT_AND_CHILD) : 0);
    uint32_t band = 0, key = 0;
    while (band < 4 && squared >= band_below[band] * band_below[band])
        band++;
    for (uint32_t at = 0; at < c->step_count; at++) {
        bool met;
        switch (c->steps[at]) {
        case STEP_DISTANCE_BAND:
            key = key << 3 | band;
            continue;
        case STEP_SKILLS:
            if (c->skills != 0)
                key = key << 2 | ((columns.skills[i] & c->skills) == c->skills ? 0 : columns.skills[i] == 0 ? 1 : 2);
            continue;
        case STEP_LENGTH:
            if (!c->long_term_plan)
                continue;
            met = columns.care[i] >> CARE_LONG_TERM & 1;
            break;
        case STEP_IMPACT:
            met = columns.at_home[i] <= 2;
            for (uint32_t home = 1; home < 7; home++)
                if (columns.bands[i] >> home & 1)
                    met = met && home + 1 >= band_of_year[q->oldest] && home <= band_of_year[q->youngest] + 1u;
            break;
        case STEP_FRESH:
            met = columns.confirmed[i] >= c->as_of_ms - 48 * 3600000LL;
            break;
        case STEP_SCARCE:
            met = (columns.features[i] & scarce_homes & ~c->home_features) == 0 &&
                  (columns.skills[i] & scarce_abilities & ~needed_abilities) == 0 &&
                  (columns.care[i] & scarce_kinds & ~needed_kinds) == 0 &&
                  !(c->child_count == 1 && columns.beds[i] >= 3);
            break;
        default: /* WITHIN_RULES, APPROVED_TODAY and all that was not asked: all are alike */
            continue;
        }
        key = key << 1 | !met;
    }
    return key;
}

struct best {
    uint64_t id;
    uint32_t key, distance_metres;
};

static bool before(const struct best *a, const struct best *b)
{
    if (a->key != b->key)
        return a->key < b->key;
    return a->distance_metres != b->distance_metres ? a->distance_metres < b->distance_metres : a->id < b->id;
}

static uint32_t scan(const struct criteria *criteria, uint32_t offers, struct best best[OPTIONS])
{
    const struct scanned q = scanned_of(criteria);
    uint32_t found = 0, left[CHUNK];
    uint64_t reach = UINT64_MAX;
    for (uint32_t at = 0; at < offers; at += CHUNK) {
        uint32_t those = scan_chunk(&q, at, offers - at < CHUNK ? offers - at : CHUNK, left);
        for (uint32_t i = 0; i < those; i++) {
            int64_t east = columns.e[left[i]] - q.e, north = columns.n[left[i]] - q.n;
            uint64_t squared = (uint64_t)(east * east + north * north);
            if (squared >= reach || !scan_one(&q, left[i]))
                continue;
            struct best one = {.id = columns.id[left[i]], .distance_metres = (uint32_t)sqrt((double)squared)};
            one.key = q.in_order ? order_of(&q, left[i], squared) : 0;
            uint32_t place = found < OPTIONS ? found++ : OPTIONS;
            for (; place > 0 && before(&one, &best[place - 1]); place--)
                if (place < OPTIONS)
                    best[place] = best[place - 1];
            if (place < OPTIONS)
                best[place] = one;
            uint64_t worst = found == OPTIONS ? best[OPTIONS - 1].distance_metres + UINT64_C(1) : 0;
            if (worst != 0 && !q.in_order)
                reach = worst * worst;
        }
    }
    return found;
}

/* --- the questions ------------------------------------------------------------------------------------------------ */

/* One code that the home has, or (for what it must not have) hasn't; 0 when there is none such. */
static uint32_t one_of(uint32_t codes)
{
    uint32_t skip = codes ? pick((uint32_t)__builtin_popcount(codes)) : 0;
    for (; skip > 0; skip--)
        codes &= codes - 1;
    return codes & -codes;
}

/* A question that this offer meets, with so many things asked for. */
static void question_for(uint32_t i, uint32_t asked, struct criteria *c)
{
    uint32_t e, n, years = columns.years_below[i] - columns.years_from[i];
    random_point(&e, &n);
    fixture_criteria(c, e + pick(2000) - 1000, n + pick(2000) - 1000);
    c->unexplained = true;
    c->limit = OPTIONS;
    c->care_type = (enum care_type)__builtin_ctz(asked > 0 ? one_of(columns.care[i]) : columns.care[i]);
    c->child_count = asked > 3 && columns.room[i] > 1 && pick(2) ? columns.room[i] : 1;
    for (uint32_t child = 0; child < c->child_count; child++) {
        uint32_t age = columns.years_from[i] + (asked > 0 ? pick(years) : years / 2);
        c->children[child] = (struct child_sought){12 * (age < 17 ? age : 17), SEX_F};
        if (!(columns.sexes[i] >> SEX_F & 1) || (columns.sexes[i] >> SEX_M & 1 && pick(2)))
            c->children[child].sex = SEX_M;
    }
    for (uint32_t more = 0; more < asked; more++) {
        switch (pick(8)) {
        case 0:
        case 1:
            c->home_features |= one_of(columns.features[i]);
            break;
        case 2:
        case 3:
        case 4:
            c->risks |= one_of(~columns.cannot[i] & ((1u << RISK_END) - 2));
            break;
        case 5:
            c->no_pets |= one_of(~columns.pets[i] & ((1u << PET_END) - 2));
            break;
        case 6:
            c->skills |= 1u << (1 + pick(SKILL_END - 1));
            break;
        case 7:
            if (columns.at_home[i] == 0 && pick(2))
                c->alongside = ALONGSIDE_SOLO;
            else if (columns.from[i] <= FIXTURE_DAY + 30 && columns.until[i] >= FIXTURE_DAY + 30)
                c->starts_on = FIXTURE_DAY + 30;
            break;
        }
    }
}

/* Half a decade each; BINS: outside. */
static uint32_t bin_of(double selectivity)
{
    double bin = floor(2 * (log10(0.3) - log10(selectivity)));
    return selectivity > 0.3 ? BINS : bin < BINS ? (uint32_t)bin : BINS - 1;
}

/* How much is asked for is drawn for a bin that still lacks some, and follows what came of it before. */
static void make_questions(struct criteria *questions, uint32_t wanted, uint32_t in_bin[BINS])
{
    uint32_t count = 0, most = (wanted + BINS - 1) / BINS, bin = 0;
    double asked_in[BINS];
    for (uint32_t i = 0; i < BINS; i++)
        asked_in[i] = i;
    for (uint32_t tries = 0; count < wanted && tries < 400 * wanted; tries++) {
        uint32_t i = pick(SAMPLE), target = pick(BINS), asked = (uint32_t)asked_in[target] + pick(3);
        struct criteria *c = &questions[count];
        if (!columns.vacant[i] || columns.room[i] == 0 || in_bin[target] >= most)
            continue;
        question_for(i, asked, c);
        uint32_t in_part = scan_count(c, 0, FIRST_PART);
        bin = bin_of((in_part + 0.1) / FIRST_PART);
        if (in_part < 300 && (bin + 2 >= target && bin <= target + 2)) {
            uint32_t in_all = in_part + scan_count(c, FIRST_PART, SAMPLE - FIRST_PART);
            bin = in_all == 0 ? BINS : bin_of((double)in_all / SAMPLE);
        }
        if (bin != BINS && in_bin[bin] < most && (in_part >= 300 || (bin + 2 >= target && bin <= target + 2))) {
            in_bin[bin]++;
            count++;
        }
        asked_in[target] += bin != BINS && bin < target ? 0.05 : bin > target && asked_in[target] > 0 ? -0.05 : 0;
    }
    if (count < wanted) {
        fprintf(stderr, "bench_match: only %u of %u questions found:", count, wanted);
        for (uint32_t i = 0; i < BINS; i++)
            fprintf(stderr, " %u", in_bin[i]);
        fprintf(stderr, "\n");
        exit(2);
    }
    for (uint32_t i = count - 1; i > 0; i--) { /* mixed */
        uint32_t other = pick(i + 1);
        struct criteria kept = questions[i];
        questions[i] = questions[other];
        questions[other] = kept;
    }
}

/* --- measuring ------------------------------------------------------------------------------------------------------
 */

static bool as_json, first_figure = true;

static void tell(const char *name, double value, const char *unit)
{
    if (as_json)
        printf("%s\"%s_%s\": %.2f", first_figure ? "{" : ", ", name, unit, value);
    else
        printf("%-46s %12.2f %s\n", name, value, unit);
    first_figure = false;
    fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts them. */
static void tell_samples(const char *name, double *samples, size_t count, double mean_us)
{
    char full[64];
    qsort(samples, count, sizeof *samples, by_value);
    snprintf(full, sizeof full, "%s_p50", name);
    tell(full, samples[count / 2], "us");
    snprintf(full, sizeof full, "%s_p99", name);
    tell(full, samples[count * 99 / 100], "us");
    snprintf(full, sizeof full, "%s_mean", name);
    tell(full, mean_us, "us");
}

static void load(struct match *match, uint32_t offers)
{
    struct fixture_batch batch;
    struct offer offer;
    for (int i = 0; i < AGENCIES; i++) {
        char id[AGENCY_ID_BYTES];
        snprintf(id, sizeof id, "agency-%d", i);
        fixture_begin(&batch);
        fixture_agency(&batch, id, true);
        fixture_commit(&batch, match, 1);
    }
    double begin = now_us(), made_us = 0;
    for (uint32_t i = 0; i < SAMPLE;) {
        double made = now_us();
        fixture_begin(&batch);
        for (int in_batch = 0; in_batch < FIXTURE_BATCH && i < SAMPLE; in_batch++, i++) {
            random_offer(&offer, i + 1);
            columns_put(i, &offer);
            if (i < offers)
                fixture_put(&batch, i + 1, &offer);
        }
        made_us += now_us() - made;
        if (batch.commit.count > 0)
            fixture_commit(&batch, match, 2);
        else
            arena_finish(&batch.arena);
    }
    uint64_t held, bytes;
    match_stats(match, &held, &bytes);
    tell("offers", (double)held, "count");
    tell("load", (now_us() - begin - made_us) / 1e6, "s");
    tell("memory_per_offer", (double)bytes / (double)held, "octets");
}

struct bench {
    struct match *match;
    uint32_t offers, searches;
    struct criteria *questions;
    double *samples;
    struct arena *arena;
};

static struct search *search_through(struct match *match, const struct criteria *criteria, uint32_t *slot)
{
    const struct match_version *version = index_pin(match, slot);
    struct search *search = search_new(match, version, criteria);
    while (!search_run(search, UINT32_MAX, NULL))
        continue;
    return search;
}

static bool same(const struct search_list *list, const struct best *best, uint32_t count)
{
    bool all = list->count == count;
    for (uint32_t i = 0; all && i < count; i++)
        all = list->best[i].vacancy_id == best[i].id && list->best[i].distance_metres == best[i].distance_metres;
    return all;
}

/* Each question PASSES times over, one pass after the other; its best time counts, as the machine has other work.
 * Returns the mean by this thread's own time. */
static double measure_passes(const struct bench *bench, void (*ask)(const struct bench *bench, uint32_t question))
{
    double begin_us = cpu_us();
    for (uint32_t pass = 0; pass < PASSES; pass++) {
        for (uint32_t i = 0; i < bench->searches; i++) {
            double begin = now_us();
            ask(bench, i);
            double taken = now_us() - begin;
            bench->samples[i] = pass == 0 || taken < bench->samples[i] ? taken : bench->samples[i];
        }
    }
    return (cpu_us() - begin_us) / PASSES / bench->searches;
}

static void ask_search(const struct bench *bench, uint32_t question)
{
    uint32_t slot;
    search_free(search_through(bench->match, &bench->questions[question], &slot));
    index_unpin(bench->match, slot);
}

static void ask_answer(const struct bench *bench, uint32_t question)
{
    struct answer answer;
    if (match_find(bench->match, &bench->questions[question], UINT32_MAX, bench->arena, &answer, NULL))
        abort();
    arena_reset(bench->arena);
}

/* Searches and scans, answer against answer. */
static void measure_searches(const struct bench *bench, const char *order)
{
    char name[48];
    uint32_t slot, differed = 0;
    for (uint32_t i = 0; i < bench->searches; i++)
        if (!criteria_order(&bench->questions[i], order))
            abort();
    snprintf(name, sizeof name, "search_%s", order);
    double search_us = measure_passes(bench, ask_search), scan_us = 0;
    tell_samples(name, bench->samples, bench->searches, search_us);
    for (uint32_t i = 0; i < bench->searches; i++) {
        struct best best[OPTIONS];
        double begin = now_us(), cpu_begin = cpu_us();
        uint32_t count = scan(&bench->questions[i], bench->offers, best);
        scan_us += cpu_us() - cpu_begin;
        bench->samples[i] = now_us() - begin;
        struct search *search = search_through(bench->match, &bench->questions[i], &slot);
        differed += !same(search_options(search), best, count);
        search_free(search);
        index_unpin(bench->match, slot);
    }
    snprintf(name, sizeof name, "scan_%s", order);
    scan_us /= bench->searches;
    tell_samples(name, bench->samples, bench->searches, scan_us);
    snprintf(name, sizeof name, "throughput_of_scan_%s", order);
    tell(name, scan_us / search_us, "times");
    if (differed > 0) {
        fprintf(stderr, "bench_match: %u answers differ from the scan's\n", differed);
        exit(1);
    }
}

/* Those with too few options, explained: each whole, and its longest turn. */
static void measure_whys(const struct bench *bench)
{
    uint32_t measured = 0;
    double longest_us = 0, begin_us = cpu_us(), whole_cpu_us = 0;
    for (uint32_t i = 0; i < bench->searches && measured < WHYS; i++) {
        struct criteria criteria = bench->questions[i];
        struct match_search *resume = NULL;
        struct answer answer;
        double whole_us = 0;
        criteria.unexplained = false;
        begin_us = cpu_us();
        do {
            double begin = now_us();
            if (match_find(bench->match, &criteria, WHY_BUDGET, bench->arena, &answer, &resume))
                abort();
            double turn_us = now_us() - begin;
            whole_us += turn_us;
            longest_us = turn_us > longest_us ? turn_us : longest_us;
        } while (resume != NULL);
        if (answer.explained) {
            bench->samples[measured++] = whole_us;
            whole_cpu_us += cpu_us() - begin_us;
        }
        arena_reset(bench->arena);
    }
    if (measured == 0)
        return;
    tell_samples("why_few", bench->samples, measured, whole_cpu_us / measured);
    tell("why_few_longest_turn", longest_us, "us");
}

static double publish_one(const struct bench *bench, uint64_t sequence)
{
    struct fixture_batch batch;
    struct offer offer;
    uint64_t reference = 1 + pick(bench->offers);
    random_offer(&offer, reference);
    fixture_begin(&batch);
    fixture_put(&batch, reference, &offer);
    double begin = now_us();
    fixture_commit(&batch, bench->match, sequence);
    return now_us() - begin;
}

static void measure_publications(const struct bench *bench)
{
    double *samples = get_memory(PUBLISHES * sizeof *samples), sum_us = 0;
    for (size_t i = 0; i < PUBLISHES; i++)
        sum_us += samples[i] = publish_one(bench, 3 + i);
    tell_samples("publish", samples, PUBLISHES, sum_us / PUBLISHES);
    free(samples);
}

struct side {
    const struct bench *bench;
    _Atomic bool stop;
    uint64_t done;
    double busy_us;
};

static void *publish_on(void *argument)
{
    struct side *side = argument;
    double until = now_us() + MEASURED_MS * 1000.0;
    for (; now_us() < until && !atomic_load(&side->stop); side->done++)
        side->busy_us += publish_one(side->bench, 100000 + side->done);
    return NULL;
}

static void *search_on(void *argument)
{
    struct side *side = argument;
    double begin = now_us();
    for (; now_us() < begin + MEASURED_MS * 1000.0 && !atomic_load(&side->stop); side->done++) {
        uint32_t slot;
        search_free(
            search_through(side->bench->match, &side->bench->questions[side->done % side->bench->searches], &slot));
        index_unpin(side->bench->match, slot);
    }
    side->busy_us = now_us() - begin;
    return NULL;
}

/* Each alone, then both at full rate on a core each. An update's rate is that of publications alone, without what makes
 * its offer up. */
static void measure_both(const struct bench *bench)
{
    struct side updates = {.bench = bench}, searches = {.bench = bench}, updates_too = {.bench = bench},
                searches_too = {.bench = bench};
    pthread_t thread;
    publish_on(&updates);
    search_on(&searches);
    if (pthread_create(&thread, NULL, publish_on, &updates_too))
        abort();
    search_on(&searches_too);
    pthread_join(thread, NULL);
    tell("updates_alone", 1e6 * (double)updates.done / updates.busy_us, "a_second");
    tell("updates_while_searching", 1e6 * (double)updates_too.done / updates_too.busy_us, "a_second");
    tell("searches_alone", 1e6 * (double)searches.done / searches.busy_us, "a_second");
    tell("searches_while_updating", 1e6 * (double)searches_too.done / searches_too.busy_us, "a_second");
}

int main(int argc, char **argv)
{
    struct arena arena;
    struct bench bench = {.offers = 100000, .searches = 10000, .arena = &arena};
    uint32_t in_bin[BINS] = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            as_json = true;
        else if (strcmp(argv[i], "--offers") == 0 && i + 1 < argc)
            bench.offers = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--searches") == 0 && i + 1 < argc)
            bench.searches = (uint32_t)strtoul(argv[++i], NULL, 10);
    }
    if (bench.offers < 1 || bench.offers > SAMPLE || bench.searches < BINS) {
        fprintf(stderr, "usage: bench_match [--offers N, up to %u] [--searches N] [--json]\n", SAMPLE);
        return 2;
    }
    bench.questions = get_memory((bench.searches + 1) * sizeof *bench.questions);
    bench.samples = get_memory(bench.searches * sizeof *bench.samples);
    arena_init(&arena, (size_t)4 << 20);
    columns_new(SAMPLE);
    bench.match = match_create(NULL, FIXTURE_REGION);
    load(bench.match, bench.offers);
    make_questions(bench.questions, bench.searches, in_bin);
    for (uint32_t bin = 0; bin < BINS; bin++) {
        char name[48];
        snprintf(name, sizeof name, "questions_down_to_%.1e", 0.3 * pow(10, -0.5 * (bin + 1)));
        tell(name, in_bin[bin], "count");
    }
    measure_searches(&bench, "nearest");
    measure_searches(&bench, "default");
    double answer_us = measure_passes(&bench, ask_answer);
    tell_samples("answer_default", bench.samples, bench.searches, answer_us);
    measure_whys(&bench);
    measure_publications(&bench);
    measure_both(&bench);
    if (as_json)
        printf("}\n");
    match_destroy(bench.match);
    arena_finish(&arena);
    return 0;
}
