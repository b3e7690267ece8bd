/*
 * handlers.h - the handlers of each file in this folder, for service.c's table. Private to daemon/service.
 */
#ifndef VACANCY_SERVICE_HANDLERS_H
#define VACANCY_SERVICE_HANDLERS_H

#include "daemon/rpc/call.h"

/* agency_put.c */
extern const struct call_handler put_carer_handler, end_carer_handler, put_vacancy_handler, withdraw_vacancy_handler;
/* agency_erase.c */
extern const struct call_handler erase_carer_handler;
/* agency_confirm.c */
extern const struct call_handler confirm_vacancies_handler;
/* agency_read.c */
extern const struct call_handler get_carer_handler, list_carers_handler, list_vacancies_handler;
/* agency_submit.c */
extern const struct call_handler submit_handler;
/* agency_hold.c */
extern const struct call_handler accept_hold_handler, decline_hold_handler, agency_list_holds_handler;
/* agency_transfer.c */
extern const struct call_handler release_carer_handler, take_over_carer_handler;
/* agency_history.c */
extern const struct call_handler get_history_handler;
/* agency_watch.c */
extern const struct call_handler watch_agency_handler;
/* placement.c */
extern const struct call_handler find_vacancies_handler;
/* placement_explain.c */
extern const struct call_handler explain_vacancy_handler;
/* placement_watch.c */
extern const struct call_handler watch_vacancies_handler;
/* placement_hold.c */
extern const struct call_handler hold_vacancy_handler, extend_hold_handler, release_hold_handler, place_child_handler,
    report_unavailable_handler;
/* placement_get_hold.c */
extern const struct call_handler get_hold_handler;
/* placement_holds.c */
extern const struct call_handler list_holds_handler;
/* hub.c */
extern const struct call_handler put_agency_handler, list_agencies_handler, suspend_principal_handler,
    get_status_handler;
/* hub_backup.c */
extern const struct call_handler backup_handler;
/* hub_audit.c */
extern const struct call_handler read_audit_handler;
/* hub_regions.c */
extern const struct call_handler list_regions_handler, promote_handler;
/* hub_regions_verify.c */
extern const struct call_handler verify_handler;
/* federation.c */
extern const struct call_handler follow_handler;
/* federation_forward.c */
extern const struct call_handler forward_handler;
/* federation_snapshot.c */
extern const struct call_handler fetch_snapshot_handler;

#endif
