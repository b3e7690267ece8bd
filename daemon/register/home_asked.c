/*
 * home_asked.c - what teams of this hub asked of other regions' hubs (home.proto: AskedHold).
 * Owns: the ASKED table, written and read. Noting and forgetting: the writer's thread; reads: any. Invariant: a call is
 * noted before it is sent, so that none whose outcome is unknown is unknown to its team: it stays so while any try is
 * open, whatever another was answered. An answer, once noted, is not lost to a later try that got none.
 */
#include "daemon/base/log.h"
#include "daemon/record/scratch.h"
#include "daemon/register/home_parts.h"
#include "vacancy/v1/home.pb-c.h"

#include <string.h>

/* --- octets ------------------------------------------------------------------------------------------------------ */

static enum err encode(const struct asked_hold *asked, struct arena *arena, struct octets *out)
{
    Vacancy__V1__AskedHold m;
    vacancy__v1__asked_hold__init(&m);
    m.holder = (char *)asked->holder;
    m.region = (char *)asked->region;
    m.vacancy_id = asked->vacancy_id;
    m.beds = asked->beds;
    m.request_reference = (char *)asked->request_reference;
    m.asked_at_ms = asked->asked_at_ms;
    m.epoch = asked->token.epoch;
    m.sequence = asked->token.sequence;
    m.code = asked->code;
    m.until_ms = asked->until_ms;
    m.open = asked->open;
    m.agency = (char *)asked->agency;
    return pack_message(&m.base, arena, out);
}

/* The request id is the key's end. */
static enum err decode(const struct octets *key, const struct octets *octets, struct asked_hold *out)
{
    struct scratch scratch;
    scratch_init(&scratch);
    const Vacancy__V1__AskedHold *m = vacancy__v1__asked_hold__unpack(&scratch.allocator, octets->size, octets->data);
    memset(out, 0, sizeof *out);
    if (m == NULL || key->size < REQUEST_ID_BYTES || !copy_text(out->holder, sizeof out->holder, m->holder) ||
        !copy_text(out->region, sizeof out->region, m->region) ||
        !copy_text(out->agency, sizeof out->agency, m->agency) ||
        !copy_text(out->request_reference, sizeof out->request_reference, m->request_reference))
        return ERR_STORE_DAMAGED;
    for (size_t i = 0; i < REQUEST_ID_BYTES; i++)
        out->request_id[i] = (uint8_t)~key->data[key->size - REQUEST_ID_BYTES + i];
    out->vacancy_id = m->vacancy_id;
    out->beds = m->beds;
    out->asked_at_ms = m->asked_at_ms;
    out->token = (struct hold_token){m->epoch, m->sequence};
    out->code = m->code;
    out->until_ms = m->until_ms;
    out->open = m->open;
    return ERR_NONE;
}

/* --- noting ------------------------------------------------------------------------------------------------------ */

/* What is kept of it from now on. */
static struct asked_hold after_step(const struct asked_hold *known, const struct asked_hold *asked)
{
    struct asked_hold kept = *asked;
    kept.open = known->open;
    if (known->token.epoch != 0 && asked->step != ASKED_DONE)
        return *known;
    if (known->open > 0)
        kept.asked_at_ms = known->asked_at_ms;
    if (asked->step == ASKED_BEGUN)
        kept.open++;
    else if (asked->step == ASKED_REFUSED && kept.open > 0)
        kept.open--;
    else
        kept.open = 0;
    if (kept.open > 0)
        kept.code = err_status(ERR_DEADLINE);
    return kept;
}

enum err asked_note(struct batch *batch, struct update *update)
{
    struct asked_hold *asked = &update->as.asked, known = {.code = 0}, kept;
    struct table_key key = key_of_asked(batch->home->options.region, asked->holder, asked->request_id);
    struct octets k = key_octets(&key), value;
    enum err err = asked->step == ASKED_BEGUN ? request_check_unused(batch, asked, &update->result.problem) : ERR_NONE;
    if (err != ERR_NONE)
        return err;
    err = batch_get(batch, STORE_ASKED, &key, &value, &update->result.problem);
    if (err == ERR_NONE)
        err = decode(&k, &value, &known);
    if (err != ERR_NONE && err != ERR_NOT_FOUND)
        return err;
    kept = after_step(&known, asked);
    asked->open = kept.open;
    asked->token = kept.token;
    err = encode(&kept, batch->arena, &value);
    if (err != ERR_NONE || !batch_put(batch, STORE_ASKED, &key, &value))
        return batch->failed ? batch->failed : (batch->failed = err);
    if (asked->vacancy_id != 0)
        batch_subject(batch, asked->vacancy_id); /* all that this hub knows of the home */
    update_settle(batch, update, OUTCOME_UPDATED, NULL);
    return ERR_NONE;
}

/* --- forgetting -------------------------------------------------------------------------------------------------- */

enum err asked_is_old(const struct batch *batch, const struct octets *key, const struct octets *value, bool *old)
{
    struct asked_hold asked;
    enum err err = decode(key, value, &asked);
    *old = err == ERR_NONE && asked.asked_at_ms <= batch->now_ms - HOLD_KEPT_MS;
    return err;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static enum err read_from(struct home *home, struct store_txn *txn, struct table_key from,
                          const struct table_key *prefix, struct asked_hold *out, size_t max, size_t *got)
{
    struct problem problem = {0};
    enum err err = ERR_NONE;
    while (err == ERR_NONE && *got < max) {
        struct octets at = key_octets(&from), key, value;
        err = tables_seek(home->store, txn, STORE_ASKED, &at, false, &key, &value, &problem);
        if (err == ERR_NOT_FOUND || (err == ERR_NONE && !key_begins(&key, prefix)))
            return ERR_NONE;
        if (err == ERR_NONE)
            err = decode(&key, &value, &out[*got]);
        *got += err == ERR_NONE;
        if (err == ERR_NONE)
            key_step_past(&from, &key);
    }
    if (err == ERR_STORE_DAMAGED)
        log_error("register", "what a team asked of another region can't be read: %s", problem.text);
    return err;
}

enum err home_list_asked(struct home *home, const char *holder, const uint8_t *before, struct asked_hold *out,
                         size_t max, size_t *got)
{
    const struct table_key prefix = key_of_asked(home->options.region, holder, NULL);
    struct table_key from = key_of_asked(home->options.region, holder, before);
    struct store_txn *txn;
    *got = 0;
    if (before != NULL)
        key_step_past(&from, &(struct octets){from.data, from.size});
    enum err err = home->store->ops->begin(home->store, false, &txn);
    if (err != ERR_NONE)
        return err;
    err = read_from(home, txn, from, &prefix, out, max, got);
    home->store->ops->abort(txn);
    return err;
}

enum err home_get_asked(struct home *home, const char *holder, const uint8_t request_id[REQUEST_ID_BYTES],
                        struct asked_hold *out)
{
    const struct table_key key = key_of_asked(home->options.region, holder, request_id);
    struct store_txn *txn;
    size_t got = 0;
    enum err err = home->store->ops->begin(home->store, false, &txn);
    if (err != ERR_NONE)
        return err;
    err = read_from(home, txn, key, &key, out, 1, &got);
    home->store->ops->abort(txn);
    return err == ERR_NONE && got == 0 ? ERR_NOT_FOUND : err;
}
