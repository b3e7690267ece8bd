/*
 * settings.h - which hub, and who we are: flags, then environment, then the profile file.
 *
 * Thread: the client's one thread. Invariant: settings_load either gives all that a connection needs or says what is
 * missing and where it can be given.
 */
#ifndef VACANCY_CLIENT_SETTINGS_H
#define VACANCY_CLIENT_SETTINGS_H

#include "client/options.h"

struct settings {
    char *host, *port;            /* of the hub; an IPv6 address without brackets */
    char *certificate, *key, *ca; /* paths of PEM files */
};

/* --hub, --cert, --key, --ca, --profile. Ends with NULL. */
extern const struct option_spec settings_options[];

/* ERR_INVALID, ERR_NOT_FOUND (a profile that was asked for by name). Freed on failure. */
enum err settings_load(const struct options *options, struct settings *out, struct problem *problem)
    __attribute__((warn_unused_result));
void settings_free(struct settings *settings);
/* "host:port" or "[address]:port" into host and port (malloc'd); false when it is neither. */
bool settings_split_address(const char *text, char **host, char **port) __attribute__((warn_unused_result));

#endif
