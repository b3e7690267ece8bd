/* tier: check */
/*
 * Standing searches: after each commit, whoever's answer is another one has been told, whatever changed: offers that
 * come, go, or change, agencies, commits in parts and large ones; and few are told for nothing. Then the same while
 * commits and searches run at one time; and the bounds.
 */
#include "daemon/match/match_watch.h"
#include "tests/unit/match_random.h"

#include "daemon/base/digest.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define WATCHES 150
#define COMMITS 400

static struct mailbox *mailbox;

/* --- one who watches -------------------------------------------------------------------------------------------- */

struct watcher {
    struct criteria criteria;
    uint32_t watch;
    bool armed;
    uint8_t shown[DIGEST_BYTES];
};

static void add(struct digest_stream *stream, struct arena *arena, const struct option *option)
{
    struct octets octets;
    assert_int_equal(offer_encode(&option->offer, arena, &octets), ERR_NONE);
    digest_stream_add(stream, octets.data, octets.size);
    digest_stream_add(stream, option->region, strlen(option->region));
    digest_stream_add(stream, option->agency.name, strlen(option->agency.name));
    digest_stream_add(stream, &option->unconfirmed, sizeof option->unconfirmed);
}

/* All that the answer shows. */
static uint64_t ask(struct match *match, const struct criteria *criteria, struct arena *arena,
                    uint8_t shown[DIGEST_BYTES])
{
    struct answer answer;
    struct digest_stream *stream = digest_stream_create();
    assert_int_equal(match_find(match, criteria, UINT32_MAX, arena, &answer, NULL), ERR_NONE);
    for (uint32_t i = 0; i < answer.option_count; i++)
        add(stream, arena, &answer.options[i]);
    digest_stream_add(stream, "phone first", 11);
    for (uint32_t i = 0; i < answer.phone_first_count; i++)
        add(stream, arena, &answer.phone_first[i]);
    digest_stream_finish(stream, shown);
    arena_reset(arena);
    return answer.reach_squared;
}

static void look(struct match *match, struct watcher *watcher, uint64_t number, struct arena *arena)
{
    const struct reply_address address = {.mailbox = mailbox, .to = number, .kind = 7};
    if (!watcher->armed)
        assert_int_equal(mailbox_reserve(mailbox), ERR_NONE);
    match_watch_begin(match, watcher->watch, &watcher->criteria, watcher->armed ? NULL : &address);
    watcher->armed = true;
    match_watch_settle(match, watcher->watch, ask(match, &watcher->criteria, arena, watcher->shown));
}

static void watcher_open(struct match *match, struct watcher *watcher, uint64_t number, struct arena *arena)
{
    watcher->armed = false;
    assert_int_equal(match_watch_open(match, number, &watcher->watch), ERR_NONE);
    look(match, watcher, number, arena);
}

static void watcher_close(struct match *match, struct watcher *watcher)
{
    bool unused = match_watch_close(match, watcher->watch);
    assert_int_equal(unused, watcher->armed);
    if (unused)
        mailbox_unreserve(mailbox);
}

static void question(struct seeded_random *random, struct criteria *criteria)
{
    static const char *const orders[] = {"default", "nearest"};
    random_criteria(random, criteria);
    criteria->unexplained = true;
    criteria->limit = random_percent(random, 20) ? OPTIONS_MAX : random_between(random, 1, 6);
    if (random_percent(random, 80))
        assert_true(criteria_order(criteria, orders[random_up_to(random, 1)]));
    else
        for (; criteria->step_count < 4; criteria->step_count++)
            criteria->steps[criteria->step_count] = (uint8_t)(1 + (random_up_to(random, 3) + 4 * criteria->step_count));
}

/* --- what happens ----------------------------------------------------------------------------------------------- */

static void change_one(struct random_world *world, struct fixture_batch *batch)
{
    struct seeded_random *random = &world->random;
    uint32_t at = random_up_to(random, world->count - 1);
    struct offer *offer = &world->offers[at];
    uint32_t what = random_up_to(random, 5);
    if (what == 0)
        random_offer(random, offer->vacancy_id, offer);
    else if (what == 1)
        offer->beds_free = random_up_to(random, 4);
    else if (what == 2)
        offer->valid_until_ms = FIXTURE_AS_OF + (random_percent(random, 50) ? 5 : -5);
    else if (what == 3)
        offer->observed_at_ms++;
    fixture_put(batch, at + 1, what == 5 ? NULL : offer);
}

static void change_some(struct random_world *world, bool *all_told)
{
    struct fixture_batch batch;
    fixture_begin(&batch);
    uint32_t count = random_percent(&world->random, 10) ? random_between(&world->random, 2, 40) : 1;
    *all_told = random_percent(&world->random, 3);
    if (*all_told)
        fixture_agency(&batch, "leeds", random_percent(&world->random, 70));
    else
        while (batch.commit.count < count)
            change_one(world, &batch);
    batch.commit.more = random_percent(&world->random, 10);
    bool more = batch.commit.more;
    fixture_commit(&batch, world->match, ++world->sequence);
    if (more) {
        fixture_begin(&batch);
        change_one(world, &batch);
        fixture_commit(&batch, world->match, world->sequence);
    }
}

static uint32_t take_mail(struct watcher *watchers)
{
    struct mail mail;
    uint32_t mails = 0;
    for (; mailbox_take(mailbox, &mail, 1) == 1; mails++) {
        assert_int_equal(mail.kind, 7);
        assert_true(watchers[mail.to].armed);
        watchers[mail.to].armed = false;
    }
    return mails;
}

static void nobody_misses_a_change(void **state)
{
    (void)state;
    static struct random_world world;
    static struct watcher watchers[WATCHES];
    uint32_t told = 0, told_rightly = 0;
    random_world_open(&world, random_seed(), RANDOM_OFFERS);
    for (uint32_t i = 0; i < WATCHES; i++) {
        question(&world.random, &watchers[i].criteria);
        watcher_open(world.match, &watchers[i], i, &world.arena);
    }
    for (uint32_t commit = 0; commit < COMMITS; commit++) {
        bool all_told;
        change_some(&world, &all_told);
        uint32_t mails = take_mail(watchers);
        for (uint32_t i = 0; i < WATCHES; i++) {
            uint8_t now[DIGEST_BYTES];
            ask(world.match, &watchers[i].criteria, &world.arena, now);
            bool changed = memcmp(now, watchers[i].shown, sizeof now) != 0;
            if (changed && watchers[i].armed)
                fail_msg("commit %u: watch %u was not told", commit, i);
            told_rightly += !all_told && changed;
            if (!watchers[i].armed || random_percent(&world.random, 2))
                look(world.match, &watchers[i], i, &world.arena);
        }
        told += all_told ? 0 : mails;
    }
    printf("%u told, %u rightly, of %u\n", told, told_rightly, WATCHES * COMMITS);
    assert_true(told_rightly > COMMITS);
    assert_true(told < WATCHES * COMMITS / 2);
    for (uint32_t i = 0; i < WATCHES; i++)
        watcher_close(world.match, &watchers[i]);
    random_world_close(&world);
}

/* What is beyond the reach of a full list, too far, or of the wrong kind tells nobody. */
static void who_is_not_concerned_is_left_alone(void **state)
{
    (void)state;
    struct match *match = match_create(NULL, FIXTURE_REGION);
    struct watcher watcher;
    struct arena arena;
    struct fixture_batch batch;
    struct offer offer;
    uint64_t open, mails;
    arena_init(&arena, (size_t)2 << 20);
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", true);
    fixture_offer(&offer, 1, 420000, 430000);
    fixture_put(&batch, 1, &offer);
    fixture_commit(&batch, match, 1);
    fixture_criteria(&watcher.criteria, 420000, 431000);
    watcher.criteria.limit = 1;
    watcher_open(match, &watcher, 0, &arena);
    for (uint32_t turn = 0; turn < 4; turn++) {
        fixture_begin(&batch);
        fixture_offer(&offer, 2, 420000, turn == 0 ? 440000 : 431000);
        if (turn == 1)
            offer.age_below_months = 90;
        if (turn == 2)
            offer.home_features = 0, offer.state = VACANCY_NOT_AVAILABLE;
        fixture_put(&batch, 2, &offer);
        fixture_commit(&batch, match, 2 + turn);
        match_watch_stats(match, &open, &mails);
        assert_int_equal(open, 1);
        assert_int_equal(mails, turn == 3);
    }
    assert_int_equal(take_mail(&watcher), 1);
    watcher_close(match, &watcher);
    match_destroy(match);
    arena_finish(&arena);
}

/* --- while others write ------------------------------------------------------------------------------------------ */

struct writing {
    struct random_world *world;
    _Atomic bool done;
};

static void *write_on(void *argument)
{
    struct writing *writing = argument;
    bool unused;
    for (uint32_t i = 0; i < 2000; i++)
        change_some(writing->world, &unused);
    atomic_store(&writing->done, true);
    return NULL;
}

static void nobody_misses_a_change_made_meanwhile(void **state)
{
    (void)state;
    static struct random_world world;
    static struct watcher watchers[WATCHES];
    struct writing writing = {.world = &world};
    struct arena arena;
    pthread_t thread;
    arena_init(&arena, (size_t)16 << 20);
    random_world_open(&world, random_seed(), RANDOM_OFFERS);
    for (uint32_t i = 0; i < WATCHES; i++)
        question(&world.random, &watchers[i].criteria);
    assert_int_equal(pthread_create(&thread, NULL, write_on, &writing), 0);
    for (uint32_t i = 0; i < WATCHES; i++)
        watcher_open(world.match, &watchers[i], i, &arena);
    bool last;
    do {
        last = atomic_load(&writing.done);
        take_mail(watchers);
        for (uint32_t i = 0; i < WATCHES; i++)
            if (!watchers[i].armed)
                look(world.match, &watchers[i], i, &arena);
    } while (!last);
    pthread_join(thread, NULL);
    for (uint32_t i = 0; i < WATCHES; i++) {
        uint8_t now[DIGEST_BYTES];
        assert_true(watchers[i].armed);
        ask(world.match, &watchers[i].criteria, &arena, now);
        assert_memory_equal(now, watchers[i].shown, sizeof now);
        watcher_close(world.match, &watchers[i]);
    }
    random_world_close(&world);
    arena_finish(&arena);
}

/* Who is told by a mail finds what it was told of, also the first of many. */
#define TOLD 60
static _Atomic uint64_t committing;
static _Atomic bool all_stand;
static _Atomic uint32_t too_early;

static uint64_t sequence_found(struct match *match, const struct criteria *criteria, struct arena *arena)
{
    struct answer answer;
    assert_int_equal(match_find(match, criteria, UINT32_MAX, arena, &answer, NULL), ERR_NONE);
    uint64_t sequence = answer.positions[0].sequence;
    arena_reset(arena);
    return sequence;
}

static void *hear(void *argument)
{
    struct match *match = argument;
    struct watcher watchers[TOLD];
    struct arena arena;
    struct mail mail;
    arena_init(&arena, (size_t)4 << 20);
    for (uint32_t i = 0; i < TOLD; i++) {
        fixture_criteria(&watchers[i].criteria, 420000, 430000);
        watcher_open(match, &watchers[i], i, &arena);
    }
    for (uint32_t round = 0; round < 200; round++) {
        atomic_store(&all_stand, true);
        for (uint32_t told = 0; told < TOLD; told++) {
            while (mailbox_wait(mailbox, &mail, 1, 1000) == 0)
                continue;
            too_early += sequence_found(match, &watchers[mail.to].criteria, &arena) < atomic_load(&committing);
            watchers[mail.to].armed = false;
        }
        for (uint32_t i = 0; i < TOLD; i++)
            look(match, &watchers[i], i, &arena);
    }
    for (uint32_t i = 0; i < TOLD; i++)
        watcher_close(match, &watchers[i]);
    arena_finish(&arena);
    return NULL;
}

static void put_at(struct match *match, uint64_t sequence, bool more)
{
    struct fixture_batch batch;
    struct offer offer;
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", true);
    if (sequence > 1)
        batch.commit.count = 0; /* it is known */
    fixture_offer(&offer, sequence, 420000, 430000);
    fixture_put(&batch, 1, &offer);
    batch.commit.more = more;
    fixture_commit(&batch, match, sequence);
}

static void mail_comes_after_what_it_tells_of(void **state)
{
    (void)state;
    struct match *match = match_create(NULL, FIXTURE_REGION);
    pthread_t thread;
    put_at(match, 1, false);
    assert_int_equal(pthread_create(&thread, NULL, hear, match), 0);
    for (uint64_t sequence = 2; sequence < 202; sequence++) {
        while (!atomic_exchange(&all_stand, false))
            sched_yield();
        atomic_store(&committing, sequence);
        put_at(match, sequence, false);
    }
    pthread_join(thread, NULL);
    assert_int_equal(too_early, 0);
    match_destroy(match);
}

/* Nobody stood when the commit began: nothing was listened for. */
static void who_opens_during_a_commit_is_told_of_it(void **state)
{
    (void)state;
    struct match *match = match_create(NULL, FIXTURE_REGION);
    struct watcher watcher;
    struct arena arena;
    arena_init(&arena, (size_t)4 << 20);
    put_at(match, 1, false);
    put_at(match, 2, true);
    fixture_criteria(&watcher.criteria, 420000, 430000);
    watcher_open(match, &watcher, 0, &arena);
    struct fixture_batch batch;
    fixture_begin(&batch);
    fixture_commit(&batch, match, 2);
    assert_int_equal(take_mail(&watcher), 1);
    watcher_close(match, &watcher);
    match_destroy(match);
    arena_finish(&arena);
}

/* --- bounds ------------------------------------------------------------------------------------------------------ */

static void so_many_and_no_more(void **state)
{
    (void)state;
    static uint32_t watches[WATCHES_MAX];
    struct match *match = match_create(NULL, FIXTURE_REGION);
    uint64_t open, mails;
    uint32_t one_more;
    for (uint32_t i = 0; i < WATCHES_MAX; i++)
        assert_int_equal(match_watch_open(match, i / WATCHES_EACH, &watches[i]), ERR_NONE);
    assert_int_equal(match_watch_open(match, WATCHES_MAX, &one_more), ERR_LIMIT);
    assert_false(match_watch_close(match, watches[0]));
    assert_int_equal(match_watch_open(match, 1, &one_more), ERR_LIMIT);
    assert_int_equal(match_watch_open(match, 0, &watches[0]), ERR_NONE);
    for (uint32_t i = 0; i < WATCHES_MAX; i++)
        assert_false(match_watch_close(match, watches[i]));
    match_watch_stats(match, &open, &mails);
    assert_int_equal(open, 0);
    match_destroy(match);
}

static void the_end_is_told(void **state)
{
    (void)state;
    static struct random_world world;
    struct watcher watcher;
    uint32_t late;
    random_world_open(&world, 1, 1);
    question(&world.random, &watcher.criteria);
    watcher_open(world.match, &watcher, 0, &world.arena);
    assert_false(match_watch_ended(world.match));
    match_watch_end(world.match);
    assert_true(match_watch_ended(world.match));
    assert_int_equal(take_mail(&watcher), 1);
    look(world.match, &watcher, 0, &world.arena);
    assert_int_equal(take_mail(&watcher), 1);
    assert_int_equal(match_watch_open(world.match, 0, &late), ERR_UNAVAILABLE);
    watcher_close(world.match, &watcher);
    random_world_close(&world);
}

static int set_up(void **state)
{
    (void)state;
    mailbox = mailbox_create(WATCHES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mailbox_destroy(mailbox);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_misses_a_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_not_concerned_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_misses_a_change_made_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mail_comes_after_what_it_tells_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_opens_during_a_commit_is_told_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_many_and_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
