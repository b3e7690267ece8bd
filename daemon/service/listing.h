/*
 * listing.h - a stream that lists what the register has for who calls. It is read in pages, each one read transaction
 * and on the trail before its first message is sent, and sent as fast as the client takes it; no snapshot. Private to
 * daemon/service.
 * Thread: the call's worker.
 */
#ifndef VACANCY_SERVICE_LISTING_H
#define VACANCY_SERVICE_LISTING_H

#include "daemon/service/requests.h"

/* What is listed. Both end the call and return false where they can't. */
struct listing;
struct listing_source {
    /* Reads the next page and discloses it (listing_shown): count and last are set. A page may be empty. */
    bool (*load)(struct call *call, struct listing *listing);
    /* Sends item `i` of the page (listing_send). *more: the client takes further ones now. */
    bool (*send)(struct call *call, struct listing *listing, size_t i, bool *more);
};

/* call->state begins with it; behind it the handler keeps its page and where it is. */
struct listing {
    const struct listing_source *source;
    struct principal who;
    size_t count, next; /* of the page at hand */
    bool last;          /* no page comes after it */
    struct arena arena; /* one message: emptied after each */
};

/* A caller of one of `roles` (a ROLE_BIT mask) lists: call->state is `bytes` of zeros but for who and arena. NULL: the
 * call was ended. */
void *listing_begin(struct call *call, unsigned roles, size_t bytes, size_t arena_bytes)
    __attribute__((warn_unused_result));
/* One turn: at most a page, as far as the client takes it. It is also the call's writable. */
void listing_turn(struct call *call);
/* The call's closed: frees call->state. */
void listing_closed(struct call *call);

/* For load. The register's read failed; false. */
bool listing_unreadable(struct call *call, enum err err);
/* These are about to be shown; none is fine. False: the call was ended. */
bool listing_shown(struct call *call, const struct listing *listing, const uint64_t *subjects, size_t count)
    __attribute__((warn_unused_result));
/* For send. `made`: the view fitted the arena; else the call ends: `what` ("a hold") is larger than this hub gives. */
bool listing_send(struct call *call, bool made, const char *what, const ProtobufCMessage *message, bool *more)
    __attribute__((warn_unused_result));

#endif
