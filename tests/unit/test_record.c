/* tier: check */
/*
 * test_record.c - ids, octets and derived records: what is encoded reads back the same, and damage is refused.
 */
#include "daemon/base/digest.h"
#include "daemon/record/audit_entry.h"
#include "daemon/record/ids.h"
#include "daemon/record/log_entry.h"
#include "daemon/record/offer.h"
#include "tests/unit/random_records.h"
#include "vacancy/v1/hub_service.pb-c.h"
#include "vacancy/v1/shared.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;
static const uint8_t secret[32] = "a region's secret, 32 bytes long";

/* --- ids --------------------------------------------------------------------------------------------------------- */

static void test_id_reads_back(void **state)
{
    (void)state;
    struct seeded_random random;
    seeded_random_init(&random, seed);
    struct randomness source = seeded_random_source(&random);
    for (int i = 0; i < 2000; i++) {
        uint64_t id = id_random(&source), back = 0;
        char text[ID_TEXT_BYTES];
        id_format(id, text);
        assert_int_equal(strlen(text), 14);
        assert_true(id_parse(text, &back));
        assert_true(back == id);
        for (char *c = text; *c != '\0'; c++)
            *c = *c == '0' ? 'o' : *c == '1' ? 'l' : *c == '-' ? '-' : (char)(*c | 0x20);
        assert_true(id_parse(text, &back));
        assert_true(back == id);
    }
    uint64_t none;
    assert_false(id_parse("", &none));
    assert_false(id_parse("0000-0000-0000", &none));
    assert_false(id_parse("7KQ2-M9FW-3TXBB", &none));
    assert_false(id_parse("UUUU-UUUU-UUUU", &none));
}

/* Every single wrong character and every swap of unlike neighbours, the check character's too. */
static void test_id_check_character(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    struct seeded_random random;
    seeded_random_init(&random, seed + 1);
    struct randomness source = seeded_random_source(&random);
    for (int i = 0; i < 200; i++) {
        char text[ID_TEXT_BYTES], plain[13] = {0};
        uint64_t none;
        id_format(id_random(&source), text);
        for (int from = 0, to = 0; text[from] != '\0'; from++)
            if (text[from] != '-')
                plain[to++] = text[from];
        for (int at = 0; at < 12; at++) {
            char right = plain[at];
            for (int wrong = 0; wrong < 32; wrong++) {
                plain[at] = alphabet[wrong];
                assert_int_equal(id_parse(plain, &none), plain[at] == right);
            }
            plain[at] = right;
        }
        for (int at = 0; at < 11; at++) {
            char left = plain[at], right = plain[at + 1];
            plain[at] = right;
            plain[at + 1] = left;
            assert_int_equal(id_parse(plain, &none), left == right);
            plain[at] = left;
            plain[at + 1] = right;
        }
    }
}

static void test_request_ids(void **state)
{
    (void)state;
    uint8_t id[REQUEST_ID_BYTES];
    assert_true(request_id_parse("0190163d-8694-739b-aea5-966c26f8ad91", id));
    assert_true(request_id_ms(id) == 0x0190163d8694);
    static const char *const wrong[] = {"",
                                        "0190163d-8694-439b-aea5-966c26f8ad91",
                                        "0190163d-8694-739b-cea5-966c26f8ad91",
                                        "0190163d-8694-739b-aea5-966c26f8ad9",
                                        "0190163d-8694-739b-aea5-966c26f8ad911",
                                        "0190163d08694-739b-aea5-966c26f8ad91",
                                        "0190163g-8694-739b-aea5-966c26f8ad91"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(request_id_parse(wrong[i], id));
    assert_true(request_reference_valid("383-204417"));
    static const char *const not_references[] = {"",         "383",      "383-",      "383-123", "383-12345678901",
                                                 "38A-1234", "383-12a4", "383-1234 ", "J Smith"};
    for (size_t i = 0; i < sizeof not_references / sizeof *not_references; i++)
        assert_false(request_reference_valid(not_references[i]));
}

/* --- octets ------------------------------------------------------------------------------------------------------ */

static int rounds(int count)
{
    const char *scale = getenv("CHECK_SCALE");
    double scaled = count * (scale ? atof(scale) : 1.0);
    return scaled < 10 ? 10 : (int)scaled;
}

static void test_records_read_back(void **state)
{
    (void)state;
    struct seeded_random random;
    seeded_random_init(&random, seed + 2);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < rounds(3000); i++) {
        struct home_carer home, back;
        struct home_carer_shared shared = {0}, shared_back;
        struct octets octets, again;
        random_home_carer(&random, &home);
        assert_int_equal(carer_row_encode(&home, secret, &arena, &shared.carer_row), ERR_NONE);
        struct offer offer, offer_back;
        if (offer_derive(&home, &offer)) {
            assert_int_equal(offer_encode(&offer, &arena, &shared.offer), ERR_NONE);
            assert_int_equal(offer_decode(&shared.offer, &offer_back), ERR_NONE);
            assert_memory_equal(&offer, &offer_back, sizeof offer);
        }
        assert_int_equal(home_carer_encode(&home, &shared, &arena, &octets), ERR_NONE);
        assert_int_equal(home_carer_decode(&octets, home.national_reference, &back, &shared_back), ERR_NONE);
        assert_memory_equal(&home, &back, sizeof home);
        assert_int_equal(shared_back.offer.size, shared.offer.size);
        assert_memory_equal(shared_back.carer_row.data, shared.carer_row.data, shared.carer_row.size);
        assert_int_equal(home_carer_encode(&back, &shared_back, &arena, &again), ERR_NONE);
        assert_int_equal(again.size, octets.size);
        assert_memory_equal(again.data, octets.data, octets.size);
        assert_true(carer_same_content(&home.carer, &back.carer));
        struct agency agency, agency_back;
        random_agency(&random, &agency);
        assert_int_equal(agency_encode(&agency, &arena, &octets), ERR_NONE);
        assert_int_equal(agency_decode(agency.id, &octets, &agency_back), ERR_NONE);
        assert_memory_equal(&agency, &agency_back, sizeof agency);
        arena_reset(&arena);
    }
    arena_finish(&arena);
}

/* Octets with any bits flipped are refused or read within bounds; under a sanitizer this is the test of bounds. */
static void test_damaged_octets(void **state)
{
    (void)state;
    struct seeded_random random;
    seeded_random_init(&random, seed + 3);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < rounds(20000); i++) {
        struct home_carer home;
        struct home_carer_shared shared = {0};
        struct offer offer = {0};
        struct agency agency;
        struct octets octets;
        random_home_carer(&random, &home);
        random_agency(&random, &agency);
        (void)carer_row_encode(&home, secret, &arena, &shared.carer_row);
        if (offer_derive(&home, &offer))
            (void)offer_encode(&offer, &arena, &shared.offer);
        bool whole = i % 3 == 0, is_offer = i % 3 == 1 && shared.offer.size > 0;
        if (whole)
            (void)home_carer_encode(&home, &shared, &arena, &octets);
        else if (is_offer)
            octets = shared.offer;
        else
            (void)agency_encode(&agency, &arena, &octets);
        uint8_t *copy = malloc(octets.size);
        memcpy(copy, octets.data, octets.size);
        for (uint64_t flips = 1 + seeded_random_below(&random, 6); flips > 0; flips--)
            copy[seeded_random_below(&random, octets.size)] ^= (uint8_t)(1 << seeded_random_below(&random, 8));
        octets = (struct octets){copy, octets.size - (i % 5 == 0 ? seeded_random_below(&random, octets.size) : 0)};
        if (whole)
            (void)home_carer_decode(&octets, 1, &home, &shared);
        else if (is_offer)
            (void)offer_decode(&octets, &offer);
        else
            (void)agency_decode("a", &octets, &agency);
        free(copy);
        arena_reset(&arena);
    }
    arena_finish(&arena);
}

/* Every field that leaves the hub is named here: a new one needs somebody to think whether it may (design 4.9). */
static void test_shared_fields_allow_list(void **state)
{
    (void)state;
    static const char allowed[] =
        " CarerRow.agency CarerRow.agency_reference_hash CarerRow.approved_on_days CarerRow.approval_ends_on_days"
        " CarerRow.approval_ends CarerRow.max_children CarerRow.max_children_if_siblings CarerRow.age_from_months"
        " CarerRow.age_below_months CarerRow.sex CarerRow.care_types CarerRow.named_child_only CarerRow.places"
        " CarerRow.status CarerRow.cell CarerRow.revision Cell.authority Cell.square_e_km Cell.square_n_km Cell.size_km"
        " Cell.point_e_metres Cell.point_n_metres Cell.area ChildAtHome.age_band ChildAtHome.sex ChildAtHome.placed"
        " ChildAtHome.sibling_group Offer.vacancy_id Offer.agency Offer.state Offer.bucket Offer.beds Offer.beds_free"
        " Offer.care_types Offer.from_days Offer.until_days Offer.age_from_months Offer.age_below_months Offer.sex"
        " Offer.sibling_group_only Offer.on_call Offer.observed_at_ms Offer.confirmed_at_ms Offer.valid_until_ms"
        " Offer.max_children Offer.max_children_if_siblings Offer.approved_care_types Offer.approved_age_from_months"
        " Offer.approved_age_below_months Offer.approved_sex Offer.approved_on_days Offer.approval_ends_on_days"
        " Offer.bedrooms Offer.room_sharing Offer.home_features Offer.pets Offer.cannot_take Offer.skills"
        " Offer.training_level Offer.languages Offer.children Offer.cell Offer.reserved_until_days"
        /* That a home was telephoned in vain is what a search shows anyway. Regions are no places. */
        " Offer.reported_unavailable_at_ms CarerRow.moved_to_region CarerRow.moved_from_region"
        /* Each move is an entry of its own, that has another agency or region. */
        " CarerRow.moves"
        /* The sum of what the vacancy's HoldRows say. */
        " Offer.beds_held"
        /* Which vacancy and how many beds are as public as its offer, and a state and times tell nothing of a child.
         * The hashes are keyed by the region's secret and name the vacancy: two holds of one team don't match. */
        " HoldRow.national_reference HoldRow.vacancy_id HoldRow.beds HoldRow.state HoldRow.made_at_ms HoldRow.until_ms"
        " HoldRow.holder_hash HoldRow.request_hash HoldRow.extended HoldRow.ended_at_ms ";
    static const ProtobufCMessageDescriptor *const shared[] = {
        &vacancy__v1__carer_row__descriptor, &vacancy__v1__cell__descriptor, &vacancy__v1__child_at_home__descriptor,
        &vacancy__v1__offer__descriptor, &vacancy__v1__hold_row__descriptor};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        for (unsigned f = 0; f < shared[i]->n_fields; f++) {
            char name[128];
            snprintf(name, sizeof name, " %s.%s ", shared[i]->short_name, shared[i]->fields[f].name);
            if (strstr(allowed, name) == NULL)
                fail_msg("%s leaves the hub, but nobody allowed it", name);
        }
}

/* --- offers ------------------------------------------------------------------------------------------------------ */

static void plain_home(struct home_carer *home)
{
    struct seeded_random random;
    seeded_random_init(&random, 5);
    random_home_carer(&random, home);
    home->carer.status = CARER_APPROVED;
    home->carer.terms = (struct terms){3, 3, 60, 156, 1u << CARE_SHORT_TERM | 1u << CARE_LONG_TERM, SEX_ANY, false};
    home->carer.places = 3;
    home->carer.placed_count = 1;
    home->hold_count = 0;
    home->vacancy = (struct vacancy){.vacancy_id = 9,
                                     .state = VACANCY_VACANT,
                                     .stated = VACANCY_VACANT,
                                     .beds = 2,
                                     .from = DATE_NONE,
                                     .until = DATE_NONE,
                                     .reserved_until = DATE_NONE};
}

static void test_offer_narrows_to_approval(void **state)
{
    (void)state;
    struct home_carer home;
    struct offer offer;
    plain_home(&home);
    home.vacancy.age_from_months = 36;
    home.vacancy.age_below_months = 200;
    home.vacancy.care_types = 1u << CARE_LONG_TERM | 1u << CARE_REMAND;
    home.carer.terms.sex = SEX_F;
    assert_true(offer_derive(&home, &offer));
    assert_int_equal(offer.state, VACANCY_VACANT);
    assert_int_equal(offer.age_from_months, 60);
    assert_int_equal(offer.age_below_months, 156);
    assert_int_equal(offer.care_types, 1u << CARE_LONG_TERM);
    assert_int_equal(offer.sex, SEX_F);
    assert_int_equal(offer.beds_free, 2);

    home.carer.placed_count = 2;
    assert_true(offer_derive(&home, &offer));
    assert_int_equal(offer.beds_free, 1);
    home.carer.placed_count = 4;
    assert_true(offer_derive(&home, &offer));
    assert_int_equal(offer.beds_free, 0);

    home.vacancy.care_types = 1u << CARE_REMAND;
    assert_true(offer_derive(&home, &offer));
    assert_int_equal(offer.state, VACANCY_NOT_AVAILABLE);
    assert_int_equal(offer.bucket, BUCKET_MATCHING);

    plain_home(&home);
    home.vacancy.age_from_months = 168;
    assert_true(offer_derive(&home, &offer));
    assert_int_equal(offer.state, VACANCY_NOT_AVAILABLE);
    plain_home(&home);
    home.vacancy.state = VACANCY_LAPSED;
    assert_true(offer_derive(&home, &offer));
    assert_int_equal(offer.state, VACANCY_LAPSED);
    home.carer.terms.named_child_only = true; /* H14 */
    assert_false(offer_derive(&home, &offer));
    plain_home(&home);
    home.carer.status = CARER_ENDED;
    assert_false(offer_derive(&home, &offer));
}

static struct live_hold hold_of(uint32_t beds, enum hold_state state, uint32_t children)
{
    struct live_hold hold = {.epoch = 1, .sequence = 7, .state = (uint8_t)state, .beds = beds, .child_count = children};
    for (uint32_t i = 0; i < children; i++)
        hold.children[i] = (struct placed_child){AGE_6_8, SEX_F, 0, "E08000035"};
    return hold;
}

static void expect_offer(const struct home_carer *home, enum vacancy_state state, uint32_t free_beds)
{
    struct offer offer;
    assert_true(offer_derive(home, &offer));
    assert_int_equal(offer.state, state);
    assert_int_equal(offer.beds, home->vacancy.beds);
    assert_int_equal(offer.beds_free, free_beds);
    assert_int_equal(offer.beds_free, beds_free(home));
    assert_int_equal(offer.beds_held, beds_held(home));
    assert_int_equal(vacancy_state_now(home), state);
}

/* H1, H2: what ended on the first day that is counted from has ended; a day not given is none. */
static void test_the_first_day_is_a_day(void **state)
{
    (void)state;
    struct home_carer home;
    struct offer offer, back;
    struct octets octets;
    struct arena arena;
    arena_init(&arena, 4096);
    plain_home(&home);
    home.vacancy.until = home.vacancy.reserved_until = home.carer.approval_ends_on = 0;
    assert_true(offer_derive(&home, &offer));
    assert_int_equal(offer_encode(&offer, &arena, &octets), ERR_NONE);
    assert_int_equal(offer_decode(&octets, &back), ERR_NONE);
    assert_true(back.until != DATE_NONE && back.until <= 0);
    assert_true(back.reserved_until != DATE_NONE && back.reserved_until <= 0);
    assert_true(back.approval_ends_on != DATE_NONE && back.approval_ends_on <= 0);
    assert_int_equal(back.from, DATE_NONE);
    arena_finish(&arena);
}

static void test_holds_take_beds(void **state)
{
    (void)state;
    struct home_carer home;
    plain_home(&home); /* three places, one child, two beds */
    expect_offer(&home, VACANCY_VACANT, 2);
    home.holds[home.hold_count++] = hold_of(1, HOLD_ACTIVE, 0);
    expect_offer(&home, VACANCY_VACANT, 1);
    home.holds[home.hold_count++] = hold_of(1, HOLD_ACCEPTED, 0);
    expect_offer(&home, VACANCY_HELD, 0);
    assert_int_equal(beds_held(&home), 2);
    home.holds[0] = hold_of(1, HOLD_PLACED, 1);
    expect_offer(&home, VACANCY_HELD, 0);
    home.holds[1] = hold_of(1, HOLD_PLACED, 1);
    expect_offer(&home, VACANCY_PLACED, 0);
    assert_int_equal(beds_placed(&home), 2);
    assert_int_equal(beds_held(&home), 0);
    /* What the agency or time says otherwise goes before. */
    home.vacancy.stated = home.vacancy.state = VACANCY_RESERVED;
    expect_offer(&home, VACANCY_RESERVED, 0);
    home.vacancy.state = VACANCY_LAPSED;
    expect_offer(&home, VACANCY_LAPSED, 0);
    /* But one that is full by placements has nothing that could lapse. */
    home.vacancy.stated = VACANCY_VACANT;
    expect_offer(&home, VACANCY_PLACED, 0);
    home.holds[0].state = HOLD_ACTIVE;
    home.holds[0].child_count = 0;
    expect_offer(&home, VACANCY_LAPSED, 0);
    /* A place that is no more is not free, and is not the one that somebody holds. */
    plain_home(&home);
    home.hold_count = 1;
    home.holds[0] = hold_of(1, HOLD_ACTIVE, 0);
    home.carer.places = 2;
    expect_offer(&home, VACANCY_HELD, 0);
    home.vacancy.state = VACANCY_PLACED; /* as it was last: not what it is */
    expect_offer(&home, VACANCY_HELD, 0);
    home.carer.status = CARER_MOVED;
    assert_false(offer_derive(&home, &(struct offer){0}));
}

/* Children placed through the register live there, and count as siblings of nobody but each other. */
static void test_children_placed_are_offered_as_at_home(void **state)
{
    (void)state;
    struct home_carer home;
    struct offer offer;
    plain_home(&home);
    home.carer.places = 4;
    home.vacancy.beds = 3;
    home.carer.household_count = 1;
    home.carer.placed[0].sibling_group = 1;
    home.hold_count = 2;
    home.holds[0] = hold_of(2, HOLD_PLACED, 2);
    home.holds[1] = hold_of(1, HOLD_PLACED, 1);
    assert_true(offer_derive(&home, &offer));
    assert_int_equal(offer.child_count, 5);
    assert_int_equal(offer.children[0].sibling_group, 1);
    assert_int_equal(offer.children[1].sibling_group, 2);
    assert_int_equal(offer.children[2].sibling_group, 2);
    assert_int_equal(offer.children[3].sibling_group, 0);
    for (int i = 1; i < 4; i++) {
        assert_true(offer.children[i].placed);
        assert_int_equal(offer.children[i].age_band, AGE_6_8);
        assert_int_equal(offer.children[i].sex, SEX_F);
    }
    assert_false(offer.children[4].placed);
    /* The agency says so itself: they are in no list twice, and their beds stay taken. */
    home.carer.placed[1] = home.carer.placed[2] = home.carer.placed[3] = home.holds[0].children[0];
    home.carer.placed_count = 4;
    home.holds[0].child_count = home.holds[1].child_count = 0;
    assert_true(offer_derive(&home, &offer));
    assert_int_equal(offer.child_count, 5);
    expect_offer(&home, VACANCY_PLACED, 0);
    struct problem problem;
    assert_int_equal(vacancy_check(&home, &home.vacancy, &problem), ERR_NONE);
}

static void test_a_push_leaves_what_is_held_and_placed(void **state)
{
    (void)state;
    struct home_carer home;
    struct problem problem;
    plain_home(&home);
    home.hold_count = 2;
    home.holds[0] = hold_of(1, HOLD_ACTIVE, 0);
    home.holds[1] = hold_of(1, HOLD_PLACED, 1);
    struct vacancy pushed = home.vacancy;
    assert_int_equal(vacancy_check(&home, &pushed, &problem), ERR_NONE);
    pushed.beds = 1; /* V8 */
    assert_int_equal(vacancy_check(&home, &pushed, &problem), ERR_PRECONDITION);
    assert_string_equal(problem.field, "vacancy.beds");
    assert_string_equal(problem.text,
                        "1 beds offered, but 1 are held and 1 placed of this vacancy; count those too, or "
                        "decline the hold first (DeclineHold)");
    pushed = home.vacancy;
    pushed.stated = VACANCY_NOT_AVAILABLE;
    assert_int_equal(vacancy_check(&home, &pushed, &problem), ERR_PRECONDITION);
    assert_string_equal(problem.field, "vacancy.state");
    home.holds[0].state = HOLD_PLACED;
    assert_int_equal(vacancy_check(&home, &pushed, &problem), ERR_NONE);
}

static void test_vacancy_from_offer(void **state)
{
    (void)state;
    struct home_carer home;
    struct offer offer;
    struct vacancy told;
    plain_home(&home);
    home.vacancy.reported_unavailable_at_ms = 77;
    home.hold_count = 1;
    for (unsigned placed = 0; placed < 2; placed++) {
        home.holds[0] = hold_of(2, placed ? HOLD_PLACED : HOLD_ACTIVE, 0);
        assert_true(offer_derive(&home, &offer));
        vacancy_from_offer(&offer, &told);
        assert_int_equal(told.stated, VACANCY_VACANT);
        assert_int_equal(told.state, placed ? VACANCY_PLACED : VACANCY_HELD);
        assert_true(told.reported_unavailable_at_ms == 77);
    }
}

static void test_vacancy_rules(void **state)
{
    (void)state;
    struct home_carer home;
    struct problem problem;
    plain_home(&home);
    assert_int_equal(vacancy_check(&home, &home.vacancy, &problem), ERR_NONE);
    home.vacancy.beds = 3; /* V8 */
    assert_int_equal(vacancy_check(&home, &home.vacancy, &problem), ERR_PRECONDITION);
    assert_string_equal(problem.field, "vacancy.beds");
    plain_home(&home);
    home.vacancy.care_types = 1u << CARE_REMAND;
    assert_int_equal(vacancy_check(&home, &home.vacancy, &problem), ERR_PRECONDITION);
    assert_string_equal(problem.field, "vacancy.care_types");
    plain_home(&home);
    home.vacancy.age_from_months = 48;
    assert_int_equal(vacancy_check(&home, &home.vacancy, &problem), ERR_PRECONDITION);
    plain_home(&home);
    home.vacancy.age_below_months = 168;
    assert_int_equal(vacancy_check(&home, &home.vacancy, &problem), ERR_PRECONDITION);
    plain_home(&home);
    home.carer.status = CARER_ENDED;
    assert_int_equal(vacancy_check(&home, &home.vacancy, &problem), ERR_PRECONDITION);
    plain_home(&home);
    assert_true(vacancy_ttl_ms(&home.carer, &home.vacancy) == VACANCY_TTL_DEFAULT_MS);
    home.carer.terms.care_types |= 1u << CARE_EMERGENCY;
    assert_true(vacancy_ttl_ms(&home.carer, &home.vacancy) == VACANCY_TTL_EMERGENCY_MS);
}

/* --- log and audit ----------------------------------------------------------------------------------------------- */

static void test_log_entry(void **state)
{
    (void)state;
    struct log_header header = {
        .region = "E12000003", .epoch = 1, .sequence = 7, .time_ms = 1700000000000, .payload_bytes = 99};
    memset(header.previous, 3, sizeof header.previous);
    memset(header.commitment, 4, sizeof header.commitment);
    uint8_t octets[LOG_HEADER_BYTES], hash[DIGEST_BYTES];
    log_header_encode(&header, octets);
    struct octets view = {octets, sizeof octets};
    struct log_header back;
    assert_int_equal(log_header_decode(&view, &back), ERR_NONE);
    assert_memory_equal(&header, &back, sizeof header);
    for (int at = 0; at < 17; at++) { /* magic, region, reserved */
        octets[at] ^= 0x80;
        assert_int_equal(log_header_decode(&view, &back), ERR_INVALID);
        octets[at] ^= 0x80;
    }
    log_header_hash(octets, hash);
    struct log_header next = header;
    struct problem problem;
    next.sequence++;
    memcpy(next.previous, hash, sizeof hash);
    assert_int_equal(log_chain_check(&header, hash, &next, &problem), ERR_NONE);
    next.time_ms--;
    assert_int_equal(log_chain_check(&header, hash, &next, &problem), ERR_STORE_DAMAGED);
    next.time_ms++;
    next.previous[0] ^= 1;
    assert_int_equal(log_chain_check(&header, hash, &next, &problem), ERR_STORE_DAMAGED);
    next.previous[0] ^= 1;
    next.sequence++;
    assert_int_equal(log_chain_check(&header, hash, &next, &problem), ERR_STORE_DAMAGED);

    uint8_t payload_octets[64];
    struct log_payload payload = {LOG_TABLE_OFFER,
                                  {(const uint8_t *)"12345678", 8},
                                  false,
                                  {(const uint8_t *)"value", 5}},
                       read;
    log_payload_encode(&payload, payload_octets);
    struct octets payload_view = {payload_octets, log_payload_bytes(&payload)};
    assert_int_equal(log_payload_decode(&payload_view, &read), ERR_NONE);
    assert_int_equal(read.value.size, 5);
    assert_memory_equal(read.key.data, "12345678", 8);
    payload.deleted = true;
    log_payload_encode(&payload, payload_octets);
    assert_int_equal(log_payload_decode(&payload_view, &read), ERR_INVALID); /* a deletion with octets */
    payload_view.size = log_payload_bytes(&payload);
    assert_int_equal(log_payload_decode(&payload_view, &read), ERR_NONE);
    assert_true(read.deleted);
}

/* Whoever vouched stands beside who asked, and nobody where nobody did. */
static void test_audit_entry_names_the_voucher(void **state)
{
    (void)state;
    struct audit_entry entry = {.at_ms = 5, .principal = "a team", .method = "/m", .request_reference = "", .code = 9};
    static const char *const vouchers[] = {NULL, "E12000001"};
    struct arena arena;
    arena_init(&arena, 64 << 10);
    for (int i = 0; i < 2; i++) {
        struct octets octets;
        entry.forwarded_by = vouchers[i];
        assert_int_equal(audit_entry_encode(&entry, &arena, &octets), ERR_NONE);
        Vacancy__V1__AuditRecord *record = vacancy__v1__audit_record__unpack(NULL, octets.size, octets.data);
        assert_non_null(record);
        assert_string_equal(record->principal, "a team");
        assert_string_equal(record->forwarded_by, i == 0 ? "" : "E12000001");
        vacancy__v1__audit_record__free_unpacked(record, NULL);
    }
    arena_finish(&arena);
}

static void test_audit_head(void **state)
{
    (void)state;
    struct audit_head head = {.region = "E12000003",
                              .writes = {.sequence = 5},
                              .disclosures = {.sequence = 0},
                              .at_ms = 12345},
                      back;
    memset(head.writes.hash, 0xab, DIGEST_BYTES);
    char text[AUDIT_HEAD_TEXT_BYTES];
    size_t bytes = audit_head_text(&head, text);
    assert_true(bytes < sizeof text);
    assert_int_equal(audit_head_parse(text, bytes, &back), ERR_NONE);
    assert_memory_equal(&head, &back, sizeof head);
    for (size_t cut = 0; cut < bytes; cut++)
        assert_int_equal(audit_head_parse(text, cut, &back), ERR_INVALID);
    for (size_t at = 0; at < bytes; at++) {
        char right = text[at];
        text[at] = ' ' + 1;
        if (right != text[at])
            assert_int_equal(audit_head_parse(text, bytes, &back), ERR_INVALID);
        text[at] = right;
    }
}

int main(void)
{
    const char *text = getenv("SEED");
    seed = text ? strtoull(text, NULL, 10) : 20261122;
    printf("SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_reads_back),
        cmocka_unit_test(test_id_check_character),
        cmocka_unit_test(test_request_ids),
        cmocka_unit_test(test_records_read_back),
        cmocka_unit_test(test_damaged_octets),
        cmocka_unit_test(test_shared_fields_allow_list),
        cmocka_unit_test(test_offer_narrows_to_approval),
        cmocka_unit_test(test_the_first_day_is_a_day),
        cmocka_unit_test(test_holds_take_beds),
        cmocka_unit_test(test_children_placed_are_offered_as_at_home),
        cmocka_unit_test(test_a_push_leaves_what_is_held_and_placed),
        cmocka_unit_test(test_vacancy_from_offer),
        cmocka_unit_test(test_vacancy_rules),
        cmocka_unit_test(test_log_entry),
        cmocka_unit_test(test_audit_entry_names_the_voucher),
        cmocka_unit_test(test_audit_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
