/* labels.c - what the host says of its threads: "tenant" = "acme" on whatever this thread does from now on.
 *
 *   gumshoe_label_set ──▶ texts: every distinct key and value once ──▶ sets: every distinct list of pairs once
 *                                                                       └─▶ a number in the thread's own state
 *
 * A sample then carries one number, and setting a label that was seen before writes nothing but that.
 * Who:    host threads add; the watcher reads at any time.
 * Bounds: tables in .bss. A label that finds no room is refused and counted: it is for a few hundred tenants or
 *         request kinds, not for request ids. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- texts and sets: bytes, each distinct sequence kept once ---------------------------------------------------- */

enum { SLOTS = 1 << 12, PROBES = 64, ROOM = 128 << 10 };

struct kept { // in room, at a multiple of 4
    uint32_t length;
    char bytes[];
};

struct pool {
    _Atomic uint32_t slot[SLOTS]; // 0, or where in room it is kept, in units of 4 bytes: for good
    _Atomic uint32_t used;        // of room; the first unit stays empty, so that 0 means none
    char room[ROOM] __attribute__((aligned(4)));
};
static struct pool texts = {.used = 1}, sets = {.used = 1};
const struct gs_anchor_labels gs_anchor_labels = {texts.room, sets.room};

static const struct kept *kept_at(const struct pool *pool, uint32_t number)
{
    return (const void *)(pool->room + 4 * (size_t)number);
}

static uint32_t hash_of(const char *bytes, uint32_t length)
{
    uint64_t h = length;
    for (uint32_t i = 0; i < length; i++)
        h = (h ^ (uint8_t)bytes[i]) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static uint32_t keep(struct pool *pool, const char *bytes, uint32_t length)
{
    uint32_t units = 1 + (length + 3) / 4, at = atomic_load_explicit(&pool->used, memory_order_relaxed);
    do {
        if (units > ROOM / 4 - at)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&pool->used, &at, at + units, memory_order_relaxed,
                                                    memory_order_relaxed));
    struct kept *kept = (void *)(pool->room + 4 * (size_t)at);
    kept->length = length;
    memcpy(kept->bytes, bytes, length);
    return at;
}

/* The number of BYTES in POOL, added if they are new; 0 when there is no room. */
static uint32_t intern(struct pool *pool, const void *bytes, uint32_t length)
{
    uint32_t hash = hash_of(bytes, length), mine = 0;
    for (uint32_t i = 0; i < PROBES; i++) {
        _Atomic uint32_t *slot = &pool->slot[(hash + i) % SLOTS];
        uint32_t number = atomic_load_explicit(slot, memory_order_acquire);
        if (number == 0) {
            if (!mine && !(mine = keep(pool, bytes, length)))
                return 0;
            if (atomic_compare_exchange_strong_explicit(slot, &number, mine, memory_order_release,
                                                        memory_order_acquire))
                return mine;
        }
        const struct kept *kept = kept_at(pool, number);
        if (kept->length == length && memcmp(kept->bytes, bytes, length) == 0)
            return number;
    }
    return 0;
}

/* ---- a thread's labels --------------------------------------------------------------------------------------------- */

struct pair {
    uint32_t key, value; // of texts
};
struct pairs {
    uint32_t count;
    struct pair pair[GS_LABELS_MAX];
};

static _Atomic uint64_t refused;

static struct pairs pairs_of(uint32_t set)
{
    struct pairs pairs = {0};
    if (set == 0)
        return pairs;
    const struct kept *kept = kept_at(&sets, set);
    pairs.count = kept->length / (uint32_t)sizeof(struct pair);
    memcpy(pairs.pair, kept->bytes, kept->length);
    return pairs;
}

static uint32_t number_of(const struct pairs *pairs)
{
    return pairs->count ? intern(&sets, pairs->pair, pairs->count * (uint32_t)sizeof(struct pair)) : 0;
}

/* Put the pair in, in order of keys, so that the same labels set in another order are the same set. */
static bool put(struct pairs *pairs, struct pair pair)
{
    uint32_t at = 0;
    while (at < pairs->count && pairs->pair[at].key < pair.key)
        at++;
    if (at == pairs->count || pairs->pair[at].key != pair.key) {
        if (pairs->count == GS_LABELS_MAX)
            return false;
        memmove(&pairs->pair[at + 1], &pairs->pair[at], (pairs->count - at) * sizeof pair);
        pairs->count++;
    }
    pairs->pair[at] = pair;
    return true;
}

static bool good(const char *text)
{
    return text && *text && strnlen(text, GS_LABEL_TEXT) < GS_LABEL_TEXT;
}

static int refuse(int error)
{
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    return error;
}

/* From here on: in samples of this thread, and for whoever asks for its stack. */
static void carry(uint32_t set)
{
    if (set == gs_thread.labels)
        return;
    gs_thread.labels = set;
    gs_threads_table_label((pid_t)syscall(SYS_gettid), set);
}

int gs_probe_label_set(const char *key, const char *value)
{
    if (!good(key) || !good(value))
        return refuse(-EINVAL);
    struct pair pair = {intern(&texts, key, (uint32_t)strlen(key) + 1),
                        intern(&texts, value, (uint32_t)strlen(value) + 1)};
    struct pairs pairs = pairs_of(gs_thread.labels);
    if (!pair.key || !pair.value || !put(&pairs, pair))
        return refuse(-ENOSPC);
    uint32_t set = number_of(&pairs);
    if (!set)
        return refuse(-ENOSPC);
    carry(set);
    return 0;
}

void gs_probe_label_clear(const char *key)
{
    struct pairs pairs = pairs_of(gs_thread.labels);
    uint32_t kept = 0;
    if (!good(key))
        return;
    for (uint32_t i = 0; i < pairs.count; i++)
        if (strcmp(kept_at(&texts, pairs.pair[i].key)->bytes, key) != 0)
            pairs.pair[kept++] = pairs.pair[i];
    if (kept == pairs.count)
        return;
    pairs.count = kept;
    carry(number_of(&pairs)); // without room for the smaller set: none, rather than a label that is over
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

uint32_t gs_probe_labels(uint32_t set, struct gs_probe_label out[GS_LABELS_MAX])
{
    struct pairs pairs = pairs_of(set);
    for (uint32_t i = 0; i < pairs.count; i++)
        out[i] = (struct gs_probe_label){kept_at(&texts, pairs.pair[i].key)->bytes,
                                         kept_at(&texts, pairs.pair[i].value)->bytes};
    return pairs.count;
}

uint64_t gs_probe_labels_refused(void)
{
    return atomic_load_explicit(&refused, memory_order_relaxed);
}
