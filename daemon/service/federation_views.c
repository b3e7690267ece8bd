/* federation_views.c - see federation_views.h. */
#include "daemon/service/federation_views.h"

#include "daemon/service/views.h"

#include <string.h>

bool call_identify_hub(struct call *call, struct principal *out)
{
    const struct service_context *ctx = call_context(call);
    if (!call_identify(call, ROLE_BIT(ROLE_HUB), out))
        return false;
    if (ctx->federation.wakes == NULL)
        call_fail(call, ERR_UNAVAILABLE, "", "this hub has no roster, so it serves no other hub");
    else if (strcmp(out->region, ctx->region) == 0)
        call_fail(call, ERR_FORBIDDEN, "", "this is the hub of that region itself: a region has one hub");
    else
        return true;
    return false;
}

const struct log_reader *reader_of(const struct service_context *ctx, const char *region)
{
    return strcmp(region, ctx->region) == 0 ? &ctx->federation.home_log : &ctx->federation.replica_log;
}

Vacancy__V1__SignedCheckpoint *signed_checkpoint_view(const struct signed_checkpoint *checkpoint, struct arena *arena)
{
    NEW(Vacancy__V1__SignedCheckpoint, out, vacancy__v1__signed_checkpoint__init);
    out->text = (char *)checkpoint->text;
    out->signature = (ProtobufCBinaryData){SIGNATURE_BYTES, (uint8_t *)checkpoint->signature};
    return out;
}

static ProtobufCBinaryData bytes_view(const struct octets *octets)
{
    return (ProtobufCBinaryData){octets->size, (uint8_t *)octets->data};
}

Vacancy__V1__Batch *batch_view(const char *region, const struct log_slice *slice, struct arena *arena)
{
    NEW(Vacancy__V1__Batch, out, vacancy__v1__batch__init);
    out->region = (char *)region;
    NEW_LIST(out->entries, slice->count, NULL);
    out->n_entries = slice->count;
    for (size_t i = 0; i < slice->count; i++) {
        NEW(Vacancy__V1__Entry, entry, vacancy__v1__entry__init);
        entry->header = bytes_view(&slice->rows[i].header);
        entry->salt = bytes_view(&slice->rows[i].salt);
        entry->payload = bytes_view(&slice->rows[i].payload);
        out->entries[i] = entry;
    }
    if (slice->has_checkpoint && (out->checkpoint = signed_checkpoint_view(&slice->checkpoint, arena)) == NULL)
        return NULL;
    return out;
}

void cursor_advance(struct log_cursor *cursor, const struct log_slice *slice)
{
    if (slice->count == 0)
        return;
    cursor->sequence += slice->count;
    log_header_hash(slice->rows[slice->count - 1].header.data, cursor->head);
}
