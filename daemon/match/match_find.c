/*
 * match_find.c - a question from its beginning to its answer.
 *
 * Owns: the phases of match_find, one after the other, each resumable: the best options (match_search.h); when there
 * are fewer than asked for, what removed the others (match_why.h); the answer's arrays.
 * Not here: how any of it is found. Thread: any; an unfinished search belongs to its caller.
 * Invariant: all phases see one version, which is pinned from the first call to the last.
 */
#include "daemon/match/match_answer.h"
#include "daemon/match/match_why.h"

#include <stdlib.h>

struct match_search {
    struct match *match;
    const struct match_version *version;
    uint32_t slot;
    bool searched, explained; /* these phases are done */
    struct search *search;
    struct why *why;
};

static enum err find_begin(struct match_search *s, struct match *match, const struct criteria *criteria)
{
    *s = (struct match_search){.match = match, .version = index_pin(match, &s->slot)};
    if (s->version == NULL)
        return ERR_UNAVAILABLE;
    s->search = search_new(match, s->version, criteria);
    return s->search ? ERR_NONE : ERR_LIMIT;
}

static void find_end(struct match_search *s)
{
    search_free(s->search);
    why_free(s->why);
    if (s->version != NULL)
        index_unpin(s->match, s->slot);
}

static bool is_short(const struct match_search *s, const struct criteria *criteria)
{
    uint32_t limit = criteria->limit < 1 ? 1 : criteria->limit < OPTIONS_MAX ? criteria->limit : OPTIONS_MAX;
    return search_options(s->search)->count < limit;
}

/* *done: the answer is known; else the budget ran out before. */
static enum err find_run(struct match_search *s, const struct criteria *criteria, uint32_t work_budget, bool *done)
{
    uint64_t looked_at = 0;
    *done = false;
    if (!s->searched) {
        s->searched = search_run(s->search, work_budget, &looked_at);
        if (!s->searched)
            return ERR_NONE;
        s->explained = criteria->unexplained || !is_short(s, criteria);
    }
    if (!s->explained) {
        if (s->why == NULL && (s->why = why_new(s->match, s->version, criteria)) == NULL)
            return ERR_LIMIT;
        if (looked_at > 0 && looked_at >= work_budget)
            return ERR_NONE;
        s->explained = why_run(s->why, work_budget - (uint32_t)looked_at, &looked_at);
        if (!s->explained)
            return ERR_NONE;
    }
    *done = true;
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
    answer->phone_first_count = phone_first->count;
    if (s->why != NULL)
        why_answer(s->why, answer);
    return ERR_NONE;
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
    struct match_search fresh, *s = resume != NULL && *resume != NULL ? *resume : &fresh;
    enum err err = ERR_NONE;
    bool done = false;
    *answer = (struct answer){0};
    if (s == &fresh)
        err = find_begin(s, match, criteria);
    do {
        if (!err)
            err = find_run(s, criteria, work_budget, &done);
    } while (!err && !done && resume == NULL);
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
