/*
 * updates.h - from a write's request to an update, and from its result to the answer. Private to daemon/service.
 *
 * Owns: what all writes share (who, request id, content hash, deadline, the way to the writer and back), and the types
 * of writes as rows: a new one is a struct update_type in its file.
 * Thread: the call's worker. Invariant: an update is in one place: here, at the writer, or in the reply's mail.
 */
#ifndef VACANCY_SERVICE_UPDATES_H
#define VACANCY_SERVICE_UPDATES_H

#include "daemon/service/requests.h"
#include "vacancy/v1/agency_service.pb-c.h"

struct update_type {
    enum update_kind kind;
    const char *method; /* the unary method's path, also for updates that come by Submit */
    unsigned roles;
    size_t request_id_offset; /* of the request's request_id; 0: it has none */
    size_t wait_for_offset;   /* of its wait_for; 0: it has none */
    /* Checks the request and fills update->as and what is the kind's own. */
    enum err (*fill)(const struct service_context *ctx, const struct principal *who, const ProtobufCMessage *request,
                     int64_t now_ms, struct update *update, struct problem *problem);
    /* NULL: every request is for this hub's region. Else whose hub decides it, of a request that `fill` took. */
    void (*region)(const struct service_context *ctx, const struct principal *who, const ProtobufCMessage *request,
                   char out[GSS_BYTES]);
    const char *region_field; /* the field that says so */
    /* The unary answer of an update that was done, in the arena, with views into the update; NULL when the arena's
     * limit is reached. */
    ProtobufCMessage *(*reply)(const struct service_context *ctx, const struct update *update, struct arena *arena);
};

extern const struct update_type put_carer_type, end_carer_type, put_vacancy_type, withdraw_vacancy_type;
/* Of holds (placement_hold.c, agency_hold.c); settle_hold_type: of a GetHold with request_id. For a team that another
 * hub vouches for, update->as.hold.forwarded_by is the caller's to fill in. */
extern const struct update_type hold_vacancy_type, extend_hold_type, release_hold_type, place_child_type,
    report_unavailable_type, settle_hold_type, accept_hold_type, decline_hold_type;
/* Of a carer that another hub's agency takes over (agency_transfer.c): as.transfer.to_region is the caller's likewise.
 */
extern const struct update_type let_go_type;

/*
 * An update made of the request; if the request is refused, result.problem says why and the update must not be
 * submitted. What another region's hub decides is refused with ERR_PRECONDITION, so that nothing is decided, or
 * forwarded twice, by a wrong one (V10, V11). NULL when out of memory. Freed by update_destroy.
 */
struct update *update_make(struct call *call, const struct update_type *type, const struct principal *who,
                           const ProtobufCMessage *request) __attribute__((warn_unused_result));
/* The same but for the region: the request checked, to be submitted only where its region is this hub's. */
struct update *update_read(struct call *call, const struct update_type *type, const struct principal *who,
                           const ProtobufCMessage *request) __attribute__((warn_unused_result));
/* The update as it was made or read; NULL: memory was short or it is refused, and the call was ended with that. */
struct update *update_or_end(struct call *call, struct update *made) __attribute__((warn_unused_result));
/* Reserves the reply's place and submits. ERR_LIMIT: no room now, try again; on every error the update stays here. */
enum err update_send(struct call *call, struct update *update) __attribute__((warn_unused_result));
/* An agency can't tell a carer that it doesn't have from one that another agency has. */
void update_hide_unknown(struct update *update);

/* How durable what was done is; of a receipt. */
Vacancy__V1__Durability durability_view(const struct update *update);
Vacancy__V1__Receipt *receipt_view(const struct update *update, struct arena *arena);

/* The whole of a unary write's handler: */
void write_message(struct call *call, const struct update_type *type, const ProtobufCMessage *request);
void write_resumed(struct call *call, const struct mail *mail);
void write_orphaned(const struct mail *mail);

#endif
