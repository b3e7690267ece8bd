/*
 * submit_stream.h - updates through Submit, pipelined: for `vacancy push` and `vacancy sync`.
 *
 * Owns: reading ahead of the answers, by at most SUBMIT_WINDOW updates, which line of the file each answer belongs to,
 * and counting what became of it. Not here: where updates come from. Thread: the client's one thread.
 * Invariant: an update is counted as done only when the hub has said that it is.
 */
#ifndef VACANCY_CLIENT_SUBMIT_STREAM_H
#define VACANCY_CLIENT_SUBMIT_STREAM_H

#include "client/report.h"

#define SUBMIT_WINDOW 512u

struct submit_slot {
    uint64_t line;         /* 0: of no line; then */
    const char *reference; /* whose it is. Borrowed until answered */
    bool carer;            /* a PutCarer, whose failure explains that of the vacancy after it */
    bool withdraw;         /* that there is no vacancy is fine */
};

struct submit_stream {
    struct cli *cli;
    struct report *report;
    struct link_call *call;
    /* answered .. sent: slot n is slots[n % SUBMIT_WINDOW]; the hub answers in the order in which it was asked */
    uint64_t answered, sent;
    struct submit_slot slots[SUBMIT_WINDOW];
    uint64_t failed_carer_line;
    uint64_t epoch, sequence; /* of the newest receipt */
};

/* report is borrowed. */
void submit_begin(struct submit_stream *stream, struct cli *cli, struct report *report);
bool submit_is_over(const struct submit_stream *stream);
/* Waits while the window is full. Nothing is sent once the stream is over. */
void submit_send(struct submit_stream *stream, Vacancy__V1__SubmitRequest *request, const struct submit_slot *slot);
/* Waits until all that was sent is answered. */
void submit_settle(struct submit_stream *stream);
/*
 * Nothing more to send: waits for all answers, and frees the call. total: of all updates, for the progress; 0: not
 * known. ERR_NONE: all were answered.
 */
enum err submit_end(struct submit_stream *stream, uint64_t total, struct problem *problem);
/* Cancels what is under way, and frees the call. */
void submit_abandon(struct submit_stream *stream);

#endif
