/*
 * hub_regions.c - HubService: ListRegions, what this hub has of each region and how old that is; Promote, the
 * operator's word that it may decide about its own. On the call's worker.
 */
#include "daemon/service/handlers.h"
#include "daemon/service/updates.h"
#include "daemon/service/views.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <stdlib.h>
#include <string.h>

/* --- ListRegions ----------------------------------------------------------------------------------------------- */

_Static_assert((int)STANDING_SUPERSEDED == (int)VACANCY__V1__STANDING__STANDING_SUPERSEDED &&
                   (int)STANDING_RESTORING == (int)VACANCY__V1__STANDING__STANDING_RESTORING &&
                   (int)STANDING_BEHIND == (int)VACANCY__V1__STANDING__STANDING_BEHIND &&
                   (int)FROZEN_UNPROVEN == (int)VACANCY__V1__FROZEN__FROZEN_UNPROVEN,
               "the register's standings and freezings are the contract's");

/* What links know, for as long as the answer is made. */
struct peers {
    size_t count;
    struct federation_peer list[ROSTER_REGIONS_MAX];
};

static struct peers *read_peers(const struct service_context *ctx, struct arena *arena)
{
    struct peers *peers = arena_zalloc(arena, sizeof *peers);
    if (peers != NULL && ctx->federation.federation != NULL)
        peers->count = federation_status(ctx->federation.federation, peers->list, ROSTER_REGIONS_MAX);
    return peers;
}

static bool view_checkpoint(const struct checkpoint *checkpoint, Vacancy__V1__Region *out, struct arena *arena)
{
    char *digest = arena_alloc(arena, DIGEST_HEX_SIZE);
    if (digest == NULL)
        return false;
    hex_encode(checkpoint->state, DIGEST_BYTES, digest);
    out->present = true;
    out->epoch = checkpoint->epoch;
    out->sequence = checkpoint->sequence;
    out->records = checkpoint->records;
    out->state_digest = digest;
    out->signed_at_ms = checkpoint->time_ms;
    return true;
}

/* Two statements that are not of one log, or not at one hub, as they were signed. */
static bool add_evidence(struct call *call, const struct signed_checkpoint *ours,
                         const struct signed_checkpoint *theirs, Vacancy__V1__Region *out)
{
    struct arena *arena = call->arena;
    const struct signed_checkpoint *sides[] = {ours, theirs};
    NEW_LIST(out->evidence, 2, false);
    for (size_t i = 0; i < 2; i++) {
        NEW_OR(Vacancy__V1__SignedCheckpoint, side, vacancy__v1__signed_checkpoint__init, false);
        side->text = (char *)sides[i]->text;
        side->signature = (ProtobufCBinaryData){SIGNATURE_BYTES, (uint8_t *)sides[i]->signature};
        out->evidence[out->n_evidence++] = side;
    }
    return true;
}

/* What this hub has, and for what it stands back. */
static bool view_own_evidence(struct call *call, Vacancy__V1__Region *out)
{
    struct home *home = call_context(call)->home;
    struct signed_checkpoint *sides = arena_alloc(call->arena, 2 * sizeof *sides);
    if (sides == NULL)
        return false;
    if (home_checkpoint(home, &sides[0]) != ERR_NONE || home_stands_back_for(home, &sides[1]) != ERR_NONE)
        return true;
    return add_evidence(call, &sides[0], &sides[1], out);
}

static bool view_home(struct call *call, bool with_evidence, Vacancy__V1__Region *out)
{
    const struct service_context *ctx = call_context(call);
    struct signed_checkpoint newest;
    out->home = true;
    out->standing = (Vacancy__V1__Standing)home_standing_now(ctx->home);
    if (home_checkpoint(ctx->home, &newest) == ERR_NONE && !view_checkpoint(&newest.checkpoint, out, call->arena))
        return false;
    return !with_evidence || view_own_evidence(call, out);
}

static void view_peer(const struct peers *peers, const char *region, Vacancy__V1__Region *out)
{
    for (size_t i = 0; i < peers->count; i++) {
        if (strcmp(peers->list[i].region, region) != 0)
            continue;
        out->from = (char *)peers->list[i].source;
        out->linked = peers->list[i].linked;
        out->replicated_sequence = peers->list[i].replicated_sequence;
    }
}

/* Both sides of a fork, as they were signed. */
static bool view_evidence(struct call *call, const char *region, Vacancy__V1__Region *out)
{
    struct arena *arena = call->arena;
    struct fork_evidence *evidence = arena_alloc(arena, sizeof *evidence);
    if (evidence == NULL)
        return false;
    if (replica_evidence(call_context(call)->replica, region, evidence) != ERR_NONE)
        return true;
    return add_evidence(call, &evidence->ours, &evidence->theirs, out);
}

static bool view_replica(struct call *call, const char *region, bool with_evidence, Vacancy__V1__Region *out)
{
    const struct service_context *ctx = call_context(call);
    struct replica_status *status = arena_alloc(call->arena, sizeof *status);
    if (status == NULL)
        return false;
    if (ctx->replica == NULL || replica_status(ctx->replica, region, status) != ERR_NONE)
        return true;
    out->frozen = (Vacancy__V1__Frozen)status->frozen;
    out->frozen_why = status->frozen_why;
    out->fetching_snapshot = status->staging;
    if (status->present) {
        int64_t stale_after_ms = ctx->stale_after_ms > 0 ? ctx->stale_after_ms : STALE_AFTER_DEFAULT_MS;
        if (!view_checkpoint(&status->checkpoint.checkpoint, out, call->arena))
            return false;
        out->age_ms =
            replica_age_ms(status, clock_wall_ms(call->clock), clock_boot_ms(call->clock), &out->clock_differs_ms);
        out->stale = out->age_ms > stale_after_ms;
    }
    return !with_evidence || status->frozen == FROZEN_NOT || view_evidence(call, region, out);
}

static Vacancy__V1__Region *region_view(struct call *call, const char *region, const struct peers *peers,
                                        bool with_evidence)
{
    struct arena *arena = call->arena;
    NEW(Vacancy__V1__Region, out, vacancy__v1__region__init);
    out->region = arena_copy_text(arena, region, strlen(region));
    if (out->region == NULL)
        return NULL;
    bool home = strcmp(region, call_context(call)->region) == 0;
    if (!home)
        view_peer(peers, region, out);
    bool fits = home ? view_home(call, with_evidence, out) : view_replica(call, region, with_evidence, out);
    return fits ? out : NULL;
}

static Vacancy__V1__ListRegionsResponse *regions_view(struct call *call, const struct roster *roster,
                                                      bool with_evidence)
{
    const struct service_context *ctx = call_context(call);
    struct arena *arena = call->arena;
    NEW(Vacancy__V1__ListRegionsResponse, out, vacancy__v1__list_regions_response__init);
    const struct peers *peers = read_peers(ctx, arena);
    size_t count = roster != NULL ? roster->region_count : 1;
    if (peers == NULL)
        return NULL;
    NEW_LIST(out->regions, count, NULL);
    for (size_t i = 0; i < count; i++) {
        const char *region = roster != NULL ? roster->regions[i].region : ctx->region;
        if ((out->regions[i] = region_view(call, region, peers, with_evidence)) == NULL)
            return NULL;
    }
    out->n_regions = count;
    out->roster_version = roster != NULL ? roster->version : 0;
    out->now_ms = clock_wall_ms(call->clock);
    return out;
}

static void list_regions(struct call *call, const ProtobufCMessage *message)
{
    struct principal who;
    (void)message;
    if (!call_identify(
            call, ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_AUDITOR) | ROLE_BIT(ROLE_TEAM) | ROLE_BIT(ROLE_AGENCY), &who))
        return;
    const struct roster *roster = access_roster(call_context(call)->access);
    bool with_evidence = who.role == ROLE_OPERATOR || who.role == ROLE_AUDITOR;
    Vacancy__V1__ListRegionsResponse *out = regions_view(call, roster, with_evidence);
    call_answer(call, out != NULL ? &out->base : NULL);
    roster_unref(roster);
}

const struct call_handler list_regions_handler = {.message = list_regions};

/* --- Promote --------------------------------------------------------------------------------------------------- */

/* Deciding in the same epoch would then be a fork. */
static bool is_behind(const struct peers *peers)
{
    for (size_t i = 0; i < peers->count; i++)
        if (peers->list[i].has_more)
            return true;
    return false;
}

static bool is_unasked(const struct peers *peers)
{
    for (size_t i = 0; i < peers->count; i++)
        if (!peers->list[i].answered)
            return true;
    return false;
}

static void promote(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__PromoteRequest *in = (const Vacancy__V1__PromoteRequest *)message;
    struct principal who;
    if (!call_identify(call, ROLE_BIT(ROLE_OPERATOR), &who))
        return;
    const struct peers *peers = read_peers(call_context(call), call->arena);
    struct update *update = peers != NULL ? update_create(UPDATE_PROMOTE) : NULL;
    if (update == NULL) {
        call_short_of_memory(call);
        return;
    }
    memcpy(update->principal, who.name, sizeof update->principal);
    update->method = call->method->path;
    update->expires_boot_ms = call->deadline_boot_ms;
    update->as.promote.accept_loss = in->accept_loss;
    update->as.promote.new_epoch = in->new_epoch;
    update->as.promote.behind = is_behind(peers);
    update->as.promote.unasked = is_unasked(peers);
    if (update_send(call, update) != ERR_NONE) {
        update_destroy(update);
        call_fail(call, ERR_UNAVAILABLE, "", "too many updates are waiting at this hub; try again");
    }
}

/* Whom nobody asked: they may have entries of this region that are lost now. */
static bool view_not_asked(struct call *call, Vacancy__V1__PromoteResponse *out)
{
    struct arena *arena = call->arena;
    const struct peers *peers = read_peers(call_context(call), arena);
    if (peers == NULL)
        return false;
    NEW_LIST(out->not_asked, peers->count, false);
    for (size_t i = 0; i < peers->count; i++)
        if (!peers->list[i].answered)
            out->not_asked[out->n_not_asked++] = (char *)peers->list[i].region;
    return true;
}

static Vacancy__V1__PromoteResponse *promoted_view(struct call *call, const struct update *update)
{
    struct arena *arena = call->arena;
    struct signed_checkpoint newest;
    NEW(Vacancy__V1__PromoteResponse, out, vacancy__v1__promote_response__init);
    char *id = arena_alloc(arena, 2 * EPOCH_ID_BYTES + 1);
    if (id == NULL || !view_not_asked(call, out))
        return NULL;
    out->epoch = update->result.epoch;
    out->sequence = update->result.sequence;
    if (home_checkpoint(call_context(call)->home, &newest) == ERR_NONE) {
        hex_encode(newest.checkpoint.epoch_id, EPOCH_ID_BYTES, id);
        out->epoch_id = id;
    }
    return out;
}

static void promote_resumed(struct call *call, const struct mail *mail)
{
    struct update *update = mail->payload;
    if (update->result.problem.code != ERR_NONE) {
        call_finish(call, &update->result.problem);
    } else {
        Vacancy__V1__PromoteResponse *out = promoted_view(call, update);
        call_answer(call, out != NULL ? &out->base : NULL);
    }
    update_destroy(update);
}

const struct call_handler promote_handler = {
    .message = promote, .resumed = promote_resumed, .orphaned = write_orphaned};
