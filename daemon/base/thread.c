/*
 * thread.c - starting a thread. Owns nothing; any thread.
 * Invariant: the new thread has its signals blocked from its first instruction, and the caller's are as before.
 */
#include "daemon/base/thread.h"

#include "daemon/base/log.h"

#include <signal.h>
#include <string.h>

pthread_t thread_start(const char *name, void *(*run)(void *arg), void *arg)
{
    sigset_t blocked, before;
    sigfillset(&blocked);
    /* A fault of the thread's own must still end the process there and then. */
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&blocked, faults[i]);

    pthread_t thread;
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int failed = pthread_create(&thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        log_fatal("base", "thread %s can't be started: %s", name, strerror(failed));
    pthread_setname_np(thread, name);
    return thread;
}
