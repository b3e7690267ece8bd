/*
 * replica.c - the replica's life: regions, the roster, what is known of each region, works as objects.
 * Owns: struct replica and struct region, and the readable copy of a region's row. See replica_parts.h for threads and
 * the invariant.
 */
#include "daemon/base/log.h"
#include "daemon/register/replica_parts.h"

#include <stdlib.h>
#include <string.h>

const char *replica_verdict_name(enum replica_verdict verdict)
{
    static const char *const names[] = {
        [VERDICT_NONE] = "none",
        [VERDICT_APPLIED] = "applied",
        [VERDICT_STAGED] = "staged",
        [VERDICT_KNOWN] = "known",
        [VERDICT_GAP] = "gap",
        [VERDICT_LIE] = "lie",
        [VERDICT_OTHER_HISTORY] = "other history",
        [VERDICT_OLD_EPOCH] = "old epoch",
        [VERDICT_MISMATCH] = "mismatch",
        [VERDICT_FROZEN] = "frozen",
        [VERDICT_NO_REGION] = "no such region",
        [VERDICT_TOO_LARGE] = "too large",
        [VERDICT_STORE] = "store",
    };
    return verdict >= 0 && verdict < sizeof names / sizeof *names ? names[verdict] : "?";
}

/* --- works ------------------------------------------------------------------------------------------------------- */

struct replica_work *replica_work_create(enum replica_work_kind kind, const char *region)
{
    struct replica_work *work = calloc(1, sizeof *work);
    if (work == NULL || strlen(region) >= sizeof work->region) {
        free(work);
        return NULL;
    }
    work->kind = kind;
    strcpy(work->region, region);
    arena_init(&work->arena, REPLICA_COMMIT_MAX_BYTES);
    return work;
}

void replica_work_destroy(struct replica_work *work)
{
    if (work == NULL)
        return;
    arena_finish(&work->arena);
    free(work);
}

/* --- regions ----------------------------------------------------------------------------------------------------- */

/* Index of the first region at or after the code. */
static size_t region_at(const struct replica *replica, const char *code)
{
    size_t low = 0, high = replica->region_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(replica->regions[middle]->code, code) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct region *replica_region(struct replica *replica, const char *code)
{
    size_t at = region_at(replica, code);
    return at < replica->region_count && strcmp(replica->regions[at]->code, code) == 0 ? replica->regions[at] : NULL;
}

struct region *replica_region_add(struct replica *replica, const char *code)
{
    size_t at = region_at(replica, code);
    struct region *region = replica_region(replica, code);
    if (region != NULL)
        return region;
    region = calloc(1, sizeof *region);
    struct region **regions = realloc(replica->regions, (replica->region_count + 1) * sizeof(struct region *));
    if (region == NULL || regions == NULL)
        log_fatal("register", "no memory for a region");
    memcpy(region->code, code, GSS_BYTES);
    memmove(regions + at + 1, regions + at, (replica->region_count - at) * sizeof(struct region *));
    regions[at] = region;
    replica->regions = regions;
    replica->region_count++;
    return region;
}

/* Takes the roster's regions over. Under the lock. */
static void take_roster(struct replica *replica, const struct roster *roster)
{
    for (size_t i = 0; i < replica->region_count; i++)
        replica->regions[i]->in_roster = false;
    for (uint32_t i = 0; i < roster->region_count; i++) {
        if (strcmp(roster->regions[i].region, replica->home_region) == 0)
            continue;
        struct region *region = replica_region_add(replica, roster->regions[i].region);
        region->in_roster = true;
        region->rostered = roster->regions[i];
    }
    roster_unref(replica->roster);
    replica->roster = roster_ref(roster);
}

/* Observers are told of regions that came back, and of those that left. */
static void show_and_hide(struct replica *replica, const bool *was_in, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct region *region = replica->regions[i];
        if (region->in_roster == was_in[i])
            continue;
        enum err err = feed_region(replica, replica->observers, replica->observer_count, region, !region->in_roster);
        if (err != ERR_NONE)
            log_error("register", "region %s can't be read: %s", region->code, err_name(err));
    }
}

void replica_set_roster(struct replica *replica, const struct roster *roster)
{
    bool *was_in = calloc(replica->region_count + roster->region_count + 1, sizeof *was_in);
    if (was_in == NULL)
        log_fatal("register", "no memory for a roster");
    pthread_mutex_lock(&replica->lock);
    for (uint32_t i = 0; i < roster->region_count; i++) /* so that places stay what they are */
        if (strcmp(roster->regions[i].region, replica->home_region) != 0)
            (void)replica_region_add(replica, roster->regions[i].region);
    for (size_t i = 0; i < replica->region_count; i++)
        was_in[i] = replica->regions[i]->in_roster;
    take_roster(replica, roster);
    pthread_mutex_unlock(&replica->lock);
    show_and_hide(replica, was_in, replica->region_count);
    free(was_in);
    (void)replica_thaw(replica);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

enum err replica_open(const struct replica_options *options, struct store *store, struct replica **out,
                      struct problem *problem)
{
    struct replica *replica = calloc(1, sizeof *replica);
    *out = NULL;
    if (replica == NULL)
        return problem_set(problem, ERR_LIMIT, "", "no memory for the replica");
    memcpy(replica->home_region, options->home_region, GSS_BYTES);
    replica->clock = options->clock;
    replica->store = store;
    arena_init(&replica->arena, APPLY_ARENA_BYTES);
    arena_init(&replica->put_arena, 1 << 20);
    arena_init(&replica->undo_arena, APPLY_ARENA_BYTES);
    pthread_mutex_init(&replica->lock, NULL);
    enum err err = replica_read_back(replica, problem);
    if (err != ERR_NONE) {
        replica_close(replica);
        return err;
    }
    if (options->roster != NULL)
        take_roster(replica, options->roster);
    replica->pool = hash_pool_create(options->hash_threads);
    (void)replica_thaw(replica);
    *out = replica;
    return ERR_NONE;
}

void replica_close(struct replica *replica)
{
    if (replica == NULL)
        return;
    hash_pool_destroy(replica->pool);
    for (size_t i = 0; i < replica->region_count; i++)
        free(replica->regions[i]);
    free(replica->regions);
    roster_unref(replica->roster);
    arena_finish(&replica->arena);
    arena_finish(&replica->put_arena);
    arena_finish(&replica->undo_arena);
    pthread_mutex_destroy(&replica->lock);
    free(replica);
}

enum err replica_observe(struct replica *replica, const struct commit_observer *observer)
{
    if (replica->observer_count == HOME_OBSERVERS_MAX)
        return ERR_LIMIT;
    for (size_t i = 0; i < replica->region_count; i++) {
        const struct region *region = replica->regions[i];
        enum err err = region->in_roster ? feed_region(replica, observer, 1, region, false) : ERR_NONE;
        if (err != ERR_NONE)
            return err;
    }
    replica->observers[replica->observer_count++] = *observer;
    return ERR_NONE;
}

/* --- what is known of a region ----------------------------------------------------------------------------------- */

static void status_of(const struct region *region, struct replica_status *out)
{
    const struct region_row *row = &region->row;
    const struct staging_row *staging = &region->staging;
    *out = (struct replica_status){.present = row->proven.generation != 0,
                                   .durable_sequence = row->proven.sequence,
                                   .first_seen_boot_ms = region->first_seen_boot_ms,
                                   .frozen = row->frozen,
                                   .staging = staging->state.generation != 0};
    memcpy(out->region, region->code, GSS_BYTES);
    memcpy(out->frozen_why, row->frozen_why, sizeof out->frozen_why);
    if (out->present)
        out->checkpoint = row->newest;
    if (!out->staging)
        return;
    uint64_t begin = staging->begin.checkpoint.sequence;
    out->staged_from_sequence = begin;
    out->staged_headers = staging->state.sequence < begin ? staging->state.sequence : begin;
    memcpy(out->staged_head, staging->begin.checkpoint.head, DIGEST_BYTES);
    out->staged_table = (enum log_table)staging->last_table;
    out->staged_key_bytes = staging->last_key_bytes;
    memcpy(out->staged_key, staging->last_key, staging->last_key_bytes);
}

enum err replica_status(struct replica *replica, const char *code, struct replica_status *out)
{
    pthread_mutex_lock(&replica->lock);
    const struct region *region = replica_region(replica, code);
    bool known = region != NULL && region->in_roster;
    if (known)
        status_of(region, out);
    pthread_mutex_unlock(&replica->lock);
    return known ? ERR_NONE : ERR_NOT_FOUND;
}

size_t replica_list(struct replica *replica, struct replica_status *out, size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&replica->lock);
    for (size_t i = 0; i < replica->region_count && count < max; i++)
        if (replica->regions[i]->in_roster)
            status_of(replica->regions[i], &out[count++]);
    pthread_mutex_unlock(&replica->lock);
    return count;
}

static int64_t age_ms(int64_t signed_wall_ms, int64_t first_seen_boot_ms, int64_t now_wall_ms, int64_t now_boot_ms,
                      int64_t *clock_differs_ms)
{
    int64_t by_wall = now_wall_ms - signed_wall_ms;
    int64_t by_boot = now_boot_ms - first_seen_boot_ms;
    *clock_differs_ms = by_wall < 0 ? -by_wall : 0;
    int64_t age = by_wall > by_boot ? by_wall : by_boot;
    return age > 0 ? age : 0;
}

int64_t replica_age_ms(const struct replica_status *status, int64_t now_wall_ms, int64_t now_boot_ms,
                       int64_t *clock_differs_ms)
{
    int64_t differs_ms;
    return age_ms(status->checkpoint.checkpoint.time_ms, status->first_seen_boot_ms, now_wall_ms, now_boot_ms,
                  clock_differs_ms != NULL ? clock_differs_ms : &differs_ms);
}

static void age_of(const struct region *region, int64_t now_wall_ms, int64_t now_boot_ms, struct replica_age *out)
{
    *out =
        (struct replica_age){.present = region->row.proven.generation != 0, .frozen = region->row.frozen != FROZEN_NOT};
    memcpy(out->region, region->code, GSS_BYTES);
    if (out->present)
        out->age_ms = age_ms(region->row.newest.checkpoint.time_ms, region->first_seen_boot_ms, now_wall_ms,
                             now_boot_ms, &out->clock_differs_ms);
}

size_t replica_ages(struct replica *replica, int64_t now_wall_ms, int64_t now_boot_ms, struct replica_age *out,
                    size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&replica->lock);
    for (size_t i = 0; i < replica->region_count && count < max; i++)
        if (replica->regions[i]->in_roster)
            age_of(replica->regions[i], now_wall_ms, now_boot_ms, &out[count++]);
    pthread_mutex_unlock(&replica->lock);
    return count;
}
