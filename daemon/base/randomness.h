/*
 * randomness.h - random bytes as an argument.
 *
 * Owns: the seam through which ids and salts get their random bytes: the kernel's in the daemon, a seeded generator
 * in the simulator and the tests. Thread: the kernel's source any; a seeded one belongs to one thread.
 */
#ifndef VACANCY_BASE_RANDOMNESS_H
#define VACANCY_BASE_RANDOMNESS_H

#include <stddef.h>
#include <stdint.h>

struct randomness {
    void (*fill)(void *ctx, void *out, size_t bytes);
    void *ctx;
};

static inline void random_fill(const struct randomness *source, void *out, size_t bytes)
{
    source->fill(source->ctx, out, bytes);
}

/* getrandom(2); buffered per thread, since a log entry asks for 32 bytes at a time. Aborts if the kernel has none. */
const struct randomness *random_system(void);

/* A deterministic stream (splitmix64-seeded xoshiro256**), not for secrets: tests and simulator only. */
struct seeded_random {
    uint64_t state[4];
};
void seeded_random_init(struct seeded_random *random, uint64_t seed);
uint64_t seeded_random_next(struct seeded_random *random);
/* Uniform in [0, bound), bound > 0. */
uint64_t seeded_random_below(struct seeded_random *random, uint64_t bound);
struct randomness seeded_random_source(struct seeded_random *random);

#endif
