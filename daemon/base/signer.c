/*
 * signer.c - Ed25519 by OpenSSL's EVP.
 * Owns the private key, which lives in the EVP_PKEY and nowhere else: what the file was read into is wiped.
 * Any thread. Invariant: OpenSSL's error queue is left empty, since the TLS code on the same thread reads it.
 */
#include "daemon/base/signer.h"

#include "daemon/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_BYTES 4096 /* an Ed25519 key's PEM has about 120 */

struct signer {
    EVP_PKEY *key;
    uint8_t public_key[PUBLIC_KEY_BYTES];
};

/* Takes over the key. */
static struct signer *wrap(EVP_PKEY *key)
{
    struct signer *signer = malloc(sizeof *signer);
    size_t bytes = PUBLIC_KEY_BYTES;
    if (signer == NULL || EVP_PKEY_get_raw_public_key(key, signer->public_key, &bytes) != 1 ||
        bytes != PUBLIC_KEY_BYTES)
        log_fatal("base", "OpenSSL can't keep a signing key");
    signer->key = key;
    return signer;
}

/* Opens the file if it is one that only its owner can read. */
static enum err open_private(const char *path, int *out, struct problem *problem)
{
    /* O_NONBLOCK: a named pipe in the file's place must be refused, not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        enum err code = errno == EACCES || errno == EPERM ? ERR_FORBIDDEN : ERR_NOT_FOUND;
        return problem_set(problem, code, "", "signing key %s can't be opened: %s", path, strerror(errno));
    }
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        close(fd);
        return problem_set(problem, ERR_FORBIDDEN, "", "signing key %s is not a regular file", path);
    }
    if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        close(fd);
        return problem_set(
            problem, ERR_FORBIDDEN, "",
            "signing key %s is open to group or others (mode %04o): chmod 600 it, and replace the key if "
            "somebody may have read it",
            path, (unsigned)about.st_mode & 07777);
    }
    *out = fd;
    return ERR_NONE;
}

/* Whole file into the buffer; -1 when it does not fit or can't be read. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t have = 0;
    for (;;) {
        ssize_t got = read(fd, buffer + have, size - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (have += (size_t)got) == size)
            return -1;
        if (got == 0)
            return (ssize_t)have;
    }
}

/* Without it OpenSSL would ask the terminal for the password of an encrypted key. */
static int no_password(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer, (void)size, (void)writing, (void)ctx;
    return -1;
}

enum err signer_load(const char *path, struct signer **out, struct problem *problem)
{
    int fd = -1;
    enum err err = open_private(path, &fd, problem);
    if (err != ERR_NONE)
        return err;
    char pem[KEY_FILE_BYTES];
    ssize_t bytes = read_all(fd, pem, sizeof pem);
    close(fd);

    EVP_PKEY *key = NULL;
    BIO *memory = bytes > 0 ? BIO_new_mem_buf(pem, (int)bytes) : NULL;
    if (memory != NULL)
        key = PEM_read_bio_PrivateKey(memory, NULL, no_password, NULL);
    BIO_free(memory);
    OPENSSL_cleanse(pem, sizeof pem);
    ERR_clear_error();

    if (key == NULL || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        return problem_set(problem, ERR_INVALID, "",
                           "signing key %s holds no unencrypted Ed25519 private key in PEM: make one with "
                           "openssl genpkey -algorithm ed25519",
                           path);
    }
    *out = wrap(key);
    return ERR_NONE;
}

struct signer *signer_from_seed(const uint8_t seed[32])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    if (key == NULL)
        log_fatal("base", "OpenSSL can't make an Ed25519 key");
    return wrap(key);
}

void signer_destroy(struct signer *signer)
{
    if (signer == NULL)
        return;
    EVP_PKEY_free(signer->key);
    free(signer);
}

void signer_public_key(const struct signer *signer, uint8_t out[PUBLIC_KEY_BYTES])
{
    memcpy(out, signer->public_key, PUBLIC_KEY_BYTES);
}

void signer_sign(const struct signer *signer, const void *data, size_t bytes, uint8_t out[SIGNATURE_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t written = SIGNATURE_BYTES;
    if (context == NULL || EVP_DigestSignInit(context, NULL, NULL, NULL, signer->key) != 1 ||
        EVP_DigestSign(context, out, &written, bytes > 0 ? data : (const void *)"", bytes) != 1 ||
        written != SIGNATURE_BYTES)
        log_fatal("base", "OpenSSL can't sign");
    EVP_MD_CTX_free(context);
}

bool signature_verify(const uint8_t public_key[PUBLIC_KEY_BYTES], const void *data, size_t bytes,
                      const uint8_t signature[SIGNATURE_BYTES])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, PUBLIC_KEY_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = key != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, SIGNATURE_BYTES, bytes > 0 ? data : (const void *)"", bytes) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    if (!good)
        ERR_clear_error();
    return good;
}
