/* json.h - jansson, with failed allocations in sight: the one way to it.
 *
 *   gs_json_object ─▶ set, set … ─▶ take     what failed on the way is remembered: NULL at the end, never a key less
 *   gs_json_read   ◀─ text                   what memory failed in is no JSON that was read
 *
 * A function that makes a value returns NULL when memory is out, and every function takes that: so it travels up to whoever
 * writes the document. Context: watcher, CLI; any thread but a host's in a hook. */
#pragma once
#include "base/attributes.h"
#include "base/text.h"
#include <jansson.h>
#include <stdint.h>

/* jansson's own, once more: a result that is dropped is a key that is missing. */
int json_object_set_new(json_t *object, const char *key, json_t *value) GS_CHECK_RESULT;
int json_array_append_new(json_t *array, json_t *value) GS_CHECK_RESULT;

struct gs_json { json_t *json; bool failed; }; // an object or an array while it is built
struct gs_json gs_json_object(void);
struct gs_json gs_json_array(void);
/* VALUE is taken; NULL: there was no memory for it. */
void gs_json_set(struct gs_json *object, const char *key, json_t *value);
void gs_json_add(struct gs_json *array, json_t *value);
/* What was built, the caller's from here on; NULL, and nothing is left of it, when something failed. */
json_t *gs_json_take(struct gs_json *built) GS_CHECK_RESULT;

/* Values. Texts that are not UTF-8 are shown as gs_text_add_printable shows them; NULL and "" are null, as are NAN and
 * infinity, and a time of 0. */
json_t *gs_json_text(const char *text) GS_CHECK_RESULT;
json_t *gs_json_printable(const char *text) GS_CHECK_RESULT; // control characters are shown, too: of strangers' words
json_t *gs_json_real(double value) GS_CHECK_RESULT;
json_t *gs_json_time(int64_t realtime_ns) GS_CHECK_RESULT;   // ISO 8601

/* Add JSON to OUT, with a line's end; NULL fails OUT. FLAGS: jansson's. */
void gs_json_print(const json_t *json, size_t flags, struct gs_text *out);
/* As json_loadb. NULL with json_error_out_of_memory in *ERROR (never NULL) when memory was out, and never for another reason:
 * jansson alone would give a cut text, or run over its end. */
json_t *gs_json_read(const char *text, size_t length, size_t flags, json_error_t *error) GS_CHECK_RESULT;

/* Point the process's (in the library: our own, hidden) jansson at base/memory.h. Once, before the first json call. */
void gs_json_use_our_memory(void);
