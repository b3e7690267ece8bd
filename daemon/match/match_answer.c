/* match_answer.c - see match_answer.h. */
#include "daemon/match/match_answer.h"

#include "daemon/match/match_reasons.h"

#include <string.h>

static bool option_fill(const struct match *match, const struct match_version *version, const struct asked *asked,
                        const struct found *found, uint32_t failed, struct arena *arena, struct option *option)
{
    const struct held_offer *held = found->group->held[found->lane];
    const struct agency_slot *agency = &version->agencies->slots[found->group->agency[found->lane]];
    held_read(held, &option->offer);
    option->agency = agency->row ? *agency->row : (struct agency){0}; /* an active agency is a known one */
    memcpy(option->region, agency->region, sizeof option->region);
    option->national_reference = held->national_reference;
    option->distance_metres = found->distance_metres;
    option->children_taken = found->children_taken;
    option->unconfirmed = facts_unconfirmed(found->group, found->lane, asked->criteria->as_of_ms);
    return reasons_fill(asked, found->overridden, failed, index_gazetteer(match), arena, option);
}

bool answer_option(const struct match *match, const struct match_version *version, const struct criteria *criteria,
                   const struct found *found, uint32_t failed, struct arena *arena, struct option *option)
{
    struct asked asked;
    asked_prepare(criteria, &asked);
    return option_fill(match, version, &asked, found, failed, arena, option);
}

struct option *answer_options(const struct match *match, const struct match_version *version,
                              const struct criteria *criteria, const struct search_list *list, struct arena *arena)
{
    struct asked asked;
    struct option *options = arena_alloc(arena, list->count * sizeof *options);
    if (options == NULL)
        return NULL;
    asked_prepare(criteria, &asked);
    for (uint32_t i = 0; i < list->count; i++)
        __builtin_prefetch(list->best[i].group->held[list->best[i].lane]);
    for (uint32_t i = 0; i < list->count; i++)
        if (!option_fill(match, version, &asked, &list->best[i], 0, arena, &options[i]))
            return NULL;
    return options;
}

struct region_position *answer_positions(const struct match_version *version, struct arena *arena, uint32_t *count)
{
    const struct position_list *positions = version->positions;
    struct region_position *rows = arena_alloc(arena, positions->count * sizeof *rows);
    if (rows == NULL)
        return NULL;
    memcpy(rows, positions->rows, positions->count * sizeof *rows);
    *count = positions->count;
    return rows;
}
