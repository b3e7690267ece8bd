/*
 * home_lost.c - carers of which a restore left only what is shared, and removing carers.
 * Owns: the ORPHANS table, how many each agency has. The writer's thread. Invariant: a carer has a row in REFERENCES
 * or, lost, in ORPHANS: by the keyed hash its agency's next push finds it again, so that no carer is registered twice.
 */
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct lost_count *find(const struct lost_counts *counts, const char *agency)
{
    for (size_t i = 0; i < counts->count; i++)
        if (strcmp(counts->items[i].agency, agency) == 0)
            return &counts->items[i];
    return NULL;
}

uint32_t lost_count(const struct batch_lists *lists, const char *agency)
{
    const struct lost_count *found = find(&lists->lost, agency);
    return found != NULL ? found->count : 0;
}

void lost_add(struct lost_counts *counts, const char *agency, int by)
{
    struct lost_count *found = find(counts, agency);
    if (found == NULL) {
        counts->items = list_need(counts->items, counts->count, &counts->capacity, sizeof *counts->items);
        found = &counts->items[counts->count++];
        *found = (struct lost_count){.count = 0};
        snprintf(found->agency, sizeof found->agency, "%s", agency);
    }
    found->count += (uint32_t)by;
    if (found->count == 0)
        *found = counts->items[--counts->count];
}

void lost_copy(struct lost_counts *to, const struct lost_counts *from)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        to->items = list_need(to->items, to->count, &to->capacity, sizeof *to->items);
        to->items[to->count++] = from->items[i];
    }
}

bool lost_note(struct batch *batch, const struct home_carer *home)
{
    uint8_t reference[8];
    put_be64(reference, home->national_reference);
    struct octets value = {reference, sizeof reference};
    struct table_key key = key_of_orphan(batch->home->options.region, home->carer.agency, home->reference_hash);
    lost_add(&batch->lists->lost, home->carer.agency, 1);
    return batch_put(batch, STORE_ORPHANS, &key, &value);
}

bool reference_forget(struct batch *batch, const struct home_carer *home)
{
    const char *region = batch->home->options.region;
    const struct carer *carer = &home->carer;
    struct table_key key;
    if (!home->lost) {
        key = key_of_reference(region, carer->agency, carer->agency_reference);
        return batch_del(batch, STORE_REFERENCES, &key);
    }
    key = key_of_orphan(region, carer->agency, home->reference_hash);
    lost_add(&batch->lists->lost, carer->agency, -1);
    return batch_del(batch, STORE_ORPHANS, &key);
}

bool carer_remove(struct batch *batch, const struct stored_carer *carer)
{
    uint64_t national_reference = carer->home.national_reference;
    struct table_key key = key_of_id(batch->home->options.region, national_reference);
    if (!reference_forget(batch, &carer->home) || !batch_del(batch, STORE_CARERS, &key) || !requests_forget(batch))
        return false;
    batch->carers--;
    batch->vacancies -= carer->home.vacancy.vacancy_id != 0;
    if (carer->home.vacancy.vacancy_id != 0)
        batch_vacancy(batch, carer->home.vacancy.vacancy_id, 0);
    batch_due(batch, national_reference, INT64_MAX);
    batch_subject(batch, national_reference); /* in the trail a pseudonym stays */
    return true;
}
