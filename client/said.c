/*
 * said.c - see said.h. Any thread; no state.
 */
#include "client/said.h"

#include "client/memory.h"
#include "client/screen.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct said_word {
    const char *theirs, *ours;
} words[] = {
    {"HoldVacancy", "`vacancy hold`"},
    {"ExtendHold", "`vacancy extend`"},
    {"ReleaseHold", "`vacancy release`"},
    {"PlaceChild", "`vacancy place`"},
    {"ReportUnavailable", "`vacancy report`"},
    {"GetHold", "`vacancy holds --settle`"},
    {"ListHolds", "`vacancy holds`"},
    {"AcceptHold", "`vacancy accept`"},
    {"DeclineHold", "`vacancy decline`"},
    {"PutCarer", "`vacancy push`"},
    {"PutVacancy", "`vacancy push`"},
    {"ConfirmVacancies", "`vacancy confirm`"},
    {"WithdrawVacancy", "`vacancy withdraw`"},
    {"EndCarer", "`vacancy end`"},
    {"GIVEN", "given"},
    {"NOT_NEEDED", "not-needed"},
    /* The command itself says how to go on. */
    {": send the same call with the same request id again, or ask GetHold for that request id", ""},
};

static bool is_inside_word(int c)
{
    return isalnum(c) || c == '_' || c == '/' || c == '.';
}

/* The word of ours for what `at` begins with; NULL: none. */
static const struct said_word *word_at(const char *at)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t bytes = strlen(words[i].theirs);
        int next = strncmp(at, words[i].theirs, bytes) == 0 ? (unsigned char)at[bytes] : 'x';
        if (!isalnum(next) && next != '_')
            return &words[i];
    }
    return NULL;
}

/* "2026-11-22T14:31:00.123Z", its seconds or their parts left out or not, as local time; 0: none begins here. */
static size_t moment_at(const char *at, char out[WHEN_TEXT_BYTES])
{
    struct tm tm = {0};
    const char *end = isdigit((unsigned char)*at) ? strptime(at, "%Y-%m-%dT%H:%M", &tm) : NULL;
    if (end == NULL)
        return 0;
    end += *end == ':' ? 1 + strspn(end + 1, "0123456789.") : 0;
    if (*end != 'Z')
        return 0;
    when_text((int64_t)timegm(&tm) * 1000, out);
    return out[0] != '\0' ? (size_t)(end + 1 - at) : 0;
}

char *said_text(const char *text)
{
    struct grown_text out = {0};
    char when[WHEN_TEXT_BYTES];
    grown_add(&out, "%s", ""); /* never NULL */
    for (const char *at = text; *at != '\0';) {
        bool begins = at == text || !is_inside_word((unsigned char)at[-1]);
        const struct said_word *word = begins || *at == ':' ? word_at(at) : NULL;
        size_t moment = begins && word == NULL ? moment_at(at, when) : 0;
        if (word != NULL)
            grown_add(&out, "%s", word->ours);
        else if (moment > 0)
            grown_add(&out, "%s", when);
        else
            grown_add(&out, "%c", *at);
        at += word != NULL ? strlen(word->theirs) : moment > 0 ? moment : 1;
    }
    return out.text;
}
