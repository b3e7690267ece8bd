/*
 * command.c - see command.h. The client's one thread.
 */
#include "client/command.h"

#include "client/memory.h"
#include "client/said.h"
#include "client/uuid.h"
#include "daemon/base/clock.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_say(struct cli *cli, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = must_vprint(format, arguments);
    va_end(arguments);
    char *clean = clean_text(text, 0);
    fprintf(cli->err, "vacancy %s: %s\n", cli->command->name, clean);
    free(clean);
    free(text);
}

enum exit_code cli_failed(struct cli *cli, const struct problem *problem)
{
    char *text = said_text(problem->text);
    if (problem->field[0] != '\0')
        cli_say(cli, "%s: %s", problem->field, text);
    else
        cli_say(cli, "%s", text[0] ? text : err_name(problem->code));
    free(text);
    return exit_code_of_call(problem->code);
}

enum exit_code cli_usage(struct cli *cli, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = must_vprint(format, arguments);
    va_end(arguments);
    cli_say(cli, "%s", text);
    fprintf(cli->err, "`vacancy %s --help` shows an example and every option.\n", cli->command->name);
    free(text);
    return EXIT_USAGE;
}

enum exit_code cli_connect(struct cli *cli)
{
    struct settings settings;
    struct problem problem = {0};
    if (settings_load(&cli->options, &settings, &problem) != ERR_NONE)
        return cli_usage(cli, "%s", problem.text);
    enum err err = link_open(&settings, &cli->link, &problem);
    settings_free(&settings);
    switch (err) {
    case ERR_NONE:
        return EXIT_DONE;
    case ERR_INVALID:
    case ERR_NOT_FOUND:
    case ERR_FORBIDDEN:
        cli_say(cli, "%s", problem.text);
        return EXIT_USAGE; /* our own files */
    default:
        return cli_failed(cli, &problem);
    }
}

bool cli_is_agency(const struct cli *cli)
{
    const struct spiffe_name *self = link_self(cli->link);
    return self != NULL && self->kind == SPIFFE_AGENCY;
}

bool cli_will_be_agency(const struct cli *cli)
{
    struct settings settings;
    struct problem ignored;
    struct spiffe_name name;
    if (settings_load(&cli->options, &settings, &ignored) != ERR_NONE)
        return false;
    bool agency = link_self_of(&settings, &name) && name.kind == SPIFFE_AGENCY;
    settings_free(&settings);
    return agency;
}

bool cli_unread(const struct cli *cli)
{
    struct pollfd reader = {fileno(cli->out), POLLOUT, 0};
    return poll(&reader, 1, 0) == 1 && (reader.revents & (POLLERR | POLLHUP));
}

enum exit_code cli_agreed(struct cli *cli, const char *question)
{
    char answer[16] = "";
    if (options_flag(&cli->options, "yes"))
        return EXIT_DONE;
    if (!isatty(STDIN_FILENO))
        return cli_usage(cli, "nobody can be asked here; give --yes if you mean it");
    print_wrapped(cli->err, 0, "", 0, question, cli->width);
    fputs("Go on? (yes or no) ", cli->err);
    fflush(cli->err);
    if (fgets(answer, sizeof answer, stdin) != NULL && (strcmp(answer, "yes\n") == 0 || strcmp(answer, "y\n") == 0))
        return EXIT_DONE;
    cli_say(cli, "nothing was done");
    return EXIT_USAGE;
}

int64_t cli_now_ms(void)
{
    return clock_wall_ms(clock_system());
}

char *cli_request_id(void)
{
    static char id[UUID_TEXT_BYTES];
    uuid_make(cli_now_ms(), random_system(), id);
    return id;
}

void command_help(const struct command *command, FILE *out, unsigned width)
{
    fprintf(out, "%s\nvacancy %s%s%s%s\n\n", command->example, command->name, *command->arguments ? " " : "",
            command->arguments, command->options ? " [options]" : "");
    print_wrapped(out, 0, "", 0, command->summary, width);
    if (command->options) {
        fprintf(out, "\noptions:\n");
        options_print(command->options, out, width);
    }
    if (command->more_help) {
        fputc('\n', out);
        command->more_help(out, width);
    }
    for (const char *note = command->notes; note && *note;) {
        size_t bytes = strcspn(note, "\n");
        char *line = must_print("%.*s", (int)bytes, note);
        fputc('\n', out);
        print_wrapped(out, 0, "", 0, line, width);
        free(line);
        note += bytes + (note[bytes] == '\n');
    }
    fprintf(out, "\nwhich hub, and who you are:\n");
    options_print(settings_options, out, width);
    fprintf(out, "\nexit status:\n");
    exit_code_print(out);
}
