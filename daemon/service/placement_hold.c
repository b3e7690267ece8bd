/*
 * placement_hold.c - PlacementService: HoldVacancy, ExtendHold, ReleaseHold, PlaceChild, ReportUnavailable.
 *
 * Owns: what these requests must look like, and their answers, as types of updates: the same rows serve a team of this
 * hub and one that another hub vouches for (Forward). The way to the hub that decides is placement_ask.c's, what is
 * decided the register's. On the call's worker; no state.
 */
#include "daemon/service/check.h"
#include "daemon/service/content_hash.h"
#include "daemon/service/convert.h"
#include "daemon/service/handlers.h"
#include "daemon/service/placement_ask.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

#include "daemon/base/text.h"

#include <string.h>

#define BEDS_MAX           12
#define DURATION_MAX_S     (366LL * 24 * 3600) /* more is a mistake; the policy's limit is the register's */
#define AGE_18_MONTHS      216
#define STARTS_AHEAD_DAYS  366
#define STARTS_PAST_DAYS   28
#define MILE_MM            1609344 /* so a tenth of a mile is this of tenths of a millimetre */
#define DISTANCE_NOT_KNOWN 9999    /* SSDA903 */

/* --- what they share ---------------------------------------------------------------------------------------------- */

/* Who asks; and a request id, without which a call whose outcome is unknown could not be sent again. */
static enum err begin(const struct principal *who, struct update *update, struct problem *problem)
{
    memcpy(update->as.hold.holder, who->name, sizeof update->as.hold.holder);
    memcpy(update->as.hold.authority, who->authority, sizeof update->as.hold.authority);
    if (!update->has_request_id)
        return wrong(problem, NULL, "request_id",
                     "required: a UUIDv7 (RFC 9562), with which the call can be sent again");
    return ERR_NONE;
}

static enum err vacancy_from_text(const char *text, uint64_t *out, struct problem *problem)
{
    if (text[0] == '\0')
        return wrong(problem, NULL, "vacancy_id", "required: the vacancy's id, as a search showed it");
    if (!id_parse(text, out))
        return wrong(problem, NULL, "vacancy_id", "no vacancy's id: 12 characters, as a search showed them");
    return ERR_NONE;
}

static enum err region_from_text(const char *text, struct problem *problem)
{
    if (text[0] != '\0' && !text_is_gss_code(text))
        return wrong(problem, NULL, "region", "no GSS code of a region; leave it empty or send the option's");
    return ERR_NONE;
}

static enum err hold_id_from(const char *text, char region[GSS_BYTES], struct hold_token *out, struct problem *problem)
{
    if (text[0] == '\0')
        return wrong(problem, NULL, "hold_id", "required: the hold's id, as HoldVacancy gave it");
    if (!hold_id_parse(text, region, out))
        return wrong(problem, NULL, "hold_id", "no hold's id; as HoldVacancy gave it (\"E12000003-1-4711\")");
    return ERR_NONE;
}

/* 0: the default. How long it may be is the policy of the hub that decides. */
static enum err duration_from(int64_t seconds, struct update *update, struct problem *problem)
{
    if (seconds < 0 || seconds > DURATION_MAX_S)
        return wrong(problem, NULL, "duration_s", "%s; seconds are expected, or 0 for the hub's default",
                     seconds < 0 ? "negative" : "longer than a hold can last");
    update->as.hold.duration_ms = seconds * 1000;
    return ERR_NONE;
}

static void region_of_hold_id(const char *hold_id, char out[GSS_BYTES])
{
    struct hold_token token;
    if (!hold_id_parse(hold_id, out, &token))
        out[0] = '\0'; /* not of a request that was taken */
}

/* Where the vacancy is at home: as given; as asked before with this request id; where it lives now; or else nowhere,
 * which this hub may say as well as any. */
static void region_of_vacancy(const struct service_context *ctx, const struct principal *who, const char *given,
                              const char *request_id, const char *vacancy_id, char out[GSS_BYTES])
{
    uint8_t id[REQUEST_ID_BYTES];
    uint64_t vacancy;
    struct asked_hold asked;
    struct agency agency;
    if (given[0] != '\0')
        memcpy(out, given, GSS_BYTES);
    else if (request_id_parse(request_id, id) && home_get_asked(ctx->home, who->name, id, &asked) == ERR_NONE)
        memcpy(out, asked.region, GSS_BYTES);
    else if (!id_parse(vacancy_id, &vacancy) || match_where(ctx->match, vacancy, out, &agency) != ERR_NONE)
        memcpy(out, ctx->region, GSS_BYTES);
}

/* The answer's parts that all have. */
static bool answer_parts(const struct service_context *ctx, const struct update *update, struct arena *arena,
                         Vacancy__V1__HoldReceipt **receipt, Vacancy__V1__HoldView **view)
{
    const uint8_t *request_id = update->kind == UPDATE_HOLD ? update->request_id : NULL;
    *receipt = hold_receipt_view(update, arena);
    *view = team_hold_view(ctx, &update->result.hold, request_id, arena);
    return *receipt != NULL && *view != NULL;
}

/* --- HoldVacancy -------------------------------------------------------------------------------------------------- */

static enum err fill_hold(const struct service_context *ctx, const struct principal *who,
                          const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                          struct problem *problem)
{
    (void)now_ms;
    const Vacancy__V1__HoldVacancyRequest *in = (const Vacancy__V1__HoldVacancyRequest *)request;
    Vacancy__V1__HoldVacancyRequest content = *in;
    enum err err;
    if ((err = begin(who, update, problem)) != ERR_NONE ||
        (err = vacancy_from_text(in->vacancy_id, &update->as.hold.vacancy_id, problem)) != ERR_NONE ||
        (err = region_from_text(in->region, problem)) != ERR_NONE ||
        (err = check_range(problem, NULL, "beds", in->beds, 1, BEDS_MAX, "beds")) != ERR_NONE ||
        (err = request_reference_from(ctx, who, in->request_reference, update->as.hold.request_reference, problem)) !=
            ERR_NONE)
        return err;
    update->as.hold.beds = in->beds;
    update->wait_replicated = true;
    content.region = (char *)""; /* the same request, whether its region was given or looked up */
    content_hash(hold_vacancy_type.method, &content.base, update->content_hash);
    return duration_from(in->duration_s, update, problem);
}

static void region_of_hold(const struct service_context *ctx, const struct principal *who,
                           const ProtobufCMessage *request, char out[GSS_BYTES])
{
    const Vacancy__V1__HoldVacancyRequest *in = (const Vacancy__V1__HoldVacancyRequest *)request;
    region_of_vacancy(ctx, who, in->region, in->request_id, in->vacancy_id, out);
}

static ProtobufCMessage *reply_hold(const struct service_context *ctx, const struct update *update, struct arena *arena)
{
    NEW(Vacancy__V1__HoldVacancyResponse, out, vacancy__v1__hold_vacancy_response__init);
    return answer_parts(ctx, update, arena, &out->receipt, &out->hold) ? &out->base : NULL;
}

const struct update_type hold_vacancy_type = {
    .kind = UPDATE_HOLD,
    .method = "/vacancy.v1.PlacementService/HoldVacancy",
    .roles = ROLE_BIT(ROLE_TEAM),
    .request_id_offset = offsetof(Vacancy__V1__HoldVacancyRequest, request_id),
    .fill = fill_hold,
    .region = region_of_hold,
    .region_field = "region",
    .reply = reply_hold,
};

/* --- ExtendHold --------------------------------------------------------------------------------------------------- */

static enum err fill_extend(const struct service_context *ctx, const struct principal *who,
                            const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                            struct problem *problem)
{
    (void)ctx;
    (void)now_ms;
    const Vacancy__V1__ExtendHoldRequest *in = (const Vacancy__V1__ExtendHoldRequest *)request;
    char region[GSS_BYTES];
    enum err err = begin(who, update, problem);
    if (err == ERR_NONE)
        err = hold_id_from(in->hold_id, region, &update->as.hold.token, problem);
    if (err == ERR_NONE)
        err = duration_from(in->duration_s, update, problem);
    return err;
}

static void region_of_extend(const struct service_context *ctx, const struct principal *who,
                             const ProtobufCMessage *request, char out[GSS_BYTES])
{
    (void)ctx;
    (void)who;
    region_of_hold_id(((const Vacancy__V1__ExtendHoldRequest *)request)->hold_id, out);
}

static ProtobufCMessage *reply_extend(const struct service_context *ctx, const struct update *update,
                                      struct arena *arena)
{
    NEW(Vacancy__V1__ExtendHoldResponse, out, vacancy__v1__extend_hold_response__init);
    return answer_parts(ctx, update, arena, &out->receipt, &out->hold) ? &out->base : NULL;
}

const struct update_type extend_hold_type = {
    .kind = UPDATE_EXTEND_HOLD,
    .method = "/vacancy.v1.PlacementService/ExtendHold",
    .roles = ROLE_BIT(ROLE_TEAM),
    .request_id_offset = offsetof(Vacancy__V1__ExtendHoldRequest, request_id),
    .fill = fill_extend,
    .region = region_of_extend,
    .region_field = "hold_id",
    .reply = reply_extend,
};

/* --- ReleaseHold -------------------------------------------------------------------------------------------------- */

static enum err fill_release(const struct service_context *ctx, const struct principal *who,
                             const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                             struct problem *problem)
{
    (void)ctx;
    (void)now_ms;
    const Vacancy__V1__ReleaseHoldRequest *in = (const Vacancy__V1__ReleaseHoldRequest *)request;
    char region[GSS_BYTES];
    enum err err = begin(who, update, problem);
    update->as.hold.decline_reason = in->placement_did_not_begin ? DECLINE_PLACEMENT_DID_NOT_BEGIN : DECLINE_NONE;
    return err == ERR_NONE ? hold_id_from(in->hold_id, region, &update->as.hold.token, problem) : err;
}

static void region_of_release(const struct service_context *ctx, const struct principal *who,
                              const ProtobufCMessage *request, char out[GSS_BYTES])
{
    (void)ctx;
    (void)who;
    region_of_hold_id(((const Vacancy__V1__ReleaseHoldRequest *)request)->hold_id, out);
}

static ProtobufCMessage *reply_release(const struct service_context *ctx, const struct update *update,
                                       struct arena *arena)
{
    NEW(Vacancy__V1__ReleaseHoldResponse, out, vacancy__v1__release_hold_response__init);
    return answer_parts(ctx, update, arena, &out->receipt, &out->hold) ? &out->base : NULL;
}

const struct update_type release_hold_type = {
    .kind = UPDATE_RELEASE_HOLD,
    .method = "/vacancy.v1.PlacementService/ReleaseHold",
    .roles = ROLE_BIT(ROLE_TEAM),
    .request_id_offset = offsetof(Vacancy__V1__ReleaseHoldRequest, request_id),
    .fill = fill_release,
    .region = region_of_release,
    .region_field = "hold_id",
    .reply = reply_release,
};

/* --- PlaceChild --------------------------------------------------------------------------------------------------- */

static uint8_t band_of(uint32_t age_months)
{
    uint8_t band = AGE_0_2;
    while (age_months >= age_band_below_months((enum age_band)band))
        band++;
    return band;
}

static enum err children_from(const Vacancy__V1__PlaceChildRequest *in, struct update *update, struct problem *problem)
{
    if (in->n_children == 0)
        return wrong(problem, NULL, "children", "required: as many as the hold has beds");
    if (in->n_children > CHILDREN_MAX)
        return wrong(problem, NULL, "children", "%zu given; at most %d are accepted", in->n_children, CHILDREN_MAX);
    for (size_t i = 0; i < in->n_children; i++) {
        struct path at = {NULL, "children", (int)i};
        struct household_child *child = &update->as.hold.children[i];
        uint32_t age = in->children[i]->age_months;
        enum err err = check_range(problem, &at, "age_months", age, 0, AGE_18_MONTHS - 1, "months");
        if (err == ERR_NONE && age > 12 && age % 12 != 0)
            err = wrong(problem, &at, "age_months", "from 12 months on whole years (a multiple of 12) are accepted");
        if (err == ERR_NONE)
            err = check_code(problem, &at, "sex", (int)in->children[i]->sex, SEX_U + 1, true, "Sex", &child->sex);
        if (err != ERR_NONE)
            return err;
        child->age_band = band_of(age);
    }
    update->as.hold.child_count = (uint32_t)in->n_children;
    return ERR_NONE;
}

static enum err starts_from(const char *text, int64_t now_ms, date_days *out, struct problem *problem)
{
    date_days today = date_of_wall_ms(now_ms);
    enum err err = check_date(problem, NULL, "starts_on", text, true, out);
    if (err != ERR_NONE)
        return err;
    if (*out < today - STARTS_PAST_DAYS || *out > today + STARTS_AHEAD_DAYS)
        return wrong(problem, NULL, "starts_on", "lies %s; at most %d days past and a year ahead are accepted",
                     *out < today ? "too far back" : "too far ahead", STARTS_PAST_DAYS);
    return ERR_NONE;
}

/* The child's home: its point travels with the update as `tag`, and is kept nowhere. */
static enum err home_from(const struct service_context *ctx, const char *text, uint64_t *tag, struct problem *problem)
{
    struct place place;
    if (text[0] == '\0')
        return ERR_NONE;
    enum err err = gazetteer_locate(ctx->gazetteer, "home_postcode", text, &place, problem);
    if (err != ERR_NONE)
        return err;
    if (place.precision < PLACE_SECTOR)
        return wrong(problem, NULL, "home_postcode",
                     "no more than an outcode is known of it; a postcode or a sector is needed");
    *tag = (uint64_t)(uint32_t)place.easting_m << 32 | (uint32_t)place.northing_m;
    return ERR_NONE;
}

static enum err fill_place(const struct service_context *ctx, const struct principal *who,
                           const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                           struct problem *problem)
{
    const Vacancy__V1__PlaceChildRequest *in = (const Vacancy__V1__PlaceChildRequest *)request;
    char region[GSS_BYTES];
    enum err err;
    if ((err = begin(who, update, problem)) != ERR_NONE ||
        (err = hold_id_from(in->hold_id, region, &update->as.hold.token, problem)) != ERR_NONE ||
        (err = check_code(problem, NULL, "placement_code", (int)in->placement_code, PLACEMENT_CODE_END, true,
                          "PlacementCode", &update->as.hold.placement_code)) != ERR_NONE ||
        (err = starts_from(in->starts_on, now_ms, &update->as.hold.starts_on, problem)) != ERR_NONE ||
        (err = children_from(in, update, problem)) != ERR_NONE ||
        (err = check_code(problem, NULL, "provider_consent", (int)in->provider_consent, CONSENT_END, true, "Consent",
                          &update->as.hold.provider_consent)) != ERR_NONE ||
        (err = check_code(problem, NULL, "authorities_consent", (int)in->authorities_consent, CONSENT_END, true,
                          "Consent", &update->as.hold.authorities_consent)) != ERR_NONE)
        return err;
    update->wait_replicated = true;
    update->as.hold.asks_distance = in->home_postcode[0] != '\0';
    return home_from(ctx, in->home_postcode, &update->tag, problem);
}

static void region_of_place(const struct service_context *ctx, const struct principal *who,
                            const ProtobufCMessage *request, char out[GSS_BYTES])
{
    (void)ctx;
    (void)who;
    region_of_hold_id(((const Vacancy__V1__PlaceChildRequest *)request)->hold_id, out);
}

/* floor(sqrt(n)) */
static uint64_t root(uint64_t n)
{
    uint64_t low = 0, high = UINT64_C(1) << 32;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (middle * middle <= n)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* In a straight line between the finest places that this hub knows of both postcodes, to the nearest tenth. */
static uint32_t distance_tenths(const struct service_context *ctx, uint64_t from, const char *home_postcode)
{
    struct place home;
    struct problem problem;
    if (from == 0 || home_postcode[0] == '\0' || /* not asked; not to be told */
        gazetteer_locate(ctx->gazetteer, "", home_postcode, &home, &problem) != ERR_NONE ||
        home.precision < PLACE_SECTOR)
        return DISTANCE_NOT_KNOWN;
    int64_t east = (int64_t)(from >> 32) - home.easting_m, north = (int64_t)(uint32_t)from - home.northing_m;
    uint64_t millimetres = root((uint64_t)(east * east + north * north) * 1000000); /* of England: below 2^63 */
    return (uint32_t)((millimetres * 10 + MILE_MM / 2) / MILE_MM);
}

static ProtobufCMessage *reply_place(const struct service_context *ctx, const struct update *update,
                                     struct arena *arena)
{
    NEW(Vacancy__V1__PlaceChildResponse, out, vacancy__v1__place_child_response__init);
    out->distance_tenth_miles = distance_tenths(ctx, update->tag, update->result.home_postcode);
    return answer_parts(ctx, update, arena, &out->receipt, &out->hold) ? &out->base : NULL;
}

const struct update_type place_child_type = {
    .kind = UPDATE_PLACE,
    .method = "/vacancy.v1.PlacementService/PlaceChild",
    .roles = ROLE_BIT(ROLE_TEAM),
    .request_id_offset = offsetof(Vacancy__V1__PlaceChildRequest, request_id),
    .fill = fill_place,
    .region = region_of_place,
    .region_field = "hold_id",
    .reply = reply_place,
};

/* --- ReportUnavailable -------------------------------------------------------------------------------------------- */

static enum err fill_report(const struct service_context *ctx, const struct principal *who,
                            const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                            struct problem *problem)
{
    (void)now_ms;
    const Vacancy__V1__ReportUnavailableRequest *in = (const Vacancy__V1__ReportUnavailableRequest *)request;
    Vacancy__V1__ReportUnavailableRequest content = *in;
    enum err err;
    if ((err = begin(who, update, problem)) != ERR_NONE ||
        (err = vacancy_from_text(in->vacancy_id, &update->as.hold.vacancy_id, problem)) != ERR_NONE ||
        (err = region_from_text(in->region, problem)) != ERR_NONE)
        return err;
    content.region = (char *)"";
    content_hash(report_unavailable_type.method, &content.base, update->content_hash);
    return request_reference_from(ctx, who, in->request_reference, update->as.hold.request_reference, problem);
}

static void region_of_report(const struct service_context *ctx, const struct principal *who,
                             const ProtobufCMessage *request, char out[GSS_BYTES])
{
    const Vacancy__V1__ReportUnavailableRequest *in = (const Vacancy__V1__ReportUnavailableRequest *)request;
    region_of_vacancy(ctx, who, in->region, in->request_id, in->vacancy_id, out);
}

static ProtobufCMessage *reply_report(const struct service_context *ctx, const struct update *update,
                                      struct arena *arena)
{
    (void)ctx;
    NEW(Vacancy__V1__ReportUnavailableResponse, out, vacancy__v1__report_unavailable_response__init);
    out->reported_before = update->result.outcome == OUTCOME_CONFIRMED;
    return (out->receipt = hold_receipt_view(update, arena)) != NULL ? &out->base : NULL;
}

const struct update_type report_unavailable_type = {
    .kind = UPDATE_REPORT_UNAVAILABLE,
    .method = "/vacancy.v1.PlacementService/ReportUnavailable",
    .roles = ROLE_BIT(ROLE_TEAM),
    .request_id_offset = offsetof(Vacancy__V1__ReportUnavailableRequest, request_id),
    .fill = fill_report,
    .region = region_of_report,
    .region_field = "region",
    .reply = reply_report,
};

/* --- handlers ----------------------------------------------------------------------------------------------------- */

#define HANDLER(name, item)                                                                                            \
    static const struct asking_type name##_asking = {.update = &name##_type,                                           \
                                                     .request = VACANCY__V1__FORWARD_REQUEST__REQUEST_##item,          \
                                                     .response = VACANCY__V1__FORWARD_RESPONSE__RESPONSE_##item};      \
    static void name(struct call *call, const ProtobufCMessage *message)                                               \
    {                                                                                                                  \
        asking_message(call, &name##_asking, message);                                                                 \
    }                                                                                                                  \
    const struct call_handler name##_handler = {                                                                       \
        .message = (name), .resumed = asking_resumed, .orphaned = asking_orphaned, .closed = asking_closed}

HANDLER(hold_vacancy, HOLD);
HANDLER(extend_hold, EXTEND);
HANDLER(release_hold, RELEASE);
HANDLER(place_child, PLACE);
HANDLER(report_unavailable, REPORT);
