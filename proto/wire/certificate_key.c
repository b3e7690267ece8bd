/* certificate_key.c - see certificate_key.h. */
#include "proto/wire/certificate_key.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

bool certificate_key_digest(const char *pem_path, uint8_t out[DIGEST_BYTES])
{
    FILE *file = fopen(pem_path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    uint8_t *octets = NULL;
    int bytes = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &octets) : -1;
    if (bytes > 0)
        digest_sha256(octets, (size_t)bytes, out);
    OPENSSL_free(octets);
    X509_free(certificate);
    if (file != NULL)
        fclose(file);
    ERR_clear_error();
    return bytes > 0;
}
