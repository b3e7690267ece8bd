/*
 * bench_watch.c - what standing searches cost a commit, in process.
 *
 *     bench_watch [--offers N] [--json]
 *
 * Owns: a made-up register over England, and standing searches over it, each for one child with its own point and three
 * options; commits of one update each with nobody, 1,000 and 4,096 who stand, by turns, so that all see the same
 * machine. Who is told searches again outside what is measured. Figures of one machine: compare within a run.
 */
#include "daemon/match/match_watch.h"
#include "tests/unit/match_random.h"

#define UPDATES 20000
#define STEPS   3

static struct seeded_random randomness;
static struct match *match;
static struct mailbox *mailbox;
static struct arena arena;
static uint32_t offers = 100000;
static uint64_t sequence;

static struct standing {
    struct criteria criteria;
    uint32_t watch;
    bool armed;
} standing[WATCHES_MAX];

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Half of all live in one of forty towns of 12 km. */
static void place(uint32_t *e_metres, uint32_t *n_metres)
{
    uint32_t town = random_up_to(&randomness, 79);
    *e_metres = 250000 + random_up_to(&randomness, 350000);
    *n_metres = 80000 + random_up_to(&randomness, 450000);
    if (town >= 40)
        return;
    *e_metres = 260000 + town % 8 * 45000 + random_up_to(&randomness, 12000);
    *n_metres = 90000 + town / 8 * 90000 + random_up_to(&randomness, 12000);
}

static double put(uint32_t at)
{
    struct fixture_batch batch;
    struct offer offer;
    random_offer(&randomness, at + 1, &offer);
    place(&offer.cell.point_e_metres, &offer.cell.point_n_metres);
    offer.cell.square_e_km = offer.cell.point_e_metres / 1000;
    offer.cell.square_n_km = offer.cell.point_n_metres / 1000;
    fixture_begin(&batch);
    fixture_put(&batch, at + 1, &offer);
    double begin_us = now_us();
    fixture_commit(&batch, match, ++sequence);
    return now_us() - begin_us;
}

static void look(uint32_t at)
{
    const struct reply_address address = {.mailbox = mailbox, .to = at};
    struct standing *one = &standing[at];
    struct answer answer;
    if (mailbox_reserve(mailbox) != ERR_NONE)
        abort();
    match_watch_begin(match, one->watch, &one->criteria, &address);
    if (match_find(match, &one->criteria, UINT32_MAX, &arena, &answer, NULL) != ERR_NONE)
        abort();
    match_watch_settle(match, one->watch, answer.reach_squared);
    arena_reset(&arena);
}

static void stand(uint32_t at)
{
    struct criteria *criteria = &standing[at].criteria;
    fixture_criteria(criteria, 0, 0);
    place(&criteria->near_e_metres, &criteria->near_n_metres);
    criteria->children[0] =
        (struct child_sought){12 * random_up_to(&randomness, 17), (uint8_t)(1 + random_up_to(&randomness, 1))};
    criteria->unexplained = true;
    if (random_percent(&randomness, 30))
        criteria->risks = 1u << random_between(&randomness, 1, RISK_END - 1);
    if (random_percent(&randomness, 30))
        criteria->home_features = 1u << random_between(&randomness, 1, HOME_FEATURE_END - 1);
    if (!criteria_order(criteria, "default") || match_watch_open(match, at / WATCHES_EACH, &standing[at].watch))
        abort();
    look(at);
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* How many were told. */
static uint64_t measure(double samples[UPDATES])
{
    uint64_t told = 0;
    struct mail mail;
    for (uint32_t i = 0; i < UPDATES; i++) {
        samples[i] = put(random_up_to(&randomness, offers - 1));
        for (; mailbox_take(mailbox, &mail, 1) == 1; told++)
            look((uint32_t)mail.to);
    }
    qsort(samples, UPDATES, sizeof *samples, by_value);
    return told;
}

static double mean(const double samples[UPDATES])
{
    double sum = 0;
    for (uint32_t i = 0; i < UPDATES; i++)
        sum += samples[i];
    return sum / UPDATES;
}

int main(int argc, char **argv)
{
    static const uint32_t steps[STEPS] = {0, 1000, WATCHES_MAX};
    static double samples[UPDATES];
    bool as_json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            as_json = true;
        else if (strcmp(argv[i], "--offers") == 0 && i + 1 < argc)
            offers = (uint32_t)strtoul(argv[++i], NULL, 10);
    }
    seeded_random_init(&randomness, 20261122);
    arena_init(&arena, (size_t)4 << 20);
    mailbox = mailbox_create(WATCHES_MAX);
    match = match_create(NULL, FIXTURE_REGION);
    struct fixture_batch batch;
    fixture_begin(&batch);
    fixture_agency(&batch, "leeds", true);
    fixture_commit(&batch, match, ++sequence);
    for (uint32_t i = 0; i < offers; i++)
        (void)put(i);
    uint32_t standing_count = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        while (standing_count < steps[step])
            stand(standing_count++);
        uint64_t told = measure(samples);
        printf(as_json
                   ? "%s{\"standing\": %u, \"update_mean_us\": %.3f, \"update_p50_us\": %.3f, \"update_p99_us\": %.3f, "
                     "\"told_each\": %.3f}%s"
                   : "%s%5u stand: an update %.2f us, p50 %.2f, p99 %.2f, tells %.3f%s",
               as_json && step == 0 ? "[" : "", standing_count, mean(samples), samples[UPDATES / 2],
               samples[UPDATES * 99 / 100], (double)told / UPDATES, as_json ? step + 1 < STEPS ? ",\n" : "]\n" : "\n");
    }
    for (uint32_t i = 0; i < standing_count; i++)
        if (match_watch_close(match, standing[i].watch))
            mailbox_unreserve(mailbox);
    match_destroy(match);
    mailbox_destroy(mailbox);
    arena_finish(&arena);
    return 0;
}
