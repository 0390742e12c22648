/* json.c - jansson, with failed allocations in sight.
 *
 * Reading: jansson (2.14, lex_save in its load.c) does not notice when the text of a token finds no room to grow; it goes on
 * with what is left of it, and may run over its end. So while one reads, allocations that fail are served from a spare that was
 * put by before, and what was read is thrown away. */
#include "base/json.h"
#include "base/clock.h"
#include "base/memory.h"
#include <math.h>

/* ---- building ---------------------------------------------------------------------------------------------------------- */

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

/* ---- values ------------------------------------------------------------------------------------------------------------ */

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

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

struct spare {
    char *bytes;
    size_t room, used;
    bool was_needed;
};
/* Of the thread that reads. A thread's own, and there from its beginning: none waits for another, and a fork leaves none taken.
 * */
static __thread struct spare *spare __attribute__((tls_model("initial-exec")));

static void *alloc(size_t size)
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

static void release(void *ptr)
{
    uintptr_t at = (uintptr_t)ptr;
    if (!spare || at - (uintptr_t)spare->bytes >= spare->room)
        gs_free(ptr);
}

void gs_json_use_our_memory(void)
{
    json_set_alloc_funcs(alloc, release);
}

json_t *gs_json_read(const char *text, size_t length, size_t flags, json_error_t *error)
{
    struct spare mine = {.room = 4 * length + 4096}; // a token that grew, by doubling, to the whole text
    *error = (json_error_t){.text = "out of memory"};
    error->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
    mine.bytes = gs_alloc(mine.room);
    if (!mine.bytes)
        return NULL;
    spare = &mine;
    json_error_t found;
    json_t *json = json_loadb(text, length, flags, &found);
    if (mine.was_needed) {
        json_decref(json);
        json = NULL;
    } else if (!json) {
        *error = found;
    }
    spare = NULL;
    gs_free(mine.bytes);
    return json;
}
