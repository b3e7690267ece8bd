/*
 * federation_world.h - the federation's logic with everything around it in the test's hands: a clock, seeded
 * randomness, ports that only record, and in place of home and replica a few fields (their functions are defined here,
 * so that the linker takes nothing of the register).
 *
 * The roster has four regions; ours is the third. A region's log is made up: entry n of branch b has a header that only
 * depends on region, n and b, so that two branches are a fork.
 */
#ifndef VACANCY_TESTS_FEDERATION_WORLD_H
#define VACANCY_TESTS_FEDERATION_WORLD_H

#include "daemon/federation/federation.h"
#include "daemon/federation/federation_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REGIONS 4u
#define OURS    2u
#define A       0u
#define B       1u
#define C       3u

enum branch { MAIN, FORK };

struct home {
    bool have;
    struct signed_checkpoint checkpoint;
    enum home_standing standing;
    enum branch branch;
    uint64_t roster_version;
    uint64_t shown_epoch, shown_sequence, told_horizon;
};

struct replica {
    struct replica_status regions[REGIONS];
    enum branch branch[REGIONS];
};

enum said { SAID_DIAL = 1, SAID_HANG_UP, SAID_SEND, SAID_FETCH, SAID_STOP_FETCH, SAID_READING, SAID_PEERS_CHANGED };

struct event {
    enum said said;
    uint32_t peer;
    bool on;
    ProtobufCMessage *message; /* of SAID_SEND, SAID_FETCH */
};

#define EVENTS_MAX 4096
static struct world {
    int64_t now_ms;
    struct clock_source clock;
    struct seeded_random seeded;
    struct randomness randomness;
    struct signer *root, *keys[REGIONS], *stranger;
    struct home home;
    struct replica replica;
    struct federation *federation;
    struct event events[EVENTS_MAX];
    uint32_t event_count;
    struct replica_work *works[EVENTS_MAX];
    uint32_t work_count;
    bool works_full, updates_full;
    struct update *updates[64];
    uint32_t update_count;
    uint64_t replicated_epoch, replicated_sequence;
    uint32_t replicated_count, rosters_passed;
} world;

static inline const char *region_code(uint32_t region)
{
    static const char codes[REGIONS][GSS_BYTES] = {"E12000001", "E12000002", "E12000003", "E12000004"};
    return codes[region];
}

static inline uint32_t region_of_code(const char *code)
{
    for (uint32_t i = 0; i < REGIONS; i++)
        if (strcmp(code, region_code(i)) == 0)
            return i;
    fail_msg("no region %s", code);
    return 0;
}

/* --- a made-up log --------------------------------------------------------------------------------------------- */

static inline void header_of(uint32_t region, uint64_t sequence, enum branch branch, uint8_t out[LOG_HEADER_BYTES])
{
    struct log_header header = {.epoch = 1, .sequence = sequence, .time_ms = 1000, .payload_bytes = 10};
    strcpy(header.region, region_code(region));
    memset(header.commitment, 7 + (int)branch, sizeof header.commitment);
    log_header_encode(&header, out);
}

struct at {
    uint64_t sequence;
    uint64_t epoch; /* 0: 1 */
    uint8_t id;     /* of the epoch */
    int64_t time_ms;
    enum branch branch;
    uint64_t horizon;
    bool forged;
};

static inline struct signed_checkpoint checkpoint_at(uint32_t region, struct at at)
{
    uint8_t header[LOG_HEADER_BYTES];
    struct checkpoint checkpoint = {.epoch = at.epoch ? at.epoch : 1,
                                    .sequence = at.sequence,
                                    .records = at.sequence,
                                    .horizon = at.horizon,
                                    .time_ms = at.time_ms ? at.time_ms : 1000,
                                    .roster_version = 1};
    struct signed_checkpoint out;
    strcpy(checkpoint.region, region_code(region));
    memset(checkpoint.epoch_id, at.id, sizeof checkpoint.epoch_id);
    header_of(region, at.sequence, at.branch, header);
    log_header_hash(header, checkpoint.head);
    checkpoint_sign(&checkpoint, at.forged ? world.stranger : world.keys[region], &out);
    return out;
}

/* --- home and replica ------------------------------------------------------------------------------------------ */

enum err home_checkpoint(struct home *home, struct signed_checkpoint *out)
{
    *out = home->checkpoint;
    return home->have ? ERR_NONE : ERR_NOT_FOUND;
}

enum home_standing home_standing_now(const struct home *home)
{
    return home->standing;
}

void home_shown(struct home *home, uint64_t epoch, uint64_t sequence)
{
    home->shown_epoch = epoch;
    home->shown_sequence = sequence;
}

void home_told_horizon(struct home *home, uint64_t horizon)
{
    home->told_horizon = horizon;
}

void home_set_roster_version(struct home *home, uint64_t version)
{
    home->roster_version = version;
}

static inline enum err read_newest(void *ctx, const char *region, struct signed_checkpoint *out)
{
    struct replica *replica = ctx;
    const struct replica_status *status = &replica->regions[region_of_code(region)];
    *out = status->checkpoint;
    return status->present ? ERR_NONE : ERR_NOT_FOUND;
}

static inline enum err header_octets(uint32_t region, uint64_t sequence, enum branch branch, struct arena *arena,
                                     struct octets *out)
{
    uint8_t *header = arena_alloc(arena, LOG_HEADER_BYTES);
    assert_non_null(header);
    header_of(region, sequence, branch, header);
    *out = (struct octets){header, LOG_HEADER_BYTES};
    return ERR_NONE;
}

static inline enum err read_headers(void *ctx, const char *region, uint64_t first, uint64_t last, struct arena *arena,
                                    struct octets *out)
{
    struct replica *replica = ctx;
    uint32_t number = region_of_code(region);
    assert_int_equal(first, last);
    return header_octets(number, first, replica->branch[number], arena, out);
}

static inline enum err read_home_headers(void *ctx, const char *region, uint64_t first, uint64_t last,
                                         struct arena *arena, struct octets *out)
{
    struct home *home = ctx;
    assert_int_equal(first, last);
    return header_octets(region_of_code(region), first, home->branch, arena, out);
}

struct log_reader home_log_reader(struct home *home)
{
    return (struct log_reader){.ctx = home, .headers = read_home_headers};
}

struct log_reader replica_log_reader(struct replica *replica)
{
    return (struct log_reader){.ctx = replica, .newest = read_newest, .headers = read_headers};
}

enum err replica_status(struct replica *replica, const char *region, struct replica_status *out)
{
    *out = replica->regions[region_of_code(region)];
    return ERR_NONE;
}

struct replica_work *replica_work_create(enum replica_work_kind kind, const char *region)
{
    struct replica_work *work = calloc(1, sizeof *work);
    assert_non_null(work);
    work->kind = kind;
    strcpy(work->region, region);
    arena_init(&work->arena, REPLICA_COMMIT_MAX_BYTES);
    return work;
}

void replica_work_destroy(struct replica_work *work)
{
    if (work != NULL)
        arena_finish(&work->arena);
    free(work);
}

const char *replica_verdict_name(enum replica_verdict verdict)
{
    static char name[32];
    snprintf(name, sizeof name, "verdict %d", (int)verdict);
    return name;
}

struct update *update_create(enum update_kind kind)
{
    struct update *update = calloc(1, sizeof *update);
    assert_non_null(update);
    update->kind = kind;
    return update;
}

void update_destroy(struct update *update)
{
    if (update != NULL && update->kind == UPDATE_REPLAY && update->as.replay.arena != NULL) {
        arena_finish(update->as.replay.arena);
        free(update->as.replay.arena);
    }
    free(update);
}

/* --- ports ----------------------------------------------------------------------------------------------------- */

static inline void record_event(enum said said, uint32_t peer, bool on, const ProtobufCMessage *message)
{
    assert_true(world.event_count < EVENTS_MAX);
    struct event *event = &world.events[world.event_count++];
    *event = (struct event){.said = said, .peer = peer, .on = on};
    if (message == NULL)
        return;
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *octets = malloc(size + 1);
    protobuf_c_message_pack(message, octets);
    event->message = protobuf_c_message_unpack(message->descriptor, NULL, size, octets);
    assert_non_null(event->message);
    free(octets);
}

static inline void port_dial(void *ctx, uint32_t peer)
{
    (void)ctx;
    record_event(SAID_DIAL, peer, false, NULL);
}
static inline void port_hang_up(void *ctx, uint32_t peer)
{
    (void)ctx;
    record_event(SAID_HANG_UP, peer, false, NULL);
}
static inline bool port_send(void *ctx, uint32_t peer, const Vacancy__V1__FollowRequest *message)
{
    (void)ctx;
    record_event(SAID_SEND, peer, false, &message->base);
    return true;
}
static inline void port_fetch(void *ctx, uint32_t peer, const Vacancy__V1__FetchSnapshotRequest *request)
{
    (void)ctx;
    record_event(SAID_FETCH, peer, false, &request->base);
}
static inline void port_stop_fetch(void *ctx, uint32_t peer)
{
    (void)ctx;
    record_event(SAID_STOP_FETCH, peer, false, NULL);
}
static inline void port_set_reading(void *ctx, uint32_t peer, bool on)
{
    (void)ctx;
    record_event(SAID_READING, peer, on, NULL);
}
static inline void port_peers_changed(void *ctx, const struct roster *roster)
{
    (void)ctx;
    (void)roster;
    record_event(SAID_PEERS_CHANGED, 0, false, NULL);
}

static inline enum err port_work(void *ctx, struct replica_work *work)
{
    (void)ctx;
    if (world.works_full)
        return ERR_LIMIT;
    assert_true(world.work_count < EVENTS_MAX);
    world.works[world.work_count++] = work;
    return ERR_NONE;
}
static inline enum err port_update(void *ctx, struct update *update)
{
    (void)ctx;
    if (world.updates_full)
        return ERR_LIMIT;
    assert_true(world.update_count < 64);
    world.updates[world.update_count++] = update;
    return ERR_NONE;
}
static inline void port_replicated(void *ctx, uint64_t epoch, uint64_t sequence)
{
    (void)ctx;
    world.replicated_epoch = epoch;
    world.replicated_sequence = sequence;
    world.replicated_count++;
}
static inline void port_roster(void *ctx, const struct roster *roster)
{
    (void)ctx;
    (void)roster;
    world.rosters_passed++;
}

/* --- set-up ---------------------------------------------------------------------------------------------------- */

static inline int64_t fake_now(void *ctx)
{
    (void)ctx;
    return world.now_ms;
}

/* A roster of the first `count` regions and, with thaw not NULL, that line. */
static inline const struct roster *make_roster(uint64_t version, uint32_t count, const char *thaw)
{
    char text[4096], hex[2 * PUBLIC_KEY_BYTES + 1], signature_hex[2 * SIGNATURE_BYTES + 1];
    uint8_t key[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES], root[PUBLIC_KEY_BYTES];
    int size = snprintf(text, sizeof text, "vacancy roster v1\nversion %llu\n", (unsigned long long)version);
    for (uint32_t i = 0; i < count; i++) {
        signer_public_key(world.keys[i], key);
        hex_encode(key, sizeof key, hex);
        size += snprintf(text + size, sizeof text - (size_t)size,
                         "region %s key %s issuer %s\nendpoint %s hub%u.example:8443\n", region_code(i), hex, hex,
                         region_code(i), i);
    }
    if (thaw != NULL)
        size += snprintf(text + size, sizeof text - (size_t)size, "%s\n", thaw);
    signer_sign(world.root, text, (size_t)size, signature);
    hex_encode(signature, sizeof signature, signature_hex);
    size += snprintf(text + size, sizeof text - (size_t)size, "signature %s\n", signature_hex);
    const struct roster *roster;
    struct problem problem = {0};
    signer_public_key(world.root, root);
    if (roster_parse(text, (size_t)size, root, &roster, &problem) != ERR_NONE)
        fail_msg("roster: %s %s", problem.field, problem.text);
    return roster;
}

static inline void create_federation(void)
{
    const struct roster *roster = make_roster(1, REGIONS, NULL);
    struct federation_options options = {
        .clock = &world.clock,
        .randomness = &world.randomness,
        .roster = roster,
        .home = &world.home,
        .replica = &world.replica,
        .links = {NULL, port_dial, port_hang_up, port_send, port_fetch, port_stop_fetch, port_set_reading,
                  port_peers_changed},
        .works = {NULL, port_work, port_update, port_replicated, port_roster},
    };
    strcpy(options.region, region_code(OURS));
    world.federation = federation_create(&options);
    roster_unref(roster);
}

/* This hub has `sequence` of region, proven. */
static inline void have(uint32_t region, struct at at)
{
    struct replica_status *status = &world.replica.regions[region];
    status->present = true;
    status->checkpoint = checkpoint_at(region, at);
    world.replica.branch[region] = at.branch;
}

static inline void home_has(struct at at)
{
    world.home.have = true;
    world.home.branch = at.branch;
    world.home.checkpoint = checkpoint_at(OURS, at);
}

static inline int set_up_bare(void **state)
{
    (void)state;
    static const uint8_t seed = 11;
    memset(&world, 0, sizeof world);
    world.now_ms = 1000000;
    world.clock = (struct clock_source){.wall_ms = fake_now, .boot_ms = fake_now, .ctx = NULL};
    seeded_random_init(&world.seeded, seed);
    world.randomness = seeded_random_source(&world.seeded);
    for (uint32_t i = 0; i < REGIONS + 2; i++) {
        uint8_t key[32] = {(uint8_t)(i + 1)};
        struct signer *signer = signer_from_seed(key);
        *(i < REGIONS ? &world.keys[i] : i == REGIONS ? &world.root : &world.stranger) = signer;
    }
    world.home.standing = STANDING_DECIDING;
    home_has((struct at){.sequence = 100});
    for (uint32_t i = 0; i < REGIONS; i++)
        strcpy(world.replica.regions[i].region, region_code(i));
    return 0;
}

static inline int set_up(void **state)
{
    set_up_bare(state);
    create_federation();
    return 0;
}

static inline void forget_events(void)
{
    for (uint32_t i = 0; i < world.event_count; i++)
        if (world.events[i].message != NULL)
            protobuf_c_message_free_unpacked(world.events[i].message, NULL);
    world.event_count = 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    federation_destroy(world.federation);
    forget_events();
    for (uint32_t i = 0; i < world.work_count; i++)
        replica_work_destroy(world.works[i]);
    for (uint32_t i = 0; i < world.update_count; i++)
        update_destroy(world.updates[i]);
    for (uint32_t i = 0; i < REGIONS; i++)
        signer_destroy(world.keys[i]);
    signer_destroy(world.root);
    signer_destroy(world.stranger);
    return 0;
}

/* --- what happens ---------------------------------------------------------------------------------------------- */

static inline void tick(void)
{
    federation_tick(world.federation);
}

/* Lets time pass, with a tick whenever the logic wants one. */
static inline void pass(int64_t ms)
{
    int64_t end_ms = world.now_ms + ms;
    for (;;) {
        int64_t next_ms = federation_tick(world.federation);
        assert_true(next_ms > world.now_ms || next_ms >= end_ms);
        if (next_ms > end_ms)
            break;
        world.now_ms = next_ms;
    }
    world.now_ms = end_ms;
    tick();
}

static inline void checkpoint_message(const struct signed_checkpoint *from, Vacancy__V1__SignedCheckpoint *out)
{
    vacancy__v1__signed_checkpoint__init(out);
    out->text = (char *)from->text;
    out->signature = (ProtobufCBinaryData){SIGNATURE_BYTES, (uint8_t *)from->signature};
}

static inline void say_positions(uint32_t peer, bool complete, const struct signed_checkpoint *list, size_t count)
{
    Vacancy__V1__SignedCheckpoint messages[16];
    Vacancy__V1__SignedCheckpoint *pointers[16];
    Vacancy__V1__Positions positions = VACANCY__V1__POSITIONS__INIT;
    Vacancy__V1__FollowResponse message = VACANCY__V1__FOLLOW_RESPONSE__INIT;
    for (size_t i = 0; i < count; i++) {
        checkpoint_message(&list[i], &messages[i]);
        pointers[i] = &messages[i];
    }
    positions.checkpoints = pointers;
    positions.n_checkpoints = count;
    positions.complete = complete;
    message.item_case = VACANCY__V1__FOLLOW_RESPONSE__ITEM_POSITIONS;
    message.positions = &positions;
    federation_heard(world.federation, peer, &message);
}

static inline void say_has(uint32_t peer, bool complete, uint32_t region, struct at at)
{
    struct signed_checkpoint checkpoint = checkpoint_at(region, at);
    say_positions(peer, complete, &checkpoint, 1);
}

static inline void link_to(uint32_t peer)
{
    for (int64_t waited = 0; world.federation->peers[peer].state != PEER_DIALLING; waited += 50) {
        assert_true(waited < 2 * FEDERATION_BACKOFF_MAX_MS);
        world.now_ms += 50;
        tick();
    }
    federation_linked(world.federation, peer);
    tick();
}

/* Linked, and it has this and nothing else. */
static inline void link_having(uint32_t peer, uint32_t region, struct at at)
{
    link_to(peer);
    say_has(peer, true, region, at);
    tick();
}

static inline void alive(uint32_t peer)
{
    say_positions(peer, false, NULL, 0);
}

/* As pass(), with signs of life of the peers of the mask (1 << peer). */
static inline void pass_alive(int64_t ms, uint32_t peers)
{
    for (int64_t end_ms = world.now_ms + ms; world.now_ms < end_ms;) {
        pass(world.now_ms + 250 < end_ms ? 250 : end_ms - world.now_ms);
        for (uint32_t i = 0; i < REGIONS; i++)
            if (peers & 1u << i && world.federation->peers[i].state == PEER_LINKED)
                alive(i);
    }
    tick();
}

/* Entries first..last of region, with a checkpoint at the end if `at.sequence` is last. */
struct batch_room {
    Vacancy__V1__Batch batch;
    Vacancy__V1__Entry entries[64], *pointers[64];
    uint8_t headers[64][LOG_HEADER_BYTES];
    struct signed_checkpoint checkpoint;
    Vacancy__V1__SignedCheckpoint message;
};

static inline Vacancy__V1__Batch *make_batch(struct batch_room *room, uint32_t region, uint64_t first, uint64_t last,
                                             const struct at *at)
{
    static uint8_t salt[LOG_SALT_BYTES], payload[10];
    vacancy__v1__batch__init(&room->batch);
    room->batch.region = (char *)region_code(region);
    room->batch.entries = room->pointers;
    for (uint64_t n = first; n <= last; n++) {
        size_t i = room->batch.n_entries++;
        assert_true(i < 64);
        vacancy__v1__entry__init(&room->entries[i]);
        header_of(region, n, at != NULL ? at->branch : MAIN, room->headers[i]);
        room->entries[i].header = (ProtobufCBinaryData){LOG_HEADER_BYTES, room->headers[i]};
        room->entries[i].salt = (ProtobufCBinaryData){sizeof salt, salt};
        room->entries[i].payload = (ProtobufCBinaryData){sizeof payload, payload};
        room->pointers[i] = &room->entries[i];
    }
    if (at != NULL) {
        room->checkpoint = checkpoint_at(region, *at);
        checkpoint_message(&room->checkpoint, &room->message);
        room->batch.checkpoint = &room->message;
    }
    return &room->batch;
}

static inline void say_batch(uint32_t peer, uint32_t region, uint64_t first, uint64_t last, const struct at *at)
{
    static struct batch_room room;
    Vacancy__V1__FollowResponse message = VACANCY__V1__FOLLOW_RESPONSE__INIT;
    message.item_case = VACANCY__V1__FOLLOW_RESPONSE__ITEM_BATCH;
    message.batch = make_batch(&room, region, first, last, at);
    federation_heard(world.federation, peer, &message);
}

/* A batch that ends with its checkpoint. */
static inline void say_whole_batch(uint32_t peer, uint32_t region, uint64_t first, uint64_t last)
{
    say_batch(peer, region, first, last, &(struct at){.sequence = last});
}

static inline void say_refusal(uint32_t peer, uint32_t region, enum log_refusal why, const struct at *at)
{
    struct signed_checkpoint checkpoint;
    Vacancy__V1__SignedCheckpoint in;
    Vacancy__V1__Refusal refusal = VACANCY__V1__REFUSAL__INIT;
    Vacancy__V1__FollowResponse message = VACANCY__V1__FOLLOW_RESPONSE__INIT;
    refusal.region = (char *)region_code(region);
    refusal.reason = (Vacancy__V1__Refusal__Reason)why;
    if (at != NULL) {
        checkpoint = checkpoint_at(region, *at);
        checkpoint_message(&checkpoint, &in);
        refusal.checkpoint = &in;
    }
    message.item_case = VACANCY__V1__FOLLOW_RESPONSE__ITEM_REFUSAL;
    message.refusal = &refusal;
    federation_heard(world.federation, peer, &message);
}

/* --- snapshots -------------------------------------------------------------------------------------------------- */

static inline void say_snapshot(uint32_t peer, Vacancy__V1__FetchSnapshotResponse *message)
{
    federation_snapshot_heard(world.federation, peer, message);
    tick();
}

static inline void say_begin(uint32_t peer, uint32_t region, struct at at)
{
    struct signed_checkpoint checkpoint = checkpoint_at(region, at);
    Vacancy__V1__SignedCheckpoint in;
    Vacancy__V1__SnapshotBegin begin = VACANCY__V1__SNAPSHOT_BEGIN__INIT;
    Vacancy__V1__FetchSnapshotResponse message = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    checkpoint_message(&checkpoint, &in);
    begin.checkpoint = &in;
    message.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BEGIN;
    message.begin = &begin;
    say_snapshot(peer, &message);
}

static inline void say_headers(uint32_t peer, size_t bytes)
{
    static uint8_t octets[10 * LOG_HEADER_BYTES];
    Vacancy__V1__SnapshotHeaders headers = VACANCY__V1__SNAPSHOT_HEADERS__INIT;
    Vacancy__V1__FetchSnapshotResponse message = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    headers.first_sequence = 1;
    headers.headers = (ProtobufCBinaryData){bytes, octets};
    message.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_HEADERS;
    message.headers = &headers;
    say_snapshot(peer, &message);
}

static inline void say_records(uint32_t peer, uint32_t table, size_t key_bytes)
{
    static uint8_t octets[200];
    Vacancy__V1__SnapshotRecord record = VACANCY__V1__SNAPSHOT_RECORD__INIT, *list = &record;
    Vacancy__V1__SnapshotRecords records = VACANCY__V1__SNAPSHOT_RECORDS__INIT;
    Vacancy__V1__FetchSnapshotResponse message = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    record.table = table;
    record.key = (ProtobufCBinaryData){key_bytes, octets};
    record.value = (ProtobufCBinaryData){20, octets};
    records.records = &list;
    records.n_records = 1;
    records.read_at_sequence = 30002;
    message.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_RECORDS;
    message.records = &records;
    say_snapshot(peer, &message);
}

static inline void say_log(uint32_t peer, uint32_t region, uint64_t first, uint64_t last)
{
    static struct batch_room room;
    Vacancy__V1__FetchSnapshotResponse message = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__INIT;
    const struct at at = {.sequence = last};
    message.item_case = VACANCY__V1__FETCH_SNAPSHOT_RESPONSE__ITEM_BATCH;
    for (; first <= last; first += 64) {
        bool whole = first + 63 >= last;
        message.batch = make_batch(&room, region, first, whole ? last : first + 63, whole ? &at : NULL);
        say_snapshot(peer, &message);
    }
}

/* --- what comes back --------------------------------------------------------------------------------------------- */

/* The oldest work comes back; an applied one is what the replica has then. */
static inline void work_returns(enum replica_verdict verdict)
{
    assert_true(world.work_count > 0);
    struct replica_work *work = world.works[0];
    world.work_count--;
    memmove(world.works, world.works + 1, world.work_count * sizeof world.works[0]);
    if (verdict == VERDICT_APPLIED) {
        struct replica_status *status = &world.replica.regions[region_of_code(work->region)];
        status->present = true;
        status->checkpoint = work->checkpoint;
        status->staging = false;
    }
    work->verdict = verdict;
    snprintf(work->problem.text, sizeof work->problem.text, "the test's reason");
    federation_worked(world.federation, work);
    tick();
}

static inline void update_returns(enum update_kind kind, enum err code)
{
    assert_true(world.update_count > 0);
    struct update *update = world.updates[0];
    assert_int_equal(update->kind, kind);
    world.update_count--;
    memmove(world.updates, world.updates + 1, world.update_count * sizeof world.updates[0]);
    update->result.problem.code = code;
    federation_updated(world.federation, update);
    tick();
}

/* --- what was said --------------------------------------------------------------------------------------------- */

static inline uint32_t count_said(enum said said, uint32_t peer)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world.event_count; i++)
        count += world.events[i].said == said && world.events[i].peer == peer;
    return count;
}

static inline const Vacancy__V1__FollowRequest *sent(uint32_t peer, int item, uint32_t from)
{
    for (uint32_t i = from; i < world.event_count; i++) {
        const Vacancy__V1__FollowRequest *request = (const void *)world.events[i].message;
        if (world.events[i].said == SAID_SEND && world.events[i].peer == peer && (int)request->item_case == item)
            return request;
    }
    return NULL;
}

/* The last take that was sent of the region; *peer: to whom. NULL: none. */
static inline const Vacancy__V1__Cursor *last_take(uint32_t region, uint32_t *peer)
{
    const Vacancy__V1__Cursor *found = NULL;
    for (uint32_t i = 0; i < world.event_count; i++) {
        const Vacancy__V1__FollowRequest *request = (const void *)world.events[i].message;
        if (world.events[i].said != SAID_SEND || request->item_case != VACANCY__V1__FOLLOW_REQUEST__ITEM_TAKE ||
            strcmp(request->take->region, region_code(region)) != 0)
            continue;
        found = request->take;
        *peer = world.events[i].peer;
    }
    return found;
}

static inline const Vacancy__V1__FetchSnapshotRequest *last_fetch(uint32_t *peer)
{
    const Vacancy__V1__FetchSnapshotRequest *found = NULL;
    for (uint32_t i = 0; i < world.event_count; i++)
        if (world.events[i].said == SAID_FETCH) {
            found = (const void *)world.events[i].message;
            *peer = world.events[i].peer;
        }
    return found;
}

/* "" when none. */
static inline const char *source_of(uint32_t region)
{
    static struct federation_peer peers[ROSTER_REGIONS_MAX];
    size_t count = federation_status(world.federation, peers, ROSTER_REGIONS_MAX);
    for (size_t i = 0; i < count; i++)
        if (strcmp(peers[i].region, region_code(region)) == 0)
            return peers[i].source;
    return "?";
}

#define assert_source(region, peer)                                                                                    \
    do {                                                                                                               \
        tick();                                                                                                        \
        assert_string_equal(source_of(region), (peer) == NO_PEER ? "" : region_code(peer));                            \
    } while (0)

#endif
