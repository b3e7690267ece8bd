/*
 * access.c - see access.h.
 *
 * Owns: issuer bindings (constant), the roster (immutable, replaced by access_set_roster), and the standing set: an
 * immutable version behind an atomic pointer, replaced whole by the observer. A suspended agency (rule H1) still reads
 * and keeps its register true; match offers nothing of it. A suspended principal is shut out.
 * Thread: access_identify any, without a lock; the observer on the home writer's thread.
 * Invariant: a version is freed only when no reader can hold it. Readers count themselves into one of two lanes; who
 * publishes, one at a time, turns the lane and waits for the old one to empty (its readers never block, so that is
 * soon).
 */
#include "daemon/access/access.h"

#include "daemon/base/log.h"
#include "vacancy/v1/home.pb-c.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Sorted names, each in a slot of `width` octets, NUL-terminated. */
struct names {
    char *at;
    size_t count, capacity, width;
};

struct standing {
    struct names agencies;  /* registered */
    struct names suspended; /* principals shut out */
};

struct access {
    char trust_domain[256];
    char region[GSS_BYTES];
    struct issuer_binding *issuers;
    uint32_t issuer_count;
    const struct clock_source *clock;

    _Atomic(struct standing *) standing;
    _Atomic(const struct roster *) roster; /* NULL: no federation */
    atomic_uint lane;                      /* the low bit says which */
    atomic_uint readers[2];
    pthread_mutex_t publishing;
};

/* --- sorted names ---------------------------------------------------------------------------------------------- */

static char *name_at(const struct names *names, size_t index)
{
    return names->at + index * names->width;
}

/* Where `name` is or would stand. */
static size_t names_place(const struct names *names, const char *name, bool *found)
{
    size_t low = 0, high = names->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name_at(names, middle), name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void names_copy(const struct names *from, size_t room, struct names *to)
{
    *to = (struct names){.count = from->count, .capacity = from->count + room, .width = from->width};
    to->at = malloc((to->capacity + 1) * to->width);
    if (to->at == NULL)
        log_fatal("access", "out of memory for the standing of principals");
    if (from->count > 0)
        memcpy(to->at, from->at, from->count * from->width);
}

/* There is room: names_copy was told how many changes come. */
static void names_set(struct names *names, const struct octets *name, bool in)
{
    char text[PRINCIPAL_NAME_BYTES];
    if (name->size >= names->width || memchr(name->data, 0, name->size) != NULL)
        return; /* no certificate can bear it */
    memcpy(text, name->data, name->size);
    text[name->size] = '\0';
    bool found;
    size_t at = names_place(names, text, &found);
    if (found == in)
        return;
    char *slot = name_at(names, at);
    size_t after = (names->count - at) * names->width;
    if (in) {
        memmove(slot + names->width, slot, after);
        strcpy(slot, text);
        names->count++;
    } else {
        memmove(slot, slot + names->width, after - names->width);
        names->count--;
    }
}

/* --- versions -------------------------------------------------------------------------------------------------- */

static void standing_free(struct standing *standing)
{
    if (standing == NULL)
        return;
    free(standing->agencies.at);
    free(standing->suspended.at);
    free(standing);
}

static unsigned reader_enter(struct access *access)
{
    for (;;) {
        unsigned lane = atomic_load(&access->lane) & 1;
        atomic_fetch_add(&access->readers[lane], 1);
        if ((atomic_load(&access->lane) & 1) == lane)
            return lane;
        atomic_fetch_sub(&access->readers[lane], 1);
    }
}

static void reader_leave(struct access *access, unsigned lane)
{
    atomic_fetch_sub(&access->readers[lane], 1);
}

/* Returns when no reader holds what was replaced before the call. */
static void readers_pass(struct access *access)
{
    unsigned lane = atomic_fetch_add(&access->lane, 1) & 1;
    while (atomic_load(&access->readers[lane]) != 0)
        sched_yield();
}

static void publish(struct access *access, struct standing *next)
{
    pthread_mutex_lock(&access->publishing);
    struct standing *old = atomic_exchange(&access->standing, next);
    readers_pass(access);
    pthread_mutex_unlock(&access->publishing);
    standing_free(old);
}

void access_set_roster(struct access *access, const struct roster *roster)
{
    pthread_mutex_lock(&access->publishing);
    const struct roster *old = atomic_exchange(&access->roster, roster ? roster_ref(roster) : NULL);
    readers_pass(access);
    pthread_mutex_unlock(&access->publishing);
    roster_unref(old);
}

const struct roster *access_roster(struct access *access)
{
    unsigned lane = reader_enter(access);
    const struct roster *roster = atomic_load(&access->roster);
    if (roster != NULL)
        roster = roster_ref(roster);
    reader_leave(access, lane);
    return roster;
}

static bool principal_suspended(const struct change *change)
{
    if (change->deleted)
        return false;
    Vacancy__V1__PrincipalRow *row = vacancy__v1__principal_row__unpack(NULL, change->value.size, change->value.data);
    bool suspended = row == NULL || row->suspended; /* an unreadable row never lets anybody in */
    if (row != NULL)
        vacancy__v1__principal_row__free_unpacked(row, NULL);
    return suspended;
}

static void committed(void *ctx, const struct commit *commit)
{
    struct access *access = ctx;
    size_t agencies = 0, principals = 0;
    for (size_t i = 0; i < commit->count; i++) {
        agencies += commit->changes[i].table == LOG_TABLE_AGENCY;
        principals += commit->changes[i].table == CHANGE_PRINCIPAL;
    }
    if (agencies + principals == 0)
        return;
    const struct standing *now = atomic_load(&access->standing); /* this thread is the only one that replaces it */
    struct standing *next = malloc(sizeof *next);
    if (next == NULL)
        log_fatal("access", "out of memory for the standing of principals");
    names_copy(&now->agencies, agencies, &next->agencies);
    names_copy(&now->suspended, principals, &next->suspended);
    for (size_t i = 0; i < commit->count; i++) {
        const struct change *change = &commit->changes[i];
        if (change->table == LOG_TABLE_AGENCY)
            names_set(&next->agencies, &change->key, !change->deleted);
        else if (change->table == CHANGE_PRINCIPAL)
            names_set(&next->suspended, &change->key, principal_suspended(change));
    }
    publish(access, next);
}

struct access *access_create(const struct access_options *options)
{
    struct access *access = calloc(1, sizeof *access);
    struct standing *empty = calloc(1, sizeof *empty);
    struct issuer_binding *issuers = calloc(options->issuer_count + 1, sizeof *issuers);
    if (access == NULL || empty == NULL || issuers == NULL)
        log_fatal("access", "out of memory at start");
    memcpy(access->trust_domain, options->trust_domain, sizeof access->trust_domain);
    memcpy(access->region, options->region, sizeof access->region);
    if (options->issuer_count > 0)
        memcpy(issuers, options->issuers, options->issuer_count * sizeof *issuers);
    access->issuers = issuers;
    access->issuer_count = options->issuer_count;
    access->clock = options->clock;
    empty->agencies.width = AGENCY_ID_BYTES;
    empty->suspended.width = PRINCIPAL_NAME_BYTES;
    atomic_init(&access->standing, empty);
    pthread_mutex_init(&access->publishing, NULL);
    return access;
}

void access_destroy(struct access *access)
{
    if (access == NULL)
        return;
    standing_free(atomic_load(&access->standing));
    roster_unref(atomic_load(&access->roster));
    pthread_mutex_destroy(&access->publishing);
    free(access->issuers);
    free(access);
}

struct commit_observer access_observer(struct access *access)
{
    return (struct commit_observer){.committed = committed, .ctx = access};
}

/* --- who calls ------------------------------------------------------------------------------------------------- */

static const struct {
    const char *one, *whose;
} role_words[] = {
    [ROLE_AGENCY] = {"a fostering agency", "an agency's"},
    [ROLE_TEAM] = {"a placement team", "a placement team's"},
    [ROLE_HUB] = {"another hub", "a hub's"},
    [ROLE_AUDITOR] = {"an auditor", "an auditor's"},
    [ROLE_OPERATOR] = {"an operator", "an operator's"},
};

static enum role role_of(enum spiffe_kind kind)
{
    switch (kind) {
    case SPIFFE_AGENCY:
        return ROLE_AGENCY;
    case SPIFFE_TEAM:
        return ROLE_TEAM;
    case SPIFFE_HUB:
        return ROLE_HUB;
    case SPIFFE_AUDITOR:
        return ROLE_AUDITOR;
    case SPIFFE_OPERATOR:
        return ROLE_OPERATOR;
    }
    return ROLE_NONE;
}

/* size < PRINCIPAL_NAME_BYTES */
static void fill_principal(const struct spiffe_name *name, const char *text, size_t size, struct principal *out)
{
    out->role = role_of(name->kind);
    memcpy(out->name, text, size);
    out->name[size] = '\0';
    memcpy(out->region, name->region, GSS_BYTES);
    memcpy(out->authority, name->authority, GSS_BYTES);
    memcpy(out->id, name->id, AGENCY_ID_BYTES);
}

/* Rows A1 to A4, T20 and the leaf rules: the name in an acceptable certificate. */
static enum err read_name(const struct access *access, const struct tls_peer *peer, struct spiffe_name *name,
                          struct principal *out, struct problem *problem)
{
    if (peer->uri_count == 0)
        return problem_set(problem, ERR_UNAUTHENTICATED, "",
                           "the certificate has no URI name; one SPIFFE name is needed");
    if (peer->uri_count > 1)
        return problem_set(problem, ERR_UNAUTHENTICATED, "", "the certificate has more than one URI name");
    /* A stored name is shorter than the longest that parses, which only a trust domain of 160 characters could make. */
    if (peer->uri_bytes >= PRINCIPAL_NAME_BYTES || peer->uri_bytes > TLS_URI_BYTES)
        return problem_set(problem, ERR_UNAUTHENTICATED, "", "the certificate's name is too long");
    enum err err = tls_peer_check_leaf(peer, problem);
    if (err != ERR_NONE)
        return err;
    int64_t now_ms = clock_wall_ms(access->clock);
    if (now_ms > peer->not_after_ms || now_ms < peer->not_before_ms)
        return problem_set(problem, ERR_UNAUTHENTICATED, "", "the certificate is not valid at this time: renew it");
    err = spiffe_parse(peer->uri, peer->uri_bytes, access->trust_domain, name, problem);
    if (err != ERR_NONE)
        return err;
    fill_principal(name, (const char *)peer->uri, peer->uri_bytes, out);
    return ERR_NONE;
}
_Static_assert(GSS_BYTES == SPIFFE_GSS_BYTES && AGENCY_ID_BYTES == SPIFFE_ID_BYTES, "a name's parts fit a principal");

/* Region NULL: any. */
static bool bound_by_options(const struct access *access, const char *region, const uint8_t key[DIGEST_BYTES])
{
    for (uint32_t i = 0; i < access->issuer_count; i++)
        if ((region == NULL || strcmp(access->issuers[i].region, region) == 0) &&
            memcmp(access->issuers[i].key_sha256, key, DIGEST_BYTES) == 0)
            return true;
    return false;
}

static bool bound_by_roster(const struct roster_region *region, const uint8_t key[DIGEST_BYTES])
{
    for (uint32_t i = 0; i < region->issuer_count; i++)
        if (memcmp(region->issuers[i], key, DIGEST_BYTES) == 0)
            return true;
    return false;
}

/* Whether the key is some region's. */
static bool bound_at_all(const struct access *access, const struct roster *roster, const uint8_t key[DIGEST_BYTES])
{
    bool bound = bound_by_options(access, NULL, key);
    for (uint32_t i = 0; !bound && roster != NULL && i < roster->region_count; i++)
        bound = bound_by_roster(&roster->regions[i], key);
    return bound;
}

/* A11: the key that signed the leaf is bound to the region that the name claims. Who is another region's hub, the
 * roster alone says: what a configuration was once told does not outlive a region's place in it. */
static enum err check_issuer(const struct access *access, const struct roster *roster, const struct tls_peer *peer,
                             const struct principal *who, struct problem *problem)
{
    const struct roster_region *region = roster != NULL ? roster_find(roster, who->region) : NULL;
    const uint8_t *key = peer->issuer_key_sha256;
    bool other_hub = who->role == ROLE_HUB && strcmp(who->region, access->region) != 0;
    bool bound = bound_by_options(access, who->region, key);
    if ((region != NULL && bound_by_roster(region, key)) || (bound && !other_hub))
        return ERR_NONE;
    if (other_hub && region == NULL && (bound || !bound_at_all(access, roster, key)))
        return problem_set(problem, ERR_FORBIDDEN, "", "region %s is not in the roster of the hub of region %s",
                           who->region, access->region);
    return problem_set(problem, ERR_UNAUTHENTICATED, "",
                       "the certificate's issuer is not the one of the region in its name");
}

static enum err check_role(const struct access *access, const struct principal *who, unsigned roles,
                           struct problem *problem)
{
    if (strcmp(who->region, access->region) != 0 && !(who->role == ROLE_HUB && roles & ROLE_BIT(ROLE_HUB)))
        return problem_set(problem, ERR_FORBIDDEN, "", "this is the hub of region %s; ask the hub of region %s",
                           access->region, who->region);
    if (roles & ROLE_BIT(who->role))
        return ERR_NONE;
    for (enum role role = ROLE_AGENCY; role <= ROLE_OPERATOR; role++)
        if (roles & ROLE_BIT(role))
            return problem_set(problem, ERR_FORBIDDEN, "", "this method is for %s; the certificate is %s",
                               role_words[role].one, role_words[who->role].whose);
    return problem_set(problem, ERR_FORBIDDEN, "", "this method is for nobody");
}

static enum err check_standing(const struct standing *standing, const struct principal *who, struct problem *problem)
{
    bool suspended, registered = true;
    names_place(&standing->suspended, who->name, &suspended);
    if (who->role == ROLE_AGENCY)
        names_place(&standing->agencies, who->id, &registered);
    if (suspended)
        return problem_set(problem, ERR_FORBIDDEN, "", "this principal is suspended; ask the hub's operator");
    if (!registered)
        return problem_set(problem, ERR_FORBIDDEN, "", "this agency is not registered with this hub; ask its operator");
    return ERR_NONE;
}

enum err access_identify(struct access *access, const struct tls_peer *peer, unsigned roles, struct principal *out,
                         struct problem *problem)
{
    static const struct tls_peer nobody;
    if (peer == NULL)
        peer = &nobody;
    struct spiffe_name name;
    struct principal who = {.role = ROLE_NONE};
    enum err err = read_name(access, peer, &name, &who, problem);
    if (err != ERR_NONE)
        return err;
    unsigned lane = reader_enter(access);
    if ((err = check_issuer(access, atomic_load(&access->roster), peer, &who, problem)) == ERR_NONE &&
        (err = check_role(access, &who, roles, problem)) == ERR_NONE)
        err = check_standing(atomic_load(&access->standing), &who, problem);
    reader_leave(access, lane);
    if (err == ERR_NONE)
        *out = who;
    return err;
}

/* --- who is vouched for ---------------------------------------------------------------------------------------- */

static bool has_team(const struct roster *roster, const char *authority, const char *region)
{
    for (uint32_t i = 0; i < roster->team_count; i++)
        if (strcmp(roster->teams[i].authority, authority) == 0)
            return strcmp(roster->teams[i].region, region) == 0;
    return false;
}

static enum err check_vouched(const struct roster *roster, const struct principal *hub, const struct principal *who,
                              unsigned roles, struct problem *problem)
{
    if ((roles & ROLE_BIT(who->role) & (ROLE_BIT(ROLE_TEAM) | ROLE_BIT(ROLE_AGENCY))) == 0)
        return problem_set(problem, ERR_FORBIDDEN, "principal", "a hub can't ask this for %s",
                           role_words[who->role].one);
    if (strcmp(who->region, hub->region) != 0)
        return problem_set(problem, ERR_FORBIDDEN, "principal",
                           "the hub of region %s can't vouch for a principal of region %s", hub->region, who->region);
    if (who->role == ROLE_TEAM && (roster == NULL || !has_team(roster, who->authority, hub->region)))
        return problem_set(problem, ERR_FORBIDDEN, "principal",
                           "this hub's roster does not say that teams of %s are of region %s", who->authority,
                           hub->region);
    return ERR_NONE;
}

static enum err check_voucher(const struct access *access, const struct standing *standing, const struct roster *roster,
                              const struct principal *hub, struct problem *problem)
{
    bool suspended;
    if (hub->role != ROLE_HUB || strcmp(hub->region, access->region) == 0 || roster == NULL ||
        roster_find(roster, hub->region) == NULL)
        return problem_set(problem, ERR_FORBIDDEN, "", "only another hub of the roster may ask for its teams");
    names_place(&standing->suspended, hub->name, &suspended);
    return suspended ? problem_set(problem, ERR_FORBIDDEN, "", "this hub is suspended; ask the hub's operator")
                     : ERR_NONE;
}

static enum err check_not_suspended(const struct standing *standing, const struct principal *who,
                                    struct problem *problem)
{
    bool suspended;
    names_place(&standing->suspended, who->name, &suspended);
    return suspended ? problem_set(problem, ERR_FORBIDDEN, "principal",
                                   "this principal is suspended; ask the operator of the hub of this region")
                     : ERR_NONE;
}

enum err access_vouched(struct access *access, const struct principal *hub, const char *name, unsigned roles,
                        struct principal *out, struct problem *problem)
{
    struct spiffe_name parsed;
    struct principal who = {.role = ROLE_NONE};
    size_t size = strlen(name);
    if (size >= PRINCIPAL_NAME_BYTES)
        return problem_set(problem, ERR_UNAUTHENTICATED, "principal", "the name is too long");
    struct problem why;
    if (spiffe_parse(name, size, access->trust_domain, &parsed, &why) != ERR_NONE)
        return problem_set(problem, ERR_UNAUTHENTICATED, "principal", "%s", why.text);
    fill_principal(&parsed, name, size, &who);
    unsigned lane = reader_enter(access);
    const struct roster *roster = atomic_load(&access->roster);
    const struct standing *standing = atomic_load(&access->standing);
    enum err err;
    if ((err = check_voucher(access, standing, roster, hub, problem)) == ERR_NONE &&
        (err = check_vouched(roster, hub, &who, roles, problem)) == ERR_NONE)
        err = check_not_suspended(standing, &who, problem);
    reader_leave(access, lane);
    if (err == ERR_NONE)
        *out = who;
    return err;
}

enum err access_check_name(const struct access *access, const char *name, struct problem *problem)
{
    struct spiffe_name parsed;
    size_t size = strlen(name);
    if (size >= PRINCIPAL_NAME_BYTES)
        return problem_set(problem, ERR_UNAUTHENTICATED, "", "the name is too long");
    return spiffe_parse(name, size, access->trust_domain, &parsed, problem);
}
