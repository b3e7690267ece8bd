/*
 * writer.c - the home writer's thread and its queue.
 * Owns: the mailbox of updates that wait, the thread, those that wait for a peer (replicated.h), erasures that are not
 * whole yet (home_forget_due). Submit from any thread. Invariant: every update taken is answered once, with itself as
 * payload, and only after home_apply has said what became of it.
 */
#include "daemon/register/writer.h"
#include "daemon/base/mailbox.h"
#include "daemon/base/thread.h"
#include "daemon/register/home_parts.h"
#include "daemon/register/replicated.h"

#include <stdlib.h>
#include <string.h>

#define LAPSE_PER_TURN 256
#define ERASURES_MAX   1024 /* under way at one time; more are told to ask again */
#define IDLE_MS        1000 /* also how soon a lapse that found no room is tried again */

enum { MAIL_UPDATE = 1, MAIL_WAKE, MAIL_STOP };

struct erasure {
    struct update *update;
    uint64_t round;
};

struct writer {
    struct home *home;
    struct change_port changed;
    struct mailbox *queue;
    struct replicated *waits;
    struct erasure *erasures; /* at most ERASURES_MAX */
    size_t erasure_count, erasure_capacity;
    pthread_t thread;
    pthread_mutex_t lock; /* the rest: how far peers are */
    uint64_t peers_epoch, peers_sequence;
    bool somebody_waits, woken; /* woken: a MAIL_WAKE is under way */
};

static void answer(struct update *update)
{
    const struct mail reply = {
        .kind = update->reply.kind, .to = update->reply.to, .error = update->result.problem.code, .payload = update};
    mailbox_send_reserved(update->reply.mailbox, &reply);
}

static void tell(struct writer *writer)
{
    if (writer->changed.changed != NULL)
        writer->changed.changed(writer->changed.ctx);
}

/* Takes what is there, at most a batch; true when told to stop. */
static bool take(struct writer *writer, int timeout_ms, struct update **updates, size_t *count)
{
    struct mail mail[APPLY_BATCH_MAX];
    bool stop = false;
    uint32_t taken = mailbox_wait(writer->queue, mail, APPLY_BATCH_MAX, timeout_ms);
    *count = 0;
    for (uint32_t i = 0; i < taken; i++) {
        if (mail[i].kind == MAIL_UPDATE)
            updates[(*count)++] = mail[i].payload;
        stop = stop || mail[i].kind == MAIL_STOP;
    }
    return stop;
}

/* Answers whom peers' positions or the time release. A position that comes later finds somebody_waits, and wakes. */
static void release(struct writer *writer)
{
    struct update *update;
    pthread_mutex_lock(&writer->lock);
    uint64_t epoch = writer->peers_epoch, sequence = writer->peers_sequence;
    writer->somebody_waits = replicated_count(writer->waits) > 0;
    writer->woken = false;
    pthread_mutex_unlock(&writer->lock);
    replicated_reached(writer->waits, epoch, sequence);
    while ((update = replicated_next(writer->waits, clock_boot_ms(writer->home->options.clock))) != NULL)
        answer(update);
}

/* Where there is no peer, nobody is waited for. */
static bool must_wait(struct writer *writer, struct update *update)
{
    return update->wait_replicated && update->result.problem.code == ERR_NONE && writer->home->options.has_peers &&
           replicated_wait(writer->waits, update, clock_boot_ms(writer->home->options.clock));
}

/* --- erasures ---------------------------------------------------------------------------------------------------- */

#define UNFORGOTTEN                                                                                                    \
    "the carer is erased, but what this hub keeps of requests about it is not all forgotten yet; that goes on, ask "   \
    "again"

static bool must_finish(struct writer *writer, struct update *update)
{
    uint64_t round = home_forget_due(writer->home);
    if (update->kind != UPDATE_ERASE_CARER || update->result.problem.code != ERR_NONE || round == 0)
        return false;
    if (writer->erasure_count == ERASURES_MAX) {
        (void)problem_set(&update->result.problem, ERR_UNAVAILABLE, "", UNFORGOTTEN);
        return false;
    }
    writer->erasures =
        list_need(writer->erasures, writer->erasure_count, &writer->erasure_capacity, sizeof *writer->erasures);
    writer->erasures[writer->erasure_count++] = (struct erasure){update, round};
    return true;
}

/* Answers those that are whole; in the order in which they came, as rounds are. `all`: the others as well. */
static void release_erasures(struct writer *writer, bool all)
{
    size_t done = 0;
    for (; done < writer->erasure_count; done++) {
        struct update *update = writer->erasures[done].update;
        bool whole = writer->erasures[done].round <= home_forgotten(writer->home);
        if (!whole && !all)
            break;
        if (!whole)
            (void)problem_set(&update->result.problem, ERR_UNAVAILABLE, "", UNFORGOTTEN);
        answer(update);
    }
    if (done == 0)
        return;
    writer->erasure_count -= done;
    memmove(writer->erasures, writer->erasures + done, writer->erasure_count * sizeof *writer->erasures);
}

/* --- turns ------------------------------------------------------------------------------------------------------- */

/* Whether anything was committed since: in the log, or (principals, events) beside it. */
static bool moved(const struct writer *writer, const struct home_position *before)
{
    const struct home_position *now = &writer->home->position;
    return now->sequence != before->sequence || now->events != before->events ||
           now->audit.sequence != before->audit.sequence;
}

static void turn(struct writer *writer, struct update **updates, size_t count)
{
    const struct home_position before = writer->home->position;
    home_apply(writer->home, updates, count);
    /* First: from here on the followers' way is the longer one, and whoever is woken may take this thread's core. */
    if (moved(writer, &before))
        tell(writer);
    for (size_t i = 0; i < count; i++)
        if (!must_finish(writer, updates[i]) && !must_wait(writer, updates[i]))
            answer(updates[i]);
}

/* How long until a vacancy or a hold is due next, a second at most. */
static int64_t lapse(struct writer *writer)
{
    int64_t next_due_ms, now_ms = clock_wall_ms(writer->home->options.clock);
    const struct home_position before = writer->home->position;
    size_t lapsed = home_lapse(writer->home, LAPSE_PER_TURN, &next_due_ms);
    if (moved(writer, &before))
        tell(writer);
    if (next_due_ms > now_ms)
        return next_due_ms - now_ms < IDLE_MS ? next_due_ms - now_ms : IDLE_MS;
    return lapsed > 0 ? 0 : IDLE_MS;
}

/* What time does; returns how long the writer may sleep. */
static int idle(struct writer *writer)
{
    int64_t sleep_ms = lapse(writer), beat_ms, now_ms = clock_boot_ms(writer->home->options.clock);
    if (home_heartbeat(writer->home, &beat_ms))
        tell(writer);
    release(writer);
    release_erasures(writer, writer->home->read_only);
    int64_t wait_ms = replicated_deadline(writer->waits);
    wait_ms = wait_ms == INT64_MAX ? IDLE_MS : wait_ms > now_ms ? wait_ms - now_ms : 0;
    sleep_ms = beat_ms < sleep_ms ? beat_ms : sleep_ms;
    return (int)(wait_ms < sleep_ms ? wait_ms : sleep_ms);
}

static void *run(void *arg)
{
    struct writer *writer = arg;
    struct update *updates[APPLY_BATCH_MAX], *left;
    size_t count;
    int timeout_ms = idle(writer);
    bool stop = false;
    while (!stop) {
        stop = take(writer, timeout_ms, updates, &count);
        turn(writer, updates, count);
        timeout_ms = idle(writer);
    }
    do { /* what was queued before and beside the word to stop */
        (void)take(writer, 0, updates, &count);
        turn(writer, updates, count);
    } while (count > 0);
    while ((left = replicated_give_up(writer->waits)) != NULL)
        answer(left);
    for (int64_t next_ms = 0; writer->erasure_count > 0 && next_ms == 0;) { /* bounded by what is stored */
        (void)home_heartbeat(writer->home, &next_ms);
        release_erasures(writer, false);
    }
    release_erasures(writer, true);
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
    writer->waits = replicated_create(queue);
    pthread_mutex_init(&writer->lock, NULL);
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
    replicated_destroy(writer->waits);
    pthread_mutex_destroy(&writer->lock);
    mailbox_destroy(writer->queue);
    free(writer->erasures);
    free(writer);
}

enum err writer_submit(struct writer *writer, struct update *update)
{
    return mailbox_send(writer->queue, &(struct mail){.kind = MAIL_UPDATE, .payload = update});
}

void writer_replicated(struct writer *writer, uint64_t epoch, uint64_t sequence)
{
    pthread_mutex_lock(&writer->lock);
    bool further = epoch > writer->peers_epoch || (epoch == writer->peers_epoch && sequence > writer->peers_sequence);
    if (further) {
        writer->peers_epoch = epoch;
        writer->peers_sequence = sequence;
    }
    /* A full queue needs no waking: its writer looks after each turn. */
    if (further && writer->somebody_waits && !writer->woken)
        writer->woken = mailbox_send(writer->queue, &(struct mail){.kind = MAIL_WAKE}) == ERR_NONE;
    pthread_mutex_unlock(&writer->lock);
}
