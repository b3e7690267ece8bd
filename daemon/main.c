/*
 * main.c - vacancyd: reads the options, starts the parts in order, runs, stops them in the opposite order.
 *
 * Owns: the order. `struct hub` holds each part; stop() takes it down once, whatever was started.
 * Thread: main's. Invariant: a part is started after all that it uses, and stopped before them.
 */
#include "daemon/access/access.h"
#include "daemon/access/disclosure.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/version.h"
#include "daemon/command_line.h"
#include "daemon/federated.h"
#include "daemon/gazetteer/import.h"
#include "daemon/match/match_watch.h"
#include "daemon/net/net.h"
#include "daemon/options.h"
#include "daemon/register/backup_restore.h"
#include "daemon/register/writer.h"
#include "daemon/rpc/rpc.h"
#include "daemon/service/health.h"
#include "daemon/service/reflection.h"
#include "daemon/service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#if __has_include(<systemd/sd-daemon.h>)
#include <systemd/sd-daemon.h>
#else
static void sd_notify(int unset_environment, const char *state)
{
    (void)unset_environment;
    (void)state;
}
#endif

#define SERVICES_MAX       16
#define SERVICE_NAME_BYTES 64

struct hub {
    struct options options;
    uint32_t workers;
    struct tls_context *tls; /* until net has it */
    struct signer *signer;
    struct gazetteer *gazetteer;
    struct store *store;
    struct home *home;
    struct access *access;
    struct match *match;
    struct disclosures *disclosures;
    struct federated federated; /* empty without a roster */
    struct wakes *events;       /* agencies' streams that wait for a commit */
    struct change_port links_changed;
    struct writer *writer;
    struct backups *backups;
    struct verifier *verifier;
    struct service_context services;
    struct health *health;
    struct reflection *reflection;
    struct rpc *rpc;
    struct net *net;
    char service_names[SERVICES_MAX][SERVICE_NAME_BYTES]; /* what health knows */
    const char *service_name_list[SERVICES_MAX];
    uint32_t service_count;
};

/* --- the parts ------------------------------------------------------------------------------------------------- */

static void raise_descriptor_limit(int64_t connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + 256; /* the rest: store, log, event loops */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_warn("main", "only %llu file descriptors may be open (ulimit -n): too few for %lld connections",
                 (unsigned long long)limit.rlim_cur, (long long)connections);
}

static enum err open_tls(const struct options *options, struct tls_context **out, struct problem *problem)
{
    const struct tls_options tls = {.role = TLS_SERVER,
                                    .certificate_path = options->certificate,
                                    .key_path = options->key,
                                    .ca_path = options->ca,
                                    .crl_path = options->crl};
    return tls_context_create(&tls, out, problem);
}

/* Exactly `bytes` octets from a file that only its owner can read. */
static enum err load_secret(const char *path, uint8_t *out, size_t bytes, struct problem *problem)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return problem_set(problem, ERR_NOT_FOUND, "region.reference-secret", "%.120s can't be read: %s", path,
                           strerror(errno));
    struct stat about;
    uint8_t beyond;
    enum err err = ERR_NONE;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || (about.st_mode & 077) != 0)
        err = problem_set(problem, ERR_FORBIDDEN, "region.reference-secret",
                          "%.120s must be a file that only its owner can read: chmod 600", path);
    else if (read(fd, out, bytes) != (ssize_t)bytes || read(fd, &beyond, 1) != 0)
        err = problem_set(problem, ERR_INVALID, "region.reference-secret", "%.120s must hold %zu bytes", path, bytes);
    close(fd);
    return err;
}

static enum err load_keys(struct hub *hub, struct home_options *home, struct problem *problem)
{
    enum err err = signer_load(hub->options.signing_key, &hub->signer, problem);
    if (err == ERR_NONE)
        err =
            load_secret(hub->options.reference_secret, home->reference_secret, sizeof home->reference_secret, problem);
    return err;
}

/* The last folder of the path only: a missing parent is more likely a mistake, or a disk that is not mounted. */
static enum err make_folder(const char *path, struct problem *problem)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return problem_set(problem, ERR_NOT_FOUND, "hub.data", "%.160s can't be made: %s", path, strerror(errno));
    return ERR_NONE;
}

/* The home environment, perhaps a backup's that was unpacked here. */
static enum err open_home(struct hub *hub, struct home_options *home, struct problem *problem)
{
    const struct options *options = &hub->options;
    const struct store_lmdb_options store = {.folder = options->data,
                                             .map_bytes = (uint64_t)options->map_bytes,
                                             .limit_bytes = (uint64_t)options->limit_bytes,
                                             .reserve_bytes = (uint64_t)options->reserve_bytes};
    struct restore restore = {.folder = options->data,
                              .region = options->region,
                              .signer = hub->signer,
                              .now_ms = clock_wall_ms(clock_system()),
                              .max_age_ms = options->backup_max_age_ms};
    enum err err = make_folder(options->data, problem);
    if (err == ERR_NONE)
        err = backup_restore_look(&restore, problem);
    home->restored = restore.found;
    home->restored_epoch = restore.note.epoch;
    home->restored_sequence = restore.note.sequence;
    if (err == ERR_NONE)
        err = store_lmdb_open(&store, &hub->store, problem);
    if (err == ERR_NONE)
        err = home_open(home, hub->store, &hub->home, problem);
    if (err == ERR_NONE)
        err = backup_restore_settle(&restore, hub->home, problem);
    return err;
}

/* Before any thread: LMDB must be opened after the last fork. */
static enum err open_register(struct hub *hub, struct problem *problem)
{
    const struct options *options = &hub->options;
    struct home_options home = {.clock = clock_system(),
                                .randomness = random_system(),
                                .payload_kept_ms = options->payload_kept_ms,
                                .policy = options->policy};
    snprintf(home.region, sizeof home.region, "%s", options->region);
    enum err err = load_keys(hub, &home, problem);
    home.signer = hub->signer;
    if (err == ERR_NONE)
        err = federated_read(&hub->federated, options, hub->signer, problem);
    home.has_peers = federated_has_peers(&hub->federated);
    home.roster_version = hub->federated.roster != NULL ? hub->federated.roster->version : 0;
    if (err == ERR_NONE)
        err = gazetteer_load(options->postcodes, &hub->gazetteer, problem);
    if (err == ERR_NONE)
        err = open_home(hub, &home, problem);
    explicit_bzero(home.reference_secret, sizeof home.reference_secret);
    if (err == ERR_NONE)
        err = federated_open(&hub->federated, problem);
    return err;
}

static void create_access(struct hub *hub)
{
    struct access_options options = {
        .issuers = hub->options.issuer_bindings, .issuer_count = hub->options.issuers.count, .clock = clock_system()};
    snprintf(options.trust_domain, sizeof options.trust_domain, "%s", hub->options.trust_domain);
    snprintf(options.region, sizeof options.region, "%s", hub->options.region);
    hub->access = access_create(&options);
    access_set_roster(hub->access, hub->federated.roster);
}

static void tell_changed(void *ctx)
{
    const struct hub *hub = ctx;
    if (hub->links_changed.changed != NULL)
        hub->links_changed.changed(hub->links_changed.ctx);
    wakes_of(hub->events, WAKE_HOME);
}

/* access and match learn what stands, and then of each commit; the writers start last. */
static enum err start_register(struct hub *hub, struct problem *problem)
{
    create_access(hub);
    hub->match = match_create(hub->gazetteer, hub->options.region);
    const struct commit_observer observers[] = {access_observer(hub->access), match_observer(hub->match)};
    enum err err = ERR_NONE;
    for (size_t i = 0; i < sizeof observers / sizeof observers[0] && err == ERR_NONE; i++)
        err = home_observe(hub->home, &observers[i]);
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "the register can't be read whole: %s", err_name(err));
    err = disclosures_open(hub->store, hub->home, hub->options.region, clock_system(), hub->signer, &hub->disclosures,
                           problem);
    if (err != ERR_NONE)
        return err;
    err = federated_create(&hub->federated, hub->home, hub->match, problem);
    if (err != ERR_NONE)
        return err;
    const struct change_port changed = {.changed = tell_changed, .ctx = hub};
    hub->events = wakes_create();
    hub->links_changed = federated_changed(&hub->federated);
    err = disclosures_start(hub->disclosures);
    const struct backups_options backups = {.home = hub->home,
                                            .store = hub->store,
                                            .folder = hub->options.data,
                                            .clock = clock_system(),
                                            .reserve_bytes = (uint64_t)hub->options.reserve_bytes};
    hub->backups = backups_create(&backups);
    if (err == ERR_NONE)
        err = writer_start(hub->home, (uint32_t)hub->options.write_queue, &changed, &hub->writer);
    if (err != ERR_NONE)
        return problem_set(problem, err, "", "a thread can't be started: %s", err_name(err));
    return federated_start(&hub->federated, hub->writer, problem);
}

static enum err submit_update(void *ctx, struct update *update)
{
    return writer_submit(ctx, update);
}

static void read_counters(void *ctx, struct service_counters *out)
{
    const struct hub *hub = ctx;
    struct call_counts counts;
    rpc_counts(hub->rpc, &counts);
    *out = (struct service_counters){.connections = net_connections(hub->net)};
    for (int i = 0; i < ERR_COUNT; i++)
        out->calls += counts.ended[i];
}

static void fill_service_context(struct hub *hub)
{
    hub->verifier = verifier_create(hub->home, hub->federated.replica, hub->options.region);
    hub->services = (struct service_context){.home = hub->home,
                                             .replica = hub->federated.replica,
                                             .federation = federated_services(&hub->federated),
                                             .stale_after_ms = hub->options.stale_after_ms,
                                             .updates = {submit_update, hub->writer},
                                             .match = hub->match,
                                             .gazetteer = hub->gazetteer,
                                             .access = hub->access,
                                             .disclosures = hub->disclosures,
                                             .backups = hub->backups,
                                             .events = hub->events,
                                             .verifier = hub->verifier,
                                             .counters = read_counters,
                                             .counters_ctx = hub,
                                             .allow_sector = hub->options.allow_sector,
                                             .version = VACANCY_VERSION,
                                             .started_boot_ms = clock_boot_ms(clock_system())};
    snprintf(hub->services.region, sizeof hub->services.region, "%s", hub->options.region);
}

/* Adds methods to rpc's table, and their services to those that health knows ("/SERVICE/METHOD"). */
static void add_methods(struct hub *hub, const struct rpc_method *methods, size_t count, void *context)
{
    rpc_add(hub->rpc, methods, count, context);
    for (size_t i = 0; i < count; i++) {
        char name[SERVICE_NAME_BYTES];
        snprintf(name, sizeof name, "%.*s", (int)(strrchr(methods[i].path, '/') - methods[i].path - 1),
                 methods[i].path + 1);
        bool known = false;
        for (uint32_t j = 0; j < hub->service_count && !known; j++)
            known = strcmp(hub->service_names[j], name) == 0;
        if (known)
            continue;
        if (hub->service_count >= SERVICES_MAX)
            log_fatal("main", "more than %d services", SERVICES_MAX);
        hub->service_name_list[hub->service_count] = hub->service_names[hub->service_count];
        memcpy(hub->service_names[hub->service_count++], name, sizeof name);
    }
}

static void start_services(struct hub *hub)
{
    const struct rpc_options options = {.clock = clock_system(),
                                        .workers = hub->workers,
                                        .calls_per_worker = (uint32_t)hub->options.calls_per_worker,
                                        .unpacked_max_bytes = 2 * (size_t)hub->options.message_bytes,
                                        .unary_ms = hub->options.call_ms,
                                        .streaming_ms = hub->options.stream_ms};
    hub->rpc = rpc_create(&options);
    hub->health = health_create(hub->service_name_list, &hub->service_count, hub->access);
    hub->reflection = reflection_create(hub->access);
    fill_service_context(hub);
    size_t count;
    const struct rpc_method *methods = service_methods(&count);
    add_methods(hub, methods, count, &hub->services);
    methods = health_methods(&count);
    add_methods(hub, methods, count, hub->health);
    methods = reflection_methods(&count);
    add_methods(hub, methods, count, hub->reflection);
}

static enum err start_net(struct hub *hub, struct problem *problem)
{
    const struct options *options = &hub->options;
    struct net_options net = {.listen = options->listen,
                              .workers = hub->workers,
                              .connections_max = (uint32_t)options->connections,
                              .connections_per_principal_max = (uint32_t)options->connections_per_principal,
                              /* A call may wait for several replies; connections and good-byes come on top. */
                              .mailbox_capacity = 2 * (uint32_t)options->calls_per_worker + 1024,
                              .drain_ms = options->drain_ms,
                              .tls = hub->tls,
                              .limits = h2_limits_default,
                              .clock = clock_system()};
    net.limits.streams_max = (uint32_t)options->streams_per_connection;
    net.limits.message_bytes_max = (uint32_t)options->message_bytes;
    net.limits.handshake_ms = options->handshake_ms;
    net.limits.first_request_ms = options->first_request_ms;
    net.limits.body_ms = options->body_ms;
    net.limits.write_progress_ms = options->write_progress_ms;
    net.limits.idle_ms = options->idle_ms;
    hub->tls = NULL;
    return net_open(&net, rpc_upper(), hub->rpc, &hub->net, problem);
}

/* --- running --------------------------------------------------------------------------------------------------- */

static void on_reload(void *ctx)
{
    struct hub *hub = ctx;
    struct tls_context *tls;
    struct problem problem;
    federated_reload(&hub->federated, hub->access);
    if (open_tls(&hub->options, &tls, &problem) != ERR_NONE) {
        log_error("main", "reload: the old certificate, authority and revocation lists stay in use: %s", problem.text);
        return;
    }
    net_set_tls(hub->net, tls);
    log_info("main", "reloaded certificate, authority and revocation lists: new connections get them, open ones are "
                     "checked against them");
}

static void on_stopping(void *ctx)
{
    struct hub *hub = ctx;
    sd_notify(0, "STOPPING=1");
    health_set(hub->health, HEALTH_STOPPING);
    match_watch_end(hub->match);
    wakes_all(hub->events);
}

static enum err start(struct hub *hub, struct problem *problem)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    hub->workers = hub->options.workers > 0 ? (uint32_t)hub->options.workers : cores > 0 ? (uint32_t)cores : 1;
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit(hub->options.connections);
    log_info("main", "vacancyd %s region=%s listen=%s workers=%u", VACANCY_VERSION, hub->options.region,
             hub->options.listen, hub->workers);

    enum err err = open_tls(&hub->options, &hub->tls, problem);
    if (err == ERR_NONE)
        err = open_register(hub, problem);
    if (err == ERR_NONE)
        err = start_register(hub, problem);
    if (err != ERR_NONE)
        return err;
    start_services(hub);
    err = start_net(hub, problem);
    if (err != ERR_NONE)
        return err;
    net_start(hub->net);
    federated_link(&hub->federated);
    health_set(hub->health, HEALTH_SERVING);
    return ERR_NONE;
}

static void run(struct hub *hub)
{
    const struct net_signals signals = {.reload = on_reload, .stopping = on_stopping, .ctx = hub};
    log_info("main", "ready region=%s port=%u", hub->options.region, net_port(hub->net));
    sd_notify(0, "READY=1");
    net_run(hub->net, &signals);
}

/* Whatever was started. The writers answer what is queued before the mailboxes of links and workers go, and so do
 * backups. */
static void stop(struct hub *hub)
{
    federated_unlink(&hub->federated);
    backups_stop(hub->backups);
    verifier_stop(hub->verifier);
    if (hub->writer != NULL)
        writer_stop(hub->writer);
    federated_stop(&hub->federated);
    net_destroy(hub->net);
    tls_context_unref(hub->tls);
    rpc_destroy(hub->rpc);
    backups_destroy(hub->backups);
    verifier_destroy(hub->verifier);
    reflection_destroy(hub->reflection);
    health_destroy(hub->health);
    if (hub->disclosures != NULL)
        disclosures_close(hub->disclosures);
    federated_close(&hub->federated);
    wakes_destroy(hub->events);
    if (hub->match != NULL)
        match_destroy(hub->match);
    if (hub->access != NULL)
        access_destroy(hub->access);
    if (hub->home != NULL)
        home_close(hub->home);
    if (hub->store != NULL)
        hub->store->ops->close(hub->store);
    gazetteer_destroy(hub->gazetteer);
    if (hub->signer != NULL)
        signer_destroy(hub->signer);
    options_free(&hub->options);
}

static int run_hub(struct hub *hub)
{
    struct problem problem;
    enum err err = start(hub, &problem);
    if (err != ERR_NONE)
        log_error("main", "can't start: %s%s%s", problem.field, problem.field[0] ? ": " : "", problem.text);
    else
        run(hub);
    stop(hub);
    if (err == ERR_NONE)
        log_info("main", "stopped");
    return err == ERR_NONE ? EXIT_OK : EXIT_FAILED;
}

/* --- other things that the program does ------------------------------------------------------------------------ */

static int check_config(struct hub *hub)
{
    struct problem problem;
    struct tls_context *tls = NULL;
    struct home_options home;
    enum err err = open_tls(&hub->options, &tls, &problem);
    tls_context_unref(tls);
    if (err == ERR_NONE)
        err = load_keys(hub, &home, &problem);
    explicit_bzero(home.reference_secret, sizeof home.reference_secret);
    if (err == ERR_NONE)
        err = federated_read(&hub->federated, &hub->options, hub->signer, &problem);
    if (err == ERR_NONE)
        err = gazetteer_load(hub->options.postcodes, &hub->gazetteer, &problem);
    if (err == ERR_NONE)
        puts("The configuration is in order.");
    else
        fprintf(stderr, "vacancyd: %s\n", problem.text);
    stop(hub);
    return err == ERR_NONE ? EXIT_OK : EXIT_FAILED;
}

static void show_progress(void *ctx, uint64_t files_done, uint64_t files, uint64_t rows_read)
{
    (void)ctx;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%llu of %llu files, %llu rows", (unsigned long long)files_done, (unsigned long long)files,
                (unsigned long long)rows_read);
}

static int import_postcodes(struct hub *hub, const char *folder)
{
    struct problem problem;
    struct import_summary summary;
    enum err err;
    if (hub->options.postcodes == NULL)
        err = problem_set(&problem, ERR_INVALID, "",
                          "say in the configuration, [gazetteer] postcodes, where the file "
                          "shall be written");
    else
        err = gazetteer_import(folder, hub->options.postcodes, show_progress, NULL, &summary, &problem);
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    if (err == ERR_NONE)
        import_summary_print(&summary, stdout);
    else
        fprintf(stderr, "vacancyd: %s\n", problem.text);
    stop(hub);
    return err == ERR_NONE ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct command command = {0};
    int status = command_line_parse(argc, argv, &command);
    if (status >= 0)
        return status;
    struct hub hub = {0};
    struct problem problem;
    if (options_load(command.config, &hub.options, &problem) != ERR_NONE) {
        fprintf(stderr, "vacancyd: %s\n", problem.text);
        return EXIT_FAILED;
    }
    log_set_level(hub.options.level);
    if (command.import_folder != NULL)
        return import_postcodes(&hub, command.import_folder);
    return command.check ? check_config(&hub) : run_hub(&hub);
}
