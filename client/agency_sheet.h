/*
 * agency_sheet.h - the CSV of `vacancy hub agencies --put`: one row an agency. The table is constant.
 */
#ifndef VACANCY_CLIENT_AGENCY_SHEET_H
#define VACANCY_CLIENT_AGENCY_SHEET_H

#include "client/sheet.h"

/* Its one root is a PutAgencyRequest. */
extern const struct sheet agency_sheet;

#endif
