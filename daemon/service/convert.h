/*
 * convert.h - between the contract's messages and the records' plain structs. Private to daemon/service.
 *
 * Owns: every promise that the comments of carer.proto, hub_service.proto and placement_service.proto make about a
 * field, as a check; and what the answers' messages hold. What needs the register (does the carer exist, is the vacancy
 * within its approval) is register's.
 * Thread: any; no state. Messages that come out live in the arena given and may point into their input.
 */
#ifndef VACANCY_SERVICE_CONVERT_H
#define VACANCY_SERVICE_CONVERT_H

#include "daemon/base/arena.h"
#include "daemon/service/check.h"
#include "daemon/service/service.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/hub_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

/* --- in: ERR_INVALID with the field named, or *out filled whole ------------------------------------------------ */

enum err carer_from(const struct service_context *ctx, const Vacancy__V1__Carer *in, int64_t now_ms, struct carer *out,
                    struct problem *problem) __attribute__((warn_unused_result));
enum err vacancy_from(const Vacancy__V1__Vacancy *in, int64_t now_ms, struct vacancy *out,
                      char reference[AGENCY_REFERENCE_BYTES], struct problem *problem)
    __attribute__((warn_unused_result));
enum err agency_from(const struct service_context *ctx, const Vacancy__V1__Agency *in, struct agency *out,
                     struct problem *problem) __attribute__((warn_unused_result));

/* What a search was asked with beside the criteria. */
struct search_frame {
    const char *request_reference; /* the message's */
    const char *order_name;        /* the message's; "default" where it gives none */
    uint32_t purpose;
    enum place_precision near_precision;
};
/* A search, checked, and what its answer needs beside what is found. */
struct question {
    struct principal team;
    struct criteria criteria;
    struct search_frame frame;
    /* What is known of the roster's other regions, by code (replica_ages); none at a hub without federation. */
    const struct replica_age *ages;
    size_t age_count;
};
/* From what out->team asks, at `at` of its request: criteria and frame. ERR_FORBIDDEN when its authority is not one of
 * today's. */
enum err question_from(const struct service_context *ctx, const struct path *at,
                       const Vacancy__V1__FindVacanciesRequest *in, int64_t now_ms, struct question *out,
                       struct problem *problem) __attribute__((warn_unused_result));

/* H15, as field "request_reference": what a team of this authority may give. ERR_FORBIDDEN as above. */
enum err request_reference_from(const struct service_context *ctx, const struct principal *team, const char *text,
                                char out[REQUEST_REFERENCE_BYTES], struct problem *problem)
    __attribute__((warn_unused_result));

/* --- out: NULL when the arena's limit is reached --------------------------------------------------------------- */

/* For its own agency: with who placed the children that it has not listed yet, as the register says now. */
Vacancy__V1__CarerView *carer_view(const struct service_context *ctx, const struct home_carer *home,
                                   struct arena *arena);
/* There must be a live vacancy. */
Vacancy__V1__VacancyView *vacancy_view(const struct home_carer *home, struct arena *arena);
Vacancy__V1__Agency *agency_view(const struct agency *agency, struct arena *arena);
Vacancy__V1__AgencyContact *contact_view(const struct agency *agency, struct arena *arena);
/* Of an agency of a region, own or another, as far as this hub knows it: else *out is NULL. False: the arena's limit.
 */
bool contact_of(const struct service_context *ctx, const char *region, const char *agency,
                Vacancy__V1__AgencyContact **out, struct arena *arena);

/* "E12000003-1-4711" */
char *hold_id_view(const char *region, const struct hold_token *token, struct arena *arena);
/* A hold of this hub's region as its team sees it: of the home its ids and whom to call, of the agency's answer what it
 * is and why. request_id: with which it was asked, where that is known, or NULL. */
Vacancy__V1__HoldView *team_hold_view(const struct service_context *ctx, const struct hold *hold,
                                      const uint8_t *request_id, struct arena *arena);
/* As the agency sees it whose vacancy it is: also who holds. */
Vacancy__V1__HoldView *agency_hold_view(const struct service_context *ctx, const struct hold *hold,
                                        struct arena *arena);
/* Of an update of a hold that was done. */
Vacancy__V1__HoldReceipt *hold_receipt_view(const struct update *update, struct arena *arena);
/* What a team asked of another region: joined with what that region's log says of the hold; NULL: nothing (yet, or any
 * more). */
Vacancy__V1__HoldView *asked_hold_view(const struct service_context *ctx, const struct asked_hold *asked,
                                       const struct hold *shared, struct arena *arena);

Vacancy__V1__FindVacanciesResponse *answer_view(const struct service_context *ctx, const struct question *question,
                                                const struct answer *answer, struct arena *arena);
/* There must be one: explanation->found. */
Vacancy__V1__ExplainVacancyResponse *explanation_view(const struct service_context *ctx,
                                                      const struct question *question,
                                                      const struct explanation *explanation, struct arena *arena);
/* As an option of an answer: what WatchVacancies sends one by one. */
Vacancy__V1__Option *option_view(const struct service_context *ctx, const struct question *question,
                                 const struct option *option, struct arena *arena);
/* The regions that were searched and those of the roster. False when the arena's limit is reached. */
bool positions_view(const struct service_context *ctx, const struct question *question,
                    const struct region_position *searched, size_t searched_count, Vacancy__V1__RegionPosition ***out,
                    size_t *out_count, struct arena *arena);
/* The steps of the question's order; the gazetteer's digest in hex. False, NULL: likewise. */
bool order_view(const struct question *question, Vacancy__V1__OrderStep **out, size_t *out_count, struct arena *arena);
char *gazetteer_view(const struct service_context *ctx, struct arena *arena);

#endif
