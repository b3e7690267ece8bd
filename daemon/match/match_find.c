/*
 * match_find.c - a question from its beginning to its answer.
 *
 * Owns: the phases of match_find, one after the other, each resumable: the best options (match_search.h); when there
 * are fewer than asked for, what removed the others (match_why.h); when nobody takes all siblings, the best splits
 * (match_siblings.h); the answer's arrays.
 * Not here: how any of it is found. Thread: any; an unfinished search belongs to its caller.
 * Invariant: all phases see one version, which is pinned from the first call to the last.
 */
#include "daemon/match/match_answer.h"
#include "daemon/match/match_siblings.h"
#include "daemon/match/match_why.h"

#include <stdlib.h>

enum phase { PHASE_SEARCH, PHASE_WHY, PHASE_SPLITS, PHASE_DONE };

struct match_search {
    struct match *match;
    const struct match_version *version;
    uint32_t slot;
    enum phase phase;
    struct search *search;
    struct why *why;           /* NULL: nothing is to be explained */
    struct siblings *siblings; /* NULL: no split is sought */
};

static enum err find_begin(struct match_search *s, struct match *match, const struct criteria *criteria)
{
    *s = (struct match_search){.match = match};
    s->version = index_pin(match, &s->slot); /* after the slot was zeroed with the rest */
    if (s->version == NULL)
        return ERR_UNAVAILABLE;
    s->search = search_new(match, s->version, criteria);
    return s->search ? ERR_NONE : ERR_LIMIT;
}

static void find_end(struct match_search *s)
{
    search_free(s->search);
    why_free(s->why);
    siblings_free(s->siblings);
    if (s->version != NULL)
        index_unpin(s->match, s->slot);
}

static bool is_short(const struct match_search *s, const struct criteria *criteria)
{
    uint32_t limit = criteria->limit < 1 ? 1 : criteria->limit < OPTIONS_MAX ? criteria->limit : OPTIONS_MAX;
    return search_options(s->search)->count < limit;
}

/* Once the options are known: what else there is to do. */
static enum err plan(struct match_search *s, const struct criteria *criteria)
{
    bool all_taken = criteria->grouping != GROUPING_SPLIT && search_options(s->search)->count > 0;
    if (!criteria->unexplained && is_short(s, criteria)) {
        s->why = why_new(s->match, s->version, criteria);
        if (s->why == NULL)
            return ERR_LIMIT;
    }
    if (criteria->split_into > 1 && criteria->child_count > 1 && !all_taken) {
        s->siblings = siblings_new(s->match, s->version, criteria);
        if (s->siblings == NULL)
            return ERR_LIMIT;
    }
    return ERR_NONE;
}

/* Goes on with the phase it is in, which may be done then. */
static enum err find_step(struct match_search *s, const struct criteria *criteria, uint32_t work_budget,
                          uint64_t *looked_at)
{
    enum err err = ERR_NONE;
    bool done = true;
    if (s->phase == PHASE_SEARCH) {
        done = search_run(s->search, work_budget, looked_at);
        if (done)
            err = plan(s, criteria);
    } else if (s->phase == PHASE_WHY && s->why != NULL) {
        done = why_run(s->why, work_budget, looked_at);
    } else if (s->phase == PHASE_SPLITS && s->siblings != NULL) {
        err = siblings_run(s->siblings, work_budget, looked_at, &done);
    }
    s->phase += done;
    return err;
}

/* Until the answer is known (PHASE_DONE) or the budget has run out. */
static enum err find_run(struct match_search *s, const struct criteria *criteria, uint32_t work_budget)
{
    uint64_t looked_at = 0;
    enum err err;
    do
        err = find_step(s, criteria, work_budget - (uint32_t)looked_at, &looked_at);
    while (!err && s->phase != PHASE_DONE && looked_at < work_budget);
    return err;
}

static enum err splits_answer(const struct match_search *s, const struct criteria *criteria, struct arena *arena,
                              struct answer *answer)
{
    struct split_found found[SPLITS_MAX];
    uint32_t count = siblings_found(s->siblings, found);
    for (; answer->split_count < count; answer->split_count++) {
        const struct split_found *from = &found[answer->split_count];
        struct split *split = &answer->splits[answer->split_count];
        *split = (struct split){.part_count = from->part_count,
                                .between_metres = from->between_metres,
                                .from_home_metres = from->from_home_metres};
        for (uint32_t i = 0; i < from->part_count; i++) {
            struct criteria part;
            siblings_part(criteria, from->parts[i].children, &part);
            split->parts[i].children = from->parts[i].children;
            split->parts[i].option = arena_alloc(arena, sizeof *split->parts[i].option);
            if (split->parts[i].option == NULL ||
                !answer_option(s->match, s->version, &part, &from->parts[i].home, 0, arena, split->parts[i].option))
                return ERR_LIMIT;
        }
    }
    return ERR_NONE;
}

static enum err find_answer(struct match_search *s, const struct criteria *criteria, struct arena *arena,
                            struct answer *answer)
{
    const struct search_list *options = search_options(s->search), *phone_first = search_phone_first(s->search);
    answer->positions = answer_positions(s->version, arena, &answer->position_count);
    answer->options = answer_options(s->match, s->version, criteria, options, arena);
    answer->phone_first = answer_options(s->match, s->version, criteria, phone_first, arena);
    if (answer->positions == NULL || answer->options == NULL || answer->phone_first == NULL)
        return ERR_LIMIT;
    answer->option_count = options->count;
    answer->reach_squared = search_reach_squared(s->search);
    answer->phone_first_count = phone_first->count;
    if (s->why != NULL)
        why_answer(s->why, answer);
    return s->siblings != NULL ? splits_answer(s, criteria, arena, answer) : ERR_NONE;
}

void match_search_abandon(struct match_search *search)
{
    if (search == NULL)
        return;
    find_end(search);
    free(search);
}

/* An unfinished search moves from the stack to where it lasts. */
static enum err put_off(struct match_search *fresh, struct match_search **resume)
{
    if ((*resume = malloc(sizeof **resume)) == NULL)
        return ERR_LIMIT;
    **resume = *fresh;
    return ERR_NONE;
}

enum err match_find(struct match *match, const struct criteria *criteria, uint32_t work_budget, struct arena *arena,
                    struct answer *answer, struct match_search **resume)
{
    struct match_search fresh = {0}, *s = resume != NULL && *resume != NULL ? *resume : &fresh;
    enum err err = ERR_NONE;
    *answer = (struct answer){0};
    if (s == &fresh)
        err = find_begin(s, match, criteria);
    do {
        if (!err)
            err = find_run(s, criteria, work_budget);
    } while (!err && s->phase != PHASE_DONE && resume == NULL);
    bool done = s->phase == PHASE_DONE;
    if (!err && done)
        err = find_answer(s, criteria, arena, answer);
    if (!err && !done && s == &fresh)
        err = put_off(s, resume);
    if (err || done) {
        find_end(s);
        if (s != &fresh) {
            free(s);
            *resume = NULL;
        }
    }
    return err;
}
