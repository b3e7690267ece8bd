/* tier: check */
/* `vacancy watch`: what is told of what is heard, also after a stream has begun anew; and the programs that are run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/memory.h"
#include "client/screen.h"
#include "client/watch_run.h"
#include "client/watch_shown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENT(name) VACANCY__V1__WATCH_VACANCIES_RESPONSE__EVENT__EVENT_##name

/* --- what is told ------------------------------------------------------------------------------------------------- */

static struct grown_text told;

static void note(void *context, const Vacancy__V1__WatchVacanciesResponse *event, const char *line)
{
    static const char *const words[] = {"?", "ready", "+", "~", "-"};
    (void)context;
    grown_add(&told, "%s%s %s|", words[event->event], event->option ? event->option->vacancy_id : event->vacancy_id,
              line);
}

static void hear(struct watch_shown *shown, Vacancy__V1__WatchVacanciesResponse__Event what, const char *id,
                 uint32_t beds, const char *confirmed)
{
    Vacancy__V1__WatchVacanciesResponse event = VACANCY__V1__WATCH_VACANCIES_RESPONSE__INIT;
    Vacancy__V1__Option option = VACANCY__V1__OPTION__INIT;
    Vacancy__V1__Reason fresh = VACANCY__V1__REASON__INIT, *reasons[] = {&fresh};
    event.event = what;
    if (what == EVENT(APPEARED) || what == EVENT(CHANGED)) {
        event.option = &option;
        option.vacancy_id = (char *)id;
        option.area = (char *)"Leeds, LS6";
        option.distance_metres = 1609;
        option.relation = VACANCY__V1__AUTHORITY_RELATION__AUTHORITY_RELATION_IN_AREA;
        option.beds_free = beds;
        option.n_reasons = 1;
        option.reasons = reasons;
        fresh.rule = VACANCY__V1__RULE__RULE_S10_FRESH;
        fresh.found = (char *)confirmed;
    } else if (what == EVENT(GONE)) {
        event.vacancy_id = (char *)id;
    }
    watch_shown_hear(shown, &event, note, NULL);
}

static void assert_told(const char *text)
{
    assert_string_equal(told.text ? told.text : "", text);
    grown_free(&told);
}

static void each_event_is_a_line(void **state)
{
    (void)state;
    struct watch_shown *shown = watch_shown_create();
    watch_shown_begin(shown);
    hear(shown, EVENT(APPEARED), "A", 1, "1 hour ago");
    hear(shown, EVENT(READY), "", 0, "");
    hear(shown, EVENT(CHANGED), "A", 2, "1 hour ago");
    hear(shown, EVENT(GONE), "A", 0, "");
    hear(shown, EVENT(GONE), "A", 0, ""); /* it is gone already */
    assert_told("+A 1.0 miles, Leeds, LS6, in area, 1 bed|ready |~A 1.0 miles, Leeds, LS6, in area, 2 beds|"
                "-A 1.0 miles, Leeds, LS6, in area, 2 beds|");
    assert_int_equal(watch_shown_count(shown), 0);
    watch_shown_destroy(shown);
}

/* A hub says again what there is; people hear what is different. */
static void anew_only_differences_are_told(void **state)
{
    (void)state;
    struct watch_shown *shown = watch_shown_create();
    watch_shown_begin(shown);
    hear(shown, EVENT(APPEARED), "A", 1, "1 hour ago");
    hear(shown, EVENT(APPEARED), "B", 1, "1 hour ago");
    hear(shown, EVENT(APPEARED), "C", 1, "1 hour ago");
    hear(shown, EVENT(READY), "", 0, "");
    grown_free(&told);
    watch_shown_begin(shown);
    hear(shown, EVENT(APPEARED), "A", 1, "2 hours ago"); /* nothing but time has passed */
    hear(shown, EVENT(APPEARED), "C", 3, "1 hour ago");
    hear(shown, EVENT(APPEARED), "D", 1, "1 hour ago");
    assert_told("~C 1.0 miles, Leeds, LS6, in area, 3 beds|+D 1.0 miles, Leeds, LS6, in area, 1 bed|");
    hear(shown, EVENT(READY), "", 0, "");
    assert_told("-B 1.0 miles, Leeds, LS6, in area, 1 bed|");
    assert_int_equal(watch_shown_count(shown), 3);
    watch_shown_destroy(shown);
}

static void a_hub_without_end_is_bounded(void **state)
{
    (void)state;
    struct watch_shown *shown = watch_shown_create();
    watch_shown_begin(shown);
    for (unsigned i = 0; i < WATCH_SHOWN_MAX + 10; i++) {
        char id[16];
        snprintf(id, sizeof id, "N%u", i);
        hear(shown, EVENT(APPEARED), id, 1, "");
    }
    grown_free(&told);
    assert_int_equal(watch_shown_count(shown), WATCH_SHOWN_MAX);
    watch_shown_destroy(shown);
}

/* --- programs ------------------------------------------------------------------------------------------------------
 */

/* Turns until the file has that many bytes; a bound, not a wait. */
static char *written(struct watch_run *run, const char *path, size_t bytes)
{
    static char text[256];
    for (int turn = 0; turn < 2000; turn++) {
        FILE *file = fopen(path, "r");
        size_t got = file ? fread(text, 1, sizeof text - 1, file) : 0;
        if (file)
            fclose(file);
        text[got] = '\0';
        if (got >= bytes)
            return text;
        watch_run_turn(run);
        usleep(5000);
    }
    return text;
}

static void a_program_is_run_for_each_in_their_order(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_client_watch.XXXXXX", program[64], out[64];
    static const char expected[] = "appeared A-1 0\nchanged A-1 0\ngone B-2 0\n";
    assert_non_null(mkdtemp(folder));
    snprintf(program, sizeof program, "%s/program", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    FILE *file = fopen(program, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\necho \"$VACANCY_EVENT $VACANCY_ID $#\" >>%s\n", out);
    fclose(file);
    assert_int_equal(chmod(program, 0700), 0);
    struct watch_run *run = watch_run_create(program);
    assert_true(watch_run_add(run, "appeared", "A-1"));
    assert_true(watch_run_add(run, "changed", "A-1"));
    assert_true(watch_run_add(run, "gone", "B-2"));
    assert_false(watch_run_add(run, "gone", "$(reboot)")); /* what is no id is handed to nobody */
    assert_false(watch_run_add(run, "gone", ""));
    assert_string_equal(written(run, out, sizeof expected - 1), expected);
    assert_int_equal(watch_run_failures(run), 0);
    watch_run_destroy(run);
    unlink(out);
    unlink(program);
    rmdir(folder);
    run = watch_run_create("/nowhere/program");
    assert_true(watch_run_add(run, "gone", "B-2"));
    assert_int_equal(watch_run_broken(run), ENOENT);
    assert_false(watch_run_is_idle(run));
    assert_int_equal(watch_run_failures(run), 0);
    for (int i = 0; i < WATCH_RUN_MAX + 1; i++) /* what comes after it waits for nothing */
        assert_true(watch_run_add(run, "gone", "B-2"));
    assert_int_equal(watch_run_done(run), 0);
    watch_run_destroy(run);
}

static void a_program_that_cannot_be_run_is_known_before(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_client_watch.XXXXXX", program[64];
    struct problem problem = {0};
    assert_true(watch_run_can("/bin/sh", &problem));
    assert_true(watch_run_can("sh", &problem));
    assert_false(watch_run_can("no-such-program-anywhere", &problem));
    assert_false(watch_run_can("", &problem));
    assert_false(watch_run_can("/tmp", &problem));
    assert_non_null(mkdtemp(folder));
    snprintf(program, sizeof program, "%s/program", folder);
    assert_false(watch_run_can(program, &problem));
    assert_non_null(strstr(problem.text, "No such file"));
    FILE *file = fopen(program, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(chmod(program, 0600), 0);
    assert_false(watch_run_can(program, &problem));
    assert_int_equal(chmod(program, 0700), 0);
    assert_true(watch_run_can(program, &problem));
    unlink(program);
    rmdir(folder);
}

int main(void)
{
    screen_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_is_a_line),
        cmocka_unit_test(a_program_that_cannot_be_run_is_known_before),
        cmocka_unit_test(anew_only_differences_are_told),
        cmocka_unit_test(a_hub_without_end_is_bounded),
        cmocka_unit_test(a_program_is_run_for_each_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
