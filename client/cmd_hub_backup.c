/*
 * cmd_hub_backup.c - vacancy hub backup: a hub's own region into a file.
 *
 * Owns: FILE.partial until it is proven whole and renamed. The client's one thread.
 * Invariant: FILE is either what it was, or a whole backup whose SHA-256 the hub said, on disk.
 */
#include "client/command.h"
#include "client/memory.h"
#include "daemon/base/digest.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS (10 * 60 * 1000) /* the hub copies its store before it sends the first octet */

struct backup {
    struct cli *cli;
    int fd;
    int error; /* errno of what can't be written; 0: none */
    struct digest_stream *digest;
    char said[DIGEST_HEX_SIZE]; /* "": the hub has not said it */
    uint64_t bytes;
    struct progress progress;
};

static bool write_all(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t put = write(fd, data, bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        data += put;
        bytes -= (size_t)put;
    }
    return true;
}

static bool on_piece(void *context, const ProtobufCMessage *message)
{
    struct backup *backup = context;
    const Vacancy__V1__BackupResponse *piece = (const Vacancy__V1__BackupResponse *)message;
    if (!write_all(backup->fd, piece->octets.data, piece->octets.len)) {
        backup->error = errno;
        return false;
    }
    digest_stream_add(backup->digest, piece->octets.data, piece->octets.len);
    backup->bytes += piece->octets.len;
    if (piece->sha256[0] != '\0')
        snprintf(backup->said, sizeof backup->said, "%s", piece->sha256);
    progress_show(&backup->progress, -1, backup->bytes);
    return true;
}

static bool sync_folder_of(const char *path)
{
    char *copy = must_copy(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    free(copy);
    return done;
}

static enum exit_code cant_write(struct cli *cli, const char *path, int error)
{
    cli_say(cli, "%s can't be written: %s; no backup was made", path, strerror(error));
    return EXIT_USAGE;
}

/* The octets are in the file. */
static enum exit_code prove(struct backup *backup)
{
    uint8_t sum[DIGEST_BYTES];
    char found[DIGEST_HEX_SIZE];
    digest_stream_finish(backup->digest, sum);
    backup->digest = NULL;
    hex_encode(sum, sizeof sum, found);
    if (strcmp(found, backup->said) == 0)
        return EXIT_DONE;
    if (backup->said[0] == '\0')
        cli_say(backup->cli, "the hub stopped before the end of the backup; nothing was kept");
    else
        cli_say(backup->cli, "NOT VERIFIED: what arrived has another SHA-256 than the hub says; nothing was kept");
    return EXIT_UNVERIFIED;
}

static enum exit_code fetch(struct backup *backup)
{
    Vacancy__V1__BackupRequest request = VACANCY__V1__BACKUP_REQUEST__INIT;
    struct problem problem = {0};
    progress_begin(&backup->progress, "backing up, bytes", backup->cli->err);
    enum err err = link_slow_stream(backup->cli->link, "/vacancy.v1.HubService/Backup", &request.base,
                                    &vacancy__v1__backup_response__descriptor, PATIENCE_MS, on_piece, backup, &problem);
    progress_end(&backup->progress);
    if (err != ERR_NONE)
        return cli_failed(backup->cli, &problem);
    return backup->error ? EXIT_USAGE : prove(backup);
}

static enum exit_code back_up_to(struct cli *cli, const char *path, const char *partial)
{
    struct backup backup = {.cli = cli};
    char number[GROUPED_TEXT_BYTES];
    backup.fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (backup.fd < 0 || fchmod(backup.fd, 0600) != 0) {
        int error = errno;
        if (backup.fd >= 0)
            close(backup.fd);
        return cant_write(cli, partial, error);
    }
    backup.digest = digest_stream_create();
    enum exit_code code = fetch(&backup);
    if (backup.digest != NULL)
        digest_stream_finish(backup.digest, NULL);
    if (code == EXIT_DONE && fsync(backup.fd) != 0)
        backup.error = errno;
    if (close(backup.fd) != 0 && backup.error == 0)
        backup.error = errno;
    if (code == EXIT_DONE && backup.error == 0 && (rename(partial, path) != 0 || !sync_folder_of(path)))
        backup.error = errno;
    if (backup.error != 0)
        code = cant_write(cli, path, backup.error);
    if (code == EXIT_DONE)
        fprintf(cli->out, "%s: %s bytes, SHA-256 %s\n", path, grouped_text(backup.bytes, number), backup.said);
    else
        unlink(partial);
    return code;
}

static enum exit_code run(struct cli *cli)
{
    const char *path = cli->options.arguments[0];
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    char *partial = must_print("%s.partial", path);
    code = back_up_to(cli, path, partial);
    free(partial);
    return code;
}

const struct command command_hub_backup = {
    .name = "hub backup",
    .arguments = "FILE",
    .summary = "Copy the hub's own region into a file: register, private tables, both audit chains (operators).",
    .example = "  vacancy hub backup /srv/backup/E12000003.tar\n",
    .notes =
        "FILE (a tar archive, mode 0600) is replaced as a whole once everything has arrived and its SHA-256 is what "
        "the "
        "hub says; until then it is FILE.partial. It holds what only the home hub may know, so keep it as safe as the "
        "hub; no key is in it. vacancyd(8) tells how to restore it, and how old it may be.\n"
        "Exits 5, keeping nothing, when what arrived is not what the hub sent.",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
