/*
 * certificate_key.h - how an issuer's key is named: SHA-256 of its SubjectPublicKeyInfo, as in tls_peer.
 * Owns nothing. Thread: any; no state.
 */
#ifndef VACANCY_WIRE_CERTIFICATE_KEY_H
#define VACANCY_WIRE_CERTIFICATE_KEY_H

#include "daemon/base/digest.h"

/* Of the first certificate in a PEM file; false when there is none to read. */
bool certificate_key_digest(const char *pem_path, uint8_t out[DIGEST_BYTES]) __attribute__((warn_unused_result));

#endif
