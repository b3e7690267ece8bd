/*
 * across.c - from sending an update to finding it at another hub.
 *
 * One process, one clock: PutVacancy goes to the hub of the vacancy's region; once that is acknowledged, FindVacancies
 * is asked of another hub, again and again, until its answer holds what was put (told by when it was observed).
 * Searches before that would only take the hubs' cores; what is beside (peers.py) begins to look at the same moment.
 * What is found so was there up to two searches earlier: the one that just missed it, and its own. So ask for little.
 * Then both rest for a few milliseconds, so that each update meets hubs that wait for one. Output: one JSON object.
 * Thread: one. Invariant: one update or one search under way.
 */
#include "daemon/base/clock.h"
#include "tests/bench/lib/links.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PUT_VACANCY     "/vacancy.v1.AgencyService/PutVacancy"
#define FIND_VACANCIES  "/vacancy.v1.PlacementService/FindVacancies"
#define CALL_TIMEOUT_MS 20000
#define BOUND_S         20 /* for one update */
#define DAYS            300

enum { HERE, THERE, ENDS };

static struct {
    struct messages put, find; /* a PutVacancyRequest, a FindVacanciesRequest */
    Vacancy__V1__PutVacancyRequest *request;
    struct links *links;
    uint64_t started_ns;
    bool acknowledged, seen, searching;
    uint64_t searches;
    uint64_t acknowledged_ns;
    struct latencies to_found, to_receipt, after_receipt;
    char until[DATE_TEXT_BYTES];
} run;

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct h2_stream *start(unsigned end, const char *path)
{
    static const unsigned ends[ENDS] = {HERE, THERE};
    const struct h2_call call = {
        .path = path, .timeout_ms = CALL_TIMEOUT_MS, .context = (void *)&ends[end], .one_reply = true};
    struct h2_stream *stream = h2_call_start(links_at(run.links, end)->conn, &call, links_now_ms());
    if (!stream)
        bench_fail("no stream for %s", path);
    return stream;
}

static void search(void)
{
    struct h2_stream *stream = start(THERE, FIND_VACANCIES);
    run.searching = true;
    run.searches++;
    h2_stream_send_octets(stream, run.find.at[0].data, run.find.at[0].bytes);
    h2_stream_half_close(stream);
}

/* Another last day of the offer, so that it is a change. */
static void put(void)
{
    Vacancy__V1__Vacancy *vacancy = run.request->vacancy;
    const int64_t now = wall_ms();
    vacancy->observed_at_ms = now > vacancy->observed_at_ms ? now : vacancy->observed_at_ms + 1;
    date_format(date_of_wall_ms(now) + 30 + (date_days)(run.to_found.count % DAYS), run.until);
    vacancy->until = run.until;
    run.acknowledged = run.seen = false;
    run.started_ns = bench_now_ns();
    struct h2_stream *stream = start(HERE, PUT_VACANCY);
    h2_stream_send(stream, &run.request->base);
    h2_stream_half_close(stream);
}

static void look(const uint8_t *data, size_t bytes)
{
    Vacancy__V1__FindVacanciesResponse *answer = vacancy__v1__find_vacancies_response__unpack(NULL, bytes, data);
    if (!answer)
        bench_fail("an answer is no FindVacanciesResponse");
    for (size_t i = 0; i < answer->n_options && !run.seen; i++)
        run.seen = answer->options[i]->confirmed_at_ms == run.request->vacancy->observed_at_ms;
    if (run.seen) {
        const uint64_t now = bench_now_ns();
        latencies_add(&run.to_found, now - run.started_ns);
        latencies_add(&run.after_receipt, now - run.acknowledged_ns);
    }
    vacancy__v1__find_vacancies_response__free_unpacked(answer, NULL);
}

static void on_message(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    if (*(const unsigned *)h2_stream_context(stream) == THERE) {
        if (!run.seen)
            look(data, bytes);
        return;
    }
    Vacancy__V1__PutVacancyResponse *response = vacancy__v1__put_vacancy_response__unpack(NULL, bytes, data);
    if (!response || !response->receipt || response->receipt->outcome != VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_UPDATED)
        bench_fail("PutVacancy changed nothing");
    vacancy__v1__put_vacancy_response__free_unpacked(response, NULL);
    run.acknowledged_ns = bench_now_ns();
    latencies_add(&run.to_receipt, run.acknowledged_ns - run.started_ns);
}

static void on_closed(struct h2_stream *stream, const struct h2_outcome *outcome)
{
    if (outcome->code != GRPC_OK)
        bench_fail("%s: %s %s", grpc_code_name(outcome->code), outcome->problem.field, outcome->problem.text);
    if (*(const unsigned *)h2_stream_context(stream) == HERE) {
        run.acknowledged = true;
        search();
        return;
    }
    run.searching = false;
    if (!run.seen)
        search();
}

static const struct h2_callbacks callbacks = {.message = on_message, .closed = on_closed};

static bool done(void *context)
{
    (void)context;
    return run.acknowledged && run.seen && !run.searching;
}

static void one_update(unsigned rest_ms)
{
    const struct timespec rest = {.tv_sec = rest_ms / 1000, .tv_nsec = (long)(rest_ms % 1000) * 1000000};
    put();
    links_run(run.links, done, NULL, BOUND_S);
    nanosleep(&rest, NULL);
}

static void usage(void)
{
    fputs(
        "across --ca FILE --from ADDRESS:PORT --agency FOLDER --put FILE --to ADDRESS:PORT --team FOLDER --find FILE\n"
        "       [--updates 1000] [--warm-up 50] [--rest-ms 2]\n",
        stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"ca", 1, NULL, 'c'},      {"from", 1, NULL, 'f'},    {"agency", 1, NULL, 'a'}, {"put", 1, NULL, 'p'},
        {"to", 1, NULL, 't'},      {"team", 1, NULL, 'm'},    {"find", 1, NULL, 'q'},   {"updates", 1, NULL, 'n'},
        {"warm-up", 1, NULL, 'w'}, {"rest-ms", 1, NULL, 'r'}, {NULL, 0, NULL, 0}};
    const char *addresses[ENDS] = {0}, *identities[ENDS] = {0}, *files[ENDS] = {0};
    struct links_options options = {.addresses = addresses,
                                    .address_count = ENDS,
                                    .identities = identities,
                                    .identity_count = ENDS,
                                    .connections = ENDS,
                                    .callbacks = &callbacks};
    unsigned updates = 1000, warm_up = 50, rest_ms = 2;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'c':
            options.ca_path = optarg;
            break;
        case 'f':
        case 't':
            addresses[option == 'f' ? HERE : THERE] = optarg;
            break;
        case 'a':
        case 'm':
            identities[option == 'a' ? HERE : THERE] = optarg;
            break;
        case 'p':
        case 'q':
            files[option == 'p' ? HERE : THERE] = optarg;
            break;
        case 'n':
            updates = (unsigned)atoi(optarg);
            break;
        case 'w':
            warm_up = (unsigned)atoi(optarg);
            break;
        case 'r':
            rest_ms = (unsigned)atoi(optarg);
            break;
        default:
            usage();
        }
    }
    for (int end = 0; end < ENDS; end++)
        if (!addresses[end] || !identities[end] || !files[end])
            usage();
    if (!options.ca_path || optind != argc || !updates)
        usage();
    messages_load(&run.put, files[HERE]);
    messages_load(&run.find, files[THERE]);
    run.request = vacancy__v1__put_vacancy_request__unpack(NULL, run.put.at[0].bytes, run.put.at[0].data);
    if (!run.request || !run.request->vacancy)
        bench_fail("%s holds no PutVacancyRequest", files[HERE]);
    run.links = links_open(&options);
    for (unsigned i = 0; i < warm_up; i++)
        one_update(rest_ms);
    run.to_found.count = run.to_receipt.count = run.after_receipt.count = 0;
    run.searches = 0;
    for (unsigned i = 0; i < updates; i++)
        one_update(rest_ms);
    printf("{\"updates\": %u, \"found_p50_us\": %.1f, \"found_p99_us\": %.1f, \"receipt_p50_us\": %.1f, "
           "\"receipt_p99_us\": %.1f, \"after_receipt_p50_us\": %.1f, \"searches_each\": %.1f}\n",
           updates, latencies_us(&run.to_found, 500), latencies_us(&run.to_found, 990),
           latencies_us(&run.to_receipt, 500), latencies_us(&run.to_receipt, 990),
           latencies_us(&run.after_receipt, 500), (double)run.searches / updates);
    return 0;
}
