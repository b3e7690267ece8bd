/*
 * wakes.h - inbound Follow streams that wait for a log to grow.
 *
 * Owns: a set of reply addresses, one per waiting stream. A commit observer of home and of replica sends each a mail
 * and forgets it; the stream arms itself again when it has sent what there was. So a stream has at most one wake under
 * way. Thread: any; one lock, held for the time of a push to each mailbox. Invariant: an armed address gets exactly one
 * mail, unless it is disarmed first.
 */
#ifndef VACANCY_FEDERATION_WAKES_H
#define VACANCY_FEDERATION_WAKES_H

#include "daemon/base/mailbox.h"
#include "daemon/register/home.h"

struct wakes;
struct wakes *wakes_create(void);
void wakes_destroy(struct wakes *wakes);
enum wake_logs { WAKE_HOME = 1, WAKE_REPLICAS = 2 };
/* The address's place has been reserved by the caller. logs: of enum wake_logs, whose growth it waits for. */
void wakes_arm(struct wakes *wakes, const struct reply_address *address, unsigned logs);
/* True: it was armed and will get no mail (give its place back). False: its mail is on the way. */
bool wakes_disarm(struct wakes *wakes, const struct reply_address *address);
/* Something was committed or signed. Wakes those that wait for it: at each hub of a large federation all others'
 * streams wait, most of them for the home's log alone. Any thread. */
void wakes_of(struct wakes *wakes, unsigned logs);
/* Everybody, whatever they wait for. */
void wakes_all(struct wakes *wakes);

#endif
