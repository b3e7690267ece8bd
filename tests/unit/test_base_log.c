/* tier: check */
/* Log lines: faults.md V13 (control, RTL and zero-width characters stay one line) and X5 (a full pipe stops nobody). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/base/error.h"
#include "daemon/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct capture {
    int real_stderr;
    int pipe[2];
};

static void capture_start(struct capture *capture)
{
    assert_int_equal(pipe(capture->pipe), 0);
    capture->real_stderr = dup(STDERR_FILENO);
    assert_true(dup2(capture->pipe[1], STDERR_FILENO) >= 0);
}

/* What is in the pipe now, NUL-terminated. */
static void drain(struct capture *capture, char *out, size_t size)
{
    fcntl(capture->pipe[0], F_SETFL, O_NONBLOCK);
    size_t have = 0;
    for (ssize_t got; have + 1 < size && (got = read(capture->pipe[0], out + have, size - 1 - have)) > 0;)
        have += (size_t)got;
    out[have] = '\0';
}

static void capture_stop(struct capture *capture)
{
    dup2(capture->real_stderr, STDERR_FILENO);
    close(capture->real_stderr);
    close(capture->pipe[0]);
    close(capture->pipe[1]);
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void a_line_has_time_level_part_and_message(void **state)
{
    (void)state;
    struct capture capture;
    char text[4096];
    capture_start(&capture);
    log_info("net", "accepted conn=%d peer=%s", 17, "127.0.0.1:5123");
    log_debug("net", "not shown");
    drain(&capture, text, sizeof text);
    capture_stop(&capture);
    assert_int_equal(text[10], 'T');
    assert_string_equal(text + 23, "Z INFO  net  accepted conn=17 peer=127.0.0.1:5123\n");
}

static void input_can_not_forge_a_line(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "a\n2026-01-01T00:00:00.000Z ERROR net  forged",
        "a\r\nb",
        "\x1b[2Jcleared",
        "\x7f\x01\t",
        "\xe2\x80\xae"
        "RTL", /* U+202E */
        "\xe2\x80\x8b"
        "zero", /* U+200B */
        "\xc2\x85"
        "nel", /* C1 next line */
        "\xff\xfe",
        "\\n",
    };
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        struct capture capture;
        char text[4096];
        capture_start(&capture);
        log_warn("rpc", "name=%s", hostile[i]);
        drain(&capture, text, sizeof text);
        capture_stop(&capture);
        assert_int_equal(count_lines(text), 1);
        assert_int_equal(text[strlen(text) - 1], '\n');
        for (const char *c = text; c[1]; c++)
            assert_in_range((unsigned char)*c, 0x20, 0x7e);
    }
    struct capture capture;
    char text[4096];
    capture_start(&capture);
    log_warn("rpc", "%s|%s|%s", "\n", "\\n", "\xe2\x80\xae");
    drain(&capture, text, sizeof text);
    capture_stop(&capture);
    assert_string_equal(text + 24, " WARN  rpc  \\n|\\\\n|\\xe2\\x80\\xae\n");
}

static void a_long_line_is_cut_and_says_so(void **state)
{
    (void)state;
    char longer[3000];
    for (int fill = 0; fill < 2; fill++) { /* plain characters, and ones that grow fourfold */
        memset(longer, fill ? 0x01 : 'x', sizeof longer - 1);
        longer[sizeof longer - 1] = '\0';
        struct capture capture;
        char text[8192];
        capture_start(&capture);
        log_error("rpc", "%s", longer);
        drain(&capture, text, sizeof text);
        capture_stop(&capture);
        assert_int_equal(count_lines(text), 1);
        assert_true(strlen(text) <= LOG_LINE_BYTES);
        assert_true(strlen(text) > LOG_LINE_BYTES - 8);
        assert_string_equal(text + strlen(text) - 4, "...\n");
        if (fill)
            assert_memory_equal(text + strlen(text) - 8, "\\x01", 4);
    }
}

static void a_full_pipe_drops_lines_and_tells_how_many(void **state)
{
    (void)state;
    static char text[1 << 20];
    struct capture capture;
    capture_start(&capture);
    int flags = fcntl(capture.pipe[1], F_GETFL);
    fcntl(capture.pipe[1], F_SETFL, flags | O_NONBLOCK);
    while (write(capture.pipe[1], "filler\n", 7) > 0)
        ;
    fcntl(capture.pipe[1], F_SETFL, flags); /* from here a write would block for ever */
    alarm(60);
    unsigned long long before = log_dropped();
    for (int i = 0; i < 100; i++)
        log_info("net", "line %d", i);
    unsigned long long dropped = log_dropped() - before;
    drain(&capture, text, sizeof text);
    log_info("net", "room again");
    drain(&capture, text, sizeof text);
    alarm(0);
    capture_stop(&capture);
    assert_int_equal(dropped, 100);
    assert_int_equal(count_lines(text), 2);
    assert_non_null(strstr(text, "WARN  log  100 lines were dropped"));
    assert_non_null(strstr(text, "INFO  net  room again\n"));
}

static void a_closed_destination_is_counted(void **state)
{
    (void)state;
    int real = dup(STDERR_FILENO);
    unsigned long long before = log_dropped();
    close(STDERR_FILENO);
    errno = 4711;
    log_info("net", "nobody hears");
    int kept = errno;
    dup2(real, STDERR_FILENO);
    close(real);
    assert_int_equal(log_dropped() - before, 1);
    assert_int_equal(kept, 4711);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 50; i++)
        log_info("net", "thread=%s %s", (const char *)arg, "0123456789012345678901234567890123456789");
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    static char text[1 << 20];
    struct capture capture;
    pthread_t threads[4];
    static char names[4][2] = {"a", "b", "c", "d"};
    capture_start(&capture);
    log_info("net", "first"); /* also tells of lines that an earlier test dropped */
    drain(&capture, text, sizeof text);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, log_many, names[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    drain(&capture, text, sizeof text);
    capture_stop(&capture);
    assert_int_equal(count_lines(text), 200);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        assert_int_equal(strlen(line), 36 + strlen("thread=a ") + 40);
        assert_memory_equal(line + 23, "Z INFO  net  thread=", 20);
    }
}

static void levels_parse(void **state)
{
    (void)state;
    assert_int_equal(log_level_parse("error"), LOG_LEVEL_ERROR);
    assert_int_equal(log_level_parse("debug"), LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_parse("INFO"), -1);
    assert_int_equal(log_level_parse(""), -1);
}

static void a_problem_is_cut_at_a_whole_character(void **state)
{
    (void)state;
    struct problem problem;
    char text[PROBLEM_TEXT_BYTES * 2];
    for (int shift = 0; shift < 4; shift++) {
        memset(text, 'x', (size_t)shift);
        for (size_t at = (size_t)shift; at + 3 < sizeof text; at += 3)
            memcpy(text + at, "\xe2\x82\xac", 4);
        assert_int_equal(problem_set(&problem, ERR_INVALID, "vacancy.beds", "%s", text), ERR_INVALID);
        size_t length = strlen(problem.text);
        assert_in_range(length, PROBLEM_TEXT_BYTES - 3, PROBLEM_TEXT_BYTES - 1);
        assert_int_equal((length - (size_t)shift) % 3, 0);
    }
    assert_int_equal(problem_set(&problem, ERR_LIMIT, problem.field, "again: %.20s", problem.text), ERR_LIMIT);
    assert_string_equal(problem.field, "vacancy.beds");
    assert_memory_equal(problem.text, "again: xxx", 10);
    assert_int_equal(problem_set(NULL, ERR_STALE, NULL, "nobody asks"), ERR_STALE);
    assert_string_equal(err_name(ERR_STORE_FULL), "STORE_FULL");
    for (int i = 0; i < ERR_COUNT; i++)
        assert_non_null(err_name((enum err)i));
    assert_string_equal(err_name((enum err)999), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_part_and_message),
        cmocka_unit_test(input_can_not_forge_a_line),
        cmocka_unit_test(a_long_line_is_cut_and_says_so),
        cmocka_unit_test(a_full_pipe_drops_lines_and_tells_how_many),
        cmocka_unit_test(a_closed_destination_is_counted),
        cmocka_unit_test(lines_of_threads_do_not_mix),
        cmocka_unit_test(levels_parse),
        cmocka_unit_test(a_problem_is_cut_at_a_whole_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
