/*
 * replica_hash.c - sums of records' elements, by several threads where there are many of them.
 * Owns: threads that each sum a part of a list into a state of their own; the caller joins in, then joins the parts.
 * Thread: one caller at a time. Invariant: the sum does not depend on how many threads there are.
 */
#include "daemon/base/log.h"
#include "daemon/base/thread.h"
#include "daemon/register/replica_parts.h"

#include <stdlib.h>

#define PIECE       32 /* elements taken at a time: some 200 us */
#define THREADS_MAX 16

struct hash_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    const struct element *elements;
    size_t count, next;
    uint32_t thread_count, busy;
    uint64_t turn; /* counts lists */
    bool stop;
    struct lthash *sum;
    pthread_t threads[THREADS_MAX];
};

static void sum_elements(const struct element *elements, size_t count, struct lthash *state)
{
    for (size_t i = 0; i < count; i++) {
        const struct element *element = &elements[i];
        if (element->remove)
            lthash_remove(state, element->table, &element->key, &element->value);
        else
            lthash_add(state, element->table, &element->key, &element->value);
    }
}

/* Sums pieces until none is left, then adds what came of it to the list's sum. Under the lock, which it leaves between.
 */
static void take_pieces(struct hash_pool *pool)
{
    struct lthash part;
    lthash_init(&part);
    while (pool->next < pool->count) {
        const struct element *piece = pool->elements + pool->next;
        size_t count = pool->count - pool->next < PIECE ? pool->count - pool->next : PIECE;
        pool->next += count;
        pthread_mutex_unlock(&pool->lock);
        sum_elements(piece, count, &part);
        pthread_mutex_lock(&pool->lock);
    }
    lthash_join(pool->sum, &part);
}

static void *run(void *arg)
{
    struct hash_pool *pool = arg;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stop && pool->turn == seen)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->turn;
        if (pool->next < pool->count) { /* else the list is done, and may be gone */
            pool->busy++;
            take_pieces(pool);
            pool->busy--;
            pthread_cond_signal(&pool->done);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct hash_pool *hash_pool_create(uint32_t threads)
{
    if (threads == 0)
        return NULL;
    struct hash_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        log_fatal("register", "no memory for a pool of threads");
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->thread_count = threads < THREADS_MAX ? threads : THREADS_MAX;
    for (uint32_t i = 0; i < pool->thread_count; i++)
        pool->threads[i] = thread_start("digest", run, pool);
    return pool;
}

void hash_pool_destroy(struct hash_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void hash_pool_sum(struct hash_pool *pool, const struct element *elements, size_t count, struct lthash *state)
{
    if (pool == NULL || count <= PIECE) {
        sum_elements(elements, count, state);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->elements = elements;
    pool->count = count;
    pool->next = 0;
    pool->sum = state;
    pool->turn++;
    pthread_cond_broadcast(&pool->work);
    take_pieces(pool);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pool->elements = NULL;
    pool->count = 0;
    pthread_mutex_unlock(&pool->lock);
}
