/*
 * updates.c - durable updates from agencies over mutual TLS.
 *
 *     updates fill ...     every update of each agency's file, once, on one Submit stream an agency
 *     updates unary ...    for some seconds: every connection one PutVacancy under way, on a random carer of its own
 *     updates stream ...   the same, each connection on a Submit stream of its own
 *
 * Owns: making each PutVacancy a change (another last day, a later observed_at), so that the register has something to
 * write; counting receipts and latency. Not here: whether what was acknowledged is on disk (tests/damage).
 * Output: one JSON object. Thread: one. Invariant: a carer belongs to one connection, which has one update under way,
 * so no update meets a newer one.
 */
#include "daemon/base/clock.h"
#include "tests/bench/lib/links.h"
#include "vacancy/v1/agency_service.pb-c.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SUBMIT         "/vacancy.v1.AgencyService/Submit"
#define PUT_VACANCY    "/vacancy.v1.AgencyService/PutVacancy"
#define IDENTITIES_MAX 64
#define DAYS           1000

enum mode { FILL, UNARY, STREAM };

struct agency {
    struct messages updates;                /* SubmitRequests */
    Vacancy__V1__SubmitRequest **vacancies; /* unpacked, those that put a vacancy */
    size_t vacancy_count;
};

struct worker { /* one connection */
    struct agency *agency;
    struct link *link;
    struct h2_stream *stream; /* fill, stream: the Submit call */
    size_t next, answered;    /* fill: indexes into the file */
    size_t offset, stride;    /* of the agency's vacancies: which are this connection's */
    uint64_t started_ns;
    char until[DATE_TEXT_BYTES];
    bool sent_all; /* fill */
    bool starting; /* the connection had no room for the call */
};

static struct {
    enum mode mode;
    unsigned window;
    uint64_t random;
    bool measuring, stopping;
    uint64_t updates, unchanged;
    unsigned done;
    struct latencies latencies;
    double end_ns;
    struct worker *workers;
    unsigned worker_count;
} run = {.window = 256};

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- fill -------------------------------------------------------------------------------------------------------- */

static void fill_more(struct worker *worker)
{
    const struct messages *updates = &worker->agency->updates;
    bool room = true;
    while (room && worker->next < updates->count && worker->next - worker->answered < run.window) {
        const size_t at = worker->next++;
        room = h2_stream_send_octets(worker->stream, updates->at[at].data, updates->at[at].bytes);
    }
    if (worker->next == updates->count && !worker->sent_all) {
        worker->sent_all = true;
        h2_stream_half_close(worker->stream);
    }
}

/* --- random changes ------------------------------------------------------------------------------------------------
 */

static Vacancy__V1__SubmitRequest *next_change(struct worker *worker)
{
    const struct agency *agency = worker->agency;
    const size_t mine = (agency->vacancy_count - worker->offset + worker->stride - 1) / worker->stride;
    const size_t at = worker->offset + bench_random(&run.random) % mine * worker->stride;
    Vacancy__V1__SubmitRequest *request = agency->vacancies[at];
    Vacancy__V1__Vacancy *vacancy = request->put_vacancy->vacancy;
    const int64_t now = wall_ms();
    vacancy->observed_at_ms = now > vacancy->observed_at_ms ? now : vacancy->observed_at_ms + 1;
    /* Another last day of the offer than the one before, but once in a thousand. */
    date_format(date_of_wall_ms(now) + 30 + (date_days)(bench_random(&run.random) % DAYS), worker->until);
    vacancy->until = worker->until;
    return request;
}

static void change_something(struct worker *worker)
{
    worker->started_ns = bench_now_ns();
    if (run.mode == STREAM) {
        h2_stream_send(worker->stream, &next_change(worker)->base);
        return;
    }
    const struct h2_call call = {.path = PUT_VACANCY, .timeout_ms = 20000, .context = worker, .one_reply = true};
    struct h2_stream *stream = h2_call_start(worker->link->conn, &call, links_now_ms());
    worker->starting = !stream;
    if (!stream)
        return;
    h2_stream_send(stream, &next_change(worker)->put_vacancy->base);
    h2_stream_half_close(stream);
}

static void answered(struct worker *worker)
{
    if (run.measuring) {
        run.updates++;
        latencies_add(&run.latencies, bench_now_ns() - worker->started_ns);
    }
}

/* --- callbacks ------------------------------------------------------------------------------------------------------
 */

static void on_receipt(struct worker *worker, const uint8_t *data, size_t bytes)
{
    Vacancy__V1__SubmitResponse *response = vacancy__v1__submit_response__unpack(NULL, bytes, data);
    if (!response)
        bench_fail("an answer is no SubmitResponse");
    if (response->code)
        bench_fail("update %llu was refused: %s %s", (unsigned long long)response->tag, response->field,
                   response->message);
    if (!response->receipt || !response->receipt->sequence)
        bench_fail("update %llu has no receipt", (unsigned long long)response->tag);
    run.unchanged += response->receipt->outcome != VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_UPDATED;
    vacancy__v1__submit_response__free_unpacked(response, NULL);
    if (run.mode == FILL) {
        worker->answered++;
        run.updates++;
        fill_more(worker);
        return;
    }
    answered(worker);
    if (!run.stopping)
        change_something(worker);
}

static void on_message(struct h2_stream *stream, const uint8_t *data, size_t bytes)
{
    struct worker *worker = h2_stream_context(stream);
    if (run.mode != UNARY) {
        on_receipt(worker, data, bytes);
        return;
    }
    Vacancy__V1__PutVacancyResponse *response = vacancy__v1__put_vacancy_response__unpack(NULL, bytes, data);
    if (!response || !response->receipt || !response->receipt->sequence)
        bench_fail("PutVacancy gave no receipt");
    run.unchanged += response->receipt->outcome != VACANCY__V1__RECEIPT__OUTCOME__OUTCOME_UPDATED;
    vacancy__v1__put_vacancy_response__free_unpacked(response, NULL);
}

static void on_closed(struct h2_stream *stream, const struct h2_outcome *outcome)
{
    struct worker *worker = h2_stream_context(stream);
    if (outcome->code != GRPC_OK)
        bench_fail("%s: %s %s", grpc_code_name(outcome->code), outcome->problem.field, outcome->problem.text);
    if (run.mode == UNARY) {
        answered(worker);
        if (!run.stopping)
            change_something(worker);
        return;
    }
    if (run.mode == STREAM || worker->answered != worker->agency->updates.count)
        bench_fail("the hub ended a Submit stream before its time");
    run.done++;
}

static void on_writable(struct h2_stream *stream)
{
    if (run.mode == FILL)
        fill_more(h2_stream_context(stream));
}

static const struct h2_callbacks callbacks = {.message = on_message, .writable = on_writable, .closed = on_closed};

/* --- the run --------------------------------------------------------------------------------------------------------
 */

static void read_agency(struct agency *agency, const char *path)
{
    messages_load(&agency->updates, path);
    if (run.mode == FILL)
        return;
    agency->vacancies = bench_alloc(agency->updates.count * sizeof(Vacancy__V1__SubmitRequest *));
    for (size_t i = 0; i < agency->updates.count; i++) {
        Vacancy__V1__SubmitRequest *request =
            vacancy__v1__submit_request__unpack(NULL, agency->updates.at[i].bytes, agency->updates.at[i].data);
        if (!request)
            bench_fail("%s holds something that is no SubmitRequest", path);
        if (request->update_case != VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY) {
            vacancy__v1__submit_request__free_unpacked(request, NULL);
            continue;
        }
        agency->vacancies[agency->vacancy_count++] = request;
    }
}

static bool all_filled(void *context)
{
    (void)context;
    return run.done == run.worker_count;
}

static bool time_is_up(void *context)
{
    (void)context;
    for (unsigned i = 0; i < run.worker_count; i++)
        if (run.workers[i].starting)
            change_something(&run.workers[i]);
    return (double)bench_now_ns() >= run.end_ns;
}

static void run_for(struct links *links, double seconds)
{
    run.end_ns = (double)bench_now_ns() + seconds * 1e9;
    links_run(links, time_is_up, NULL, seconds + 60);
}

static void open_workers(struct links *links, struct agency *agencies, unsigned agency_count)
{
    run.worker_count = links_count(links);
    run.workers = bench_alloc(run.worker_count * sizeof *run.workers);
    for (unsigned i = 0; i < run.worker_count; i++) {
        struct worker *worker = &run.workers[i];
        worker->agency = &agencies[i % agency_count];
        worker->link = links_at(links, i);
        worker->offset = i / agency_count;
        worker->stride = (run.worker_count - i % agency_count + agency_count - 1) / agency_count;
        if (run.mode != UNARY) {
            const struct h2_call call = {.path = SUBMIT, .context = worker};
            worker->stream = h2_call_start(worker->link->conn, &call, links_now_ms());
            if (!worker->stream)
                bench_fail("no Submit stream on connection %u", i);
        }
        if (run.mode == FILL)
            fill_more(worker);
        else
            change_something(worker);
    }
}

struct options {
    struct links_options links;
    const char *identities[IDENTITIES_MAX];
    const char *files[IDENTITIES_MAX];
    unsigned file_count;
    double seconds, warm_up;
    long pid;
};

static void measure(const struct options *options)
{
    struct agency *agencies = bench_alloc(options->file_count * sizeof *agencies);
    for (unsigned i = 0; i < options->file_count; i++)
        read_agency(&agencies[i], options->files[i]);
    run.random = bench_now_ns() | 1; /* not what an earlier run did again: that would change nothing */
    struct links *links = links_open(&options->links);
    if (run.mode != FILL) {
        open_workers(links, agencies, options->file_count);
        run_for(links, options->warm_up);
    }
    const uint64_t server_before = options->pid ? bench_cpu_us(options->pid) : 0;
    const uint64_t own_before = bench_cpu_us(0), began = bench_now_ns();
    if (run.mode == FILL) {
        open_workers(links, agencies, options->file_count);
        links_run(links, all_filled, NULL, options->seconds);
    } else {
        run.measuring = true;
        run_for(links, options->seconds);
        run.measuring = false;
    }
    const double taken_s = (double)(bench_now_ns() - began) / 1e9;
    const double updates = (double)run.updates;
    const uint64_t server = options->pid ? bench_cpu_us(options->pid) - server_before : 0;
    run.stopping = true;
    if (!run.updates)
        bench_fail("no update was acknowledged");
    if (run.mode != FILL && run.unchanged > run.updates / 100)
        bench_fail("%llu of %llu updates changed nothing", (unsigned long long)run.unchanged,
                   (unsigned long long)run.updates);
    printf("{\"connections\": %u, \"seconds\": %.3f, \"updates\": %llu, \"per_second\": %.1f, \"p50_us\": %.1f, "
           "\"p90_us\": %.1f, \"p99_us\": %.1f, \"server_cpu_us\": %.2f, \"own_cpu_us\": %.2f}\n",
           options->links.connections, taken_s, (unsigned long long)run.updates, updates / taken_s,
           latencies_us(&run.latencies, 500), latencies_us(&run.latencies, 900), latencies_us(&run.latencies, 990),
           (double)server / updates, (double)(bench_cpu_us(0) - own_before) / updates);
}

static void usage(void)
{
    fputs("updates fill|unary|stream --hub ADDRESS:PORT --ca FILE --as FOLDER --updates FILE [--as ... --updates ...]\n"
          "        [--connections 64] [--seconds 5] [--warm-up 1] [--pid SERVER]\n",
          stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"hub", 1, NULL, 'h'},     {"ca", 1, NULL, 'c'},          {"as", 1, NULL, 'a'},
        {"updates", 1, NULL, 'u'}, {"connections", 1, NULL, 'n'}, {"seconds", 1, NULL, 't'},
        {"warm-up", 1, NULL, 'w'}, {"pid", 1, NULL, 'i'},         {NULL, 0, NULL, 0}};
    struct options options = {.seconds = 5, .warm_up = 1};
    const char *const modes[] = {[FILL] = "fill", [UNARY] = "unary", [STREAM] = "stream"};
    options.links.connections = 64;
    options.links.callbacks = &callbacks;
    options.links.identities = options.identities;
    int mode = argc > 1 ? 2 : -1;
    while (mode >= 0 && strcmp(argv[1], modes[mode]) != 0)
        mode--;
    if (mode < 0)
        usage();
    run.mode = (enum mode)mode;
    optind = 2;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'h':
            options.links.address = optarg;
            break;
        case 'c':
            options.links.ca_path = optarg;
            break;
        case 'a':
        case 'u': {
            unsigned *count = option == 'a' ? &options.links.identity_count : &options.file_count;
            if (*count == IDENTITIES_MAX)
                usage();
            (option == 'a' ? options.identities : options.files)[(*count)++] = optarg;
            break;
        }
        case 'n':
            options.links.connections = (unsigned)atoi(optarg);
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
        default:
            usage();
        }
    }
    if (!options.links.address || !options.links.ca_path || !options.file_count ||
        options.links.identity_count != options.file_count || !options.links.connections || optind != argc)
        usage();
    if (run.mode == FILL)
        options.links.connections = options.file_count;
    measure(&options);
    return 0;
}
