/*
 * home.c - the register's life: updates as objects, position and counts as others see them, ending.
 * Owns: struct update, the readable copy of the position. See home_parts.h for threads and the invariant.
 */
#include "daemon/base/log.h"
#include "daemon/register/home_parts.h"

#include <stdlib.h>
#include <string.h>

struct update *update_create(enum update_kind kind)
{
    struct update *update = calloc(1, sizeof *update);
    if (update != NULL)
        update->kind = kind;
    return update;
}

void update_destroy(struct update *update)
{
    if (update == NULL)
        return;
    if (update->kind == UPDATE_CONFIRM)
        free(update->as.confirm.references);
    if (update->kind == UPDATE_REPLAY && update->as.replay.arena != NULL) {
        arena_finish(update->as.replay.arena);
        free(update->as.replay.arena);
    }
    free(update->result.not_found);
    free((uint8_t *)update->result.let_go.data);
    free(update);
}

void home_ask_elsewhere(struct home *home, const struct elsewhere_port *port)
{
    home->elsewhere = *port;
}

void home_close(struct home *home)
{
    if (home == NULL)
        return;
    due_destroy(home->due);
    vacancy_map_destroy(home->whose);
    due_destroy(home->due_holds);
    arena_finish(&home->arena);
    free(home->lists.changes);
    free(home->lists.dues);
    free(home->lists.subjects);
    free(home->lists.vacancies);
    free(home->lists.lost.items);
    free(home->lost.items);
    pthread_mutex_destroy(&home->lock);
    free(home);
}

bool home_writable(const struct home *home)
{
    struct home *readable = (struct home *)home;
    pthread_mutex_lock(&readable->lock);
    bool writable = !home->read_only && !home->full;
    pthread_mutex_unlock(&readable->lock);
    return writable;
}

void home_position(const struct home *home, uint64_t *epoch, uint64_t *sequence)
{
    struct home *readable = (struct home *)home;
    pthread_mutex_lock(&readable->lock);
    *epoch = home->position.epoch;
    *sequence = home->position.sequence;
    pthread_mutex_unlock(&readable->lock);
}

void home_audit_position(const struct home *home, struct audit_position *out)
{
    struct home *readable = (struct home *)home;
    pthread_mutex_lock(&readable->lock);
    *out = home->position.audit;
    pthread_mutex_unlock(&readable->lock);
}

enum err home_counts(struct home *home, struct home_counts *out)
{
    memset(out, 0, sizeof *out);
    enum err err = home->store->ops->usage(home->store, &out->usage);
    pthread_mutex_lock(&home->lock);
    out->agencies = home->agencies;
    out->carers = home->carers;
    out->vacancies = home->vacancies;
    pthread_mutex_unlock(&home->lock);
    return err;
}

void home_note_failure(struct home *home, enum err err)
{
    if (err != ERR_STORE_IO || home->read_only)
        return;
    pthread_mutex_lock(&home->lock);
    home->read_only = true; /* D5: never again as if the disk could be trusted */
    pthread_mutex_unlock(&home->lock);
    log_error("register", "the store failed; no more writes until a restart");
}

void *list_need(void *list, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return list;
    *capacity = *capacity ? 2 * *capacity : 256;
    list = realloc(list, *capacity * item_bytes);
    if (list == NULL)
        log_fatal("register", "no memory for a batch of %zu changes", *capacity);
    return list;
}

bool key_in_region(const struct octets *key, const char *region, struct octets *rest)
{
    size_t region_bytes = GSS_BYTES - 1;
    if (key->size < region_bytes || memcmp(key->data, region, region_bytes) != 0)
        return false;
    *rest = (struct octets){key->data + region_bytes, key->size - region_bytes};
    return true;
}
