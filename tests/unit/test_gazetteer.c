/* tier: check */
/*
 * The gazetteer with its built-in tables: what people type (issue 2, "Bad input": a postcode that does not exist),
 * places at sector precision, cells and H10's box, how authorities adjoin (domain.md 2.7, S3), languages, distances.
 * What needs unit postcodes is in test_gazetteer_import.c and tests/scenario/test_cells.py.
 */
#include "daemon/base/randomness.h"
#include "daemon/gazetteer/gazetteer.h"
#include "daemon/gazetteer/grid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gazetteer *g;

static int load(void **state)
{
    (void)state;
    struct problem problem;
    return gazetteer_load(NULL, &g, &problem);
}

static int unload(void **state)
{
    (void)state;
    gazetteer_destroy(g);
    return 0;
}

static void start_random(struct seeded_random *random)
{
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 20260417;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    seeded_random_init(random, seed);
}

static int scaled(int count)
{
    const char *text = getenv("CHECK_SCALE");
    double scaled_count = count * (text ? atof(text) : 1.0);
    return scaled_count < 1 ? 1 : (int)scaled_count;
}

/* --- what people type ------------------------------------------------------------------------------------------ */

static void what_people_type_becomes_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *typed, *canonical;
        enum postcode_kind kind;
    } rows[] = {
        {"ls61ab", "LS6 1AB", POSTCODE_UNIT},     {" LS6  1AB", "LS6 1AB", POSTCODE_UNIT},
        {"LS6 1AB ", "LS6 1AB", POSTCODE_UNIT},   {"L S 6 1 A B", "LS6 1AB", POSTCODE_UNIT},
        {"\tLs6\t1aB", "LS6 1AB", POSTCODE_UNIT}, {"LS101AA", "LS10 1AA", POSTCODE_UNIT},
        {"M1 1AE", "M1 1AE", POSTCODE_UNIT},      {"m11ae", "M1 1AE", POSTCODE_UNIT},
        {"SW1A1AA", "SW1A 1AA", POSTCODE_UNIT},   {"W1A 0AX", "W1A 0AX", POSTCODE_UNIT},
        {"LS6 1", "LS6 1", POSTCODE_SECTOR},      {"ls6  1", "LS6 1", POSTCODE_SECTOR},
        {"SW1A 1", "SW1A 1", POSTCODE_SECTOR},    {"sw1a1", "SW1A 1", POSTCODE_SECTOR}, /* no outcode looks like this */
        {"LS101", "LS10 1", POSTCODE_SECTOR},     {"M1 1", "M1 1", POSTCODE_SECTOR},
        {"M11", "M11", POSTCODE_OUTCODE}, /* could be either: the outcode */
        {"LS61", "LS61", POSTCODE_OUTCODE},       {"LS6", "LS6", POSTCODE_OUTCODE},
        {"m1", "M1", POSTCODE_OUTCODE},           {"SW1A", "SW1A", POSTCODE_OUTCODE},
        {"w1a ", "W1A", POSTCODE_OUTCODE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct postcode out;
        struct problem problem;
        assert_int_equal(postcode_parse("x", rows[i].typed, &out, &problem), ERR_NONE);
        assert_string_equal(out.text, rows[i].canonical);
        assert_int_equal(out.kind, rows[i].kind);
    }
}

static void nonsense_is_refused_by_field_and_not_repeated(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "L",
        "LS",
        "6",
        "LS6 1A",
        "LS6 1ABC",
        "LS6-1AB",
        "LS6 1C1",
        "LS6 1CA",
        "LS6 1AV",
        "123 456",
        "LSS6 1AB",
        "LS666 1AB",
        "LS6AA 1AB",
        "GIR 0AA",
        "LS6 1AB\n",
        "LS6\x01"
        "1AB",
        "\xc3\x89"
        "6 1AB",
        "Leeds",
        "LS6 1AB LS6 1AB",
        "LS6                                                  1AB",
        "1LS6AB",
        "LS6 11",
        "SW1 A1",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct postcode out;
        struct problem problem = {0};
        assert_int_equal(postcode_parse("carer.home_postcode", rows[i], &out, &problem), ERR_INVALID);
        assert_int_equal(problem.code, ERR_INVALID);
        assert_string_equal(problem.field, "carer.home_postcode");
        assert_non_null(strstr(problem.text, "expected a postcode"));
        assert_null(strstr(problem.text, "1CA"));
    }
    struct postcode out;
    assert_int_equal(postcode_parse("x", NULL, &out, NULL), ERR_INVALID);
}

static void canonical_text_is_a_fixed_point_for_any_input(void **state)
{
    (void)state;
    static const char letters[] = "  LSMWAB016789abz\t-\xc3";
    struct seeded_random random;
    start_random(&random);
    int taken = 0;
    for (int i = 0; i < scaled(300000); i++) {
        char typed[14] = {0};
        size_t length = seeded_random_below(&random, sizeof typed);
        for (size_t j = 0; j < length; j++)
            typed[j] = i % 16 ? letters[seeded_random_below(&random, sizeof letters - 1)]
                              : (char)(1 + seeded_random_below(&random, 255));
        struct postcode once, twice;
        if (postcode_parse("x", typed, &once, NULL))
            continue;
        taken++;
        assert_int_equal(postcode_parse("x", once.text, &twice, NULL), ERR_NONE);
        assert_memory_equal(&once, &twice, sizeof once);
        char part[POSTCODE_TEXT_BYTES];
        postcode_outcode(&once, part);
        assert_int_equal(strncmp(once.text, part, strlen(part)), 0);
        assert_int_equal(postcode_sector(&once, part), once.kind != POSTCODE_OUTCODE);
    }
    assert_true(taken > 0);
}

static void keys_keep_the_order_and_tell_postcodes_apart(void **state)
{
    (void)state;
    static const char *const ascending[] = {"AL1 1AA", "AL10 1AA", "AL10 1AB", "AL10 2AA", "AL2 1AA",
                                            "B1 1AA",  "B1A 1AA",  "LS6 1AB",  "LS61 1AB", "SW1A 1AA"};
    uint64_t last = 0;
    for (size_t i = 0; i < sizeof ascending / sizeof *ascending; i++) {
        struct postcode postcode;
        assert_int_equal(postcode_parse("x", ascending[i], &postcode, NULL), ERR_NONE);
        uint64_t key = postcode_key(&postcode);
        assert_true(key > last && key < UINT64_C(1) << 37);
        last = key;
    }
}

/* --- places ---------------------------------------------------------------------------------------------------- */

static void known_postcodes_are_found_at_sector_precision(void **state)
{
    (void)state;
    /* Points of the unit postcodes from shared/data's spot checks, on the grid; the sector is near, not there. */
    static const struct {
        const char *text, *authority, *region;
        int32_t easting_m, northing_m;
    } rows[] = {
        {"SW1A 1AA", "E09000033", "E12000007", 529090, 179645}, {"M1 1AE", "E08000003", "E12000002", 384759, 398526},
        {"LS1 4AP", "E08000035", "E12000003", 429370, 433290},  {"NE1 7RU", "E08000021", "E12000001", 424970, 565400},
        {"BS1 5TR", "E06000023", "E12000009", 358400, 172700},  {"NR2 1NH", "E10000020", "E12000006", 622700, 308500},
        {"PL1 2AA", "E06000026", "E12000009", 247900, 54400},   {"CT1 2EH", "E10000016", "E12000008", 614800, 157900},
        {"S1 2HH", "E08000039", "E12000003", 435300, 387000},   {"TD15 1AA", "E06000057", "E12000001", 399900, 652900},
        {"TR21 0LW", "E06000053", "E12000009", 90000, 10500},   {"YO1 7HH", "E06000014", "E12000003", 460300, 452000},
        {"EC1A 1BB", "E09000019", "E12000007", 531200, 182300},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct place place;
        struct problem problem;
        assert_int_equal(gazetteer_locate(g, "near", rows[i].text, &place, &problem), ERR_NONE);
        assert_int_equal(place.precision, PLACE_SECTOR);
        assert_string_equal(place.authority, rows[i].authority);
        assert_string_equal(place.region, rows[i].region);
        assert_true(grid_distance_metres(place.easting_m, place.northing_m, rows[i].easting_m, rows[i].northing_m) <
                    15000);
    }
}

static void a_place_tells_how_fine_it_is(void **state)
{
    (void)state;
    struct place place;
    struct problem problem = {0};
    assert_int_equal(gazetteer_locate(g, "x", "LS6 1", &place, NULL), ERR_NONE);
    assert_int_equal(place.precision, PLACE_SECTOR);
    assert_int_equal(gazetteer_locate(g, "x", "LS6", &place, NULL), ERR_NONE);
    assert_int_equal(place.precision, PLACE_OUTCODE);
    assert_true(PLACE_OUTCODE < PLACE_SECTOR && PLACE_SECTOR < PLACE_UNIT);
    assert_int_equal(place.reach_metres, 2500); /* LS6's, as make_tables.py computes it; test_cells.py checks all */
    /* A sector that isn't there, in an outcode that is. */
    assert_int_equal(gazetteer_locate(g, "x", "SW1A 9", &place, NULL), ERR_NONE);
    assert_int_equal(place.precision, PLACE_OUTCODE);
    static const char *const nowhere[] = {"ZZ1 1ZZ", "DN55 1PT", "QQ1", "CF10 1AA", "EH1 1AA", "BT1 1AA"};
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        assert_int_equal(gazetteer_locate(g, "near_postcode", nowhere[i], &place, &problem), ERR_INVALID);
        assert_string_equal(problem.field, "near_postcode");
    }
    assert_false(gazetteer_has_units(g));
    assert_string_equal(gazetteer_edition(g), "built-in sectors");
}

/* --- cells ----------------------------------------------------------------------------------------------------- */

static bool box_holds_square(const struct cell *outer, const struct cell *inner)
{
    return inner->square_e_km >= outer->west_km && inner->square_e_km + inner->size_km <= outer->east_km &&
           inner->square_n_km >= outer->south_km && inner->square_n_km + inner->size_km <= outer->north_km;
}

/* Walks the grid: everywhere in an authority there is one cell, it is found again by its key, and its box holds the
 * home (design 4.9, H10). */
static void every_place_of_an_authority_has_one_cell(void **state)
{
    (void)state;
    for (size_t i = 0; i < gazetteer_authority_count(g); i++) {
        const struct authority *a = gazetteer_authority_at(g, i);
        struct place home = {.precision = PLACE_UNIT};
        memcpy(home.authority, a->gss, sizeof home.authority);
        for (int32_t e = a->west_km; e < a->east_km; e++) {
            for (int32_t n = a->south_km; n < a->north_km; n++) {
                struct cell cell, again;
                home.easting_m = e * 1000 + (n * 37) % 1000;
                home.northing_m = n * 1000 + (e * 41) % 1000;
                assert_int_equal(gazetteer_cell(g, "x", &home, &cell, NULL), ERR_NONE);
                assert_true(gazetteer_cell_get(g, a->gss, cell.square_e_km, cell.square_n_km, cell.size_km, &again));
                assert_memory_equal(&cell, &again, sizeof cell);
                assert_true(box_holds_square(&cell, &cell) || cell.size_km == 0);
                assert_true(cell_touches_circle(&cell, home.easting_m, home.northing_m, 0));
                assert_string_equal(cell.authority, a->gss);
                assert_int_equal(strncmp(cell.area_name, a->name, strlen(a->name)), 0);
            }
        }
    }
}

static void a_home_known_to_a_sector_takes_the_cell_of_its_square(void **state)
{
    (void)state;
    struct place place;
    struct cell cell;
    assert_int_equal(gazetteer_locate(g, "x", "LS6 1", &place, NULL), ERR_NONE);
    assert_int_equal(gazetteer_cell(g, "x", &place, &cell, NULL), ERR_NONE);
    assert_int_equal(cell.size_km, 1);
    assert_int_equal(cell.square_e_km, place.easting_m / 1000);
    assert_int_equal(cell.square_n_km, place.northing_m / 1000);
    assert_string_equal(cell.area_name, "Leeds, LS6");
    /* Every sector of England leads to a cell of its authority, also where its mean lies in a neighbour's square. */
    FILE *in = fopen("daemon/gazetteer/data/sectors.csv", "r");
    assert_non_null(in);
    char line[256];
    int sectors = 0, outcodes = 0;
    while (fgets(line, sizeof line, in)) {
        if (line[0] == '#' || !strncmp(line, "sector,", 7))
            continue;
        *strchr(line, ',') = 0;
        assert_int_equal(gazetteer_locate(g, "x", line, &place, NULL), ERR_NONE);
        assert_int_equal(place.precision, PLACE_SECTOR);
        assert_int_equal(gazetteer_cell(g, "x", &place, &cell, NULL), ERR_NONE);
        assert_string_equal(cell.authority, place.authority);
        /* So whoever avoids the sector, or all of its outcode, avoids this home too (H10). */
        assert_true(cell_touches_circle(&cell, place.easting_m, place.northing_m, place.reach_metres));
        struct place whole;
        *strchr(line, ' ') = 0;
        sectors++;
        if (gazetteer_locate(g, "x", line, &whole, NULL) == ERR_INVALID)
            continue; /* most of this outcode is not in England */
        assert_int_equal(whole.precision, PLACE_OUTCODE);
        if (!cell_touches_circle(&cell, whole.easting_m, whole.northing_m, whole.reach_metres))
            fail_msg("a home in a sector of %s is not in it", line);
        outcodes++;
    }
    fclose(in);
    assert_int_equal(sectors, 9116);
    assert_true(outcodes > 9000);
}

static void homes_without_a_cell_are_refused_with_the_reason(void **state)
{
    (void)state;
    struct cell cell;
    struct problem problem;
    struct place home = {.easting_m = 318000, .northing_m = 176000, .precision = PLACE_UNIT, .authority = "W06000015"};
    assert_int_equal(gazetteer_cell(g, "home_postcode", &home, &cell, &problem), ERR_INVALID);
    assert_string_equal(problem.field, "home_postcode");
    struct place far = {.easting_m = 530000, .northing_m = 180000, .precision = PLACE_UNIT, .authority = "E06000053"};
    assert_int_equal(gazetteer_cell(g, "home_postcode", &far, &cell, &problem), ERR_PRECONDITION);
    struct place off = {.easting_m = -1, .northing_m = 180000, .precision = PLACE_UNIT, .authority = "E08000035"};
    assert_int_equal(gazetteer_cell(g, "home_postcode", &off, &cell, &problem), ERR_INVALID);
    assert_false(gazetteer_cell_get(g, "E08000035", 0, 0, 1, &cell));
    assert_false(gazetteer_cell_get(g, "E08000035", -5, 70000, 3, &cell));
    assert_false(gazetteer_cell_get(g, "W06000015", 0, 0, 0, &cell));
}

static void a_circle_touches_a_box_or_not_to_the_metre(void **state)
{
    (void)state;
    const struct cell cell = {.west_km = 428, .south_km = 433, .east_km = 430, .north_km = 435, .size_km = 2};
    assert_true(cell_touches_circle(&cell, 429000, 434000, 0)); /* inside */
    assert_true(cell_touches_circle(&cell, 428000, 433000, 0)); /* corner */
    assert_true(cell_touches_circle(&cell, 427000, 434000, 1000));
    assert_false(cell_touches_circle(&cell, 427000, 434000, 999));
    assert_true(cell_touches_circle(&cell, 431000, 434000, 1000)); /* the far border counts */
    assert_true(cell_touches_circle(&cell, 429000, 436500, 1500));
    assert_false(cell_touches_circle(&cell, 429000, 436501, 1500));
    assert_true(cell_touches_circle(&cell, 427700, 432600, 500)); /* 300, 400 from the corner */
    assert_false(cell_touches_circle(&cell, 427700, 432599, 500));
    assert_true(cell_touches_circle(&cell, INT32_MIN, INT32_MIN, UINT32_MAX));
    assert_false(cell_touches_circle(&cell, INT32_MIN, INT32_MAX, 2000000000));
}

static void a_whole_authority_is_touched_anywhere_in_its_box(void **state)
{
    (void)state;
    struct cell cell;
    const struct authority *leeds = gazetteer_authority(g, "E08000035");
    assert_true(gazetteer_cell_get(g, "E08000035", 0, 0, 0, &cell));
    assert_string_equal(cell.area_name, "Leeds");
    assert_true(cell_touches_circle(&cell, leeds->west_km * 1000, leeds->north_km * 1000, 0));
    assert_false(cell_touches_circle(&cell, leeds->west_km * 1000 - 501, leeds->north_km * 1000, 500));
    assert_true(cell.point_e_m > leeds->west_km * 1000 && cell.point_e_m < leeds->east_km * 1000);
}

/* --- authorities ----------------------------------------------------------------------------------------------- */

static void authorities_and_regions_are_found_by_code_and_number(void **state)
{
    (void)state;
    assert_int_equal(gazetteer_authority_count(g), 153);
    assert_int_equal(gazetteer_region_count(g), 9);
    const struct authority *leeds = gazetteer_authority_by_dfe(g, 383);
    assert_non_null(leeds);
    assert_string_equal(leeds->gss, "E08000035");
    assert_string_equal(leeds->name, "Leeds");
    assert_ptr_equal(leeds, gazetteer_authority(g, "E08000035"));
    assert_string_equal(gazetteer_region(g, leeds->region)->name, "Yorkshire and The Humber");
    assert_string_equal(gazetteer_authority(g, "E06000023")->name, "Bristol");
    static const char *const unknown[] = {"E08000016", "E07000083", "W06000015", "", "E0800003", "E080000355"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_null(gazetteer_authority(g, unknown[i]));
    assert_null(gazetteer_authority_by_dfe(g, 0));
    assert_null(gazetteer_region(g, "E12000010"));
    assert_null(gazetteer_authority_at(g, 153));
    for (size_t i = 0; i < 153; i++)
        assert_non_null(gazetteer_region(g, gazetteer_authority_at(g, i)->region));
    assert_string_equal(gazetteer_successor(g, "E08000019", 0), "E08000039");
    assert_null(gazetteer_successor(g, "E08000019", 1));
    assert_string_equal(gazetteer_successor(g, "E10000006", 0), "E06000063");
    assert_string_equal(gazetteer_successor(g, "E10000006", 1), "E06000064");
    assert_null(gazetteer_successor(g, "E08000035", 0));
}

static void authorities_adjoin_by_land_or_point_but_not_over_water(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other;
        enum authority_relation relation;
    } rows[] = {
        {"E08000035", "E08000035", RELATION_IN_AREA},
        {"E08000035", "E08000032", RELATION_ADJOINING},     /* Leeds, Bradford */
        {"E06000017", "E06000031", RELATION_ADJOINING},     /* Rutland, Peterborough: at a point */
        {"E09000006", "E09000022", RELATION_ADJOINING},     /* Bromley, Lambeth: at a point */
        {"E08000012", "E08000015", RELATION_ACROSS_WATER},  /* Liverpool, Wirral */
        {"E06000034", "E10000016", RELATION_ACROSS_WATER},  /* Thurrock, Kent */
        {"E06000046", "E10000014", RELATION_ACROSS_WATER},  /* Isle of Wight, Hampshire */
        {"E08000035", "E06000053", RELATION_AT_A_DISTANCE}, /* Leeds, Scilly */
        {"E06000052", "E06000053", RELATION_AT_A_DISTANCE}, /* Cornwall, Scilly: nothing adjoins Scilly */
        {"E08000035", "", RELATION_AT_A_DISTANCE},
        {"", "", RELATION_AT_A_DISTANCE},
        {"E08000035", "nonsense that is too long", RELATION_AT_A_DISTANCE},
        {"E06000057", "S12000026", RELATION_ADJOINING}, /* Northumberland, Scottish Borders */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(gazetteer_relation(g, rows[i].one, rows[i].other), rows[i].relation);
        assert_int_equal(gazetteer_relation(g, rows[i].other, rows[i].one), rows[i].relation);
    }
    assert_string_equal(authority_relation_text(RELATION_ACROSS_WATER), "across water, check");
    for (size_t i = 0; i < 153; i++)
        for (size_t j = 0; j < 153; j++) {
            const char *one = gazetteer_authority_at(g, i)->gss, *other = gazetteer_authority_at(g, j)->gss;
            assert_int_equal(gazetteer_relation(g, one, other), gazetteer_relation(g, other, one));
        }
}

/* --- languages, distances, digest ------------------------------------------------------------------------------ */

static void language_tags_are_taken_in_their_shortest_form(void **state)
{
    (void)state;
    static const struct {
        const char *given, *tag;
    } good[] = {{"pl", "pl"},   {"PL", "pl"},   {"pol", "pl"}, {"bfi", "bfi"}, {"ckb", "ckb"},
                {"prs", "prs"}, {"rom", "rom"}, {"urd", "ur"}, {"kmr", "kmr"}, {"Art-X-Makaton", "art-x-makaton"}};
    static const char *const bad[] = {"", "p", "xx", "Polish", "pl-PL", "zh-Hant", "art-x-other", "pl ", "art"};
    const struct language_entry *language;
    struct problem problem;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(gazetteer_language(g, "languages[0]", good[i].given, &language, &problem), ERR_NONE);
        assert_string_equal(language->tag, good[i].tag);
        assert_true(language->name[0]);
    }
    assert_string_equal(language->name, "Makaton");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(gazetteer_language(g, "languages[0]", bad[i], &language, &problem), ERR_INVALID);
        assert_string_equal(problem.field, "languages[0]");
    }
    assert_int_equal(gazetteer_language(g, "x", NULL, &language, NULL), ERR_INVALID);
    assert_int_equal(gazetteer_language_count(g), 433);
    int common = 0;
    for (size_t i = 0; i < gazetteer_language_count(g); i++)
        common += gazetteer_language_at(g, i)->common;
    assert_int_equal(common, 111);
}

static void distances_are_whole_metres_rounded_down(void **state)
{
    (void)state;
    assert_int_equal(grid_distance_metres(0, 0, 3000, 4000), 5000);
    assert_int_equal(grid_distance_metres(3000, 4000, 0, 0), 5000);
    assert_int_equal(grid_distance_metres(0, 0, 1, 1), 1);
    assert_int_equal(grid_distance_metres(5, 5, 5, 5), 0);
    assert_int_equal(grid_distance_metres(0, 0, 700000, 1300000), 1476482);
    assert_int_equal(grid_distance_metres(INT32_MIN, 0, INT32_MAX, 0), UINT32_MAX);
    struct seeded_random random;
    start_random(&random);
    for (int i = 0; i < scaled(100000); i++) {
        int32_t e1 = (int32_t)seeded_random_below(&random, GRID_EASTING_MAX_M);
        int32_t n1 = (int32_t)seeded_random_below(&random, GRID_NORTHING_MAX_M);
        int32_t e2 = (int32_t)seeded_random_below(&random, GRID_EASTING_MAX_M);
        int32_t n2 = (int32_t)seeded_random_below(&random, GRID_NORTHING_MAX_M);
        int64_t square = (int64_t)(e1 - e2) * (e1 - e2) + (int64_t)(n1 - n2) * (n1 - n2);
        int64_t metres = grid_distance_metres(e1, n1, e2, n2);
        assert_true(metres * metres <= square && (metres + 1) * (metres + 1) > square);
    }
}

static void miles_have_one_decimal_rounded_half_up(void **state)
{
    (void)state;
    static const struct {
        uint32_t metres;
        const char *miles;
    } rows[] = {{0, "0.0"},      {80, "0.0"},       {81, "0.1"},        {1609, "1.0"},   {1610, "1.0"},
                {32187, "20.0"}, {563270, "350.0"}, {1476482, "917.4"}, {24944, "15.5"}, {UINT32_MAX, "2668768.9"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[MILES_TEXT_BYTES];
        grid_format_miles(rows[i].metres, text);
        assert_string_equal(text, rows[i].miles);
    }
    for (uint32_t tenths = 0; tenths < 5000; tenths++)
        assert_int_equal(grid_tenths_of_mile((uint32_t)grid_metres_of_tenths(tenths)), tenths);
}

static void the_digest_and_the_attribution_are_there(void **state)
{
    (void)state;
    uint8_t one[DIGEST_BYTES], two[DIGEST_BYTES], zero[DIGEST_BYTES] = {0};
    struct gazetteer *other;
    assert_int_equal(gazetteer_load(NULL, &other, NULL), ERR_NONE);
    gazetteer_digest(g, one);
    gazetteer_digest(other, two);
    gazetteer_destroy(other);
    assert_memory_equal(one, two, sizeof one);
    assert_memory_not_equal(one, zero, sizeof one);
    assert_non_null(strstr(gazetteer_attribution(), "Contains OS data"));
    assert_non_null(strstr(gazetteer_attribution(), "Open Government Licence v3.0"));
    gazetteer_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_type_becomes_canonical),
        cmocka_unit_test(nonsense_is_refused_by_field_and_not_repeated),
        cmocka_unit_test(canonical_text_is_a_fixed_point_for_any_input),
        cmocka_unit_test(keys_keep_the_order_and_tell_postcodes_apart),
        cmocka_unit_test(known_postcodes_are_found_at_sector_precision),
        cmocka_unit_test(a_place_tells_how_fine_it_is),
        cmocka_unit_test(every_place_of_an_authority_has_one_cell),
        cmocka_unit_test(a_home_known_to_a_sector_takes_the_cell_of_its_square),
        cmocka_unit_test(homes_without_a_cell_are_refused_with_the_reason),
        cmocka_unit_test(a_circle_touches_a_box_or_not_to_the_metre),
        cmocka_unit_test(a_whole_authority_is_touched_anywhere_in_its_box),
        cmocka_unit_test(authorities_and_regions_are_found_by_code_and_number),
        cmocka_unit_test(authorities_adjoin_by_land_or_point_but_not_over_water),
        cmocka_unit_test(language_tags_are_taken_in_their_shortest_form),
        cmocka_unit_test(distances_are_whole_metres_rounded_down),
        cmocka_unit_test(miles_have_one_decimal_rounded_half_up),
        cmocka_unit_test(the_digest_and_the_attribution_are_there),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
