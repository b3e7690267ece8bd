/*
 * fake_hub.c - see fake_hub.h.
 */
#include "tests/lib/fake_hub.h"

#include "daemon/base/log.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <stdio.h>
#include <string.h>

static const uint8_t issuer_key[DIGEST_BYTES] = {1};

static int64_t now_ms(void *ctx)
{
    return ((struct fake_hub *)ctx)->now_ms;
}

static void must(enum err err, const struct problem *problem, const char *what)
{
    if (err != ERR_NONE)
        log_fatal("test", "%s: %s %s", what, err_name(err), problem->text);
}

static void open_register(struct fake_hub *hub)
{
    struct problem problem = {0};
    uint8_t seed[32] = {7};
    hub->randomness = seeded_random_source(&hub->random);
    hub->signer = signer_from_seed(seed);
    hub->store = store_memory_create();
    struct home_options options = {.region = FAKE_REGION,
                                   .clock = &hub->clock,
                                   .randomness = &hub->randomness,
                                   .signer = hub->signer,
                                   .reference_secret = {9}};
    must(home_open(&options, hub->store, &hub->home, &problem), &problem, "home_open");
    must(gazetteer_load(NULL, &hub->gazetteer, &problem), &problem, "gazetteer_load");
}

static void open_access(struct fake_hub *hub)
{
    struct problem problem = {0};
    struct issuer_binding issuer = {.region = FAKE_REGION};
    memcpy(issuer.key_sha256, issuer_key, DIGEST_BYTES);
    struct access_options options = {.trust_domain = "fostering.example",
                                     .region = FAKE_REGION,
                                     .issuers = &issuer,
                                     .issuer_count = 1,
                                     .clock = &hub->clock};
    hub->access = access_create(&options);
    hub->match = match_create(hub->gazetteer, FAKE_REGION);
    struct commit_observer observers[] = {access_observer(hub->access), match_observer(hub->match)};
    for (size_t i = 0; i < 2; i++)
        must(home_observe(hub->home, &observers[i]), &problem, "home_observe");
    must(disclosures_open(hub->store, hub->home, FAKE_REGION, &hub->clock, hub->signer, &hub->disclosures, &problem),
         &problem, "disclosures_open");
}

static void put_agency(struct fake_hub *hub, Vacancy__V1__Agency *agency)
{
    Vacancy__V1__PutAgencyRequest request = VACANCY__V1__PUT_AGENCY_REQUEST__INIT;
    request.agency = agency;
    struct fake_call *call = fake_hub_ask(hub, FAKE_OLIVE, "/vacancy.v1.HubService/PutAgency", &request.base);
    fake_hub_answer(call);
    fake_call_destroy(call);
}

static void put_agencies(struct fake_hub *hub)
{
    Vacancy__V1__Agency agency = VACANCY__V1__AGENCY__INIT;
    agency.id = (char *)"leeds";
    agency.name = (char *)"Leeds City Council";
    agency.kind = VACANCY__V1__AGENCY_KIND__AGENCY_KIND_LOCAL_AUTHORITY;
    agency.authority = (char *)"E08000035";
    agency.phone = (char *)"0113 496 0000";
    put_agency(hub, &agency);
    vacancy__v1__agency__init(&agency);
    agency.id = (char *)"homes";
    agency.name = (char *)"Good Homes";
    agency.kind = VACANCY__V1__AGENCY_KIND__AGENCY_KIND_INDEPENDENT;
    agency.ofsted_urn = (char *)"SC012345";
    put_agency(hub, &agency);
}

void fake_hub_open(struct fake_hub *hub)
{
    size_t count;
    memset(hub, 0, sizeof *hub);
    hub->now_ms = FAKE_START_MS;
    hub->clock = (struct clock_source){.wall_ms = now_ms, .boot_ms = now_ms, .ctx = hub};
    seeded_random_init(&hub->random, 1);
    open_register(hub);
    open_access(hub);
    fake_writer_init(&hub->writer, hub->home);
    hub->events = hub->writer.wakes = hub->context.events = wakes_create();
    hub->context.home = hub->home;
    hub->context.updates = fake_writer_port(&hub->writer);
    hub->context.match = hub->match;
    hub->context.gazetteer = hub->gazetteer;
    hub->context.access = hub->access;
    hub->context.disclosures = hub->disclosures;
    strcpy(hub->context.region, FAKE_REGION);
    hub->context.allow_sector = true;
    hub->context.version = "test";
    hub->context.started_boot_ms = hub->now_ms;
    const struct rpc_method *methods = service_methods(&count);
    fake_host_init(&hub->host, methods, count, &hub->context, &hub->clock);
    put_agencies(hub);
}

void fake_hub_close(struct fake_hub *hub)
{
    fake_host_finish(&hub->host);
    wakes_destroy(hub->events);
    disclosures_close(hub->disclosures);
    home_close(hub->home);
    match_destroy(hub->match);
    access_destroy(hub->access);
    gazetteer_destroy(hub->gazetteer);
    hub->store->ops->close(hub->store);
    signer_destroy(hub->signer);
}

void fake_hub_set_roster(struct fake_hub *hub)
{
    static const uint8_t seed[32] = {1};
    struct signer *root = signer_from_seed(seed);
    char text[1024], hex[65], issuer_hex[65], signature_hex[129];
    uint8_t key[PUBLIC_KEY_BYTES], signature[SIGNATURE_BYTES];
    struct problem problem = {0};
    const struct roster *roster;
    signer_public_key(root, key);
    hex_encode(key, sizeof key, hex);
    hex_encode(issuer_key, sizeof issuer_key, issuer_hex);
    int size = snprintf(text, sizeof text,
                        "vacancy roster v1\nversion 3\nregion " FAKE_REGION " key %s issuer %s\nregion " FAKE_NORTH
                        " key %s issuer %s\nteam E06000047 " FAKE_NORTH "\nteam E08000035 " FAKE_REGION "\n",
                        hex, issuer_hex, hex, issuer_hex);
    signer_sign(root, text, (size_t)size, signature);
    hex_encode(signature, sizeof signature, signature_hex);
    size += snprintf(text + size, sizeof text - (size_t)size, "signature %s\n", signature_hex);
    signer_destroy(root);
    must(roster_parse(text, (size_t)size, key, &roster, &problem), &problem, "roster_parse");
    access_set_roster(hub->access, roster);
    roster_unref(roster);
}

struct fake_call *fake_hub_ask(struct fake_hub *hub, const char *principal, const char *path,
                               const ProtobufCMessage *request)
{
    struct tls_peer peer = fake_peer(principal, issuer_key);
    struct fake_call *call = fake_unary(&hub->host, path, &peer, request);
    fake_settle(&hub->host, &hub->writer);
    return call;
}

const void *fake_hub_answer(const struct fake_call *call)
{
    if (!call->finished || call->problem.code != ERR_NONE || call->response_count != 1)
        log_fatal("test", "%s: %zu responses, %s %s: %s", call->call.method->path, call->response_count,
                  err_name(call->problem.code), call->problem.field, call->problem.text);
    return call->responses[0].message;
}

uint64_t fake_hub_log(struct fake_hub *hub)
{
    uint64_t epoch, sequence;
    home_position(hub->home, &epoch, &sequence);
    return sequence;
}

uint64_t fake_hub_shown(struct fake_hub *hub)
{
    struct signed_head head;
    struct problem problem = {0};
    must(disclosures_last_head(hub->disclosures, &head), &problem, "disclosures_last_head");
    return head.head.disclosures.sequence;
}

/* --- messages -------------------------------------------------------------------------------------------------- */

void fake_carer_init(struct fake_carer *parts, const char *reference, int64_t observed_at_ms)
{
    Vacancy__V1__Carer *carer = &parts->carer;
    memset(parts, 0, sizeof *parts);
    vacancy__v1__carer__init(carer);
    vacancy__v1__terms__init(&parts->terms);
    vacancy__v1__put_carer_request__init(&parts->request);
    for (size_t i = 0; i < 13; i++) {
        vacancy__v1__placed_child__init(&parts->placed[i]);
        parts->placed[i].age_band = VACANCY__V1__AGE_BAND__AGE_BAND_6_8;
        parts->placed[i].sex = VACANCY__V1__SEX__SEX_F;
        parts->placed[i].responsible_authority = (char *)"E08000035";
        parts->placed_at[i] = &parts->placed[i];
        vacancy__v1__household_child__init(&parts->household[i]);
        parts->household[i].age_band = VACANCY__V1__AGE_BAND__AGE_BAND_9_11;
        parts->household[i].sex = VACANCY__V1__SEX__SEX_M;
        parts->household_at[i] = &parts->household[i];
    }
    for (size_t i = 0; i < 5; i++) {
        vacancy__v1__exemption__init(&parts->exemptions[i]);
        parts->exemptions[i].authority = (char *)"E08000035";
        parts->exemptions[i].children = 1;
        parts->exemptions_at[i] = &parts->exemptions[i];
    }
    for (size_t i = 0; i < 9; i++) {
        static char tags[9][3] = {"pl", "ur", "pa", "bn", "gu", "ar", "so", "ti", "am"};
        vacancy__v1__spoken_language__init(&parts->languages[i]);
        parts->languages[i].tag = tags[i];
        parts->languages[i].level = VACANCY__V1__LANGUAGE_LEVEL__LANGUAGE_LEVEL_FLUENT;
        parts->languages_at[i] = &parts->languages[i];
    }
    parts->care_types[0] = VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM;
    parts->care_types[1] = VACANCY__V1__CARE_TYPE__CARE_TYPE_LONG_TERM;
    parts->terms.max_children = 3;
    parts->terms.age_from_months = 60;
    parts->terms.age_below_months = 192;
    parts->terms.n_care_types = 2;
    parts->terms.care_types = parts->care_types;
    carer->agency_reference = (char *)reference;
    carer->observed_at_ms = observed_at_ms;
    carer->terms = &parts->terms;
    carer->approved_on = (char *)"2020-03-01";
    carer->places = 3;
    carer->bedrooms = 2;
    carer->home_postcode = (char *)"LS6 1AB";
    carer->placed_children = parts->placed_at;
    carer->n_placed_children = 1;
    carer->household_children = parts->household_at;
    carer->n_household_children = 1;
    carer->exemptions = parts->exemptions_at;
    carer->languages = parts->languages_at;
    carer->n_languages = 2;
    parts->request.carer = carer;
}

void fake_vacancy_init(struct fake_vacancy *parts, const char *reference, int64_t observed_at_ms)
{
    Vacancy__V1__Vacancy *vacancy = &parts->vacancy;
    memset(parts, 0, sizeof *parts);
    vacancy__v1__vacancy__init(vacancy);
    vacancy__v1__put_vacancy_request__init(&parts->request);
    vacancy->agency_reference = (char *)reference;
    vacancy->observed_at_ms = observed_at_ms;
    vacancy->state = VACANCY__V1__VACANCY_STATE__VACANCY_STATE_VACANT;
    vacancy->beds = 2;
    vacancy->care_types = parts->care_types;
    parts->care_types[0] = VACANCY__V1__CARE_TYPE__CARE_TYPE_SHORT_TERM;
    parts->request.vacancy = vacancy;
}
