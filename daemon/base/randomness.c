/*
 * randomness.c - the kernel's random bytes, buffered per thread; and a seeded stream.
 * Owns one small buffer per thread. Invariant: a byte is handed out once: it is wiped as it leaves the buffer, and a
 * forked child starts with an empty one.
 */
#include "daemon/base/randomness.h"

#include "daemon/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#define BUFFER_BYTES 1024

static __thread uint8_t buffer[BUFFER_BYTES];
static __thread size_t buffered_bytes; /* at the end of buffer */

static void forget_buffer(void)
{
    buffered_bytes = 0;
}

static void watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, forget_buffer) != 0)
        log_fatal("base", "out of memory at start");
}

static void fill_from_kernel(uint8_t *out, size_t bytes)
{
    while (bytes > 0) {
        ssize_t got = getrandom(out, bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            log_fatal("base", "the kernel gives no random bytes: getrandom: errno %d", errno);
        out += got;
        bytes -= (size_t)got;
    }
}

static void fill_from_system(void *ctx, void *out, size_t bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)ctx;
    if (bytes > BUFFER_BYTES / 4) {
        fill_from_kernel(out, bytes);
        return;
    }
    if (bytes > buffered_bytes) {
        pthread_once(&once, watch_forks);
        fill_from_kernel(buffer, BUFFER_BYTES);
        buffered_bytes = BUFFER_BYTES;
    }
    uint8_t *from = buffer + BUFFER_BYTES - buffered_bytes;
    memcpy(out, from, bytes);
    explicit_bzero(from, bytes);
    buffered_bytes -= bytes;
}

const struct randomness *random_system(void)
{
    static const struct randomness source = {.fill = fill_from_system};
    return &source;
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

void seeded_random_init(struct seeded_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix64(&seed);
}

/* xoshiro256** 1.0 (Blackman and Vigna). */
uint64_t seeded_random_next(struct seeded_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t seeded_random_below(struct seeded_random *random, uint64_t bound)
{
    if (bound == 0)
        log_fatal("base", "seeded_random_below(0)");
    uint64_t skip = -bound % bound; /* 2^64 mod bound: the draws that would favour small results */
    uint64_t draw;
    do
        draw = seeded_random_next(random);
    while (draw < skip);
    return draw % bound;
}

static void fill_from_seed(void *ctx, void *out, size_t bytes)
{
    uint8_t *to = out;
    while (bytes > 0) {
        uint64_t draw = seeded_random_next(ctx);
        for (int i = 0; i < 8 && bytes > 0; i++, bytes--) /* low octet first on every machine */
            *to++ = (uint8_t)(draw >> (8 * i));
    }
}

struct randomness seeded_random_source(struct seeded_random *random)
{
    return (struct randomness){.fill = fill_from_seed, .ctx = random};
}
