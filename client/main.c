/*
 * main.c - vacancy, the command-line client: picks the command, gives it its options, ends with its exit code.
 * Not here: what commands do (cmd_*.c), connections (link.c).
 */
#include "client/command.h"

#include "daemon/base/version.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_find,         &command_why,         &command_watch,       &command_push,          &command_confirm,
    &command_withdraw,     &command_end,         &command_list,        &command_show,          &command_ping,
    &command_hub_agencies, &command_hub_suspend, &command_hub_status,  &command_audit_verify,  &command_audit_read,
    &command_hub_regions,  &command_hub_verify,  &command_hub_promote, &command_hub_backup,    &command_carer_erase,
    &command_accept,       &command_decline,     &command_history,     &command_carer_release, &command_carer_take_over,
    &command_sync,         &command_worklist,    &command_hold,        &command_holds,         &command_extend,
    &command_release,      &command_place,       &command_report,
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void help(FILE *out, unsigned width)
{
    fputs(
        "  vacancy push carers.csv\n"
        "  vacancy confirm --all\n"
        "  vacancy find --near LS6 --child 14:M --type EMERGENCY --ref 383-204417\n\n"
        "vacancy COMMAND [options]: speaks to a hub of the national register of foster carers and their vacancies.\n\n"
        "commands (`vacancy COMMAND --help` shows an example and every option):\n",
        out);
    for (size_t i = 0; i < COMMANDS; i++)
        print_wrapped(out, 2, commands[i]->name, 16, commands[i]->summary, width);
    fputs("\nwhich hub, and who you are:\n", out);
    options_print(settings_options, out, width);
    fputs("\nexit status:\n", out);
    exit_code_print(out);
}

/* The command that the words at argv name, of one word or two; *used becomes how many. */
static const struct command *find_command(int argc, char **argv, int *used)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        const char *name = commands[i]->name, *space = strchr(name, ' ');
        size_t first = space ? (size_t)(space - name) : strlen(name);
        if (strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
            continue;
        if (space != NULL && (argc < 2 || strcmp(argv[1], space + 1) != 0))
            continue;
        *used = space ? 2 : 1;
        return commands[i];
    }
    return NULL;
}

static int no_command(const char *name)
{
    char *clean = clean_text(name, 40);
    fprintf(stderr, "vacancy: there is no command \"%s\"; `vacancy --help` lists them.\n", clean);
    for (size_t i = 0; i < COMMANDS; i++)
        if (strncmp(commands[i]->name, name, strlen(name)) == 0)
            fprintf(stderr, "  vacancy %s\n", commands[i]->name);
    free(clean);
    return EXIT_USAGE;
}

static enum exit_code run(struct cli *cli, int argc, char **argv)
{
    const struct option_spec *const tables[2] = {cli->command->options, settings_options};
    struct problem problem;
    if (options_parse(tables, argc, (const char *const *)argv, &cli->options, &problem) != ERR_NONE)
        return cli_usage(cli, "%s", problem.text);
    enum exit_code code;
    if (options_flag(&cli->options, "help")) {
        command_help(cli->command, cli->out, cli->width);
        code = EXIT_DONE;
    } else if (cli->options.argument_count < cli->command->arguments_min ||
               cli->options.argument_count > cli->command->arguments_max) {
        code = cli_usage(cli, "%s arguments; it is `vacancy %s %s`",
                         cli->options.argument_count < cli->command->arguments_min ? "too few" : "too many",
                         cli->command->name, cli->command->arguments);
    } else {
        code = cli->command->run(cli);
    }
    link_close(cli->link);
    options_free(&cli->options);
    return code;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* TLS writes with write(2) */
    screen_init();
    struct cli cli = {.out = stdout, .err = stderr, .width = screen_width(stdout)};
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help(argc < 2 ? stderr : stdout, cli.width);
        return argc < 2 ? EXIT_USAGE : EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("vacancy " VACANCY_VERSION);
        return EXIT_DONE;
    }
    int used = 0;
    cli.command = find_command(argc - 1, argv + 1, &used);
    if (cli.command == NULL)
        return no_command(argv[1]);
    enum exit_code code = run(&cli, argc - 1 - used, argv + 1 + used);
    if ((fflush(stdout) != 0 || ferror(stdout)) && !cli_unread(&cli)) {
        fputs("vacancy: the output can't be written\n", stderr);
        return code == EXIT_DONE ? EXIT_USAGE : code;
    }
    return code;
}
