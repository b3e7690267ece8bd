/*
 * hub_backup.c - HubService: Backup, a copy of this hub's own region as a tar archive.
 *
 * The copy is made by register's thread for it (backup.h); the call waits for that without holding its worker, then
 * sends the archive piece by piece, as the client takes it. That it was asked for is on the trail before it begins.
 * On the call's worker. Invariant: the copy is removed when the call ends, in whatever way.
 */
#include "daemon/base/log.h"
#include "daemon/service/handlers.h"
#include "daemon/service/requests.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <stdlib.h>

#define PIECE_BYTES ((size_t)256 * 1024)

struct sending {
    struct backup *backup;
    struct digest_stream *sum;
    uint8_t *piece; /* PIECE_BYTES */
};

/* The next piece; the one after the last octets has their sum. */
static void send_piece(struct call *call)
{
    struct sending *sending = call->state;
    Vacancy__V1__BackupResponse out = VACANCY__V1__BACKUP_RESPONSE__INIT;
    uint8_t sum[DIGEST_BYTES];
    char hex[DIGEST_HEX_SIZE];
    size_t got;
    enum err err = backup_read(sending->backup, sending->piece, PIECE_BYTES, &got);
    if (err != ERR_NONE) {
        log_error("service", "the backup's own copy can't be read: %s", err_name(err));
        call_fail(call, err, "", "the copy can't be read; the hub's operator sees why in its log");
        return;
    }
    if (got == 0) {
        digest_stream_finish(sending->sum, sum);
        sending->sum = NULL;
        hex_encode(sum, sizeof sum, hex);
        out.sha256 = hex;
        call_answer(call, &out.base);
        return;
    }
    digest_stream_add(sending->sum, sending->piece, got);
    out.octets = (ProtobufCBinaryData){got, sending->piece};
    if (call_send(call, &out.base))
        call_yield(call);
}

static void backup_made(struct call *call, const struct mail *mail)
{
    struct backup *backup = mail->payload;
    struct problem problem;
    if (backup_outcome(backup, &problem) != ERR_NONE) {
        backup_destroy(backup);
        call_finish(call, &problem);
        return;
    }
    struct sending *sending = calloc(1, sizeof *sending);
    uint8_t *piece = malloc(PIECE_BYTES);
    if (sending == NULL || piece == NULL) {
        free(sending);
        free(piece);
        backup_destroy(backup);
        call_short_of_memory(call);
        return;
    }
    *sending = (struct sending){.backup = backup, .sum = digest_stream_create(), .piece = piece};
    call->state = sending;
    send_piece(call);
}

static void backup_unwanted(const struct mail *mail)
{
    backup_destroy(mail->payload);
}

static void begin_backup(struct call *call, const ProtobufCMessage *message)
{
    (void)message;
    struct service_context *ctx = call_context(call);
    struct principal who;
    struct signed_head head;
    struct reply_address reply;
    if (!call_identify(call, ROLE_BIT(ROLE_OPERATOR), &who))
        return;
    if (ctx->backups == NULL) {
        call_fail(call, ERR_UNIMPLEMENTED, "", "this hub keeps nothing on disk that could be backed up");
        return;
    }
    if (!call_disclose(call, &who, &(struct shown){0}))
        return;
    /* So that the copy's heads cover what has been shown so far. */
    if (disclosures_last_head(ctx->disclosures, &head) != ERR_NONE) {
        call_fail(call, ERR_UNAVAILABLE, "",
                  "the audit trail's head can't be signed now; the hub's operator sees why in its log");
        return;
    }
    enum err err = call_reserve_reply(call, &reply);
    if (err == ERR_NONE) {
        err = backups_begin(ctx->backups, &reply);
        if (err != ERR_NONE)
            call_unreserve_reply(call);
    }
    if (err != ERR_NONE)
        call_fail(call, ERR_LIMIT, "", "a backup of this hub is already under way; try again when it is done");
}

static void backup_closed(struct call *call)
{
    struct sending *sending = call->state;
    if (sending == NULL)
        return;
    call->state = NULL;
    backup_destroy(sending->backup);
    if (sending->sum != NULL)
        digest_stream_finish(sending->sum, NULL);
    free(sending->piece);
    free(sending);
}

const struct call_handler backup_handler = {.message = begin_backup,
                                            .resumed = backup_made,
                                            .orphaned = backup_unwanted,
                                            .writable = send_piece,
                                            .closed = backup_closed};
