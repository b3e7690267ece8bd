/*
 * access.h - certificate -> principal -> what it may do and see.
 *
 * Owns: the SPIFFE name's check against the issuer (row A11), the standing of agencies and principals (an immutable
 * set, fed by the home register's commit observer, and by no other region's), which regions' hubs may call (the
 * roster), roles. Disclosure audit: disclosure.h. Not here: TLS itself (wire), which fields a caller sees (service).
 * Thread: access_identify any; the observer runs on the home writer's thread. Invariant: a principal comes only from a
 * verified client certificate; nothing a client sends beside it counts (A8).
 */
#ifndef VACANCY_ACCESS_ACCESS_H
#define VACANCY_ACCESS_ACCESS_H

#include "daemon/record/audit_entry.h"
#include "daemon/record/roster.h"
#include "daemon/register/home.h"
#include "proto/wire/spiffe.h"
#include "proto/wire/tls.h"

enum role {
    ROLE_NONE,
    ROLE_AGENCY,
    ROLE_TEAM,
    ROLE_HUB,
    ROLE_AUDITOR,
    ROLE_OPERATOR,
};
#define ROLE_BIT(role) (1u << (role))

struct principal {
    enum role role;
    char name[PRINCIPAL_NAME_BYTES]; /* the SPIFFE name */
    char region[GSS_BYTES];
    char authority[GSS_BYTES]; /* teams */
    char id[AGENCY_ID_BYTES];  /* agency, team, auditor, operator id */
};

struct issuer_binding {
    char region[GSS_BYTES];
    uint8_t key_sha256[DIGEST_BYTES]; /* of the issuer's SubjectPublicKeyInfo */
};

struct access_options {
    char trust_domain[256];
    char region[GSS_BYTES];
    const struct issuer_binding *issuers; /* copied */
    uint32_t issuer_count;
    const struct clock_source *clock;
};

struct access;
struct access *access_create(const struct access_options *options);
void access_destroy(struct access *access);
/*
 * The regions whose hubs may call: those of the roster, by one of its issuers of the region and no other. For everybody
 * else its issuers count beside those of the options. A reference is taken; replaces what was set before, at once;
 * NULL, as at first: no federation. Any thread but within access_identify.
 */
void access_set_roster(struct access *access, const struct roster *roster);
/* The roster in use, with a reference for the caller; NULL: none. Any thread. */
const struct roster *access_roster(struct access *access);
struct commit_observer access_observer(struct access *access);

/*
 * Who calls, and whether one of `roles` (ROLE_BIT mask) may. ERR_UNAUTHENTICATED: no acceptable name (A1 to A4, A11),
 * expired while connected (T20). ERR_FORBIDDEN: another role is needed (A5, A9), the principal is suspended, the agency
 * is not registered, the principal belongs to another region (the text names the right hub's region), or it is a hub
 * of a region that is not in the roster.
 */
enum err access_identify(struct access *access, const struct tls_peer *peer, unsigned roles, struct principal *out,
                         struct problem *problem) __attribute__((warn_unused_result));

/*
 * Who asks, on the word of the hub that forwards (ForwardRequest.principal): `hub` is that hub, as access_identify gave
 * it. A team counts only if the roster says that it is one of that hub's region's teams, an agency (roles with
 * ROLE_AGENCY) if its name is of that region. ERR_FORBIDDEN; ERR_UNAUTHENTICATED for what is no name. The only other
 * way to a principal beside a certificate (design 4.3).
 */
enum err access_vouched(struct access *access, const struct principal *hub, const char *name, unsigned roles,
                        struct principal *out, struct problem *problem) __attribute__((warn_unused_result));
/* Whether a certificate of this federation could bear this SPIFFE name, in any region. ERR_UNAUTHENTICATED. */
enum err access_check_name(const struct access *access, const char *name, struct problem *problem)
    __attribute__((warn_unused_result));

#endif
