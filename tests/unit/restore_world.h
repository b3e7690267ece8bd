/*
 * restore_world.h - two registers of one region, the first and the one that a backup of it becomes, and the replay of
 * the first one's log into the second. On top of register_world.h; for the tests of restores. Thread: one.
 */
#ifndef VACANCY_TESTS_RESTORE_WORLD_H
#define VACANCY_TESTS_RESTORE_WORLD_H

#include "tests/unit/register_world.h"

#define AGENCY "leeds-fostering"
#define OTHER  "good-homes"
#define CARERS 40

static uint64_t seed;
static struct world original, restored;

static inline void open_asking(struct world *world, uint64_t from_seed)
{
    world_init(world, from_seed, false);
    world->has_peers = true;
    world_open(world);
}

static inline enum err apply(struct world *world, enum update_kind kind)
{
    return world_apply(world, world_update(world, kind, NULL, NULL)).problem.code;
}

static inline void reopen(struct world *world)
{
    world_close(world);
    world_open(world);
}

static inline struct signed_checkpoint newest(struct world *world)
{
    struct signed_checkpoint out;
    assert_int_equal(home_checkpoint(world->home, &out), ERR_NONE);
    return out;
}

static inline void assert_standing(struct world *world, enum home_standing standing)
{
    assert_int_equal(home_standing_now(world->home), standing);
}

/* What the hub answers to a write, and why: it does not decide. */
static inline void assert_no_write(struct world *world, const char *says)
{
    struct update_result refused = world_apply(world, world_put_agency(world, "refused"));
    struct agency agency;
    assert_int_equal(refused.problem.code, ERR_UNAVAILABLE);
    if (strstr(refused.problem.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", refused.problem.text, says);
    assert_int_equal(home_get_agency(world->home, "refused", &agency), ERR_NOT_FOUND);
}

static inline struct update *promote(struct world *world, bool accept_loss, bool new_epoch)
{
    struct update *update = world_update(world, UPDATE_PROMOTE, NULL, NULL);
    update->as.promote.accept_loss = accept_loss;
    update->as.promote.new_epoch = new_epoch;
    return update;
}

static inline void assert_verifies(struct world *world)
{
    uint64_t records;
    uint8_t state[DIGEST_BYTES];
    struct problem problem = {0};
    if (home_verify(world->home, NULL, &records, state, &problem) != ERR_NONE)
        fail_msg("verify: %s", problem.text);
}

static inline void assert_same_position(struct world *a, struct world *b)
{
    assert_string_equal(newest(a).text, newest(b).text);
    assert_same_view(a->view, b->view);
}

/* A push in which nothing of what is shared changes, where the carer is known. */
static inline struct update *put_unshared(struct world *world, const char *agency, const char *reference)
{
    struct update *update = world_put_carer(world, agency, reference);
    struct home_carer known;
    if (home_get_carer(world->home, agency, reference, &known) == ERR_NONE && !known.lost) {
        update->as.carer = known.carer;
        snprintf(update->as.carer.home_postcode, POSTCODE_BYTES, "LS%u %uAB", 10 + random_up_to(&world->random, 89),
                 random_up_to(&world->random, 9));
        update->as.carer.exemption_count = 1;
        update->as.carer.exemptions[0] =
            (struct exemption){.authority = "E08000035", .until = DATE_NONE, .children = 4};
    }
    return update;
}

/* Also for reasons of which others get only the bucket. */
static inline struct update *put_vacancy(struct world *world, const char *agency, const char *reference)
{
    struct update *update = world_put_vacancy(world, agency, reference);
    if (random_up_to(&world->random, 2) == 0) {
        update->as.vacancy.stated = update->as.vacancy.state = VACANCY_NOT_AVAILABLE;
        update->as.vacancy.reason = (uint8_t)(1 + random_up_to(&world->random, NOT_AVAILABLE_REASON_END - 2));
    }
    return update;
}

static inline struct update *team_update(struct world *world, enum update_kind kind)
{
    static const char *const teams[] = {"spiffe://example.org/region/E12000003/team/leeds",
                                        "spiffe://example.org/region/E12000003/team/york"};
    const char *team = teams[random_up_to(&world->random, 1)];
    struct update *update = world_update(world, kind, NULL, NULL);
    strcpy(update->principal, team);
    strcpy(update->as.hold.holder, team);
    strcpy(update->as.hold.authority, "E08000035");
    strcpy(update->as.hold.request_reference, "383-204417");
    update->as.hold.starts_on = DATE_NONE;
    world_request_id(world, update, world->wall_ms);
    return update;
}

/* Beds of a random home's vacancy, where it has one. */
static inline struct update *random_hold_asked(struct world *world, const char *agency, const char *reference)
{
    struct home_carer home;
    struct update *update = team_update(world, UPDATE_HOLD);
    update->as.hold.beds = 1;
    if (home_get_carer(world->home, agency, reference, &home) == ERR_NONE)
        update->as.hold.vacancy_id = home.vacancy.vacancy_id;
    return update;
}

/* What somebody does about a live hold of a team's, whether or not it is allowed. */
static inline struct update *random_hold_change(struct world *world)
{
    static const enum update_kind kinds[] = {UPDATE_EXTEND_HOLD, UPDATE_RELEASE_HOLD, UPDATE_PLACE, UPDATE_ACCEPT_HOLD,
                                             UPDATE_DECLINE_HOLD};
    struct update *update = team_update(world, kinds[random_up_to(&world->random, 4)]);
    struct hold holds[8];
    size_t got = 0;
    struct hold_token newest_of = {0, 0}, next;
    assert_int_equal(home_list_holds(world->home, update->principal, NULL, false, &newest_of, holds, 8, &got, &next),
                     ERR_NONE);
    if (got == 0)
        return update;
    const struct hold *hold = &holds[random_up_to(&world->random, (uint32_t)got - 1)];
    update->as.hold.token = hold->token;
    if (update->kind == UPDATE_ACCEPT_HOLD || update->kind == UPDATE_DECLINE_HOLD)
        strcpy(update->agency, hold->agency);
    update->as.hold.decline_reason = update->kind == UPDATE_DECLINE_HOLD ? DECLINE_NOT_SUITABLE : DECLINE_NONE;
    if (update->kind != UPDATE_PLACE)
        return update;
    update->as.hold.placement_code = 3;
    update->as.hold.starts_on = date_of_wall_ms(world->wall_ms);
    update->as.hold.provider_consent = update->as.hold.authorities_consent = CONSENT_GIVEN;
    update->as.hold.child_count = hold->beds;
    for (uint32_t i = 0; i < hold->beds; i++)
        update->as.hold.children[i] = (struct household_child){AGE_9_11, SEX_F};
    return update;
}

static inline void random_updates(struct world *world, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        struct update *batch[5];
        size_t count = 1 + random_up_to(&world->random, 4);
        for (size_t i = 0; i < count; i++) {
            char reference[16];
            const char *agency = random_up_to(&world->random, 4) ? AGENCY : OTHER;
            snprintf(reference, sizeof reference, "H-%u", random_up_to(&world->random, CARERS - 1));
            uint32_t what = random_up_to(&world->random, 29);
            batch[i] = what < 4     ? world_put_carer(world, agency, reference)
                       : what < 6   ? put_unshared(world, agency, reference)
                       : what < 12  ? put_vacancy(world, agency, reference)
                       : what < 14  ? world_update(world, UPDATE_WITHDRAW, agency, reference)
                       : what == 14 ? world_put_agency(world, agency)
                       : what == 15 ? world_update(world, UPDATE_END_CARER, agency, reference)
                       : what == 16 ? world_update(world, UPDATE_ERASE_CARER, agency, reference)
                       : what < 20  ? world_update(world, UPDATE_CONFIRM, agency, NULL)
                       : what < 27  ? random_hold_asked(world, agency, reference)
                                    : random_hold_change(world);
            if (what == 15) {
                batch[i]->as.end.ends_on = 21000;
                strcpy(batch[i]->as.end.reason, "AW0");
            }
            if (what > 16 && what < 20)
                batch[i]->as.confirm.all = true;
        }
        home_apply(world->home, batch, count);
        for (size_t i = 0; i < count; i++)
            update_destroy(batch[i]);
        world_pass(world, random_up_to(&world->random, 7200) * 1000LL);
        home_lapse(world->home, 100, NULL);
    }
}

/* Both agencies, and some days of traffic; then a copy as a backup would have it. */
static inline void begin(int before, int after)
{
    open_asking(&original, seed);
    assert_int_equal(apply(&original, UPDATE_DECIDE), ERR_NONE);
    assert_int_equal(world_apply(&original, world_put_agency(&original, AGENCY)).problem.code, ERR_NONE);
    assert_int_equal(world_apply(&original, world_put_agency(&original, OTHER)).problem.code, ERR_NONE);
    random_updates(&original, before);
    world_init(&restored, seed + 1, false);
    restored.store->ops->close(restored.store);
    restored.store = store_memory_clone(original.store);
    random_updates(&original, after);
    restored.wall_ms = original.wall_ms;
    restored.has_peers = restored.restored = true;
    world_open(&restored);
    restored.restored = false;
}

static inline void end(void)
{
    world_finish(&original);
    world_finish(&restored);
}

/* The peer's log after our head, up to its next checkpoint; NULL when there is no more. */
static inline struct update *next_replay(struct world *from, struct world *to)
{
    struct log_reader reader = home_log_reader(from->home);
    struct update *update = world_update(to, UPDATE_REPLAY, NULL, NULL);
    struct arena *arena = malloc(sizeof *arena);
    struct log_slice slice;
    struct signed_checkpoint ours;
    struct log_cursor cursor = {.sequence = 0};
    if (home_checkpoint(to->home, &ours) == ERR_NONE) {
        cursor.sequence = ours.checkpoint.sequence;
        memcpy(cursor.head, ours.checkpoint.head, DIGEST_BYTES);
    }
    arena_init(arena, 64 << 20);
    update->as.replay.arena = arena;
    update->as.replay.rows = arena_alloc(arena, 65536 * sizeof(struct log_row));
    do {
        assert_int_equal(reader.entries(reader.ctx, WORLD_REGION, &cursor, arena, &slice), ERR_NONE);
        assert_int_equal(slice.refusal, LOG_SERVED);
        if (slice.count == 0) {
            update_destroy(update);
            return NULL;
        }
        memcpy(update->as.replay.rows + update->as.replay.count, slice.rows, slice.count * sizeof *slice.rows);
        update->as.replay.count += slice.count;
        cursor.sequence += slice.count;
        log_header_hash(slice.rows[slice.count - 1].header.data, cursor.head);
    } while (!slice.has_checkpoint);
    update->as.replay.checkpoint = slice.checkpoint;
    return update;
}

static inline void replay_all(struct world *from, struct world *to)
{
    struct update *replay;
    for (int i = 0; (replay = next_replay(from, to)) != NULL; i++) {
        struct update_result result = world_apply(to, replay);
        if (result.problem.code != ERR_NONE)
            fail_msg("replay: %s", result.problem.text);
        assert_standing(to, STANDING_RESTORING);
        if (i == 1)
            reopen(to); /* and goes on */
    }
}

/* A snapshot of the peer, taken while it changes: records, all headers after our head, and the log since it began. */
static inline struct update *whole_replay(struct world *from, struct world *to, int changes)
{
    struct log_reader reader = home_log_reader(from->home);
    struct update *update = world_update(to, UPDATE_REPLAY, NULL, NULL);
    struct arena *arena = malloc(sizeof *arena);
    struct signed_checkpoint start = newest(from), ours = newest(to);
    struct octets headers, after = {0};
    struct record_slice slice;
    enum log_table table = LOG_TABLE_NONE;
    arena_init(arena, 64 << 20);
    update->as.replay.arena = arena;
    update->as.replay.whole = true;
    update->as.replay.checkpoint = start;
    struct log_row *rows = update->as.replay.rows = arena_alloc(arena, 16384 * sizeof *rows);
    struct shared_record *records = update->as.replay.records = arena_alloc(arena, 16384 * sizeof *records);
    uint64_t first = ours.checkpoint.sequence + 1, last = start.checkpoint.sequence;
    assert_int_equal(reader.headers(reader.ctx, WORLD_REGION, first, last, arena, &headers), ERR_NONE);
    assert_int_equal(headers.size, (last - first + 1) * LOG_HEADER_BYTES);
    for (size_t at = 0; at < headers.size; at += LOG_HEADER_BYTES)
        rows[update->as.replay.count++] = (struct log_row){.header = {headers.data + at, LOG_HEADER_BYTES}};
    do {
        assert_int_equal(reader.records(reader.ctx, WORLD_REGION, table, &after, arena, &slice), ERR_NONE);
        for (size_t i = 0; i < slice.count; i++)
            records[update->as.replay.record_count++] = slice.records[i];
        if (slice.count > 0) {
            table = slice.records[slice.count - 1].table;
            after = slice.records[slice.count - 1].key;
        }
        random_updates(from, changes);
    } while (slice.count > 0);
    struct log_cursor cursor = {.sequence = last};
    memcpy(cursor.head, start.checkpoint.head, DIGEST_BYTES);
    for (;;) {
        struct log_slice entries;
        assert_int_equal(reader.entries(reader.ctx, WORLD_REGION, &cursor, arena, &entries), ERR_NONE);
        if (entries.count == 0)
            break;
        memcpy(rows + update->as.replay.count, entries.rows, entries.count * sizeof *rows);
        update->as.replay.count += entries.count;
        cursor.sequence += entries.count;
        log_header_hash(entries.rows[entries.count - 1].header.data, cursor.head);
        update->as.replay.checkpoint = entries.checkpoint;
    }
    return update;
}

#endif
