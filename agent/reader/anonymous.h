/* anonymous.h - copies in which every name is replaced by a stand-in: "function_0f3a…" (anonymous*.c).
 *
 *   name ──SipHash-2-4 with a secret key──▶ 16 hex digits      the same name has the same digits in every file of a bundle
 *
 * Texts, and all that this version does not know, are left out: what is copied is listed here, not what is removed.
 * Files are of untrusted origin. Context of all functions: CLI (pure, except for memory). */
#pragma once
#include "base/attributes.h"
#include "base/index.h"
#include "base/json.h"
#include "base/text.h"
#include "profile/profile.h"
#include <stdbool.h>
#include <stddef.h>

enum gs_named { // what a name is the name of; the first part of its stand-in
    GS_NAMED_FUNCTION, GS_NAMED_FILE, GS_NAMED_MODULE, GS_NAMED_THREAD, GS_NAMED_HOST, GS_NAMED_RULE, GS_NAMED_LABEL,
    GS_NAMED_VALUE, GS_NAMED_GAUGE, GS_NAMED_ID, // "": the digits alone
};
enum { GS_ANONYMOUS_KEY = 16, GS_STAND_IN = 32 };

struct gs_anonymizer {                // all zero but the key: nothing named yet
    unsigned char key[GS_ANONYMOUS_KEY];
    struct { char *stand_in, *name; } *item; // every name that was replaced, each once
    size_t count, capacity;
    struct gs_index index;
    bool failed;                      // memory ran out: a copy may lack something
};
void gs_reader_anonymizer_fini(struct gs_anonymizer *anonymizer);
/* The stand-in of NAME into OUT, which is returned; "" for "". */
const char *gs_reader_stand_in(struct gs_anonymizer *anonymizer, enum gs_named what, const char *name, char out[GS_STAND_IN]);
/* The stand-in of the file that is mapped from PATH, made of its last part alone; "[vdso]" and such stay. */
const char *gs_reader_module_stand_in(struct gs_anonymizer *anonymizer, const char *path, char out[GS_STAND_IN]);
/* Add a line "STAND-IN<tab>NAME" for each name so far, sorted. */
void gs_reader_anonymizer_print(const struct gs_anonymizer *anonymizer, struct gs_text *out);

/* Is TEXT one of our own words, which names nothing of the program ("sleeping", "inuse_space")? (anonymous_words.c) */
bool gs_reader_is_our_word(const char *text);

/* An anonymous copy of PROFILE; its drop_frames are applied first. NULL: no memory. */
struct gs_profile *gs_reader_anonymize_profile(struct gs_anonymizer *anonymizer, struct gs_profile *profile) GS_CHECK_RESULT;
/* An anonymous copy of incident.json, memory.json, metrics.json or rules.json. NULL: no memory. */
json_t *gs_reader_anonymize_json(struct gs_anonymizer *anonymizer, const json_t *json) GS_CHECK_RESULT;
/* The lines of /proc/PID/maps in TEXT, with stand-ins for paths. Lines that are not well-formed are left out. */
void gs_reader_anonymize_maps(struct gs_anonymizer *anonymizer, const char *text, struct gs_text *out);
/* A summary of the anonymous incident.json INCIDENT. */
void gs_reader_anonymous_summary(const json_t *incident, struct gs_text *out);
