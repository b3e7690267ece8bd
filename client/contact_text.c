/*
 * contact_text.c - see contact_text.h. The client's one thread.
 */
#include "client/contact_text.h"

void contact_add(struct grown_text *to, const Vacancy__V1__AgencyContact *agency)
{
    if (agency == NULL)
        return;
    grown_add(to, "%s%s", agency->name,
              agency->kind == VACANCY__V1__AGENCY_KIND__AGENCY_KIND_INDEPENDENT ? " (independent)" : "");
    if (agency->phone[0])
        grown_add(to, ", %s", agency->phone);
    if (agency->out_of_hours_phone[0])
        grown_add(to, ", out of hours %s", agency->out_of_hours_phone);
    if (agency->email[0])
        grown_add(to, ", %s", agency->email);
}

const char *contact_short(const Vacancy__V1__AgencyContact *agency)
{
    return agency == NULL ? "" : agency->phone[0] ? agency->phone : agency->email[0] ? agency->email : agency->name;
}
