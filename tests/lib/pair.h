/*
 * pair.h - a server's and a client's connection, joined through a relay that can cut the stream to pieces, run by one
 * loop on virtual time. Records what each side hears. Thread: the test's.
 */
#ifndef VACANCY_TESTS_PAIR_H
#define VACANCY_TESTS_PAIR_H

#include "proto/wire/h2.h"
#include "tests/lib/pki.h"

#define PAIR_CALLS 128

/* What was heard of one stream, on one side. */
struct heard {
    struct h2_stream *stream; /* NULL: closed */
    char path[128];
    int64_t timeout_ms;
    unsigned opened, messages, half_closed, writable, closed;
    size_t bytes;     /* of messages */
    uint8_t last[64]; /* beginning of the last message */
    size_t last_bytes;
    struct h2_outcome outcome;
};

struct pair {
    struct h2_conn *server, *client; /* NULL: dead and gone */
    char server_reason[128], client_reason[128];
    struct tls_peer server_sees, client_sees;
    bool server_ready, client_ready;
    struct heard at_server[PAIR_CALLS], at_client[PAIR_CALLS];
    unsigned server_calls, client_calls;
    int64_t now_ms;
    size_t piece_bytes;  /* the relay moves so much at a time; 0: all there is */
    bool stop_to_client; /* the relay takes nothing from the server */
    unsigned touched;
    int relay[2]; /* server's side, client's side */
    /* What the server does; may be NULL. */
    void (*on_opened)(struct pair *pair, struct heard *call);
    void (*on_message)(struct pair *pair, struct heard *call, const uint8_t *data, size_t bytes);
    void (*on_half_closed)(struct pair *pair, struct heard *call);
    void (*on_writable)(struct pair *pair, struct heard *call);
    void (*on_client_message)(struct pair *pair, struct heard *call);
    void *state;
};

/* `limits` for the server; NULL: the defaults. The contexts stay the caller's. */
void pair_open(struct pair *pair, struct tls_context *server, struct tls_context *client, const char *server_name,
               const struct h2_limits *limits);
/* Only the server's connection; the other end of the socket is returned. */
int pair_open_server(struct pair *pair, struct tls_context *server, const struct h2_limits *limits);
void pair_close(struct pair *pair);
/* One round: relay, both sides' turns. True if anything moved. */
bool pair_step(struct pair *pair);
/* Rounds until nothing moves (bounded). */
void pair_run(struct pair *pair);
/* Moves the clock and runs. */
void pair_pass(struct pair *pair, int64_t ms);
/* Starts a call; *out is where the client's side of it is recorded. */
struct h2_stream *pair_call(struct pair *pair, const struct h2_call *call, struct heard **out);

#endif
