/*
 * idle.c - connections that do nothing: what one costs the hub.
 *
 * Opens N connections, asks each for the hub's health once (a connection that never asks is closed), prints "open" and
 * keeps them until its standard input ends. tests/bench/run.py looks at the hub's memory meanwhile. Thread: one.
 */
#include "tests/bench/lib/links.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned answered;

static void on_closed(struct h2_stream *stream, const struct h2_outcome *outcome)
{
    (void)stream;
    if (outcome->code != GRPC_OK)
        bench_fail("the health check answered %s: %s", grpc_code_name(outcome->code), outcome->problem.text);
    answered++;
}

static const struct h2_callbacks callbacks = {.closed = on_closed};

static bool all_answered(void *context)
{
    return answered == links_count(context);
}

static bool input_ended(void *context)
{
    (void)context;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char octet;
    return poll(&input, 1, 0) == 1 && read(STDIN_FILENO, &octet, 1) == 0;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("idle ADDRESS:PORT CA-FILE IDENTITY-FOLDER CONNECTIONS\n", stderr);
        return 2;
    }
    const char *const identities[] = {argv[3]};
    const struct links_options options = {.address = argv[1],
                                          .ca_path = argv[2],
                                          .identities = identities,
                                          .identity_count = 1,
                                          .connections = (unsigned)atoi(argv[4]),
                                          .callbacks = &callbacks};
    struct links *links = links_open(&options);
    const struct h2_call call = {.path = "/grpc.health.v1.Health/Check", .timeout_ms = 10000, .one_reply = true};
    for (unsigned i = 0; i < links_count(links); i++) {
        struct h2_stream *stream = h2_call_start(links_at(links, i)->conn, &call, links_now_ms());
        if (!stream)
            bench_fail("no call on connection %u", i);
        h2_stream_send_octets(stream, "", 0); /* HealthCheckRequest for the whole server is empty */
        h2_stream_half_close(stream);
    }
    links_run(links, all_answered, links, 60);
    puts("open");
    fflush(stdout);
    links_run(links, input_ended, NULL, 60);
    links_close(links);
    return 0;
}
