/*
 * rejected_lines.c - see rejected_lines.h. The client's one thread.
 */
#include "client/rejected_lines.h"

#include "client/command.h"
#include "client/state_file.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_LINE     "vacancy rejected lines 1"
#define FILE_MAX_BYTES (256u * 1024)

void rejected_lines_add(struct rejected_lines *lines, uint64_t line, const char *column)
{
    if (lines->count++ >= REJECTED_LINES_MAX)
        return;
    char *clean = clean_text(column ? column : "", 64);
    grown_add(&lines->text, "%" PRIu64 " %s\n", line, clean);
    free(clean);
}

static char *path_of(const struct cli *cli)
{
    char name[SPIFFE_ID_BYTES + 16];
    snprintf(name, sizeof name, "rejected-%s", link_self(cli->link)->id);
    return state_file_path(name);
}

void rejected_lines_save(struct rejected_lines *lines, struct cli *cli, const char *file)
{
    struct problem problem = {0};
    if (cli->link != NULL && cli_is_agency(cli)) {
        char *whole = realpath(file, NULL), *clean = clean_text(whole ? whole : file, PATH_MAX);
        char *path = path_of(cli);
        char *text = must_print(FIRST_LINE "\nfile %s\nat %" PRId64 "\ncount %" PRIu64 "\n%s", clean, cli_now_ms(),
                                lines->count, lines->text.text ? lines->text.text : "");
        if (state_file_save(path, text, &problem) != ERR_NONE)
            cli_say(cli, "which lines were rejected can't be kept for the worklist: %s", problem.text);
        free(whole);
        free(clean);
        free(path);
        free(text);
    }
    grown_free(&lines->text);
    *lines = (struct rejected_lines){0};
}

static void take_line(struct rejected_kept *out, char *line)
{
    char *rest;
    uint64_t number = strtoull(line, &rest, 10);
    if (rest == line || *rest != ' ' || out->line_count >= REJECTED_LINES_MAX)
        return;
    out->lines = must_resize(out->lines, out->line_count + 1, sizeof *out->lines);
    out->lines[out->line_count++] = (struct rejected_line){number, must_copy(rest + 1)};
}

static void take_text(struct rejected_kept *out, char *text)
{
    char *at = text, *line = strsep(&at, "\n");
    if (strcmp(line, FIRST_LINE) != 0)
        return;
    while ((line = strsep(&at, "\n")) != NULL) {
        if (strncmp(line, "file ", 5) == 0 && out->file == NULL)
            out->file = must_copy(line + 5);
        else if (strncmp(line, "at ", 3) == 0)
            out->at_ms = strtoll(line + 3, NULL, 10);
        else if (strncmp(line, "count ", 6) == 0)
            out->count = strtoull(line + 6, NULL, 10);
        else
            take_line(out, line);
    }
}

void rejected_lines_load(struct rejected_kept *out, struct cli *cli)
{
    struct problem problem = {0};
    char *path = path_of(cli), *text = NULL;
    *out = (struct rejected_kept){0};
    if (state_file_load(path, FILE_MAX_BYTES, &text, &problem) != ERR_NONE)
        cli_say(cli, "which lines were rejected last is not known: %s", problem.text);
    else if (text != NULL)
        take_text(out, text);
    free(text);
    free(path);
}

void rejected_kept_free(struct rejected_kept *kept)
{
    for (size_t i = 0; i < kept->line_count; i++)
        free(kept->lines[i].column);
    free(kept->lines);
    free(kept->file);
    *kept = (struct rejected_kept){0};
}
