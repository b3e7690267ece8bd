/*
 * match_why.c - see match_why.h.
 *
 * LANES offers at a time: a rule's failures are one word, so an offer that failed one rule, or two, is found by a few
 * operations for all of them, and counts are kept eight in a word.
 */
#include "daemon/match/match_why.h"

#include <stdlib.h>
#include <string.h>

#define BIT(rule)   (1u << (rule))
#define TALLIED_MAX 31 /* groups, of which each adds at most 8 to a byte */

struct why {
    const struct match_version *version;
    struct asked asked;
    struct group_cursor cursor;
    uint32_t considered;
    struct rule_count removed[RULE_END];
    uint64_t failed[RULES_JUDGED], failed_alone[RULES_JUDGED]; /* eight counts in bytes, not yet in `removed` */
    uint32_t tallied;                                          /* groups in them */
};

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

static void count_removed(struct why *why, const lanes failed[RULES_JUDGED])
{
    lanes once = 0, more = 0;
    for (int rule = 0; rule < RULES_JUDGED; rule++) {
        more |= once & failed[rule];
        once |= failed[rule];
    }
    for (int rule = 0; rule < RULES_JUDGED; rule++) {
        why->failed[rule] += bits_of_bytes(failed[rule]);
        why->failed_alone[rule] += bits_of_bytes(failed[rule] & ~more);
    }
    if (++why->tallied == TALLIED_MAX)
        tally_flush(why);
}

static void judge(struct why *why, const struct fact_group *group, lanes used)
{
    struct verdict verdict;
    rules_judge(group, used, version_active(why->version, group, used), &why->asked, &verdict);
    verdict.failed[RULE_H2] |= verdict.overridden[RULE_H2] & used;
    count_removed(why, verdict.failed);
}

struct why *why_new(const struct match *match, const struct match_version *version, const struct criteria *criteria)
{
    struct why *why = calloc(1, sizeof *why);
    (void)match;
    if (why == NULL)
        return NULL;
    why->version = version;
    asked_prepare(criteria, &why->asked);
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
        judge(why, group, lanes_used(count));
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

void why_answer(const struct why *why, struct answer *answer)
{
    answer->explained = true;
    answer->considered = why->considered;
    memcpy(answer->removed, why->removed, sizeof answer->removed);
}
