/*
 * load_postgres.c - the load that load.c puts on a hub, put on PostgreSQL: C connections of S queries under way each,
 * by libpq's pipeline mode, two prepared statements, questions taken in turn from a file.
 *
 *     load_postgres --database CONNINFO --anywhere SQL --within SQL --questions FILE [--connections 16] [--streams 1]
 *                   [--seconds 5] [--warm-up 1]
 *
 * Owns: counting, latency, CPU time of both sides. A line of FILE is E, N, metres (0: anywhere) and the text of an
 * array of tokens, with tabs between; they are $1, $2, $3 and (last) $4 of the statements, `anywhere` having no metres.
 * Each query is a transaction of its own. Output: one JSON object with load.c's names. Thread: one. libpq is opened
 * when running, so that the bench builds without its headers.
 */
#include "tests/bench/lib/links.h"

#include <dlfcn.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 64
#define STREAMS_MAX     64
#define PARAMETERS      4

/* As libpq-fe.h has them. */
enum { CONNECTION_OK = 0, COMMAND_OK = 1, TUPLES_OK = 2, PIPELINE_SYNC = 10 };

#define LIBPQ(X)                                                                                                       \
    X(void *, PQconnectdb, (const char *conninfo))                                                                     \
    X(int, PQstatus, (const void *connection))                                                                         \
    X(char *, PQerrorMessage, (const void *connection))                                                                \
    X(void *, PQprepare, (void *connection, const char *name, const char *query, int count, const unsigned *types))    \
    X(int, PQresultStatus, (const void *result))                                                                       \
    X(int, PQntuples, (const void *result))                                                                            \
    X(int, PQgetlength, (const void *result, int row, int column))                                                     \
    X(void, PQclear, (void *result))                                                                                   \
    X(int, PQsetnonblocking, (void *connection, int on))                                                               \
    X(int, PQenterPipelineMode, (void *connection))                                                                    \
    X(int, PQsendQueryPrepared,                                                                                        \
      (void *connection, const char *name, int count, const char *const *values, const int *lengths,                   \
       const int *formats, int result_format))                                                                         \
    X(int, PQpipelineSync, (void *connection))                                                                         \
    X(int, PQflush, (void *connection))                                                                                \
    X(int, PQconsumeInput, (void *connection))                                                                         \
    X(int, PQisBusy, (void *connection))                                                                               \
    X(void *, PQgetResult, (void *connection))                                                                         \
    X(int, PQsocket, (const void *connection))                                                                         \
    X(int, PQbackendPID, (const void *connection))

#define POINTER(type, name, parameters) static type(*name) parameters;
LIBPQ(POINTER)
#undef POINTER

static void open_libpq(void)
{
    void *library = dlopen("libpq.so.5", RTLD_NOW);
    if (!library)
        bench_fail("%s", dlerror());
#define FIND(type, name, parameters) *(void **)&name = dlsym(library, #name);
    LIBPQ(FIND)
#undef FIND
}

struct question {
    char *values[PARAMETERS];
    bool anywhere;
};

struct connection {
    void *pq;
    uint64_t started_ns[STREAMS_MAX]; /* a ring: answers come in the order of questions */
    unsigned first, under_way;
    bool unsent;
};

static struct {
    struct question *questions;
    size_t count, next;
    bool measuring;
    uint64_t calls, rows, octets;
    struct latencies latencies;
    struct connection connections[CONNECTIONS_MAX];
} load;

static void read_questions(const char *path)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0, capacity = 0;
    if (!file)
        bench_fail("%s can't be read", path);
    while (getline(&line, &room, file) > 0) {
        if (load.count == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            load.questions = realloc(load.questions, capacity * sizeof *load.questions);
            if (!load.questions)
                bench_fail("out of memory");
        }
        struct question *question = &load.questions[load.count++];
        char *rest = line, *field;
        for (int i = 0; i < PARAMETERS; i++) {
            if (!(field = strsep(&rest, "\t\n")) || !(question->values[i] = strdup(field)))
                bench_fail("%s: line %zu is cut short", path, load.count);
        }
        question->anywhere = strcmp(question->values[2], "0") == 0;
    }
    free(line);
    fclose(file);
    if (!load.count)
        bench_fail("%s is empty", path);
}

static void prepare(void *pq, const char *name, const char *text)
{
    void *result = PQprepare(pq, name, text, 0, NULL);
    if (PQresultStatus(result) != COMMAND_OK)
        bench_fail("%s", PQerrorMessage(pq));
    PQclear(result);
}

static void open_connection(struct connection *connection, const char *conninfo, const char *anywhere,
                            const char *within)
{
    connection->pq = PQconnectdb(conninfo);
    if (PQstatus(connection->pq) != CONNECTION_OK)
        bench_fail("%s", PQerrorMessage(connection->pq));
    prepare(connection->pq, "anywhere", anywhere);
    prepare(connection->pq, "within", within);
    if (PQsetnonblocking(connection->pq, 1) || !PQenterPipelineMode(connection->pq))
        bench_fail("%s", PQerrorMessage(connection->pq));
}

static void ask(struct connection *connection)
{
    const struct question *question = &load.questions[load.next];
    const char *values[PARAMETERS] = {question->values[0], question->values[1], question->values[2],
                                      question->values[3]};
    load.next = (load.next + 1) % load.count;
    if (question->anywhere)
        values[2] = values[3];
    connection->started_ns[(connection->first + connection->under_way++) % STREAMS_MAX] = bench_now_ns();
    if (!PQsendQueryPrepared(connection->pq, question->anywhere ? "anywhere" : "within",
                             question->anywhere ? PARAMETERS - 1 : PARAMETERS, values, NULL, NULL, 1) ||
        !PQpipelineSync(connection->pq))
        bench_fail("%s", PQerrorMessage(connection->pq));
}

static void answered(struct connection *connection)
{
    if (load.measuring) {
        load.calls++;
        latencies_add(&load.latencies, bench_now_ns() - connection->started_ns[connection->first]);
    }
    connection->first = (connection->first + 1) % STREAMS_MAX;
    connection->under_way--;
}

static void take_rows(const void *result)
{
    const int rows = PQntuples(result);
    load.rows += load.measuring ? (uint64_t)rows : 0;
    for (int row = 0; load.measuring && row < rows; row++)
        for (int column = 0; column < 3; column++)
            load.octets += (uint64_t)PQgetlength(result, row, column);
}

/* Each query gives its rows, NULL, and the end of its transaction. */
static void take_answers(struct connection *connection, unsigned streams)
{
    if (!PQconsumeInput(connection->pq))
        bench_fail("%s", PQerrorMessage(connection->pq));
    while (connection->under_way && !PQisBusy(connection->pq)) {
        void *result = PQgetResult(connection->pq);
        const int status = result ? PQresultStatus(result) : TUPLES_OK;
        if (status != TUPLES_OK && status != PIPELINE_SYNC)
            bench_fail("%s", PQerrorMessage(connection->pq));
        if (status == PIPELINE_SYNC)
            answered(connection);
        else if (result)
            take_rows(result);
        PQclear(result);
    }
    while (connection->under_way < streams)
        ask(connection);
    connection->unsent = PQflush(connection->pq) > 0;
}

static void run_for(unsigned connections, unsigned streams, double seconds)
{
    const uint64_t until = bench_now_ns() + (uint64_t)(seconds * 1e9);
    struct pollfd fds[CONNECTIONS_MAX];
    while (bench_now_ns() < until) {
        for (unsigned i = 0; i < connections; i++)
            fds[i] = (struct pollfd){.fd = PQsocket(load.connections[i].pq),
                                     .events = (short)(POLLIN | (load.connections[i].unsent ? POLLOUT : 0))};
        if (poll(fds, connections, 100) < 0)
            continue;
        for (unsigned i = 0; i < connections; i++)
            if (fds[i].revents)
                take_answers(&load.connections[i], streams);
    }
}

static uint64_t servers_cpu_us(unsigned connections)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < connections; i++)
        sum += bench_cpu_us(PQbackendPID(load.connections[i].pq));
    return sum;
}

static void measure(unsigned connections, unsigned streams, double seconds, double warm_up)
{
    for (unsigned i = 0; i < connections; i++)
        take_answers(&load.connections[i], streams);
    run_for(connections, streams, warm_up);
    load.measuring = true;
    const uint64_t server_before = servers_cpu_us(connections), own_before = bench_cpu_us(0), began = bench_now_ns();
    run_for(connections, streams, seconds);
    const double taken_s = (double)(bench_now_ns() - began) / 1e9, calls = (double)load.calls;
    const uint64_t server = servers_cpu_us(connections) - server_before, own = bench_cpu_us(0) - own_before;
    if (!load.calls)
        bench_fail("no query was answered in %.1f seconds", taken_s);
    printf("{\"connections\": %u, \"streams\": %u, \"seconds\": %.3f, \"calls\": %llu, \"per_second\": %.1f, "
           "\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"reply_bytes\": %.1f, \"server_cpu_us\": %.2f, "
           "\"own_cpu_us\": %.2f, \"options_mean\": %.2f}\n",
           connections, streams, taken_s, (unsigned long long)load.calls, calls / taken_s,
           latencies_us(&load.latencies, 500), latencies_us(&load.latencies, 900), latencies_us(&load.latencies, 990),
           (double)load.octets / calls, (double)server / calls, (double)own / calls, (double)load.rows / calls);
}

static void usage(void)
{
    fputs("load_postgres --database CONNINFO --anywhere SQL --within SQL --questions FILE [--connections 16]\n"
          "              [--streams 1] [--seconds 5] [--warm-up 1]\n",
          stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"database", 1, NULL, 'd'},  {"anywhere", 1, NULL, 'a'},    {"within", 1, NULL, 'w'},
        {"questions", 1, NULL, 'q'}, {"connections", 1, NULL, 'n'}, {"streams", 1, NULL, 's'},
        {"seconds", 1, NULL, 't'},   {"warm-up", 1, NULL, 'u'},     {NULL, 0, NULL, 0}};
    const char *texts[128] = {0};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == '?')
            usage();
        texts[option] = optarg;
    }
    const unsigned connections = texts['n'] ? (unsigned)atoi(texts['n']) : 16;
    const unsigned streams = texts['s'] ? (unsigned)atoi(texts['s']) : 1;
    if (!texts['d'] || !texts['a'] || !texts['w'] || !texts['q'] || optind != argc || !connections ||
        connections > CONNECTIONS_MAX || !streams || streams > STREAMS_MAX)
        usage();
    open_libpq();
    read_questions(texts['q']);
    for (unsigned i = 0; i < connections; i++)
        open_connection(&load.connections[i], texts['d'], texts['a'], texts['w']);
    measure(connections, streams, texts['t'] ? atof(texts['t']) : 5, texts['u'] ? atof(texts['u']) : 1);
    return 0;
}
