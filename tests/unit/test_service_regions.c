/* tier: check */
/*
 * test_service_regions.c - a hub that replicates another region is asked: its vacancies are found and disclosed as its
 * own are, and every region of the roster says how old it is (design 4.6, 4.8, issue 3 item 8).
 */
#include "tests/lib/fake_hub.h"
#include "tests/unit/match_fixture.h"
#include "tests/unit/replica_fixture.h"
#include "vacancy/v1/hub_service.pb-c.h"
#include "vacancy/v1/placement_service.pb-c.h"

#define FIND      "/vacancy.v1.PlacementService/FindVacancies"
#define EXPLAIN   "/vacancy.v1.PlacementService/ExplainVacancy"
#define REFERENCE 77
#define VACANCY   4711
#define HEX       "2222222222222222222222222222222222222222222222222222222222222222"

struct national {
    struct fake_hub hub;  /* of E12000003 */
    struct rig rig;       /* its wall clock and root key; the replica is of this test */
    struct origin *north; /* E12000002 */
    struct store *store;
    struct replica *replica;
    const struct roster *roster;
    struct fake_call *call;
};

static void put(struct origin *origin, enum log_table table, const void *key, size_t key_bytes,
                const struct octets *value)
{
    const struct octets octets = {key, key_bytes};
    origin_keep(origin, table, &octets, value);
    origin_log(origin, table, &octets, value);
}

/* An agency whose id is also one of ours, and a home in the middle of Leeds. */
static struct origin *make_north(int64_t now_ms)
{
    struct origin *north = origin_create(REGION_A, 1);
    struct agency agency = {.id = "leeds", .name = "North", .kind = AGENCY_INDEPENDENT, .status = AGENCY_ACTIVE};
    struct offer offer;
    struct octets value;
    uint8_t key[8];
    north->time_ms = now_ms;
    origin_epoch(north, 1, 0x11);
    origin_sign(north);
    assert_int_equal(agency_encode(&agency, north->arena, &value), ERR_NONE);
    put(north, LOG_TABLE_AGENCY, "leeds", 5, &value);
    fixture_offer(&offer, VACANCY, 430000, 433500);
    offer.valid_until_ms = now_ms + 3600000;
    assert_int_equal(offer_encode(&offer, north->arena, &value), ERR_NONE);
    put_be64(key, REFERENCE);
    put(north, LOG_TABLE_OFFER, key, sizeof key, &value);
    origin_sign(north);
    return north;
}

static void give(struct national *n, struct replica_work *work)
{
    replica_apply(n->replica, &work, 1);
    if (work->verdict != VERDICT_APPLIED)
        fail_msg("%s: %s", replica_verdict_name(work->verdict), work->problem.text);
    replica_work_destroy(work);
}

/* What north signs at rest. */
static void heartbeat(struct national *n, int64_t at_ms)
{
    n->north->time_ms = at_ms;
    origin_sign(n->north);
    give(n, work_of(WORK_BATCH, n->north, 1, 0, &n->north->at[n->north->sequence]));
}

static int set_up(void **state)
{
    struct national *n = calloc(1, sizeof *n);
    struct problem problem = {0};
    fake_hub_open(&n->hub);
    n->rig.root = signer_from_seed((const uint8_t *)"the national root's roster key..");
    n->north = make_north(n->hub.now_ms);
    n->roster = rig_roster(&n->rig, 1, n->north, NULL,
                           "region " FAKE_REGION " key " HEX " issuer " HEX "\n"
                           "region E12000007 key " HEX " issuer " HEX "\n");
    n->store = store_memory_create();
    const struct replica_options options = {.home_region = FAKE_REGION, .clock = &n->hub.clock, .roster = n->roster};
    assert_int_equal(replica_open(&options, n->store, &n->replica, &problem), ERR_NONE);
    const struct commit_observer observer = match_observer(n->hub.match);
    assert_int_equal(replica_observe(n->replica, &observer), ERR_NONE);
    n->hub.context.replica = n->replica;
    *state = n;
    return 0;
}

static int tear_down(void **state)
{
    struct national *n = *state;
    fake_hub_close(&n->hub);
    replica_close(n->replica);
    n->store->ops->close(n->store);
    roster_unref(n->roster);
    signer_destroy(n->rig.root);
    origin_destroy(n->north);
    free(n);
    return 0;
}

/* A girl of eight near the middle of Leeds. */
struct asked {
    Vacancy__V1__FindVacanciesRequest request;
    Vacancy__V1__Child child, *children[1];
};

static void ask(struct asked *asked)
{
    vacancy__v1__find_vacancies_request__init(&asked->request);
    vacancy__v1__child__init(&asked->child);
    asked->child.age_months = 96;
    asked->child.sex = VACANCY__V1__SEX__SEX_F;
    asked->children[0] = &asked->child;
    asked->request.request_reference = (char *)"383-204417";
    asked->request.purpose = VACANCY__V1__PURPOSE__PURPOSE_PLACEMENT;
    asked->request.near_postcode = (char *)"LS1 4AP";
    asked->request.children = asked->children;
    asked->request.n_children = 1;
    asked->request.care_type = VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM;
}

static const void *answer_of(struct national *n, const char *path, const ProtobufCMessage *request)
{
    if (n->call != NULL)
        fake_call_destroy(n->call);
    n->call = fake_hub_ask(&n->hub, FAKE_TEAM, path, request);
    return fake_hub_answer(n->call);
}

static const Vacancy__V1__FindVacanciesResponse *find(struct national *n)
{
    struct asked asked;
    ask(&asked);
    return answer_of(n, FIND, &asked.request.base);
}

static const Vacancy__V1__RegionPosition *position(const Vacancy__V1__FindVacanciesResponse *answer, const char *region)
{
    for (size_t i = 0; i < answer->n_positions; i++)
        if (strcmp(answer->positions[i]->region, region) == 0)
            return answer->positions[i];
    fail_msg("nothing is said of region %s", region);
    return NULL;
}

/* Before anything has come, every other region is missing, and the answer says so. */
static void test_missing_until_it_comes(void **state)
{
    struct national *n = *state;
    const Vacancy__V1__FindVacanciesResponse *answer = find(n);
    assert_int_equal(answer->n_options, 0);
    assert_int_equal(answer->n_positions, 4); /* ours, north, and two of which nothing ever comes */
    assert_true(position(answer, REGION_A)->missing);
    assert_false(position(answer, FAKE_REGION)->missing);
    give(n, batch_of(n->north, 1, n->north->sequence));
    answer = find(n);
    assert_int_equal(answer->n_options, 1);
    assert_false(position(answer, REGION_A)->missing);
    assert_true(position(answer, REGION_A)->sequence == n->north->sequence);
    assert_true(position(answer, REGION_A)->epoch == 1);
    assert_true(position(answer, OUR_REGION)->missing);
    assert_true(position(answer, "E12000007")->missing);
    fake_call_destroy(n->call);
}

/* The record there has the vacancy's id, and the carer's. */
static void assert_disclosed(struct national *n, uint64_t sequence)
{
    struct audit_row row;
    struct arena arena;
    size_t got;
    arena_init(&arena, 1 << 20);
    assert_int_equal(disclosures_read(n->hub.disclosures, sequence, &arena, &row, 1, &got), ERR_NONE);
    assert_int_equal(got, 1);
    Vacancy__V1__AuditRecord *record = vacancy__v1__audit_record__unpack(NULL, row.octets.size, row.octets.data);
    assert_non_null(record);
    assert_int_equal(record->n_subjects, 2);
    char text[ID_TEXT_BYTES];
    id_format(VACANCY, text);
    assert_string_equal(record->subjects[0], text);
    id_format(REFERENCE, text);
    assert_string_equal(record->subjects[1], text);
    vacancy__v1__audit_record__free_unpacked(record, NULL);
    arena_finish(&arena);
}

static void test_found_and_disclosed(void **state)
{
    struct national *n = *state;
    give(n, batch_of(n->north, 1, n->north->sequence));
    uint64_t shown = fake_hub_shown(&n->hub);
    const Vacancy__V1__FindVacanciesResponse *answer = find(n);
    assert_int_equal(answer->n_options, 1);
    assert_string_equal(answer->options[0]->region, REGION_A);
    assert_string_equal(answer->options[0]->agency->name, "North");
    assert_true(fake_hub_shown(&n->hub) == shown + 1);
    assert_disclosed(n, shown + 1);
    fake_call_destroy(n->call);
}

/* Its hub needn't be asked. */
static void test_explained_and_disclosed(void **state)
{
    struct national *n = *state;
    struct asked asked;
    Vacancy__V1__ExplainVacancyRequest request = VACANCY__V1__EXPLAIN_VACANCY_REQUEST__INIT;
    char id[ID_TEXT_BYTES];
    ask(&asked);
    id_format(VACANCY, id);
    request.question = &asked.request;
    request.vacancy_id = id;
    n->call = fake_hub_ask(&n->hub, FAKE_TEAM, EXPLAIN, &request.base);
    assert_int_equal(n->call->problem.code, ERR_NOT_FOUND); /* not here yet */
    give(n, batch_of(n->north, 1, n->north->sequence));
    uint64_t shown = fake_hub_shown(&n->hub);
    const Vacancy__V1__ExplainVacancyResponse *answer = answer_of(n, EXPLAIN, &request.base);
    assert_true(answer->suitable && answer->ahead == 0);
    assert_string_equal(answer->option->region, REGION_A);
    assert_string_equal(answer->option->agency->name, "North");
    assert_int_equal(answer->n_positions, 4);
    assert_true(answer->as_of_ms == n->hub.now_ms);
    assert_true(fake_hub_shown(&n->hub) == shown + 1);
    assert_disclosed(n, shown + 1);
    fake_call_destroy(n->call);
}

/* Measured from what the region signed last; the hub's own is never old. */
static void test_age(void **state)
{
    struct national *n = *state;
    give(n, batch_of(n->north, 1, n->north->sequence));
    n->hub.now_ms += STALE_AFTER_DEFAULT_MS;
    assert_true(position(find(n), REGION_A)->age_ms == STALE_AFTER_DEFAULT_MS);
    assert_false(position(find(n), REGION_A)->stale);
    n->hub.now_ms++;
    assert_true(position(find(n), REGION_A)->stale);
    assert_int_equal(find(n)->n_options, 1); /* search always answers */
    assert_true(position(find(n), FAKE_REGION)->age_ms == 0 && !position(find(n), FAKE_REGION)->stale);
    heartbeat(n, n->hub.now_ms - 10);
    assert_true(position(find(n), REGION_A)->age_ms == 10);
    assert_false(position(find(n), REGION_A)->stale);
    /* Signed by a clock ahead of ours: it ages all the same, from when it was first seen. */
    heartbeat(n, n->hub.now_ms + 7200000);
    n->hub.now_ms += 500;
    assert_true(position(find(n), REGION_A)->age_ms == 500);
    assert_true(position(find(n), REGION_A)->clock_differs_ms == 7200000 - 500);
    fake_call_destroy(n->call);
}

/* A region that leaves the roster takes its vacancies and its line along. */
static void test_a_region_that_leaves_the_roster(void **state)
{
    struct national *n = *state;
    give(n, batch_of(n->north, 1, n->north->sequence));
    assert_int_equal(find(n)->n_options, 1);
    const struct roster *roster = rig_roster(&n->rig, 2, NULL, NULL, "");
    replica_set_roster(n->replica, roster);
    roster_unref(roster);
    const Vacancy__V1__FindVacanciesResponse *answer = find(n);
    assert_int_equal(answer->n_options, 0);
    assert_int_equal(answer->n_positions, 2);
    assert_true(position(answer, OUR_REGION)->missing);
    replica_set_roster(n->replica, n->roster);
    assert_int_equal(find(n)->n_options, 1);
    assert_int_equal(find(n)->n_positions, 4);
    fake_call_destroy(n->call);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_missing_until_it_comes),          CASE(test_found_and_disclosed),
        CASE(test_explained_and_disclosed),         CASE(test_age),
        CASE(test_a_region_that_leaves_the_roster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
