/* tier: check */
/*
 * test_access.c - who may call: rows A1 to A5, A9, A11, R14, T20 of faults.md, standing, regions, the roster, whom
 * another hub may vouch for, and the leaf rules of SPIFFE's X509-SVID.
 */
#include "daemon/access/access.h"
#include "daemon/base/thread.h"
#include "tests/lib/fake_call.h"
#include "vacancy/v1/home.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DOMAIN "spiffe://fostering.example"
#define NORTH  DOMAIN "/region/E12000003"
#define SOUTH  DOMAIN "/region/E12000009"

static const uint8_t north_key[DIGEST_BYTES] = {1}, south_key[DIGEST_BYTES] = {2}, other_key[DIGEST_BYTES] = {3};
static int64_t now_ms = 1800000000000LL;

static int64_t fixed_ms(void *ctx)
{
    (void)ctx;
    return now_ms;
}
static const struct clock_source fixed_clock = {.wall_ms = fixed_ms, .boot_ms = fixed_ms, .ctx = NULL};

static struct access *make_access(void)
{
    const struct issuer_binding issuers[] = {{"E12000003", {1}}, {"E12000009", {2}}};
    struct access_options options = {.trust_domain = "fostering.example",
                                     .region = "E12000003",
                                     .issuers = issuers,
                                     .issuer_count = 2,
                                     .clock = &fixed_clock};
    return access_create(&options);
}

static void tell(struct access *access, enum log_table table, const char *key, bool deleted, const char *value,
                 size_t value_bytes)
{
    struct change change = {.table = table,
                            .key = {(const uint8_t *)key, strlen(key)},
                            .deleted = deleted,
                            .value = {(const uint8_t *)value, value_bytes}};
    struct commit commit = {.changes = &change, .count = 1};
    struct commit_observer observer = access_observer(access);
    observer.committed(observer.ctx, &commit);
}

static void suspend(struct access *access, const char *name, bool suspended)
{
    Vacancy__V1__PrincipalRow row = VACANCY__V1__PRINCIPAL_ROW__INIT;
    uint8_t octets[16];
    row.suspended = suspended;
    size_t size = vacancy__v1__principal_row__pack(&row, octets);
    tell(access, CHANGE_PRINCIPAL, name, false, (const char *)octets, size);
}

struct row {
    const char *what, *name;
    const uint8_t *issuer;
    unsigned roles;
    enum err expected;
    const char *text; /* must be in the problem's text */
};

#define ANY (~0u)
static const struct row rows[] = {
    {"an agency", NORTH "/agency/leeds", north_key, ROLE_BIT(ROLE_AGENCY), ERR_NONE, ""},
    {"a team", NORTH "/placement-team/E08000035/duty", north_key, ROLE_BIT(ROLE_TEAM), ERR_NONE, ""},
    {"an operator", NORTH "/operator/olive", north_key, ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_AUDITOR), ERR_NONE, ""},
    {"an auditor", NORTH "/auditor/ann", north_key, ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_AUDITOR), ERR_NONE, ""},
    {"the own hub", NORTH "/hub", north_key, ROLE_BIT(ROLE_HUB), ERR_NONE, ""},
    {"another hub, without a roster", SOUTH "/hub", south_key, ROLE_BIT(ROLE_HUB), ERR_FORBIDDEN, "roster"},
    {"A3 another trust domain", "spiffe://other.example/region/E12000003/agency/leeds", north_key, ANY,
     ERR_UNAUTHENTICATED, ""},
    {"A4 upper case", "spiffe://Fostering.example/region/E12000003/agency/leeds", north_key, ANY, ERR_UNAUTHENTICATED,
     ""},
    {"A4 percent", NORTH "/agency/le%65ds", north_key, ANY, ERR_UNAUTHENTICATED, ""},
    {"A4 dots", NORTH "/agency/../operator/olive", north_key, ANY, ERR_UNAUTHENTICATED, ""},
    {"A4 trailing slash", NORTH "/agency/leeds/", north_key, ANY, ERR_UNAUTHENTICATED, ""},
    {"A4 port", "spiffe://fostering.example:443/region/E12000003/agency/leeds", north_key, ANY, ERR_UNAUTHENTICATED,
     ""},
    {"no region", DOMAIN "/agency/leeds", north_key, ANY, ERR_UNAUTHENTICATED, ""},
    {"A5 a team calls an operator's method", NORTH "/placement-team/E08000035/duty", north_key,
     ROLE_BIT(ROLE_OPERATOR) | ROLE_BIT(ROLE_AUDITOR), ERR_FORBIDDEN, "auditor"},
    {"A5 a team calls an agency's method", NORTH "/placement-team/E08000035/duty", north_key, ROLE_BIT(ROLE_AGENCY),
     ERR_FORBIDDEN, "fostering agency"},
    {"A9 the own hub's certificate for searches", NORTH "/hub", north_key, ROLE_BIT(ROLE_TEAM), ERR_FORBIDDEN,
     "placement team"},
    {"A9 another hub's certificate for searches", SOUTH "/hub", south_key, ROLE_BIT(ROLE_TEAM), ERR_FORBIDDEN,
     "E12000009"},
    {"another region's team", SOUTH "/placement-team/E06000023/duty", south_key, ROLE_BIT(ROLE_TEAM), ERR_FORBIDDEN,
     "hub of region E12000009"},
    {"another region's agency, even for hubs", SOUTH "/agency/leeds", south_key, ROLE_BIT(ROLE_HUB), ERR_FORBIDDEN,
     "hub of region E12000009"},
    {"A11 a name of north under south's issuer", NORTH "/agency/leeds", south_key, ANY, ERR_UNAUTHENTICATED, "issuer"},
    {"A11 a name of south under north's issuer", SOUTH "/hub", north_key, ANY, ERR_UNAUTHENTICATED, "issuer"},
    {"A11 an issuer bound to no region", NORTH "/operator/olive", other_key, ANY, ERR_UNAUTHENTICATED, "issuer"},
    {"a region without a bound issuer", DOMAIN "/region/E12000001/operator/olive", other_key, ANY, ERR_UNAUTHENTICATED,
     "issuer"},
    {"a hub of a region that nobody knows", DOMAIN "/region/E12000001/hub", other_key, ANY, ERR_FORBIDDEN, "roster"},
    {"an agency that PutAgency never named", NORTH "/agency/ghost", north_key, ANY, ERR_FORBIDDEN, "not registered"},
    {"a suspended agency principal", NORTH "/agency/shut", north_key, ANY, ERR_FORBIDDEN, "suspended"},
};

static void test_names(void **state)
{
    (void)state;
    struct access *access = make_access();
    tell(access, LOG_TABLE_AGENCY, "leeds", false, "", 0);
    tell(access, LOG_TABLE_AGENCY, "shut", false, "", 0);
    suspend(access, NORTH "/agency/shut", true);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_peer peer = fake_peer(rows[i].name, rows[i].issuer);
        struct principal who;
        struct problem problem = {0};
        memset(&who, 0x5a, sizeof who);
        enum err err = access_identify(access, &peer, rows[i].roles, &who, &problem);
        if (err != rows[i].expected || strstr(problem.text, rows[i].text) == NULL)
            fail_msg("%s: %s \"%s\"", rows[i].what, err_name(err), problem.text);
        assert_int_equal(problem.code, err);
        assert_null(strstr(problem.text, "le%65ds")); /* the name itself is never repeated */
        if (err == ERR_NONE)
            assert_string_equal(who.name, rows[i].name);
        else
            assert_int_equal((uint8_t)who.name[0], 0x5a); /* nothing of a refused principal is handed out */
    }
    access_destroy(access);
}

static void test_parts_of_a_name(void **state)
{
    (void)state;
    struct access *access = make_access();
    struct tls_peer peer = fake_peer(NORTH "/placement-team/E08000035/duty-2", north_key);
    struct principal who;
    assert_int_equal(access_identify(access, &peer, ANY, &who, NULL), ERR_NONE);
    assert_int_equal(who.role, ROLE_TEAM);
    assert_string_equal(who.region, "E12000003");
    assert_string_equal(who.authority, "E08000035");
    assert_string_equal(who.id, "duty-2");
    access_destroy(access);
}

static enum err identify(struct access *access, const struct tls_peer *peer)
{
    struct principal who;
    struct problem problem;
    return access_identify(access, peer, ANY, &who, &problem);
}

/* A1, A2, A4 (length), T20 and SPIFFE's leaf rules, each broken alone. */
static void test_certificates(void **state)
{
    (void)state;
    struct access *access = make_access();
    const struct tls_peer good = fake_peer(NORTH "/operator/olive", north_key);
    struct tls_peer peer = good;
    assert_int_equal(identify(access, &peer), ERR_NONE);
    assert_int_equal(identify(access, NULL), ERR_UNAUTHENTICATED);
#define BROKEN(statement)                                                                                              \
    peer = good;                                                                                                       \
    statement;                                                                                                         \
    assert_int_equal(identify(access, &peer), ERR_UNAUTHENTICATED)
    BROKEN(peer.uri_count = 0);
    BROKEN(peer.uri_count = 2);
    BROKEN(peer.uri_bytes = 4000);
    BROKEN(peer.uri_bytes = TLS_URI_BYTES + 1);
    BROKEN(peer.uri[20] = 0);
    BROKEN(peer.not_after_ms = now_ms - 1);
    BROKEN(peer.not_before_ms = now_ms + 1);
    BROKEN(peer.is_ca = true);
    BROKEN(peer.may_sign = false);
    BROKEN(peer.key_usage_critical = false);
    BROKEN(peer.may_certify = true);
    BROKEN(peer.eku_client = false);
    BROKEN(peer.eku_server = false);
#undef BROKEN
    peer = good;
    peer.has_eku = peer.eku_client = peer.eku_server = false;
    assert_int_equal(identify(access, &peer), ERR_NONE);
    access_destroy(access);
}

/* T20: the same connection, later. */
static void test_expires_while_connected(void **state)
{
    (void)state;
    struct access *access = make_access();
    struct tls_peer peer = fake_peer(NORTH "/operator/olive", north_key);
    peer.not_after_ms = now_ms + 1000;
    assert_int_equal(identify(access, &peer), ERR_NONE);
    now_ms += 1001;
    assert_int_equal(identify(access, &peer), ERR_UNAUTHENTICATED);
    now_ms -= 1001;
    access_destroy(access);
}

static void test_standing_changes_at_once(void **state)
{
    (void)state;
    struct access *access = make_access();
    struct tls_peer agency = fake_peer(NORTH "/agency/leeds", north_key);
    struct tls_peer team = fake_peer(NORTH "/placement-team/E08000035/duty", north_key);
    assert_int_equal(identify(access, &agency), ERR_FORBIDDEN);
    tell(access, LOG_TABLE_CARER, "12345678", false, "", 0); /* nothing of ours */
    assert_int_equal(identify(access, &agency), ERR_FORBIDDEN);
    tell(access, LOG_TABLE_AGENCY, "leeds", false, "", 0);
    tell(access, LOG_TABLE_AGENCY, "leeds", false, "", 0);
    assert_int_equal(identify(access, &agency), ERR_NONE);
    suspend(access, NORTH "/agency/leeds", true);
    suspend(access, NORTH "/agency/leeds", true);
    assert_int_equal(identify(access, &agency), ERR_FORBIDDEN);
    assert_int_equal(identify(access, &team), ERR_NONE);
    suspend(access, NORTH "/agency/leeds", false);
    assert_int_equal(identify(access, &agency), ERR_NONE);
    tell(access, LOG_TABLE_AGENCY, "leeds", true, "", 0);
    assert_int_equal(identify(access, &agency), ERR_FORBIDDEN);
    /* A row that can't be read never lets anybody in; a deleted one does. */
    tell(access, CHANGE_PRINCIPAL, NORTH "/placement-team/E08000035/duty", false, "\xff", 1);
    assert_int_equal(identify(access, &team), ERR_FORBIDDEN);
    tell(access, CHANGE_PRINCIPAL, NORTH "/placement-team/E08000035/duty", true, "", 0);
    assert_int_equal(identify(access, &team), ERR_NONE);
    access_destroy(access);
}

static void test_names_for_standing(void **state)
{
    (void)state;
    struct access *access = make_access();
    struct problem problem;
    assert_int_equal(access_check_name(access, SOUTH "/agency/far", &problem), ERR_NONE);
    assert_int_equal(access_check_name(access, "leeds", &problem), ERR_UNAUTHENTICATED);
    char longest[PRINCIPAL_NAME_BYTES + 1];
    memset(longest, 'a', sizeof longest);
    longest[PRINCIPAL_NAME_BYTES] = '\0';
    assert_int_equal(access_check_name(access, longest, &problem), ERR_UNAUTHENTICATED);
    access_destroy(access);
}

/* --- the roster ------------------------------------------------------------------------------------------------ */

static void append_hex(char *text, const uint8_t *octets, size_t bytes)
{
    hex_encode(octets, bytes, text + strlen(text));
}

/* Regions with one issuer each, whose hash begins with the octet given, and team lines. */
static const struct roster *make_roster_of(const char *teams, size_t count, const char *const regions[],
                                           const uint8_t first[])
{
    static const uint8_t seed[32] = {7};
    char text[2048] = "vacancy roster v1\nversion 1\n";
    uint8_t key[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];
    struct signer *root = signer_from_seed(seed);
    signer_public_key(root, key);
    for (size_t i = 0; i < count; i++) {
        const uint8_t issuer[DIGEST_BYTES] = {first[i]};
        sprintf(text + strlen(text), "region %s key ", regions[i]);
        append_hex(text, key, sizeof key);
        strcat(text, " issuer ");
        append_hex(text, issuer, sizeof issuer);
        strcat(text, "\n");
    }
    strcat(text, teams);
    signer_sign(root, text, strlen(text), signature);
    strcat(text, "signature ");
    append_hex(text, signature, sizeof signature);
    strcat(text, "\n");
    signer_destroy(root);
    const struct roster *roster;
    struct problem problem;
    if (roster_parse(text, strlen(text), key, &roster, &problem) != ERR_NONE)
        fail_msg("the test's roster: %s", problem.text);
    return roster;
}

static const struct roster *make_roster(size_t count, const char *const regions[], const uint8_t first[])
{
    return make_roster_of("", count, regions, first);
}

static void set_roster(struct access *access, size_t count, const char *const regions[], const uint8_t first[])
{
    const struct roster *roster = make_roster(count, regions, first);
    access_set_roster(access, roster);
    roster_unref(roster);
}

static const char *const both_regions[] = {"E12000003", "E12000009"};
#define SOUTH_LISTED 4 /* its issuer in the roster; the options have south_key for it */
static const uint8_t listed_key[DIGEST_BYTES] = {SOUTH_LISTED}, north_new_key[DIGEST_BYTES] = {5};

/* Of the roster's regions E12000003 (issuer 5) and E12000009 (issuer 4). */
static const struct row roster_rows[] = {
    {"another hub, for hubs", SOUTH "/hub", listed_key, ROLE_BIT(ROLE_HUB), ERR_NONE, ""},
    {"the own hub", NORTH "/hub", north_key, ROLE_BIT(ROLE_HUB), ERR_NONE, ""},
    {"another hub's issuer that only the options know", SOUTH "/hub", south_key, ROLE_BIT(ROLE_HUB),
     ERR_UNAUTHENTICATED, "issuer"},
    {"A11 the name of south under north's issuer", SOUTH "/hub", north_key, ROLE_BIT(ROLE_HUB), ERR_UNAUTHENTICATED,
     "issuer"},
    {"A11 the name of a region beyond the roster under south's issuer", DOMAIN "/region/E12000001/hub", listed_key,
     ROLE_BIT(ROLE_HUB), ERR_UNAUTHENTICATED, "issuer"},
    {"wrong region: beyond the roster", DOMAIN "/region/E12000001/hub", other_key, ROLE_BIT(ROLE_HUB), ERR_FORBIDDEN,
     "region E12000001 is not in the roster of the hub of region E12000003"},
    {"A9 another hub's certificate for searches", SOUTH "/hub", listed_key, ROLE_BIT(ROLE_TEAM), ERR_FORBIDDEN,
     "E12000009"},
    {"R14 an agency's certificate on a link", NORTH "/agency/leeds", north_key, ROLE_BIT(ROLE_HUB), ERR_FORBIDDEN,
     "this method is for another hub; the certificate is an agency's"},
    {"R14 another region's agency on a link", SOUTH "/agency/leeds", listed_key, ROLE_BIT(ROLE_HUB), ERR_FORBIDDEN,
     "hub of region E12000009"},
    {"another region's team", SOUTH "/placement-team/E06000023/duty", listed_key, ANY, ERR_FORBIDDEN,
     "hub of region E12000009"},
    {"another region's auditor", SOUTH "/auditor/ann", listed_key, ANY, ERR_FORBIDDEN, "hub of region E12000009"},
    {"another region's operator", SOUTH "/operator/olive", listed_key, ANY, ERR_FORBIDDEN, "hub of region E12000009"},
    {"an operator by an issuer that the roster brought", NORTH "/operator/olive", north_new_key, ANY, ERR_NONE, ""},
};

static void test_hubs_of_the_roster(void **state)
{
    (void)state;
    struct access *access = make_access();
    struct tls_peer south = fake_peer(SOUTH "/hub", listed_key);
    struct principal who;
    struct problem problem;
    tell(access, LOG_TABLE_AGENCY, "leeds", false, "", 0);
    set_roster(access, 2, both_regions, (const uint8_t[]){5, SOUTH_LISTED});
    for (size_t i = 0; i < sizeof roster_rows / sizeof roster_rows[0]; i++) {
        struct tls_peer peer = fake_peer(roster_rows[i].name, roster_rows[i].issuer);
        memset(&problem, 0, sizeof problem);
        enum err err = access_identify(access, &peer, roster_rows[i].roles, &who, &problem);
        if (err != roster_rows[i].expected || strstr(problem.text, roster_rows[i].text) == NULL)
            fail_msg("%s: %s \"%s\"", roster_rows[i].what, err_name(err), problem.text);
    }
    suspend(access, SOUTH "/hub", true);
    assert_int_equal(identify(access, &south), ERR_FORBIDDEN);
    suspend(access, SOUTH "/hub", false);
    assert_int_equal(identify(access, &south), ERR_NONE);
    /* A new roster counts at once: another issuer, then without that region, then none. */
    set_roster(access, 2, both_regions, (const uint8_t[]){5, 6});
    assert_int_equal(identify(access, &south), ERR_UNAUTHENTICATED);
    set_roster(access, 2, both_regions, (const uint8_t[]){5, SOUTH_LISTED});
    assert_int_equal(identify(access, &south), ERR_NONE);
    set_roster(access, 1, both_regions, (const uint8_t[]){5});
    assert_int_equal(identify(access, &south), ERR_FORBIDDEN);
    south = fake_peer(SOUTH "/hub", south_key); /* bound by the options, which don't make it one of the federation */
    assert_int_equal(identify(access, &south), ERR_FORBIDDEN);
    access_set_roster(access, NULL);
    assert_int_equal(identify(access, &south), ERR_FORBIDDEN);
    access_destroy(access);
}

/* Of the roster: teams of Bristol (E06000023) are south's, those of Leeds (E08000035) north's. */
static const struct row vouched_rows[] = {
    {"south's team", SOUTH "/placement-team/E06000023/duty", NULL, ROLE_BIT(ROLE_TEAM), ERR_NONE, ""},
    {"south's agency", SOUTH "/agency/avon", NULL, ROLE_BIT(ROLE_AGENCY), ERR_NONE, ""},
    {"a team of an authority that is north's", SOUTH "/placement-team/E08000035/duty", NULL, ROLE_BIT(ROLE_TEAM),
     ERR_FORBIDDEN, "roster"},
    {"a team of an authority that is nobody's", SOUTH "/placement-team/E06000060/duty", NULL, ROLE_BIT(ROLE_TEAM),
     ERR_FORBIDDEN, "roster"},
    {"north's own team", NORTH "/placement-team/E08000035/duty", NULL, ROLE_BIT(ROLE_TEAM), ERR_FORBIDDEN,
     "can't vouch for a principal of region E12000003"},
    {"north's own agency", NORTH "/agency/leeds", NULL, ROLE_BIT(ROLE_AGENCY), ERR_FORBIDDEN, "can't vouch"},
    {"a third region's agency", DOMAIN "/region/E12000001/agency/tees", NULL, ROLE_BIT(ROLE_AGENCY), ERR_FORBIDDEN,
     "can't vouch"},
    {"an agency where a team is needed", SOUTH "/agency/avon", NULL, ROLE_BIT(ROLE_TEAM), ERR_FORBIDDEN,
     "a fostering agency"},
    {"a team where an agency is needed", SOUTH "/placement-team/E06000023/duty", NULL, ROLE_BIT(ROLE_AGENCY),
     ERR_FORBIDDEN, "a placement team"},
    {"itself", SOUTH "/hub", NULL, ANY, ERR_FORBIDDEN, "another hub"},
    {"an operator", SOUTH "/operator/olive", NULL, ANY, ERR_FORBIDDEN, "an operator"},
    {"an auditor", SOUTH "/auditor/ann", NULL, ANY, ERR_FORBIDDEN, "an auditor"},
    {"a suspended team", SOUTH "/placement-team/E06000023/shut", NULL, ROLE_BIT(ROLE_TEAM), ERR_FORBIDDEN, "suspended"},
    {"A3 another trust domain", "spiffe://other.example/region/E12000009/placement-team/E06000023/duty", NULL, ANY,
     ERR_UNAUTHENTICATED, ""},
    {"A4 upper case", "spiffe://Fostering.example/region/E12000009/placement-team/E06000023/duty", NULL, ANY,
     ERR_UNAUTHENTICATED, ""},
    {"no name", "", NULL, ANY, ERR_UNAUTHENTICATED, ""},
};

/* Design 4.3: the one way to a principal beside a certificate. */
static void test_vouched(void **state)
{
    (void)state;
    struct access *access = make_access();
    const struct roster *roster = make_roster_of("team E06000023 E12000009\nteam E08000035 E12000003\n", 2,
                                                 both_regions, (const uint8_t[]){5, SOUTH_LISTED});
    access_set_roster(access, roster);
    roster_unref(roster);
    struct tls_peer south = fake_peer(SOUTH "/hub", listed_key), own = fake_peer(NORTH "/hub", north_key);
    struct principal hub, who;
    struct problem problem;
    assert_int_equal(access_identify(access, &south, ROLE_BIT(ROLE_HUB), &hub, &problem), ERR_NONE);
    suspend(access, SOUTH "/placement-team/E06000023/shut", true);
    for (size_t i = 0; i < sizeof vouched_rows / sizeof vouched_rows[0]; i++) {
        const struct row *row = &vouched_rows[i];
        problem = (struct problem){0};
        memset(&who, 0x5a, sizeof who);
        enum err err = access_vouched(access, &hub, row->name, row->roles, &who, &problem);
        if (err != row->expected || problem.code != err || strstr(problem.text, row->text) == NULL)
            fail_msg("%s: %s \"%s\"", row->what, err_name(err), problem.text);
        if (err != ERR_NONE) {
            assert_string_equal(problem.field, "principal");
            assert_int_equal((uint8_t)who.name[0], 0x5a);
            continue;
        }
        assert_string_equal(who.name, row->name);
        assert_string_equal(who.region, "E12000009");
    }
    static const char team[] = SOUTH "/placement-team/E06000023/duty";
    assert_int_equal(access_vouched(access, &hub, team, ANY, &who, NULL), ERR_NONE);
    assert_int_equal(who.role, ROLE_TEAM);
    assert_string_equal(who.authority, "E06000023");
    assert_string_equal(who.id, "duty");
    /* The hub itself: suspended, no hub, this region's own, no longer in the roster. */
    suspend(access, SOUTH "/hub", true);
    assert_int_equal(access_vouched(access, &hub, team, ANY, &who, &problem), ERR_FORBIDDEN);
    suspend(access, SOUTH "/hub", false);
    assert_int_equal(access_vouched(access, &hub, team, ANY, &who, &problem), ERR_NONE);
    assert_int_equal(access_vouched(access, &who, team, ANY, &who, &problem), ERR_FORBIDDEN);
    assert_int_equal(access_identify(access, &own, ROLE_BIT(ROLE_HUB), &who, &problem), ERR_NONE);
    assert_int_equal(access_vouched(access, &who, NORTH "/placement-team/E08000035/duty", ANY, &who, &problem),
                     ERR_FORBIDDEN);
    set_roster(access, 1, both_regions, (const uint8_t[]){5});
    assert_int_equal(access_vouched(access, &hub, team, ANY, &who, &problem), ERR_FORBIDDEN);
    access_set_roster(access, NULL);
    assert_int_equal(access_vouched(access, &hub, team, ANY, &who, &problem), ERR_FORBIDDEN);
    access_destroy(access);
}

/* Readers on other threads see whole versions while the observer and a reload replace them (for TSan and ASan). */
struct readers {
    struct access *access;
    atomic_bool stop;
    atomic_ullong asked;
};

static void *keep_asking(void *arg)
{
    struct readers *readers = arg;
    struct tls_peer agency = fake_peer(NORTH "/agency/a00", north_key);
    struct tls_peer hub = fake_peer(SOUTH "/hub", listed_key);
    struct principal who;
    while (!atomic_load(&readers->stop)) {
        if (access_identify(readers->access, &agency, ANY, &who, NULL) != ERR_NONE ||
            access_identify(readers->access, &hub, ANY, &who, NULL) != ERR_NONE)
            return readers; /* one that stands all the time was refused */
        atomic_fetch_add(&readers->asked, 1);
    }
    return NULL;
}

static void *keep_reloading(void *arg)
{
    struct readers *readers = arg;
    for (uint8_t i = 0; !atomic_load(&readers->stop); i++)
        set_roster(readers->access, 2, both_regions, (const uint8_t[]){i, SOUTH_LISTED});
    return NULL;
}

static void test_readers_and_the_observer(void **state)
{
    (void)state;
    struct readers readers = {.access = make_access()};
    tell(readers.access, LOG_TABLE_AGENCY, "a00", false, "", 0);
    set_roster(readers.access, 2, both_regions, (const uint8_t[]){5, SOUTH_LISTED});
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = thread_start("reader", i < 2 ? keep_asking : keep_reloading, &readers);
    for (int i = 0; i < 400 || atomic_load(&readers.asked) < 100; i++) {
        char id[AGENCY_ID_BYTES];
        snprintf(id, sizeof id, "a%02d", 1 + i % 60);
        tell(readers.access, LOG_TABLE_AGENCY, id, i % 120 >= 60, "", 0);
    }
    atomic_store(&readers.stop, true);
    for (int i = 0; i < 3; i++) {
        void *refused = NULL;
        pthread_join(threads[i], &refused);
        assert_null(refused);
    }
    access_destroy(readers.access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_parts_of_a_name),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_expires_while_connected),
        cmocka_unit_test(test_standing_changes_at_once),
        cmocka_unit_test(test_names_for_standing),
        cmocka_unit_test(test_hubs_of_the_roster),
        cmocka_unit_test(test_vouched),
        cmocka_unit_test(test_readers_and_the_observer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
