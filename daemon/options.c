/*
 * options.c - the table. Owns the texts of a loaded struct options until options_free; main's thread.
 * Invariant: what options_load accepts can be used as it is by everything that main starts.
 */
#include "daemon/options.h"

#include "daemon/base/digest.h"
#include "daemon/base/text.h"
#include "proto/wire/certificate_key.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define KIB ((int64_t)1 << 10)
#define MIB ((int64_t)1 << 20)
#define GIB ((int64_t)1 << 30)

#define OPTION(section, name, type, member, default_text, ...)                                                         \
    {                                                                                                                  \
        section, name, CONFIG_##type, offsetof(struct options, member), default_text, __VA_ARGS__                      \
    }
#define HOUR ((int64_t)3600 * 1000)
#define DAY  (24 * HOUR)

static const struct config_option table[] = {
    OPTION("hub", "region", TEXT, region, NULL, .help = "GSS code of the region that this hub is the authority for."),
    OPTION("hub", "listen", TEXT, listen, "[::]:8443",
           .help = "Address and port that clients and hubs connect to; port 0 takes a free one, which the log names."),
    OPTION("hub", "data", PATH, data, NULL, .help = "Folder of the register; made at the first start."),
    OPTION("hub", "trust-domain", TEXT, trust_domain, NULL,
           .help = "Trust domain of the federation: the host in every principal's name."),
    OPTION("hub", "workers", INTEGER, workers, "0", .min = 0, .max = 256,
           .help = "Threads that serve connections; 0 is one for each core."),

    OPTION("tls", "certificate", PATH, certificate, NULL,
           .help = "This hub's certificate and its issuer's (PEM). Read again on SIGHUP, as are the next three."),
    OPTION("tls", "key", PATH, key, NULL, .help = "Private key of the certificate (PEM, mode 0600)."),
    OPTION("tls", "ca", PATH, ca, NULL, .help = "The federation's root certificate (PEM)."),
    OPTION("tls", "crl", PATH, crl, NULL,
           .help = "The revocation lists of the root and of every issuer (PEM). Clients are refused without."),

    OPTION("region", "signing-key", PATH, signing_key, NULL,
           .help = "The region's Ed25519 key, which signs its log and its audit trail (PEM, mode 0600)."),
    OPTION("region", "reference-secret", PATH, reference_secret, NULL,
           .help = "32 bytes that key the hashes of agencies' own references (mode 0600)."),
    OPTION("region", "backup-max-age", DURATION, backup_max_age_ms, "35d", .min = HOUR, .max = 3650 * 24 * HOUR,
           .help = "How old a backup may be that is restored: erased persons' data is gone from backups after that."),

    OPTION("issuers", "issuer", LIST, issuers, NULL, .optional = true,
           .help = "A region's code, and its issuer's certificate (path) or the SHA-256 of its public key in hex. One "
                   "line each. Needed for the own region; with a roster its issuers count too, and these may be left "
                   "out."),

    OPTION("federation", "roster", PATH, roster, NULL, .optional = true,
           .help = "The signed list of the federation's regions, their keys and endpoints, as vacancy-ca roster makes "
                   "it. Read again on SIGHUP. Without it the hub is by itself."),
    OPTION("federation", "roster-key", TEXT, roster_key, NULL, .optional = true,
           .help = "The key that signs the roster: 64 hex digits, or the path of a file that holds them (roster.pub). "
                   "Needed with a roster."),
    OPTION("federation", "stale-after", DURATION, stale_after_ms, "60s", .min = 1000, .max = 30 * DAY,
           .help = "How old a region's data may be before a search marks it as stale."),
    OPTION("federation", "payload-kept", DURATION, payload_kept_ms, "90d", .min = 1000, .max = 3650 * DAY,
           .help = "How long superseded entries of the own region's log are kept whole; hubs that were away for longer "
                   "take a snapshot."),

    OPTION("vacancies", "hold-default", DURATION, policy.hold_default_ms, "4h", .min = 1000, .max = 7 * DAY,
           .help = "How long a team holds beds that does not say for how long, and by how much it may extend that."),
    OPTION("vacancies", "hold-max", DURATION, policy.hold_max_ms, "24h", .min = 1000, .max = 7 * DAY,
           .help = "For how long a team may ask; at least hold-default."),
    OPTION("vacancies", "hold-least", DURATION, policy.hold_least_ms, "1m", .min = 1000, .max = 7 * DAY,
           .help = "The shortest hold and extension that a team may ask for; at most hold-default."),
    OPTION("vacancies", "holds-per-team", INTEGER, holds_per_team, "20", .min = 1, .max = 10000,
           .help = "Holds of one team in this region at a time. More are answered RESOURCE_EXHAUSTED."),
    OPTION("vacancies", "reports-per-team", INTEGER, reports_per_team, "20", .min = 1, .max = REPORTS_EACH_MAX,
           .help = "Vacancies of this region that one team may report as not available within 24 hours. More are "
                   "answered RESOURCE_EXHAUSTED."),
    OPTION("vacancies", "lapse-emergency", DURATION, policy.lapse_emergency_ms, "48h", .min = 1000, .max = 366 * DAY,
           .help = "How long after its confirmation ran out a vacancy of emergency care lapses; until then teams are "
                   "told to telephone first."),
    OPTION("vacancies", "lapse-after", DURATION, policy.lapse_ms, "21d", .min = 1000, .max = 366 * DAY,
           .help = "The same, of any other vacancy."),

    OPTION("gazetteer", "postcodes", PATH, postcodes, NULL, .optional = true,
           .help = "File of unit postcodes that vacancyd --import-postcodes wrote."),
    OPTION("gazetteer", "allow-sector", BOOLEAN, allow_sector, "no",
           .help = "Take carers whose home is known to a postcode sector only. The sector's authority may be wrong."),

    OPTION("store", "map-size", SIZE, map_bytes, "16G", .min = 16 * MIB, .max = 1024 * GIB,
           .help = "Address space for the register; takes no memory and no disk until used."),
    OPTION("store", "limit", SIZE, limit_bytes, "8G", .min = 8 * MIB, .max = 1024 * GIB,
           .help = "How large the register may grow; must be below map-size."),
    OPTION("store", "reserve", SIZE, reserve_bytes, "16M", .min = MIB, .max = 64 * GIB,
           .help = "Part of the limit that is kept for withdrawals and deletions."),

    OPTION("store", "replica-map-size", SIZE, replica_map_bytes, "16G", .min = 16 * MIB, .max = 1024 * GIB,
           .help = "The same as map-size, for the replicas of other regions' registers."),
    OPTION("store", "replica-limit", SIZE, replica_limit_bytes, "8G", .min = 8 * MIB, .max = 1024 * GIB,
           .help = "How large those may grow together; must be below replica-map-size."),

    OPTION("limits", "connections", INTEGER, connections, "4096", .min = 1, .max = 1000000,
           .help = "Connections open at a time. More are closed at once."),
    OPTION("limits", "connections-per-principal", INTEGER, connections_per_principal, "64", .min = 1, .max = 1000000,
           .help = "Connections open at a time with certificates of one name."),
    OPTION("limits", "streams", INTEGER, streams_per_connection, "100", .min = 1, .max = 10000,
           .help = "Calls under way at a time on one connection."),
    OPTION("limits", "calls-per-worker", INTEGER, calls_per_worker, "8192", .min = 1, .max = 1000000,
           .help = "Calls under way at a time on one worker. More are answered RESOURCE_EXHAUSTED."),
    OPTION("limits", "write-queue", INTEGER, write_queue, "8192", .min = 1, .max = 1000000,
           .help = "Updates that wait for the register at a time. More are answered RESOURCE_EXHAUSTED."),
    OPTION("limits", "message", SIZE, message_bytes, "1M", .min = 4 * KIB, .max = 16 * MIB,
           .help = "Size of one message; unpacked it may take twice as much."),
    OPTION("limits", "handshake", DURATION, handshake_ms, "10s", .min = 100, .max = HOUR,
           .help = "Time for the TLS handshake."),
    OPTION("limits", "first-request", DURATION, first_request_ms, "10s", .min = 100, .max = HOUR,
           .help = "Time from the handshake to the first request."),
    OPTION("limits", "body", DURATION, body_ms, "30s", .min = 100, .max = HOUR,
           .help = "Time for one message to arrive whole."),
    OPTION("limits", "write-progress", DURATION, write_progress_ms, "30s", .min = 100, .max = HOUR,
           .help = "How long a client may take nothing of what waits for it."),
    OPTION("limits", "idle", DURATION, idle_ms, "10m", .min = 100, .max = 24 * HOUR,
           .help = "How long a connection stays open without a call."),
    OPTION("limits", "call", DURATION, call_ms, "10s", .min = 100, .max = HOUR,
           .help = "Deadline of a unary call that brings none."),
    OPTION("limits", "stream", DURATION, stream_ms, "24h", .min = 100, .max = 7 * 24 * HOUR,
           .help = "Deadline of a streaming call that brings none."),
    OPTION("limits", "drain", DURATION, drain_ms, "10s", .min = 100, .max = HOUR,
           .help = "Time for calls to end when the hub stops (SIGTERM, SIGINT)."),

    OPTION("log", "level", TEXT, log_level, "info",
           .help = "error, warn, info or debug (debug: a line for each call)."),
};
#define TABLE_COUNT (sizeof table / sizeof table[0])

/* "E12000003 0f1e2d...", as vacancy-ca prints it, or "E12000003 PATH" of the issuer's certificate. */
static enum err parse_issuer(const char *text, const char *folder, struct issuer_binding *out, struct problem *problem)
{
    size_t code_length = strcspn(text, " ");
    const char *key = text + code_length + strspn(text + code_length, " ");
    if (code_length == sizeof out->region - 1) {
        memcpy(out->region, text, code_length);
        out->region[code_length] = '\0';
    }
    if (!text_is_gss_code(out->region) || key[0] == '\0')
        return problem_set(
            problem, ERR_INVALID, "issuers.issuer",
            "[issuers] issuer takes a region's code, a space, and the issuer's key (64 hex digits: certs/README.md, "
            "issuer.spki) or the path of its certificate; and is \"%.80s\"",
            text);
    if (hex_decode(key, strlen(key), out->key_sha256, sizeof out->key_sha256))
        return ERR_NONE;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s%s", key[0] == '/' ? "" : folder, key[0] == '/' ? "" : "/", key);
    if (!certificate_key_digest(path, out->key_sha256))
        return problem_set(problem, ERR_INVALID, "issuers.issuer",
                           "[issuers] issuer: \"%.80s\" is neither 64 hex digits nor a readable certificate (PEM)",
                           key);
    return ERR_NONE;
}

static enum err derive_issuers(const char *folder, struct options *options, struct problem *problem)
{
    options->issuer_bindings = calloc(options->issuers.count + 1, sizeof *options->issuer_bindings);
    if (options->issuer_bindings == NULL)
        log_fatal("main", "out of memory for %u issuers", options->issuers.count);
    bool own = options->roster != NULL; /* whose issuers count: it must have this region, or the hub doesn't start */
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < options->issuers.count && err == ERR_NONE; i++) {
        err = parse_issuer(options->issuers.items[i], folder, &options->issuer_bindings[i], problem);
        own |= strcmp(options->issuer_bindings[i].region, options->region) == 0;
    }
    if (err == ERR_NONE && !own)
        err = problem_set(problem, ERR_INVALID, "issuers.issuer",
                          "[issuers] has no line for %s, this hub's own region: nobody could call", options->region);
    return err;
}

/* 64 hex digits and a line end, as roster.pub has them. */
static bool read_key_file(const char *path, uint8_t out[PUBLIC_KEY_BYTES])
{
    char text[2 * PUBLIC_KEY_BYTES + 4] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    while (got > 0 && (text[got - 1] == '\n' || text[got - 1] == '\r'))
        got--;
    return hex_decode(text, got, out, PUBLIC_KEY_BYTES);
}

static enum err derive_root_key(const char *folder, struct options *options, struct problem *problem)
{
    const char *key = options->roster_key;
    if ((options->roster == NULL) != (key == NULL))
        return problem_set(problem, ERR_INVALID, "federation.roster-key",
                           "[federation] roster and roster-key are given both or neither");
    char path[PATH_MAX];
    if (key == NULL || hex_decode(key, strlen(key), options->root_key, sizeof options->root_key))
        return ERR_NONE;
    snprintf(path, sizeof path, "%s%s%s", key[0] == '/' ? "" : folder, key[0] == '/' ? "" : "/", key);
    if (!read_key_file(path, options->root_key))
        return problem_set(problem, ERR_INVALID, "federation.roster-key",
                           "[federation] roster-key: \"%.80s\" is neither 64 hex digits nor a file that holds them",
                           key);
    return ERR_NONE;
}

static enum err derive(const char *config_path, struct options *options, struct problem *problem)
{
    char *copy = strdup(config_path);
    if (copy == NULL)
        log_fatal("main", "out of memory");
    const char *folder = dirname(copy);
    enum err err = derive_root_key(folder, options, problem);
    if (err == ERR_NONE)
        err = derive_issuers(folder, options, problem);
    free(copy);
    return err;
}

static enum err check(const char *config_path, struct options *options, struct problem *problem)
{
    if (!text_is_gss_code(options->region))
        return problem_set(problem, ERR_INVALID, "hub.region",
                           "[hub] region takes a code such as E12000003 (Yorkshire and The Humber), and is \"%.20s\"",
                           options->region);
    size_t domain_length = strlen(options->trust_domain);
    if (domain_length > 255 ||
        strspn(options->trust_domain, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != domain_length)
        return problem_set(
            problem, ERR_INVALID, "hub.trust-domain",
            "[hub] trust-domain takes lower-case letters, digits, dots, hyphens and underscores, at most 255");
    if (options->limit_bytes >= options->map_bytes)
        return problem_set(problem, ERR_INVALID, "store.limit", "[store] limit must be below store.map-size");
    if (options->reserve_bytes >= options->limit_bytes / 2)
        return problem_set(problem, ERR_INVALID, "store.reserve", "[store] reserve must be below half of store.limit");
    if (options->replica_limit_bytes >= options->replica_map_bytes)
        return problem_set(problem, ERR_INVALID, "store.replica-limit",
                           "[store] replica-limit must be below store.replica-map-size");
    if (options->policy.hold_default_ms > options->policy.hold_max_ms)
        return problem_set(problem, ERR_INVALID, "vacancies.hold-max",
                           "[vacancies] hold-max must be at least hold-default");
    if (options->policy.hold_least_ms > options->policy.hold_default_ms)
        return problem_set(problem, ERR_INVALID, "vacancies.hold-least",
                           "[vacancies] hold-least must be at most hold-default");
    options->policy.holds_each = (uint32_t)options->holds_per_team;
    options->policy.reports_each = (uint32_t)options->reports_per_team;
    int level = log_level_parse(options->log_level);
    if (level < 0)
        return problem_set(problem, ERR_INVALID, "log.level",
                           "[log] level takes error, warn, info or debug, and is \"%.20s\"", options->log_level);
    options->level = (enum log_level)level;
    return derive(config_path, options, problem);
}

enum err options_load(const char *path, struct options *out, struct problem *problem)
{
    *out = (struct options){0};
    enum err err = config_load(path, table, TABLE_COUNT, out, problem);
    if (err != ERR_NONE)
        return err;
    err = check(path, out, problem);
    if (err != ERR_NONE)
        options_free(out);
    return err;
}

void options_free(struct options *options)
{
    free(options->issuer_bindings);
    options->issuer_bindings = NULL;
    config_free(table, TABLE_COUNT, options);
}

void options_print_reference(FILE *out)
{
    config_print_reference(table, TABLE_COUNT, out);
}
