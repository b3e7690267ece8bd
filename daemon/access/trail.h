/*
 * trail.h - a hash chain of records in rotated segments, through the storage seam.
 *
 * Owns: the format below, appending, cutting a torn tail, reading back and checking. Private to daemon/access.
 * Not here: what a record says (record/audit_entry), locks, signed heads (disclosure.c).
 * Thread: one at a time; disclosure.c holds its lock around every call but trail_sync_run.
 * Invariant: what stands before `end` is whole and chains from the first record's 32 zero octets.
 *
 *     segment "disclosures-00000001", -00000002, ...
 *       0 magic "VDT1"   4 sequence before it, 8   12 chain hash before it, 32   44 first 8 octets of SHA-256(0..43)
 *      52 frames: length 4 | first 8 octets of the chain hash after this record | the record's octets
 *
 * So a frame's check covers all that came before it as well. Numbers are big-endian.
 */
#ifndef VACANCY_ACCESS_TRAIL_H
#define VACANCY_ACCESS_TRAIL_H

#include "daemon/record/audit_entry.h"
#include "daemon/register/home.h"

#define TRAIL_SEGMENT_BYTES (8u * 1024 * 1024)
#define TRAIL_RECORD_BYTES  (64u * 1024) /* most of one record */
#define TRAIL_CURSORS       8            /* readers at a time that needn't scan */

struct trail_segment {
    struct audit_position base; /* where the chain stood before its first record */
    uint64_t bytes;             /* whole frames, header included */
};

/* Before the record that comes next. offset 0: free. */
struct trail_cursor {
    size_t segment;
    uint64_t offset;
    struct audit_position before;
    uint64_t used; /* the read that used it last */
};

struct trail {
    struct store *store;
    uint64_t segment_bytes; /* a new segment begins once the last has this many */
    struct trail_segment *segments;
    size_t count, capacity;
    struct audit_position end;
    uint64_t synced_bytes; /* of the last segment; those before it are on disk */
    bool torn;             /* octets may stand past the last whole frame, from a failed append or a killed daemon */
    bool failed;           /* a sync failed: nothing more is promised until a restart reads back what is there (D5) */
    /* Where the last reads stopped, so that reading on doesn't scan the segment again; one for each of a few readers.
     */
    struct trail_cursor cursors[TRAIL_CURSORS];
    uint64_t reads;
    uint8_t *buffer; /* TRAIL_RECORD_BYTES + a frame's head: reading, and the frames of one write */
};

/*
 * Reads the chain's end back. A torn last frame is said in the log, cut off by the next append; whether too much is
 * gone only the last signed head can tell, so the caller compares. The last segment is checked whole; trail_hash_at
 * checks further back.
 */
enum err trail_open(struct trail *trail, struct store *store, uint64_t segment_bytes, struct problem *problem)
    __attribute__((warn_unused_result));
void trail_finish(struct trail *trail);

/*
 * Handed to the operating system when it returns ERR_NONE; on any error nothing of it counts. After ERR_STORE_FULL it
 * succeeds again once there is room; ERR_STORE_IO after a failed sync stays until a restart.
 */
enum err trail_append(struct trail *trail, const struct octets *record) __attribute__((warn_unused_result));
/* Several, in as few writes as fit; on an error those of the first writes may count all the same. */
enum err trail_append_all(struct trail *trail, const struct octets *records, size_t count)
    __attribute__((warn_unused_result));

/* What a sync that begins now covers. */
struct trail_mark {
    struct audit_position end;
    size_t segment;
    uint64_t bytes;
    bool needed; /* something of it is not yet on disk */
};
/*
 * A sync beside which others append: _begin and _end under the caller's lock, _run without it, one sync at a time.
 * All up to mark.end is on disk when _end, given what _run returned, returns ERR_NONE.
 */
enum err trail_sync_begin(const struct trail *trail, struct trail_mark *mark) __attribute__((warn_unused_result));
enum err trail_sync_run(const struct trail *trail, const struct trail_mark *mark) __attribute__((warn_unused_result));
enum err trail_sync_end(struct trail *trail, const struct trail_mark *mark, enum err ran)
    __attribute__((warn_unused_result));
/* The three in one, with the lock held throughout. */
enum err trail_sync(struct trail *trail) __attribute__((warn_unused_result));

/*
 * Copies up to `max` records from `from` (1 is the first) on into the arena, each checked against the chain.
 * ERR_STORE_DAMAGED; ERR_LIMIT when not even one fits the arena.
 */
enum err trail_read(struct trail *trail, uint64_t from, struct arena *arena, struct audit_row *out, size_t max,
                    size_t *got) __attribute__((warn_unused_result));
/* The chain hash after record `sequence` (0: zeros), with everything from there to the end checked. */
enum err trail_hash_at(struct trail *trail, uint64_t sequence, uint8_t out[DIGEST_BYTES], struct problem *problem)
    __attribute__((warn_unused_result));

#endif
