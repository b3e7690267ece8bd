/*
 * forwarding.h - how a handler asks another region's hub, and what it tells its caller when that goes wrong. Private to
 * daemon/service.
 *
 * Owns: the deadline of such a request, the way to the link and back, and the error's text and detail (proto
 * ForwardFailure). Not here: which region decides, what is kept of the request (the handler), the link (federation).
 * Thread: the call's worker; no state.
 *
 * A handler checks the request, sends it, and hears resumed() with a struct forward as the mail's payload, its own from
 * then on: forwarding_finish says the answer, or what went wrong, to the caller.
 */
#ifndef VACANCY_SERVICE_FORWARDING_H
#define VACANCY_SERVICE_FORWARDING_H

#include "daemon/service/requests.h"
#include "vacancy/v1/federation_service.pb-c.h"

/*
 * To the hub of `region`, another than this one's; request->principal says who asks. On ERR_NONE the handler hears
 * resumed(), at the latest when FORWARD_DEADLINE_MS have passed, or all but FORWARD_MARGIN_MS of the caller's time.
 * Else nobody was asked: ERR_PRECONDITION (no federation, or no such region in the roster), ERR_DEADLINE (no time is
 * left), ERR_LIMIT, ERR_UNAVAILABLE; the call is the handler's to end.
 */
enum err forwarding_send(struct call *call, const char *region, const Vacancy__V1__ForwardRequest *request,
                         struct problem *problem) __attribute__((warn_unused_result));

/* Whether there is such a hub to ask: ERR_PRECONDITION as above. For who keeps a note of what it is about to send. */
enum err forwarding_check(const struct service_context *ctx, const char *region, struct problem *problem)
    __attribute__((warn_unused_result));

/*
 * The response in the home hub's answer, in the call's arena: of `item`, the only one that answers the request. NULL:
 * there is none, and forward->problem says why, also where the answer is another's or can't be read (then the outcome
 * is unknown).
 */
const ProtobufCMessage *forwarding_response(struct call *call, struct forward *forward,
                                            Vacancy__V1__ForwardResponse__ResponseCase item);

/*
 * Ends the call with the forward's problem. What the home hub itself refused, it says as it would have said it there.
 * Else with a ForwardFailure: since when the hub can't be reached and whom to telephone instead, or that the outcome is
 * unknown and how to learn it. contact NULL: not known.
 */
void forwarding_fail(struct call *call, const struct forward *forward, const Vacancy__V1__AgencyContact *contact);
/* Likewise of a call that is no hold's; how: one learns what became of it. NULL: it was a question, and that it was not
 * answered says nothing of what it is about. */
void forwarding_fail_saying(struct call *call, const struct forward *forward, const Vacancy__V1__AgencyContact *contact,
                            const char *how);

/* The whole of a resumed() that has nothing else to do: the answer or the failure. Frees the forward. */
void forwarding_finish(struct call *call, const struct mail *mail, Vacancy__V1__ForwardResponse__ResponseCase item,
                       const Vacancy__V1__AgencyContact *contact);
void forwarding_orphaned(const struct mail *mail);

#endif
