/*
 * spiffe.c - reads a name from left to right and never looks past its counted bytes. No state.
 */
#include "proto/wire/spiffe.h"

#include "daemon/base/text.h"

#include <stdio.h>
#include <string.h>

#define SCHEME     "spiffe://"
#define NAME_BYTES 2048 /* SPIFFE's own limit */

/* What is left to read. */
struct cursor {
    const char *at, *end;
};

static const struct {
    const char *word;
    bool has_authority, has_id;
} roles[] = {
    [SPIFFE_AGENCY] = {"agency", false, true},     [SPIFFE_TEAM] = {"placement-team", true, true},
    [SPIFFE_HUB] = {"hub", false, false},          [SPIFFE_AUDITOR] = {"auditor", false, true},
    [SPIFFE_OPERATOR] = {"operator", false, true},
};
#define ROLE_COUNT (sizeof roles / sizeof roles[0])

static enum err refuse(struct problem *problem, const char *why)
{
    return problem_set(problem, ERR_UNAUTHENTICATED, "", "the certificate's name is not acceptable: %s", why);
}

static bool is_domain_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool spiffe_is_trust_domain(const char *text)
{
    size_t bytes = strlen(text);
    for (size_t i = 0; i < bytes; i++) {
        if (!is_domain_byte(text[i]))
            return false;
    }
    return bytes >= 1 && bytes < SPIFFE_DOMAIN_BYTES;
}

/* The next path segment, "/" first, copied with a NUL into `out`; false if there is none or it has no room. */
static bool take_segment(struct cursor *cursor, char *out, size_t size)
{
    if (cursor->at == cursor->end || *cursor->at != '/')
        return false;
    const char *start = ++cursor->at;
    while (cursor->at < cursor->end && *cursor->at != '/')
        cursor->at++;
    size_t bytes = (size_t)(cursor->at - start);
    if (bytes == 0 || bytes >= size || memchr(start, '\0', bytes) != NULL)
        return false;
    memcpy(out, start, bytes);
    out[bytes] = '\0';
    return true;
}

static bool take_code(struct cursor *cursor, char out[SPIFFE_GSS_BYTES])
{
    return take_segment(cursor, out, SPIFFE_GSS_BYTES) && text_is_gss_code(out);
}

static bool take_domain(struct cursor *cursor, const char *trust_domain)
{
    size_t bytes = strlen(trust_domain);
    if ((size_t)(cursor->end - cursor->at) <= bytes || memcmp(cursor->at, trust_domain, bytes) != 0)
        return false;
    cursor->at += bytes;
    return *cursor->at == '/';
}

enum err spiffe_parse(const void *uri, size_t bytes, const char *trust_domain, struct spiffe_name *out,
                      struct problem *problem)
{
    struct spiffe_name name = {0};
    struct cursor cursor = {uri, (const char *)uri + bytes};
    char word[16];
    if (bytes > NAME_BYTES)
        return refuse(problem, "longer than 2048 octets");
    if (bytes <= strlen(SCHEME) || memcmp(cursor.at, SCHEME, strlen(SCHEME)) != 0)
        return refuse(problem, "it must begin with spiffe://");
    cursor.at += strlen(SCHEME);
    if (!spiffe_is_trust_domain(trust_domain) || !take_domain(&cursor, trust_domain))
        return refuse(problem, "it is of another trust domain");
    if (!take_segment(&cursor, word, sizeof word) || strcmp(word, "region") != 0 || !take_code(&cursor, name.region))
        return refuse(problem, "/region/ and the region's code must follow the trust domain");
    if (!take_segment(&cursor, word, sizeof word))
        return refuse(problem, "a role must follow the region");
    size_t role = 0;
    while (role < ROLE_COUNT && strcmp(word, roles[role].word) != 0)
        role++;
    if (role == ROLE_COUNT)
        return refuse(problem, "the role must be agency, placement-team, hub, auditor or operator");
    name.kind = (enum spiffe_kind)role;
    if (roles[role].has_authority && !take_code(&cursor, name.authority))
        return refuse(problem, "the team's local authority code must follow its role");
    if (roles[role].has_id &&
        (!take_segment(&cursor, name.id, sizeof name.id) || !text_is_slug(name.id, SPIFFE_ID_BYTES - 1)))
        return refuse(problem, "it must end in an id of a-z, 0-9 and -, at most 40");
    if (cursor.at != cursor.end)
        return refuse(problem, "something follows its last part");
    *out = name;
    return ERR_NONE;
}

size_t spiffe_format(const struct spiffe_name *name, const char *trust_domain, char out[SPIFFE_NAME_BYTES])
{
    bool team = roles[name->kind].has_authority, id = roles[name->kind].has_id;
    int n = snprintf(out, SPIFFE_NAME_BYTES, SCHEME "%s/region/%s/%s%s%s%s%s", trust_domain, name->region,
                     roles[name->kind].word, team ? "/" : "", team ? name->authority : "", id ? "/" : "",
                     id ? name->id : "");
    return (size_t)n;
}
