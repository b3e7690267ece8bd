/*
 * listing.c - see listing.h. On the call's worker; no state.
 */
#include "daemon/service/listing.h"

#include <stdlib.h>

void *listing_begin(struct call *call, unsigned roles, size_t bytes, size_t arena_bytes)
{
    struct principal who;
    if (!call_identify(call, roles, &who))
        return NULL;
    struct listing *listing = call_begin_state(call, bytes);
    if (listing == NULL)
        return NULL;
    listing->who = who;
    arena_init(&listing->arena, arena_bytes);
    return listing;
}

void listing_turn(struct call *call)
{
    struct listing *listing = call->state;
    if (listing->next == listing->count) {
        listing->next = listing->count = 0;
        if (!listing->source->load(call, listing))
            return;
    }
    while (listing->next < listing->count) {
        bool more;
        if (!listing->source->send(call, listing, listing->next, &more))
            return;
        listing->next++;
        arena_reset(&listing->arena);
        if (!more && !(listing->last && listing->next == listing->count))
            return; /* until writable */
    }
    if (listing->last)
        call_finish(call, NULL);
    else
        call_yield(call);
}

void listing_closed(struct call *call)
{
    struct listing *listing = call->state;
    if (listing == NULL)
        return;
    call->state = NULL;
    arena_finish(&listing->arena);
    free(listing);
}

bool listing_unreadable(struct call *call, enum err err)
{
    call_fail(call, err, "", "the register could not be read");
    return false;
}

bool listing_shown(struct call *call, const struct listing *listing, const uint64_t *subjects, size_t count)
{
    return count == 0 ||
           call_disclose(call, &listing->who, &(struct shown){.subjects = subjects, .subject_count = count});
}

bool listing_send(struct call *call, bool made, const char *what, const ProtobufCMessage *message, bool *more)
{
    if (!made) {
        call_fail(call, ERR_LIMIT, "", "%s's record is larger than this hub gives", what);
        return false;
    }
    *more = call_send(call, message);
    return true;
}
