/*
 * team_memory.c - see team_memory.h. The file: a line for each thing, its kind first, then words. The client's one
 * thread.
 */
#include "client/team_memory.h"

#include "client/memory.h"
#include "client/state_file.h"
#include "daemon/base/digest.h"
#include "daemon/base/text.h"
#include "proto/wire/certificate_key.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_LINE     "vacancy-team 1\n"
#define FILE_MAX_BYTES (128 * 1024)
#define NAME_BYTES     16 /* of the digest, in the file's name */
#define WORDS_MAX      6
#define HOURS          (TEAM_NUMBERS_MS / (60 * 60 * 1000))

/* --- where -------------------------------------------------------------------------------------------------------- */

enum err team_memory_path(const struct options *options, char **out, struct problem *problem)
{
    struct settings settings;
    uint8_t key[DIGEST_BYTES], digest[DIGEST_BYTES];
    char hex[2 * NAME_BYTES + 1];
    enum err err = settings_load(options, &settings, problem);
    if (err != ERR_NONE)
        return err;
    if (!certificate_key_digest(settings.certificate, key)) {
        err = problem_set(problem, ERR_INVALID, "", "%s can't be read as a certificate", settings.certificate);
    } else {
        struct octets parts[] = {{(const uint8_t *)settings.host, strlen(settings.host) + 1},
                                 {(const uint8_t *)settings.port, strlen(settings.port) + 1},
                                 {key, sizeof key}};
        digest_sha256_parts(parts, sizeof parts / sizeof parts[0], digest);
        hex_encode(digest, NAME_BYTES, hex);
        char *name = must_print("team-%s", hex);
        *out = state_file_path(name);
        free(name);
    }
    settings_free(&settings);
    return err;
}

/* --- what may stand in it ----------------------------------------------------------------------------------------- */

/* A word of printable ASCII, copied; false when it is none or has no room. */
static bool take_word(const char *text, char *out, size_t out_bytes)
{
    if (!text_is_identifier(text, out_bytes - 1) || strchr(text, ' ') != NULL)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool take_ms(const char *text, int64_t *out)
{
    uint64_t number;
    if (!text_parse_u64(text, INT64_MAX, &number))
        return false;
    *out = (int64_t)number;
    return true;
}

static bool take_u32(const char *text, uint32_t *out)
{
    uint64_t number;
    if (!text_parse_u64(text, UINT32_MAX, &number))
        return false;
    *out = (uint32_t)number;
    return true;
}

static bool read_option(struct team_memory *to, char *const *words)
{
    struct team_option *option = &to->options[to->option_count];
    return to->option_count < TEAM_OPTIONS_MAX && take_word(words[1], option->number, sizeof option->number) &&
           take_word(words[2], option->vacancy_id, sizeof option->vacancy_id) &&
           take_word(words[3], option->region, sizeof option->region) && take_u32(words[4], &option->beds) &&
           ++to->option_count;
}

static bool read_hold(struct team_memory *to, char *const *words)
{
    struct team_hold *hold = &to->holds[to->hold_count];
    return to->hold_count < TEAM_HOLDS_MAX && take_u32(words[1], &hold->number) &&
           take_word(words[2], hold->hold_id, sizeof hold->hold_id) && ++to->hold_count;
}

static bool read_request(struct team_memory *to, char *const *words)
{
    struct team_request *request = &to->unsettled[to->unsettled_count];
    return to->unsettled_count < TEAM_UNSETTLED_MAX && take_word(words[1], request->what, sizeof request->what) &&
           take_word(words[2], request->request_id, sizeof request->request_id) &&
           take_word(words[3], request->region, sizeof request->region) &&
           take_word(words[4], request->subject, sizeof request->subject) && take_ms(words[5], &request->asked_at_ms) &&
           ++to->unsettled_count;
}

static bool read_answer(struct team_memory *to, char *const *words)
{
    return take_ms(words[1], &to->answered_at_ms) && take_word(words[2], to->reference, sizeof to->reference);
}

static bool read_list(struct team_memory *to, char *const *words)
{
    return take_ms(words[1], &to->listed_at_ms);
}

static bool read_line(struct team_memory *to, char *line)
{
    static const struct {
        const char *kind;
        size_t words;
        bool (*read)(struct team_memory *to, char *const *words);
    } kinds[] = {
        {"answer", 3, read_answer}, {"option", 5, read_option}, {"holds", 2, read_list},
        {"hold", 3, read_hold},     {"asked", 6, read_request},
    };
    char *words[WORDS_MAX + 1], *rest;
    size_t count = 0;
    for (char *word = strtok_r(line, " ", &rest); word && count <= WORDS_MAX; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (count == kinds[i].words && strcmp(words[0], kinds[i].kind) == 0)
            return kinds[i].read(to, words);
    return false;
}

static bool read_text(struct team_memory *to, char *text)
{
    if (strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) != 0 || text[strlen(text) - 1] != '\n')
        return false;
    char *rest;
    for (char *line = strtok_r(text + strlen(FIRST_LINE), "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!read_line(to, line))
            return false;
    return true;
}

static char *write_text(const struct team_memory *memory)
{
    struct grown_text text = {0};
    grown_add(&text, FIRST_LINE);
    if (memory->answered_at_ms != 0)
        grown_add(&text, "answer %" PRId64 " %s\n", memory->answered_at_ms, memory->reference);
    for (size_t i = 0; i < memory->option_count; i++) {
        const struct team_option *option = &memory->options[i];
        grown_add(&text, "option %s %s %s %" PRIu32 "\n", option->number, option->vacancy_id, option->region,
                  option->beds);
    }
    if (memory->listed_at_ms != 0)
        grown_add(&text, "holds %" PRId64 "\n", memory->listed_at_ms);
    for (size_t i = 0; i < memory->hold_count; i++)
        grown_add(&text, "hold %" PRIu32 " %s\n", memory->holds[i].number, memory->holds[i].hold_id);
    for (size_t i = 0; i < memory->unsettled_count; i++) {
        const struct team_request *request = &memory->unsettled[i];
        grown_add(&text, "asked %s %s %s %s %" PRId64 "\n", request->what, request->request_id, request->region,
                  request->subject, request->asked_at_ms);
    }
    return text.text;
}

enum err team_memory_load(const char *path, struct team_memory **out, struct problem *problem)
{
    char *text;
    *out = must_alloc(1, sizeof **out);
    enum err err = state_file_load(path, FILE_MAX_BYTES, &text, problem);
    if (err == ERR_STORE_IO || (err == ERR_NONE && text == NULL))
        return err;
    if (err != ERR_NONE || !read_text(*out, text)) {
        memset(*out, 0, sizeof **out);
        err = problem_set(problem, ERR_INVALID, "",
                          "%s is damaged: take it away to begin anew; `vacancy holds` then says which holds there are",
                          path);
    }
    free(text);
    return err;
}

enum err team_memory_change(const char *path, team_change change, void *context, struct problem *problem)
{
    struct team_memory *memory = NULL;
    int lock;
    enum err err = state_file_lock(path, &lock, problem);
    if (err != ERR_NONE)
        return err;
    err = team_memory_load(path, &memory, problem);
    if (err == ERR_NONE && !change(memory, context, problem))
        err = ERR_LIMIT;
    if (err == ERR_NONE) {
        char *text = write_text(memory);
        err = state_file_save(path, text, problem);
        free(text);
    }
    free(memory);
    state_file_unlock(lock);
    return err;
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

void team_answer_begin(struct team_memory *memory, const char *reference, int64_t now_ms)
{
    memory->option_count = 0;
    memory->answered_at_ms = take_word(reference, memory->reference, sizeof memory->reference) ? now_ms : 0;
}

void team_answer_add(struct team_memory *memory, const char *number, const char *vacancy_id, const char *region,
                     uint32_t beds)
{
    struct team_option *option = &memory->options[memory->option_count];
    if (memory->answered_at_ms != 0 && memory->option_count < TEAM_OPTIONS_MAX &&
        take_word(number, option->number, sizeof option->number) &&
        take_word(vacancy_id, option->vacancy_id, sizeof option->vacancy_id) &&
        take_word(region, option->region, sizeof option->region)) {
        option->beds = beds;
        memory->option_count++;
    }
}

uint32_t team_hold_add(struct team_memory *memory, const char *hold_id, int64_t now_ms)
{
    uint32_t number = 0;
    if (now_ms - memory->listed_at_ms > TEAM_NUMBERS_MS)
        memory->hold_count = 0;
    memory->listed_at_ms = now_ms;
    for (size_t i = 0; i < memory->hold_count; i++) {
        if (strcmp(memory->holds[i].hold_id, hold_id) == 0)
            return memory->holds[i].number;
        number = memory->holds[i].number > number ? memory->holds[i].number : number;
    }
    struct team_hold *hold = &memory->holds[memory->hold_count];
    if (memory->hold_count == TEAM_HOLDS_MAX || number == UINT32_MAX ||
        !take_word(hold_id, hold->hold_id, sizeof hold->hold_id))
        return 0;
    memory->hold_count++;
    return hold->number = number + 1;
}

bool team_request_add(struct team_memory *memory, const struct team_request *request)
{
    struct team_request *to = &memory->unsettled[memory->unsettled_count];
    if (memory->unsettled_count == TEAM_UNSETTLED_MAX || !take_word(request->what, to->what, sizeof to->what) ||
        !take_word(request->request_id, to->request_id, sizeof to->request_id) ||
        !take_word(request->region, to->region, sizeof to->region) ||
        !take_word(request->subject, to->subject, sizeof to->subject))
        return false;
    to->asked_at_ms = request->asked_at_ms;
    memory->unsettled_count++;
    return true;
}

void team_request_set_region(struct team_memory *memory, const char *request_id, const char *region)
{
    char word[TEAM_REGION_BYTES];
    for (size_t i = 0; i < memory->unsettled_count; i++)
        if (strcmp(memory->unsettled[i].request_id, request_id) == 0 && take_word(region, word, sizeof word))
            memcpy(memory->unsettled[i].region, word, sizeof word);
}

void team_request_remove(struct team_memory *memory, const char *request_id)
{
    size_t kept = 0;
    for (size_t i = 0; i < memory->unsettled_count; i++)
        if (strcmp(memory->unsettled[i].request_id, request_id) != 0)
            memory->unsettled[kept++] = memory->unsettled[i];
    memory->unsettled_count = kept;
}

/* --- questions ---------------------------------------------------------------------------------------------------- */

bool team_is_number(const char *text)
{
    return *text != '\0' && strlen(text) <= 4 && strpbrk(text, "0123456789") != NULL;
}

static bool is_old(int64_t then_ms, int64_t now_ms)
{
    return now_ms - then_ms > TEAM_NUMBERS_MS;
}

const struct team_option *team_option_find(const struct team_memory *memory, const char *number, int64_t now_ms,
                                           struct problem *problem)
{
    bool old = is_old(memory->answered_at_ms, now_ms);
    for (size_t i = 0; !old && i < memory->option_count; i++)
        if (strcasecmp(memory->options[i].number, number) == 0)
            return &memory->options[i];
    if (memory->answered_at_ms == 0)
        problem_set(problem, ERR_NOT_FOUND, "",
                    "no answer is kept here of which %s could be a number: `vacancy find` first, or give the "
                    "vacancy's id with --ref",
                    number);
    else if (old)
        problem_set(problem, ERR_STALE, "",
                    "the last answer is more than %d hours old, and what it found may be gone: `vacancy find` again",
                    HOURS);
    else
        problem_set(problem, ERR_NOT_FOUND, "", "the last answer has no %s: its numbers stand before its lines",
                    number);
    return NULL;
}

const struct team_hold *team_hold_find(const struct team_memory *memory, const char *number, int64_t now_ms,
                                       struct problem *problem)
{
    uint32_t wanted;
    if (memory->listed_at_ms != 0 && !is_old(memory->listed_at_ms, now_ms) && take_u32(number, &wanted))
        for (size_t i = 0; i < memory->hold_count; i++)
            if (memory->holds[i].number == wanted)
                return &memory->holds[i];
    problem_set(problem, ERR_NOT_FOUND, "",
                "there is no hold %s in a list of the last %d hours: `vacancy holds` numbers them anew, or give the "
                "hold's id",
                number, HOURS);
    return NULL;
}

const struct team_request *team_unsettled_hold(const struct team_memory *memory, const char *vacancy_id)
{
    for (size_t i = 0; i < memory->unsettled_count; i++)
        if (strcmp(memory->unsettled[i].what, "hold") == 0 && strcmp(memory->unsettled[i].subject, vacancy_id) == 0)
            return &memory->unsettled[i];
    return NULL;
}
