/*
 * disclosure.h - the trail of what was shown.
 *
 * Owns: the disclosures chain (append-only, hash-chained segments through the storage seam), appended under one lock
 * before an answer leaves (handed to the operating system: survives a killed daemon), synced and covered by a signed
 * head within 100 ms. The head covers the writes chain too. Nobody who appends waits for that sync.
 * Thread: disclosure_record any; disclosure_head on its own timer (daemon) or called by the simulator.
 * Invariant: no answer that shows something leaves unless disclosure_record has returned ERR_NONE.
 */
#ifndef VACANCY_ACCESS_DISCLOSURE_H
#define VACANCY_ACCESS_DISCLOSURE_H

#include "daemon/record/audit_entry.h"
#include "daemon/register/home.h"

#define DISCLOSURE_HEAD_INTERVAL_MS 100

struct disclosures;

/* Reads the chain's end back from the store (a torn last record is cut off, and said in the log). */
enum err disclosures_open(struct store *store, struct home *home, const char *region, const struct clock_source *clock,
                          const struct signer *signer, struct disclosures **out, struct problem *problem)
    __attribute__((warn_unused_result));
void disclosures_close(struct disclosures *disclosures);

/*
 * ERR_STORE_FULL: no room; nothing of it is on the trail, and it is written again once there is room (D3, D15).
 * ERR_STORE_IO: the disk failed, or a sync did: what the trail keeps is not known, so it takes nothing more until a
 * restart has read it back, checked it against the last signed head and written it anew (D5).
 */
enum err disclosure_record(struct disclosures *disclosures, const struct audit_entry *entry)
    __attribute__((warn_unused_result));
/*
 * Records that go to the trail together, in one write: what a turn of the workers shows. A gathered record is on it
 * once disclosure_await has returned ERR_NONE: it writes what was gathered so far, unless another call has. Errors are
 * disclosure_record's. Each disclosure_gather that returned ERR_NONE is followed by one disclosure_leave, awaited or
 * not; what nobody awaits may be written all the same. Thread: any.
 */
struct disclosure_batch;
enum err disclosure_gather(struct disclosures *disclosures, const struct audit_entry *entry,
                           struct disclosure_batch **out) __attribute__((warn_unused_result));
enum err disclosure_await(struct disclosures *disclosures, struct disclosure_batch *batch)
    __attribute__((warn_unused_result));
void disclosure_leave(struct disclosures *disclosures, struct disclosure_batch *batch);
/* Syncs what was appended and signs a head over both chains if either moved. */
enum err disclosure_head(struct disclosures *disclosures);
/* The thread that calls disclosure_head every DISCLOSURE_HEAD_INTERVAL_MS while there is something new. */
enum err disclosures_start(struct disclosures *disclosures);

struct signed_head {
    char text[AUDIT_HEAD_TEXT_BYTES];
    uint8_t signature[SIGNATURE_BYTES], public_key[PUBLIC_KEY_BYTES];
    struct audit_head head;
};
/* The newest signed head (syncs and signs first if it is behind). */
enum err disclosures_last_head(struct disclosures *disclosures, struct signed_head *out);
/* Copies records of the disclosures chain from `sequence` on into the arena. */
enum err disclosures_read(struct disclosures *disclosures, uint64_t from_sequence, struct arena *arena,
                          struct audit_row *out, size_t max, size_t *got);

#endif
