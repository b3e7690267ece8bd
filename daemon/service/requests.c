/*
 * requests.c - see requests.h. On the call's worker; no state.
 */
#include "daemon/service/requests.h"

#include <stdio.h>

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

void call_answer(struct call *call, const ProtobufCMessage *message)
{
    if (message == NULL) {
        call_fail(call, ERR_LIMIT, "", "the answer is larger than this hub gives; ask for less");
        return;
    }
    (void)call_send(call, message); /* the last: nobody waits for room after it */
    call_finish(call, NULL);
}

bool call_disclose(struct call *call, const struct principal *who, const struct shown *shown)
{
    size_t written = 0;
    do {
        size_t left = shown->subject_count - written;
        struct audit_entry entry = {
            .at_ms = clock_wall_ms(call->clock),
            .principal = who->name,
            .method = call->method->path,
            .request_reference = shown->request_reference != NULL ? shown->request_reference : "",
            .purpose = shown->purpose,
            .forwarded_by = shown->forwarded_by,
            .subjects = shown->subjects == NULL ? NULL : shown->subjects + written,
            .subject_count = (uint32_t)(left < AUDIT_SUBJECTS_MAX ? left : AUDIT_SUBJECTS_MAX),
        };
        if (disclosure_record(call_context(call)->disclosures, &entry) != ERR_NONE) {
            call_fail(call, ERR_UNAVAILABLE, "",
                      "the audit trail can't be written, so nothing can be shown; "
                      "the hub's operator sees why in its log");
            return false;
        }
        written += entry.subject_count;
    } while (written < shown->subject_count);
    return true;
}
