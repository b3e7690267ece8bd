/*
 * disclosure.c - see disclosure.h. The records are trail.c's; here are the lock, the signed heads and their thread.
 *
 * Signed heads go into two small segments in turn, "disclosure-heads-a" and "-b": when one is full the other is emptied
 * and written, so the newest head is always on disk and the two never grow. A frame there:
 *
 *     length of the text 4 | first 8 octets of SHA-256 of what follows | signature 64 | public key 32 | text
 *
 * Thread: any; three locks. `gather_lock`, taken last, only while a record is put beside others. `lock` is held while a
 * record is appended or read, never for a head's sync, so that a search waits for no disk (but once in
 * TRAIL_SEGMENT_BYTES, when the trail begins a new segment); `head_turn`, taken first, for one head at a time.
 * Invariant: no head is kept or given out that covers a record not yet synced.
 */
#include "daemon/access/disclosure.h"

#include "daemon/access/trail.h"
#include "daemon/base/log.h"
#include "daemon/base/thread.h"
#include "daemon/record/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_PREFIX_BYTES   12
#define HEAD_BODY_MAX_BYTES (SIGNATURE_BYTES + PUBLIC_KEY_BYTES + AUDIT_HEAD_TEXT_BYTES)
#define HEAD_SEGMENT_BYTES  (64u * 1024)
#define RECORD_ARENA_BYTES  (128u * 1024)
#define BATCH_RECORDS       256
#define BATCH_BYTES         (64u * 1024)

static const char *const head_segments[2] = {"disclosure-heads-a", "disclosure-heads-b"};

/* In it: the records' octets, one after the other. Which of them a call awaits does not matter: all are written at
 * once. Invariant: at most one batch is not yet written, and that is `gathering` or is being written under `lock`. */
struct disclosure_batch {
    uint32_t references; /* under gather_lock */
    uint32_t count;      /* likewise, until `gathering` is another one */
    size_t bytes;
    bool written; /* under lock; then outcome stands */
    enum err outcome;
    struct octets records[BATCH_RECORDS];
    uint8_t octets[BATCH_BYTES];
};

struct disclosures {
    struct store *store;
    struct home *home;
    const struct clock_source *clock;
    const struct signer *signer;
    char region[GSS_BYTES];

    pthread_mutex_t lock;
    struct trail trail;
    struct arena arena; /* one record being encoded */
    bool refusing;      /* the last append failed: said once in the log */
    bool stopping;

    pthread_mutex_t gather_lock;
    struct disclosure_batch *gathering; /* a reference is held; NULL: none */

    pthread_mutex_t head_turn;
    struct signed_head last;
    bool has_last;
    bool last_synced;
    unsigned head_segment;
    uint64_t head_bytes[2];

    pthread_cond_t wake;
    pthread_t thread;
    bool started;
};

/* --- signed heads ---------------------------------------------------------------------------------------------- */

static size_t head_encode(const struct signed_head *head, uint8_t *out)
{
    size_t text = strlen(head->text);
    uint8_t *body = out + HEAD_PREFIX_BYTES, hash[DIGEST_BYTES];
    memcpy(body, head->signature, SIGNATURE_BYTES);
    memcpy(body + SIGNATURE_BYTES, head->public_key, PUBLIC_KEY_BYTES);
    memcpy(body + SIGNATURE_BYTES + PUBLIC_KEY_BYTES, head->text, text);
    size_t size = SIGNATURE_BYTES + PUBLIC_KEY_BYTES + text;
    digest_sha256(body, size, hash);
    put_be32(out, (uint32_t)text);
    memcpy(out + 4, hash, 8);
    return HEAD_PREFIX_BYTES + size;
}

/* How many octets the head at `in` takes; 0: there is no whole one. */
static size_t head_decode(const uint8_t *in, size_t size, struct signed_head *out)
{
    uint8_t hash[DIGEST_BYTES];
    if (size < HEAD_PREFIX_BYTES)
        return 0;
    size_t text = get_be32(in);
    size_t body = SIGNATURE_BYTES + PUBLIC_KEY_BYTES + text;
    if (text >= AUDIT_HEAD_TEXT_BYTES || size - HEAD_PREFIX_BYTES < body)
        return 0;
    digest_sha256(in + HEAD_PREFIX_BYTES, body, hash);
    if (memcmp(hash, in + 4, 8) != 0)
        return 0;
    memset(out, 0, sizeof *out);
    memcpy(out->signature, in + HEAD_PREFIX_BYTES, SIGNATURE_BYTES);
    memcpy(out->public_key, in + HEAD_PREFIX_BYTES + SIGNATURE_BYTES, PUBLIC_KEY_BYTES);
    memcpy(out->text, in + HEAD_PREFIX_BYTES + SIGNATURE_BYTES + PUBLIC_KEY_BYTES, text);
    return audit_head_parse(out->text, text, &out->head) == ERR_NONE ? HEAD_PREFIX_BYTES + body : 0;
}

static bool newer(const struct audit_head *a, const struct audit_head *b)
{
    if (a->disclosures.sequence != b->disclosures.sequence)
        return a->disclosures.sequence > b->disclosures.sequence;
    if (a->writes.sequence != b->writes.sequence)
        return a->writes.sequence > b->writes.sequence;
    return a->at_ms > b->at_ms;
}

/* Reads one segment of heads; keeps the newest whole one and cuts a torn tail. */
static enum err heads_read(struct disclosures *d, unsigned which, uint8_t *buffer, size_t size, struct problem *problem)
{
    size_t got = 0, at = 0, taken;
    enum err err = d->store->ops->segment_read(d->store, head_segments[which], 0, buffer, size, &got);
    if (err != ERR_NONE && err != ERR_NOT_FOUND)
        return problem_set(problem, err, "", "the audit trail's signed heads can't be read");
    struct signed_head head;
    while (at < got && (taken = head_decode(buffer + at, got - at, &head)) > 0) {
        at += taken;
        if (!d->has_last || newer(&head.head, &d->last.head)) {
            d->last = head;
            d->has_last = true;
            d->head_segment = which;
        }
    }
    if (at < got) {
        log_warn("access", "cut a torn signed head off segment=%s offset=%zu", head_segments[which], at);
        if ((err = d->store->ops->segment_truncate(d->store, head_segments[which], at)) != ERR_NONE)
            return problem_set(problem, err, "", "a torn signed head can't be cut off");
    }
    d->head_bytes[which] = at;
    return ERR_NONE;
}

static enum err heads_open(struct disclosures *d, struct problem *problem)
{
    size_t size = HEAD_SEGMENT_BYTES + HEAD_PREFIX_BYTES + HEAD_BODY_MAX_BYTES;
    uint8_t *buffer = malloc(size), own[PUBLIC_KEY_BYTES];
    if (buffer == NULL)
        return problem_set(problem, ERR_LIMIT, "", "out of memory for the audit trail");
    enum err err = heads_read(d, 0, buffer, size, problem);
    if (err == ERR_NONE)
        err = heads_read(d, 1, buffer, size, problem);
    free(buffer);
    if (err != ERR_NONE || !d->has_last)
        return err;
    signer_public_key(d->signer, own);
    if (memcmp(own, d->last.public_key, PUBLIC_KEY_BYTES) != 0)
        return problem_set(problem, ERR_PRECONDITION, "",
                           "the audit trail's last head is signed by another key: give "
                           "the hub the region's signing key that belongs to this data folder");
    if (!signature_verify(own, d->last.text, strlen(d->last.text), d->last.signature) ||
        strcmp(d->last.head.region, d->region) != 0)
        return problem_set(problem, ERR_STORE_DAMAGED, "", "the audit trail's last signed head does not verify");
    return ERR_NONE;
}

/* A head that may be there in part, or not on disk, must stop the trail: what it hides could not be proven. */
static enum err head_lost(struct disclosures *d, enum err err)
{
    pthread_mutex_lock(&d->lock);
    d->trail.failed = true;
    pthread_mutex_unlock(&d->lock);
    return err;
}

/* Turn held. Appends to the segment in use, or to the other one, emptied, when that is full. */
static enum err head_keep(struct disclosures *d, const struct signed_head *head)
{
    uint8_t frame[HEAD_PREFIX_BYTES + HEAD_BODY_MAX_BYTES];
    size_t size = head_encode(head, frame);
    unsigned which = d->head_segment;
    enum err err;
    if (d->head_bytes[which] + size > HEAD_SEGMENT_BYTES) {
        which ^= 1;
        if (d->head_bytes[which] > 0) {
            if ((err = d->store->ops->segment_truncate(d->store, head_segments[which], 0)) != ERR_NONE)
                return err;
            d->head_bytes[which] = 0;
        }
    }
    err = d->store->ops->segment_append(d->store, head_segments[which], &(struct octets){frame, size});
    if (err != ERR_NONE) {
        /* What was left of it would hide every later head; if this fails too, the next attempt's frame is not found at
         * the next start and the trail is only proven up to the head before. */
        if (d->store->ops->segment_truncate(d->store, head_segments[which], d->head_bytes[which]) != ERR_NONE)
            return head_lost(d, err);
        return err;
    }
    d->head_bytes[which] += size;
    d->head_segment = which;
    err = d->store->ops->segment_sync(d->store, head_segments[which]);
    return err == ERR_NONE || err == ERR_STORE_FULL ? err : head_lost(d, err);
}

static bool same_position(const struct audit_position *a, const struct audit_position *b)
{
    return a->sequence == b->sequence && memcmp(a->hash, b->hash, DIGEST_BYTES) == 0;
}

/* Turn held. A head over both chains as they stand, if either has moved since the last one. */
static enum err sign_head(struct disclosures *d)
{
    struct signed_head head = {0};
    struct trail_mark mark;
    pthread_mutex_lock(&d->lock);
    home_audit_position(d->home, &head.head.writes);
    enum err err = trail_sync_begin(&d->trail, &mark);
    pthread_mutex_unlock(&d->lock);
    if (err != ERR_NONE)
        return err;
    head.head.disclosures = mark.end;
    if (d->last_synced && same_position(&head.head.writes, &d->last.head.writes) &&
        same_position(&head.head.disclosures, &d->last.head.disclosures))
        return ERR_NONE;
    err = trail_sync_run(&d->trail, &mark);
    pthread_mutex_lock(&d->lock);
    err = trail_sync_end(&d->trail, &mark, err);
    pthread_mutex_unlock(&d->lock);
    if (err != ERR_NONE)
        return err;
    memcpy(head.head.region, d->region, GSS_BYTES);
    head.head.at_ms = clock_wall_ms(d->clock);
    if (d->has_last && head.head.at_ms < d->last.head.at_ms)
        head.head.at_ms = d->last.head.at_ms;
    size_t text = audit_head_text(&head.head, head.text);
    signer_sign(d->signer, head.text, text, head.signature);
    signer_public_key(d->signer, head.public_key);
    if ((err = head_keep(d, &head)) != ERR_NONE)
        return err;
    d->last = head;
    d->has_last = true;
    d->last_synced = true;
    return ERR_NONE;
}

/* --- start: is everything there that was ever signed for? ------------------------------------------------------ */

/* The writes chain from the head to its end leads to where the register says it ends. */
static enum err check_writes(struct disclosures *d, struct problem *problem)
{
    struct audit_position at = d->last.head.writes, end;
    home_audit_position(d->home, &end);
    if (end.sequence < at.sequence)
        return problem_set(problem, ERR_STORE_DAMAGED, "",
                           "the register's audit chain ends at %" PRIu64 ", but the last "
                           "signed head covers %" PRIu64 ": part of it is missing; restore the data folder whole",
                           end.sequence, at.sequence);
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    enum err err = ERR_NONE;
    while (err == ERR_NONE && at.sequence < end.sequence) {
        struct audit_row rows[64];
        size_t got = 0;
        err = home_read_audit(d->home, at.sequence + 1, &arena, rows, sizeof rows / sizeof rows[0], &got);
        if (err == ERR_NONE && got == 0)
            err = ERR_STORE_DAMAGED;
        for (size_t i = 0; err == ERR_NONE && i < got && at.sequence < end.sequence; i++)
            audit_chain_next(&at, &rows[i].octets);
        arena_reset(&arena);
    }
    arena_finish(&arena);
    if (err == ERR_NONE && memcmp(at.hash, end.hash, DIGEST_BYTES) != 0)
        err = ERR_STORE_DAMAGED;
    return err == ERR_NONE ? ERR_NONE
                           : problem_set(problem, err, "",
                                         "the register's audit chain does not continue the last signed "
                                         "head at %" PRIu64 ": restore the data folder whole",
                                         d->last.head.writes.sequence);
}

static enum err check_disclosures(struct disclosures *d, struct problem *problem)
{
    const struct audit_position *signed_end = &d->last.head.disclosures;
    uint8_t hash[DIGEST_BYTES];
    if (d->trail.end.sequence < signed_end->sequence)
        return problem_set(problem, ERR_STORE_DAMAGED, "",
                           "the disclosures trail ends at %" PRIu64 ", but the last "
                           "signed head covers %" PRIu64 ": part of it is missing; restore the data folder whole",
                           d->trail.end.sequence, signed_end->sequence);
    enum err err = trail_hash_at(&d->trail, signed_end->sequence, hash, problem);
    if (err == ERR_NONE && memcmp(hash, signed_end->hash, DIGEST_BYTES) != 0)
        err = problem_set(problem, ERR_STORE_DAMAGED, "",
                          "the disclosures trail is not the one that the last signed head "
                          "covers at %" PRIu64 ": restore the data folder whole",
                          signed_end->sequence);
    return err;
}

/* Before anything is written or shown there is a head, so that a trail without one has lost it. */
static enum err first_head(struct disclosures *d, struct problem *problem)
{
    struct audit_position writes;
    home_audit_position(d->home, &writes);
    if (writes.sequence > 0 || d->trail.end.sequence > 0)
        return problem_set(problem, ERR_STORE_DAMAGED, "",
                           "the audit trail has no signed head: part of it is missing; restore the data folder whole");
    enum err err = sign_head(d);
    return err == ERR_NONE ? err
                           : problem_set(problem, err, "", "the audit trail can't be written: %s",
                                         err == ERR_STORE_FULL ? "the disk is full" : err_name(err));
}

/* What is read back after a kill may be in the operating system's memory only. It goes to disk before anything else
 * does: a power cut that took the only head, but not the register's next commit, would leave a trail that looks cut.
 * Records first, since the head covers them. */
static enum err make_durable(struct disclosures *d, struct problem *problem)
{
    enum err err = trail_sync(&d->trail);
    if (err == ERR_NONE)
        err = d->store->ops->segment_sync(d->store, head_segments[d->head_segment]);
    d->last_synced = err == ERR_NONE;
    return err == ERR_NONE
               ? err
               : problem_set(problem, err, "", "the audit trail can't be written to disk: %s", err_name(err));
}

/* --- the handle ------------------------------------------------------------------------------------------------ */

enum err disclosures_open(struct store *store, struct home *home, const char *region, const struct clock_source *clock,
                          const struct signer *signer, struct disclosures **out, struct problem *problem)
{
    struct disclosures *d = calloc(1, sizeof *d);
    if (d == NULL)
        return problem_set(problem, ERR_LIMIT, "", "out of memory for the audit trail");
    *d = (struct disclosures){.store = store, .home = home, .clock = clock, .signer = signer};
    strncpy(d->region, region, GSS_BYTES - 1);
    arena_init(&d->arena, RECORD_ARENA_BYTES);
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->gather_lock, NULL);
    pthread_mutex_init(&d->head_turn, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);

    enum err err = trail_open(&d->trail, store, TRAIL_SEGMENT_BYTES, problem);
    if (err == ERR_NONE)
        err = heads_open(d, problem);
    if (err == ERR_NONE && !d->has_last)
        err = first_head(d, problem);
    else if (err == ERR_NONE && (err = check_disclosures(d, problem)) == ERR_NONE &&
             (err = check_writes(d, problem)) == ERR_NONE)
        err = make_durable(d, problem);
    if (err != ERR_NONE) {
        disclosures_close(d);
        return err;
    }
    *out = d;
    return ERR_NONE;
}

void disclosures_close(struct disclosures *d)
{
    if (d == NULL)
        return;
    if (d->started) {
        pthread_mutex_lock(&d->lock);
        d->stopping = true;
        pthread_cond_signal(&d->wake);
        pthread_mutex_unlock(&d->lock);
        pthread_join(d->thread, NULL);
        if (disclosure_head(d) != ERR_NONE)
            log_error("access", "the last head of the audit trail could not be signed");
    }
    trail_finish(&d->trail);
    free(d->gathering);
    arena_finish(&d->arena);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->gather_lock);
    pthread_mutex_destroy(&d->lock);
    pthread_mutex_destroy(&d->head_turn);
    free(d);
}

/* Lock held. Says in the log once that it can't be done, and once that it can again. */
static enum err tell(struct disclosures *d, enum err err)
{
    if (err != ERR_NONE && !d->refusing)
        log_error("access", "the audit trail can't be written, so nothing is shown error=%s", err_name(err));
    if (err == ERR_NONE && d->refusing)
        log_info("access", "the audit trail is written again");
    d->refusing = err != ERR_NONE;
    return err;
}

enum err disclosure_record(struct disclosures *d, const struct audit_entry *entry)
{
    struct octets octets;
    pthread_mutex_lock(&d->lock);
    enum err err = audit_entry_encode(entry, &d->arena, &octets);
    if (err == ERR_NONE)
        err = trail_append(&d->trail, &octets);
    arena_reset(&d->arena);
    tell(d, err);
    pthread_mutex_unlock(&d->lock);
    return err;
}

/* --- several at once ------------------------------------------------------------------------------------------- */

/* gather_lock held. */
static void batch_leave(struct disclosure_batch *batch)
{
    if (batch != NULL && --batch->references == 0)
        free(batch);
}

/* gather_lock held: room for a record in `gathering`. ERR_STALE: it is full, and must be written first. */
static enum err batch_join(struct disclosures *d, size_t bytes)
{
    if (bytes > BATCH_BYTES)
        return ERR_LIMIT;
    if (d->gathering == NULL) {
        if ((d->gathering = malloc(sizeof *d->gathering)) == NULL)
            return ERR_LIMIT;
        d->gathering->references = 1;
        d->gathering->count = 0;
        d->gathering->bytes = 0;
        d->gathering->written = false;
    }
    return d->gathering->count == BATCH_RECORDS || bytes > BATCH_BYTES - d->gathering->bytes ? ERR_STALE : ERR_NONE;
}

/* gather_lock held. *full, with ERR_STALE, has a reference. */
static enum err gather(struct disclosures *d, const struct octets *octets, struct disclosure_batch **out)
{
    enum err err = batch_join(d, octets->size);
    if (err == ERR_NONE) {
        struct disclosure_batch *batch = d->gathering;
        memcpy(batch->octets + batch->bytes, octets->data, octets->size);
        batch->records[batch->count++] = (struct octets){batch->octets + batch->bytes, octets->size};
        batch->bytes += octets->size;
    }
    *out = d->gathering;
    if (err == ERR_NONE || err == ERR_STALE)
        d->gathering->references++;
    return err;
}

static enum err gather_octets(struct disclosures *d, const struct octets *octets, struct disclosure_batch **out)
{
    enum err err;
    for (;;) {
        pthread_mutex_lock(&d->gather_lock);
        err = gather(d, octets, out);
        pthread_mutex_unlock(&d->gather_lock);
        if (err != ERR_STALE)
            return err;
        enum err written = disclosure_await(d, *out);
        disclosure_leave(d, *out); /* NOLINT(clang-analyzer-unix.Malloc): the reference of `gather` is left */
        if (written != ERR_NONE)
            return written;
    }
}

/* Encoded before the lock: workers that wait for each other sleep and are woken, which costs more than the record. */
enum err disclosure_gather(struct disclosures *d, const struct audit_entry *entry, struct disclosure_batch **out)
{
    struct arena arena;
    struct octets octets;
    arena_init(&arena, RECORD_ARENA_BYTES);
    enum err err = audit_entry_encode(entry, &arena, &octets);
    if (err == ERR_NONE)
        err = gather_octets(d, &octets, out);
    arena_finish(&arena);
    return err;
}

enum err disclosure_await(struct disclosures *d, struct disclosure_batch *batch)
{
    enum err outcome;
    pthread_mutex_lock(&d->lock);
    if (batch->written) {
        outcome = batch->outcome;
    } else {
        pthread_mutex_lock(&d->gather_lock);
        d->gathering = NULL; /* it is the one: any other is written */
        pthread_mutex_unlock(&d->gather_lock);
        outcome = batch->outcome = tell(d, trail_append_all(&d->trail, batch->records, batch->count));
        batch->written = true;
        pthread_mutex_lock(&d->gather_lock);
        batch_leave(batch);
        pthread_mutex_unlock(&d->gather_lock);
    }
    pthread_mutex_unlock(&d->lock);
    return outcome;
}

void disclosure_leave(struct disclosures *d, struct disclosure_batch *batch)
{
    pthread_mutex_lock(&d->gather_lock);
    batch_leave(batch);
    pthread_mutex_unlock(&d->gather_lock);
}

enum err disclosure_head(struct disclosures *d)
{
    pthread_mutex_lock(&d->head_turn);
    enum err err = sign_head(d);
    pthread_mutex_unlock(&d->head_turn);
    return err;
}

enum err disclosures_last_head(struct disclosures *d, struct signed_head *out)
{
    pthread_mutex_lock(&d->head_turn);
    enum err err = sign_head(d);
    if (err == ERR_NONE)
        *out = d->last;
    pthread_mutex_unlock(&d->head_turn);
    return err;
}

enum err disclosures_read(struct disclosures *d, uint64_t from_sequence, struct arena *arena, struct audit_row *out,
                          size_t max, size_t *got)
{
    pthread_mutex_lock(&d->lock);
    enum err err = trail_read(&d->trail, from_sequence, arena, out, max, got);
    pthread_mutex_unlock(&d->lock);
    return err;
}

/* --- the thread ------------------------------------------------------------------------------------------------ */

/* False when it is time to stop. */
static bool wait_interval(struct disclosures *d)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += DISCLOSURE_HEAD_INTERVAL_MS / 2 * 1000000L; /* so that record and sync fit into the interval */
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&d->lock);
    while (!d->stopping && pthread_cond_timedwait(&d->wake, &d->lock, &until) != ETIMEDOUT)
        continue;
    bool goes_on = !d->stopping;
    pthread_mutex_unlock(&d->lock);
    return goes_on;
}

static void *head_thread(void *arg)
{
    struct disclosures *d = arg;
    enum err said = ERR_NONE;
    do {
        enum err err = disclosure_head(d);
        if (err != said && err != ERR_NONE)
            log_error("access", "the audit trail's head could not be kept error=%s", err_name(err));
        if (err == ERR_NONE && said != ERR_NONE)
            log_info("access", "the audit trail's head is kept again");
        said = err;
    } while (wait_interval(d));
    return NULL;
}

enum err disclosures_start(struct disclosures *d)
{
    d->thread = thread_start("audit-head", head_thread, d);
    d->started = true;
    return ERR_NONE;
}
