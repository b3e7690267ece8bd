/*
 * areas.c - authorities, regions, which adjoin, and codes that were replaced. Owns those built-in tables within a
 * struct gazetteer; knows nothing of postcodes. Thread: any. Invariant: sorted by code, each found by bisection.
 */
#include "daemon/base/log.h"
#include "daemon/gazetteer/state.h"
#include "daemon/gazetteer/tables.h"

#include <stdlib.h>
#include <string.h>

/* Searches look codes up for every option that they show: numbers are compared in a tenth of the time of texts. */
static gss_number number_of(const char *gss)
{
    gss_number number = 0;
    size_t size = 0;
    for (; gss[size] != '\0'; size++) {
        if (size == GSS_TEXT_BYTES - 1 || (gss[size] & 0x80) != 0)
            return 0;
        number = number << 7 | (gss_number)gss[size];
    }
    return number << 7 * (GSS_TEXT_BYTES - 1 - size);
}

static gss_number read_number(const struct table_rows *rows, size_t field)
{
    char gss[GSS_TEXT_BYTES];
    table_rows_text(rows, field, gss, sizeof gss);
    return number_of(gss);
}

static void load_authorities(struct gazetteer *g)
{
    struct table_rows rows;
    g->authorities = table_memory(table_lines(TABLE_AUTHORITIES), sizeof *g->authorities);
    g->authority_numbers = table_memory(table_lines(TABLE_AUTHORITIES), sizeof *g->authority_numbers);
    table_rows_begin(&rows, TABLE_AUTHORITIES, 8);
    while (table_rows_next(&rows)) {
        gss_number *number = &g->authority_numbers[g->authority_count];
        struct authority *a = &g->authorities[g->authority_count++];
        table_rows_text(&rows, 0, a->gss, sizeof a->gss);
        *number = number_of(a->gss);
        table_rows_text(&rows, 1, a->name, sizeof a->name);
        a->dfe_number = (uint16_t)table_rows_int(&rows, 2);
        table_rows_text(&rows, 3, a->region, sizeof a->region);
        a->west_km = table_rows_int(&rows, 4);
        a->south_km = table_rows_int(&rows, 5);
        a->east_km = table_rows_int(&rows, 6);
        a->north_km = table_rows_int(&rows, 7);
        if (g->authority_count > 1 && number[-1] >= *number)
            log_fatal("gazetteer", "built-in table authorities is not sorted");
    }
}

static void load_regions(struct gazetteer *g)
{
    struct table_rows rows;
    g->regions = table_memory(table_lines(TABLE_REGIONS), sizeof *g->regions);
    table_rows_begin(&rows, TABLE_REGIONS, 2);
    while (table_rows_next(&rows)) {
        struct region *r = &g->regions[g->region_count++];
        table_rows_text(&rows, 0, r->gss, sizeof r->gss);
        table_rows_text(&rows, 1, r->name, sizeof r->name);
    }
}

static enum authority_relation relation_of(const char *kind)
{
    if (!strcmp(kind, "land") || !strcmp(kind, "point"))
        return RELATION_ADJOINING;
    if (!strcmp(kind, "water"))
        return RELATION_ACROSS_WATER;
    log_fatal("gazetteer", "built-in table adjoining has an unknown kind");
}

static int compare_numbers(const void *a, const void *b)
{
    const gss_number *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static int compare_adjoining(const void *a, const void *b)
{
    const struct adjoining_row *left = a, *right = b;
    int order = compare_numbers(&left->authority, &right->authority);
    return order ? order : compare_numbers(&left->neighbour, &right->neighbour);
}

static void load_adjoining(struct gazetteer *g)
{
    struct table_rows rows;
    g->adjoining = table_memory(table_lines(TABLE_ADJOINING), sizeof *g->adjoining);
    table_rows_begin(&rows, TABLE_ADJOINING, 3);
    while (table_rows_next(&rows)) {
        struct adjoining_row *r = &g->adjoining[g->adjoining_count++];
        r->authority = read_number(&rows, 0);
        r->neighbour = read_number(&rows, 1);
        r->relation = relation_of(rows.fields[2]);
        if (g->adjoining_count > 1 && compare_adjoining(r - 1, r) >= 0)
            log_fatal("gazetteer", "built-in table adjoining is not sorted");
    }
}

static void load_changes(struct gazetteer *g)
{
    struct table_rows rows;
    g->changes = table_memory(table_lines(TABLE_CODE_CHANGES), sizeof *g->changes);
    table_rows_begin(&rows, TABLE_CODE_CHANGES, 6);
    while (table_rows_next(&rows)) {
        struct change_row *r = &g->changes[g->change_count++];
        r->old = read_number(&rows, 0);
        table_rows_text(&rows, 2, r->new, sizeof r->new);
    }
}

void areas_load(struct gazetteer *g)
{
    load_authorities(g);
    load_regions(g);
    load_adjoining(g);
    load_changes(g);
}

int areas_index(const struct gazetteer *g, const char *gss)
{
    const gss_number number = number_of(gss), *found = bsearch(&number, g->authority_numbers, g->authority_count,
                                                               sizeof number, compare_numbers);
    return found ? (int)(found - g->authority_numbers) : -1;
}

const struct authority *gazetteer_authority(const struct gazetteer *g, const char *gss)
{
    int index = areas_index(g, gss);
    return index >= 0 ? &g->authorities[index] : NULL;
}

size_t gazetteer_authority_count(const struct gazetteer *g)
{
    return g->authority_count;
}

const struct authority *gazetteer_authority_at(const struct gazetteer *g, size_t index)
{
    return index < g->authority_count ? &g->authorities[index] : NULL;
}

const struct authority *gazetteer_authority_by_dfe(const struct gazetteer *g, unsigned dfe_number)
{
    for (size_t i = 0; i < g->authority_count; i++)
        if (g->authorities[i].dfe_number == dfe_number)
            return &g->authorities[i];
    return NULL;
}

size_t gazetteer_region_count(const struct gazetteer *g)
{
    return g->region_count;
}

const struct region *gazetteer_region_at(const struct gazetteer *g, size_t index)
{
    return index < g->region_count ? &g->regions[index] : NULL;
}

const struct region *gazetteer_region(const struct gazetteer *g, const char *gss)
{
    for (size_t i = 0; i < g->region_count; i++)
        if (!strcmp(g->regions[i].gss, gss))
            return &g->regions[i];
    return NULL;
}

const char *gazetteer_successor(const struct gazetteer *g, const char *old_gss, size_t index)
{
    const gss_number old = number_of(old_gss);
    for (size_t i = 0; i < g->change_count; i++)
        if (g->changes[i].old == old && index-- == 0)
            return g->changes[i].new;
    return NULL;
}

static const struct adjoining_row *find_pair(const struct gazetteer *g, gss_number one, gss_number other)
{
    const struct adjoining_row key = {.authority = one, .neighbour = other};
    return bsearch(&key, g->adjoining, g->adjoining_count, sizeof *g->adjoining, compare_adjoining);
}

enum authority_relation gazetteer_relation(const struct gazetteer *g, const char *asking, const char *home)
{
    if (*asking && !strcmp(asking, home))
        return RELATION_IN_AREA;
    /* The table has English pairs both ways, but a pair with Wales or Scotland only from the English side. Most pairs
     * asked for are English and not in it: every option of every search asks twice. */
    const gss_number from = number_of(asking), to = number_of(home);
    const struct adjoining_row *pair = find_pair(g, from, to);
    if (!pair && *asking != 'E')
        pair = find_pair(g, to, from);
    return pair ? pair->relation : RELATION_AT_A_DISTANCE;
}

const char *authority_relation_text(enum authority_relation relation)
{
    switch (relation) {
    case RELATION_IN_AREA:
        return "in area";
    case RELATION_ADJOINING:
        return "adjoining";
    case RELATION_ACROSS_WATER:
        return "across water, check";
    case RELATION_AT_A_DISTANCE:
        break;
    }
    return "at a distance";
}
