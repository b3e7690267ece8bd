/*
 * import_file.h - the file of unit postcodes: its format, writing it whole, reading it back, finding a postcode.
 * Private to daemon/gazetteer.
 *
 * Owns: the layout below. Little-endian; 160 octets of header, then authorities, then rows.
 *
 *     0 magic "VACPOST\n"   8 version u32   12 authorities u32   16 rows u64   24 edition, text, 104
 *     128 SHA-256 of all other octets of the file
 *     160 authorities x { GSS code, NUL-padded to 16 }
 *     ... rows x { u64 postcode key << 16 | authority, i32 easting, i32 northing }, strictly ascending by postcode
 *
 * Thread: any once loaded. Invariant: a file under its final name is whole and on disk (written beside, synced,
 * renamed); a loaded one has passed its digest and every row its bounds.
 */
#ifndef VACANCY_GAZETTEER_IMPORT_FILE_H
#define VACANCY_GAZETTEER_IMPORT_FILE_H

#include "daemon/base/digest.h"
#include "daemon/base/error.h"

#define IMPORT_VERSION         1
#define IMPORT_EDITION_BYTES   104
#define IMPORT_AUTHORITIES_MAX 1024
#define IMPORT_ROWS_MAX        4000000

struct import_row {
    uint64_t key; /* postcode_key << 16 | index of the authority */
    int32_t easting_m, northing_m;
};

struct import_authority {
    char gss[16];
};

struct import_file {
    char edition[IMPORT_EDITION_BYTES];
    uint8_t digest[DIGEST_BYTES];
    struct import_authority *authorities;
    size_t authority_count;
    struct import_row *rows;
    size_t row_count;
    void *memory; /* what holds both arrays when loaded */
};

/*
 * Writes file->edition, authorities and rows (sorted) under `path` and sets file->digest. ERR_STORE_FULL, ERR_STORE_IO;
 * whatever was under `path` before stays then.
 */
enum err import_file_write(struct import_file *file, const char *path, struct problem *problem)
    __attribute__((warn_unused_result));
/* Errors as gazetteer_load. *out is freed by import_file_destroy. */
enum err import_file_load(const char *path, struct import_file **out, struct problem *problem)
    __attribute__((warn_unused_result));
void import_file_destroy(struct import_file *file);
/* The first row whose postcode's key is not below this one; row_count: there is none. */
size_t import_file_from(const struct import_file *file, uint64_t postcode_key);
/* NULL if it isn't there. */
const struct import_row *import_file_find(const struct import_file *file, uint64_t postcode_key);

#endif
