/*
 * sync_plan.h - the difference between an agency's file, which is its whole truth, and what the hub has; and the
 * updates that make it nothing.
 *
 * Owns: what the hub has of each carer (fingerprints, content_print.h), what each row of the file means against it, the
 * updates as octets, in the file's order, then the withdrawals by reference. Not here: reading, asking, sending
 * (cmd_sync.c). Thread: the client's one thread.
 * Invariant: the plan is a function of the file (its rows and its time) and of what the hub has. So what is left of it
 * after a break is the plan of the next run, and a plan that was carried out leaves an empty one.
 */
#ifndef VACANCY_CLIENT_SYNC_PLAN_H
#define VACANCY_CLIENT_SYNC_PLAN_H

#include "client/content_print.h"
#include "client/push_sheet.h"
#include "client/reference_set.h"

#include <jansson.h>

#define SYNC_CARERS_MAX 100000u

/* NOT_USED: the hub would refuse it, for it knows newer things of the household, or another agency has taken it over.
 */
enum sync_kind { SYNC_ADDED, SYNC_CHANGED, SYNC_ENDED, SYNC_NOT_USED, SYNC_KINDS };

/* A household that is not as the hub has it. */
struct sync_row {
    enum sync_kind kind;
    uint64_t line;   /* 0: it is not in the file */
    char *reference; /* owned */
    char *what;      /* "beds, languages"; owned */
};

/* One update, ready to be sent. */
struct sync_update {
    uint64_t line;         /* 0: of no line */
    const char *reference; /* borrowed from the plan */
    bool carer, withdraw;  /* as in struct submit_slot */
    uint8_t *octets;       /* a SubmitRequest; owned */
    size_t bytes;
};

struct sync_known; /* a carer as the hub has it */

/* Zeroed is empty. */
struct sync_plan {
    int64_t file_ms;   /* the file's time, for rows without their own */
    int64_t now_ms;    /* a row that says it is later is not believed about what is missing */
    int64_t newest_ms; /* of the rows so far and of the file: when what is missing was seen to be missing */
    struct sync_known *known;
    size_t known_count;
    struct reference_set by_reference; /* index into known, plus 1 */
    uint64_t lost;                     /* carers that the hub knows in part only: their references are not known */
    uint64_t approved, live;           /* carers and vacancies at the hub */
    uint64_t rows, rows_known;         /* of the file; those that the hub knows */
    uint64_t unsure;                   /* rows of which nobody can say whose they are */
    bool end_in_doubt;                 /* the caller's word: what is missing ends although there are such rows */
    struct sync_row *shown;
    size_t shown_count;
    uint64_t counts[SYNC_KINDS];
    uint64_t older;                /* of those not used, those that are older than the hub */
    uint64_t unchanged, confirmed; /* of the unchanged, those whose vacancy is confirmed anew */
    uint64_t vacancies_ended, approvals_ended;
    const char **missing; /* references of approved carers that are not in the file; borrowed */
    size_t missing_count;
    const char **kept; /* not in the file, but one of the unsure rows may be theirs; borrowed */
    size_t kept_count;
    struct sync_update *updates;
    size_t update_count;
};

/* What the hub has; false: more carers than a file may have rows. */
bool sync_plan_know(struct sync_plan *plan, const Vacancy__V1__CarerView *view) __attribute__((warn_unused_result));
/* The row is in the file, although nobody can say what it means: its household is left as it is. */
void sync_plan_keep(struct sync_plan *plan, const char *reference);
/*
 * A row whose reference can't be used, or stands in an earlier row, too: it may be any household's. So nothing ends for
 * not being in the file, unless end_in_doubt.
 */
void sync_plan_unsure(struct sync_plan *plan);
/* A row of the file. */
void sync_plan_row(struct sync_plan *plan, uint64_t line, const struct push_row *row);
/* After the last row: what is missing. Once. */
void sync_plan_finish(struct sync_plan *plan);
/* Whether more would end than percent of what there is; a file without rows always does where there is anything. */
bool sync_plan_ends_too_much(const struct sync_plan *plan, unsigned percent);
/* None of the file's references is known, and none of those known is in the file. */
bool sync_plan_is_of_another(const struct sync_plan *plan);
/* A new reference. */
json_t *sync_plan_json(const struct sync_plan *plan);
void sync_plan_free(struct sync_plan *plan);

#endif
