/* tier: check */
/*
 * Who gets through the handshake, and what is known of them then (T1 to T12, T18, A1, A2, A11), and which files make a
 * context (T8, T10).
 */
#include "proto/wire/spiffe.h"
#include "tests/lib/raw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct pki *pki;
static struct pair pair;

static struct tls_context *context(enum tls_role role, const char *name, bool crl)
{
    struct tls_context *made;
    struct problem problem = {0};
    if (pki_context(pki, role, name, crl, &made, &problem) != ERR_NONE)
        fail_msg("%s: %s", name, problem.text);
    return made;
}

static int setup(void **state)
{
    (void)state;
    pki = pki_create();
    pki_issue(pki, "hub", &(struct pki_leaf){.uris = {PKI_HUB}, .names = "DNS:hub.test,IP:127.0.0.1,IP:::1"});
    pki_issue(pki, "agency", &(struct pki_leaf){.uris = {PKI_AGENCY}});
    pki_write_crl(pki, 86400, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pki_destroy(pki);
    return 0;
}

#define ALERT_CERTIFICATE_REQUIRED    116
#define ALERT_NO_APPLICATION_PROTOCOL 120
#define ALERT_PROTOCOL_VERSION        70
#define ALERT_UNSUPPORTED_CERTIFICATE 43
#define ALERT_CERTIFICATE_REVOKED     44
#define ALERT_CERTIFICATE_EXPIRED     45
#define ALERT_UNKNOWN_CA              48
#define ALERT_BAD_CERTIFICATE         42

struct row {
    const char *what;
    struct pki_leaf leaf;
    bool no_certificate, tls12, revoked;
    const char *alpn;
    int alert; /* 0: any */
    bool accepted;
};

static const struct row rows[] = {
    {"good", {.uris = {PKI_AGENCY}}, .accepted = true},
    {"good without EKU", {.uris = {PKI_AGENCY}, .extended = ""}, .accepted = true},
    {"A1 no URI", {.names = "DNS:x.test"}, .accepted = true},
    {"A2 two URIs", {.uris = {PKI_AGENCY, PKI_HUB}}, .accepted = true},
    {"h2 beside others", {.uris = {PKI_AGENCY}}, .alpn = "\x08http/1.1\x02h2", .accepted = true},
    {"T1 none", .no_certificate = true, .alert = ALERT_CERTIFICATE_REQUIRED},
    {"T2 other CA", {.uris = {PKI_AGENCY}, .signer = PKI_BY_OTHER_ROOT}, .alert = ALERT_UNKNOWN_CA},
    {"T3 expired", {.uris = {PKI_AGENCY}, .from_s = -7200, .until_s = -60}, .alert = ALERT_CERTIFICATE_EXPIRED},
    {"T4 not yet", {.uris = {PKI_AGENCY}, .from_s = 3600, .until_s = 7200}, .alert = ALERT_BAD_CERTIFICATE},
    {"T5 self-signed", {.uris = {PKI_AGENCY}, .signer = PKI_BY_ITSELF}, .alert = ALERT_UNKNOWN_CA},
    {"T6 server only", {.uris = {PKI_AGENCY}, .extended = "serverAuth"}, .alert = ALERT_UNSUPPORTED_CERTIFICATE},
    {"T7 revoked", {.uris = {PKI_AGENCY}}, .revoked = true, .alert = ALERT_CERTIFICATE_REVOKED},
    {"T9 by a leaf", {.uris = {PKI_AGENCY}, .signer = PKI_BY_LEAF}, .alert = 0},
    {"T10 RSA 1024", {.uris = {PKI_AGENCY}, .key = PKI_RSA1024}, .alert = 0},
    {"T10 SHA-1", {.uris = {PKI_AGENCY}, .sha1 = true}, .alert = 0},
    {"T11 TLS 1.2", {.uris = {PKI_AGENCY}}, .tls12 = true, .alert = ALERT_PROTOCOL_VERSION},
    {"T12 no ALPN", {.uris = {PKI_AGENCY}}, .alpn = "", .alert = ALERT_NO_APPLICATION_PROTOCOL},
    {"T12 http/1.1", {.uris = {PKI_AGENCY}}, .alpn = "\x08http/1.1", .alert = ALERT_NO_APPLICATION_PROTOCOL},
    {"T12 h3", {.uris = {PKI_AGENCY}}, .alpn = "\x02h3", .alert = ALERT_NO_APPLICATION_PROTOCOL},
    {"T18 five in a chain", {.uris = {PKI_AGENCY}, .signer = PKI_BY_DEEP_ISSUER}, .alert = 0},
    {"T18 large chain", {.uris = {PKI_AGENCY}, .bloated = true}, .alert = 0},
};

static void handshakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        if (!row->no_certificate)
            pki_issue(pki, "row", &row->leaf);
        if (row->revoked)
            pki_revoke(pki, "row");
        pki_write_crl(pki, 86400, true);
        struct tls_context *server = context(TLS_SERVER, "hub", true);
        struct raw raw;
        memset(&pair, 0, sizeof pair);
        int fd = pair_open_server(&pair, server, NULL);
        raw_open(&raw, &pair, fd, pki,
                 &(struct raw_options){row->no_certificate ? NULL : "row", row->alpn, row->tls12});
        raw_run(&raw);
        if (pair.server_ready != row->accepted)
            fail_msg("%s: %s", row->what, pair.server_ready ? "accepted" : pair.server_reason);
        if (!row->accepted && (raw.alert < 0 || (row->alert != 0 && raw.alert != row->alert)))
            fail_msg("%s: alert %d, expected %d (%s)", row->what, raw.alert, row->alert, h2_conn_reason(pair.server));
        if (!row->accepted)
            assert_int_equal(raw_count(&raw, 4, -1, -1), 0); /* nothing of HTTP was served */
        raw_close(&raw);
        tls_context_unref(server);
    }
}

static void peers_are_known(void **state)
{
    (void)state;
    pki_write_crl(pki, 86400, true);
    struct tls_context *server = context(TLS_SERVER, "hub", true), *client = context(TLS_CLIENT, "agency", true);
    memset(&pair, 0, sizeof pair);
    pair_open(&pair, server, client, "hub.test", NULL);
    pair_run(&pair);
    assert_true(pair.server_ready && pair.client_ready);
    const struct tls_peer *peer = &pair.server_sees;
    uint8_t key[DIGEST_BYTES];
    pki_issuer_key(pki, key);
    assert_memory_equal(peer->issuer_key_sha256, key, DIGEST_BYTES);
    assert_int_equal(peer->uri_count, 1);
    assert_int_equal(peer->uri_bytes, strlen(PKI_AGENCY));
    assert_memory_equal(peer->uri, PKI_AGENCY, strlen(PKI_AGENCY));
    assert_true(peer->not_after_ms - peer->not_before_ms == INT64_C(90000) * 1000);
    assert_true(strlen(peer->serial) >= 2);
    assert_int_equal(tls_peer_check_leaf(peer, NULL), ERR_NONE);
    assert_true(peer->has_eku && peer->eku_client && peer->eku_server && !peer->is_ca);
    struct spiffe_name name;
    assert_int_equal(spiffe_parse(pair.client_sees.uri, pair.client_sees.uri_bytes, PKI_DOMAIN, &name, NULL), ERR_NONE);
    assert_int_equal(name.kind, SPIFFE_HUB);
    pair_close(&pair);
    tls_context_unref(server);
    tls_context_unref(client);
}

#define FIRST_HANDSHAKES 60

struct shaking {
    struct tls_context *server, *client;
    pthread_barrier_t *start;
    struct pair pair;
};

static void *shake_hands(void *arg)
{
    struct shaking *one = arg;
    pthread_barrier_wait(one->start);
    pair_open(&one->pair, one->server, one->client, "hub.test", NULL);
    pair_run(&one->pair);
    return NULL;
}

/* Two workers meet over a context that has verified nothing yet: ThreadSanitizer sees what they share unguarded. */
static void first_handshakes_at_once(void **state)
{
    (void)state;
    static struct shaking both[2];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, 2);
    pki_write_crl(pki, 86400, true);
    for (int n = 0; n < FIRST_HANDSHAKES; n++) {
        struct tls_context *server = context(TLS_SERVER, "hub", true), *client = context(TLS_CLIENT, "agency", true);
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) {
            both[i] = (struct shaking){.server = server, .client = client, .start = &start};
            assert_int_equal(pthread_create(&threads[i], NULL, shake_hands, &both[i]), 0);
        }
        for (int i = 0; i < 2; i++) {
            pthread_join(threads[i], NULL);
            assert_true(both[i].pair.server_ready && both[i].pair.client_ready);
            pair_close(&both[i].pair);
        }
        tls_context_unref(server);
        tls_context_unref(client);
    }
    pthread_barrier_destroy(&start);
}

static void strange_leaves_are_told(void **state)
{
    (void)state;
    static const struct pki_leaf leaves[] = {
        {.uris = {PKI_AGENCY}, .usage = "critical,digitalSignature,keyCertSign"},
        {.uris = {PKI_AGENCY}, .usage = "digitalSignature"},
        {.uris = {PKI_AGENCY}, .usage = ""},
        {.uris = {PKI_AGENCY}, .extended = "clientAuth"},
        {.uris = {PKI_AGENCY}, .constraint = "critical,CA:TRUE", .usage = "critical,digitalSignature,keyCertSign"},
    };
    struct tls_context *server = context(TLS_SERVER, "hub", false);
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        pki_issue(pki, "strange", &leaves[i]);
        struct raw raw;
        memset(&pair, 0, sizeof pair);
        int fd = pair_open_server(&pair, server, NULL);
        raw_open(&raw, &pair, fd, pki, &(struct raw_options){.name = "strange"});
        raw_run(&raw);
        if (pair.server_ready && tls_peer_check_leaf(&pair.server_sees, NULL) != ERR_UNAUTHENTICATED)
            fail_msg("leaf %zu passed", i);
        raw_close(&raw);
    }
    tls_context_unref(server);
}

static void clients_check_the_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool accepted;
    } names[] = {{"hub.test", true},    {"HUB.test", true},   {"127.0.0.1", true},     {"::1", true},
                 {"other.test", false}, {"127.0.0.2", false}, {"sub.hub.test", false}, {"hub", false}};
    struct tls_context *server = context(TLS_SERVER, "hub", false), *client = context(TLS_CLIENT, "agency", false);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        memset(&pair, 0, sizeof pair);
        pair_open(&pair, server, client, names[i].name, NULL);
        struct heard *call;
        assert_non_null(pair_call(&pair, &(struct h2_call){.path = "/x/Y"}, &call));
        pair_run(&pair);
        if (pair.client_ready != names[i].accepted)
            fail_msg("%s: %s", names[i].name, pair.client_reason);
        if (!names[i].accepted) {
            assert_int_equal(call->closed, 1);
            assert_int_equal(call->outcome.code, GRPC_UNAVAILABLE);
            assert_true(call->outcome.unprocessed);
            assert_non_null(strstr(call->outcome.problem.text, "mismatch"));
        }
        pair_close(&pair);
    }
    tls_context_unref(server);
    tls_context_unref(client);
}

/* T8 */
static void lists_must_be_there_and_current(void **state)
{
    (void)state;
    struct tls_context *made;
    struct problem problem = {0};
    unlink(pki_path(pki, "crl.pem"));
    assert_int_equal(pki_context(pki, TLS_SERVER, "hub", true, &made, &problem), ERR_NOT_FOUND);
    pki_write_crl(pki, -60, true);
    assert_int_equal(pki_context(pki, TLS_SERVER, "hub", true, &made, &problem), ERR_INVALID);
    assert_non_null(strstr(problem.text, "run out"));
    FILE *empty = fopen(pki_path(pki, "crl.pem"), "w");
    fclose(empty);
    assert_int_equal(pki_context(pki, TLS_SERVER, "hub", true, &made, &problem), ERR_INVALID);
    assert_non_null(strstr(problem.text, "no revocation list"));
    /* Without the issuer's list nobody of that issuer gets in. */
    pki_write_crl(pki, 86400, false);
    struct tls_context *server = context(TLS_SERVER, "hub", true);
    struct raw raw;
    memset(&pair, 0, sizeof pair);
    int fd = pair_open_server(&pair, server, NULL);
    raw_open(&raw, &pair, fd, pki, &(struct raw_options){.name = "agency"});
    raw_run(&raw);
    assert_false(pair.server_ready);
    raw_close(&raw);
    tls_context_unref(server);
    pki_write_crl(pki, 86400, true);
}

static void bad_files_are_named(void **state)
{
    (void)state;
    struct tls_context *made;
    struct problem problem = {0};
    assert_int_equal(pki_context(pki, TLS_SERVER, "nobody", false, &made, &problem), ERR_NOT_FOUND);
    assert_non_null(strstr(problem.text, "nobody.pem"));
    pki_issue(pki, "open", &(struct pki_leaf){.uris = {PKI_HUB}});
    assert_int_equal(chmod(pki_path(pki, "open.key"), 0640), 0);
    assert_int_equal(pki_context(pki, TLS_SERVER, "open", false, &made, &problem), ERR_FORBIDDEN);
    assert_non_null(strstr(problem.text, "chmod 600"));
    assert_int_equal(rename(pki_path(pki, "agency.key"), pki_path(pki, "kept.key")), 0);
    assert_int_equal(chmod(pki_path(pki, "open.key"), 0600), 0);
    assert_int_equal(rename(pki_path(pki, "open.key"), pki_path(pki, "agency.key")), 0);
    assert_int_equal(pki_context(pki, TLS_SERVER, "agency", false, &made, &problem), ERR_INVALID);
    assert_non_null(strstr(problem.text, "not the certificate's"));
    assert_int_equal(rename(pki_path(pki, "kept.key"), pki_path(pki, "agency.key")), 0);
    pki_issue(pki, "weak", &(struct pki_leaf){.uris = {PKI_HUB}, .key = PKI_RSA1024});
    assert_int_equal(pki_context(pki, TLS_SERVER, "weak", false, &made, &problem), ERR_INVALID);
    assert_non_null(strstr(problem.text, "too weak"));
    FILE *garbage = fopen(pki_path(pki, "weak.pem"), "w");
    fputs("hello", garbage);
    fclose(garbage);
    assert_int_equal(pki_context(pki, TLS_SERVER, "weak", false, &made, &problem), ERR_INVALID);
}

/* T13 and T14 */
static void slow_and_random_hellos_end(void **state)
{
    (void)state;
    struct tls_context *server = context(TLS_SERVER, "hub", false);
    memset(&pair, 0, sizeof pair);
    int fd = pair_open_server(&pair, server, NULL);
    static const uint8_t half[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    assert_int_equal(write(fd, half, sizeof half), sizeof half);
    pair_run(&pair);
    pair_pass(&pair, 9000);
    assert_non_null(pair.server);
    pair_pass(&pair, 1001);
    assert_null(pair.server);
    assert_string_equal(pair.server_reason, "no handshake in time");
    close(fd);
    fd = pair_open_server(&pair, server, NULL);
    char noise[4096];
    memset(noise, 'x', sizeof noise);
    assert_int_equal(write(fd, noise, sizeof noise), sizeof noise);
    pair_run(&pair);
    pair_pass(&pair, 1001); /* lingers for the alert */
    assert_null(pair.server);
    close(fd);
    tls_context_unref(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes),
        cmocka_unit_test(peers_are_known),
        cmocka_unit_test(first_handshakes_at_once),
        cmocka_unit_test(strange_leaves_are_told),
        cmocka_unit_test(clients_check_the_name),
        cmocka_unit_test(lists_must_be_there_and_current),
        cmocka_unit_test(bad_files_are_named),
        cmocka_unit_test(slow_and_random_hellos_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
