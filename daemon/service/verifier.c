/*
 * verifier.c - see verifier.h. Owns the thread and its one job, under one lock.
 */
#include "daemon/service/verifier.h"

#include "daemon/base/log.h"
#include "daemon/base/thread.h"

#include <stdlib.h>
#include <string.h>

struct verifier {
    struct home *home;
    struct replica *replica;
    char home_region[GSS_BYTES];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool taken, stopping;
    struct verified *job; /* waiting or under way */
    struct reply_address reply;
};

static void verify_home(struct verifier *verifier, struct verified *job)
{
    struct signed_checkpoint against = {0};
    enum err err = home_verify(verifier->home, &against, &job->records, job->state, &job->problem);
    job->equal = err == ERR_NONE;
    job->sequence = against.checkpoint.sequence;
    memcpy(job->signed_state, against.checkpoint.state, DIGEST_BYTES);
}

/* While it is read the region may move on: what was signed is then what was found. */
static void verify_replica(struct verifier *verifier, struct verified *job)
{
    struct replica_status status;
    if (verifier->replica == NULL || replica_status(verifier->replica, job->region, &status) != ERR_NONE ||
        !status.present) {
        problem_set(&job->problem, ERR_NOT_FOUND, "region", "nothing of it is here");
        return;
    }
    enum err err = replica_verify(verifier->replica, job->region, &job->records, job->state, &job->problem);
    job->equal = err == ERR_NONE;
    job->sequence = status.checkpoint.checkpoint.sequence;
    memcpy(job->signed_state, job->equal ? job->state : status.checkpoint.checkpoint.state, DIGEST_BYTES);
}

static void do_job(struct verifier *verifier, struct verified *job)
{
    if (strcmp(job->region, verifier->home_region) == 0)
        verify_home(verifier, job);
    else
        verify_replica(verifier, job);
    if (!job->equal && job->problem.code != ERR_NOT_FOUND)
        log_error("service", "ALARM: region %s is not what was signed: %s", job->region, job->problem.text);
}

static void *run(void *arg)
{
    struct verifier *verifier = arg;
    pthread_mutex_lock(&verifier->lock);
    for (;;) {
        while (verifier->job == NULL && !verifier->stopping)
            pthread_cond_wait(&verifier->changed, &verifier->lock);
        struct verified *job = verifier->job;
        if (job == NULL)
            break;
        pthread_mutex_unlock(&verifier->lock);
        do_job(verifier, job);
        pthread_mutex_lock(&verifier->lock);
        verifier->job = NULL;
        const struct mail mail = {.kind = verifier->reply.kind, .to = verifier->reply.to, .payload = job};
        mailbox_send_reserved(verifier->reply.mailbox, &mail);
    }
    pthread_mutex_unlock(&verifier->lock);
    return NULL;
}

struct verifier *verifier_create(struct home *home, struct replica *replica, const char *home_region)
{
    struct verifier *verifier = calloc(1, sizeof *verifier);
    if (verifier == NULL)
        log_fatal("service", "out of memory");
    verifier->home = home;
    verifier->replica = replica;
    strncpy(verifier->home_region, home_region, sizeof verifier->home_region - 1);
    pthread_mutex_init(&verifier->lock, NULL);
    pthread_cond_init(&verifier->changed, NULL);
    verifier->thread = thread_start("verifier", run, verifier);
    return verifier;
}

void verifier_stop(struct verifier *verifier)
{
    if (verifier == NULL)
        return;
    pthread_mutex_lock(&verifier->lock);
    bool first = !verifier->stopping;
    verifier->stopping = true;
    pthread_cond_signal(&verifier->changed);
    pthread_mutex_unlock(&verifier->lock);
    if (first)
        pthread_join(verifier->thread, NULL);
}

void verifier_destroy(struct verifier *verifier)
{
    if (verifier == NULL)
        return;
    verifier_stop(verifier);
    pthread_cond_destroy(&verifier->changed);
    pthread_mutex_destroy(&verifier->lock);
    free(verifier);
}

enum err verifier_take(struct verifier *verifier)
{
    pthread_mutex_lock(&verifier->lock);
    bool free_now = !verifier->taken && verifier->job == NULL;
    verifier->taken |= free_now;
    pthread_mutex_unlock(&verifier->lock);
    return free_now ? ERR_NONE : ERR_LIMIT;
}

void verifier_release(struct verifier *verifier)
{
    pthread_mutex_lock(&verifier->lock);
    verifier->taken = false;
    pthread_mutex_unlock(&verifier->lock);
}

enum err verifier_submit(struct verifier *verifier, const char *region, const struct reply_address *reply)
{
    struct verified *job = calloc(1, sizeof *job);
    if (job == NULL)
        return ERR_LIMIT;
    strncpy(job->region, region, sizeof job->region - 1);
    pthread_mutex_lock(&verifier->lock);
    bool stopping = verifier->stopping;
    if (!stopping) {
        verifier->job = job;
        verifier->reply = *reply;
        pthread_cond_signal(&verifier->changed);
    }
    pthread_mutex_unlock(&verifier->lock);
    if (stopping)
        free(job);
    return stopping ? ERR_LIMIT : ERR_NONE;
}
