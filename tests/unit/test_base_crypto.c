/* tier: check */
/* Digests and signatures against published vectors (FIPS 180-4, FIPS 202, RFC 4231, RFC 8032), and whose key files are
 * taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/base/digest.h"
#include "daemon/base/signer.h"
#include "daemon/base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_digest(const uint8_t digest[DIGEST_BYTES], const char *expected)
{
    char hex[DIGEST_HEX_SIZE];
    hex_encode(digest, DIGEST_BYTES, hex);
    assert_string_equal(hex, expected);
}

#define SHA256_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA256_ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void sha256(void **state)
{
    (void)state;
    uint8_t digest[DIGEST_BYTES];
    digest_sha256(NULL, 0, digest);
    check_digest(digest, SHA256_EMPTY);
    digest_sha256("abc", 3, digest);
    check_digest(digest, SHA256_ABC);
    digest_sha256_parts(NULL, 0, digest);
    check_digest(digest, SHA256_EMPTY);
    const struct octets parts[] = {{(const uint8_t *)"a", 1}, {NULL, 0}, {(const uint8_t *)"bc", 2}};
    digest_sha256_parts(parts, 3, digest);
    check_digest(digest, SHA256_ABC);

    struct digest_stream *stream = digest_stream_create();
    digest_stream_add(stream, "ab", 2);
    digest_sha256("", 0, digest); /* another hash on the thread in between */
    digest_stream_add(stream, "c", 1);
    digest_stream_finish(stream, digest);
    check_digest(digest, SHA256_ABC);
    stream = digest_stream_create();
    digest_stream_add(stream, "abandoned", 9);
    digest_stream_finish(stream, NULL);
}

/* NIST's examples for FIPS 202, SHAKE128 of 0 and of 1600 bits: of 4096 bits of output the first and the last 256. */
static void shake128_of_fips_202(void **state)
{
    (void)state;
    uint8_t message[200], out[512];
    memset(message, 0xa3, sizeof message);
    digest_shake128(NULL, 0, out, sizeof out);
    check_digest(out, "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26");
    check_digest(out + 480, "43e41b45a653f2a5c4492c1add544512dda2529833462b71a41a45be97290b6f");
    const struct octets parts[] = {{message, 168}, {NULL, 0}, {message + 168, 31}, {message + 199, 1}};
    digest_shake128(parts, 4, out, sizeof out);
    check_digest(out, "131ab8d2b594946b9c81333f9bb6e0ce75c3b93104fa3469d3917457385da037");
    check_digest(out + 480, "44c9fb359fd56ac0a9a75a743cff6862f17d7259ab075216c0699511643b6439");

    memset(out, 7, sizeof out);
    digest_shake128(parts, 4, out, 1); /* no octet more than asked for */
    assert_int_equal(out[0], 0x13);
    assert_int_equal(out[1], 7);
}

static void hmac_of_rfc_4231(void **state)
{
    (void)state;
    uint8_t digest[DIGEST_BYTES], long_key[131];
    const char *text = "what do ya want for nothing?";
    digest_hmac_sha256("Jefe", 4, text, strlen(text), digest);
    check_digest(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(long_key, 0xaa, sizeof long_key);
    text = "Test Using Larger Than Block-Size Key - Hash Key First";
    digest_hmac_sha256(long_key, sizeof long_key, text, strlen(text), digest);
    check_digest(digest, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    digest_hmac_sha256(NULL, 0, NULL, 0, digest); /* and not with the key of before */
    check_digest(digest, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void hex(void **state)
{
    (void)state;
    uint8_t out[2] = {0};
    assert_true(hex_decode("0aFf", 4, out, 2));
    assert_int_equal(out[0], 0x0a);
    assert_int_equal(out[1], 0xff);
    assert_false(hex_decode("0aFf0", 5, out, 2));
    assert_false(hex_decode("0aF", 3, out, 2));
    assert_false(hex_decode("0aFg", 4, out, 2));
    assert_false(hex_decode("0aff", 4, out, 1));
    assert_true(hex_decode("", 0, out, 0));
    assert_true(octets_equal("abc", "abd", 2));
    assert_false(octets_equal("abc", "abd", 3));
}

static void *hash_on_a_thread(void *arg)
{
    uint8_t digest[DIGEST_BYTES], sum[DIGEST_BYTES], tag[DIGEST_BYTES], stretched[DIGEST_BYTES];
    const struct octets abc = {(const uint8_t *)"abc", 3};
    digest_sha256("abc", 3, sum);
    digest_shake128(&abc, 1, stretched, sizeof stretched);
    digest_hmac_sha256("k", 1, "abc", 3, tag);
    bool same = true;
    for (int i = 0; i < 500; i++) {
        digest_sha256("abc", 3, digest);
        same = same && octets_equal(digest, sum, DIGEST_BYTES);
        digest_hmac_sha256("k", 1, "abc", 3, digest);
        same = same && octets_equal(digest, tag, DIGEST_BYTES);
        digest_shake128(&abc, 1, digest, DIGEST_BYTES);
        same = same && octets_equal(digest, stretched, DIGEST_BYTES);
    }
    *(bool *)arg = same;
    return NULL;
}

static void threads_hash_apart(void **state)
{
    (void)state;
    pthread_t threads[4];
    bool good[4];
    for (int i = 0; i < 4; i++)
        threads[i] = thread_start("hasher", hash_on_a_thread, &good[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(good[i]);
    }
}

static void ed25519_of_rfc_8032(void **state)
{
    (void)state;
    static const struct {
        const char *seed, *public_key, *message, *signature;
    } vectors[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595b"
         "be24655141438e7a100b"},
        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716e"
         "d28dc027beceea1ec40a"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t seed[32], message[8], public_key[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];
        char text[2 * SIGNATURE_BYTES + 1];
        size_t bytes = strlen(vectors[i].message) / 2;
        assert_true(hex_decode(vectors[i].seed, 64, seed, 32));
        assert_true(hex_decode(vectors[i].message, 2 * bytes, message, bytes));
        struct signer *signer = signer_from_seed(seed);
        signer_public_key(signer, public_key);
        hex_encode(public_key, sizeof public_key, text);
        assert_string_equal(text, vectors[i].public_key);
        signer_sign(signer, message, bytes, signature);
        hex_encode(signature, sizeof signature, text);
        assert_string_equal(text, vectors[i].signature);
        signer_destroy(signer);

        assert_true(signature_verify(public_key, message, bytes, signature));
        assert_false(signature_verify(public_key, "other", 5, signature));
        signature[40] ^= 1;
        assert_false(signature_verify(public_key, message, bytes, signature));
        signature[40] ^= 1;
        public_key[3] ^= 1;
        assert_false(signature_verify(public_key, message, bytes, signature));
    }
    signer_destroy(NULL);
}

static char folder[] = "/tmp/vacancy-signer-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* Runs a shell line in the test's folder. */
static void run(const char *line)
{
    char command[512];
    snprintf(command, sizeof command, "cd '%s' && umask 077 && { %s; } 2>/dev/null", folder, line);
    assert_int_equal(system(command), 0);
}

static enum err load(const char *name, struct problem *problem, struct signer **out)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    memset(problem, 0, sizeof *problem);
    return signer_load(path, out, problem);
}

static void a_private_key_file_is_loaded(void **state)
{
    (void)state;
    struct problem problem;
    struct signer *signer = NULL;
    run("openssl genpkey -algorithm ed25519 -out key.pem && openssl pkey -in key.pem -pubout -outform DER -out "
        "pub.der");
    assert_int_equal(load("key.pem", &problem, &signer), ERR_NONE);
    uint8_t der[44], public_key[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];
    char path[128];
    snprintf(path, sizeof path, "%s/pub.der", folder);
    FILE *file = fopen(path, "r");
    assert_int_equal(fread(der, 1, sizeof der, file), sizeof der);
    fclose(file);
    signer_public_key(signer, public_key);
    assert_memory_equal(public_key, der + sizeof der - PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES);
    signer_sign(signer, "head", 4, signature);
    assert_true(signature_verify(public_key, "head", 4, signature));
    signer_destroy(signer);
}

static void a_key_file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    struct problem problem;
    struct signer *signer = NULL;
    run("openssl genpkey -algorithm ed25519 -out open.pem && ln -s open.pem link.pem");
    static const mode_t modes[] = {0644, 0640, 0604, 0660, 0601};
    char path[128];
    snprintf(path, sizeof path, "%s/open.pem", folder);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(load("open.pem", &problem, &signer), ERR_FORBIDDEN);
        assert_non_null(strstr(problem.text, "chmod 600"));
        assert_int_equal(load("link.pem", &problem, &signer), ERR_FORBIDDEN);
    }
    assert_null(signer);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(load("open.pem", &problem, &signer), ERR_NONE);
    signer_destroy(signer);
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    struct problem problem;
    struct signer *signer = NULL;
    run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem");
    run("openssl genpkey -algorithm ed25519 -aes256 -pass pass:secret -out locked.pem");
    run("openssl genpkey -algorithm ed25519 -out k.pem && openssl pkey -in k.pem -pubout -out public.pem");
    run("head -c 60 k.pem >cut.pem; : >empty.pem; head -c 100000 /dev/zero >large.pem; mkfifo pipe.pem; mkdir "
        "folder.pem");
    static const char *const invalid[] = {"ec.pem", "locked.pem", "public.pem", "cut.pem", "empty.pem", "large.pem"};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        assert_int_equal(load(invalid[i], &problem, &signer), ERR_INVALID);
        assert_non_null(strstr(problem.text, "Ed25519"));
        assert_non_null(strstr(problem.text, invalid[i]));
    }
    assert_int_equal(load("pipe.pem", &problem, &signer), ERR_FORBIDDEN);
    assert_int_equal(load("folder.pem", &problem, &signer), ERR_FORBIDDEN);
    assert_int_equal(load("none.pem", &problem, &signer), ERR_NOT_FOUND);
    assert_null(signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_hash_apart), /* first: the threads race to fetch the algorithms */
        cmocka_unit_test(sha256),
        cmocka_unit_test(shake128_of_fips_202),
        cmocka_unit_test(hmac_of_rfc_4231),
        cmocka_unit_test(hex),
        cmocka_unit_test(ed25519_of_rfc_8032),
        cmocka_unit_test(a_private_key_file_is_loaded),
        cmocka_unit_test(a_key_file_that_others_can_read_is_refused),
        cmocka_unit_test(what_is_no_key_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
