/* generate.c - random registers and questions, so made that every rule decides often (driver.c holds it to quotas). */
#include "tests/oracle/oracle.h"

#include <stdio.h>
#include <string.h>

u64 chance_next(struct chance *chance)
{
    /* splitmix64 */
    u64 z = chance->state += 0x9E3779B97F4A7C15ULL;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return z ^ z >> 31;
}

int chance_below(struct chance *chance, int below)
{
    return (int)(chance_next(chance) % (unsigned)below);
}

bool chance_percent(struct chance *chance, int percent)
{
    return chance_below(chance, 100) < percent;
}

/* 2026-06-01 plus so many days, at most a few years on either side. */
static void day_text(int days, char out[11])
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 2026, month = 5;
    for (;;) {
        int length = lengths[month] + (month == 1 && year % 4 == 0);
        if (days < 0) {
            month--;
            if (month < 0) {
                month = 11;
                year--;
            }
            days += lengths[month] + (month == 1 && year % 4 == 0);
        } else if (days >= length) {
            days -= length;
            if (++month == 12) {
                month = 0;
                year++;
            }
        } else {
            break;
        }
    }
    snprintf(out, 11, "%04u-%02u-%02u", (unsigned)year % 10000, (unsigned)(month + 1) % 100,
             (unsigned)(days + 1) % 100);
}

static const long long day_zero_ms = 1780272000000LL; /* 2026-06-01T00:00Z */

/* Of all others one that stands so to the asking one, or any. */
static int some_neighbour(struct chance *c, int asking, int relation)
{
    int other = chance_below(c, places_authority_count());
    for (int i = 0; i < places_authority_count(); i++, other = (other + 1) % places_authority_count())
        if (places_relation(asking, other) == relation)
            return other;
    return other;
}

void generate_country(struct chance *c, struct country *out)
{
    static const long widths[] = {3000, 12000, 40000, 90000, 250000};
    static const int relations[LOCAL_AUTHORITIES] = {IN_AREA,   IN_AREA,      ADJOINING,
                                                     ADJOINING, ACROSS_WATER, AT_A_DISTANCE};
    int asking = chance_below(c, places_authority_count());
    for (int i = 0; i < LOCAL_AUTHORITIES; i++)
        out->authorities[i] = some_neighbour(c, asking, relations[i]);
    out->width = widths[chance_below(c, 5)];
    out->west = 80000 + chance_below(c, 300) * 1000;
    out->south = 5000 + chance_below(c, 400) * 1000;
    if (chance_percent(c, 60)) {
        out->west = places_authority(asking)->west;
        out->south = places_authority(asking)->south;
    }
    out->regions = 1 + chance_below(c, 4);
    out->agencies = 1 + chance_below(c, 12);
    out->on_a_grid = out->width <= 12000 && chance_percent(c, 40);
    out->easy = chance_percent(c, 6);
}

void generate_agency(struct chance *c, struct agency_fact *agency)
{
    agency->known = !chance_percent(c, 3);
    agency->suspended = chance_percent(c, 8);
    agency->rating = chance_below(c, RATINGS);
    for (int i = 0; i < FRAMEWORKS; i++)
        agency->tiers[i] = chance_percent(c, 40) ? 0 : 1 + chance_below(c, chance_percent(c, 80) ? 3 : 9);
}

/* Often on a corner or a side of the index's cells, often twice the same. */
static void random_point(struct chance *c, const struct country *country, long *e, long *n)
{
    *e = country->west + chance_below(c, (int)country->width);
    *n = country->south + chance_below(c, (int)country->width);
    switch (country->on_a_grid ? 2 : chance_below(c, 6)) {
    case 0:
        *e -= *e % 4000;
        *n -= *n % 4000;
        break;
    case 1:
        *e = *e - *e % 4000 + 3999;
        break;
    case 2:
        *e -= *e % 1000;
        *n -= *n % 1000;
        break;
    default:
        break;
    }
}

static char random_sex(struct chance *c)
{
    return chance_percent(c, 4) ? 'U' : chance_percent(c, 55) ? 'M' : 'F';
}

static void random_set(struct chance *c, bool *set, int count, int percent)
{
    for (int i = 1; i < count; i++)
        set[i] = chance_percent(c, percent);
}

static const char *const tags[] = {"pl", "ur", "bfi", "ar", "art-x-makaton", "ckb"};

static void random_children(struct chance *c, struct home_fact *h)
{
    int placed = chance_percent(c, 45) ? 0 : 1 + chance_below(c, chance_percent(c, 80) ? 2 : 5);
    int own = chance_percent(c, 70) ? 0 : 1 + chance_below(c, 2);
    bool siblings = chance_percent(c, 50);
    h->child_count = placed + own;
    for (int i = 0; i < h->child_count; i++) {
        struct child_fact *child = &h->children[i];
        child->years_from = 3 * chance_below(c, 6);
        child->years_below = child->years_from + 3;
        child->sex = random_sex(c);
        child->placed = i < placed;
        if (child->placed && siblings)
            child->sibling_group = chance_percent(c, 80) ? 1 : 2;
    }
}

/* Nothing that is scarce, or one thing of it, or a kind of care and the skill for it. */
static void ordinary(struct chance *c, struct home_fact *h)
{
    static const int features[] = {2, 4, 5, 6, 7, 8}, skills[] = {1, 8, 10, 12},
                     care[] = {PARENT_CHILD, REMAND, THERAPEUTIC, DISABLED};
    for (int i = 0; i < 6; i++)
        h->features[features[i]] = false;
    for (int i = 0; i < 4; i++)
        h->skills[skills[i]] = h->care[care[i]] = false;
    switch (chance_below(c, 6)) {
    case 0:
        h->features[features[chance_below(c, 6)]] = true;
        break;
    case 1:
        h->skills[skills[chance_below(c, 4)]] = true;
        break;
    case 2:
        h->care[care[chance_below(c, 4)]] = true;
        h->skills[1] = h->care[THERAPEUTIC] && chance_percent(c, 50);
        h->skills[10] = h->care[PARENT_CHILD] && chance_percent(c, 50);
        break;
    default:
        break;
    }
}

/* Of the cell map, or made up: what another edition of the map would have. */
static void random_cell(struct chance *c, const struct country *country, struct home_fact *h)
{
    h->authority = country->authorities[chance_below(c, LOCAL_AUTHORITIES)];
    const struct authority_fact *authority = places_authority(h->authority);
    if (chance_percent(c, 25) && authority->cell_count > 0) {
        const struct cell_fact *cell = places_cell(authority->first_cell + chance_below(c, authority->cell_count));
        h->size_km = cell->size_km;
        h->square_e_km = cell->square_e_km;
        h->square_n_km = cell->square_n_km;
        h->point_e = cell->point_e;
        h->point_n = cell->point_n;
    } else {
        random_point(c, country, &h->point_e, &h->point_n);
        h->size_km = chance_percent(c, 3) ? 0 : 1 << chance_below(c, 5);
        h->square_e_km = h->size_km ? (int)(h->point_e / 1000) / h->size_km * h->size_km : 0;
        h->square_n_km = h->size_km ? (int)(h->point_n / 1000) / h->size_km * h->size_km : 0;
    }
    places_extent(h);
}

static void make_easy(struct chance *c, struct home_fact *h)
{
    h->ended = h->named_child_only = h->lapsed = h->sibling_group_only = h->narrows_care = false;
    h->live = true;
    h->child_count = h->held = 0;
    h->places = h->max_children = 1 + chance_below(c, 3);
    h->max_if_siblings = 0;
    h->bedrooms = h->beds = h->places;
    h->from_months = h->narrowed_from_months = h->narrowed_below_months = 0;
    h->below_months = 216;
    h->sex = h->narrowed_sex = '-';
    h->state = 'V';
    h->reason = 0;
    h->reserved_until[0] = h->from[0] = h->until[0] = '\0';
    memset(h->care + 1, 1, sizeof h->care - 1);
    memset(h->cannot_take, 0, sizeof h->cannot_take);
    memset(h->pets, 0, sizeof h->pets);
}

void generate_home(struct chance *c, const struct country *country, u64 reference, struct home_fact *h)
{
    memset(h, 0, sizeof *h);
    h->reference = reference;
    h->agency = chance_below(c, country->agencies);
    day_text(chance_percent(c, 90) ? -1 - chance_below(c, 1500) : chance_below(c, 60), h->approved_on);
    if (chance_percent(c, 20))
        day_text(chance_below(c, 60), h->approval_ends_on);
    h->ended = chance_percent(c, 3);
    h->named_child_only = chance_percent(c, 8);
    random_children(c, h);
    h->places = 1 + chance_below(c, 4);
    for (int i = 0; i < h->child_count; i++)
        h->places += h->children[i].placed && h->places < MANY;
    if (h->child_count > 0 && h->children[0].placed && chance_percent(c, 10))
        h->places = 1; /* children came since the vacancy was stated: no bed is free */
    h->max_children = chance_percent(c, 60) ? h->places : 1 + chance_below(c, 5);
    h->max_if_siblings = chance_percent(c, 50) ? 0 : h->max_children + chance_below(c, 3);
    h->bedrooms = chance_percent(c, 50) ? h->places : 1 + chance_below(c, 4);
    h->sharing = chance_below(c, 4);
    h->from_months = chance_percent(c, 60) ? 0 : 12 * chance_below(c, 14);
    if (chance_percent(c, 5))
        h->from_months = 1 + chance_below(c, 11);
    h->below_months = chance_percent(c, 60) ? 216 : h->from_months + 12 + 12 * chance_below(c, 10);
    random_set(c, h->care, CARE_TYPES, 65);
    h->care[SHORT_TERM] |= chance_percent(c, 70);
    if (h->care[STAYING_PUT] && chance_percent(c, 70))
        h->below_months = 252;
    if (h->below_months > 252)
        h->below_months = 252;
    h->sex = chance_percent(c, 75) ? '-' : chance_percent(c, 50) ? 'M' : 'F';
    random_set(c, h->features, FEATURES, 70);
    random_set(c, h->pets, PETS, 15);
    random_set(c, h->cannot_take, RISKS, 15);
    random_set(c, h->skills, SKILLS, chance_percent(c, 25) ? 0 : 50);
    if (chance_percent(c, 45))
        ordinary(c, h);
    h->language_count = chance_below(c, 4);
    int first = chance_below(c, 6);
    for (int i = 0; i < h->language_count; i++)
        snprintf(h->languages[i], sizeof h->languages[i], "%s", tags[(first + i) % 6]);
    random_cell(c, country, h);
    generate_vacancy(c, h);
    if (country->easy)
        make_easy(c, h);
}

/* Fewer than would be free otherwise: when none is left, the vacancy is held, and there is nothing to judge. */
static int held_of(struct chance *c, const struct home_fact *h)
{
    int most = h->places;
    for (int i = 0; i < h->child_count; i++)
        most -= h->children[i].placed;
    most = (h->beds < most ? h->beds : most) - 1;
    return most > 0 && chance_percent(c, 35) ? 1 + chance_below(c, most) : 0;
}

void generate_vacancy(struct chance *c, struct home_fact *h)
{
    h->live = chance_percent(c, 94);
    h->vacancy = chance_next(c) >> 9 | 1;
    h->state = chance_percent(c, 88) ? 'V' : chance_percent(c, 50) ? 'R' : 'N';
    h->lapsed = chance_percent(c, 5);
    h->reason = h->state == 'N' ? 1 + chance_below(c, 12) : 0;
    h->reserved_until[0] = '\0';
    if (h->state == 'R')
        day_text(chance_below(c, 90), h->reserved_until);
    h->beds = 1 + chance_below(c, chance_percent(c, 70) ? 3 : 6);
    h->held = held_of(c, h);
    h->narrows_care = chance_percent(c, 25);
    random_set(c, h->narrowed_care, CARE_TYPES, 60);
    h->narrowed_care[LONG_TERM] |= h->narrows_care;
    h->from[0] = h->until[0] = '\0';
    if (chance_percent(c, 30))
        day_text(chance_below(c, 60) - 20, h->from);
    if (chance_percent(c, 30))
        day_text(chance_below(c, 120), h->until);
    h->narrowed_from_months = chance_percent(c, 85) ? 0 : 12 * chance_below(c, 15);
    h->narrowed_below_months = chance_percent(c, 85) ? 0 : h->narrowed_from_months + 12 + 12 * chance_below(c, 10);
    h->narrowed_sex = chance_percent(c, 92) ? '-' : chance_percent(c, 50) ? 'M' : 'F';
    h->sibling_group_only = chance_percent(c, 6);
    h->on_call = chance_percent(c, 50);
    h->confirmed_ms = day_zero_ms - chance_below(c, 30) * 3600000LL * (chance_percent(c, 20) ? 8 : 1);
    if (chance_percent(c, 40))
        h->confirmed_ms -= chance_below(c, 3600000);
    h->reported_ms = chance_percent(c, 6) ? h->confirmed_ms + (day_zero_ms - h->confirmed_ms) / 2 : 0;
}

static void random_asked_children(struct chance *c, struct question *q)
{
    int dice = chance_below(c, 100);
    q->child_count = dice < 45   ? 1
                     : dice < 72 ? 2
                     : dice < 88 ? 3
                     : dice < 98 ? 4 + chance_below(c, 2)
                                 : 6 + chance_below(c, 3);
    for (int i = 0; i < q->child_count; i++) {
        struct asked_child *child = &q->children[i];
        child->months = chance_percent(c, 10) ? chance_below(c, 12) : 12 * (1 + chance_below(c, 17));
        if (q->care == STAYING_PUT && chance_percent(c, 90))
            child->months = 216 + 12 * chance_below(c, 3);
        child->sex = random_sex(c);
    }
}

static const int default_order[] = {BY_WITHIN_RULES, BY_BAND,     BY_CHILDREN_TAKEN, BY_SCHOOL_KS4,
                                    BY_AREA,         BY_SIBLINGS, BY_LANGUAGE,       BY_SKILLS,
                                    BY_LENGTH,       BY_SCHOOL,   BY_IMPACT,         BY_WISHES,
                                    BY_ON_CALL,      BY_FRESH,    BY_SCARCE,         BY_APPROVED_TODAY};

/* The published ones, or an authority's own: any steps in any order, each once. */
static void random_order(struct chance *c, struct question *q)
{
    int dice = chance_below(c, 100), steps[STEPS], count = STEPS - 1;
    q->order = dice < 35 ? 'd' : dice < 50 ? 'n' : 'o';
    if (q->order == 'd') {
        q->step_count = sizeof default_order / sizeof *default_order;
        memcpy(q->steps, default_order, sizeof default_order);
    }
    if (q->order == 'n')
        q->steps[q->step_count++] = BY_WITHIN_RULES;
    if (q->order != 'o')
        return;
    for (int i = 0; i < count; i++)
        steps[i] = i + 1;
    q->step_count = 1 + chance_below(c, chance_percent(c, 60) ? 4 : STEPS - 1);
    for (int i = 0; i < q->step_count; i++) {
        int at = chance_below(c, count);
        q->steps[i] = steps[at];
        steps[at] = steps[--count];
    }
}

static int random_points(struct chance *c, const struct country *country, struct point points[WANTED])
{
    int count = chance_percent(c, 60) ? 0 : 1 + chance_below(c, chance_percent(c, 70) ? 1 : WANTED);
    for (int i = 0; i < WANTED; i++)
        random_point(c, country, &points[i].e, &points[i].n);
    return count;
}

static void random_preferences(struct chance *c, const struct country *country, struct question *q)
{
    q->authority = country->authorities[chance_percent(c, 70) ? 0 : chance_below(c, LOCAL_AUTHORITIES)];
    if (chance_percent(c, 3))
        q->authority = -1;
    q->school_count = random_points(c, country, q->schools);
    q->sibling_count = random_points(c, country, q->siblings);
    q->important_count = random_points(c, country, q->important);
    q->culture = chance_percent(c, 20);
    q->long_term = chance_percent(c, 30);
    q->on_call = chance_percent(c, 30);
    q->rating = chance_percent(c, 30);
    q->framework = chance_percent(c, 60) ? -1 : chance_below(c, FRAMEWORKS);
    q->worst_tier = chance_percent(c, 50) ? 0 : 1 + chance_below(c, 3);
    random_order(c, q);
    if (q->steps[0] == BY_SCHOOL_KS4) { /* else it seldom decides */
        q->children[0].months = 12 * (13 + chance_below(c, 4));
        q->school_count += q->school_count == 0;
    }
}

/* Little is asked that could be in the way, and the band comes first. */
static void let_bands_tell(struct chance *c, struct question *q)
{
    memset(q->features, 0, sizeof q->features);
    memset(q->risks, 0, sizeof q->risks);
    memset(q->no_pets, 0, sizeof q->no_pets);
    q->a_pet = false;
    q->avoided_count = q->beside = 0;
    q->child_count = 1;
    q->split_into = 0;
    q->order = 'o';
    q->step_count = 2;
    q->steps[0] = BY_BAND;
    q->steps[1] = chance_percent(c, 50) ? BY_AREA : chance_percent(c, 50) ? BY_FRESH : BY_SCARCE;
}

/* Right at a limit, a metre nearer, a metre farther. */
static void aim(struct chance *c, const struct home_fact *home, struct question *q)
{
    static const long limits[] = {8047, 16093, 32187, 80467};
    long off = chance_below(c, 3) - 1, e = home->point_e, n = home->point_n;
    switch (chance_below(c, 8)) {
    case 0:
    case 5:
    case 6:
    case 7:
        q->near_e = e + limits[chance_below(c, 4)] + off;
        q->near_n = n;
        q->within = 0;
        if (chance_percent(c, 70))
            let_bands_tell(c, q);
        break;
    case 1:
        q->within = oracle_distance(q->near_e, q->near_n, e, n) + off;
        q->within = q->within < 0 ? 0 : q->within;
        break;
    case 2:
        q->schools[0] = (struct point){e, n + 16093 + off};
        q->school_count += q->school_count == 0;
        break;
    case 3:
        q->siblings[0] = (struct point){e + 16093 + off, n};
        q->sibling_count += q->sibling_count == 0;
        break;
    default:
        q->important[0] = (struct point){e, n + 16093 + off};
        q->important_count += q->important_count == 0;
        break;
    }
}

void generate_question(struct chance *c, const struct country *country, const struct home_fact *homes, int home_count,
                       struct question *q)
{
    memset(q, 0, sizeof *q);
    random_point(c, country, &q->near_e, &q->near_n);
    if (chance_percent(c, 5))
        q->near_e = 0; /* far outside */
    q->care = chance_percent(c, 65) ? SHORT_TERM + chance_below(c, 2) : 1 + chance_below(c, CARE_TYPES - 1);
    random_asked_children(c, q);
    q->split = chance_percent(c, 35);
    day_text(chance_below(c, 45), q->starts_on);
    q->beside = chance_percent(c, 65) ? chance_below(c, 2) : 2 + chance_below(c, 4);
    q->limit = chance_percent(c, 40) ? 3 : chance_percent(c, 50) ? 100 : 1 + chance_below(c, 100);
    if (chance_percent(c, 40))
        q->within = 1 + chance_below(c, (int)country->width);
    if (chance_percent(c, 40))
        q->features[1 + chance_below(c, FEATURES - 1)] = true;
    if (chance_percent(c, 15))
        random_set(c, q->features, FEATURES, 30);
    if (chance_percent(c, 40))
        q->risks[1 + chance_below(c, RISKS - 1)] = true;
    if (chance_percent(c, 40))
        q->no_pets[1 + chance_below(c, PETS - 1)] = true;
    if (chance_percent(c, 50))
        random_set(c, q->skills, SKILLS, 15);
    if (chance_percent(c, 50))
        q->language_count = 1 + chance_below(c, 2);
    int first = chance_below(c, 6);
    for (int i = 0; i < q->language_count; i++)
        snprintf(q->languages[i], sizeof q->languages[i], "%s", tags[(first + i) % 6]);
    if (chance_percent(c, 40))
        q->avoided_count = 1 + chance_below(c, 3);
    for (int i = 0; i < q->avoided_count; i++) {
        random_point(c, country, &q->avoided[i].e, &q->avoided[i].n);
        q->avoided[i].radius = chance_percent(c, 20) ? 0 : chance_below(c, (int)country->width / 3 + 1);
        if (chance_percent(c, 30))
            q->avoided[i].radius -= q->avoided[i].radius % 1000; /* so that a side is just touched */
        if (q->avoided[i].radius > 50000)
            q->avoided[i].radius = 50000;
        /* Some of it by the reach: what is asked for and how wide the area is come to the same. */
        q->avoided[i].reach = chance_percent(c, 40) ? chance_below(c, (int)q->avoided[i].radius + 1) : 0;
        q->avoided[i].radius -= q->avoided[i].reach;
    }
    for (int lift = 1; lift < LIFTS; lift++)
        q->lifts[lift] = chance_percent(c, 25);
    q->a_pet = chance_percent(c, 12);
    q->as_of_ms = day_zero_ms + chance_below(c, 24) * 3600000LL;
    if (chance_percent(c, 40))
        q->as_of_ms += chance_below(c, 3600000);
    day_text(0, q->today);
    random_preferences(c, country, q);
    q->never_explained = chance_percent(c, 10);
    if (q->child_count > 1 && q->child_count <= 5 && chance_percent(c, q->child_count > 3 ? 80 : 40))
        q->split_into = 2 + chance_below(c, 2);
    if (country->easy && q->child_count > 4)
        q->child_count = 3;
    if (chance_percent(c, 25))
        aim(c, &homes[chance_below(c, home_count)], q);
}

void generate_relaxed(struct chance *c, const struct question *q, struct question *out)
{
    *out = *q;
    switch (chance_below(c, 10)) {
    case 0:
        out->lifts[1 + chance_below(c, LIFTS - 1)] = true;
        break;
    case 1:
        memset(out->features, 0, sizeof out->features);
        break;
    case 2:
        out->avoided_count -= out->avoided_count > 0;
        break;
    case 3:
        memset(out->risks, 0, sizeof out->risks);
        break;
    case 4:
        memset(out->no_pets, 0, sizeof out->no_pets);
        break;
    case 5:
        out->a_pet = false;
        break;
    case 6:
        out->within = chance_percent(c, 50) ? 0 : out->within * 2;
        break;
    case 7:
        out->beside = BESIDE_ANY;
        break;
    case 8:
        out->split = true;
        break;
    default:
        out->avoided_count = 0;
        out->within = 0;
        break;
    }
}
