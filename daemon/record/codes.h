/*
 * codes.h - the code lists in short, as the plain structs hold them.
 *
 * The numbers are those of proto/vacancy/v1/codes.proto (static asserts in codes.c hold them together); there the
 * meaning of each code and its source is written. A set of codes is a bit mask: bit n for code n.
 * Thread: any; no state.
 */
#ifndef VACANCY_RECORD_CODES_H
#define VACANCY_RECORD_CODES_H

#include <stdbool.h>
#include <stdint.h>

enum sex { SEX_ANY = 0, SEX_M = 1, SEX_F = 2, SEX_U = 3 };

enum care_type {
    CARE_NONE = 0,
    CARE_EMERGENCY,
    CARE_SHORT_TERM,
    CARE_LONG_TERM,
    CARE_SHORT_BREAKS,
    CARE_RESPITE,
    CARE_PARENT_AND_CHILD,
    CARE_REMAND,
    CARE_UASC,
    CARE_FOSTERING_FOR_ADOPTION,
    CARE_THERAPEUTIC,
    CARE_DISABLED_CHILDREN,
    CARE_BRIDGING,
    CARE_STAYING_PUT,
    CARE_TYPE_END
};

enum age_band { AGE_NONE = 0, AGE_0_2, AGE_3_5, AGE_6_8, AGE_9_11, AGE_12_14, AGE_15_17, AGE_BAND_END };
/* First and one-past-last month of a band: AGE_3_5 is [36, 72). */
uint32_t age_band_from_months(enum age_band band);
uint32_t age_band_below_months(enum age_band band);

enum room_sharing { SHARING_UNSTATED = 0, SHARING_NONE, SHARING_SIBLINGS, SHARING_BY_AGREEMENT, ROOM_SHARING_END };

#define HOME_FEATURE_END 10
#define PET_END          7
#define RISK_END         12
#define SKILL_END        13
#define TRAINING_END     4

enum vacancy_state {
    VACANCY_NONE = 0, /* no live vacancy */
    VACANCY_VACANT,
    VACANCY_RESERVED,
    VACANCY_NOT_AVAILABLE,
    VACANCY_LAPSED,
    VACANCY_HELD,   /* every bed held or placed, at least one held */
    VACANCY_PLACED, /* every bed placed */
    VACANCY_STATE_END
};

enum hold_state {
    HOLD_NONE = 0,
    HOLD_ACTIVE,
    HOLD_ACCEPTED,
    HOLD_RELEASED,
    HOLD_EXPIRED,
    HOLD_DECLINED,
    HOLD_PLACED,
    HOLD_STATE_END
};

enum decline_reason {
    DECLINE_NONE = 0,
    DECLINE_NOT_SUITABLE,
    DECLINE_NEEDS_OF_CURRENT_CHILD,
    DECLINE_CARER_NOT_AVAILABLE,
    DECLINE_BED_TAKEN,
    DECLINE_MORE_INFORMATION_NEEDED,
    DECLINE_APPROVAL_ENDED,          /* the hub's */
    DECLINE_PLACEMENT_DID_NOT_BEGIN, /* of a PLACED hold alone; its team's release says it too */
    DECLINE_REASON_END
};

#define PLACEMENT_CODE_END 4 /* U4, U5, U6 */

#define NOT_AVAILABLE_REASON_END 13
enum reason_bucket { BUCKET_NONE = 0, BUCKET_MATCHING, BUCKET_CARER, BUCKET_HOME, BUCKET_AGENCY, BUCKET_END };
/* domain.md 2.3: the public bucket of a fine reason code. */
enum reason_bucket reason_bucket_of(uint32_t not_available_reason);

enum alongside {
    ALONGSIDE_UNSTATED = 0,
    ALONGSIDE_NO_PREFERENCE,
    ALONGSIDE_SOLO,
    ALONGSIDE_WITH_OTHER_CHILDREN,
    ALONGSIDE_ONLY_WITH_OLDER,
    ALONGSIDE_ONLY_WITH_YOUNGER,
    ALONGSIDE_END
};

enum agency_kind { AGENCY_KIND_NONE = 0, AGENCY_LOCAL_AUTHORITY, AGENCY_INDEPENDENT, AGENCY_KIND_END };
enum agency_status { AGENCY_STATUS_NONE = 0, AGENCY_ACTIVE, AGENCY_SUSPENDED, AGENCY_STATUS_END };
enum carer_status { CARER_STATUS_NONE = 0, CARER_APPROVED, CARER_ENDED, CARER_MOVED, CARER_STATUS_END };

static inline bool code_in(uint32_t mask, uint32_t code)
{
    return mask & (1u << code);
}

#endif
