/*
 * options.h - what an operator can set: the table of vacancyd.conf and the struct that it fills.
 *
 * Owns: the options, their defaults, bounds and help; the checks that need more than one value or more than config.h
 * knows (codes, names, addresses). Not here: the reading (base/config), what an option does (whoever it is given to).
 * Thread: main. Invariant: every option here changes what the program does.
 */
#ifndef VACANCY_OPTIONS_H
#define VACANCY_OPTIONS_H

#include "daemon/access/access.h"
#include "daemon/base/config.h"
#include "daemon/base/log.h"
#include "daemon/base/signer.h"
#include "daemon/register/home.h"

struct options {
    /* [hub] */
    char *region, *listen, *data, *trust_domain;
    int64_t workers; /* 0: one per core */
    /* [tls] */
    char *certificate, *key, *ca, *crl;
    /* [region] */
    char *signing_key, *reference_secret;
    int64_t backup_max_age_ms;
    /* [issuers] */
    struct config_list issuers;
    /* [gazetteer] */
    char *postcodes; /* NULL: the built-in sectors alone */
    bool allow_sector;
    /* [federation] */
    char *roster, *roster_key; /* NULL, both: a hub by itself */
    int64_t stale_after_ms, payload_kept_ms;
    /* [vacancies] */
    struct home_policy policy;
    int64_t holds_per_team, reports_per_team; /* policy.holds_each, reports_each, as they are read */
    /* [store] */
    int64_t map_bytes, limit_bytes, reserve_bytes, replica_map_bytes, replica_limit_bytes;
    /* [limits] */
    int64_t connections, connections_per_principal, streams_per_connection, calls_per_worker, message_bytes;
    int64_t handshake_ms, first_request_ms, body_ms, write_progress_ms, idle_ms, call_ms, stream_ms, drain_ms;
    int64_t write_queue;
    /* [log] */
    char *log_level;

    /* Derived by options_load. */
    struct issuer_binding *issuer_bindings; /* issuers.count of them */
    uint8_t root_key[PUBLIC_KEY_BYTES];     /* with a roster: of roster-key */
    enum log_level level;
};

/* ERR_NOT_FOUND, ERR_INVALID; *problem names file, line and option. On failure *out is empty. */
enum err options_load(const char *path, struct options *out, struct problem *problem)
    __attribute__((warn_unused_result));
/* Frees what options_load filled in. */
void options_free(struct options *options);
/* Every option with its default and help: `vacancyd --help-config`. */
void options_print_reference(FILE *out);

#endif
