/*
 * cmd_find.c - vacancy find: the nearest vacancies that suit, and why. The client's one thread.
 */
#include "client/command.h"
#include "client/find_request.h"
#include "client/find_text.h"
#include "client/json.h"
#include "client/team_memory.h"

#include <stdlib.h>
#include <string.h>

/* --- the numbers, for the commands that follow ---------------------------------------------------------------------
 */

struct answer {
    const Vacancy__V1__FindVacanciesRequest *request;
    const Vacancy__V1__FindVacanciesResponse *response;
};

static void remember_options(struct team_memory *memory, const char *letter, Vacancy__V1__Option *const *options,
                             size_t count)
{
    char label[FIND_LABEL_BYTES];
    for (size_t i = 0; i < count; i++) {
        find_label(letter, i, label);
        team_answer_add(memory, label, options[i]->vacancy_id, options[i]->region, options[i]->children_taken);
    }
}

static bool remember(struct team_memory *memory, void *context, struct problem *problem)
{
    const struct answer *answer = context;
    const Vacancy__V1__FindVacanciesResponse *response = answer->response;
    char label[FIND_LABEL_BYTES];
    (void)problem;
    team_answer_begin(memory, answer->request->request_reference, cli_now_ms());
    remember_options(memory, "", response->options, response->n_options);
    remember_options(memory, "P", response->phone_first, response->n_phone_first);
    for (size_t i = 0; i < response->n_splits; i++)
        for (size_t j = 0; j < response->splits[i]->n_parts; j++) {
            const Vacancy__V1__SplitPart *part = response->splits[i]->parts[j];
            find_part_label(i, j, label);
            if (part->option != NULL)
                team_answer_add(memory, label, part->option->vacancy_id, part->option->region,
                                (uint32_t)part->n_children);
        }
    return true;
}

/* An answer without numbers is an answer all the same. */
static void remember_answer(struct cli *cli, struct answer *answer)
{
    char *path = NULL;
    struct problem problem = {0};
    if (team_memory_path(&cli->options, &path, &problem) != ERR_NONE ||
        team_memory_change(path, remember, answer, &problem) != ERR_NONE)
        cli_say(cli, "the numbers of this answer are not kept, hold by the vacancy's id: %s", problem.text);
    free(path);
}

static enum exit_code search(struct cli *cli, Vacancy__V1__FindVacanciesRequest *request)
{
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    if (link_call(cli->link, "/vacancy.v1.PlacementService/FindVacancies", &request->base,
                  &vacancy__v1__find_vacancies_response__descriptor, &reply, &problem) != ERR_NONE) {
        find_flag_of_field(problem.field);
        return cli_failed(cli, &problem);
    }
    const char *reasons = options_text(&cli->options, "reasons");
    bool all_reasons = reasons != NULL && strcmp(reasons, "all") == 0;
    const Vacancy__V1__FindVacanciesResponse *response = (const Vacancy__V1__FindVacanciesResponse *)reply;
    if (options_flag(&cli->options, "json"))
        json_print(cli->out, json_of_message(reply));
    else
        find_text_print(cli->out, cli->width, all_reasons, request, response);
    remember_answer(cli, &(struct answer){request, response});
    return response->n_options ? EXIT_DONE : EXIT_PARTLY;
}

static enum exit_code run(struct cli *cli)
{
    return find_request_run(cli, search);
}

const struct command command_find = {
    .name = "find",
    .arguments = "",
    .summary = "Find the nearest vacancies that suit a child or a sibling group, and see why each does.",
    .example = "  vacancy find --near LS6 --child 14:M --type EMERGENCY --ref 383-204417\n"
               "  vacancy find --near BS3 --child 4:F --child 7:M --type LONG_TERM --language pl --within 20 --ref "
               "801-204418\n",
    .notes =
        "Children are siblings of each other. A child without a sex is sent as U, and suits only homes approved for "
        "any sex.\n"
        "Every search is written to the audit trail with its reference and purpose. Give no name, nor anything else "
        "that tells who the child is.\n"
        "Options come by distance band, then by what the law and the child's needs ask for, one after the other; no "
        "points are counted. People decide.\n"
        "The numbers before the options are kept for 12 hours for this hub and certificate: `vacancy hold 1`.",
    .options = find_options,
    .more_help = find_print_codes,
    .run = run,
};
