/*
 * store_examine.c - the first look at a store that may be damaged.
 *
 * LMDB has no checksums: a zeroed page makes it abort, a truncated file is a SIGBUS. So a child process checks the form
 * of every page that can be reached from the newest meta page by reading the file, never through LMDB, and then reads
 * every key and value through LMDB; whatever kills it is a damaged store, and the daemon itself never touches it.
 * Owns: the child. Thread: before threads exist. Invariant: ERR_NONE only if the child ended by itself and was content.
 *
 * The page format is LMDB 0.9's on a 64-bit machine (mdb.c: MDB_page, MDB_node, MDB_db, MDB_meta).
 */
#include "daemon/register/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum child_verdict {
    VERDICT_GOOD = 0,
    VERDICT_SHORT = 10,
    VERDICT_META,
    VERDICT_PAGE,
    VERDICT_ORDER,
    VERDICT_LMDB,
    VERDICT_CLOSED
};

#define PAGE_BYTES   4096u
#define PAGE_HEAD    16u
#define META_MAGIC   0xBEEFC0DEu
#define META_VERSION 1u
#define NO_PAGE      UINT64_MAX
#define DEPTH_MAX    32

enum { P_BRANCH = 1, P_LEAF = 2, P_OVERFLOW = 4, P_META = 8 };
enum { F_BIGDATA = 1, F_SUBDATA = 2, F_DUPDATA = 4 };

struct mdb_db_form {
    uint32_t pad;
    uint16_t flags, depth;
    uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct mdb_meta_form {
    uint32_t magic, version;
    uint64_t address, map_size;
    struct mdb_db_form dbs[2];
    uint64_t last_page, txnid;
};

struct page_form {
    uint64_t number;
    uint16_t pad, flags;
    union {
        struct {
            uint16_t lower, upper;
        };
        uint32_t pages;
    };
};

struct walk {
    int fd;
    uint64_t pages; /* in the file */
    uint64_t last_page;
    uint8_t *seen; /* a bit per page: none is reached twice */
    enum child_verdict verdict;
};

static bool refuse(struct walk *walk, enum child_verdict verdict)
{
    if (walk->verdict == VERDICT_GOOD)
        walk->verdict = verdict;
    return false;
}

static bool take_pages(struct walk *walk, uint64_t first, uint64_t count)
{
    if (first < 2 || first > walk->last_page || count > walk->last_page + 1 - first)
        return refuse(walk, VERDICT_PAGE);
    if (first >= walk->pages || count > walk->pages - first)
        return refuse(walk, VERDICT_SHORT);
    for (uint64_t page = first; page < first + count; page++) {
        if (walk->seen[page / 8] & 1u << page % 8)
            return refuse(walk, VERDICT_PAGE);
        walk->seen[page / 8] |= (uint8_t)(1u << page % 8);
    }
    return true;
}

static bool read_page(struct walk *walk, uint64_t number, uint8_t *out)
{
    return pread(walk->fd, out, PAGE_BYTES, (off_t)(number * PAGE_BYTES)) == (ssize_t)PAGE_BYTES ||
           refuse(walk, VERDICT_SHORT);
}

static bool walk_tree(struct walk *walk, const struct mdb_db_form *db, bool main_db);

static bool check_overflow(struct walk *walk, const uint8_t *data, uint64_t value_bytes)
{
    uint64_t number, count = (PAGE_HEAD - 1 + value_bytes) / PAGE_BYTES + 1;
    uint8_t page[PAGE_BYTES];
    struct page_form head;
    memcpy(&number, data, sizeof number);
    if (!take_pages(walk, number, count) || !read_page(walk, number, page))
        return false;
    memcpy(&head, page, sizeof head);
    return (head.number == number && head.flags == P_OVERFLOW && head.pages == count) || refuse(walk, VERDICT_PAGE);
}

/* One node: in a branch lo|hi|flags make the child's number; in a leaf lo|hi are the value's size. */
static bool check_node(struct walk *walk, const uint8_t *page, uint32_t at, bool leaf, bool main_db, uint64_t *child,
                       uint32_t *end)
{
    uint16_t part[4];
    memcpy(part, page + at, sizeof part);
    uint32_t key_bytes = part[3], room = PAGE_BYTES - at - 8;
    *end = at + 8 + key_bytes;
    if (key_bytes > room || key_bytes > 511)
        return refuse(walk, VERDICT_PAGE);
    if (!leaf) {
        *child = (uint64_t)part[0] | (uint64_t)part[1] << 16 | (uint64_t)part[2] << 32;
        return true;
    }
    uint64_t value_bytes = (uint64_t)part[0] | (uint64_t)part[1] << 16;
    uint16_t flags = part[2];
    uint64_t here = flags & F_BIGDATA ? 8 : value_bytes;
    if ((flags & ~(F_BIGDATA | F_SUBDATA)) != 0 || here > room - key_bytes || value_bytes > INT32_MAX)
        return refuse(walk, VERDICT_PAGE);
    *end += (uint32_t)here;
    if (flags & F_BIGDATA)
        return check_overflow(walk, page + at + 8 + key_bytes, value_bytes);
    if (!(flags & F_SUBDATA))
        return !main_db || refuse(walk, VERDICT_PAGE);
    struct mdb_db_form db;
    if (!main_db || value_bytes != sizeof db)
        return refuse(walk, VERDICT_PAGE);
    memcpy(&db, page + at + 8 + key_bytes, sizeof db);
    return walk_tree(walk, &db, false);
}

struct tree {
    uint64_t branches, leaves, entries;
    bool main_db, integer_keys;
};

/* Keys of a page lie in [low, high); data NULL: no bound. They point into the parents' pages. */
struct bounds {
    struct octets low, high;
};

static int compare_keys(const struct tree *tree, const struct octets *a, const struct octets *b)
{
    if (tree->integer_keys && a->size == sizeof(uint64_t) && b->size == sizeof(uint64_t)) {
        uint64_t x, y;
        memcpy(&x, a->data, sizeof x);
        memcpy(&y, b->data, sizeof y);
        return (x > y) - (x < y);
    }
    size_t least = a->size < b->size ? a->size : b->size;
    int order = least ? memcmp(a->data, b->data, least) : 0;
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* A wrong order would send a search the wrong way, or round and round. */
static bool check_order(struct walk *walk, const struct tree *tree, const struct octets *keys, unsigned count,
                        bool leaf, const struct bounds *bounds)
{
    for (unsigned i = leaf ? 0 : 1; i < count; i++) { /* a branch's first key says nothing */
        bool ascends = i == 0 || (!leaf && i == 1) || compare_keys(tree, &keys[i - 1], &keys[i]) < 0;
        if (!ascends || (bounds->low.data && compare_keys(tree, &keys[i], &bounds->low) < 0) ||
            (bounds->high.data && compare_keys(tree, &keys[i], &bounds->high) >= 0))
            return refuse(walk, VERDICT_ORDER);
    }
    return true;
}

static bool walk_page(struct walk *walk, uint64_t number, unsigned depth_left, struct tree *tree, struct bounds bounds);

static bool walk_children(struct walk *walk, const uint64_t *children, const struct octets *keys, unsigned count,
                          unsigned depth_left, struct tree *tree, const struct bounds *bounds)
{
    for (unsigned i = 0; i < count; i++) {
        const struct bounds of_child = {i > 0 ? keys[i] : bounds->low, i + 1 < count ? keys[i + 1] : bounds->high};
        if (!walk_page(walk, children[i], depth_left - 1, tree, of_child))
            return false;
    }
    return true;
}

#define NODES_MAX (PAGE_BYTES / 10) /* a node has at least 8 octets, and 2 in the list of offsets */

static bool walk_page(struct walk *walk, uint64_t number, unsigned depth_left, struct tree *tree, struct bounds bounds)
{
    uint8_t page[PAGE_BYTES], used[PAGE_BYTES] = {0};
    uint64_t children[NODES_MAX];
    struct octets keys[NODES_MAX];
    struct page_form head;
    if (!take_pages(walk, number, 1) || !read_page(walk, number, page))
        return false;
    memcpy(&head, page, sizeof head);
    bool leaf = depth_left == 1;
    if (head.number != number || head.flags != (leaf ? P_LEAF : P_BRANCH) || head.lower < PAGE_HEAD ||
        head.lower > head.upper || head.upper > PAGE_BYTES || head.lower % 2 != 0)
        return refuse(walk, VERDICT_PAGE);
    unsigned nodes = (head.lower - PAGE_HEAD) / 2;
    if (nodes < (leaf ? 1u : 2u) || nodes > NODES_MAX)
        return refuse(walk, VERDICT_PAGE);
    tree->leaves += leaf;
    tree->branches += !leaf;
    tree->entries += leaf ? nodes : 0;
    for (unsigned i = 0; i < nodes; i++) {
        uint16_t at, key_bytes;
        uint32_t end;
        memcpy(&at, page + PAGE_HEAD + 2 * i, sizeof at);
        if (at < head.upper || at > PAGE_BYTES - 8 || at % 2 != 0)
            return refuse(walk, VERDICT_PAGE);
        if (!check_node(walk, page, at, leaf, tree->main_db, &children[i], &end))
            return false;
        memcpy(&key_bytes, page + at + 6, sizeof key_bytes);
        keys[i] = (struct octets){page + at + 8, key_bytes};
        for (uint32_t b = at; b < end; b++)
            if (used[b]++)
                return refuse(walk, VERDICT_PAGE);
    }
    return check_order(walk, tree, keys, nodes, leaf, &bounds) &&
           (leaf || walk_children(walk, children, keys, nodes, depth_left, tree, &bounds));
}

static bool walk_tree(struct walk *walk, const struct mdb_db_form *db, bool main_db)
{
    struct tree tree = {.main_db = main_db, .integer_keys = (db->flags & 8u) != 0};
    if (db->root == NO_PAGE)
        return (db->depth == 0 && db->entries == 0) || refuse(walk, VERDICT_PAGE);
    /* Named tables have no special flags; the free list has integer keys. */
    if (db->depth == 0 || db->depth > DEPTH_MAX || (db->flags & ~8u) != 0)
        return refuse(walk, VERDICT_PAGE);
    if (!walk_page(walk, db->root, db->depth, &tree, (struct bounds){0}))
        return false;
    return (tree.branches == db->branch_pages && tree.leaves == db->leaf_pages && tree.entries == db->entries) ||
           refuse(walk, VERDICT_PAGE);
}

static bool read_meta(struct walk *walk, struct mdb_meta_form *out)
{
    bool found = false;
    for (uint64_t number = 0; number < 2; number++) {
        uint8_t page[PAGE_BYTES];
        struct page_form head;
        struct mdb_meta_form meta;
        if (!read_page(walk, number, page))
            return false;
        memcpy(&head, page, sizeof head);
        memcpy(&meta, page + PAGE_HEAD, sizeof meta);
        if (head.number != number || head.flags != P_META || meta.magic != META_MAGIC || meta.version != META_VERSION ||
            meta.dbs[0].pad != PAGE_BYTES)
            return refuse(walk, VERDICT_META);
        /* Each transaction writes the other of the two: they differ by one, or the younger has been overwritten. */
        if (meta.txnid % 2 != number && meta.txnid != 0)
            return refuse(walk, VERDICT_META);
        if (found && (meta.txnid > out->txnid ? meta.txnid - out->txnid : out->txnid - meta.txnid) > 1)
            return refuse(walk, VERDICT_META);
        if (!found || meta.txnid > out->txnid)
            *out = meta;
        found = true;
    }
    return true;
}

/* Page numbers in the free list lie in the file, above the meta pages, and are in no tree. */
static bool check_free_page(struct walk *walk, uint64_t number)
{
    if (number < 2 || number > walk->last_page || (walk->seen[number / 8] & 1u << number % 8))
        return refuse(walk, VERDICT_PAGE);
    walk->seen[number / 8] |= (uint8_t)(1u << number % 8);
    return true;
}

static bool examine_free_list(struct walk *walk, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    if (mdb_cursor_open(txn, 0, &cursor) != 0)
        return refuse(walk, VERDICT_LMDB);
    int rc;
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        uint64_t count, number;
        if (key.mv_size != sizeof count || value.mv_size < sizeof count)
            return refuse(walk, VERDICT_PAGE);
        memcpy(&count, value.mv_data, sizeof count);
        if (count > value.mv_size / sizeof count - 1)
            return refuse(walk, VERDICT_PAGE);
        for (uint64_t i = 1; i <= count; i++) {
            memcpy(&number, (const uint8_t *)value.mv_data + i * sizeof number, sizeof number);
            if (!check_free_page(walk, number))
                return false;
        }
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND || refuse(walk, VERDICT_LMDB);
}

/* Reads a table through LMDB: keys ascend, every octet of every value is there. */
static bool examine_table(struct walk *walk, MDB_txn *txn, MDB_dbi dbi, unsigned *sum)
{
    MDB_cursor *cursor;
    MDB_val key, value, before = {0};
    if (mdb_cursor_open(txn, dbi, &cursor) != 0)
        return refuse(walk, VERDICT_LMDB);
    int rc;
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        if (before.mv_data != NULL && mdb_cmp(txn, dbi, &before, &key) >= 0)
            return refuse(walk, VERDICT_ORDER);
        for (size_t i = 0; i < value.mv_size; i += 64)
            *sum += ((const uint8_t *)value.mv_data)[i];
        before = key;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND || refuse(walk, VERDICT_LMDB);
}

static bool examine_records(struct walk *walk, const char *env_folder, uint64_t map_bytes)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi main_dbi, dbi;
    MDB_cursor *names;
    MDB_val name, value;
    unsigned sum = 0;
    if (mdb_env_create(&env) != 0 || mdb_env_set_mapsize(env, map_bytes) != 0 || mdb_env_set_maxdbs(env, 32) != 0 ||
        mdb_env_open(env, env_folder, MDB_RDONLY | MDB_NOLOCK, 0600) != 0 ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0 || mdb_dbi_open(txn, NULL, 0, &main_dbi) != 0 ||
        mdb_cursor_open(txn, main_dbi, &names) != 0)
        return refuse(walk, VERDICT_LMDB);
    while (mdb_cursor_get(names, &name, &value, MDB_NEXT) == 0) {
        char text[64];
        if (name.mv_size >= sizeof text)
            return refuse(walk, VERDICT_PAGE);
        memcpy(text, name.mv_data, name.mv_size);
        text[name.mv_size] = '\0';
        if (mdb_dbi_open(txn, text, 0, &dbi) != 0 || !examine_table(walk, txn, dbi, &sum))
            return refuse(walk, VERDICT_LMDB);
    }
    return examine_free_list(walk, txn) && sum != UINT32_MAX;
}

static enum child_verdict examine(const char *env_folder, uint64_t map_bytes)
{
    char path[PATH_MAX];
    struct stat file;
    struct mdb_meta_form meta;
    struct walk walk = {.verdict = VERDICT_GOOD};
    snprintf(path, sizeof path, "%s/" STORE_ENV_FILE, env_folder);
    walk.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (walk.fd < 0 || fstat(walk.fd, &file) != 0)
        return VERDICT_CLOSED;
    walk.pages = (uint64_t)file.st_size / PAGE_BYTES;
    if (walk.pages < 2)
        return VERDICT_SHORT;
    if (!read_meta(&walk, &meta))
        return walk.verdict;
    /* The last pages of a transaction may be free ones that were never written: allow for some, not for any number. */
    walk.last_page = meta.last_page;
    if (meta.last_page < 1 || meta.last_page > walk.pages + 65536)
        return VERDICT_SHORT;
    walk.seen = calloc(meta.last_page / 8 + 1, 1);
    if (walk.seen == NULL)
        return VERDICT_LMDB;
    if (walk_tree(&walk, &meta.dbs[0], false) && walk_tree(&walk, &meta.dbs[1], true))
        (void)examine_records(&walk, env_folder, map_bytes);
    free(walk.seen);
    return walk.verdict;
}

/* In the child: dies of whatever it dies of, without a core file or a word on standard error. */
_Noreturn static void run_child(const char *env_folder, uint64_t map_bytes)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        signal(deadly[i], SIG_DFL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0)
        dup2(nowhere, STDERR_FILENO);
    _exit(examine(env_folder, map_bytes));
}

static const char *verdict_text(int status)
{
    if (WIFSIGNALED(status))
        return "reading it kills the reader";
    switch (WEXITSTATUS(status)) {
    case VERDICT_SHORT:
        return "the file is shorter than what it holds";
    case VERDICT_META:
        return "its first pages are not a register's";
    case VERDICT_PAGE:
        return "a page is not what it should be";
    case VERDICT_ORDER:
        return "keys are out of order";
    case VERDICT_CLOSED:
        return "it is missing, or this user may not read it";
    default:
        return "it can't be read";
    }
}

enum err store_examine(const char *env_folder, uint64_t map_bytes, const char *advice, struct problem *problem)
{
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return problem_set(problem, ERR_UNAVAILABLE, "", "no child process can be made to look at the store: %s",
                           strerror(errno));
    if (child == 0)
        run_child(env_folder, map_bytes);
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return problem_set(problem, ERR_INTERNAL, "", "waitpid: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == VERDICT_GOOD)
        return ERR_NONE;
    return problem_set(problem, ERR_STORE_DAMAGED, "", "store damaged: %s/%s: %s; %s", env_folder, STORE_ENV_FILE,
                       verdict_text(status), advice);
}
