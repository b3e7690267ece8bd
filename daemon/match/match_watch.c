/*
 * match_watch.c - see match_watch.h.
 *
 * The mirror image of a search: there a few traits are asked of 64 offers at once (match_tree.h), here one offer's
 * state is held against 64 standing searches at once. For each trait there is a plane of those who ask for it; whoever
 * asks for one that the state lacks is out. The few who are left are asked how far away it is, and those who still are
 * by every rule. Both what an offer was and what it is count: a state that neither suits nor did changes no answer.
 *
 * Who is judged by the rules is so as of the last match_find; what time alone changes since then is the owner's to
 * find, by searching again. Agencies count as active: when one's standing changes everybody is told.
 *
 * What is listened for is decided when a commit begins. One who opens after that is told of that commit without a test.
 */
#include "daemon/match/match_watch.h"

#include "daemon/base/log.h"
#include "daemon/match/match_tree.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_WORDS  (WATCHES_MAX / 64)
#define STATES_MAX   (2 * APPLY_BATCH_MAX) /* of one commit; with more, everybody is told */
#define STATE_GROUPS (STATES_MAX / LANES)

/* What is not looked at for each state. */
struct watch {
    struct criteria criteria;
    struct asked asked; /* borrows the criteria */
    struct reply_address address;
};

struct watches {
    atomic_uint open;
    atomic_uint_fast64_t mails;
    pthread_mutex_t lock; /* for all down to the states */
    bool ended;
    uint32_t words; /* no word from here on has anybody */
    lanes taken[WATCH_WORDS], armed[WATCH_WORDS];
    lanes asking[TRAIT_END][WATCH_WORDS];
    uint64_t owner[WATCHES_MAX]; /* of those that are taken */
    uint32_t e_metres[WATCHES_MAX], n_metres[WATCHES_MAX];
    uint64_t reach_squared[WATCHES_MAX]; /* nothing as far as this, or farther, concerns it */
    struct watch *watches[WATCHES_MAX];
    /* Of the commit under way: the writer's own. */
    bool listening, everything;
    uint32_t states;
    struct fact_group *groups[STATE_GROUPS];
};

static lanes bit_of(uint32_t watch)
{
    return UINT64_C(1) << watch % 64;
}

struct watches *watches_create(void)
{
    struct watches *watches = calloc(1, sizeof *watches);
    if (watches == NULL)
        log_fatal("match", "out of memory");
    pthread_mutex_init(&watches->lock, NULL);
    return watches;
}

void watches_destroy(struct watches *watches)
{
    pthread_mutex_destroy(&watches->lock);
    for (uint32_t i = 0; i < WATCHES_MAX; i++)
        free(watches->watches[i]);
    for (uint32_t i = 0; i < STATE_GROUPS; i++)
        free(watches->groups[i]);
    free(watches);
}

/* --- who stands ------------------------------------------------------------------------------------------------- */

/* Under the lock. */
static uint32_t owned_by(const struct watches *watches, uint64_t owner)
{
    uint32_t owned = 0;
    for (uint32_t word = 0; word < watches->words; word++)
        for (lanes left = watches->taken[word]; left != 0; left &= left - 1)
            owned += watches->owner[word * 64 + (uint32_t)__builtin_ctzll(left)] == owner;
    return owned;
}

/* Under the lock. WATCHES_MAX: there is none. */
static uint32_t free_place(const struct watches *watches, uint64_t owner)
{
    if (owned_by(watches, owner) >= WATCHES_EACH)
        return WATCHES_MAX;
    for (uint32_t word = 0; word < WATCH_WORDS; word++)
        if (watches->taken[word] != UINT64_MAX)
            return word * 64 + (uint32_t)__builtin_ctzll(~watches->taken[word]);
    return WATCHES_MAX;
}

static enum err open_at(struct watches *watches, uint32_t at, uint64_t owner)
{
    if (watches->watches[at] == NULL && (watches->watches[at] = malloc(sizeof *watches->watches[at])) == NULL)
        return ERR_LIMIT;
    watches->owner[at] = owner;
    watches->taken[at / 64] |= bit_of(at);
    watches->words = watches->words > at / 64 ? watches->words : at / 64 + 1;
    atomic_fetch_add(&watches->open, 1);
    return ERR_NONE;
}

enum err match_watch_open(struct match *match, uint64_t owner, uint32_t *watch)
{
    struct watches *watches = index_watches(match);
    enum err err = ERR_UNAVAILABLE;
    pthread_mutex_lock(&watches->lock);
    if (!watches->ended) {
        *watch = free_place(watches, owner);
        err = *watch < WATCHES_MAX ? open_at(watches, *watch, owner) : ERR_LIMIT;
    }
    pthread_mutex_unlock(&watches->lock);
    return err;
}

uint32_t match_watch_owned(struct match *match, uint64_t owner)
{
    struct watches *watches = index_watches(match);
    pthread_mutex_lock(&watches->lock);
    uint32_t owned = owned_by(watches, owner);
    pthread_mutex_unlock(&watches->lock);
    return owned;
}

bool match_watch_close(struct match *match, uint32_t watch)
{
    struct watches *watches = index_watches(match);
    pthread_mutex_lock(&watches->lock);
    bool armed = (watches->armed[watch / 64] & bit_of(watch)) != 0;
    watches->armed[watch / 64] &= ~bit_of(watch);
    watches->taken[watch / 64] &= ~bit_of(watch);
    while (watches->words > 0 && watches->taken[watches->words - 1] == 0)
        watches->words--;
    atomic_fetch_sub(&watches->open, 1);
    pthread_mutex_unlock(&watches->lock);
    return armed;
}

/* Under the lock. */
static void ask(struct watches *watches, uint32_t at, const struct criteria *criteria)
{
    struct watch *watch = watches->watches[at];
    uint8_t traits[TRAIT_END];
    watch->criteria = *criteria;
    asked_prepare(&watch->criteria, &watch->asked);
    watches->e_metres[at] = criteria->near_e_metres;
    watches->n_metres[at] = criteria->near_n_metres;
    watches->reach_squared[at] = watch->asked.too_far_squared;
    for (uint32_t trait = 0; trait < TRAIT_END; trait++)
        watches->asking[trait][at / 64] &= ~bit_of(at);
    uint32_t count = tree_traits_asked(&watch->asked, traits);
    for (uint32_t i = 0; i < count; i++)
        watches->asking[traits[i]][at / 64] |= bit_of(at);
}

/* Under the lock. */
static void send_mail(struct watches *watches, uint32_t at)
{
    const struct reply_address *address = &watches->watches[at]->address;
    const struct mail mail = {.kind = address->kind, .to = address->to};
    watches->armed[at / 64] &= ~bit_of(at);
    mailbox_send_reserved(address->mailbox, &mail);
    atomic_fetch_add_explicit(&watches->mails, 1, memory_order_relaxed);
}

void match_watch_begin(struct match *match, uint32_t watch, const struct criteria *criteria,
                       const struct reply_address *address)
{
    struct watches *watches = index_watches(match);
    pthread_mutex_lock(&watches->lock);
    ask(watches, watch, criteria);
    if (address != NULL) {
        watches->watches[watch]->address = *address;
        watches->armed[watch / 64] |= bit_of(watch);
        if (watches->ended)
            send_mail(watches, watch);
    }
    pthread_mutex_unlock(&watches->lock);
}

void match_watch_settle(struct match *match, uint32_t watch, uint64_t reach_squared)
{
    struct watches *watches = index_watches(match);
    pthread_mutex_lock(&watches->lock);
    if (reach_squared < watches->reach_squared[watch])
        watches->reach_squared[watch] = reach_squared;
    pthread_mutex_unlock(&watches->lock);
}

/* Under the lock. */
static void tell_all(struct watches *watches)
{
    for (uint32_t word = 0; word < watches->words; word++)
        for (lanes left = watches->armed[word]; left != 0; left &= left - 1)
            send_mail(watches, word * 64 + (uint32_t)__builtin_ctzll(left));
}

void match_watch_end(struct match *match)
{
    struct watches *watches = index_watches(match);
    pthread_mutex_lock(&watches->lock);
    watches->ended = true;
    tell_all(watches);
    pthread_mutex_unlock(&watches->lock);
}

bool match_watch_ended(struct match *match)
{
    struct watches *watches = index_watches(match);
    pthread_mutex_lock(&watches->lock);
    bool ended = watches->ended;
    pthread_mutex_unlock(&watches->lock);
    return ended;
}

void match_watch_stats(struct match *match, uint64_t *open, uint64_t *mails)
{
    struct watches *watches = index_watches(match);
    *open = atomic_load(&watches->open);
    *mails = atomic_load_explicit(&watches->mails, memory_order_relaxed);
}

/* --- what a commit changed -------------------------------------------------------------------------------------- */

bool watches_listen(struct watches *watches)
{
    if (watches->states == 0 && !watches->listening) {
        watches->listening = atomic_load(&watches->open) > 0;
        watches->everything |= !watches->listening; /* for those who open before this is published */
    }
    return !watches->everything;
}

void watches_state(struct watches *watches, const struct facts *facts)
{
    uint32_t at = watches->states / LANES;
    if (watches->states == STATES_MAX) {
        watches->everything = true;
        return;
    }
    if (watches->groups[at] == NULL && (watches->groups[at] = calloc(1, sizeof *watches->groups[at])) == NULL)
        log_fatal("match", "out of memory");
    facts_put(watches->groups[at], watches->states++ % LANES, facts);
}

void watches_everything(struct watches *watches)
{
    watches->everything = true;
}

/* The armed ones of a word who ask for nothing that the state lacks. */
static lanes not_lacking(const struct watches *watches, uint32_t word, const uint8_t *lacked, uint32_t lacked_count)
{
    lanes left = watches->armed[word];
    for (uint32_t i = 0; i < lacked_count && left != 0; i++)
        left &= ~watches->asking[lacked[i]][word];
    return left;
}

static bool concerns(const struct watches *watches, uint32_t at, const struct fact_group *group, uint32_t lane)
{
    struct verdict verdict;
    lanes used = UINT64_C(1) << lane;
    if (facts_distance_squared(group, lane, watches->e_metres[at], watches->n_metres[at]) >= watches->reach_squared[at])
        return false;
    rules_judge(group, used, used, &watches->watches[at]->asked, &verdict);
    return verdict.suitable != 0;
}

static void tell_of_state(struct watches *watches, const struct fact_group *group, const lanes traits[TRAIT_END],
                          uint32_t lane)
{
    uint8_t lacked[TRAIT_END];
    uint32_t lacked_count = 0;
    for (uint32_t trait = 0; trait < TRAIT_END; trait++)
        if ((traits[trait] >> lane & 1) == 0)
            lacked[lacked_count++] = (uint8_t)trait;
    for (uint32_t word = 0; word < watches->words; word++)
        for (lanes left = not_lacking(watches, word, lacked, lacked_count); left != 0; left &= left - 1) {
            uint32_t at = word * 64 + (uint32_t)__builtin_ctzll(left);
            if (concerns(watches, at, group, lane))
                send_mail(watches, at);
        }
}

static void tell_of_group(struct watches *watches, struct fact_group *group, uint32_t count)
{
    lanes traits[TRAIT_END];
    facts_sum_up(group, count);
    tree_traits_of(group, count, traits);
    for (uint32_t lane = 0; lane < count; lane++)
        tell_of_state(watches, group, traits, lane);
}

void watches_tell(struct watches *watches)
{
    if (watches->everything || watches->states > 0) {
        pthread_mutex_lock(&watches->lock);
        if (watches->everything)
            tell_all(watches);
        for (uint32_t at = 0; !watches->everything && at < watches->states; at += LANES)
            tell_of_group(watches, watches->groups[at / LANES],
                          watches->states - at < LANES ? watches->states - at : LANES);
        pthread_mutex_unlock(&watches->lock);
    }
    watches->states = 0;
    watches->listening = watches->everything = false;
}
