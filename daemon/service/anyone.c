/* anyone.c - see anyone.h. */
#include "daemon/service/anyone.h"

bool anyone_may_ask(struct access *access, struct call *call)
{
    struct principal principal;
    struct problem problem;
    unsigned anyone = ROLE_BIT(ROLE_AGENCY) | ROLE_BIT(ROLE_TEAM) | ROLE_BIT(ROLE_HUB) | ROLE_BIT(ROLE_AUDITOR) |
                      ROLE_BIT(ROLE_OPERATOR);
    if (access_identify(access, call_peer(call), anyone, &principal, &problem) != ERR_UNAUTHENTICATED)
        return true;
    call_finish(call, &problem);
    return false;
}
