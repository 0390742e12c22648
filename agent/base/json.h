/* json.h - builds and reads JSON with jansson, and detects every failed allocation. All documents go through it.
 *
 *   gs_json_object ─▶ set, set … ─▶ take     after any failure NULL at the end, never a document without a key
 *   gs_json_read   ◀─ text                   NULL if any allocation failed
 *
 * A function that makes a value returns NULL when out of memory. All functions accept NULL as a value and mark the document
 * as failed, so only the writer of the document must check. Context: watcher, CLI; host threads in public calls, never in a
 * hook. */
#pragma once
#include "base/attributes.h"
#include "base/text.h"
#include <jansson.h>
#include <stdint.h>

/* Declared again, to check results: an ignored failure would be a missing key. */
int json_object_set_new(json_t *object, const char *key, json_t *value) GS_CHECK_RESULT;
int json_array_append_new(json_t *array, json_t *value) GS_CHECK_RESULT;

struct gs_json { json_t *json; bool failed; }; // an object or array under construction
struct gs_json gs_json_object(void);
struct gs_json gs_json_array(void);
/* Add VALUE, which they take over; NULL: out of memory, which marks the document as failed. */
void gs_json_set(struct gs_json *object, const char *key, json_t *value);
void gs_json_add(struct gs_json *array, json_t *value);
/* Return the document, which the caller owns then; NULL: something failed, and all is freed. */
json_t *gs_json_take(struct gs_json *built) GS_CHECK_RESULT;

/* Make values; NULL: out of memory. Text that is not UTF-8 is escaped as in gs_text_add_printable. JSON null stands for
 * NULL, "", NAN, infinity, and a time of 0. */
json_t *gs_json_text(const char *text) GS_CHECK_RESULT;
json_t *gs_json_printable(const char *text) GS_CHECK_RESULT; // also escapes control characters; for untrusted text
json_t *gs_json_real(double value) GS_CHECK_RESULT;
json_t *gs_json_time(int64_t realtime_ns) GS_CHECK_RESULT;   // ISO 8601

/* Print JSON and a newline to OUT; if JSON is NULL, set OUT->failed. FLAGS: jansson's. */
void gs_json_print(const json_t *json, size_t flags, struct gs_text *out);
/* As json_loadb; ERROR must not be NULL. Out of memory: NULL, and *ERROR is json_error_out_of_memory, which has no other
 * cause. (jansson alone would return cut text, or write past the end of a buffer.) */
json_t *gs_json_read(const char *text, size_t length, size_t flags, json_error_t *error) GS_CHECK_RESULT;

/* Have jansson (in the library: our own, hidden copy) use base/memory.h. Once, before the first json call. */
void gs_json_use_our_memory(void);
