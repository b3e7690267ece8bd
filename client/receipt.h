/*
 * receipt.h - what receipts say beside the outcome: how sure a change is, and what a restore of the hub took.
 *
 * Owns: --replicated, the sums, their words. Thread: the client's one thread.
 */
#ifndef VACANCY_CLIENT_RECEIPT_H
#define VACANCY_CLIENT_RECEIPT_H

#include "client/command.h"
#include "vacancy/v1/agency_service.pb-c.h"

#include <jansson.h>

/* A row of the options of every command that writes. */
#define RECEIPT_OPTION                                                                                                 \
    {                                                                                                                  \
        "replicated", NULL, "wait, at most a second, until another hub has it on disk as well; exit 1 if none had",    \
            false                                                                                                      \
    }

struct receipts {
    Vacancy__V1__Durability wait_for; /* for the requests */
    uint64_t local, replicated;       /* changes */
    uint32_t lost_in_restore;         /* the newest receipt's word */
};

void receipts_begin(struct receipts *receipts, const struct cli *cli);
/* NULL: a hub that gave none counts as LOCAL. */
void receipts_take(struct receipts *receipts, const Vacancy__V1__Receipt *receipt);
/*
 * Says what people need to know; on cli->out only what was asked for. Returns `code`, or EXIT_PARTLY instead of
 * EXIT_DONE when --replicated was asked for and some change is LOCAL. With --json nothing is said.
 */
enum exit_code receipts_end(const struct receipts *receipts, struct cli *cli, enum exit_code code);
/* Adds "local", "replicated" and "lost_in_restore". */
void receipts_json(const struct receipts *receipts, json_t *object);

#endif
