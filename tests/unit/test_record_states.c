/* tier: check */
/*
 * test_record_states.c - the published state machines: every row is of known states, events and actors; what has no row
 * is refused with the state and who may do what next.
 */
#include "daemon/record/states.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct state_machine *const machines[] = {&hold_states, &vacancy_states};
#define MACHINES (sizeof machines / sizeof *machines)

static void test_rows_are_whole(void **state)
{
    (void)state;
    for (size_t m = 0; m < MACHINES; m++) {
        for (uint32_t i = 0; i < machines[m]->count; i++) {
            const struct transition *row = &machines[m]->rows[i];
            assert_true(row->from < machines[m]->state_end && row->to < machines[m]->state_end);
            assert_true(row->event > 0 && row->event < machines[m]->event_end);
            assert_true(row->actor > 0 && row->actor <= (ACTOR_TEAM | ACTOR_AGENCY | ACTOR_HUB));
            assert_non_null(row->when);
            /* What people do has a method, what only the hub does has none. */
            assert_int_equal(machines[m]->methods[row->event] == NULL, row->actor == ACTOR_HUB);
            for (uint32_t j = 0; j < i; j++) {
                const struct transition *other = &machines[m]->rows[j];
                if (other->from == row->from && other->event == row->event) {
                    assert_int_not_equal(other->to, row->to);
                    assert_string_not_equal(other->when, row->when[0] ? "" : row->when);
                }
            }
        }
        for (uint32_t s = 0; s < machines[m]->state_end; s++)
            assert_non_null(machines[m]->states[s]);
        for (uint32_t e = 1; e < machines[m]->event_end; e++)
            assert_true(machines[m]->events[e] != NULL && machines[m]->events[e][0] != '\0');
    }
}

/* Every state is reached from none, and every live one is left again. */
static void test_states_are_reached_and_left(void **state)
{
    (void)state;
    for (size_t m = 0; m < MACHINES; m++) {
        bool reached[16] = {[0] = true}, left[16] = {false};
        for (uint32_t round = 0; round < machines[m]->state_end; round++)
            for (uint32_t i = 0; i < machines[m]->count; i++) {
                const struct transition *row = &machines[m]->rows[i];
                reached[row->to] = reached[row->to] || reached[row->from];
                left[row->from] = left[row->from] || row->to != row->from;
            }
        for (uint32_t s = 0; s < machines[m]->state_end; s++)
            assert_true(reached[s]);
        for (uint32_t s = 0; m == 1 && s < machines[m]->state_end; s++)
            assert_true(left[s]);
    }
    assert_null(states_find(&hold_states, HOLD_RELEASED, HOLD_PLACE));
    for (unsigned event = 1; event < HOLD_EVENT_END; event++)
        for (unsigned ended = HOLD_RELEASED; ended < HOLD_STATE_END; ended++)
            assert_int_equal(states_find(&hold_states, ended, event) != NULL, /* taken back, where it never began */
                             ended == HOLD_PLACED && (event == HOLD_RELEASE || event == HOLD_DECLINE));
}

/* No team takes a bed of what is not stated vacant, and no agency takes a bed away from whoever holds it. */
static void test_what_is_not_in_the_tables(void **state)
{
    (void)state;
    for (unsigned from = 0; from < VACANCY_STATE_END; from++)
        assert_int_equal(states_find(&vacancy_states, from, VACANCY_HOLD) != NULL, from == VACANCY_VACANT);
    assert_null(states_find(&vacancy_states, VACANCY_HELD, VACANCY_WITHDRAW));
    assert_null(states_find(&vacancy_states, VACANCY_HELD, VACANCY_RESERVE));
    assert_null(states_find(&vacancy_states, VACANCY_HELD, VACANCY_NOT_AVAILABLE_STATED));
    assert_null(states_find(&vacancy_states, VACANCY_PLACED, VACANCY_LAPSE));
}

static void test_refusals_say_the_state_and_who_may_do_what(void **state)
{
    (void)state;
    struct problem problem = {0};
    assert_int_equal(states_check(&hold_states, HOLD_ACTIVE, HOLD_ACCEPT, "hold_id", &problem), ERR_NONE);
    assert_int_equal(problem.code, ERR_NONE);
    assert_int_equal(states_check(&hold_states, HOLD_DECLINED, HOLD_PLACE, "hold_id", &problem), ERR_PRECONDITION);
    assert_int_equal(problem.code, ERR_PRECONDITION);
    assert_string_equal(problem.field, "hold_id");
    assert_string_equal(problem.text, "the hold is DECLINED, nothing more can be done with it");
    assert_int_equal(states_check(&hold_states, HOLD_ACCEPTED, HOLD_ACCEPT, "hold_id", &problem), ERR_PRECONDITION);
    assert_string_equal(problem.text, "the hold is ACCEPTED: the team may extend it (ExtendHold), release it "
                                      "(ReleaseHold) or place the children (PlaceChild), the agency may decline it "
                                      "(DeclineHold)");
    assert_int_equal(states_check(&vacancy_states, VACANCY_HELD, VACANCY_WITHDRAW, "", &problem), ERR_PRECONDITION);
    assert_non_null(strstr(problem.text, "the vacancy is HELD: "));
    assert_non_null(strstr(problem.text, "decline a hold (DeclineHold)"));
    assert_int_equal(states_check(&vacancy_states, VACANCY_NONE, VACANCY_HOLD, "", &problem), ERR_PRECONDITION);
    assert_string_equal(problem.text, "there is no vacancy: the agency may state it vacant (PutVacancy)");
    assert_int_equal(states_check(&hold_states, 77, HOLD_PLACE, "", &problem), ERR_PRECONDITION);
    assert_string_equal(problem.text, "the hold is in a state that this hub does not know, nothing more can be done "
                                      "with it");
}

/* None is cut: each ends as it should. */
static void test_refusals_fit(void **state)
{
    (void)state;
    for (size_t m = 0; m < MACHINES; m++)
        for (unsigned from = 0; from < machines[m]->state_end; from++)
            for (unsigned event = 1; event < machines[m]->event_end; event++) {
                struct problem problem = {0};
                bool there = states_find(machines[m], from, event) != NULL;
                enum err err = states_check(machines[m], from, event, "", &problem);
                assert_int_equal(err, there ? ERR_NONE : ERR_PRECONDITION);
                size_t size = strlen(problem.text);
                assert_true(there || (size < PROBLEM_TEXT_BYTES - 1 &&
                                      (problem.text[size - 1] == ')' || strstr(problem.text, "nothing more") != NULL)));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_whole),
        cmocka_unit_test(test_states_are_reached_and_left),
        cmocka_unit_test(test_what_is_not_in_the_tables),
        cmocka_unit_test(test_refusals_say_the_state_and_who_may_do_what),
        cmocka_unit_test(test_refusals_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
