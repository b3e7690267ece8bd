/*
 * match_explain.c - "why not this one": one vacancy against a question.
 *
 * Owns: finding a vacancy by its id; how it comes out, rule by rule; how many options come before it, counted over the
 * whole version, group by group: those whose offers all come after it are passed over.
 * Not here: rules, order, words. Thread: any; an unfinished one belongs to its caller.
 * Invariant: one version from the first call to the last; what is told depends on it and the criteria alone.
 */
#include "daemon/match/match_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { PHASE_FIND, PHASE_COUNT, PHASE_DONE };

struct match_explaining {
    struct match *match;
    const struct match_version *version;
    uint32_t slot;
    enum phase phase;
    struct group_cursor cursor;
    uint64_t vacancy_id;
    struct asked asked;
    struct order order;
    struct found found; /* group NULL: not found yet */
    uint32_t failed;    /* mask of rules */
    uint32_t ahead;
};

/* --- which one --------------------------------------------------------------------------------------------------- */

/* Two regions can give the same id: the first of them counts. */
static bool is_first(const struct match_explaining *x, const struct fact_group *group, uint32_t lane)
{
    const struct found *found = &x->found;
    if (found->group == NULL)
        return true;
    int order = strcmp(version_region(x->version, group, lane), version_region(x->version, found->group, found->lane));
    return order != 0 ? order < 0
                      : group->held[lane]->national_reference < found->group->held[found->lane]->national_reference;
}

static void look_for(struct match_explaining *x, const struct fact_group *group, uint32_t count)
{
    for (uint32_t lane = 0; lane < count; lane++) {
        if (group->vacancy_id[lane] != x->vacancy_id || !is_first(x, group, lane))
            continue;
        x->found.group = group;
        x->found.lane = lane;
    }
}

/* --- how it comes out -------------------------------------------------------------------------------------------- */

static void judge_it(struct match_explaining *x)
{
    const struct fact_group *group = x->found.group;
    uint32_t lane = x->found.lane;
    lanes it = UINT64_C(1) << lane;
    uint64_t keys[LANES] = {0};
    struct verdict verdict;
    rules_judge(group, it, version_active(x->version, group, it), &x->asked, &verdict);
    if (x->order.step_count > 0)
        order_keys(&x->order, group, &verdict, it, UINT64_MAX, keys);
    x->found = found_make(x->asked.criteria, group, lane, &verdict, keys[lane]);
    for (uint32_t rule = 0; rule < RULES_JUDGED; rule++)
        x->failed |= (uint32_t)(verdict.failed[rule] >> lane & 1) << rule;
}

/* --- how many come before it ------------------------------------------------------------------------------------- */

static bool may_come_before(const struct match_explaining *x, const struct fact_group *group)
{
    const struct criteria *criteria = x->asked.criteria;
    uint64_t nearest = facts_nearest_squared(group, criteria->near_e_metres, criteria->near_n_metres);
    uint64_t beyond = (uint64_t)x->found.distance_metres + 1;
    uint64_t key = order_bound(&x->order, nearest);
    return key < x->found.key || (key == x->found.key && nearest < beyond * beyond);
}

/* In whole metres, as the order has it: below 0 if it is nearer. */
static int by_distance(const struct match_explaining *x, const struct fact_group *group, uint32_t lane)
{
    const struct criteria *criteria = x->asked.criteria;
    uint64_t squared = facts_distance_squared(group, lane, criteria->near_e_metres, criteria->near_n_metres);
    uint64_t metres = x->found.distance_metres;
    return squared < metres * metres ? -1 : squared >= (metres + 1) * (metres + 1);
}

/* Of the list that it is in itself: the options, or those to phone first. */
static void count_before(struct match_explaining *x, const struct fact_group *group, lanes used)
{
    struct verdict verdict;
    uint64_t keys[LANES] = {0};
    rules_judge(group, used, version_active(x->version, group, used), &x->asked, &verdict);
    lanes unconfirmed = verdict.overridden[RULE_H2];
    lanes listed = verdict.suitable & (code_in(x->found.overridden, RULE_H2) ? unconfirmed : ~unconfirmed);
    if (x->order.step_count > 0 && listed != 0)
        listed = order_keys(&x->order, group, &verdict, listed, x->found.key, keys);
    for (; listed != 0; listed &= listed - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(listed);
        int order = keys[lane] < x->found.key ? -1 : keys[lane] > x->found.key ? 1 : by_distance(x, group, lane);
        if (order == 0) {
            struct found other = found_make(x->asked.criteria, group, lane, &verdict, keys[lane]);
            order = found_before(x->version, &other, &x->found) ? -1 : 1;
        }
        x->ahead += order < 0;
    }
}

/* --- the phases -------------------------------------------------------------------------------------------------- */

/* All groups were gone through. */
static void next_phase(struct match_explaining *x)
{
    x->cursor = (struct group_cursor){0};
    if (x->phase == PHASE_FIND && x->found.group != NULL) {
        judge_it(x);
        x->phase = x->failed == 0 ? PHASE_COUNT : PHASE_DONE;
    } else {
        x->phase = PHASE_DONE;
    }
}

static void explain_run(struct match_explaining *x, uint32_t work_budget)
{
    uint64_t looked_at = 0;
    do {
        uint32_t count;
        const struct fact_group *group = version_next_group(x->version, &x->cursor, &count);
        looked_at++;
        if (group == NULL) {
            next_phase(x);
        } else if (x->phase == PHASE_FIND) {
            look_for(x, group, count);
            looked_at += count / 8; /* one number of each */
        } else if (may_come_before(x, group)) {
            count_before(x, group, lanes_used(count));
            looked_at += count;
        }
    } while (x->phase != PHASE_DONE && looked_at < work_budget);
}

static enum err explain_begin(struct match_explaining *x, struct match *match, const struct criteria *criteria,
                              uint64_t vacancy_id)
{
    memset(x, 0, sizeof *x);
    x->match = match;
    x->vacancy_id = vacancy_id;
    if ((x->version = index_pin(match, &x->slot)) == NULL)
        return ERR_UNAVAILABLE;
    asked_prepare(criteria, &x->asked);
    order_prepare(criteria, index_gazetteer(match), x->version->agencies, &x->order);
    return ERR_NONE;
}

static enum err explain_answer(const struct match_explaining *x, const struct criteria *criteria, struct arena *arena,
                               struct explanation *out)
{
    out->positions = answer_positions(x->version, arena, &out->position_count);
    if (out->positions == NULL)
        return ERR_LIMIT;
    out->found = x->found.group != NULL;
    if (!out->found)
        return ERR_NONE;
    out->suitable = x->failed == 0;
    out->ahead = x->ahead;
    return answer_option(x->match, x->version, criteria, &x->found, x->failed, arena, &out->option) ? ERR_NONE
                                                                                                    : ERR_LIMIT;
}

enum err match_where(struct match *match, uint64_t vacancy_id, char region[GSS_BYTES], struct agency *agency)
{
    struct match_explaining x = {.match = match, .vacancy_id = vacancy_id};
    const struct fact_group *group;
    uint32_t count;
    if ((x.version = index_pin(match, &x.slot)) == NULL)
        return ERR_UNAVAILABLE;
    while ((group = version_next_group(x.version, &x.cursor, &count)) != NULL)
        look_for(&x, group, count);
    if (x.found.group != NULL) {
        const struct agency_slot *slot = &x.version->agencies->slots[x.found.group->agency[x.found.lane]];
        snprintf(region, GSS_BYTES, "%s", slot->region);
        *agency = slot->row != NULL ? *slot->row : (struct agency){0};
    }
    index_unpin(match, x.slot);
    return x.found.group != NULL ? ERR_NONE : ERR_NOT_FOUND;
}

void match_explain_abandon(struct match_explaining *explaining)
{
    if (explaining == NULL)
        return;
    if (explaining->version != NULL)
        index_unpin(explaining->match, explaining->slot);
    free(explaining);
}

enum err match_explain(struct match *match, const struct criteria *criteria, uint64_t vacancy_id, uint32_t work_budget,
                       struct arena *arena, struct explanation *out, struct match_explaining **resume)
{
    struct match_explaining *x = resume != NULL ? *resume : NULL;
    enum err err = ERR_NONE;
    memset(out, 0, sizeof *out);
    if (x == NULL) {
        if ((x = malloc(sizeof *x)) == NULL)
            return ERR_LIMIT;
        err = explain_begin(x, match, criteria, vacancy_id);
    }
    do {
        if (!err)
            explain_run(x, work_budget);
    } while (!err && x->phase != PHASE_DONE && resume == NULL);
    bool done = x->phase == PHASE_DONE;
    if (!err && done)
        err = explain_answer(x, criteria, arena, out);
    if (err || done)
        match_explain_abandon(x);
    if (resume != NULL)
        *resume = err || done ? NULL : x;
    return err;
}
