/*
 * hub.c - see hub.h. One thread.
 */
#include "tests/sim/hub.h"

#include "tests/sim/traffic.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- clocks ------------------------------------------------------------------------------------------------------ */

static int64_t wall_ms(void *ctx)
{
    const struct sim_hub *hub = ctx;
    return hub->sim->now_ms + hub->wall_error_ms;
}

static int64_t boot_ms(void *ctx)
{
    const struct sim_hub *hub = ctx;
    return hub->sim->now_ms - hub->booted_at_ms + 1;
}

static void boot_id(void *ctx, uint8_t out[BOOT_ID_BYTES])
{
    const struct sim_hub *hub = ctx;
    memset(out, 0, BOOT_ID_BYTES);
    memcpy(out, &hub->booted_at_ms, sizeof hub->booted_at_ms);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

struct sim_hub *hub_create(struct sim *sim)
{
    struct sim_hub *hub = calloc(1, sizeof *hub);
    uint8_t seed[32];
    if (hub == NULL)
        abort();
    hub->sim = sim;
    hub->booted_at_ms = sim->now_ms;
    hub->clock = (struct clock_source){.wall_ms = wall_ms, .boot_ms = boot_ms, .boot_id = boot_id, .ctx = hub};
    hub->randomness = seeded_random_source(&sim->chance);
    random_fill(&hub->randomness, seed, sizeof seed);
    hub->signer = signer_from_seed(seed);
    strcpy(hub->issuer.region, SIM_REGION);
    memset(hub->issuer.key_sha256, SIM_ISSUER_OCTET, DIGEST_BYTES);
    hub->seam = seam_create(sim);
    hub->model.hub = hub;
    proof_init(&hub->proof, hub);
    return hub;
}

static void close_parts(struct sim_hub *hub)
{
    disclosures_close(hub->disclosures);
    home_close(hub->home);
    match_destroy(hub->match);
    access_destroy(hub->access);
    hub->disclosures = NULL;
    hub->home = NULL;
    hub->match = NULL;
    hub->access = NULL;
}

void hub_destroy(struct sim_hub *hub)
{
    if (hub->up)
        hub_kill(hub, false);
    proof_finish(&hub->proof);
    seam_destroy(hub->seam);
    signer_destroy(hub->signer);
    free(hub);
}

static enum err submit(void *ctx, struct update *update)
{
    struct sim_hub *hub = ctx;
    if (hub->queue_count == SIM_QUEUE)
        return ERR_LIMIT;
    struct operation *operation = hub->submitting;
    sim_require(hub->sim, operation != NULL && update->kind == operation->kind, "an update that nobody asked for");
    operation->submitted = true;
    hub->queue[hub->queue_count++] = (struct queued){update, operation};
    return ERR_NONE;
}

static enum err open_parts(struct sim_hub *hub, struct problem *problem)
{
    struct home_options options = {
        .region = SIM_REGION,
        .clock = &hub->clock,
        .randomness = &hub->randomness,
        .signer = hub->signer,
        .reference_secret = {1, 2, 3},
        .policy = {.lapse_emergency_ms = SIM_LAPSE_EMERGENCY_MS,
                   .lapse_ms = SIM_LAPSE_MS,
                   .holds_each = SIM_HOLDS_EACH},
    };
    struct access_options access = {
        .trust_domain = SIM_DOMAIN,
        .region = SIM_REGION,
        .issuers = &hub->issuer,
        .issuer_count = 1,
        .clock = &hub->clock,
    };
    enum err err = home_open(&options, &hub->seam->store, &hub->home, problem);
    if (err != ERR_NONE)
        return err;
    hub->match = match_create(hub->sim->gazetteer, SIM_REGION);
    hub->access = access_create(&access);
    proof_forget_mirror(&hub->proof);
    struct commit_observer observers[] = {match_observer(hub->match), access_observer(hub->access),
                                          proof_observer(&hub->proof)};
    for (size_t i = 0; i < sizeof observers / sizeof observers[0]; i++)
        if ((err = home_observe(hub->home, &observers[i])) != ERR_NONE)
            return err;
    return disclosures_open(&hub->seam->store, hub->home, SIM_REGION, &hub->clock, hub->signer, &hub->disclosures,
                            problem);
}

void hub_start(struct sim_hub *hub)
{
    struct problem problem = {0};
    enum err err = open_parts(hub, &problem);
    if (err != ERR_NONE) {
        bool full = err == ERR_STORE_FULL && hub->disk_full;
        sim_require(hub->sim, hub->seam->dead || full, "the hub does not start: %s %s", err_name(err), problem.text);
        sim_note(hub->sim, "start failed: %s", err_name(err));
        sim_cover(COVERED_DIED_AT_START);
        close_parts(hub);
        return;
    }
    hub->context = (struct service_context){
        .home = hub->home,
        .updates = {.submit = submit, .ctx = hub},
        .match = hub->match,
        .gazetteer = hub->sim->gazetteer,
        .access = hub->access,
        .disclosures = hub->disclosures,
        .region = SIM_REGION,
        .allow_sector = true,
        .version = "sim",
        .started_boot_ms = clock_boot_ms(&hub->clock),
    };
    calls_open(&hub->calls, &(struct calls_hub){.sim = hub->sim,
                                                .seam = hub->seam,
                                                .clock = &hub->clock,
                                                .context = &hub->context,
                                                .hub = hub,
                                                .places = SIM_QUEUE});
    /* From here on the disk's planned death is the next step's. */
    hub->seam->calls_until_death = -1;
    if (hub->seam->dead) {
        calls_close(&hub->calls);
        close_parts(hub);
        return;
    }
    hub->up = true;
    hub->life++;
    proof_restarted(&hub->proof, hub->power_was_cut);
    hub->power_was_cut = false;
    model_compare(&hub->model, INT64_MIN);
    model_compare_all_holds(&hub->model);
}

static void drop_queue(struct sim_hub *hub)
{
    for (uint32_t i = 0; i < hub->queue_count; i++) {
        mailbox_unreserve(hub->queue[i].update->reply.mailbox);
        update_destroy(hub->queue[i].update);
    }
    hub->queue_count = 0;
}

void hub_kill(struct sim_hub *hub, bool power_cut)
{
    sim_note(hub->sim, power_cut ? "power cut" : "kill -9");
    hub->seam->dead = true; /* nothing that freeing calls may do reaches the disk */
    if (hub->up) {
        drop_queue(hub);
        calls_close(&hub->calls);
        close_parts(hub);
    }
    hub->up = false;
    hub->power_was_cut = hub->power_was_cut || power_cut;
    seam_revive(hub->seam, power_cut);
}

bool hub_bury(struct sim_hub *hub, bool power_cut)
{
    if (!hub->seam->dead)
        return false;
    hub_kill(hub, power_cut);
    return true;
}

void hub_stop(struct sim_hub *hub)
{
    sim_note(hub->sim, "stop");
    while (hub->queue_count > 0 && !hub->seam->dead)
        hub_writer_turn(hub, APPLY_BATCH_MAX);
    if (!hub->seam->dead)
        hub_sign_head(hub);
    if (hub_bury(hub, false))
        return;
    calls_close(&hub->calls);
    close_parts(hub);
    hub->up = false;
}

/* --- the writer -------------------------------------------------------------------------------------------------- */

/* Design 4.8: a write's audit row is in its transaction: who, by which method, done or refused; in the batch's order.
 * What had run out before it was ended first, with rows of its own: of so many transactions, how many it can have been.
 */
static void check_audit_rows(struct sim_hub *hub, uint64_t before, const struct queued *batch, uint32_t count,
                             uint64_t commits)
{
    struct audit_row rows[2 * SIM_QUEUE + 1];
    struct arena arena;
    size_t got;
    uint32_t done = 0, expiries = 0;
    arena_init(&arena, 1 << 20);
    hub->seam->looking++;
    enum err err = home_read_audit(hub->home, before + 1, &arena, rows, 2 * SIM_QUEUE + 1, &got);
    hub->seam->looking--;
    sim_require(hub->sim, err == ERR_NONE, "the audit trail can't be read: %s", err_name(err));
    for (size_t i = 0; i < got; i++) {
        Vacancy__V1__AuditRecord *record =
            vacancy__v1__audit_record__unpack(NULL, rows[i].octets.size, rows[i].octets.data);
        sim_require(hub->sim, record != NULL, "an audit row can't be read");
        if (strcmp(record->method, "expire") == 0) {
            expiries++;
        } else {
            const struct update *update = batch[done < count ? done : 0].update;
            sim_require(hub->sim,
                        done++ < count && strcmp(record->principal, update->principal) == 0 &&
                            strcmp(record->method, update->method) == 0 &&
                            (record->code == 0) == (update->result.problem.code == ERR_NONE),
                        "an audit row says other than what was done");
        }
        vacancy__v1__audit_record__free_unpacked(record, NULL);
    }
    hub->batch_committed = done > 0;
    sim_require(hub->sim, done == count || (done == 0 && commits <= expiries), "%u updates left %u audit rows", count,
                done);
    arena_finish(&arena);
}

/* What a batch answered, told to the model in the order of the log, then to the clients. */
static void settle(struct sim_hub *hub, const struct queued *batch, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct update *update = batch[i].update;
        model_apply(&hub->model, batch[i].operation, update);
        struct mail mail = {.kind = update->reply.kind, .to = update->reply.to, .payload = update};
        mailbox_send_reserved(update->reply.mailbox, &mail);
    }
}

void hub_writer_turn(struct sim_hub *hub, uint32_t most)
{
    struct update *updates[SIM_QUEUE];
    struct queued batch[SIM_QUEUE];
    uint32_t count = hub->queue_count < most ? hub->queue_count : most;
    if (count == 0)
        return;
    memcpy(batch, hub->queue, count * sizeof *batch);
    hub->queue_count -= count;
    memmove(hub->queue, hub->queue + count, hub->queue_count * sizeof *hub->queue);
    for (uint32_t i = 0; i < count; i++)
        updates[i] = batch[i].update;
    uint64_t commits = hub->seam->commits;
    struct audit_position audit;
    home_audit_position(hub->home, &audit);
    home_apply(hub->home, updates, count);
    sim_note(hub->sim, "applied a batch of %u: %" PRIu64 " commits%s", count, hub->seam->commits - commits,
             hub->seam->dead ? ", the disk died" : "");
    hub->batch_committed = hub->seam->commits > commits;
    if (!hub->seam->dead) {
        check_audit_rows(hub, audit.sequence, batch, count, hub->seam->commits - commits);
        model_learn_expired(&hub->model, hub->batch_committed && !hub->disk_full);
    }
    settle(hub, batch, count);
    if (!hub->seam->dead)
        calls_turn(&hub->calls);
}

void hub_lapse(struct sim_hub *hub, size_t most)
{
    int64_t next_due_ms = 0, now_ms = clock_wall_ms(&hub->clock);
    bool writable = home_writable(hub->home);
    size_t lapsed = home_lapse(hub->home, most, &next_due_ms);
    sim_note(hub->sim, "lapsed %zu of at most %zu", lapsed, most);
    if (hub->seam->dead || hub->disk_full || !writable || !home_writable(hub->home))
        return;
    if (lapsed > 0)
        sim_cover(COVERED_VACANCIES_LAPSED);
    sim_require(hub->sim, lapsed <= most, "%zu lapsed, at most %zu were asked for", lapsed, most);
    model_learn_expired(&hub->model, lapsed < most);
    model_compare(&hub->model, lapsed < most ? now_ms : INT64_MIN);
}

static void search_beside_sync(void *ctx)
{
    struct sim_hub *hub = ctx;
    sim_note(hub->sim, "while a segment is synced:");
    sim_cover(COVERED_SEARCHED_BESIDE_SYNC);
    traffic_find(hub);
}

void hub_sign_head(struct sim_hub *hub)
{
    struct signed_head head;
    /* (Not at a stop: what the writer has just done is not compared yet.) */
    if (hub->checked_commits == hub->seam->commits && once_in(hub->sim, 2)) {
        hub->seam->beside_sync = search_beside_sync;
        hub->seam->beside_sync_ctx = hub;
    }
    enum err err = disclosure_head(hub->disclosures);
    hub->seam->beside_sync = NULL;
    if (err == ERR_NONE && once_in(hub->sim, 2))
        return; /* and nothing covers what was shown meanwhile: a power cut may take it, and no more than that */
    if (err == ERR_NONE)
        err = disclosures_last_head(hub->disclosures, &head);
    if (err == ERR_NONE) {
        sim_cover(COVERED_HEAD_SIGNED);
        proof_head(&hub->proof, &head);
        return;
    }
    sim_require(hub->sim, hub->seam->dead || hub->disk_full, "no head could be signed: %s", err_name(err));
}

void hub_check(struct sim_hub *hub)
{
    int64_t now_ms = clock_wall_ms(&hub->clock);
    if (now_ms > hub->latest_wall_ms)
        hub->latest_wall_ms = now_ms;
    if (!hub->up)
        return;
    uint64_t epoch, sequence;
    home_position(hub->home, &epoch, &sequence);
    if (hub->seam->commits == hub->checked_commits)
        return;
    hub->checked_commits = hub->seam->commits;
    proof_catch_up(&hub->proof);
    model_compare(&hub->model, INT64_MIN);
    traffic_compare_match(hub);
}
