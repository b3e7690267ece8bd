/*
 * fake_hub.h - a hub's shipped logic in one thread: register on the in-memory store, match, access, services, calls.
 *
 * Owns: the parts and a clock that stands still until told. One agency ("leeds", a council's), principals of region
 * E12000003. Not here: the simulator's faults and invariants.
 */
#ifndef VACANCY_TESTS_FAKE_HUB_H
#define VACANCY_TESTS_FAKE_HUB_H

#include "tests/lib/fake_call.h"
#include "vacancy/v1/agency_service.pb-c.h"

#define FAKE_START_MS 1780315200000LL /* 2026-06-01T12:00:00Z */
#define FAKE_REGION   "E12000003"
#define FAKE_NORTH    "E12000001" /* of fake_hub_set_roster */

#define FAKE_DOMAIN "spiffe://fostering.example/region/"
#define FAKE_LEEDS  FAKE_DOMAIN "E12000003/agency/leeds"
#define FAKE_HOMES  FAKE_DOMAIN "E12000003/agency/homes"
#define FAKE_TEAM   FAKE_DOMAIN "E12000003/placement-team/E08000035/duty"
#define FAKE_OLIVE  FAKE_DOMAIN "E12000003/operator/olive"
#define FAKE_ANN    FAKE_DOMAIN "E12000003/auditor/ann"
#define FAKE_HUB    FAKE_DOMAIN "E12000003/hub"

struct fake_hub {
    int64_t now_ms;
    struct clock_source clock;
    struct seeded_random random;
    struct randomness randomness;
    struct signer *signer;
    struct store *store;
    struct home *home;
    struct gazetteer *gazetteer;
    struct match *match;
    struct access *access;
    struct disclosures *disclosures;
    struct wakes *events;
    struct service_context context;
    struct fake_host host;
    struct fake_writer writer;
};

/* Everything open, and the agencies "leeds" and "homes" registered. Aborts on any failure. */
void fake_hub_open(struct fake_hub *hub);
void fake_hub_close(struct fake_hub *hub);
/* From now on a roster says that there is a second region, FAKE_NORTH: E06000047's teams are its, E08000035's are ours.
 */
void fake_hub_set_roster(struct fake_hub *hub);
/* A unary call, or a server stream to its end. Destroyed by the caller (fake_call_destroy). */
struct fake_call *fake_hub_ask(struct fake_hub *hub, const char *principal, const char *path,
                               const ProtobufCMessage *request);
/* The only response of a call that went well; fails the test otherwise. */
const void *fake_hub_answer(const struct fake_call *call);
/* Sequence of the region's log and of the disclosures chain: what an attempt that must change nothing leaves alone. */
uint64_t fake_hub_log(struct fake_hub *hub);
uint64_t fake_hub_shown(struct fake_hub *hub);

/* A good carer and its vacancy, of plain parts that a test may change. */
struct fake_carer {
    Vacancy__V1__Carer carer;
    Vacancy__V1__Terms terms;
    Vacancy__V1__CareType care_types[4];
    Vacancy__V1__PlacedChild placed[13];
    Vacancy__V1__PlacedChild *placed_at[13];
    Vacancy__V1__HouseholdChild household[13];
    Vacancy__V1__HouseholdChild *household_at[13];
    Vacancy__V1__Exemption exemptions[5];
    Vacancy__V1__Exemption *exemptions_at[5];
    Vacancy__V1__SpokenLanguage languages[9];
    Vacancy__V1__SpokenLanguage *languages_at[9];
    int codes[16];
    Vacancy__V1__PutCarerRequest request;
};
void fake_carer_init(struct fake_carer *carer, const char *reference, int64_t observed_at_ms);
struct fake_vacancy {
    Vacancy__V1__Vacancy vacancy;
    Vacancy__V1__CareType care_types[4];
    Vacancy__V1__PutVacancyRequest request;
};
void fake_vacancy_init(struct fake_vacancy *vacancy, const char *reference, int64_t observed_at_ms);

#endif
