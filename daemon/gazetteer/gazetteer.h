/*
 * gazetteer.h - from a postcode to a grid point, a children's services authority, a region and a cell.
 *
 * Owns: the tables built into the program (daemon/gazetteer/data: sectors and outcodes of England, the cell map,
 * authorities, which adjoin, languages) and, if given, one imported file of unit postcodes (import.h). Not here: who
 * may see which precision (access, service).
 * Thread: any; a struct gazetteer never changes after gazetteer_load. Pointers it hands out live as long as it does.
 * Invariant: the cell map is the program's own. An imported postcode file gives points and authorities, never a cell,
 * so a home keeps its cell until it moves, whatever postcode edition comes.
 */
#ifndef VACANCY_GAZETTEER_GAZETTEER_H
#define VACANCY_GAZETTEER_GAZETTEER_H

#include "daemon/base/digest.h"
#include "daemon/base/error.h"
#include "daemon/gazetteer/postcode.h"

#define GSS_TEXT_BYTES  10 /* "E08000035" and a NUL */
#define AREA_TEXT_BYTES 64

struct gazetteer;

/*
 * import_path NULL: the built-in tables alone (places at sector precision). Else the file that gazetteer_import wrote:
 * ERR_NOT_FOUND, ERR_STORE_IO, ERR_PRECONDITION for a format that this program doesn't read (both versions named),
 * ERR_STORE_DAMAGED when its digest or its order is wrong. Takes the file's size in memory (28 MB for all of Great
 * Britain) and a quarter of a second.
 */
enum err gazetteer_load(const char *import_path, struct gazetteer **out, struct problem *problem)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void gazetteer_destroy(struct gazetteer *gazetteer);
/* SHA-256 over the built-in tables and the imported file's digest: echoed by every search (design 4.7). */
void gazetteer_digest(const struct gazetteer *gazetteer, uint8_t out[DIGEST_BYTES]);
/* What places come from, for GetStatus and people: "built-in sectors", or the imported file's edition. */
const char *gazetteer_edition(const struct gazetteer *gazetteer);
bool gazetteer_has_units(const struct gazetteer *gazetteer);
/* The attribution that the sources' licence (OGL v3) wants shown: about page, printed reports. */
const char *gazetteer_attribution(void);

/* --- places ---------------------------------------------------------------------------------------------------- */

/* From coarse to fine; compare with <. */
enum place_precision { PLACE_OUTCODE, PLACE_SECTOR, PLACE_UNIT };

struct place {
    /* British National Grid. UNIT: the postcode's point; coarser: the centre of the 1 km square of the mean. */
    int32_t easting_m, northing_m;
    enum place_precision precision;
    /*
     * Coarser than UNIT: the circle of this radius round the point holds every placed postcode of the sector or
     * outcode, of the built-in tables' edition and of the imported file, and touches the cell of every home of which no
     * more than its sector is known. Where the sector isn't known it is the outcode's, and no bound: the postcode may
     * be newer than all that is known of the outcode.
     */
    uint32_t reach_metres;
    char authority[GSS_TEXT_BYTES]; /* coarser than UNIT: the English authority with most of its postcodes, a guess */
    char region[GSS_TEXT_BYTES];    /* empty outside England and for an authority that this program doesn't know */
};

/*
 * The finest place known for a canonical postcode: unit (imported file only), else its sector, else its outcode; the
 * caller looks at ->precision. A postcode with no known outcode is ERR_INVALID naming `field`. Sectors and outcodes are
 * England's; Welsh and Scottish postcodes are found as units only.
 */
enum err gazetteer_find(const struct gazetteer *gazetteer, const char *field, const struct postcode *postcode,
                        struct place *out, struct problem *problem) __attribute__((warn_unused_result));
/* postcode_parse, then gazetteer_find. */
enum err gazetteer_locate(const struct gazetteer *gazetteer, const char *field, const char *text, struct place *out,
                          struct problem *problem) __attribute__((warn_unused_result));

/* --- cells (design 4.9) ---------------------------------------------------------------------------------------- */

struct cell {
    char authority[GSS_TEXT_BYTES];
    int32_t square_e_km, square_n_km; /* south-west corner; 0, 0 for a whole authority */
    int32_t size_km;                  /* 1, 2, 4, 8, 16; 0 = whole authority */
    int32_t point_e_m, point_n_m;     /* mean of the cell's postcodes: what distances are measured to */
    /*
     * A box that holds every home of the cell, [west, east) x [south, north). The square itself, but for the one cell
     * of an authority that also takes the places in no square (it and a whole authority: all the authority's
     * postcodes). H10 is judged against this box: the square alone would let such a home pass. A home of which no more
     * than its sector is known (allow-sector) may lie outside: its cell is that of its sector's middle.
     */
    int32_t west_km, south_km, east_km, north_km;
    char area_name[AREA_TEXT_BYTES]; /* "Leeds, LS6": a function of the cell, so it tells nothing more than the cell */
};

/*
 * The cell of a home. A place known only to its sector takes the cell of the sector's square. Always one cell: the
 * smallest of its authority whose square holds it, else the authority's cell for all other places.
 * ERR_INVALID: not in an authority of England in the cell map. ERR_PRECONDITION: a unit outside the box of its
 * authority, so newer than the cell map. *problem names `field`.
 */
enum err gazetteer_cell(const struct gazetteer *gazetteer, const char *field, const struct place *home,
                        struct cell *out, struct problem *problem) __attribute__((warn_unused_result));
/* The cell with this key, as stored in a record; false if the cell map has none. */
bool gazetteer_cell_get(const struct gazetteer *gazetteer, const char *authority, int32_t square_e_km,
                        int32_t square_n_km, int32_t size_km, struct cell *out) __attribute__((warn_unused_result));
/* H10: does the circle touch any part of the cell's box? The border counts as touched. */
bool cell_touches_circle(const struct cell *cell, int32_t centre_e_m, int32_t centre_n_m, uint32_t radius_metres);

/* --- authorities and regions ----------------------------------------------------------------------------------- */

struct authority {
    char gss[GSS_TEXT_BYTES];
    char region[GSS_TEXT_BYTES];
    char name[48];                                /* for people: "Leeds", "Kingston upon Hull" */
    uint16_t dfe_number;                          /* 383: how the SSDA903 and a request reference name it */
    int32_t west_km, south_km, east_km, north_km; /* a box that holds all its postcodes */
};

struct region {
    char gss[GSS_TEXT_BYTES];
    char name[48];
};

size_t gazetteer_authority_count(const struct gazetteer *gazetteer);
/* In order of code. */
const struct authority *gazetteer_authority_at(const struct gazetteer *gazetteer, size_t index);
/* NULL for codes that are not of today's English authorities. */
const struct authority *gazetteer_authority(const struct gazetteer *gazetteer, const char *gss);
const struct authority *gazetteer_authority_by_dfe(const struct gazetteer *gazetteer, unsigned dfe_number);
size_t gazetteer_region_count(const struct gazetteer *gazetteer);
const struct region *gazetteer_region_at(const struct gazetteer *gazetteer, size_t index);
const struct region *gazetteer_region(const struct gazetteer *gazetteer, const char *gss);
/*
 * Codes that replaced an old one, in order: index 0, 1, ... until NULL ("E08000019" -> "E08000039"; Cumbria has two).
 */
const char *gazetteer_successor(const struct gazetteer *gazetteer, const char *old_gss, size_t index);

/* How a home's authority stands to the one that asks (Care Planning Regulations reg 11). */
enum authority_relation {
    RELATION_IN_AREA,
    RELATION_ADJOINING,     /* shares land boundary, or meets at a point */
    RELATION_ACROSS_WATER,  /* opposite banks: "across water, check"; counts as at a distance */
    RELATION_AT_A_DISTANCE, /* also whenever a code is not known */
};
enum authority_relation gazetteer_relation(const struct gazetteer *gazetteer, const char *asking, const char *home);
/* "in area", "adjoining", "across water, check", "at a distance" */
const char *authority_relation_text(enum authority_relation relation);

/* --- languages (list under LGPL-2.1-or-later: data/languages) -------------------------------------------------- */

struct language_entry {
    char tag[16]; /* BCP 47: the two-letter code where there is one, else three; "art-x-makaton" */
    char iso639_3[4];
    char name[80];
    bool common; /* a main-language category of Census 2021, or Makaton: offer these first */
};

/*
 * Canonical form of a language tag: a primary code of the list in either case and length ("POL" -> "pl"), or
 * art-x-makaton. ERR_INVALID naming `field` for others, and for tags with script, region or other subtags.
 */
enum err gazetteer_language(const struct gazetteer *gazetteer, const char *field, const char *tag,
                            const struct language_entry **out, struct problem *problem)
    __attribute__((warn_unused_result));
size_t gazetteer_language_count(const struct gazetteer *gazetteer);
/* In order of tag. */
const struct language_entry *gazetteer_language_at(const struct gazetteer *gazetteer, size_t index);

#endif
