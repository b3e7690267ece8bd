/*
 * home_transfer.c - carers that move between agencies: UPDATE_RELEASE_CARER, UPDATE_LET_GO, UPDATE_TAKE_OVER.
 *
 * Owns: what a transfer code is good for, and what a move does to the carer's record, vacancy and holds. Not here: the
 * way between two regions' hubs (service). The writer's thread, but for home_transfer_code.
 * Invariant: a carer has one owner at most. Between regions the old hub lets go of it durably before it hands anything
 * over, answers the code again for its taker alone, and whatever it hands over counts the carer's moves: a hub that has
 * let the carer go since takes no older move again. In between it is nobody's, and the code goes on.
 */
#include "daemon/record/bytes.h"
#include "daemon/record/states.h"
#include "daemon/register/home_parts.h"
#include "vacancy/v1/federation_service.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUT_LOOK_MS     1000
#define CUT_LOOK_MAX_MS (10LL * 60 * 1000)
#define DETAIL_BYTES    (AGENCY_ID_BYTES + GSS_BYTES + 8)

/* --- refusals ---------------------------------------------------------------------------------------------------- */

/* Wrong, used, expired, void, one's own: all the same to who asks. */
static enum err refuse_code(struct update *update)
{
    return problem_set(&update->result.problem, ERR_FORBIDDEN, "transfer_code",
                       "this code is not good for taking a carer over: wrong, used, run out, or of your own carer; ask "
                       "the other agency for a new one");
}

static enum err refuse_reference(struct update *update)
{
    return problem_set(&update->result.problem, ERR_EXISTS, "agency_reference",
                       "this agency has given this reference to a carer already; nothing was changed: send another");
}

enum err carer_refuse_moved(struct update *update, const struct home_carer *home, const char *field)
{
    bool known = home->moved_to_agency[0] != '\0';
    char when[FORMER_WHEN_BYTES];
    former_when(home->moved_at_ms, when);
    return problem_set(&update->result.problem, ERR_PRECONDITION, field,
                       "MOVED: %s of region %s took this carer over%s. Another household needs another reference; to "
                       "have this one back, take it over with its code (TakeOverCarer)",
                       known ? home->moved_to_agency : "an agency", home->moved_to_region, when);
}

void carer_void_code(struct home_carer *home)
{
    memset(home->transfer_hash, 0, sizeof home->transfer_hash);
    home->transfer_until_ms = 0;
}

/* --- releasing --------------------------------------------------------------------------------------------------- */

static void make_code(const struct home *home, const struct update *update, uint64_t national_reference,
                      struct transfer_code *out)
{
    memcpy(out->region, home->options.region, sizeof out->region);
    out->national_reference = national_reference;
    transfer_code_derive(home->options.reference_secret, update->agency, update->as.transfer.seed, out);
}

void home_transfer_code(const struct home *home, const struct update *update, char out[TRANSFER_CODE_BYTES])
{
    struct transfer_code code;
    make_code(home, update, update->result.national_reference, &code);
    transfer_code_format(&code, out);
}

static bool tell_released(struct batch *batch, const struct update *update, const struct home_carer *home)
{
    return batch_event(batch, &(struct home_event){.kind = EVENT_CARER_RELEASED,
                                                   .home = home,
                                                   .by = update->principal,
                                                   .until_ms = home->transfer_until_ms});
}

enum err carer_release(struct batch *batch, struct update *update)
{
    static const char field[] = "agency_reference";
    struct stored_carer stored;
    struct transfer_code code;
    struct home_carer *home = &stored.home;
    enum err err = update_find_carer(batch, update, update->agency_reference, &stored);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? refuse_carer(batch, update, field) : err;
    if (home->carer.status == CARER_MOVED)
        return carer_refuse_moved(update, home, field);
    if (home->lost)
        return refuse_lost(update, field);
    if (home->carer.status != CARER_APPROVED)
        return problem_set(&update->result.problem, ERR_PRECONDITION, field,
                           "this carer's approval has ended: there is nothing to take over; push it anew if it is "
                           "approved again");
    if (!update->has_request_id)
        random_fill(batch->home->options.randomness, update->as.transfer.seed, sizeof update->as.transfer.seed);
    make_code(batch->home, update, home->national_reference, &code);
    transfer_code_hash(&code, home->transfer_hash);
    home->transfer_until_ms = batch->now_ms + TRANSFER_CODE_MS;
    if (!tell_released(batch, update, home) || !batch_store_carer(batch, &stored))
        return batch->failed;
    update_settle(batch, update, OUTCOME_UPDATED, &stored);
    update->result.valid_until_ms = home->transfer_until_ms;
    return ERR_NONE;
}

/* --- moving ------------------------------------------------------------------------------------------------------ */

/* The carer that the code names, if the code is good. ERR_FORBIDDEN. */
static enum err find_by_code(struct batch *batch, struct update *update, struct stored_carer *out)
{
    const struct home_carer *home = &out->home;
    enum err err = batch_get_carer(batch, update->as.transfer.national_reference, out, &update->result.problem);
    if (err != ERR_NONE)
        return err == ERR_NOT_FOUND ? refuse_code(update) : err;
    bool good = !home->lost && home->transfer_until_ms > batch->now_ms &&
                octets_equal(home->transfer_hash, update->as.transfer.hash, DIGEST_BYTES);
    return good ? ERR_NONE : refuse_code(update);
}

static bool tell_moved(struct batch *batch, const struct update *update, const struct home_carer *home,
                       const char *agency, const char *region)
{
    char detail[DETAIL_BYTES];
    snprintf(detail, sizeof detail, "%s of %s", agency, region);
    return batch_event(batch, &(struct home_event){
                                  .kind = EVENT_CARER_MOVED, .home = home, .by = update->principal, .detail = detail});
}

/* Children whom teams have placed since the agency's last push live there: they go with the household. */
static void keep_children(struct carer *carer, const struct live_hold *hold)
{
    uint8_t groups = 0;
    for (uint32_t i = 0; i < carer->placed_count; i++)
        if (carer->placed[i].sibling_group > groups)
            groups = carer->placed[i].sibling_group;
    for (uint32_t i = 0; i < hold->child_count && carer->placed_count < CHILDREN_MAX; i++) {
        struct placed_child *child = &carer->placed[carer->placed_count++];
        *child = hold->children[i];
        if (child->sibling_group != 0)
            child->sibling_group = (uint8_t)(child->sibling_group + groups);
    }
}

/* Its agency's no more: holds are declined, the vacancy ends, the code is used. What the record says beside that is the
 * caller's to change, and to store. */
static enum err leave(struct batch *batch, struct update *update, struct stored_carer *stored, const char *to_agency,
                      const char *to_region)
{
    struct home_carer *home = &stored->home;
    enum err err = holds_decline(batch, stored, DECLINE_APPROVAL_ENDED, HUB_PRINCIPAL, &update->result.problem);
    if (err != ERR_NONE)
        return batch->failed ? batch->failed : (batch->failed = err);
    if (!tell_moved(batch, update, home, to_agency, to_region))
        return batch->failed;
    for (uint32_t i = 0; i < home->hold_count; i++)
        keep_children(&home->carer, &home->holds[i]);
    vacancy_clear(batch, home, 0);
    home->moves++;
    return ERR_NONE;
}

/* --- to another region ------------------------------------------------------------------------------------------- */

/* What its hub is told: the carer as it was. */
static enum err hand_over(struct batch *batch, struct update *update, const struct home_carer *moved)
{
    struct home_carer home = *moved;
    struct octets carer, row, packed;
    Vacancy__V1__LetGoResponse out = VACANCY__V1__LET_GO_RESPONSE__INIT;
    home.carer.status = CARER_APPROVED;
    memset(home.moved_to_region, 0, sizeof home.moved_to_region);
    if (carer_stated_encode(&home.carer, batch->arena, &carer) != ERR_NONE ||
        carer_row_encode(&home, batch->home->options.reference_secret, batch->arena, &row) != ERR_NONE)
        return batch->failed = ERR_LIMIT;
    out.national_reference = home.national_reference;
    out.carer = (ProtobufCBinaryData){carer.size, (uint8_t *)carer.data};
    out.carer_row = (ProtobufCBinaryData){row.size, (uint8_t *)row.data};
    out.at_ms = home.transfer_until_ms - TRANSFER_CODE_MS;
    out.moves = home.moves;
    packed.size = vacancy__v1__let_go_response__get_packed_size(&out);
    uint8_t *octets = malloc(packed.size);
    if (octets == NULL)
        return batch->failed = ERR_LIMIT;
    vacancy__v1__let_go_response__pack(&out, octets);
    update->result.let_go = (struct octets){octets, packed.size};
    return ERR_NONE;
}

/* Whether it went by this code to this very agency. Which one, a restore may have lost; the region is in the log, and
 * the code's hash is known. */
static bool went_there(const struct home_carer *home, const struct update *update)
{
    return strcmp(home->moved_to_region, update->as.transfer.to_region) == 0 &&
           (home->moved_to_agency[0] == '\0' || strcmp(home->moved_to_agency, update->as.transfer.to_agency) == 0);
}

static enum err move_away(struct batch *batch, struct update *update, struct stored_carer *stored)
{
    struct home_carer *home = &stored->home;
    enum err err = leave(batch, update, stored, update->as.transfer.to_agency, update->as.transfer.to_region);
    if (err != ERR_NONE)
        return err;
    home->carer.status = CARER_MOVED;
    memcpy(home->moved_to_agency, update->as.transfer.to_agency, sizeof home->moved_to_agency);
    memcpy(home->moved_to_region, update->as.transfer.to_region, sizeof home->moved_to_region);
    home->moved_at_ms = batch->now_ms;
    home->transfer_until_ms = batch->now_ms + TRANSFER_CODE_MS;
    return batch_put_carer(batch, stored, true) ? ERR_NONE : batch->failed;
}

int64_t carer_cut_due_ms(const struct home_carer *home)
{
    bool cut = home->lost || home->carer.status != CARER_MOVED || home->carer.home_postcode[0] == '\0';
    return cut ? INT64_MAX : home->transfer_until_ms - TRANSFER_CODE_MS + CUT_LOOK_MS;
}

/* What the row says stays, which every hub has, and how to find it: the rest is its new agency's. */
static void cut_down(struct home_carer *home)
{
    struct carer whole = home->carer;
    struct carer *carer = &home->carer;
    memset(carer, 0, sizeof *carer);
    memcpy(carer->agency, whole.agency, sizeof carer->agency);
    memcpy(carer->agency_reference, whole.agency_reference, sizeof carer->agency_reference);
    carer->observed_at_ms = whole.observed_at_ms;
    carer->terms = whole.terms;
    carer->approved_on = whole.approved_on;
    carer->approval_ends_on = whole.approval_ends_on;
    carer->places = whole.places;
    carer->cell = whole.cell;
    carer->status = whole.status;
    memset(home->distance_told_to, 0, sizeof home->distance_told_to);
    carer_void_code(home);
}

bool carer_cut(struct batch *batch, struct stored_carer *stored)
{
    struct home_carer *home = &stored->home;
    const struct elsewhere_port *port = &batch->home->elsewhere;
    int64_t since_ms = home->transfer_until_ms - TRANSFER_CODE_MS;
    if (home->transfer_until_ms > batch->now_ms &&
        (port->registered == NULL ||
         !port->registered(port->ctx, home->moved_to_region, home->national_reference, since_ms))) {
        /* The longer it takes, the rarer the looks. */
        int64_t wait_ms = (batch->now_ms - since_ms) / 8, left_ms = home->transfer_until_ms - batch->now_ms;
        wait_ms = wait_ms < CUT_LOOK_MS ? CUT_LOOK_MS : wait_ms > CUT_LOOK_MAX_MS ? CUT_LOOK_MAX_MS : wait_ms;
        batch_due(batch, home->national_reference, batch->now_ms + (wait_ms < left_ms ? wait_ms : left_ms));
        return true;
    }
    cut_down(home);
    return batch_store_carer(batch, stored);
}

enum err carer_let_go(struct batch *batch, struct update *update)
{
    struct stored_carer stored;
    enum err err = find_by_code(batch, update, &stored);
    bool again = err == ERR_NONE && stored.home.carer.status == CARER_MOVED;
    if (err == ERR_NONE && again && !went_there(&stored.home, update))
        err = refuse_code(update);
    if (err == ERR_NONE && !again)
        err = move_away(batch, update, &stored);
    else if (err == ERR_NONE)
        batch_subject(batch, stored.home.national_reference);
    if (err == ERR_NONE)
        err = hand_over(batch, update, &stored.home);
    if (err == ERR_NONE)
        update_settle(batch, update, again ? OUTCOME_CONFIRMED : OUTCOME_ENDED, &stored);
    return err;
}

/* --- to this agency ---------------------------------------------------------------------------------------------- */

/* The carer, its agency's from here on, under its own reference. */
static enum err settle_here(struct batch *batch, struct update *update, struct stored_carer *stored,
                            enum update_outcome outcome, const char *from_agency, const char *from_region)
{
    struct home_carer *home = &stored->home;
    memcpy(home->carer.agency, update->agency, sizeof home->carer.agency);
    memcpy(home->carer.agency_reference, update->agency_reference, sizeof home->carer.agency_reference);
    home->carer.status = CARER_APPROVED;
    memset(home->moved_to_agency, 0, sizeof home->moved_to_agency);
    memset(home->moved_to_region, 0, sizeof home->moved_to_region);
    home->moved_at_ms = 0;
    carer_void_code(home);
    if (!reference_put(batch, home) || !former_forget(batch, home) ||
        !tell_moved(batch, update, home, from_agency, from_region) || !batch_put_carer(batch, stored, true))
        return batch->failed;
    update_settle(batch, update, outcome, stored);
    return ERR_NONE;
}

/* Its reference here is no other carer's, nor was. *taken: it is this one's by now. */
static enum err check_reference(struct batch *batch, struct update *update, uint64_t national_reference, bool *taken)
{
    uint64_t whose, whose_before = 0;
    enum err err = update_find_reference(batch, update, update->agency_reference, &whose);
    *taken = whose == national_reference;
    if (err == ERR_NONE && whose == 0)
        err = former_find(batch, update, update->agency_reference, &whose_before);
    if (err != ERR_NONE)
        return err;
    bool others = (whose != 0 && !*taken) || (whose_before != 0 && whose_before != national_reference);
    return others ? refuse_reference(update) : ERR_NONE;
}

static enum err take_within(struct batch *batch, struct update *update)
{
    const char *region = batch->home->options.region;
    struct stored_carer stored;
    bool taken;
    char from[AGENCY_ID_BYTES];
    enum err err = find_by_code(batch, update, &stored);
    if (err == ERR_NONE &&
        (stored.home.carer.status != CARER_APPROVED || strcmp(stored.home.carer.agency, update->agency) == 0))
        err = refuse_code(update);
    if (err == ERR_NONE)
        err = check_reference(batch, update, stored.home.national_reference, &taken);
    if (err != ERR_NONE)
        return err;
    memcpy(from, stored.home.carer.agency, sizeof from);
    err = leave(batch, update, &stored, update->agency, region);
    if (err != ERR_NONE)
        return err;
    if (!former_note(batch, &stored.home, batch->now_ms) || !reference_forget(batch, &stored.home))
        return batch->failed;
    return settle_here(batch, update, &stored, OUTCOME_UPDATED, from, region);
}

enum known { KNOWN_NOT, KNOWN_OLDER, KNOWN_SAME, KNOWN_NEWER };

/* How this register's own record of the carer, if it has one, stands to the move that is told. */
static enum known compare(const struct update *update, const struct home_carer *home)
{
    uint32_t told = update->as.transfer.moves;
    bool same_way = strcmp(home->carer.agency, update->agency) == 0 &&
                    strcmp(home->moved_from_region, update->as.transfer.from_region) == 0;
    if (home->carer.status == CARER_MOVED)
        return home->moves < told ? KNOWN_OLDER : KNOWN_NEWER;
    if (home->lost) /* the same again tells the rest */
        return same_way && home->moves <= told ? KNOWN_OLDER : KNOWN_NEWER;
    return same_way && home->moves == told ? KNOWN_SAME : KNOWN_NEWER;
}

/* What this register knew of the carer before is replaced. */
static enum err clear_known(struct batch *batch, struct update *update, struct stored_carer *stored)
{
    enum err err = holds_decline(batch, stored, DECLINE_APPROVAL_ENDED, HUB_PRINCIPAL, &update->result.problem);
    if (err != ERR_NONE)
        return batch->failed ? batch->failed : (batch->failed = err);
    vacancy_clear(batch, &stored->home, 0);
    bool good = former_note(batch, &stored->home, stored->home.moved_at_ms) && reference_forget(batch, &stored->home);
    return good ? ERR_NONE : batch->failed;
}

static enum err register_here(struct batch *batch, struct update *update, struct stored_carer *stored)
{
    struct home_carer *home = &stored->home;
    uint64_t revision = home->revision;
    memset(home, 0, sizeof *home);
    home->vacancy.from = home->vacancy.until = home->vacancy.reserved_until = DATE_NONE;
    home->national_reference = update->as.transfer.national_reference;
    home->carer = update->as.transfer.carer;
    home->revision = revision;
    home->moves = update->as.transfer.moves;
    memcpy(home->moved_from_region, update->as.transfer.from_region, sizeof home->moved_from_region);
    return settle_here(batch, update, stored, OUTCOME_CREATED, update->as.transfer.from_agency,
                       update->as.transfer.from_region);
}

static enum err take_from_afar(struct batch *batch, struct update *update)
{
    uint64_t national_reference = update->as.transfer.national_reference;
    bool taken;
    struct stored_carer stored;
    memset(&stored, 0, sizeof stored);
    enum err err = batch_get_carer(batch, national_reference, &stored, &update->result.problem);
    if (err != ERR_NONE && err != ERR_NOT_FOUND)
        return err;
    enum known known = err == ERR_NOT_FOUND ? KNOWN_NOT : compare(update, &stored.home);
    /* Taken over with this very code, and erased since: not again. */
    if (known == KNOWN_NOT && (err = request_find_code(batch, update)) != ERR_NOT_FOUND)
        return err == ERR_NONE ? refuse_code(update) : err;
    if (known == KNOWN_NEWER)
        return refuse_code(update);
    if ((err = check_reference(batch, update, national_reference, &taken)) != ERR_NONE)
        return err;
    if (known == KNOWN_SAME && !taken)
        return refuse_reference(update);
    if (known == KNOWN_SAME) {
        batch_subject(batch, national_reference);
        update_settle(batch, update, OUTCOME_CONFIRMED, &stored);
        return ERR_NONE;
    }
    if (update->as.transfer.let_go_ms == 0) /* nobody let go: it was thought to be here */
        return refuse_code(update);
    if (known == KNOWN_OLDER && (err = clear_known(batch, update, &stored)) != ERR_NONE)
        return err;
    if (!request_spend_code(batch, update))
        return batch->failed;
    batch->carers += known == KNOWN_NOT;
    return register_here(batch, update, &stored);
}

enum err carer_take_over(struct batch *batch, struct update *update)
{
    return update->as.transfer.from_region[0] == '\0' ? take_within(batch, update) : take_from_afar(batch, update);
}
