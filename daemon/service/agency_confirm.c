/*
 * agency_confirm.c - AgencyService: ConfirmVacancies, "nothing changed".
 * On the call's worker; no state.
 */
#include "daemon/service/check.h"
#include "daemon/service/handlers.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"

#include <stdlib.h>
#include <string.h>

#define REFERENCES_MAX 1000

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Given twice, a reference would be counted twice. The references are known to be well-formed. */
static enum err check_once(const Vacancy__V1__ConfirmVacanciesRequest *in, struct problem *problem)
{
    char *sorted[REFERENCES_MAX];
    memcpy(sorted, in->agency_references, in->n_agency_references * sizeof *sorted);
    qsort(sorted, in->n_agency_references, sizeof *sorted, by_text);
    for (size_t i = 1; i < in->n_agency_references; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            return wrong(problem, NULL, "agency_references", "a reference is given twice; give each once");
    return ERR_NONE;
}

static enum err fill_confirm(const struct service_context *ctx, const struct principal *who,
                             const ProtobufCMessage *request, int64_t now_ms, struct update *update,
                             struct problem *problem)
{
    (void)ctx;
    (void)who;
    const Vacancy__V1__ConfirmVacanciesRequest *in = (const Vacancy__V1__ConfirmVacanciesRequest *)request;
    size_t count = in->n_agency_references;
    enum err err = check_observed(problem, NULL, in->observed_at_ms, now_ms);
    if (err != ERR_NONE)
        return err;
    if (in->all && count > 0)
        return wrong(problem, NULL, "agency_references", "accepted only without `all`; send one or the other");
    if (!in->all && count == 0)
        return wrong(problem, NULL, "agency_references", "required: 1 to %d references, or set `all`", REFERENCES_MAX);
    if (count > REFERENCES_MAX)
        return wrong(problem, NULL, "agency_references", "%zu given; at most %d are accepted", count, REFERENCES_MAX);
    update->observed_at_ms = in->observed_at_ms;
    update->as.confirm.all = in->all;
    if (count == 0)
        return ERR_NONE;
    update->as.confirm.references = calloc(count, sizeof *update->as.confirm.references);
    if (update->as.confirm.references == NULL)
        return problem_set(problem, ERR_LIMIT, "", "this hub is short of memory; try again");
    for (size_t i = 0; i < count; i++) {
        struct path at = {NULL, "agency_references", (int)i};
        err = check_reference(problem, &at, NULL, in->agency_references[i], update->as.confirm.references[i]);
        if (err != ERR_NONE)
            return err;
    }
    update->as.confirm.count = (uint32_t)count;
    return check_once(in, problem);
}

static ProtobufCMessage *reply_confirm(const struct service_context *ctx, const struct update *update,
                                       struct arena *arena)
{
    (void)ctx;
    const struct update_result *result = &update->result;
    NEW(Vacancy__V1__ConfirmVacanciesResponse, out, vacancy__v1__confirm_vacancies_response__init);
    out->confirmed = result->confirmed;
    if ((out->receipt = receipt_view(update, arena)) == NULL)
        return NULL;
    NEW_LIST(out->not_found, result->not_found_count, NULL);
    for (uint32_t i = 0; i < result->not_found_count; i++)
        out->not_found[out->n_not_found++] = update->as.confirm.references[result->not_found[i]];
    return &out->base;
}

static const struct update_type confirm_type = {
    .kind = UPDATE_CONFIRM,
    .method = "/vacancy.v1.AgencyService/ConfirmVacancies",
    .roles = ROLE_BIT(ROLE_AGENCY),
    .request_id_offset = offsetof(Vacancy__V1__ConfirmVacanciesRequest, request_id),
    .wait_for_offset = offsetof(Vacancy__V1__ConfirmVacanciesRequest, wait_for),
    .fill = fill_confirm,
    .reply = reply_confirm,
};

static void confirm_vacancies(struct call *call, const ProtobufCMessage *message)
{
    write_message(call, &confirm_type, message);
}

const struct call_handler confirm_vacancies_handler = {
    .message = confirm_vacancies, .resumed = write_resumed, .orphaned = write_orphaned};
