/*
 * home_former.c - references that agencies gave to carers who have gone to others.
 * Owns: the FORMER table, and what an agency is told that still uses such a reference. The writer's thread. Invariant:
 * a reference that was a carer's who went is no other carer's while anything is known here of that one: else the next
 * push of its old agency, which may not have heard of the move, would register the household a second time.
 *
 *     key: as ORPHANS, by the keyed hash of the reference, which a restore leaves too
 *     value: national reference (8) | when it went, wall clock (8), 0: not known
 */
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <stdio.h>
#include <string.h>

#define FORMER_BYTES 16

static struct table_key key_of_carer(const struct batch *batch, const struct home_carer *home)
{
    const struct home_options *options = &batch->home->options;
    uint8_t hash[DIGEST_BYTES];
    if (home->lost)
        memcpy(hash, home->reference_hash, sizeof hash);
    else
        agency_reference_hash(options->reference_secret, home->carer.agency, home->carer.agency_reference, hash);
    return key_of_orphan(options->region, home->carer.agency, hash);
}

bool former_note(struct batch *batch, const struct home_carer *home, int64_t at_ms)
{
    uint8_t octets[FORMER_BYTES];
    struct octets value = {octets, sizeof octets};
    struct table_key key = key_of_carer(batch, home);
    put_be64(octets, home->national_reference);
    put_be64(octets + 8, (uint64_t)at_ms);
    return batch_put(batch, STORE_FORMER, &key, &value);
}

bool former_forget(struct batch *batch, const struct home_carer *home)
{
    struct table_key key = key_of_carer(batch, home);
    return batch_del(batch, STORE_FORMER, &key);
}

bool former_row_check(const struct octets *value)
{
    return value->size == FORMER_BYTES && get_be64(value->data) != 0;
}

enum err former_names_nobody(struct home *home, struct store_txn *txn, const struct octets *value, bool *out)
{
    *out = false;
    if (!former_row_check(value))
        return ERR_STORE_DAMAGED;
    struct table_key key = key_of_id(home->options.region, get_be64(value->data));
    struct octets k = key_octets(&key), ignored;
    enum err err = home->store->ops->get(txn, STORE_CARERS, &k, &ignored);
    *out = err == ERR_NOT_FOUND;
    return *out ? ERR_NONE : err;
}

/* Who had it, as that one is known now, and since when not any more. An erased one counts no more. */
static enum err find(struct batch *batch, struct update *update, const char *reference, struct stored_carer *out,
                     int64_t *at_ms)
{
    const struct home_options *options = &batch->home->options;
    uint8_t hash[DIGEST_BYTES];
    struct octets value;
    agency_reference_hash(options->reference_secret, update->agency, reference, hash);
    struct table_key key = key_of_orphan(options->region, update->agency, hash);
    enum err err = batch_get(batch, STORE_FORMER, &key, &value, &update->result.problem);
    if (err != ERR_NONE)
        return err;
    if (!former_row_check(&value))
        return problem_set(&update->result.problem, ERR_STORE_DAMAGED, "",
                           "store damaged: a former reference can't be read");
    *at_ms = (int64_t)get_be64(value.data + 8);
    return batch_get_carer(batch, get_be64(value.data), out, &update->result.problem);
}

enum err former_find(struct batch *batch, struct update *update, const char *reference, uint64_t *out)
{
    struct stored_carer carer = {0};
    int64_t at_ms = 0;
    enum err err = find(batch, update, reference, &carer, &at_ms);
    *out = err == ERR_NONE ? carer.home.national_reference : 0;
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}

void former_when(int64_t at_ms, char out[FORMER_WHEN_BYTES])
{
    char date[DATE_TEXT_BYTES];
    out[0] = '\0';
    if (at_ms == 0)
        return;
    date_format(date_of_wall_ms(at_ms), date);
    snprintf(out, FORMER_WHEN_BYTES, " on %s", date);
}

enum err former_refuse(struct batch *batch, struct update *update, const char *reference, const char *field)
{
    struct problem *problem = &update->result.problem;
    struct stored_carer carer = {0};
    const struct home_carer *home = &carer.home;
    char when[FORMER_WHEN_BYTES];
    int64_t at_ms = 0;
    enum err err = find(batch, update, reference, &carer, &at_ms);
    if (err != ERR_NONE)
        return err;
    former_when(at_ms, when);
    if (strcmp(home->carer.agency, update->agency) == 0)
        return problem_set(problem, ERR_PRECONDITION, field,
                           "the carer who had this reference is this agency's again, as %s: use that; another "
                           "household needs another reference",
                           home->lost ? "another one" : home->carer.agency_reference);
    return problem_set(problem, ERR_PRECONDITION, field,
                       "this carer was released, and taken over by another agency%s (GetHistory says by which). "
                       "Another household needs another reference; to have this one back, take it over with its code "
                       "(TakeOverCarer)",
                       when);
}
