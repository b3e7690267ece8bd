/*
 * home_read_holds.c - reading holds: one by its token, and a team's or an agency's, newest first.
 * Owns: nothing. Any thread. Invariant: as home_read.c: begin, copy out, end within each function. A hold is read as
 * EXPIRED from the moment at which the writer would honour it no more, whether or not it has come to say so in the log.
 */
#include "daemon/base/log.h"
#include "daemon/register/home_parts.h"

#include <string.h>

static enum err told(enum err err, const struct problem *problem)
{
    if (err == ERR_STORE_DAMAGED)
        log_error("register", "a hold can't be read: %s", problem->text);
    return err;
}

/* The lease clock as the writer reads it; of a reboot after which it has kept no reading yet nothing is said. */
static bool read_lease_ms(struct home *home, struct store_txn *txn, int64_t *out)
{
    struct home_position position;
    struct problem problem;
    int64_t boot_ms = clock_boot_ms(home->options.clock);
    if (position_read(home, txn, &position, &problem) != ERR_NONE || position.lease.boot_ms > boot_ms ||
        memcmp(position.lease.boot_id, home->boot_id, sizeof home->boot_id) != 0)
        return false;
    *out = position.lease.lease_ms + boot_ms - position.lease.boot_ms;
    return true;
}

static void end_if_run_out(struct home *home, struct store_txn *txn, struct hold *hold)
{
    int64_t lease_ms;
    if (!hold_live(hold) || !read_lease_ms(home, txn, &lease_ms) || hold->until_lease_ms > lease_ms)
        return;
    hold->state = HOLD_EXPIRED;
    hold->ended_at_ms = hold->until_ms;
}

static enum err read_hold(struct home *home, struct store_txn *txn, const struct hold_token *token, struct hold *out,
                          struct problem *problem)
{
    struct table_key key = key_of_hold(home->options.region, token);
    struct octets k = key_octets(&key), value, own;
    enum err err = tables_get(home->store, txn, STORE_HOLDS, &k, &value, problem);
    if (err != ERR_NONE || !key_in_region(&k, home->options.region, &own))
        return err;
    err = home_hold_decode(&own, &value, out, NULL);
    if (err == ERR_NONE)
        end_if_run_out(home, txn, out);
    return err;
}

enum err home_get_hold(struct home *home, const struct hold_token *token, struct hold *out)
{
    struct store_txn *txn;
    struct problem problem = {0};
    enum err err = home->store->ops->begin(home->store, false, &txn);
    if (err != ERR_NONE)
        return err;
    err = read_hold(home, txn, token, out, &problem);
    home->store->ops->abort(txn);
    return told(err, &problem);
}

static enum err list_holds(struct home *home, struct store_txn *txn, struct table_key from,
                           const struct table_key *prefix, struct hold *out, size_t max, size_t *got,
                           struct hold_token *next, struct problem *problem)
{
    struct hold_token token = {0};
    while (*got < max) {
        struct octets at = key_octets(&from), key, value;
        enum err err = tables_seek(home->store, txn, STORE_HOLD_LISTS, &at, false, &key, &value, problem);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, prefix)))
            return ERR_NONE;
        if (err == ERR_NONE && !key_hold_list_token(&key, &token))
            err = ERR_STORE_DAMAGED;
        if (err == ERR_NONE)
            err = read_hold(home, txn, &token, &out[*got], problem);
        if (err != ERR_NONE)
            return err == ERR_NOT_FOUND ? ERR_STORE_DAMAGED : err;
        key_step_past(&from, &key);
        (*got)++;
    }
    *next = token;
    return ERR_NONE;
}

enum err home_list_holds(struct home *home, const char *holder, const char *agency, bool ended,
                         const struct hold_token *before, struct hold *out, size_t max, size_t *got,
                         struct hold_token *next)
{
    enum hold_list list = holder != NULL ? (ended ? HOLD_LIST_TEAM : HOLD_LIST_TEAM_LIVE)
                                         : (ended ? HOLD_LIST_AGENCY : HOLD_LIST_AGENCY_LIVE);
    const char *owner = holder != NULL ? holder : agency, *region = home->options.region;
    const struct table_key prefix = key_of_hold_list(region, list, owner, NULL);
    const struct hold_token after = *before; /* which *next may be */
    struct table_key from = prefix;
    struct store_txn *txn;
    struct problem problem = {0};
    *got = 0;
    *next = (struct hold_token){0};
    if (after.epoch != 0) {
        from = key_of_hold_list(region, list, owner, &after);
        key_step_past(&from, &(struct octets){from.data, from.size});
    }
    enum err err = home->store->ops->begin(home->store, false, &txn);
    if (err != ERR_NONE)
        return err;
    err = list_holds(home, txn, from, &prefix, out, max, got, next, &problem);
    home->store->ops->abort(txn);
    return told(err, &problem);
}
