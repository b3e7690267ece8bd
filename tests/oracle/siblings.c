/*
 * siblings.c - a sibling group in two or three homes: every way to part the children, every choice among the nearest
 * suitable homes of each part. See oracle.h.
 */
#include "tests/oracle/oracle.h"

#include <stdlib.h>
#include <string.h>

#define NEAREST_OF_A_PART 32
#define CHILDREN_SPLIT    6

struct candidates {
    bool known;
    int count;
    struct found nearest[NEAREST_OF_A_PART];
};

struct attempts {
    const struct home_fact *homes;
    const struct agency_fact *agencies;
    const struct question *question;
    int home_count, found_count;
    struct split_found *best;
    struct candidates *of; /* by set of children */
    bool within_rules;     /* with no override at all */
};

void oracle_part(const struct question *q, unsigned children, struct question *out)
{
    *out = *q;
    out->split = false;
    out->child_count = 0;
    for (int i = 0; i < q->child_count; i++)
        if (children >> i & 1)
            out->children[out->child_count++] = q->children[i];
}

static const struct candidates *candidates_of(struct attempts *a, unsigned children)
{
    struct candidates *c = &a->of[children];
    struct question part;
    if (c->known)
        return c;
    c->known = true;
    oracle_part(a->question, children, &part);
    for (int lift = 0; a->within_rules && lift < LIFTS; lift++)
        part.lifts[lift] = false;
    for (int i = 0; i < a->home_count; i++) {
        struct found found = {.home = &a->homes[i], .agency = &a->agencies[a->homes[i].agency]};
        oracle_judge(found.home, found.agency, &part, &found.opinion);
        if (!found.opinion.suits)
            continue;
        int at = c->count < NEAREST_OF_A_PART ? c->count++ : NEAREST_OF_A_PART;
        for (; at > 0 && oracle_nearer(&found, &c->nearest[at - 1]); at--)
            if (at < NEAREST_OF_A_PART)
                c->nearest[at] = c->nearest[at - 1];
        if (at < NEAREST_OF_A_PART)
            c->nearest[at] = found;
    }
    return c;
}

static int compare(long a, long b)
{
    return a < b ? -1 : a > b;
}

/* The largest part first, then as they are near. */
static bool part_before(const struct split_found *s, int a, int b)
{
    int difference = compare(__builtin_popcount(s->children[b]), __builtin_popcount(s->children[a]));
    return difference != 0 ? difference < 0 : oracle_nearer(&s->homes[a], &s->homes[b]);
}

static void put_in_order(struct split_found *s)
{
    for (int i = 1; i < s->parts; i++) {
        for (int j = i; j > 0 && part_before(s, j, j - 1); j--) {
            struct found home = s->homes[j];
            unsigned children = s->children[j];
            s->homes[j] = s->homes[j - 1];
            s->children[j] = s->children[j - 1];
            s->homes[j - 1] = home;
            s->children[j - 1] = children;
        }
    }
}

static bool alike(const struct asked_child *a, const struct asked_child *b)
{
    return a->months == b->months && a->sex == b->sex;
}

/* Of children alike those given first go to the part that is shown first. */
static void give_out_alike(const struct question *q, struct split_found *s)
{
    unsigned done = 0, given[PARTS_MOST] = {0};
    for (int i = 0; i < q->child_count; i++) {
        if (done >> i & 1)
            continue;
        unsigned kind = 0;
        for (int j = i; j < q->child_count; j++)
            kind |= (unsigned)alike(&q->children[i], &q->children[j]) << j;
        done |= kind;
        for (int part = 0; part < s->parts; part++) {
            for (int left = __builtin_popcount(s->children[part] & kind); left > 0; left--) {
                given[part] |= kind & -kind;
                kind &= kind - 1;
            }
            s->children[part] &= ~done | given[part];
        }
    }
    memcpy(s->children, given, sizeof given);
}

/* The largest part, band of the way between, ways from home, way between; ids; regions; who has the first child that
 * the other has not. */
static int split_order(const struct split_found *a, const struct split_found *b)
{
    int order = compare(__builtin_popcount(b->children[0]), __builtin_popcount(a->children[0]));
    if (order == 0)
        order = compare(oracle_band(a->between), oracle_band(b->between));
    if (order == 0)
        order = compare(a->from_home, b->from_home);
    if (order == 0)
        order = compare(a->between, b->between);
    for (int i = 0; order == 0 && i < a->parts; i++) {
        u64 x = a->homes[i].home->vacancy, y = b->homes[i].home->vacancy;
        order = x < y ? -1 : x > y;
    }
    for (int i = 0; order == 0 && i < a->parts; i++)
        order = compare(a->homes[i].agency->rank, b->homes[i].agency->rank);
    for (int i = 0; order == 0 && i < a->parts; i++) {
        u64 x = a->homes[i].home->reference, y = b->homes[i].home->reference; /* one region has an id once; we don't */
        order = x < y ? -1 : x > y;
    }
    for (int i = 0; order == 0 && i < a->parts; i++) {
        unsigned other = a->children[i] ^ b->children[i];
        order = other == 0 ? 0 : a->children[i] & other & -other ? -1 : 1;
    }
    return order;
}

static bool same_homes(const struct split_found *a, const struct split_found *b)
{
    int same = 0;
    for (int i = 0; i < a->parts; i++)
        for (int j = 0; j < b->parts; j++)
            same += a->homes[i].home == b->homes[j].home;
    return same == a->parts;
}

static void measure(struct split_found *split)
{
    for (int i = 0; i < split->parts; i++) {
        split->from_home += split->homes[i].opinion.distance;
        for (int j = 0; j < i; j++) {
            const struct home_fact *x = split->homes[i].home, *y = split->homes[j].home;
            long between = oracle_distance(x->point_e, x->point_n, y->point_e, y->point_n);
            split->between = between > split->between ? between : split->between;
        }
    }
}

/* Into its place among the best, of which no two are of the same homes. */
static void consider(struct attempts *a, struct split_found *split)
{
    int at = a->found_count;
    put_in_order(split);
    give_out_alike(a->question, split);
    measure(split);
    while (at > 0 && split_order(split, &a->best[at - 1]) < 0)
        at--;
    for (int i = 0; i < a->found_count; i++) {
        if (!same_homes(split, &a->best[i]))
            continue;
        if (i < at)
            return;
        memmove(&a->best[i], &a->best[i + 1], (size_t)(--a->found_count - i) * sizeof *a->best);
    }
    if (at == SPLITS_SHOWN)
        return;
    a->found_count += a->found_count < SPLITS_SHOWN;
    for (int i = a->found_count - 1; i > at; i--)
        a->best[i] = a->best[i - 1];
    a->best[at] = *split;
}

static void choose_homes(struct attempts *a, const unsigned *children, int parts, int chosen, struct split_found *split)
{
    if (chosen == parts) {
        struct split_found complete = *split;
        complete.parts = parts;
        consider(a, &complete);
        return;
    }
    const struct candidates *c = candidates_of(a, children[chosen]);
    for (int i = 0; i < c->count; i++) {
        bool taken = false;
        for (int j = 0; j < chosen; j++)
            taken |= split->homes[j].home == c->nearest[i].home;
        if (taken)
            continue;
        split->homes[chosen] = c->nearest[i];
        split->children[chosen] = children[chosen];
        choose_homes(a, children, parts, chosen + 1, split);
    }
}

/* Child by child into a part that there is, or into a new one. */
static void part_children(struct attempts *a, int child, unsigned *children, int parts, int wanted)
{
    if (child == a->question->child_count) {
        struct split_found split = {0};
        if (parts == wanted)
            choose_homes(a, children, parts, 0, &split);
        return;
    }
    for (int i = 0; i <= parts && i < wanted; i++) {
        children[i] |= 1u << child;
        part_children(a, child + 1, children, i == parts ? parts + 1 : parts, wanted);
        children[i] &= ~(1u << child);
    }
}

int oracle_splits(const struct home_fact *homes, int home_count, const struct agency_fact *agencies,
                  const struct question *q, struct split_found out[SPLITS_SHOWN])
{
    unsigned children[PARTS_MOST] = {0};
    struct attempts a = {homes, agencies, q, home_count, 0, out, NULL, true};
    if (q->child_count > CHILDREN_SPLIT)
        abort(); /* the generator asks for no more */
    for (int round = 0; a.found_count == 0 && round < 2; round++) {
        a.within_rules = round == 0;
        a.of = calloc(1u << q->child_count, sizeof *a.of);
        if (a.of == NULL)
            abort();
        for (int parts = 2; a.found_count == 0 && parts <= q->split_into && parts <= q->child_count; parts++)
            part_children(&a, 0, children, 0, parts);
        free(a.of);
    }
    return a.found_count;
}
