/*
 * command_line.c - see command_line.h. Owns the table of switches; a new one is a row and a case.
 */
#include "daemon/command_line.h"

#include "daemon/base/version.h"
#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
    OPTION_CONFIG = 'c',
    OPTION_HELP = 'h',
    OPTION_VERSION = 'V',
    OPTION_CHECK = 256,
    OPTION_HELP_CONFIG,
    OPTION_IMPORT
};

static const struct {
    struct option option;
    const char *argument, *help;
} switches[] = {
    {{"config", required_argument, NULL, OPTION_CONFIG}, "FILE", "read the configuration from FILE"},
    {{"check-config", no_argument, NULL, OPTION_CHECK}, "", "read and check the configuration and keys, and exit"},
    {{"import-postcodes", required_argument, NULL, OPTION_IMPORT},
     "FOLDER",
     "read unit postcodes (OS Code-Point Open or ONSPD) into the file that [gazetteer] postcodes names, and exit"},
    {{"help-config", no_argument, NULL, OPTION_HELP_CONFIG}, "", "show every option of the configuration"},
    {{"version", no_argument, NULL, OPTION_VERSION}, "", "show the version"},
    {{"help", no_argument, NULL, OPTION_HELP}, "", "show this"},
};
#define SWITCHES (sizeof switches / sizeof switches[0])

static void print_help(FILE *out)
{
    fputs(
        "vacancyd --config /etc/vacancyd/vacancyd.conf\n\n"
        "Runs a hub of the register of foster carers and their vacancies, in the foreground; its log goes to standard\n"
        "error. SIGTERM stops it in good order, SIGHUP makes it read certificates, revocation lists and roster "
        "again.\n\n",
        out);
    for (size_t i = 0; i < SWITCHES; i++)
        fprintf(out, "  --%s %s%*s%s\n", switches[i].option.name, switches[i].argument,
                (int)(26 - strlen(switches[i].option.name) - strlen(switches[i].argument)), "", switches[i].help);
    fputs("\nvacancyd(8) and vacancyd.conf(5) say more.\n", out);
}

int command_line_parse(int argc, char **argv, struct command *out)
{
    struct option options[SWITCHES + 1] = {0};
    for (size_t i = 0; i < SWITCHES; i++)
        options[i] = switches[i].option;
    for (int option; (option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1;)
        switch (option) {
        case OPTION_CONFIG:
            out->config = optarg;
            break;
        case OPTION_IMPORT:
            out->import_folder = optarg;
            break;
        case OPTION_CHECK:
            out->check = true;
            break;
        case OPTION_HELP:
            print_help(stdout);
            return EXIT_OK;
        case OPTION_HELP_CONFIG:
            options_print_reference(stdout);
            return EXIT_OK;
        case OPTION_VERSION:
            puts("vacancyd " VACANCY_VERSION);
            return EXIT_OK;
        default:
            print_help(stderr);
            return EXIT_USAGE;
        }
    if (out->config != NULL && optind == argc)
        return -1;
    fputs(optind < argc ? "vacancyd: takes options only\n\n" : "vacancyd: say --config FILE\n\n", stderr);
    print_help(stderr);
    return EXIT_USAGE;
}
