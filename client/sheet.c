/*
 * sheet.c - see sheet.h. Owns: the header, rows, the way from a path to a field. Reading one cell: sheet_cell.c.
 * The client's one thread.
 */
#include "client/sheet.h"

#include "client/memory.h"
#include "client/screen.h"
#include "client/sheet_cell.h"
#include "daemon/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HELP_COLUMNS 26

static const struct sheet_column *column_named(const struct sheet *sheet, const char *name)
{
    for (size_t i = 0; i < sheet->count; i++)
        if (strcasecmp(sheet->columns[i].name, name) == 0)
            return &sheet->columns[i];
    return NULL;
}

/* What is wrong with a name of the header that is no column's; the caller frees it. */
static char *no_column(const struct csv_row *row, size_t index)
{
    const struct csv_cell *cell = &row->cells[index];
    if (!text_is_utf8(cell->text, cell->bytes))
        return must_print("cell %zu of the header is not UTF-8 text; save the file as \"CSV UTF-8\"", index + 1);
    if (cell->bytes == 0)
        return must_print("cell %zu of the header is empty; name the column or take it out", index + 1);
    if (row->count == 1 && strchr(cell->text, ';') != NULL)
        return must_print("semicolons stand between the names; separate cells with commas");
    if (row->count == 1 && strchr(cell->text, '\t') != NULL)
        return must_print("tabs stand between the names; separate cells with commas");
    char *name = clean_text(cell->text, 60);
    char *text = must_print("cell %zu of the header, \"%s\", names no column", index + 1, name);
    free(name);
    return text;
}

static void complain_of_header(const struct sheet *sheet, sheet_complaint complain, void *context)
{
    struct grown_text list = {0};
    grown_add(&list, "the first line names the columns, in any order, of: ");
    for (size_t i = 0; i < sheet->count; i++)
        grown_add(&list, "%s%s", i ? ", " : "", sheet->columns[i].name);
    complain(context, NULL, list.text);
    grown_free(&list);
}

static bool is_twice(const struct sheet_map *map, size_t index)
{
    for (size_t j = 0; j < index; j++)
        if (map->at[j] == map->at[index])
            return true;
    return false;
}

bool sheet_header(const struct sheet *sheet, const struct csv_row *row, struct sheet_map *out, sheet_complaint complain,
                  void *context)
{
    bool good = row->count <= CSV_CELLS_MAX;
    *out = (struct sheet_map){.count = row->count};
    for (size_t i = 0; i < row->count && i < CSV_CELLS_MAX; i++) {
        const struct csv_cell *cell = &row->cells[i];
        out->at[i] = strlen(cell->text) == cell->bytes ? column_named(sheet, cell->text) : NULL;
        if (out->at[i] != NULL && !is_twice(out, i))
            continue;
        char *text = out->at[i] ? must_print("the column is there twice; take one out") : no_column(row, i);
        complain(context, out->at[i] ? out->at[i]->name : NULL, text);
        free(text);
        good = false;
    }
    for (size_t i = 0; good && i < sheet->count; i++) {
        if (!sheet->columns[i].required || sheet_has(out, sheet->columns[i].name))
            continue;
        complain(context, sheet->columns[i].name, "the header lacks this column");
        good = false;
    }
    if (!good)
        complain_of_header(sheet, complain, context);
    return good;
}

bool sheet_has(const struct sheet_map *map, const char *column)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->at[i]->name, column) == 0)
            return true;
    return false;
}

static bool is_root(const char *path, const char *root)
{
    size_t bytes = strlen(root);
    return strncmp(path, root, bytes) == 0 && path[bytes] == '.';
}

bool sheet_feeds(const struct sheet_map *map, const char *root, const char *const *besides)
{
    for (size_t i = 0; i < map->count; i++) {
        bool left_out = false;
        for (const char *const *name = besides; *name; name++)
            left_out = left_out || strcmp(*name, map->at[i]->name) == 0;
        for (size_t p = 0; !left_out && p < SHEET_ROOTS_MAX && map->at[i]->paths[p]; p++)
            if (is_root(map->at[i]->paths[p], root))
                return true;
    }
    return false;
}

const char *sheet_text(const struct sheet_map *map, const struct csv_row *row, const char *column)
{
    for (size_t i = 0; i < map->count && i < row->count; i++)
        if (strcmp(map->at[i]->name, column) == 0)
            return row->cells[i].text;
    return "";
}

static size_t root_of(const struct sheet *sheet, const char *path)
{
    for (size_t i = 0; i < sheet->root_count; i++)
        if (is_root(path, sheet->roots[i].name))
            return i;
    abort(); /* the table of columns is wrong */
}

/* The field at the path's end; *message becomes the message that holds it, made on the way where `arena` is given. */
static const ProtobufCFieldDescriptor *walk(const struct sheet *sheet, const char *path, ProtobufCMessage **message,
                                            struct arena *arena)
{
    const ProtobufCMessageDescriptor *type = sheet->roots[root_of(sheet, path)].type;
    const char *at = strchr(path, '.') + 1;
    for (;;) {
        const char *dot = strchr(at, '.');
        char name[64];
        size_t bytes = dot ? (size_t)(dot - at) : strlen(at);
        snprintf(name, sizeof name, "%.*s", (int)bytes, at);
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(type, name);
        if (field == NULL)
            abort(); /* the table of columns is wrong */
        if (dot == NULL)
            return field;
        type = field->descriptor;
        if (arena != NULL) {
            ProtobufCMessage **inner = (ProtobufCMessage **)((char *)*message + field->offset);
            if (*inner == NULL && (*inner = arena_zalloc(arena, type->sizeof_message)) != NULL)
                protobuf_c_message_init(type, *inner);
            if (*inner == NULL)
                return NULL;
            *message = *inner;
        }
        at = dot + 1;
    }
}

char *sheet_accepts(const struct sheet *sheet, const struct sheet_column *column, char out[ACCEPTS_TEXT_BYTES])
{
    if (column->accepts)
        snprintf(out, ACCEPTS_TEXT_BYTES, "%s", column->accepts);
    else
        cell_accepts(column, column->paths[0] ? walk(sheet, column->paths[0], NULL, NULL) : NULL, out);
    return out;
}

static bool read_cell(const struct sheet *sheet, const struct sheet_column *column, const struct csv_cell *cell,
                      struct arena *arena, ProtobufCMessage *const roots[SHEET_ROOTS_MAX])
{
    for (size_t p = 0; p < SHEET_ROOTS_MAX && column->paths[p]; p++) {
        ProtobufCMessage *message = roots[root_of(sheet, column->paths[p])];
        const ProtobufCFieldDescriptor *field = walk(sheet, column->paths[p], &message, arena);
        if (field == NULL || !cell_read(column, field, message, cell->text, cell->bytes, arena))
            return false;
    }
    return true;
}

bool sheet_row(const struct sheet *sheet, const struct sheet_map *map, const struct csv_row *row, struct arena *arena,
               ProtobufCMessage *out[SHEET_ROOTS_MAX], sheet_complaint complain, void *context)
{
    char text[ACCEPTS_TEXT_BYTES + 128], accepts[ACCEPTS_TEXT_BYTES];
    if (row->count != map->count) {
        snprintf(text, sizeof text, "%zu cells, but the header names %zu; a comma or a quote is missing or too many",
                 row->count, map->count);
        complain(context, NULL, text);
        return false;
    }
    for (size_t i = 0; i < sheet->root_count; i++) {
        out[i] = arena_zalloc(arena, sheet->roots[i].type->sizeof_message);
        if (out[i] == NULL) {
            complain(context, NULL, "the row is too long");
            return false;
        }
        protobuf_c_message_init(sheet->roots[i].type, out[i]);
    }
    bool good = true;
    for (size_t i = 0; i < map->count; i++) {
        const struct csv_cell *cell = &row->cells[i];
        const struct sheet_column *column = map->at[i];
        text[0] = '\0';
        if (memchr(cell->text, '\0', cell->bytes) != NULL)
            snprintf(text, sizeof text, "holds a NUL byte; save the file as \"CSV UTF-8\"");
        else if (!text_is_utf8(cell->text, cell->bytes))
            snprintf(text, sizeof text, "not UTF-8 text; save the file as \"CSV UTF-8\"");
        else if (cell->bytes > 0 && !read_cell(sheet, column, cell, arena, out)) {
            char *found = clean_text(cell->text, 40);
            snprintf(text, sizeof text, "\"%s\"%s is not accepted; write %s", found, cell->bytes > 40 ? "..." : "",
                     sheet_accepts(sheet, column, accepts));
            free(found);
        }
        if (text[0] != '\0') {
            complain(context, column->name, text);
            good = false;
        }
    }
    return good;
}

/* Whether a field's path, its indices left out, is the column's or lies within it. Returns how much of it matched. */
static size_t path_match(const char *path, const char *field)
{
    size_t matched = 0;
    while (*path) {
        if (*field == '[') {
            field += strcspn(field, "]");
            field += *field == ']';
            continue;
        }
        if (*path != *field)
            return 0;
        path++;
        field++;
        matched++;
    }
    return *field == '\0' || *field == '.' || *field == '[' ? matched : 0;
}

const struct sheet_column *sheet_column_of_field(const struct sheet *sheet, const char *field)
{
    const struct sheet_column *best = NULL;
    size_t best_match = 0;
    for (size_t i = 0; i < sheet->count; i++) {
        for (size_t p = 0; p < SHEET_ROOTS_MAX && sheet->columns[i].paths[p]; p++) {
            size_t matched = path_match(sheet->columns[i].paths[p], field);
            if (matched > best_match) {
                best = &sheet->columns[i];
                best_match = matched;
            }
        }
    }
    return best;
}

void sheet_print_columns(const struct sheet *sheet, FILE *out, unsigned width)
{
    char accepts[ACCEPTS_TEXT_BYTES];
    for (size_t i = 0; i < sheet->count; i++) {
        const struct sheet_column *column = &sheet->columns[i];
        char *text = must_print("%s%s: %s", column->help, column->required ? " (required)" : "",
                                sheet_accepts(sheet, column, accepts));
        print_wrapped(out, 2, column->name, HELP_COLUMNS, text, width);
        free(text);
    }
}
