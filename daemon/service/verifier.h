/*
 * verifier.h - the thread on which regions are verified: reading every record of a region takes seconds, which no
 * worker has.
 *
 * Owns: one thread with one job at a time. Not here: what a call shows of it (hub_regions_verify.c).
 * Thread: create, stop and destroy from main; the rest any. Invariant: a job taken is answered once, to its reply
 * address.
 */
#ifndef VACANCY_SERVICE_VERIFIER_H
#define VACANCY_SERVICE_VERIFIER_H

#include "daemon/register/home.h"
#include "daemon/register/replica.h"

struct verifier;

/* The payload of a job's reply; freed by whoever takes it. */
struct verified {
    char region[GSS_BYTES];
    bool equal;
    uint64_t sequence, records;
    uint8_t state[DIGEST_BYTES], signed_state[DIGEST_BYTES];
    struct problem problem; /* ERR_NOT_FOUND: nothing of the region is here */
};

/* home and replica (NULL: none) are borrowed. Aborts when out of memory. */
struct verifier *verifier_create(struct home *home, struct replica *replica, const char *home_region);
/* Waits for the job under way and takes no more: before the workers' mailboxes go. NULL is fine. */
void verifier_stop(struct verifier *verifier);
/* After the workers, before home and replica. Stopped or not; NULL is fine. */
void verifier_destroy(struct verifier *verifier);

/* Takes the verifier for one call's jobs, until verifier_release. ERR_LIMIT: another has it, or its last job runs. */
enum err verifier_take(struct verifier *verifier) __attribute__((warn_unused_result));
void verifier_release(struct verifier *verifier);
/* The one job of whoever has taken it. The reply's place must have been reserved. ERR_LIMIT: out of memory, or stopped.
 */
enum err verifier_submit(struct verifier *verifier, const char *region, const struct reply_address *reply)
    __attribute__((warn_unused_result));

#endif
