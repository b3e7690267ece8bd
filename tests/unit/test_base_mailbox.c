/* tier: check */
/* The mailbox: its bound, reserved places, the eventfd, and many senders at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/base/clock.h"
#include "daemon/base/mailbox.h"
#include "daemon/base/thread.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static bool is_readable(const struct mailbox *mailbox)
{
    struct pollfd fd = {.fd = mailbox_fd(mailbox), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void a_full_box_refuses(void **state)
{
    (void)state;
    struct mailbox *box = mailbox_create(3);
    struct mail mail = {.kind = 1}, out[8];
    for (uint64_t i = 0; i < 3; i++) {
        mail.value = i;
        assert_int_equal(mailbox_send(box, &mail), ERR_NONE);
    }
    assert_int_equal(mailbox_send(box, &mail), ERR_LIMIT);
    assert_int_equal(mailbox_reserve(box), ERR_LIMIT);
    assert_int_equal(mailbox_take(box, out, 2), 2);
    assert_int_equal(out[0].value, 0);
    assert_int_equal(out[1].value, 1);
    mail.value = 3;
    assert_int_equal(mailbox_send(box, &mail), ERR_NONE); /* wraps round the ring */
    assert_int_equal(mailbox_take(box, out, 8), 2);
    assert_int_equal(out[0].value, 2);
    assert_int_equal(out[1].value, 3);
    assert_int_equal(mailbox_take(box, out, 8), 0);
    mailbox_destroy(box);
    mailbox_destroy(NULL);
}

static void a_reserved_place_is_kept(void **state)
{
    (void)state;
    struct mailbox *box = mailbox_create(3);
    struct mail mail = {.kind = 1}, reply = {.kind = 2, .error = ERR_STALE, .to = 7}, out[4];
    assert_int_equal(mailbox_reserve(box), ERR_NONE);
    assert_int_equal(mailbox_reserve(box), ERR_NONE);
    assert_int_equal(mailbox_send(box, &mail), ERR_NONE);
    assert_int_equal(mailbox_send(box, &mail), ERR_LIMIT);
    assert_int_equal(mailbox_reserve(box), ERR_LIMIT);
    mailbox_send_reserved(box, &reply);
    assert_int_equal(mailbox_send(box, &mail), ERR_LIMIT);
    mailbox_unreserve(box);
    assert_int_equal(mailbox_send(box, &mail), ERR_NONE);
    assert_int_equal(mailbox_take(box, out, 4), 3);
    assert_int_equal(out[1].kind, 2);
    assert_int_equal(out[1].error, ERR_STALE);
    assert_int_equal(out[1].to, 7);
    mailbox_destroy(box);
}

static void the_descriptor_is_readable_while_messages_wait(void **state)
{
    (void)state;
    struct mailbox *box = mailbox_create(4);
    struct mail mail = {.kind = 1}, out[4];
    assert_false(is_readable(box));
    assert_int_equal(mailbox_send(box, &mail), ERR_NONE);
    assert_int_equal(mailbox_send(box, &mail), ERR_NONE);
    assert_true(is_readable(box));
    assert_int_equal(mailbox_take(box, out, 1), 1);
    assert_true(is_readable(box));
    assert_int_equal(mailbox_take(box, out, 1), 1);
    assert_false(is_readable(box));
    assert_int_equal(mailbox_send(box, &mail), ERR_NONE);
    assert_true(is_readable(box));
    assert_int_equal(mailbox_take(box, out, 4), 1);
    mailbox_destroy(box);
}

static void waiting_ends_at_its_time(void **state)
{
    (void)state;
    struct mailbox *box = mailbox_create(1);
    struct mail out[1];
    int64_t before = clock_boot_ms(clock_system());
    assert_int_equal(mailbox_wait(box, out, 1, 0), 0);
    assert_int_equal(mailbox_wait(box, out, 1, 30), 0);
    assert_true(clock_boot_ms(clock_system()) - before >= 30);
    mailbox_destroy(box);
}

enum { SENDERS = 4 };

struct sender {
    struct mailbox *box;
    uint64_t id, count;
    bool signals_blocked;
};

/* Every second message goes by a reserved place. */
static void *send_many(void *arg)
{
    struct sender *sender = arg;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    sender->signals_blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGSEGV) == 0;
    for (uint64_t i = 0; i < sender->count; i++) {
        uint64_t *payload = malloc(sizeof *payload);
        *payload = i;
        struct mail mail = {.kind = 1, .to = sender->id, .value = i, .payload = payload};
        if (i % 2 == 0) {
            while (mailbox_send(sender->box, &mail) != ERR_NONE)
                sched_yield();
        } else {
            while (mailbox_reserve(sender->box) != ERR_NONE)
                sched_yield();
            mailbox_send_reserved(sender->box, &mail);
        }
    }
    return NULL;
}

static void nothing_is_lost_doubled_or_reordered(void **state)
{
    (void)state;
    const char *scale = getenv("CHECK_SCALE");
    uint64_t count = (uint64_t)(20000 * (scale ? atof(scale) : 1.0)) + 1;
    struct mailbox *box = mailbox_create(64);
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    for (uint64_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.box = box, .id = i, .count = count};
        threads[i] = thread_start("sender", send_many, &senders[i]);
    }
    uint64_t next[SENDERS] = {0}, left = count * SENDERS;
    while (left > 0) {
        struct mail out[16];
        uint32_t taken = mailbox_wait(box, out, 16, 60000);
        assert_in_range(taken, 1, 16);
        for (uint32_t i = 0; i < taken; i++) {
            assert_true(out[i].to < SENDERS);
            assert_int_equal(out[i].value, next[out[i].to]++);
            assert_int_equal(*(uint64_t *)out[i].payload, out[i].value);
            free(out[i].payload);
        }
        left -= taken;
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(senders[i].signals_blocked);
    }
    assert_false(is_readable(box));
    mailbox_destroy(box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_box_refuses),
        cmocka_unit_test(a_reserved_place_is_kept),
        cmocka_unit_test(the_descriptor_is_readable_while_messages_wait),
        cmocka_unit_test(waiting_ends_at_its_time),
        cmocka_unit_test(nothing_is_lost_doubled_or_reordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
