/*
 * raw.h - a client that keeps no rules: TLS by OpenSSL with any settings, HTTP/2 frames by hand. Thread: the test's.
 */
#ifndef VACANCY_TESTS_RAW_H
#define VACANCY_TESTS_RAW_H

#include "tests/lib/pair.h"

struct raw_options {
    const char *name; /* leaf of the pki; NULL: no certificate */
    const char *alpn; /* length-prefixed list; NULL: "\x02h2"; "": none */
    bool tls12;       /* at most TLS 1.2 */
};

struct raw {
    struct ssl_st *ssl;
    struct ssl_ctx_st *ctx;
    struct pair *pair; /* the server is in there */
    int fd;
    int alert;       /* last one received; -1: none */
    bool done, over; /* handshake; nothing more comes */
    uint8_t in[1 << 16];
    size_t in_bytes; /* what has been read and not dropped */
};

/* `fd` is the end that pair_open_server returned; taken over. */
void raw_open(struct raw *raw, struct pair *pair, int fd, const struct pki *pki, const struct raw_options *options);
void raw_close(struct raw *raw);
/* Turns of both sides until neither moves. */
void raw_run(struct raw *raw);
/* Waits for virtual time to pass on the server. */
void raw_pass(struct raw *raw, int64_t ms);
/* Past TLS when handshaken, else raw octets; gives up when the server ends. */
void raw_send(struct raw *raw, const void *data, size_t bytes);
/* Preface and empty SETTINGS. */
void raw_preface(struct raw *raw);
void raw_frame(struct raw *raw, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t bytes);

/* A header block without compression; returns its new length. */
size_t raw_header(uint8_t *block, size_t bytes, const char *name, const char *value);
/* The headers of a good gRPC request for `path`. */
size_t raw_request(uint8_t *block, const char *path);

/* How many frames of a type were received, for a stream (-1: any), with this error code (-1: any; RST_STREAM, GOAWAY).
 */
unsigned raw_count(const struct raw *raw, uint8_t type, int64_t stream, int64_t code);
/* The last value among the stream's header blocks; -1: none. All that came must still be in `in`. */
int raw_grpc_status(const struct raw *raw, uint32_t stream);
int raw_http_status(const struct raw *raw, uint32_t stream);

#endif
