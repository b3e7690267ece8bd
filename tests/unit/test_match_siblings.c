/* tier: check */
/*
 * Siblings in two or three homes, against the definition in the contract (FindVacanciesResponse.splits) written down as
 * plainly as can be: every way, every choice of homes, sorted. A part's homes are asked of match itself; that these are
 * right is the oracle's business. Random registers (MATCH_SEED).
 */
#include "tests/unit/match_random.h"

#include "daemon/gazetteer/grid.h"
#include "daemon/match/match_siblings.h"

#define ROUNDS         40
#define QUESTIONS      12
#define TIED_ROUNDS    24
#define TIED_QUESTIONS 6
#define TIED_HOMES     24
#define HOMES_MAX      32 /* of a part: of the contract */

/* As placement_service asks, and what the work may come to, in offers of about 36 ns. */
#define TURN_OFFERS      16384
#define TURN_OFFERS_MOST (TURN_OFFERS + TURN_OFFERS / 2)
#define STEP_OFFERS_MOST 500 /* to see which of three times 32 homes are near each other; 32 x 32 of a home */
#define WORK_OFFERS_MOST 5000000

/* --- the definition ---------------------------------------------------------------------------------------------- */

/* Children alike are one kind; of each kind how many, four bits each. */
struct way {
    uint32_t part_count, sizes[SPLIT_HOMES_MAX];
    uint64_t bunches[SPLIT_HOMES_MAX];
};

struct choice {
    uint32_t part_count, sizes[SPLIT_HOMES_MAX], children[SPLIT_HOMES_MAX], band, between_metres, from_home_metres;
    uint64_t bunches[SPLIT_HOMES_MAX];
    struct option *homes[SPLIT_HOMES_MAX];
};

struct homes {
    uint64_t bunch;
    uint32_t count;
    struct option *homes;
};

struct plain {
    struct random_world *world;
    const struct criteria *criteria;
    struct way *ways;
    uint32_t way_count, known_count;
    struct homes known[4096];
    struct choice *choices;
    size_t choice_count, choice_capacity;
    bool within_rules; /* with no override */
};

static uint32_t kind_of(const struct criteria *criteria, uint32_t child)
{
    uint32_t first = 0;
    while (criteria->children[first].age_months != criteria->children[child].age_months ||
           criteria->children[first].sex != criteria->children[child].sex)
        first++;
    return first;
}

static uint32_t size_of(uint64_t bunch)
{
    uint32_t size = 0;
    for (; bunch != 0; bunch >>= 4)
        size += bunch & 15;
    return size;
}

/* The first children of the kinds wanted that are not yet taken. */
static uint32_t children_of(const struct criteria *criteria, uint64_t bunch, uint32_t taken)
{
    uint32_t children = 0;
    for (uint32_t i = 0; i < criteria->child_count; i++) {
        uint32_t shift = 4 * kind_of(criteria, i);
        if ((taken >> i & 1) != 0 || (bunch >> shift & 15) == 0)
            continue;
        bunch -= UINT64_C(1) << shift;
        children |= 1u << i;
    }
    return children;
}

static int by_sizes(const void *a, const void *b)
{
    const struct way *x = a, *y = b;
    for (uint32_t i = 0; i < SPLIT_HOMES_MAX; i++)
        if (x->sizes[i] != y->sizes[i])
            return x->sizes[i] > y->sizes[i] ? -1 : 1;
    for (uint32_t i = 0; i < SPLIT_HOMES_MAX; i++)
        if (x->bunches[i] != y->bunches[i])
            return x->bunches[i] > y->bunches[i] ? -1 : 1;
    return 0;
}

static void swap_parts(struct way *way, uint32_t i, uint32_t j)
{
    uint64_t bunch = way->bunches[i];
    uint32_t size = way->sizes[i];
    way->bunches[i] = way->bunches[j];
    way->sizes[i] = way->sizes[j];
    way->bunches[j] = bunch;
    way->sizes[j] = size;
}

static void add_way(struct plain *plain, struct way way)
{
    for (uint32_t i = 0; i < way.part_count; i++)
        way.sizes[i] = size_of(way.bunches[i]);
    for (uint32_t i = 0; i < way.part_count; i++)
        for (uint32_t j = i + 1; j < way.part_count; j++)
            if (way.sizes[j] > way.sizes[i] || (way.sizes[j] == way.sizes[i] && way.bunches[j] > way.bunches[i]))
                swap_parts(&way, i, j);
    plain->ways[plain->way_count++] = way;
}

/* Child by child into each part that there is, or into a new one. */
static void list_ways(struct plain *plain, uint32_t child, uint32_t used, struct way *way)
{
    if (child == plain->criteria->child_count) {
        if (used == way->part_count)
            add_way(plain, *way);
        return;
    }
    uint64_t one = UINT64_C(1) << 4 * kind_of(plain->criteria, child);
    for (uint32_t part = 0; part <= used && part < way->part_count; part++) {
        way->bunches[part] += one;
        list_ways(plain, child + 1, part == used ? used + 1 : used, way);
        way->bunches[part] -= one;
    }
}

static const struct homes *homes_of(struct plain *plain, uint64_t bunch)
{
    struct criteria part = *plain->criteria;
    struct answer answer;
    uint32_t children = children_of(plain->criteria, bunch, 0);
    for (uint32_t i = 0; i < plain->known_count; i++)
        if (plain->known[i].bunch == bunch)
            return &plain->known[i];
    part.child_count = 0;
    for (uint32_t i = 0; i < plain->criteria->child_count; i++)
        if (children >> i & 1)
            part.children[part.child_count++] = plain->criteria->children[i];
    part.grouping = GROUPING_TOGETHER;
    part.overrides &= plain->within_rules ? 0 : ~(1u << OVERRIDE_UNCONFIRMED);
    part.limit = HOMES_MAX;
    part.step_count = part.split_into = 0;
    part.unexplained = true;
    assert_int_equal(match_find(plain->world->match, &part, UINT32_MAX, &plain->world->arena, &answer, NULL), ERR_NONE);
    plain->known[plain->known_count] = (struct homes){bunch, answer.option_count, answer.options};
    return &plain->known[plain->known_count++];
}

static uint32_t band_of(uint32_t metres)
{
    return (metres >= 8047) + (metres >= 16093) + (metres >= 32187) + (metres >= 80467);
}

static bool shown_before(const struct choice *choice, uint32_t i, uint32_t j)
{
    const struct option *a = choice->homes[i], *b = choice->homes[j];
    if (choice->sizes[i] != choice->sizes[j])
        return choice->sizes[i] > choice->sizes[j];
    return a->distance_metres != b->distance_metres ? a->distance_metres < b->distance_metres
                                                    : a->offer.vacancy_id < b->offer.vacancy_id;
}

static void swap_shown(struct choice *choice, uint32_t i, uint32_t j)
{
    struct choice was = *choice;
    choice->homes[i] = was.homes[j];
    choice->sizes[i] = was.sizes[j];
    choice->bunches[i] = was.bunches[j];
    choice->homes[j] = was.homes[i];
    choice->sizes[j] = was.sizes[i];
    choice->bunches[j] = was.bunches[i];
}

static void add_choice(struct plain *plain, const struct way *way, struct option *const homes[])
{
    struct choice choice = {.part_count = way->part_count};
    uint32_t taken = 0;
    for (uint32_t i = 0; i < way->part_count; i++) {
        choice.homes[i] = homes[i];
        choice.sizes[i] = way->sizes[i];
        choice.bunches[i] = way->bunches[i];
        choice.from_home_metres += homes[i]->distance_metres;
        for (uint32_t j = 0; j < i; j++) {
            const struct home_cell *a = &homes[i]->offer.cell, *b = &homes[j]->offer.cell;
            uint32_t metres = grid_distance_metres((int32_t)a->point_e_metres, (int32_t)a->point_n_metres,
                                                   (int32_t)b->point_e_metres, (int32_t)b->point_n_metres);
            choice.between_metres = metres > choice.between_metres ? metres : choice.between_metres;
        }
    }
    choice.band = band_of(choice.between_metres);
    for (uint32_t i = 0; i < way->part_count; i++)
        for (uint32_t j = i + 1; j < way->part_count; j++)
            if (shown_before(&choice, j, i))
                swap_shown(&choice, i, j);
    for (uint32_t i = 0; i < way->part_count; i++)
        taken |= choice.children[i] = children_of(plain->criteria, choice.bunches[i], taken);
    if (plain->choice_count == plain->choice_capacity) {
        plain->choice_capacity = plain->choice_capacity ? 2 * plain->choice_capacity : 1024;
        plain->choices = realloc(plain->choices, plain->choice_capacity * sizeof *plain->choices);
        assert_non_null(plain->choices);
    }
    plain->choices[plain->choice_count++] = choice;
}

static void choose_homes(struct plain *plain, const struct way *way, uint32_t part, struct option *homes[])
{
    if (part == way->part_count) {
        add_choice(plain, way, homes);
        return;
    }
    const struct homes *from = homes_of(plain, way->bunches[part]);
    for (uint32_t i = 0; i < from->count; i++) {
        bool twice = false;
        for (uint32_t j = 0; j < part; j++)
            twice |= homes[j]->national_reference == from->homes[i].national_reference;
        homes[part] = &from->homes[i];
        if (!twice)
            choose_homes(plain, way, part + 1, homes);
    }
}

static int by_worth(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->sizes[0] != y->sizes[0])
        return x->sizes[0] > y->sizes[0] ? -1 : 1;
    if (x->band != y->band)
        return x->band < y->band ? -1 : 1;
    if (x->from_home_metres != y->from_home_metres)
        return x->from_home_metres < y->from_home_metres ? -1 : 1;
    if (x->between_metres != y->between_metres)
        return x->between_metres < y->between_metres ? -1 : 1;
    for (uint32_t i = 0; i < x->part_count; i++)
        if (x->homes[i]->offer.vacancy_id != y->homes[i]->offer.vacancy_id)
            return x->homes[i]->offer.vacancy_id < y->homes[i]->offer.vacancy_id ? -1 : 1;
    for (uint32_t i = 0; i < x->part_count; i++)
        for (uint32_t child = 0; child < CHILDREN_MAX; child++)
            if ((x->children[i] ^ y->children[i]) >> child & 1)
                return x->children[i] >> child & 1 ? -1 : 1;
    return 0;
}

static bool same_homes(const struct choice *a, const struct choice *b)
{
    uint32_t same = 0;
    for (uint32_t i = 0; i < a->part_count; i++)
        for (uint32_t j = 0; j < b->part_count; j++)
            same += a->homes[i]->national_reference == b->homes[j]->national_reference;
    return same == a->part_count;
}

static uint32_t best_choices(struct plain *plain, const struct choice *best[SPLITS_MAX])
{
    uint32_t count = 0;
    if (plain->choice_count > 0)
        qsort(plain->choices, plain->choice_count, sizeof *plain->choices, by_worth);
    for (size_t i = 0; i < plain->choice_count && count < SPLITS_MAX; i++) {
        bool shown = false;
        for (uint32_t j = 0; j < count; j++)
            shown |= same_homes(best[j], &plain->choices[i]);
        if (!shown)
            best[count++] = &plain->choices[i];
    }
    return count;
}

static void find_plainly(struct plain *plain, uint32_t homes)
{
    struct option *chosen[SPLIT_HOMES_MAX];
    struct way way = {.part_count = homes};
    plain->way_count = 0;
    list_ways(plain, 0, 0, &way);
    qsort(plain->ways, plain->way_count, sizeof *plain->ways, by_sizes);
    uint32_t count = 0;
    for (uint32_t i = 0; i < plain->way_count; i++)
        if (i == 0 || by_sizes(&plain->ways[i], &plain->ways[count - 1]) != 0)
            plain->ways[count++] = plain->ways[i];
    plain->way_count = count;
    for (uint32_t i = 0; i < plain->way_count; i++)
        choose_homes(plain, &plain->ways[i], 0, chosen);
}

/* Compares all that is answered; returns into how many homes. */
static uint32_t check_splits(struct random_world *world, const struct criteria *criteria)
{
    struct plain plain = {.world = world, .criteria = criteria, .ways = calloc(100000, sizeof *plain.ways)};
    const struct choice *best[SPLITS_MAX];
    struct answer answer;
    uint64_t everybody = 0;
    assert_non_null(plain.ways);
    random_ask(world, criteria, &answer);
    for (uint32_t i = 0; i < criteria->child_count; i++)
        everybody += UINT64_C(1) << 4 * kind_of(criteria, i);
    bool together = homes_of(&plain, everybody)->count > 0;
    for (uint32_t round = 0; !together && round < 2 && plain.choice_count == 0; round++) {
        plain.within_rules = round == 0;
        plain.known_count = 0;
        for (uint32_t homes = 2; homes <= criteria->split_into && plain.choice_count == 0; homes++)
            find_plainly(&plain, homes);
    }
    uint32_t count = best_choices(&plain, best);
    assert_int_equal(answer.split_count, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct split *split = &answer.splits[i];
        assert_int_equal(split->part_count, best[i]->part_count);
        assert_int_equal(split->between_metres, best[i]->between_metres);
        assert_int_equal(split->from_home_metres, best[i]->from_home_metres);
        for (uint32_t j = 0; j < split->part_count; j++) {
            const struct option *option = split->parts[j].option;
            assert_int_equal(split->parts[j].children, best[i]->children[j]);
            assert_int_equal(option->offer.vacancy_id, best[i]->homes[j]->offer.vacancy_id);
            assert_int_equal(option->distance_metres, best[i]->homes[j]->distance_metres);
            assert_int_equal(option->children_taken, best[i]->sizes[j]);
            assert_int_equal(option->reason_count, best[i]->homes[j]->reason_count);
            for (uint32_t k = 0; k < option->reason_count; k++)
                assert_int_equal(option->reasons[k].outcome, best[i]->homes[j]->reasons[k].outcome);
        }
    }
    uint32_t parts = count > 0 ? best[0]->part_count : 0;
    free(plain.choices);
    free(plain.ways);
    return parts;
}

/* --- random registers -------------------------------------------------------------------------------------------- */

static void test_splits_are_as_defined(void **state)
{
    static struct random_world world;
    uint64_t seed = random_seed();
    uint32_t seen[SPLIT_HOMES_MAX + 1] = {0};
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        random_world_open(&world, seed + round, round % 2 ? RANDOM_OFFERS : 9);
        for (uint32_t i = 0; i < QUESTIONS; i++) {
            struct criteria criteria;
            arena_reset(&world.arena);
            random_children(&world.random, 7, &criteria);
            if (random_percent(&world.random, 30)) /* alike */
                for (uint32_t child = 1; child < criteria.child_count; child += 2)
                    criteria.children[child] = criteria.children[child - 1];
            criteria.split_into = random_between(&world.random, 2, 3);
            criteria.limit = random_percent(&world.random, 50) ? 1 : OPTIONS_MAX;
            criteria.grouping = random_percent(&world.random, 30) ? GROUPING_SPLIT : GROUPING_TOGETHER;
            criteria.unexplained = random_percent(&world.random, 50);
            if (random_percent(&world.random, 30))
                criteria.within_metres = random_between(&world.random, 2000, 60000);
            if (random_percent(&world.random, 20))
                criteria.overrides = 1u << random_between(&world.random, 1, OVERRIDE_END - 1);
            seen[check_splits(&world, &criteria)]++;
        }
        random_world_close(&world);
    }
    assert_true(seen[0] > 0 && seen[2] > 0 && seen[3] > 0);
}

/* Within a band of each other, and not. */
static const uint32_t tied_points_apart[4] = {2000, 9000, 17000, 7000};

/* For one or two, most of them any; of each register one home takes three. */
static void tied_offer(struct seeded_random *random, uint32_t at, uint32_t apart, uint32_t points, struct offer *offer)
{
    fixture_offer(offer, 1000 + seeded_random_below(random, 1000) * 100 + at,
                  RANDOM_E_METRES + apart * random_up_to(random, points),
                  RANDOM_N_METRES + apart * random_up_to(random, points));
    offer->beds = offer->beds_free = offer->bedrooms = at == 0 ? 3 : random_between(random, 1, 2);
    offer->max_children = offer->max_children_if_siblings = offer->beds;
    offer->age_from_months = offer->approved_age_from_months = random_percent(random, 70) ? 0 : 72;
    offer->age_below_months = offer->approved_age_below_months = random_percent(random, 70) ? 216 : 144;
    offer->sibling_group_only = offer->beds > 1 && random_percent(random, 20);
}

/* Many homes at few points, as far from the child and from each other: the ids decide, and the children. */
static void test_splits_of_homes_that_tie(void **state)
{
    static struct random_world world;
    uint64_t seed = random_seed();
    uint32_t seen[SPLIT_HOMES_MAX + 1] = {0};
    (void)state;
    for (uint32_t round = 0; round < TIED_ROUNDS; round++) {
        uint32_t points = round % 3, apart = tied_points_apart[round % 4];
        random_world_open(&world, seed + round, 0);
        for (; world.count < TIED_HOMES; world.count++) {
            tied_offer(&world.random, world.count, apart, points, &world.offers[world.count]);
            random_world_put(&world, world.count);
        }
        for (uint32_t i = 0; i < TIED_QUESTIONS; i++) {
            struct criteria criteria;
            arena_reset(&world.arena);
            random_children(&world.random, 6, &criteria);
            criteria.near_e_metres = RANDOM_E_METRES + apart;
            criteria.near_n_metres = RANDOM_N_METRES + apart;
            criteria.split_into = random_between(&world.random, 2, 3);
            criteria.unexplained = true;
            if (random_percent(&world.random, 50))
                for (uint32_t child = 1; child < criteria.child_count; child++)
                    criteria.children[child] = criteria.children[0];
            seen[check_splits(&world, &criteria)]++;
        }
        random_world_close(&world);
    }
    assert_true(seen[2] > 0 && seen[3] > 0);
}

/* --- one case at a time ------------------------------------------------------------------------------------------ */

static struct random_world world;

/* A home with so many beds for children of 0 to 17. */
static void put_home(uint64_t vacancy_id, uint32_t beds, uint32_t east_metres)
{
    struct offer *offer = &world.offers[world.count];
    fixture_offer(offer, vacancy_id, RANDOM_E_METRES + east_metres, RANDOM_N_METRES);
    offer->beds = offer->beds_free = offer->bedrooms = offer->max_children = offer->max_children_if_siblings = beds;
    offer->age_from_months = offer->approved_age_from_months = 0;
    offer->age_below_months = offer->approved_age_below_months = 216;
    random_world_put(&world, world.count++);
}

static int open_world(void **state)
{
    (void)state;
    random_world_open(&world, 1, 0);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    random_world_close(&world);
    return 0;
}

/* So many girls, a year apart. */
static void girls(struct criteria *criteria, uint32_t count)
{
    fixture_criteria(criteria, RANDOM_E_METRES, RANDOM_N_METRES);
    criteria->child_count = count;
    criteria->split_into = 3;
    for (uint32_t i = 0; i < count; i++)
        criteria->children[i] = (struct child_sought){48 + 12 * i, SEX_F};
}

/* The largest part decides before the distance; a nearer third home is of no use when two do. */
static void test_largest_part_first_and_two_homes_before_three(void **state)
{
    struct criteria criteria;
    struct answer answer;
    (void)state;
    girls(&criteria, 4);
    put_home(1, 2, 100);
    put_home(2, 2, 200);
    put_home(3, 3, 30000);
    random_ask(&world, &criteria, &answer);
    assert_int_equal(answer.option_count, 0);
    assert_int_equal(answer.split_count, 3);
    assert_int_equal(answer.splits[0].part_count, 2);
    assert_int_equal(answer.splits[0].parts[0].option->offer.vacancy_id, 3);
    assert_int_equal(answer.splits[0].parts[0].option->children_taken, 3);
    assert_int_equal(answer.splits[0].parts[0].children, 7);
    assert_int_equal(answer.splits[0].parts[1].option->offer.vacancy_id, 1);
    assert_int_equal(answer.splits[0].parts[1].children, 8);
    assert_int_equal(answer.splits[0].between_metres, 29900);
    assert_int_equal(answer.splits[0].from_home_metres, 30100);
    assert_int_equal(answer.splits[1].parts[1].option->offer.vacancy_id, 2);
    assert_int_equal(answer.splits[2].parts[0].option->offer.vacancy_id, 1);
    assert_int_equal(answer.splits[2].parts[1].option->offer.vacancy_id, 2);
    assert_int_equal(answer.splits[2].parts[0].option->children_taken, 2);
}

static void test_no_split_when_one_home_takes_all_or_none_is_asked_for(void **state)
{
    struct criteria criteria;
    struct answer answer;
    (void)state;
    girls(&criteria, 2);
    put_home(1, 1, 100);
    put_home(2, 1, 200);
    random_ask(&world, &criteria, &answer);
    assert_int_equal(answer.split_count, 1);
    criteria.split_into = 0;
    random_ask(&world, &criteria, &answer);
    assert_int_equal(answer.split_count, 0);
    /* With SPLIT it is among the options or not: it takes all. */
    put_home(3, 2, 90000);
    criteria.split_into = 2;
    criteria.grouping = GROUPING_SPLIT;
    criteria.limit = 1;
    random_ask(&world, &criteria, &answer);
    assert_int_equal(answer.options[0].children_taken, 1);
    assert_int_equal(answer.split_count, 0);
    check_splits(&world, &criteria);
}

/* Of children alike the first go to the part that is shown first; the same homes are shown once. */
static void test_children_alike(void **state)
{
    struct criteria criteria;
    struct answer answer;
    (void)state;
    girls(&criteria, 3);
    criteria.children[2] = criteria.children[0];
    criteria.split_into = 2;
    put_home(1, 2, 100);
    put_home(2, 1, 200);
    random_ask(&world, &criteria, &answer);
    assert_int_equal(answer.split_count, 1);
    assert_int_equal(answer.splits[0].parts[0].children, 3);
    assert_int_equal(answer.splits[0].parts[1].children, 4);
    check_splits(&world, &criteria);
}

/* A home that takes siblings only takes two of them, but not one alone. */
static void test_a_home_for_siblings_only(void **state)
{
    struct criteria criteria;
    struct answer answer;
    (void)state;
    girls(&criteria, 3);
    criteria.split_into = 2;
    put_home(1, 2, 100);
    world.offers[0].sibling_group_only = true;
    random_world_put(&world, 0);
    put_home(2, 2, 200);
    world.offers[1].age_from_months = 72; /* the eldest alone */
    random_world_put(&world, 1);
    random_ask(&world, &criteria, &answer);
    assert_int_equal(answer.split_count, 1);
    assert_int_equal(answer.splits[0].parts[0].option->offer.vacancy_id, 1);
    check_splits(&world, &criteria);
}

/* Twelve children are many searches and ways: the work stops when the budget is spent, and goes on from there. */
static void test_the_work_is_put_off(void **state)
{
    struct criteria criteria;
    struct answer answer;
    struct match_search *resume = NULL;
    uint32_t turns = 0;
    (void)state;
    girls(&criteria, 12);
    for (uint32_t i = 0; i < 20; i++)
        put_home(1 + i, 4, 1000 * i);
    do {
        assert_int_equal(match_find(world.match, &criteria, 500, &world.arena, &answer, &resume), ERR_NONE);
        turns++;
    } while (resume != NULL);
    assert_int_equal(answer.split_count, 3);
    assert_true(turns > 100); /* 66 + 220 + 495 parts have homes, and each search counts as 100 offers */
    assert_int_equal(match_find(world.match, &criteria, 500, &world.arena, &answer, &resume), ERR_NONE);
    assert_non_null(resume);
    match_search_abandon(resume);
}

/* Runs it to its end in turns, each of which must stay near its budget; returns the work. */
static uint64_t count_work(const struct criteria *criteria, uint32_t budget, uint32_t most,
                           struct split_found splits[SPLITS_MAX], uint32_t *count)
{
    uint64_t work = 0;
    uint32_t slot;
    bool done = false;
    const struct match_version *version = index_pin(world.match, &slot);
    assert_non_null(version);
    struct siblings *siblings = siblings_new(world.match, version, criteria);
    assert_non_null(siblings);
    while (!done) {
        uint64_t turn = 0;
        assert_int_equal(siblings_run(siblings, budget, &turn, &done), ERR_NONE);
        assert_true(turn <= most);
        work += turn;
    }
    *count = siblings_found(siblings, splits);
    siblings_free(siblings);
    index_unpin(world.match, slot);
    return work;
}

/* Twelve children no two alike, 64 homes that all take any four, then any five: no home is better than another, but by
 * id. */
static void test_homes_at_one_point_are_few_to_look_at(void **state)
{
    struct criteria criteria;
    struct split_found splits[SPLITS_MAX];
    uint32_t count;
    (void)state;
    girls(&criteria, 12);
    for (uint32_t i = 0; i < 64; i++)
        put_home(100 - i, 4, 0);
    assert_true(count_work(&criteria, TURN_OFFERS, TURN_OFFERS_MOST, splits, &count) <= WORK_OFFERS_MOST);
    assert_int_equal(count, SPLITS_MAX);
    for (uint32_t i = 0; i < SPLITS_MAX; i++) {
        assert_int_equal(splits[i].parts[0].home.vacancy_id, 37);
        assert_int_equal(splits[i].parts[1].home.vacancy_id, 38);
        assert_int_equal(splits[i].parts[2].home.vacancy_id, 39 + i);
        assert_int_equal(splits[i].parts[0].children, 0xF);
    }
    for (uint32_t i = 0; i < 64; i++) {
        world.offers[i].beds = world.offers[i].beds_free = world.offers[i].bedrooms = 5;
        world.offers[i].max_children = world.offers[i].max_children_if_siblings = 5;
        random_world_put(&world, i);
    }
    assert_true(count_work(&criteria, TURN_OFFERS, TURN_OFFERS_MOST, splits, &count) <= WORK_OFFERS_MOST);
    assert_int_equal(count, SPLITS_MAX);
}

/* Eight points as far from the child, then homes 12 km from each other, so that the nearest band is of no use. */
static void test_homes_that_tie_or_lie_apart_are_few_to_look_at(void **state)
{
    static const int east[8] = {1, 2, 2, 1, -1, -2, -2, -1}, north[8] = {2, 1, -1, -2, -2, -1, 1, 2};
    struct criteria criteria;
    struct split_found splits[SPLITS_MAX];
    uint32_t count;
    (void)state;
    girls(&criteria, 12);
    for (uint32_t i = 0; i < 64; i++) {
        put_home(1 + i, 4, 0);
        world.offers[i].cell.point_e_metres = (uint32_t)((int)RANDOM_E_METRES + 9000 * east[i % 8]);
        world.offers[i].cell.point_n_metres = (uint32_t)((int)RANDOM_N_METRES + 9000 * north[i % 8]);
        random_world_put(&world, i);
    }
    assert_true(count_work(&criteria, TURN_OFFERS, TURN_OFFERS_MOST, splits, &count) <= WORK_OFFERS_MOST);
    assert_int_equal(count, SPLITS_MAX);
    for (uint32_t i = 0; i < 64; i++) {
        world.offers[i].cell.point_e_metres = RANDOM_E_METRES + 12000 * (i % 8);
        world.offers[i].cell.point_n_metres = RANDOM_N_METRES + 12000 * (i / 8);
        random_world_put(&world, i);
    }
    assert_true(count_work(&criteria, TURN_OFFERS, TURN_OFFERS_MOST, splits, &count) <= WORK_OFFERS_MOST);
    assert_int_equal(count, SPLITS_MAX);
    assert_true(splits[0].between_metres >= 12000);
}

/* 32 points to the metre as far from the child, all in one band of each other: nothing but how near each other they are
 * can settle it. One way's homes are put off, and counted, one by one. */
static void test_one_way_is_put_off(void **state)
{
    struct criteria criteria;
    struct split_found splits[SPLITS_MAX];
    uint32_t count;
    (void)state;
    girls(&criteria, 3);
    for (uint32_t i = 0; i < HOMES_MAX; i++) {
        uint32_t east = i < 16 ? 3600 - 232 * i : 232 * i - 3600, north = 0;
        while (east * east + north * north < 3900 * 3900)
            north++;
        put_home(1 + i, 1, 0);
        world.offers[i].cell.point_e_metres = i < 16 ? RANDOM_E_METRES - east : RANDOM_E_METRES + east;
        world.offers[i].cell.point_n_metres = RANDOM_N_METRES + north;
        random_world_put(&world, i);
    }
    uint64_t work = count_work(&criteria, 1, STEP_OFFERS_MOST, splits, &count);
    assert_true(work >= 2 * HOMES_MAX * HOMES_MAX);  /* each two are counted, and that they tie */
    assert_true(work <= 10 * HOMES_MAX * HOMES_MAX); /* and few with a third */
    assert_int_equal(splits[0].from_home_metres, 3 * 3900);
    assert_int_equal(splits[2].from_home_metres, 3 * 3900);
    assert_int_equal(check_splits(&world, &criteria), 3);
}

/* Many children, no two alike: every way is tried. */
static void test_large_groups(void **state)
{
    struct criteria criteria;
    struct answer answer;
    (void)state;
    girls(&criteria, 10);
    for (uint32_t i = 0; i < 4; i++)
        put_home(1 + i, i == 0 ? 4 : 3, 1000 * i);
    assert_int_equal(check_splits(&world, &criteria), 3);
    girls(&criteria, 12);
    random_ask(&world, &criteria, &answer);
    assert_int_equal(answer.split_count, 0);
    put_home(9, 4, 7000);
    put_home(10, 5, 9000);
    random_ask(&world, &criteria, &answer);
    assert_int_equal(answer.split_count, 3); /* 5, 4 and 3; less than 5 miles apart before nearer home */
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(answer.splits[i].parts[0].option->offer.vacancy_id, 10);
        assert_int_equal(answer.splits[i].parts[1].option->offer.vacancy_id, 9);
        assert_int_equal(answer.splits[i].parts[2].option->offer.vacancy_id, 2 + i);
        assert_int_equal(answer.splits[i].parts[0].children, 0x1F);
    }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits_are_as_defined),
        cmocka_unit_test(test_splits_of_homes_that_tie),
        CASE(test_largest_part_first_and_two_homes_before_three),
        CASE(test_no_split_when_one_home_takes_all_or_none_is_asked_for),
        CASE(test_children_alike),
        CASE(test_a_home_for_siblings_only),
        CASE(test_the_work_is_put_off),
        CASE(test_one_way_is_put_off),
        CASE(test_homes_at_one_point_are_few_to_look_at),
        CASE(test_homes_that_tie_or_lie_apart_are_few_to_look_at),
        CASE(test_large_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
