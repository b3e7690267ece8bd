/*
 * links.c - see links.h. Owns the thread, its mailbox, the array of peers and the roster that numbers them.
 *
 * The loop read aloud: wait for a socket, a mail or a moment; hand replies and posts to the logic; hear the peers; let
 * the logic do what is due; send what was said, tell the logic what ended; wake the inbound streams.
 *
 * What others post is a flag or a slot under a lock, never lost, and a mail only to wake the loop: the mailbox's places
 * are the replies' and the resolver's.
 * Invariant: every work and update that was taken comes back here before the thread ends.
 */
#include "daemon/federation/links.h"

#include "daemon/base/log.h"
#include "daemon/base/thread.h"
#include "daemon/federation/links_hub.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MAILBOX_PLACES    4096
#define MAILS_PER_TURN    256
#define MESSAGE_BYTES_MIN ((size_t)1 << 20) /* what hubs say to each other fits, whatever clients may send */

enum { MAIL_WAKE = 1, MAIL_WORKED, MAIL_UPDATED, MAIL_RESOLVED };
enum { ASKED_STOP = 1, ASKED_CHANGED = 2, ASKED_RELOAD = 4, ASKED_PEER_HAS = 8, ASKED_FORWARD = 16 };

struct links {
    struct federation_options given; /* as main gave it */
    struct wakes *wakes;
    struct mailbox *mailbox;
    pthread_t thread;
    bool started;
    atomic_uint asked;

    pthread_mutex_t lock; /* of the next seven */
    const struct roster *new_roster;
    struct tls_context *new_tls;
    struct peer_positions *peers_have[ROSTER_REGIONS_MAX]; /* what inbound streams heard: at most one for a peer */
    size_t peers_have_count;
    struct forward *forwards, **forwards_end; /* not looked at yet, in their order */
    uint32_t forward_count;                   /* under way in all: until they are answered */
    bool stopped;                             /* takes no forwards */

    /* The thread's. */
    struct links_shared shared;
    const struct roster *roster;
    struct links_hub *peers; /* one for each region of the roster, our own too, which is never dialled */
    uint32_t peer_count;
    struct pollfd *polled;
    uint32_t under_way; /* works and updates that the writers have */
    int64_t tick_ms, wake_ms;
    int64_t woke_ms; /* when the loop last had waited */
};

/* --- what the logic asks for ------------------------------------------------------------------------------------ */

static struct links_hub *peer_at(struct links *links, uint32_t number)
{
    if (number >= links->peer_count)
        log_fatal("federation", "peer %u of %u", number, links->peer_count);
    return &links->peers[number];
}

static void do_dial(void *ctx, uint32_t peer)
{
    links_hub_dial(peer_at(ctx, peer));
}

static void do_hang_up(void *ctx, uint32_t peer)
{
    links_hub_hang_up(peer_at(ctx, peer));
}

static bool do_send(void *ctx, uint32_t peer, const Vacancy__V1__FollowRequest *message)
{
    return links_hub_send(peer_at(ctx, peer), message);
}

static void do_fetch(void *ctx, uint32_t peer, const Vacancy__V1__FetchSnapshotRequest *request)
{
    links_hub_fetch(peer_at(ctx, peer), request);
}

static void do_stop_fetch(void *ctx, uint32_t peer)
{
    links_hub_stop_fetch(peer_at(ctx, peer));
}

static void do_set_reading(void *ctx, uint32_t peer, bool on)
{
    links_hub_set_reading(peer_at(ctx, peer), on);
}

static struct links_hub *peer_of(struct links *links, const char *region)
{
    for (uint32_t i = 0; i < links->peer_count; i++)
        if (strcmp(links->peers[i].region->region, region) == 0)
            return &links->peers[i];
    return NULL;
}

static void set_peers(struct links *links, const struct roster *roster)
{
    int64_t down_since_ms[ROSTER_REGIONS_MAX] = {0};
    for (uint32_t i = 0; i < links->peer_count; i++)
        links_hub_finish(&links->peers[i]);
    for (uint32_t i = 0; i < roster->region_count && links->peers != NULL; i++) {
        const struct links_hub *before = peer_of(links, roster->regions[i].region);
        down_since_ms[i] = before != NULL ? before->down_since_ms : 0;
    }
    roster_ref(roster);
    roster_unref(links->roster);
    links->roster = roster;
    free(links->peers);
    free(links->polled);
    links->peer_count = roster->region_count;
    links->peers = calloc(links->peer_count + 1, sizeof *links->peers);
    links->polled = calloc(links->peer_count + 1, sizeof *links->polled);
    if (links->peers == NULL || links->polled == NULL)
        log_fatal("federation", "out of memory for %u peers", links->peer_count);
    for (uint32_t i = 0; i < links->peer_count; i++) {
        links_hub_init(&links->peers[i], &links->shared, i, &roster->regions[i]);
        if (down_since_ms[i] != 0)
            links->peers[i].down_since_ms = down_since_ms[i];
    }
}

static void do_peers_changed(void *ctx, const struct roster *roster)
{
    set_peers(ctx, roster);
}

static enum err do_work(void *ctx, struct replica_work *work)
{
    struct links *links = ctx;
    if (mailbox_reserve(links->mailbox) != ERR_NONE)
        return ERR_LIMIT;
    work->reply = (struct reply_address){.mailbox = links->mailbox, .kind = MAIL_WORKED};
    enum err err = links->given.works.work(links->given.works.ctx, work);
    if (err != ERR_NONE)
        mailbox_unreserve(links->mailbox);
    else
        links->under_way++;
    return err;
}

static enum err do_update(void *ctx, struct update *update)
{
    struct links *links = ctx;
    if (mailbox_reserve(links->mailbox) != ERR_NONE)
        return ERR_LIMIT;
    update->reply = (struct reply_address){.mailbox = links->mailbox, .kind = MAIL_UPDATED};
    enum err err = links->given.works.update(links->given.works.ctx, update);
    if (err != ERR_NONE)
        mailbox_unreserve(links->mailbox);
    else
        links->under_way++;
    return err;
}

static void do_replicated(void *ctx, uint64_t epoch, uint64_t sequence)
{
    struct links *links = ctx;
    links->given.works.replicated(links->given.works.ctx, epoch, sequence);
}

static void do_roster(void *ctx, const struct roster *roster)
{
    struct links *links = ctx;
    links->given.works.roster(links->given.works.ctx, roster);
}

/* --- forwards --------------------------------------------------------------------------------------------------- */

static void answered(void *ctx, struct forward *forward)
{
    struct links *links = ctx;
    pthread_mutex_lock(&links->lock);
    links->forward_count--;
    pthread_mutex_unlock(&links->lock);
    const struct mail mail = {
        .kind = forward->reply.kind, .to = forward->reply.to, .value = FORWARD_MAIL, .payload = forward};
    mailbox_send_reserved(forward->reply.mailbox, &mail);
}

static struct forward *take_queued(struct links *links)
{
    pthread_mutex_lock(&links->lock);
    struct forward *first = links->forwards;
    links->forwards = NULL;
    links->forwards_end = &links->forwards;
    pthread_mutex_unlock(&links->lock);
    return first;
}

static void refuse(struct links *links, struct forward *forward, enum forward_end end)
{
    forward_settle(forward, end, NULL);
    answered(links, forward);
}

static void read_clock(struct links *links)
{
    links->shared.now_ms = clock_boot_ms(links->given.clock);
}

static void take_forwards(struct links *links)
{
    read_clock(links); /* a deadline is told as what is left of it */
    for (struct forward *forward = take_queued(links), *next; forward != NULL; forward = next) {
        struct links_hub *peer = peer_of(links, forward->region);
        next = forward->next;
        forward->next = NULL;
        if (peer != NULL)
            links_hub_forward(peer, forward);
        else
            refuse(links, forward, FORWARD_NO_REGION);
    }
}

static void set_stopped(struct links *links, bool stopped)
{
    pthread_mutex_lock(&links->lock);
    links->stopped = stopped;
    pthread_mutex_unlock(&links->lock);
}

/* Those that the thread did not see any more. */
static void end_forwards(struct links *links)
{
    set_stopped(links, true);
    for (struct forward *forward = take_queued(links), *next; forward != NULL; forward = next) {
        next = forward->next;
        refuse(links, forward, FORWARD_UNBEGUN);
    }
}

/* --- mails and posts -------------------------------------------------------------------------------------------- */

static void post(struct links *links, unsigned what)
{
    /* No place: the loop is awake, or will be within a ping. */
    if ((atomic_fetch_or(&links->asked, what) & what) == 0 &&
        mailbox_send(links->mailbox, &(struct mail){.kind = MAIL_WAKE}) != ERR_NONE)
        log_debug("federation", "the links' mailbox is full");
}

/* Over: nobody is there to hear it any more. */
static void take_mail(struct links *links, const struct mail *mail, bool over)
{
    switch (mail->kind) {
    case MAIL_WORKED:
        links->under_way--;
        if (over)
            replica_work_destroy(mail->payload);
        else
            federation_worked(links->shared.federation, mail->payload);
        break;
    case MAIL_UPDATED:
        links->under_way--;
        if (over)
            update_destroy(mail->payload);
        else
            federation_updated(links->shared.federation, mail->payload);
        break;
    case MAIL_RESOLVED:
        if (over || mail->to >= links->peer_count)
            free(mail->payload);
        else
            links_hub_answer(&links->peers[mail->to], mail->value, mail->payload);
        break;
    default:
        break;
    }
}

static void take_mails(struct links *links)
{
    struct mail mails[MAILS_PER_TURN];
    uint32_t taken = mailbox_take(links->mailbox, mails, MAILS_PER_TURN);
    for (uint32_t i = 0; i < taken; i++)
        take_mail(links, &mails[i], false);
}

static void take_tls(struct links *links, struct tls_context *tls)
{
    tls_context_unref(links->shared.tls);
    links->shared.tls = tls;
    for (uint32_t i = 0; i < links->peer_count; i++)
        links_hub_recheck(&links->peers[i]);
}

static void take_roster(struct links *links, const struct roster *roster)
{
    struct problem problem;
    if (federation_set_roster(links->shared.federation, roster, &problem) != ERR_NONE)
        log_error("federation", "the old roster stays in use: %s", problem.text);
    roster_unref(roster);
}

static void take_reload(struct links *links)
{
    pthread_mutex_lock(&links->lock);
    const struct roster *roster = links->new_roster;
    struct tls_context *tls = links->new_tls;
    links->new_roster = NULL;
    links->new_tls = NULL;
    pthread_mutex_unlock(&links->lock);
    if (tls != NULL)
        take_tls(links, tls);
    if (roster != NULL)
        take_roster(links, roster);
}

static void take_peers_have(struct links *links)
{
    struct peer_positions *taken[ROSTER_REGIONS_MAX];
    pthread_mutex_lock(&links->lock);
    size_t count = links->peers_have_count;
    memcpy(taken, links->peers_have, count * sizeof(struct peer_positions *));
    links->peers_have_count = 0;
    pthread_mutex_unlock(&links->lock);
    for (size_t i = 0; i < count; i++)
        federation_peer_has(links->shared.federation, taken[i]);
}

/* False: stop. */
static bool take_posts(struct links *links)
{
    unsigned asked = atomic_exchange(&links->asked, 0);
    if (asked & ASKED_RELOAD)
        take_reload(links);
    if (asked & ASKED_PEER_HAS)
        take_peers_have(links);
    if (asked & ASKED_FORWARD)
        take_forwards(links);
    if (asked & ASKED_CHANGED)
        federation_changed(links->shared.federation);
    return (asked & ASKED_STOP) == 0;
}

/* --- the loop --------------------------------------------------------------------------------------------------- */

/* How long to sleep; 0 when something is to be done at once. */
static int timeout_ms(const struct links *links, bool again)
{
    int64_t at = links->tick_ms < links->wake_ms ? links->tick_ms : links->wake_ms, now = links->shared.now_ms;
    for (uint32_t i = 0; i < links->peer_count; i++) {
        int64_t due = links_hub_deadline_ms(&links->peers[i]);
        at = due < at ? due : at;
    }
    return again || at <= now ? 0 : at - now < FEDERATION_PING_MS ? (int)(at - now) : FEDERATION_PING_MS;
}

/* Between two wakings lie what was asked to wait for and a turn's work, which is short: the rest is a pause. */
static void note_held_up(struct links *links, int asked_ms)
{
    int64_t held_ms = links->shared.now_ms - links->woke_ms - asked_ms;
    links->woke_ms = links->shared.now_ms;
    if (held_ms > FEDERATION_HELD_UP_MS)
        federation_held_up(links->shared.federation, held_ms);
}

static void wait_for_something(struct links *links, bool again)
{
    links->polled[0] = (struct pollfd){.fd = mailbox_fd(links->mailbox), .events = POLLIN};
    for (uint32_t i = 0; i < links->peer_count; i++)
        links->polled[i + 1] =
            (struct pollfd){.fd = links_hub_fd(&links->peers[i]), .events = links_hub_events(&links->peers[i])};
    int asked_ms = timeout_ms(links, again);
    if (poll(links->polled, links->peer_count + 1, asked_ms) < 0 && errno != EINTR)
        log_fatal("federation", "poll: %s", strerror(errno));
    read_clock(links);
    note_held_up(links, asked_ms);
}

static void hear_peers(struct links *links)
{
    for (uint32_t i = 0; i < links->peer_count; i++) {
        struct links_hub *peer = &links->peers[i];
        short events = links->polled[i + 1].revents;
        if (events != 0 || peer->touched || links_hub_deadline_ms(peer) <= links->shared.now_ms)
            links_hub_event(peer, events);
    }
}

/* True: come again at once. */
static bool settle_peers(struct links *links)
{
    bool again = false;
    for (uint32_t i = 0; i < links->peer_count; i++)
        again |= links_hub_settle(&links->peers[i]);
    return again;
}

static void wake_streams(struct links *links)
{
    if (links->shared.now_ms < links->wake_ms)
        return;
    links->wake_ms = links->shared.now_ms + FEDERATION_PING_MS;
    if (links->wakes != NULL)
        wakes_all(links->wakes);
}

static void end_links(struct links *links)
{
    for (uint32_t i = 0; i < links->peer_count; i++)
        links_hub_finish(&links->peers[i]);
    links->peer_count = 0;
    struct mail mail;
    while (links->under_way > 0)
        if (mailbox_wait(links->mailbox, &mail, 1, -1) == 1)
            take_mail(links, &mail, true);
}

static void *run(void *arg)
{
    struct links *links = arg;
    bool again = true;
    read_clock(links);
    links->woke_ms = links->shared.now_ms;
    while (take_posts(links)) {
        /* Before the wait, so that `polled` is of the peers that there are. */
        links->tick_ms = federation_tick(links->shared.federation);
        again = settle_peers(links);
        wake_streams(links);
        wait_for_something(links, again);
        hear_peers(links);
        take_mails(links);
    }
    end_links(links);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static struct h2_limits limits_for(size_t message_bytes_max)
{
    struct h2_limits limits = h2_limits_default;
    size_t bytes = message_bytes_max > MESSAGE_BYTES_MIN ? message_bytes_max : MESSAGE_BYTES_MIN;
    limits.message_bytes_max = (uint32_t)bytes;
    limits.streams_max = FORWARDS_EACH_MAX + 16; /* what the peer does not take at once waits here */
    limits.receive_bytes_max = (uint32_t)(4 * bytes);
    limits.stream_window_bytes = 512 << 10; /* two batches: one is heard while the next comes */
    limits.handshake_ms = 4000;
    limits.write_progress_ms = 10000;
    limits.idle_ms = 0; /* how long a peer may be silent is the logic's to say */
    return limits;
}

struct links *links_create(const struct links_options *options)
{
    struct links *links = calloc(1, sizeof *links);
    if (links == NULL)
        return NULL;
    links->given = options->federation;
    links->wakes = options->wakes;
    links->mailbox = mailbox_create(MAILBOX_PLACES);
    links->forwards_end = &links->forwards;
    pthread_mutex_init(&links->lock, NULL);
    links->shared = (struct links_shared){.resolver = resolver_create(links->mailbox, MAIL_RESOLVED),
                                          .tls = options->tls,
                                          .clock = options->federation.clock,
                                          .answered = answered,
                                          .answered_ctx = links,
                                          .limits = limits_for(options->message_bytes_max)};
    memcpy(links->shared.trust_domain, options->trust_domain, sizeof links->shared.trust_domain);
    arena_init(&links->shared.arena, 2 * (size_t)links->shared.limits.message_bytes_max);
    set_peers(links, options->federation.roster);

    struct federation_options logic = options->federation;
    logic.links = (struct link_port){.ctx = links,
                                     .dial = do_dial,
                                     .hang_up = do_hang_up,
                                     .send = do_send,
                                     .fetch = do_fetch,
                                     .stop_fetch = do_stop_fetch,
                                     .set_reading = do_set_reading,
                                     .peers_changed = do_peers_changed};
    logic.works = (struct work_port){
        .ctx = links, .work = do_work, .update = do_update, .replicated = do_replicated, .roster = do_roster};
    links->shared.federation = federation_create(&logic);
    if (links->shared.federation != NULL)
        return links;
    links_destroy(links);
    return NULL;
}

void links_start(struct links *links)
{
    set_stopped(links, false);
    links->thread = thread_start("links", run, links);
    links->started = true;
}

void links_stop(struct links *links)
{
    if (links == NULL)
        return;
    if (links->started) {
        post(links, ASKED_STOP);
        pthread_join(links->thread, NULL);
        links->started = false;
    }
    end_forwards(links);
}

void links_destroy(struct links *links)
{
    if (links == NULL)
        return;
    resolver_destroy(links->shared.resolver);
    struct mail mail;
    while (mailbox_take(links->mailbox, &mail, 1) == 1)
        take_mail(links, &mail, true);
    for (size_t i = 0; i < links->peers_have_count; i++)
        free(links->peers_have[i]);
    for (uint32_t i = 0; i < links->peer_count; i++)
        links_hub_finish(&links->peers[i]);
    if (links->shared.federation != NULL)
        federation_destroy(links->shared.federation);
    mailbox_destroy(links->mailbox);
    arena_finish(&links->shared.arena);
    tls_context_unref(links->shared.tls);
    tls_context_unref(links->new_tls);
    roster_unref(links->new_roster);
    roster_unref(links->roster);
    pthread_mutex_destroy(&links->lock);
    free(links->peers);
    free(links->polled);
    free(links);
}

/* --- from other threads ----------------------------------------------------------------------------------------- */

struct federation *links_federation(struct links *links)
{
    return links->shared.federation;
}

void links_reload(struct links *links, const struct roster *roster, struct tls_context *tls)
{
    pthread_mutex_lock(&links->lock);
    if (roster != NULL) {
        roster_unref(links->new_roster);
        links->new_roster = roster;
    }
    if (tls != NULL) {
        tls_context_unref(links->new_tls);
        links->new_tls = tls;
    }
    pthread_mutex_unlock(&links->lock);
    post(links, ASKED_RELOAD);
}

static bool says_of(const struct peer_positions *positions, const char *region)
{
    for (uint32_t i = 0; i < positions->count; i++)
        if (strcmp(positions->checkpoints[i].checkpoint.region, region) == 0)
            return true;
    return false;
}

/* What the peer said before, where it says nothing newer. Takes both; bounded by a roster's regions. */
static struct peer_positions *join(struct peer_positions *older, struct peer_positions *newer)
{
    struct peer_positions *both = NULL;
    if (!newer->complete)
        both = realloc(newer, sizeof *both + ROSTER_REGIONS_MAX * sizeof both->checkpoints[0]);
    for (uint32_t i = 0; both != NULL && i < older->count && both->count < ROSTER_REGIONS_MAX; i++)
        if (!says_of(both, older->checkpoints[i].checkpoint.region))
            both->checkpoints[both->count++] = older->checkpoints[i];
    if (both != NULL)
        both->complete = older->complete;
    free(older);
    return both != NULL ? both : newer;
}

/* One slot a peer: however much it says, that is what it costs in memory, and one look a turn. */
void links_peer_has(struct links *links, struct peer_positions *positions)
{
    pthread_mutex_lock(&links->lock);
    size_t at = 0;
    while (at < links->peers_have_count && strcmp(links->peers_have[at]->peer, positions->peer) != 0)
        at++;
    if (at < links->peers_have_count)
        links->peers_have[at] = join(links->peers_have[at], positions);
    else if (at < ROSTER_REGIONS_MAX)
        links->peers_have[links->peers_have_count++] = positions;
    else
        free(positions); /* more hubs than a roster has: rosters came and went */
    pthread_mutex_unlock(&links->lock);
    post(links, ASKED_PEER_HAS);
}

enum err links_forward(void *ctx, struct forward *forward)
{
    struct links *links = ctx;
    pthread_mutex_lock(&links->lock);
    enum err err = links->stopped ? ERR_UNAVAILABLE : links->forward_count >= FORWARDS_MAX ? ERR_LIMIT : ERR_NONE;
    if (err == ERR_NONE) {
        forward->next = NULL;
        *links->forwards_end = forward;
        links->forwards_end = &forward->next;
        links->forward_count++;
    }
    pthread_mutex_unlock(&links->lock);
    if (err == ERR_NONE)
        post(links, ASKED_FORWARD);
    return err;
}

/* No mail: our position is told with a sign of life, and what peers say of it is looked up as it comes. Waking the loop
 * for it would take a core at each commit just when what was committed goes out. */
void links_changed(struct links *links)
{
    atomic_fetch_or(&links->asked, ASKED_CHANGED);
}
