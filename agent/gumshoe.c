/* gumshoe.c - the public functions: each calls the folder that implements it. */
#include "gumshoe/gumshoe.h"
#include "host/callback.h"
#include "probe/probe.h"
#include "watch/watch.h"

int gumshoe_start(const struct gumshoe_options *options)
{
    return gs_watch_start(options);
}

void gumshoe_stop(void)
{
    gs_watch_stop();
    gs_callback_wait();
}

int gumshoe_capture(const char *reason, unsigned kinds)
{
    return gs_watch_capture(reason, kinds);
}

void gumshoe_gauge(const char *name, double value)
{
    gs_probe_gauge(name, value);
}

int gumshoe_write_profile(enum gumshoe_kind kind, int fd)
{
    return gs_watch_write_profile(kind, fd);
}

int gumshoe_write_profile_for(enum gumshoe_kind kind, int fd, double seconds)
{
    return gs_watch_write_profile_for(kind, fd, seconds);
}

void gumshoe_on_incident(void (*callback)(const char *dir, void *user), void *user)
{
    gs_callback_set(callback, user);
}

void gumshoe_note_alloc(void *ptr, size_t size)
{
    gs_probe_note_alloc(ptr, size);
}

void gumshoe_note_free(void *ptr)
{
    gs_probe_note_free(ptr);
}

int gumshoe_label_set(const char *key, const char *value)
{
    return gs_probe_label_set(key, value);
}

void gumshoe_label_clear(const char *key)
{
    gs_probe_label_clear(key);
}

const char *gumshoe_version(void)
{
    return GUMSHOE_VERSION;
}
