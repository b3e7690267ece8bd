/*
 * home_lease.c - the lease clock, on which holds run out; see home_lease_ms in home.h.
 * Owns: how it goes on from what META's position has of it. The writer's thread. Invariant: within a process it is the
 * boot clock plus a constant, so it never goes back, whatever the wall clock does; each commit keeps a reading.
 *
 * The wall clock counts at one place only, lease_go_on after a reboot: by how much it went on since the last reading
 * that was kept. So that a step of it between that reading and the reboot doesn't count as time gone by, a reading is
 * kept soon after each step.
 */
#include "daemon/record/bytes.h"
#include "daemon/register/home_parts.h"

#include <string.h>

#define STEP_MS 1000 /* the wall clock moved by that against the boot clock: more than it drifts between commits */

void lease_encode(const struct lease *lease, uint8_t out[BOOT_ID_BYTES + 24])
{
    memcpy(out, lease->boot_id, BOOT_ID_BYTES);
    put_be64(out + BOOT_ID_BYTES, (uint64_t)lease->boot_ms);
    put_be64(out + BOOT_ID_BYTES + 8, (uint64_t)lease->wall_ms);
    put_be64(out + BOOT_ID_BYTES + 16, (uint64_t)lease->lease_ms);
}

void lease_decode(const uint8_t in[BOOT_ID_BYTES + 24], struct lease *out)
{
    memcpy(out->boot_id, in, BOOT_ID_BYTES);
    out->boot_ms = (int64_t)get_be64(in + BOOT_ID_BYTES);
    out->wall_ms = (int64_t)get_be64(in + BOOT_ID_BYTES + 8);
    out->lease_ms = (int64_t)get_be64(in + BOOT_ID_BYTES + 16);
}

static int64_t forward(int64_t from_ms, int64_t to_ms)
{
    return to_ms > from_ms ? to_ms - from_ms : 0;
}

static void read_clocks(const struct home *home, struct lease *out)
{
    const struct clock_source *clock = home->options.clock;
    clock_boot_id(clock, out->boot_id);
    out->boot_ms = clock_boot_ms(clock);
    out->wall_ms = clock_wall_ms(clock);
}

void lease_begin(struct home *home)
{
    read_clocks(home, &home->position.lease);
    home->position.lease.lease_ms = 0;
    memcpy(home->boot_id, home->position.lease.boot_id, sizeof home->boot_id);
}

void lease_go_on(struct home *home)
{
    struct lease *kept = &home->position.lease, now;
    read_clocks(home, &now);
    memcpy(home->boot_id, now.boot_id, sizeof home->boot_id);
    /* A boot clock that is behind is another boot's, whatever the id says. */
    if (memcmp(kept->boot_id, now.boot_id, BOOT_ID_BYTES) == 0 && now.boot_ms >= kept->boot_ms)
        return;
    now.lease_ms = kept->lease_ms + forward(kept->wall_ms, now.wall_ms);
    *kept = now;
    home->lease_unkept = true;
}

void lease_read(struct home *home, struct lease *out)
{
    const struct lease *kept = &home->position.lease;
    int64_t boot_ms = clock_boot_ms(home->options.clock);
    *out = *kept; /* a process does not outlive its boot */
    out->boot_ms = boot_ms;
    out->wall_ms = clock_wall_ms(home->options.clock);
    out->lease_ms = kept->lease_ms + forward(kept->boot_ms, boot_ms);
}

int64_t home_lease_ms(struct home *home)
{
    struct lease now;
    lease_read(home, &now);
    return now.lease_ms;
}

enum err lease_keep(struct home *home)
{
    const struct lease *kept = &home->position.lease;
    struct lease now;
    struct batch batch;
    lease_read(home, &now);
    int64_t step_ms = (now.wall_ms - kept->wall_ms) - (now.boot_ms - kept->boot_ms);
    if (home->read_only || (!home->lease_unkept && step_ms <= STEP_MS && step_ms >= -STEP_MS))
        return ERR_NONE;
    enum err err = batch_begin(home, true, &batch); /* a commit keeps it */
    return err == ERR_NONE ? batch_commit(&batch) : err;
}
