/*
 * federated.h - what a hub with a roster has besides: the other regions' replicas, links to their hubs, those who wait
 * for either; opened, started, reloaded and stopped by main.
 *
 * Owns: the roster in use, the replica environment, replica, its writer, links, wakes, and the ports between them and
 * the home register. Not here: the home register itself, net, services (main.c).
 * Thread: main's; the ports are called on the writers' and links' threads. Invariant: without a roster every function
 * is harmless and every pointer NULL.
 */
#ifndef VACANCY_FEDERATED_H
#define VACANCY_FEDERATED_H

#include "daemon/access/access.h"
#include "daemon/federation/links.h"
#include "daemon/match/match.h"
#include "daemon/options.h"
#include "daemon/register/replica_writer.h"
#include "daemon/register/writer.h"
#include "daemon/service/service.h"

#include <pthread.h>

#define ERASED_KEPT 256

/* Carers whose rows other regions have deleted of late: the newest, by the moment when that was seen here. */
struct erased_elsewhere {
    pthread_mutex_t lock;
    struct {
        char region[GSS_BYTES];
        uint64_t national_reference;
        int64_t at_ms;
    } rows[ERASED_KEPT];
    unsigned next;
};

struct federated {
    struct erased_elsewhere erased;
    const struct options *options;
    uint8_t own_key[PUBLIC_KEY_BYTES]; /* what the roster must say of this region */
    const struct roster *roster;       /* NULL: a hub by itself */
    struct store *store;
    struct replica *replica;
    struct wakes *wakes;
    struct links *links;
    struct replica_writer *writer;
    struct home *home;          /* main's */
    struct writer *home_writer; /* main's; set before links_start */
};

/* The roster that the options name, if any; it must have this region with the signer's key. */
enum err federated_read(struct federated *federated, const struct options *options, const struct signer *signer,
                        struct problem *problem) __attribute__((warn_unused_result));
/* Whether there are other regions in it. */
bool federated_has_peers(const struct federated *federated);
/* Before threads, after the home environment. */
enum err federated_open(struct federated *federated, struct problem *problem) __attribute__((warn_unused_result));
/* The replicas tell match, and home of carers that moved; links, without their thread. After the home register and
 * match, before the home writer. */
enum err federated_create(struct federated *federated, struct home *home, struct match *match, struct problem *problem)
    __attribute__((warn_unused_result));
/* For writer_start: followers and peers hear of each commit. */
struct change_port federated_changed(struct federated *federated);
/* For the services. */
struct federation_port federated_services(struct federated *federated);
/* The replica writer. */
enum err federated_start(struct federated *federated, struct writer *home_writer, struct problem *problem)
    __attribute__((warn_unused_result));
/* The links, once others can link to us. */
void federated_link(struct federated *federated);
/* SIGHUP: certificates and roster anew, each only if it is in order; what is wrong is logged. */
void federated_reload(struct federated *federated, struct access *access);

/* In this order, with whatever main stops in between. */
void federated_unlink(struct federated *federated); /* before the writers stop */
void federated_stop(struct federated *federated);   /* the replica writer */
void federated_close(struct federated *federated);  /* after all who use it, before the home register */

#endif
