/* labels.c - the host's labels of its threads: "tenant" = "acme" on whatever this thread does from now on.
 *
 *   gumshoe_label_set ──▶ texts: every distinct key and value once ──▶ sets: every distinct list of pairs once
 *                                                                       └─▶ a number in the thread's own state
 *
 * A sample carries one number. Setting a label that was set before only writes that number.
 * Who:    host threads add; the watcher reads at any time.
 * Bounds: tables in .bss. A label that finds no room is refused and counted: labels are for a few hundred tenants or
 *         kinds of request, not for request ids. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- texts and sets: bytes, each distinct sequence kept once ---------------------------------------------------- */

enum { SLOTS = 1 << 12, PROBES = 64, STORAGE = 128 << 10 };

struct pool_item { // in storage, at a multiple of 4
    uint32_t length;
    char bytes[];
};

struct pool {
    _Atomic uint32_t
        slot[SLOTS]; // 0, or the offset of an item in storage, in units of 4 bytes; never changes once set
    _Atomic uint32_t used; // units of storage that items have, from the second on: the number 0 means none
    char storage[STORAGE] __attribute__((aligned(4)));
};
static struct pool texts, sets;
const struct gs_anchor_labels gs_anchor_labels = {texts.storage, sets.storage};

static const struct pool_item *item_at(const struct pool *pool, uint32_t number)
{
    return (const void *)(pool->storage + 4 * (size_t)number);
}

static uint32_t hash_of(const char *bytes, uint32_t length)
{
    uint64_t h = length;
    for (uint32_t i = 0; i < length; i++)
        h = (h ^ (uint8_t)bytes[i]) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static uint32_t append(struct pool *pool, const char *bytes, uint32_t length)
{
    uint32_t units = 1 + (length + 3) / 4, at = atomic_load_explicit(&pool->used, memory_order_relaxed);
    do {
        if (units > STORAGE / 4 - 1 - at)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&pool->used, &at, at + units, memory_order_relaxed,
                                                    memory_order_relaxed));
    struct pool_item *item = (void *)(pool->storage + 4 * (size_t)(at + 1));
    item->length = length;
    memcpy(item->bytes, bytes, length);
    return at + 1;
}

/* The number of BYTES in POOL, added if they are new; 0 when there is no room. */
static uint32_t intern(struct pool *pool, const void *bytes, uint32_t length)
{
    uint32_t hash = hash_of(bytes, length), new_number = 0;
    for (uint32_t i = 0; i < PROBES; i++) {
        _Atomic uint32_t *slot = &pool->slot[(hash + i) % SLOTS];
        uint32_t number = atomic_load_explicit(slot, memory_order_acquire);
        if (number == 0) {
            if (!new_number && !(new_number = append(pool, bytes, length)))
                return 0;
            if (atomic_compare_exchange_strong_explicit(slot, &number, new_number, memory_order_release,
                                                        memory_order_acquire))
                return new_number;
        }
        const struct pool_item *item = item_at(pool, number);
        if (item->length == length && memcmp(item->bytes, bytes, length) == 0)
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
    const struct pool_item *item = item_at(&sets, set);
    pairs.count = item->length / (uint32_t)sizeof(struct pair);
    memcpy(pairs.pair, item->bytes, item->length);
    return pairs;
}

static uint32_t number_of(const struct pairs *pairs)
{
    return pairs->count ? intern(&sets, pairs->pair, pairs->count * (uint32_t)sizeof(struct pair)) : 0;
}

/* Add or replace PAIR. Pairs stay sorted by key, so that the same labels in another order give the same set. False: no
 * room. */
static bool insert_pair(struct pairs *pairs, struct pair pair)
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

static bool is_valid(const char *text)
{
    return text && *text && strnlen(text, GS_LABEL_TEXT) < GS_LABEL_TEXT;
}

static int refuse(int error)
{
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    return error;
}

/* Use SET from now on in samples of this thread, and in dumps of threads. */
static void set_thread_labels(uint32_t set)
{
    if (set == gs_thread.labels)
        return;
    gs_thread.labels = set;
    if (!gs_is_sandboxed())
        gs_threads_table_label((pid_t)syscall(SYS_gettid), set);
}

int gs_probe_label_set(const char *key, const char *value)
{
    if (!is_valid(key) || !is_valid(value))
        return refuse(-EINVAL);
    struct pair pair = {intern(&texts, key, (uint32_t)strlen(key) + 1),
                        intern(&texts, value, (uint32_t)strlen(value) + 1)};
    struct pairs pairs = pairs_of(gs_thread.labels);
    if (!pair.key || !pair.value || !insert_pair(&pairs, pair))
        return refuse(-ENOSPC);
    uint32_t set = number_of(&pairs);
    if (!set)
        return refuse(-ENOSPC);
    set_thread_labels(set);
    return 0;
}

void gs_probe_label_clear(const char *key)
{
    struct pairs pairs = pairs_of(gs_thread.labels);
    uint32_t remaining = 0;
    if (!is_valid(key))
        return;
    for (uint32_t i = 0; i < pairs.count; i++)
        if (strcmp(item_at(&texts, pairs.pair[i].key)->bytes, key) != 0)
            pairs.pair[remaining++] = pairs.pair[i];
    if (remaining == pairs.count)
        return;
    pairs.count = remaining;
    set_thread_labels(number_of(
        &pairs)); // no room for the smaller set: no labels at all, rather than a label that was cleared
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

uint32_t gs_probe_labels(uint32_t set, struct gs_probe_label out[GS_LABELS_MAX])
{
    struct pairs pairs = pairs_of(set);
    for (uint32_t i = 0; i < pairs.count; i++)
        out[i] = (struct gs_probe_label){item_at(&texts, pairs.pair[i].key)->bytes,
                                         item_at(&texts, pairs.pair[i].value)->bytes};
    return pairs.count;
}

uint64_t gs_probe_labels_refused(void)
{
    return atomic_load_explicit(&refused, memory_order_relaxed);
}
