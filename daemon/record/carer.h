/*
 * carer.h - a fostering household and its vacancy as plain structs: what the agency stated, checked and resolved.
 *
 * Owns: the structs, their stored octets (proto home.proto: HomeCarer), and the pure functions that derive from them
 * what others may see: the carer row and the offer (offer.h).
 * Not here: who may push (access), in which order (register), where a postcode lies (gazetteer; service resolves it).
 * Thread: any; no state. All arrays are bounded by the limits below, so every struct is of fixed size and copies
 * plainly.
 */
#ifndef VACANCY_RECORD_CARER_H
#define VACANCY_RECORD_CARER_H

#include "daemon/base/arena.h"
#include "daemon/base/clock.h"
#include "daemon/base/digest.h"
#include "daemon/base/error.h"
#include "daemon/record/codes.h"

#define AGENCY_ID_BYTES        41 /* with NUL, as the next ones */
#define AGENCY_REFERENCE_BYTES 65
#define GSS_BYTES              10
#define LANGUAGE_TAG_BYTES     16
#define AREA_BYTES             64
#define POSTCODE_BYTES         9

#define CHILDREN_MAX             12 /* placed; and own: each */
#define LANGUAGES_MAX            8
#define EXEMPTIONS_MAX           4
#define FOSTERING_LIMIT          3                        /* Children Act 1989 Sch 7 para 2; domain.md 2.5 */
#define VACANCY_TTL_DEFAULT_MS   (7LL * 24 * 3600 * 1000) /* domain.md O1 */
#define VACANCY_TTL_EMERGENCY_MS (24LL * 3600 * 1000)     /* offers EMERGENCY: 24 h */

struct language {
    char tag[LANGUAGE_TAG_BYTES];
    uint8_t level; /* 1 conversational, 2 fluent */
};

struct placed_child {
    uint8_t age_band, sex, sibling_group;
    char responsible_authority[GSS_BYTES];
};

struct household_child {
    uint8_t age_band, sex;
};

struct exemption {
    char authority[GSS_BYTES];
    date_days until; /* DATE_NONE: no end */
    uint8_t children;
};

struct terms {
    uint32_t max_children, max_children_if_siblings; /* the second is filled in: never 0 */
    uint32_t age_from_months, age_below_months;
    uint32_t care_types; /* mask */
    uint8_t sex;
    bool named_child_only;
};

/* The cell in which a home is known outside its hub (design 4.9). */
struct home_cell {
    char authority[GSS_BYTES];
    uint32_t square_e_km, square_n_km, size_km; /* size 0: the whole authority */
    uint32_t point_e_metres, point_n_metres;
    char area[AREA_BYTES];
};

struct carer {
    char agency[AGENCY_ID_BYTES];
    char agency_reference[AGENCY_REFERENCE_BYTES];
    int64_t observed_at_ms;
    struct terms terms;
    date_days approved_on, approval_ends_on; /* the second may be DATE_NONE */
    uint32_t places, bedrooms;
    uint8_t room_sharing, training_level;
    char home_postcode[POSTCODE_BYTES]; /* normalised; private */
    struct home_cell cell;              /* resolved by service when the postcode is new; kept until it moves */
    uint32_t home_features, pets, cannot_take, skills; /* masks */
    uint32_t placed_count, household_count, exemption_count, language_count;
    struct placed_child placed[CHILDREN_MAX];
    struct household_child household[CHILDREN_MAX];
    struct exemption exemptions[EXEMPTIONS_MAX];
    struct language languages[LANGUAGES_MAX];
    uint8_t status;     /* enum carer_status */
    char end_reason[4]; /* "AW1", empty while approved */
    int64_t ended_observed_at_ms;
};

struct vacancy {
    uint64_t vacancy_id; /* 0: no live vacancy */
    int64_t observed_at_ms, confirmed_at_ms, valid_until_ms;
    uint8_t state;  /* enum vacancy_state, LAPSED, HELD and PLACED included */
    uint8_t stated; /* the state the agency stated: VACANT, RESERVED, NOT_AVAILABLE */
    uint8_t reason, sex;
    uint32_t beds;
    uint32_t care_types; /* 0: all approved */
    date_days from, until, reserved_until;
    uint32_t age_from_months, age_below_months; /* 0: as approved */
    bool sibling_group_only, on_call;
    int64_t reported_unavailable_at_ms; /* by a team, since the last confirmation; 0: not */
    uint8_t stage;                      /* enum vacancy_stage */
};

/* What time has done to a vacancy so far, short of lapsing. */
enum vacancy_stage { STAGE_FRESH, STAGE_GOING_STALE, STAGE_STALE };

/* A hold or placement that takes beds of the live vacancy; the whole of it is hold.h's. */
struct live_hold {
    uint64_t epoch, sequence; /* its token */
    uint8_t state;            /* ACTIVE, ACCEPTED, PLACED */
    uint32_t beds, child_count;
    bool some_listed;                           /* PLACED: the agency has listed some of its children since */
    struct placed_child children[CHILDREN_MAX]; /* PLACED: those whom it has not */
};
#define LIVE_HOLDS_MAX 12 /* a bed each */

/* How long a vacancy is believed after a confirmation, by what it offers. */
int64_t vacancy_ttl_ms(const struct carer *carer, const struct vacancy *vacancy);

/* Everything the home hub keeps of one carer: one record in one random-key table. */
struct home_carer {
    uint64_t national_reference;
    struct carer carer;
    struct vacancy vacancy;         /* vacancy_id 0: none live */
    int64_t vacancy_observed_at_ms; /* of the last accepted change or withdrawal; 0: never any */
    uint64_t revision; /* of the row: another one with each change that is not told otherwise; 0: none yet */
    /* Since a restore of the hub only the row, the offer and the holds are known: of `carer` agency, cell, places and
     * status, `vacancy` as far as the offer tells. */
    bool lost;
    uint8_t reference_hash[DIGEST_BYTES]; /* lost: of the row, which has it in place of the reference */
    uint32_t hold_count;                  /* of the live vacancy */
    struct live_hold holds[LIVE_HOLDS_MAX];
    /* Of the code that is out; MOVED: of the one that was used. */
    uint8_t transfer_hash[DIGEST_BYTES];
    int64_t transfer_until_ms; /* 0: none */
    uint32_t moves;            /* between agencies, so far */
    int64_t moved_at_ms;       /* MOVED: when, by this hub; 0: not known, since a restore */
    char moved_to_agency[AGENCY_ID_BYTES], moved_to_region[GSS_BYTES], moved_from_region[GSS_BYTES];
    char distance_told_to[GSS_BYTES]; /* the authority that last heard how far a child's home is from here; or empty */
};

/* Beds of the live vacancy that are held (ACTIVE, ACCEPTED), placed, and free: of its beds those neither held nor
 * placed, and no more than there are places for which no child is placed and no team holds a bed. */
uint32_t beds_held(const struct home_carer *home), beds_placed(const struct home_carer *home);
uint32_t beds_free(const struct home_carer *home);
/* What the vacancy's state is with its holds. Where the agency states it vacant and no bed is free: PLACED when none is
 * held (there is nothing left that could lapse), else HELD; LAPSED if `vacancy.state` says so; otherwise as stated.
 * NONE: none live. */
enum vacancy_state vacancy_state_now(const struct home_carer *home);

/* Same stated content (everything the agency says; not when, not what the hub derived). Decides push or confirmation.
 */
bool carer_same_content(const struct carer *a, const struct carer *b);
bool vacancy_same_content(const struct vacancy *a, const struct vacancy *b);

/*
 * Rules between a vacancy that is pushed and its carer, which need both: care types and ages within the approval, beds
 * at most places less the children placed (but for those in beds of this vacancy) and at least what is held and placed
 * of it, stated vacant while a team holds a bed, approval not ended. ERR_PRECONDITION. Fields are named as in the
 * Vacancy message, prefixed by "vacancy.".
 */
enum err vacancy_check(const struct home_carer *home, const struct vacancy *vacancy, struct problem *problem);

/* What was last logged of this carer, verbatim: relayed and snapshotted unchanged, and not logged again while equal. */
struct home_carer_shared {
    struct octets carer_row, offer; /* offer: empty when none is live */
};

/*
 * Stored octets (HomeCarer). Encode fails only at the arena's limit (ERR_LIMIT); decode refuses what it can't read with
 * ERR_STORE_DAMAGED. The cell, the carer's status, the regions of a move and the revision are kept in carer_row alone.
 * *shared (may be NULL) gets views into *octets.
 */
enum err home_carer_encode(const struct home_carer *carer, const struct home_carer_shared *shared, struct arena *arena,
                           struct octets *out);
enum err home_carer_decode(const struct octets *octets, uint64_t national_reference, struct home_carer *out,
                           struct home_carer_shared *shared);
/*
 * What goes to the hub of another region with a carer: the Carer message, without the reference, and back; with the row
 * that says where the home is. Of `out` the carer is filled in, but for agency, reference and status. ERR_LIMIT;
 * ERR_STORE_DAMAGED: it can't be read.
 */
enum err carer_stated_encode(const struct carer *carer, struct arena *arena, struct octets *out);
enum err carer_stated_decode(const struct octets *carer, const struct octets *row, struct carer *out)
    __attribute__((warn_unused_result));
/* Only what is shared of it: what a scan for other hubs needs. */
enum err home_carer_shared_decode(const struct octets *octets, struct home_carer_shared *out);

#endif
