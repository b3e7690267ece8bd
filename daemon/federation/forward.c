/*
 * forward.c - see forward.h: a forward's memory, and which problem follows from which end. Any thread; no state.
 */
#include "daemon/federation/forward.h"

#include "proto/wire/h2.h"
#include "proto/wire/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct forward *forward_create(const char *region, const struct octets *request, int64_t deadline_boot_ms)
{
    struct forward *forward = calloc(1, sizeof *forward + request->size);
    if (forward == NULL)
        return NULL;
    snprintf(forward->region, sizeof forward->region, "%s", region);
    if (request->size > 0)
        memcpy(forward + 1, request->data, request->size);
    forward->request = (struct octets){(const uint8_t *)(forward + 1), request->size};
    forward->deadline_boot_ms = deadline_boot_ms;
    return forward;
}

void forward_destroy(struct forward *forward)
{
    if (forward == NULL)
        return;
    free((void *)forward->response.data);
    free((void *)forward->details.data);
    free(forward);
}

enum err forward_response(const struct forward *forward, struct arena *arena, const Vacancy__V1__ForwardResponse **out,
                          struct problem *problem)
{
    ProtobufCMessage *message;
    enum err err = message_unpack(&vacancy__v1__forward_response__descriptor, forward->response.data,
                                  forward->response.size, arena, &message, problem);
    if (err == ERR_NONE)
        *out = (const Vacancy__V1__ForwardResponse *)message;
    return err;
}

enum forward_end forward_end_of(const struct h2_outcome *outcome, bool replied)
{
    if (outcome->code == GRPC_OK && replied)
        return FORWARD_ANSWERED;
    if (outcome->code != GRPC_OK && outcome->said)
        return FORWARD_SAID;
    if (outcome->unprocessed)
        return FORWARD_UNBEGUN;
    return outcome->end == H2_END_TIMEOUT ? FORWARD_LATE : FORWARD_LOST;
}

/* The home hub's own word may also be that it does not know what comes of it. */
static bool leaves_open(enum err said)
{
    return said == ERR_DEADLINE || said == ERR_CANCELLED || said == ERR_INTERNAL || said == ERR_STORE_IO;
}

void forward_settle(struct forward *forward, enum forward_end end, const struct problem *why)
{
    struct problem *problem = &forward->problem;
    const char *region = forward->region;
    forward->by_home = end == FORWARD_SAID;
    forward->outcome_unknown =
        end == FORWARD_LATE || end == FORWARD_LOST || (end == FORWARD_SAID && leaves_open(why->code));
    switch (end) {
    case FORWARD_ANSWERED:
        problem->code = ERR_NONE;
        break;
    case FORWARD_SAID:
        *problem = *why;
        break;
    case FORWARD_NO_REGION:
        problem_set(problem, ERR_UNAVAILABLE, "", "region %s is not in this hub's roster, so nobody was asked", region);
        break;
    case FORWARD_DOWN:
        problem_set(problem, ERR_UNAVAILABLE, "",
                    "the hub of region %s can't be reached; it has not heard of this call", region);
        break;
    case FORWARD_CROWDED:
        problem_set(problem, ERR_LIMIT, "",
                    "%d calls to the hub of region %s are under way here; it has not heard of this one: try again",
                    FORWARDS_EACH_MAX, region);
        break;
    case FORWARD_UNBEGUN:
        problem_set(problem, ERR_UNAVAILABLE, "",
                    "the hub of region %s takes no call at this moment and has not begun on this one: try again",
                    region);
        break;
    case FORWARD_LATE:
        problem_set(problem, ERR_DEADLINE, "", "the hub of region %s did not answer in time; it may have done it",
                    region);
        break;
    case FORWARD_LOST:
        problem_set(problem, ERR_DEADLINE, "", "the hub of region %s may have done it, its answer was lost: %.120s",
                    region, why != NULL ? why->text : "the link ended");
        break;
    }
}
