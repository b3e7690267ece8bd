/* tier: check */
/* `vacancy sync`: what counts as the same, what a file means against what the hub has; and the cursor of `vacancy
 * watch`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/sync_plan.h"
#include "client/watch_cursor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MS 2000

/* --- the same and not ----------------------------------------------------------------------------------------------
 */

static size_t differences(const ProtobufCMessage *a, const ProtobufCMessage *b, char path[CONTENT_PATH_BYTES])
{
    uint64_t one[CONTENT_FIELDS_MAX], other[CONTENT_FIELDS_MAX];
    size_t count = 0;
    content_print(a, one);
    content_print(b, other);
    for (size_t i = 0; i < CONTENT_FIELDS_MAX; i++)
        if (one[i] != other[i] && count++ == 0)
            content_path(a->descriptor, i, path);
    return count;
}

static void what_the_hub_writes_otherwise_is_the_same(void **state)
{
    (void)state;
    Vacancy__V1__Terms terms[2] = {VACANCY__V1__TERMS__INIT, VACANCY__V1__TERMS__INIT};
    Vacancy__V1__Carer carers[2] = {VACANCY__V1__CARER__INIT, VACANCY__V1__CARER__INIT};
    Vacancy__V1__CareType types[2][3] = {{3, 2, 3}, {2, 3, 0}};
    Vacancy__V1__SpokenLanguage spoken[2] = {VACANCY__V1__SPOKEN_LANGUAGE__INIT, VACANCY__V1__SPOKEN_LANGUAGE__INIT};
    Vacancy__V1__SpokenLanguage *list[2] = {&spoken[0], &spoken[1]};
    char path[CONTENT_PATH_BYTES] = "";
    for (int i = 0; i < 2; i++) {
        terms[i].max_children = 3;
        terms[i].max_children_if_siblings = i == 0 ? 0 : 3;
        terms[i].care_types = types[i];
        terms[i].n_care_types = i == 0 ? 3 : 2;
        spoken[i].tag = (char *)(i == 0 ? "PL" : "pl");
        carers[i].terms = &terms[i];
        carers[i].languages = &list[i];
        carers[i].n_languages = 1;
        carers[i].home_postcode = (char *)(i == 0 ? "ls61ab" : "LS6 1AB");
        carers[i].observed_at_ms = i;
        carers[i].agency_reference = (char *)(i == 0 ? "a" : "b");
    }
    assert_int_equal(differences(&carers[0].base, &carers[1].base, path), 0);
    terms[1].max_children_if_siblings = 4;
    assert_int_equal(differences(&carers[0].base, &carers[1].base, path), 1);
    assert_string_equal(path, "terms.max_children_if_siblings");
    terms[1].max_children_if_siblings = 3;
    spoken[1].level = VACANCY__V1__LANGUAGE_LEVEL__LANGUAGE_LEVEL_FLUENT;
    assert_int_equal(differences(&carers[0].base, &carers[1].base, path), 1);
    assert_string_equal(path, "languages");
    assert_string_equal(content_path(carers[0].base.descriptor, CONTENT_FIELDS_MAX, path), "");
}

/* --- a plan ---------------------------------------------------------------------------------------------------------
 */

static void know(struct sync_plan *plan, const char *reference, bool approved, uint32_t beds, int64_t observed_at_ms)
{
    Vacancy__V1__CarerView view = VACANCY__V1__CARER_VIEW__INIT;
    Vacancy__V1__Carer carer = VACANCY__V1__CARER__INIT;
    Vacancy__V1__VacancyView offered = VACANCY__V1__VACANCY_VIEW__INIT;
    Vacancy__V1__Vacancy vacancy = VACANCY__V1__VACANCY__INIT;
    carer.agency_reference = vacancy.agency_reference = (char *)reference;
    vacancy.beds = beds;
    vacancy.observed_at_ms = observed_at_ms;
    offered.vacancy = &vacancy;
    view.carer = &carer;
    offered.beds_free = beds > 1 ? beds - 1 : beds; /* of several, one is placed */
    view.vacancy = beds > 0 ? &offered : NULL;
    view.status =
        approved ? VACANCY__V1__CARER_STATUS__CARER_STATUS_APPROVED : VACANCY__V1__CARER_STATUS__CARER_STATUS_ENDED;
    assert_true(sync_plan_know(plan, &view));
}

/* A row that states the carer as know does; beds 0: NONE. */
static void row(struct sync_plan *plan, uint64_t line, const char *reference, uint32_t beds, int64_t observed_at_ms)
{
    Vacancy__V1__Carer carer = VACANCY__V1__CARER__INIT;
    Vacancy__V1__Vacancy vacancy = VACANCY__V1__VACANCY__INIT;
    Vacancy__V1__PutCarerRequest put_carer = VACANCY__V1__PUT_CARER_REQUEST__INIT;
    Vacancy__V1__PutVacancyRequest put_vacancy = VACANCY__V1__PUT_VACANCY_REQUEST__INIT;
    Vacancy__V1__EndCarerRequest end = VACANCY__V1__END_CARER_REQUEST__INIT;
    Vacancy__V1__WithdrawVacancyRequest withdraw = VACANCY__V1__WITHDRAW_VACANCY_REQUEST__INIT;
    struct push_row read = {reference,  true, false,        beds > 0 ? ROW_VACANCY_OFFERED : ROW_VACANCY_NONE,
                            &put_carer, &end, &put_vacancy, &withdraw};
    carer.agency_reference = vacancy.agency_reference = withdraw.agency_reference = (char *)reference;
    vacancy.beds = beds;
    carer.observed_at_ms = vacancy.observed_at_ms = withdraw.observed_at_ms = observed_at_ms;
    put_carer.carer = &carer;
    put_vacancy.vacancy = &vacancy;
    sync_plan_row(plan, line, &read);
}

static void assert_update(const struct sync_plan *plan, size_t index, uint64_t line, int what, int64_t observed_at_ms)
{
    assert_true(index < plan->update_count);
    const struct sync_update *update = &plan->updates[index];
    Vacancy__V1__SubmitRequest *request = vacancy__v1__submit_request__unpack(NULL, update->bytes, update->octets);
    assert_non_null(request);
    assert_int_equal(update->line, line);
    assert_int_equal(request->update_case, what);
    if (request->update_case == VACANCY__V1__SUBMIT_REQUEST__UPDATE_WITHDRAW_VACANCY)
        assert_int_equal(request->withdraw_vacancy->observed_at_ms, observed_at_ms);
    vacancy__v1__submit_request__free_unpacked(request, NULL);
}

static void each_household_is_one_of_four(void **state)
{
    (void)state;
    struct sync_plan plan = {.file_ms = FILE_MS, .now_ms = FILE_MS + 6};
    know(&plan, "A", true, 1, FILE_MS);     /* the same, and known to be */
    know(&plan, "B", true, 1, FILE_MS - 1); /* the same, to be confirmed */
    know(&plan, "C", true, 1, FILE_MS - 1); /* changed */
    know(&plan, "D", true, 1, FILE_MS - 1); /* withdrawn by its row */
    know(&plan, "E", true, 1, FILE_MS - 1); /* not in the file */
    know(&plan, "F", true, 0, 0);           /* not in the file, no vacancy */
    know(&plan, "G", false, 0, 0);          /* its approval has ended */
    know(&plan, "H", true, 1, FILE_MS + 9); /* the same, and known later */
    row(&plan, 2, "A", 1, FILE_MS);
    row(&plan, 3, "B", 1, FILE_MS);
    row(&plan, 4, "C", 2, FILE_MS + 5);
    row(&plan, 5, "D", 0, FILE_MS);
    row(&plan, 6, "N", 1, FILE_MS + 7); /* the hub may refuse it; it makes nothing else of the file later */
    row(&plan, 7, "H", 1, FILE_MS);
    sync_plan_finish(&plan);
    assert_int_equal(plan.counts[SYNC_ADDED], 1);
    assert_int_equal(plan.counts[SYNC_CHANGED], 1);
    assert_int_equal(plan.counts[SYNC_ENDED], 2);
    assert_int_equal(plan.unchanged, 3);
    assert_int_equal(plan.confirmed, 1);
    assert_int_equal(plan.missing_count, 2); /* E and F stay registered */
    assert_int_equal(plan.update_count, 6);
    assert_update(&plan, 0, 3, VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY, 0);
    assert_update(&plan, 1, 4, VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY, 0);
    assert_update(&plan, 2, 5, VACANCY__V1__SUBMIT_REQUEST__UPDATE_WITHDRAW_VACANCY, FILE_MS);
    assert_update(&plan, 3, 6, VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_CARER, 0);
    assert_update(&plan, 4, 6, VACANCY__V1__SUBMIT_REQUEST__UPDATE_PUT_VACANCY, 0);
    /* What is missing was seen to be missing when the newest row was seen. */
    assert_update(&plan, 5, 0, VACANCY__V1__SUBMIT_REQUEST__UPDATE_WITHDRAW_VACANCY, FILE_MS + 5);
    assert_false(sync_plan_is_of_another(&plan));
    assert_true(sync_plan_ends_too_much(&plan, 33)); /* 2 of 6 vacancies */
    assert_false(sync_plan_ends_too_much(&plan, 34));
    sync_plan_free(&plan);
}

static void a_rejected_row_keeps_its_household(void **state)
{
    (void)state;
    struct sync_plan plan = {.file_ms = FILE_MS};
    know(&plan, "A", true, 1, 1);
    sync_plan_keep(&plan, "A");
    sync_plan_finish(&plan);
    assert_int_equal(plan.update_count, 0);
    assert_false(sync_plan_is_of_another(&plan));
    sync_plan_free(&plan);
}

static void what_may_be_an_unsure_rows_does_not_end(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        struct sync_plan plan = {.file_ms = FILE_MS, .end_in_doubt = told};
        know(&plan, "A", true, 1, FILE_MS);
        know(&plan, "B", true, 1, FILE_MS);
        row(&plan, 2, "A", 1, FILE_MS);
        sync_plan_unsure(&plan);
        sync_plan_finish(&plan);
        assert_int_equal(plan.update_count, told);
        assert_int_equal(plan.counts[SYNC_ENDED], told);
        assert_int_equal(plan.kept_count, !told);
        assert_int_equal(plan.missing_count, told);
        sync_plan_free(&plan);
    }
}

/* After a placement the beds of a file that counts only what is left would be none. */
static void a_change_that_leaves_no_bed_free_says_so(void **state)
{
    (void)state;
    struct sync_plan plan = {.file_ms = FILE_MS};
    know(&plan, "A", true, 3, FILE_MS - 1);
    know(&plan, "B", true, 3, FILE_MS - 1);
    row(&plan, 2, "A", 1, FILE_MS);
    row(&plan, 3, "B", 2, FILE_MS);
    assert_string_equal(plan.shown[0].what, "beds (no bed free: 1 held or placed)");
    assert_string_equal(plan.shown[1].what, "beds");
    sync_plan_free(&plan);
}

static void files_that_somebody_must_agree_to(void **state)
{
    (void)state;
    struct sync_plan plan = {.file_ms = FILE_MS};
    sync_plan_finish(&plan); /* nothing here, nothing there */
    assert_false(sync_plan_ends_too_much(&plan, 10));
    sync_plan_free(&plan);
    plan = (struct sync_plan){.file_ms = FILE_MS};
    know(&plan, "A", true, 0, 0);
    sync_plan_finish(&plan); /* an empty file, even where it ends no vacancy, and whatever the share */
    assert_true(sync_plan_ends_too_much(&plan, 100));
    sync_plan_free(&plan);
    plan = (struct sync_plan){.file_ms = FILE_MS};
    know(&plan, "A", true, 0, 0);
    row(&plan, 2, "B", 1, FILE_MS);
    sync_plan_finish(&plan);
    assert_true(sync_plan_is_of_another(&plan));
    sync_plan_free(&plan);
}

/* --- the cursor -----------------------------------------------------------------------------------------------------
 */

static void a_cursor_is_kept_in_place_and_by_one_alone(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_client_sync.XXXXXX", path[64];
    struct watch_cursor cursor, other;
    struct problem problem = {0};
    struct stat status;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/cursor", folder);
    assert_int_equal(watch_cursor_open(path, "E12000003/leeds", &cursor, &problem), ERR_NONE);
    assert_int_equal(cursor.cursor, 0);
    assert_int_equal(watch_cursor_open(path, "E12000003/leeds", &other, &problem), ERR_PRECONDITION);
    assert_int_equal(watch_cursor_keep(&cursor, UINT64_MAX, &problem), ERR_NONE);
    assert_int_equal(watch_cursor_keep(&cursor, 7, &problem), ERR_NONE);
    watch_cursor_close(&cursor);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(watch_cursor_open(path, "E12000003/homes", &cursor, &problem), ERR_INVALID);
    assert_int_equal(watch_cursor_open(path, "E12000003/leeds", &cursor, &problem), ERR_NONE);
    assert_int_equal(cursor.cursor, 7);
    watch_cursor_close(&cursor);
    assert_int_equal(truncate(path, status.st_size - 1), 0);
    assert_int_equal(watch_cursor_open(path, "E12000003/leeds", &cursor, &problem), ERR_INVALID);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_hub_writes_otherwise_is_the_same),
        cmocka_unit_test(each_household_is_one_of_four),
        cmocka_unit_test(a_rejected_row_keeps_its_household),
        cmocka_unit_test(what_may_be_an_unsure_rows_does_not_end),
        cmocka_unit_test(a_change_that_leaves_no_bed_free_says_so),
        cmocka_unit_test(files_that_somebody_must_agree_to),
        cmocka_unit_test(a_cursor_is_kept_in_place_and_by_one_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
