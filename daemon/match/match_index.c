/*
 * match_index.c - see match_index.h.
 *
 * Readers announce themselves in a slot: the number of the last published version, then the pointer is read. The
 * writer publishes the pointer, then the number, then looks at the slots. So (all in one order, seq_cst) either the
 * writer sees the announcement, or the reader's pointer is at least the version just published. An announced number
 * may be older than the version that is read: that keeps more, never less.
 *
 * Nobody is trusted with anybody else's pen: a commit reaches only offers and agencies that its own region committed.
 */
#include "daemon/match/match_index.h"

#include "daemon/base/log.h"
#include "daemon/match/match_places.h"
#include "daemon/match/match_watch.h"
#include "daemon/record/bytes.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define REGION_HOME 0

struct garbage {
    void *piece;
    uint64_t tag; /* the first version that does not reach it */
    bool pooled;  /* of `pieces` */
};

struct agency_number {
    uint16_t region;
    char id[AGENCY_ID_BYTES];
    uint32_t number;
};

/* A region, from its first commit on. Its number is its place in match.regions; 0 is the one that is at home here. */
struct known_region {
    char code[GSS_BYTES];
    bool complained; /* of a record that this hub can't read */
};

struct match {
    const struct gazetteer *gazetteer;
    _Atomic(struct match_version *) current;
    _Atomic uint64_t published;
    _Atomic uint32_t slots_used;                /* slots ever used: the writer looks no further */
    _Atomic uint64_t slots[MATCH_SEARCHES_MAX]; /* 0: free, else the announced version's number */
    /* The writers' own from here on: of whoever holds the lock. Recursive, because a commit in parts is one that was
     * begun and not yet published: `building` is then set, and its thread keeps the lock. */
    pthread_mutex_t writer;
    struct match_version *building;
    struct known_region regions[REGIONS_MAX]; /* codes are read by searches: written before they are published */
    uint32_t region_count;
    bool full; /* of regions, and that was said */
    struct garbage *garbage;
    size_t garbage_first, garbage_count, garbage_capacity; /* a ring */
    struct pieces *pieces;                                 /* the tree's */
    struct places places;
    struct watches *watches;
    struct agency_number *numbers; /* sorted by region and id */
    uint32_t *agency_offers;       /* by number */
    uint32_t number_count, number_capacity;
};

static void *get_memory(size_t bytes)
{
    void *piece = malloc(bytes);
    if (piece == NULL)
        log_fatal("match", "out of memory for the index (%zu bytes)", bytes);
    return piece;
}

/* --- readers --------------------------------------------------------------------------------------------------- */

static void slots_used_at_least(struct match *match, uint32_t used)
{
    uint32_t known = atomic_load(&match->slots_used);
    while (known < used && !atomic_compare_exchange_weak(&match->slots_used, &known, used))
        continue;
}

const struct match_version *index_pin(struct match *match, uint32_t *slot)
{
    for (uint32_t i = 0; i < MATCH_SEARCHES_MAX; i++) {
        uint64_t idle = 0;
        if (atomic_load_explicit(&match->slots[i], memory_order_relaxed) != 0)
            continue;
        slots_used_at_least(match, i + 1);
        if (atomic_compare_exchange_strong(&match->slots[i], &idle, atomic_load(&match->published))) {
            *slot = i;
            return atomic_load(&match->current);
        }
    }
    return NULL;
}

void index_unpin(struct match *match, uint32_t slot)
{
    atomic_store_explicit(&match->slots[slot], 0, memory_order_release);
}

const struct gazetteer *index_gazetteer(const struct match *match)
{
    return match->gazetteer;
}

struct watches *index_watches(struct match *match)
{
    return match->watches;
}

const struct fact_group *version_next_group(const struct match_version *version, struct group_cursor *cursor,
                                            uint32_t *count)
{
    return tree_next_group(&version->tree, cursor->at, count);
}

void match_stats(struct match *match, uint64_t *offers, uint64_t *bytes)
{
    uint32_t slot;
    const struct match_version *version = index_pin(match, &slot);
    *offers = *bytes = 0;
    if (version == NULL)
        return;
    *offers = version->tree.offers;
    *bytes = version->bytes;
    index_unpin(match, slot);
}

/* --- garbage --------------------------------------------------------------------------------------------------- */

/* `piece` is not reached by the version being built. */
static void retire_piece(struct match *match, void *piece, size_t bytes, bool pooled)
{
    match->building->bytes -= bytes;
    if (match->garbage_count == match->garbage_capacity) {
        size_t capacity = match->garbage_capacity ? 2 * match->garbage_capacity : 64;
        struct garbage *ring = get_memory(capacity * sizeof *ring);
        for (size_t i = 0; i < match->garbage_count; i++)
            ring[i] = match->garbage[(match->garbage_first + i) % match->garbage_capacity];
        free(match->garbage);
        match->garbage = ring;
        match->garbage_capacity = capacity;
        match->garbage_first = 0;
    }
    size_t last = (match->garbage_first + match->garbage_count++) % match->garbage_capacity;
    match->garbage[last] = (struct garbage){piece, match->building->number, pooled};
}

static void retire(struct match *match, void *piece, size_t bytes)
{
    retire_piece(match, piece, bytes, false);
}

static void retire_of_tree(void *ctx, void *piece, size_t bytes)
{
    retire_piece(ctx, piece, bytes, true);
}

static uint64_t oldest_announced(struct match *match)
{
    uint64_t oldest = UINT64_MAX;
    uint32_t used = atomic_load(&match->slots_used);
    for (uint32_t i = 0; i < used; i++) {
        uint64_t announced = atomic_load(&match->slots[i]);
        if (announced != 0 && announced < oldest)
            oldest = announced;
    }
    return oldest;
}

static void free_garbage(struct match *match, uint64_t oldest)
{
    while (match->garbage_count > 0 && match->garbage[match->garbage_first].tag <= oldest) {
        const struct garbage *oldest_one = &match->garbage[match->garbage_first];
        if (oldest_one->pooled)
            pieces_put(match->pieces, oldest_one->piece);
        else
            free(oldest_one->piece);
        match->garbage_first = (match->garbage_first + 1) % match->garbage_capacity;
        match->garbage_count--;
    }
}

/* --- building a version ---------------------------------------------------------------------------------------- */

static struct tree_pen pen_of(struct match *match)
{
    return (struct tree_pen){match->building->number, &match->building->bytes, match->pieces, retire_of_tree, match};
}

static size_t agency_list_bytes(uint32_t capacity)
{
    return sizeof(struct agency_list) + capacity * sizeof(struct agency_slot);
}

/* An agency list that may be changed and has `count` slots. */
static struct agency_list *agencies_for_change(struct match *match, uint32_t count)
{
    struct match_version *version = match->building;
    struct agency_list *old = version->agencies;
    if (old->made != version->number || count > old->capacity) {
        uint32_t capacity = count > old->capacity ? 2 * count : old->capacity;
        struct agency_list *list = get_memory(agency_list_bytes(capacity));
        memcpy(list, old, agency_list_bytes(old->count));
        list->made = version->number;
        list->capacity = capacity;
        version->bytes += agency_list_bytes(capacity);
        version->agencies = list;
        retire(match, old, agency_list_bytes(old->capacity));
    }
    struct agency_list *list = version->agencies;
    for (; list->count < count; list->count++)
        list->slots[list->count] = (struct agency_slot){0};
    return list;
}

/* The agency's number, a new one if it has none. */
static uint32_t agency_number(struct match *match, uint16_t region, const char *id)
{
    uint32_t low = 0, high = match->number_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = match->numbers[middle].region - region;
        if (order == 0)
            order = strcmp(match->numbers[middle].id, id);
        if (order == 0)
            return match->numbers[middle].number;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (match->number_count == match->number_capacity) {
        match->number_capacity = match->number_capacity ? 2 * match->number_capacity : 64;
        match->numbers = realloc(match->numbers, match->number_capacity * sizeof *match->numbers);
        match->agency_offers = realloc(match->agency_offers, match->number_capacity * sizeof *match->agency_offers);
        if (match->numbers == NULL || match->agency_offers == NULL)
            log_fatal("match", "out of memory for %u agencies", match->number_capacity);
    }
    struct agency_number *row = &match->numbers[low];
    memmove(row + 1, row, (match->number_count - low) * sizeof *row);
    strncpy(row->id, id, sizeof row->id - 1);
    row->id[sizeof row->id - 1] = '\0';
    row->region = region;
    row->number = match->number_count++;
    match->agency_offers[row->number] = 0;
    agencies_for_change(match, match->number_count)->slots[row->number].region = match->regions[region].code;
    return row->number;
}

static_assert(offsetof(struct offer, children) < offsetof(struct offer, languages) &&
                  offsetof(struct offer, languages) < offsetof(struct offer, cell),
              "what is held whole comes first");

static void append(struct held_offer *held, const void *piece, size_t bytes)
{
    memcpy(held->bytes + held->size, piece, bytes);
    held->size += (uint32_t)bytes;
}

static struct held_offer *held_make(uint64_t reference, uint16_t region, const struct offer *offer)
{
    size_t children = offer->child_count * sizeof offer->children[0];
    size_t languages = offer->language_count * sizeof offer->languages[0];
    size_t cell = offsetof(struct home_cell, area) + strlen(offer->cell.area) + 1;
    struct held_offer *held = get_memory(sizeof *held + offsetof(struct offer, children) + children + languages + cell);
    *held = (struct held_offer){.national_reference = reference, .region = region};
    append(held, offer, offsetof(struct offer, children));
    append(held, offer->children, children);
    append(held, offer->languages, languages);
    append(held, &offer->cell, cell);
    return held;
}

bool held_speaks(const struct held_offer *held, const char *tag)
{
    uint32_t children, languages;
    memcpy(&children, held->bytes + offsetof(struct offer, child_count), sizeof children);
    memcpy(&languages, held->bytes + offsetof(struct offer, language_count), sizeof languages);
    const uint8_t *from = held->bytes + offsetof(struct offer, children) + children * sizeof(struct child_at_home);
    for (uint32_t i = 0; i < languages; i++)
        if (strcmp((const char *)from + i * sizeof(struct language) + offsetof(struct language, tag), tag) == 0)
            return true;
    return false;
}

void held_read(const struct held_offer *held, struct offer *out)
{
    const uint8_t *from = held->bytes, *end = held->bytes + held->size;
    memcpy(out, from, offsetof(struct offer, children));
    from += offsetof(struct offer, children);
    memcpy(out->children, from, out->child_count * sizeof out->children[0]);
    from += out->child_count * sizeof out->children[0];
    memcpy(out->languages, from, out->language_count * sizeof out->languages[0]);
    from += out->language_count * sizeof out->languages[0];
    memcpy(&out->cell, from, (size_t)(end - from));
}

static size_t held_bytes(const struct held_offer *held)
{
    return sizeof *held + held->size;
}

static struct box box_of_cell(const struct gazetteer *gazetteer, const struct home_cell *home)
{
    struct cell cell;
    if (gazetteer && gazetteer_cell_get(gazetteer, home->authority, (int32_t)home->square_e_km,
                                        (int32_t)home->square_n_km, (int32_t)home->size_km, &cell))
        return (struct box){(uint16_t)cell.west_km, (uint16_t)cell.south_km, (uint16_t)cell.east_km,
                            (uint16_t)cell.north_km};
    if (home->size_km > 0) /* a cell of another edition: its square is in the record */
        return (struct box){(uint16_t)home->square_e_km, (uint16_t)home->square_n_km,
                            (uint16_t)(home->square_e_km + home->size_km),
                            (uint16_t)(home->square_n_km + home->size_km)};
    const struct authority *authority = gazetteer ? gazetteer_authority(gazetteer, home->authority) : NULL;
    if (authority)
        return (struct box){(uint16_t)authority->west_km, (uint16_t)authority->south_km, (uint16_t)authority->east_km,
                            (uint16_t)authority->north_km};
    return (struct box){0, 0, UINT16_MAX, UINT16_MAX}; /* not known where: near everything that is to be avoided */
}

/* Standing searches are told what an offer was and what it is. */
static void watched(struct match *match, const struct offer *offer)
{
    struct facts facts;
    struct box box;
    if (!watches_listen(match->watches))
        return;
    box = box_of_cell(match->gazetteer, &offer->cell);
    facts_of_offer(offer, &box, &facts);
    watches_state(match->watches, &facts);
}

static void watched_until_now(struct match *match, const struct held_offer *held)
{
    struct offer was;
    if (!watches_listen(match->watches))
        return;
    held_read(held, &was);
    watched(match, &was);
}

static void offer_remove(struct match *match, struct held_offer *held)
{
    const struct tree_pen pen = pen_of(match);
    uint32_t agency;
    if (!tree_remove(&match->building->tree, &pen, held, &agency))
        log_fatal("match", "an offer is not where the index put it");
    if (--match->agency_offers[agency] == 0)
        match->building->inactive -= !match->building->agencies->slots[agency].active;
    retire(match, held, held_bytes(held));
}

static struct held_offer *offer_add(struct match *match, uint16_t region, uint64_t reference, const struct offer *offer)
{
    struct match_version *version = match->building;
    const struct tree_pen pen = pen_of(match);
    struct held_offer *held = held_make(reference, region, offer);
    version->bytes += held_bytes(held);

    struct box box = box_of_cell(match->gazetteer, &offer->cell);
    struct facts facts;
    facts_of_offer(offer, &box, &facts);
    facts.held = held;
    facts.agency = agency_number(match, region, offer->agency);
    if (match->agency_offers[facts.agency]++ == 0)
        version->inactive += !version->agencies->slots[facts.agency].active;
    tree_insert(&version->tree, &pen, &facts, held);
    return held;
}

/* At home that can't be; another region's hub may be newer than this one, and must not bring it down. */
static void unreadable(struct match *match, uint16_t region, const char *what)
{
    struct known_region *whose = &match->regions[region];
    if (region == REGION_HOME)
        log_fatal("match", "%s that was committed can't be read", what);
    if (!whose->complained)
        log_error("match", "%s of another region can't be read and counts as gone; said once region=%s", what,
                  whose->code);
    whose->complained = true;
}

static void change_offer(struct match *match, uint16_t region, const struct change *change)
{
    struct offer offer;
    if (change->key.size != 8) {
        unreadable(match, region, "an offer's key");
        return;
    }
    bool offered = !change->deleted && offer_decode(&change->value, &offer) == ERR_NONE;
    if (!change->deleted && !offered)
        unreadable(match, region, "an offer");
    uint64_t reference = get_be64(change->key.data);
    struct held_offer **place = places_find(&match->places, region, reference), *known = *place;
    if (known) {
        watched_until_now(match, known);
        offer_remove(match, known);
    }
    if (offered) {
        watched(match, &offer);
        *place = offer_add(match, region, reference, &offer);
        match->places.count += known == NULL;
    } else if (known) {
        places_remove(&match->places, place);
    }
}

/* NULL: it can't be read. */
static const struct agency *agency_make(struct match *match, uint16_t region, const char *id,
                                        const struct octets *value)
{
    struct agency *row = get_memory(sizeof *row);
    if (agency_decode(id, value, row) != ERR_NONE) {
        free(row);
        unreadable(match, region, "an agency");
        return NULL;
    }
    match->building->bytes += sizeof *row;
    return row;
}

static void change_agency(struct match *match, uint16_t region, const struct change *change)
{
    char id[AGENCY_ID_BYTES] = "";
    if (change->key.size >= sizeof id) {
        unreadable(match, region, "an agency's key");
        return;
    }
    memcpy(id, change->key.data, change->key.size);
    uint32_t number = agency_number(match, region, id);
    struct agency_slot *slot = &agencies_for_change(match, match->number_count)->slots[number];
    bool was_active = slot->active;
    if (slot->row)
        retire(match, (void *)slot->row, sizeof *slot->row);
    slot->row = change->deleted ? NULL : agency_make(match, region, id, &change->value);
    slot->active = slot->row != NULL && slot->row->status != AGENCY_SUSPENDED;
    if (match->agency_offers[number] > 0)
        match->building->inactive += (uint32_t)was_active - (uint32_t)slot->active;
}

/* --- regions --------------------------------------------------------------------------------------------------- */

/* False when there is no room for another one. */
static bool region_number(struct match *match, const char *code, uint16_t *number)
{
    for (*number = 0; *number < match->region_count; (*number)++)
        if (strcmp(match->regions[*number].code, code) == 0)
            return true;
    if (match->region_count == REGIONS_MAX || strlen(code) >= GSS_BYTES) {
        if (!match->full)
            log_error("match", "no room for region=%s: its vacancies are not offered here", code);
        match->full = true;
        return false;
    }
    strcpy(match->regions[match->region_count++].code, code);
    return true;
}

static size_t position_list_bytes(uint32_t count)
{
    return sizeof(struct position_list) + count * sizeof(struct region_position);
}

/* Epoch 0: the region is no longer shown. */
static void position_set(struct match *match, uint16_t region, uint64_t epoch, uint64_t sequence)
{
    struct match_version *version = match->building;
    struct position_list *old = version->positions;
    const char *code = match->regions[region].code;
    uint32_t at = 0;
    while (at < old->count && strcmp(old->rows[at].region, code) < 0)
        at++;
    bool known = at < old->count && strcmp(old->rows[at].region, code) == 0;
    bool shown = epoch != 0 || region == REGION_HOME;
    struct position_list *list = get_memory(position_list_bytes(old->count - known + shown));
    list->count = old->count - known + shown;
    memcpy(list->rows, old->rows, at * sizeof *list->rows);
    memcpy(list->rows + at + shown, old->rows + at + known, (old->count - at - known) * sizeof *list->rows);
    if (shown) {
        struct region_position *position = &list->rows[at];
        *position = (struct region_position){.epoch = epoch, .sequence = sequence};
        strcpy(position->region, code);
    }
    version->bytes += position_list_bytes(list->count);
    version->positions = list;
    retire(match, old, position_list_bytes(old->count));
}

/* --- commits --------------------------------------------------------------------------------------------------- */

static void begin(struct match *match)
{
    struct match_version *current = atomic_load_explicit(&match->current, memory_order_relaxed);
    match->building = get_memory(sizeof *match->building);
    *match->building = *current;
    match->building->number++;
    match->building->bytes += sizeof *current;
    retire(match, current, sizeof *current);
}

static void publish(struct match *match)
{
    atomic_store(&match->current, match->building);
    atomic_store(&match->published, match->building->number);
    free_garbage(match, oldest_announced(match));
    match->building = NULL;
    watches_tell(match->watches);
}

static void apply(struct match *match, const struct commit *commit)
{
    uint16_t region;
    if (!region_number(match, commit->region, &region))
        return;
    if (!commit->more)
        position_set(match, region, commit->epoch, commit->sequence);
    for (size_t i = 0; i < commit->count; i++) {
        if (commit->changes[i].table == LOG_TABLE_OFFER)
            change_offer(match, region, &commit->changes[i]);
        else if (commit->changes[i].table == LOG_TABLE_AGENCY)
            change_agency(match, region, &commit->changes[i]);
        if (commit->changes[i].table == LOG_TABLE_AGENCY || commit->changes[i].table == CHANGE_PRINCIPAL)
            watches_everything(match->watches);
    }
}

static void match_committed(void *ctx, const struct commit *commit)
{
    struct match *match = ctx;
    pthread_mutex_lock(&match->writer);
    bool continues = match->building != NULL; /* only this thread can have left it, and the lock, behind */
    if (!continues)
        begin(match);
    apply(match, commit);
    if (!commit->more) {
        publish(match);
        pthread_mutex_unlock(&match->writer);
    }
    if (continues)
        pthread_mutex_unlock(&match->writer);
}

struct commit_observer match_observer(struct match *match)
{
    return (struct commit_observer){match_committed, match};
}

static void writer_lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t recursive;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
}

struct match *match_create(const struct gazetteer *gazetteer, const char *home_region)
{
    struct match *match = calloc(1, sizeof *match);
    struct match_version *version = calloc(1, sizeof *version);
    struct agency_list *agencies = calloc(1, sizeof *agencies);
    struct position_list *positions = calloc(1, position_list_bytes(1));
    uint16_t home;
    if (match == NULL || version == NULL || agencies == NULL || positions == NULL)
        log_fatal("match", "out of memory");
    match->gazetteer = gazetteer;
    match->watches = watches_create();
    match->pieces = pieces_create();
    writer_lock_init(&match->writer);
    if (!region_number(match, home_region, &home))
        log_fatal("match", "no region is called %s", home_region);
    positions->count = 1;
    strcpy(positions->rows[0].region, home_region);
    version->number = 1;
    version->agencies = agencies;
    version->positions = positions;
    version->bytes = sizeof *version + sizeof *agencies + position_list_bytes(1);
    atomic_init(&match->current, version);
    atomic_init(&match->published, 1);
    return match;
}

void match_destroy(struct match *match)
{
    if (match == NULL)
        return;
    struct match_version *version = atomic_load(&match->current);
    free_garbage(match, UINT64_MAX);
    places_finish(&match->places);
    watches_destroy(match->watches);
    tree_free(&version->tree, match->pieces);
    pieces_destroy(match->pieces);
    for (uint32_t i = 0; i < version->agencies->count; i++)
        free((void *)version->agencies->slots[i].row);
    free(version->agencies);
    free(version->positions);
    free(version);
    free(match->garbage);
    pthread_mutex_destroy(&match->writer);
    free(match->numbers);
    free(match->agency_offers);
    free(match);
}
