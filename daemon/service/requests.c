/*
 * requests.c - see requests.h. On the call's worker; no state.
 */
#include "daemon/service/requests.h"

#include <stdio.h>
#include <stdlib.h>

bool call_identify(struct call *call, unsigned roles, struct principal *out)
{
    struct problem problem = {0};
    if (access_identify(call_context(call)->access, call_peer(call), roles, out, &problem) == ERR_NONE)
        return true;
    call_finish(call, &problem);
    return false;
}

void call_fail(struct call *call, enum err code, const char *field, const char *format, ...)
{
    struct problem problem;
    char text[PROBLEM_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    problem_set(&problem, code, field, "%s", text);
    call_finish(call, &problem);
}

void call_short_of_memory(struct call *call)
{
    call_fail(call, ERR_LIMIT, "", "this hub is short of memory; try again");
}

void *call_begin_state(struct call *call, size_t bytes)
{
    call->state = calloc(1, bytes);
    if (call->state == NULL)
        call_short_of_memory(call);
    return call->state;
}

void call_answer(struct call *call, const ProtobufCMessage *message)
{
    if (message == NULL) {
        call_fail(call, ERR_LIMIT, "", "the answer is larger than this hub gives; ask for less");
        return;
    }
    (void)call_send(call, message); /* the last: nobody waits for room after it */
    call_finish(call, NULL);
}

static bool trail_refuses(struct call *call)
{
    call_fail(call, ERR_UNAVAILABLE, "",
              "the audit trail can't be written, so nothing can be shown; the hub's operator sees why in its log");
    return false;
}

/* The piece of `shown` from subject `from` on. */
static struct audit_entry entry_from(struct call *call, const struct principal *who, const struct shown *shown,
                                     size_t from)
{
    size_t left = shown->subject_count - from;
    return (struct audit_entry){
        .at_ms = clock_wall_ms(call->clock),
        .principal = who->name,
        .method = call->method->path,
        .request_reference = shown->request_reference != NULL ? shown->request_reference : "",
        .purpose = shown->purpose,
        .forwarded_by = shown->forwarded_by,
        .asked_of = shown->asked_of,
        .code = shown->code,
        .subjects = shown->subjects == NULL ? NULL : shown->subjects + from,
        .subject_count = (uint32_t)(left < AUDIT_SUBJECTS_MAX ? left : AUDIT_SUBJECTS_MAX),
    };
}

/* Up to the last piece, or that too. *written: how far. */
static enum err record(struct call *call, const struct principal *who, const struct shown *shown, bool last_too,
                       size_t *written)
{
    enum err err = ERR_NONE;
    size_t left = shown->subject_count - *written;
    while (err == ERR_NONE && (left > AUDIT_SUBJECTS_MAX || last_too)) {
        struct audit_entry entry = entry_from(call, who, shown, *written);
        err = disclosure_record(call_context(call)->disclosures, &entry);
        *written += entry.subject_count;
        left = shown->subject_count - *written;
        if (left == 0)
            break;
    }
    return err;
}

enum err call_record(struct call *call, const struct principal *who, const struct shown *shown)
{
    size_t written = 0;
    return record(call, who, shown, true, &written);
}

bool call_disclose(struct call *call, const struct principal *who, const struct shown *shown)
{
    return call_record(call, who, shown) == ERR_NONE || trail_refuses(call);
}

bool call_gather(struct call *call, const struct principal *who, const struct shown *shown,
                 struct disclosure_batch **batch)
{
    size_t written = 0;
    enum err err = record(call, who, shown, false, &written);
    struct audit_entry last = entry_from(call, who, shown, written);
    if (err != ERR_NONE || disclosure_gather(call_context(call)->disclosures, &last, batch) != ERR_NONE) {
        *batch = NULL;
        return trail_refuses(call);
    }
    call_soon(call);
    return true;
}

bool call_disclosed(struct call *call, struct disclosure_batch *batch)
{
    return disclosure_await(call_context(call)->disclosures, batch) == ERR_NONE || trail_refuses(call);
}

void call_leave(struct call *call, struct disclosure_batch **batch)
{
    if (*batch != NULL)
        disclosure_leave(call_context(call)->disclosures, *batch);
    *batch = NULL;
}
