/*
 * hub_regions_verify.c - HubService: Verify, region by region on the verifier's thread.
 * On the call's worker. Invariant: a call that has taken the verifier gives it back when it is over.
 */
#include "daemon/base/text.h"
#include "daemon/service/handlers.h"
#include "daemon/service/requests.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <stdlib.h>
#include <string.h>

struct verify {
    bool full, waiting; /* the client takes no more for now; a job is under way */
    uint32_t next, count;
    char regions[ROSTER_REGIONS_MAX + 1][GSS_BYTES];
};

static void next_region(struct call *call)
{
    struct verify *verify = call->state;
    struct reply_address reply;
    if (verify->full || verify->waiting)
        return;
    if (verify->next == verify->count) {
        call_finish(call, NULL);
        return;
    }
    enum err err = call_reserve_reply(call, &reply);
    if (err == ERR_NONE) {
        err = verifier_submit(call_context(call)->verifier, verify->regions[verify->next], &reply);
        if (err != ERR_NONE)
            call_unreserve_reply(call);
    }
    if (err != ERR_NONE) {
        call_fail(call, ERR_UNAVAILABLE, "", "this hub has too much to do now; try again");
        return;
    }
    verify->next++;
    verify->waiting = true;
}

static void verify_resumed(struct call *call, const struct mail *mail)
{
    struct verify *verify = call->state;
    struct verified *verified = mail->payload;
    char state[DIGEST_HEX_SIZE], signed_state[DIGEST_HEX_SIZE];
    Vacancy__V1__VerifyResponse out = VACANCY__V1__VERIFY_RESPONSE__INIT;
    hex_encode(verified->state, DIGEST_BYTES, state);
    hex_encode(verified->signed_state, DIGEST_BYTES, signed_state);
    out.region = verified->region;
    out.equal = verified->equal;
    out.sequence = verified->sequence;
    out.records = verified->records;
    out.state_digest = verified->equal ? state : (char *)"";
    out.signed_digest = verified->problem.code == ERR_NOT_FOUND ? (char *)"" : signed_state;
    out.problem = verified->problem.text;
    if (verified->equal)
        out.problem = (char *)"";
    verify->waiting = false;
    verify->full = !call_send(call, &out.base);
    free(verified);
    next_region(call);
}

static void verify_writable(struct call *call)
{
    ((struct verify *)call->state)->full = false;
    next_region(call);
}

static void verify_orphaned(const struct mail *mail)
{
    free(mail->payload);
}

static void add_region(struct verify *verify, const char *region)
{
    memcpy(verify->regions[verify->count++], region, GSS_BYTES);
}

/* All of the roster, of which our own is one; without a roster only ours. */
static void add_regions(struct call *call, const char *only)
{
    const struct service_context *ctx = call_context(call);
    struct verify *verify = call->state;
    const struct roster *roster = access_roster(ctx->access);
    if (only[0] != '\0')
        add_region(verify, only);
    else if (roster == NULL)
        add_region(verify, ctx->region);
    else
        for (uint32_t i = 0; i < roster->region_count; i++)
            add_region(verify, roster->regions[i].region);
    roster_unref(roster);
}

static void verify_message(struct call *call, const ProtobufCMessage *message)
{
    const Vacancy__V1__VerifyRequest *in = (const Vacancy__V1__VerifyRequest *)message;
    struct verifier *verifier = call_context(call)->verifier;
    struct principal who;
    if (!call_identify(call, ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_AUDITOR), &who))
        return;
    if (in->region[0] != '\0' && !text_is_gss_code(in->region)) {
        call_fail(call, ERR_INVALID, "region", "no GSS code of a region; empty for all");
        return;
    }
    if (verifier == NULL || verifier_take(verifier) != ERR_NONE) {
        call_fail(call, ERR_LIMIT, "", "another verification is running: it reads every record; try again later");
        return;
    }
    struct verify *verify = calloc(1, sizeof *verify);
    if (verify == NULL) {
        verifier_release(verifier);
        call_short_of_memory(call);
        return;
    }
    call->state = verify;
    add_regions(call, in->region);
    next_region(call);
}

static void verify_closed(struct call *call)
{
    if (call->state == NULL)
        return;
    free(call->state);
    call->state = NULL;
    verifier_release(call_context(call)->verifier);
}

const struct call_handler verify_handler = {.message = verify_message,
                                            .resumed = verify_resumed,
                                            .orphaned = verify_orphaned,
                                            .writable = verify_writable,
                                            .closed = verify_closed};
