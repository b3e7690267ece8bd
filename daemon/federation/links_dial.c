/*
 * links_dial.c - see links_dial.h. Owns struct resolver, which its thread and its maker share: whoever leaves last
 * frees it. Thread: the links'; resolve() and below it the resolver's own. Invariant: after resolver_destroy nothing is
 * put into the mailbox of answers.
 */
#include "daemon/federation/links_dial.h"

#include "daemon/base/log.h"
#include "daemon/base/thread.h"
#include "daemon/federation/federation.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_MAX (ROSTER_REGIONS_MAX * 2)

/* --- looking up ------------------------------------------------------------------------------------------------- */

enum { MAIL_ASK = 1, MAIL_STOP };

struct resolver {
    pthread_mutex_t lock;
    bool closed;          /* under the lock: answers go nowhere */
    unsigned users;       /* under the lock: the maker and the thread */
    struct mailbox *asks; /* the thread's */
    struct mailbox *answers;
    uint32_t kind;
    uint64_t tickets; /* given so far; whoever asks */
};

struct ask {
    uint64_t to, value;
    uint16_t port;
    char host[ROSTER_HOST_BYTES];
};

static struct resolved *look_up(const char *host, uint16_t port, int flags)
{
    struct resolved *found = calloc(1, sizeof *found);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags}, *list = NULL;
    char service[8];
    if (found == NULL)
        return NULL;
    snprintf(service, sizeof service, "%u", port);
    int failed = getaddrinfo(host, service, &hints, &list);
    found->why = failed != 0 ? gai_strerror(failed) : "";
    for (const struct addrinfo *at = list; at != NULL && found->count < DIAL_ADDRESSES_MAX; at = at->ai_next) {
        if (at->ai_addrlen > sizeof found->addresses[0].address)
            continue;
        memcpy(&found->addresses[found->count].address, at->ai_addr, at->ai_addrlen);
        found->addresses[found->count++].bytes = at->ai_addrlen;
    }
    if (list != NULL)
        freeaddrinfo(list);
    return found;
}

static void leave(struct resolver *resolver)
{
    pthread_mutex_lock(&resolver->lock);
    bool last = --resolver->users == 0;
    pthread_mutex_unlock(&resolver->lock);
    if (!last)
        return;
    struct mail left;
    while (mailbox_take(resolver->asks, &left, 1) == 1)
        free(left.payload);
    mailbox_destroy(resolver->asks);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

static void answer(struct resolver *resolver, const struct ask *ask, struct resolved *found)
{
    const struct mail mail = {.kind = resolver->kind, .to = ask->to, .value = ask->value, .payload = found};
    pthread_mutex_lock(&resolver->lock);
    if (resolver->closed || mailbox_send(resolver->answers, &mail) != ERR_NONE)
        free(found); /* whoever asked has a deadline */
    pthread_mutex_unlock(&resolver->lock);
}

static void *resolve(void *arg)
{
    struct resolver *resolver = arg;
    struct mail mail;
    for (;;) {
        mailbox_wait(resolver->asks, &mail, 1, -1);
        if (mail.kind == MAIL_STOP)
            break;
        struct ask *ask = mail.payload;
        struct resolved *found = look_up(ask->host, ask->port, AI_ADDRCONFIG);
        if (found != NULL)
            answer(resolver, ask, found);
        free(ask);
    }
    leave(resolver);
    return NULL;
}

struct resolver *resolver_create(struct mailbox *answers, uint32_t kind)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL)
        log_fatal("federation", "out of memory");
    *resolver = (struct resolver){.users = 2, .asks = mailbox_create(QUEUE_MAX + 1), .answers = answers, .kind = kind};
    pthread_mutex_init(&resolver->lock, NULL);
    if (mailbox_reserve(resolver->asks) != ERR_NONE)
        log_fatal("federation", "a new mailbox is full");
    pthread_detach(thread_start("resolver", resolve, resolver));
    return resolver;
}

void resolver_destroy(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    pthread_mutex_lock(&resolver->lock);
    resolver->closed = true;
    pthread_mutex_unlock(&resolver->lock);
    mailbox_send_reserved(resolver->asks, &(struct mail){.kind = MAIL_STOP});
    leave(resolver);
}

uint64_t resolver_ask(struct resolver *resolver, const char *host, uint16_t port, uint64_t to)
{
    struct ask *ask = calloc(1, sizeof *ask);
    if (ask == NULL)
        return 0;
    *ask = (struct ask){.to = to, .value = ++resolver->tickets, .port = port};
    snprintf(ask->host, sizeof ask->host, "%s", host);
    uint64_t ticket = ask->value;
    const struct mail mail = {.kind = MAIL_ASK, .payload = ask};
    if (mailbox_send(resolver->asks, &mail) != ERR_NONE) {
        free(ask);
        ticket = 0;
    }
    return ticket;
}

/* --- connecting ------------------------------------------------------------------------------------------------- */

static void fail(struct dial *dial, const char *what, const char *why)
{
    problem_set(&dial->why, ERR_UNAVAILABLE, "", "%.100s:%u %s: %s", dial_host(dial), dial_port(dial), what, why);
}

static void close_socket(struct dial *dial)
{
    if (dial->fd >= 0)
        close(dial->fd);
    dial->fd = -1;
}

static void set_up(int fd)
{
    const int on = 1, user_timeout_ms = 2 * FEDERATION_DEAD_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms);
}

/* One address. False: it failed at once. */
static bool try_address(struct dial *dial, const struct resolved *resolved, int64_t now_ms)
{
    const struct sockaddr *address = (const struct sockaddr *)&resolved->addresses[dial->address].address;
    dial->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    dial->deadline_ms = now_ms + DIAL_CONNECT_MS;
    if (dial->fd >= 0) {
        set_up(dial->fd);
        if (connect(dial->fd, address, resolved->addresses[dial->address].bytes) == 0 || errno == EINPROGRESS)
            return true; /* a socket that is connected already is writable, too */
    }
    fail(dial, "can't be reached", strerror(errno));
    close_socket(dial);
    return false;
}

/* What is known of the endpoint; NULL: it must be looked up, and the question is on its way or has failed. */
static const struct resolved *know(struct dial *dial, int64_t now_ms)
{
    uint32_t endpoint = dial->endpoint;
    if (dial->known[endpoint].resolved != NULL && now_ms < dial->known[endpoint].until_ms)
        return dial->known[endpoint].resolved;
    struct resolved *numeric = look_up(dial_host(dial), dial_port(dial), AI_NUMERICHOST);
    if (numeric != NULL && numeric->count > 0) {
        free(dial->known[endpoint].resolved);
        dial->known[endpoint].resolved = numeric;
        dial->known[endpoint].until_ms = INT64_MAX;
        return numeric;
    }
    free(numeric);
    dial->ticket = resolver_ask(dial->resolver, dial_host(dial), dial_port(dial), dial->id);
    dial->deadline_ms = now_ms + DIAL_RESOLVE_MS;
    return NULL;
}

static void next_endpoint(struct dial *dial)
{
    dial->tried++;
    dial->endpoint = (dial->endpoint + 1) % (dial->region->endpoint_count > 0 ? dial->region->endpoint_count : 1);
    dial->address = 0;
}

/* From (endpoint, address) on, until one may work. */
static enum dial_turn go_on(struct dial *dial, int64_t now_ms)
{
    for (; dial->tried < dial->region->endpoint_count; next_endpoint(dial)) {
        const struct resolved *resolved = know(dial, now_ms);
        if (dial->ticket != 0)
            return DIAL_WAIT;
        if (resolved == NULL) {
            fail(dial, "can't be looked up", "too many names wait");
            continue;
        }
        for (; dial->address < resolved->count; dial->address++)
            if (try_address(dial, resolved, now_ms))
                return DIAL_WAIT;
        if (dial->known[dial->endpoint].until_ms != INT64_MAX)
            dial->known[dial->endpoint].until_ms = 0; /* none of them works: look it up next time */
    }
    return DIAL_FAILED;
}

void dial_init(struct dial *dial, struct resolver *resolver, uint64_t id, const struct roster_region *region)
{
    *dial = (struct dial){.resolver = resolver, .id = id, .region = region, .fd = -1, .deadline_ms = INT64_MAX};
}

static void halt(struct dial *dial)
{
    close_socket(dial);
    dial->ticket = 0;
    dial->deadline_ms = INT64_MAX;
}

void dial_stop(struct dial *dial)
{
    if (dial->fd >= 0 || dial->ticket != 0)
        dial->first = dial->endpoint + 1; /* this one was too slow: the next dial begins behind it */
    halt(dial);
}

void dial_finish(struct dial *dial)
{
    halt(dial);
    for (uint32_t i = 0; i < ROSTER_ENDPOINTS_MAX; i++)
        free(dial->known[i].resolved);
}

enum dial_turn dial_start(struct dial *dial, int64_t now_ms)
{
    halt(dial);
    dial->tried = dial->address = 0;
    dial->endpoint = dial->first < dial->region->endpoint_count ? dial->first : 0;
    dial->first = 0;
    problem_set(&dial->why, ERR_UNAVAILABLE, "", "the roster has no endpoint for it");
    return go_on(dial, now_ms);
}

static enum dial_turn skip(struct dial *dial, int64_t now_ms)
{
    halt(dial);
    dial->address++;
    return go_on(dial, now_ms);
}

enum dial_turn dial_next(struct dial *dial, const struct problem *why, int64_t now_ms)
{
    dial->why = *why;
    return skip(dial, now_ms);
}

/* The answer did not come, or says nothing: what was known before is better than nothing. */
static enum dial_turn without_answer(struct dial *dial, const char *why, int64_t now_ms)
{
    dial->ticket = 0;
    fail(dial, "can't be looked up", why);
    if (dial->known[dial->endpoint].resolved != NULL)
        dial->known[dial->endpoint].until_ms = now_ms + DIAL_RESOLVE_MS;
    else
        next_endpoint(dial);
    return go_on(dial, now_ms);
}

/* 0: connected. */
static int connect_error(int fd)
{
    struct sockaddr_storage peer;
    int error = 0;
    socklen_t bytes = sizeof error, peer_bytes = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
        return errno;
    if (error == 0 && getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) != 0)
        return errno == ENOTCONN ? EINPROGRESS : errno;
    return error;
}

enum dial_turn dial_event(struct dial *dial, bool ready, int64_t now_ms)
{
    if (dial->fd < 0)
        return dial->ticket != 0 && now_ms >= dial->deadline_ms
                   ? without_answer(dial, "the name service doesn't answer", now_ms)
                   : DIAL_WAIT;
    if (!ready && now_ms < dial->deadline_ms)
        return DIAL_WAIT;
    int error = ready ? connect_error(dial->fd) : ETIMEDOUT;
    if (error == EINPROGRESS)
        return DIAL_WAIT; /* it was said of an earlier socket of the same number */
    if (error == 0)
        return DIAL_CONNECTED;
    fail(dial, "can't be reached", strerror(error));
    return skip(dial, now_ms);
}

enum dial_turn dial_answer(struct dial *dial, uint64_t ticket, struct resolved *resolved, int64_t now_ms)
{
    if (ticket != dial->ticket || ticket == 0) {
        free(resolved);
        return DIAL_WAIT;
    }
    if (resolved->count == 0) {
        const char *why = resolved->why;
        free(resolved);
        return without_answer(dial, why, now_ms);
    }
    dial->ticket = 0;
    free(dial->known[dial->endpoint].resolved);
    dial->known[dial->endpoint].resolved = resolved;
    dial->known[dial->endpoint].until_ms = now_ms + DIAL_KNOWN_MS;
    return go_on(dial, now_ms);
}

int dial_take(struct dial *dial)
{
    int fd = dial->fd;
    dial->fd = -1;
    dial->deadline_ms = INT64_MAX;
    return fd;
}

const char *dial_host(const struct dial *dial)
{
    return dial->endpoint < dial->region->endpoint_count ? dial->region->endpoints[dial->endpoint].host : "";
}

uint16_t dial_port(const struct dial *dial)
{
    return dial->endpoint < dial->region->endpoint_count ? dial->region->endpoints[dial->endpoint].port : 0;
}
