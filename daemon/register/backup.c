/*
 * backup.c - one backup at a time: asked for, copied on a thread of its own, handed over, removed.
 * Owns: the thread, and whether a backup is under way. Begin and destroy from any thread.
 * Invariant: each backup asked for is answered once; `busy` from then until its handle is destroyed.
 */
#include "daemon/base/log.h"
#include "daemon/base/thread.h"
#include "daemon/register/backup_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct backups {
    struct backups_options source;
    char folder[PATH_MAX], copy[PATH_MAX]; /* DATA, DATA/backup.tmp */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool busy, asked, stopping;
    struct backup *done;        /* to be removed: a large file takes a while, and a worker has no time */
    struct reply_address reply; /* of what is asked for */
};

/* --- the thread -------------------------------------------------------------------------------------------------- */

static void discard(struct backup *backup)
{
    if (backup == NULL)
        return;
    if (backup->fd >= 0)
        close(backup->fd);
    if (!backup_folder_remove(backup->folder))
        log_warn("register", "%s can't be removed; remove it", backup->folder);
    free(backup->files);
    free(backup);
}

/* Waits until one is asked for, and removes the one before it. False: time to stop, and nobody waits. */
static bool next(struct backups *backups, struct reply_address *reply, bool *stopping)
{
    bool asked;
    struct backup *done;
    do {
        pthread_mutex_lock(&backups->lock);
        while (!backups->asked && !backups->stopping && backups->done == NULL)
            pthread_cond_wait(&backups->wake, &backups->lock);
        done = backups->done;
        backups->done = NULL;
        asked = backups->asked;
        backups->asked = false;
        *reply = backups->reply;
        *stopping = backups->stopping;
        pthread_mutex_unlock(&backups->lock);
        discard(done);
    } while (!asked && !*stopping);
    return asked;
}

static struct backup *make(struct backups *backups, bool stopping)
{
    struct backup *backup = calloc(1, sizeof *backup);
    if (backup == NULL)
        log_fatal("register", "no memory for a backup's %zu octets", sizeof *backup);
    backup->owner = backups;
    backup->fd = -1;
    backup->time_ms = clock_wall_ms(backups->source.clock);
    memcpy(backup->folder, backups->copy, sizeof backup->folder);
    if (stopping) {
        problem_set(&backup->problem, ERR_UNAVAILABLE, "", "this hub is stopping; no backup was made");
        return backup;
    }
    if (backup_copy(&backups->source, backup, &backup->problem) != ERR_NONE)
        log_error("register", "%s", backup->problem.text);
    return backup;
}

static void *run(void *arg)
{
    struct backups *backups = arg;
    struct reply_address reply;
    bool stopping;
    while (next(backups, &reply, &stopping)) {
        struct backup *backup = make(backups, stopping);
        const struct mail mail = {.kind = reply.kind, .to = reply.to, .error = backup->problem.code, .payload = backup};
        mailbox_send_reserved(reply.mailbox, &mail);
    }
    return NULL;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

struct backups *backups_create(const struct backups_options *options)
{
    struct backups *backups = calloc(1, sizeof *backups);
    if (backups == NULL)
        log_fatal("register", "no memory for backups");
    snprintf(backups->folder, sizeof backups->folder, "%s", options->folder);
    int length = snprintf(backups->copy, sizeof backups->copy, "%s/backup.tmp", options->folder);
    if (length < 0 || (size_t)length >= sizeof backups->copy)
        log_fatal("register", "the data folder's path is too long");
    backups->source = *options;
    backups->source.folder = backups->folder;
    if (!backup_folder_remove(backups->copy))
        log_warn("register", "%s is left over from a backup and can't be removed; remove it", backups->copy);
    pthread_mutex_init(&backups->lock, NULL);
    pthread_cond_init(&backups->wake, NULL);
    backups->thread = thread_start("backup", run, backups);
    return backups;
}

void backups_stop(struct backups *backups)
{
    if (backups == NULL)
        return;
    pthread_mutex_lock(&backups->lock);
    backups->stopping = true;
    pthread_cond_signal(&backups->wake);
    pthread_mutex_unlock(&backups->lock);
    pthread_join(backups->thread, NULL);
}

void backups_destroy(struct backups *backups)
{
    if (backups == NULL)
        return;
    discard(backups->done); /* given back after the thread had ended */
    pthread_cond_destroy(&backups->wake);
    pthread_mutex_destroy(&backups->lock);
    free(backups);
}

enum err backups_begin(struct backups *backups, const struct reply_address *reply)
{
    pthread_mutex_lock(&backups->lock);
    bool refused = backups->busy || backups->stopping;
    if (!refused) {
        backups->busy = backups->asked = true;
        backups->reply = *reply;
        pthread_cond_signal(&backups->wake);
    }
    pthread_mutex_unlock(&backups->lock);
    return refused ? ERR_LIMIT : ERR_NONE;
}

enum err backup_outcome(const struct backup *backup, struct problem *problem)
{
    *problem = backup->problem;
    return backup->problem.code;
}

void backup_destroy(struct backup *backup)
{
    if (backup == NULL)
        return;
    struct backups *backups = backup->owner;
    pthread_mutex_lock(&backups->lock);
    backups->busy = false;
    backups->done = backup;
    pthread_cond_signal(&backups->wake);
    pthread_mutex_unlock(&backups->lock);
}
