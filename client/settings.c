/*
 * settings.c - see settings.h. Owns: the profile's table, the order of sources. The client's one thread.
 */
#include "client/settings.h"

#include "client/memory.h"
#include "daemon/base/config.h"
#include "daemon/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_BYTES_MAX 253

const struct option_spec settings_options[] = {
    {"hub", "HOST:PORT", "the hub; else VACANCY_HUB, else the profile", false},
    {"cert", "FILE", "your certificate; else VACANCY_CERT, else the profile", false},
    {"key", "FILE", "its key; else VACANCY_KEY, else the profile", false},
    {"ca", "FILE", "the federation's root certificates; else VACANCY_CA, else the profile", false},
    {"profile", "FILE", "where hub, cert, key and ca are kept; default ~/.config/vacancy/profile", false},
    {"help", NULL, "this text", false},
    {NULL, NULL, NULL, false},
};

struct profile {
    char *hub, *certificate, *key, *ca;
};

static const struct config_option profile_options[] = {
    {"vacancy", "hub", CONFIG_TEXT, offsetof(struct profile, hub), NULL, true, 0, 0, "host:port of the hub"},
    {"vacancy", "cert", CONFIG_PATH, offsetof(struct profile, certificate), NULL, true, 0, 0, "your certificate"},
    {"vacancy", "key", CONFIG_PATH, offsetof(struct profile, key), NULL, true, 0, 0, "its key"},
    {"vacancy", "ca", CONFIG_PATH, offsetof(struct profile, ca), NULL, true, 0, 0, "the federation's roots"},
};
#define PROFILE_OPTIONS (sizeof profile_options / sizeof profile_options[0])

bool settings_split_address(const char *text, char **host, char **port)
{
    const char *colon = strrchr(text, ':');
    uint64_t number;
    if (colon == NULL || !text_parse_u64(colon + 1, 65535, &number) || number == 0)
        return false;
    size_t bytes = (size_t)(colon - text);
    if (text[0] == '[' && bytes > 2 && text[bytes - 1] == ']') {
        text++;
        bytes -= 2;
    } else if (strcspn(text, "[]") < bytes || memchr(text, ':', bytes) != NULL) {
        return false;
    }
    if (bytes == 0 || bytes > HOST_BYTES_MAX)
        return false;
    *host = must_print("%.*s", (int)bytes, text);
    *port = must_copy(colon + 1);
    return true;
}

static char *default_profile(void)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config != NULL && config[0] == '/')
        return must_print("%s/vacancy/profile", config);
    return must_print("%s/.config/vacancy/profile", home ? home : "");
}

static enum err load_profile(const struct options *options, struct profile *out, struct problem *problem)
{
    const char *named = options_text(options, "profile");
    char *path = named ? must_copy(named) : default_profile();
    enum err err = ERR_NONE;
    if (named != NULL || access(path, F_OK) == 0)
        err = config_load(path, profile_options, PROFILE_OPTIONS, out, problem);
    free(path);
    return err;
}

/* A flag, else the environment, else the profile; NULL when none of them says it. */
static const char *pick(const struct options *options, const char *flag, const char *variable, const char *kept)
{
    const char *value = options_text(options, flag);
    if (value == NULL || *value == '\0')
        value = getenv(variable);
    return value && *value ? value : kept;
}

enum err settings_load(const struct options *options, struct settings *out, struct problem *problem)
{
    struct profile profile = {0};
    *out = (struct settings){0};
    enum err err = load_profile(options, &profile, problem);
    if (err != ERR_NONE)
        return err;
    const struct {
        const char *flag, *variable, *kept, *what;
        char **to;
    } wanted[] = {
        {"hub", "VACANCY_HUB", profile.hub, "the hub's HOST:PORT", NULL},
        {"cert", "VACANCY_CERT", profile.certificate, "your certificate", &out->certificate},
        {"key", "VACANCY_KEY", profile.key, "your certificate's key", &out->key},
        {"ca", "VACANCY_CA", profile.ca, "the federation's root certificates", &out->ca},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0] && err == ERR_NONE; i++) {
        const char *value = pick(options, wanted[i].flag, wanted[i].variable, wanted[i].kept);
        if (value == NULL)
            err = problem_set(
                problem, ERR_INVALID, "",
                "%s is not known; give --%s, set %s, or write \"%s = ...\" into the profile's [vacancy] section",
                wanted[i].what, wanted[i].flag, wanted[i].variable, wanted[i].flag);
        else if (wanted[i].to != NULL)
            *wanted[i].to = must_copy(value);
        else if (!settings_split_address(value, &out->host, &out->port))
            err = problem_set(problem, ERR_INVALID, "",
                              "the hub's address is HOST:PORT, as hub.example.org:7443 or [2001:db8::1]:7443");
    }
    config_free(profile_options, PROFILE_OPTIONS, &profile);
    if (err != ERR_NONE)
        settings_free(out);
    return err;
}

void settings_free(struct settings *settings)
{
    free(settings->host);
    free(settings->port);
    free(settings->certificate);
    free(settings->key);
    free(settings->ca);
    *settings = (struct settings){0};
}
