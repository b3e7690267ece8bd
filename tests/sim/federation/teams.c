/*
 * teams.c - see teams.h. One thread.
 */
#include "tests/sim/federation/teams.h"

#include "daemon/record/bytes.h"
#include "tests/sim/federation/moves.h"
#include "tests/sim/federation/owners.h"
#include "tests/sim/federation/teams_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 64

/* A hold as an answer has it. */
struct told {
    uint32_t region;
    struct hold_token token; /* epoch 0: the outcome is not known */
    uint64_t vacancy_id;
    uint32_t beds, state;
    int64_t until_ms;
    bool extended;
};

/* One call, and what it was told until its end. */
struct attempt {
    struct attempt *next;
    struct fed_hub *hub;
    struct ask *ask; /* NULL: a reading or a listing */
    bool settling;   /* GetHold for the ask's request id */
    uint32_t who_region, who;
    struct hold_token token; /* a reading's */
    uint64_t commits;        /* of the hub's disk as it began */
    uint32_t number;         /* of the ask's attempts, from 1 */
    bool ended_too, receipt, repeated, replicated;
    uint64_t epoch, sequence;
    uint32_t told_count;
    struct told told[LISTED_MAX];
};

struct teams {
    struct ask **asks;
    uint32_t count, capacity;
    struct attempt *attempts;
};

struct teams *teams_create(void)
{
    struct teams *teams = calloc(1, sizeof *teams);
    if (teams == NULL)
        abort();
    return teams;
}

void teams_destroy(struct teams *teams)
{
    for (uint32_t i = 0; i < teams->count; i++)
        free(teams->asks[i]);
    for (struct attempt *attempt; (attempt = teams->attempts) != NULL;) {
        teams->attempts = attempt->next;
        free(attempt);
    }
    free(teams->asks);
    free(teams);
}

/* --- what the logs have ------------------------------------------------------------------------------------------- */

static bool row_of(const struct entry *entry, struct hold *out)
{
    const struct octets key = {entry->key, entry->key_bytes}, value = {entry->value, entry->value_bytes};
    return entry->table == LOG_TABLE_HOLD && !entry->deleted && hold_row_decode(&key, &value, out) == ERR_NONE;
}

/* The hold in the state at an entry. */
static bool hold_at(const struct world *world, uint32_t region, uint32_t at, const struct hold_token *token,
                    struct hold *out)
{
    uint8_t key[HOLD_KEY_BYTES];
    hold_key(token, key);
    const struct entry *entry = truth_record(world, region, at, LOG_TABLE_HOLD, key, sizeof key);
    return entry != NULL && row_of(entry, out);
}

/* The first entry that has it, in any history of the region. */
static bool hold_ever(const struct world *world, uint32_t region, const struct hold_token *token, struct hold *out)
{
    const struct history *history = &world->truth->histories[region];
    uint8_t key[HOLD_KEY_BYTES];
    hold_key(token, key);
    for (uint32_t i = 0; i < history->count; i++)
        if (history->entries[i].table == LOG_TABLE_HOLD && memcmp(history->entries[i].key, key, sizeof key) == 0)
            return row_of(&history->entries[i], out);
    return false;
}

/* By which the log says whose it is, and which request's; keyed with the secret that fed_hub_start gives the region. */
static void hash_of(const struct ask *ask, uint8_t out[DIGEST_BYTES])
{
    const uint8_t secret[32] = {(uint8_t)ask->region, 2, 3};
    char name[PRINCIPAL_NAME_BYTES];
    team_name(ask->who_region, ask->who, name);
    hold_hash(secret, "request", ask->vacancy_id, ask->request_id, name, out);
}

static bool of_team(uint32_t region, uint32_t who_region, uint32_t who, const struct hold *hold)
{
    const uint8_t secret[32] = {(uint8_t)region, 2, 3};
    char name[PRINCIPAL_NAME_BYTES];
    uint8_t hash[DIGEST_BYTES];
    team_name(who_region, who, name);
    hold_hash(secret, "holder", hold->vacancy_id, NULL, name, hash);
    return memcmp(hash, hold->holder_hash, sizeof hash) == 0;
}

/* The region's hub has lost what only it knew since this was first asked, or there are two of it. */
static bool loose(const struct world *world, const struct ask *ask)
{
    return world->claimed_twice[ask->region] || world->memories_lost[ask->region] != ask->memories_lost;
}

/* The hub that was told to ask another has lost what it noted of that, or there are two of it. */
static bool asker_loose(const struct world *world, const struct ask *ask)
{
    return world->claimed_twice[ask->who_region] || world->memories_lost[ask->who_region] != ask->asker_memories_lost;
}

/* --- what was told ------------------------------------------------------------------------------------------------ */

static void told_hold(struct world *world, const Vacancy__V1__HoldView *view, struct told *out)
{
    char region[GSS_BYTES];
    *out = (struct told){.beds = view->beds,
                         .state = (uint32_t)view->state,
                         .until_ms = view->until_ms,
                         .extended = view->extended,
                         .region = world_region_index(world, view->region)};
    bool known = view->hold_id[0] != '\0';
    sim_require(&world->sim, out->region != UINT32_MAX, "a hold of region %s is told", view->region);
    sim_require(&world->sim, known || view->outcome_unknown, "a hold without an id is told, and its outcome is known");
    sim_require(&world->sim,
                !known || (hold_id_parse(view->hold_id, region, &out->token) && strcmp(region, view->region) == 0),
                "a hold's id \"%s\" of region %s is told", view->hold_id, view->region);
    sim_require(&world->sim, id_parse(view->vacancy_id, &out->vacancy_id), "a vacancy's id \"%s\" is told",
                view->vacancy_id);
}

static void answered(struct sim_call *call, const ProtobufCMessage *message)
{
    struct attempt *attempt = call->user;
    struct world *world = attempt->hub->world;
    struct answer_parts parts;
    ask_answer_parts(message, &parts);
    if (parts.receipt != NULL) {
        attempt->receipt = true;
        attempt->epoch = parts.receipt->epoch;
        attempt->sequence = parts.receipt->sequence;
        attempt->repeated = parts.receipt->repeated;
        attempt->replicated = parts.receipt->durability == VACANCY__V1__DURABILITY__DURABILITY_REPLICATED;
    }
    if (parts.hold == NULL)
        return;
    sim_require(&world->sim, attempt->told_count < LISTED_MAX, "more holds are listed than anybody asked for");
    told_hold(world, parts.hold, &attempt->told[attempt->told_count++]);
}

/* Nothing was done, and nothing of this attempt will be. */
static bool refuses(const struct sim_call *call, enum err code)
{
    switch (code) {
    case ERR_INVALID:
    case ERR_NOT_FOUND:
    case ERR_PRECONDITION:
    case ERR_FORBIDDEN:
    case ERR_UNAVAILABLE:
    case ERR_LIMIT:
    case ERR_STORE_FULL:
        return !call->outcome_unknown;
    default:
        return false;
    }
}

static void cover_done(const struct attempt *attempt)
{
    static const enum sim_covered met[] = {
        [UPDATE_HOLD] = COVERED_HOLD_MADE,
        [UPDATE_EXTEND_HOLD] = COVERED_HOLD_EXTENDED_BY_TEAM,
        [UPDATE_RELEASE_HOLD] = COVERED_HOLD_RELEASED_BY_TEAM,
        [UPDATE_PLACE] = COVERED_HOLD_PLACED_BY_TEAM,
        [UPDATE_ACCEPT_HOLD] = COVERED_HOLD_ACCEPTED_BY_AGENCY,
        [UPDATE_DECLINE_HOLD] = COVERED_HOLD_DECLINED_BY_AGENCY,
        [UPDATE_REPORT_UNAVAILABLE] = COVERED_REPORTED_UNAVAILABLE,
    };
    enum update_kind kind = attempt->ask->kind;
    bool ends = kind == UPDATE_RELEASE_HOLD || kind == UPDATE_DECLINE_HOLD;
    sim_cover(attempt->repeated                     ? COVERED_HOLD_REPEATED
              : ends && attempt->ask->did_not_begin ? COVERED_PLACEMENT_TAKEN_BACK
                                                    : met[kind]);
    if (attempt->replicated)
        sim_cover(COVERED_HOLD_REPLICATED);
}

/* The hold that a request id came to is in the log, as it was asked for, and there is one. */
static void check_made(struct world *world, struct ask *ask, const struct told *told)
{
    struct hold hold;
    sim_require(&world->sim, told->region == ask->region && told->token.epoch != 0,
                "a hold was asked of region %u and is told of region %u", ask->region, told->region);
    sim_require(&world->sim, hold_ever(world, ask->region, &told->token, &hold),
                "hold %" PRIu64 ".%" PRIu64 " of %s is told, and in no log", told->token.epoch, told->token.sequence,
                world_region(ask->region));
    sim_require(&world->sim,
                world->truth->histories[ask->region].forked || /* then there are two of a token */
                    (hold.vacancy_id == ask->vacancy_id && hold.beds == ask->beds),
                "hold %" PRIu64 ".%" PRIu64 " of %s is not what was asked for", told->token.epoch, told->token.sequence,
                world_region(ask->region));
    sim_require(&world->sim, !ask->spent || loose(world, ask),
                "hold %" PRIu64 ".%" PRIu64 " of %s is told under a request id that was said to have come to nothing",
                told->token.epoch, told->token.sequence, world_region(ask->region));
    sim_require(&world->sim,
                !ask->done || loose(world, ask) ||
                    (ask->made.epoch == told->token.epoch && ask->made.sequence == told->token.sequence),
                "one request id came to hold %" PRIu64 ".%" PRIu64 " and to %" PRIu64 ".%" PRIu64 " of %s",
                ask->made.epoch, ask->made.sequence, told->token.epoch, told->token.sequence,
                world_region(ask->region));
    ask->made = told->token;
}

static void done(struct world *world, struct attempt *attempt)
{
    struct ask *ask = attempt->ask;
    sim_require(&world->sim, attempt->receipt && (attempt->told_count == 1 || ask->kind == UPDATE_REPORT_UNAVAILABLE),
                "a request of kind %d was done without a receipt", (int)ask->kind);
    if (ask->kind == UPDATE_HOLD) {
        check_made(world, ask, &attempt->told[0]);
        sim_require(&world->sim,
                    attempt->epoch == attempt->told[0].token.epoch &&
                        attempt->sequence >= attempt->told[0].token.sequence,
                    "a hold's receipt is of a place in the log before its token's");
    }
    sim_require(&world->sim,
                ask->epoch == 0 || loose(world, ask) ||
                    (ask->epoch == attempt->epoch && ask->sequence == attempt->sequence),
                "one request id of kind %d has receipts for %" PRIu64 ".%" PRIu64 " and %" PRIu64 ".%" PRIu64,
                (int)ask->kind, ask->epoch, ask->sequence, attempt->epoch, attempt->sequence);
    cover_done(attempt);
    ask->done_by = ask->done ? ask->done_by : ask->begun;
    ask->done = true;
    ask->epoch = attempt->epoch;
    ask->sequence = attempt->sequence;
}

/* What was done once is not refused afterwards: while the id is kept, and the carer is. An attempt that had begun
 * before may have been refused before, and be told so late; but a hold is refused only once no attempt can make it any
 * more. */
static void check_refused(struct world *world, const struct attempt *attempt, const struct problem *problem)
{
    const struct ask *ask = attempt->ask;
    bool decided =
        problem->code == ERR_PRECONDITION || problem->code == ERR_NOT_FOUND || problem->code == ERR_FORBIDDEN;
    bool late = ask->kind != UPDATE_HOLD && attempt->number <= ask->done_by;
    sim_require(&world->sim, !decided || !ask->done || late || loose(world, ask) || world->carers_ended[ask->region],
                "a request of kind %d that was done is refused when it is sent again: %s %s", (int)ask->kind,
                err_name(problem->code), problem->text);
}

static void ask_ended(struct sim_call *call, const struct problem *problem)
{
    struct attempt *attempt = call->user;
    struct world *world = attempt->hub->world;
    struct ask *ask = attempt->ask;
    sim_note(&world->sim, "hub %u answers a request of kind %d to %s: %s %s%s", attempt->hub->index, (int)ask->kind,
             world_region(ask->region), err_name(problem->code), call->outcome_unknown ? "(unknown) " : "",
             problem->text);
    if (problem->code == ERR_NONE) {
        done(world, attempt);
    } else if (refuses(call, problem->code)) {
        ask->refused++;
        check_refused(world, attempt, problem);
        if (ask->kind == UPDATE_HOLD && call->was_forwarded && attempt->number > ask->refused_last)
            ask->refused_last = attempt->number;
        sim_cover(COVERED_HOLD_REFUSED);
    } else {
        sim_cover(COVERED_HOLD_UNKNOWN);
    }
}

static void settling_ended(struct sim_call *call, const struct problem *problem)
{
    struct attempt *attempt = call->user;
    struct world *world = attempt->hub->world;
    struct ask *ask = attempt->ask;
    sim_note(&world->sim, "hub %u says what came of a hold of %s: %s %s", attempt->hub->index,
             world_region(ask->region), err_name(problem->code), problem->text);
    if (problem->code == ERR_NONE) {
        check_made(world, ask, &attempt->told[0]);
        ask->done = true;
        sim_cover(COVERED_HOLD_SETTLED_DONE);
    } else if (problem->code == ERR_NOT_FOUND && !call->outcome_unknown) {
        sim_require(&world->sim, !ask->done || loose(world, ask) || world->carers_ended[ask->region],
                    "a hold that was made is said never to have been: %s", problem->text);
        ask->spent = true;
        sim_cover(COVERED_HOLD_SETTLED_SPENT);
    }
}

/* As the log has it; one whose time is over may be told as run out before the log says so. */
static void check_told(struct fed_hub *hub, const struct told *told, const struct hold *hold, const char *how)
{
    bool same = told->state == hold->state || (told->state == HOLD_EXPIRED && hold_live(hold));
    sim_require(&hub->world->sim,
                same && told->beds == hold->beds && told->vacancy_id == hold->vacancy_id &&
                    told->extended == hold->extended && told->until_ms == hold->until_ms,
                "hub %u: hold %" PRIu64 ".%" PRIu64 " is %s with state %u, %u beds; its log has state %u, %u beds",
                hub->index, hold->token.epoch, hold->token.sequence, how, told->state, told->beds, hold->state,
                hold->beds);
}

static void reading_ended(struct sim_call *call, const struct problem *problem)
{
    struct attempt *attempt = call->user;
    struct fed_hub *hub = attempt->hub;
    struct hold hold;
    if (problem->code != ERR_NONE)
        return;
    const struct told *told = &attempt->told[0];
    sim_require(&hub->world->sim,
                attempt->told_count == 1 && told->token.epoch == attempt->token.epoch &&
                    told->token.sequence == attempt->token.sequence,
                "hub %u reads another hold than was asked for", hub->index);
    if (told->region == hub->region && hold_at(hub->world, hub->region, hub->head, &told->token, &hold))
        check_told(hub, told, &hold, "read");
    sim_cover(COVERED_HOLD_READ);
}

/* --- listings ----------------------------------------------------------------------------------------------------- */

static bool is_told(const struct attempt *attempt, uint32_t region, const struct hold_token *token)
{
    for (uint32_t i = 0; i < attempt->told_count; i++)
        if (attempt->told[i].region == region && attempt->told[i].token.epoch == token->epoch &&
            attempt->told[i].token.sequence == token->sequence)
            return true;
    return false;
}

/* What another region's log said when this hub last heard of it. A list takes some turns, so it may say what was
 * before: not that a hold has ended otherwise than it did. */
static void check_away(struct fed_hub *hub, const struct told *told)
{
    struct hold hold;
    uint32_t at = hub->world->truth->shown[hub->index][told->region].entry;
    if (told->token.epoch == 0 || !hold_at(hub->world, told->region, at, &told->token, &hold) || hold_live(&hold))
        return;
    bool before = told->state == HOLD_NONE || told->state == HOLD_ACTIVE || told->state == HOLD_ACCEPTED ||
                  (told->state == HOLD_PLACED && (hold.state == HOLD_RELEASED || hold.state == HOLD_DECLINED));
    sim_require(&hub->world->sim, before || told->state == hold.state,
                "hub %u lists hold %" PRIu64 ".%" PRIu64 " of %s with state %u; its replica has %u", hub->index,
                hold.token.epoch, hold.token.sequence, world_region(told->region), told->state, hold.state);
    sim_cover(COVERED_HOLDS_LISTED_AWAY);
}

static bool is_told_unknown(const struct attempt *attempt, const struct ask *ask)
{
    for (uint32_t i = 0; i < attempt->told_count; i++)
        if (attempt->told[i].region == ask->region && attempt->told[i].token.epoch == 0 &&
            attempt->told[i].vacancy_id == ask->vacancy_id)
            return true;
    return false;
}

/* The live hold that a request came to. */
static bool came_to(struct world *world, const struct ask *ask, struct hold *out)
{
    const struct fed_hub *home = NULL;
    uint8_t hash[DIGEST_BYTES];
    for (uint32_t i = 0; i < world->hub_count; i++)
        if (world->hubs[i]->region == ask->region && (home == NULL || world->hubs[i]->up))
            home = world->hubs[i];
    hash_of(ask, hash);
    for (uint32_t i = home->head; i != NO_ENTRY; i = truth_entry(world, ask->region, i)->parent) {
        const struct entry *entry = truth_entry(world, ask->region, i);
        if (row_of(entry, out) && memcmp(hash, out->request_hash, sizeof hash) == 0)
            return hold_live(out);
    }
    return false;
}

/* What the team asked of other regions and was made there is told: as the hold, or as not known; whatever any try of it
 * was answered. */
static void check_listing_away(const struct attempt *attempt)
{
    struct fed_hub *hub = attempt->hub;
    struct world *world = hub->world;
    struct hold hold;
    for (uint32_t i = 0; i < world->teams->count; i++) {
        const struct ask *ask = world->teams->asks[i];
        if (ask->kind != UPDATE_HOLD || ask->region == hub->region || ask->who_region != attempt->who_region ||
            ask->who != attempt->who || loose(world, ask) || !came_to(world, ask, &hold))
            continue;
        bool may_have_run_out =
            hold.until_ms <= clock_wall_ms(&hub->clock) || hub->wall_error_ms != 0 || world->clocks_stepped;
        sim_require(&world->sim,
                    is_told(attempt, ask->region, &hold.token) || is_told_unknown(attempt, ask) || may_have_run_out,
                    "hub %u does not list hold %" PRIu64 ".%" PRIu64 " of %s, which its team asked for here",
                    hub->index, hold.token.epoch, hold.token.sequence, world_region(ask->region));
    }
}

/* Every live hold of the team in this region, and those that are told are as the log has them. */
static void check_listing(const struct attempt *attempt)
{
    struct fed_hub *hub = attempt->hub;
    struct world *world = hub->world;
    struct hold hold;
    for (uint32_t i = 0; i < attempt->told_count; i++)
        if (attempt->told[i].region != hub->region)
            check_away(hub, &attempt->told[i]);
        else if (hold_at(world, hub->region, hub->head, &attempt->told[i].token, &hold))
            check_told(hub, &attempt->told[i], &hold, "listed");
    for (uint32_t i = hub->head; i != NO_ENTRY; i = truth_entry(world, hub->region, i)->parent) {
        const struct entry *entry = truth_entry(world, hub->region, i);
        if (!row_of(entry, &hold) || !hold_live(&hold) ||
            !of_team(hub->region, attempt->who_region, attempt->who, &hold) ||
            truth_record(world, hub->region, hub->head, LOG_TABLE_HOLD, entry->key, entry->key_bytes) != entry)
            continue;
        bool may_have_run_out = hold.until_ms <= clock_wall_ms(&hub->clock) || hub->wall_error_ms != 0;
        sim_require(&world->sim, is_told(attempt, hub->region, &hold.token) || may_have_run_out || hub->boots > 0,
                    "hub %u does not list hold %" PRIu64 ".%" PRIu64 " of the team that holds it", hub->index,
                    hold.token.epoch, hold.token.sequence);
    }
    check_listing_away(attempt);
    sim_cover(COVERED_HOLDS_LISTED);
}

static void listing_ended(struct sim_call *call, const struct problem *problem)
{
    const struct attempt *attempt = call->user;
    if (problem->code == ERR_NONE && attempt->commits == attempt->hub->home_disk->commits &&
        attempt->hub->world->memories_lost[attempt->hub->region] == 0)
        check_listing(attempt);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static const struct client asking = {.answered = answered, .ended = ask_ended};
static const struct client settling = {.answered = answered, .ended = settling_ended};
static const struct client reading = {.answered = answered, .ended = reading_ended};
static const struct client listing = {.answered = answered, .ended = listing_ended};

static struct attempt *new_attempt(struct teams *teams, struct fed_hub *hub, struct ask *ask)
{
    struct attempt *attempt = calloc(1, sizeof *attempt);
    if (attempt == NULL)
        abort();
    *attempt = (struct attempt){.next = teams->attempts, .hub = hub, .ask = ask, .commits = hub->home_disk->commits};
    teams->attempts = attempt;
    return attempt;
}

static void send(struct attempt *attempt, const char *path, const char *name, const struct client *client,
                 const ProtobufCMessage *message)
{
    struct fed_hub *hub = attempt->hub;
    uint8_t issuer[DIGEST_BYTES];
    fed_hub_issuer(hub->region, issuer);
    struct sim_call *call = call_begin_as(&hub->calls, path, name, issuer, client, attempt);
    call_feed(call, message);
    fed_hub_turn_soon(hub);
}

static bool agencys(const struct ask *ask)
{
    return ask->kind == UPDATE_ACCEPT_HOLD || ask->kind == UPDATE_DECLINE_HOLD;
}

static void attempt_ask(struct teams *teams, struct fed_hub *hub, struct ask *ask)
{
    struct attempt *attempt = new_attempt(teams, hub, ask);
    char name[PRINCIPAL_NAME_BYTES];
    if (agencys(ask))
        snprintf(name, sizeof name, "spiffe://%s/region/%s/agency/agency-%u-%u", WORLD_DOMAIN,
                 world_region(hub->region), hub->region, ask->who);
    else
        team_name(ask->who_region, ask->who, name);
    attempt->number = ++ask->begun;
    send(attempt, ask_path(ask), name, &asking, ask_message(ask, hub->world->sim.gazetteer));
}

static struct ask *new_ask(struct teams *teams, struct fed_hub *hub, enum update_kind kind, uint32_t region)
{
    struct sim *sim = &hub->world->sim;
    struct ask *ask = calloc(1, sizeof *ask);
    if (teams->count == teams->capacity) {
        teams->capacity = teams->capacity ? 2 * teams->capacity : 64;
        teams->asks = realloc(teams->asks, teams->capacity * sizeof(struct ask *));
    }
    if (ask == NULL || teams->asks == NULL)
        abort();
    *ask = (struct ask){.kind = kind,
                        .region = region,
                        .who_region = hub->region,
                        .who = below(sim, TEAMS_EACH),
                        .memories_lost = hub->world->memories_lost[region],
                        .asker_memories_lost = hub->world->memories_lost[hub->region]};
    put_be64(ask->request_id, (uint64_t)sim->now_ms << 16);
    put_be64(ask->request_id + 8, seeded_random_next(&sim->chance));
    put_be16(ask->request_id + 6, (uint16_t)(0x7000 | below(sim, 0x1000)));
    ask->request_id[8] = (uint8_t)(0x80 | (ask->request_id[8] & 0x3f));
    ask->did_not_begin = ask->request_id[15] % 3 == 0;
    return teams->asks[teams->count++] = ask;
}

/* Some offer that this hub shows: its vacancy, and the region that it is of. */
static bool some_offer(struct fed_hub *hub, uint32_t *region, struct offer *out)
{
    struct world *world = hub->world;
    *region = below(&world->sim, world->region_count);
    const struct shown *shown = &world->truth->shown[hub->index][*region];
    uint32_t seen = 0;
    *out = (struct offer){0};
    for (uint32_t i = 0; i < shown->count; i++) {
        const struct octets octets = {shown->rows[i].value, shown->rows[i].value_bytes};
        struct offer offer;
        if (shown->rows[i].table != LOG_TABLE_OFFER || offer_decode(&octets, &offer) != ERR_NONE ||
            (offer.state != VACANCY_VACANT && !once_in(&world->sim, 4)) || below(&world->sim, ++seen) != 0)
            continue;
        *out = offer;
    }
    return seen > 0;
}

static void ask_for_hold(struct teams *teams, struct fed_hub *hub)
{
    struct sim *sim = &hub->world->sim;
    struct offer offer;
    uint32_t region;
    if (!some_offer(hub, &region, &offer))
        return;
    bool report = once_in(sim, 12);
    struct ask *ask = new_ask(teams, hub, report ? UPDATE_REPORT_UNAVAILABLE : UPDATE_HOLD, region);
    ask->vacancy_id = offer.vacancy_id;
    ask->beds = 1 + (once_in(sim, 3) ? below(sim, offer.beds) : 0);
    if (!once_in(sim, 3))
        ask->duration_s = between(sim, 1, (once_in(sim, 2) ? HUB_HOLD_MAX_MS : 2 * HUB_HOLD_MS) / SECOND_MS);
    attempt_ask(teams, hub, ask);
}

static struct ask *some_ask(struct teams *teams, struct fed_hub *hub, bool made)
{
    struct ask *found = NULL;
    uint32_t seen = 0;
    for (uint32_t i = teams->count; i-- > 0 && seen < 6;) {
        struct ask *ask = teams->asks[i];
        bool wanted = ask->who_region == hub->region && (!made || (ask->kind == UPDATE_HOLD && ask->done));
        if (wanted && below(&hub->world->sim, ++seen) == 0)
            found = ask;
    }
    return found;
}

static void go_on_with_hold(struct teams *teams, struct fed_hub *hub)
{
    static const enum update_kind kinds[] = {UPDATE_EXTEND_HOLD, UPDATE_RELEASE_HOLD, UPDATE_PLACE, UPDATE_PLACE};
    struct sim *sim = &hub->world->sim;
    const struct ask *held = some_ask(teams, hub, true);
    if (held == NULL)
        return;
    struct ask *ask = new_ask(teams, hub, kinds[below(sim, 4)], held->region);
    ask->who = once_in(sim, 20) ? 1 - held->who : held->who;
    ask->token = held->made;
    ask->vacancy_id = held->vacancy_id;
    ask->duration_s = between(sim, 1, HUB_HOLD_MS / SECOND_MS);
    ask->children = once_in(sim, 10) ? 1 : held->beds;
    ask->starts_on = date_of_wall_ms(clock_wall_ms(&hub->clock)) + (date_days)below(sim, 10);
    attempt_ask(teams, hub, ask);
}

/* An agency answers a hold that its region's log has; both may, and the one whose it isn't is refused. */
static void answer_hold(struct teams *teams, struct fed_hub *hub)
{
    struct world *world = hub->world;
    struct hold hold, found;
    uint32_t seen = 0;
    for (uint32_t i = hub->head; i != NO_ENTRY && seen < 5; i = truth_entry(world, hub->region, i)->parent)
        if (row_of(truth_entry(world, hub->region, i), &hold) && below(&world->sim, ++seen) == 0)
            found = hold;
    if (seen == 0)
        return;
    struct ask *ask =
        new_ask(teams, hub, once_in(&world->sim, 2) ? UPDATE_ACCEPT_HOLD : UPDATE_DECLINE_HOLD, hub->region);
    if (once_in(&world->sim, 3))
        ask->who = below(&world->sim, MOVES_AGENCY + MOVES_EACH);
    ask->token = found.token;
    attempt_ask(teams, hub, ask);
}

static void ask_again(struct teams *teams, struct fed_hub *hub)
{
    struct ask *ask = some_ask(teams, hub, false);
    if (ask != NULL)
        attempt_ask(teams, hub, ask);
}

static void ask_what_came(struct teams *teams, struct fed_hub *hub)
{
    struct ask *ask = some_ask(teams, hub, false);
    char name[PRINCIPAL_NAME_BYTES];
    if (ask == NULL || ask->kind != UPDATE_HOLD)
        return;
    team_name(ask->who_region, ask->who, name);
    struct attempt *attempt = new_attempt(teams, hub, ask);
    attempt->settling = true;
    send(attempt, "/vacancy.v1.PlacementService/GetHold", name, &settling, ask_settling_message(ask));
}

static void read_hold(struct teams *teams, struct fed_hub *hub)
{
    const struct ask *ask = some_ask(teams, hub, true);
    char name[PRINCIPAL_NAME_BYTES];
    if (ask == NULL)
        return;
    team_name(ask->who_region, ask->who, name);
    struct attempt *attempt = new_attempt(teams, hub, NULL);
    attempt->token = ask->made;
    send(attempt, "/vacancy.v1.PlacementService/GetHold", name, &reading, ask_reading_message(ask->region, &ask->made));
}

static void list_holds(struct teams *teams, struct fed_hub *hub)
{
    struct attempt *attempt = new_attempt(teams, hub, NULL);
    char name[PRINCIPAL_NAME_BYTES];
    attempt->who_region = hub->region;
    attempt->who = below(&hub->world->sim, TEAMS_EACH);
    attempt->ended_too = once_in(&hub->world->sim, 2);
    team_name(attempt->who_region, attempt->who, name);
    send(attempt, "/vacancy.v1.PlacementService/ListHolds", name, &listing, ask_listing_message(attempt->ended_too));
}

void teams_ask(struct teams *teams, struct fed_hub *hub)
{
    static const struct {
        void (*run)(struct teams *teams, struct fed_hub *hub);
        uint32_t weight;
    } actions[] = {
        {ask_for_hold, 40}, {go_on_with_hold, 16}, {answer_hold, 10}, {ask_again, 14},
        {ask_what_came, 6}, {read_hold, 8},        {list_holds, 6},
    };
    uint32_t at = below(&hub->world->sim, 100);
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (at < actions[i].weight) {
            actions[i].run(teams, hub);
            return;
        }
        at -= actions[i].weight;
    }
}

/* --- what came of it ---------------------------------------------------------------------------------------------- */

/* Whether somebody asked for this of the hold, and was not told that it was not done. */
static bool asked_for(const struct teams *teams, const struct fed_hub *home, enum update_kind kind,
                      const struct hold_token *token)
{
    for (uint32_t i = 0; i < teams->count; i++) {
        const struct ask *ask = teams->asks[i];
        if (ask->kind == kind && ask->region == home->region && ask->token.epoch == token->epoch &&
            ask->token.sequence == token->sequence && !ask_not_done(ask))
            return true;
    }
    return false;
}

static const struct ask *asked_hold_of(const struct teams *teams, const struct fed_hub *home, const struct hold *hold)
{
    uint8_t hash[DIGEST_BYTES];
    for (uint32_t i = 0; i < teams->count; i++) {
        const struct ask *ask = teams->asks[i];
        if (ask->kind != UPDATE_HOLD || ask->region != home->region || ask->vacancy_id != hold->vacancy_id)
            continue;
        hash_of(ask, hash);
        if (memcmp(hash, hold->request_hash, sizeof hash) == 0)
            return ask;
    }
    return NULL;
}

/* Each hold in the log was asked for, once, and by a call that nobody said was refused. */
static void check_asked(struct world *world, const struct fed_hub *home, const struct hold *hold)
{
    const struct ask *ask = asked_hold_of(world->teams, home, hold);
    sim_require(&world->sim, ask != NULL, "hub %u: nobody asked for hold %" PRIu64 ".%" PRIu64, home->index,
                hold->token.epoch, hold->token.sequence);
    sim_require(&world->sim, !ask_not_done(ask),
                "hub %u made hold %" PRIu64 ".%" PRIu64 ", and its team was told that it did not", home->index,
                hold->token.epoch, hold->token.sequence);
    if (loose(world, ask))
        return;
    sim_require(&world->sim, ask->refused_last < ask->begun || ask->done || asker_loose(world, ask),
                "hub %u made hold %" PRIu64 ".%" PRIu64 ", and the last its team heard was that it was refused",
                home->index, hold->token.epoch, hold->token.sequence);
    sim_require(&world->sim, !ask->spent, "hub %u made hold %" PRIu64 ".%" PRIu64 " under an id that was spent",
                home->index, hold->token.epoch, hold->token.sequence);
    sim_require(&world->sim,
                !ask->done || (ask->made.epoch == hold->token.epoch && ask->made.sequence == hold->token.sequence),
                "hub %u made hold %" PRIu64 ".%" PRIu64 " of a request id that came to %" PRIu64 ".%" PRIu64,
                home->index, hold->token.epoch, hold->token.sequence, ask->made.epoch, ask->made.sequence);
}

/* Its carer's approval ended there, or went to another agency; and its team is told so. */
static bool ended_with_carer(struct world *world, const struct fed_hub *home, const struct hold *hold)
{
    struct hold found;
    if (!world->carers_ended[home->region] && !owners_left(world, home->region, hold->national_reference))
        return false;
    home->home_disk->looking++;
    enum err err = home_get_hold(home->home, &hold->token, &found);
    home->home_disk->looking--;
    return err != ERR_NONE || found.decline_reason == DECLINE_APPROVAL_ENDED || world->memories_lost[home->region] > 0;
}

/* It is what it is because somebody asked for that. */
static void check_became(struct world *world, const struct fed_hub *home, const struct hold *hold)
{
    const struct teams *teams = world->teams;
    bool asked = true;
    if (hold->state == HOLD_RELEASED)
        asked = asked_for(teams, home, UPDATE_RELEASE_HOLD, &hold->token);
    else if (hold->state == HOLD_PLACED)
        asked = asked_for(teams, home, UPDATE_PLACE, &hold->token);
    else if (hold->state == HOLD_ACCEPTED)
        asked = asked_for(teams, home, UPDATE_ACCEPT_HOLD, &hold->token);
    else if (hold->state == HOLD_DECLINED)
        asked = asked_for(teams, home, UPDATE_DECLINE_HOLD, &hold->token) || ended_with_carer(world, home, hold);
    sim_require(&world->sim, asked, "hub %u: hold %" PRIu64 ".%" PRIu64 " is of state %d, for which nobody asked",
                home->index, hold->token.epoch, hold->token.sequence, hold->state);
    sim_require(&world->sim, !hold->extended || asked_for(teams, home, UPDATE_EXTEND_HOLD, &hold->token),
                "hub %u: hold %" PRIu64 ".%" PRIu64 " was extended, for which nobody asked", home->index,
                hold->token.epoch, hold->token.sequence);
}

/* A placement that is one no more: somebody said of it that it did not begin. */
static bool taken_back(const struct teams *teams, const struct fed_hub *home, const struct hold *hold)
{
    enum update_kind kind = hold->state == HOLD_RELEASED ? UPDATE_RELEASE_HOLD : UPDATE_DECLINE_HOLD;
    for (uint32_t i = 0; i < teams->count; i++) {
        const struct ask *ask = teams->asks[i];
        if (ask->kind == kind && ask->did_not_begin && ask->region == home->region &&
            ask->token.epoch == hold->token.epoch && ask->token.sequence == hold->token.sequence && !ask_not_done(ask))
            return hold->state == HOLD_RELEASED || hold->state == HOLD_DECLINED;
    }
    return false;
}

/* What was told as done is in the log. */
static void check_kept(struct world *world, const struct fed_hub *home, const struct ask *ask)
{
    struct hold hold;
    const struct hold_token *token = ask->kind == UPDATE_HOLD ? &ask->made : &ask->token;
    if (!hold_at(world, home->region, home->head, token, &hold)) {
        sim_require(
            &world->sim,
            world->carers_ended[home->region] || !hold_ever(world, home->region, token, &hold) ||
                world->sim.now_ms - hold.made_at_ms > DAY_MS || home->wall_error_ms != 0 || world->clocks_stepped,
            "hub %u: hold %" PRIu64 ".%" PRIu64 " is gone from its log", home->index, token->epoch, token->sequence);
        return;
    }
    bool kept = true;
    if (ask->kind == UPDATE_EXTEND_HOLD)
        kept = hold.extended;
    else if (ask->kind == UPDATE_RELEASE_HOLD)
        kept = hold.state == HOLD_RELEASED;
    else if (ask->kind == UPDATE_PLACE)
        kept = hold.state == HOLD_PLACED || taken_back(world->teams, home, &hold);
    else if (ask->kind == UPDATE_ACCEPT_HOLD)
        kept = hold.state != HOLD_ACTIVE;
    else if (ask->kind == UPDATE_DECLINE_HOLD)
        kept = hold.state == HOLD_DECLINED;
    sim_require(&world->sim, kept,
                "hub %u: a request of kind %d for hold %" PRIu64 ".%" PRIu64 " was done, and it is of state %d",
                home->index, (int)ask->kind, token->epoch, token->sequence, hold.state);
}

void teams_check(struct world *world, const struct fed_hub *home)
{
    const struct teams *teams = world->teams;
    struct hold hold;
    for (uint32_t i = home->head; i != NO_ENTRY; i = truth_entry(world, home->region, i)->parent) {
        const struct entry *entry = truth_entry(world, home->region, i);
        if (!row_of(entry, &hold))
            continue;
        if (hold.token.epoch == entry->epoch && hold.token.sequence == entry->sequence)
            check_asked(world, home, &hold);
        if (truth_record(world, home->region, home->head, LOG_TABLE_HOLD, entry->key, entry->key_bytes) == entry)
            check_became(world, home, &hold);
    }
    for (uint32_t i = 0; i < teams->count; i++) {
        const struct ask *ask = teams->asks[i];
        if (ask->region == home->region && ask->done && !loose(world, ask) && ask->kind != UPDATE_REPORT_UNAVAILABLE)
            check_kept(world, home, ask);
    }
}
