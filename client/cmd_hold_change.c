/*
 * cmd_hold_change.c - vacancy extend, vacancy release, vacancy place: what becomes of a hold. The client's one thread.
 */
#include "client/codes.h"
#include "client/find_request.h"
#include "client/team_hold.h"

#include <string.h>

#define CHILDREN_ARENA_BYTES 8192
#define DISTANCE_NOT_KNOWN   9999

/* The hold that the first argument means, and the call about it. */
static enum exit_code change(struct cli *cli, const char *method, ProtobufCMessage *request, char **hold_id,
                             const ProtobufCMessageDescriptor *reply_type, const ProtobufCMessage **reply)
{
    struct team_hold_target target;
    struct team_hold_call call = {method, cli->command->name, target.hold_id, "", request, reply_type};
    enum exit_code code = team_hold_target(cli, &target);
    *hold_id = target.hold_id;
    *reply = NULL;
    if (code == EXIT_DONE)
        code = team_hold_run(cli, target.path, &call, reply);
    *hold_id = (char *)protobuf_c_empty_string; /* the request outlives the target */
    team_hold_target_free(&target);
    return code;
}

/* --- extend --------------------------------------------------------------------------------------------------------
 */

static enum exit_code run_extend(struct cli *cli)
{
    Vacancy__V1__ExtendHoldRequest request = VACANCY__V1__EXTEND_HOLD_REQUEST__INIT;
    const ProtobufCMessage *reply;
    if (!team_hold_seconds(cli, &request.duration_s))
        return EXIT_USAGE;
    return change(cli, "ExtendHold", &request.base, &request.hold_id, &vacancy__v1__extend_hold_response__descriptor,
                  &reply);
}

static const struct option_spec extend_options[] = {
    {"for", "DURATION", "by how long, as 90m or 2h; default and limit are the home hub's default", false},
    {"json", NULL, "receipt and hold as JSON", false},
    {0},
};

const struct command command_extend = {
    .name = "extend",
    .arguments = "NUMBER|HOLD-ID",
    .summary = "Hold on for longer: once, while the hold lives.",
    .example = "  vacancy extend 1\n"
               "  vacancy extend 1 --for 2h\n",
    .notes = "NUMBER is one of the last `vacancy holds`, or what `vacancy hold` said.",
    .options = extend_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_extend,
};

/* --- release -------------------------------------------------------------------------------------------------------
 */

static enum exit_code run_release(struct cli *cli)
{
    Vacancy__V1__ReleaseHoldRequest request = VACANCY__V1__RELEASE_HOLD_REQUEST__INIT;
    const ProtobufCMessage *reply;
    request.placement_did_not_begin = options_flag(&cli->options, "placement-did-not-begin");
    return change(cli, "ReleaseHold", &request.base, &request.hold_id, &vacancy__v1__release_hold_response__descriptor,
                  &reply);
}

static const struct option_spec release_options[] = {
    {"placement-did-not-begin", NULL, "the children of this placement never moved in", false},
    {"json", NULL, "receipt and hold as JSON", false},
    {0},
};

const struct command command_release = {
    .name = "release",
    .arguments = "NUMBER|HOLD-ID",
    .summary = "Give the beds of a hold back, so that others find them.",
    .example = "  vacancy release 1\n"
               "  vacancy release 1 --placement-did-not-begin\n",
    .notes =
        "NUMBER is one of the last `vacancy holds`, or what `vacancy hold` said. A placement that never began is taken "
        "back with --placement-did-not-begin, as long as its agency has not listed the children.",
    .options = release_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_release,
};

/* --- place ---------------------------------------------------------------------------------------------------------
 */

static bool take_consent(struct cli *cli, const char *flag, const char *whose, const char *not_needed,
                         Vacancy__V1__Consent *out)
{
    const char *text = options_text(&cli->options, flag);
    int value = 0;
    if (text != NULL && code_parse(&vacancy__v1__consent__descriptor, text, strlen(text), &value)) {
        *out = (Vacancy__V1__Consent)value;
        return true;
    }
    cli_usage(
        cli,
        "--%s is needed, given or not-needed: by the Care Planning Regulations 2010, reg 22, %s must consent before "
        "a child is placed; not-needed is taken only where %s",
        flag, whose, not_needed);
    return false;
}

static bool take_consents(struct cli *cli, Vacancy__V1__PlaceChildRequest *to)
{
    return take_consent(cli, "provider-consent", "the fostering service that approved the carer",
                        "your own authority approved the carer", &to->provider_consent) &&
           take_consent(cli, "authorities-consent", "every other authority that has a child in the home",
                        "there is no such child", &to->authorities_consent);
}

static bool take_placement(struct cli *cli, struct arena *arena, Vacancy__V1__PlaceChildRequest *to)
{
    const char *code = options_text(&cli->options, "code"), *starts = options_text(&cli->options, "starts");
    const char *near = options_text(&cli->options, "near");
    struct problem problem = {0};
    int value = 0;
    if (code == NULL || !code_parse(&vacancy__v1__placement_code__descriptor, code, strlen(code), &value)) {
        cli_usage(cli,
                  "--code is needed: what it is in the SSDA903 return, U4 (long term), U5 (the carer is an approved "
                  "adopter) or U6 (neither)");
        return false;
    }
    if (starts == NULL || options_text(&cli->options, "child") == NULL) {
        cli_usage(cli, starts ? "--child is needed once for each child who moves in: age and sex, as 8:F"
                              : "--starts is needed: the first day, as 2026-11-23");
        return false;
    }
    if (find_children_read(&cli->options, arena, &to->children, &to->n_children, &problem) != ERR_NONE) {
        cli_usage(cli, "%s: %s", problem.field, problem.text);
        return false;
    }
    to->placement_code = (Vacancy__V1__PlacementCode)value;
    to->starts_on = (char *)starts;
    to->home_postcode = near ? (char *)near : to->home_postcode;
    return take_consents(cli, to);
}

static void print_distance(struct cli *cli, const Vacancy__V1__PlaceChildResponse *response)
{
    if (response->distance_tenth_miles >= DISTANCE_NOT_KNOWN && options_text(&cli->options, "near") != NULL)
        print_wrapped(cli->out, 3, "distance", 12,
                      "not told: it is not known, or was told for an earlier placement in this home; then it is told "
                      "again for a hold that the agency has accepted",
                      cli->width);
    if (response->distance_tenth_miles < DISTANCE_NOT_KNOWN)
        fprintf(cli->out, "   %-12s%u.%u miles from home, for the SSDA903 return\n", "distance",
                response->distance_tenth_miles / 10, response->distance_tenth_miles % 10);
}

static enum exit_code run_place(struct cli *cli)
{
    Vacancy__V1__PlaceChildRequest request = VACANCY__V1__PLACE_CHILD_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct arena arena;
    enum exit_code code = EXIT_USAGE;
    arena_init(&arena, CHILDREN_ARENA_BYTES);
    if (take_placement(cli, &arena, &request))
        code = change(cli, "PlaceChild", &request.base, &request.hold_id,
                      &vacancy__v1__place_child_response__descriptor, &reply);
    if (code == EXIT_DONE && !options_flag(&cli->options, "json"))
        print_distance(cli, (const Vacancy__V1__PlaceChildResponse *)reply);
    arena_finish(&arena);
    return code;
}

static const struct option_spec place_options[] = {
    {"code", "CODE", "what the placement is in the SSDA903 return: U4, U5 or U6", false},
    {"starts", "DATE", "first day, YYYY-MM-DD", false},
    {"child", "AGE[:SEX]", "each child who moves in: years, or months as 8m; M, F or U", true},
    {"provider-consent", "CONSENT", "of the fostering service that approved the carer: given or not-needed", false},
    {"authorities-consent", "CONSENT", "of every other authority that has a child in the home: given or not-needed",
     false},
    {"near", "POSTCODE",
     "where the child's home is, postcode or sector, for the distance of the SSDA903 return; it is not kept", false},
    {"json", NULL, "receipt, hold and distance as JSON", false},
    {0},
};

const struct command command_place = {
    .name = "place",
    .arguments = "NUMBER|HOLD-ID",
    .summary = "The children move in: a hold becomes a placement.",
    .example = "  vacancy place 1 --code U6 --starts 2026-11-23 --child 8:F --child 10:M --provider-consent given "
               "--authorities-consent not-needed --near \"BD3 7\"\n",
    .notes =
        "NUMBER is one of the last `vacancy holds`, or what `vacancy hold` said. As many children as the hold has "
        "beds.\n"
        "The consents are those of the Care Planning Regulations 2010, reg 22. not-needed is taken only where your own "
        "authority approved the carer, and where no other authority has a child in the home.\n"
        "No name and no address is asked for; the postcode is used for the distance and not kept.",
    .options = place_options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_place,
};
