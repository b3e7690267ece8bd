/* tier: check */
/*
 * The tree of a version against a plain list of what is in it: offers come, go and move in random order (SEED=N repeats
 * one), many on one point, until nodes have split and merged on every level. After each round every trait, extent and
 * key of every node is what its offers say, and the versions before are as they were.
 */
#include "daemon/match/match_tree.h"

#include "tests/unit/match_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#define OFFERS 100000
#define PINNED 3
#define ROUNDS 28

static uint64_t seed, state;

static uint32_t pick(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20) % limit;
}

/* Retired pieces, by the version that retired them. */
struct retired {
    void *piece;
    uint64_t version;
    bool of_tree;
};

/* What a version had in it: a sum over its offers, and how many. */
struct pinned {
    struct tree tree;
    uint64_t version, sum, bytes;
};

struct world {
    struct tree tree;
    struct tree_pen pen;
    uint64_t bytes;
    struct held_offer *held[OFFERS]; /* NULL: it is not in */
    struct facts facts[OFFERS];
    struct pinned pinned[PINNED];
    struct retired *retired;
    size_t retired_count, retired_capacity;
};

static void retire(void *ctx, void *piece, size_t bytes)
{
    struct world *world = ctx;
    world->bytes -= bytes;
    if (world->retired_count == world->retired_capacity) {
        world->retired_capacity = 2 * world->retired_capacity + 64;
        world->retired = realloc(world->retired, world->retired_capacity * sizeof *world->retired);
        assert_non_null(world->retired);
    }
    world->retired[world->retired_count++] = (struct retired){piece, world->pen.made, bytes > 0};
}

/* What was retired in version v is reached by those before it alone. */
static void free_retired(struct world *world, uint64_t oldest)
{
    size_t kept = 0;
    for (size_t i = 0; i < world->retired_count; i++) {
        if (world->retired[i].version <= oldest && world->retired[i].of_tree)
            pieces_put(world->pen.pieces, world->retired[i].piece);
        else if (world->retired[i].version <= oldest)
            free(world->retired[i].piece);
        else
            world->retired[kept++] = world->retired[i];
    }
    world->retired_count = kept;
}

static void random_facts(struct facts *facts, uint32_t number)
{
    struct offer offer;
    struct box box = {0};
    bool town = pick(3) == 0; /* all of it on one of four points */
    fixture_offer(&offer, number + 1, town ? 400000 + 1000 * pick(4) : pick(650000), town ? 300000 : pick(650000));
    offer.state = pick(2) ? VACANCY_VACANT : pick(2) ? VACANCY_NOT_AVAILABLE : VACANCY_LAPSED;
    offer.beds_free = pick(4);
    offer.beds_held = pick(3) ? 0 : pick(3);
    offer.max_children = pick(6);
    offer.child_count = pick(3);
    for (uint32_t i = 0; i < offer.child_count; i++)
        offer.children[i] = (struct child_at_home){(uint8_t)(1 + pick(6)), SEX_F, 0, pick(2)};
    offer.bedrooms = pick(5);
    offer.age_from_months = pick(200);
    offer.age_below_months = offer.age_from_months + pick(60);
    offer.sex = (uint8_t)pick(3);
    offer.care_types = pick(1u << CARE_TYPE_END);
    offer.home_features = pick(1u << HOME_FEATURE_END);
    offer.pets = pick(3) ? 0 : pick(1u << PET_END);
    offer.cannot_take = pick(1u << RISK_END);
    facts_of_offer(&offer, &box, facts);
}

/* Their keys are in the order of their numbers. */
static void same_facts(struct facts *facts, uint32_t number)
{
    struct offer offer;
    struct box box = {0};
    fixture_offer(&offer, number + 1, 400000, 300000);
    facts_of_offer(&offer, &box, facts);
}

static void come(struct world *world, uint32_t number, void facts_of(struct facts *facts, uint32_t number))
{
    struct held_offer *held = calloc(1, sizeof *held);
    assert_non_null(held);
    held->national_reference = number / 2;
    held->region = number % 2; /* two regions with the same references */
    facts_of(&world->facts[number], number);
    world->facts[number].held = world->held[number] = held;
    world->facts[number].agency = number;
    tree_insert(&world->tree, &world->pen, &world->facts[number], held);
}

static void go(struct world *world, uint32_t number)
{
    uint32_t agency = UINT32_MAX;
    assert_true(tree_remove(&world->tree, &world->pen, world->held[number], &agency));
    assert_int_equal(agency, number);
    assert_false(tree_remove(&world->tree, &world->pen, world->held[number], &agency));
    retire(world, world->held[number], 0);
    world->held[number] = NULL;
}

static uint64_t mixed(uint64_t number)
{
    number *= UINT64_C(0x9E3779B97F4A7C15);
    return number ^ number >> 29;
}

/* Sum over what a walk finds, and how many. */
static uint64_t sum_of(const struct tree *tree, uint64_t *offers)
{
    uint32_t at[TREE_LEVELS_MAX] = {0}, count;
    const struct fact_group *group;
    uint64_t sum = *offers = 0;
    while ((group = tree_next_group(tree, at, &count)) != NULL) {
        for (uint32_t lane = 0; lane < count; lane++)
            sum += mixed(group->vacancy_id[lane] * 31 + group->held[lane]->place + group->point_e_metres[lane]);
        *offers += count;
    }
    return sum;
}

static bool key_less(const struct tree_key *a, const struct tree_key *b)
{
    if (a->place != b->place)
        return a->place < b->place;
    return a->reference != b->reference ? a->reference < b->reference : a->region < b->region;
}

static bool within(const struct extent *outer, const struct extent *inner)
{
    return outer->west_metres <= inner->west_metres && outer->east_metres >= inner->east_metres &&
           outer->south_metres <= inner->south_metres && outer->north_metres >= inner->north_metres;
}

/* The definition of a trait, offer by offer, from its facts alone. */
static bool has_trait(const struct facts *f, uint32_t trait)
{
    uint32_t room = f->terms_cap < f->limit_cap ? f->terms_cap : f->limit_cap;
    room = room < f->beds_free ? room : f->beds_free;
#define IN(name) (trait - TRAIT_##name <= (uint32_t)(TRAIT_##name##_LAST - TRAIT_##name))
#define AT(name) (trait - TRAIT_##name)
    if (IN(room_for))
        return f->vacant && room > AT(room_for);
    if (IN(beds))
        return f->vacant && f->beds_free > AT(beds);
    if (IN(bedrooms))
        return f->bedroom_cap > AT(bedrooms);
    if (IN(years))
        return f->age_from_months < 12 * AT(years) + 12 && f->age_below_months > 12 * AT(years);
    if (IN(sexes))
        return f->sexes >> AT(sexes) & 1;
    if (IN(care_types))
        return f->care_types >> AT(care_types) & 1;
    if (IN(features))
        return f->home_features >> AT(features) & 1;
    if (IN(lacks_pet))
        return !(f->pets >> AT(lacks_pet) & 1);
    if (IN(takes_risk))
        return !(f->cannot_take >> AT(takes_risk) & 1);
    if (IN(no_band))
        return !(f->bands_at_home >> AT(no_band) & 1);
    /* A bed held: solo no more, but nobody is there yet. */
    return IN(pet)        ? f->pets != 0
           : IN(nobody)   ? !f->bands_at_home
           : IN(somebody) ? f->bands_at_home & ~(1u << AGE_NONE)
                          : !f->lapsed;
#undef IN
#undef AT
}

static void check_group(const struct world *world, const struct tree_block *block, uint32_t at, uint32_t having[])
{
    const struct fact_group *group = block->groups[at];
    assert_in_range(block->offers[at], 1, LANES);
    for (uint32_t trait = 0; trait < TRAIT_END; trait++)
        assert_int_equal(block->traits[trait][at] & ~(~UINT64_C(0) >> (LANES - block->offers[at])), 0);
    for (uint32_t lane = 0; lane < block->offers[at]; lane++) {
        const struct held_offer *held = group->held[lane];
        struct tree_key key = {held->place, held->national_reference, held->region};
        struct extent point = {group->point_e_metres[lane], group->point_e_metres[lane], group->point_n_metres[lane],
                               group->point_n_metres[lane]};
        const struct facts *facts = &world->facts[group->agency[lane]];
        assert_ptr_equal(world->held[group->agency[lane]], held);
        assert_int_equal(facts->vacancy_id, group->vacancy_id[lane]);
        assert_true(within(&block->extents[at], &point));
        assert_false(at > 0 && key_less(&key, &block->from[at]));
        assert_false(at + 1 < block->head.count && !key_less(&key, &block->from[at + 1]));
        for (uint32_t trait = 0; trait < TRAIT_END; trait++) {
            bool has = block->traits[trait][at] >> lane & 1;
            assert_int_equal(has, has_trait(facts, trait));
            having[trait] += has;
        }
    }
}

/* Of a node and all below. */
static void check_node(const struct world *world, const struct tree_node *node, uint32_t having[])
{
    assert_in_range(node->count, 1, node->level == 1 ? BLOCK_GROUPS : NODE_CHILDREN);
    if (node->level == 1) {
        for (uint32_t at = 0; at < node->count; at++)
            check_group(world, (const struct tree_block *)node, at, having);
        for (uint32_t at = node->count; at < BLOCK_GROUPS; at++)
            for (uint32_t trait = 0; trait < TRAIT_END; trait++)
                assert_int_equal(((const struct tree_block *)node)->traits[trait][at], 0);
        return;
    }
    const struct tree_inner *inner = (const struct tree_inner *)node;
    for (uint32_t at = 0; at < node->count; at++) {
        const struct tree_node *child = inner->children[at];
        uint32_t below_it[TRAIT_END] = {0};
        assert_int_equal(child->level + 1, node->level);
        check_node(world, child, below_it);
        for (uint32_t trait = 0; trait < TRAIT_END; trait++) {
            assert_int_equal(inner->traits[trait] >> at & 1, below_it[trait] != 0);
            having[trait] += below_it[trait];
        }
        for (uint32_t i = 0; i < child->count; i++)
            assert_true(within(&inner->extents[at], child->level == 1
                                                        ? &((const struct tree_block *)child)->extents[i]
                                                        : &((const struct tree_inner *)child)->extents[i]));
        if (at > 1)
            assert_true(key_less(&inner->from[at - 1], &inner->from[at]));
    }
    for (uint32_t trait = 0; node->count < NODE_CHILDREN && trait < TRAIT_END; trait++)
        assert_int_equal(inner->traits[trait] >> node->count, 0);
}

static void check_all(const struct world *world)
{
    uint64_t offers, sum = 0, count = 0;
    uint32_t having[TRAIT_END] = {0};
    for (uint32_t i = 0; i < OFFERS; i++) {
        if (world->held[i] == NULL)
            continue;
        count++;
        sum += mixed(world->facts[i].vacancy_id * 31 + world->held[i]->place + world->facts[i].point_e_metres);
    }
    assert_int_equal(sum_of(&world->tree, &offers), sum);
    assert_int_equal(offers, count);
    assert_int_equal(world->tree.offers, count);
    if (world->tree.root != NULL)
        check_node(world, world->tree.root, having);
    assert_memory_equal(having, world->tree.having, sizeof having);
    for (uint32_t i = 0; i < PINNED; i++) {
        assert_int_equal(sum_of(&world->pinned[i].tree, &offers), world->pinned[i].sum);
        assert_int_equal(offers, world->pinned[i].tree.offers);
    }
}

/* The oldest pinned version makes room for the one that is there now. */
static void pin(struct world *world)
{
    uint64_t offers;
    struct pinned *last = &world->pinned[PINNED - 1];
    memmove(&world->pinned[0], &world->pinned[1], (PINNED - 1) * sizeof world->pinned[0]);
    *last = (struct pinned){.tree = world->tree, .version = world->pen.made, .sum = sum_of(&world->tree, &offers)};
    free_retired(world, world->pinned[0].version);
    world->pen.made++;
}

static void test_against_a_list(void **unused)
{
    (void)unused;
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->pen = (struct tree_pen){1, &world->bytes, pieces_create(), retire, world};
    uint32_t most_levels = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        /* It fills, then turns over, then empties to the last. */
        uint32_t percent = round < ROUNDS / 2 ? 90 : round < 2 * ROUNDS / 3 ? 50 : 0;
        uint32_t changes = round % 4 == 0 ? 1 : OFFERS / 6;
        for (uint32_t i = 0; i < changes; i++) {
            uint32_t number = pick(OFFERS);
            bool in = world->held[number] != NULL;
            if (in)
                go(world, number);
            if (pick(100) < percent)
                come(world, number, random_facts);
        }
        for (uint32_t number = 0; round == ROUNDS - 1 && number < OFFERS; number++)
            if (world->held[number] != NULL)
                go(world, number);
        if (world->tree.root && world->tree.root->level > most_levels)
            most_levels = world->tree.root->level;
        check_all(world);
        pin(world);
    }
    assert_true(most_levels >= 3);
    assert_null(world->tree.root);
    assert_int_equal(world->bytes, 0);
    free_retired(world, UINT64_MAX);
    pieces_destroy(world->pen.pieces);
    free(world->retired);
    free(world);
}

static void come_each(struct world *world, uint32_t first, uint32_t last, uint32_t step)
{
    for (uint32_t number = first; number <= last; number += step)
        come(world, number, same_facts);
}

/* Who comes before all others of a full group belongs to it still when it was split, not to its neighbour, which is
 * full as well. */
static void test_before_the_first_of_a_full_group(void **unused)
{
    (void)unused;
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->pen = (struct tree_pen){1, &world->bytes, pieces_create(), retire, world};
    come_each(world, 0, 128, 2); /* 0 to 62, and 64 to 128 */
    come_each(world, 1, 63, 2);
    for (uint32_t number = 64; number < 70; number += 2)
        go(world, number);
    come_each(world, 130, 196, 2);
    const struct tree_block *block = (const struct tree_block *)world->tree.root;
    assert_int_equal(block->head.count, 2);
    assert_int_equal(block->offers[0], LANES);
    assert_int_equal(block->offers[1], LANES);
    come(world, 65, same_facts);
    assert_int_equal(block->offers[0], LANES);
    check_all(world);
    for (uint32_t number = 0; number < OFFERS; number++)
        if (world->held[number] != NULL)
            go(world, number);
    check_all(world);
    assert_int_equal(world->bytes, 0);
    free_retired(world, UINT64_MAX);
    pieces_destroy(world->pen.pieces);
    free(world->retired);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_a_list),
                                       cmocka_unit_test(test_before_the_first_of_a_full_group)};
    const char *given = getenv("SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    state = seed * 2 + 1;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
