/*
 * agency_sheet.c - see agency_sheet.h. Owns no state.
 */
#include "client/agency_sheet.h"

#include "vacancy/v1/hub_service.pb-c.h"

#define AGENCY "put_agency.agency."

static const struct sheet_column columns[] = {
    {"id",
     {AGENCY "id"},
     .accepts = "a-z, 0-9 and hyphens, at most 40 characters",
     .required = true,
     .help = "the agency's id, as in its certificates"},
    {"name", {AGENCY "name"}, .accepts = "at most 120 characters", .required = true, .help = "its name"},
    {"kind", {AGENCY "kind"}, .required = true, .help = "who runs it"},
    {"ofsted_urn",
     {AGENCY "ofsted_urn"},
     .accepts = "SC and six digits, or seven digits",
     .help = "Ofsted's number; empty for a council"},
    {"ofsted_rating", {AGENCY "ofsted_rating"}, .help = "Ofsted's judgement; empty: none, or not known"},
    {"phone", {AGENCY "phone"}, .accepts = "at most 40 characters", .help = "telephone for placements"},
    {"email", {AGENCY "email"}, .accepts = "at most 120 characters", .help = "e-mail for placements"},
    {"out_of_hours_phone",
     {AGENCY "out_of_hours_phone"},
     .accepts = "at most 40 characters",
     .help = "telephone outside office hours"},
    {"authority",
     {AGENCY "authority"},
     .accepts = "a GSS code, as E08000035",
     .help = "of a council; empty for an independent agency"},
    {"frameworks",
     {AGENCY "frameworks"},
     CELL_PARTS,
     "framework:tier",
     "groups with ; between, each framework:tier 1-9, as E08000035:2",
     "framework agreements that it is on",
     false},
    {"status", {AGENCY "status"}, .help = "empty: ACTIVE"},
};

const struct sheet agency_sheet = {
    .columns = columns,
    .count = sizeof columns / sizeof columns[0],
    .roots = {{"put_agency", &vacancy__v1__put_agency_request__descriptor}},
    .root_count = 1,
};
