/*
 * truth.c - see truth.h. One thread.
 */
#include "tests/sim/federation/truth.h"

#include "daemon/record/bytes.h"
#include "daemon/record/lthash.h"
#include "tests/sim/federation/beds.h"
#include "tests/sim/federation/hubs.h"
#include "tests/sim/federation/owners.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE        64
#define ARENA_BYTES (16u << 20)

static void *grown(void *array, uint32_t count, uint32_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? 2 * *capacity : 64;
    array = realloc(array, *capacity * item_bytes);
    if (array == NULL)
        abort();
    return array;
}

static uint8_t *copied(const void *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes + 1);
    if (copy == NULL)
        abort();
    if (bytes > 0)
        memcpy(copy, data, bytes);
    return copy;
}

/* --- sums -------------------------------------------------------------------------------------------------------- */

static void sum_record(struct state_sum *sum, bool add, enum log_table table, const void *key, size_t key_bytes,
                       const void *value, size_t value_bytes)
{
    uint8_t head[3] = {(uint8_t)table}, hash[DIGEST_BYTES];
    put_be16(head + 1, (uint16_t)key_bytes);
    struct octets parts[] = {{head, 3}, {key, key_bytes}, {value, value_bytes}};
    digest_sha256_parts(parts, 3, hash);
    uint64_t low = get_be64(hash), high = get_be64(hash + 8);
    sum->low += add ? low : -low;
    sum->high += add ? high : -high;
    sum->records += add ? 1 : (uint64_t)-1;
}

static bool same_sum(const struct state_sum *a, const struct state_sum *b)
{
    return a->low == b->low && a->high == b->high && a->records == b->records;
}

/* --- histories --------------------------------------------------------------------------------------------------- */

const struct entry *truth_entry(const struct world *world, uint32_t region, uint32_t index)
{
    return &world->truth->histories[region].entries[index];
}

uint32_t truth_find(const struct world *world, uint32_t region, const uint8_t hash[DIGEST_BYTES])
{
    const struct history *history = &world->truth->histories[region];
    for (uint32_t i = history->count; i-- > 0;)
        if (memcmp(history->entries[i].hash, hash, DIGEST_BYTES) == 0)
            return i;
    return NO_ENTRY;
}

bool truth_leads_to(const struct world *world, uint32_t region, uint32_t ancestor, uint32_t entry)
{
    if (ancestor == NO_ENTRY)
        return true;
    uint64_t sequence = truth_entry(world, region, ancestor)->sequence;
    while (entry != NO_ENTRY && truth_entry(world, region, entry)->sequence > sequence)
        entry = truth_entry(world, region, entry)->parent;
    return entry == ancestor;
}

const struct entry *truth_record(const struct world *world, uint32_t region, uint32_t index, enum log_table table,
                                 const void *key, size_t key_bytes)
{
    for (; index != NO_ENTRY; index = truth_entry(world, region, index)->parent) {
        const struct entry *entry = truth_entry(world, region, index);
        if (entry->table == table && entry->key_bytes == key_bytes && memcmp(entry->key, key, key_bytes) == 0)
            return entry->deleted ? NULL : entry;
    }
    return NULL;
}

void truth_digest(const struct world *world, uint32_t region, uint32_t index, uint8_t out[DIGEST_BYTES])
{
    struct lthash state;
    lthash_init(&state);
    for (uint32_t at = index; at != NO_ENTRY; at = truth_entry(world, region, at)->parent) {
        const struct entry *entry = truth_entry(world, region, at);
        if (entry->table == LOG_TABLE_EPOCH ||
            truth_record(world, region, index, entry->table, entry->key, entry->key_bytes) != entry)
            continue;
        struct octets key = {entry->key, entry->key_bytes}, value = {entry->value, entry->value_bytes};
        lthash_add(&state, entry->table, &key, &value);
    }
    lthash_digest(&state, out);
}

/*
 * Issue 3, point 4: another entry for the same position of an epoch, or another id for the same epoch. Or an epoch that
 * does not go on from an earlier one: only who promotes a hub that was superseded makes that.
 */
static void look_for_fork(struct world *world, uint32_t region, const struct entry *new)
{
    struct history *history = &world->truth->histories[region];
    for (uint32_t i = 0; i < history->count && !history->forked; i++) {
        const struct entry *other = &history->entries[i];
        bool position = other->epoch == new->epoch && other->sequence == new->sequence;
        bool id = other->epoch == new->epoch && other->opened != new->opened;
        bool left_out = new->table == LOG_TABLE_EPOCH && other->table == LOG_TABLE_EPOCH && other->epoch < new->epoch &&
                        !truth_leads_to(world, region, i, new->parent);
        if (position || id || left_out) {
            history->forked = true;
            sim_note(&world->sim, "a fork was made: epoch %" PRIu64 ", entry %" PRIu64, new->epoch, new->sequence);
            sim_cover(COVERED_FORK_MADE);
        }
    }
}

static void take_payload(struct fed_hub *hub, const struct log_row *row, struct entry *entry)
{
    struct world *world = hub->world;
    struct log_payload payload;
    sim_require(&world->sim, log_payload_decode(&row->payload, &payload) == ERR_NONE,
                "%s: the payload of entry %" PRIu64 " can't be read", world_region(hub->region), entry->sequence);
    sim_require(&world->sim, payload.key.size <= sizeof entry->key, "a key of %zu octets", payload.key.size);
    entry->table = payload.table;
    entry->deleted = payload.deleted;
    entry->key_bytes = payload.key.size;
    memcpy(entry->key, payload.key.data, payload.key.size);
    entry->value_bytes = payload.deleted ? 0 : payload.value.size;
    entry->value = copied(payload.value.data, entry->value_bytes);
    if (entry->parent != NO_ENTRY)
        entry->state = truth_entry(world, hub->region, entry->parent)->state;
    if (entry->table == LOG_TABLE_EPOCH)
        return;
    const struct entry *before =
        truth_record(world, hub->region, entry->parent, entry->table, entry->key, entry->key_bytes);
    if (before != NULL)
        sum_record(&entry->state, false, before->table, before->key, before->key_bytes, before->value,
                   before->value_bytes);
    if (!entry->deleted)
        sum_record(&entry->state, true, entry->table, entry->key, entry->key_bytes, entry->value, entry->value_bytes);
}

static void take_row(struct fed_hub *hub, const struct log_row *row)
{
    struct world *world = hub->world;
    struct history *history = &world->truth->histories[hub->region];
    struct log_header header;
    uint8_t hash[DIGEST_BYTES];
    sim_require(&world->sim, log_header_decode(&row->header, &header) == ERR_NONE, "%s: a header can't be read",
                world_region(hub->region));
    log_header_hash(row->header.data, hash);
    uint32_t known = truth_find(world, hub->region, hash);
    if (known != NO_ENTRY) {
        sim_require(&world->sim, truth_entry(world, hub->region, known)->parent == hub->head, "a chain that branches");
        hub->head = known;
        return;
    }
    history->entries = grown(history->entries, history->count, &history->capacity, sizeof *history->entries);
    struct entry *entry = &history->entries[history->count];
    *entry =
        (struct entry){.parent = hub->head, .made_by = hub->index, .epoch = header.epoch, .sequence = header.sequence};
    memcpy(entry->hash, hash, DIGEST_BYTES);
    uint64_t before = hub->head == NO_ENTRY ? 0 : history->entries[hub->head].sequence;
    sim_require(&world->sim, header.sequence == before + 1, "%s: entry %" PRIu64 " follows entry %" PRIu64,
                world_region(hub->region), header.sequence, before);
    if (hub->head != NO_ENTRY)
        sim_require(&world->sim, memcmp(header.previous, history->entries[hub->head].hash, DIGEST_BYTES) == 0,
                    "%s: entry %" PRIu64 " does not carry its predecessor's hash", world_region(hub->region),
                    header.sequence);
    take_payload(hub, row, entry);
    entry->opened =
        entry->table == LOG_TABLE_EPOCH || hub->head == NO_ENTRY ? history->count : history->entries[hub->head].opened;
    look_for_fork(world, hub->region, entry);
    hub->head = history->count++;
    owners_learn(world, hub->region, hub->head);
}

void truth_learn(struct world *world, struct fed_hub *hub)
{
    struct arena arena;
    size_t got;
    uint32_t before = hub->head;
    arena_init(&arena, ARENA_BYTES);
    hub->home_disk->looking++;
    do {
        struct log_row rows[PAGE];
        uint64_t next = hub->head == NO_ENTRY ? 1 : truth_entry(world, hub->region, hub->head)->sequence + 1;
        enum err err = home_read_log(hub->home, next, &arena, rows, PAGE, &got);
        sim_require(&world->sim, err == ERR_NONE, "the log can't be read: %s", err_name(err));
        for (size_t i = 0; i < got; i++)
            take_row(hub, &rows[i]);
        arena_reset(&arena);
    } while (got > 0);
    hub->home_disk->looking--;
    arena_finish(&arena);
    owners_learned(world, hub->region, hub->head);
    if (hub->head != before && before != NO_ENTRY) /* at a start it is what was there */
        beds_check(world, hub, before);
}

/* --- what is shown ----------------------------------------------------------------------------------------------- */

static struct shown_row *shown_find(struct shown *shown, enum log_table table, const struct octets *key)
{
    for (uint32_t i = 0; i < shown->count; i++)
        if (shown->rows[i].table == table && shown->rows[i].key_bytes == key->size &&
            memcmp(shown->rows[i].key, key->data, key->size) == 0)
            return &shown->rows[i];
    return NULL;
}

static void show(struct world *world, struct shown *shown, const struct change *change)
{
    struct shown_row *row = shown_find(shown, change->table, &change->key);
    if (change->deleted) {
        if (row == NULL)
            return;
        free(row->value);
        *row = shown->rows[--shown->count];
        return;
    }
    if (row == NULL) {
        sim_require(&world->sim, change->key.size <= sizeof row->key, "a key of %zu octets", change->key.size);
        shown->rows = grown(shown->rows, shown->count, &shown->capacity, sizeof *shown->rows);
        row = &shown->rows[shown->count++];
        *row = (struct shown_row){.table = change->table, .key_bytes = change->key.size};
        memcpy(row->key, change->key.data, change->key.size);
    }
    free(row->value);
    row->value = copied(change->value.data, change->value.size);
    row->value_bytes = change->value.size;
}

static struct state_sum sum_shown(const struct shown *shown)
{
    struct state_sum sum = {0};
    for (uint32_t i = 0; i < shown->count; i++) {
        const struct shown_row *row = &shown->rows[i];
        sum_record(&sum, true, row->table, row->key, row->key_bytes, row->value, row->value_bytes);
    }
    return sum;
}

/* Some entry of this position with this state; the hub's own status says later which one it was. */
static uint32_t entry_shown(struct world *world, uint32_t region, const struct shown *shown)
{
    const struct history *history = &world->truth->histories[region];
    struct state_sum sum = sum_shown(shown);
    for (uint32_t i = history->count; i-- > 0;) {
        const struct entry *entry = &history->entries[i];
        if (entry->epoch == shown->epoch && entry->sequence == shown->sequence && same_sum(&entry->state, &sum))
            return i;
    }
    return NO_ENTRY;
}

/* Of its own region a hub shows its own log, which is known: with a double there may be two entries of one position and
 * one state, since both were made of the same randomness. */
static uint32_t own_entry_shown(struct world *world, const struct fed_hub *hub, const struct shown *shown)
{
    struct state_sum sum = sum_shown(shown);
    uint32_t at = hub->head;
    while (at != NO_ENTRY && truth_entry(world, hub->region, at)->sequence > shown->sequence)
        at = truth_entry(world, hub->region, at)->parent;
    const struct entry *entry = at != NO_ENTRY ? truth_entry(world, hub->region, at) : NULL;
    return entry != NULL && entry->epoch == shown->epoch && entry->sequence == shown->sequence &&
                   same_sum(&entry->state, &sum)
               ? at
               : NO_ENTRY;
}

static void committed(void *ctx, const struct commit *commit)
{
    struct fed_hub *hub = ctx;
    struct world *world = hub->world;
    uint32_t region = world_region_index(world, commit->region);
    sim_require(&world->sim, region != UINT32_MAX, "an observer is told of region %s", commit->region);
    struct shown *shown = &world->truth->shown[hub->index][region];
    for (size_t i = 0; i < commit->count; i++)
        if (commit->changes[i].table < LOG_TABLE_END)
            show(world, shown, &commit->changes[i]);
    shown->epoch = commit->epoch;
    shown->sequence = commit->sequence;
    shown->in_parts = commit->more;
    shown->any = shown->changed = true;
    /* Nothing unproven is shown, not even for the time of one call; unless the disk died under it, and the process is
     * gone before anybody looks. (A home's own entries are learned after it.) */
    bool died = hub->home_disk->dead || hub->replica_disk->dead;
    if (!commit->more && region != hub->region && shown->sequence > 0 && !died)
        sim_require(&world->sim, entry_shown(world, region, shown) != NO_ENTRY,
                    "hub %u shows %s at %" PRIu64 ".%" PRIu64 " with a state that its log never had", hub->index,
                    commit->region, commit->epoch, commit->sequence);
}

struct commit_observer truth_observer(struct fed_hub *hub)
{
    return (struct commit_observer){.committed = committed, .ctx = hub};
}

void truth_forget_shown(struct world *world, uint32_t hub)
{
    for (uint32_t region = 0; region < world->region_count; region++) {
        struct shown *shown = &world->truth->shown[hub][region];
        for (uint32_t i = 0; i < shown->count; i++)
            free(shown->rows[i].value);
        shown->count = 0;
        shown->any = shown->changed = shown->in_parts = false;
        shown->epoch = shown->sequence = 0;
        shown->entry = NO_ENTRY;
    }
}

/* What the hub says of itself is what it shows, and signed by that region. */
static uint32_t check_status(struct world *world, struct fed_hub *hub, uint32_t region, const struct shown *shown)
{
    struct replica_status status;
    enum err err = replica_status(hub->replica, world_region(region), &status);
    sim_require(&world->sim, err == ERR_NONE, "hub %u knows nothing of %s: %s", hub->index, world_region(region),
                err_name(err));
    if (!status.present) {
        sim_require(&world->sim, shown->count == 0, "hub %u shows records of %s without a position", hub->index,
                    world_region(region));
        return NO_ENTRY;
    }
    const struct checkpoint *stands = &status.checkpoint.checkpoint;
    uint8_t key[PUBLIC_KEY_BYTES];
    signer_public_key(world->hubs[region]->signer, key);
    sim_require(&world->sim, checkpoint_verify(&status.checkpoint, key),
                "hub %u stands at a checkpoint of %s that does not verify", hub->index, world_region(region));
    uint32_t entry = truth_find(world, region, stands->head);
    sim_require(&world->sim, entry != NO_ENTRY, "hub %u stands at an entry of %s that was never made", hub->index,
                world_region(region));
    struct state_sum sum = sum_shown(shown);
    sim_require(&world->sim, same_sum(&sum, &truth_entry(world, region, entry)->state),
                "hub %u shows another state of %s than that of entry %" PRIu64 ", where it stands", hub->index,
                world_region(region), stands->sequence);
    sim_require(&world->sim, shown->sequence == stands->sequence && shown->epoch == stands->epoch,
                "hub %u shows %s at %" PRIu64 ", but stands at %" PRIu64, hub->index, world_region(region),
                shown->sequence, stands->sequence);
    return entry;
}

/* Issue 3, point 9: no two entries for one position. Going on is fine, and so is a later epoch, or what a thaw named.
 */
static void check_one_history(struct world *world, struct fed_hub *hub, uint32_t region, uint32_t before, uint32_t now)
{
    if (before == NO_ENTRY || now == NO_ENTRY || truth_leads_to(world, region, before, now))
        return;
    const struct entry *old = truth_entry(world, region, before), *new = truth_entry(world, region, now);
    bool later = new->epoch > old->epoch ||
                 (world->thaws[region].thawed && truth_leads_to(world, region, world->thaws[region].opened, now));
    if (later)
        sim_cover(COVERED_HISTORY_LEFT);
    sim_require(&world->sim, later,
                "hub %u showed %s at %" PRIu64 ".%" PRIu64 " and then at %" PRIu64 ".%" PRIu64
                ", which does not follow from it",
                hub->index, world_region(region), old->epoch, old->sequence, new->epoch, new->sequence);
}

static void check_frozen(struct world *world, struct fed_hub *hub, uint32_t region)
{
    struct replica_status status;
    if (replica_status(hub->replica, world_region(region), &status) != ERR_NONE || status.frozen == FROZEN_NOT)
        return;
    sim_require(&world->sim, status.frozen == FROZEN_FORK && world->truth->histories[region].forked,
                "hub %u has frozen %s, though no fork was made: %s", hub->index, world_region(region),
                status.frozen_why);
    struct fork_evidence evidence;
    uint8_t key[PUBLIC_KEY_BYTES];
    signer_public_key(world->hubs[region]->signer, key);
    hub->replica_disk->looking++;
    enum err err = replica_evidence(hub->replica, world_region(region), &evidence);
    hub->replica_disk->looking--;
    sim_require(&world->sim,
                err == ERR_NONE && checkpoint_verify(&evidence.ours, key) && checkpoint_verify(&evidence.theirs, key) &&
                    strcmp(evidence.ours.text, evidence.theirs.text) != 0,
                "hub %u has frozen %s without two signed statements to show for it", hub->index, world_region(region));
}

void truth_check_shown(struct world *world, struct fed_hub *hub)
{
    bool stored = hub->frozen_commits != hub->replica_disk->commits; /* who freezes keeps the evidence */
    hub->frozen_commits = hub->replica_disk->commits;
    for (uint32_t region = 0; region < world->region_count; region++) {
        struct shown *shown = &world->truth->shown[hub->index][region];
        sim_require(&world->sim, !shown->in_parts, "hub %u was told a part of a change of %s only", hub->index,
                    world_region(region));
        if (region != hub->region && stored)
            check_frozen(world, hub, region);
        if (!shown->changed)
            continue;
        shown->changed = false;
        uint32_t entry =
            region == hub->region ? own_entry_shown(world, hub, shown) : check_status(world, hub, region, shown);
        if (region == hub->region)
            sim_require(&world->sim, entry != NO_ENTRY || shown->sequence == 0,
                        "hub %u shows of its own region at %" PRIu64 " what its log does not lead to", hub->index,
                        shown->sequence);
        /* A process that begins shows no less than what the disk had. */
        bool anew = shown->entry == NO_ENTRY && region != hub->region;
        check_one_history(world, hub, region, anew ? shown->durable : shown->entry, entry);
        shown->entry = entry;
        if (entry != NO_ENTRY && !(shown->durable != NO_ENTRY && truth_leads_to(world, region, entry, shown->durable)))
            shown->durable = entry;
    }
}

/* --- promises ---------------------------------------------------------------------------------------------------- */

enum holder {
    HOLDER_ANY_EVER, /* also who has lost it meanwhile, or is one of two hubs with the same name */
    HOLDER_TO_ASK,   /* whoever asks all peers of the roster asks it, and hears the truth */
};

static bool held_elsewhere(const struct world *world, uint32_t region, uint32_t entry, enum holder which)
{
    for (uint32_t i = 0; i < world->hub_count; i++) {
        const struct fed_hub *hub = world->hubs[i];
        uint32_t durable = world->truth->shown[i][region].durable, lost = world->truth->shown[i][region].lost;
        bool or_was = which == HOLDER_ANY_EVER;
        if (hub->region == region || (!or_was && (hub->gone || world->claimed_twice[hub->region] || i == world->liar)))
            continue;
        if ((durable != NO_ENTRY && truth_leads_to(world, region, entry, durable)) ||
            (or_was && lost != NO_ENTRY && truth_leads_to(world, region, entry, lost)))
            return true;
    }
    return false;
}

void truth_promised(struct world *world, struct fed_hub *hub, uint64_t epoch, uint64_t sequence)
{
    struct truth *truth = world->truth;
    uint32_t entry = hub->head;
    while (entry != NO_ENTRY && truth_entry(world, hub->region, entry)->sequence > sequence)
        entry = truth_entry(world, hub->region, entry)->parent;
    sim_require(&world->sim, entry != NO_ENTRY && truth_entry(world, hub->region, entry)->epoch >= epoch,
                "hub %u promised entry %" PRIu64 ", which it doesn't have", hub->index, sequence);
    sim_require(&world->sim, held_elsewhere(world, hub->region, entry, HOLDER_ANY_EVER),
                "hub %u called entry %" PRIu64 " replicated, but no other hub's disk has it", hub->index, sequence);
    sim_cover(COVERED_REPLICATED);
    if (!held_elsewhere(world, hub->region, entry, HOLDER_TO_ASK))
        return;
    truth->promises = grown(truth->promises, truth->promise_count, &truth->promise_capacity, sizeof *truth->promises);
    truth->promises[truth->promise_count++] = (struct promise){hub->region, entry, hub->index};
}

void truth_check_promises(struct world *world, struct fed_hub *hub)
{
    const struct truth *truth = world->truth;
    for (uint32_t i = 0; i < truth->promise_count; i++)
        if (truth->promises[i].region == hub->region)
            sim_require(&world->sim, truth_leads_to(world, hub->region, truth->promises[i].entry, hub->head),
                        "hub %u decides, but entry %" PRIu64 ", which was promised as replicated, is lost", hub->index,
                        truth_entry(world, hub->region, truth->promises[i].entry)->sequence);
}

static void release_promises(struct world *world, uint32_t region, uint32_t entry, bool unheld_only)
{
    struct truth *truth = world->truth;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < truth->promise_count; i++) {
        const struct promise *promise = &truth->promises[i];
        if (promise->region == region && !truth_leads_to(world, region, promise->entry, entry) &&
            (!unheld_only || !held_elsewhere(world, region, promise->entry, HOLDER_TO_ASK)))
            sim_cover(COVERED_PROMISE_RELEASED);
        else
            truth->promises[kept++] = *promise;
    }
    truth->promise_count = kept;
}

void truth_release_promises(struct world *world, uint32_t region, uint32_t entry)
{
    release_promises(world, region, entry, false);
}

void truth_release_unheld(struct world *world, uint32_t region, uint32_t entry)
{
    release_promises(world, region, entry, true);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

struct truth *truth_create(void)
{
    struct truth *truth = calloc(1, sizeof *truth);
    if (truth == NULL)
        abort();
    for (uint32_t hub = 0; hub < WORLD_HUBS_MAX; hub++)
        for (uint32_t region = 0; region < WORLD_REGIONS_MAX; region++)
            truth->shown[hub][region].entry = truth->shown[hub][region].durable = truth->shown[hub][region].lost =
                NO_ENTRY;
    return truth;
}

void truth_destroy(struct truth *truth)
{
    for (uint32_t hub = 0; hub < WORLD_HUBS_MAX; hub++)
        for (uint32_t region = 0; region < WORLD_REGIONS_MAX; region++) {
            struct shown *shown = &truth->shown[hub][region];
            for (uint32_t i = 0; i < shown->count; i++)
                free(shown->rows[i].value);
            free(shown->rows);
        }
    for (uint32_t region = 0; region < WORLD_REGIONS_MAX; region++) {
        struct history *history = &truth->histories[region];
        for (uint32_t i = 0; i < history->count; i++)
            free(history->entries[i].value);
        free(history->entries);
    }
    free(truth->promises);
    free(truth);
}
