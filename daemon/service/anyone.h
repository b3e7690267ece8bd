/*
 * anyone.h - the door of the services that disclose nothing (health, reflection).
 * Owns nothing. Thread: the call's worker.
 */
#ifndef VACANCY_SERVICE_ANYONE_H
#define VACANCY_SERVICE_ANYONE_H

#include "daemon/access/access.h"
#include "daemon/rpc/call.h"

/*
 * True for every principal that has a name which access accepts, whatever it may do elsewhere. Else the call has been
 * finished UNAUTHENTICATED (A1 to A4, A11).
 */
bool anyone_may_ask(struct access *access, struct call *call) __attribute__((warn_unused_result));

#endif
