/*
 * seam.h - a disk between the shipped code and store_memory: it counts, remembers what became durable, and dies.
 *
 * Owns: the plan of faults of one hub's disk. A planned death happens at the n-th call (of one kind or any): the call
 * fails, or, where chance says so, a commit first becomes durable, or an append is torn in the middle; every later call
 * fails until seam_revive.
 * Thread: the simulator's one. Invariant: `commits` and `synced` count only what the disk below has made durable.
 */
#ifndef VACANCY_TESTS_SIM_SEAM_H
#define VACANCY_TESTS_SIM_SEAM_H

#include "daemon/register/store.h"
#include "tests/sim/sim.h"

#define SEAM_SEGMENTS 16

enum seam_call { CALL_ANY, CALL_COMMIT, CALL_APPEND };
enum seam_death {
    DEATH_BEFORE,    /* the fatal call does nothing */
    DEATH_AFTER,     /* the fatal call is done whole; the caller never gets to act on it */
    DEATH_IN_MIDDLE, /* a commit is not done; an append is done in part */
};

struct seam_segment {
    char name[64];
    uint64_t bytes, synced;
};

struct seam {
    struct store store; /* what the hub is given */
    struct store *under;
    struct sim *sim;
    int64_t calls_until_death; /* < 0: none planned */
    enum seam_call counted;    /* which calls */
    enum seam_death how;
    bool dead, writing;
    bool commit_fails;  /* the next commit of a write answers ERR_STORE_IO, and the disk lives on (D5) */
    bool commit_failed; /* one did, in this life */
    /* What others do while a segment is being synced, which holds nobody up; run in the middle of the next sync. */
    void (*beside_sync)(void *ctx);
    void *beside_sync_ctx;
    int looking;            /* the simulator's own reads, which neither count nor die */
    uint64_t commits;       /* write transactions made durable */
    uint64_t trail_appends; /* appends to the trail of disclosures */
    struct seam_segment segments[SEAM_SEGMENTS];
};

struct seam *seam_create(struct sim *sim);
void seam_destroy(struct seam *seam);
void seam_plan_death(struct seam *seam, enum seam_call counted, int64_t calls, enum seam_death how);
/* Puts and appends fail from the n-th on; or past so many octets more, a part of which is kept for what may use it. */
void seam_plan_full(struct seam *seam, int64_t calls);
void seam_limit(struct seam *seam, uint64_t more_bytes, uint64_t reserve_bytes);
void seam_room(struct seam *seam);
/* What is on the disk now, as a copy; a seam can be given it, once, in place of what it has. */
struct seam_image;
struct seam_image *seam_copy(struct seam *seam);
struct seam_image *seam_empty(void);
/* Whether any value of any table has these octets in it. */
bool seam_contains(const struct seam *seam, const struct octets *octets);
void seam_replace(struct seam *seam, struct seam_image *image);
void seam_image_destroy(struct seam_image *image); /* NULL is fine */
/* After a death or a kill: what a kill -9 leaves, or what a power cut leaves (of unsynced appends any prefix). */
void seam_revive(struct seam *seam, bool power_cut);

#endif
