/* places.c - the tables of England, read a second time: authorities, who adjoins whom, cells. See oracle.h. */
#include "tests/oracle/oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER           "daemon/gazetteer/data/"
#define AUTHORITIES_MOST 200
#define PAIRS_MOST       2000
#define CELLS_MOST       60000
#define FIELDS_MOST      10

static struct authority_fact authorities[AUTHORITIES_MOST];
static struct cell_fact cells[CELLS_MOST];
static unsigned char relations[AUTHORITIES_MOST][AUTHORITIES_MOST];
static int authority_count, pair_count, cell_count;

static void __attribute__((noreturn)) give_up(const char *name, const char *why)
{
    fprintf(stderr, "oracle: " FOLDER "%s: %s (run in the root of the source)\n", name, why);
    exit(1);
}

/* Splits at commas; what stands in quotes is one field. */
static int split(char *line, char *fields[FIELDS_MOST])
{
    int count = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *at = line; count < FIELDS_MOST;) {
        bool quoted = *at == '"';
        fields[count++] = at += quoted;
        at += strcspn(at, quoted ? "\"" : ",");
        if (quoted && *at)
            *at++ = '\0';
        if (*at == '\0')
            break;
        *at++ = '\0';
    }
    return count;
}

static void copy_code(char to[GSS], const char *from)
{
    snprintf(to, GSS, "%s", from);
}

static void take_authority(char **fields)
{
    struct authority_fact *a = &authorities[authority_count++];
    copy_code(a->code, fields[0]);
    a->west = atol(fields[4]) * 1000;
    a->south = atol(fields[5]) * 1000;
    a->east = atol(fields[6]) * 1000;
    a->north = atol(fields[7]) * 1000;
}

/* "land" and "point" adjoin; "water" is opposite banks. Pairs with Wales and Scotland are nobody's who asks. */
static void take_pair(char **fields)
{
    int one = places_named(fields[0]), other = places_named(fields[1]);
    pair_count++;
    if (one >= 0 && other >= 0)
        relations[one][other] = strcmp(fields[2], "water") == 0 ? ACROSS_WATER : ADJOINING;
}

static void take_cell(char **fields)
{
    int authority = places_named(fields[0]);
    if (authority < 0)
        give_up("cells.csv", "a cell of no authority");
    if (authorities[authority].cell_count++ == 0)
        authorities[authority].first_cell = cell_count;
    cells[cell_count++] = (struct cell_fact){authority,       atoi(fields[1]), atoi(fields[2]),     atoi(fields[3]),
                                             atol(fields[4]), atol(fields[5]), atoi(fields[7]) != 0};
}

static void read_table(const char *name, int columns, const int *count, int most, void (*take)(char **fields))
{
    char path[200], line[512], *fields[FIELDS_MOST];
    bool header = true;
    snprintf(path, sizeof path, FOLDER "%s", name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        give_up(name, "can't be read");
    while (fgets(line, sizeof line, file)) {
        if (*line == '#')
            continue;
        if (!header && split(line, fields) < columns)
            give_up(name, "a row is too short");
        if (!header)
            take(fields);
        header = false;
        if (*count == most)
            give_up(name, "has more rows than there is room for");
    }
    fclose(file);
}

void places_load(void)
{
    memset(relations, AT_A_DISTANCE, sizeof relations);
    read_table("authorities.csv", 8, &authority_count, AUTHORITIES_MOST, take_authority);
    read_table("adjoining.csv", 3, &pair_count, PAIRS_MOST, take_pair);
    read_table("cells.csv", 9, &cell_count, CELLS_MOST, take_cell);
}

int places_authority_count(void)
{
    return authority_count;
}

const struct authority_fact *places_authority(int at)
{
    return &authorities[at];
}

const struct cell_fact *places_cell(int at)
{
    return &cells[at];
}

int places_named(const char *code)
{
    for (int i = 0; i < authority_count; i++)
        if (strcmp(authorities[i].code, code) == 0)
            return i;
    return -1;
}

int places_relation(int asking, int home)
{
    return asking < 0 ? AT_A_DISTANCE : asking == home ? IN_AREA : relations[asking][home];
}

static long lesser(long a, long b)
{
    return a < b ? a : b;
}

static long greater(long a, long b)
{
    return a > b ? a : b;
}

void places_extent(struct home_fact *home)
{
    const struct authority_fact *a = &authorities[home->authority];
    bool anywhere = home->size_km == 0;
    long west = home->square_e_km * 1000L, east = west + home->size_km * 1000L;
    long south = home->square_n_km * 1000L, north = south + home->size_km * 1000L;
    for (int i = a->first_cell; i < a->first_cell + a->cell_count; i++)
        anywhere |= cells[i].size_km == home->size_km && cells[i].square_e_km == home->square_e_km &&
                    cells[i].square_n_km == home->square_n_km && cells[i].takes_rest;
    home->west = !anywhere ? west : home->size_km ? lesser(west, a->west) : a->west;
    home->south = !anywhere ? south : home->size_km ? lesser(south, a->south) : a->south;
    home->east = !anywhere ? east : home->size_km ? greater(east, a->east) : a->east;
    home->north = !anywhere ? north : home->size_km ? greater(north, a->north) : a->north;
}
