/*
 * links.h - many client connections of libvacancy on one thread, for the programs of `make bench`.
 *
 * Owns: reading certificates, connecting, an epoll loop over h2 connections, latencies, a server's CPU time out of
 * /proc. Not here: what is sent (load.c, updates.c, idle.c). Whatever goes wrong ends the program with a message: a
 * bench with a failed call has no result. Thread: one. Invariant: every connection that was touched is settled before
 * the loop waits.
 */
#ifndef VACANCY_BENCH_LINKS_H
#define VACANCY_BENCH_LINKS_H

#include "proto/wire/h2.h"

#include <netinet/in.h>

/* Prints "PROGRAM: text" and ends the program with 1. */
void bench_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void *bench_alloc(size_t bytes); /* zeroed; never NULL */
uint64_t bench_now_ns(void);     /* CLOCK_MONOTONIC */
uint64_t bench_random(uint64_t *state);

/* --- latencies ------------------------------------------------------------------------------------------------- */

struct latencies {
    uint64_t *ns;
    size_t count, capacity;
};
void latencies_add(struct latencies *latencies, uint64_t ns);
/* In microseconds; sorts once. per_mille 500: the median. 0 without values. */
double latencies_us(struct latencies *latencies, unsigned per_mille);

/* --- CPU ------------------------------------------------------------------------------------------------------- */

/* utime + stime of a process, in microseconds, to the clock tick (10 ms). pid 0: this process, exactly. */
uint64_t bench_cpu_us(long pid);

/* --- files of messages ----------------------------------------------------------------------------------------- */

/* A file of packed messages, each after its length (4 octets, little-endian). */
struct messages {
    uint8_t *octets;
    size_t count;
    struct {
        const uint8_t *data;
        uint32_t bytes;
    } * at;
};
void messages_load(struct messages *messages, const char *path);

/* --- connections ----------------------------------------------------------------------------------------------- */

struct links;

struct link {
    struct links *links;
    struct h2_conn *conn;
    unsigned index;
    void *context; /* the program's own */
    bool ready;    /* the handshake is done */
    bool touched;
    bool again;
    unsigned interest;
    struct link *next_touched;
};

struct links_options {
    const char *address;          /* 127.0.0.1:PORT */
    const char *const *addresses; /* or several, taken in turn */
    unsigned address_count;
    const char *ca_path;
    const char *const *identities; /* folders with cert.pem and key.pem, taken in turn */
    unsigned identity_count;
    unsigned connections;
    const struct h2_callbacks *callbacks; /* of streams */
    const struct h2_limits *limits;       /* NULL: the library's */
};

/* Connects them all and waits until every handshake is done. */
struct links *links_open(const struct links_options *options);
unsigned links_count(const struct links *links);
struct link *links_at(struct links *links, unsigned index);
static inline struct link *link_of(struct h2_stream *stream)
{
    return (struct link *)h2_conn_context(h2_stream_conn(stream));
}
/* Runs turns until done() says true; it is asked after each turn. Fails if that takes longer than bound_s. */
void links_run(struct links *links, bool (*done)(void *context), void *context, double bound_s);
/* The loop's clock, as h2.h wants it. */
int64_t links_now_ms(void);
void links_close(struct links *links);

#endif
