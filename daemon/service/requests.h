/*
 * requests.h - what every handler begins and ends with. Private to daemon/service.
 * Thread: the call's worker.
 */
#ifndef VACANCY_SERVICE_REQUESTS_H
#define VACANCY_SERVICE_REQUESTS_H

#include "daemon/service/service.h"

static inline struct service_context *call_context(const struct call *call)
{
    return call->context;
}

/* Who calls, if one of `roles` (ROLE_BIT mask) may; else ends the call and returns false. */
bool call_identify(struct call *call, unsigned roles, struct principal *out) __attribute__((warn_unused_result));
/* Ends the call. The handler's state may be gone when it returns. */
void call_fail(struct call *call, enum err code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with ERR_LIMIT: memory for it could not be had. */
void call_short_of_memory(struct call *call);
/* What a handler keeps while the call lasts, as call->state: all zero, to be freed in closed(). NULL: the call was
 * ended. */
void *call_begin_state(struct call *call, size_t bytes) __attribute__((warn_unused_result));
/* Sends one message and ends the call; NULL (the arena's limit was reached) ends it with ERR_LIMIT. */
void call_answer(struct call *call, const ProtobufCMessage *message);

/* What is about to be shown, beside who and by which method. */
struct shown {
    const char *request_reference; /* NULL: none */
    uint32_t purpose;
    const uint64_t *subjects;
    size_t subject_count;     /* any number: written in pieces */
    const char *forwarded_by; /* region of the hub that vouches for who asks; NULL: asked here */
    const char *asked_of;     /* region whose hub decides; NULL: this one's */
    uint32_t code;            /* its gRPC status; 4: not known */
};
/* Writes it to the trail. False: it could not be written, the call was ended (UNAVAILABLE) and nothing may be shown. */
bool call_disclose(struct call *call, const struct principal *who, const struct shown *shown)
    __attribute__((warn_unused_result));
/* The same, and the call goes on: for what has been done already and must not be denied. */
enum err call_record(struct call *call, const struct principal *who, const struct shown *shown)
    __attribute__((warn_unused_result));
/*
 * The same in two steps, so that all that is shown in one turn is written at once: first gathers it, and asks for
 * writable() by call_soon; there, call_disclosed says whether it is on the trail. *batch is left to call_leave in
 * every case, also when the call ends in between.
 */
bool call_gather(struct call *call, const struct principal *who, const struct shown *shown,
                 struct disclosure_batch **batch) __attribute__((warn_unused_result));
bool call_disclosed(struct call *call, struct disclosure_batch *batch) __attribute__((warn_unused_result));
void call_leave(struct call *call, struct disclosure_batch **batch); /* NULL in it is fine, and is in it after */

#endif
