/*
 * receipt.c - see receipt.h. The client's one thread.
 */
#include "client/receipt.h"

void receipts_begin(struct receipts *receipts, const struct cli *cli)
{
    *receipts = (struct receipts){.wait_for = options_flag(&cli->options, "replicated")
                                                  ? VACANCY__V1__DURABILITY__DURABILITY_REPLICATED
                                                  : VACANCY__V1__DURABILITY__DURABILITY_LOCAL};
}

void receipts_take(struct receipts *receipts, const Vacancy__V1__Receipt *receipt)
{
    if (receipt && receipt->durability == VACANCY__V1__DURABILITY__DURABILITY_REPLICATED)
        receipts->replicated++;
    else
        receipts->local++;
    receipts->lost_in_restore = receipt ? receipt->lost_in_restore : receipts->lost_in_restore;
}

enum exit_code receipts_end(const struct receipts *receipts, struct cli *cli, enum exit_code code)
{
    bool asked = receipts->wait_for == VACANCY__V1__DURABILITY__DURABILITY_REPLICATED;
    bool reached = !asked || receipts->local == 0;
    char local[GROUPED_TEXT_BYTES], all[GROUPED_TEXT_BYTES];
    uint64_t total = receipts->local + receipts->replicated;
    if (code == EXIT_DONE && !reached)
        code = EXIT_PARTLY;
    if (options_flag(&cli->options, "json"))
        return code;
    if (asked && reached && total > 0)
        fputs("on another hub's disk as well\n", cli->out);
    else if (!reached)
        fprintf(cli->out, "%s of %s %s on your hub's disk only: no other hub had %s within a second\n",
                grouped_text(receipts->local, local), grouped_text(total, all),
                total == 1 ? "change is" : "changes are", receipts->local == 1 ? "it" : "them");
    if (receipts->lost_in_restore > 0)
        cli_say(cli, "%s %s of yours %s known only in part after a restore of the hub: push %s again",
                grouped_text(receipts->lost_in_restore, all), receipts->lost_in_restore == 1 ? "carer" : "carers",
                receipts->lost_in_restore == 1 ? "is" : "are", receipts->lost_in_restore == 1 ? "it" : "them");
    return code;
}

void receipts_json(const struct receipts *receipts, json_t *object)
{
    json_object_set_new(object, "local", json_integer((json_int_t)receipts->local));
    json_object_set_new(object, "replicated", json_integer((json_int_t)receipts->replicated));
    json_object_set_new(object, "lost_in_restore", json_integer((json_int_t)receipts->lost_in_restore));
}
