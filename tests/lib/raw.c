/*
 * raw.c - see raw.h. Thread: the test's.
 */
#include "tests/lib/raw.h"

#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MAX 100000

static void note_alert(const SSL *ssl, int where, int value)
{
    struct raw *raw = SSL_get_app_data(ssl);
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
        raw->alert = value & 0xff;
}

void raw_open(struct raw *raw, struct pair *pair, int fd, const struct pki *pki, const struct raw_options *options)
{
    char file[80];
    *raw = (struct raw){.pair = pair, .fd = fd, .alert = -1};
    raw->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(raw->ctx, 0);
    SSL_CTX_set_options(raw->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(raw->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (options->tls12)
        SSL_CTX_set_max_proto_version(raw->ctx, TLS1_2_VERSION);
    if (options->name != NULL) {
        snprintf(file, sizeof file, "%s.pem", options->name);
        if (SSL_CTX_use_certificate_chain_file(raw->ctx, pki_path(pki, file)) != 1)
            abort();
        snprintf(file, sizeof file, "%s.key", options->name);
        if (SSL_CTX_use_PrivateKey_file(raw->ctx, pki_path(pki, file), SSL_FILETYPE_PEM) != 1)
            abort();
    }
    raw->ssl = SSL_new(raw->ctx);
    SSL_set_app_data(raw->ssl, raw);
    SSL_set_info_callback(raw->ssl, note_alert);
    const char *alpn = options->alpn != NULL ? options->alpn : "\x02h2";
    if (alpn[0] != '\0')
        SSL_set_alpn_protos(raw->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_fd(raw->ssl, fd);
    SSL_set_connect_state(raw->ssl);
}

void raw_close(struct raw *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->ctx);
    close(raw->fd);
    pair_close(raw->pair);
}

static bool step(struct raw *raw)
{
    bool moved = pair_step(raw->pair);
    ERR_clear_error();
    if (raw->over)
        return moved;
    if (!raw->done) {
        int rc = SSL_do_handshake(raw->ssl);
        int error = SSL_get_error(raw->ssl, rc);
        raw->done = rc == 1;
        raw->over = rc != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
        return moved || raw->done || raw->over;
    }
    size_t got = 0;
    if (raw->in_bytes == sizeof raw->in)
        raw->in_bytes = 0;
    int rc = SSL_read_ex(raw->ssl, raw->in + raw->in_bytes, sizeof raw->in - raw->in_bytes, &got);
    int error = SSL_get_error(raw->ssl, rc);
    raw->in_bytes += got;
    raw->over = rc != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
    return moved || got > 0 || raw->over;
}

void raw_run(struct raw *raw)
{
    int quiet = 0;
    for (int round = 0; quiet < 3; round++) {
        quiet = step(raw) ? 0 : quiet + 1;
        if (round > ROUNDS_MAX)
            abort();
    }
}

void raw_pass(struct raw *raw, int64_t ms)
{
    raw->pair->now_ms += ms;
    raw_run(raw);
}

void raw_send(struct raw *raw, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    for (int round = 0; bytes > 0 && !raw->over && raw->pair->server != NULL && round < ROUNDS_MAX; round++) {
        size_t put = 0;
        ERR_clear_error();
        if (SSL_write_ex(raw->ssl, at, bytes, &put) != 1)
            step(raw);
        at += put;
        bytes -= put;
    }
}

void raw_frame(struct raw *raw, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t bytes)
{
    uint8_t *frame = malloc(9 + bytes);
    uint8_t head[9] = {(uint8_t)(bytes >> 16),  (uint8_t)(bytes >> 8),   (uint8_t)bytes,         type,           flags,
                       (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    memcpy(frame, head, 9);
    if (bytes > 0)
        memcpy(frame + 9, payload, bytes);
    raw_send(raw, frame, 9 + bytes);
    free(frame);
}

void raw_preface(struct raw *raw)
{
    raw_send(raw, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    raw_frame(raw, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static size_t put_text(uint8_t *block, size_t at, const char *text)
{
    size_t bytes = strlen(text);
    if (bytes < 127) {
        block[at++] = (uint8_t)bytes;
    } else {
        size_t rest = bytes - 127;
        block[at++] = 127;
        for (; rest >= 128; rest >>= 7)
            block[at++] = (uint8_t)(rest & 127) | 128;
        block[at++] = (uint8_t)rest;
    }
    memcpy(block + at, text, bytes);
    return at + bytes;
}

size_t raw_header(uint8_t *block, size_t bytes, const char *name, const char *value)
{
    block[bytes++] = 0; /* literal, not indexed, new name */
    bytes = put_text(block, bytes, name);
    return put_text(block, bytes, value);
}

size_t raw_request(uint8_t *block, const char *path)
{
    size_t n = raw_header(block, 0, ":method", "POST");
    n = raw_header(block, n, ":scheme", "https");
    n = raw_header(block, n, ":authority", "hub.test");
    n = raw_header(block, n, ":path", path);
    n = raw_header(block, n, "te", "trailers");
    return raw_header(block, n, "content-type", "application/grpc");
}

/* The next frame at *at; false at the end. */
static bool next_frame(const struct raw *raw, size_t *at, const uint8_t **frame, size_t *bytes)
{
    if (raw->in_bytes < *at + 9)
        return false;
    *frame = raw->in + *at;
    *bytes = (size_t)(*frame)[0] << 16 | (size_t)(*frame)[1] << 8 | (*frame)[2];
    if (raw->in_bytes < *at + 9 + *bytes)
        return false;
    *at += 9 + *bytes;
    return true;
}

static uint32_t number(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

unsigned raw_count(const struct raw *raw, uint8_t type, int64_t stream, int64_t code)
{
    unsigned count = 0;
    const uint8_t *frame;
    size_t bytes;
    for (size_t at = 0; next_frame(raw, &at, &frame, &bytes);) {
        if (frame[3] != type || (stream >= 0 && number(frame + 5) != stream))
            continue;
        size_t offset = type == NGHTTP2_GOAWAY ? 4 : 0;
        if (code >= 0 && (bytes < offset + 4 || number(frame + 9 + offset) != code))
            continue;
        count++;
    }
    return count;
}

/* The last value of a field among the header blocks of a stream, as a number; -1: none. */
static int field_value(const struct raw *raw, uint32_t stream, const char *wanted)
{
    nghttp2_hd_inflater *inflater;
    const uint8_t *frame;
    size_t bytes;
    int found = -1;
    if (nghttp2_hd_inflate_new(&inflater) != 0)
        abort();
    for (size_t at = 0; next_frame(raw, &at, &frame, &bytes);) {
        if (frame[3] != NGHTTP2_HEADERS)
            continue;
        const uint8_t *block = frame + 9;
        int flags = 0;
        while (true) {
            nghttp2_nv field;
            ssize_t used = nghttp2_hd_inflate_hd2(inflater, &field, &flags, block, bytes, 1);
            if (used < 0)
                abort();
            block += used;
            bytes -= (size_t)used;
            if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && number(frame + 5) == stream &&
                field.namelen == strlen(wanted) && memcmp(field.name, wanted, field.namelen) == 0)
                found = atoi((const char *)field.value);
            if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0 || ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && bytes == 0))
                break;
        }
        nghttp2_hd_inflate_end_headers(inflater);
    }
    nghttp2_hd_inflate_del(inflater);
    return found;
}

int raw_grpc_status(const struct raw *raw, uint32_t stream)
{
    return field_value(raw, stream, "grpc-status");
}

int raw_http_status(const struct raw *raw, uint32_t stream)
{
    return field_value(raw, stream, ":status");
}
