/*
 * writer.h - the home writer's thread.
 *
 * Its turn read aloud: take all that has queued up, at most APPLY_BATCH_MAX, never waiting to fill a batch; apply in
 * one transaction; tell whom it concerns; answer all but those that wait for a peer; lapse what is due; sign again what
 * is old; answer those whose peer has it, or whose time is up.
 * Invariant: every update taken is answered once, to its reply address, with itself as payload.
 * Thread: submit from any thread; start and stop from main.
 */
#ifndef VACANCY_REGISTER_WRITER_H
#define VACANCY_REGISTER_WRITER_H

#include "daemon/register/home.h"

struct writer;

/* `home` is borrowed. `queue` bounds what waits to be applied (ERR_LIMIT past it), and what waits for a peer (past it
 * an update is answered as it is). changed (may be empty): after each commit that is durable, before its updates
 * are answered, and after each newer signature. */
enum err writer_start(struct home *home, uint32_t queue, const struct change_port *changed, struct writer **out)
    __attribute__((warn_unused_result));
/* Any thread, never fails: a peer has our log (the caller has checked that it is ours) up to there, durably. Updates
 * that wait for it are answered. */
void writer_replicated(struct writer *writer, uint64_t epoch, uint64_t sequence);
/* Finishes what is queued, answers it, ends the thread. */
void writer_stop(struct writer *writer);
/* Takes the update on ERR_NONE; else it stays the caller's. update->reply's place must have been reserved. */
enum err writer_submit(struct writer *writer, struct update *update) __attribute__((warn_unused_result));

#endif
