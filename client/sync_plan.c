/*
 * sync_plan.c - see sync_plan.h. The client's one thread.
 */
#include "client/sync_plan.h"

#include "client/command.h"
#include "client/json.h"
#include "client/memory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct sync_known {
    char *reference;
    bool in_file, approved, live;
    char *moved; /* where to; NULL: it has not. Owned */
    char ends_on[16], end_reason[16];
    uint32_t beds_taken; /* held or placed */
    int64_t carer_observed_ms, vacancy_observed_ms;
    uint64_t carer[CONTENT_FIELDS_MAX], vacancy[CONTENT_FIELDS_MAX];
};

/* --- what the hub has --------------------------------------------------------------------------------------------- */

static char *where_to(const Vacancy__V1__CarerView *view)
{
    if (view->status != VACANCY__V1__CARER_STATUS__CARER_STATUS_MOVED)
        return NULL;
    return must_print("moved to %s%s%s: take the row out",
                      view->moved_to_agency[0] ? view->moved_to_agency : "another agency",
                      view->moved_to_region[0] ? " of " : "", view->moved_to_region);
}

bool sync_plan_know(struct sync_plan *plan, const Vacancy__V1__CarerView *view)
{
    if (view->lost_in_restore) {
        plan->lost++;
        return true;
    }
    if (view->carer == NULL)
        return true;
    if (plan->known_count == SYNC_CARERS_MAX)
        return false;
    if ((plan->known_count & (plan->known_count - 1)) == 0)
        plan->known = must_resize(plan->known, plan->known_count ? plan->known_count * 2 : 1, sizeof *plan->known);
    struct sync_known *known = &plan->known[plan->known_count];
    *known = (struct sync_known){.reference = must_copy(view->carer->agency_reference),
                                 .approved = view->status == VACANCY__V1__CARER_STATUS__CARER_STATUS_APPROVED,
                                 .moved = where_to(view),
                                 .carer_observed_ms = view->carer->observed_at_ms};
    snprintf(known->ends_on, sizeof known->ends_on, "%s", view->carer->approval_ends_on);
    snprintf(known->end_reason, sizeof known->end_reason, "%s", view->end_reason);
    content_print(&view->carer->base, known->carer);
    if (known->moved == NULL && view->vacancy != NULL && view->vacancy->vacancy != NULL) {
        known->live = true;
        known->beds_taken = view->vacancy->vacancy->beds - view->vacancy->beds_free;
        if (view->vacancy->beds_free > view->vacancy->vacancy->beds)
            known->beds_taken = 0;
        known->vacancy_observed_ms = view->vacancy->vacancy->observed_at_ms;
        content_print(&view->vacancy->vacancy->base, known->vacancy);
    }
    plan->approved += known->approved;
    plan->live += known->live;
    reference_set_add(&plan->by_reference, known->reference, ++plan->known_count);
    return true;
}

static struct sync_known *find(struct sync_plan *plan, const char *reference)
{
    uint64_t index = reference_set_line(&plan->by_reference, reference);
    return index > 0 ? &plan->known[index - 1] : NULL;
}

void sync_plan_keep(struct sync_plan *plan, const char *reference)
{
    struct sync_known *known = find(plan, reference);
    plan->rows++;
    plan->rows_known += known != NULL;
    if (known != NULL)
        known->in_file = true;
}

void sync_plan_unsure(struct sync_plan *plan)
{
    plan->rows++;
    plan->unsure++;
}

/* --- what is to be done ------------------------------------------------------------------------------------------- */

static void show(struct sync_plan *plan, enum sync_kind kind, uint64_t line, const char *reference, char *what)
{
    if ((plan->shown_count & (plan->shown_count - 1)) == 0)
        plan->shown = must_resize(plan->shown, plan->shown_count ? plan->shown_count * 2 : 1, sizeof *plan->shown);
    plan->shown[plan->shown_count++] = (struct sync_row){kind, line, must_copy(reference), what};
    plan->counts[kind]++;
}

static void add_update(struct sync_plan *plan, const Vacancy__V1__SubmitRequest *request,
                       const struct sync_update *update)
{
    if ((plan->update_count & (plan->update_count - 1)) == 0)
        plan->updates =
            must_resize(plan->updates, plan->update_count ? plan->update_count * 2 : 1, sizeof *plan->updates);
    struct sync_update *to = &plan->updates[plan->update_count++];
    *to = *update;
    to->bytes = protobuf_c_message_get_packed_size(&request->base);
    to->octets = must_alloc(to->bytes + 1, 1);
    protobuf_c_message_pack(&request->base, to->octets);
}

static void withdraw(struct sync_plan *plan, uint64_t line, const char *reference, int64_t observed_at_ms)
{
    Vacancy__V1__SubmitRequest request = VACANCY__V1__SUBMIT_REQUEST__INIT;
    Vacancy__V1__WithdrawVacancyRequest update = VACANCY__V1__WITHDRAW_VACANCY_REQUEST__INIT;
    update.agency_reference = (char *)reference;
    update.observed_at_ms = observed_at_ms;
    request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_WITHDRAW_VACANCY;
    request.withdraw_vacancy = &update;
    add_update(plan, &request, &(struct sync_update){.line = line, .reference = reference, .withdraw = true});
    plan->vacancies_ended++;
}

/* Adds the columns whose fields differ; false: none does. */
static bool add_differences(struct grown_text *what, const char *root, const ProtobufCMessage *message,
                            const uint64_t known[CONTENT_FIELDS_MAX])
{
    uint64_t print[CONTENT_FIELDS_MAX];
    bool any = false;
    content_print(message, print);
    for (size_t i = 0; i < CONTENT_FIELDS_MAX; i++) {
        char path[CONTENT_PATH_BYTES], field[CONTENT_PATH_BYTES + 32];
        if (print[i] == known[i])
            continue;
        any = true;
        snprintf(field, sizeof field, "%s.%s", root, content_path(message->descriptor, i, path));
        const struct sheet_column *column = sheet_column_of_field(&push_sheet, field);
        grown_add(what, "%s%s", what->text ? ", " : "", column ? column->name : path);
    }
    return any;
}

static void add_words(struct grown_text *what, const char *words)
{
    grown_add(what, "%s%s", what->text ? ", " : "", words);
}

/* Whether the carer is to be pushed; why goes to *what. */
static bool carer_differs(const struct sync_known *known, const struct push_row *row, struct grown_text *what)
{
    if (known == NULL || !known->approved) {
        add_words(what, known == NULL ? "registered" : "approved anew");
        return true;
    }
    return add_differences(what, "put_carer.carer", &row->put_carer->carer->base, known->carer);
}

static void put_carer(struct sync_plan *plan, uint64_t line, const struct push_row *row)
{
    Vacancy__V1__SubmitRequest request = VACANCY__V1__SUBMIT_REQUEST__INIT;
    request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_CARER;
    request.put_carer = row->put_carer;
    add_update(plan, &request, &(struct sync_update){.line = line, .carer = true});
}

static void put_vacancy(struct sync_plan *plan, uint64_t line, const struct push_row *row)
{
    Vacancy__V1__SubmitRequest request = VACANCY__V1__SUBMIT_REQUEST__INIT;
    request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY;
    request.put_vacancy = row->put_vacancy;
    add_update(plan, &request, &(struct sync_update){.line = line});
}

/* The row ends the approval. True: it is in force at the hub, or ends in another way there. */
static bool end_carer(struct sync_plan *plan, uint64_t line, const struct push_row *row, const struct sync_known *known)
{
    Vacancy__V1__SubmitRequest request = VACANCY__V1__SUBMIT_REQUEST__INIT;
    if (known == NULL || (!known->approved && strcmp(known->ends_on, row->end_carer->ends_on) == 0 &&
                          strcmp(known->end_reason, row->end_carer->reason) == 0))
        return false;
    request.update_case = VACANCY__V1__SUBMIT_REQUEST__UPDATE_END_CARER;
    request.end_carer = row->end_carer;
    add_update(plan, &request, &(struct sync_update){.line = line});
    plan->approvals_ended += known->approved;
    plan->vacancies_ended += known->live;
    return true;
}

static void end_row(struct sync_plan *plan, uint64_t line, const struct push_row *row, const struct sync_known *known)
{
    if (end_carer(plan, line, row, known))
        show(plan, SYNC_ENDED, line, row->reference, must_copy("approval ends"));
    else
        plan->unchanged++;
}

/* What the row says of the vacancy, if that is new: an update, and why in *what. True: it is withdrawn. */
static bool settle_vacancy(struct sync_plan *plan, uint64_t line, const struct push_row *row,
                           const struct sync_known *known, struct grown_text *what, bool *confirmed)
{
    const Vacancy__V1__Vacancy *vacancy = row->put_vacancy->vacancy;
    bool live = known != NULL && known->live;
    if (row->vacancy == ROW_VACANCY_NONE && live) {
        add_words(what, "vacancy withdrawn");
        withdraw(plan, line, known->reference, row->withdraw_vacancy->observed_at_ms);
        return true;
    }
    if (row->vacancy != ROW_VACANCY_OFFERED)
        return false;
    if (!live)
        add_words(what, "vacancy offered");
    else if (!add_differences(what, "put_vacancy.vacancy", &vacancy->base, known->vacancy)) {
        *confirmed = vacancy->observed_at_ms > known->vacancy_observed_ms;
        if (!*confirmed)
            return false;
    } else if (known->beds_taken > 0 && vacancy->beds <= known->beds_taken) {
        grown_add(what, " (no bed free: %u held or placed)", known->beds_taken);
    }
    put_vacancy(plan, line, row);
    return false;
}

/* Whether something that the row would change is known newer. */
static bool is_older(const struct push_row *row, const struct sync_known *known)
{
    struct grown_text ignored = {0};
    bool older = false;
    if (known == NULL || !known->approved)
        return false;
    if (row->with_carer && row->put_carer->carer->observed_at_ms < known->carer_observed_ms)
        older = add_differences(&ignored, "put_carer.carer", &row->put_carer->carer->base, known->carer);
    if (known->live && row->withdraw_vacancy->observed_at_ms < known->vacancy_observed_ms)
        older = older || row->vacancy == ROW_VACANCY_NONE ||
                (row->vacancy == ROW_VACANCY_OFFERED &&
                 add_differences(&ignored, "put_vacancy.vacancy", &row->put_vacancy->vacancy->base, known->vacancy));
    grown_free(&ignored);
    return older;
}

void sync_plan_row(struct sync_plan *plan, uint64_t line, const struct push_row *row)
{
    struct sync_known *known = find(plan, row->reference);
    struct grown_text what = {0};
    bool confirmed = false;
    int64_t observed_at_ms = row->withdraw_vacancy->observed_at_ms;
    sync_plan_keep(plan, row->reference);
    if (observed_at_ms > plan->newest_ms && observed_at_ms <= plan->now_ms)
        plan->newest_ms = observed_at_ms;
    if (known != NULL && known->moved != NULL) {
        show(plan, SYNC_NOT_USED, line, row->reference, must_copy(known->moved));
        return;
    }
    if (row->with_end) {
        end_row(plan, line, row, known);
        return;
    }
    if (is_older(row, known)) {
        plan->older++;
        show(plan, SYNC_NOT_USED, line, row->reference, must_copy("older than the hub: not used"));
        return;
    }
    if (row->with_carer && carer_differs(known, row, &what))
        put_carer(plan, line, row);
    bool ended = settle_vacancy(plan, line, row, known, &what, &confirmed);
    if (what.text != NULL) {
        show(plan, ended ? SYNC_ENDED : known == NULL ? SYNC_ADDED : SYNC_CHANGED, line, row->reference, what.text);
        return;
    }
    plan->unchanged++;
    plan->confirmed += confirmed;
}

void sync_plan_finish(struct sync_plan *plan)
{
    plan->missing = must_alloc(plan->known_count + 1, sizeof *plan->missing);
    plan->kept = must_alloc(plan->known_count + 1, sizeof *plan->kept);
    const int64_t seen_ms = plan->newest_ms > plan->file_ms ? plan->newest_ms : plan->file_ms;
    for (size_t i = 0; i < plan->known_count; i++) {
        const struct sync_known *known = &plan->known[i];
        if (known->in_file)
            continue;
        if (known->live && plan->unsure > 0 && !plan->end_in_doubt) {
            plan->kept[plan->kept_count++] = known->reference;
            continue;
        }
        if (known->approved)
            plan->missing[plan->missing_count++] = known->reference;
        if (!known->live)
            continue;
        if (seen_ms < known->vacancy_observed_ms) {
            plan->older++;
            show(plan, SYNC_NOT_USED, 0, known->reference, must_copy("not in the file, which is older than the hub"));
            continue;
        }
        withdraw(plan, 0, known->reference, seen_ms);
        show(plan, SYNC_ENDED, 0, known->reference, must_copy("vacancy withdrawn: not in the file"));
    }
}

bool sync_plan_ends_too_much(const struct sync_plan *plan, unsigned percent)
{
    if (plan->rows == 0)
        return plan->approved > 0;
    return plan->vacancies_ended * 100 > plan->live * percent || plan->approvals_ended * 100 > plan->approved * percent;
}

bool sync_plan_is_of_another(const struct sync_plan *plan)
{
    return plan->rows > 0 && plan->rows_known == 0 && plan->known_count > 0;
}

/* --- the difference as JSON --------------------------------------------------------------------------------------- */

json_t *sync_plan_json(const struct sync_plan *plan)
{
    static const char *const names[SYNC_KINDS] = {"added", "changed", "ended", "not_used"};
    json_t *all = json_object();
    for (int kind = 0; kind < SYNC_KINDS; kind++)
        json_object_set_new(all, names[kind], json_array());
    for (size_t i = 0; i < plan->shown_count; i++) {
        const struct sync_row *row = &plan->shown[i];
        json_t *entry = json_object();
        json_object_set_new(entry, "agency_reference", json_of_text(row->reference));
        json_object_set_new(entry, "line", row->line ? json_integer((json_int_t)row->line) : json_null());
        json_object_set_new(entry, "what", json_of_text(row->what));
        json_array_append_new(json_object_get(all, names[row->kind]), entry);
    }
    json_object_set_new(all, "unchanged", json_integer((json_int_t)plan->unchanged));
    json_object_set_new(all, "confirmed", json_integer((json_int_t)plan->confirmed));
    json_t *missing = json_array();
    for (size_t i = 0; i < plan->missing_count; i++)
        json_array_append_new(missing, json_of_text(plan->missing[i]));
    json_object_set_new(all, "registered_but_not_in_file", missing);
    json_t *kept = json_array();
    for (size_t i = 0; i < plan->kept_count; i++)
        json_array_append_new(kept, json_of_text(plan->kept[i]));
    json_object_set_new(all, "not_in_file_but_kept", kept);
    return all;
}

void sync_plan_free(struct sync_plan *plan)
{
    for (size_t i = 0; i < plan->known_count; i++) {
        free(plan->known[i].reference);
        free(plan->known[i].moved);
    }
    for (size_t i = 0; i < plan->shown_count; i++) {
        free(plan->shown[i].reference);
        free(plan->shown[i].what);
    }
    for (size_t i = 0; i < plan->update_count; i++)
        free(plan->updates[i].octets);
    free(plan->known);
    free(plan->shown);
    free(plan->updates);
    free(plan->missing);
    free(plan->kept);
    reference_set_free(&plan->by_reference);
    *plan = (struct sync_plan){0};
}
