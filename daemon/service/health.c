/*
 * health.c - Check, List and Watch. Owns the list of watchers, under its lock.
 * Invariant: a linked watcher holds one reserved reply, which health_set uses up and closed() gives back.
 */
#include "daemon/service/health.h"

#include "daemon/base/log.h"
#include "daemon/service/anyone.h"
#include "grpc/health/v1/health.pb-c.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STATUS(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

struct watcher {
    struct watcher *next, **link; /* link NULL: not linked */
    struct reply_address wake;
    bool known; /* the hub has the service */
    bool told;
    serving_status last;
};

struct health {
    pthread_mutex_t lock;
    enum health_state state;
    struct watcher *watchers;
    struct access *access;
    const char *const *services;
    const uint32_t *service_count;
};

struct health *health_create(const char *const *services, const uint32_t *count, struct access *access)
{
    struct health *health = calloc(1, sizeof *health);
    if (health == NULL)
        log_fatal("service", "out of memory");
    pthread_mutex_init(&health->lock, NULL);
    health->access = access;
    health->services = services;
    health->service_count = count;
    return health;
}

void health_destroy(struct health *health)
{
    if (health == NULL)
        return;
    pthread_mutex_destroy(&health->lock);
    free(health);
}

/* Under the lock. */
static void link_watcher(struct health *health, struct watcher *watcher)
{
    watcher->next = health->watchers;
    watcher->link = &health->watchers;
    if (watcher->next != NULL)
        watcher->next->link = &watcher->next;
    health->watchers = watcher;
}

/* Under the lock. */
static void unlink_watcher(struct watcher *watcher)
{
    *watcher->link = watcher->next;
    if (watcher->next != NULL)
        watcher->next->link = watcher->link;
    watcher->link = NULL;
}

void health_set(struct health *health, enum health_state state)
{
    pthread_mutex_lock(&health->lock);
    health->state = state;
    struct watcher *next = health->watchers;
    health->watchers = NULL;
    while (next != NULL) {
        struct watcher *watcher = next;
        next = watcher->next;
        watcher->link = NULL;
        struct mail mail = {.kind = watcher->wake.kind, .to = watcher->wake.to};
        mailbox_send_reserved(watcher->wake.mailbox, &mail);
    }
    pthread_mutex_unlock(&health->lock);
}

static enum health_state read_state(struct health *health)
{
    pthread_mutex_lock(&health->lock);
    enum health_state state = health->state;
    pthread_mutex_unlock(&health->lock);
    return state;
}

static serving_status status_of(enum health_state state)
{
    return state == HEALTH_SERVING ? STATUS(SERVING) : STATUS(NOT_SERVING);
}

static bool has_service(const struct health *health, const char *name)
{
    if (name[0] == '\0')
        return true;
    for (size_t i = 0; i < *health->service_count; i++)
        if (strcmp(name, health->services[i]) == 0)
            return true;
    return false;
}

static void check_message(struct call *call, const ProtobufCMessage *message)
{
    const Grpc__Health__V1__HealthCheckRequest *request = (const void *)message;
    struct health *health = call->context;
    if (!anyone_may_ask(health->access, call))
        return;
    if (!has_service(health, request->service)) {
        struct problem problem;
        problem_set(&problem, ERR_NOT_FOUND, "service", "this hub has no such service: List names those it has");
        call_finish(call, &problem);
        return;
    }
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = status_of(read_state(health));
    call_send(call, &response.base);
    call_finish(call, NULL);
}

static void list_message(struct call *call, const ProtobufCMessage *message)
{
    (void)message;
    struct health *health = call->context;
    if (!anyone_may_ask(health->access, call))
        return;
    Grpc__Health__V1__HealthCheckResponse state = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    state.status = status_of(read_state(health));
    size_t count = (size_t)*health->service_count + 1;
    Grpc__Health__V1__HealthListResponse__StatusesEntry *entries = arena_alloc(call->arena, count * sizeof *entries);
    Grpc__Health__V1__HealthListResponse__StatusesEntry **pointers = arena_alloc(call->arena, count * sizeof *pointers);
    if (entries == NULL || pointers == NULL) {
        struct problem problem;
        problem_set(&problem, ERR_LIMIT, "", "the answer is larger than a call may be");
        call_finish(call, &problem);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        entries[i] = (Grpc__Health__V1__HealthListResponse__StatusesEntry)
            GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__STATUSES_ENTRY__INIT;
        entries[i].key = (char *)(i == 0 ? "" : health->services[i - 1]);
        entries[i].value = &state;
        pointers[i] = &entries[i];
    }
    Grpc__Health__V1__HealthListResponse response = GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__INIT;
    response.n_statuses = count;
    response.statuses = pointers;
    call_send(call, &response.base);
    call_finish(call, NULL);
}

/* --- Watch ----------------------------------------------------------------------------------------------------- */

static void tell(struct call *call, struct watcher *watcher, serving_status status)
{
    if (watcher->told && watcher->last == status)
        return;
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = watcher->last = status;
    watcher->told = true;
    call_send(call, &response.base);
}

/* Links the watcher for the next change, and tells the state as it was at that moment: no change falls in between. */
static void watch_on(struct call *call)
{
    struct health *health = call->context;
    struct watcher *watcher = call->state;
    struct problem problem;
    if (call_reserve_reply(call, &watcher->wake) != ERR_NONE) {
        problem_set(&problem, ERR_LIMIT, "", "too much is under way: try again later");
        call_finish(call, &problem);
        return;
    }
    pthread_mutex_lock(&health->lock);
    enum health_state state = health->state;
    if (state != HEALTH_STOPPING)
        link_watcher(health, watcher);
    pthread_mutex_unlock(&health->lock);

    tell(call, watcher, watcher->known ? status_of(state) : STATUS(SERVICE_UNKNOWN));
    if (state != HEALTH_STOPPING)
        return;
    call_unreserve_reply(call);
    problem_set(&problem, ERR_UNAVAILABLE, "", "the hub is stopping: watch again when it is back");
    call_finish(call, &problem);
}

static void watch_message(struct call *call, const ProtobufCMessage *message)
{
    const Grpc__Health__V1__HealthCheckRequest *request = (const void *)message;
    struct health *health = call->context;
    if (!anyone_may_ask(health->access, call))
        return;
    struct watcher *watcher = arena_zalloc(call->arena, sizeof *watcher);
    if (watcher == NULL) {
        struct problem problem;
        problem_set(&problem, ERR_LIMIT, "", "the request is larger than a call may be");
        call_finish(call, &problem);
        return;
    }
    watcher->known = has_service(health, request->service);
    call->state = watcher;
    watch_on(call);
}

static void watch_resumed(struct call *call, const struct mail *mail)
{
    (void)mail;
    watch_on(call);
}

static void watch_closed(struct call *call)
{
    struct health *health = call->context;
    struct watcher *watcher = call->state;
    if (watcher == NULL)
        return;
    pthread_mutex_lock(&health->lock);
    bool linked = watcher->link != NULL;
    if (linked)
        unlink_watcher(watcher);
    pthread_mutex_unlock(&health->lock);
    if (linked)
        call_unreserve_reply(call);
}

static const struct call_handler check_handler = {.message = check_message};
static const struct call_handler list_handler = {.message = list_message};
static const struct call_handler watch_handler = {
    .message = watch_message, .resumed = watch_resumed, .closed = watch_closed};

const struct rpc_method *health_methods(size_t *count)
{
    static const struct rpc_method methods[] = {
        {"/grpc.health.v1.Health/Check", CALL_UNARY, &grpc__health__v1__health_check_request__descriptor,
         &grpc__health__v1__health_check_response__descriptor, &check_handler},
        {"/grpc.health.v1.Health/List", CALL_UNARY, &grpc__health__v1__health_list_request__descriptor,
         &grpc__health__v1__health_list_response__descriptor, &list_handler},
        {"/grpc.health.v1.Health/Watch", CALL_SERVER_STREAM, &grpc__health__v1__health_check_request__descriptor,
         &grpc__health__v1__health_check_response__descriptor, &watch_handler},
    };
    *count = sizeof methods / sizeof methods[0];
    return methods;
}
