/* ship/inside.h - what the files of ship/ share. */
#pragma once
#include "base/attributes.h"
#include "base/json.h"
#include "base/text.h"
#include "ship/curl.h"
#include "ship/ship.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- SHA-256 (sha256.c, pure) ------------------------------------------------------------------------------------ */

enum { GS_SHIP_SHA256_HEX = 65 };
struct gs_ship_sha256 { uint32_t state[8]; uint64_t length; unsigned char block[64]; };
void gs_ship_sha256_begin(struct gs_ship_sha256 *hash);
void gs_ship_sha256_add(struct gs_ship_sha256 *hash, const void *bytes, size_t length);
void gs_ship_sha256_end(struct gs_ship_sha256 *hash, char hex[GS_SHIP_SHA256_HEX]);
void gs_ship_sha256_text(const char *text, char hex[GS_SHIP_SHA256_HEX]);

/* ---- destinations (destination.c, s3.c, headers.c) --------------------------------------------------------------- */

enum { GS_SHIP_HEADERS_MAX = 16 };
struct gs_ship_destination {
    enum gs_ship_kind kind;
    char *name;                 // DEST
    char *base;                 // the URL up to the incident's part, percent-encoded, without a slash at the end
    uint64_t id;
    char *ca;                   // NULL: the system's
    char *region, *key_id, *secret, *token; // S3's; TOKEN may be NULL
    char *header[GS_SHIP_HEADERS_MAX];      // "Name: value" from the environment or a file: secrets
    size_t header_count;
    char resume_id[200];        // Pyroscope, OTLP: the incident that was sent in part, and its next profile
    size_t resume_at;
    unsigned silence_s;         // a request ends after so long without a byte
    CURL *curl;                 // NULL until the first request
};
/* Fill in what an S3 destination needs, from REST ("BUCKET/PREFIX") and the environment. False, with a sentence in WHY. */
bool gs_ship_s3_read(struct gs_ship_destination *destination, const char *rest, char *why, size_t why_size) GS_CHECK_RESULT;
/* Read headers from $GUMSHOE_SHIP_HEADERS and from FILE (NULL: none): one "Name: value" in each line. */
bool gs_ship_headers_read(struct gs_ship_destination *destination, const char *file, char *why, size_t why_size) GS_CHECK_RESULT;
/* Does TEXT begin with a host (a name, an address, [IPv6]) and perhaps ":PORT", and consist of characters of URLs? */
bool gs_ship_is_address(const char *text);
/* Add PATH to URL, percent-encoded as S3 wants it: everything but letters, digits, "-._~" and "/". */
void gs_ship_add_encoded(struct gs_text *url, const char *path);
/* The same, and "/" is encoded as well: a value of a query. */
void gs_ship_add_query_value(struct gs_text *url, const char *value);

/* ---- an incident on its way (incident.c) ------------------------------------------------------------------------- */

struct gs_ship_incident {
    const char *path;           // its folder; borrowed
    const char *folder;         // the folder's name, in `path`
    json_t *json;               // incident.json
    char date[12];              // "2026-11-27", UTC
    char id[200];               // FOLDER-HASH: names the incident among those of all machines
};
/* 0, or -1 with a sentence in WHY. */
int gs_ship_incident_open(const char *path, struct gs_ship_incident *out, char *why, size_t why_size) GS_CHECK_RESULT;
void gs_ship_incident_close(struct gs_ship_incident *incident);
/* incident.json as one line, with its "id", and "bundle": the name of the bundle beside it (NULL: none). */
void gs_ship_incident_print(const struct gs_ship_incident *incident, const char *bundle, struct gs_text *out);
/* The text at KEY of JSON; "" if there is none. Borrowed. */
const char *gs_ship_text(const json_t *json, const char *key);

/* The names of the profiles that go to Pyroscope and OTLP: those as of the trigger, not baselines. Borrowed from the incident. */
enum { GS_SHIP_PROFILES_MAX = 16, GS_SHIP_PROFILE_BYTES_MAX = 64 << 20 };
size_t gs_ship_incident_profiles(const struct gs_ship_incident *incident, const char *out[GS_SHIP_PROFILES_MAX]);
/* The name of the service: the label "service", else the program. Borrowed. */
const char *gs_ship_service(const struct gs_ship_incident *incident);
/* Add the incident's name for Pyroscope to OUT: SERVICE{host=…,rule=…,incident=…} (labels.c). */
void gs_ship_pyroscope_name(const struct gs_ship_incident *incident, struct gs_text *out);

/* Write the incident's folder as a .tar.gz to FD, which is empty (bundle.c). 0 or -errno, with a sentence in WHY. */
int gs_ship_bundle(const struct gs_ship_incident *incident, int fd, char *why, size_t why_size) GS_CHECK_RESULT;

/* ---- requests (http.c) ------------------------------------------------------------------------------------------- */

struct gs_ship_body {           // what a request sends: bytes, or a file
    const void *bytes;
    int fd;                     // if BYTES is NULL: read from its start
    uint64_t length;
    const char *type;           // Content-Type
    bool gzip;                  // Content-Encoding
};
struct gs_ship_answer { char *bytes; size_t length; }; // the beginning of what the server said; gs_free
enum { GS_SHIP_ANSWER_MAX = 64 << 10 };
/* PUT (POST: no PUT, but POST) BODY to URL. ANSWER may be NULL. *OUT: only `end`, `wait_s`, `what` are set. */
void gs_ship_put(struct gs_ship_destination *destination, const char *url, const struct gs_ship_body *body,
                 struct gs_ship_progress *progress, struct gs_ship_result *out);
void gs_ship_post(struct gs_ship_destination *destination, const char *url, const struct gs_ship_body *body,
                  struct gs_ship_progress *progress, struct gs_ship_answer *answer, struct gs_ship_result *out);
/* Set OUT to END with a sentence. */
void gs_ship_fail(struct gs_ship_result *out, enum gs_ship_end end, const char *format, ...) GS_PRINTF(3, 4);

/* ---- kinds of destinations --------------------------------------------------------------------------------------- */

/* Send a whole incident: storage.c (S3 and HTTP), profiles.c (Pyroscope and OTLP). */
void gs_ship_to_storage(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                        struct gs_ship_progress *progress, struct gs_ship_result *out);
void gs_ship_profiles(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                      struct gs_ship_progress *progress, struct gs_ship_result *out);

struct gs_ship_profile {        // one profile of an incident; borrowed
    const char *name;           // "heap.pb.gz"
    const struct gs_profile *profile;
    const char *bytes;          // the file
    size_t length;
};
/* Are the values of PROFILE those of the time from time_ns on, for duration_ns (CPU time)? Else they are a state at time_ns, and
 * duration_ns is the process's age then. */
bool gs_ship_is_over_time(const struct gs_profile *profile);
/* Send one profile: pyroscope.c, otlp.c. */
void gs_ship_to_pyroscope(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                          const struct gs_ship_profile *profile, struct gs_ship_progress *progress, struct gs_ship_result *out);
void gs_ship_to_otlp(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                     const struct gs_ship_profile *profile, struct gs_ship_progress *progress, struct gs_ship_result *out);
