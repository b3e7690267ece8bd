/*
 * forward.h - a request of one of this hub's own teams (or agencies) that another region's hub decides: there and back.
 *
 * Owns: struct forward, one request under way over the link to its home hub, and what became of it. The call runs on
 * the same connection as Follow, so that a hub which is known to be down is known at once. Not here: who may ask
 * (service), what is asked (the octets are a packed ForwardRequest), the connection itself (links_hub.c).
 * Thread: made and freed on any; in between it is the links'. Invariant: each forward taken is answered once; its
 * problem is ERR_UNAVAILABLE without by_home only if the home hub has provably not begun on it: the link was down,
 * nothing of it was given to the connection, or its end refused the stream unprocessed (RFC 9113 8.7). Whatever else
 * breaks is ERR_DEADLINE with outcome_unknown.
 */
#ifndef VACANCY_FEDERATION_FORWARD_H
#define VACANCY_FEDERATION_FORWARD_H

#include "daemon/base/digest.h"
#include "daemon/base/error.h"
#include "daemon/base/mailbox.h"
#include "daemon/record/carer.h"
#include "vacancy/v1/federation_service.pb-c.h"

#define FORWARDS_MAX            1024 /* under way in all; then ERR_LIMIT */
#define FORWARDS_EACH_MAX       256  /* to one hub */
#define FORWARD_DEADLINE_MS     5000 /* at most; else the caller's deadline less FORWARD_MARGIN_MS */
#define FORWARD_MARGIN_MS       200
#define FORWARD_REPLY_MAX_BYTES (64 * 1024)
#define FORWARD_MAIL            1 /* the mail's value: tells a forward from an update, whose is 0 */

struct forward {
    char region[GSS_BYTES];     /* whose hub */
    struct octets request;      /* packed ForwardRequest; malloc'd with the forward */
    int64_t deadline_boot_ms;   /* ERR_DEADLINE at the latest then */
    struct reply_address reply; /* comes back there as the mail's payload, whatever became of it */
    /* What became of it: */
    struct problem problem;       /* code ERR_NONE: response; else as the home hub said it, or why it did not */
    struct octets response;       /* packed ForwardResponse; malloc'd, freed with the forward */
    struct octets details;        /* the home hub's own google.rpc.Status, if it sent one; likewise */
    bool by_home;                 /* problem is the home hub's own word */
    bool outcome_unknown;         /* it may have been done */
    int64_t unreachable_since_ms; /* wall clock; with ERR_UNAVAILABLE where the link is down */
    struct forward *next;         /* its carrier's own */
};

/* Copies the request. NULL: no memory. */
struct forward *forward_create(const char *region, const struct octets *request, int64_t deadline_boot_ms);
void forward_destroy(struct forward *forward); /* NULL is fine */

/* How it ended, as its carrier saw it. */
enum forward_end {
    FORWARD_ANSWERED,  /* OK, and `response` is there */
    FORWARD_SAID,      /* the home hub's own status: `why`, and `details` if it sent any */
    FORWARD_NO_REGION, /* the roster has no such region; not sent */
    FORWARD_DOWN,      /* there is no link to its hub; not sent; unreachable_since_ms is set */
    FORWARD_CROWDED,   /* FORWARDS_EACH_MAX are under way there; not sent */
    FORWARD_UNBEGUN,   /* nothing of it left, or the home hub's end refused the stream unprocessed */
    FORWARD_LATE,      /* it left, and its deadline has passed */
    FORWARD_LOST,      /* it left, and whatever else: the connection ended, the answer was none */
};
/* Fills in problem, by_home and outcome_unknown: the whole of which problem follows from which end. */
void forward_settle(struct forward *forward, enum forward_end end, const struct problem *why);
/* The end of a call that was started; replied: `response` is there. */
struct h2_outcome; /* proto/wire/h2.h */
enum forward_end forward_end_of(const struct h2_outcome *outcome, bool replied);

/* The answer, in the arena. ERR_INVALID, ERR_LIMIT: it can't be read. */
enum err forward_response(const struct forward *forward, struct arena *arena, const Vacancy__V1__ForwardResponse **out,
                          struct problem *problem) __attribute__((warn_unused_result));

/* Takes it on ERR_NONE; ERR_LIMIT: FORWARDS_MAX are under way, ERR_UNAVAILABLE: it is stopping. What is only known
 * later (no such region, no link) comes back as the forward's problem. Any thread. */
struct forward_port {
    enum err (*submit)(void *ctx, struct forward *forward);
    void *ctx;
};

#endif
