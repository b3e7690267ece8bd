/*
 * service.c - the method table. A new method is one row here and one handler in its file.
 * Any thread; constant.
 */
#include "daemon/service/service.h"

#include "daemon/service/handlers.h"
#include "vacancy/v1/agency_service.pb-c.h"
#include "vacancy/v1/federation_service.pb-c.h"
#include "vacancy/v1/hub_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

#define METHOD(service, name, kind_, message, handler_)                                                                \
    {                                                                                                                  \
        .path = "/vacancy.v1." service "/" name, .kind = (kind_),                                                      \
        .request = &vacancy__v1__##message##_request__descriptor,                                                      \
        .response = &vacancy__v1__##message##_response__descriptor, .handler = &(handler_)                             \
    }

static const struct rpc_method methods[] = {
    METHOD("AgencyService", "PutCarer", CALL_UNARY, put_carer, put_carer_handler),
    METHOD("AgencyService", "EndCarer", CALL_UNARY, end_carer, end_carer_handler),
    METHOD("AgencyService", "EraseCarer", CALL_UNARY, erase_carer, erase_carer_handler),
    METHOD("AgencyService", "GetCarer", CALL_UNARY, get_carer, get_carer_handler),
    METHOD("AgencyService", "ListCarers", CALL_SERVER_STREAM, list_carers, list_carers_handler),
    METHOD("AgencyService", "PutVacancy", CALL_UNARY, put_vacancy, put_vacancy_handler),
    METHOD("AgencyService", "ConfirmVacancies", CALL_UNARY, confirm_vacancies, confirm_vacancies_handler),
    METHOD("AgencyService", "WithdrawVacancy", CALL_UNARY, withdraw_vacancy, withdraw_vacancy_handler),
    METHOD("AgencyService", "ListVacancies", CALL_SERVER_STREAM, list_vacancies, list_vacancies_handler),
    METHOD("AgencyService", "Submit", CALL_BIDI, submit, submit_handler),
    METHOD("AgencyService", "AcceptHold", CALL_UNARY, accept_hold, accept_hold_handler),
    METHOD("AgencyService", "DeclineHold", CALL_UNARY, decline_hold, decline_hold_handler),
    METHOD("AgencyService", "ListHolds", CALL_SERVER_STREAM, agency_service_list_holds, agency_list_holds_handler),
    METHOD("AgencyService", "ReleaseCarer", CALL_UNARY, release_carer, release_carer_handler),
    METHOD("AgencyService", "TakeOverCarer", CALL_UNARY, take_over_carer, take_over_carer_handler),
    METHOD("AgencyService", "GetHistory", CALL_SERVER_STREAM, get_history, get_history_handler),
    METHOD("AgencyService", "WatchAgency", CALL_SERVER_STREAM, watch_agency, watch_agency_handler),
    METHOD("PlacementService", "FindVacancies", CALL_UNARY, find_vacancies, find_vacancies_handler),
    METHOD("PlacementService", "ExplainVacancy", CALL_UNARY, explain_vacancy, explain_vacancy_handler),
    METHOD("PlacementService", "WatchVacancies", CALL_SERVER_STREAM, watch_vacancies, watch_vacancies_handler),
    METHOD("PlacementService", "HoldVacancy", CALL_UNARY, hold_vacancy, hold_vacancy_handler),
    METHOD("PlacementService", "ExtendHold", CALL_UNARY, extend_hold, extend_hold_handler),
    METHOD("PlacementService", "ReleaseHold", CALL_UNARY, release_hold, release_hold_handler),
    METHOD("PlacementService", "PlaceChild", CALL_UNARY, place_child, place_child_handler),
    METHOD("PlacementService", "GetHold", CALL_UNARY, get_hold, get_hold_handler),
    METHOD("PlacementService", "ListHolds", CALL_SERVER_STREAM, list_holds, list_holds_handler),
    METHOD("PlacementService", "ReportUnavailable", CALL_UNARY, report_unavailable, report_unavailable_handler),
    METHOD("FederationService", "Follow", CALL_BIDI, follow, follow_handler),
    METHOD("FederationService", "Forward", CALL_UNARY, forward, forward_handler),
    METHOD("FederationService", "FetchSnapshot", CALL_SERVER_STREAM, fetch_snapshot, fetch_snapshot_handler),
    METHOD("HubService", "PutAgency", CALL_UNARY, put_agency, put_agency_handler),
    METHOD("HubService", "ListAgencies", CALL_SERVER_STREAM, list_agencies, list_agencies_handler),
    METHOD("HubService", "SuspendPrincipal", CALL_UNARY, suspend_principal, suspend_principal_handler),
    METHOD("HubService", "GetStatus", CALL_UNARY, get_status, get_status_handler),
    METHOD("HubService", "Backup", CALL_SERVER_STREAM, backup, backup_handler),
    METHOD("HubService", "ReadAudit", CALL_SERVER_STREAM, read_audit, read_audit_handler),
    METHOD("HubService", "ListRegions", CALL_UNARY, list_regions, list_regions_handler),
    METHOD("HubService", "Verify", CALL_SERVER_STREAM, verify, verify_handler),
    METHOD("HubService", "Promote", CALL_UNARY, promote, promote_handler),
};

const struct rpc_method *service_methods(size_t *count)
{
    *count = sizeof methods / sizeof methods[0];
    return methods;
}
