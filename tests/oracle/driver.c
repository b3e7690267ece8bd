/*
 * driver.c - feeds the same facts to match, as the hub does (record -> offer -> octets -> commit -> observer), and to
 * the oracle, asks both the same questions and compares all of the answer: options in order, distances, how many
 * children, every reason's outcome, what was removed by which rule, the regions' positions. The facts are of several
 * regions, whose agencies' ids, carers' references and (some) vacancies' ids are the same, and whose logs come
 * interleaved.
 *
 * tier: check
 *
 * SEED=n repeats a run; CHECK_SCALE scales the number of (register, question) pairs, 200,000 at 1. Quotas: each rule,
 * each override and each other thing in `things` must decide in at least QUOTA_PER_1000 of the pairs.
 */
#include "daemon/match/match.h"
#include "tests/oracle/oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAIRS            200000
#define PAIRS_A_REGISTER 250
#define HOMES_MOST       320
#define LARGE_HOMES      100000
#define LARGE_QUESTIONS  200
#define QUOTA_PER_1000   3
#define ARENA_BYTES      ((size_t)8 << 20)

enum {
    DECIDED,                   /* + rule: failed alone */
    LIFTED = DECIDED + RULES,  /* + rule: an option has it overridden */
    LANGUAGE = LIFTED + RULES, /* + MET, NOT_MET, NOT_KNOWN */
    SKILL = LANGUAGE + 4,
    TIE = SKILL + 4,
    TIE_OF_REGIONS, /* the vacancy's id is the same as well */
    PART_TAKEN,
    RESUMED,
    THINGS
};

static long tally[THINGS];

/* The first is at home; not in the order of their codes. */
static const char *const region_codes[] = {"E12000003", "E12000008", "E12000001", "E12000006", "E12000009",
                                           "E12000002", "E12000005", "E12000007", "E12000004"};
#define REGIONS_MOST ((int)(sizeof region_codes / sizeof region_codes[0]))

struct register_side {
    struct country country;
    struct agency_fact *agencies;
    struct home_fact *homes;
    int home_count;
    struct match *match;
    u64 sequences[REGIONS_MOST];
    u64 next_references[REGIONS_MOST];
};

static void __attribute__((noreturn, format(printf, 1, 2))) mismatch(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    printf("oracle: 1 failed\n");
    fflush(stdout);
    _exit(1);
}

/* --- facts as records ------------------------------------------------------------------------------------------ */

static date_days day(const char *text)
{
    date_days out = DATE_NONE;
    if (*text && !date_parse(text, &out))
        mismatch("the generator made a date that isn't one: %s", text);
    return out;
}

static uint8_t sex_code(char sex)
{
    return sex == 'M' ? SEX_M : sex == 'F' ? SEX_F : sex == 'U' ? SEX_U : SEX_ANY;
}

static uint32_t mask(const bool *set, int count)
{
    uint32_t bits = 0;
    for (int i = 1; i < count; i++)
        bits |= (uint32_t)set[i] << i;
    return bits;
}

static void carer_of(const struct register_side *side, const struct home_fact *h, struct carer *out)
{
    *out = (struct carer){
        .terms = {.max_children = (uint32_t)h->max_children,
                  .max_children_if_siblings = (uint32_t)(h->max_if_siblings ? h->max_if_siblings : h->max_children),
                  .age_from_months = (uint32_t)h->from_months,
                  .age_below_months = (uint32_t)h->below_months,
                  .care_types = mask(h->care, CARE_TYPES),
                  .sex = sex_code(h->sex),
                  .named_child_only = h->named_child_only},
        .approved_on = day(h->approved_on),
        .approval_ends_on = day(h->approval_ends_on),
        .places = (uint32_t)h->places,
        .bedrooms = (uint32_t)h->bedrooms,
        .room_sharing = (uint8_t)h->sharing,
        .cell = {.authority = "E08000035",
                 .square_e_km = (uint32_t)h->square_e_km,
                 .square_n_km = (uint32_t)h->square_n_km,
                 .size_km = (uint32_t)h->size_km,
                 .point_e_metres = (uint32_t)h->point_e,
                 .point_n_metres = (uint32_t)h->point_n,
                 .area = "Leeds, LS6"},
        .home_features = mask(h->features, FEATURES),
        .pets = mask(h->pets, PETS),
        .cannot_take = mask(h->cannot_take, RISKS),
        .skills = mask(h->skills, SKILLS),
        .language_count = (uint32_t)h->language_count,
        .status = h->ended ? CARER_ENDED : CARER_APPROVED,
    };
    snprintf(out->agency, sizeof out->agency, "%s", side->agencies[h->agency].id);
    for (int i = 0; i < h->language_count; i++) {
        snprintf(out->languages[i].tag, sizeof out->languages[i].tag, "%s", h->languages[i]);
        out->languages[i].level = 2;
    }
    for (int i = 0; i < h->child_count; i++) {
        uint8_t band = (uint8_t)(h->children[i].years_from / 3 + 1), sex = sex_code(h->children[i].sex);
        if (h->children[i].placed)
            out->placed[out->placed_count++] =
                (struct placed_child){band, sex, (uint8_t)h->children[i].sibling_group, "E08000035"};
        else
            out->household[out->household_count++] = (struct household_child){band, sex};
    }
}

static void vacancy_of(const struct home_fact *h, const struct carer *carer, struct vacancy *out)
{
    *out = (struct vacancy){0};
    if (!h->live)
        return;
    *out = (struct vacancy){
        .vacancy_id = h->vacancy,
        .observed_at_ms = h->confirmed_ms,
        .confirmed_at_ms = h->confirmed_ms,
        .stated = h->state == 'V'   ? VACANCY_VACANT
                  : h->state == 'R' ? VACANCY_RESERVED
                                    : VACANCY_NOT_AVAILABLE,
        .reason = (uint8_t)h->reason,
        .sex = sex_code(h->narrowed_sex),
        .beds = (uint32_t)h->beds,
        .care_types = h->narrows_care ? mask(h->narrowed_care, CARE_TYPES) : 0,
        .from = day(h->from),
        .until = day(h->until),
        .reserved_until = day(h->reserved_until),
        .age_from_months = (uint32_t)h->narrowed_from_months,
        .age_below_months = (uint32_t)h->narrowed_below_months,
        .sibling_group_only = h->sibling_group_only,
    };
    out->state = h->lapsed ? VACANCY_LAPSED : out->stated;
    out->valid_until_ms = h->confirmed_ms + vacancy_ttl_ms(carer, out);
}

static void criteria_of(const struct question *q, struct criteria *out)
{
    *out = (struct criteria){
        .near_e_metres = (uint32_t)q->near_e,
        .near_n_metres = (uint32_t)q->near_n,
        .child_count = (uint32_t)q->child_count,
        .care_type = (enum care_type)q->care,
        .starts_on = day(q->starts_on),
        .grouping = q->split ? GROUPING_SPLIT : GROUPING_TOGETHER,
        .alongside = (enum alongside)q->beside,
        .home_features = mask(q->features, FEATURES),
        .risks = mask(q->risks, RISKS),
        .no_pets = mask(q->no_pets, PETS),
        .skills = mask(q->skills, SKILLS),
        .avoided_count = (uint32_t)q->avoided_count,
        .language_count = (uint32_t)q->language_count,
        .within_metres = (uint32_t)q->within,
        .limit = (uint32_t)q->limit,
        .overrides = mask(q->lifts, LIFTS),
        .as_of_ms = q->as_of_ms,
    };
    for (int i = 0; i < q->child_count; i++)
        out->children[i] = (struct child_sought){(uint32_t)q->children[i].months, sex_code(q->children[i].sex)};
    for (int i = 0; i < q->avoided_count; i++)
        out->avoided[i] =
            (struct avoided){(uint32_t)q->avoided[i].e, (uint32_t)q->avoided[i].n, (uint32_t)q->avoided[i].radius};
    for (int i = 0; i < q->language_count; i++)
        snprintf(out->languages[i], sizeof out->languages[i], "%s", q->languages[i]);
}

/* --- commits --------------------------------------------------------------------------------------------------- */

/* Changes of one region, not yet committed. */
struct batch {
    struct arena arena;
    struct change changes[64];
    struct commit commit;
    int region; /* -1: none begun */
};

static void batch_add(struct batch *batch, enum log_table table, const void *key, size_t key_bytes,
                      const struct octets *value)
{
    uint8_t *copy = arena_alloc(&batch->arena, key_bytes);
    if (copy == NULL)
        mismatch("out of arena");
    memcpy(copy, key, key_bytes);
    batch->changes[batch->commit.count++] =
        (struct change){.table = table, .key = {copy, key_bytes}, .deleted = value == NULL, .value = {NULL, 0}};
    if (value)
        batch->changes[batch->commit.count - 1].value = *value;
}

static void batch_commit(struct batch *batch, struct register_side *side, bool more)
{
    struct commit_observer observer = match_observer(side->match);
    if (batch->region < 0)
        return;
    batch->commit.epoch = 1;
    batch->commit.sequence = ++side->sequences[batch->region];
    batch->commit.more = more;
    observer.committed(observer.ctx, &batch->commit);
    arena_finish(&batch->arena);
    batch->region = -1;
}

/* Room for two more changes of this region. */
static void batch_for(struct batch *batch, struct register_side *side, int region)
{
    if (batch->region == region && batch->commit.count + 2 > sizeof batch->changes / sizeof batch->changes[0])
        batch_commit(batch, side, true);
    else if (batch->region != region)
        batch_commit(batch, side, false);
    if (batch->region == region)
        return;
    arena_init(&batch->arena, (size_t)1 << 20);
    batch->commit = (struct commit){.region = region_codes[region], .changes = batch->changes};
    batch->region = region;
}

static int region_of(const struct register_side *side, const struct home_fact *h)
{
    return side->agencies[h->agency].region;
}

static void batch_home(struct batch *batch, struct register_side *side, const struct home_fact *h)
{
    batch_for(batch, side, region_of(side, h));
    struct home_carer home = {.national_reference = h->reference};
    struct offer offer;
    struct octets octets;
    uint8_t key[8];
    carer_of(side, h, &home.carer);
    vacancy_of(h, &home.carer, &home.vacancy);
    for (int i = 0; i < 8; i++)
        key[i] = (uint8_t)(h->reference >> (56 - 8 * i));
    if (!offer_derive(&home, &offer)) {
        batch_add(batch, LOG_TABLE_OFFER, key, sizeof key, NULL);
        return;
    }
    if (offer_encode(&offer, &batch->arena, &octets))
        mismatch("offer_encode");
    batch_add(batch, LOG_TABLE_OFFER, key, sizeof key, &octets);
}

static void batch_agency(struct batch *batch, struct register_side *side, const struct agency_fact *fact)
{
    batch_for(batch, side, fact->region);
    struct agency agency = {.name = "An agency", .kind = AGENCY_INDEPENDENT, .phone = "0113 000 0000"};
    struct octets octets;
    agency.status = fact->suspended ? AGENCY_SUSPENDED : AGENCY_ACTIVE;
    snprintf(agency.id, sizeof agency.id, "%s", fact->id);
    if (!fact->known) {
        batch_add(batch, LOG_TABLE_AGENCY, fact->id, strlen(fact->id), NULL);
        return;
    }
    if (agency_encode(&agency, &batch->arena, &octets))
        mismatch("agency_encode");
    batch_add(batch, LOG_TABLE_AGENCY, fact->id, strlen(fact->id), &octets);
}

/* Another one's place and vacancy id, if that is of another region: then the region alone tells them apart. */
static void copy_place(struct chance *chance, const struct register_side *side, int made, struct home_fact *home)
{
    const struct home_fact *other = &side->homes[chance_below(chance, made)];
    if (region_of(side, other) == region_of(side, home))
        return;
    home->square_e_km = other->square_e_km;
    home->square_n_km = other->square_n_km;
    home->size_km = other->size_km;
    home->point_e = other->point_e;
    home->point_n = other->point_n;
    home->vacancy = other->vacancy;
}

/* A new carer's home, registered with some agency. */
static void home_comes(struct chance *chance, struct register_side *side, int made, struct home_fact *home)
{
    generate_home(chance, &side->country, 0, home);
    home->reference = ++side->next_references[region_of(side, home)];
    if (chance_percent(chance, 15))
        copy_place(chance, side, made, home);
}

static void agencies_create(struct chance *chance, struct register_side *side)
{
    for (int i = 0; i < side->country.agencies; i++) {
        struct agency_fact *agency = &side->agencies[i];
        agency->region = i % side->country.regions;
        snprintf(agency->id, sizeof agency->id, "agency-%d", i / side->country.regions * 7919 % 1000);
        agency->known = !chance_percent(chance, 3);
        agency->suspended = chance_percent(chance, 8);
    }
}

/* Each region's homes in their order, but the regions interleaved, one or many at a time. */
static void feed_homes(struct chance *chance, struct register_side *side, struct batch *batch)
{
    int next[REGIONS_MOST] = {0};
    for (int left = side->home_count; left > 0;) {
        int region = chance_below(chance, side->country.regions), most = 1 + chance_below(chance, 200);
        for (; next[region] < side->home_count && most > 0; next[region]++) {
            if (region_of(side, &side->homes[next[region]]) != region)
                continue;
            batch_home(batch, side, &side->homes[next[region]]);
            most--;
            left--;
        }
    }
    batch_commit(batch, side, false);
}

static void register_create(struct chance *chance, struct register_side *side, int homes)
{
    struct batch batch = {.region = -1};
    side->home_count = homes;
    side->homes = calloc((size_t)homes, sizeof *side->homes);
    side->agencies = calloc((size_t)side->country.agencies, sizeof *side->agencies);
    side->match = match_create(NULL, region_codes[0]);
    if (side->homes == NULL || side->agencies == NULL)
        mismatch("out of memory");
    agencies_create(chance, side);
    for (int i = 0; i < side->country.agencies; i++)
        batch_agency(&batch, side, &side->agencies[i]);
    for (int i = 0; i < homes; i++)
        home_comes(chance, side, i + 1, &side->homes[i]);
    feed_homes(chance, side, &batch);
}

static void register_destroy(struct register_side *side)
{
    match_destroy(side->match);
    free(side->homes);
    free(side->agencies);
}

/* A few pushes, those of one region that follow each other in one commit: new vacancies, homes that move, leave or
 * come, agencies suspended. */
static void register_change(struct chance *chance, struct register_side *side)
{
    struct batch batch = {.region = -1};
    for (int left = 1 + chance_below(chance, 6); left > 0; left--) {
        struct home_fact *home = &side->homes[chance_below(chance, side->home_count)], before = *home;
        struct agency_fact *agency = &side->agencies[chance_below(chance, side->country.agencies)];
        switch (chance_below(chance, 8)) {
        case 0:
            agency->suspended = chance_percent(chance, 10);
            agency->known = !chance_percent(chance, 3);
            batch_agency(&batch, side, agency);
            break;
        case 1: /* the carer leaves, another comes */
            before.ended = true;
            batch_home(&batch, side, &before);
            home_comes(chance, side, side->home_count, home);
            batch_home(&batch, side, home);
            break;
        case 2: /* all is new but who registers it */
            generate_home(chance, &side->country, before.reference, home);
            if (region_of(side, home) != region_of(side, &before))
                home->agency = before.agency;
            batch_home(&batch, side, home);
            break;
        default:
            generate_vacancy(chance, home);
            if (chance_percent(chance, 15))
                copy_place(chance, side, side->home_count, home);
            batch_home(&batch, side, home);
            break;
        }
    }
    batch_commit(&batch, side, false);
}

/* --- one question ---------------------------------------------------------------------------------------------- */

struct found {
    const struct home_fact *home;
    const char *region;
    struct opinion opinion;
};

struct expectation {
    struct found *found;
    int count, considered; /* phone_first, those whose confirmation has run out, come last */
    int phone_first;
    long failed[RULES], failed_alone[RULES];
    bool kinship_alone; /* a named-child approval would have suited */
};

static int by_distance(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->opinion.unconfirmed != y->opinion.unconfirmed)
        return x->opinion.unconfirmed ? 1 : -1;
    if (x->opinion.distance != y->opinion.distance)
        return x->opinion.distance < y->opinion.distance ? -1 : 1;
    if (x->home->vacancy != y->home->vacancy)
        return x->home->vacancy < y->home->vacancy ? -1 : 1;
    int order = strcmp(x->region, y->region);
    return order != 0 ? order : x->home->reference < y->home->reference ? -1 : 1;
}

static void expect(const struct register_side *side, const struct question *q, struct expectation *e)
{
    for (int i = 0; i < side->home_count; i++) {
        const struct home_fact *home = &side->homes[i];
        struct opinion opinion;
        oracle_judge(home, &side->agencies[home->agency], q, &opinion);
        if (!opinion.offered) {
            e->kinship_alone |= home->named_child_only && home->live && !home->ended && opinion.failed == 0;
            continue;
        }
        e->considered++;
        unsigned failed = opinion.failed | (opinion.unconfirmed ? 1u << 2 : 0); /* lifted or not */
        for (int rule = 1; rule < RULES; rule++) {
            e->failed[rule] += failed >> rule & 1;
            e->failed_alone[rule] += failed == 1u << rule;
        }
        e->phone_first += opinion.failed == 0 && opinion.unconfirmed;
        if (opinion.failed == 0)
            e->found[e->count++] = (struct found){home, region_codes[region_of(side, home)], opinion};
    }
    qsort(e->found, (size_t)e->count, sizeof *e->found, by_distance);
}

/* H1 to H14, the distance, S1 to S15: not as they are numbered. */
static const uint8_t reasons_in_order[] = {
    RULE_H1,  RULE_H2,  RULE_H3,  RULE_H4,  RULE_H5,       RULE_H6,         RULE_H7,       RULE_H8,
    RULE_H9,  RULE_H10, RULE_H11, RULE_H12, RULE_H13,      RULE_H14,        RULE_DISTANCE, RULE_S1,
    RULE_S2,  RULE_S3,  RULE_S4,  RULE_S5,  RULE_S6,       RULE_S7,         RULE_S8,       RULE_S9,
    RULE_S10, RULE_S11, RULE_S12, RULE_S13, RULE_S14_TIER, RULE_S14_RATING, RULE_S15};

static void compare_reasons(const struct option *option, const struct opinion *opinion, const char *where)
{
    unsigned lifted = 0;
    size_t place = 0;
    for (uint32_t i = 0; i < option->reason_count; i++) {
        const struct reason *reason = &option->reasons[i];
        while (place < sizeof reasons_in_order && reasons_in_order[place] != reason->rule)
            place++;
        if (place++ == sizeof reasons_in_order)
            mismatch("%s: reasons are not in the order of the rules", where);
        if (*reason->asked == '\0' || *reason->found == '\0')
            mismatch("%s: rule %d has no words", where, reason->rule);
        if (reason->outcome == RULE_OVERRIDDEN)
            lifted |= 1u << reason->rule;
        if (reason->rule == RULE_S5 && (int)reason->outcome != opinion->language)
            mismatch("%s: languages %d, not %d", where, reason->outcome, opinion->language);
        if (reason->rule == RULE_S7 && (int)reason->outcome != opinion->skill)
            mismatch("%s: skills %d, not %d", where, reason->outcome, opinion->skill);
        if (reason->rule == RULE_S5)
            tally[LANGUAGE + opinion->language]++;
        if (reason->rule == RULE_S7)
            tally[SKILL + opinion->skill]++;
    }
    if (lifted != opinion->lifted)
        mismatch("%s: overridden %x, not %x", where, lifted, opinion->lifted);
}

/* Of home, and of all regions that committed anything, by code. */
static void compare_positions(const struct register_side *side, const struct answer *answer, const char *where)
{
    uint32_t committed = 0;
    for (int i = 0; i < REGIONS_MOST; i++)
        committed += i == 0 || side->sequences[i] > 0;
    if (answer->position_count != committed)
        mismatch("%s: %u positions, not %u", where, answer->position_count, committed);
    for (uint32_t i = 0; i < committed; i++) {
        const struct region_position *position = &answer->positions[i];
        int region = 0;
        while (region < REGIONS_MOST && strcmp(region_codes[region], position->region) != 0)
            region++;
        if (region == REGIONS_MOST || position->epoch != (position->sequence > 0) ||
            position->sequence != side->sequences[region])
            mismatch("%s: region %s at %" PRIu64, where, position->region, position->sequence);
        if (i > 0 && strcmp(answer->positions[i - 1].region, position->region) >= 0)
            mismatch("%s: positions are not in the order of regions", where);
    }
}

struct noticed {
    unsigned lifted;
    bool part, tie, tie_of_regions;
};

static void compare_list(const struct register_side *side, const struct question *q, const struct option *options,
                         uint32_t option_count, const struct found *found, int found_count, const char *where,
                         struct noticed *noticed)
{
    int count = found_count < q->limit ? found_count : q->limit;
    if ((int)option_count != count)
        mismatch("%s: %u options, not %d", where, option_count, count);
    for (int i = 0; i < count; i++) {
        const struct option *option = &options[i];
        const struct home_fact *home = found[i].home;
        const struct opinion *opinion = &found[i].opinion;
        if (option->offer.vacancy_id != home->vacancy || option->national_reference != home->reference)
            mismatch("%s: option %d is another vacancy", where, i);
        if (option->distance_metres != (uint32_t)opinion->distance)
            mismatch("%s: option %d at %u m, not %ld", where, i, option->distance_metres, opinion->distance);
        if ((int)option->children_taken != opinion->taken || option->unconfirmed != opinion->unconfirmed)
            mismatch("%s: option %d takes %u, not %d; unconfirmed %d", where, i, option->children_taken, opinion->taken,
                     option->unconfirmed);
        if (strcmp(option->agency.id, side->agencies[home->agency].id) != 0 || *option->agency.phone == '\0')
            mismatch("%s: option %d has another agency", where, i);
        if (strcmp(option->region, found[i].region) != 0)
            mismatch("%s: option %d is of region %s, not %s", where, i, option->region, found[i].region);
        compare_reasons(option, opinion, where);
        noticed->lifted |= opinion->lifted;
        noticed->part |= opinion->taken < q->child_count;
        bool same_distance = i > 0 && found[i - 1].opinion.distance == opinion->distance;
        noticed->tie |= same_distance;
        noticed->tie_of_regions |= same_distance && found[i - 1].home->vacancy == home->vacancy;
    }
}

static void compare(const struct register_side *side, const struct question *q, const struct answer *answer,
                    const struct expectation *e, const char *where)
{
    int suiting = e->count - e->phone_first;
    struct noticed noticed = {0};
    compare_list(side, q, answer->options, answer->option_count, e->found, suiting, where, &noticed);
    compare_list(side, q, answer->phone_first, answer->phone_first_count, e->found + suiting, e->phone_first, where,
                 &noticed);
    compare_positions(side, answer, where);
    if (answer->explained != (suiting < q->limit))
        mismatch("%s: explained %d", where, answer->explained);
    if (answer->explained && answer->considered != (uint32_t)e->considered)
        mismatch("%s: considered %u, not %d", where, answer->considered, e->considered);
    for (int rule = 1; answer->explained && rule < RULES; rule++) {
        const struct rule_count *removed = &answer->removed[rule];
        if (removed->failed != e->failed[rule] || removed->failed_alone != e->failed_alone[rule])
            mismatch("%s: rule %d removed %u, alone %u; not %ld, %ld", where, rule, removed->failed,
                     removed->failed_alone, e->failed[rule], e->failed_alone[rule]);
        tally[DECIDED + rule] += e->failed_alone[rule] > 0;
    }
    for (int rule = 1; rule < RULES; rule++)
        tally[LIFTED + rule] += noticed.lifted >> rule & 1;
    tally[DECIDED + 14] += e->kinship_alone;
    tally[PART_TAKEN] += noticed.part;
    tally[TIE] += noticed.tie;
    tally[TIE_OF_REGIONS] += noticed.tie_of_regions;
}

static void ask(struct chance *chance, const struct register_side *side, struct arena *arena, struct found *found,
                const char *where)
{
    struct question q;
    struct criteria criteria;
    struct answer answer;
    struct match_search *resume = NULL;
    struct expectation e = {.found = found};
    generate_question(chance, &side->country, &q);
    criteria_of(&q, &criteria);
    uint32_t budget = chance_percent(chance, 50) ? UINT32_MAX : (uint32_t)chance_below(chance, 50);
    int turns = 0;
    do {
        enum err err = match_find(side->match, &criteria, budget, arena, &answer, &resume);
        if (err)
            mismatch("%s: match_find says %s", where, err_name(err));
    } while (resume && ++turns < 1000000);
    tally[RESUMED] += turns > 0;
    expect(side, &q, &e);
    compare(side, &q, &answer, &e, where);
    arena_reset(arena);
}

/* --- the run --------------------------------------------------------------------------------------------------- */

static const char *thing_name(int thing, char text[40])
{
    static const char *const outcomes[] = {"", "met", "not met", "not known"};
    if (thing < LIFTED)
        snprintf(text, 40, "rule %d alone", thing - DECIDED);
    else if (thing < LANGUAGE)
        snprintf(text, 40, "rule %d overridden", thing - LIFTED);
    else if (thing < TIE)
        snprintf(text, 40, "%s %s", thing < SKILL ? "language" : "skills", outcomes[(thing - LANGUAGE) % 4]);
    else
        snprintf(text, 40, "%s",
                 thing == TIE              ? "tie"
                 : thing == TIE_OF_REGIONS ? "tie of regions"
                 : thing == PART_TAKEN     ? "part of the group"
                                           : "resumed");
    return text;
}

static bool thing_counts(int thing)
{
    static const bool liftable[RULES] = {
        [2] = true, [3] = true, [4] = true, [5] = true, [7] = true, [11] = true, [13] = true};
    if (thing < LIFTED)
        return thing - DECIDED >= 1 && thing - DECIDED <= WITHIN;
    if (thing < LANGUAGE)
        return liftable[thing - LIFTED];
    return thing != LANGUAGE && thing != SKILL;
}

static int check_quotas(long pairs)
{
    int missed = 0;
    char text[40];
    for (int thing = 0; thing < THINGS; thing++) {
        if (!thing_counts(thing))
            continue;
        bool enough = tally[thing] * 1000 >= pairs * QUOTA_PER_1000;
        printf("  %-22s %8ld%s\n", thing_name(thing, text), tally[thing], enough ? "" : "  BELOW QUOTA");
        missed += !enough;
    }
    return missed;
}

static long run_small(struct chance *chance, long pairs)
{
    static struct found found[HOMES_MOST];
    struct arena arena;
    long asked = 0;
    arena_init(&arena, ARENA_BYTES);
    while (asked < pairs) {
        struct register_side side = {0};
        generate_country(chance, &side.country);
        register_create(chance, &side, 10 + chance_below(chance, chance_percent(chance, 80) ? 70 : HOMES_MOST - 10));
        for (int i = 0; i < PAIRS_A_REGISTER && asked < pairs; i++) {
            char where[64];
            snprintf(where, sizeof where, "register %ld question %d", asked / PAIRS_A_REGISTER, i);
            if (chance_percent(chance, 40))
                register_change(chance, &side);
            ask(chance, &side, &arena, found, where);
            asked++;
        }
        register_destroy(&side);
    }
    arena_finish(&arena);
    return asked;
}

/* A register of all England's size and more, against the same oracle over every home. */
static long run_large(struct chance *chance, double scale)
{
    int homes = scale < 1 ? (int)(LARGE_HOMES * scale) + 1000 : LARGE_HOMES;
    struct register_side side = {
        .country = {.west = 130000, .south = 10000, .width = 520000, .regions = REGIONS_MOST, .agencies = 465}};
    struct found *found = calloc((size_t)homes, sizeof *found);
    struct arena arena;
    if (found == NULL)
        mismatch("out of memory");
    arena_init(&arena, ARENA_BYTES);
    register_create(chance, &side, homes);
    int i = 0;
    for (; i < LARGE_QUESTIONS; i++) {
        char where[64];
        snprintf(where, sizeof where, "large register, question %d", i);
        register_change(chance, &side);
        ask(chance, &side, &arena, found, where);
    }
    arena_finish(&arena);
    register_destroy(&side);
    free(found);
    return i;
}

int main(void)
{
    const char *seed_text = getenv("SEED"), *scale_text = getenv("CHECK_SCALE");
    double scale = scale_text ? atof(scale_text) : 1;
    u64 seed = seed_text ? strtoull(seed_text, NULL, 0) : (u64)time(NULL) * 1000003 + (u64)getpid();
    struct chance chance = {seed};
    if (scale <= 0)
        scale = 1;
    printf("oracle: SEED=%llu\n", seed);
    fflush(stdout);
    long pairs = run_small(&chance, (long)(PAIRS * scale) + 1);
    int missed = check_quotas(pairs);
    pairs += run_large(&chance, scale);
    printf("oracle: %ld passed, 0 failed, %d quotas missed\n", pairs, missed);
    return missed ? 1 : 0;
}
