/* gauges.c - the host's own numbers, by name.
 *
 *   name ──compared with one after the other──▶ gauge[64] { state, name, value }
 *   state: 0 empty ──CAS──▶ 1 being named ──release──▶ 2 ready      (never freed, so the first empty one ends the search)
 *
 * Two threads that set a new name at the same instant may both take a place for it: the first of the two is the one that is
 * found from then on.
 * Who:    any host thread, also in signal handlers; the watcher reads.
 * Bounds: 64 comparisons of names and one store. Names beyond 64, and malformed ones, are refused and counted. */
#include "probe/inside.h"
#include <string.h>

struct gauge {
    _Atomic int state; // 0 empty, 1 being named, 2 ready
    char name[GS_GAUGE_NAME];
    _Atomic double value;
};
static struct gauge gauge[GS_GAUGES_MAX];
static _Atomic uint64_t refused;

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
        if (state == 2 && strcmp(gauge[i].name, name) == 0)
            return &gauge[i];
        if (state == 0)
            return NULL;
    }
    return NULL;
}

static struct gauge *add(const char *name, size_t length)
{
    for (unsigned i = 0; i < GS_GAUGES_MAX; i++) {
        int empty = 0;
        if (!atomic_compare_exchange_strong_explicit(&gauge[i].state, &empty, 1, memory_order_acquire,
                                                     memory_order_relaxed))
            continue;
        memcpy(gauge[i].name, name, length + 1);
        return &gauge[i];
    }
    return NULL;
}

void gs_probe_gauge(const char *name, double value)
{
    size_t length;
    if (name && well_formed(name, &length)) {
        struct gauge *g = find(name);
        bool fresh = !g;
        if (fresh)
            g = add(name, length);
        if (g) {
            atomic_store_explicit(&g->value, value, memory_order_relaxed);
            if (fresh)
                atomic_store_explicit(&g->state, 2, memory_order_release); // never seen without a value
            return;
        }
    }
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
}

bool gs_probe_gauge_read(const char *name, double *value)
{
    struct gauge *g = find(name);
    if (g)
        *value = atomic_load_explicit(&g->value, memory_order_relaxed);
    return g != NULL;
}

const char *gs_probe_gauge_name(unsigned index)
{
    if (index >= GS_GAUGES_MAX || atomic_load_explicit(&gauge[index].state, memory_order_acquire) != 2)
        return NULL;
    return gauge[index].name;
}

uint64_t gs_probe_gauges_refused(void)
{
    return atomic_load_explicit(&refused, memory_order_relaxed);
}
