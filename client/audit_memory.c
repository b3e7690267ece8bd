/*
 * audit_memory.c - see audit_memory.h. The file: a line with the key in hex, then the head's statement.
 */
#include "client/audit_memory.h"

#include "client/memory.h"
#include "client/state_file.h"

#include <stdlib.h>
#include <string.h>

#define KEY_LINE       "key "
#define FILE_MAX_BYTES (AUDIT_HEAD_MAX_BYTES + 128)

char *audit_memory_path(const char *region)
{
    char *name = must_print("audit-%s", region), *path = state_file_path(name);
    free(name);
    return path;
}

enum err audit_memory_load(const char *path, struct audit_memory *out, struct problem *problem)
{
    char *text;
    *out = (struct audit_memory){0};
    enum err err = state_file_load(path, FILE_MAX_BYTES, &text, problem);
    if (err == ERR_STORE_IO || (err == ERR_NONE && text == NULL))
        return err;
    const char *line_end = text ? strchr(text, '\n') : NULL;
    size_t prefix = strlen(KEY_LINE);
    if (line_end == NULL || strncmp(text, KEY_LINE, prefix) != 0 ||
        !hex_decode(text + prefix, (size_t)(line_end - text) - prefix, out->public_key, PUBLIC_KEY_BYTES) ||
        !audit_head_read(line_end + 1, &out->head))
        err = problem_set(problem, ERR_INVALID, "",
                          "%s is damaged: find out why, then take it away to begin anew (what "
                          "was seen before is then not compared)",
                          path);
    free(text);
    out->has_key = out->has_head = err == ERR_NONE;
    return err;
}

enum err audit_memory_save(const char *path, const struct audit_memory *memory, struct problem *problem)
{
    char key[2 * PUBLIC_KEY_BYTES + 1], head[AUDIT_HEAD_MAX_BYTES];
    hex_encode(memory->public_key, PUBLIC_KEY_BYTES, key);
    audit_head_write(&memory->head, head);
    char *text = must_print(KEY_LINE "%s\n%s", key, head);
    enum err err = state_file_save(path, text, problem);
    free(text);
    return err;
}
