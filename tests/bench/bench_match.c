/*
 * bench_match.c - what a search and a publication cost on a register of 100,000 offers. Prints a small table and, with
 * --json, one JSON object. Figures of one machine: compare within a run.
 */
#include "tests/unit/match_fixture.h"

#include <time.h>

#define OFFERS    100000
#define SEARCHES  20000
#define SCANS     100
#define PUBLISHES 20000

static uint64_t seed = 20261122;

static uint32_t below(uint32_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % limit;
}

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Half of the offers in towns of 10 km, as people live. */
static void random_point(uint32_t *e, uint32_t *n)
{
    static const uint32_t towns[][2] = {{530000, 180000}, {407000, 287000}, {384000, 398000}, {430000, 434000},
                                        {335000, 391000}, {436000, 387000}, {359000, 173000}, {425000, 565000}};
    const uint32_t *town = towns[below(8)];
    if (below(2)) {
        *e = town[0] - 5000 + below(10000);
        *n = town[1] - 5000 + below(10000);
    } else {
        *e = 230000 + below(400000);
        *n = 60000 + below(550000);
    }
}

static void random_offer(struct offer *offer, uint64_t id)
{
    uint32_t e, n;
    random_point(&e, &n);
    fixture_offer(offer, id, e, n);
    offer->age_from_months = 12 * below(14);
    offer->age_below_months = offer->age_from_months + 12 + 12 * below(6);
    offer->approved_age_from_months = offer->age_from_months;
    offer->approved_age_below_months = offer->age_below_months;
    offer->beds_free = 1 + below(3);
    offer->beds = offer->max_children = offer->max_children_if_siblings = offer->bedrooms = offer->beds_free;
    offer->sex = below(4) ? SEX_ANY : SEX_M;
    offer->state = below(4) ? VACANCY_VACANT : VACANCY_NOT_AVAILABLE;
    offer->home_features = below(1024) & ~1u;
    offer->pets = 1u << (1 + below(6));
    offer->cannot_take = 1u << (1 + below(11));
    offer->child_count = below(3);
    for (uint32_t i = 0; i < offer->child_count; i++)
        offer->children[i] = (struct child_at_home){(uint8_t)(1 + below(6)), SEX_F, 0, true};
    offer->max_children += offer->child_count;
    offer->bedrooms += offer->child_count;
    snprintf(offer->agency, sizeof offer->agency, "agency-%u", below(465));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, double *samples, size_t count, bool json, bool last)
{
    qsort(samples, count, sizeof *samples, by_value);
    double p50 = samples[count / 2], p99 = samples[count * 99 / 100], top = samples[count - 1];
    if (json)
        printf("\"%s\": {\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}%s", name, p50, p99, top,
               last ? "" : ", ");
    else
        printf("%-28s %10.1f %10.1f %10.1f\n", name, p50, p99, top);
}

static void load(struct match *match)
{
    struct fixture_batch batch;
    struct offer offer;
    for (int i = 0; i < 465; i++) {
        char id[AGENCY_ID_BYTES];
        snprintf(id, sizeof id, "agency-%d", i);
        fixture_begin(&batch);
        fixture_agency(&batch, id, true);
        fixture_commit(&batch, match, 1);
    }
    for (uint32_t i = 0; i < OFFERS;) {
        fixture_begin(&batch);
        for (int in_batch = 0; in_batch < FIXTURE_BATCH && i < OFFERS; in_batch++, i++) {
            random_offer(&offer, i + 1);
            fixture_put(&batch, i + 1, &offer);
        }
        fixture_commit(&batch, match, 2);
    }
}

static void search(struct match *match, bool scan, uint32_t children, double *samples, size_t count)
{
    struct arena arena;
    arena_init(&arena, (size_t)4 << 20);
    for (size_t i = 0; i < count; i++) {
        struct criteria criteria;
        struct answer answer;
        uint32_t e, n;
        random_point(&e, &n);
        fixture_criteria(&criteria, e, n);
        criteria.children[0].age_months = 12 * (1 + below(16));
        criteria.home_features = 1u << (1 + below(9));
        criteria.risks = 1u << (1 + below(11));
        criteria.no_pets = 1u << (1 + below(6));
        criteria.starts_on = scan ? FIXTURE_DAY - 1000 : FIXTURE_DAY; /* nobody was approved then */
        criteria.child_count = children;
        for (uint32_t child = 1; child < children; child++)
            criteria.children[child] = criteria.children[0];
        double begin = now_us();
        if (match_find(match, &criteria, UINT32_MAX, &arena, &answer, NULL) || answer.explained != scan)
            abort();
        samples[i] = now_us() - begin;
        arena_reset(&arena);
    }
    arena_finish(&arena);
}

static void publish(struct match *match, double *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct fixture_batch batch;
        struct offer offer;
        uint64_t reference = 1 + below(OFFERS);
        random_offer(&offer, reference);
        fixture_begin(&batch);
        fixture_put(&batch, reference, &offer);
        double begin = now_us();
        fixture_commit(&batch, match, 3 + i);
        samples[i] = now_us() - begin;
    }
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    static double samples[SEARCHES > PUBLISHES ? SEARCHES : PUBLISHES];
    uint64_t offers, bytes;
    struct match *match = match_create(NULL, FIXTURE_REGION);
    double begin = now_us();
    load(match);
    double load_ms = (now_us() - begin) / 1000;
    match_stats(match, &offers, &bytes);
    if (json)
        printf("{\"offers\": %lu, \"bytes_per_offer\": %lu, \"load_ms\": %.0f, ", (unsigned long)offers,
               (unsigned long)(bytes / offers), load_ms);
    else
        printf("%lu offers, %lu octets each, loaded in %.0f ms\n%-28s %10s %10s %10s\n", (unsigned long)offers,
               (unsigned long)(bytes / offers), load_ms, "microseconds", "p50", "p99", "max");
    search(match, false, 1, samples, SEARCHES);
    report("three nearest", samples, SEARCHES, json, false);
    search(match, true, 1, samples, SCANS);
    report("nothing suits: why", samples, SCANS, json, false);
    search(match, true, 4, samples, SCANS);
    report("the same for four siblings", samples, SCANS, json, false);
    publish(match, samples, PUBLISHES);
    report("publish one changed offer", samples, PUBLISHES, json, true);
    if (json)
        printf("}\n");
    match_destroy(match);
    return 0;
}
