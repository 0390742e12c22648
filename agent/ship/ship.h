/* ship/ship.h - the door of ship/: incidents to other machines.
 *
 *   DEST, environment ──▶ gs_ship_destination_open
 *   incident's folder ──▶ gs_ship_send: one attempt ──▶ object storage, HTTP, Pyroscope, OTLP
 *                     ──▶ gs_ship_journal_add: it has gone
 *
 * The command alone: libcurl and libarchive are not in the library.
 * Opened by: cli, tests.  Opens: base, sys, profile, store, reader. */
#pragma once
#include "base/attributes.h"
#include "base/index.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- destinations (destination.c) -------------------------------------------------------------------------------- */

enum gs_ship_kind { GS_SHIP_S3, GS_SHIP_HTTP, GS_SHIP_PYROSCOPE, GS_SHIP_OTLP };
struct gs_ship_destination;
struct gs_ship_options {        // all copied
    const char *headers_file;   // headers for each request; NULL: none
    const char *ca;             // certificates to trust instead of the system's; NULL: none
    unsigned silence_s;         // a request ends after so long without a byte
};
/* Load libcurl, if that has not been done: first of all. False: it is missing; the reason is in WHY (SIZE bytes). */
bool gs_ship_load(char *why, size_t size) GS_CHECK_RESULT;
/* Read DEST (s3://BUCKET/PREFIX, https://…, pyroscope+https://…, otlp+https://…) and the secrets for it from the environment and the
 * headers file. NULL with a sentence in WHY, which never quotes DEST or a secret. Context: CLI. */
struct gs_ship_destination *gs_ship_destination_open(const char *dest, const struct gs_ship_options *options, char *why,
                                                     size_t why_size) GS_CHECK_RESULT;
void gs_ship_destination_close(struct gs_ship_destination *destination);
const char *gs_ship_destination_name(const struct gs_ship_destination *destination); // DEST, which has no secrets
uint64_t gs_ship_destination_id(const struct gs_ship_destination *destination);      // equal for equal destinations
/* Does sending an incident again replace the one that is there? */
bool gs_ship_destination_replaces(const struct gs_ship_destination *destination);

/* ---- sending (send.c) ---------------------------------------------------------------------------------------------- */

struct gs_ship_progress {       // who wants to know how far it is puts this first in a struct of its own
    void (*tell)(struct gs_ship_progress *progress, uint64_t sent_bytes, uint64_t total_bytes);
};
enum gs_ship_end {
    GS_SHIP_SENT,
    GS_SHIP_LATER,              // no answer, or the destination is busy or full: try again
    GS_SHIP_REFUSED,            // the destination refuses everything: keys, rights, name
    GS_SHIP_UNFIT,              // the destination refuses this incident, or the incident cannot be read
};
struct gs_ship_result {
    enum gs_ship_end end;
    int64_t wait_s;             // how long the destination asks us to wait; 0: it does not say
    char what[320];             // why not; has no secrets and no text from the network, except names of errors
    char where[1200];           // what was sent: the address of the incident.json, or the service
};
/* Send the incident in folder PATH: one attempt, with time limits. PROGRESS may be NULL. Context: CLI. */
void gs_ship_send(struct gs_ship_destination *destination, const char *path, struct gs_ship_progress *progress,
                  struct gs_ship_result *out);

/* ---- what has gone (journal.c) ---------------------------------------------------------------------------------------- */

/* May FOLDER, the name of an incident's folder or its key (store/store.h), stand in a journal? Printable, without spaces. */
bool gs_ship_is_folder_name(const char *folder);

/* A text file. Each line is "1 DESTINATION VERSION FOLDER CHECKSUM": incident FOLDER (its key), as of VERSION (when its
 * incident.json was written, ns), has gone to DESTINATION. Lines are appended with one write each; a line that was cut by
 * a death has a wrong checksum and is ignored, and so are other lines that cannot be read. */
#define GS_SHIP_JOURNAL ".shipped" /* its name in the incident directory */
enum { GS_SHIP_JOURNAL_MAX = 16 << 20, GS_SHIP_FOLDER_MAX = 160 };
struct gs_ship_gone { uint64_t destination; int64_t version; char folder[GS_SHIP_FOLDER_MAX]; };
struct gs_ship_journal {
    struct gs_ship_gone *gone;
    size_t count, capacity, ignored_lines;
    struct gs_index index;      // over `gone`, by destination and folder
};
/* Read the journal's text. The last line of a folder and destination counts. 0 or -ENOMEM. Context: CLI (pure). */
int gs_ship_journal_parse(const char *text, size_t length, struct gs_ship_journal *out) GS_CHECK_RESULT;
void gs_ship_journal_fini(struct gs_ship_journal *journal);
/* Print one line, with its newline, to OUT. */
enum { GS_SHIP_LINE_MAX = 256 };
void gs_ship_journal_print(const struct gs_ship_gone *gone, char out[GS_SHIP_LINE_MAX]);
/* Read the journal in PATH; a missing file is an empty journal. 0 or -errno. */
int gs_ship_journal_read(const char *path, struct gs_ship_journal *out) GS_CHECK_RESULT;
/* Append GONE to the journal in PATH. At 1 MiB, and each further 256 KiB, lines of folders that do not exist in DIR any more, and
 * lines that a later one replaces, are removed first; of more than GS_SHIP_JOURNAL_MAX bytes (170,000 lines) also the oldest.
 * 0 or -errno. */
int gs_ship_journal_add(const char *path, const char *dir, const struct gs_ship_gone *gone) GS_CHECK_RESULT;
/* Add GONE to JOURNAL in memory. 0 or -ENOMEM. */
int gs_ship_journal_remember(struct gs_ship_journal *journal, const struct gs_ship_gone *gone) GS_CHECK_RESULT;
/* NULL: JOURNAL has no line of DESTINATION and FOLDER. */
const struct gs_ship_gone *gs_ship_journal_find(const struct gs_ship_journal *journal, uint64_t destination, const char *folder);
