/*
 * mailbox.h - a thread's one bounded inbox.
 *
 * Owns: a many-writers, one-reader queue of small typed messages, and the eventfd that wakes the reader's event loop.
 * Messages carry ids of connections and streams, never pointers to them: whoever they were for may be gone.
 * A payload pointer may travel: it then belongs to the receiver, and on a refused send still to the sender.
 * Thread: send from any; take from the owner only.
 * Invariant: never more than `capacity` messages; a full mailbox refuses (ERR_LIMIT) and does not block. Replies that
 * must arrive use mailbox_reserve first, so that their place is counted when the request is taken on.
 */
#ifndef VACANCY_BASE_MAILBOX_H
#define VACANCY_BASE_MAILBOX_H

#include "daemon/base/error.h"

#include <stdint.h>

struct mailbox;

struct mail {
    uint32_t kind;  /* an enum of the receiver's */
    uint32_t error; /* enum err, for replies */
    uint64_t to;    /* receiver's own id: call serial, connection id */
    uint64_t value; /* small extra */
    void *payload;  /* owned by the receiver once taken; see above */
};

/* Where a reply goes. Crosses threads by value. The sender of a request has reserved the place (mailbox_reserve). */
struct reply_address {
    struct mailbox *mailbox;
    uint64_t to;
    uint32_t kind;
};

/* Aborts when out of memory or descriptors (start-up only). */
struct mailbox *mailbox_create(uint32_t capacity);
/* NULL is fine. The mailbox must be empty of payloads: the owner drains it first. */
void mailbox_destroy(struct mailbox *mailbox);
/* Readable while messages wait; for the owner's event loop. Owned by the mailbox. */
int mailbox_fd(const struct mailbox *mailbox);
/* Counts one place for a later mailbox_send_reserved. ERR_LIMIT when none is free. */
enum err mailbox_reserve(struct mailbox *mailbox) __attribute__((warn_unused_result));
/* Gives a reserved place back unused. */
void mailbox_unreserve(struct mailbox *mailbox);
/* Uses a reserved place: can't fail. */
void mailbox_send_reserved(struct mailbox *mailbox, const struct mail *mail);
/* ERR_NONE or ERR_LIMIT. */
enum err mailbox_send(struct mailbox *mailbox, const struct mail *mail) __attribute__((warn_unused_result));
/* Takes up to `max` messages, clears the eventfd when it has emptied the box; returns how many. Never blocks. */
uint32_t mailbox_take(struct mailbox *mailbox, struct mail *out, uint32_t max);
/* As mailbox_take, but waits up to timeout_ms for the first (-1: for ever). For threads without an event loop. */
uint32_t mailbox_wait(struct mailbox *mailbox, struct mail *out, uint32_t max, int timeout_ms);

#endif
