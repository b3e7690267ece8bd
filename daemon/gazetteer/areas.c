/*
 * areas.c - authorities, regions, which adjoin, and codes that were replaced. Owns those built-in tables within a
 * struct gazetteer; knows nothing of postcodes. Thread: any. Invariant: sorted by code, each found by bisection.
 */
#include "daemon/base/log.h"
#include "daemon/gazetteer/state.h"
#include "daemon/gazetteer/tables.h"

#include <stdlib.h>
#include <string.h>

static void load_authorities(struct gazetteer *g)
{
    struct table_rows rows;
    g->authorities = table_memory(table_lines(TABLE_AUTHORITIES), sizeof *g->authorities);
    table_rows_begin(&rows, TABLE_AUTHORITIES, 8);
    while (table_rows_next(&rows)) {
        struct authority *a = &g->authorities[g->authority_count++];
        table_rows_text(&rows, 0, a->gss, sizeof a->gss);
        table_rows_text(&rows, 1, a->name, sizeof a->name);
        a->dfe_number = (uint16_t)table_rows_int(&rows, 2);
        table_rows_text(&rows, 3, a->region, sizeof a->region);
        a->west_km = table_rows_int(&rows, 4);
        a->south_km = table_rows_int(&rows, 5);
        a->east_km = table_rows_int(&rows, 6);
        a->north_km = table_rows_int(&rows, 7);
        if (g->authority_count > 1 && strcmp(a[-1].gss, a->gss) >= 0)
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

static int compare_adjoining(const void *a, const void *b)
{
    const struct adjoining_row *left = a, *right = b;
    int order = strcmp(left->authority, right->authority);
    return order ? order : strcmp(left->neighbour, right->neighbour);
}

static void load_adjoining(struct gazetteer *g)
{
    struct table_rows rows;
    g->adjoining = table_memory(table_lines(TABLE_ADJOINING), sizeof *g->adjoining);
    table_rows_begin(&rows, TABLE_ADJOINING, 3);
    while (table_rows_next(&rows)) {
        struct adjoining_row *r = &g->adjoining[g->adjoining_count++];
        table_rows_text(&rows, 0, r->authority, sizeof r->authority);
        table_rows_text(&rows, 1, r->neighbour, sizeof r->neighbour);
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
        table_rows_text(&rows, 0, r->old, sizeof r->old);
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

static int compare_authority(const void *key, const void *row)
{
    return strcmp(key, ((const struct authority *)row)->gss);
}

const struct authority *gazetteer_authority(const struct gazetteer *g, const char *gss)
{
    return bsearch(gss, g->authorities, g->authority_count, sizeof *g->authorities, compare_authority);
}

int areas_index(const struct gazetteer *g, const char *gss)
{
    const struct authority *a = gazetteer_authority(g, gss);
    return a ? (int)(a - g->authorities) : -1;
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
    for (size_t i = 0; i < g->change_count; i++)
        if (!strcmp(g->changes[i].old, old_gss) && index-- == 0)
            return g->changes[i].new;
    return NULL;
}

static const struct adjoining_row *find_pair(const struct gazetteer *g, const char *one, const char *other)
{
    struct adjoining_row key = {.relation = RELATION_ADJOINING};
    if (strlen(one) >= sizeof key.authority || strlen(other) >= sizeof key.neighbour)
        return NULL;
    strcpy(key.authority, one);
    strcpy(key.neighbour, other);
    return bsearch(&key, g->adjoining, g->adjoining_count, sizeof *g->adjoining, compare_adjoining);
}

enum authority_relation gazetteer_relation(const struct gazetteer *g, const char *asking, const char *home)
{
    if (*asking && !strcmp(asking, home))
        return RELATION_IN_AREA;
    /* The table has English pairs both ways, but a pair with Wales or Scotland only from the English side. Most pairs
     * asked for are English and not in it: every option of every search asks twice. */
    const struct adjoining_row *pair = find_pair(g, asking, home);
    if (!pair && *asking != 'E')
        pair = find_pair(g, home, asking);
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
