/*
 * check.h - field by field checks of what came from outside. Private to daemon/service.
 *
 * Owns: paths of fields, and the checks that many messages share. Each refusal names the field and says what would be
 * accepted, and never repeats a postcode, a reference or other personal data (design 4.10).
 * Thread: any; no state.
 */
#ifndef VACANCY_SERVICE_CHECK_H
#define VACANCY_SERVICE_CHECK_H

#include "daemon/gazetteer/gazetteer.h"
#include "daemon/record/carer.h"
#include "daemon/record/ids.h"

/* Where a field stands: "carer.placed_children[2]". Lives on the stack of whoever checks; written out only on error. */
struct path {
    const struct path *up; /* NULL: the request itself */
    const char *name;
    int index; /* -1: not repeated */
};

/* "carer.placed_children[2].sex"; at NULL: "sex"; name NULL: the path itself. */
void path_text(const struct path *at, const char *name, char out[PROBLEM_FIELD_BYTES]);
/* Fills *problem and returns ERR_INVALID. */
enum err wrong(struct problem *problem, const struct path *at, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* min <= value <= max. `what` names the unit in the text ("beds"). */
enum err check_range(struct problem *problem, const struct path *at, const char *name, uint32_t value, uint32_t min,
                     uint32_t max, const char *what) __attribute__((warn_unused_result));
/* A code of `list` (its proto name) below `end`; 0 only unless required. */
enum err check_code(struct problem *problem, const struct path *at, const char *name, int value, int end, bool required,
                    const char *list, uint8_t *out) __attribute__((warn_unused_result));
/* Codes of `list`, none 0, none twice, as a mask. */
enum err check_mask(struct problem *problem, const struct path *at, const char *name, const void *codes, size_t count,
                    int end, const char *list, uint32_t *out) __attribute__((warn_unused_result));
/* An agency's own reference: printable ASCII, 1 to 64. */
enum err check_reference(struct problem *problem, const struct path *at, const char *name, const char *text,
                         char out[AGENCY_REFERENCE_BYTES]) __attribute__((warn_unused_result));
/* "YYYY-MM-DD"; empty gives DATE_NONE unless required. */
enum err check_date(struct problem *problem, const struct path *at, const char *name, const char *text, bool required,
                    date_days *out) __attribute__((warn_unused_result));
/* observed_at_ms: given, not before 2000, at most 5 minutes ahead of now. */
enum err check_observed(struct problem *problem, const struct path *at, int64_t value, int64_t now_ms)
    __attribute__((warn_unused_result));
/* A GSS code of a local authority: in England one of today's; a replaced one is told its successor. */
enum err check_authority(struct problem *problem, const struct gazetteer *gazetteer, const struct path *at,
                         const char *name, const char *text, char out[GSS_BYTES]) __attribute__((warn_unused_result));
/* Plain text (V13) of at most max_bytes octets. */
enum err check_text(struct problem *problem, const struct path *at, const char *name, const char *text,
                    size_t max_bytes, bool required, char *out) __attribute__((warn_unused_result));
/* A UUIDv7, or empty: *given says which. One older than 7 days, or made more than 5 minutes ahead, is refused. */
enum err check_request_id(struct problem *problem, const char *text, int64_t now_ms, bool *given,
                          uint8_t out[REQUEST_ID_BYTES]) __attribute__((warn_unused_result));

#endif
