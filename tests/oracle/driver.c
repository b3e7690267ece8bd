/*
 * driver.c - feeds the same facts to match, as the hub does, and to the oracle, asks both the same questions and
 * compares all of the answer: options in order, "phone first", distances, how many children, every reason's outcome,
 * what was removed by which rule, relaxations, splits, the regions' positions; and explains single vacancies. Between
 * questions the register changes. Beside that it holds match to what no single answer shows: more vacancies and less
 * strict questions lose no option, and the order in which regions' commits came is nowhere to be seen.
 *
 * tier: check
 *
 * A comparison is one question against a whole register, answer against answer. CHECK_TIER says how many (check
 * 300,000, long 1,750,000, night as long), times CHECK_SCALE; on top come explained vacancies, property checks and a
 * register of England's size. SEED=n repeats a run; SEED=n REGISTER=m the small register m of it alone. Quotas: every
 * rule, override, SHOULD's outcome, step of an order and other thing of THINGS must decide in a part of the
 * comparisons, or the run fails.
 */
#include "tests/oracle/feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_CHECK      300000
#define PAIRS_LONG       1750000
#define PAIRS_A_REGISTER 100
#define HOMES_MOST       320
#define LARGE_HOMES      100000
#define LARGE_QUESTIONS  200
#define ARENA_BYTES      ((size_t)32 << 20)
#define MUSTS            (WITHIN + 1)
#define UNLIMITED        100 /* the contract's most; registers of the property checks have fewer that suit */

/* What must have been seen to decide, and how often: each this many times in 100,000 comparisons. */
enum {
    ALONE,                           /* + rule: failed alone */
    LIFTED = ALONE + MUSTS,          /* + rule: an option has it overridden */
    SHOULD = LIFTED + MUSTS,         /* + 4 * rule + outcome, of an option */
    STEP = SHOULD + 4 * RULES,       /* + step: decides between two neighbours of an answer */
    EXPLAINED = STEP + STEPS,        /* + 4 * rule + (failed, met, overridden) of a vacancy explained */
    RELAXED = EXPLAINED + 4 * MUSTS, /* + rule: in a relaxation */
    HELD = RELAXED + MUSTS,          /* + rule: fails for the beds that teams hold, and for nothing else */
    BY_DISTANCE = HELD + MUSTS,      /* decides between two neighbours */
    TIE,                             /* the vacancy's id does */
    TIE_OF_REGIONS,                  /* its region does */
    PART_TAKEN,
    RESUMED,
    PHONE_FIRST,
    PHONE_FIRST_ORDER, /* a step decides there */
    RELAXED_ALONE,
    RELAXED_PAIR,
    SPLIT_IN_2,
    SPLIT_IN_3,
    SPLIT_CHOSEN, /* there were more ways than one */
    AHEAD,        /* a vacancy is explained that others come before */
    NOT_FOUND,
    THINGS
};

static long tally[THINGS];
static long explained, properties;

/* --- what is expected ------------------------------------------------------------------------------------------ */

struct relaxed {
    int rules[2];
    long count, nearest;
};

struct expectation {
    struct found *options, *phone_first; /* all there are, best first */
    int option_count, phone_first_count, considered;
    long failed[MUSTS], failed_alone[MUSTS];
    struct relaxed relaxed[MUSTS][MUSTS]; /* [rule][0] alone */
    bool kinship_alone;                   /* a named-child approval would have suited */
    bool all_together;                    /* some home takes all children */
    unsigned failed_for_held;             /* some home these rules, but for the beds that teams hold */
};

static const struct question *sorting;

static int in_order(const void *a, const void *b)
{
    return oracle_before(sorting, a, b) ? -1 : 1;
}

static void sort(const struct question *q, struct found *found, int count)
{
    sorting = q;
    qsort(found, (size_t)count, sizeof *found, in_order);
}

/* An offer whose confirmation has run out counts as removed, whether that is overridden or not. */
static unsigned removed_by(const struct opinion *opinion)
{
    return opinion->failed | (unsigned)opinion->unconfirmed << 2;
}

/* Of these rules together; the second may be 0. */
static void relax(struct expectation *e, unsigned rules, long distance)
{
    int first = __builtin_ctz(rules), second = rules & (rules - 1) ? __builtin_ctz(rules & (rules - 1)) : 0;
    struct relaxed *relaxed = &e->relaxed[first][second];
    if (relaxed->count == 0 || distance < relaxed->nearest)
        relaxed->nearest = distance;
    *relaxed = (struct relaxed){{first, second}, relaxed->count + 1, relaxed->nearest};
}

/* Nobody can relax a missing approval, vacancy or bed, nor once more what the request has overridden. */
static bool relaxable(const struct question *q, const struct opinion *opinion)
{
    bool lifted_already = opinion->unconfirmed && q->lifts[LIFT_UNCONFIRMED];
    return !(opinion->failed & 1u << 1) && !opinion->not_vacant && !opinion->no_bed && !lifted_already;
}

static void expect_relaxations(const struct found *found, const struct question *q, struct expectation *e)
{
    const unsigned h6 = 1u << 6;
    const struct opinion *together = &found->opinion;
    unsigned failed = removed_by(together);
    if (failed == 0 || !relaxable(q, together))
        return;
    if (!(failed & h6) && __builtin_popcount(failed) <= 2)
        relax(e, failed, together->distance);
    if (q->split || q->child_count == 1)
        return;
    struct question split = *q;
    struct opinion apart;
    split.split = true;
    oracle_judge(found->home, found->agency, &split, &apart);
    unsigned others = removed_by(&apart);
    if (relaxable(q, &apart) && __builtin_popcount(others) <= 1 && (failed & ~others) != 0)
        relax(e, others | h6, together->distance);
}

/* What speaks against a home with as many beds free, of which nobody holds any. */
static unsigned failed_with_none_held(const struct found *found, const struct question *q)
{
    struct home_fact home = *found->home;
    struct opinion opinion;
    home.beds -= home.held;
    home.places -= home.held;
    home.held = 0;
    oracle_judge(&home, found->agency, q, &opinion);
    return opinion.failed;
}

static void expect(const struct register_side *side, const struct question *q, struct expectation *e)
{
    for (int i = 0; i < side->home_count; i++) {
        struct found found = {.home = &side->homes[i], .agency = &side->agencies[side->homes[i].agency]};
        struct opinion *opinion = &found.opinion;
        oracle_judge(found.home, found.agency, q, opinion);
        if (!opinion->offered) {
            e->kinship_alone |=
                found.home->named_child_only && found.home->live && !found.home->ended && removed_by(opinion) == 0;
            continue;
        }
        e->considered++;
        if (found.home->held > 0)
            e->failed_for_held |= opinion->failed & ~failed_with_none_held(&found, q);
        unsigned removed = removed_by(opinion);
        for (int rule = 1; rule < MUSTS; rule++) {
            e->failed[rule] += removed >> rule & 1;
            e->failed_alone[rule] += removed == 1u << rule;
        }
        expect_relaxations(&found, q, e);
        if (!opinion->suits && !opinion->phone)
            continue;
        oracle_prefer(found.home, found.agency, q, opinion);
        if (opinion->suits)
            e->options[e->option_count++] = found;
        else
            e->phone_first[e->phone_first_count++] = found;
        e->all_together |= opinion->suits && opinion->taken == q->child_count;
    }
    sort(q, e->options, e->option_count);
    sort(q, e->phone_first, e->phone_first_count);
}

/* --- comparing ------------------------------------------------------------------------------------------------- */

static int expected_outcome(const struct opinion *opinion, int rule)
{
    if (opinion->withheld)
        return rule <= 2 && opinion->failed >> rule & 1 ? RULE_FAILED : RULE_OUTCOME_NONE;
    if (rule >= MUSTS || rule == S5 || rule == S7)
        return opinion->should[rule];
    if (!(opinion->asked >> rule & 1))
        return RULE_OUTCOME_NONE;
    return opinion->failed >> rule & 1 ? RULE_FAILED : opinion->lifted >> rule & 1 ? RULE_OVERRIDDEN : RULE_MET;
}

/* H1 to H14, the distance, S1 to S15: not as they are numbered. */
static const int reasons_in_order[] = {1,  2,  3,   4,      5,   6,   7,        8,          9,  10, 11,
                                       12, 13, 14,  WITHIN, S1,  S2,  S3,       S4,         S5, S6, S7,
                                       S8, S9, S10, S11,    S12, S13, S14_TIER, S14_RATING, S15};

static void compare_reasons(const struct option *option, const struct opinion *opinion, const char *where)
{
    int outcomes[RULES] = {0};
    size_t place = 0;
    for (uint32_t i = 0; i < option->reason_count; i++) {
        const struct reason *reason = &option->reasons[i];
        while (place < RULES - 1 && reasons_in_order[place] != (int)reason->rule)
            place++;
        if (place++ >= RULES - 1)
            mismatch("%s: reasons are not in the order of the rules", where);
        outcomes[reason->rule] = reason->outcome;
        if (*reason->asked == '\0' || *reason->found == '\0')
            mismatch("%s: rule %d has no words", where, reason->rule);
    }
    for (int rule = 1; rule < RULES; rule++)
        if (outcomes[rule] != expected_outcome(opinion, rule))
            mismatch("%s: rule %d has outcome %d, not %d", where, rule, outcomes[rule],
                     expected_outcome(opinion, rule));
}

static void compare_option(const struct option *option, const struct found *found, const char *where)
{
    const struct home_fact *home = found->home;
    const struct opinion *opinion = &found->opinion;
    if (option->offer.vacancy_id != home->vacancy || option->national_reference != home->reference)
        mismatch("%s: another vacancy", where);
    if (strcmp(option->region, region_codes[found->agency->region]) != 0)
        mismatch("%s: of region %s, not %s", where, option->region, region_codes[found->agency->region]);
    if (option->distance_metres != (uint32_t)opinion->distance)
        mismatch("%s: at %u m, not %ld", where, option->distance_metres, opinion->distance);
    if ((int)option->children_taken != opinion->taken || option->unconfirmed != opinion->unconfirmed)
        mismatch("%s: takes %u, not %d; unconfirmed %d", where, option->children_taken, opinion->taken,
                 option->unconfirmed);
    if (strcmp(option->offer.cell.authority, places_authority(home->authority)->code) != 0)
        mismatch("%s: another authority", where);
    if (found->agency->known && (strcmp(option->agency.id, found->agency->id) != 0 || *option->agency.phone == '\0'))
        mismatch("%s: another agency", where);
    compare_reasons(option, opinion, where);
}

static void tally_list(const struct question *q, const struct found *found, int count, bool phone_first)
{
    bool steps[STEPS] = {false}, distance = false, tie = false, tie_of_regions = false, part = false;
    bool outcomes[4 * RULES] = {false};
    unsigned lifted = 0;
    for (int i = 0; i < count; i++) {
        const struct opinion *opinion = &found[i].opinion;
        int difference, step = i ? oracle_step_between(q, &found[i - 1].opinion, opinion, &difference) : 0;
        steps[step] = true;
        lifted |= opinion->lifted;
        part |= opinion->taken < q->child_count;
        for (int rule = S5; rule < RULES; rule++)
            outcomes[4 * rule + opinion->should[rule]] = true;
        if (i == 0 || step != 0)
            continue;
        bool same_distance = found[i - 1].opinion.distance == opinion->distance;
        distance |= !same_distance;
        tie |= same_distance;
        tie_of_regions |= same_distance && found[i - 1].home->vacancy == found[i].home->vacancy;
    }
    for (int rule = 1; rule < MUSTS; rule++)
        tally[LIFTED + rule] += lifted >> rule & 1;
    for (int i = 0; i < 4 * RULES; i++)
        tally[SHOULD + i] += outcomes[i];
    for (int step = 1; step < STEPS; step++) {
        tally[STEP + step] += steps[step];
        tally[PHONE_FIRST_ORDER] += phone_first && steps[step];
    }
    tally[BY_DISTANCE] += distance;
    tally[TIE] += tie;
    tally[TIE_OF_REGIONS] += tie_of_regions;
    tally[PART_TAKEN] += part;
    tally[PHONE_FIRST] += phone_first && count > 0;
}

static void compare_list(const struct question *q, const struct option *options, uint32_t count,
                         const struct found *found, int found_count, const char *list, const char *where)
{
    char place[160];
    int expected = found_count < q->limit ? found_count : q->limit;
    if ((int)count != expected)
        mismatch("%s: %u %s, not %d", where, count, list, expected);
    for (int i = 0; i < expected; i++) {
        snprintf(place, sizeof place, "%s, %s %d", where, list, i);
        compare_option(&options[i], &found[i], place);
    }
}

/* Of home, and of all regions that committed anything, by code. */
static void compare_positions(const struct register_side *side, const struct region_position *positions, uint32_t count,
                              const char *where)
{
    uint32_t committed = 0;
    for (int i = 0; i < REGIONS_MOST; i++)
        committed += i == 0 || side->sequences[i] > 0;
    if (count != committed)
        mismatch("%s: %u positions, not %u", where, count, committed);
    for (uint32_t i = 0; i < committed; i++) {
        const struct region_position *position = &positions[i];
        int region = 0;
        while (region < REGIONS_MOST && strcmp(region_codes[region], position->region) != 0)
            region++;
        if (region == REGIONS_MOST || position->epoch != (position->sequence > 0) ||
            position->sequence != side->sequences[region])
            mismatch("%s: region %s at %" PRIu64, where, position->region, position->sequence);
        if (i > 0 && strcmp(positions[i - 1].region, position->region) >= 0)
            mismatch("%s: positions are not in the order of regions", where);
    }
}

/* Most options first, then nearest, then rules. */
static int by_worth(const void *a, const void *b)
{
    const struct relaxed *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    if (x->nearest != y->nearest)
        return x->nearest < y->nearest ? -1 : 1;
    return x->rules[0] != y->rules[0] ? x->rules[0] - y->rules[0] : x->rules[1] - y->rules[1];
}

/* Single rules; pairs where none of them would help. */
static int worthwhile(const struct expectation *e, struct relaxed out[MUSTS * MUSTS])
{
    int count = 0;
    for (int first = 1; first < MUSTS; first++)
        if (e->relaxed[first][0].count > 0)
            out[count++] = e->relaxed[first][0];
    for (int first = 1, alone = count; alone == 0 && first < MUSTS; first++)
        for (int second = 1; second < MUSTS; second++)
            if (e->relaxed[first][second].count > 0)
                out[count++] = e->relaxed[first][second];
    qsort(out, (size_t)count, sizeof *out, by_worth);
    return count;
}

static void compare_relaxations(const struct answer *answer, const struct expectation *e, const char *where)
{
    struct relaxed expected[MUSTS * MUSTS];
    int count = worthwhile(e, expected);
    count = count < RELAXATIONS_MAX ? count : RELAXATIONS_MAX;
    if (answer->relaxation_count != (uint32_t)count)
        mismatch("%s: %u relaxations, not %d", where, answer->relaxation_count, count);
    for (int i = 0; i < count; i++) {
        const struct relaxation *found = &answer->relaxations[i];
        const struct relaxed *wanted = &expected[i];
        if ((int)found->rules[0] != wanted->rules[0] || (int)found->rules[1] != wanted->rules[1] ||
            found->count != wanted->count || found->nearest_metres != wanted->nearest)
            mismatch("%s: relaxation %d is of rules %d and %d, %u, nearest %u; not %d and %d, %ld, %ld", where, i,
                     found->rules[0], found->rules[1], found->count, found->nearest_metres, wanted->rules[0],
                     wanted->rules[1], wanted->count, wanted->nearest);
        tally[RELAXED + wanted->rules[0]]++;
        tally[wanted->rules[1] ? RELAXED_PAIR : RELAXED_ALONE]++;
    }
}

static void compare_why(const struct question *q, const struct answer *answer, const struct expectation *e,
                        const char *where)
{
    bool explains = e->option_count < q->limit && !q->never_explained;
    if (answer->explained != explains)
        mismatch("%s: explained %d", where, answer->explained);
    if (!explains)
        return;
    if (answer->considered != (uint32_t)e->considered)
        mismatch("%s: considered %u, not %d", where, answer->considered, e->considered);
    for (int rule = 1; rule < MUSTS; rule++) {
        const struct rule_count *removed = &answer->removed[rule];
        if (removed->failed != e->failed[rule] || removed->failed_alone != e->failed_alone[rule])
            mismatch("%s: rule %d removed %u, alone %u; not %ld, %ld", where, rule, removed->failed,
                     removed->failed_alone, e->failed[rule], e->failed_alone[rule]);
        tally[ALONE + rule] += e->failed_alone[rule] > 0;
    }
    compare_relaxations(answer, e, where);
}

static void compare_splits(const struct register_side *side, const struct question *q, const struct answer *answer,
                           const struct expectation *e, const char *where)
{
    struct split_found expected[SPLITS_SHOWN];
    int count = 0;
    if (q->split_into >= 2 && !e->all_together)
        count = oracle_splits(side->homes, side->home_count, side->agencies, q, expected);
    if (answer->split_count != (uint32_t)count)
        mismatch("%s: %u splits, not %d", where, answer->split_count, count);
    for (int i = 0; i < count; i++) {
        const struct split *found = &answer->splits[i];
        const struct split_found *wanted = &expected[i];
        if (found->part_count != (uint32_t)wanted->parts || found->between_metres != (uint32_t)wanted->between ||
            found->from_home_metres != (uint32_t)wanted->from_home)
            mismatch("%s: split %d is of %u homes, %u m apart, %u m from home; not %d, %ld, %ld", where, i,
                     found->part_count, found->between_metres, found->from_home_metres, wanted->parts, wanted->between,
                     wanted->from_home);
        for (int j = 0; j < wanted->parts; j++) {
            char place[160];
            struct question part;
            struct found home = wanted->homes[j];
            snprintf(place, sizeof place, "%s, split %d, part %d", where, i, j);
            if (found->parts[j].children != wanted->children[j])
                mismatch("%s: children %x, not %x", place, found->parts[j].children, wanted->children[j]);
            oracle_part(q, wanted->children[j], &part);
            oracle_judge(home.home, home.agency, &part, &home.opinion);
            oracle_prefer(home.home, home.agency, &part, &home.opinion);
            compare_option(found->parts[j].option, &home, place);
        }
        tally[wanted->parts == 2 ? SPLIT_IN_2 : SPLIT_IN_3]++;
    }
    tally[SPLIT_CHOSEN] += count > 1;
}

static void compare(const struct register_side *side, const struct question *q, const struct answer *answer,
                    const struct expectation *e, const char *where)
{
    compare_list(q, answer->options, answer->option_count, e->options, e->option_count, "option", where);
    compare_list(q, answer->phone_first, answer->phone_first_count, e->phone_first, e->phone_first_count, "phone first",
                 where);
    compare_positions(side, answer->positions, answer->position_count, where);
    compare_why(q, answer, e, where);
    compare_splits(side, q, answer, e, where);
    tally_list(q, e->options, e->option_count < q->limit ? e->option_count : q->limit, false);
    tally_list(q, e->phone_first, e->phone_first_count < q->limit ? e->phone_first_count : q->limit, true);
    tally[ALONE + 14] += e->kinship_alone;
    for (int rule = 1; rule < MUSTS; rule++)
        tally[HELD + rule] += e->failed_for_held >> rule & 1;
}

/* --- questions ------------------------------------------------------------------------------------------------- */

static void find(struct match *match, const struct question *q, uint32_t budget, struct arena *arena,
                 struct answer *answer, const char *where)
{
    struct criteria criteria;
    struct match_search *resume = NULL;
    long turns = 0;
    criteria_of(q, &criteria);
    do {
        enum err err = match_find(match, &criteria, budget, arena, answer, &resume);
        if (err)
            mismatch("%s: match_find says %s", where, err_name(err));
    } while (resume && ++turns < 10000000);
    tally[RESUMED] += turns > 0;
}

static uint32_t random_budget(struct chance *chance)
{
    return chance_percent(chance, 50) ? UINT32_MAX : (uint32_t)chance_below(chance, 50);
}

struct space {
    struct arena arena;
    struct found *options, *phone_first;
};

/* The one home of the lowest region that has such a live vacancy. */
static const struct home_fact *vacancy_found(const struct register_side *side, u64 vacancy)
{
    const struct home_fact *found = NULL;
    for (int i = 0; i < side->home_count; i++) {
        const struct home_fact *home = &side->homes[i];
        bool offered = home->live && !home->ended && !home->named_child_only;
        if (!offered || home->vacancy != vacancy)
            continue;
        int before = found ? side->agencies[home->agency].rank - side->agencies[found->agency].rank : -1;
        if (before < 0 || (before == 0 && home->reference < found->reference))
            found = home;
    }
    return found;
}

static void compare_explanation(const struct question *q, const struct explanation *out, const struct found *found,
                                const struct expectation *e, const char *where)
{
    const struct opinion *opinion = &found->opinion;
    const struct found *list = opinion->unconfirmed ? e->phone_first : e->options;
    int count = opinion->unconfirmed ? e->phone_first_count : e->option_count;
    uint32_t ahead = 0;
    compare_option(&out->option, found, where);
    if (out->option.withheld != opinion->withheld)
        mismatch("%s: withheld %d", where, out->option.withheld);
    if (out->suitable != (opinion->failed == 0))
        mismatch("%s: suitable %d", where, out->suitable);
    for (int i = 0; out->suitable && i < count; i++)
        ahead += oracle_before(q, &list[i], found);
    if (out->suitable && out->ahead != ahead)
        mismatch("%s: %u come before it, not %u", where, out->ahead, ahead);
    for (int rule = 1; rule < MUSTS; rule++)
        if (expected_outcome(opinion, rule) != RULE_OUTCOME_NONE)
            tally[EXPLAINED + 4 * rule + (opinion->failed >> rule & 1 ? 0 : opinion->lifted >> rule & 1 ? 2 : 1)]++;
    tally[AHEAD] += out->suitable && ahead > 0;
}

static void explain(struct chance *chance, const struct register_side *side, const struct question *q,
                    const struct expectation *e, struct space *space, const char *where)
{
    char place[160];
    struct criteria criteria;
    struct explanation out;
    struct match_explaining *resume = NULL;
    u64 vacancy = side->homes[chance_below(chance, side->home_count)].vacancy;
    if (e->option_count > 1 && chance_percent(chance, 50))
        vacancy = e->options[chance_below(chance, e->option_count)].home->vacancy;
    uint32_t budget = random_budget(chance);
    snprintf(place, sizeof place, "%s, explained", where);
    criteria_of(q, &criteria);
    do {
        enum err err = match_explain(side->match, &criteria, vacancy, budget, &space->arena, &out, &resume);
        if (err)
            mismatch("%s: match_explain says %s", place, err_name(err));
    } while (resume);
    struct found found = {.home = vacancy_found(side, vacancy)};
    if (out.found != (found.home != NULL))
        mismatch("%s: found %d", place, out.found);
    compare_positions(side, out.positions, out.position_count, place);
    explained++;
    tally[NOT_FOUND] += !out.found;
    if (!out.found)
        return;
    found.agency = &side->agencies[found.home->agency];
    oracle_judge(found.home, found.agency, q, &found.opinion);
    oracle_prefer(found.home, found.agency, q, &found.opinion);
    compare_explanation(q, &out, &found, e, place);
}

static void ask(struct chance *chance, const struct register_side *side, struct space *space, const char *where)
{
    struct question q;
    struct answer answer;
    struct expectation e = {.options = space->options, .phone_first = space->phone_first};
    generate_question(chance, &side->country, side->homes, side->home_count, &q);
    find(side->match, &q, random_budget(chance), &space->arena, &answer, where);
    expect(side, &q, &e);
    compare(side, &q, &answer, &e, where);
    if (chance_percent(chance, 15))
        explain(chance, side, &q, &e, space, where);
    arena_reset(&space->arena);
}

/* --- what holds whatever the question -------------------------------------------------------------------------- */

/* Options of an answer, when the answer is gone. */
struct listed {
    int count, phone_first_count;
    struct {
        u64 vacancy, reference;
        char region[GSS];
    } rows[2 * UNLIMITED];
};

static void list(const struct answer *answer, struct listed *out)
{
    out->count = (int)answer->option_count;
    out->phone_first_count = (int)answer->phone_first_count;
    for (int i = 0; i < out->count + out->phone_first_count; i++) {
        const struct option *option = i < out->count ? &answer->options[i] : &answer->phone_first[i - out->count];
        out->rows[i].vacancy = option->offer.vacancy_id;
        out->rows[i].reference = option->national_reference;
        snprintf(out->rows[i].region, sizeof out->rows[i].region, "%s", option->region);
    }
}

static bool same_row(const struct listed *a, int i, const struct listed *b, int j)
{
    return a->rows[i].vacancy == b->rows[j].vacancy && a->rows[i].reference == b->rows[j].reference &&
           strcmp(a->rows[i].region, b->rows[j].region) == 0;
}

/* Every option of the first is one of the second's; in_order: and in the same order. */
static void nothing_lost(const struct listed *before, const struct listed *after, bool in_same_order, const char *where)
{
    int at = 0;
    for (int i = 0; i < before->count; i++) {
        at = in_same_order ? at : 0;
        while (at < after->count && !same_row(before, i, after, at))
            at++;
        if (at == after->count)
            mismatch("%s: option %d is lost, or comes earlier than another now", where, i);
    }
}

static void same_lists(const struct listed *a, const struct listed *b, const char *where)
{
    if (a->count != b->count || a->phone_first_count != b->phone_first_count)
        mismatch("%s: %d and %d options, not %d and %d", where, b->count, b->phone_first_count, a->count,
                 a->phone_first_count);
    for (int i = 0; i < a->count + a->phone_first_count; i++)
        if (!same_row(a, i, b, i))
            mismatch("%s: option %d is another", where, i);
}

static void find_listed(struct match *match, const struct question *q, struct space *space, struct listed *out,
                        const char *where)
{
    struct answer answer;
    find(match, q, UINT32_MAX, &space->arena, &answer, where);
    list(&answer, out);
    arena_reset(&space->arena);
}

static void check_properties(struct chance *chance, struct register_side *side, struct space *space, const char *where)
{
    char place[160];
    struct question q, relaxed;
    static struct listed before, after;
    generate_question(chance, &side->country, side->homes, side->home_count, &q);
    q.limit = UNLIMITED;
    find_listed(side->match, &q, space, &before, where);
    properties++;
    snprintf(place, sizeof place, "%s, asked for less", where);
    generate_relaxed(chance, &q, &relaxed);
    find_listed(side->match, &relaxed, space, &after, place);
    if (after.count < UNLIMITED)
        nothing_lost(&before, &after, false, place);
    if (side->twin) {
        snprintf(place, sizeof place, "%s, asked where commits came in another order", where);
        twin_catch_up(chance, side);
        find_listed(side->twin, &q, space, &after, place);
        same_lists(&before, &after, place);
    }
    snprintf(place, sizeof place, "%s, with one home more", where);
    if (!register_grow(chance, side))
        return;
    find_listed(side->match, &q, space, &after, place);
    if (after.count < UNLIMITED)
        nothing_lost(&before, &after, true, place);
}

/* --- the run --------------------------------------------------------------------------------------------------- */

static const char *thing_name(int thing, char text[48])
{
    static const char *const names[] = {"order by distance",
                                        "tie",
                                        "tie of regions",
                                        "part of the group",
                                        "resumed",
                                        "phone first",
                                        "order of phone first",
                                        "relaxation of one",
                                        "relaxation of two",
                                        "split in two",
                                        "split in three",
                                        "one split of many",
                                        "explained, others ahead",
                                        "explained, not found"};
    static const char *const outcomes[] = {"", "met", "not met", "not known"};
    static const char *const musts[] = {"failed", "met", "overridden", ""};
    if (thing < LIFTED)
        snprintf(text, 48, "rule %d alone", thing - ALONE);
    else if (thing < SHOULD)
        snprintf(text, 48, "rule %d overridden", thing - LIFTED);
    else if (thing < STEP)
        snprintf(text, 48, "rule %d %s", (thing - SHOULD) / 4, outcomes[(thing - SHOULD) % 4]);
    else if (thing < EXPLAINED)
        snprintf(text, 48, "step %d decides", thing - STEP);
    else if (thing < RELAXED)
        snprintf(text, 48, "rule %d explained, %s", (thing - EXPLAINED) / 4, musts[(thing - EXPLAINED) % 4]);
    else if (thing < HELD)
        snprintf(text, 48, "rule %d relaxed", thing - RELAXED);
    else if (thing < BY_DISTANCE)
        snprintf(text, 48, "rule %d for beds held", thing - HELD);
    else
        snprintf(text, 48, "%s", names[thing - BY_DISTANCE]);
    return text;
}

/* How often in 100,000 comparisons: 0 for what can't be. */
static int quota(int thing)
{
    static const bool liftable[MUSTS] = {
        [2] = true, [3] = true, [4] = true, [5] = true, [7] = true, [11] = true, [13] = true};
    static const bool unknown[RULES] = {[S5] = true, [S6] = true, [S7] = true, [S14_RATING] = true};
    if (thing < LIFTED)
        return thing == ALONE ? 0 : 300;
    if (thing < SHOULD)
        return liftable[thing - LIFTED] ? 300 : 0;
    if (thing < STEP) {
        int rule = (thing - SHOULD) / 4, outcome = (thing - SHOULD) % 4;
        if (rule < S5 || outcome == 0 || (rule == S6 && outcome != NOT_KNOWN))
            return 0;
        return outcome == NOT_KNOWN && !unknown[rule] ? 0 : 200;
    }
    if (thing < EXPLAINED)
        return thing == STEP ? 0 : 100;
    if (thing < RELAXED) {
        int rule = (thing - EXPLAINED) / 4, outcome = (thing - EXPLAINED) % 4;
        bool can = rule >= 1 && rule != 14 && outcome < 3 && (outcome < 2 || liftable[rule]);
        return can ? 20 : 0;
    }
    if (thing < HELD) {
        int rule = thing - RELAXED;
        return rule >= 2 && rule != 14 ? 50 : 0;
    }
    if (thing < BY_DISTANCE) {
        int rule = thing - HELD;
        return rule == 4 || rule == 5 || rule == 7 || rule == 9 ? 300 : 0;
    }
    return thing == TIE_OF_REGIONS || thing >= PHONE_FIRST ? 50 : 300;
}

static int check_quotas(long pairs)
{
    int missed = 0;
    char text[48];
    for (int thing = 0; thing < THINGS; thing++) {
        if (quota(thing) == 0)
            continue;
        bool enough = tally[thing] * 100000 >= pairs * quota(thing);
        printf("  %-28s %8ld%s\n", thing_name(thing, text), tally[thing], enough ? "" : "  BELOW QUOTA");
        missed += !enough;
    }
    return missed;
}

static void space_new(struct space *space, int homes)
{
    arena_init(&space->arena, ARENA_BYTES);
    space->options = calloc((size_t)homes + HOMES_TO_COME, sizeof *space->options);
    space->phone_first = calloc((size_t)homes + HOMES_TO_COME, sizeof *space->phone_first);
    if (space->options == NULL || space->phone_first == NULL)
        mismatch("out of memory");
}

static void space_free(struct space *space)
{
    arena_finish(&space->arena);
    free(space->options);
    free(space->phone_first);
}

/* Each small register has a chance of its own, so that it can be repeated alone. */
static long run_register(u64 seed, long number, long questions, const struct gazetteer *gazetteer, struct space *space)
{
    struct chance chance = {seed ^ (u64)number * 0xD1B54A32D192ED03ULL};
    struct register_side side = {0};
    generate_country(&chance, &side.country);
    bool large = chance_percent(&chance, 20), twin = chance_percent(&chance, 30);
    register_create(&chance, &side, gazetteer, 10 + chance_below(&chance, large ? HOMES_MOST - 10 : 70), twin);
    for (long i = 0; i < questions; i++) {
        char where[80];
        snprintf(where, sizeof where, "SEED=%llu REGISTER=%ld, question %ld", seed, number, i);
        if (chance_percent(&chance, 40))
            register_change(&chance, &side);
        ask(&chance, &side, space, where);
        if (chance_percent(&chance, 4))
            check_properties(&chance, &side, space, where);
    }
    register_destroy(&chance, &side);
    return questions;
}

static long run_small(u64 seed, long pairs, const struct gazetteer *gazetteer)
{
    struct space space;
    long asked = 0;
    space_new(&space, HOMES_MOST);
    for (long number = 0; asked < pairs; number++)
        asked += run_register(seed, number, pairs - asked < PAIRS_A_REGISTER ? pairs - asked : PAIRS_A_REGISTER,
                              gazetteer, &space);
    space_free(&space);
    return asked;
}

/* A register of all England's size and more, against the same oracle over every home. */
static long run_large(u64 seed, double scale, const struct gazetteer *gazetteer)
{
    int homes = scale < 1 ? (int)(LARGE_HOMES * scale) + 1000 : LARGE_HOMES;
    struct chance chance = {seed};
    struct register_side side = {0};
    struct space space;
    space_new(&space, homes);
    generate_country(&chance, &side.country);
    side.country.west = 130000;
    side.country.south = 10000;
    side.country.width = 520000;
    side.country.regions = REGIONS_MOST;
    side.country.agencies = 465;
    register_create(&chance, &side, gazetteer, homes, false);
    int i = 0;
    for (; i < LARGE_QUESTIONS; i++) {
        char where[80];
        snprintf(where, sizeof where, "SEED=%llu, large register, question %d", seed, i);
        register_change(&chance, &side);
        ask(&chance, &side, &space, where);
    }
    register_destroy(&chance, &side);
    space_free(&space);
    return i;
}

static long pairs_wanted(double scale)
{
    const char *tier = getenv("CHECK_TIER");
    bool check = tier == NULL || strcmp(tier, "check") == 0;
    return (long)((check ? PAIRS_CHECK : PAIRS_LONG) * scale) + 1;
}

int main(void)
{
    const char *seed_text = getenv("SEED"), *scale_text = getenv("CHECK_SCALE"), *number = getenv("REGISTER");
    double scale = scale_text ? atof(scale_text) : 1;
    u64 seed = seed_text ? strtoull(seed_text, NULL, 0) : (u64)time(NULL) * 1000003 + (u64)getpid();
    struct gazetteer *gazetteer;
    struct problem problem;
    if (scale <= 0)
        scale = 1;
    printf("oracle: SEED=%llu\n", seed);
    fflush(stdout);
    places_load();
    if (gazetteer_load(NULL, &gazetteer, &problem))
        mismatch("the gazetteer can't be loaded");
    if (number) {
        struct space space;
        space_new(&space, HOMES_MOST);
        run_register(seed, atol(number), PAIRS_A_REGISTER, gazetteer, &space);
        space_free(&space);
        printf("oracle: register %s passed\n", number);
        gazetteer_destroy(gazetteer);
        return 0;
    }
    long pairs = run_small(seed, pairs_wanted(scale), gazetteer);
    int missed = check_quotas(pairs);
    pairs += run_large(seed, scale, gazetteer);
    gazetteer_destroy(gazetteer);
    printf("oracle: %ld compared, %ld explained, %ld property checks, 0 failed, %d quotas missed\n", pairs, explained,
           properties, missed);
    return missed ? 1 : 0;
}
