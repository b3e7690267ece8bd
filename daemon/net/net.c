/*
 * net.c - the acceptor, on main's thread, and the life of the workers.
 *
 * Owns: the listening socket, a spare descriptor for the day when there are none, signals, the current TLS context.
 * Invariant: connections that are refused are closed at once and counted; at the descriptor limit the listener rests
 * until a timer wakes it (X1: it would spin).
 */
#include "daemon/net/net.h"

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/net/conn.h"
#include "daemon/net/principals.h"
#include "daemon/net/worker.h"

#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG          1024
#define REST_MS          100
#define REFUSED_AT_LIMIT 64   /* connections closed through the spare descriptor before the listener rests */
#define REFUSED_LINE_MS  1000 /* at most one line about refused connections in that time */

struct net {
    struct net_options options;
    struct worker_shared shared;
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *rest_over, *sigterm, *sigint, *sighup;
    int spare_fd;
    uint16_t port;
    uint64_t last_id, refused;
    int64_t refused_line_ms;
    const struct net_signals *signals;
    pthread_mutex_t tls_lock;
    struct tls_context *tls;
    atomic_uint tls_generation;
    uint32_t worker_count;
    struct worker *workers[];
};

/* --- TLS ------------------------------------------------------------------------------------------------------- */

static struct tls_context *current_tls(void *ctx)
{
    struct net *net = ctx;
    pthread_mutex_lock(&net->tls_lock);
    struct tls_context *tls = tls_context_ref(net->tls);
    pthread_mutex_unlock(&net->tls_lock);
    return tls;
}

void net_set_tls(struct net *net, struct tls_context *tls)
{
    pthread_mutex_lock(&net->tls_lock);
    struct tls_context *old = net->tls;
    net->tls = tls;
    pthread_mutex_unlock(&net->tls_lock);
    atomic_fetch_add(&net->tls_generation, 1);
    tls_context_unref(old);
}

/* --- accepting ------------------------------------------------------------------------------------------------- */

static void refuse(struct net *net, int fd, const char *why)
{
    close(fd);
    net->refused++;
    int64_t now_ms = clock_boot_ms(net->options.clock);
    if (net->refused_line_ms != 0 && now_ms - net->refused_line_ms < REFUSED_LINE_MS)
        return;
    net->refused_line_ms = now_ms;
    log_warn("net", "connection refused: %s (%llu refused since start)", why, (unsigned long long)net->refused);
}

static struct worker *least_loaded(struct net *net)
{
    struct worker *best = net->workers[0];
    for (uint32_t i = 1; i < net->worker_count; i++)
        if (worker_connections(net->workers[i]) < worker_connections(best))
            best = net->workers[i];
    return best;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length,
                      void *ctx)
{
    (void)listener;
    (void)address;
    (void)length;
    struct net *net = ctx;
    if (net_connections(net) >= net->options.connections_max)
        refuse(net, fd, "all connections are in use");
    else if (worker_hand_over(least_loaded(net), fd, ++net->last_id) != ERR_NONE)
        refuse(net, fd, "the workers are busy");
}

static void open_spare(struct net *net)
{
    if (net->spare_fd < 0)
        net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor is left: those who wait are told by a close, through the one kept for that; then the listener rests. */
static void on_accept_error(struct evconnlistener *listener, void *ctx)
{
    struct net *net = ctx;
    int error = EVUTIL_SOCKET_ERROR();
    log_warn("net", "accepting failed: %s; the listener rests %d ms", strerror(error), REST_MS);
    for (int i = 0; (error == EMFILE || error == ENFILE) && i < REFUSED_AT_LIMIT; i++) {
        if (net->spare_fd >= 0)
            close(net->spare_fd);
        net->spare_fd = -1;
        int fd = accept4(evconnlistener_get_fd(listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            refuse(net, fd, "no file descriptor is left (ulimit -n)");
        open_spare(net);
        if (fd < 0)
            break;
    }
    evconnlistener_disable(listener);
    static const struct timeval rest = {.tv_usec = REST_MS * 1000};
    evtimer_add(net->rest_over, &rest);
}

static void on_rest_over(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct net *net = ctx;
    open_spare(net);
    if (net->listener != NULL)
        evconnlistener_enable(net->listener);
}

/* --- signals --------------------------------------------------------------------------------------------------- */

static void on_stop_signal(evutil_socket_t signal_number, short what, void *ctx)
{
    (void)what;
    struct net *net = ctx;
    log_info("net", "stopping on %s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    event_base_loopbreak(net->base);
}

static void on_reload_signal(evutil_socket_t signal_number, short what, void *ctx)
{
    (void)signal_number;
    (void)what;
    struct net *net = ctx;
    net->signals->reload(net->signals->ctx);
}

/* From here on a signal waits for net_run; and when the events are gone it is ignored, so that a second SIGTERM does
 * not cut the stop short. */
static void hear_signals(struct net *net)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    net->rest_over = evtimer_new(net->base, on_rest_over, net);
    net->sigterm = evsignal_new(net->base, SIGTERM, on_stop_signal, net);
    net->sigint = evsignal_new(net->base, SIGINT, on_stop_signal, net);
    net->sighup = evsignal_new(net->base, SIGHUP, on_reload_signal, net);
    if (net->rest_over == NULL || net->sigterm == NULL || net->sigint == NULL || net->sighup == NULL ||
        event_add(net->sigterm, NULL) != 0 || event_add(net->sigint, NULL) != 0 || event_add(net->sighup, NULL) != 0)
        log_fatal("net", "signals can't be heard");
}

/* --- opening --------------------------------------------------------------------------------------------------- */

/* "ADDRESS:PORT" or "[ADDRESS]:PORT". NULL for anything else. Addresses only: what a name means may change between two
 * starts. */
static struct addrinfo *resolve(const char *text)
{
    char address[80];
    const char *colon = strrchr(text, ':'), *start = text;
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        start = text + 1;
        length -= 2;
    }
    struct addrinfo *found = NULL;
    if (length > 0 && length < sizeof address && colon[1] != '\0') {
        memcpy(address, start, length);
        address[length] = '\0';
        struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
        if (getaddrinfo(address, colon + 1, &hints, &found) != 0)
            return NULL;
    }
    return found;
}

static enum err listen_on(struct net *net, int *out, struct problem *problem)
{
    struct addrinfo *found = resolve(net->options.listen);
    if (found == NULL)
        return problem_set(problem, ERR_INVALID, "hub.listen",
                           "takes an address and a port (127.0.0.1:8443, [::]:8443), and is \"%.60s\"",
                           net->options.listen);
    static const int on = 1, off = 0;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && found->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    bool listening = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    int error = errno;
    freeaddrinfo(found);
    if (!listening) {
        if (fd >= 0)
            close(fd);
        return problem_set(problem, ERR_UNAVAILABLE, "hub.listen", "can't listen on %.60s: %s", net->options.listen,
                           strerror(error));
    }
    *out = fd;
    return ERR_NONE;
}

static uint16_t port_of(int fd)
{
    union socket_address address = {0};
    socklen_t length = sizeof address;
    if (getsockname(fd, &address.any, &length) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in4.sin_port);
}

enum err net_open(const struct net_options *options, const struct net_upper *upper, void *upper_ctx, struct net **out,
                  struct problem *problem)
{
    struct net *net = calloc(1, sizeof *net + options->workers * sizeof net->workers[0]);
    if (net == NULL)
        log_fatal("net", "out of memory");
    net->options = *options;
    net->tls = options->tls;
    net->spare_fd = -1;
    pthread_mutex_init(&net->tls_lock, NULL);
    net->shared = (struct worker_shared){.options = &net->options,
                                         .upper = upper,
                                         .upper_ctx = upper_ctx,
                                         .tls = current_tls,
                                         .tls_ctx = net,
                                         .tls_generation = &net->tls_generation};
    int fd = -1;
    enum err err = listen_on(net, &fd, problem);
    if (err != ERR_NONE) {
        net_destroy(net);
        return err;
    }
    net->port = port_of(fd);
    net->base = event_base_new();
    if (net->base != NULL)
        net->listener = evconnlistener_new(net->base, on_accept, net,
                                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, fd);
    if (net->listener == NULL)
        log_fatal("net", "no event loop can be had");
    evconnlistener_set_error_cb(net->listener, on_accept_error);
    net->shared.principals = principals_create(options->connections_max, options->connections_per_principal_max);
    hear_signals(net);
    open_spare(net);
    *out = net;
    return ERR_NONE;
}

uint16_t net_port(const struct net *net)
{
    return net->port;
}

void net_start(struct net *net)
{
    for (; net->worker_count < net->options.workers; net->worker_count++)
        net->workers[net->worker_count] = worker_create(&net->shared, net->worker_count);
    for (uint32_t i = 0; i < net->worker_count; i++)
        worker_start(net->workers[i]);
}

uint32_t net_connections(const struct net *net)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < net->worker_count; i++)
        sum += worker_connections(net->workers[i]);
    return sum;
}

/* --- running and stopping -------------------------------------------------------------------------------------- */

static void free_events(struct net *net)
{
    struct event **events[] = {&net->rest_over, &net->sigterm, &net->sigint, &net->sighup};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (*events[i] != NULL)
            event_free(*events[i]);
        *events[i] = NULL;
    }
}

static void close_listener(struct net *net)
{
    if (net->listener != NULL)
        evconnlistener_free(net->listener);
    net->listener = NULL;
}

void net_run(struct net *net, const struct net_signals *signals)
{
    net->signals = signals;
    evconnlistener_enable(net->listener);
    event_base_dispatch(net->base);

    close_listener(net);
    signals->stopping(signals->ctx);
    for (uint32_t i = 0; i < net->worker_count; i++)
        worker_drain(net->workers[i]);
    for (uint32_t i = 0; i < net->worker_count; i++)
        worker_join(net->workers[i]);
}

void net_destroy(struct net *net)
{
    if (net == NULL)
        return;
    for (uint32_t i = 0; i < net->worker_count; i++)
        worker_destroy(net->workers[i]);
    close_listener(net);
    free_events(net);
    if (net->base != NULL)
        event_base_free(net->base);
    if (net->spare_fd >= 0)
        close(net->spare_fd);
    principals_destroy(net->shared.principals);
    tls_context_unref(net->tls);
    pthread_mutex_destroy(&net->tls_lock);
    free(net);
}
