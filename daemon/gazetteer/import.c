/*
 * import.c - see import.h. One pass over the files, one row at a time; what is kept goes into an array that is sorted
 * and written at the end. A malformed row costs that row; too many cost the import. Thread: one.
 */
#include "daemon/gazetteer/import.h"

#include "daemon/base/text.h"
#include "daemon/gazetteer/grid.h"
#include "daemon/gazetteer/import_file.h"
#include "daemon/gazetteer/postcode.h"
#include "daemon/gazetteer/tables.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define LINE_BYTES  4096
#define COLUMNS_MAX 128
#define FILES_MAX   4096
#define NO_COLUMN   COLUMNS_MAX

_Static_assert(IMPORT_EDITION_TEXT_BYTES == IMPORT_EDITION_BYTES, "one size of edition text");

/* Which column holds what; NO_COLUMN if none does. */
struct layout {
    size_t columns;
    size_t postcode, quality, easting, northing, country, county, district, ended;
};

static const struct layout code_point = {.columns = 10,
                                         .postcode = 0,
                                         .quality = 1,
                                         .easting = 2,
                                         .northing = 3,
                                         .country = 4,
                                         .county = 7,
                                         .district = 8,
                                         .ended = NO_COLUMN};

struct importer {
    struct import_file file;
    size_t capacity;
    struct import_summary *summary;
    size_t last_authority;
    struct problem *problem;
    /* where we are */
    const char *name;
    uint64_t line_number;
    struct layout layout;
    bool directory_layout; /* the file in hand is of the ONS Postcode Directory */
    char line[LINE_BYTES];
    char *fields[COLUMNS_MAX + 1]; /* one more: an empty text for NO_COLUMN */
};

/* --- rows ------------------------------------------------------------------------------------------------------ */

static void malformed(struct importer *im, const char *why)
{
    uint64_t index = im->summary->malformed++;
    if (index < IMPORT_EXAMPLES)
        snprintf(im->summary->examples[index], IMPORT_EXAMPLE_BYTES, "%.80s:%llu: %s", im->name,
                 (unsigned long long)im->line_number, why);
}

/* The index of an authority's code; -1 when there are too many for the file. */
static int authority_index(struct importer *im, const char *gss)
{
    struct import_file *file = &im->file;
    if (im->last_authority < file->authority_count && !strcmp(file->authorities[im->last_authority].gss, gss))
        return (int)im->last_authority;
    for (size_t i = 0; i < file->authority_count; i++) {
        if (!strcmp(file->authorities[i].gss, gss)) {
            im->last_authority = i;
            return (int)i;
        }
    }
    if (file->authority_count == IMPORT_AUTHORITIES_MAX)
        return -1;
    snprintf(file->authorities[file->authority_count].gss, sizeof file->authorities[0].gss, "%.9s", gss);
    return (int)file->authority_count++;
}

static enum err keep(struct importer *im, uint64_t key, int authority, uint64_t easting_m, uint64_t northing_m)
{
    struct import_file *file = &im->file;
    if (file->row_count == im->capacity) {
        size_t capacity = im->capacity ? im->capacity * 2 : 65536;
        void *rows = file->row_count < IMPORT_ROWS_MAX ? realloc(file->rows, capacity * sizeof *file->rows) : NULL;
        if (!rows)
            return problem_set(im->problem, ERR_LIMIT, "", "more postcodes than this program takes (%d), or no memory",
                               IMPORT_ROWS_MAX);
        file->rows = rows;
        im->capacity = capacity;
    }
    file->rows[file->row_count++] = (struct import_row){
        .key = key << 16 | (uint64_t)authority, .easting_m = (int32_t)easting_m, .northing_m = (int32_t)northing_m};
    return ERR_NONE;
}

/* The children's services authority: the county of a two-tier area (E10), else the district. */
static const char *authority_field(const struct importer *im)
{
    const char *county = im->fields[im->layout.county];
    return !strncmp(county, "E10", 3) ? county : im->fields[im->layout.district];
}

/* No point given: the quality says so, or there are no coordinates. */
static bool is_unplaced(const struct importer *im)
{
    const char *quality = im->fields[im->layout.quality];
    const char *easting = im->fields[im->layout.easting], *northing = im->fields[im->layout.northing];
    if (im->directory_layout ? !strcmp(quality, "9") : !strcmp(quality, "90"))
        return true;
    return (!*easting && !*northing) || (!strcmp(easting, "0") && !strcmp(northing, "0"));
}

/* The pseudo codes of the Postcode Directory (E99999999, W99999999) stand for no authority. */
static bool is_no_authority(const char *gss)
{
    return !*gss || !strcmp(gss + (*gss != 0), "99999999");
}

static enum err take_row(struct importer *im)
{
    struct import_summary *s = im->summary;
    struct postcode postcode;
    uint64_t easting, northing;
    if (postcode_parse("", im->fields[im->layout.postcode], &postcode, NULL) || postcode.kind != POSTCODE_UNIT)
        return malformed(im, "not a unit postcode"), ERR_NONE;
    if (*im->fields[im->layout.ended])
        return s->withdrawn++, ERR_NONE;
    char nation = *im->fields[im->layout.country];
    if (nation != 'E' && nation != 'W' && nation != 'S')
        return s->elsewhere++, ERR_NONE;
    if (is_unplaced(im))
        return s->without_location++, ERR_NONE;
    if (!text_parse_u64(im->fields[im->layout.easting], GRID_EASTING_MAX_M - 1, &easting) ||
        !text_parse_u64(im->fields[im->layout.northing], GRID_NORTHING_MAX_M - 1, &northing))
        return malformed(im, "easting or northing is not a number of metres on the British National Grid"), ERR_NONE;
    const char *gss = authority_field(im);
    if (is_no_authority(gss))
        return s->without_authority++, ERR_NONE;
    int authority = text_is_gss_code(gss) ? authority_index(im, gss) : -1;
    if (authority < 0)
        return malformed(im, "the authority is not a GSS code such as E08000035"), ERR_NONE;
    return keep(im, postcode_key(&postcode), authority, easting, northing);
}

/* --- layouts --------------------------------------------------------------------------------------------------- */

/* "oslaua", or "lad25cd" for the pattern "lad##cd". */
static bool is_named(const char *field, const char *name)
{
    for (; *name && *field; name++, field++)
        if (*name == '#' ? *field < '0' || *field > '9' : (*field | 0x20) != (*name | 0x20))
            return false;
    return !*name && !*field;
}

static size_t column_named(const struct importer *im, size_t count, const char *old_name, const char *new_name)
{
    for (size_t i = 0; i < count; i++)
        if (is_named(im->fields[i], old_name) || is_named(im->fields[i], new_name))
            return i;
    return NO_COLUMN;
}

static bool read_header(struct importer *im, size_t count)
{
    im->layout = (struct layout){.columns = count,
                                 .postcode = column_named(im, count, "pcds", "pcds"),
                                 .quality = column_named(im, count, "osgrdind", "gridind"),
                                 .easting = column_named(im, count, "oseast1m", "east1m"),
                                 .northing = column_named(im, count, "osnrth1m", "north1m"),
                                 .country = column_named(im, count, "ctry", "ctry##cd"),
                                 .county = column_named(im, count, "oscty", "cty##cd"),
                                 .district = column_named(im, count, "oslaua", "lad##cd"),
                                 .ended = column_named(im, count, "doterm", "doterm")};
    const struct layout *l = &im->layout;
    im->directory_layout = true;
    return l->postcode != NO_COLUMN && l->easting != NO_COLUMN && l->northing != NO_COLUMN && l->country != NO_COLUMN &&
           l->county != NO_COLUMN && l->district != NO_COLUMN && l->ended != NO_COLUMN;
}

/* Decides by the first line. *is_row: that line is already a row. */
static enum err choose_layout(struct importer *im, size_t count, bool *is_row)
{
    struct postcode first;
    *is_row = count && !postcode_parse("", im->fields[0], &first, NULL) && first.kind == POSTCODE_UNIT;
    im->directory_layout = false;
    im->layout = code_point;
    if (*is_row || (count && read_header(im, count)))
        return ERR_NONE;
    return problem_set(
        im->problem, ERR_INVALID, "",
        "%.80s is neither of OS Code-Point Open (no header line, postcode first) nor of the ONS Postcode "
        "Directory (columns pcds, oseast1m, osnrth1m, oslaua or lad25cd, oscty, ctry, doterm)",
        im->name);
}

/* --- files ----------------------------------------------------------------------------------------------------- */

/* The next line into im->line without its end, 1; 0 at the end of the file; -1: too long (skipped). */
static int next_line(struct importer *im, FILE *in)
{
    if (!fgets(im->line, sizeof im->line, in))
        return 0;
    im->line_number++;
    size_t bytes = strlen(im->line);
    if ((!bytes || im->line[bytes - 1] != '\n') && !feof(in)) {
        for (int c = 0; c != '\n' && c != EOF;)
            c = getc(in);
        return -1;
    }
    im->line[strcspn(im->line, "\r\n")] = 0;
    if (im->line_number == 1 && !strncmp(im->line, "\xef\xbb\xbf", 3))
        memmove(im->line, im->line + 3, strlen(im->line + 3) + 1);
    return 1;
}

static enum err take_line(struct importer *im, int line)
{
    size_t count = line < 0 ? 0 : csv_split(im->line, im->fields, COLUMNS_MAX);
    if (im->line_number == 1) {
        bool is_row;
        enum err err = choose_layout(im, count, &is_row);
        if (err || !is_row)
            return err;
    }
    im->summary->rows++;
    if (count == im->layout.columns)
        return take_row(im);
    malformed(im, line < 0 ? "the line is too long" : count ? "wrong number of columns" : "a quote is out of place");
    return ERR_NONE;
}

static enum err take_file(struct importer *im, const char *folder, const char *name)
{
    static char nothing[1];
    char path[PATH_MAX + NAME_MAX + 2];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *in = fopen(path, "re");
    if (!in)
        return problem_set(im->problem, ERR_STORE_IO, "", "can't open %s: %s", path, strerror(errno));
    im->name = name;
    im->line_number = 0;
    im->fields[NO_COLUMN] = nothing;
    enum err err = ERR_NONE;
    for (int line; !err && (line = next_line(im, in));)
        err = take_line(im, line);
    if (!err && ferror(in))
        err = problem_set(im->problem, ERR_STORE_IO, "", "can't read %s", path);
    fclose(in);
    im->summary->files++;
    return err;
}

static int is_csv(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && entry->d_name[0] != '.' && !strcasecmp(entry->d_name + length - 4, ".csv");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* The first of the places where the two products keep their rows. How many files; folder is filled in. */
static int find_files(const char *directory, char folder[PATH_MAX], struct dirent ***names)
{
    static const char *const places[] = {"Data/CSV", "Data/multi_csv", "CSV", "multi_csv", "Data", "."};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (snprintf(folder, PATH_MAX, "%s/%s", directory, places[i]) >= PATH_MAX - NAME_MAX - 1)
            return 0;
        int count = scandir(folder, names, is_csv, by_name);
        if (count > 0)
            return count;
        if (count == 0)
            free(*names);
    }
    return 0;
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

/* What the data calls itself: Doc/metadata.txt of Code-Point Open, else the first file's name. */
static void find_edition(struct importer *im, const char *directory, const char *first_file)
{
    char path[PATH_MAX], line[256], *edition = im->file.edition;
    snprintf(edition, IMPORT_EDITION_BYTES, "%s %.60s",
             im->directory_layout ? "ONS Postcode Directory," : "OS Code-Point Open,", first_file);
    if (snprintf(path, sizeof path, "%s/Doc/metadata.txt", directory) >= (int)sizeof path)
        return;
    FILE *in = im->directory_layout ? NULL : fopen(path, "re");
    while (in && fgets(line, sizeof line, in)) {
        static const char label[] = "DATASET VERSION NUMBER:";
        line[strcspn(line, "\r\n")] = 0;
        if (!strncmp(line, label, sizeof label - 1))
            snprintf(edition, IMPORT_EDITION_BYTES, "OS Code-Point Open %.60s",
                     line + sizeof label - 1 + strspn(line + sizeof label - 1, " "));
    }
    if (in)
        fclose(in);
    if (!text_is_plain(edition))
        snprintf(edition, IMPORT_EDITION_BYTES, "edition without a readable name");
}

static int compare_rows(const void *a, const void *b)
{
    const struct import_row *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    if (left->easting_m != right->easting_m)
        return left->easting_m < right->easting_m ? -1 : 1;
    return (left->northing_m > right->northing_m) - (left->northing_m < right->northing_m);
}

/* Authorities get their indexes in order of code, so that the file doesn't depend on the order of reading. */
static int compare_authorities(const void *a, const void *b)
{
    return strcmp(((const struct import_authority *)a)->gss, ((const struct import_authority *)b)->gss);
}

static void sort_rows(struct importer *im)
{
    struct import_authority before[IMPORT_AUTHORITIES_MAX];
    uint16_t now[IMPORT_AUTHORITIES_MAX] = {0};
    struct import_file *file = &im->file;
    memcpy(before, file->authorities, file->authority_count * sizeof *before);
    qsort(file->authorities, file->authority_count, sizeof *before, compare_authorities);
    for (size_t i = 0; i < file->authority_count; i++) {
        const struct import_authority *at =
            bsearch(&before[i], file->authorities, file->authority_count, sizeof *before, compare_authorities);
        now[i] = (uint16_t)(at - file->authorities);
    }
    for (size_t i = 0; i < file->row_count; i++)
        file->rows[i].key = (file->rows[i].key & ~UINT64_C(0xffff)) | now[file->rows[i].key & 0xffff];
    qsort(file->rows, file->row_count, sizeof *file->rows, compare_rows);
    size_t kept = 0;
    for (size_t i = 0; i < file->row_count; i++) {
        if (kept && file->rows[kept - 1].key >> 16 == file->rows[i].key >> 16)
            im->summary->repeated++;
        else
            file->rows[kept++] = file->rows[i];
    }
    file->row_count = kept;
}

static enum err finish(struct importer *im, const char *out_path)
{
    struct import_summary *s = im->summary;
    if (s->malformed * IMPORT_MALFORMED_ONE_IN > s->rows)
        return problem_set(
            im->problem, ERR_INVALID, "", "%llu of %llu rows are malformed, more than one in %d; first %s",
            (unsigned long long)s->malformed, (unsigned long long)s->rows, IMPORT_MALFORMED_ONE_IN, s->examples[0]);
    if (!im->file.row_count)
        return problem_set(im->problem, ERR_INVALID, "", "there is no postcode with a place and an authority to keep");
    sort_rows(im);
    enum err err = import_file_write(&im->file, out_path, im->problem);
    s->kept = im->file.row_count;
    memcpy(s->digest, im->file.digest, sizeof s->digest);
    return err;
}

static enum err import_all(struct importer *im, const char *directory, const char *out_path, import_progress progress,
                           void *ctx)
{
    char folder[PATH_MAX];
    struct dirent **names;
    int count = find_files(directory, folder, &names);
    if (!count)
        return problem_set(
            im->problem, ERR_NOT_FOUND, "",
            "no .csv file in %.120s or its Data/CSV; give the folder where OS Code-Point Open was unzipped", directory);
    enum err err = ERR_NONE;
    if (count > FILES_MAX)
        err = problem_set(im->problem, ERR_LIMIT, "", "more than %d files", FILES_MAX);
    for (int i = 0; !err && i < count; i++) {
        err = take_file(im, folder, names[i]->d_name);
        if (progress)
            progress(ctx, (uint64_t)i + 1, (uint64_t)count, im->summary->rows);
    }
    find_edition(im, directory, names[0]->d_name);
    memcpy(im->summary->edition, im->file.edition, sizeof im->summary->edition);
    if (!err)
        err = finish(im, out_path);
    while (count)
        free(names[--count]);
    free(names);
    return err;
}

enum err gazetteer_import(const char *directory, const char *out_path, import_progress progress, void *ctx,
                          struct import_summary *summary, struct problem *problem)
{
    memset(summary, 0, sizeof *summary);
    struct importer *im = calloc(1, sizeof *im);
    struct import_authority *authorities = calloc(IMPORT_AUTHORITIES_MAX, sizeof *authorities);
    enum err err;
    if (im && authorities) {
        im->summary = summary;
        im->problem = problem;
        im->file.authorities = authorities;
        err = import_all(im, directory, out_path, progress, ctx);
        free(im->file.rows);
    } else {
        err = problem_set(problem, ERR_LIMIT, "", "not enough memory to import postcodes");
    }
    free(authorities);
    free(im);
    return err;
}

void import_summary_print(const struct import_summary *s, FILE *out)
{
    char digest[DIGEST_HEX_SIZE];
    const struct {
        const char *text;
        uint64_t count;
    } left_out[] = {
        {"without a location (found by their sector)", s->without_location},
        {"without an authority (found by their sector)", s->without_authority},
        {"withdrawn", s->withdrawn},
        {"off the British grid (Northern Ireland, islands)", s->elsewhere},
        {"repeated", s->repeated},
        {"malformed", s->malformed},
    };
    hex_encode(s->digest, DIGEST_BYTES, digest);
    fprintf(out, "%s: %llu rows in %llu files, %llu postcodes kept\n", s->edition, (unsigned long long)s->rows,
            (unsigned long long)s->files, (unsigned long long)s->kept);
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (left_out[i].count)
            fprintf(out, "  left out: %llu %s\n", (unsigned long long)left_out[i].count, left_out[i].text);
    for (size_t i = 0; i < IMPORT_EXAMPLES && s->examples[i][0]; i++)
        fprintf(out, "  %s\n", s->examples[i]);
    if (s->kept)
        fprintf(out, "  digest %s\n", digest);
}
