/*
 * model.h - what was acknowledged, kept as plainly as possible, and what the register must then say.
 *
 * Owns: the simulator's own idea of the register: a fixed array of carers with their last acknowledged content, the
 * agencies, the suspended, and the request ids answered. Written from the contract (agency_service.proto, design.md
 * section 5), not from daemon/register.
 * Not here: holds (model_holds.h), the log and the audit trail (proof.h), searches (reads.c).
 * Thread: the simulator's one. Invariant: the model changes only where an update's result says that it was done.
 */
#ifndef VACANCY_TESTS_SIM_MODEL_H
#define VACANCY_TESTS_SIM_MODEL_H

#include "daemon/register/home.h"
#include "tests/sim/model_holds.h"
#include "tests/sim/sim.h"

#define AGENCIES   3
#define REFERENCES 5 /* carers of each */
#define ANSWERED   512

struct sim_hub;

/* One change that a client asks for; its content is settled when it is made, so that it can be sent again exactly. */
struct operation {
    enum update_kind kind;
    uint32_t agency;    /* index: whose (PUT_AGENCY: which) */
    uint32_t reference; /* index: of which carer */
    bool has_request_id;
    uint8_t request_id[REQUEST_ID_BYTES];
    int64_t observed_at_ms;
    struct carer carer;
    struct vacancy vacancy;
    struct agency agency_row;
    date_days ends_on;
    char end_reason[4];
    bool confirm_all, confirm_one[REFERENCES];
    uint32_t principal; /* index; AGENCIES: the team */
    bool suspended;
    /* Of a hold: */
    uint32_t team, beds;
    uint64_t vacancy_id;
    int64_t duration_s;
    struct hold_token token;
    date_days starts_on;
    /* From here on: not content. */
    int64_t asked_at_ms; /* the hub's wall clock when the request came */
    bool submitted;      /* reached the writer */
    bool settled;        /* and was answered by it, with `code` and, done, `result` */
    enum err code;
    struct update_result result; /* not_found is not kept */
    uint32_t life;               /* of the hub, when it was done */
};

struct model_carer {
    bool known;
    struct home_carer home; /* as acknowledged; its cell is not compared */
};

struct model {
    struct sim_hub *hub;
    bool agency_known[AGENCIES];
    struct agency agencies[AGENCIES];
    struct model_carer carers[AGENCIES][REFERENCES];
    bool suspended[AGENCIES + 1];
    struct operation *answered[ANSWERED]; /* a ring of operations with a request id that were done */
    uint32_t answered_count;
    uint64_t episodes[4096]; /* every vacancy id ever given */
    uint32_t episode_count;
    uint64_t applied; /* operations done */
    struct model_holds holds;
};

/* The texts of agencies, references and postcodes are the same in every seed; the last two must stay private. */
const char *agency_id(uint32_t agency);
void carer_reference(uint32_t agency, uint32_t reference, char out[AGENCY_REFERENCE_BYTES]);
/* A home has a few postcodes to move between. */
#define HOMES_EACH 2
void carer_postcode(uint32_t agency, uint32_t reference, uint32_t home, char out[POSTCODE_BYTES]);

/* Compares what the register answered with what it had to, then takes it over. In the order of the log. */
void model_apply(struct model *model, struct operation *operation, const struct update *update);
/* Reads everything back: found = acknowledged. `all_lapsed_before_ms`: nothing due before it may be left unlapsed. */
void model_compare(struct model *model, int64_t all_lapsed_before_ms);

#endif
