/* gauges.c - the host's own numbers, by name.
 *
 *   name ──compared one by one──▶ gauge[64] { state, name, value }
 *   state: EMPTY ──CAS──▶ NAMING ──release──▶ READY      (never freed, so the first empty one ends the search)
 *
 * Two threads that set the same new name at the same moment may both take a slot: later calls find the first of the two.
 * Who:    any host thread, also in signal handlers; the watcher reads.
 * Bounds: 64 comparisons of names and one store. Names beyond 64, and malformed ones, are refused and counted; the first of
 *         them is kept for the log. */
#include "probe/inside.h"
#include <string.h>

enum gauge_state { EMPTY, NAMING, READY };
struct gauge {
    _Atomic int state;
    char name[GS_GAUGE_NAME];
    _Atomic double value;
};
static struct gauge gauge[GS_GAUGES_MAX];
static _Atomic uint64_t refused;
static struct gauge first_refused; // its name alone

static bool well_formed(const char *name, size_t *length)
{
    size_t n = 0;
    for (; n < GS_GAUGE_NAME && name[n]; n++) {
        char c = name[n];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
            return false;
    }
    *length = n;
    return n > 0 && n < GS_GAUGE_NAME;
}

static struct gauge *find(const char *name)
{
    for (unsigned i = 0; i < GS_GAUGES_MAX; i++) {
        int state = atomic_load_explicit(&gauge[i].state, memory_order_acquire);
        if (state == READY && strcmp(gauge[i].name, name) == 0)
            return &gauge[i];
        if (state == EMPTY)
            return NULL;
    }
    return NULL;
}

static struct gauge *add(const char *name, size_t length)
{
    for (unsigned i = 0; i < GS_GAUGES_MAX; i++) {
        int empty = EMPTY;
        if (!atomic_compare_exchange_strong_explicit(&gauge[i].state, &empty, NAMING, memory_order_acquire,
                                                     memory_order_relaxed))
            continue;
        memcpy(gauge[i].name, name, length + 1);
        return &gauge[i];
    }
    return NULL;
}

/* Count a refused NAME; NULL: none. The first is kept, as printable text. */
static void refuse(const char *name)
{
    int empty = EMPTY;
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    if (!name || !atomic_compare_exchange_strong_explicit(&first_refused.state, &empty, NAMING,
                                                          memory_order_relaxed, memory_order_relaxed))
        return;
    for (size_t i = 0; i < sizeof first_refused.name - 1 && name[i]; i++)
        first_refused.name[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    atomic_store_explicit(&first_refused.state, READY, memory_order_release);
}

void gs_probe_gauge(const char *name, double value)
{
    size_t length;
    if (name && well_formed(name, &length)) {
        struct gauge *found = find(name);
        bool is_new = !found;
        if (is_new)
            found = add(name, length);
        if (found) {
            atomic_store_explicit(&found->value, value, memory_order_relaxed);
            if (is_new)
                atomic_store_explicit(
                    &found->state, READY,
                    memory_order_release); // only now: a reader never sees it without a value
            return;
        }
    }
    refuse(name);
}

bool gs_probe_gauge_read(const char *name, double *value)
{
    struct gauge *found = find(name);
    if (found)
        *value = atomic_load_explicit(&found->value, memory_order_relaxed);
    return found != NULL;
}

const char *gs_probe_gauge_name(unsigned index)
{
    if (index >= GS_GAUGES_MAX || atomic_load_explicit(&gauge[index].state, memory_order_acquire) != READY)
        return NULL;
    return gauge[index].name;
}

uint64_t gs_probe_gauges_refused(const char **first)
{
    bool known = atomic_load_explicit(&first_refused.state, memory_order_acquire) == READY;
    *first = known ? first_refused.name : "";
    return atomic_load_explicit(&refused, memory_order_relaxed);
}
