/*
 * hold_text.c - see hold_text.h. The client's one thread.
 */
#include "client/hold_text.h"

#include "client/codes.h"
#include "client/contact_text.h"
#include "client/memory.h"
#include "client/screen.h"

#include <inttypes.h>

#define INDENT          3
#define LABEL_COLUMNS   12
#define LEFT_TEXT_BYTES 32
#define MINUTE_MS       60000

typedef Vacancy__V1__HoldView hold_t;

#define STATE(name) VACANCY__V1__HOLD_STATE__HOLD_STATE_##name

bool hold_is_live(const hold_t *hold)
{
    return hold->state == STATE(ACTIVE) || hold->state == STATE(ACCEPTED);
}

const char *hold_state_words(Vacancy__V1__HoldState state)
{
    switch (state) {
    case STATE(ACTIVE):
        return "held";
    case STATE(ACCEPTED):
        return "accepted";
    case STATE(RELEASED):
        return "released";
    case STATE(EXPIRED):
        return "ran out";
    case STATE(DECLINED):
        return "declined";
    case STATE(PLACED):
        return "placed";
    default:
        return "not known";
    }
}

/* "3 h 59 min", to the nearest minute. */
static const char *left_text(int64_t ms, char out[LEFT_TEXT_BYTES])
{
    int64_t minutes = ms > 0 ? (ms + MINUTE_MS / 2) / MINUTE_MS : 0;
    if (minutes < 60)
        snprintf(out, LEFT_TEXT_BYTES, "%" PRId64 " min", minutes);
    else if (minutes % 60 == 0)
        snprintf(out, LEFT_TEXT_BYTES, "%" PRId64 " h", minutes / 60);
    else
        snprintf(out, LEFT_TEXT_BYTES, "%" PRId64 " h %" PRId64 " min", minutes / 60, minutes % 60);
    return out;
}

static void print_text(FILE *out, unsigned indent, const char *label, unsigned width, struct grown_text *text)
{
    if (text->bytes > 0)
        print_wrapped(out, indent, label, *label ? LABEL_COLUMNS : 0, text->text, width);
    grown_free(text);
}

static const char *decline_words(Vacancy__V1__DeclineReason reason)
{
    static const char *const words[] = {
        "for a reason that its region's log does not tell: call the agency",
        "the home does not suit these children",
        "the needs of a child who lives there now",
        "the carer can't, now",
        "the bed is not vacant any more",
        "the agency needs more than the request says: call it",
        "the approval has ended",
        "the placement did not begin",
    };
    return (size_t)reason < sizeof words / sizeof words[0] ? words[reason] : words[0];
}

/* --- one hold ----------------------------------------------------------------------------------------------------- */

static void add_who(struct grown_text *to, const struct hold_row *row)
{
    const hold_t *hold = row->hold;
    if (row->number != 0)
        grown_add(to, "Hold %" PRIu32 ": ", row->number);
    grown_add(to, "%" PRIu32 " bed%s of vacancy %s ", hold->beds, hold->beds == 1 ? "" : "s", hold->vacancy_id);
}

void hold_sentence_print(FILE *out, unsigned width, const struct hold_row *row, int64_t now_ms)
{
    const hold_t *hold = row->hold;
    struct grown_text text = {0};
    char when[WHEN_TEXT_BYTES], left[LEFT_TEXT_BYTES];
    const char *code = code_name(&vacancy__v1__placement_code__descriptor, (int)hold->placement_code);
    bool one = hold->beds == 1;
    add_who(&text, row);
    if (hold_is_live(hold) && hold->until_ms > now_ms)
        grown_add(&text, "%s yours until %s, for %s%s.", one ? "is" : "are", when_text(hold->until_ms, when),
                  left_text(hold->until_ms - now_ms, left),
                  hold->state == STATE(ACCEPTED) ? "; the agency has accepted" : "");
    else if (hold->state == STATE(PLACED) && hold->starts_on[0] != '\0')
        grown_add(&text, "%s placed (%s) from %s.", one ? "is" : "are", code ? code : "?", hold->starts_on);
    else if (hold->state == STATE(PLACED)) /* its home hub knows more */
        grown_add(&text, "%s placed.", one ? "is" : "are");
    else if (hold->state == STATE(DECLINED))
        grown_add(&text, "%s not yours any more: the agency declined, %s.", one ? "is" : "are",
                  decline_words(hold->decline_reason));
    else if (hold->state == STATE(RELEASED))
        grown_add(&text, "%s given back%s.", one ? "is" : "are",
                  hold->decline_reason ? ": the placement did not begin" : "");
    else
        grown_add(&text, "%s not yours any more: the hold ran out at %s.", one ? "is" : "are",
                  when_text(hold->ended_at_ms ? hold->ended_at_ms : hold->until_ms, when));
    print_text(out, 0, "", width, &text);
}

/* What gives beds away waits for another hub; what gives them back, or time, does not. */
static void add_sure(struct grown_text *to, const hold_t *hold, const Vacancy__V1__HoldReceipt *receipt)
{
    bool waited = hold->state == STATE(PLACED) || (hold_is_live(hold) && !hold->extended);
    if (receipt == NULL)
        return;
    if (receipt->durability == VACANCY__V1__DURABILITY__DURABILITY_REPLICATED)
        grown_add(to, "REPLICATED: its home hub and another have it on disk");
    else
        grown_add(to, "LOCAL: its home hub has it on disk%s",
                  waited ? ", and no other had it within a second; if that disk is lost now, so is this"
                         : "; the others get it within seconds");
    if (receipt->repeated)
        grown_add(to, "; it was done when it was first asked for");
}

void hold_lines_print(FILE *out, unsigned width, const struct hold_row *row, const Vacancy__V1__HoldReceipt *receipt)
{
    const hold_t *hold = row->hold;
    struct grown_text text = {0};
    add_sure(&text, hold, receipt);
    print_text(out, INDENT, "sure", width, &text);
    contact_add(&text, hold->agency);
    print_text(out, INDENT, "call", width, &text);
    if (hold_is_live(hold) && row->number != 0) {
        grown_add(&text, "vacancy place %" PRIu32 ", ", row->number);
        if (!hold->extended)
            grown_add(&text, "vacancy extend %" PRIu32 " (once), ", row->number);
        grown_add(&text, "vacancy release %" PRIu32, row->number);
    }
    print_text(out, INDENT, "next", width, &text);
    grown_add(&text, "%s", hold->hold_id);
    if (hold->request_reference[0])
        grown_add(&text, ", for %s", hold->request_reference);
    print_text(out, INDENT, "hold", width, &text);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static struct table *columns(void)
{
    struct table *table = table_create();
    /* Whom to call is never cut; of the rest for whom it is goes last. */
    table_column(table, "", TABLE_RIGHT);
    table_column(table, "state", TABLE_LEFT);
    table_column(table, "beds", TABLE_RIGHT);
    table_column(table, "until", TABLE_LEFT);
    table_column(table, "left", TABLE_LEFT);
    table_column(table, "hold", TABLE_LEFT);
    table_may_shrink(table, 0);
    table_column(table, "vacancy", TABLE_LEFT);
    table_may_shrink(table, 0);
    table_column(table, "request", TABLE_LEFT);
    table_may_shrink(table, 0);
    table_column(table, "call", TABLE_LEFT);
    table_keep_last(table);
    return table;
}

static void add_row(struct table *table, const struct hold_row *row, int64_t now_ms)
{
    const hold_t *hold = row->hold;
    char number[16] = "", when[WHEN_TEXT_BYTES], left[LEFT_TEXT_BYTES];
    const char *code = code_name(&vacancy__v1__placement_code__descriptor, (int)hold->placement_code);
    if (row->number != 0)
        snprintf(number, sizeof number, "%" PRIu32, row->number);
    table_cell(table, "%s", number);
    table_cell(table, "%s", hold->outcome_unknown ? "not known" : hold_state_words(hold->state));
    table_cell(table, "%" PRIu32, hold->beds);
    if (hold->state == STATE(PLACED) && hold->starts_on[0] == '\0') /* its home hub knows more */
        table_cell(table, "%s", "");
    else if (hold->state == STATE(PLACED)) /* does not end */
        table_cell(table, "from %s, %s", hold->starts_on, code ? code : "?");
    else
        table_cell(table, "%s", when_text(hold->ended_at_ms ? hold->ended_at_ms : hold->until_ms, when));
    table_cell(table, "%s", hold_is_live(hold) ? left_text(hold->until_ms - now_ms, left) : "");
    table_cell(table, "%s", hold->hold_id);
    table_cell(table, "%s", hold->vacancy_id);
    table_cell(table, "%s", hold->request_reference);
    table_cell(table, "%s", contact_short(hold->agency));
}

void hold_table_print(FILE *out, unsigned width, const struct hold_row *rows, size_t count, int64_t now_ms)
{
    struct table *table = columns();
    struct grown_text text = {0};
    for (size_t i = 0; i < count; i++)
        add_row(table, &rows[i], now_ms);
    table_print(table, out, 0, width);
    table_destroy(table);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].hold->state != STATE(DECLINED))
            continue;
        if (rows[i].number != 0)
            grown_add(&text, "%" PRIu32 ": ", rows[i].number);
        grown_add(&text, "%s was declined: %s", rows[i].hold->hold_id, decline_words(rows[i].hold->decline_reason));
        print_text(out, 0, "", width, &text);
    }
}
