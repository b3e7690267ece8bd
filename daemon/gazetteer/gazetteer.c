/*
 * gazetteer.c - places and cells. Owns loading a struct gazetteer, looking a postcode up, and the way from a place to
 * its cell. Not here: authorities (areas.c), languages (language.c), the imported file's layout (import_file.c).
 * Thread: any. Invariant: nothing changes after gazetteer_load.
 */
#include "daemon/gazetteer/gazetteer.h"

#include "daemon/base/log.h"
#include "daemon/gazetteer/grid.h"
#include "daemon/gazetteer/state.h"
#include "daemon/gazetteer/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- loading --------------------------------------------------------------------------------------------------- */

void *table_memory(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    if (!memory)
        log_fatal("gazetteer", "no memory for the built-in tables");
    return memory;
}

static uint16_t authority_of(const struct gazetteer *g, const struct table_rows *rows, size_t field)
{
    int index = areas_index(g, rows->fields[field]);
    if (index < 0)
        log_fatal("gazetteer", "built-in table %s names an unknown authority", rows->table.name);
    return (uint16_t)index;
}

static void load_groups(const struct gazetteer *g, enum table_id id, struct group_table *table)
{
    struct table_rows rows;
    table->rows = table_memory(table_lines(id), sizeof *table->rows);
    table_rows_begin(&rows, id, 6);
    while (table_rows_next(&rows)) {
        struct group_row *row = &table->rows[table->count++];
        table_rows_text(&rows, 0, row->key, sizeof row->key);
        row->square_e_km = (uint16_t)table_rows_int(&rows, 1);
        row->square_n_km = (uint16_t)table_rows_int(&rows, 2);
        row->authority = authority_of(g, &rows, 3);
        row->reach_m = (uint32_t)table_rows_int(&rows, 5);
        if (table->count > 1 && strcmp(row[-1].key, row->key) >= 0)
            log_fatal("gazetteer", "built-in table %s is not sorted", rows.table.name);
    }
}

static int32_t middle_m(uint16_t square_km)
{
    return square_km * 1000 + 500;
}

/* The first whole metre that is no less than the root. */
static uint32_t root_up(uint64_t square)
{
    uint32_t root = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit != 0; bit >>= 1)
        if ((uint64_t)(root | bit) * (root | bit) <= square)
            root |= bit;
    return root + ((uint64_t)root * root < square);
}

/* A newer edition has postcodes that the built-in table doesn't know: none of them may lie beyond the reach (H10). */
static void reach_units(const struct import_file *units, struct group_row *row)
{
    struct postcode group;
    uint64_t below, farthest = 0;
    if (postcode_parse("", row->key, &group, NULL) != ERR_NONE)
        log_fatal("gazetteer", "built-in table names %s, which is no sector or outcode", row->key);
    uint64_t first = postcode_first_key(&group, &below);
    for (size_t i = import_file_from(units, first); i < units->row_count && units->rows[i].key >> 16 < below; i++) {
        int64_t e = units->rows[i].easting_m - middle_m(row->square_e_km);
        int64_t n = units->rows[i].northing_m - middle_m(row->square_n_km);
        uint64_t square = (uint64_t)(e * e + n * n);
        farthest = square > farthest ? square : farthest;
    }
    uint32_t reach = root_up(farthest);
    row->reach_m = reach > row->reach_m ? reach : row->reach_m;
}

static void reach_all_units(struct gazetteer *g)
{
    for (size_t i = 0; g->units && i < g->sectors.count; i++)
        reach_units(g->units, &g->sectors.rows[i]);
    for (size_t i = 0; g->units && i < g->outcodes.count; i++)
        reach_units(g->units, &g->outcodes.rows[i]);
}

static int compare_cells(const void *a, const void *b)
{
    const struct cell_row *left = a, *right = b;
    if (left->authority != right->authority)
        return left->authority < right->authority ? -1 : 1;
    if (left->size_km != right->size_km)
        return left->size_km < right->size_km ? -1 : 1;
    if (left->square_e_km != right->square_e_km)
        return left->square_e_km < right->square_e_km ? -1 : 1;
    return (left->square_n_km > right->square_n_km) - (left->square_n_km < right->square_n_km);
}

static void add_cell(struct gazetteer *g, size_t index)
{
    const struct cell_row *cell = &g->cells[index];
    struct cell_range *range = &g->cell_ranges[cell->authority];
    if (index && compare_cells(cell - 1, cell) >= 0)
        log_fatal("gazetteer", "built-in table cells is not sorted");
    if (!range->count++)
        range->first = (uint32_t)index;
    if (cell->takes_rest)
        range->rest = (uint32_t)index;
}

static void load_cells(struct gazetteer *g)
{
    struct table_rows rows;
    size_t count = 0;
    g->cells = table_memory(table_lines(TABLE_CELLS), sizeof *g->cells);
    g->cell_ranges = table_memory(g->authority_count, sizeof *g->cell_ranges);
    table_rows_begin(&rows, TABLE_CELLS, 9);
    while (table_rows_next(&rows)) {
        struct cell_row *cell = &g->cells[count];
        cell->authority = authority_of(g, &rows, 0);
        cell->size_km = (uint16_t)table_rows_int(&rows, 1);
        cell->square_e_km = (uint16_t)table_rows_int(&rows, 2);
        cell->square_n_km = (uint16_t)table_rows_int(&rows, 3);
        cell->point_e_m = table_rows_int(&rows, 4);
        cell->point_n_m = table_rows_int(&rows, 5);
        cell->takes_rest = table_rows_int(&rows, 7) == 1;
        table_rows_text(&rows, 8, cell->outcode, sizeof cell->outcode);
        add_cell(g, count++);
    }
    for (size_t i = 0; i < g->authority_count; i++)
        if (!g->cell_ranges[i].count || !g->cells[g->cell_ranges[i].rest].takes_rest ||
            g->cells[g->cell_ranges[i].rest].authority != i)
            log_fatal("gazetteer", "built-in table cells has no cell for the rest of %s", g->authorities[i].gss);
}

static void compute_digest(struct gazetteer *g)
{
    struct octets parts[TABLE_COUNT + 1];
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        struct table table = table_get((enum table_id)i);
        parts[i] = (struct octets){(const uint8_t *)table.data, table.bytes + 1}; /* the NUL keeps tables apart */
    }
    parts[TABLE_COUNT] = g->units ? (struct octets){g->units->digest, DIGEST_BYTES} : (struct octets){NULL, 0};
    digest_sha256_parts(parts, TABLE_COUNT + (g->units ? 1 : 0), g->digest);
}

enum err gazetteer_load(const char *import_path, struct gazetteer **out, struct problem *problem)
{
    struct import_file *units = NULL;
    if (import_path) {
        enum err err = import_file_load(import_path, &units, problem);
        if (err)
            return err;
    }
    struct gazetteer *g = table_memory(1, sizeof *g);
    g->units = units;
    areas_load(g);
    languages_load(g);
    load_groups(g, TABLE_SECTORS, &g->sectors);
    load_groups(g, TABLE_OUTCODES, &g->outcodes);
    reach_all_units(g);
    load_cells(g);
    compute_digest(g);
    *out = g;
    return ERR_NONE;
}

void gazetteer_destroy(struct gazetteer *g)
{
    if (!g)
        return;
    import_file_destroy(g->units);
    free(g->sectors.rows);
    free(g->outcodes.rows);
    free(g->cells);
    free(g->cell_ranges);
    free(g->authorities);
    free(g->authority_numbers);
    free(g->regions);
    free(g->adjoining);
    free(g->changes);
    free(g->languages);
    free(g);
}

void gazetteer_digest(const struct gazetteer *g, uint8_t out[DIGEST_BYTES])
{
    memcpy(out, g->digest, DIGEST_BYTES);
}

const char *gazetteer_edition(const struct gazetteer *g)
{
    return g->units ? g->units->edition : "built-in sectors";
}

bool gazetteer_has_units(const struct gazetteer *g)
{
    return g->units != NULL;
}

const char *gazetteer_attribution(void)
{
    return table_attribution();
}

/* --- places ---------------------------------------------------------------------------------------------------- */

static int compare_group(const void *key, const void *row)
{
    return strcmp(key, ((const struct group_row *)row)->key);
}

/* An older edition's code that one authority alone has replaced is read as that authority's. */
static void set_authority(const struct gazetteer *g, struct place *place, const char *gss)
{
    const char *successor = gazetteer_successor(g, gss, 0);
    if (successor && !gazetteer_successor(g, gss, 1))
        gss = successor;
    const struct authority *authority = gazetteer_authority(g, gss);
    memcpy(place->authority, gss, sizeof place->authority); /* nine characters and a NUL, checked at load */
    if (authority)
        memcpy(place->region, authority->region, sizeof place->region);
}

static bool find_unit(const struct gazetteer *g, const struct postcode *postcode, struct place *out)
{
    if (postcode->kind != POSTCODE_UNIT || !g->units)
        return false;
    const struct import_row *row = import_file_find(g->units, postcode_key(postcode));
    if (!row)
        return false;
    *out = (struct place){.easting_m = row->easting_m, .northing_m = row->northing_m, .precision = PLACE_UNIT};
    set_authority(g, out, g->units->authorities[row->key & 0xffff].gss);
    return true;
}

static bool find_group(const struct gazetteer *g, const struct group_table *table, const char *key,
                       enum place_precision precision, struct place *out)
{
    const struct group_row *row = bsearch(key, table->rows, table->count, sizeof *table->rows, compare_group);
    if (!row)
        return false;
    *out = (struct place){.easting_m = middle_m(row->square_e_km),
                          .northing_m = middle_m(row->square_n_km),
                          .precision = precision,
                          .reach_metres = row->reach_m};
    set_authority(g, out, g->authorities[row->authority].gss);
    return true;
}

enum err gazetteer_find(const struct gazetteer *g, const char *field, const struct postcode *postcode,
                        struct place *out, struct problem *problem)
{
    char key[POSTCODE_TEXT_BYTES];
    if (find_unit(g, postcode, out))
        return ERR_NONE;
    if (postcode_sector(postcode, key) && find_group(g, &g->sectors, key, PLACE_SECTOR, out))
        return ERR_NONE;
    postcode_outcode(postcode, key);
    if (find_group(g, &g->outcodes, key, PLACE_OUTCODE, out))
        return ERR_NONE;
    return problem_set(problem, ERR_INVALID, field,
                       g->units ? "no such postcode in the postcodes of Great Britain that this hub has; check it"
                                : "no such postcode in England; check it (this hub has no postcodes of other nations)");
}

enum err gazetteer_locate(const struct gazetteer *g, const char *field, const char *text, struct place *out,
                          struct problem *problem)
{
    struct postcode postcode;
    enum err err = postcode_parse(field, text, &postcode, problem);
    return err ? err : gazetteer_find(g, field, &postcode, out, problem);
}

/* --- cells ----------------------------------------------------------------------------------------------------- */

static const struct cell_row *find_cell(const struct gazetteer *g, int authority, int32_t e_km, int32_t n_km,
                                        int32_t size_km)
{
    const struct cell_range *range = &g->cell_ranges[authority];
    if (e_km < 0 || n_km < 0 || e_km > UINT16_MAX || n_km > UINT16_MAX || size_km < 0 || size_km > 16)
        return NULL;
    struct cell_row key = {.authority = (uint16_t)authority,
                           .size_km = (uint16_t)size_km,
                           .square_e_km = (uint16_t)e_km,
                           .square_n_km = (uint16_t)n_km};
    return bsearch(&key, g->cells + range->first, range->count, sizeof key, compare_cells);
}

static void show_cell(const struct gazetteer *g, const struct cell_row *row, struct cell *out)
{
    const struct authority *a = &g->authorities[row->authority];
    *out = (struct cell){.square_e_km = row->square_e_km,
                         .square_n_km = row->square_n_km,
                         .size_km = row->size_km,
                         .point_e_m = row->point_e_m,
                         .point_n_m = row->point_n_m,
                         .west_km = row->square_e_km,
                         .south_km = row->square_n_km,
                         .east_km = row->square_e_km + row->size_km,
                         .north_km = row->square_n_km + row->size_km};
    memcpy(out->authority, a->gss, sizeof out->authority);
    if (row->size_km == 0) {
        out->west_km = a->west_km, out->south_km = a->south_km, out->east_km = a->east_km, out->north_km = a->north_km;
    } else if (row->takes_rest) {
        /* The square's corner may lie outside the box of the postcodes; both are inside the answer. */
        out->west_km = a->west_km < out->west_km ? a->west_km : out->west_km;
        out->south_km = a->south_km < out->south_km ? a->south_km : out->south_km;
        out->east_km = a->east_km > out->east_km ? a->east_km : out->east_km;
        out->north_km = a->north_km > out->north_km ? a->north_km : out->north_km;
    }
    snprintf(out->area_name, sizeof out->area_name, "%s%s%s", a->name, row->outcode[0] ? ", " : "", row->outcode);
}

static bool box_holds(const struct cell *cell, int32_t e_km, int32_t n_km)
{
    return e_km >= cell->west_km && e_km < cell->east_km && n_km >= cell->south_km && n_km < cell->north_km;
}

enum err gazetteer_cell(const struct gazetteer *g, const char *field, const struct place *home, struct cell *out,
                        struct problem *problem)
{
    int authority = areas_index(g, home->authority);
    if (authority < 0 || !grid_holds(home->easting_m, home->northing_m))
        return problem_set(problem, ERR_INVALID, field,
                           "expected a home in a children's services authority of England; this one is elsewhere, or "
                           "its authority is newer than this program");
    int32_t e_km = home->easting_m / 1000, n_km = home->northing_m / 1000;
    const struct cell_row *row = NULL;
    for (int32_t size = 1; !row && size <= 16; size *= 2)
        row = find_cell(g, authority, e_km / size * size, n_km / size * size, size);
    if (!row)
        row = &g->cells[g->cell_ranges[authority].rest];
    show_cell(g, row, out);
    if (home->precision == PLACE_UNIT && !box_holds(out, e_km, n_km))
        return problem_set(problem, ERR_PRECONDITION, field,
                           "this postcode lies outside all that the cell map has of its authority; a newer edition of "
                           "this program is needed to place it");
    return ERR_NONE;
}

bool gazetteer_cell_get(const struct gazetteer *g, const char *authority, int32_t square_e_km, int32_t square_n_km,
                        int32_t size_km, struct cell *out)
{
    int index = areas_index(g, authority);
    const struct cell_row *row = index < 0 ? NULL : find_cell(g, index, square_e_km, square_n_km, size_km);
    if (!row)
        return false;
    show_cell(g, row, out);
    return true;
}

/* How far `at` is from the range [low, high] (0 inside). */
static uint64_t gap(int64_t at, int64_t low, int64_t high)
{
    return (uint64_t)(at < low ? low - at : at > high ? at - high : 0);
}

bool cell_touches_circle(const struct cell *cell, int32_t centre_e_m, int32_t centre_n_m, uint32_t radius_metres)
{
    uint64_t east = gap(centre_e_m, (int64_t)cell->west_km * 1000, (int64_t)cell->east_km * 1000);
    uint64_t north = gap(centre_n_m, (int64_t)cell->south_km * 1000, (int64_t)cell->north_km * 1000);
    /* Each at most 2^32: compared one by one first, so that the squares' sum can't pass 64 bits. */
    return east <= radius_metres && north <= radius_metres &&
           (unsigned __int128)east * east + (unsigned __int128)north * north <=
               (unsigned __int128)radius_metres * radius_metres;
}
