/*
 * language.c - which language tags the register takes. Owns the language list (its own licence: data/languages) within
 * a struct gazetteer, and Makaton, which is no language and has a private-use tag. Thread: any.
 * Invariant: sorted by tag; a tag is in its shortest form.
 */
#include "daemon/base/log.h"
#include "daemon/gazetteer/state.h"
#include "daemon/gazetteer/tables.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct language_entry makaton = {.tag = "art-x-makaton", .name = "Makaton", .common = true};

static int compare_language(const void *a, const void *b)
{
    return strcmp(((const struct language_entry *)a)->tag, ((const struct language_entry *)b)->tag);
}

void languages_load(struct gazetteer *g)
{
    struct table_rows rows;
    g->languages = table_memory(table_lines(TABLE_LANGUAGES) + 1, sizeof *g->languages);
    table_rows_begin(&rows, TABLE_LANGUAGES, 4);
    while (table_rows_next(&rows)) {
        struct language_entry *l = &g->languages[g->language_count++];
        table_rows_text(&rows, 0, l->tag, sizeof l->tag);
        table_rows_text(&rows, 1, l->iso639_3, sizeof l->iso639_3);
        table_rows_text(&rows, 2, l->name, sizeof l->name);
        l->common = table_rows_int(&rows, 3) == 1;
    }
    g->languages[g->language_count++] = makaton;
    qsort(g->languages, g->language_count, sizeof *g->languages, compare_language);
    for (size_t i = 1; i < g->language_count; i++)
        if (!compare_language(&g->languages[i - 1], &g->languages[i]))
            log_fatal("gazetteer", "built-in table languages has a tag twice");
}

enum err gazetteer_language(const struct gazetteer *g, const char *field, const char *tag,
                            const struct language_entry **out, struct problem *problem)
{
    for (size_t i = 0; tag && *tag && i < g->language_count; i++) {
        const struct language_entry *l = &g->languages[i];
        if (!strcasecmp(tag, l->tag) || !strcasecmp(tag, l->iso639_3)) {
            *out = l;
            return ERR_NONE;
        }
    }
    return problem_set(problem, ERR_INVALID, field,
                       "expected a language code alone, such as pl (Polish), prs (Dari), bfi (British Sign Language), "
                       "or art-x-makaton");
}

size_t gazetteer_language_count(const struct gazetteer *g)
{
    return g->language_count;
}

const struct language_entry *gazetteer_language_at(const struct gazetteer *g, size_t index)
{
    return index < g->language_count ? &g->languages[index] : NULL;
}
