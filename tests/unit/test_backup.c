/* tier: check */
/*
 * test_backup.c - a backup's archive octet by octet, its note against every changed octet, and copies taken while both
 * audit chains grow: each opens, and its signed head covers what is there (issue 3, point 5; design section 9; D11).
 */
#include "daemon/access/disclosure.h"
#include "daemon/base/mailbox.h"
#include "daemon/base/thread.h"
#include "daemon/register/backup_parts.h"
#include "daemon/register/backup_restore.h"
#include "tests/unit/register_world.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define AGENCY  "leeds-fostering"
#define WAIT_MS 30000

/* --- a hub's worth of it -------------------------------------------------------------------------------------------
 */

struct site {
    struct world world;
    struct disclosures *disclosures;
    struct backups *backups;
    struct mailbox *mailbox;
};

static void site_open(struct site *site, uint64_t seed)
{
    struct problem problem = {0};
    world_init(&site->world, seed, true);
    world_open(&site->world);
    if (disclosures_open(site->world.store, site->world.home, WORLD_REGION, &site->world.clock, site->world.signer,
                         &site->disclosures, &problem) != ERR_NONE)
        fail_msg("%s", problem.text);
    const struct backups_options options = {.home = site->world.home,
                                            .store = site->world.store,
                                            .folder = site->world.folder,
                                            .clock = &site->world.clock,
                                            .reserve_bytes = 1 << 20};
    site->backups = backups_create(&options);
    site->mailbox = mailbox_create(8);
    assert_int_equal(world_apply(&site->world, world_put_agency(&site->world, AGENCY)).problem.code, ERR_NONE);
}

static void site_close(struct site *site)
{
    backups_stop(site->backups);
    backups_destroy(site->backups);
    mailbox_destroy(site->mailbox);
    disclosures_close(site->disclosures);
    world_finish(&site->world);
}

static void push(struct site *site, int number)
{
    char reference[16];
    snprintf(reference, sizeof reference, "B-%05d", number);
    assert_int_equal(world_apply(&site->world, world_put_carer(&site->world, AGENCY, reference)).problem.code,
                     ERR_NONE);
}

static enum err begin(struct site *site)
{
    assert_int_equal(mailbox_reserve(site->mailbox), ERR_NONE);
    enum err err = backups_begin(site->backups, &(struct reply_address){.mailbox = site->mailbox, .to = 7, .kind = 9});
    if (err != ERR_NONE)
        mailbox_unreserve(site->mailbox);
    return err;
}

static struct backup *made(struct site *site)
{
    struct mail mail;
    assert_int_equal(mailbox_wait(site->mailbox, &mail, 1, WAIT_MS), 1);
    assert_true(mail.to == 7 && mail.kind == 9 && mail.payload != NULL);
    struct problem problem;
    assert_int_equal(backup_outcome(mail.payload, &problem), mail.error);
    return mail.payload;
}

static struct backup *take(struct site *site)
{
    struct problem problem;
    assert_int_equal(begin(site), ERR_NONE);
    struct backup *backup = made(site);
    if (backup_outcome(backup, &problem) != ERR_NONE)
        fail_msg("%s", problem.text);
    return backup;
}

static void copy_path(const struct site *site, char out[128])
{
    snprintf(out, 128, "%s/backup.tmp", site->world.folder);
}

static void wait_removed(const struct site *site)
{
    char path[128];
    copy_path(site, path);
    for (int i = 0; access(path, F_OK) == 0; i++) {
        assert_true(i < WAIT_MS);
        usleep(1000);
    }
}

/* Reads the archive in slices of random size; the caller's octets. */
static uint8_t *read_all(struct backup *backup, struct seeded_random *random, size_t *size)
{
    uint8_t *octets = NULL;
    size_t got;
    *size = 0;
    do {
        size_t want = random == NULL ? 256 * 1024 : 1 + (size_t)random_up_to(random, 3000);
        octets = realloc(octets, *size + want);
        assert_int_equal(backup_read(backup, octets + *size, want, &got), ERR_NONE);
        assert_true(got <= want);
        *size += got;
    } while (got > 0);
    return octets;
}

/* --- the archive ---------------------------------------------------------------------------------------------------
 */

/* An archive of files of given sizes in a folder of its own. */
struct archive {
    struct backup backup;
    struct backup_file files[8];
};

static void archive_open(struct archive *archive, const uint64_t *sizes, size_t count)
{
    *archive = (struct archive){0};
    strcpy(archive->backup.folder, "/tmp/vacancy-test-XXXXXX");
    assert_non_null(mkdtemp(archive->backup.folder));
    archive->backup.fd = -1;
    archive->backup.time_ms = WORLD_START_MS;
    archive->backup.files = archive->files;
    archive->backup.count = count;
    for (size_t i = 0; i < count; i++) {
        struct backup_file *file = &archive->files[i];
        char path[BACKUP_PATH_BYTES];
        snprintf(file->name, sizeof file->name, "home/%zu", i);
        snprintf(file->file, sizeof file->file, "%zu", i);
        file->bytes = sizes[i];
        snprintf(path, sizeof path, "%s/%s", archive->backup.folder, file->file);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0 && ftruncate(fd, (off_t)sizes[i]) == 0);
        for (uint64_t at = 0; at < sizes[i] && at < 100000; at++)
            assert_int_equal(pwrite(fd, &(uint8_t){(uint8_t)(at * 7 + i + 1)}, 1, (off_t)at), 1);
        close(fd);
    }
}

static void archive_close(struct archive *archive)
{
    if (archive->backup.fd >= 0)
        close(archive->backup.fd);
    world_remove(archive->backup.folder);
}

/* Sizes around a block and a piece; any slicing gives the same octets; GNU tar lists and checks them. */
static void test_archive(void **state)
{
    (void)state;
    const uint64_t sizes[] = {0, 1, 511, 512, 513, 70001};
    struct seeded_random random;
    struct archive archive;
    size_t whole_size, sliced_size;
    seeded_random_init(&random, seed_from_environment(1));
    archive_open(&archive, sizes, 6);
    uint8_t *whole = read_all(&archive.backup, NULL, &whole_size);
    assert_int_equal(whole_size, 512 * (1 + 2 + 2 + 2 + 3 + 1 + 137 + 2));
    for (int round = 0; round < 20; round++) {
        archive.backup.at = 0;
        archive.backup.offset = 0;
        uint8_t *sliced = read_all(&archive.backup, &random, &sliced_size);
        assert_int_equal(sliced_size, whole_size);
        assert_memory_equal(sliced, whole, whole_size);
        free(sliced);
    }
    char path[BACKUP_PATH_BYTES], command[2 * BACKUP_PATH_BYTES + 100];
    snprintf(path, sizeof path, "%s/archive.tar", archive.backup.folder);
    FILE *out = fopen(path, "wb");
    assert_int_equal(fwrite(whole, 1, whole_size, out), whole_size);
    fclose(out);
    snprintf(
        command, sizeof command,
        "cd %s && mkdir -p x && tar -xf archive.tar -C x && for i in 0 1 2 3 4 5; do cmp $i x/home/$i || exit 1; done",
        archive.backup.folder);
    assert_int_equal(system(command), 0);
    free(whole);
    archive_close(&archive);
}

/* From 8 GiB on the size does not fit eleven octal digits. The file has holes; only its header is read. */
static void test_archive_of_a_large_file(void **state)
{
    (void)state;
    const uint64_t sizes[] = {(8ULL << 30) - 1, 8ULL << 30, 1ULL << 40};
    static const uint8_t octal[12] = "77777777777", binary[12] = {0x80, [7] = 2}, huge[12] = {0x80, [6] = 1};
    const uint8_t *const expected[] = {octal, binary, huge};
    for (size_t i = 0; i < 3; i++) {
        struct archive archive;
        uint8_t header[512];
        size_t got;
        archive_open(&archive, &sizes[i], 1);
        assert_int_equal(backup_read(&archive.backup, header, sizeof header, &got), ERR_NONE);
        assert_int_equal(got, sizeof header);
        assert_memory_equal(header + 124, expected[i], 12);
        archive_close(&archive);
    }
}

/* A file that lost octets after its header was given: an error, never an archive that looks whole. */
static void test_archive_of_a_file_that_shrinks(void **state)
{
    (void)state;
    const uint64_t size = 4096;
    struct archive archive;
    uint8_t octets[1024];
    char path[BACKUP_PATH_BYTES];
    size_t got;
    archive_open(&archive, &size, 1);
    assert_int_equal(backup_read(&archive.backup, octets, sizeof octets, &got), ERR_NONE);
    snprintf(path, sizeof path, "%s/0", archive.backup.folder);
    assert_int_equal(truncate(path, 1000), 0);
    assert_int_equal(backup_read(&archive.backup, octets, sizeof octets, &got), ERR_STORE_IO);
    archive_close(&archive);
}

/* --- the note ------------------------------------------------------------------------------------------------------
 */

static void test_note(void **state)
{
    (void)state;
    uint8_t seed[32] = {42}, key[PUBLIC_KEY_BYTES], other_key[PUBLIC_KEY_BYTES];
    struct signer *signer = signer_from_seed(seed);
    signer_public_key(signer, key);
    seed[0]++;
    struct signer *other = signer_from_seed(seed);
    signer_public_key(other, other_key);
    const struct backup_note note = {.region = WORLD_REGION,
                                     .epoch = UINT64_MAX,
                                     .epoch_id = {1, 2, 3},
                                     .sequence = UINT64_MAX,
                                     .time_ms = INT64_MAX};
    struct backup_note read;
    char text[BACKUP_NOTE_BYTES], changed[BACKUP_NOTE_BYTES + 1];
    size_t size = backup_note_write(&note, signer, text);
    assert_int_equal(size, strlen(text));
    assert_int_equal(backup_note_read(text, size, key, &read), ERR_NONE);
    assert_string_equal(read.region, note.region);
    assert_memory_equal(read.epoch_id, note.epoch_id, EPOCH_ID_BYTES);
    assert_true(read.epoch == note.epoch && read.sequence == note.sequence && read.time_ms == note.time_ms);
    assert_int_equal(backup_note_read(text, size, other_key, &read), ERR_UNAUTHENTICATED);
    for (size_t i = 0; i < size; i++) {
        assert_int_not_equal(backup_note_read(text, i, key, &read), ERR_NONE);
        for (int bit = 0; bit < 8; bit++) {
            memcpy(changed, text, size);
            changed[i] = (char)(changed[i] ^ 1 << bit);
            assert_int_not_equal(backup_note_read(changed, size, key, &read), ERR_NONE);
        }
    }
    memcpy(changed, text, size);
    changed[size] = '\n';
    assert_int_equal(backup_note_read(changed, size + 1, key, &read), ERR_INVALID);
    signer_destroy(signer);
    signer_destroy(other);
}

/* --- whole backups ---------------------------------------------------------------------------------------------------
 */

/* Unpacked as the manual says, and opened as main does. */
static void restore(struct site *site, const char *archive, uint64_t writes, uint64_t disclosures)
{
    struct world *from = &site->world;
    struct world to = {.folder = "/tmp/vacancy-test-XXXXXX", .on_disk = true};
    char command[512];
    assert_non_null(mkdtemp(to.folder));
    snprintf(command, sizeof command, "tar -xf %s -C %s", archive, to.folder);
    assert_int_equal(system(command), 0);
    struct problem problem = {0};
    struct restore look = {.folder = to.folder,
                           .region = WORLD_REGION,
                           .signer = from->signer,
                           .now_ms = from->wall_ms,
                           .max_age_ms = 1000};
    struct disclosures *trail = NULL;
    struct signed_head head;
    to.clock = from->clock;
    to.signer = from->signer;
    to.source = from->source;
    if (backup_restore_look(&look, &problem) != ERR_NONE || !look.found)
        fail_msg("%s", problem.text);
    const struct store_lmdb_options disk = world_disk_options(&to);
    struct home_options options = world_options(&to);
    options.restored = true;
    options.restored_epoch = look.note.epoch;
    options.restored_sequence = look.note.sequence;
    if (store_lmdb_open(&disk, &to.store, &problem) != ERR_NONE ||
        home_open(&options, to.store, &to.home, &problem) != ERR_NONE ||
        backup_restore_settle(&look, to.home, &problem) != ERR_NONE ||
        disclosures_open(to.store, to.home, WORLD_REGION, &to.clock, to.signer, &trail, &problem) != ERR_NONE)
        fail_msg("%s", problem.text);
    assert_int_equal(disclosures_last_head(trail, &head), ERR_NONE);
    assert_true(head.head.writes.sequence >= writes && head.head.disclosures.sequence >= disclosures);
    uint64_t epoch, sequence;
    home_position(to.home, &epoch, &sequence);
    assert_true(epoch == 1 && sequence >= look.note.sequence);
    assert_int_equal(home_standing_now(to.home), STANDING_RESTORING);
    assert_log_chain(&to);
    assert_audit_chain(&to);
    /* Nobody to ask: decides as soon as the writer runs, in the next epoch. */
    (void)home_heartbeat(to.home, NULL);
    home_position(to.home, &epoch, &sequence);
    assert_int_equal(epoch, 2);
    assert_int_equal(home_standing_now(to.home), STANDING_DECIDING);
    /* The note is gone: the next start is one like any other. */
    assert_int_equal(backup_restore_look(&look, &problem), ERR_NONE);
    assert_false(look.found);
    disclosures_close(trail);
    world_close(&to);
    world_remove(to.folder);
}

struct load {
    struct site *site;
    atomic_bool stop;
    atomic_int rounds;
};

static void *run_load(void *arg)
{
    struct load *load = arg;
    uint64_t subjects[AUDIT_SUBJECTS_MAX];
    for (size_t i = 0; i < AUDIT_SUBJECTS_MAX; i++)
        subjects[i] = i + 1;
    struct audit_entry entry = {.at_ms = WORLD_START_MS,
                                .principal = "spiffe://example.org/team",
                                .method = "/vacancy.v1.PlacementService/FindVacancies",
                                .request_reference = "383-204417",
                                .subjects = subjects,
                                .subject_count = AUDIT_SUBJECTS_MAX};
    for (int i = 0; !atomic_load(&load->stop); i++) {
        if (disclosure_record(load->site->disclosures, &entry) != ERR_NONE ||
            disclosure_head(load->site->disclosures) != ERR_NONE)
            abort();
        if (i % 8 == 0)
            push(load->site, i);
        atomic_store(&load->rounds, i);
    }
    return NULL;
}

static void store_archive(struct backup *backup, const char *path)
{
    uint8_t *piece = malloc(256 * 1024);
    size_t got;
    FILE *out = fopen(path, "wb");
    do {
        assert_int_equal(backup_read(backup, piece, 256 * 1024, &got), ERR_NONE);
        assert_int_equal(fwrite(piece, 1, got, out), got);
    } while (got > 0);
    fclose(out);
    free(piece);
}

#define ARCHIVES 10

/* Copies while records are appended, heads signed (which change over to their other file) and carers pushed: what was
 * covered by a head before a backup began is in it, and each opens. */
static void test_copies_under_load(void **state)
{
    (void)state;
    struct site site;
    struct load load = {.site = &site};
    struct signed_head before[ARCHIVES];
    char path[ARCHIVES][192];
    site_open(&site, seed_from_environment(2));
    pthread_t thread = thread_start("load", run_load, &load);
    for (int i = 0; i < ARCHIVES; i++) {
        int rounds = atomic_load(&load.rounds);
        for (int waited = 0; atomic_load(&load.rounds) < rounds + 60; waited++) {
            assert_true(waited < WAIT_MS);
            usleep(1000);
        }
        assert_int_equal(disclosures_last_head(site.disclosures, &before[i]), ERR_NONE);
        struct backup *backup = take(&site);
        snprintf(path[i], sizeof path[i], "%s/archive-%d", site.world.folder, i);
        store_archive(backup, path[i]);
        backup_destroy(backup);
    }
    atomic_store(&load.stop, true);
    pthread_join(thread, NULL);
    for (int i = 0; i < ARCHIVES; i++)
        restore(&site, path[i], before[i].head.writes.sequence, before[i].head.disclosures.sequence);
    site_close(&site);
}

/* --- what happens between two steps of a copy ----------------------------------------------------------------------
 */

static struct {
    struct site *site;
    const struct store_ops *real;
    bool inside;
    int number;
} meddler;

/* Something is pushed and shown, and a head signed over both. */
static void meddle(void)
{
    struct audit_entry entry = {.at_ms = WORLD_START_MS, .principal = "p", .method = "m", .request_reference = "r"};
    if (meddler.inside)
        return;
    meddler.inside = true;
    push(meddler.site, meddler.number++);
    assert_int_equal(disclosure_record(meddler.site->disclosures, &entry), ERR_NONE);
    assert_int_equal(disclosure_head(meddler.site->disclosures), ERR_NONE);
    meddler.inside = false;
}

static enum err meddling_copy(struct store *store, const char *folder)
{
    meddle();
    enum err err = meddler.real->copy(store, folder);
    meddle();
    return err;
}

static enum err meddling_usage(struct store *store, struct store_usage *out)
{
    enum err err = meddler.real->usage(store, out);
    meddle();
    return err;
}

/* The heads' files are the only segments that a copy reads so. A few times only, or it would find no quiet moment. */
static enum err meddling_read(struct store *store, const char *segment, uint64_t offset, uint8_t *out, size_t size,
                              size_t *got)
{
    if (meddler.number < 5)
        meddle();
    enum err err = meddler.real->segment_read(store, segment, offset, out, size, got);
    if (meddler.number < 5)
        meddle();
    return err;
}

/* Whatever is written between any two of its steps, a copy's heads cover what the copy has. */
static void test_writes_between_the_steps(void **state)
{
    (void)state;
    struct site site;
    char path[192];
    struct signed_head head;
    site_open(&site, seed_from_environment(7));
    struct store *store = site.world.store;
    struct store_ops ops = *store->ops;
    ops.copy = meddling_copy;
    ops.usage = meddling_usage;
    ops.segment_read = meddling_read;
    assert_int_equal(disclosures_last_head(site.disclosures, &head), ERR_NONE);
    meddler.site = &site;
    meddler.real = store->ops;
    meddler.number = 0;
    store->ops = &ops;
    struct backup *backup = take(&site);
    store->ops = meddler.real;
    assert_true(meddler.number >= 7);
    snprintf(path, sizeof path, "%s/archive", site.world.folder);
    store_archive(backup, path);
    backup_destroy(backup);
    restore(&site, path, head.head.writes.sequence + 5, head.head.disclosures.sequence + 5);
    site_close(&site);
}

/* Segments that are full are linked, so that a trail of years needs no room; the last one is copied. */
static void test_full_segments_are_linked(void **state)
{
    (void)state;
    struct site site;
    uint64_t subjects[AUDIT_SUBJECTS_MAX] = {1};
    char reference[61] = "", path[300];
    struct signed_head head;
    site_open(&site, seed_from_environment(3));
    memset(reference, 'x', sizeof reference - 1);
    struct audit_entry entry = {.at_ms = WORLD_START_MS,
                                .principal = "spiffe://example.org/team",
                                .method = "/vacancy.v1.PlacementService/FindVacancies",
                                .request_reference = reference,
                                .subjects = subjects,
                                .subject_count = AUDIT_SUBJECTS_MAX};
    struct stat second = {0};
    snprintf(path, sizeof path, "%s/disclosures-00000003", site.world.folder);
    while (stat(path, &second) != 0)
        assert_int_equal(disclosure_record(site.disclosures, &entry), ERR_NONE);
    assert_int_equal(disclosures_last_head(site.disclosures, &head), ERR_NONE);
    struct backup *backup = take(&site);
    for (int i = 1; i <= 3; i++) {
        struct stat about;
        snprintf(path, sizeof path, "%s/backup.tmp/disclosures-0000000%d", site.world.folder, i);
        assert_int_equal(stat(path, &about), 0);
        assert_int_equal(about.st_nlink, i < 3 ? 2 : 1);
    }
    snprintf(path, sizeof path, "%s/archive", site.world.folder);
    store_archive(backup, path);
    backup_destroy(backup);
    wait_removed(&site);
    restore(&site, path, head.head.writes.sequence, head.head.disclosures.sequence);
    site_close(&site);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    struct site site;
    char path[128];
    struct problem problem;
    site_open(&site, seed_from_environment(4));
    push(&site, 1);
    struct backup *first = take(&site);
    assert_int_equal(begin(&site), ERR_LIMIT);
    backup_destroy(first);
    /* What stands in the way is an error of that one call, and the next goes on. */
    wait_removed(&site);
    copy_path(&site, path);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/folder");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(begin(&site), ERR_NONE);
    struct backup *refused = made(&site);
    assert_int_not_equal(backup_outcome(refused, &problem), ERR_NONE);
    backup_destroy(refused);
    assert_int_equal(rmdir(path), 0);
    backup_destroy(take(&site));
    wait_removed(&site);
    /* One that is given back after the end. */
    struct backup *last = take(&site);
    backups_stop(site.backups);
    assert_int_equal(begin(&site), ERR_LIMIT);
    backup_destroy(last);
    backups_destroy(site.backups);
    copy_path(&site, path);
    assert_int_not_equal(access(path, F_OK), 0);
    site.backups = NULL;
    site_close(&site);
}

/* D14, D15: wherever the disk is full, the call says so, nothing is left, and the register goes on. */
static void test_no_room_somewhere(void **state)
{
    (void)state;
    struct site site;
    struct problem problem;
    struct rlimit before;
    char path[128];
    site_open(&site, seed_from_environment(5));
    for (int i = 0; i < 200; i++)
        push(&site, i);
    struct signed_head head;
    assert_int_equal(disclosures_last_head(site.disclosures, &head), ERR_NONE);
    copy_path(&site, path);
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    const rlim_t limits[] = {0, 100, 600, 4096, 8192, 40960, 81920};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){limits[i], before.rlim_max});
        assert_int_equal(begin(&site), ERR_NONE);
        struct backup *backup = made(&site);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(backup_outcome(backup, &problem), ERR_STORE_FULL);
        assert_non_null(strstr(problem.text, "no backup was made"));
        backup_destroy(backup);
        wait_removed(&site);
        push(&site, 1000 + (int)i);
    }
    backup_destroy(take(&site));
    site_close(&site);
}

/* The simulator's way: the clone opens, is the register of its moment, and shares nothing with it. */
static void test_clone_in_memory(void **state)
{
    (void)state;
    struct world world, clone;
    uint64_t epoch, sequence, later;
    world_init(&world, seed_from_environment(6), false);
    world_open(&world);
    assert_int_equal(world_apply(&world, world_put_agency(&world, AGENCY)).problem.code, ERR_NONE);
    for (int i = 0; i < 20; i++) {
        char reference[16];
        snprintf(reference, sizeof reference, "M-%d", i);
        assert_int_equal(world_apply(&world, world_put_carer(&world, AGENCY, reference)).problem.code, ERR_NONE);
    }
    const uint8_t some[] = {1, 2, 3};
    uint8_t read[8];
    size_t got;
    assert_int_equal(world.store->ops->segment_append(world.store, "disclosures-00000001", &(struct octets){some, 3}),
                     ERR_NONE);
    home_position(world.home, &epoch, &sequence);
    clone = world;
    clone.home = NULL;
    clone.view = NULL;
    clone.store = store_memory_clone(world.store);
    assert_non_null(clone.store);
    assert_int_equal(world_apply(&world, world_put_carer(&world, AGENCY, "later")).problem.code, ERR_NONE);
    world_open(&clone);
    home_position(clone.home, &epoch, &later);
    assert_int_equal(later, sequence);
    assert_register_true(&clone);
    assert_int_equal(clone.store->ops->segment_read(clone.store, "disclosures-00000001", 0, read, sizeof read, &got),
                     ERR_NONE);
    assert_int_equal(got, 3);
    home_close(clone.home);
    view_free(clone.view);
    clone.store->ops->close(clone.store);
    world_finish(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_archive),
        cmocka_unit_test(test_archive_of_a_large_file),
        cmocka_unit_test(test_archive_of_a_file_that_shrinks),
        cmocka_unit_test(test_note),
        cmocka_unit_test(test_copies_under_load),
        cmocka_unit_test(test_writes_between_the_steps),
        cmocka_unit_test(test_full_segments_are_linked),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_no_room_somewhere),
        cmocka_unit_test(test_clone_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
