/* json.c - builds and reads JSON with jansson, and detects every failed allocation.
 *
 * Reading: jansson (2.14, lex_save in its load.c) does not check whether the buffer of a token could grow; it continues with
 * a cut token, and may write past its end. So while a thread reads JSON, failed allocations are served from a spare buffer
 * that was allocated before, and the result is dropped. */
#include "base/json.h"
#include "base/clock.h"
#include "base/memory.h"
#include <math.h>

/* ---- building --------------------------------------------------------------------------------------------------------- */

struct gs_json gs_json_object(void)
{
    return (struct gs_json){.json = json_object()};
}

struct gs_json gs_json_array(void)
{
    return (struct gs_json){.json = json_array()};
}

void gs_json_set(struct gs_json *object, const char *key, json_t *value)
{
    object->failed |= json_object_set_new(object->json, key, value) != 0;
}

void gs_json_add(struct gs_json *array, json_t *value)
{
    array->failed |= json_array_append_new(array->json, value) != 0;
}

json_t *gs_json_take(struct gs_json *built)
{
    json_t *json = built->json;
    built->json = NULL;
    if (!built->failed)
        return json;
    json_decref(json);
    return NULL;
}

/* ---- values ----------------------------------------------------------------------------------------------------------- */

json_t *gs_json_printable(const char *text)
{
    struct gs_text printable = {0};
    if (!text || !*text)
        return json_null();
    gs_text_add_printable(&printable, text);
    json_t *json = printable.failed ? NULL : json_string(printable.bytes);
    gs_text_fini(&printable);
    return json;
}

json_t *gs_json_text(const char *text)
{
    json_t *json = text && *text ? json_string(text) : json_null();
    return json ? json : gs_json_printable(text);
}

json_t *gs_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *gs_json_time(int64_t realtime_ns)
{
    char text[GS_TIME_TEXT];
    return realtime_ns ? json_string(gs_clock_print(realtime_ns, GS_TIME_ISO, text)) : json_null();
}

static int add_to_text(const char *bytes, size_t length, void *text)
{
    struct gs_text *out = text;
    gs_text_add_bytes(out, bytes, length);
    return out->failed ? -1 : 0;
}

void gs_json_print(const json_t *json, size_t flags, struct gs_text *out)
{
    out->failed |= json_dump_callback(json, add_to_text, out, flags) != 0;
    gs_text_add_bytes(out, "\n", 1);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

struct spare {
    char *bytes;
    size_t room, used;
    bool was_needed;
};
/* The spare buffer of the calling thread; NULL: it does not read. Thread-local, so no lock is needed, also after a fork. */
static __thread struct spare *spare __attribute__((tls_model("initial-exec")));

static void *alloc_or_spare(size_t size)
{
    enum { ALIGN = 16 };
    void *at = gs_alloc(size);
    size_t room = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (at || !spare)
        return at;
    spare->was_needed = true;
    if (room > spare->room - spare->used)
        return NULL;
    at = spare->bytes + spare->used;
    spare->used += room;
    return at;
}

static void free_unless_spare(void *ptr)
{
    uintptr_t at = (uintptr_t)ptr;
    if (!spare || at - (uintptr_t)spare->bytes >= spare->room)
        gs_free(ptr);
}

void gs_json_use_our_memory(void)
{
    json_set_alloc_funcs(alloc_or_spare, free_unless_spare);
}

json_t *gs_json_read(const char *text, size_t length, size_t flags, json_error_t *error)
{
    struct spare own_spare = {
        .room = 4 * length + 4096}; // enough for one token that grows, by doubling, to the whole text
    *error = (json_error_t){.text = "out of memory"};
    error->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
    own_spare.bytes = gs_alloc(own_spare.room);
    if (!own_spare.bytes)
        return NULL;
    spare = &own_spare;
    json_error_t found;
    json_t *json = json_loadb(text, length, flags, &found);
    if (own_spare.was_needed) {
        json_decref(json);
        json = NULL;
    } else if (!json) {
        *error = found;
    }
    spare = NULL;
    gs_free(own_spare.bytes);
    return json;
}
