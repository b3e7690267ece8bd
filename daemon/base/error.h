/*
 * error.h - the one error enum, and a problem that names what was wrong.
 *
 * Owns: what can go wrong, as the whole program speaks of it. Library codes (errno, MDB_*, nghttp2, OpenSSL) are
 * translated into it once, at the edge of the module that meets them. Also the number that each has as a gRPC status,
 * which answers, receipts and audit records share. Not here: status messages and details (wire/status.h).
 * Thread: any; nothing here has state.
 */
#ifndef VACANCY_BASE_ERROR_H
#define VACANCY_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum err {
    ERR_NONE = 0,
    ERR_INVALID,         /* an argument is wrong whatever the state: INVALID_ARGUMENT */
    ERR_OUT_OF_RANGE,    /* past the end of what exists: OUT_OF_RANGE */
    ERR_NOT_FOUND,       /* NOT_FOUND */
    ERR_EXISTS,          /* ALREADY_EXISTS */
    ERR_UNAUTHENTICATED, /* no acceptable identity: UNAUTHENTICATED */
    ERR_FORBIDDEN,       /* identity known, not allowed: PERMISSION_DENIED */
    ERR_PRECONDITION,    /* right request, wrong state: FAILED_PRECONDITION */
    ERR_STALE,           /* something newer is stored: ABORTED */
    ERR_LIMIT,           /* a stated limit was reached: RESOURCE_EXHAUSTED */
    ERR_STORE_FULL,      /* disk or map full: RESOURCE_EXHAUSTED; reads go on */
    ERR_STORE_IO,        /* the disk failed: INTERNAL; the store takes no more writes */
    ERR_STORE_DAMAGED,   /* a stored record does not pass its own check: DATA_LOSS */
    ERR_UNAVAILABLE,     /* try again later: UNAVAILABLE */
    ERR_DEADLINE,        /* DEADLINE_EXCEEDED */
    ERR_CANCELLED,       /* the caller went away: CANCELLED */
    ERR_UNIMPLEMENTED,   /* UNIMPLEMENTED */
    ERR_INTERNAL,        /* ours: INTERNAL */
    ERR_COUNT
};

/* "STORE_FULL"; never NULL. */
const char *err_name(enum err err);
/* The gRPC status code, 0 to 16, as the comments above name it; INTERNAL for anything else. */
unsigned err_status(enum err err);

#define PROBLEM_FIELD_BYTES 96
#define PROBLEM_TEXT_BYTES  256

/*
 * What went wrong, for whoever sent the request. `field` is the path of the proto field ("vacancy.beds",
 * "children[1].age_months"), empty when no field is to blame. `text` says what was expected, what was found and what
 * to do next. Neither ever holds personal data: a postcode or a reference is not repeated back.
 */
struct problem {
    enum err code;
    char field[PROBLEM_FIELD_BYTES];
    char text[PROBLEM_TEXT_BYTES];
    int64_t retry_after_ms; /* that before then it will be no different; 0: not said. problem_set clears it */
};

/*
 * Fills *problem and returns `code`, so that a check reads: return problem_set(p, ERR_INVALID, "beds", "...").
 * Over-long text is cut. problem may be NULL (then only the code is returned).
 */
enum err problem_set(struct problem *problem, enum err code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
