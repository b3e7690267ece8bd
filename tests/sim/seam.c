/*
 * seam.c - see seam.h. One thread. Wraps each operation of store_memory; a transaction carries its seam.
 */
#include "tests/sim/seam.h"

#include <stdlib.h>
#include <string.h>

struct store_txn {
    struct seam *seam;
    struct store_txn *under;
    bool write;
};

static struct seam *seam_of(struct store *store)
{
    return (struct seam *)store;
}

/* True when this call is the fatal one, which marks the seam dead. */
static bool dies_now(struct seam *seam, enum seam_call call)
{
    if (seam->counted != CALL_ANY && seam->counted != call)
        return false;
    if (seam->looking > 0 || seam->calls_until_death < 0 || seam->calls_until_death-- > 0)
        return false;
    seam->dead = true;
    return true;
}

/* For calls that a death simply stops. */
static bool stopped(struct seam *seam)
{
    return seam->dead || dies_now(seam, CALL_ANY);
}

static enum err seam_begin(struct store *store, bool write, struct store_txn **out)
{
    struct seam *seam = seam_of(store);
    *out = NULL;
    if (stopped(seam))
        return ERR_STORE_IO;
    struct store_txn *txn = calloc(1, sizeof *txn);
    if (txn == NULL)
        abort();
    enum err err = seam->under->ops->begin(seam->under, write, &txn->under);
    if (err != ERR_NONE) {
        free(txn);
        return err;
    }
    txn->seam = seam;
    txn->write = write;
    *out = txn;
    return ERR_NONE;
}

static void seam_abort(struct store_txn *txn)
{
    if (txn == NULL)
        return;
    txn->seam->under->ops->abort(txn->under);
    free(txn);
}

static enum err seam_commit(struct store_txn *txn)
{
    struct seam *seam = txn->seam;
    bool fatal = !seam->dead && dies_now(seam, CALL_COMMIT);
    if ((seam->dead && !fatal) || (fatal && seam->how != DEATH_AFTER) || (txn->write && seam->commit_fails)) {
        seam->commit_failed = seam->commit_failed || (txn->write && seam->commit_fails);
        seam->commit_fails = seam->commit_fails && !txn->write;
        seam_abort(txn);
        return ERR_STORE_IO;
    }
    enum err err = seam->under->ops->commit(txn->under);
    if (err == ERR_NONE && txn->write)
        seam->commits++;
    free(txn);
    return err;
}

static void seam_use_reserve(struct store_txn *txn)
{
    txn->seam->under->ops->use_reserve(txn->under);
}

static enum err seam_get(struct store_txn *txn, enum store_table table, const struct octets *key, struct octets *value)
{
    return stopped(txn->seam) ? ERR_STORE_IO : txn->seam->under->ops->get(txn->under, table, key, value);
}

static enum err seam_put(struct store_txn *txn, enum store_table table, const struct octets *key,
                         const struct octets *value)
{
    return stopped(txn->seam) ? ERR_STORE_IO : txn->seam->under->ops->put(txn->under, table, key, value);
}

static enum err seam_del(struct store_txn *txn, enum store_table table, const struct octets *key)
{
    return stopped(txn->seam) ? ERR_STORE_IO : txn->seam->under->ops->del(txn->under, table, key);
}

static enum err seam_seek(struct store_txn *txn, enum store_table table, const struct octets *from, bool backwards,
                          struct octets *key, struct octets *value)
{
    if (stopped(txn->seam))
        return ERR_STORE_IO;
    return txn->seam->under->ops->seek(txn->under, table, from, backwards, key, value);
}

static enum err seam_usage(struct store *store, struct store_usage *out)
{
    struct seam *seam = seam_of(store);
    return stopped(seam) ? ERR_STORE_IO : seam->under->ops->usage(seam->under, out);
}

/* --- segments --------------------------------------------------------------------------------------------------- */

static size_t segment_place(struct seam *seam, const char *name)
{
    for (size_t i = 0; i < SEAM_SEGMENTS; i++) {
        if (seam->segments[i].name[0] == '\0')
            strncpy(seam->segments[i].name, name, sizeof seam->segments[i].name - 1);
        if (strcmp(seam->segments[i].name, name) == 0)
            return i;
    }
    sim_fail(seam->sim, "more than %d segments", SEAM_SEGMENTS);
}

static enum err seam_segment_append(struct store *store, const char *name, const struct octets *octets)
{
    struct seam *seam = seam_of(store);
    bool fatal = !seam->dead && dies_now(seam, CALL_APPEND);
    if ((seam->dead && !fatal) || (fatal && seam->how == DEATH_BEFORE))
        return ERR_STORE_IO;
    struct octets part = *octets;
    if (fatal && seam->how == DEATH_IN_MIDDLE) {
        part.size = below(seam->sim, (uint32_t)octets->size);
        sim_cover(COVERED_APPEND_TORN);
    }
    enum err err = seam->under->ops->segment_append(seam->under, name, &part);
    if (err == ERR_NONE) {
        seam->segments[segment_place(seam, name)].bytes += part.size;
        seam->trail_appends += strncmp(name, "disclosures-", 12) == 0;
    }
    return fatal ? ERR_STORE_IO : err;
}

static enum err seam_segment_sync(struct store *store, const char *name)
{
    struct seam *seam = seam_of(store);
    if (stopped(seam))
        return ERR_STORE_IO;
    size_t at = segment_place(seam, name);
    uint64_t bytes = seam->segments[at].bytes; /* what comes meanwhile may be on disk or not: nobody may count on it */
    if (seam->beside_sync != NULL) {
        void (*beside_sync)(void *ctx) = seam->beside_sync;
        seam->beside_sync = NULL;
        beside_sync(seam->beside_sync_ctx);
        if (seam->dead)
            return ERR_STORE_IO;
    }
    enum err err = seam->under->ops->segment_sync(seam->under, name);
    if (err == ERR_NONE)
        seam->segments[at].synced = bytes;
    return err;
}

static enum err seam_segment_read(struct store *store, const char *name, uint64_t offset, uint8_t *out, size_t size,
                                  size_t *got)
{
    struct seam *seam = seam_of(store);
    *got = 0;
    /* The simulator looks at a dead disk, too: at what was shown before it died. */
    return seam->looking == 0 && stopped(seam)
               ? ERR_STORE_IO
               : seam->under->ops->segment_read(seam->under, name, offset, out, size, got);
}

static enum err seam_segment_truncate(struct store *store, const char *name, uint64_t bytes)
{
    struct seam *seam = seam_of(store);
    if (stopped(seam))
        return ERR_STORE_IO;
    enum err err = seam->under->ops->segment_truncate(seam->under, name, bytes);
    size_t at = segment_place(seam, name);
    if (err == ERR_NONE && bytes < seam->segments[at].bytes) {
        seam->segments[at].bytes = bytes;
        if (bytes < seam->segments[at].synced)
            seam->segments[at].synced = bytes;
    }
    return err;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

struct seam *seam_create(struct sim *sim)
{
    static const struct store_ops ops = {
        .begin = seam_begin,
        .commit = seam_commit,
        .abort = seam_abort,
        .use_reserve = seam_use_reserve,
        .get = seam_get,
        .put = seam_put,
        .del = seam_del,
        .seek = seam_seek,
        .usage = seam_usage,
        .segment_append = seam_segment_append,
        .segment_sync = seam_segment_sync,
        .segment_read = seam_segment_read,
        .segment_truncate = seam_segment_truncate,
        .close = NULL, /* the disk is the simulator's, not the hub's */
    };
    struct seam *seam = calloc(1, sizeof *seam);
    if (seam == NULL || (seam->under = store_memory_create()) == NULL)
        abort();
    seam->store.ops = &ops;
    seam->sim = sim;
    seam->calls_until_death = -1;
    return seam;
}

void seam_destroy(struct seam *seam)
{
    if (seam == NULL)
        return;
    seam->under->ops->close(seam->under);
    free(seam);
}

void seam_plan_death(struct seam *seam, enum seam_call counted, int64_t calls, enum seam_death how)
{
    seam->counted = counted;
    seam->calls_until_death = calls;
    seam->how = how;
}

void seam_plan_full(struct seam *seam, int64_t calls)
{
    struct store_memory_plan plan = {.calls_until_crash = -1, .calls_until_full = calls};
    store_memory_set_plan(seam->under, &plan);
}

void seam_limit(struct seam *seam, uint64_t more_bytes, uint64_t reserve_bytes)
{
    struct store_usage usage;
    if (seam->under->ops->usage(seam->under, &usage) != ERR_NONE)
        sim_fail(seam->sim, "the simulated disk could not be measured");
    struct store_memory_plan plan = {.calls_until_crash = -1,
                                     .calls_until_full = -1,
                                     .limit_bytes = usage.used_bytes + more_bytes + reserve_bytes,
                                     .reserve_bytes = reserve_bytes};
    store_memory_set_plan(seam->under, &plan);
}

void seam_room(struct seam *seam)
{
    struct store_memory_plan plan = {.calls_until_crash = -1, .calls_until_full = -1};
    store_memory_set_plan(seam->under, &plan);
}

void seam_revive(struct seam *seam, bool power_cut)
{
    store_memory_crash(seam->under, true);
    for (size_t i = 0; i < SEAM_SEGMENTS && seam->segments[i].name[0] != '\0'; i++) {
        uint64_t bytes = seam->segments[i].bytes, synced = seam->segments[i].synced;
        if (power_cut && bytes > synced) {
            bytes = synced + seeded_random_below(&seam->sim->chance, bytes - synced + 1);
            if (seam->under->ops->segment_truncate(seam->under, seam->segments[i].name, bytes) != ERR_NONE)
                sim_fail(seam->sim, "the simulated disk could not be cut");
            seam->segments[i].bytes = bytes;
        }
    }
    seam->dead = false;
    seam->commit_fails = seam->commit_failed = false;
    seam->calls_until_death = -1;
}

/* --- images ----------------------------------------------------------------------------------------------------- */

struct seam_image {
    struct store *store;
    struct seam_segment segments[SEAM_SEGMENTS];
};

static void must(enum err err)
{
    if (err != ERR_NONE)
        abort();
}

/* Everything on a disk, one after the other. */
struct walk {
    struct store *store;
    struct store_txn *txn;
    int table;
    uint8_t next[512];
    size_t next_bytes;
    struct octets key, value;
};

static void walk_begin(struct walk *walk, struct store *store)
{
    walk->store = store;
    walk->table = 0;
    walk->next_bytes = 0;
    must(store->ops->begin(store, false, &walk->txn));
}

/* False: that was all, and the walk is over. */
static bool walk_on(struct walk *walk)
{
    for (; walk->table < STORE_TABLES; walk->table++, walk->next_bytes = 0) {
        const struct octets next = {walk->next, walk->next_bytes};
        if (walk->store->ops->seek(walk->txn, (enum store_table)walk->table, &next, false, &walk->key, &walk->value) !=
            ERR_NONE)
            continue;
        memcpy(walk->next, walk->key.data, walk->key.size);
        walk->next[walk->key.size] = 0; /* the first key after this one */
        walk->next_bytes = walk->key.size + 1;
        return true;
    }
    walk->store->ops->abort(walk->txn);
    return false;
}

static void copy_tables(struct store *from, struct store *to)
{
    struct store_txn *writing;
    struct walk walk;
    must(to->ops->begin(to, true, &writing));
    for (walk_begin(&walk, from); walk_on(&walk);)
        must(to->ops->put(writing, (enum store_table)walk.table, &walk.key, &walk.value));
    must(to->ops->commit(writing));
}

bool seam_contains(const struct seam *seam, const struct octets *octets)
{
    struct walk walk;
    bool found = false;
    for (walk_begin(&walk, seam->under); walk_on(&walk);)
        found = found || memmem(walk.value.data, walk.value.size, octets->data, octets->size) != NULL;
    return found;
}

static void copy_segment(struct store *from, struct store *to, const struct seam_segment *segment)
{
    uint8_t buffer[4096];
    size_t got;
    for (uint64_t offset = 0; offset < segment->bytes; offset += got) {
        must(from->ops->segment_read(from, segment->name, offset, buffer, sizeof buffer, &got));
        must(got > 0 ? to->ops->segment_append(to, segment->name, &(struct octets){buffer, got}) : ERR_INTERNAL);
    }
    must(to->ops->segment_sync(to, segment->name));
}

struct seam_image *seam_empty(void)
{
    struct seam_image *image = calloc(1, sizeof *image);
    if (image == NULL || (image->store = store_memory_create()) == NULL)
        abort();
    return image;
}

struct seam_image *seam_copy(struct seam *seam)
{
    struct seam_image *image = seam_empty();
    copy_tables(seam->under, image->store);
    for (size_t i = 0; i < SEAM_SEGMENTS && seam->segments[i].name[0] != '\0'; i++) {
        copy_segment(seam->under, image->store, &seam->segments[i]);
        image->segments[i] = seam->segments[i];
        image->segments[i].synced = image->segments[i].bytes;
    }
    return image;
}

void seam_image_destroy(struct seam_image *image)
{
    if (image == NULL)
        return;
    if (image->store != NULL)
        image->store->ops->close(image->store);
    free(image);
}

void seam_replace(struct seam *seam, struct seam_image *image)
{
    seam->under->ops->close(seam->under);
    seam->under = image->store;
    memcpy(seam->segments, image->segments, sizeof seam->segments);
    image->store = NULL;
    seam_image_destroy(image);
}
