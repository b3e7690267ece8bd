/*
 * hold_rows.h - holds put into a register of a test by hand, without the rules of who may: for the tests of what is
 * stored, shared and restored of them. On top of register_world.h. Thread: one.
 */
#ifndef VACANCY_TESTS_HOLD_ROWS_H
#define VACANCY_TESTS_HOLD_ROWS_H

#include "daemon/register/home_parts.h"
#include "tests/unit/register_world.h"

#define HOLD_TEAM "spiffe://example.org/region/E12000003/team/leeds"

static inline void rows_begin(struct world *world, struct batch *batch)
{
    assert_int_equal(batch_begin(world->home, false, batch), ERR_NONE);
}

/* Its entry in the carer's list as the hold is now, or none. */
static inline void rows_list(struct home_carer *home, const struct hold *hold)
{
    uint32_t at = 0;
    while (at < home->hold_count && home->holds[at].sequence != hold->token.sequence)
        at++;
    if (hold_live(hold) || hold->state == HOLD_PLACED) {
        home->hold_count += at == home->hold_count;
        home->holds[at].epoch = hold->token.epoch;
        home->holds[at].sequence = hold->token.sequence;
        home->holds[at].beds = hold->beds;
        home->holds[at].state = hold->state;
    } else if (at < home->hold_count) {
        home->holds[at] = home->holds[--home->hold_count];
        memset(&home->holds[home->hold_count], 0, sizeof *home->holds);
    }
}

/* The hold as it is after `change`, with its carer's record, in one commit. A token of 0 makes one. */
static inline struct hold rows_store(struct world *world, struct stored_hold hold)
{
    struct batch batch;
    struct stored_carer carer;
    struct problem problem = {0};
    rows_begin(world, &batch);
    assert_int_equal(batch_get_carer(&batch, hold.hold.national_reference, &carer, &problem), ERR_NONE);
    if (hold.hold.token.sequence != 0) {
        struct stored_hold known;
        assert_int_equal(batch_get_hold(&batch, &hold.hold.token, &known, &problem), ERR_NONE);
        hold.row = known.row;
    }
    assert_true(batch_put_hold(&batch, &hold));
    rows_list(&carer.home, &hold.hold);
    assert_true(batch_put_carer(&batch, &carer, false));
    assert_int_equal(batch_commit(&batch), ERR_NONE);
    return hold.hold;
}

static inline struct hold rows_make(struct world *world, const struct home_carer *home, uint32_t beds, int64_t for_ms)
{
    struct stored_hold hold = {.hold = {.national_reference = home->national_reference,
                                        .vacancy_id = home->vacancy.vacancy_id,
                                        .beds = beds,
                                        .state = HOLD_ACTIVE,
                                        .made_at_ms = world->wall_ms,
                                        .until_ms = world->wall_ms + for_ms,
                                        .until_lease_ms = home_lease_ms(world->home) + for_ms,
                                        .holder = HOLD_TEAM,
                                        .authority = "E08000035",
                                        .request_reference = "383-204417"}};
    memcpy(hold.hold.agency, home->carer.agency, sizeof hold.hold.agency);
    memcpy(hold.hold.agency_reference, home->carer.agency_reference, sizeof hold.hold.agency_reference);
    hold_hash(world->home->options.reference_secret, "holder", hold.hold.vacancy_id, NULL, HOLD_TEAM,
              hold.hold.holder_hash);
    memset(hold.hold.request_hash, 7, DIGEST_BYTES);
    return rows_store(world, hold);
}

static inline struct hold rows_end(struct world *world, struct hold hold, enum hold_state state)
{
    hold.state = (uint8_t)state;
    hold.ended_at_ms = world->wall_ms;
    return rows_store(world, (struct stored_hold){.hold = hold});
}

static inline enum err rows_get(struct world *world, const struct hold_token *token, struct stored_hold *out)
{
    struct batch batch;
    struct problem problem = {0};
    rows_begin(world, &batch);
    enum err err = batch_get_hold(&batch, token, out, &problem);
    batch_abort(&batch);
    return err;
}

/* A carer of three places, no child and a vacancy of two beds. */
static inline struct home_carer rows_carer(struct world *world, const char *agency, const char *reference)
{
    struct home_carer out;
    struct update *push = world_put_carer(world, agency, reference);
    push->as.carer.placed_count = 0;
    memset(push->as.carer.placed, 0, sizeof push->as.carer.placed);
    assert_int_equal(world_apply(world, push).problem.code, ERR_NONE);
    push = world_put_vacancy(world, agency, reference);
    push->as.vacancy.beds = 2;
    assert_int_equal(world_apply(world, push).problem.code, ERR_NONE);
    assert_int_equal(home_get_carer(world->home, agency, reference, &out), ERR_NONE);
    return out;
}

#endif
