/*
 * push_sheet.h - the CSV of `vacancy push`: one row a household with its vacancy.
 *
 * Owns: the columns, and which updates a row stands for. Not here: sending them (cmd_push.c).
 * Thread: the client's one thread; the table is constant.
 */
#ifndef VACANCY_CLIENT_PUSH_SHEET_H
#define VACANCY_CLIENT_PUSH_SHEET_H

#include "client/sheet.h"
#include "vacancy/v1/agency_service.pb-c.h"

extern const struct sheet push_sheet;
/* The columns, for the help of commands that read such a file. */
void push_sheet_help(FILE *out, unsigned width);

/* What a row asks for, besides the messages. */
enum row_vacancy {
    ROW_VACANCY_SILENT,  /* nothing said of a vacancy */
    ROW_VACANCY_OFFERED, /* PutVacancy */
    ROW_VACANCY_NONE,    /* WithdrawVacancy, if there is one */
};

/* The updates of one row; the messages live in the arena. */
struct push_row {
    const char *reference;
    bool with_carer, with_end; /* PutCarer; EndCarer, which stands alone */
    enum row_vacancy vacancy;
    Vacancy__V1__PutCarerRequest *put_carer;
    Vacancy__V1__EndCarerRequest *end_carer;
    Vacancy__V1__PutVacancyRequest *put_vacancy;
    Vacancy__V1__WithdrawVacancyRequest *withdraw_vacancy;
};

/* now_ms stands for an empty observed_at. False: complained of. */
bool push_row_read(const struct sheet_map *map, const struct csv_row *row, int64_t now_ms, struct arena *arena,
                   struct push_row *out, sheet_complaint complain, void *context) __attribute__((warn_unused_result));

#endif
