/* tier: check */
/* What a team's client remembers between commands, and its holds in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/hold_call.h"
#include "client/hold_text.h"
#include "client/memory.h"
#include "client/said.h"
#include "client/team_holds.h"
#include "daemon/base/config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HOUR_MS  INT64_C(3600000)
#define NOW      INT64_C(1795316811000) /* 2026-11-22 03:06 UTC */
#define REQUEST  "01930000-0000-7000-8000-000000000001"

/* --- the memory --------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/test_client_team.XXXXXX", *path;

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    path = must_print("%s/state/vacancy/team-x", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = must_print("rm -r %s", folder);
    int status = system(command);
    free(command);
    free(path);
    return status;
}

static struct team_memory *load(void)
{
    struct team_memory *memory;
    struct problem problem = {0};
    assert_int_equal(team_memory_load(path, &memory, &problem), ERR_NONE);
    return memory;
}

static bool fill(struct team_memory *memory, void *context, struct problem *problem)
{
    struct team_request request = {.what = "hold", .request_id = REQUEST, .region = "-", .subject = "VACANCY-1"};
    (void)context, (void)problem;
    team_answer_begin(memory, "383-204417", NOW);
    team_answer_add(memory, "1", "VACANCY-1", "E12000003", 2);
    team_answer_add(memory, "P1", "VACANCY-2", "E12000001", 1);
    team_answer_add(memory, "2", "two words", "E12000001", 1);
    team_answer_add(memory, "3", "a\nline", "E12000001", 1);
    team_answer_add(memory, "4", "", "E12000001", 1);
    team_answer_add(memory, "5", "VACANCY-5", "E12000001 and more", 1);
    assert_int_equal(team_hold_add(memory, "E12000003-1-7", NOW), 1);
    assert_int_equal(team_hold_add(memory, "E12000003-1-9", NOW), 2);
    assert_int_equal(team_hold_add(memory, "E12000003-1-7", NOW), 1);
    struct team_request slip = request;
    snprintf(slip.region, sizeof slip.region, "N West");
    assert_false(team_request_add(memory, &slip));
    slip = request;
    snprintf(slip.subject, sizeof slip.subject, "1 2");
    assert_false(team_request_add(memory, &slip));
    return team_request_add(memory, &request);
}

static bool refuse(struct team_memory *memory, void *context, struct problem *problem)
{
    (void)context;
    memory->hold_count = 0;
    problem_set(problem, ERR_LIMIT, "", "no");
    return false;
}

static void what_is_kept_comes_back(void **state)
{
    (void)state;
    struct problem problem = {0};
    struct stat status;
    struct team_memory *memory = load();
    assert_int_equal(memory->option_count + memory->hold_count + memory->unsettled_count, 0);
    free(memory);
    assert_int_equal(team_memory_change(path, fill, NULL, &problem), ERR_NONE);
    assert_int_equal(team_memory_change(path, refuse, NULL, &problem), ERR_LIMIT);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    memory = load();
    assert_int_equal(memory->option_count, 2);
    const struct team_option *option = team_option_find(memory, "p1", NOW + 12 * HOUR_MS, &problem);
    assert_non_null(option);
    assert_string_equal(option->vacancy_id, "VACANCY-2");
    assert_int_equal(option->beds, 1);
    assert_null(team_option_find(memory, "p1", NOW + 12 * HOUR_MS + 1, &problem));
    assert_non_null(strstr(problem.text, "`vacancy find` again"));
    assert_null(team_option_find(memory, "2", NOW, &problem));
    assert_string_equal(team_hold_find(memory, "2", NOW, &problem)->hold_id, "E12000003-1-9");
    assert_null(team_hold_find(memory, "2", NOW + 13 * HOUR_MS, &problem));
    assert_null(team_hold_find(memory, "P2", NOW, &problem));
    assert_non_null(strstr(problem.text, "`vacancy holds` numbers them"));
    assert_string_equal(team_unsettled_hold(memory, "VACANCY-1")->request_id, REQUEST);
    assert_null(team_unsettled_hold(memory, "VACANCY-2"));
    team_request_set_region(memory, REQUEST, "E12000001");
    assert_string_equal(memory->unsettled[0].region, "E12000001");
    team_request_remove(memory, REQUEST);
    assert_int_equal(memory->unsettled_count, 0);
    /* Old numbers begin anew. */
    assert_int_equal(team_hold_add(memory, "E12000003-1-20", NOW + 20 * HOUR_MS), 1);
    free(memory);
}

static void the_memory_is_bounded(void **state)
{
    (void)state;
    struct team_memory *memory = must_alloc(1, sizeof *memory);
    struct team_request request = {.what = "hold", .request_id = REQUEST, .region = "-", .subject = "V"};
    char id[TEAM_HOLD_BYTES];
    team_answer_begin(memory, "383-204417", NOW);
    for (unsigned i = 0; i < 2 * TEAM_HOLDS_MAX; i++) {
        snprintf(id, sizeof id, "E12000003-1-%u", i);
        team_answer_add(memory, "1", "V", "E12000003", 1);
        assert_int_equal(team_hold_add(memory, id, NOW), i < TEAM_HOLDS_MAX ? i + 1 : 0);
        assert_int_equal(team_request_add(memory, &request), i < TEAM_UNSETTLED_MAX);
    }
    assert_int_equal(memory->option_count, TEAM_OPTIONS_MAX);
    free(memory);
}

static void numbers_and_ids_are_told_apart(void **state)
{
    (void)state;
    static const char *const numbers[] = {"1", "P1", "p12", "1a", "100"};
    static const char *const ids[] = {"", "7KQ2-M9FW-3TXB", "E12000003-1-4711", "all", "12345"};
    for (size_t i = 0; i < COUNT(numbers); i++)
        assert_true(team_is_number(numbers[i]));
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_false(team_is_number(ids[i]));
}

/* --- what is not known ---------------------------------------------------------------------------------------------
 */

static void a_hub_knows_whom_it_asked(void **state)
{
    (void)state;
    struct team_memory *memory = must_alloc(1, sizeof *memory);
    struct team_request request = {.what = "hold", .request_id = REQUEST, .region = "-", .subject = "V"}, out[4];
    Vacancy__V1__HoldView mine = VACANCY__V1__HOLD_VIEW__INIT, other = VACANCY__V1__HOLD_VIEW__INIT;
    struct hold_row rows[] = {{.hold = &mine}, {.hold = &other}};
    struct team_list list = {.rows = rows, .count = COUNT(rows)};
    mine.request_id = (char *)REQUEST;
    mine.region = (char *)"E12000001";
    other.request_id = (char *)"01930000-0000-7000-8000-000000000002";
    other.region = (char *)"E12000002";
    other.vacancy_id = (char *)"W";
    assert_true(team_request_add(memory, &request));
    assert_int_equal(team_unsettled(memory, &list, out, COUNT(out)), 1);
    assert_string_equal(out[0].region, "E12000001");
    other.outcome_unknown = true;
    assert_int_equal(team_unsettled(memory, &list, out, COUNT(out)), 2);
    assert_string_equal(out[1].subject, "W");
    assert_int_equal(team_unsettled(memory, &list, out, 1), 1);
    free(memory);
}

/* After an attempt of which nobody knows, only its home hub's own word on the request ends the doubt. */
static void only_decisions_end_a_doubt(void **state)
{
    (void)state;
    for (int err = 1; err < ERR_COUNT; err++)
        assert_int_equal(hold_call_is_decision((enum err)err),
                         err == ERR_INVALID || err == ERR_NOT_FOUND || err == ERR_PRECONDITION || err == ERR_STALE);
}

static void durations_have_units(void **state)
{
    (void)state;
    int64_t ms;
    assert_true(config_duration("90m", &ms));
    assert_int_equal(ms, 90 * 60000);
    static const char *const bad[] = {"", "2", "h", "-2h", "2 h", "2h30m", "9999999999999999999d", "1e3h"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(config_duration(bad[i], &ms));
}

/* --- words -------------------------------------------------------------------------------------------------------- */

#define STATE(name) VACANCY__V1__HOLD_STATE__HOLD_STATE_##name

static Vacancy__V1__AgencyContact agency;
static Vacancy__V1__HoldView hold;

static void set_hold(Vacancy__V1__HoldState state)
{
    vacancy__v1__agency_contact__init(&agency);
    vacancy__v1__hold_view__init(&hold);
    agency.name = (char *)"Bradford\x1b[31m Fostering";
    agency.phone = (char *)"01632 960000";
    hold.hold_id = (char *)"E12000003-1-4711";
    hold.vacancy_id = (char *)"7KQ2-M9FW-3TXB";
    hold.beds = 1;
    hold.state = state;
    hold.until_ms = NOW + 4 * HOUR_MS - 700;
    hold.request_reference = (char *)"383-204417";
    hold.agency = &agency;
}

static char *sentence(uint32_t number)
{
    char *text = NULL;
    size_t bytes;
    struct hold_row row = {number, &hold};
    FILE *out = open_memstream(&text, &bytes);
    hold_sentence_print(out, 200, &row, NOW);
    fclose(out);
    return text;
}

static void each_state_has_its_sentence(void **state)
{
    (void)state;
    static const struct {
        Vacancy__V1__HoldState state;
        uint32_t number;
        const char *text;
    } table[] = {
        {STATE(ACTIVE), 2, "Hold 2: 1 bed of vacancy 7KQ2-M9FW-3TXB is yours until 22 Nov 2026 07:06, for 4 h.\n"},
        {STATE(ACCEPTED), 0,
         "1 bed of vacancy 7KQ2-M9FW-3TXB is yours until 22 Nov 2026 07:06, for 4 h; the agency has accepted.\n"},
        {STATE(RELEASED), 2, "Hold 2: 1 bed of vacancy 7KQ2-M9FW-3TXB is given back.\n"},
        {STATE(EXPIRED), 2,
         "Hold 2: 1 bed of vacancy 7KQ2-M9FW-3TXB is not yours any more: the hold ran out at 22 Nov 2026 02:06.\n"},
        {STATE(PLACED), 2, "Hold 2: 1 bed of vacancy 7KQ2-M9FW-3TXB is placed (U5) from 2026-11-23.\n"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        set_hold(table[i].state);
        hold.starts_on = (char *)"2026-11-23";
        hold.placement_code = VACANCY__V1__PLACEMENT_CODE__PLACEMENT_CODE_U5;
        hold.ended_at_ms = hold_is_live(&hold) ? 0 : NOW - HOUR_MS;
        char *text = sentence(table[i].number);
        assert_string_equal(text, table[i].text);
        free(text);
    }
    /* A hold that is past its end is not said to be theirs, whatever the list says still. */
    set_hold(STATE(ACTIVE));
    hold.until_ms = NOW - 1;
    char *text = sentence(1);
    assert_non_null(strstr(text, "is not yours any more"));
    free(text);
    /* Every state and every reason of the contract has words. */
    for (unsigned i = 1; i < vacancy__v1__hold_state__descriptor.n_values; i++)
        assert_string_not_equal(
            hold_state_words((Vacancy__V1__HoldState)vacancy__v1__hold_state__descriptor.values[i].value), "not known");
    for (unsigned i = 1; i < vacancy__v1__decline_reason__descriptor.n_values; i++) {
        set_hold(STATE(DECLINED));
        hold.decline_reason = (Vacancy__V1__DeclineReason)vacancy__v1__decline_reason__descriptor.values[i].value;
        text = sentence(1);
        assert_non_null(strstr(text, "the agency declined, "));
        assert_null(strstr(text, "does not tell"));
        free(text);
    }
}

static void a_table_fits_and_never_cuts_the_telephone(void **state)
{
    (void)state;
    set_hold(STATE(ACTIVE));
    struct hold_row rows[] = {{1, &hold}, {12, &hold}};
    for (unsigned width = 60; width <= 120; width += 20) {
        char *text = NULL;
        size_t bytes;
        FILE *out = open_memstream(&text, &bytes);
        hold_table_print(out, width, rows, COUNT(rows), NOW);
        fclose(out);
        size_t phones = 0;
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            assert_true(text_columns(line) <= width);
            phones += strstr(line, "01632 960000") != NULL;
        }
        assert_int_equal(phones, COUNT(rows));
        free(text);
    }
}

/* --- what a hub says ---------------------------------------------------------------------------------------------- */

static void assert_said(const char *theirs, const char *ours)
{
    char *text = said_text(theirs);
    assert_string_equal(text, ours);
    free(text);
}

/* Methods are commands, codes are options' values, moments are local; all else stays. */
static void test_what_a_hub_says(void **state)
{
    (void)state;
    const char *zone = getenv("TZ");
    char *before = zone ? must_copy(zone) : NULL;
    assert_int_equal(setenv("TZ", "XST-2", 1), 0);
    tzset();
    assert_said("", "");
    assert_said("no such vacancy", "no such vacancy");
    assert_said(
        "the hold is ACTIVE: the team may extend it (ExtendHold), release it (ReleaseHold) or place the children "
        "(PlaceChild)",
        "the hold is ACTIVE: the team may extend it (`vacancy extend`), release it (`vacancy release`) or place "
        "the children (`vacancy place`)");
    assert_said("ask the provider, then say GIVEN", "ask the provider, then say given");
    assert_said("required: GIVEN or NOT_NEEDED", "required: given or not-needed");
    assert_said("GIVENNESS NOT_GIVEN /vacancy.v1.PlacementService/GetHold GetHolds",
                "GIVENNESS NOT_GIVEN /vacancy.v1.PlacementService/GetHold GetHolds");
    assert_said("it ends at 2026-11-22T23:31:00.250Z; 2026-11-22T14:31Z",
                "it ends at 23 Nov 2026 01:31; 22 Nov 2026 16:31");
    assert_said("2026-11-22 and 12026-11-22T23:31:00Z and 2026-11-22T23:31:00+01:00",
                "2026-11-22 and 12026-11-22T23:31:00Z and 2026-11-22T23:31:00+01:00");
    assert_said(
        "the hub of region E12000001 may have done this, its answer did not come: send the same call with the same "
        "request id again, or ask GetHold for that request id",
        "the hub of region E12000001 may have done this, its answer did not come");
    if (before != NULL)
        (void)setenv("TZ", before, 1);
    else
        (void)unsetenv("TZ");
    tzset();
    free(before);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    screen_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_hub_says),
        cmocka_unit_test(what_is_kept_comes_back),
        cmocka_unit_test(the_memory_is_bounded),
        cmocka_unit_test(numbers_and_ids_are_told_apart),
        cmocka_unit_test(a_hub_knows_whom_it_asked),
        cmocka_unit_test(only_decisions_end_a_doubt),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(each_state_has_its_sentence),
        cmocka_unit_test(a_table_fits_and_never_cuts_the_telephone),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
