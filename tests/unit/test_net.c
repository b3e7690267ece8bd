/* tier: check */
/*
 * The parts of net that need no socket: timers against a plain list, and the limit of connections of one principal
 * (rows X6, W28). SEED=... repeats a run.
 */
#include "daemon/base/log.h"
#include "daemon/base/randomness.h"
#include "daemon/net/principals.h"
#include "daemon/net/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TIMERS 300

struct owner {
    int64_t wanted_ms; /* TIMER_NEVER: not set */
    struct timer timer;
    int heard;
};

static int64_t now_ms, last_heard_ms;
static struct owner owners[TIMERS];

static void on_due(struct timer *timer)
{
    struct owner *owner = (struct owner *)((char *)timer - offsetof(struct owner, timer));
    assert_true(owner->wanted_ms <= now_ms);
    assert_true(owner->wanted_ms >= last_heard_ms);
    last_heard_ms = owner->wanted_ms;
    owner->wanted_ms = TIMER_NEVER;
    owner->heard++;
}

static int64_t earliest(void)
{
    int64_t earliest_ms = TIMER_NEVER;
    for (int i = 0; i < TIMERS; i++)
        if (owners[i].wanted_ms < earliest_ms)
            earliest_ms = owners[i].wanted_ms;
    return earliest_ms;
}

static uint64_t seed(void)
{
    const char *text = getenv("SEED");
    uint64_t value = 0;
    if (text != NULL)
        value = strtoull(text, NULL, 10);
    else
        random_fill(random_system(), &value, sizeof value);
    print_message("SEED=%llu\n", (unsigned long long)value);
    return value;
}

static void timers_come_in_order(void **state)
{
    (void)state;
    struct seeded_random random;
    struct timers timers = {0};
    seeded_random_init(&random, seed());
    for (int i = 0; i < TIMERS; i++)
        owners[i] = (struct owner){.wanted_ms = TIMER_NEVER, .timer.due = on_due};
    for (int step = 0; step < 20000; step++) {
        struct owner *owner = &owners[seeded_random_below(&random, TIMERS)];
        switch (seeded_random_below(&random, 4)) {
        case 0:
        case 1: /* sets it, or moves it */
            owner->wanted_ms = now_ms + 1 + (int64_t)seeded_random_below(&random, 1000);
            timer_set(&timers, &owner->timer, owner->wanted_ms);
            break;
        case 2:
            owner->wanted_ms = TIMER_NEVER;
            timer_cancel(&timers, &owner->timer);
            break;
        default:
            now_ms += (int64_t)seeded_random_below(&random, 20);
            last_heard_ms = 0;
            while (timers_run(&timers, now_ms, 3) == 3)
                ;
            assert_true(earliest() > now_ms);
        }
        assert_int_equal(timers_next(&timers), earliest());
    }
    for (int i = 0; i < TIMERS; i++)
        timer_set(&timers, &owners[i].timer, TIMER_NEVER);
    assert_int_equal(timers_next(&timers), TIMER_NEVER);
    timers_finish(&timers);
}

static void a_principal_has_its_limit(void **state)
{
    (void)state;
    struct principals *principals = principals_create(8, 3);
    for (int i = 0; i < 3; i++)
        assert_true(principals_enter(principals, "spiffe://a/one"));
    assert_false(principals_enter(principals, "spiffe://a/one"));
    assert_true(principals_enter(principals, "spiffe://a/two")); /* others are served */
    principals_leave(principals, "spiffe://a/one");
    assert_true(principals_enter(principals, "spiffe://a/one"));
    assert_false(principals_enter(principals, "spiffe://a/one"));
    principals_destroy(principals);
}

static void many_principals_leave_nothing(void **state)
{
    (void)state;
    struct principals *principals = principals_create(8, 2);
    char name[32];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            snprintf(name, sizeof name, "principal-%d", i);
            assert_true(principals_enter(principals, name));
        }
        for (int i = 0; i < 500; i++) {
            snprintf(name, sizeof name, "principal-%d", i);
            principals_leave(principals, name);
        }
    }
    principals_destroy(principals); /* the leak checker sees the rest */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_come_in_order),
        cmocka_unit_test(a_principal_has_its_limit),
        cmocka_unit_test(many_principals_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
