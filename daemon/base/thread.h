/*
 * thread.h - a named thread that takes no signals.
 * Signals belong to the main thread, whose event loop turns them into events; a thread started here has them blocked.
 * Thread: any, at start-up.
 */
#ifndef VACANCY_BASE_THREAD_H
#define VACANCY_BASE_THREAD_H

#include <pthread.h>

/* `name` has at most 15 characters ("writer", "net-1"). The caller joins. Aborts when no thread can be had. */
pthread_t thread_start(const char *name, void *(*run)(void *arg), void *arg);

#endif
