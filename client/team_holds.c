/*
 * team_holds.c - see team_holds.h. The client's one thread.
 */
#include "client/team_holds.h"

#include "client/json.h"
#include "client/memory.h"
#include "proto/wire/message.h"

#include <stdlib.h>
#include <string.h>

#define LIST_BYTES (16u << 20)

typedef Vacancy__V1__HoldView hold_t;

/* --- the list ----------------------------------------------------------------------------------------------------- */

/* A copy in the arena; NULL: no room. */
static const hold_t *copy_hold(struct arena *arena, const hold_t *hold)
{
    ProtobufCMessage *copy;
    size_t bytes = protobuf_c_message_get_packed_size(&hold->base);
    uint8_t *octets = arena_alloc(arena, bytes + 1);
    if (octets == NULL)
        return NULL;
    protobuf_c_message_pack(&hold->base, octets);
    return message_unpack(hold->base.descriptor, octets, bytes, arena, &copy, NULL) == ERR_NONE ? (const hold_t *)copy
                                                                                                : NULL;
}

static bool on_hold(void *context, const ProtobufCMessage *message)
{
    struct team_list *list = context;
    const hold_t *hold = ((const Vacancy__V1__ListHoldsResponse *)message)->hold;
    if (hold == NULL)
        return true;
    const hold_t *copy = list->count < TEAM_LIST_MAX ? copy_hold(&list->arena, hold) : NULL;
    list->cut = copy == NULL;
    if (copy != NULL)
        list->rows[list->count++] = (struct hold_row){.hold = copy};
    return copy != NULL;
}

static int rank(const hold_t *hold)
{
    return hold_is_live(hold) && !hold->outcome_unknown ? 0 : hold->outcome_unknown ? 1 : 2;
}

static int by_rank(const void *a, const void *b)
{
    const hold_t *left = ((const struct hold_row *)a)->hold, *right = ((const struct hold_row *)b)->hold;
    if (rank(left) != rank(right))
        return rank(left) - rank(right);
    if (left->made_at_ms != right->made_at_ms)
        return left->made_at_ms < right->made_at_ms ? 1 : -1;
    return strcmp(left->hold_id, right->hold_id);
}

enum exit_code team_list_ask(struct cli *cli, bool ended, struct team_list *out)
{
    Vacancy__V1__ListHoldsRequest request = VACANCY__V1__LIST_HOLDS_REQUEST__INIT;
    struct problem problem = {0};
    *out = (struct team_list){.rows = must_alloc(TEAM_LIST_MAX, sizeof *out->rows)};
    arena_init(&out->arena, LIST_BYTES);
    request.include_ended = ended;
    if (link_stream(cli->link, "/vacancy.v1.PlacementService/ListHolds", &request.base,
                    &vacancy__v1__list_holds_response__descriptor, on_hold, out, &problem) != ERR_NONE)
        return cli_failed(cli, &problem);
    qsort(out->rows, out->count, sizeof *out->rows, by_rank);
    return EXIT_DONE;
}

void team_list_free(struct team_list *list)
{
    arena_finish(&list->arena);
    free(list->rows);
}

/* --- what is not known ---------------------------------------------------------------------------------------------
 */

static bool is_hold(const struct team_request *request)
{
    return strcmp(request->what, "hold") == 0;
}

static struct team_request *find_request(struct team_request *requests, size_t count, const char *request_id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(requests[i].request_id, request_id) == 0)
            return &requests[i];
    return NULL;
}

size_t team_unsettled(const struct team_memory *memory, const struct team_list *list, struct team_request *out,
                      size_t max)
{
    size_t count = 0;
    for (; count < memory->unsettled_count && count < max; count++)
        out[count] = memory->unsettled[count];
    for (size_t i = 0; i < list->count; i++) {
        const hold_t *hold = list->rows[i].hold;
        struct team_request *known = hold->request_id[0] ? find_request(out, count, hold->request_id) : NULL;
        if (known == NULL && hold->request_id[0] && hold->outcome_unknown && count < max) {
            known = &out[count++];
            *known = (struct team_request){.what = "hold", .asked_at_ms = hold->made_at_ms};
            snprintf(known->request_id, sizeof known->request_id, "%s", hold->request_id);
            snprintf(known->subject, sizeof known->subject, "%s", hold->vacancy_id);
        }
        if (known != NULL && is_hold(known)) /* the hub knows whom it asked */
            snprintf(known->region, sizeof known->region, "%s", hold->region);
    }
    return count;
}

/* --- settling ------------------------------------------------------------------------------------------------------
 */

static void print_outcome(struct cli *cli, const struct team_request *request, const char *outcome,
                          const struct hold_row *row)
{
    char when[WHEN_TEXT_BYTES];
    char *text = must_print("The %s of %s%s at %s %s", request->what, is_hold(request) ? "vacancy " : "hold ",
                            request->subject, when_text(request->asked_at_ms, when), outcome);
    print_wrapped(cli->out, 0, "", 0, text, cli->width);
    free(text);
    if (row->hold == NULL)
        return;
    hold_sentence_print(cli->out, cli->width, row, cli_now_ms());
    hold_lines_print(cli->out, cli->width, row, NULL);
}

static void add_outcome(json_t *settled, const struct team_request *request, const char *outcome,
                        const struct hold_row *row)
{
    json_t *object = json_pack("{ss ss ss ss ss}", "what", request->what, "request_id", request->request_id, "region",
                               request->region, "subject", request->subject, "outcome", outcome);
    if (row->hold != NULL) {
        json_object_set_new(object, "hold", json_of_message(&row->hold->base));
        json_object_set_new(object, "number", json_integer(row->number));
    }
    json_array_append_new(settled, object);
}

/* Of another call than a hold only the hold's state tells whether it was done. */
static bool was_done(const struct team_request *request, const hold_t *hold)
{
    if (strcmp(request->what, "extend") == 0)
        return hold->extended;
    if (strcmp(request->what, "release") == 0)
        return hold->state == VACANCY__V1__HOLD_STATE__HOLD_STATE_RELEASED;
    if (strcmp(request->what, "place") == 0)
        return hold->state == VACANCY__V1__HOLD_STATE__HOLD_STATE_PLACED || hold->placement_code != 0;
    return true;
}

enum exit_code team_settle(struct cli *cli, const char *memory_path, const struct team_request *request,
                           json_t *settled)
{
    Vacancy__V1__GetHoldRequest question = VACANCY__V1__GET_HOLD_REQUEST__INIT;
    const ProtobufCMessage *reply;
    struct problem problem = {0};
    struct hold_row row = {0};
    if (is_hold(request)) {
        question.request_id = (char *)request->request_id;
        if (strcmp(request->region, "-") != 0) /* else the hub knows whom it asked */
            question.region = (char *)request->region;
    } else {
        question.hold_id = (char *)request->subject;
    }
    enum err err = link_call(cli->link, "/vacancy.v1.PlacementService/GetHold", &question.base,
                             &vacancy__v1__get_hold_response__descriptor, &reply, &problem);
    bool never = is_hold(request) && err == ERR_NOT_FOUND;
    if (err != ERR_NONE && !never) {
        if (settled != NULL)
            add_outcome(settled, request, "not_known", &row);
        cli_say(cli, "the outcome of the %s of %s is still not known:", request->what, request->subject);
        return hold_question_failed(cli, &problem, link_failure(cli->link));
    }
    row.hold = never ? NULL : ((const Vacancy__V1__GetHoldResponse *)reply)->hold;
    bool done = row.hold != NULL && was_done(request, row.hold);
    row.number = hold_call_settle(cli, memory_path, request->request_id, row.hold ? row.hold->hold_id : NULL);
    if (settled != NULL)
        add_outcome(settled, request, done ? "done" : "not_done", &row);
    else
        print_outcome(cli, request,
                      done    ? "was done:"
                      : never ? "was not done, and never will be."
                              : "was not done, by what its hub has now:",
                      &row);
    return EXIT_DONE;
}
