/*
 * match_why.c - see match_why.h.
 *
 * LANES offers at a time: a rule's failures are one word, so an offer that failed one rule, or two, is found by a few
 * operations for all of them, and counts are kept eight in a word.
 */
#include "daemon/match/match_why.h"

#include "daemon/gazetteer/grid.h"

#include <stdlib.h>
#include <string.h>

#define BIT(rule)   (1u << (rule))
#define TALLIED_MAX 31 /* groups, of which each adds at most 8 to a byte */

/* A relaxation on its way. */
struct way {
    uint32_t count;
    uint64_t nearest_squared;
    struct point_wanted nearest; /* where that is */
};

struct why {
    const struct match_version *version;
    struct criteria apart; /* the request with GROUPING_SPLIT: what relaxing H6 means */
    struct asked asked, asked_apart;
    bool group; /* H6 can be failed */
    struct group_cursor cursor;
    uint32_t considered;
    struct rule_count removed[RULE_END];
    uint64_t failed[RULES_JUDGED], failed_alone[RULES_JUDGED]; /* eight counts in bytes, not yet in `removed` */
    uint32_t tallied;                                          /* groups in them */
    bool single;                                               /* a single rule helps: nobody asks for pairs */
    struct way ways[RULES_JUDGED][RULES_JUDGED];               /* [a][b], a < b; [a][a]: a alone */
};

/* --- what removed them ----------------------------------------------------------------------------------------- */

/* How many bits are set in each byte, byte by byte: a machine's own count needs more than the oldest x86-64. */
static uint64_t bits_of_bytes(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    return (word + (word >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
}

static uint32_t sum_of_bytes(uint64_t word)
{
    word = (word & UINT64_C(0x00FF00FF00FF00FF)) + (word >> 8 & UINT64_C(0x00FF00FF00FF00FF));
    return (uint32_t)(word * UINT64_C(0x0001000100010001) >> 48);
}

/* Counts are added to `removed` before a byte could overflow. */
static void tally_flush(struct why *why)
{
    for (int rule = 0; rule < RULES_JUDGED; rule++) {
        why->removed[rule].failed += sum_of_bytes(why->failed[rule]);
        why->removed[rule].failed_alone += sum_of_bytes(why->failed_alone[rule]);
    }
    memset(why->failed, 0, sizeof why->failed);
    memset(why->failed_alone, 0, sizeof why->failed_alone);
    why->tallied = 0;
}

/* How many rules were failed. */
struct failures {
    lanes one, two, some;
};

static struct failures failures_of(const lanes failed[RULES_JUDGED])
{
    lanes once = 0, twice = 0, more = 0;
    for (int rule = 0; rule < RULES_JUDGED; rule++) {
        more |= twice & failed[rule];
        twice |= once & failed[rule];
        once |= failed[rule];
    }
    return (struct failures){.one = once & ~twice, .two = twice & ~more, .some = once};
}

static void count_removed(struct why *why, const lanes failed[RULES_JUDGED], lanes one)
{
    for (int rule = 0; rule < RULES_JUDGED; rule++) {
        why->failed[rule] += bits_of_bytes(failed[rule]);
        why->failed_alone[rule] += bits_of_bytes(failed[rule] & one);
    }
    if (++why->tallied == TALLIED_MAX)
        tally_flush(why);
}

/* --- what would bring some ------------------------------------------------------------------------------------- */

static void way_add(const struct why *why, struct way *way, const struct fact_group *group, lanes helped)
{
    uint32_t e = why->asked.criteria->near_e_metres, n = why->asked.criteria->near_n_metres;
    if (helped == 0)
        return;
    way->count += sum_of_bytes(bits_of_bytes(helped));
    if (facts_nearest_squared(group, e, n) >= way->nearest_squared)
        return;
    for (; helped != 0; helped &= helped - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(helped);
        uint64_t squared = facts_distance_squared(group, lane, e, n);
        if (squared >= way->nearest_squared)
            continue;
        way->nearest_squared = squared;
        way->nearest = (struct point_wanted){group->point_e_metres[lane], group->point_n_metres[lane]};
    }
}

/* Rules other than H6: relaxing them leaves the others as they are. */
static void count_ways(struct why *why, const struct fact_group *group, const lanes failed[RULES_JUDGED],
                       struct failures failures, lanes open)
{
    for (int a = RULE_H2; a < RULES_JUDGED; a++) {
        if (a == RULE_H6)
            continue;
        way_add(why, &why->ways[a][a], group, failed[a] & failures.one & open);
        lanes with_a = why->single ? 0 : failed[a] & failures.two & open;
        for (int b = a + 1; b < RULES_JUDGED && with_a != 0; b++)
            if (b != RULE_H6)
                way_add(why, &why->ways[a][b], group, failed[b] & with_a);
    }
}

/* H6: a home may take some of the children, so the rules about them are judged anew. */
static void count_ways_apart(struct why *why, const struct fact_group *group, const lanes failed[RULES_JUDGED],
                             struct failures failures, const lanes failed_apart[RULES_JUDGED], lanes open)
{
    struct failures apart = failures_of(failed_apart);
    way_add(why, &why->ways[RULE_H6][RULE_H6], group, failures.some & ~apart.some & open);
    for (int rule = RULE_H2; rule < RULES_JUDGED && !why->single; rule++) {
        int first = rule < RULE_H6 ? rule : RULE_H6, second = rule < RULE_H6 ? RULE_H6 : rule;
        lanes more_together = ~(failures.one & failed[rule]);
        if (rule != RULE_H6)
            way_add(why, &why->ways[first][second], group, apart.one & failed_apart[rule] & more_together & open);
    }
}

/* asked->lifted has H2: whether an offer is vacant at all and whether that is confirmed come apart. */
static void judge(const struct why *why, const struct fact_group *group, lanes used, const struct asked *asked,
                  struct verdict *verdict, lanes *hopeless)
{
    rules_judge(group, used, version_active(why->version, group, used), asked, verdict);
    lanes unconfirmed = verdict->overridden[RULE_H2] & used;
    lanes bed = group->beds_free[0] | group->beds_free[1] | group->beds_free[2] | group->beds_free[3];
    *hopeless = verdict->failed[RULE_H1] | verdict->failed[RULE_H2] | ~bed;
    if (code_in(asked->criteria->overrides, OVERRIDE_UNCONFIRMED))
        *hopeless |= unconfirmed;
    verdict->failed[RULE_H2] |= unconfirmed;
}

static void look_at(struct why *why, const struct fact_group *group, lanes used)
{
    struct verdict verdict, apart;
    lanes hopeless;
    judge(why, group, used, &why->asked, &verdict, &hopeless);
    struct failures failures = failures_of(verdict.failed);
    count_removed(why, verdict.failed, failures.one);
    lanes open = failures.some & ~hopeless;
    if (open == 0)
        return;
    count_ways(why, group, verdict.failed, failures, open);
    if (why->group) {
        judge(why, group, open, &why->asked_apart, &apart, &hopeless);
        count_ways_apart(why, group, verdict.failed, failures, apart.failed, open);
    }
    for (int rule = RULE_H2; rule < RULES_JUDGED; rule++)
        why->single |= why->ways[rule][rule].count > 0;
}

/* --- the walk -------------------------------------------------------------------------------------------------- */

struct why *why_new(const struct match *match, const struct match_version *version, const struct criteria *criteria)
{
    struct why *why = calloc(1, sizeof *why);
    (void)match;
    if (why == NULL)
        return NULL;
    why->version = version;
    why->apart = *criteria;
    why->apart.grouping = GROUPING_SPLIT;
    why->group = criteria->grouping != GROUPING_SPLIT && criteria->child_count > 1;
    asked_prepare(criteria, &why->asked);
    asked_prepare(&why->apart, &why->asked_apart);
    why->asked.lifted |= BIT(RULE_H2);
    why->asked_apart.lifted |= BIT(RULE_H2);
    for (int a = 0; a < RULES_JUDGED; a++)
        for (int b = 0; b < RULES_JUDGED; b++)
            why->ways[a][b].nearest_squared = UINT64_MAX;
    return why;
}

void why_free(struct why *why)
{
    free(why);
}

bool why_run(struct why *why, uint32_t work_budget, uint64_t *looked_at)
{
    uint64_t looked = 0;
    const struct fact_group *group;
    uint32_t count;
    while ((group = version_next_group(why->version, &why->cursor, &count)) != NULL) {
        look_at(why, group, lanes_used(count));
        why->considered += count;
        looked += count;
        if (looked >= work_budget)
            break;
    }
    if (looked_at != NULL)
        *looked_at += looked;
    if (group == NULL)
        tally_flush(why);
    return group == NULL;
}

static bool goes_before(const struct relaxation *a, const struct relaxation *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    if (a->nearest_metres != b->nearest_metres)
        return a->nearest_metres < b->nearest_metres;
    return a->rules[0] != b->rules[0] ? a->rules[0] < b->rules[0] : a->rules[1] < b->rules[1];
}

/* Keeps the best of them, best first. */
static void relaxation_add(struct answer *answer, const struct relaxation *relaxation)
{
    struct relaxation *list = answer->relaxations;
    uint32_t at = answer->relaxation_count;
    while (at > 0 && goes_before(relaxation, &list[at - 1]))
        at--;
    if (at == RELAXATIONS_MAX)
        return;
    answer->relaxation_count += answer->relaxation_count < RELAXATIONS_MAX;
    memmove(&list[at + 1], &list[at], (answer->relaxation_count - 1 - at) * sizeof *list);
    list[at] = *relaxation;
}

void why_answer(const struct why *why, struct answer *answer)
{
    const struct criteria *criteria = why->asked.criteria;
    answer->explained = true;
    answer->considered = why->considered;
    memcpy(answer->removed, why->removed, sizeof answer->removed);
    answer->relaxation_count = 0;
    for (int a = 0; a < RULES_JUDGED; a++) {
        for (int b = a; b < RULES_JUDGED; b++) {
            const struct way *way = &why->ways[a][b];
            if (way->count == 0 || (b != a && why->single))
                continue;
            const struct relaxation relaxation = {
                .rules = {(enum rule)a, b != a ? (enum rule)b : RULE_NONE},
                .count = way->count,
                .nearest_metres =
                    grid_distance_metres((int32_t)way->nearest.e_metres, (int32_t)way->nearest.n_metres,
                                         (int32_t)criteria->near_e_metres, (int32_t)criteria->near_n_metres),
            };
            relaxation_add(answer, &relaxation);
        }
    }
}
