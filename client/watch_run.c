/*
 * watch_run.c - see watch_run.h. The client's one thread. Invariant: `child` is set exactly while one runs.
 */
#include "client/watch_run.h"

#include "client/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID_BYTES_MAX 64

extern char **environ;

struct run_event {
    char event[ID_BYTES_MAX + 1], id[ID_BYTES_MAX + 1], hold[ID_BYTES_MAX + 1], reference[ID_BYTES_MAX + 1];
    uint64_t cursor;
};

struct watch_run {
    const char *program;
    struct run_event queue[WATCH_RUN_MAX]; /* a ring: from `first`, `count` of them */
    size_t first, count;
    pid_t child;            /* 0: none */
    uint64_t running, done; /* cursors: of the program that runs, of the newest that has ended */
    unsigned long failures;
    bool undone; /* the last program was stopped before it had ended */
    int broken;  /* errno of a start that failed; 0: none did */
};

struct watch_run *watch_run_create(const char *program)
{
    struct watch_run *run = must_alloc(1, sizeof *run);
    run->program = program;
    return run;
}

void watch_run_destroy(struct watch_run *run)
{
    free(run);
}

/* 0, or why this file is no program. */
static int look_at(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return EACCES;
    return access(path, X_OK) == 0 ? 0 : errno;
}

/* As posix_spawnp(3) looks for it. */
static int look_in_path(const char *program)
{
    const char *folders = getenv("PATH");
    int error = ENOENT;
    for (const char *from = folders ? folders : "/bin:/usr/bin"; from != NULL && error != 0;) {
        size_t bytes = strcspn(from, ":");
        char *path = must_print("%.*s%s%s", (int)bytes, from, bytes ? "/" : "", program);
        int found = look_at(path);
        free(path);
        error = found == 0 || found == EACCES ? found : error;
        from = from[bytes] == ':' ? from + bytes + 1 : NULL;
    }
    return error;
}

bool watch_run_can(const char *program, struct problem *problem)
{
    int error = program[0] == '\0' ? ENOENT : strchr(program, '/') ? look_at(program) : look_in_path(program);
    if (error != 0)
        problem_set(problem, ERR_INVALID, "", "--run: %s can't be run: %s", program, strerror(error));
    return error == 0;
}

int watch_run_broken(const struct watch_run *run)
{
    return run != NULL ? run->broken : 0;
}

unsigned long watch_run_failures(const struct watch_run *run)
{
    return run->failures;
}

/* 0: with errno. */
static pid_t start(const char *program)
{
    char *const argv[] = {(char *)program, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    pid_t child = 0;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    if (posix_spawn_file_actions_init(&files) != 0 || posix_spawnattr_init(&attributes) != 0)
        abort();
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawnp(&child, program, &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    errno = error;
    return error == 0 ? child : 0;
}

/* Ended with the watch, by Ctrl-C or by whoever stops the service: it has not dealt with its event. */
static bool was_stopped(int status)
{
    return WIFSIGNALED(status) &&
           (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGHUP);
}

/* True: none runs any more. */
static bool reap(struct watch_run *run, int options)
{
    int status;
    if (run->child == 0)
        return true;
    pid_t ended = waitpid(run->child, &status, options);
    if (ended == 0 || (ended < 0 && errno == EINTR))
        return false;
    run->child = 0;
    run->undone = ended > 0 && was_stopped(status);
    if (run->undone)
        return true;
    run->failures += ended < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    run->done = run->running;
    return true;
}

static void set_or_unset(const char *name, const char *value)
{
    if (value[0] != '\0')
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void tell_by_environment(const struct run_event *event)
{
    char cursor[24] = "";
    if (event->cursor > 0)
        snprintf(cursor, sizeof cursor, "%" PRIu64, event->cursor);
    set_or_unset("VACANCY_EVENT", event->event);
    set_or_unset("VACANCY_ID", event->id);
    set_or_unset("VACANCY_HOLD", event->hold);
    set_or_unset("VACANCY_REFERENCE", event->reference);
    set_or_unset("VACANCY_CURSOR", cursor);
}

void watch_run_turn(struct watch_run *run)
{
    while (run != NULL && reap(run, WNOHANG) && run->count > 0 && run->broken == 0) {
        const struct run_event *next = &run->queue[run->first];
        tell_by_environment(next);
        run->child = start(run->program);
        if (run->child == 0) {
            run->broken = errno;
            return;
        }
        run->running = next->cursor;
        run->first = (run->first + 1) % WATCH_RUN_MAX;
        run->count--;
    }
}

/* Copies an id, or a printable text; false: it is none. */
static bool copy_plain(char out[ID_BYTES_MAX + 1], const char *text, bool printable)
{
    static const char plain[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-";
    size_t bytes = strlen(text);
    if (bytes > ID_BYTES_MAX || (!printable && strspn(text, plain) != bytes))
        return false;
    for (size_t i = 0; i < bytes; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    memcpy(out, text, bytes + 1);
    return true;
}

bool watch_run_add_event(struct watch_run *run, const struct watch_run_event *event)
{
    struct run_event copy = {.cursor = event->cursor};
    if (!copy_plain(copy.event, event->event, false) || !copy_plain(copy.id, event->id, false) ||
        !copy_plain(copy.hold, event->hold, false) || !copy_plain(copy.reference, event->reference, true))
        return false;
    while (run->count == WATCH_RUN_MAX && run->broken == 0) {
        reap(run, 0);
        watch_run_turn(run);
    }
    if (run->broken != 0)
        return true;
    run->queue[(run->first + run->count++) % WATCH_RUN_MAX] = copy;
    watch_run_turn(run);
    return true;
}

bool watch_run_add(struct watch_run *run, const char *event, const char *id)
{
    return id[0] != '\0' &&
           watch_run_add_event(run, &(struct watch_run_event){.event = event, .id = id, .hold = "", .reference = ""});
}

uint64_t watch_run_done(const struct watch_run *run)
{
    return run->done;
}

bool watch_run_is_idle(const struct watch_run *run)
{
    return run == NULL || (run->child == 0 && run->count == 0 && !run->undone);
}

void watch_run_finish(struct watch_run *run)
{
    while (run != NULL && !reap(run, 0))
        continue;
}
