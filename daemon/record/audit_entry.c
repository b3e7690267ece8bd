/*
 * audit_entry.c - octets of an audit record, its chain, and the signed statement over both chains.
 * Owns: AuditRecord's stored form, the head's text. Any thread; no state.
 * Invariant: a head's text has one form: parse accepts exactly what text writes.
 */
#include "daemon/record/audit_entry.h"

#include "daemon/base/text.h"
#include "daemon/record/ids.h"
#include "daemon/record/scratch.h"
#include "vacancy/v1/hub_service.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum err audit_entry_encode(const struct audit_entry *entry, struct arena *arena, struct octets *out)
{
    Vacancy__V1__AuditRecord m;
    char subjects[AUDIT_SUBJECTS_MAX][ID_TEXT_BYTES], *subject_list[AUDIT_SUBJECTS_MAX];
    if (entry->subject_count > AUDIT_SUBJECTS_MAX)
        return ERR_LIMIT;
    vacancy__v1__audit_record__init(&m);
    m.at_ms = entry->at_ms;
    m.principal = (char *)(entry->principal ? entry->principal : "");
    m.method = (char *)(entry->method ? entry->method : "");
    m.code = entry->code;
    m.request_reference = (char *)(entry->request_reference ? entry->request_reference : "");
    m.purpose = (Vacancy__V1__Purpose)entry->purpose;
    for (uint32_t i = 0; i < entry->subject_count; i++) {
        id_format(entry->subjects[i], subjects[i]);
        subject_list[i] = subjects[i];
    }
    m.n_subjects = entry->subject_count;
    m.subjects = subject_list;
    m.epoch = entry->epoch;
    m.sequence = entry->sequence;
    m.object = (char *)(entry->object ? entry->object : "");
    m.suspended = entry->suspended;
    m.forwarded_by = (char *)(entry->forwarded_by ? entry->forwarded_by : "");
    m.asked_of = (char *)(entry->asked_of ? entry->asked_of : "");
    return pack_message(&m.base, arena, out);
}

void audit_chain_next(struct audit_position *position, const struct octets *octets)
{
    struct octets parts[] = {{position->hash, DIGEST_BYTES}, *octets};
    digest_sha256_parts(parts, 2, position->hash);
    position->sequence++;
}

#define HEAD_FIRST_LINE "vacancy audit head v1"

size_t audit_head_text(const struct audit_head *head, char out[AUDIT_HEAD_TEXT_BYTES])
{
    char writes[DIGEST_HEX_SIZE], disclosures[DIGEST_HEX_SIZE];
    hex_encode(head->writes.hash, DIGEST_BYTES, writes);
    hex_encode(head->disclosures.hash, DIGEST_BYTES, disclosures);
    int length =
        snprintf(out, AUDIT_HEAD_TEXT_BYTES,
                 HEAD_FIRST_LINE "\n%s\nwrites %" PRIu64 " %s\ndisclosures %" PRIu64 " %s\n%" PRId64 "\n", head->region,
                 head->writes.sequence, writes, head->disclosures.sequence, disclosures, head->at_ms);
    return (size_t)length;
}

/* The line at *at without its end; NULL when there is none. Moves *at past it. */
static char *next_line(char **at)
{
    char *line = *at, *end = strchr(line, '\n');
    if (end == NULL)
        return NULL;
    *end = '\0';
    *at = end + 1;
    return line;
}

static bool read_position(char *line, const char *name, struct audit_position *out)
{
    size_t name_bytes = strlen(name);
    if (line == NULL || strncmp(line, name, name_bytes) != 0 || line[name_bytes] != ' ')
        return false;
    char *number = line + name_bytes + 1, *hash = strchr(number, ' ');
    if (hash == NULL)
        return false;
    *hash++ = '\0';
    return text_parse_u64(number, UINT64_MAX, &out->sequence) &&
           hex_decode(hash, strlen(hash), out->hash, DIGEST_BYTES);
}

enum err audit_head_parse(const char *text, size_t bytes, struct audit_head *out)
{
    char copy[AUDIT_HEAD_TEXT_BYTES], again[AUDIT_HEAD_TEXT_BYTES];
    if (bytes >= sizeof copy || memchr(text, '\0', bytes) != NULL)
        return ERR_INVALID;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    struct audit_head head = {0};
    char *at = copy;
    const char *first = next_line(&at);
    if (first == NULL || strcmp(first, HEAD_FIRST_LINE) != 0)
        return ERR_INVALID;
    const char *region = next_line(&at);
    if (region == NULL || !text_is_gss_code(region) || !copy_text(head.region, sizeof head.region, region) ||
        !read_position(next_line(&at), "writes", &head.writes) ||
        !read_position(next_line(&at), "disclosures", &head.disclosures))
        return ERR_INVALID;
    const char *time = next_line(&at);
    uint64_t at_ms = 0;
    if (time == NULL || !text_parse_u64(time, INT64_MAX, &at_ms))
        return ERR_INVALID;
    head.at_ms = (int64_t)at_ms;
    if (audit_head_text(&head, again) != bytes || memcmp(again, text, bytes) != 0)
        return ERR_INVALID;
    *out = head;
    return ERR_NONE;
}
