/*
 * roster.c - reading the national root's roster.
 * Owns: the format drawn in roster.h; one block of memory a roster, freed with its last reference. Any thread.
 * Invariant: nothing of a file is looked at, but for where its last line begins, before the root's signature over it
 * was verified; a roster that was given out never changes.
 */
#include "daemon/record/roster.h"

#include "daemon/base/log.h"
#include "daemon/record/lines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What callers see, with what they do not: the count, and the arrays before they are const. */
struct block {
    struct roster roster; /* first: a roster's address is its block's */
    atomic_uint references;
    struct roster_region regions[ROSTER_REGIONS_MAX];
    struct roster_team teams[ROSTER_TEAMS_MAX];
};

/* One line without its newline, and who asked. */
struct line {
    struct place rest;
    unsigned number; /* from 1; 0: none was read yet */
    struct problem *problem;
};

static enum err wrong(const struct line *line, const char *what)
{
    return problem_set(line->problem, ERR_INVALID, "", "roster, line %u: %s", line->number > 0 ? line->number : 1,
                       what);
}

/* Where a code stands, or would stand, among `count` structs of `size` octets that begin with theirs. */
static uint32_t find_code(const void *sorted, uint32_t count, size_t size, const char *code, bool *found)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp((const char *)sorted + middle * size, code);
        if (order == 0)
            return *found = true, middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return *found = false, low;
}
_Static_assert(offsetof(struct roster_region, region) == 0 && offsetof(struct roster_team, authority) == 0,
               "what is sorted begins with its code");

static struct roster_region *region_of(struct block *block, const char *code)
{
    bool found;
    uint32_t at = find_code(block->regions, block->roster.region_count, sizeof *block->regions, code, &found);
    return found ? &block->regions[at] : NULL;
}

/* --- lines ---------------------------------------------------------------------------------------------------------
 */

static enum err take_region_line(struct block *block, struct line *line)
{
    struct roster_region region = {.issuer_count = 1};
    if (!take_gss_code(&line->rest, region.region) || !take_words(&line->rest, " key ") ||
        !take_hex(&line->rest, region.key, PUBLIC_KEY_BYTES) || !take_words(&line->rest, " issuer ") ||
        !take_hex(&line->rest, region.issuers[0], DIGEST_BYTES) || place_left(&line->rest) > 0)
        return wrong(line, "expected: region CODE key HEX issuer HEX");
    uint32_t *count = &block->roster.region_count;
    bool found;
    uint32_t at = find_code(block->regions, *count, sizeof region, region.region, &found);
    if (found)
        return wrong(line, "this region has a line already");
    if (*count == ROSTER_REGIONS_MAX)
        return wrong(line, "more regions than a roster may have");
    memmove(&block->regions[at + 1], &block->regions[at], (*count - at) * sizeof region);
    block->regions[at] = region;
    (*count)++;
    return ERR_NONE;
}

/* The code of a region that has a region line; NULL, with the problem set, for anything else. */
static struct roster_region *take_known_region(struct block *block, struct line *line)
{
    char code[GSS_BYTES];
    if (!take_gss_code(&line->rest, code)) {
        wrong(line, "expected a region's GSS code");
        return NULL;
    }
    struct roster_region *region = region_of(block, code);
    if (region == NULL)
        wrong(line, "no region line names this region");
    return region;
}

static enum err take_issuer_line(struct block *block, struct line *line)
{
    struct roster_region *region = take_known_region(block, line);
    if (region == NULL)
        return ERR_INVALID;
    uint8_t issuer[DIGEST_BYTES];
    if (!take_words(&line->rest, " ") || !take_hex(&line->rest, issuer, sizeof issuer) || place_left(&line->rest) > 0)
        return wrong(line, "expected: issuer CODE HEX");
    for (uint32_t i = 0; i < region->issuer_count; i++)
        if (octets_equal(region->issuers[i], issuer, sizeof issuer))
            return wrong(line, "the region has this issuer already");
    if (region->issuer_count == ROSTER_ISSUERS_MAX)
        return wrong(line, "more issuers than a region may have");
    memcpy(region->issuers[region->issuer_count++], issuer, sizeof issuer);
    return ERR_NONE;
}

static bool is_host_name(const char *host)
{
    size_t length = strlen(host);
    for (size_t i = 0; i < length; i++) {
        bool alphanumeric = (host[i] >= 'a' && host[i] <= 'z') || (host[i] >= '0' && host[i] <= '9');
        bool inner = i > 0 && i + 1 < length;
        if (!alphanumeric && !(inner && (host[i] == '.' || host[i] == '-')))
            return false;
    }
    return length > 0;
}

/* A name, an IPv4 address, or an IPv6 address in brackets. */
static bool take_host(struct place *place, char out[ROSTER_HOST_BYTES])
{
    bool bracketed = take_words(place, "[");
    const char *end = memchr(place->at, bracketed ? ']' : ':', place_left(place));
    if (end == NULL || end - place->at >= ROSTER_HOST_BYTES)
        return false;
    size_t length = (size_t)(end - place->at);
    memset(out, 0, ROSTER_HOST_BYTES);
    memcpy(out, place->at, length);
    place->at += length + (bracketed ? 1 : 0);
    struct in6_addr address;
    return bracketed ? inet_pton(AF_INET6, out, &address) == 1 : is_host_name(out);
}

static enum err take_endpoint_line(struct block *block, struct line *line)
{
    struct roster_region *region = take_known_region(block, line);
    if (region == NULL)
        return ERR_INVALID;
    char host[ROSTER_HOST_BYTES];
    uint64_t port = 0;
    if (!take_words(&line->rest, " ") || !take_host(&line->rest, host) || !take_words(&line->rest, ":") ||
        !take_number(&line->rest, UINT16_MAX, &port) || port == 0 || place_left(&line->rest) > 0)
        return wrong(line, "expected: endpoint CODE HOST:PORT (a name in lower case, an IPv4 address, or an IPv6 "
                           "address in brackets)");
    for (uint32_t i = 0; i < region->endpoint_count; i++)
        if (strcmp(region->endpoints[i].host, host) == 0 && region->endpoints[i].port == port)
            return wrong(line, "the region has this endpoint already");
    if (region->endpoint_count == ROSTER_ENDPOINTS_MAX)
        return wrong(line, "more endpoints than a region may have");
    memcpy(region->endpoints[region->endpoint_count].host, host, sizeof host);
    region->endpoints[region->endpoint_count++].port = (uint16_t)port;
    return ERR_NONE;
}

static enum err take_team_line(struct block *block, struct line *line)
{
    struct roster_team team;
    if (!take_gss_code(&line->rest, team.authority) || !take_words(&line->rest, " "))
        return wrong(line, "expected: team AUTHORITY REGION");
    const struct roster_region *region = take_known_region(block, line);
    if (region == NULL)
        return ERR_INVALID;
    if (place_left(&line->rest) > 0)
        return wrong(line, "expected: team AUTHORITY REGION");
    memcpy(team.region, region->region, sizeof team.region);
    uint32_t *count = &block->roster.team_count;
    bool found;
    uint32_t at = find_code(block->teams, *count, sizeof team, team.authority, &found);
    if (found)
        return wrong(line, "this authority has a line already");
    if (*count == ROSTER_TEAMS_MAX)
        return wrong(line, "more teams than a roster may have");
    memmove(&block->teams[at + 1], &block->teams[at], (*count - at) * sizeof team);
    block->teams[at] = team;
    (*count)++;
    return ERR_NONE;
}

static enum err take_thaw_line(struct block *block, struct line *line)
{
    struct roster_region *region = take_known_region(block, line);
    if (region == NULL)
        return ERR_INVALID;
    if (region->thawed)
        return wrong(line, "this region is thawed already");
    if (!take_words(&line->rest, " epoch ") || !take_number(&line->rest, UINT64_MAX, &region->thaw_epoch) ||
        region->thaw_epoch == 0 || !take_words(&line->rest, " ") ||
        !take_hex(&line->rest, region->thaw_epoch_id, EPOCH_ID_BYTES) || place_left(&line->rest) > 0)
        return wrong(line, "expected: thaw CODE epoch NUMBER HEX");
    region->thawed = true;
    return ERR_NONE;
}

/* --- the whole -----------------------------------------------------------------------------------------------------
 */

typedef enum err take_line(struct block *block, struct line *line);
static const struct kind {
    const char *words;
    take_line *take;
} kinds[] = {
    {"region ", take_region_line}, /* first: all others name a region */
    {"issuer ", take_issuer_line}, {"endpoint ", take_endpoint_line},
    {"team ", take_team_line},     {"thaw ", take_thaw_line},
};
#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

static bool next_line(struct place *text, struct line *line)
{
    if (place_left(text) == 0)
        return false;
    const char *end = memchr(text->at, '\n', place_left(text));
    line->rest = (struct place){text->at, end == NULL ? text->end : end};
    text->at = end == NULL ? text->end : end + 1;
    line->number++;
    return true;
}

/* Goes through the lines after the version; either the region lines or all others. */
static enum err take_lines(struct block *block, struct place text, struct line line, bool regions)
{
    while (next_line(&text, &line)) {
        if (take_words(&line.rest, "#"))
            continue;
        size_t i = 0;
        while (i < KIND_COUNT && !take_words(&line.rest, kinds[i].words))
            i++;
        if (i == KIND_COUNT)
            return wrong(&line,
                         "expected region, issuer, endpoint, team, thaw or a comment; the signature stands last");
        enum err err = (i == 0) == regions ? kinds[i].take(block, &line) : ERR_NONE;
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

static enum err take_body(struct block *block, struct place text, struct problem *problem)
{
    struct line line = {.problem = problem};
    if (!next_line(&text, &line) || !take_words(&line.rest, "vacancy roster v1") || place_left(&line.rest) > 0)
        return wrong(&line, "expected: vacancy roster v1");
    if (!next_line(&text, &line) || !take_words(&line.rest, "version ") ||
        !take_number(&line.rest, UINT64_MAX, &block->roster.version) || block->roster.version == 0 ||
        place_left(&line.rest) > 0) {
        line.number = 2;
        return wrong(&line, "expected: version NUMBER, from 1");
    }
    enum err err = take_lines(block, text, line, true);
    return err == ERR_NONE ? take_lines(block, text, line, false) : err;
}

/* Finds the signature on the last line, and verifies it over all before; *body is what it covers. */
static enum err check_signature(const char *text, size_t bytes, const uint8_t root_key[PUBLIC_KEY_BYTES],
                                struct place *body, struct problem *problem)
{
    struct line line = {.problem = problem};
    struct place all = {text, text + bytes};
    const char *begin = text; /* of the last line */
    while (next_line(&all, &line) && place_left(&all) > 0)
        begin = all.at;
    uint8_t signature[SIGNATURE_BYTES];
    if (bytes == 0 || text[bytes - 1] != '\n' || !take_words(&line.rest, "signature ") ||
        !take_hex(&line.rest, signature, sizeof signature) || place_left(&line.rest) > 0)
        return wrong(&line, "the last line must be: signature HEX, with nothing after it but its newline");
    *body = (struct place){text, begin};
    if (!signature_verify(root_key, text, (size_t)(begin - text), signature))
        return problem_set(problem, ERR_UNAUTHENTICATED, "",
                           "the roster's signature is not by the root's roster key: compare roster-key with the root's "
                           "roster.pub, and take the file afresh");
    return ERR_NONE;
}

enum err roster_parse(const char *text, size_t bytes, const uint8_t root_key[PUBLIC_KEY_BYTES],
                      const struct roster **out, struct problem *problem)
{
    if (bytes > ROSTER_FILE_MAX)
        return problem_set(problem, ERR_LIMIT, "", "a roster has at most %d octets", ROSTER_FILE_MAX);
    struct place body = {0};
    enum err err = check_signature(text, bytes, root_key, &body, problem);
    if (err != ERR_NONE)
        return err;
    struct block *block = calloc(1, sizeof *block);
    if (block == NULL)
        log_fatal("record", "out of memory for a roster");
    block->references = 1;
    block->roster.regions = block->regions;
    block->roster.teams = block->teams;
    err = take_body(block, body, problem);
    if (err != ERR_NONE) {
        free(block);
        return err;
    }
    *out = &block->roster;
    return ERR_NONE;
}

/* One octet more than a roster may have shows a file that is too long; -1 when it can't be read. */
static ssize_t read_file(int fd, char text[ROSTER_FILE_MAX + 1])
{
    size_t have = 0;
    while (have <= ROSTER_FILE_MAX) {
        ssize_t got = read(fd, text + have, ROSTER_FILE_MAX + 1 - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

enum err roster_load(const char *path, const uint8_t root_key[PUBLIC_KEY_BYTES], const struct roster **out,
                     struct problem *problem)
{
    /* O_NONBLOCK: a named pipe in the file's place must not be waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return problem_set(problem, ERR_NOT_FOUND, "", "roster %s can't be opened: %s", path, strerror(errno));
    char *text = malloc(ROSTER_FILE_MAX + 1);
    if (text == NULL)
        log_fatal("record", "out of memory for a roster");
    ssize_t bytes = read_file(fd, text);
    enum err err = bytes < 0
                       ? problem_set(problem, ERR_NOT_FOUND, "", "roster %s can't be read: %s", path, strerror(errno))
                       : roster_parse(text, (size_t)bytes, root_key, out, problem);
    close(fd);
    free(text);
    return err;
}

static struct block *block_of(const struct roster *roster)
{
    return (struct block *)(uintptr_t)roster; /* const for callers; the count is ours */
}

const struct roster *roster_ref(const struct roster *roster)
{
    atomic_fetch_add_explicit(&block_of(roster)->references, 1, memory_order_relaxed);
    return roster;
}

void roster_unref(const struct roster *roster)
{
    if (roster != NULL && atomic_fetch_sub_explicit(&block_of(roster)->references, 1, memory_order_acq_rel) == 1)
        free(block_of(roster));
}

const struct roster_region *roster_find(const struct roster *roster, const char *region)
{
    bool found;
    uint32_t at = find_code(roster->regions, roster->region_count, sizeof *roster->regions, region, &found);
    return found ? &roster->regions[at] : NULL;
}
