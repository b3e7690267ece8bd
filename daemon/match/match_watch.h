/*
 * match_watch.h - standing searches: who is to be told that an answer may have changed.
 *
 * Owns: the standing searches, each with what its answer depends on: the request and how far its list reaches; and the
 * test of what a commit changed against all of them. Not here: searching again, what has changed in the answer, time
 * that passes (service).
 * Thread: the functions here any, under a lock of their own that no search takes and a commit holds for microseconds;
 * what changed is gathered and told by the index's writers (watches.h's part below), one at a time.
 * Invariant: a commit that changes the answer of an armed search sends its mail, after the version is published: a
 * search that begins when its mail has come, or after match_watch_begin, misses nothing. One mail for each arming. A
 * mail may come for nothing; none comes for the passing of time.
 */
#ifndef VACANCY_MATCH_MATCH_WATCH_H
#define VACANCY_MATCH_MATCH_WATCH_H

#include "daemon/base/mailbox.h"
#include "daemon/match/match.h"

#define WATCHES_MAX  4096 /* standing searches at one hub, */
#define WATCHES_EACH 256  /* and for one owner */

/* owner: any number that stands for whom it is for. ERR_LIMIT: there are WATCHES_MAX, or WATCHES_EACH of this owner;
 * ERR_UNAVAILABLE: after match_watch_end. */
enum err match_watch_open(struct match *match, uint64_t owner, uint32_t *watch) __attribute__((warn_unused_result));
/* How many of this owner are open. */
uint32_t match_watch_owned(struct match *match, uint64_t owner);
/* True: it was armed and will get no mail (give its place back). False: its mail is on the way, or it was not armed. */
bool match_watch_close(struct match *match, uint32_t watch);
/*
 * Before match_find with these criteria (copied): from now on whatever suits them, or did, concerns it. `address`,
 * whose place has been reserved, arms it; NULL: it is armed, or its mail is on the way.
 */
void match_watch_begin(struct match *match, uint32_t watch, const struct criteria *criteria,
                       const struct reply_address *address);
/* After match_find: what lies as far as the answer's reach or farther concerns it no more. */
void match_watch_settle(struct match *match, uint32_t watch, uint64_t reach_squared);
/* The hub stops: each armed one gets its mail; none opens any more. */
void match_watch_end(struct match *match);
bool match_watch_ended(struct match *match);

/* How many are open, and how many mails were sent. */
void match_watch_stats(struct match *match, uint64_t *open, uint64_t *mails);

/* --- for match_index.c alone ------------------------------------------------------------------------------------ */

struct watches;
struct facts;

struct watches *watches_create(void);
void watches_destroy(struct watches *watches); /* none may be open */
/* The index's part of struct match. */
struct watches *index_watches(struct match *match);

/* On the writer's thread, while a version is being built: an offer's state that was, or will be. `held` and `agency` of
 * the facts are not looked at. */
bool watches_listen(struct watches *watches); /* false: states need not be told now */
void watches_state(struct watches *watches, const struct facts *facts);
/* Something else that any answer may show: an agency, who may ask. */
void watches_everything(struct watches *watches);
/* After the version was published: sends the mails. */
void watches_tell(struct watches *watches);

#endif
