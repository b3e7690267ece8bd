/*
 * feed.c - the oracle's facts as the hub's records: record -> offer -> octets -> commit -> observer. See feed.h.
 */
#include "tests/oracle/feed.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first is at home; not in the order of their codes. */
const char *const region_codes[REGIONS_MOST] = {"E12000003", "E12000008", "E12000001", "E12000006", "E12000009",
                                                "E12000002", "E12000005", "E12000007", "E12000004"};
static const char *const framework_ids[FRAMEWORKS] = {"E08000035", "north-consortium", "white-rose"};

void mismatch(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    printf("oracle: 1 failed\n");
    fflush(stdout);
    _exit(1);
}

/* --- facts as records ------------------------------------------------------------------------------------------ */

static date_days day(const char *text)
{
    date_days out = DATE_NONE;
    if (*text && !date_parse(text, &out))
        mismatch("the generator made a date that isn't one: %s", text);
    return out;
}

static uint8_t sex_code(char sex)
{
    return sex == 'M' ? SEX_M : sex == 'F' ? SEX_F : sex == 'U' ? SEX_U : SEX_ANY;
}

static uint32_t mask(const bool *set, int count)
{
    uint32_t bits = 0;
    for (int i = 1; i < count; i++)
        bits |= (uint32_t)set[i] << i;
    return bits;
}

static void carer_of(const struct register_side *side, const struct home_fact *h, struct carer *out)
{
    *out = (struct carer){
        .terms = {.max_children = (uint32_t)h->max_children,
                  .max_children_if_siblings = (uint32_t)(h->max_if_siblings ? h->max_if_siblings : h->max_children),
                  .age_from_months = (uint32_t)h->from_months,
                  .age_below_months = (uint32_t)h->below_months,
                  .care_types = mask(h->care, CARE_TYPES),
                  .sex = sex_code(h->sex),
                  .named_child_only = h->named_child_only},
        .approved_on = day(h->approved_on),
        .approval_ends_on = day(h->approval_ends_on),
        .places = (uint32_t)h->places,
        .bedrooms = (uint32_t)h->bedrooms,
        .room_sharing = (uint8_t)h->sharing,
        .cell = {.square_e_km = (uint32_t)h->square_e_km,
                 .square_n_km = (uint32_t)h->square_n_km,
                 .size_km = (uint32_t)h->size_km,
                 .point_e_metres = (uint32_t)h->point_e,
                 .point_n_metres = (uint32_t)h->point_n,
                 .area = "Somewhere, LS6"},
        .home_features = mask(h->features, FEATURES),
        .pets = mask(h->pets, PETS),
        .cannot_take = mask(h->cannot_take, RISKS),
        .skills = mask(h->skills, SKILLS),
        .language_count = (uint32_t)h->language_count,
        .status = h->ended ? CARER_ENDED : CARER_APPROVED,
    };
    snprintf(out->agency, sizeof out->agency, "%s", side->agencies[h->agency].id);
    snprintf(out->cell.authority, sizeof out->cell.authority, "%s", places_authority(h->authority)->code);
    for (int i = 0; i < h->language_count; i++) {
        snprintf(out->languages[i].tag, sizeof out->languages[i].tag, "%s", h->languages[i]);
        out->languages[i].level = 2;
    }
    for (int i = 0; i < h->child_count; i++) {
        uint8_t band = (uint8_t)(h->children[i].years_from / 3 + 1), sex = sex_code(h->children[i].sex);
        if (h->children[i].placed)
            out->placed[out->placed_count++] =
                (struct placed_child){band, sex, (uint8_t)h->children[i].sibling_group, "E08000035"};
        else
            out->household[out->household_count++] = (struct household_child){band, sex};
    }
}

static void vacancy_of(const struct home_fact *h, const struct carer *carer, struct vacancy *out)
{
    *out = (struct vacancy){0};
    if (!h->live)
        return;
    *out = (struct vacancy){
        .vacancy_id = h->vacancy,
        .observed_at_ms = h->confirmed_ms,
        .confirmed_at_ms = h->confirmed_ms,
        .reported_unavailable_at_ms = h->reported_ms,
        .stated = h->state == 'V'   ? VACANCY_VACANT
                  : h->state == 'R' ? VACANCY_RESERVED
                                    : VACANCY_NOT_AVAILABLE,
        .reason = (uint8_t)h->reason,
        .sex = sex_code(h->narrowed_sex),
        .beds = (uint32_t)h->beds,
        .care_types = h->narrows_care ? mask(h->narrowed_care, CARE_TYPES) : 0,
        .from = day(h->from),
        .until = day(h->until),
        .reserved_until = day(h->reserved_until),
        .age_from_months = (uint32_t)h->narrowed_from_months,
        .age_below_months = (uint32_t)h->narrowed_below_months,
        .sibling_group_only = h->sibling_group_only,
        .on_call = h->on_call,
    };
    out->state = h->lapsed ? VACANCY_LAPSED : out->stated;
    out->valid_until_ms = h->confirmed_ms + vacancy_ttl_ms(carer, out);
    if (h->reported_ms && h->reported_ms < out->valid_until_ms)
        out->valid_until_ms = h->reported_ms;
}

/* Of one team that has an answer, the rest of one that has none. */
static void holds_of(const struct home_fact *h, struct home_carer *out)
{
    static const uint8_t states[] = {HOLD_ACCEPTED, HOLD_ACTIVE};
    for (int left = h->live ? h->held : 0; left > 0; left -= (int)out->holds[out->hold_count++].beds)
        out->holds[out->hold_count] = (struct live_hold){.epoch = 1,
                                                         .sequence = 1 + out->hold_count,
                                                         .state = states[out->hold_count],
                                                         .beds = out->hold_count ? (uint32_t)left : 1};
}

static uint32_t points_of(const struct point *points, int count, struct point_wanted *out)
{
    for (int i = 0; i < count; i++)
        out[i] = (struct point_wanted){(uint32_t)points[i].e, (uint32_t)points[i].n};
    return (uint32_t)count;
}

/* What the service makes of such a request. */
static void preferences_of(const struct question *q, struct criteria *out)
{
    for (int i = 0; i < q->child_count; i++)
        out->key_stage_4 |= q->children[i].months >= 14 * 12 && q->children[i].months < 16 * 12;
    if (q->authority >= 0)
        snprintf(out->authority, sizeof out->authority, "%s", places_authority(q->authority)->code);
    if (q->framework >= 0)
        snprintf(out->framework, sizeof out->framework, "%s", framework_ids[q->framework]);
    out->framework_tier = (uint32_t)q->worst_tier;
    out->culture_asked = q->culture;
    out->long_term_plan = q->long_term;
    out->on_call_asked = q->on_call;
    out->rating_asked = q->rating;
    out->school_count = points_of(q->schools, q->school_count, out->schools);
    out->sibling_place_count = points_of(q->siblings, q->sibling_count, out->sibling_places);
    out->important_count = points_of(q->important, q->important_count, out->important);
    if (q->order != 'o' && !criteria_order(out, q->order == 'd' ? "default" : "nearest"))
        mismatch("match does not know a built-in order");
    if (q->order != 'o')
        return;
    out->step_count = (uint32_t)q->step_count;
    for (int i = 0; i < q->step_count; i++)
        out->steps[i] = (uint8_t)q->steps[i];
}

void criteria_of(const struct question *q, struct criteria *out)
{
    *out = (struct criteria){
        .near_e_metres = (uint32_t)q->near_e,
        .near_n_metres = (uint32_t)q->near_n,
        .child_count = (uint32_t)q->child_count,
        .care_type = (enum care_type)q->care,
        .starts_on = day(q->starts_on),
        .grouping = q->split ? GROUPING_SPLIT : GROUPING_TOGETHER,
        .alongside = (enum alongside)q->beside,
        .home_features = mask(q->features, FEATURES),
        .risks = mask(q->risks, RISKS),
        .no_pets = mask(q->no_pets, PETS),
        .pets_must = q->a_pet,
        .skills = mask(q->skills, SKILLS),
        .avoided_count = (uint32_t)q->avoided_count,
        .language_count = (uint32_t)q->language_count,
        .within_metres = (uint32_t)q->within,
        .limit = (uint32_t)q->limit,
        .overrides = mask(q->lifts, LIFTS),
        .as_of_ms = q->as_of_ms,
        .unexplained = q->never_explained,
        .split_into = (uint32_t)q->split_into,
    };
    for (int i = 0; i < q->child_count; i++)
        out->children[i] = (struct child_sought){(uint32_t)q->children[i].months, sex_code(q->children[i].sex)};
    for (int i = 0; i < q->avoided_count; i++)
        out->avoided[i] = (struct avoided){.e_metres = (uint32_t)q->avoided[i].e,
                                           .n_metres = (uint32_t)q->avoided[i].n,
                                           .radius_metres = (uint32_t)q->avoided[i].radius,
                                           .reach_metres = (uint32_t)q->avoided[i].reach};
    for (int i = 0; i < q->language_count; i++)
        snprintf(out->languages[i], sizeof out->languages[i], "%s", q->languages[i]);
    preferences_of(q, out);
}

/* --- commits --------------------------------------------------------------------------------------------------- */

/* Changes of one region, not yet committed. */
struct batch {
    struct arena *arena; /* its own: what is kept for the twin outlives it */
    struct change changes[64];
    struct commit commit;
    int region; /* -1: none begun */
};

/* A commit that the twin has yet to see. */
struct kept_commit {
    struct kept_commit *next;
    struct arena arena;
    struct change changes[64];
    struct commit commit;
};

static void batch_add(struct batch *batch, enum log_table table, const void *key, size_t key_bytes,
                      const struct octets *value)
{
    uint8_t *copy = arena_alloc(batch->arena, key_bytes);
    if (copy == NULL)
        mismatch("out of arena");
    memcpy(copy, key, key_bytes);
    batch->changes[batch->commit.count++] =
        (struct change){.table = table, .key = {copy, key_bytes}, .deleted = value == NULL, .value = {NULL, 0}};
    if (value)
        batch->changes[batch->commit.count - 1].value = *value;
}

static void keep_for_twin(struct batch *batch, struct register_side *side)
{
    struct kept_commit *kept = malloc(sizeof *kept), **last = &side->unseen[batch->region];
    if (kept == NULL)
        mismatch("out of memory");
    kept->next = NULL;
    kept->arena = *batch->arena;
    kept->commit = batch->commit;
    memcpy(kept->changes, batch->changes, batch->commit.count * sizeof *kept->changes);
    kept->commit.changes = kept->changes;
    while (*last)
        last = &(*last)->next;
    *last = kept;
}

static void batch_commit(struct batch *batch, struct register_side *side, bool more)
{
    struct commit_observer observer = match_observer(side->match);
    if (batch->region < 0)
        return;
    batch->commit.epoch = 1;
    batch->commit.sequence = ++side->sequences[batch->region];
    batch->commit.more = more;
    observer.committed(observer.ctx, &batch->commit);
    if (side->twin)
        keep_for_twin(batch, side);
    else
        arena_finish(batch->arena);
    free(batch->arena);
    batch->region = -1;
}

/* A commit with `more` is one with those that follow it, in their region. */
void twin_catch_up(struct chance *chance, struct register_side *side)
{
    struct commit_observer observer = match_observer(side->twin);
    int left = 0;
    for (int i = 0; i < REGIONS_MOST; i++)
        left += side->unseen[i] != NULL;
    while (left > 0) {
        int region = chance_below(chance, REGIONS_MOST);
        bool more = side->unseen[region] != NULL;
        while (more) {
            struct kept_commit *kept = side->unseen[region];
            more = kept->commit.more;
            observer.committed(observer.ctx, &kept->commit);
            side->unseen[region] = kept->next;
            arena_finish(&kept->arena);
            free(kept);
            left -= side->unseen[region] == NULL;
        }
    }
}

/* Room for two more changes of this region. */
static void batch_for(struct batch *batch, struct register_side *side, int region)
{
    if (batch->region == region && batch->commit.count + 2 > sizeof batch->changes / sizeof batch->changes[0])
        batch_commit(batch, side, true);
    else if (batch->region != region)
        batch_commit(batch, side, false);
    if (batch->region == region)
        return;
    if ((batch->arena = malloc(sizeof *batch->arena)) == NULL)
        mismatch("out of memory");
    arena_init(batch->arena, (size_t)1 << 20);
    batch->commit = (struct commit){.region = region_codes[region], .changes = batch->changes};
    batch->region = region;
}

static int region_of(const struct register_side *side, const struct home_fact *h)
{
    return side->agencies[h->agency].region;
}

static void batch_home(struct batch *batch, struct register_side *side, const struct home_fact *h)
{
    batch_for(batch, side, region_of(side, h));
    struct home_carer home = {.national_reference = h->reference};
    struct offer offer;
    struct octets octets;
    uint8_t key[8];
    carer_of(side, h, &home.carer);
    vacancy_of(h, &home.carer, &home.vacancy);
    holds_of(h, &home);
    for (int i = 0; i < 8; i++)
        key[i] = (uint8_t)(h->reference >> (56 - 8 * i));
    if (!offer_derive(&home, &offer)) {
        batch_add(batch, LOG_TABLE_OFFER, key, sizeof key, NULL);
        return;
    }
    if (offer_encode(&offer, batch->arena, &octets))
        mismatch("offer_encode");
    batch_add(batch, LOG_TABLE_OFFER, key, sizeof key, &octets);
}

static void batch_agency(struct batch *batch, struct register_side *side, const struct agency_fact *fact)
{
    batch_for(batch, side, fact->region);
    struct agency agency = {.name = "An agency", .kind = AGENCY_INDEPENDENT, .phone = "0113 000 0000"};
    struct octets octets;
    agency.status = fact->suspended ? AGENCY_SUSPENDED : AGENCY_ACTIVE;
    agency.rating = (uint8_t)fact->rating;
    for (int i = 0; i < FRAMEWORKS; i++) {
        if (fact->tiers[i] == 0)
            continue;
        snprintf(agency.frameworks[agency.framework_count].framework, sizeof agency.frameworks[0].framework, "%s",
                 framework_ids[i]);
        agency.frameworks[agency.framework_count++].tier = (uint8_t)fact->tiers[i];
    }
    snprintf(agency.id, sizeof agency.id, "%s", fact->id);
    if (!fact->known) {
        batch_add(batch, LOG_TABLE_AGENCY, fact->id, strlen(fact->id), NULL);
        return;
    }
    if (agency_encode(&agency, batch->arena, &octets))
        mismatch("agency_encode");
    batch_add(batch, LOG_TABLE_AGENCY, fact->id, strlen(fact->id), &octets);
}

/* Another one's place and vacancy id, if that is of another region: then the region alone tells them apart. */
static void copy_place(struct chance *chance, const struct register_side *side, int made, struct home_fact *home)
{
    const struct home_fact *other = &side->homes[chance_below(chance, made)];
    if (region_of(side, other) == region_of(side, home))
        return;
    home->authority = other->authority;
    home->square_e_km = other->square_e_km;
    home->square_n_km = other->square_n_km;
    home->size_km = other->size_km;
    home->point_e = other->point_e;
    home->point_n = other->point_n;
    home->vacancy = other->vacancy;
    places_extent(home);
}

/* A new carer's home, registered with some agency. */
static void home_comes(struct chance *chance, struct register_side *side, int made, struct home_fact *home)
{
    generate_home(chance, &side->country, 0, home);
    home->reference = ++side->next_references[region_of(side, home)];
    if (chance_percent(chance, 15))
        copy_place(chance, side, made, home);
}

static void agencies_create(struct chance *chance, struct register_side *side)
{
    for (int i = 0; i < side->country.agencies; i++) {
        struct agency_fact *agency = &side->agencies[i];
        agency->region = i % side->country.regions;
        agency->rank = 0;
        for (int j = 0; j < REGIONS_MOST; j++)
            agency->rank += strcmp(region_codes[j], region_codes[agency->region]) < 0;
        snprintf(agency->id, sizeof agency->id, "agency-%d", i / side->country.regions * 7919 % 1000);
        generate_agency(chance, agency);
    }
}

/* Each region's homes in their order, but the regions interleaved, one or many at a time. */
static void feed_homes(struct chance *chance, struct register_side *side, struct batch *batch)
{
    int next[REGIONS_MOST] = {0};
    for (int left = side->home_count; left > 0;) {
        int region = chance_below(chance, side->country.regions), most = 1 + chance_below(chance, 200);
        for (; next[region] < side->home_count && most > 0; next[region]++) {
            if (region_of(side, &side->homes[next[region]]) != region)
                continue;
            batch_home(batch, side, &side->homes[next[region]]);
            most--;
            left--;
        }
    }
    batch_commit(batch, side, false);
}

void register_create(struct chance *chance, struct register_side *side, const struct gazetteer *gazetteer, int homes,
                     bool twin)
{
    struct batch batch = {.region = -1};
    side->home_count = homes;
    side->homes = calloc((size_t)homes + HOMES_TO_COME, sizeof *side->homes);
    side->agencies = calloc((size_t)side->country.agencies, sizeof *side->agencies);
    side->match = match_create(gazetteer, region_codes[0]);
    side->twin = twin ? match_create(gazetteer, region_codes[0]) : NULL;
    if (side->homes == NULL || side->agencies == NULL)
        mismatch("out of memory");
    agencies_create(chance, side);
    for (int i = 0; i < side->country.agencies; i++)
        batch_agency(&batch, side, &side->agencies[i]);
    for (int i = 0; i < homes; i++)
        home_comes(chance, side, i + 1, &side->homes[i]);
    feed_homes(chance, side, &batch);
}

void register_destroy(struct chance *chance, struct register_side *side)
{
    if (side->twin) {
        twin_catch_up(chance, side);
        match_destroy(side->twin);
    }
    match_destroy(side->match);
    free(side->homes);
    free(side->agencies);
}

bool register_grow(struct chance *chance, struct register_side *side)
{
    struct batch batch = {.region = -1};
    if (side->grown == HOMES_TO_COME)
        return false;
    side->grown++;
    home_comes(chance, side, side->home_count, &side->homes[side->home_count]);
    batch_home(&batch, side, &side->homes[side->home_count++]);
    batch_commit(&batch, side, false);
    return true;
}

void register_change(struct chance *chance, struct register_side *side)
{
    struct batch batch = {.region = -1};
    for (int left = 1 + chance_below(chance, 6); left > 0; left--) {
        struct home_fact *home = &side->homes[chance_below(chance, side->home_count)], before = *home;
        struct agency_fact *agency = &side->agencies[chance_below(chance, side->country.agencies)];
        switch (chance_below(chance, 8)) {
        case 0:
            generate_agency(chance, agency);
            batch_agency(&batch, side, agency);
            break;
        case 1: /* the carer leaves, another comes */
            before.ended = true;
            batch_home(&batch, side, &before);
            home_comes(chance, side, side->home_count, home);
            batch_home(&batch, side, home);
            break;
        case 2: /* all is new but who registers it */
            generate_home(chance, &side->country, before.reference, home);
            if (region_of(side, home) != region_of(side, &before))
                home->agency = before.agency;
            batch_home(&batch, side, home);
            break;
        default:
            generate_vacancy(chance, home);
            if (chance_percent(chance, 15))
                copy_place(chance, side, side->home_count, home);
            batch_home(&batch, side, home);
            break;
        }
    }
    batch_commit(&batch, side, false);
}
