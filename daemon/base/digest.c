/*
 * digest.c - SHA-256, SHAKE128 and HMAC-SHA-256 by OpenSSL's EVP.
 * Owns: the algorithms, fetched once, and one context of each per thread, since fetching and creating costs more than
 * hashing a small record. Any thread. Invariant: a thread's contexts are freed when it ends.
 */
#include "daemon/base/digest.h"

#include "daemon/base/log.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

struct contexts {
    EVP_MD_CTX *digest;
    EVP_MD_CTX *shake; /* apart: a context that changes its algorithm frees and allocates */
    EVP_MAC_CTX *mac;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t contexts_key; /* for its destructor; reading goes through the faster __thread below */
static EVP_MD *sha256, *shake128;
static EVP_MAC *hmac;
static __thread struct contexts contexts;

/* What OpenSSL can only answer so when memory or the library itself is broken. */
static void must(bool done, const char *what)
{
    if (!done)
        log_fatal("base", "OpenSSL can't %s", what);
}

static void free_contexts(void *arg)
{
    struct contexts *of_thread = arg;
    EVP_MD_CTX_free(of_thread->digest);
    EVP_MD_CTX_free(of_thread->shake);
    EVP_MAC_CTX_free(of_thread->mac);
    *of_thread = (struct contexts){0};
}

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    shake128 = EVP_MD_fetch(NULL, "SHAKE128", NULL);
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    must(sha256 != NULL && shake128 != NULL && hmac != NULL, "find SHA-256, SHAKE128 and HMAC");
    must(pthread_key_create(&contexts_key, free_contexts) == 0, "get a thread key");
}

static struct contexts *get_contexts(void)
{
    if (contexts.digest == NULL) {
        pthread_once(&once, fetch);
        contexts.digest = EVP_MD_CTX_new();
        contexts.shake = EVP_MD_CTX_new();
        contexts.mac = EVP_MAC_CTX_new(hmac);
        must(contexts.digest != NULL && contexts.shake != NULL && contexts.mac != NULL, "get memory for hashing");
        must(pthread_setspecific(contexts_key, &contexts) == 0, "set a thread key");
    }
    return &contexts;
}

void digest_sha256_parts(const struct octets *parts, size_t count, uint8_t out[DIGEST_BYTES])
{
    EVP_MD_CTX *digest = get_contexts()->digest;
    bool done = EVP_DigestInit_ex2(digest, sha256, NULL) == 1;
    for (size_t i = 0; i < count && done; i++)
        done = EVP_DigestUpdate(digest, parts[i].data, parts[i].size) == 1;
    must(done && EVP_DigestFinal_ex(digest, out, NULL) == 1, "hash");
}

void digest_sha256(const void *data, size_t bytes, uint8_t out[DIGEST_BYTES])
{
    digest_sha256_parts(&(struct octets){.data = data, .size = bytes}, 1, out);
}

void digest_shake128(const struct octets *parts, size_t count, uint8_t *out, size_t out_bytes)
{
    EVP_MD_CTX *shake = get_contexts()->shake;
    bool done = EVP_DigestInit_ex2(shake, shake128, NULL) == 1;
    for (size_t i = 0; i < count && done; i++)
        done = EVP_DigestUpdate(shake, parts[i].data, parts[i].size) == 1;
    must(done && EVP_DigestFinalXOF(shake, out, out_bytes) == 1, "hash");
}

void digest_hmac_sha256(const void *key, size_t key_bytes, const void *data, size_t bytes, uint8_t out[DIGEST_BYTES])
{
    EVP_MAC_CTX *mac = get_contexts()->mac;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
                           OSSL_PARAM_construct_end()};
    size_t written = 0;
    /* A NULL key would mean the last one again. */
    bool done = EVP_MAC_init(mac, key_bytes > 0 ? key : "", key_bytes, params) == 1 &&
                EVP_MAC_update(mac, data, bytes) == 1 && EVP_MAC_final(mac, out, &written, DIGEST_BYTES) == 1;
    must(done && written == DIGEST_BYTES, "make an HMAC");
}

struct digest_stream {
    EVP_MD_CTX *digest;
};

struct digest_stream *digest_stream_create(void)
{
    get_contexts(); /* fetches the algorithm */
    struct digest_stream *stream = malloc(sizeof *stream);
    must(stream != NULL, "get memory for hashing");
    stream->digest = EVP_MD_CTX_new();
    must(stream->digest != NULL && EVP_DigestInit_ex2(stream->digest, sha256, NULL) == 1, "begin a hash");
    return stream;
}

void digest_stream_add(struct digest_stream *stream, const void *data, size_t bytes)
{
    must(EVP_DigestUpdate(stream->digest, data, bytes) == 1, "hash");
}

void digest_stream_finish(struct digest_stream *stream, uint8_t out[DIGEST_BYTES])
{
    if (out != NULL)
        must(EVP_DigestFinal_ex(stream->digest, out, NULL) == 1, "finish a hash");
    EVP_MD_CTX_free(stream->digest);
    free(stream);
}

void hex_encode(const void *data, size_t bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = data;
    for (size_t i = 0; i < bytes; i++) {
        *out++ = digits[from[i] >> 4];
        *out++ = digits[from[i] & 15];
    }
    *out = '\0';
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

bool hex_decode(const char *text, size_t text_bytes, uint8_t *out, size_t bytes)
{
    if (text_bytes % 2 != 0 || text_bytes / 2 != bytes)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool octets_equal(const void *a, const void *b, size_t bytes)
{
    return CRYPTO_memcmp(a, b, bytes) == 0;
}
