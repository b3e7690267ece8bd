/*
 * pki.c - a certificate authority in a temporary folder. Thread: the test's.
 */
#include "tests/lib/pki.h"

#include <assert.h>
#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REVOKED_MAX 8

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

struct pki {
    char folder[64];
    struct authority root, issuer, other, middle, deep, leaf;
    char *revoked[REVOKED_MAX];
    unsigned revoked_count;
    long serial;
};

static void must(bool ok)
{
    if (!ok)
        abort();
}

const char *pki_path(const struct pki *pki, const char *file)
{
    static char paths[4][160];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", pki->folder, file);
    return path;
}

static FILE *create(const struct pki *pki, const char *name, const char *suffix, mode_t mode)
{
    char file[80];
    snprintf(file, sizeof file, "%s%s", name, suffix);
    FILE *out = fopen(pki_path(pki, file), "w");
    must(out != NULL && fchmod(fileno(out), mode) == 0);
    return out;
}

static EVP_PKEY *make_key(enum pki_key kind)
{
    EVP_PKEY *key = kind == PKI_RSA1024 ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
    must(key != NULL);
    return key;
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static X509 *begin(struct pki *pki, const char *name, EVP_PKEY *key, int64_t from_s, int64_t until_s)
{
    X509 *certificate = X509_new();
    must(certificate != NULL && X509_set_version(certificate, 2) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++pki->serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until_s);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_pubkey(certificate, key);
    return certificate;
}

static struct authority make_authority(struct pki *pki, const char *name, const struct authority *by)
{
    struct authority made = {.key = make_key(PKI_P256)};
    made.certificate = begin(pki, name, made.key, -3600, 86400);
    const struct authority *signer = by != NULL ? by : &made;
    X509_set_issuer_name(made.certificate, X509_get_subject_name(signer->certificate));
    add_extension(made.certificate, signer->certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(made.certificate, signer->certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(made.certificate, signer->certificate, NID_subject_key_identifier, "hash");
    if (by != NULL)
        add_extension(made.certificate, signer->certificate, NID_authority_key_identifier, "keyid:always");
    must(X509_sign(made.certificate, signer->key, EVP_sha256()) > 0);
    return made;
}

static void free_authority(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
}

struct pki *pki_create(void)
{
    struct pki *pki = calloc(1, sizeof *pki);
    must(pki != NULL);
    strcpy(pki->folder, "/tmp/vacancy-pki-XXXXXX");
    must(mkdtemp(pki->folder) != NULL);
    pki->root = make_authority(pki, "root", NULL);
    pki->issuer = make_authority(pki, "issuer", &pki->root);
    pki->other = make_authority(pki, "other root", NULL);
    pki->middle = make_authority(pki, "middle", &pki->issuer);
    pki->deep = make_authority(pki, "deep", &pki->middle);
    FILE *ca = create(pki, "ca", ".pem", 0644);
    must(PEM_write_X509(ca, pki->root.certificate) == 1);
    fclose(ca);
    pki_issue(pki, "as-issuer", &(struct pki_leaf){.uris = {PKI_AGENCY}});
    BIO *bio = BIO_new_file(pki_path(pki, "as-issuer.pem"), "r");
    pki->leaf.certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bio = BIO_new_file(pki_path(pki, "as-issuer.key"), "r");
    pki->leaf.key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return pki;
}

void pki_destroy(struct pki *pki)
{
    DIR *folder = opendir(pki->folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        unlink(pki_path(pki, entry->d_name));
    closedir(folder);
    rmdir(pki->folder);
    free_authority(&pki->root);
    free_authority(&pki->issuer);
    free_authority(&pki->other);
    free_authority(&pki->middle);
    free_authority(&pki->deep);
    free_authority(&pki->leaf);
    for (unsigned i = 0; i < pki->revoked_count; i++)
        free(pki->revoked[i]);
    free(pki);
}

static void add_names(X509 *certificate, X509 *issuer, const struct pki_leaf *leaf)
{
    char names[8192] = "";
    size_t n = 0;
    for (int i = 0; i < 2 && leaf->uris[i] != NULL; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%sURI:%s", n > 0 ? "," : "", leaf->uris[i]);
    if (leaf->names != NULL)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n > 0 ? "," : "", leaf->names);
    if (n > 0)
        add_extension(certificate, issuer, NID_subject_alt_name, names);
}

static const char * or (const char *value, const char *otherwise)
{
    return value != NULL ? value : otherwise;
}

static const struct authority *signer_of(const struct pki *pki, const struct pki_leaf *leaf)
{
    switch (leaf->signer) {
    case PKI_BY_OTHER_ROOT:
        return &pki->other;
    case PKI_BY_LEAF:
        return &pki->leaf;
    case PKI_BY_DEEP_ISSUER:
        return &pki->deep;
    case PKI_BY_ITSELF:
        return NULL;
    case PKI_BY_ISSUER:
        break;
    }
    return &pki->issuer;
}

static void write_chain(const struct pki *pki, const char *name, X509 *certificate, const struct pki_leaf *leaf)
{
    FILE *out = create(pki, name, ".pem", 0644);
    must(PEM_write_X509(out, certificate) == 1);
    if (leaf->signer == PKI_BY_LEAF)
        must(PEM_write_X509(out, pki->leaf.certificate) == 1);
    if (leaf->signer == PKI_BY_DEEP_ISSUER)
        must(PEM_write_X509(out, pki->deep.certificate) == 1 && PEM_write_X509(out, pki->middle.certificate) == 1);
    if (leaf->signer != PKI_BY_OTHER_ROOT && leaf->signer != PKI_BY_ITSELF)
        must(PEM_write_X509(out, pki->issuer.certificate) == 1);
    for (int i = 0; leaf->bloated && i < 60; i++)
        must(PEM_write_X509(out, pki->other.certificate) == 1);
    fclose(out);
}

void pki_issue(struct pki *pki, const char *name, const struct pki_leaf *leaf)
{
    EVP_PKEY *key = make_key(leaf->key);
    bool usual = leaf->from_s == 0 && leaf->until_s == 0;
    X509 *certificate = begin(pki, name, key, usual ? -3600 : leaf->from_s, usual ? 86400 : leaf->until_s);
    struct authority self = {certificate, key};
    const struct authority *signer = signer_of(pki, leaf);
    if (signer == NULL)
        signer = &self;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer->certificate));
    add_names(certificate, signer->certificate, leaf);
    add_extension(certificate, signer->certificate, NID_basic_constraints, or (leaf->constraint, "critical,CA:FALSE"));
    if (or (leaf->usage, "x")[0] != '\0')
        add_extension(certificate, signer->certificate, NID_key_usage, or (leaf->usage, "critical,digitalSignature"));
    if (or (leaf->extended, "x")[0] != '\0')
        add_extension(certificate, signer->certificate, NID_ext_key_usage,
                      or (leaf->extended, "serverAuth,clientAuth"));
    must(X509_sign(certificate, signer->key, leaf->sha1 ? EVP_sha1() : EVP_sha256()) > 0);
    write_chain(pki, name, certificate, leaf);
    FILE *out = create(pki, name, ".key", 0600);
    must(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void pki_revoke(struct pki *pki, const char *name)
{
    must(pki->revoked_count < REVOKED_MAX);
    pki->revoked[pki->revoked_count++] = strdup(name);
}

static void revoke_into(const struct pki *pki, X509_CRL *crl, const ASN1_TIME *now)
{
    for (unsigned i = 0; i < pki->revoked_count; i++) {
        char file[80];
        snprintf(file, sizeof file, "%s.pem", pki->revoked[i]);
        BIO *bio = BIO_new_file(pki_path(pki, file), "r");
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);
        X509_REVOKED *revoked = X509_REVOKED_new();
        must(certificate != NULL && revoked != NULL);
        X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(certificate));
        X509_REVOKED_set_revocationDate(revoked, (ASN1_TIME *)now);
        must(X509_CRL_add0_revoked(crl, revoked) == 1);
        X509_free(certificate);
    }
}

static void write_list(const struct pki *pki, FILE *out, const struct authority *authority, int64_t until_s,
                       bool leaves)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *from = X509_gmtime_adj(NULL, -7200), *until = X509_gmtime_adj(NULL, until_s);
    must(crl != NULL && X509_CRL_set_version(crl, 1) == 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(authority->certificate));
    X509_CRL_set1_lastUpdate(crl, from);
    X509_CRL_set1_nextUpdate(crl, until);
    if (leaves)
        revoke_into(pki, crl, from);
    X509_CRL_sort(crl);
    must(X509_CRL_sign(crl, authority->key, EVP_sha256()) > 0 && PEM_write_X509_CRL(out, crl) == 1);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    X509_CRL_free(crl);
}

void pki_write_crl(struct pki *pki, int64_t until_s, bool with_issuer)
{
    FILE *out = create(pki, "crl", ".pem", 0644);
    write_list(pki, out, &pki->root, until_s, false);
    if (with_issuer)
        write_list(pki, out, &pki->issuer, until_s, true);
    fclose(out);
}

void pki_issuer_key(const struct pki *pki, uint8_t out[DIGEST_BYTES])
{
    unsigned char *der = NULL;
    int bytes = i2d_PUBKEY(pki->issuer.key, &der);
    must(bytes > 0);
    digest_sha256(der, (size_t)bytes, out);
    OPENSSL_free(der);
}

enum err pki_context(const struct pki *pki, enum tls_role role, const char *name, bool crl, struct tls_context **out,
                     struct problem *problem)
{
    char certificate[160], key[160], file[80];
    snprintf(file, sizeof file, "%s.pem", name);
    strcpy(certificate, pki_path(pki, file));
    snprintf(file, sizeof file, "%s.key", name);
    strcpy(key, pki_path(pki, file));
    struct tls_options options = {
        .role = role,
        .certificate_path = certificate,
        .key_path = key,
        .ca_path = pki_path(pki, "ca.pem"),
        .crl_path = crl ? pki_path(pki, "crl.pem") : NULL,
    };
    return tls_context_create(&options, out, problem);
}
