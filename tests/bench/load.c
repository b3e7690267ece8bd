/*
 * load.c - a load of unary calls: C connections of S streams each over mutual TLS, every stream with one call under
 * way, requests taken in turn from a file.
 *
 * Owns: counting, latency, both sides' CPU time, and the check that the answers are answers (every one is OK and not
 * empty; with --check find, every 64th is read and held against its question). Why not h2load: it repeats one body and
 * has no client certificates. Output: one JSON object. Thread: one.
 */
#include "tests/bench/lib/links.h"
#include "vacancy/v1/placement_service.pb-c.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_EVERY     64
#define CALL_TIMEOUT_MS 20000
#define IDENTITIES_MAX  64

struct call {
    uint64_t started_ns;
    size_t request;
    uint32_t reply_bytes;
    bool waiting; /* the connection had no room for it */
};

static struct {
    const char *path;
    bool check_find;
    struct messages requests;
    size_t next_request;
    bool measuring, stopping;
    unsigned waiting;
    uint64_t answers, calls, reply_bytes, request_bytes, checked, none_found, short_of_options, options;
    struct latencies latencies;
    double end_ns;
} load;

/* --- the check --------------------------------------------------------------------------------------------------- */

static bool offers(const Vacancy__V1__Option *option, Vacancy__V1__CareType care_type)
{
    for (size_t i = 0; i < option->n_care_types; i++)
        if (option->care_types[i] == care_type)
            return true;
    return false;
}

/* ORDER_STEP_DISTANCE_BAND of the contract. */
static unsigned band_of(uint32_t metres)
{
    return (metres >= 8047) + (metres >= 16093) + (metres >= 32187) + (metres >= 80467);
}

/* These searches override nothing, so in the default order the distance band comes first. */
static bool in_order(const Vacancy__V1__FindVacanciesRequest *asked, uint32_t before, uint32_t after)
{
    return strcmp(asked->order_name, "nearest") == 0 ? before <= after : band_of(before) <= band_of(after);
}

static void check_option(const Vacancy__V1__FindVacanciesRequest *asked, const Vacancy__V1__Option *option,
                         const Vacancy__V1__Option *before)
{
    if (before && !in_order(asked, before->distance_metres, option->distance_metres))
        bench_fail("an answer is not in the order asked for");
    if (asked->within_metres && option->distance_metres > asked->within_metres)
        bench_fail("an option is farther than was asked for");
    if (!offers(option, asked->care_type))
        bench_fail("an option does not offer the kind of care asked for");
    if (asked->grouping != VACANCY__V1__GROUPING__GROUPING_SPLIT && option->children_taken != asked->n_children)
        bench_fail("an option does not take all the children");
    if (!*option->vacancy_id || !option->n_reasons || !option->agency || !*option->agency->phone)
        bench_fail("an option lacks its id, its reasons or whom to call");
}

static void check_find(const struct call *call, const uint8_t *data, size_t bytes)
{
    Vacancy__V1__FindVacanciesRequest *asked = vacancy__v1__find_vacancies_request__unpack(
        NULL, load.requests.at[call->request].bytes, load.requests.at[call->request].data);
    Vacancy__V1__FindVacanciesResponse *answer = vacancy__v1__find_vacancies_response__unpack(NULL, bytes, data);
    if (!asked || !answer)
        bench_fail("an answer is no FindVacanciesResponse");
    const size_t limit = asked->limit ? asked->limit : 3;
    if (answer->n_options > limit || !answer->n_positions || !*answer->gazetteer_digest)
        bench_fail("an answer has too many options, or does not say what it was taken from");
    if (answer->n_options < limit && !answer->n_removed &&
        asked->explain != VACANCY__V1__EXPLAIN_WHEN__EXPLAIN_WHEN_NEVER)
        bench_fail("an answer is short of options and does not say why");
    for (size_t i = 0; i < answer->n_options; i++)
        check_option(asked, answer->options[i], i ? answer->options[i - 1] : NULL);
    load.checked++;
    load.none_found += answer->n_options == 0;
    load.short_of_options += answer->n_options < limit;
    load.options += answer->n_options;
    vacancy__v1__find_vacancies_request__free_unpacked(asked, NULL);
    vacancy__v1__find_vacancies_response__free_unpacked(answer, NULL);
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static void start(struct link *link, struct call *call)
{
    call->request = load.next_request;
    call->reply_bytes = 0;
    call->started_ns = bench_now_ns();
    const struct h2_call options = {
        .path = load.path, .timeout_ms = CALL_TIMEOUT_MS, .context = call, .one_reply = true};
    struct h2_stream *stream = h2_call_start(link->conn, &options, links_now_ms());
    load.waiting += !stream && !call->waiting;
    load.waiting -= stream && call->waiting;
    call->waiting = !stream;
    if (!stream)
        return;
    load.next_request = (load.next_request + 1) % load.requests.count;
    h2_stream_send_octets(stream, load.requests.at[call->request].data, load.requests.at[call->request].bytes);
    h2_stream_half_close(stream);
}

static void on_message(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    struct call *call = h2_stream_context(stream);
    call->reply_bytes = (uint32_t)bytes;
    if (load.check_find && load.answers++ % CHECK_EVERY == 0)
        check_find(call, data, bytes);
}

static void on_closed(struct h2_stream *stream, const struct h2_outcome *outcome)
{
    struct call *call = h2_stream_context(stream);
    if (outcome->code != GRPC_OK)
        bench_fail("%s answered %s: %s %s", load.path, grpc_code_name(outcome->code), outcome->problem.field,
                   outcome->problem.text);
    if (!call->reply_bytes)
        bench_fail("%s answered nothing", load.path);
    if (load.measuring) {
        load.calls++;
        load.reply_bytes += call->reply_bytes;
        load.request_bytes += load.requests.at[call->request].bytes;
        latencies_add(&load.latencies, bench_now_ns() - call->started_ns);
    }
    if (!load.stopping)
        start(link_of(stream), call);
}

static const struct h2_callbacks callbacks = {.message = on_message, .closed = on_closed};

/* Whatever found no room in its turn gets another chance in the next. */
static void start_waiting(struct links *links, unsigned streams)
{
    for (unsigned i = 0; load.waiting && i < links_count(links); i++) {
        struct link *link = links_at(links, i);
        struct call *calls = link->context;
        for (unsigned s = 0; s < streams; s++)
            if (calls[s].waiting)
                start(link, &calls[s]);
    }
}

struct turn_context {
    struct links *links;
    unsigned streams;
};

static bool time_is_up(void *context)
{
    const struct turn_context *turn = context;
    start_waiting(turn->links, turn->streams);
    return (double)bench_now_ns() >= load.end_ns;
}

static void run_for(struct turn_context *turn, double seconds)
{
    load.end_ns = (double)bench_now_ns() + seconds * 1e9;
    links_run(turn->links, time_is_up, turn, seconds + 60);
}

/* --- the run ----------------------------------------------------------------------------------------------------- */

struct options {
    struct links_options links;
    const char *identities[IDENTITIES_MAX];
    unsigned streams;
    double seconds, warm_up;
    long pid;
};

static void measure(const struct options *options)
{
    struct turn_context turn = {.links = links_open(&options->links), .streams = options->streams};
    for (unsigned i = 0; i < options->links.connections; i++) {
        struct call *calls = bench_alloc(options->streams * sizeof *calls);
        links_at(turn.links, i)->context = calls;
        for (unsigned s = 0; s < options->streams; s++)
            start(links_at(turn.links, i), &calls[s]);
    }
    run_for(&turn, options->warm_up);
    load.measuring = true;
    const uint64_t server_before = options->pid ? bench_cpu_us(options->pid) : 0;
    const uint64_t own_before = bench_cpu_us(0), began = bench_now_ns();
    run_for(&turn, options->seconds);
    const double taken_s = (double)(bench_now_ns() - began) / 1e9;
    const uint64_t server = options->pid ? bench_cpu_us(options->pid) - server_before : 0;
    const uint64_t own = bench_cpu_us(0) - own_before;
    load.measuring = false;
    load.stopping = true;
    if (!load.calls)
        bench_fail("no call was answered in %.1f seconds", taken_s);
    if (load.check_find && !load.checked)
        bench_fail("no answer was checked");
    const double calls = (double)load.calls;
    printf("{\"connections\": %u, \"streams\": %u, \"seconds\": %.3f, \"calls\": %llu, \"per_second\": %.1f, "
           "\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"request_bytes\": %.1f, \"reply_bytes\": %.1f, "
           "\"server_cpu_us\": %.2f, \"own_cpu_us\": %.2f, \"checked\": %llu, \"options_mean\": %.2f, "
           "\"short_share\": %.4f, \"none_found_share\": %.4f}\n",
           options->links.connections, options->streams, taken_s, (unsigned long long)load.calls, calls / taken_s,
           latencies_us(&load.latencies, 500), latencies_us(&load.latencies, 900), latencies_us(&load.latencies, 990),
           (double)load.request_bytes / calls, (double)load.reply_bytes / calls, (double)server / calls,
           (double)own / calls, (unsigned long long)load.checked,
           load.checked ? (double)load.options / (double)load.checked : 0,
           load.checked ? (double)load.short_of_options / (double)load.checked : 0,
           load.checked ? (double)load.none_found / (double)load.checked : 0);
}

static void usage(void)
{
    fputs("load --hub ADDRESS:PORT --ca FILE --as FOLDER [--as FOLDER ...] --path /PACKAGE.SERVICE/METHOD\n"
          "     --requests FILE [--connections 16] [--streams 1] [--seconds 5] [--warm-up 1] [--pid SERVER]\n"
          "     [--check find]\n",
          stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"hub", 1, NULL, 'h'},      {"ca", 1, NULL, 'c'},          {"as", 1, NULL, 'a'},      {"path", 1, NULL, 'p'},
        {"requests", 1, NULL, 'r'}, {"connections", 1, NULL, 'n'}, {"streams", 1, NULL, 's'}, {"seconds", 1, NULL, 't'},
        {"warm-up", 1, NULL, 'w'},  {"pid", 1, NULL, 'i'},         {"check", 1, NULL, 'k'},   {NULL, 0, NULL, 0}};
    struct options options = {.streams = 1, .seconds = 5, .warm_up = 1};
    const char *requests = NULL;
    options.links.connections = 16;
    options.links.callbacks = &callbacks;
    options.links.identities = options.identities;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'h':
            options.links.address = optarg;
            break;
        case 'c':
            options.links.ca_path = optarg;
            break;
        case 'a':
            if (options.links.identity_count == IDENTITIES_MAX)
                usage();
            options.identities[options.links.identity_count++] = optarg;
            break;
        case 'p':
            load.path = optarg;
            break;
        case 'r':
            requests = optarg;
            break;
        case 'n':
            options.links.connections = (unsigned)atoi(optarg);
            break;
        case 's':
            options.streams = (unsigned)atoi(optarg);
            break;
        case 't':
            options.seconds = atof(optarg);
            break;
        case 'w':
            options.warm_up = atof(optarg);
            break;
        case 'i':
            options.pid = atol(optarg);
            break;
        case 'k':
            load.check_find = strcmp(optarg, "find") == 0;
            break;
        default:
            usage();
        }
    }
    if (!options.links.address || !options.links.ca_path || !options.links.identity_count || !load.path || !requests ||
        !options.links.connections || !options.streams || optind != argc)
        usage();
    messages_load(&load.requests, requests);
    measure(&options);
    return 0;
}
