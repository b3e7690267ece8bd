/*
 * team_memory.h - what a placement team's client remembers from one command to the next: the numbers of the last
 * answer and of the last list of holds, and requests of which it is not known whether they were done.
 *
 * Owns: a state file (state_file.h) for each user, hub and certificate's key. In it stand vacancy and hold ids,
 * regions, the request's reference, numbers of beds, request ids and times: nothing of a child, a carer or a search.
 * Thread: the client's one thread. Invariants: the file has at most one answer; a request id is in it before it is
 * sent, and until it is known what became of it.
 */
#ifndef VACANCY_CLIENT_TEAM_MEMORY_H
#define VACANCY_CLIENT_TEAM_MEMORY_H

#include "client/settings.h"
#include "client/uuid.h"

#include <stdint.h>

#define TEAM_OPTIONS_MAX   256
#define TEAM_HOLDS_MAX     512
#define TEAM_UNSETTLED_MAX 32
#define TEAM_NUMBERS_MS    (12 * 60 * 60 * 1000) /* older numbers are not taken */

#define TEAM_NUMBER_BYTES    8  /* "P12", "1a" */
#define TEAM_VACANCY_BYTES   32 /* "REZ1-PYNZ-2ZXQ" */
#define TEAM_REGION_BYTES    10
#define TEAM_REFERENCE_BYTES 16
#define TEAM_HOLD_BYTES      52 /* "E12000003-1-4711" */

struct team_option {
    char number[TEAM_NUMBER_BYTES];
    char vacancy_id[TEAM_VACANCY_BYTES];
    char region[TEAM_REGION_BYTES];
    uint32_t beds; /* children that it would take */
};

struct team_hold {
    uint32_t number;
    char hold_id[TEAM_HOLD_BYTES];
};

/* A call that was sent. */
struct team_request {
    char what[8]; /* "hold", "extend", "release", "place" */
    char request_id[UUID_TEXT_BYTES];
    char region[TEAM_REGION_BYTES]; /* "-": not known */
    char subject[TEAM_HOLD_BYTES];  /* of a hold the vacancy, else the hold */
    int64_t asked_at_ms;
};

struct team_memory {
    int64_t answered_at_ms; /* 0: no answer */
    char reference[TEAM_REFERENCE_BYTES];
    size_t option_count;
    struct team_option options[TEAM_OPTIONS_MAX];
    int64_t listed_at_ms; /* 0: no list */
    size_t hold_count;
    struct team_hold holds[TEAM_HOLDS_MAX];
    size_t unsettled_count;
    struct team_request unsettled[TEAM_UNSETTLED_MAX];
};

/* The file for the hub and certificate of these options. ERR_INVALID, ERR_NOT_FOUND. The caller frees *out. */
enum err team_memory_path(const struct options *options, char **out, struct problem *problem)
    __attribute__((warn_unused_result));
/* Not there is empty. ERR_INVALID: damaged; ERR_STORE_IO. The caller frees *out, also then. */
enum err team_memory_load(const char *path, struct team_memory **out, struct problem *problem)
    __attribute__((warn_unused_result));
/*
 * Reads it, has it changed and writes it, alone among programs that do so; on disk when it returns. `change` may refuse
 * (false): nothing is written then, and ERR_LIMIT comes back with what it said. ERR_INVALID, ERR_STORE_IO.
 */
typedef bool (*team_change)(struct team_memory *memory, void *context, struct problem *problem);
enum err team_memory_change(const char *path, team_change change, void *context, struct problem *problem)
    __attribute__((warn_unused_result));

/* --- changes; what can't stand in a line of the file is left out ----------------------------------------------------
 */

/* A new answer instead of the last. */
void team_answer_begin(struct team_memory *memory, const char *reference, int64_t now_ms);
void team_answer_add(struct team_memory *memory, const char *number, const char *vacancy_id, const char *region,
                     uint32_t beds);
/* Its number: the one that it has, or the next; all begin anew when they are old. 0: there is no room. */
uint32_t team_hold_add(struct team_memory *memory, const char *hold_id, int64_t now_ms);
/* False: too many are not settled, or a text is no word. */
bool team_request_add(struct team_memory *memory, const struct team_request *request)
    __attribute__((warn_unused_result));
/* Where it went, once that is known. */
void team_request_set_region(struct team_memory *memory, const char *request_id, const char *region);
void team_request_remove(struct team_memory *memory, const char *request_id);

/* --- questions ------------------------------------------------------------------------------------------------------
 */

/* "2", "P1", "1a", and no id. */
bool team_is_number(const char *text);
/* NULL with what to do: no answer, too old, no such number. Points into the memory. */
const struct team_option *team_option_find(const struct team_memory *memory, const char *number, int64_t now_ms,
                                           struct problem *problem);
const struct team_hold *team_hold_find(const struct team_memory *memory, const char *number, int64_t now_ms,
                                       struct problem *problem);
/* A hold of this vacancy that is not settled; NULL: none. */
const struct team_request *team_unsettled_hold(const struct team_memory *memory, const char *vacancy_id);

#endif
