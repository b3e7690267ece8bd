/* tier: check */
/*
 * test_register_writer.c - the writer's thread: every update taken is answered once, while others read.
 * Run under the thread sanitizer by the longer tiers.
 */
#include "daemon/base/mailbox.h"
#include "daemon/register/writer.h"
#include "tests/unit/register_world.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define AGENCY    "leeds-fostering"
#define SENDERS   3
#define UNDER_WAY 64

struct sender {
    struct world *world;
    struct writer *writer;
    struct seeded_random random;
    int number, count, answered, good;
};

static const struct change_port nobody;

static struct update *make(struct sender *sender, int i)
{
    struct world own = *sender->world; /* its clock is not shared: the times are fixed here */
    char reference[32];
    own.random = sender->random;
    snprintf(reference, sizeof reference, "S%d-%d", sender->number, i / 2);
    struct update *update =
        i % 2 ? world_put_vacancy(&own, AGENCY, reference) : world_put_carer(&own, AGENCY, reference);
    sender->random = own.random;
    return update;
}

static void *send_all(void *arg)
{
    struct sender *sender = arg;
    struct mailbox *answers = mailbox_create(UNDER_WAY);
    int sent = 0;
    while (sender->answered < sender->count) {
        while (sent < sender->count && mailbox_reserve(answers) == ERR_NONE) {
            struct update *update = make(sender, sent);
            update->reply = (struct reply_address){answers, (uint64_t)sent, 7};
            if (writer_submit(sender->writer, update) != ERR_NONE) {
                mailbox_unreserve(answers);
                update_destroy(update);
                break; /* full: wait for answers first */
            }
            sent++;
        }
        if (sent == sender->answered) { /* the others fill the queue: nothing of ours to wait for */
            sched_yield();
            continue;
        }
        struct mail mail[16];
        uint32_t got = mailbox_wait(answers, mail, 16, 10000);
        if (got == 0)
            break; /* a lost answer: the test fails on the count */
        for (uint32_t i = 0; i < got; i++) {
            struct update *update = mail[i].payload;
            sender->answered++;
            sender->good += mail[i].kind == 7 && update->result.problem.code == ERR_NONE && mail[i].error == ERR_NONE;
            update_destroy(update);
        }
    }
    mailbox_destroy(answers);
    return NULL;
}

struct reader {
    struct world *world;
    atomic_bool stop;
};

static void *read_on(void *arg)
{
    struct reader *reader = arg;
    static struct home_carer carers[8];
    while (!atomic_load(&reader->stop)) {
        uint64_t epoch, sequence;
        struct home_counts counts;
        size_t got;
        home_position(reader->world->home, &epoch, &sequence);
        if (home_list_carers(reader->world->home, AGENCY, "", carers, 8, &got) != ERR_NONE ||
            home_counts(reader->world->home, &counts) != ERR_NONE)
            return reader;
    }
    return NULL;
}

static void test_every_update_is_answered_once(void **state)
{
    (void)state;
    static struct world world;
    struct writer *writer;
    struct sender senders[SENDERS];
    struct reader reader = {.world = &world};
    pthread_t threads[SENDERS], reading;
    void *failed;
    world_init(&world, seed_from_environment(3), true);
    struct home_options options = world_options(&world);
    options.randomness = random_system();
    const struct store_lmdb_options disk = world_disk_options(&world);
    struct problem problem = {0};
    assert_int_equal(store_lmdb_open(&disk, &world.store, &problem), ERR_NONE);
    assert_int_equal(home_open(&options, world.store, &world.home, &problem), ERR_NONE);
    assert_int_equal(world_apply(&world, world_put_agency(&world, AGENCY)).problem.code, ERR_NONE);
    assert_int_equal(writer_start(world.home, 32, &nobody, &writer), ERR_NONE);
    pthread_create(&reading, NULL, read_on, &reader);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.world = &world, .writer = writer, .number = i, .count = scaled(400)};
        seeded_random_init(&senders[i].random, (uint64_t)i);
        pthread_create(&threads[i], NULL, send_all, &senders[i]);
    }
    uint64_t expected = 0;
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(senders[i].answered, senders[i].count);
        assert_int_equal(senders[i].good, senders[i].count);
        expected += (uint64_t)(senders[i].count + 1) / 2;
    }
    atomic_store(&reader.stop, true);
    pthread_join(reading, &failed);
    assert_null(failed);
    struct home_counts counts;
    assert_int_equal(home_counts(world.home, &counts), ERR_NONE);
    assert_int_equal(counts.carers, expected);
    writer_stop(writer);
    assert_log_chain(&world);
    assert_audit_chain(&world);
    world_finish(&world);
}

/* What is queued when the writer is stopped is done and answered. */
static void test_stop_finishes_what_is_queued(void **state)
{
    (void)state;
    static struct world world;
    struct writer *writer;
    struct mail mail[UNDER_WAY];
    world_init(&world, 4, true);
    world_open(&world);
    assert_int_equal(world_apply(&world, world_put_agency(&world, AGENCY)).problem.code, ERR_NONE);
    struct mailbox *answers = mailbox_create(UNDER_WAY);
    assert_int_equal(writer_start(world.home, UNDER_WAY, &nobody, &writer), ERR_NONE);
    for (int i = 0; i < UNDER_WAY; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "H-%d", i);
        struct update *update = world_put_carer(&world, AGENCY, reference);
        update->reply = (struct reply_address){answers, (uint64_t)i, 1};
        assert_int_equal(mailbox_reserve(answers), ERR_NONE);
        assert_int_equal(writer_submit(writer, update), ERR_NONE);
    }
    writer_stop(writer);
    assert_int_equal(mailbox_take(answers, mail, UNDER_WAY), UNDER_WAY);
    for (int i = 0; i < UNDER_WAY; i++) {
        struct update *update = mail[i].payload;
        assert_int_equal(update->result.problem.code, ERR_NONE);
        assert_int_equal(mail[i].to, i); /* in order */
        update_destroy(update);
    }
    mailbox_destroy(answers);
    assert_register_true(&world);
    world_finish(&world);
}

struct told {
    struct world *world;
    struct mailbox *answers;
    uint64_t sequence;         /* before what was submitted */
    atomic_uint before, after; /* its answer was sent: calls after its commit */
};

static void note_change(void *ctx)
{
    struct told *told = ctx;
    struct pollfd answered = {.fd = mailbox_fd(told->answers), .events = POLLIN};
    uint64_t epoch, sequence;
    home_position(told->world->home, &epoch, &sequence);
    if (sequence > told->sequence)
        poll(&answered, 1, 0) == 0 ? told->before++ : told->after++;
}

/* A follower's way to what was committed is longer than the answer's: it begins first. */
static void test_followers_are_told_before_the_answer(void **state)
{
    (void)state;
    static struct world world;
    struct writer *writer;
    struct mail mail;
    uint64_t epoch;
    world_init(&world, 5, true);
    world_open(&world);
    assert_int_equal(world_apply(&world, world_put_agency(&world, AGENCY)).problem.code, ERR_NONE);
    struct told told = {.world = &world, .answers = mailbox_create(1)};
    home_position(world.home, &epoch, &told.sequence);
    const struct change_port changed = {.changed = note_change, .ctx = &told};
    struct update *update = world_put_carer(&world, AGENCY, "H-1");
    update->reply = (struct reply_address){told.answers, 1, 1};
    assert_int_equal(mailbox_reserve(told.answers), ERR_NONE);
    assert_int_equal(writer_start(world.home, UNDER_WAY, &changed, &writer), ERR_NONE);
    assert_int_equal(writer_submit(writer, update), ERR_NONE);
    writer_stop(writer);
    assert_int_equal(mailbox_take(told.answers, &mail, 1), 1);
    assert_int_equal(update->result.problem.code, ERR_NONE);
    assert_int_equal(told.before, 1);
    assert_int_equal(told.after, 0);
    update_destroy(update);
    mailbox_destroy(told.answers);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_update_is_answered_once),
        cmocka_unit_test(test_stop_finishes_what_is_queued),
        cmocka_unit_test(test_followers_are_told_before_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
