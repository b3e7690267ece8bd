/*
 * feed.h - a register of facts, and a match that has been told of them as a hub would be. Private to tests/oracle.
 *
 * The facts are of several regions, whose agencies' ids, carers' references and (some) vacancies' ids are the same, and
 * whose logs come interleaved. A twin is another match that gets the same commits of each region, in another
 * interleaving of the regions. One thread.
 */
#ifndef VACANCY_TESTS_ORACLE_FEED_H
#define VACANCY_TESTS_ORACLE_FEED_H

#include "daemon/match/match.h"
#include "tests/oracle/oracle.h"

#define REGIONS_MOST  9
#define HOMES_TO_COME 64 /* by register_grow */

extern const char *const region_codes[REGIONS_MOST];

struct kept_commit;
struct register_side {
    struct country country;
    struct agency_fact *agencies;
    struct home_fact *homes;
    int home_count, grown;
    struct match *match, *twin; /* twin: or NULL */
    struct kept_commit *unseen[REGIONS_MOST];
    u64 sequences[REGIONS_MOST];
    u64 next_references[REGIONS_MOST];
};

/* Ends the run. */
void mismatch(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* side: zero but for its country. */
void register_create(struct chance *chance, struct register_side *side, const struct gazetteer *gazetteer, int homes,
                     bool twin);
void register_destroy(struct chance *chance, struct register_side *side);
/* A few pushes, those of one region that follow each other in one commit: new vacancies, homes that move, leave or
 * come, agencies suspended. */
void register_change(struct chance *chance, struct register_side *side);
/* One home more; false: there is no room. */
bool register_grow(struct chance *chance, struct register_side *side);
void twin_catch_up(struct chance *chance, struct register_side *side);
void criteria_of(const struct question *question, struct criteria *out);

#endif
