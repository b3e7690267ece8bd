/*
 * teams_request.h - what a team or an agency asks about holds, as the contract's messages.
 *
 * Owns: struct ask (one request id and all that was told of it), the messages' memory (one at a time, static).
 * Not here: what is asked for and what it must come to (teams.h). Thread: the simulator's one.
 */
#ifndef VACANCY_TESTS_SIM_TEAMS_REQUEST_H
#define VACANCY_TESTS_SIM_TEAMS_REQUEST_H

#include "daemon/record/hold.h"
#include "daemon/register/home.h"
#include "tests/sim/federation/world.h"
#include "vacancy/v1/placement_service.pb-c.h"

#define TEAMS_EACH 2 /* of a region */

struct ask {
    enum update_kind kind;    /* of a hold, or UPDATE_REPORT_UNAVAILABLE */
    uint32_t region;          /* whose hub decides */
    uint32_t who_region, who; /* a team; of ACCEPT and DECLINE an agency */
    uint8_t request_id[REQUEST_ID_BYTES];
    uint64_t vacancy_id;
    uint32_t beds, children;
    int64_t duration_s;
    struct hold_token token; /* all but HOLD and REPORT */
    date_days starts_on;
    bool did_not_begin;     /* RELEASE, DECLINE: of a placement */
    uint32_t memories_lost; /* the region's, when it was first asked */
    /* What its attempts were told. `refused`: that this attempt did nothing and will do nothing. */
    uint32_t begun, refused;
    /* Of a hold of another region, the newest attempt that the team was told was refused, counted from 1: nothing is
     * left of those before it then, either. */
    uint32_t refused_last;
    uint32_t asker_memories_lost; /* as memories_lost, of the hub that was told to ask */
    bool done, spent;
    uint32_t done_by;         /* attempts begun when it was first told to be done */
    struct hold_token made;   /* done */
    uint64_t epoch, sequence; /* of its receipt; 0: none was told */
};

/* Nobody can have done it. */
static inline bool ask_not_done(const struct ask *ask)
{
    return ask->begun == ask->refused;
}

void team_name(uint32_t region, uint32_t team, char out[PRINCIPAL_NAME_BYTES]);
const char *ask_path(const struct ask *ask);
/* Valid until the next one is made, as the others. */
const ProtobufCMessage *ask_message(const struct ask *ask, const struct gazetteer *gazetteer);
/* What became of it: GetHold for its request id. */
const ProtobufCMessage *ask_settling_message(const struct ask *ask);
const ProtobufCMessage *ask_reading_message(uint32_t region, const struct hold_token *token);
const ProtobufCMessage *ask_listing_message(bool ended);

/* The parts of an answer to any of these; NULL: it has none. */
struct answer_parts {
    const Vacancy__V1__HoldReceipt *receipt;
    const Vacancy__V1__HoldView *hold;
};
void ask_answer_parts(const ProtobufCMessage *message, struct answer_parts *out);

#endif
