/*
 * federation_views.h - what Follow and FetchSnapshot share: from the log readers' rows to messages, and who may call.
 * Private to daemon/service. Thread: the call's worker; no state.
 */
#ifndef VACANCY_SERVICE_FEDERATION_VIEWS_H
#define VACANCY_SERVICE_FEDERATION_VIEWS_H

#include "daemon/service/requests.h"
#include "vacancy/v1/federation_service.pb-c.h"

/* A slice, its messages and what is around them. */
#define SLICE_ARENA_BYTES (2u << 20)

/* A hub of another region of the roster; else ends the call and returns false. */
bool call_identify_hub(struct call *call, struct principal *out) __attribute__((warn_unused_result));
/* Whose log the region's is. */
const struct log_reader *reader_of(const struct service_context *ctx, const char *region);

/* Views into what they are given; NULL when the arena's limit is reached. */
Vacancy__V1__SignedCheckpoint *signed_checkpoint_view(const struct signed_checkpoint *checkpoint, struct arena *arena);
/* A slice's rows, and its checkpoint if it has one. */
Vacancy__V1__Batch *batch_view(const char *region, const struct log_slice *slice, struct arena *arena);
/* The cursor after the slice. */
void cursor_advance(struct log_cursor *cursor, const struct log_slice *slice);

#endif
