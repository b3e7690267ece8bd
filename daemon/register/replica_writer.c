/*
 * replica_writer.c - the replica writer's thread and its queue.
 * Owns: the mailbox of works that wait, the roster that waits, the thread. Submit from any thread. Invariant: every
 * work taken is sent back once, as payload, and only after replica_apply has said what became of it.
 */
#include "daemon/register/replica_writer.h"
#include "daemon/base/mailbox.h"
#include "daemon/base/thread.h"

#include <stdlib.h>

#define IDLE_MS 1000 /* also how soon what could not be written is tried again */

enum { MAIL_WORK = 1, MAIL_ROSTER, MAIL_STOP };

struct replica_writer {
    struct replica *replica;
    struct change_port changed;
    struct mailbox *queue;
    pthread_mutex_t lock;
    const struct roster *roster; /* that waits, under the lock; NULL: none */
    pthread_t thread;
};

static void send_back(struct replica_work *work)
{
    const struct mail reply = {
        .kind = work->reply.kind, .to = work->reply.to, .error = work->problem.code, .payload = work};
    mailbox_send_reserved(work->reply.mailbox, &reply);
}

/* Takes what is there, at most a group; true when told to stop. */
static bool take(struct replica_writer *writer, int timeout_ms, struct replica_work **works, size_t *count)
{
    struct mail mail[REPLICA_WORKS_MAX];
    bool stop = false;
    uint32_t taken = mailbox_wait(writer->queue, mail, REPLICA_WORKS_MAX, timeout_ms);
    *count = 0;
    for (uint32_t i = 0; i < taken; i++) {
        if (mail[i].kind == MAIL_WORK)
            works[(*count)++] = mail[i].payload;
        stop = stop || mail[i].kind == MAIL_STOP;
    }
    return stop;
}

static void take_roster(struct replica_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    const struct roster *roster = writer->roster;
    writer->roster = NULL;
    pthread_mutex_unlock(&writer->lock);
    if (roster != NULL)
        replica_set_roster(writer->replica, roster);
    roster_unref(roster);
}

static void turn(struct replica_writer *writer, struct replica_work **works, size_t count)
{
    bool newer = false;
    take_roster(writer);
    if (count > 0)
        replica_apply(writer->replica, works, count);
    for (size_t i = 0; i < count; i++) {
        newer = newer || works[i]->verdict == VERDICT_APPLIED;
        send_back(works[i]);
    }
    if (newer && writer->changed.changed != NULL)
        writer->changed.changed(writer->changed.ctx);
}

static void *run(void *arg)
{
    struct replica_writer *writer = arg;
    struct replica_work *works[REPLICA_WORKS_MAX];
    size_t count;
    int timeout_ms = 0;
    bool stop = false;
    while (!stop) {
        stop = take(writer, timeout_ms, works, &count);
        turn(writer, works, count);
        timeout_ms = 0;
        if (count == 0)
            timeout_ms = replica_tidy(writer->replica) ? 0 : IDLE_MS;
    }
    do { /* what was queued before and beside the word to stop */
        (void)take(writer, 0, works, &count);
        turn(writer, works, count);
    } while (count > 0);
    return NULL;
}

enum err replica_writer_start(struct replica *replica, uint32_t queue, const struct change_port *changed,
                              struct replica_writer **out)
{
    struct replica_writer *writer = calloc(1, sizeof *writer);
    *out = NULL;
    if (writer == NULL)
        return ERR_LIMIT;
    writer->replica = replica;
    writer->changed = *changed;
    writer->queue = mailbox_create(queue + 1); /* and a place for the word to stop */
    pthread_mutex_init(&writer->lock, NULL);
    if (mailbox_reserve(writer->queue) != ERR_NONE) {
        mailbox_destroy(writer->queue);
        free(writer);
        return ERR_LIMIT;
    }
    writer->thread = thread_start("replica", run, writer);
    *out = writer;
    return ERR_NONE;
}

void replica_writer_stop(struct replica_writer *writer)
{
    if (writer == NULL)
        return;
    mailbox_send_reserved(writer->queue, &(struct mail){.kind = MAIL_STOP});
    pthread_join(writer->thread, NULL);
    mailbox_destroy(writer->queue);
    roster_unref(writer->roster);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

enum err replica_writer_submit(struct replica_writer *writer, struct replica_work *work)
{
    return mailbox_send(writer->queue, &(struct mail){.kind = MAIL_WORK, .payload = work});
}

void replica_writer_set_roster(struct replica_writer *writer, const struct roster *roster)
{
    pthread_mutex_lock(&writer->lock);
    roster_unref(writer->roster);
    writer->roster = roster_ref(roster);
    pthread_mutex_unlock(&writer->lock);
    /* A full queue means that its next turn is near anyway. */
    (void)!mailbox_send(writer->queue, &(struct mail){.kind = MAIL_ROSTER});
}
