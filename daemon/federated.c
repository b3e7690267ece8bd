/*
 * federated.c - see federated.h. Owns struct federated's parts; main's thread, but for the ports.
 */
#include "daemon/federated.h"

#include "daemon/base/log.h"
#include "daemon/record/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_THREADS_MAX 8
#define ROW_BYTES_MAX    (64 << 10)

/* --- the roster ------------------------------------------------------------------------------------------------- */

static enum err check_own_region(const struct federated *federated, const struct roster *roster,
                                 struct problem *problem)
{
    const char *region = federated->options->region;
    const struct roster_region *own = roster_find(roster, region);
    if (own == NULL)
        return problem_set(problem, ERR_INVALID, "federation.roster",
                           "the roster (version %llu) has no region %s, this hub's own: ask the root for one that has",
                           (unsigned long long)roster->version, region);
    if (memcmp(own->key, federated->own_key, sizeof own->key) != 0)
        return problem_set(problem, ERR_INVALID, "federation.roster",
                           "the roster (version %llu) names another key for %s than [region] signing-key is: no hub "
                           "would believe what this one signs",
                           (unsigned long long)roster->version, region);
    return ERR_NONE;
}

static enum err read_roster(const struct federated *federated, const struct roster **out, struct problem *problem)
{
    const struct roster *roster;
    enum err err = roster_load(federated->options->roster, federated->options->root_key, &roster, problem);
    if (err != ERR_NONE)
        return err;
    err = check_own_region(federated, roster, problem);
    if (err == ERR_NONE)
        *out = roster;
    else
        roster_unref(roster);
    return err;
}

enum err federated_read(struct federated *federated, const struct options *options, const struct signer *signer,
                        struct problem *problem)
{
    federated->options = options;
    signer_public_key(signer, federated->own_key);
    return options->roster != NULL ? read_roster(federated, &federated->roster, problem) : ERR_NONE;
}

bool federated_has_peers(const struct federated *federated)
{
    return federated->roster != NULL && federated->roster->region_count > 1;
}

/* --- the ports -------------------------------------------------------------------------------------------------- */

static enum err submit_work(void *ctx, struct replica_work *work)
{
    const struct federated *federated = ctx;
    return replica_writer_submit(federated->writer, work);
}

static enum err submit_update(void *ctx, struct update *update)
{
    const struct federated *federated = ctx;
    return writer_submit(federated->home_writer, update);
}

static void tell_replicated(void *ctx, uint64_t epoch, uint64_t sequence)
{
    const struct federated *federated = ctx;
    writer_replicated(federated->home_writer, epoch, sequence);
}

static void tell_roster(void *ctx, const struct roster *roster)
{
    const struct federated *federated = ctx;
    replica_writer_set_roster(federated->writer, roster);
}

static void tell_home_changed(void *ctx)
{
    const struct federated *federated = ctx;
    wakes_of(federated->wakes, WAKE_HOME);
    links_changed(federated->links);
}

/* The links hear of it by the works that come back. */
static void tell_replica_changed(void *ctx)
{
    const struct federated *federated = ctx;
    wakes_of(federated->wakes, WAKE_REPLICAS);
}

/* --- carers that moved away -------------------------------------------------------------------------------------- */

/* The replica writer's thread. */
static void note_erased(void *ctx, const struct commit *commit)
{
    struct erased_elsewhere *erased = &((struct federated *)ctx)->erased;
    int64_t now_ms = clock_wall_ms(clock_system());
    pthread_mutex_lock(&erased->lock);
    for (size_t i = 0; i < commit->count; i++) {
        const struct change *change = &commit->changes[i];
        if (change->table != LOG_TABLE_CARER || !change->deleted || change->key.size != 8)
            continue;
        unsigned at = erased->next++ % ERASED_KEPT;
        snprintf(erased->rows[at].region, GSS_BYTES, "%s", commit->region);
        erased->rows[at].national_reference = get_be64(change->key.data);
        erased->rows[at].at_ms = now_ms;
    }
    pthread_mutex_unlock(&erased->lock);
}

static bool was_erased(struct erased_elsewhere *erased, const char *region, uint64_t national_reference,
                       int64_t since_ms)
{
    bool found = false;
    pthread_mutex_lock(&erased->lock);
    for (size_t i = 0; i < ERASED_KEPT && !found; i++)
        found = erased->rows[i].national_reference == national_reference && erased->rows[i].at_ms >= since_ms &&
                strcmp(erased->rows[i].region, region) == 0;
    pthread_mutex_unlock(&erased->lock);
    return found;
}

/* A row signed before the move may be of an earlier one. The home writer's thread. */
static bool has_row(struct federated *federated, const char *region, uint64_t national_reference, int64_t since_ms)
{
    struct replica_status status;
    struct arena arena;
    struct octets row;
    uint8_t key[8];
    put_be64(key, national_reference);
    const struct octets k = {key, sizeof key};
    if (replica_status(federated->replica, region, &status) != ERR_NONE || !status.present ||
        status.checkpoint.checkpoint.time_ms < since_ms)
        return false;
    arena_init(&arena, ROW_BYTES_MAX);
    bool found = replica_read(federated->replica, region, LOG_TABLE_CARER, &k, &arena, &row) == ERR_NONE &&
                 carer_row_came_from(&row, federated->options->region);
    arena_finish(&arena);
    return found;
}

/* Taken over, and perhaps erased before this hub looked. */
static bool registered_elsewhere(void *ctx, const char *region, uint64_t national_reference, int64_t since_ms)
{
    struct federated *federated = ctx;
    return was_erased(&federated->erased, region, national_reference, since_ms) ||
           has_row(federated, region, national_reference, since_ms);
}

struct change_port federated_changed(struct federated *federated)
{
    return federated->links != NULL ? (struct change_port){.changed = tell_home_changed, .ctx = federated}
                                    : (struct change_port){0};
}

static void tell_peer_has(void *ctx, struct peer_positions *positions)
{
    const struct federated *federated = ctx;
    links_peer_has(federated->links, positions);
}

struct federation_port federated_services(struct federated *federated)
{
    if (federated->roster == NULL)
        return (struct federation_port){0};
    return (struct federation_port){.home_log = home_log_reader(federated->home),
                                    .replica_log = replica_log_reader(federated->replica),
                                    .wakes = federated->wakes,
                                    .federation = links_federation(federated->links),
                                    .peer_has = tell_peer_has,
                                    .peer_has_ctx = federated,
                                    .forward = {.submit = links_forward, .ctx = federated->links}};
}

/* --- from opened to linked -------------------------------------------------------------------------------------- */

static uint32_t hash_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores <= 1 ? 0 : cores > HASH_THREADS_MAX ? HASH_THREADS_MAX : (uint32_t)cores;
}

enum err federated_open(struct federated *federated, struct problem *problem)
{
    const struct options *options = federated->options;
    if (federated->roster == NULL)
        return ERR_NONE;
    uint64_t limit = (uint64_t)options->replica_limit_bytes, reserve = (uint64_t)options->reserve_bytes;
    const struct store_lmdb_options store = {.kind = STORE_REPLICA,
                                             .folder = options->data,
                                             .map_bytes = (uint64_t)options->replica_map_bytes,
                                             .limit_bytes = limit,
                                             .reserve_bytes = reserve < limit / 4 ? reserve : limit / 4};
    struct replica_options replica = {
        .clock = clock_system(), .roster = federated->roster, .hash_threads = hash_threads()};
    snprintf(replica.home_region, sizeof replica.home_region, "%s", options->region);
    enum err err = store_lmdb_open(&store, &federated->store, problem);
    if (err == ERR_NONE)
        err = replica_open(&replica, federated->store, &federated->replica, problem);
    return err;
}

static enum err open_client_tls(const struct options *options, struct tls_context **out, struct problem *problem)
{
    const struct tls_options tls = {.role = TLS_CLIENT,
                                    .certificate_path = options->certificate,
                                    .key_path = options->key,
                                    .ca_path = options->ca,
                                    .crl_path = options->crl};
    return tls_context_create(&tls, out, problem);
}

static enum err create_links(struct federated *federated, struct problem *problem)
{
    const struct options *options = federated->options;
    struct links_options links = {
        .federation = {.clock = clock_system(),
                       .randomness = random_system(),
                       .roster = federated->roster,
                       .home = federated->home,
                       .replica = federated->replica,
                       .works = {federated, submit_work, submit_update, tell_replicated, tell_roster}},
        .message_bytes_max = (size_t)options->message_bytes,
        .wakes = federated->wakes};
    snprintf(links.federation.region, sizeof links.federation.region, "%s", options->region);
    snprintf(links.trust_domain, sizeof links.trust_domain, "%s", options->trust_domain);
    enum err err = open_client_tls(options, &links.tls, problem);
    if (err != ERR_NONE)
        return err;
    federated->links = links_create(&links);
    return federated->links != NULL ? ERR_NONE : problem_set(problem, ERR_LIMIT, "", "out of memory for the links");
}

enum err federated_create(struct federated *federated, struct home *home, struct match *match, struct problem *problem)
{
    federated->home = home;
    if (federated->roster == NULL)
        return ERR_NONE;
    const struct commit_observer observer = match_observer(match), erased = {note_erased, federated};
    const struct elsewhere_port elsewhere = {registered_elsewhere, federated};
    pthread_mutex_init(&federated->erased.lock, NULL);
    home_ask_elsewhere(home, &elsewhere);
    enum err err = replica_observe(federated->replica, &observer);
    if (err == ERR_NONE)
        err = replica_observe(federated->replica, &erased);
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "the replicas can't be read whole: %s", err_name(err));
    federated->wakes = wakes_create();
    return create_links(federated, problem);
}

enum err federated_start(struct federated *federated, struct writer *home_writer, struct problem *problem)
{
    federated->home_writer = home_writer;
    if (federated->roster == NULL)
        return ERR_NONE;
    const struct change_port changed = {.changed = tell_replica_changed, .ctx = federated};
    enum err err = replica_writer_start(federated->replica, (uint32_t)federated->options->write_queue, &changed,
                                        &federated->writer);
    return err == ERR_NONE ? ERR_NONE : problem_set(problem, err, "", "a thread can't be started: %s", err_name(err));
}

void federated_link(struct federated *federated)
{
    if (federated->links != NULL)
        links_start(federated->links);
}

/* --- reload ----------------------------------------------------------------------------------------------------- */

static void reload_tls(struct federated *federated)
{
    struct tls_context *tls;
    struct problem problem;
    if (open_client_tls(federated->options, &tls, &problem) == ERR_NONE)
        links_reload(federated->links, NULL, tls);
    else
        log_error("main", "reload: links keep the old certificate, authority and revocation lists: %s", problem.text);
}

static void reload_roster(struct federated *federated, struct access *access)
{
    const struct roster *roster;
    struct problem problem;
    unsigned long long old = federated->roster->version;
    if (read_roster(federated, &roster, &problem) != ERR_NONE) {
        log_error("main", "reload: the old roster (version %llu) stays in use: %s", old, problem.text);
        return;
    }
    if (roster->version <= federated->roster->version) {
        if (roster->version < federated->roster->version)
            log_error("main",
                      "reload: the roster (version %llu) stays in use: the file has version %llu, an older one: "
                      "copy the newest there is",
                      old, (unsigned long long)roster->version);
        roster_unref(roster);
        return;
    }
    log_info("main", "reloaded the roster: version %llu, before it %llu", (unsigned long long)roster->version, old);
    access_set_roster(access, roster);
    home_set_roster_version(federated->home, roster->version);
    links_reload(federated->links, roster_ref(roster), NULL); /* and the replica writer, through the logic */
    roster_unref(federated->roster);
    federated->roster = roster;
}

void federated_reload(struct federated *federated, struct access *access)
{
    if (federated->roster == NULL)
        return;
    reload_tls(federated);
    reload_roster(federated, access);
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

void federated_unlink(struct federated *federated)
{
    links_stop(federated->links);
}

void federated_stop(struct federated *federated)
{
    if (federated->writer != NULL)
        replica_writer_stop(federated->writer);
    federated->writer = NULL;
}

void federated_close(struct federated *federated)
{
    links_destroy(federated->links);
    if (federated->wakes != NULL)
        wakes_destroy(federated->wakes);
    if (federated->replica != NULL)
        replica_close(federated->replica);
    if (federated->store != NULL)
        federated->store->ops->close(federated->store);
    roster_unref(federated->roster);
    *federated = (struct federated){0};
}
