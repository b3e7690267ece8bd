/* links.c - see links.h. */
#include "tests/bench/lib/links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HANDSHAKES_BOUND_S 60
#define TICK_MS            100 /* how often the connections' deadlines are looked at */

struct links {
    int epoll;
    unsigned count;
    struct link *all;
    struct link *touched;
    unsigned again; /* links that want another turn at once */
    int64_t next_tick_ms;
};

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void *bench_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory)
        bench_fail("out of memory");
    return memory;
}

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* xorshift64*: the same run for the same seed on every machine. */
uint64_t bench_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

/* --- latencies ------------------------------------------------------------------------------------------------- */

void latencies_add(struct latencies *latencies, uint64_t ns)
{
    if (latencies->count == latencies->capacity) {
        latencies->capacity = latencies->capacity ? latencies->capacity * 2 : 1 << 16;
        latencies->ns = realloc(latencies->ns, latencies->capacity * sizeof *latencies->ns);
        if (!latencies->ns)
            bench_fail("out of memory");
    }
    latencies->ns[latencies->count++] = ns;
}

static int compare_ns(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

double latencies_us(struct latencies *latencies, unsigned per_mille)
{
    if (!latencies->count)
        return 0;
    qsort(latencies->ns, latencies->count, sizeof *latencies->ns, compare_ns);
    size_t at = latencies->count * per_mille / 1000;
    return (double)latencies->ns[at < latencies->count ? at : latencies->count - 1] / 1000.0;
}

/* --- CPU ------------------------------------------------------------------------------------------------------- */

uint64_t bench_cpu_us(long pid)
{
    if (!pid) {
        struct timespec used;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        return (uint64_t)used.tv_sec * 1000000u + (uint64_t)used.tv_nsec / 1000u;
    }
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        bench_fail("%s: %s", path, strerror(errno));
    size_t got = fread(text, 1, sizeof text - 1, file);
    text[got] = 0;
    fclose(file);
    /* Fields 14 and 15, counted after the name, which may hold anything. */
    const char *rest = strrchr(text, ')');
    unsigned long user, system;
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        bench_fail("%s does not read as proc(5) says", path);
    return (uint64_t)(user + system) * 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* --- files of messages ----------------------------------------------------------------------------------------- */

static uint32_t read_length(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void messages_load(struct messages *messages, const char *path)
{
    FILE *file = fopen(path, "re");
    struct stat about;
    if (!file || fstat(fileno(file), &about))
        bench_fail("%s: %s", path, strerror(errno));
    const size_t bytes = (size_t)about.st_size;
    messages->octets = bench_alloc(bytes);
    if (fread(messages->octets, 1, bytes, file) != bytes)
        bench_fail("%s: %s", path, strerror(errno));
    fclose(file);
    for (int pass = 0; pass < 2; pass++) {
        messages->count = 0;
        for (size_t at = 0; at < bytes;) {
            const uint32_t length = bytes - at < 4 ? UINT32_MAX : read_length(messages->octets + at);
            if (length > bytes - at - 4)
                bench_fail("%s is cut short", path);
            if (pass) {
                messages->at[messages->count].data = messages->octets + at + 4;
                messages->at[messages->count].bytes = length;
            }
            messages->count++;
            at += 4 + (size_t)length;
        }
        if (!pass)
            messages->at = bench_alloc(messages->count * sizeof *messages->at);
    }
    if (!messages->count)
        bench_fail("%s is empty", path);
}

/* --- connections ----------------------------------------------------------------------------------------------- */

int64_t links_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void touched(struct h2_conn *conn)
{
    struct link *link = h2_conn_context(conn);
    if (link->touched)
        return;
    link->touched = true;
    link->next_touched = link->links->touched;
    link->links->touched = link;
}

static bool ready(struct h2_conn *conn, const struct tls_peer *peer)
{
    (void)peer;
    struct link *link = h2_conn_context(conn);
    link->ready = true;
    return true;
}

static const struct h2_conn_callbacks conn_callbacks = {.touched = touched, .ready = ready};

static void settle(struct link *link)
{
    const enum h2_turn turn = h2_conn_settle(link->conn, links_now_ms());
    if (turn == H2_DEAD)
        bench_fail("connection %u ended: %s", link->index, h2_conn_reason(link->conn));
    if (turn == H2_AGAIN && !link->again) {
        link->again = true;
        link->links->again++;
    }
    const unsigned interest = h2_conn_interest(link->conn);
    if (interest == link->interest)
        return;
    struct epoll_event event = {.data.ptr = link};
    event.events = (interest & H2_READABLE ? EPOLLIN : 0u) | (interest & H2_WRITABLE ? EPOLLOUT : 0u);
    if (epoll_ctl(link->links->epoll, EPOLL_CTL_MOD, h2_conn_fd(link->conn), &event))
        bench_fail("epoll_ctl: %s", strerror(errno));
    link->interest = interest;
}

static void settle_touched(struct links *links)
{
    while (links->touched) {
        struct link *link = links->touched;
        links->touched = link->next_touched;
        link->touched = false;
        settle(link);
    }
}

static void turn_of(struct link *link, unsigned what)
{
    h2_conn_event(link->conn, what, links_now_ms());
    settle(link);
}

static void repeat_again(struct links *links)
{
    for (unsigned i = 0; links->again && i < links->count; i++)
        if (links->all[i].again) {
            links->all[i].again = false;
            links->again--;
            turn_of(&links->all[i], 0);
        }
}

static void look_at_deadlines(struct links *links)
{
    const int64_t now = links_now_ms();
    if (now < links->next_tick_ms)
        return;
    links->next_tick_ms = now + TICK_MS;
    for (unsigned i = 0; i < links->count; i++)
        if (links->all[i].conn && h2_conn_deadline_ms(links->all[i].conn) <= now)
            turn_of(&links->all[i], 0);
}

static void turn(struct links *links)
{
    struct epoll_event events[64];
    settle_touched(links);
    const int got = epoll_wait(links->epoll, events, 64, links->again ? 0 : TICK_MS);
    if (got < 0 && errno != EINTR)
        bench_fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < got; i++) {
        /* An error or a hang-up is read as the end of the stream is. */
        const unsigned what = (events[i].events & ~(unsigned)EPOLLOUT ? H2_READABLE : 0u) |
                              (events[i].events & EPOLLOUT ? H2_WRITABLE : 0u);
        turn_of(events[i].data.ptr, what);
    }
    repeat_again(links);
    look_at_deadlines(links);
    settle_touched(links);
}

void links_run(struct links *links, bool (*done)(void *context), void *context, double bound_s)
{
    const uint64_t until = bench_now_ns() + (uint64_t)(bound_s * 1e9);
    while (!done(context)) {
        if (bench_now_ns() > until)
            bench_fail("not done after %.0f seconds", bound_s);
        turn(links);
    }
    settle_touched(links);
}

static struct tls_context *read_identity(const char *folder, const char *ca_path)
{
    char certificate[4096], key[4096];
    snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    const struct tls_options options = {
        .role = TLS_CLIENT, .certificate_path = certificate, .key_path = key, .ca_path = ca_path};
    struct tls_context *context;
    struct problem problem;
    if (tls_context_create(&options, &context, &problem))
        bench_fail("%s", problem.text);
    return context;
}

static int connect_to(const char *address)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    struct sockaddr_in to = {.sin_family = AF_INET};
    if (!colon || (size_t)(colon - address) >= sizeof host)
        bench_fail("--hub needs an address and a port, such as 127.0.0.1:8443");
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = 0;
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        bench_fail("%s is no IPv4 address", host);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to))
        bench_fail("%s: %s", address, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void open_link(struct links *links, unsigned index, const struct links_options *options, struct tls_context *tls)
{
    struct link *link = &links->all[index];
    *link = (struct link){.links = links, .index = index, .interest = H2_READABLE};
    const struct h2_options h2 = {.tls = tls,
                                  .limits = options->limits,
                                  .callbacks = options->callbacks,
                                  .conn_callbacks = &conn_callbacks,
                                  .context = link,
                                  .server_name = "localhost"};
    const char *address =
        options->address_count ? options->addresses[index % options->address_count] : options->address;
    link->conn = h2_conn_create(&h2, connect_to(address), links_now_ms());
    if (!link->conn)
        bench_fail("out of memory");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
    if (epoll_ctl(links->epoll, EPOLL_CTL_ADD, h2_conn_fd(link->conn), &event))
        bench_fail("epoll_ctl: %s", strerror(errno));
    turn_of(link, H2_WRITABLE);
}

struct handshakes {
    struct links *links;
    unsigned first, end;
};

static bool handshakes_done(void *context)
{
    struct handshakes *of = context;
    while (of->first < of->end && of->links->all[of->first].ready)
        of->first++;
    return of->first == of->end;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

struct links *links_open(const struct links_options *options)
{
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    struct links *links = bench_alloc(sizeof *links);
    links->epoll = epoll_create1(EPOLL_CLOEXEC);
    links->all = bench_alloc(options->connections * sizeof *links->all);
    struct tls_context **tls = bench_alloc(options->identity_count * sizeof(struct tls_context *));
    for (unsigned i = 0; i < options->identity_count; i++)
        tls[i] = read_identity(options->identities[i], options->ca_path);
    /* A few at a time: the server's backlog and its handshake deadline are not what is measured. */
    for (unsigned i = 0; i < options->connections; i++) {
        open_link(links, i, options, tls[i % options->identity_count]);
        links->count = i + 1;
        if (i % 16 == 15 || i + 1 == options->connections) {
            struct handshakes of = {.links = links, .first = i / 16 * 16, .end = i + 1};
            links_run(links, handshakes_done, &of, HANDSHAKES_BOUND_S);
        }
    }
    for (unsigned i = 0; i < options->identity_count; i++)
        tls_context_unref(tls[i]);
    free(tls);
    return links;
}

unsigned links_count(const struct links *links)
{
    return links->count;
}

struct link *links_at(struct links *links, unsigned index)
{
    return &links->all[index];
}

void links_close(struct links *links)
{
    for (unsigned i = 0; i < links->count; i++)
        h2_conn_destroy(links->all[i].conn);
    close(links->epoll);
    free(links->all);
    free(links);
}
