/*
 * cmd_hold.c - vacancy hold, vacancy report: what a team does about an option of its last answer. The client's one
 * thread.
 */
#include "client/json.h"
#include "client/memory.h"
#include "client/screen.h"
#include "client/team_hold.h"
#include "daemon/base/text.h"

#include <stdlib.h>
#include <string.h>

#define BEDS_MAX 12

/* --- which vacancy -------------------------------------------------------------------------------------------------
 */

struct target {
    char *path; /* of the memory */
    struct team_memory *memory;
    struct team_option option;
    char reference[TEAM_REFERENCE_BYTES];
};

static void drop(struct target *target)
{
    free(target->path);
    free(target->memory);
}

/* A number of the last answer. */
static bool take_number(struct target *to, const char *number, struct problem *problem)
{
    const struct team_option *option = team_option_find(to->memory, number, cli_now_ms(), problem);
    if (option == NULL)
        return false;
    to->option = *option;
    memcpy(to->reference, to->memory->reference, sizeof to->reference);
    return true;
}

/* An id; region and reference are flags. */
static bool take_id(struct target *to, const char *id, struct problem *problem)
{
    to->option.beds = 1;
    if (text_is_identifier(id, sizeof to->option.vacancy_id - 1) && strchr(id, ' ') == NULL) {
        snprintf(to->option.vacancy_id, sizeof to->option.vacancy_id, "%s", id);
        return true;
    }
    problem_set(problem, ERR_INVALID, "",
                "a vacancy is a number of the last answer (2, P1, 1a), or an id as REZ1-PYNZ-2ZXQ");
    return false;
}

static bool take_flag(struct cli *cli, const char *flag, char *to, size_t to_bytes, struct problem *problem)
{
    const char *value = options_text(&cli->options, flag);
    if (value == NULL)
        return true;
    if (strlen(value) < to_bytes) {
        snprintf(to, to_bytes, "%s", value);
        return true;
    }
    problem_set(problem, ERR_INVALID, "", "--%s is too long", flag);
    return false;
}

static bool take_flags(struct cli *cli, struct target *to, struct problem *problem)
{
    const char *beds = options_text(&cli->options, "beds");
    uint64_t number = 0;
    if (!take_flag(cli, "region", to->option.region, sizeof to->option.region, problem) ||
        !take_flag(cli, "ref", to->reference, sizeof to->reference, problem))
        return false;
    if (to->option.region[0] != '\0' && !text_is_gss_code(to->option.region)) {
        problem_set(problem, ERR_INVALID, "", "--region is a region's GSS code, as E12000003");
        return false;
    }
    if (to->reference[0] == '\0') {
        problem_set(
            problem, ERR_INVALID, "",
            "--ref is needed with a vacancy's id: your authority's DfE number, a hyphen, digits, as 383-204417");
        return false;
    }
    if (beds == NULL)
        return true;
    if (!text_parse_u64(beds, BEDS_MAX, &number) || number == 0) {
        problem_set(problem, ERR_INVALID, "", "--beds is 1 to %d", BEDS_MAX);
        return false;
    }
    to->option.beds = (uint32_t)number;
    return true;
}

static enum exit_code find_target(struct cli *cli, struct target *out)
{
    const char *argument = cli->options.arguments[0];
    struct problem problem = {0};
    *out = (struct target){0};
    bool found = team_memory_path(&cli->options, &out->path, &problem) == ERR_NONE &&
                 team_memory_load(out->path, &out->memory, &problem) == ERR_NONE &&
                 (team_is_number(argument) ? take_number(out, argument, &problem) : take_id(out, argument, &problem)) &&
                 take_flags(cli, out, &problem);
    return found ? EXIT_DONE : cli_usage(cli, "%s", problem.text);
}

#define TARGET_OPTIONS                                                                                                 \
    {"ref", "REQUEST", "the request's reference; else that of the answer of which NUMBER is", false},                  \
    {                                                                                                                  \
        "region", "REGION", "the vacancy's region, GSS code; with an id, where it may be gone by now", false           \
    }

/* --- hold ----------------------------------------------------------------------------------------------------------
 */

static enum exit_code hold(struct cli *cli, const struct target *target, int64_t seconds)
{
    Vacancy__V1__HoldVacancyRequest request = VACANCY__V1__HOLD_VACANCY_REQUEST__INIT;
    struct team_hold_call call = {
        "HoldVacancy",         "hold",        target->option.vacancy_id,
        target->option.region, &request.base, &vacancy__v1__hold_vacancy_response__descriptor};
    const ProtobufCMessage *reply;
    request.vacancy_id = (char *)target->option.vacancy_id;
    request.region = (char *)target->option.region;
    request.beds = target->option.beds;
    request.request_reference = (char *)target->reference;
    request.duration_s = seconds;
    enum exit_code code = cli_connect(cli);
    return code == EXIT_DONE ? team_hold_run(cli, target->path, &call, &reply) : code;
}

static enum exit_code run_hold(struct cli *cli)
{
    struct target target;
    int64_t seconds;
    if (!team_hold_seconds(cli, &seconds))
        return EXIT_USAGE;
    enum exit_code code = find_target(cli, &target);
    if (code == EXIT_DONE && team_unsettled_hold(target.memory, target.option.vacancy_id) != NULL)
        code =
            cli_usage(cli, "it is not known whether an earlier hold of this vacancy was done: `vacancy holds --settle` "
                           "first");
    if (code == EXIT_DONE)
        code = hold(cli, &target, seconds);
    drop(&target);
    return code;
}

static const struct option_spec hold_options[] = {
    {"for", "DURATION", "how long, as 90m or 2h; default and limit are the home hub's, 4 hours unless configured",
     false},
    {"beds", "N", "beds; default: of a NUMBER as many as children it would take, of an id 1", false},
    TARGET_OPTIONS,
    {"json", NULL, "receipt and hold as JSON", false},
    {0},
};

const struct command command_hold = {
    .name = "hold",
    .arguments = "NUMBER|VACANCY-ID",
    .summary = "Hold beds of a vacancy for your team alone, for a while.",
    .example = "  vacancy hold 2\n"
               "  vacancy hold 2 --for 2h\n"
               "  vacancy hold REZ1-PYNZ-2ZXQ --region E12000003 --ref 383-204417 --beds 2\n",
    .notes =
        "NUMBER is one of the last `vacancy find` (2, P1, 1a), with its --ref, at most 12 hours old. An id wants "
        "--ref.\n"
        "The hub of the vacancy's region decides. REPLICATED: another hub has the hold on disk too; LOCAL: only that "
        "one. The agency may accept or decline it; it runs out by itself.\n"
        "When nothing is heard of it, it is asked again by itself; when still nothing is known, `vacancy holds "
        "--settle` asks what became of it. Exits 3 when the hub refused (the beds are taken), 4 when the home hub "
        "can't "
        "be reached, or nobody knows yet whether it was done: settle that, or telephone.",
    .options = hold_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_hold,
};

/* --- report --------------------------------------------------------------------------------------------------------
 */

/* Which vacancy: a number that was meant for a hold, or for another answer, is seen here. */
static void print_report(struct cli *cli, const char *vacancy_id, bool before)
{
    struct grown_text text = {0};
    grown_add(&text,
              before ? "Vacancy %s was reported by this team within the last 24 hours already: nothing is changed, and "
                       "nobody is told again. If its agency has confirmed it since, telephone the agency."
                     : "The agency of vacancy %s is told. Until it confirms the vacancy again, the vacancy is one to "
                       "phone first.",
              vacancy_id);
    print_wrapped(cli->out, 0, "", 0, text.text, cli->width);
    grown_free(&text);
}

static enum exit_code report(struct cli *cli, const struct target *target)
{
    Vacancy__V1__ReportUnavailableRequest request = VACANCY__V1__REPORT_UNAVAILABLE_REQUEST__INIT;
    struct hold_call call = {.path = "/vacancy.v1.PlacementService/ReportUnavailable",
                             .request = &request.base,
                             .reply = &vacancy__v1__report_unavailable_response__descriptor};
    const ProtobufCMessage *reply;
    enum exit_code code = cli_connect(cli);
    if (code != EXIT_DONE)
        return code;
    request.request_id = cli_request_id();
    request.vacancy_id = (char *)target->option.vacancy_id;
    request.region = (char *)target->option.region;
    request.request_reference = (char *)target->reference;
    code = hold_call_run(cli, target->path, &call, &reply);
    if (code != EXIT_DONE)
        return code;
    if (options_flag(&cli->options, "json"))
        json_print(cli->out, json_of_message(reply));
    else
        print_report(cli, target->option.vacancy_id,
                     ((const Vacancy__V1__ReportUnavailableResponse *)reply)->reported_before);
    return EXIT_DONE;
}

static enum exit_code run_report(struct cli *cli)
{
    struct target target;
    enum exit_code code = find_target(cli, &target);
    if (code == EXIT_DONE)
        code = report(cli, &target);
    drop(&target);
    return code;
}

static const struct option_spec report_options[] = {
    TARGET_OPTIONS,
    {"json", NULL, "the receipt as JSON", false},
    {0},
};

const struct command command_report = {
    .name = "report",
    .arguments = "NUMBER|VACANCY-ID",
    .summary = "Telephoned, and it is not available: the vacancy needs a confirmation, and its agency is told.",
    .example = "  vacancy report 2\n"
               "  vacancy report REZ1-PYNZ-2ZXQ --ref 383-204417\n",
    .notes =
        "NUMBER is one of the last `vacancy find`, not a hold's: of a vacancy that is held give the id. Once a day "
        "counts; a second report of the same vacancy changes nothing.",
    .options = report_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_report,
};
