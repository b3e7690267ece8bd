/*
 * replica_writer.h - the replica writer's thread.
 *
 * Its turn read aloud: take all that has queued up, at most REPLICA_WORKS_MAX; apply; send each work back to its reply
 * address with its verdict; when nothing waits, tidy a slice.
 * Invariant: every work taken is sent back once. Thread: submit from any thread; start and stop from main.
 */
#ifndef VACANCY_REGISTER_REPLICA_WRITER_H
#define VACANCY_REGISTER_REPLICA_WRITER_H

#include "daemon/register/replica.h"

struct replica_writer;

/* changed (may be empty): on the writer's thread, after a commit that moved a durable position or brought a newer
 * signature. */
enum err replica_writer_start(struct replica *replica, uint32_t queue, const struct change_port *changed,
                              struct replica_writer **out) __attribute__((warn_unused_result));
void replica_writer_stop(struct replica_writer *writer);
/* Takes the work on ERR_NONE; ERR_LIMIT: the queue is full. work->reply's place must have been reserved. */
enum err replica_writer_submit(struct replica_writer *writer, struct replica_work *work)
    __attribute__((warn_unused_result));
/* replica_set_roster, on the writer's thread, soon. */
void replica_writer_set_roster(struct replica_writer *writer, const struct roster *roster);

#endif
