/*
 * watch_run.c - see watch_run.h. The client's one thread. Invariant: `child` is set exactly while one runs.
 */
#include "client/watch_run.h"

#include "client/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID_BYTES_MAX 64

extern char **environ;

struct run_event {
    const char *event; /* a literal */
    char id[ID_BYTES_MAX + 1];
};

struct watch_run {
    const char *program;
    struct run_event queue[WATCH_RUN_MAX]; /* a ring: from `first`, `count` of them */
    size_t first, count;
    pid_t child; /* 0: none */
    unsigned long failures;
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

unsigned long watch_run_failures(const struct watch_run *run)
{
    return run->failures;
}

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
    if (posix_spawnp(&child, program, &files, &attributes, argv, environ) != 0)
        child = 0;
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return child;
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
    run->failures += ended < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    run->child = 0;
    return true;
}

void watch_run_turn(struct watch_run *run)
{
    while (run != NULL && reap(run, WNOHANG) && run->count > 0) {
        const struct run_event *next = &run->queue[run->first];
        setenv("VACANCY_EVENT", next->event, 1);
        setenv("VACANCY_ID", next->id, 1);
        run->child = start(run->program);
        run->failures += run->child == 0;
        run->first = (run->first + 1) % WATCH_RUN_MAX;
        run->count--;
    }
}

bool watch_run_add(struct watch_run *run, const char *event, const char *id)
{
    static const char plain[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-";
    size_t bytes = strlen(id);
    if (bytes == 0 || bytes > ID_BYTES_MAX || strspn(id, plain) != bytes)
        return false;
    while (run->count == WATCH_RUN_MAX) {
        reap(run, 0);
        watch_run_turn(run);
    }
    struct run_event *last = &run->queue[(run->first + run->count++) % WATCH_RUN_MAX];
    last->event = event;
    memcpy(last->id, id, bytes + 1);
    watch_run_turn(run);
    return true;
}
