/*
 * offer.h - what other hubs, and match, get of a vacancy; the carer row; the agency row.
 *
 * Owns: the shared records (proto shared.proto) as plain structs, and how they are derived and encoded. Only the home
 * hub encodes; everybody decodes a view.
 * Thread: any; no state.
 */
#ifndef VACANCY_RECORD_OFFER_H
#define VACANCY_RECORD_OFFER_H

#include "daemon/record/carer.h"

struct child_at_home {
    uint8_t age_band, sex, sibling_group;
    bool placed;
};

#define OFFER_CHILDREN_MAX (3 * CHILDREN_MAX) /* placed, placed through the register, own */

/* A vacancy joined with the facts that matching needs. Strings are NUL-terminated, counts are within bounds. What is
 * before `children` is of fixed size: match holds it as it is. */
struct offer {
    uint64_t vacancy_id;
    char agency[AGENCY_ID_BYTES];
    uint8_t state, bucket, sex, approved_sex, room_sharing, training_level;
    bool sibling_group_only, on_call;
    uint32_t beds, beds_free, beds_held; /* held: each a child who is coming, of whom nothing is known */
    uint32_t care_types, approved_care_types;
    date_days from, until, approved_on, approval_ends_on, reserved_until; /* DATE_NONE where not given */
    uint32_t age_from_months, age_below_months, approved_age_from_months, approved_age_below_months;
    int64_t observed_at_ms, confirmed_at_ms, valid_until_ms;
    int64_t reported_unavailable_at_ms; /* 0: not, since the last confirmation */
    uint32_t max_children, max_children_if_siblings, bedrooms;
    uint32_t home_features, pets, cannot_take, skills;
    uint32_t child_count, language_count;
    struct child_at_home children[OFFER_CHILDREN_MAX];
    struct language languages[LANGUAGES_MAX];
    struct home_cell cell;
};

struct agency {
    char id[AGENCY_ID_BYTES];
    char name[121];
    uint8_t kind, rating, status;
    char ofsted_urn[10];
    char phone[41], email[121], out_of_hours_phone[41];
    char authority[GSS_BYTES];
    uint32_t framework_count;
    struct {
        char framework[AGENCY_ID_BYTES];
        uint8_t tier;
    } frameworks[32];
};

/* Joins a live vacancy with its carer, narrowing what is offered to what is approved now. False when there is nothing
 * to offer (no live vacancy, approval ended, named child only: H14). */
bool offer_derive(const struct home_carer *home, struct offer *out);

/*
 * Of a carer that is lost since a restore: its offer, as it was last logged, with the beds that its holds have and
 * leave free now, and the state that follows (VACANT, HELD, PLACED; any other stays). False: nothing changes.
 */
bool offer_recount(const struct home_carer *home, struct offer *offer);

/* The vacancy as far as its offer tells: of a fine reason only the bucket, so none; of a lapsed one not what was
 * stated.
 */
void vacancy_from_offer(const struct offer *offer, struct vacancy *out);

enum err offer_encode(const struct offer *offer, struct arena *arena, struct octets *out);
enum err offer_decode(const struct octets *octets, struct offer *out); /* ERR_STORE_DAMAGED */
/* reference_secret: the region's 32-byte secret for keyed hashes of agency references. */
enum err carer_row_encode(const struct home_carer *home, const uint8_t reference_secret[32], struct arena *arena,
                          struct octets *out);
/* Whose a carer row is: the agency, and the keyed hash of its reference. ERR_STORE_DAMAGED. */
enum err carer_row_owner(const struct octets *row, char agency[AGENCY_ID_BYTES], uint8_t hash[DIGEST_BYTES]);
/* Of a carer that came from that region by transfer, and has not gone back there. */
bool carer_row_came_from(const struct octets *row, const char *region);
/* True: it is a row of a carer that has gone to another region; which one, the row's revision and the carer's moves. */
bool carer_row_moved(const struct octets *row, uint64_t *revision, uint32_t *moves, char to_region[GSS_BYTES]);
void agency_reference_hash(const uint8_t reference_secret[32], const char *agency, const char *agency_reference,
                           uint8_t out[DIGEST_BYTES]);
enum err agency_encode(const struct agency *agency, struct arena *arena, struct octets *out);
enum err agency_decode(const char *id, const struct octets *octets, struct agency *out); /* ERR_STORE_DAMAGED */

#endif
