/* tier: check */
/*
 * test_register_transfer.c - carers that move between agencies, as the register decides it: within a region, and
 * between the registers of two regions.
 * Shows: each refusal of a code, a reference and a carer; what a move does to vacancy, holds, placed children, history
 * and approval; the same again; and with each store call between letting go and taking over crashing, in either
 * register, that a carer never has two owners and that the code finishes it.
 */
#include "daemon/register/home_parts.h"
#include "tests/unit/holds_world.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/federation_service.pb-c.h"

#define NORTH  "E12000001"
#define TAKER  "north-fostering"
#define TAKER2 "north-homes"

static uint64_t seed;
static struct world here, north;

/* --- two registers ----------------------------------------------------------------------------------------------- */

static void put_one(struct world *world, const char *agency)
{
    did(world_apply(world, world_put_agency(world, agency)));
}

static void begin(void)
{
    world_init(&here, seed, false);
    world_open(&here);
    put_agencies(&here);
    world_init(&north, seed + 1, false);
    north.region = NORTH;
    world_open(&north);
    put_one(&north, TAKER);
    put_one(&north, TAKER2);
}

static void end(void)
{
    world_finish(&here);
    world_finish(&north);
}

static void pass_both(int64_t ms)
{
    world_pass(&here, ms);
    world_pass(&north, ms);
}

static struct transfer_code code_of(const char *text)
{
    struct transfer_code code;
    if (!transfer_code_parse(text, &code))
        fail_msg("no code: %s", text);
    return code;
}

static struct update_result try_release(struct world *world, struct update *update, struct transfer_code *out)
{
    char text[TRANSFER_CODE_BYTES];
    home_apply(world->home, &update, 1);
    struct update_result result = update->result;
    if (result.problem.code == ERR_NONE) {
        home_transfer_code(world->home, update, text);
        *out = code_of(text);
    }
    update_destroy(update);
    return result;
}

static struct transfer_code release(struct world *world, const char *agency, const char *reference)
{
    struct transfer_code code;
    did(try_release(world, world_update(world, UPDATE_RELEASE_CARER, agency, reference), &code));
    return code;
}

static struct update *take(struct world *world, const char *agency, const char *reference,
                           const struct transfer_code *code)
{
    struct update *update = world_update(world, UPDATE_TAKE_OVER, agency, reference);
    update->as.transfer.national_reference = code->national_reference;
    transfer_code_hash(code, update->as.transfer.hash);
    return update;
}

static struct update_result take_within(struct world *world, const char *agency, const char *reference,
                                        const struct transfer_code *code)
{
    return world_apply(world, take(world, agency, reference, code));
}

/* What the old hub lets go, as octets of its own. */
static struct update_result let_go(struct world *from, const struct world *to, const char *agency,
                                   const struct transfer_code *code, struct octets *out)
{
    struct update *update = world_update(from, UPDATE_LET_GO, NULL, NULL);
    strcpy(update->as.transfer.to_agency, agency);
    strcpy(update->as.transfer.to_region, to->region != NULL ? to->region : WORLD_REGION);
    update->as.transfer.national_reference = code->national_reference;
    transfer_code_hash(code, update->as.transfer.hash);
    home_apply(from->home, &update, 1);
    struct update_result result = update->result;
    *out = update->result.let_go;
    update->result.let_go = (struct octets){0};
    update_destroy(update);
    return result;
}

/* As service makes it of the answer. */
static struct update *take_told(struct world *to, const char *agency, const char *reference,
                                const struct transfer_code *code, const struct octets *told)
{
    struct update *update = take(to, agency, reference, code);
    Vacancy__V1__LetGoResponse *in = vacancy__v1__let_go_response__unpack(NULL, told->size, told->data);
    uint8_t hash[DIGEST_BYTES];
    assert_non_null(in);
    assert_true(in->national_reference == code->national_reference);
    const struct octets carer = {in->carer.data, in->carer.len}, row = {in->carer_row.data, in->carer_row.len};
    assert_int_equal(carer_stated_decode(&carer, &row, &update->as.transfer.carer), ERR_NONE);
    assert_string_equal(update->as.transfer.carer.agency_reference, "");
    assert_int_equal(carer_row_owner(&row, update->as.transfer.from_agency, hash), ERR_NONE);
    strcpy(update->as.transfer.from_region, code->region);
    update->as.transfer.moves = in->moves;
    update->as.transfer.let_go_ms = in->at_ms;
    vacancy__v1__let_go_response__free_unpacked(in, NULL);
    return update;
}

/* Both steps. */
static struct update_result move(struct world *from, struct world *to, const char *agency, const char *reference,
                                 const struct transfer_code *code)
{
    struct octets told;
    struct update_result result = let_go(from, to, agency, code, &told);
    if (result.problem.code == ERR_NONE)
        result = world_apply(to, take_told(to, agency, reference, code, &told));
    free((uint8_t *)told.data);
    return result;
}

static bool read_carer(struct world *world, const char *agency, const char *reference, struct home_carer *out)
{
    enum err err = home_get_carer(world->home, agency, reference, out);
    assert_true(err == ERR_NONE || err == ERR_NOT_FOUND);
    return err == ERR_NONE;
}

static struct home_carer carer_of(struct world *world, const char *agency, const char *reference)
{
    struct home_carer out;
    assert_true(read_carer(world, agency, reference, &out));
    return out;
}

static bool owns(struct world *world, const char *agency, const char *reference)
{
    struct home_carer home;
    return read_carer(world, agency, reference, &home) && home.carer.status == CARER_APPROVED;
}

static void refused_code(struct update_result result)
{
    refused(result, ERR_FORBIDDEN, "transfer_code", "wrong, used, run out, or of your own carer");
}

/* The agency's newest event. */
static void last_event(struct world *world, const char *agency, int kind, const char *detail)
{
    static struct event_row rows[256];
    struct arena arena;
    size_t got;
    arena_init(&arena, 1 << 20);
    assert_int_equal(home_read_events(world->home, agency, 0, &arena, rows, 256, &got), ERR_NONE);
    assert_true(got > 0);
    Vacancy__V1__AgencyEvent *event =
        vacancy__v1__agency_event__unpack(NULL, rows[got - 1].octets.size, rows[got - 1].octets.data);
    assert_non_null(event);
    assert_int_equal(event->kind, kind);
    assert_string_equal(event->detail, detail);
    vacancy__v1__agency_event__free_unpacked(event, NULL);
    arena_finish(&arena);
}

/* --- codes ------------------------------------------------------------------------------------------------------- */

static void test_code(void **state)
{
    (void)state;
    struct transfer_code code = {.region = WORLD_REGION, .national_reference = 0x5a5a5a5a5a5a5, .secret = 0x123456789};
    char text[TRANSFER_CODE_BYTES], typed[64];
    uint8_t hash[DIGEST_BYTES], again[DIGEST_BYTES];
    transfer_code_format(&code, text);
    assert_int_equal(strlen(text), TRANSFER_CODE_BYTES - 1);
    struct transfer_code read = code_of(text);
    transfer_code_hash(&code, hash);
    transfer_code_hash(&read, again);
    assert_memory_equal(hash, again, sizeof hash);
    /* As it may be typed. */
    size_t at = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (i >= 9 && i % 3 == 0)
            typed[at++] = '-';
        typed[at++] = i < 9 ? text[i] : text[i] == '0' ? 'o' : text[i] >= 'A' ? (char)(text[i] + 32) : text[i];
    }
    typed[at] = '\0';
    read = code_of(typed);
    assert_true(read.national_reference == code.national_reference && read.secret == code.secret);
    /* Every slip of one character is found. */
    for (size_t i = 10; text[i] != '\0'; i++) {
        char slip[TRANSFER_CODE_BYTES];
        strcpy(slip, text);
        slip[i] = slip[i] == '7' ? '8' : '7';
        assert_int_equal(transfer_code_parse(slip, &read), text[i] == '-' && slip[i] == '-');
    }
    text[TRANSFER_CODE_BYTES - 2] = '\0';
    assert_false(transfer_code_parse(text, &read));
    assert_false(transfer_code_parse("", &read));
    assert_false(transfer_code_parse("E12000003", &read));
}

static void test_release(void **state)
{
    (void)state;
    begin();
    struct transfer_code first, again, other;
    offer_beds(&here, AGENCY, "H-1", 1);
    struct update *update = world_update(&here, UPDATE_RELEASE_CARER, AGENCY, "H-1"), *same = update_create(0);
    world_request_id(&here, update, here.wall_ms);
    memcpy(update->as.transfer.seed, update->request_id, TRANSFER_SEED_BYTES);
    *same = *update;
    struct update_result result = did(try_release(&here, update, &first));
    assert_int_equal(result.valid_until_ms, here.wall_ms + TRANSFER_CODE_MS);
    last_event(&here, AGENCY, EVENT_CARER_RELEASED, "");
    /* The code is nowhere, its hash is. */
    struct home_carer home = carer_of(&here, AGENCY, "H-1");
    uint8_t hash[DIGEST_BYTES];
    transfer_code_hash(&first, hash);
    assert_memory_equal(home.transfer_hash, hash, sizeof hash);
    assert_int_equal(home.carer.status, CARER_APPROVED);
    assert_true(home.vacancy.vacancy_id != 0); /* it is the agency's still */
    /* The same request id: the same code, also after a restart. */
    world_reopen(&here);
    pass_both(5000);
    result = did(try_release(&here, same, &again));
    assert_int_equal(result.outcome, OUTCOME_REPEATED);
    assert_int_equal(result.valid_until_ms, here.wall_ms - 5000 + TRANSFER_CODE_MS);
    assert_true(again.secret == first.secret && again.national_reference == home.national_reference);
    /* Without one each is another. */
    other = release(&here, AGENCY, "H-1");
    assert_true(other.secret != first.secret);
    again = release(&here, AGENCY, "H-1");
    assert_true(again.secret != other.secret);
    /* Not another's, and none that is not approved. */
    struct transfer_code none;
    refused(try_release(&here, world_update(&here, UPDATE_RELEASE_CARER, OTHER, "H-1"), &none), ERR_FORBIDDEN,
            "agency_reference", "no carer of this agency");
    update = world_update(&here, UPDATE_END_CARER, AGENCY, "H-1");
    update->as.end.ends_on = home.carer.approved_on + 1000;
    strcpy(update->as.end.reason, "AW1");
    did(world_apply(&here, update));
    refused(try_release(&here, world_update(&here, UPDATE_RELEASE_CARER, AGENCY, "H-1"), &none), ERR_PRECONDITION,
            "agency_reference", "approval has ended");
    refused_code(take_within(&here, OTHER, "X-1", &again)); /* void */
    assert_register_true(&here);
    end();
}

/* --- within a region --------------------------------------------------------------------------------------------- */

static void test_within_a_region(void **state)
{
    (void)state;
    begin();
    uint64_t vacancy = offer_beds(&here, AGENCY, "H-1", 3);
    struct hold_token held = hold_beds(&here, LEEDS, vacancy, 1), placed = hold_beds(&here, YORK, vacancy, 1);
    did(world_apply(&here, about(&here, UPDATE_PLACE, YORK, placed)));
    struct home_carer before = carer_of(&here, AGENCY, "H-1");
    struct transfer_code code = release(&here, AGENCY, "H-1");
    struct update *update = take(&here, OTHER, "X-1", &code), *same = update_create(0);
    world_request_id(&here, update, here.wall_ms);
    *same = *update;
    struct update_result result = did(world_apply(&here, update));
    assert_true(result.national_reference == before.national_reference);
    struct home_carer after = carer_of(&here, OTHER, "X-1");
    assert_true(after.national_reference == before.national_reference);
    assert_string_equal(after.carer.agency, OTHER);
    assert_int_equal(after.carer.status, CARER_APPROVED);
    assert_int_equal(after.carer.approved_on, before.carer.approved_on);
    assert_string_equal(after.carer.home_postcode, before.carer.home_postcode);
    assert_memory_equal(&after.carer.cell, &before.carer.cell, sizeof after.carer.cell);
    assert_true(after.vacancy.vacancy_id == 0 && after.hold_count == 0 && after.transfer_until_ms == 0);
    assert_string_equal(after.moved_to_region, "");
    /* Who lives there, lives there. */
    assert_int_equal(after.carer.placed_count, before.carer.placed_count + 1);
    assert_int_equal(get_hold(&here, held).state, HOLD_DECLINED);
    assert_int_equal(get_hold(&here, held).decline_reason, DECLINE_APPROVAL_ENDED);
    assert_int_equal(get_hold(&here, placed).state, HOLD_PLACED);
    struct home_carer none;
    assert_false(read_carer(&here, AGENCY, "H-1", &none));
    last_event(&here, AGENCY, EVENT_CARER_MOVED, OTHER " of " WORLD_REGION);
    last_event(&here, OTHER, EVENT_CARER_MOVED, AGENCY " of " WORLD_REGION);
    /* The same call again, and the code used a second time. */
    result = did(world_apply(&here, same));
    assert_int_equal(result.outcome, OUTCOME_REPEATED);
    refused_code(take_within(&here, OTHER, "X-2", &code));
    refused_code(take_within(&here, AGENCY, "H-9", &code));
    assert_register_true(&here);
    world_reopen(&here);
    assert_register_true(&here);
    /* It is the new agency's to push, offer and erase; and its holds go with that. */
    update = world_put_vacancy(&here, OTHER, "X-1");
    update->observed_at_ms = ++here.wall_ms;
    update->as.vacancy.care_types = 0;
    did(world_apply(&here, update));
    did(world_apply(&here, world_update(&here, UPDATE_ERASE_CARER, OTHER, "X-1")));
    struct hold gone;
    assert_int_equal(home_get_hold(here.home, &placed, &gone), ERR_NOT_FOUND);
    assert_register_true(&here);
    end();
}

static void test_each_refusal(void **state)
{
    (void)state;
    begin();
    offer_beds(&here, AGENCY, "H-1", 1);
    offer_beds(&here, AGENCY, "H-2", 1);
    offer_beds(&here, OTHER, "X-1", 1);
    struct transfer_code code = release(&here, AGENCY, "H-1"), two = release(&here, AGENCY, "H-2"), wrong = code;
    struct octets told;
    wrong.secret ^= 1;
    refused_code(take_within(&here, OTHER, "X-9", &wrong));
    refused_code(let_go(&here, &north, TAKER, &wrong, &told));
    wrong = code;
    wrong.national_reference = two.national_reference; /* for another carer */
    refused_code(take_within(&here, OTHER, "X-9", &wrong));
    refused_code(let_go(&here, &north, TAKER, &wrong, &told));
    wrong.national_reference ^= 1; /* for none */
    refused_code(take_within(&here, OTHER, "X-9", &wrong));
    refused_code(let_go(&here, &north, TAKER, &wrong, &told));
    refused_code(take_within(&here, AGENCY, "H-9", &code)); /* its own */
    refused(take_within(&here, OTHER, "X-1", &code), ERR_EXISTS, "agency_reference", "already");
    refused(take_within(&here, "unknown", "X-1", &code), ERR_FORBIDDEN, "", "not registered");
    /* A new release voids the old code. */
    struct transfer_code newer = release(&here, AGENCY, "H-1");
    refused_code(take_within(&here, OTHER, "X-9", &code));
    assert_true(owns(&here, AGENCY, "H-1"));
    /* An ordinary push does not; an erasure does. */
    here.wall_ms++;
    struct update *push = world_put_carer(&here, AGENCY, "H-2");
    did(world_apply(&here, push));
    did(world_apply(&here, world_update(&here, UPDATE_ERASE_CARER, AGENCY, "H-2")));
    refused_code(take_within(&here, OTHER, "X-9", &two));
    /* And so does time. */
    world_pass(&here, TRANSFER_CODE_MS - 2);
    struct transfer_code last = newer;
    world_pass(&here, 2);
    refused_code(take_within(&here, OTHER, "X-9", &last));
    refused_code(let_go(&here, &north, TAKER, &last, &told));
    assert_true(owns(&here, AGENCY, "H-1"));
    assert_register_true(&here);
    end();
}

/* --- between regions --------------------------------------------------------------------------------------------- */

static void test_between_regions(void **state)
{
    (void)state;
    begin();
    uint64_t vacancy = offer_beds(&here, AGENCY, "H-1", 2);
    struct hold_token held = hold_beds(&here, LEEDS, vacancy, 1);
    struct home_carer before = carer_of(&here, AGENCY, "H-1");
    struct transfer_code code = release(&here, AGENCY, "H-1");
    struct update_result result = did(move(&here, &north, TAKER, "N-1", &code));
    assert_int_equal(result.outcome, OUTCOME_CREATED);
    struct home_carer old = carer_of(&here, AGENCY, "H-1"), now = carer_of(&north, TAKER, "N-1");
    assert_int_equal(old.carer.status, CARER_MOVED);
    assert_string_equal(old.moved_to_agency, TAKER);
    assert_string_equal(old.moved_to_region, NORTH);
    assert_true(old.vacancy.vacancy_id == 0);
    assert_int_equal(get_hold(&here, held).decline_reason, DECLINE_APPROVAL_ENDED);
    assert_true(now.national_reference == before.national_reference);
    assert_int_equal(now.carer.status, CARER_APPROVED);
    assert_string_equal(now.moved_from_region, WORLD_REGION);
    assert_int_equal(now.carer.approved_on, before.carer.approved_on);
    assert_memory_equal(&now.carer.cell, &before.carer.cell, sizeof now.carer.cell);
    strcpy(before.carer.agency, TAKER);
    strcpy(before.carer.agency_reference, "N-1");
    assert_true(carer_same_content(&now.carer, &before.carer));
    last_event(&here, AGENCY, EVENT_CARER_MOVED, TAKER " of " NORTH);
    last_event(&north, TAKER, EVENT_CARER_MOVED, AGENCY " of " WORLD_REGION);
    world_reopen(&here);
    world_reopen(&north);
    assert_register_true(&here);
    /* The same again is the same; from others it is nothing. */
    struct octets told;
    assert_int_equal(did(move(&here, &north, TAKER, "N-1", &code)).outcome, OUTCOME_CONFIRMED);
    refused(move(&here, &north, TAKER, "N-2", &code), ERR_EXISTS, "agency_reference", "already");
    refused_code(let_go(&here, &north, TAKER2, &code, &told));
    refused_code(take_within(&here, OTHER, "X-1", &code));
    /* What its old agency can't do any more. */
    here.wall_ms++;
    refused(world_apply(&here, world_put_carer(&here, AGENCY, "H-1")), ERR_PRECONDITION, "carer.agency_reference",
            "north-fostering of region E12000001");
    refused(world_apply(&here, world_put_vacancy(&here, AGENCY, "H-1")), ERR_PRECONDITION, "vacancy.agency_reference",
            "MOVED");
    refused(world_apply(&here, world_update(&here, UPDATE_END_CARER, AGENCY, "H-1")), ERR_PRECONDITION,
            "agency_reference", "MOVED");
    struct transfer_code none;
    refused(try_release(&here, world_update(&here, UPDATE_RELEASE_CARER, AGENCY, "H-1"), &none), ERR_PRECONDITION,
            "agency_reference", "MOVED");
    /* For 14 days. */
    pass_both(TRANSFER_CODE_MS);
    refused_code(let_go(&here, &north, TAKER, &code, &told));
    assert_int_equal(carer_of(&here, AGENCY, "H-1").carer.status, CARER_MOVED);
    end();
}

static bool always(void *ctx, const char *region, uint64_t national_reference, int64_t since_ms)
{
    (void)national_reference;
    assert_int_equal(since_ms, *(const int64_t *)ctx);
    return strcmp(region, NORTH) == 0;
}

static void time_goes_on(struct world *world, int64_t ms)
{
    world->wall_ms += ms;
    world->boot_ms += ms;
    (void)home_lapse(world->home, 16, NULL);
}

static void cut_to_the_move(const struct home_carer *old)
{
    static const uint8_t no_hash[DIGEST_BYTES];
    assert_int_equal(old->carer.status, CARER_MOVED);
    assert_string_equal(old->moved_to_region, NORTH);
    assert_string_equal(old->moved_to_agency, TAKER);
    assert_string_equal(old->carer.home_postcode, "");
    assert_true(old->carer.placed_count == 0 && old->carer.household_count == 0 && old->carer.exemption_count == 0 &&
                old->carer.skills == 0 && old->transfer_until_ms == 0);
    assert_memory_equal(old->transfer_hash, no_hash, sizeof no_hash);
}

/* What is private goes once the carer is seen there, else with the code; and an erased one isn't taken again. */
static void test_what_stays_behind(void **state)
{
    (void)state;
    begin();
    struct octets told;
    offer_beds(&here, AGENCY, "H-1", 1);
    offer_beds(&here, AGENCY, "H-2", 1);
    struct transfer_code code = release(&here, AGENCY, "H-1"), other = release(&here, AGENCY, "H-2");
    int64_t let_go_ms = here.wall_ms;
    did(let_go(&here, &north, TAKER, &code, &told));
    did(world_apply(&north, take_told(&north, TAKER, "N-1", &code, &told)));
    /* Nobody has seen it there. */
    time_goes_on(&here, 60000);
    assert_string_not_equal(carer_of(&here, AGENCY, "H-1").carer.home_postcode, "");
    /* The same again does not ask, and does not need it. */
    struct update *again = take(&north, TAKER, "N-1", &code);
    strcpy(again->as.transfer.from_region, code.region);
    again->as.transfer.moves = 1;
    assert_int_equal(did(world_apply(&north, again)).outcome, OUTCOME_CONFIRMED);
    /* Seen. */
    world_reopen(&here);
    home_ask_elsewhere(here.home, &(struct elsewhere_port){always, &let_go_ms});
    struct octets none;
    time_goes_on(&here, 1000);
    struct home_carer old = carer_of(&here, AGENCY, "H-1");
    cut_to_the_move(&old);
    refused_code(let_go(&here, &north, TAKER, &code, &none));
    assert_register_true(&here);
    world_reopen(&here);
    assert_register_true(&here);
    /* Erased there: the answer that was given is good for nothing, nor is a call that thought it there. */
    did(world_apply(&north, world_update(&north, UPDATE_ERASE_CARER, TAKER, "N-1")));
    world_reopen(&north);
    refused_code(world_apply(&north, take_told(&north, TAKER, "N-1", &code, &told)));
    again = take(&north, TAKER, "N-1", &code);
    strcpy(again->as.transfer.from_region, code.region);
    again->as.transfer.moves = 1;
    refused_code(world_apply(&north, again));
    assert_false(read_carer(&north, TAKER, "N-1", &old));
    free((uint8_t *)told.data);
    /* Never seen there: with the code's time. */
    did(let_go(&here, &north, TAKER, &other, &told));
    free((uint8_t *)told.data);
    time_goes_on(&here, TRANSFER_CODE_MS - 1);
    assert_string_not_equal(carer_of(&here, AGENCY, "H-2").carer.home_postcode, "");
    time_goes_on(&here, 1);
    old = carer_of(&here, AGENCY, "H-2");
    cut_to_the_move(&old);
    assert_register_true(&here);
    end();
}

/* There, back, and there again: each record is replaced, and no old code brings a second owner. */
static void test_there_and_back(void **state)
{
    (void)state;
    begin();
    offer_beds(&here, AGENCY, "H-1", 1);
    struct transfer_code there = release(&here, AGENCY, "H-1");
    struct octets old_told;
    did(let_go(&here, &north, TAKER, &there, &old_told));
    did(move(&here, &north, TAKER, "N-1", &there));
    struct transfer_code back = release(&north, TAKER, "N-1");
    /* Under another reference than its own of then it would be hers twice. */
    did(move(&north, &here, AGENCY, "H-1", &back));
    assert_true(owns(&here, AGENCY, "H-1"));
    assert_string_equal(carer_of(&here, AGENCY, "H-1").moved_from_region, NORTH);
    assert_int_equal(carer_of(&north, TAKER, "N-1").carer.status, CARER_MOVED);
    assert_register_true(&here);
    /* What was let go the first time, told late. */
    refused_code(world_apply(&north, take_told(&north, TAKER, "N-1", &there, &old_told)));
    struct octets told;
    refused_code(let_go(&here, &north, TAKER, &there, &told));
    struct transfer_code again = release(&here, AGENCY, "H-1");
    did(move(&here, &north, TAKER2, "M-1", &again));
    assert_true(owns(&north, TAKER2, "M-1"));
    struct home_carer none;
    assert_false(read_carer(&north, TAKER, "N-1", &none));
    refused_code(world_apply(&north, take_told(&north, TAKER, "N-1", &there, &old_told)));
    assert_int_equal(carer_of(&here, AGENCY, "H-1").carer.status, CARER_MOVED);
    /* On within the region: the code by which it came is no way back. */
    struct transfer_code on = release(&north, TAKER2, "M-1");
    did(take_within(&north, TAKER, "N-7", &on));
    refused_code(move(&here, &north, TAKER2, "M-1", &again));
    refused_code(move(&here, &north, TAKER2, "M-2", &again));
    assert_true(owns(&north, TAKER, "N-7") && !owns(&north, TAKER2, "M-1"));
    world_reopen(&here);
    world_reopen(&north);
    assert_register_true(&here);
    free((uint8_t *)old_told.data);
    end();
}

/* --- crashes ----------------------------------------------------------------------------------------------------- */

static void plan(struct world *world, int64_t calls, bool after_commit)
{
    store_memory_set_plan(world->store, &(struct store_memory_plan){.calls_until_crash = calls,
                                                                    .calls_until_full = -1,
                                                                    .crash_after_commit = after_commit});
}

static void crash_and_open(struct world *world)
{
    world_close(world);
    store_memory_crash(world->store, true);
    plan(world, -1, false);
    world_open(world);
}

static void assert_one_owner_at_most(void)
{
    assert_true(owns(&here, AGENCY, "H-1") + owns(&north, TAKER, "N-1") <= 1);
}

/* The n-th call of that register's store from the beginning of the move on. False: it was over by then. */
static bool crash_at(bool old, int64_t n, bool after_commit)
{
    begin();
    uint64_t vacancy = offer_beds(&here, AGENCY, "H-1", 1);
    hold_beds(&here, LEEDS, vacancy, 1);
    struct transfer_code code = release(&here, AGENCY, "H-1");
    struct world *fails = old ? &here : &north;
    plan(fails, n, after_commit);
    struct update_result result = move(&here, &north, TAKER, "N-1", &code);
    bool crashed = result.problem.code != ERR_NONE;
    if (crashed)
        assert_int_equal(result.problem.code, ERR_STORE_IO);
    crash_and_open(fails);
    assert_one_owner_at_most();
    /* The other one, too. */
    world_reopen(old ? &north : &here);
    assert_one_owner_at_most();
    result = did(move(&here, &north, TAKER, "N-1", &code));
    assert_one_owner_at_most();
    assert_true(owns(&north, TAKER, "N-1"));
    assert_true(carer_of(&north, TAKER, "N-1").national_reference == code.national_reference);
    assert_int_equal(carer_of(&here, AGENCY, "H-1").carer.status, CARER_MOVED);
    assert_register_true(&here);
    world_reopen(&north);
    end();
    return crashed;
}

static void test_crash_at_each_store_call(void **state)
{
    (void)state;
    int points = 0;
    for (int which = 0; which < 4; which++)
        for (int64_t n = 1; crash_at(which & 1, n, which & 2); n++)
            points++;
    print_message("%d crash points\n", points);
    assert_true(points > 40);
}

/* --- what the old agency still calls it -------------------------------------------------------------------------- */

static uint64_t carers(struct world *world)
{
    struct home_counts counts;
    assert_int_equal(home_counts(world->home, &counts), ERR_NONE);
    return counts.carers;
}

static void push_refused(const char *agency, const char *reference, const char *words)
{
    uint64_t before = carers(&here);
    here.wall_ms++;
    refused(world_apply(&here, world_put_carer(&here, agency, reference)), ERR_PRECONDITION, "carer.agency_reference",
            words);
    assert_int_equal(carers(&here), before);
}

static void time_passes_over_it(void)
{
    for (int i = 0; i < 8; i++) {
        (void)home_heartbeat(here.home, NULL);
        world_pass(&here, HEARTBEAT_MS);
    }
}

/* It may not have heard of the move, or forget it in its next file: never a second household. */
static void test_an_old_reference(void **state)
{
    (void)state;
    begin();
    offer_beds(&here, AGENCY, "H-1", 1);
    offer_beds(&here, OTHER, "X-2", 1);
    struct transfer_code code = release(&here, AGENCY, "H-1");
    did(take_within(&here, OTHER, "X-1", &code));
    push_refused(AGENCY, "H-1", "another agency on 2025-11-24");
    world_reopen(&here);
    push_refused(AGENCY, "H-1", "Another household needs another reference");
    refused(world_apply(&here, world_put_vacancy(&here, AGENCY, "H-1")), ERR_PRECONDITION, "vacancy.agency_reference",
            "another agency on 2025-11-24");
    static const enum update_kind others[] = {UPDATE_WITHDRAW, UPDATE_ERASE_CARER, UPDATE_RELEASE_CARER,
                                              UPDATE_END_CARER};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        refused(world_apply(&here, world_update(&here, others[i], AGENCY, "H-1")), ERR_PRECONDITION, "agency_reference",
                "another agency on 2025-11-24");
    /* A carer more of its own, and another's, find it taken; what nobody had is free. */
    did(world_apply(&here, world_put_carer(&here, AGENCY, "H-2")));
    code = release(&here, OTHER, "X-2");
    refused(take_within(&here, AGENCY, "H-1", &code), ERR_EXISTS, "agency_reference", "already");
    /* Another agency's reference of the same words is another. */
    did(world_apply(&here, world_put_carer(&here, OTHER, "H-1")));
    /* Back under another reference, and under the old one. */
    code = release(&here, OTHER, "X-1");
    did(take_within(&here, AGENCY, "H-7", &code));
    push_refused(AGENCY, "H-1", "this agency's again, as H-7");
    push_refused(OTHER, "X-1", "another agency on");
    code = release(&here, AGENCY, "H-7");
    did(take_within(&here, OTHER, "X-1", &code));
    code = release(&here, OTHER, "X-1");
    did(take_within(&here, AGENCY, "H-1", &code));
    push_refused(AGENCY, "H-7", "as H-1");
    here.wall_ms++;
    did(world_apply(&here, world_put_carer(&here, AGENCY, "H-1")));
    assert_register_true(&here);
    /* Until it is erased. */
    did(world_apply(&here, world_update(&here, UPDATE_ERASE_CARER, AGENCY, "H-1")));
    assert_int_equal(did(world_apply(&here, world_put_carer(&here, OTHER, "X-1"))).outcome, OUTCOME_CREATED);
    time_passes_over_it();
    assert_int_equal(home_forget_due(here.home), 0);
    struct store_txn *txn;
    struct octets from = {0}, key, value;
    assert_int_equal(here.store->ops->begin(here.store, false, &txn), ERR_NONE);
    assert_int_equal(here.store->ops->seek(txn, STORE_FORMER, &from, false, &key, &value), ERR_NOT_FOUND);
    here.store->ops->abort(txn);
    assert_int_equal(did(world_apply(&here, world_put_carer(&here, AGENCY, "H-7"))).outcome, OUTCOME_CREATED);
    assert_register_true(&here);
    end();
}

/* The same where it went to another region, by its row, and when it is back from there as another agency's. */
static void test_an_old_reference_in_the_earlier_region(void **state)
{
    (void)state;
    begin();
    offer_beds(&here, AGENCY, "H-1", 1);
    struct transfer_code code = release(&here, AGENCY, "H-1");
    did(move(&here, &north, TAKER, "N-1", &code));
    push_refused(AGENCY, "H-1", "north-fostering of region E12000001 took this carer over on 2025-11-24");
    world_reopen(&here);
    push_refused(AGENCY, "H-1", "Another household needs another reference");
    world_pass(&here, TRANSFER_CODE_MS); /* cut down to the move */
    (void)home_lapse(here.home, 100, NULL);
    push_refused(AGENCY, "H-1", "took this carer over on 2025-11-24");
    world_pass(&north, TRANSFER_CODE_MS);
    code = release(&north, TAKER, "N-1");
    did(move(&north, &here, OTHER, "X-1", &code));
    push_refused(AGENCY, "H-1", "another agency on 2025-11-24");
    world_reopen(&here);
    assert_register_true(&here);
    end();
}

int main(void)
{
    const char *given = getenv("CHECK_SEED");
    seed = given ? strtoull(given, NULL, 0) : 20261122;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_within_a_region),
        cmocka_unit_test(test_each_refusal),
        cmocka_unit_test(test_between_regions),
        cmocka_unit_test(test_what_stays_behind),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_an_old_reference),
        cmocka_unit_test(test_an_old_reference_in_the_earlier_region),
        cmocka_unit_test(test_crash_at_each_store_call),
    };
    return cmocka_run_group_tests_name("register_transfer", tests, NULL, NULL);
}
