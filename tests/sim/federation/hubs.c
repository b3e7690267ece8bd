/*
 * hubs.c - see hubs.h. One thread.
 */
#include "tests/sim/federation/hubs.h"

#include "daemon/record/bytes.h"
#include "tests/sim/federation/beds.h"
#include "tests/sim/federation/forwards.h"
#include "tests/sim/federation/network.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

/* --- names and clocks -------------------------------------------------------------------------------------------- */

void fed_hub_name(const struct fed_hub *hub, char out[SPIFFE_NAME_BYTES])
{
    struct spiffe_name name = {.kind = SPIFFE_HUB};
    memcpy(name.region, world_region(hub->region), sizeof name.region);
    spiffe_format(&name, WORLD_DOMAIN, out);
}

void fed_hub_issuer(uint32_t region, uint8_t out[DIGEST_BYTES])
{
    memset(out, SIM_ISSUER_OCTET, DIGEST_BYTES);
    out[0] = (uint8_t)region;
}

static int64_t wall_ms(void *ctx)
{
    const struct fed_hub *hub = ctx;
    return hub->world->sim.now_ms + hub->wall_error_ms;
}

static int64_t boot_ms(void *ctx)
{
    const struct fed_hub *hub = ctx;
    return hub->world->sim.now_ms - hub->booted_at_ms + 1;
}

static void boot_id(void *ctx, uint8_t out[BOOT_ID_BYTES])
{
    const struct fed_hub *hub = ctx;
    put_be64(out, hub->index);
    put_be64(out + 8, hub->boots);
}

void fed_hub_reboot(struct fed_hub *hub)
{
    hub->booted_at_ms = hub->world->sim.now_ms;
    hub->boots++;
    sim_note(&hub->world->sim, "hub %u: its machine is started anew", hub->index);
}

/* --- the home writer: writer.c's turn ----------------------------------------------------------------------------- */

static void home_turn(struct world *world, const struct event *event);
static void updated(struct world *world, const struct event *event);

static int64_t turn_after_us(struct fed_hub *hub, int64_t usually_us)
{
    struct sim *sim = &hub->world->sim;
    int64_t most_us = hub->writers_slow_us > 0 ? hub->writers_slow_us : once_in(sim, 20) ? SECOND_US : usually_us;
    return between(sim, 20, most_us);
}

static void home_soon(struct fed_hub *hub)
{
    if (hub->home_booked)
        return;
    hub->home_booked = true;
    world_book(hub->world, turn_after_us(hub, 5000), hub->index, home_turn, 0);
}

enum err fed_hub_submit(void *ctx, struct update *update)
{
    struct fed_hub *hub = ctx;
    if (hub->update_count == HUB_QUEUE)
        return ERR_LIMIT;
    if (update->reply.mailbox != NULL && update->kind < UPDATE_HOLD && once_in(&hub->world->sim, 2))
        update->wait_replicated = true; /* as its request may ask for */
    hub->updates[hub->update_count++] = update;
    home_soon(hub);
    return ERR_NONE;
}

static void changed(struct fed_hub *hub)
{
    wakes_all(hub->wakes);
    wakes_all(hub->events);
    federation_changed(hub->federation);
    fed_hub_tick_soon(hub);
    fed_hub_turn_soon(hub);
}

static void answer(struct fed_hub *hub, struct update *update)
{
    struct world *world = hub->world;
    if (update->result.problem.code == ERR_NONE && update->result.replicated)
        truth_promised(world, hub, update->result.epoch, update->result.sequence);
    if (update->reply.mailbox != NULL) {
        const struct mail mail = {.kind = update->reply.kind,
                                  .to = update->reply.to,
                                  .error = update->result.problem.code,
                                  .payload = update};
        mailbox_send_reserved(update->reply.mailbox, &mail);
        fed_hub_turn_soon(hub);
        return;
    }
    if (update->kind == UPDATE_PROMOTE) { /* an operator's, not the logic's */
        if (update->result.problem.code == ERR_NONE && update->as.promote.accept_loss)
            world->loss_accepted[hub->region] = true;
        sim_note(&world->sim, "hub %u: promote: %s %s", hub->index, err_name(update->result.problem.code),
                 update->result.problem.text);
        update_destroy(update);
        return;
    }
    hub->updated[hub->updated_count++] = update;
    if (!hub->updated_booked)
        world_book(world, between(&world->sim, 0, 2000), hub->index, updated, 0);
    hub->updated_booked = true;
}

static void updated(struct world *world, const struct event *event)
{
    struct fed_hub *hub = world->hubs[event->hub];
    hub->updated_booked = false;
    for (uint32_t i = 0; i < hub->updated_count; i++)
        federation_updated(hub->federation, hub->updated[i]);
    hub->updated_count = 0;
    fed_hub_tick_soon(hub);
}

/* Answers whom peers' positions or the time release. */
static void release(struct fed_hub *hub)
{
    struct update *update;
    replicated_reached(hub->waits, hub->peers_epoch, hub->peers_sequence);
    while ((update = replicated_next(hub->waits, clock_boot_ms(&hub->clock))) != NULL)
        answer(hub, update);
}

static bool died(const struct fed_hub *hub)
{
    return hub->home_disk->dead || hub->replica_disk->dead;
}

static void note_updates(struct fed_hub *hub, struct update *const *updates, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        enum err code = updates[i]->result.problem.code;
        sim_note(&hub->world->sim, "hub %u: update of kind %d: %s %s entry %" PRIu64, hub->index, (int)updates[i]->kind,
                 err_name(code), code != ERR_NONE ? updates[i]->result.problem.text : "", updates[i]->result.sequence);
    }
}

/* Design section 9, Restore: then a new epoch. That peers would stop a hub which goes on in its old one is no excuse.
 */
static void check_restored(struct fed_hub *hub, enum home_standing before, uint64_t epoch_before)
{
    uint64_t epoch, sequence;
    home_position(hub->home, &epoch, &sequence);
    sim_require(&hub->world->sim,
                before != STANDING_RESTORING || home_standing_now(hub->home) != STANDING_DECIDING ||
                    epoch > epoch_before,
                "hub %u decides after a restore in epoch %" PRIu64 ", in which it stood before", hub->index, epoch);
}

static void home_turn(struct world *world, const struct event *event)
{
    struct fed_hub *hub = world->hubs[event->hub];
    struct update *updates[HUB_QUEUE];
    uint32_t most = 1 + below(&world->sim, 12), count = hub->update_count < most ? hub->update_count : most;
    uint64_t epoch, before, after;
    hub->home_booked = false;
    memcpy(updates, hub->updates, count * sizeof *updates);
    home_position(hub->home, &epoch, &before);
    enum home_standing standing = home_standing_now(hub->home);
    home_apply(hub->home, updates, count);
    if (died(hub))
        return; /* nobody is answered any more; fed_hub_kill frees what is still in the queue */
    check_restored(hub, standing, epoch);
    hub->update_count -= count;
    memmove(hub->updates, hub->updates + count, hub->update_count * sizeof *hub->updates);
    note_updates(hub, updates, count);
    truth_learn(world, hub);
    for (uint32_t i = 0; i < count; i++)
        if (!updates[i]->wait_replicated || updates[i]->result.problem.code != ERR_NONE ||
            !replicated_wait(hub->waits, updates[i], clock_boot_ms(&hub->clock)))
            answer(hub, updates[i]);
    release(hub);
    home_position(hub->home, &epoch, &after);
    if (after != before)
        changed(hub);
    if (hub->update_count > 0)
        home_soon(hub);
}

/* What time does at the home writer. */
static void home_idle(struct world *world, const struct event *event)
{
    struct fed_hub *hub = world->hubs[event->hub];
    int64_t next_due_ms, beat_ms = 1000;
    size_t lapsed = home_lapse(hub->home, 256, &next_due_ms);
    bool newer = !died(hub) && home_heartbeat(hub->home, &beat_ms);
    if (died(hub))
        return;
    if (lapsed > 0)
        truth_learn(world, hub);
    if (lapsed > 0 || newer)
        changed(hub);
    if (lapsed > 0)
        sim_cover(COVERED_LAPSED_IN_FEDERATION);
    release(hub);
    beat_ms = beat_ms < 1 ? 1 : beat_ms > 1000 ? 1000 : beat_ms;
    world_book(world, beat_ms * 1000, hub->index, home_idle, 0);
}

/* --- the replica writer: replica_writer.c's turn -------------------------------------------------------------------
 */

static void replica_turn(struct world *world, const struct event *event);
static void worked(struct world *world, const struct event *event);

static void replica_soon(struct fed_hub *hub)
{
    if (hub->replica_booked)
        return;
    hub->replica_booked = true;
    world_book(hub->world, turn_after_us(hub, 5000), hub->index, replica_turn, 0);
}

static enum err port_work(void *ctx, struct replica_work *work)
{
    struct fed_hub *hub = ctx;
    if (hub->work_count == REPLICA_WORKS_MAX || once_in(&hub->world->sim, 50))
        return ERR_LIMIT;
    hub->works[hub->work_count++] = work;
    replica_soon(hub);
    return ERR_NONE;
}

static void cover_work(struct fed_hub *hub, const struct replica_work *work)
{
    static const enum sim_covered verdicts[] = {
        [VERDICT_APPLIED] = COVERED_VERDICT_APPLIED, [VERDICT_STAGED] = COVERED_VERDICT_STAGED,
        [VERDICT_KNOWN] = COVERED_VERDICT_KNOWN,     [VERDICT_GAP] = COVERED_VERDICT_GAP,
        [VERDICT_LIE] = COVERED_VERDICT_LIE,         [VERDICT_FROZEN] = COVERED_VERDICT_FROZEN,
        [VERDICT_STORE] = COVERED_VERDICT_STORE,
    };
    static const char *const kinds[] = {"?", "batch", "begin", "headers", "records", "log", "drop"};
    sim_note(&hub->world->sim, "hub %u: %s of %s from %u: %s %s, stands at %" PRIu64, hub->index, kinds[work->kind],
             work->region, work->source >> 24, replica_verdict_name(work->verdict), work->problem.text,
             work->cursor.sequence);
    sim_require(&hub->world->sim, work->verdict != VERDICT_NONE && work->verdict != VERDICT_TOO_LARGE,
                "hub %u: a work came back with verdict %s", hub->index, replica_verdict_name(work->verdict));
    if (work->verdict < sizeof verdicts / sizeof verdicts[0] && verdicts[work->verdict] != 0)
        sim_cover(verdicts[work->verdict]);
    if (work->kind == WORK_SNAPSHOT_LOG && work->verdict == VERDICT_APPLIED)
        sim_cover(COVERED_SNAPSHOT_PUBLISHED);
}

static void replica_turn(struct world *world, const struct event *event)
{
    struct fed_hub *hub = world->hubs[event->hub];
    uint32_t most = 1 + below(&world->sim, 16), count = hub->work_count < most ? hub->work_count : most;
    hub->replica_booked = false;
    if (hub->replica_roster != NULL) {
        replica_set_roster(hub->replica, hub->replica_roster);
        roster_unref(hub->replica_roster);
        hub->replica_roster = NULL;
    }
    uint64_t commits = hub->replica_disk->commits;
    if (count > 0)
        replica_apply(hub->replica, hub->works, count);
    bool more = count == hub->work_count && !died(hub) && replica_tidy(hub->replica);
    if (died(hub))
        return;
    for (uint32_t i = 0; i < count; i++) {
        cover_work(hub, hub->works[i]);
        sim_require(&world->sim, hub->worked_count < REPLICA_WORKS_MAX * 2, "works come back and nobody takes them");
        hub->worked[hub->worked_count++] = hub->works[i];
    }
    hub->work_count -= count;
    memmove(hub->works, hub->works + count, hub->work_count * sizeof *hub->works);
    if (hub->worked_count > 0 && !hub->worked_booked) {
        hub->worked_booked = true;
        world_book(world, between(&world->sim, 0, 2000), hub->index, worked, 0);
    }
    if (hub->replica_disk->commits != commits)
        changed(hub);
    if (hub->work_count > 0 || more)
        replica_soon(hub);
}

static void worked(struct world *world, const struct event *event)
{
    struct fed_hub *hub = world->hubs[event->hub];
    struct replica_work *works[REPLICA_WORKS_MAX * 2];
    uint32_t count = hub->worked_count;
    hub->worked_booked = false;
    memcpy(works, hub->worked, count * sizeof *works);
    hub->worked_count = 0;
    for (uint32_t i = 0; i < count; i++)
        federation_worked(hub->federation, works[i]);
    fed_hub_tick_soon(hub);
}

/* A little time passes for the replica writer too: it tidies when nothing waits. */
static void replica_idle(struct world *world, const struct event *event)
{
    replica_soon(world->hubs[event->hub]);
    world_book(world, 5 * SECOND_US, event->hub, replica_idle, 0);
}

/* --- the logic -----------------------------------------------------------------------------------------------------
 */

static enum err port_update(void *ctx, struct update *update)
{
    update->reply = (struct reply_address){0};
    return fed_hub_submit(ctx, update);
}

static void port_replicated(void *ctx, uint64_t epoch, uint64_t sequence)
{
    struct fed_hub *hub = ctx;
    bool further = epoch > hub->peers_epoch || (epoch == hub->peers_epoch && sequence > hub->peers_sequence);
    if (!further)
        return;
    sim_note(&hub->world->sim, "hub %u hears that a peer has its log up to %" PRIu64 ".%" PRIu64, hub->index, epoch,
             sequence);
    hub->peers_epoch = epoch;
    hub->peers_sequence = sequence;
    home_soon(hub);
}

static void port_roster(void *ctx, const struct roster *roster)
{
    struct fed_hub *hub = ctx;
    roster_ref(roster);
    roster_unref(hub->replica_roster);
    hub->replica_roster = roster;
    replica_soon(hub);
}

static void tick(struct world *world, const struct event *event)
{
    struct fed_hub *hub = world->hubs[event->hub];
    if (event->arg != hub->tick)
        return;
    int64_t at_ms = federation_tick(hub->federation) - clock_boot_ms(&hub->clock);
    at_ms = at_ms < 1 ? 1 : at_ms > 1000 ? 1000 : at_ms;
    world_book(world, at_ms * 1000, hub->index, tick, ++hub->tick);
}

void fed_hub_tick_soon(struct fed_hub *hub)
{
    if (hub->up)
        world_book(hub->world, between(&hub->world->sim, 0, 500), hub->index, tick, ++hub->tick);
}

static void turn(struct world *world, const struct event *event)
{
    struct fed_hub *hub = world->hubs[event->hub];
    hub->turn_booked = false;
    network_turn(world, hub);
}

void fed_hub_turn_soon(struct fed_hub *hub)
{
    if (hub->turn_booked || !hub->up)
        return;
    hub->turn_booked = true;
    world_book(hub->world, between(&hub->world->sim, 0, 500), hub->index, turn, 0);
}

/* As links does: streams that wait are woken for their sign of life. */
static void wake(struct world *world, const struct event *event)
{
    struct fed_hub *hub = world->hubs[event->hub];
    wakes_all(hub->wakes);
    fed_hub_turn_soon(hub);
    world_book(world, FEDERATION_PING_MS * 1000, hub->index, wake, 0);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static struct fed_hub *new_hub(struct world *world, uint32_t region)
{
    struct fed_hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL)
        abort();
    sim_require(&world->sim, world->hub_count < WORLD_HUBS_MAX, "more hubs than there is room for");
    hub->world = world;
    hub->index = world->hub_count;
    hub->region = region;
    hub->booted_at_ms = world->sim.now_ms;
    hub->clock = (struct clock_source){.wall_ms = wall_ms, .boot_ms = boot_ms, .boot_id = boot_id, .ctx = hub};
    hub->randomness = seeded_random_source(&world->sim.chance);
    hub->head = NO_ENTRY;
    hub->roster = NULL;
    world->hubs[world->hub_count++] = hub;
    return hub;
}

struct fed_hub *fed_hub_create(struct world *world, uint32_t region)
{
    struct fed_hub *hub = new_hub(world, region);
    random_fill(&hub->randomness, hub->seed, sizeof hub->seed);
    hub->signer = signer_from_seed(hub->seed);
    hub->home_disk = seam_create(&world->sim);
    hub->replica_disk = seam_create(&world->sim);
    hub->payload_kept_ms = once_in(&world->sim, 3) ? between(&world->sim, 5 * SECOND_MS, 5 * MINUTE_MS) : 0;
    return hub;
}

struct fed_hub *fed_hub_clone(struct fed_hub *hub)
{
    struct fed_hub *clone = new_hub(hub->world, hub->region);
    memcpy(clone->seed, hub->seed, sizeof clone->seed);
    clone->signer = signer_from_seed(clone->seed);
    clone->home_disk = seam_create(&hub->world->sim);
    clone->replica_disk = seam_create(&hub->world->sim);
    seam_replace(clone->home_disk, seam_copy(hub->home_disk));
    seam_replace(clone->replica_disk, seam_copy(hub->replica_disk));
    clone->payload_kept_ms = hub->payload_kept_ms;
    hub->world->memories_lost[hub->region]++;
    clone->roster = roster_ref(hub->roster);
    return clone;
}

void fed_hub_destroy(struct fed_hub *hub)
{
    roster_unref(hub->roster);
    seam_destroy(hub->home_disk);
    seam_destroy(hub->replica_disk);
    signer_destroy(hub->signer);
    free(hub);
}

static void close_parts(struct fed_hub *hub)
{
    federation_destroy(hub->federation);
    wakes_destroy(hub->wakes);
    wakes_destroy(hub->events);
    disclosures_close(hub->disclosures);
    replica_close(hub->replica);
    home_close(hub->home);
    match_destroy(hub->match);
    access_destroy(hub->access);
    replicated_destroy(hub->waits);
    hub->federation = NULL;
    hub->wakes = hub->events = NULL;
    hub->disclosures = NULL;
    hub->replica = NULL;
    hub->home = NULL;
    hub->match = NULL;
    hub->access = NULL;
    hub->waits = NULL;
}

static enum err open_registers(struct fed_hub *hub, struct problem *problem)
{
    struct home_options home = {
        .clock = &hub->clock,
        .randomness = &hub->randomness,
        .signer = hub->signer,
        .reference_secret = {(uint8_t)hub->region, 2, 3},
        .restored = hub->restored,
        .has_peers = true,
        .roster_version = hub->roster->version,
        .payload_kept_ms = hub->payload_kept_ms,
        .policy = {.lapse_emergency_ms = 4 * HOUR_MS, /* so that much lapses, and runs out */
                   .lapse_ms = 30 * HOUR_MS,
                   .hold_default_ms = HUB_HOLD_MS,
                   .hold_max_ms = HUB_HOLD_MAX_MS,
                   .hold_least_ms = SECOND_MS},
    };
    struct replica_options replica = {.clock = &hub->clock, .roster = hub->roster};
    memcpy(home.region, world_region(hub->region), sizeof home.region);
    memcpy(replica.home_region, home.region, sizeof replica.home_region);
    enum err err = home_open(&home, &hub->home_disk->store, &hub->home, problem);
    return err != ERR_NONE ? err : replica_open(&replica, &hub->replica_disk->store, &hub->replica, problem);
}

static void create_access(struct fed_hub *hub)
{
    struct issuer_binding issuer = {0};
    struct access_options options = {
        .trust_domain = WORLD_DOMAIN, .issuers = &issuer, .issuer_count = 1, .clock = &hub->clock};
    memcpy(options.region, world_region(hub->region), sizeof options.region);
    memcpy(issuer.region, options.region, sizeof issuer.region);
    fed_hub_issuer(hub->region, issuer.key_sha256);
    hub->access = access_create(&options);
    access_set_roster(hub->access, hub->roster);
}

static enum err open_parts(struct fed_hub *hub, struct problem *problem)
{
    enum err err = open_registers(hub, problem);
    if (err != ERR_NONE)
        return err;
    hub->match = match_create(hub->world->sim.gazetteer, world_region(hub->region));
    create_access(hub);
    const struct commit_observer observers[] = {match_observer(hub->match), truth_observer(hub),
                                                access_observer(hub->access)};
    truth_forget_shown(hub->world, hub->index);
    for (size_t i = 0; i < 3; i++)
        if ((err = home_observe(hub->home, &observers[i])) != ERR_NONE)
            return err;
    for (size_t i = 0; i < 2; i++)
        if ((err = replica_observe(hub->replica, &observers[i])) != ERR_NONE)
            return err;
    return disclosures_open(&hub->home_disk->store, hub->home, world_region(hub->region), &hub->clock, hub->signer,
                            &hub->disclosures, problem);
}

static void peer_has(void *ctx, struct peer_positions *positions)
{
    struct fed_hub *hub = ctx;
    federation_peer_has(hub->federation, positions);
    fed_hub_tick_soon(hub);
}

static void wire(struct fed_hub *hub)
{
    struct federation_options options = {
        .clock = &hub->clock,
        .randomness = &hub->randomness,
        .roster = hub->roster,
        .home = hub->home,
        .replica = hub->replica,
        .links = network_port(hub),
        .works = {.ctx = hub,
                  .work = port_work,
                  .update = port_update,
                  .replicated = port_replicated,
                  .roster = port_roster},
    };
    memcpy(options.region, world_region(hub->region), sizeof options.region);
    hub->wakes = wakes_create();
    hub->events = wakes_create();
    hub->waits = replicated_create(HUB_QUEUE);
    hub->federation = federation_create(&options);
    hub->context = (struct service_context){
        .home = hub->home,
        .replica = hub->replica,
        .updates = {.submit = fed_hub_submit, .ctx = hub},
        .match = hub->match,
        .gazetteer = hub->world->sim.gazetteer,
        .access = hub->access,
        .disclosures = hub->disclosures,
        .federation = {.home_log = home_log_reader(hub->home),
                       .replica_log = replica_log_reader(hub->replica),
                       .wakes = hub->wakes,
                       .federation = hub->federation,
                       .peer_has = peer_has,
                       .peer_has_ctx = hub,
                       .forward = forwards_port(hub)},
        .events = hub->events,
        .allow_sector = true,
        .version = "sim",
        .started_boot_ms = clock_boot_ms(&hub->clock),
    };
    memcpy(hub->context.region, options.region, sizeof hub->context.region);
    calls_open(&hub->calls, &(struct calls_hub){.sim = &hub->world->sim,
                                                .seam = hub->home_disk,
                                                .clock = &hub->clock,
                                                .context = &hub->context,
                                                .fed_hub = hub,
                                                .places = 4 * HUB_QUEUE});
}

static void book_timers(struct fed_hub *hub)
{
    struct world *world = hub->world;
    hub->home_booked = hub->replica_booked = hub->worked_booked = hub->updated_booked = hub->turn_booked = false;
    fed_hub_tick_soon(hub);
    world_book(world, between(&world->sim, 0, SECOND_US), hub->index, home_idle, 0);
    world_book(world, between(&world->sim, 0, 5 * SECOND_US), hub->index, replica_idle, 0);
    world_book(world, between(&world->sim, 0, FEDERATION_PING_MS * 1000), hub->index, wake, 0);
}

void fed_hub_start(struct fed_hub *hub)
{
    struct world *world = hub->world;
    struct problem problem = {0};
    if (hub->roster == NULL || (hub->roster != world->roster && once_in(&world->sim, 2))) {
        roster_unref(hub->roster);
        hub->roster = roster_ref(world->roster);
    }
    enum err err = open_parts(hub, &problem);
    if (err != ERR_NONE) {
        sim_require(&world->sim, died(hub) || (err == ERR_STORE_FULL && hub->disk_full), "hub %u does not start: %s %s",
                    hub->index, err_name(err), problem.text);
        sim_note(&world->sim, "hub %u: start failed: %s", hub->index, err_name(err));
        sim_cover(COVERED_HUB_DIED_AT_START);
    }
    hub->home_disk->calls_until_death = hub->replica_disk->calls_until_death = -1;
    if (err != ERR_NONE || died(hub)) {
        truth_forget_shown(world, hub->index);
        close_parts(hub);
        return;
    }
    wire(hub);
    hub->up = true;
    hub->restored = false;
    hub->head = NO_ENTRY;
    hub->decides = false;
    hub->peers_epoch = hub->peers_sequence = 0;
    book_timers(hub);
    sim_note(&world->sim, "hub %u (%s) is up", hub->index, world_region(hub->region));
    truth_learn(world, hub);
    hub->learned_commits = hub->home_disk->commits;
    truth_check_shown(world, hub);
}

static void drop_update(struct update *update)
{
    if (update->reply.mailbox != NULL)
        mailbox_unreserve(update->reply.mailbox);
    update_destroy(update);
}

static void drop_queues(struct fed_hub *hub)
{
    struct update *update;
    for (uint32_t i = 0; i < hub->update_count; i++)
        drop_update(hub->updates[i]);
    while ((update = replicated_give_up(hub->waits)) != NULL)
        drop_update(update);
    for (uint32_t i = 0; i < hub->updated_count; i++)
        drop_update(hub->updated[i]);
    for (uint32_t i = 0; i < hub->work_count; i++)
        replica_work_destroy(hub->works[i]);
    for (uint32_t i = 0; i < hub->worked_count; i++)
        replica_work_destroy(hub->worked[i]);
    hub->update_count = hub->updated_count = hub->work_count = hub->worked_count = 0;
    roster_unref(hub->replica_roster);
    hub->replica_roster = NULL;
}

void fed_hub_kill(struct fed_hub *hub, bool silently)
{
    struct world *world = hub->world;
    sim_note(&world->sim, "hub %u is killed%s", hub->index, silently ? ", nobody is told" : "");
    hub->home_disk->dead = hub->replica_disk->dead = true; /* nothing that freeing does reaches the disks */
    hub->up = false;
    hub->life++;
    network_hub_gone(world, hub, silently);
    forwards_hub_gone(world, hub);
    drop_queues(hub);
    calls_close(&hub->calls);
    close_parts(hub);
    truth_forget_shown(world, hub->index);
    seam_revive(hub->home_disk, silently);
    seam_revive(hub->replica_disk, silently);
}

void fed_hub_lose_replica(struct fed_hub *hub)
{
    struct world *world = hub->world;
    if (hub->up)
        fed_hub_kill(hub, true);
    seam_replace(hub->replica_disk, seam_empty());
    world->disks_lost = true;
    for (uint32_t region = 0; region < world->region_count; region++) {
        struct shown *shown = &world->truth->shown[hub->index][region];
        shown->lost = shown->durable != NO_ENTRY ? shown->durable : shown->lost;
        shown->durable = NO_ENTRY;
        truth_release_unheld(world, region, world->hubs[region]->head);
    }
}

void fed_hub_restore(struct fed_hub *hub, struct seam_image *backup, bool replica_lost)
{
    struct world *world = hub->world;
    if (hub->up)
        fed_hub_kill(hub, once_in(&world->sim, 2));
    seam_replace(hub->home_disk, backup);
    world->memories_lost[hub->region]++;
    hub->restored = true;
    hub->head = NO_ENTRY;
    beds_forget(world, hub);
    if (world->disks_lost)
        truth_release_unheld(world, hub->region, NO_ENTRY);
    if (replica_lost)
        fed_hub_lose_replica(hub);
}

void fed_hub_room(struct fed_hub *hub)
{
    seam_room(hub->home_disk);
    seam_room(hub->replica_disk);
    hub->disk_full = false;
}

void fed_hub_after(struct fed_hub *hub)
{
    struct world *world = hub->world;
    if (!hub->up)
        return;
    if (died(hub)) {
        sim_cover(hub->home_disk->dead ? COVERED_HOME_DIED : COVERED_REPLICA_DIED);
        fed_hub_kill(hub, once_in(&world->sim, 2));
        return;
    }
    if (hub->learned_commits != hub->home_disk->commits) {
        hub->learned_commits = hub->home_disk->commits;
        truth_learn(world, hub);
    }
    truth_check_shown(world, hub);
    bool decides = home_standing_now(hub->home) == STANDING_DECIDING;
    if (decides && !hub->decides && world->loss_accepted[hub->region]) {
        truth_release_promises(world, hub->region, hub->head);
        world->loss_accepted[hub->region] = false;
    }
    if (decides && !hub->decides && !world->claimed_twice[hub->region])
        truth_check_promises(world, hub);
    hub->decides = decides;
}

void fed_hub_set_roster(struct fed_hub *hub, const struct roster *roster)
{
    struct problem problem;
    if (hub->roster == roster)
        return;
    sim_note(&hub->world->sim, "hub %u has roster %" PRIu64, hub->index, roster->version);
    roster_ref(roster);
    roster_unref(hub->roster);
    hub->roster = roster;
    if (!hub->up)
        return;
    access_set_roster(hub->access, roster);
    home_set_roster_version(hub->home, roster->version);
    enum err err = federation_set_roster(hub->federation, roster, &problem);
    sim_require(&hub->world->sim, err == ERR_NONE, "hub %u does not take the newer roster: %s", hub->index,
                problem.text);
    fed_hub_tick_soon(hub);
}

void fed_hub_promote(struct fed_hub *hub, bool accept_loss, bool new_epoch)
{
    struct update *update = update_create(UPDATE_PROMOTE);
    if (update == NULL)
        abort();
    sim_note(&hub->world->sim, "hub %u: promote%s%s", hub->index, accept_loss ? ", accepting loss" : "",
             new_epoch ? ", a new epoch" : "");
    update->method = "/vacancy.v1.HubService/Promote";
    strcpy(update->principal, "spiffe://sim.example/region/E12000001/operator/duty");
    update->as.promote.accept_loss = accept_loss;
    update->as.promote.new_epoch = new_epoch;
    if (fed_hub_submit(hub, update) != ERR_NONE)
        update_destroy(update);
}
