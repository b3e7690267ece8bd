/*
 * lmdb_ceiling.c - what the disk and LMDB alone allow: records with random keys, fully synced.
 *
 * Owns: the figures that the hub's durable updates are held against: records a second in commits of 64 (the hub's
 * group commit can do no better with one random-key record an update), and the median of a commit of one (one client).
 * Output: one JSON object. Thread: one.
 */
#include "tests/bench/lib/links.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAP_BYTES (UINT64_C(4) << 30)

static void must(int code, const char *what)
{
    if (code)
        bench_fail("%s: %s", what, mdb_strerror(code));
}

struct table {
    MDB_env *env;
    MDB_dbi dbi;
    uint64_t records, random;
    uint8_t value[1024];
    size_t value_bytes;
};

/* The n-th key: spread over the whole table, so that neighbours in time are no neighbours in the tree. */
static void key_of(uint64_t n, uint64_t key[2])
{
    uint64_t state = n + 1;
    key[0] = bench_random(&state);
    key[1] = n;
}

static void write_batch(struct table *table, uint64_t first, unsigned count, bool random)
{
    MDB_txn *txn;
    must(mdb_txn_begin(table->env, NULL, 0, &txn), "mdb_txn_begin");
    for (unsigned i = 0; i < count; i++) {
        uint64_t key_octets[2];
        key_of(random ? bench_random(&table->random) % table->records : first + i, key_octets);
        memcpy(table->value, &table->random, sizeof table->random);
        MDB_val key = {sizeof key_octets, key_octets}, value = {table->value_bytes, table->value};
        must(mdb_put(txn, table->dbi, &key, &value, 0), "mdb_put");
    }
    must(mdb_txn_commit(txn), "mdb_txn_commit");
}

static double run(struct table *table, unsigned batch, double seconds, struct latencies *latencies)
{
    uint64_t done = 0;
    const uint64_t began = bench_now_ns();
    do {
        const uint64_t before = bench_now_ns();
        write_batch(table, 0, batch, true);
        latencies_add(latencies, bench_now_ns() - before);
        done += batch;
    } while ((double)(bench_now_ns() - began) < seconds * 1e9);
    return (double)done * 1e9 / (double)(bench_now_ns() - began);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("lmdb_ceiling EMPTY-FOLDER RECORDS VALUE-BYTES SECONDS\n", stderr);
        return 2;
    }
    static struct table table = {.random = 20241122};
    table.records = strtoull(argv[2], NULL, 10);
    table.value_bytes = strtoull(argv[3], NULL, 10);
    const double seconds = atof(argv[4]);
    if (!table.records || table.value_bytes < 8 || table.value_bytes > sizeof table.value || !(seconds > 0))
        bench_fail("records above 0, a value of 8 to %zu bytes, seconds above 0", sizeof table.value);
    must(mdb_env_create(&table.env), "mdb_env_create");
    must(mdb_env_set_mapsize(table.env, MAP_BYTES), "mdb_env_set_mapsize");
    must(mdb_env_open(table.env, argv[1], 0, 0600), argv[1]);
    MDB_txn *txn;
    must(mdb_txn_begin(table.env, NULL, 0, &txn), "mdb_txn_begin");
    must(mdb_dbi_open(txn, NULL, 0, &table.dbi), "mdb_dbi_open");
    must(mdb_txn_commit(txn), "mdb_txn_commit");
    for (uint64_t at = 0; at < table.records; at += 10000)
        write_batch(&table, at, table.records - at < 10000 ? (unsigned)(table.records - at) : 10000, false);
    struct latencies batches = {0}, singles = {0};
    const double grouped = run(&table, 64, seconds, &batches), single = run(&table, 1, seconds, &singles);
    printf("{\"records\": %llu, \"value_bytes\": %zu, \"batch_of_64_per_second\": %.1f, \"batch_of_64_p50_us\": %.1f, "
           "\"single_per_second\": %.1f, \"single_p50_us\": %.1f, \"single_p99_us\": %.1f}\n",
           (unsigned long long)table.records, table.value_bytes, grouped, latencies_us(&batches, 500), single,
           latencies_us(&singles, 500), latencies_us(&singles, 990));
    mdb_env_close(table.env);
    return 0;
}
