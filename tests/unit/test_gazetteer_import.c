/* tier: check */
/*
 * Importing unit postcodes and reading them back: both layouts, malformed rows, damage to the file (faults.md D6, D10,
 * D13), and, with VACANCY_CODEPOINT (the unzipped OS Code-Point Open), the whole of Great Britain: every postcode is
 * found where the file says, and every English one has one cell, which leaves at least 20 (design 4.9).
 */
#include "daemon/gazetteer/gazetteer.h"
#include "daemon/gazetteer/grid.h"
#include "daemon/gazetteer/import.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char home[] = "/tmp/gazetteer-XXXXXX";
static char input[64], output[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(home))
        return 1;
    snprintf(input, sizeof input, "%s/in", home);
    snprintf(output, sizeof output, "%s/postcodes", home);
    return 0;
}

static void remove_tree(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char inner[512];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        remove_tree(inner);
    }
    if (folder)
        closedir(folder);
    remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    remove_tree(home);
    return 0;
}

/* Before each test: an empty input folder and no output. */
static int clean(void **state)
{
    (void)state;
    char path[128];
    remove_tree(input);
    remove(output);
    mkdir(input, 0755);
    snprintf(path, sizeof path, "%s/Data", input);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/Data/CSV", input);
    mkdir(path, 0755);
    return 0;
}

static void put(const char *name, const char *text, size_t bytes)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", input, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, bytes, out), bytes);
    assert_int_equal(fclose(out), 0);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

#define HOME_ROW(postcode, east, north, district)                                                                      \
    "\"" postcode "\",10," east "," north ",\"E92000001\",\"\",\"\",\"\",\"" district "\",\"\"\n"

static enum err import(struct import_summary *summary, struct problem *problem)
{
    memset(problem, 0, sizeof *problem);
    return gazetteer_import(input, output, NULL, NULL, summary, problem);
}

static struct gazetteer *load(void)
{
    struct gazetteer *g;
    struct problem problem;
    assert_int_equal(gazetteer_load(output, &g, &problem), ERR_NONE);
    return g;
}

static void assert_place(const struct gazetteer *g, const char *text, enum place_precision precision, int32_t east,
                         int32_t north, const char *authority)
{
    struct place place;
    assert_int_equal(gazetteer_locate(g, "x", text, &place, NULL), ERR_NONE);
    assert_int_equal(place.precision, precision);
    assert_string_equal(place.authority, authority);
    assert_int_equal(place.easting_m, east);
    assert_int_equal(place.northing_m, north);
}

/* --- layouts --------------------------------------------------------------------------------------------------- */

static void code_point_rows_are_read_as_they_are_given(void **state)
{
    (void)state;
    struct import_summary s;
    struct problem problem;
    put_text("Data/CSV/ls.csv", HOME_ROW("LS1 1AZ", "428811", "433420", "E08000035")
                                    HOME_ROW("LS101AA", "430500", "431000", "E08000035") /* padded to seven */
             "\"LS1 1ZZ\",90,0,0,\"E92000001\",\"\",\"\",\"\",\"\",\"\"\n"
             "\"LS1 1ZY\",10,428811,433420,\"E92000001\",\"\",\"\",\"\",\"\",\"\"\n");
    put_text("Data/CSV/ct.csv",
             "\"CT1 2EH\",10,614800,157900,\"E92000001\",\"E1\",\"E2\",\"E10000016\",\"E07000106\",\"E05\"\r\n"
             "\"CF101AA\",10,318400,176200,\"W92000004\",\"\",\"\",\"\",\"W06000015\",\"W05\"\r\n"
             "\"S1  1AA\",10,435500,387500,\"E92000001\",\"\",\"\",\"\",\"E08000019\",\"\"\r\n");
    put_text("Data/CSV/readme.txt", "not a table\n");
    assert_int_equal(import(&s, &problem), ERR_NONE);
    assert_int_equal(s.files, 2);
    assert_int_equal(s.rows, 7);
    assert_int_equal(s.kept, 5);
    assert_int_equal(s.without_location, 1);
    assert_int_equal(s.without_authority, 1);
    assert_int_equal(s.malformed, 0);
    struct gazetteer *g = load();
    assert_true(gazetteer_has_units(g));
    assert_string_equal(gazetteer_edition(g), s.edition);
    assert_place(g, "ls11az", PLACE_UNIT, 428811, 433420, "E08000035");
    assert_place(g, "LS10 1AA", PLACE_UNIT, 430500, 431000, "E08000035");
    assert_place(g, "CT1 2EH", PLACE_UNIT, 614800, 157900, "E10000016"); /* the county, not the district */
    assert_place(g, "CF10 1AA", PLACE_UNIT, 318400, 176200, "W06000015");
    assert_place(g, "S1 1AA", PLACE_UNIT, 435500, 387500, "E08000039"); /* Sheffield's code of before 2025 */
    /* Without a location, an authority or a row: by sector. Nowhere at all: refused. */
    struct place sector, place;
    assert_int_equal(gazetteer_locate(g, "x", "LS1 1", &sector, NULL), ERR_NONE);
    static const char *const by_sector[] = {"LS1 1ZZ", "LS1 1ZY", "LS1 1AA"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(gazetteer_locate(g, "x", by_sector[i], &place, NULL), ERR_NONE);
        assert_memory_equal(&place, &sector, sizeof place);
    }
    assert_int_equal(gazetteer_locate(g, "x", "CF10 1AB", &place, NULL), ERR_INVALID);
    gazetteer_destroy(g);
}

/* H10: a postcode that is newer than the tables lies within its sector's and its outcode's reach all the same. */
static void a_newer_postcode_widens_what_is_avoided_with_its_area(void **state)
{
    (void)state;
    struct import_summary s;
    struct problem problem;
    struct place sector, other, whole;
    struct gazetteer *built_in, *g;
    /* 30 km east of LS6 1, and one postcode where others are. LS61 is another outcode, in no table. */
    put_text("Data/CSV/ls.csv",
             HOME_ROW("LS6 1AA", "458500", "435500", "E08000035") HOME_ROW("LS6 2AA", "429500", "435500", "E08000035")
                 HOME_ROW("LS611AA", "500000", "435500", "E08000035"));
    assert_int_equal(import(&s, &problem), ERR_NONE);
    g = load();
    assert_int_equal(gazetteer_load(NULL, &built_in, &problem), ERR_NONE);
    assert_int_equal(gazetteer_locate(g, "x", "LS6 1", &sector, NULL), ERR_NONE);
    assert_int_equal(sector.easting_m, 428500);
    assert_int_equal(sector.northing_m, 435500);
    assert_int_equal(sector.reach_metres, 30000);
    assert_int_equal(gazetteer_locate(g, "x", "LS6", &whole, NULL), ERR_NONE);
    assert_int_equal(whole.reach_metres, 30017); /* 30 km and 1 km, rounded up */
    assert_int_equal(gazetteer_locate(g, "x", "LS6 2", &sector, NULL), ERR_NONE);
    assert_int_equal(gazetteer_locate(built_in, "x", "LS6 2", &other, NULL), ERR_NONE);
    assert_int_equal(sector.reach_metres, other.reach_metres);
    assert_int_equal(gazetteer_locate(g, "x", "LS6 1AA", &sector, NULL), ERR_NONE);
    assert_int_equal(sector.reach_metres, 0);
    gazetteer_destroy(built_in);
    gazetteer_destroy(g);
}

static void the_postcode_directory_is_known_by_its_columns(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "\xef\xbb\xbf"
        "pcd,pcd2,pcds,dointr,doterm,oscty,ced,oslaua,osward,usertype,oseast1m,osnrth1m,osgrdind,ctry\r\n",
        "pcd7,pcd8,PCDS,dointr,doterm,cty25cd,ced25cd,lad25cd,wd25cd,usrtypind,east1m,north1m,gridind,ctry25cd\n",
    };
    static const char rows[] =
        "\"LS1 4AP\",\"LS1  4AP\",\"LS1 4AP\",198001,,E11000006,E99999999,E08000035,E05,0,429370,433290,1,E92000001\n"
        "NR2 1NH,NR2  1NH,NR2 1NH,198001,,E10000020,E58,E07000148,E05,0,0622700,0308500,1,E92000001\n"
        "LS1 9XX,LS1  9XX,LS1 9XX,198001,201001,E99999999,,E08000035,E05,0,429370,433290,1,E92000001\n"
        "BT1 1AA,BT1  1AA,BT1 1AA,198001,,N99999999,,N09000003,N08,0,333900,374500,1,N92000002\n"
        "JE2 3AA,JE2  3AA,JE2 3AA,198001,,L99999999,,L99999999,L99,0,,,9,L93000001\n"
        "LS1 9YY,LS1  9YY,LS1 9YY,198001,,E99999999,,E08000035,E05,0,,,9,E92000001\n"
        "LS1 9ZZ,LS1  9ZZ,LS1 9ZZ,198001,,E99999999,,E99999999,E05,0,429370,433290,1,E92000001\n";
    for (size_t i = 0; i < 2; i++) {
        struct import_summary s;
        struct problem problem;
        char text[2048];
        clean(NULL);
        snprintf(text, sizeof text, "%s%s", headers[i], rows);
        put_text("Data/ONSPD_NOV_2025_UK.csv", text);
        assert_int_equal(import(&s, &problem), ERR_NONE);
        assert_int_equal(s.rows, 7);
        assert_int_equal(s.kept, 2);
        assert_int_equal(s.withdrawn, 1);
        assert_int_equal(s.elsewhere, 2);
        assert_int_equal(s.without_location, 1);
        assert_int_equal(s.without_authority, 1);
        assert_int_equal(s.malformed, 0);
        assert_non_null(strstr(s.edition, "ONSPD_NOV_2025_UK"));
        struct gazetteer *g = load();
        assert_place(g, "LS1 4AP", PLACE_UNIT, 429370, 433290, "E08000035");
        assert_place(g, "NR2 1NH", PLACE_UNIT, 622700, 308500, "E10000020");
        gazetteer_destroy(g);
    }
}

static void the_file_does_not_depend_on_the_order_of_rows(void **state)
{
    (void)state;
    struct import_summary one, two;
    struct problem problem;
    put_text("Data/CSV/a.csv",
             HOME_ROW("LS1 1AZ", "428811", "433420", "E08000035") HOME_ROW("BD1 1AA", "416000", "433000", "E08000032"));
    assert_int_equal(import(&one, &problem), ERR_NONE);
    put_text("Data/CSV/a.csv",
             HOME_ROW("BD1 1AA", "416000", "433000", "E08000032") HOME_ROW("LS1 1AZ", "428811", "433420", "E08000035")
                 HOME_ROW("LS1 1AZ", "428811", "433420", "E08000035"));
    assert_int_equal(import(&two, &problem), ERR_NONE);
    assert_int_equal(two.repeated, 1);
    assert_memory_equal(one.digest, two.digest, DIGEST_BYTES);
    /* An import changes the gazetteer's digest; the built-in one is another. */
    uint8_t built_in[DIGEST_BYTES], imported[DIGEST_BYTES];
    struct gazetteer *g = load(), *plain;
    assert_int_equal(gazetteer_load(NULL, &plain, &problem), ERR_NONE);
    gazetteer_digest(g, imported);
    gazetteer_digest(plain, built_in);
    assert_memory_not_equal(built_in, imported, DIGEST_BYTES);
    gazetteer_destroy(g);
    gazetteer_destroy(plain);
}

/* --- bad input ------------------------------------------------------------------------------------------------- */

static void a_few_malformed_rows_are_named_and_left_out(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "nonsense\n",
        "\"LS1 1AZ\",10,428811,433420,\"E92000001\"\n",
        HOME_ROW("LS1 ZZZ", "428811", "433420", "E08000035"),
        HOME_ROW("LS1 1AZ", "-5", "433420", "E08000035"),
        HOME_ROW("LS1 1AZ", "428811", "1300000", "E08000035"),
        HOME_ROW("LS1 1AZ", "428811", "433420", "Leeds"),
        HOME_ROW("LS1 1AZ", "428811", "433420x", "E08000035"),
        "\"LS1 1AZ,10,428811,433420,\"E92000001\",\"\",\"\",\"\",\"E08000035\",\"\"\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct import_summary s;
        struct problem problem;
        char path[128], name[IMPORT_EXAMPLE_BYTES];
        clean(NULL);
        snprintf(path, sizeof path, "%s/Data/CSV/ls.csv", input);
        FILE *out = fopen(path, "w");
        for (int row = 0; row < 1200; row++) {
            fprintf(out, "\"LS%d %d%c%c\",10,428811,433420,\"E92000001\",\"\",\"\",\"\",\"E08000035\",\"\"\n",
                    1 + row / 600, row / 100 % 6, 'L', 'A');
            if (row == 700)
                fputs(bad[i], out);
        }
        fclose(out);
        assert_int_equal(import(&s, &problem), ERR_NONE);
        assert_int_equal(s.malformed, 1);
        assert_int_equal(s.rows, 1201);
        snprintf(name, sizeof name, "ls.csv:702: ");
        assert_int_equal(strncmp(s.examples[0], name, strlen(name)), 0);
        assert_int_equal(s.kept + s.repeated, 1200);
    }
}

static void too_many_malformed_rows_refuse_the_import_and_keep_the_old_file(void **state)
{
    (void)state;
    struct import_summary s;
    struct problem problem;
    put_text("Data/CSV/ls.csv", HOME_ROW("LS1 1AZ", "428811", "433420", "E08000035"));
    assert_int_equal(import(&s, &problem), ERR_NONE);
    put_text("Data/CSV/ls.csv", HOME_ROW("LS1 1AB", "428811", "433420", "E08000035") "nonsense\n");
    assert_int_equal(import(&s, &problem), ERR_INVALID);
    assert_non_null(strstr(problem.text, "ls.csv:2"));
    struct gazetteer *g = load();
    assert_place(g, "LS1 1AZ", PLACE_UNIT, 428811, 433420, "E08000035");
    gazetteer_destroy(g);
    DIR *folder = opendir(home);
    int files = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        files += entry->d_name[0] != '.';
    closedir(folder);
    assert_int_equal(files, 2); /* input and output: no temporary file stays */
}

static void what_is_no_postcode_data_is_refused(void **state)
{
    (void)state;
    struct import_summary s;
    struct problem problem;
    assert_int_equal(import(&s, &problem), ERR_NOT_FOUND);
    assert_non_null(strstr(problem.text, "Code-Point Open"));
    put_text("Data/CSV/x.csv", "name,age\nSam,7\n");
    assert_int_equal(import(&s, &problem), ERR_INVALID);
    assert_non_null(strstr(problem.text, "x.csv is neither"));
    put_text("Data/CSV/x.csv", "");
    assert_int_equal(import(&s, &problem), ERR_INVALID);
    char *big = malloc(1 << 20);
    memset(big, 'A', 1 << 20);
    put("Data/CSV/x.csv", big, 1 << 20);
    assert_int_equal(import(&s, &problem), ERR_INVALID);
    memset(big, 0, 1 << 20);
    put("Data/CSV/x.csv", big, 1 << 20);
    assert_int_equal(import(&s, &problem), ERR_INVALID);
    free(big);
    put_text("Data/CSV/x.csv", HOME_ROW("LS1 1AZ", "428811", "433420", "E08000035"));
    assert_int_equal(gazetteer_import(input, "/nonexistent/folder/file", NULL, NULL, &s, &problem), ERR_STORE_IO);
    assert_int_equal(access(output, F_OK), -1);
}

static void a_damaged_file_is_refused(void **state)
{
    (void)state;
    struct import_summary s;
    struct problem problem;
    struct gazetteer *g;
    char octets[1024], broken[1024];
    put_text("Data/CSV/ls.csv",
             HOME_ROW("LS1 1AZ", "428811", "433420", "E08000035") HOME_ROW("BD1 1AA", "416000", "433000", "E08000032"));
    assert_int_equal(gazetteer_load(output, &g, &problem), ERR_NOT_FOUND);
    assert_non_null(strstr(problem.text, "--import-postcodes"));
    assert_int_equal(import(&s, &problem), ERR_NONE);
    FILE *in = fopen(output, "r");
    size_t bytes = fread(octets, 1, sizeof octets, in);
    fclose(in);
    assert_int_equal(bytes, 160 + 2 * 16 + 2 * 16);
    for (size_t at = 0; at <= bytes; at++) {
        memcpy(broken, octets, bytes);
        size_t length = bytes;
        if (at < bytes)
            broken[at] ^= 0x10;
        else
            length--; /* cut short */
        FILE *out = fopen(output, "w");
        fwrite(broken, 1, length, out);
        fclose(out);
        enum err err = gazetteer_load(output, &g, &problem);
        assert_int_equal(err, at >= 8 && at < 12 ? ERR_PRECONDITION : ERR_STORE_DAMAGED);
        if (err == ERR_PRECONDITION)
            assert_non_null(strstr(problem.text, "this program reads version 1"));
    }
    assert_int_equal(gazetteer_load(home, &g, &problem), ERR_STORE_IO);
}

/* --- the whole of Great Britain -------------------------------------------------------------------------------- */

struct tally {
    uint64_t key;
    uint32_t postcodes;
};

#define TALLY_SLOTS 131072

static void count_cell(struct tally *tallies, const struct gazetteer *g, const struct cell *cell)
{
    uint64_t index = 0;
    while (strcmp(gazetteer_authority_at(g, index)->gss, cell->authority))
        index++;
    uint64_t key = 1 + ((index * 32 + (uint64_t)cell->size_km) * 2048 + (uint64_t)cell->square_e_km) * 2048 +
                   (uint64_t)cell->square_n_km;
    size_t slot = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 47;
    while (tallies[slot].key && tallies[slot].key != key)
        slot = (slot + 1) % TALLY_SLOTS;
    tallies[slot].key = key;
    tallies[slot].postcodes++;
}

/* One line of the file, read without the importer's code. False where there is no point or no authority. */
static bool read_line(char *line, char **postcode, int *east, int *north, char **authority)
{
    char *field[10], *at = line;
    for (int i = 0; i < 10; i++) {
        field[i] = strsep(&at, ",\r\n");
        assert_non_null(field[i]);
        if (*field[i] == '"') {
            field[i]++;
            field[i][strlen(field[i]) - 1] = 0;
        }
    }
    *postcode = field[0];
    *east = atoi(field[2]);
    *north = atoi(field[3]);
    *authority = *field[7] ? field[7] : field[8];
    return *east && **authority;
}

static uint64_t check_file(const struct gazetteer *g, const char *path, struct tally *tallies)
{
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    char line[512], *postcode, *authority;
    int east, north;
    uint64_t found = 0;
    while (fgets(line, sizeof line, in)) {
        if (!read_line(line, &postcode, &east, &north, &authority))
            continue;
        struct place place;
        struct cell cell;
        found++;
        if (gazetteer_locate(g, "x", postcode, &place, NULL) || place.precision != PLACE_UNIT ||
            place.easting_m != east || place.northing_m != north || strcmp(place.authority, authority))
            fail_msg("a postcode of %s is not found as the file has it", path);
        if (authority[0] != 'E')
            continue;
        if (gazetteer_cell(g, "x", &place, &cell, NULL) || strcmp(cell.authority, authority) ||
            !cell_touches_circle(&cell, east, north, 0))
            fail_msg("a postcode of %s has no cell that holds it", path);
        count_cell(tallies, g, &cell);
    }
    fclose(in);
    return found;
}

static void whole_of_great_britain(void **state)
{
    (void)state;
    const char *folder = getenv("VACANCY_CODEPOINT");
    if (!folder || !*folder) {
        print_message("SKIP: set VACANCY_CODEPOINT to the folder of the unzipped OS Code-Point Open\n");
        skip();
    }
    struct import_summary s;
    struct problem problem;
    assert_int_equal(gazetteer_import(folder, output, NULL, NULL, &s, &problem), ERR_NONE);
    assert_int_equal(s.malformed, 0);
    struct gazetteer *g = load();
    struct tally *tallies = calloc(TALLY_SLOTS, sizeof *tallies);
    char path[512];
    snprintf(path, sizeof path, "%s/Data/CSV", folder);
    DIR *files = opendir(path);
    assert_non_null(files);
    uint64_t found = 0;
    for (struct dirent *entry; (entry = readdir(files));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/Data/CSV/%.64s", folder, entry->d_name);
        found += check_file(g, path, tallies);
    }
    closedir(files);
    assert_int_equal(found, s.kept);
    int cells = 0;
    for (size_t i = 0; i < TALLY_SLOTS; i++) {
        cells += tallies[i].key != 0;
        assert_true(!tallies[i].key || tallies[i].postcodes >= 20);
    }
    assert_int_equal(cells, 27563); /* no cell is empty either */
    free(tallies);
    gazetteer_destroy(g);
}

/* Points that were checked against published latitudes and longitudes of these postcodes. */
static void known_postcodes_are_found_to_the_unit(void **state)
{
    (void)state;
    const char *folder = getenv("VACANCY_CODEPOINT");
    if (!folder || !*folder) {
        print_message("SKIP: set VACANCY_CODEPOINT to the folder of the unzipped OS Code-Point Open\n");
        skip();
    }
    static const struct {
        const char *text, *authority;
        int32_t easting_m, northing_m;
    } rows[] = {
        {"SW1A 1AA", "E09000033", 529090, 179645}, {"M1 1AE", "E08000003", 384756, 398553},
        {"LS1 4AP", "E08000035", 429363, 433330},  {"NE1 7RU", "E08000021", 424693, 565147},
        {"BS1 5TR", "E06000023", 358261, 172797},  {"NR2 1NH", "E10000020", 622864, 308511},
        {"PL1 2AA", "E06000026", 247696, 54383},   {"CT1 2EH", "E10000016", 615146, 157812},
        {"S1 2HH", "E08000039", 435359, 387191},   {"TD15 1AA", "E06000057", 400009, 652862},
        {"TR21 0LW", "E06000053", 90323, 10506},   {"YO1 7HH", "E06000014", 460335, 452109},
        {"EC1A 1BB", "E09000019", 531073, 182317}, /* a sample code that moved to Mount Pleasant */
    };
    struct import_summary s;
    struct problem problem;
    assert_int_equal(gazetteer_import(folder, output, NULL, NULL, &s, &problem), ERR_NONE);
    struct gazetteer *g = load();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_place(g, rows[i].text, PLACE_UNIT, rows[i].easting_m, rows[i].northing_m, rows[i].authority);
    struct place place;
    assert_int_equal(gazetteer_locate(g, "x", "DN55 1PT", &place, NULL), ERR_INVALID); /* a sample code, not a place */
    gazetteer_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(code_point_rows_are_read_as_they_are_given, clean),
        cmocka_unit_test_setup(a_newer_postcode_widens_what_is_avoided_with_its_area, clean),
        cmocka_unit_test_setup(the_postcode_directory_is_known_by_its_columns, clean),
        cmocka_unit_test_setup(the_file_does_not_depend_on_the_order_of_rows, clean),
        cmocka_unit_test_setup(a_few_malformed_rows_are_named_and_left_out, clean),
        cmocka_unit_test_setup(too_many_malformed_rows_refuse_the_import_and_keep_the_old_file, clean),
        cmocka_unit_test_setup(what_is_no_postcode_data_is_refused, clean),
        cmocka_unit_test_setup(a_damaged_file_is_refused, clean),
        cmocka_unit_test_setup(known_postcodes_are_found_to_the_unit, clean),
        cmocka_unit_test_setup(whole_of_great_britain, clean),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
