/*
 * state.h - what a struct gazetteer holds. Private to daemon/gazetteer.
 * Thread: filled by gazetteer_load, constant after it. Invariant: every array is sorted by its key.
 */
#ifndef VACANCY_GAZETTEER_STATE_H
#define VACANCY_GAZETTEER_STATE_H

#include "daemon/gazetteer/gazetteer.h"
#include "daemon/gazetteer/import_file.h"

/* A sector or an outcode. */
struct group_row {
    char key[POSTCODE_TEXT_BYTES];
    uint16_t square_e_km, square_n_km;
    uint16_t authority; /* index into authorities */
    uint32_t reach_m;   /* from the middle of the square to the farthest of its postcodes, of both editions */
};

struct group_table {
    struct group_row *rows;
    size_t count;
};

/* Sorted by authority, size, easting, northing. */
struct cell_row {
    uint16_t authority;
    uint16_t size_km, square_e_km, square_n_km;
    int32_t point_e_m, point_n_m;
    bool takes_rest;
    char outcode[5];
};

struct cell_range {
    uint32_t first, count;
    uint32_t rest; /* the cell for places in no other */
};

/* A GSS code as a number that sorts as the text does (areas.c); 0: it is none. */
typedef uint64_t gss_number;

struct adjoining_row {
    gss_number authority, neighbour;
    enum authority_relation relation;
};

struct change_row {
    gss_number old;
    char new[GSS_TEXT_BYTES];
};

struct gazetteer {
    struct group_table sectors, outcodes;
    struct cell_row *cells;
    struct cell_range *cell_ranges; /* one per authority */
    struct authority *authorities;
    gss_number *authority_numbers; /* of each, in the same order */
    size_t authority_count;
    struct region *regions;
    size_t region_count;
    struct adjoining_row *adjoining;
    size_t adjoining_count;
    struct change_row *changes;
    size_t change_count;
    struct language_entry *languages;
    size_t language_count;
    struct import_file *units; /* NULL: built-in tables alone */
    uint8_t digest[DIGEST_BYTES];
};

/* Reads the tables of areas.c (authorities, regions, adjoining, code changes) and of language.c. */
void areas_load(struct gazetteer *gazetteer);
void languages_load(struct gazetteer *gazetteer);
/* The index of a code, or -1. */
int areas_index(const struct gazetteer *gazetteer, const char *gss);
/* Zeroed memory for a built-in table, whose size the program fixes: aborts when there is none. */
void *table_memory(size_t count, size_t bytes);

#endif
