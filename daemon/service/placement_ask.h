/*
 * placement_ask.h - a team's request to whichever hub decides it. Private to daemon/service.
 *
 * Owns: the choice between this hub's writer and the way to another region's hub, what is noted of a hold that is asked
 * of another region, and the call's state on the way. Not here: what a request must look like (struct update_type), the
 * link's errors in words (forwarding.h). Thread: the call's worker.
 * Invariant: a HoldVacancy leaves for another region only after it was noted, durably, that it is asked; and what is
 * known of its outcome is noted before the caller hears it, so that ListHolds shows it whatever becomes of the call.
 * It is refused only when no other try of the same request can be done any more: else its home hub is asked what became
 * of the request id (GetHold), which spends it, before the caller hears the refusal.
 * Whatever leaves is on the audit trail before, and what came of it before the caller hears it (hub_service.proto,
 * asked_of).
 */
#ifndef VACANCY_SERVICE_PLACEMENT_ASK_H
#define VACANCY_SERVICE_PLACEMENT_ASK_H

#include "daemon/service/updates.h"
#include "vacancy/v1/federation_service.pb-c.h"

struct asking_type {
    const struct update_type *update;
    Vacancy__V1__ForwardRequest__RequestCase request;
    Vacancy__V1__ForwardResponse__ResponseCase response;
};

/* The handler's functions, of all these methods. */
void asking_message(struct call *call, const struct asking_type *type, const ProtobufCMessage *message);
void asking_resumed(struct call *call, const struct mail *mail);
void asking_orphaned(const struct mail *mail);
void asking_closed(struct call *call);

/* For a request that needs no update here (GetHold by id, `token`'s): `region`'s hub is asked at once. */
void asking_elsewhere(struct call *call, const struct asking_type *type, const struct principal *team,
                      const char *region, const struct hold_token *token, const ProtobufCMessage *message);

#endif
