/*
 * writer.c - the home writer's thread and its queue.
 * Owns: the mailbox of updates that wait, the thread. Submit from any thread. Invariant: every update taken is answered
 * once, with itself as payload, and only after home_apply has said what became of it.
 */
#include "daemon/register/writer.h"
#include "daemon/base/mailbox.h"
#include "daemon/base/thread.h"
#include "daemon/register/home_parts.h"

#include <stdlib.h>

#define LAPSE_PER_TURN 256
#define IDLE_MS        1000 /* also how soon a lapse that found no room is tried again */

enum { MAIL_UPDATE = 1, MAIL_STOP };

struct writer {
    struct home *home;
    struct change_port changed;
    struct mailbox *queue;
    pthread_t thread;
};

static void answer(struct update *update)
{
    const struct mail reply = {
        .kind = update->reply.kind, .to = update->reply.to, .error = update->result.problem.code, .payload = update};
    mailbox_send_reserved(update->reply.mailbox, &reply);
}

/* Takes what is there, at most a batch; true when told to stop. */
static bool take(struct writer *writer, int timeout_ms, struct update **updates, size_t *count)
{
    struct mail mail[APPLY_BATCH_MAX];
    bool stop = false;
    uint32_t taken = mailbox_wait(writer->queue, mail, APPLY_BATCH_MAX, timeout_ms);
    *count = 0;
    for (uint32_t i = 0; i < taken; i++) {
        if (mail[i].kind == MAIL_STOP)
            stop = true;
        else
            updates[(*count)++] = mail[i].payload;
    }
    return stop;
}

static void turn(struct writer *writer, struct update **updates, size_t count)
{
    home_apply(writer->home, updates, count);
    for (size_t i = 0; i < count; i++)
        answer(updates[i]);
    if (count > 0 && writer->changed.changed != NULL)
        writer->changed.changed(writer->changed.ctx);
}

/* How long the writer may sleep: until the next vacancy lapses, a second at most. */
static int lapse(struct writer *writer)
{
    int64_t next_due_ms, now_ms = clock_wall_ms(writer->home->options.clock);
    size_t lapsed = home_lapse(writer->home, LAPSE_PER_TURN, &next_due_ms);
    if (next_due_ms > now_ms)
        return next_due_ms - now_ms < IDLE_MS ? (int)(next_due_ms - now_ms) : IDLE_MS;
    return lapsed > 0 ? 0 : IDLE_MS;
}

static void *run(void *arg)
{
    struct writer *writer = arg;
    struct update *updates[APPLY_BATCH_MAX];
    size_t count;
    int timeout_ms = 0;
    bool stop = false;
    while (!stop) {
        stop = take(writer, timeout_ms, updates, &count);
        turn(writer, updates, count);
        timeout_ms = lapse(writer);
    }
    do { /* what was queued before and beside the word to stop */
        (void)take(writer, 0, updates, &count);
        turn(writer, updates, count);
    } while (count > 0);
    return NULL;
}

enum err writer_start(struct home *home, uint32_t queue, const struct change_port *changed, struct writer **out)
{
    struct writer *writer = calloc(1, sizeof *writer);
    *out = NULL;
    if (writer == NULL)
        return ERR_LIMIT;
    writer->home = home;
    writer->changed = *changed;
    writer->queue = mailbox_create(queue + 1); /* and a place for the word to stop */
    if (mailbox_reserve(writer->queue) != ERR_NONE) {
        mailbox_destroy(writer->queue);
        free(writer);
        return ERR_LIMIT;
    }
    writer->thread = thread_start("writer", run, writer);
    *out = writer;
    return ERR_NONE;
}

void writer_stop(struct writer *writer)
{
    if (writer == NULL)
        return;
    mailbox_send_reserved(writer->queue, &(struct mail){.kind = MAIL_STOP});
    pthread_join(writer->thread, NULL);
    mailbox_destroy(writer->queue);
    free(writer);
}

enum err writer_submit(struct writer *writer, struct update *update)
{
    return mailbox_send(writer->queue, &(struct mail){.kind = MAIL_UPDATE, .payload = update});
}
