/* page_incident.h - the page of an incident while it is made: what the files page_incident*.c share.
 *
 *   incident.json, metrics.json, rules.json, memory.json, *.txt, *.pb.gz      from a folder that anybody may have written
 *        └▶ each read and checked within a bound ──▶ body: one section of HTML each, readable without script
 *                                                ──▶ drawn: what the script draws      profiles: packed
 *
 * A file that is missing or damaged costs its own section; a sentence stands in its place. Context: CLI. */
#pragma once
#include "base/json.h"
#include "base/text.h"
#include "reader/inside.h"
#include "reader/reader.h"

enum { GS_PAGE_PROFILES_MAX = 16, GS_PAGE_FILE_NAME = 64, GS_PAGE_TEXT_BYTES_MAX = 1 << 20 };

struct gs_incident_page_profile {
    char name[GS_PAGE_FILE_NAME]; // "heap.pb.gz"
    struct gs_profile *profile;   // NULL: it could not be read
};

struct gs_incident_page {
    const struct gs_page_incident *from;
    const json_t *json;           // incident.json; borrowed
    int64_t triggered_ns;         // 0: not known
    struct gs_incident_page_profile profile[GS_PAGE_PROFILES_MAX];
    size_t profile_count;
    struct gs_text body;
    struct gs_text early;         // HTML: what is wrong with the profiles, for their section
    struct gs_text problems;      // HTML list items: what is wrong with any file, which the section of notes repeats
    struct gs_json drawn, profiles; // "incident" and "profiles" of the page's data
    bool failed;                  // memory ran out
};

/* ---- reading (page_incident_parts.c) -------------------------------------------------------------------------------------- */

/* Read file NAME of the folder, at most MAX bytes. False: it is missing, or it cannot be read, which the page says. */
bool gs_reader_report_file(struct gs_incident_page *page, const char *name, size_t max, char **bytes, size_t *length);
/* Say in the section that is being written, and among the notes, that FILE is not shown, and WHY. */
void gs_reader_report_problem(struct gs_incident_page *page, const char *file, const char *why);
/* The profile NAME; NULL: there is none, or it could not be read. */
struct gs_profile *gs_reader_report_find_profile(const struct gs_incident_page *page, const char *name);

/* What a JSON object of unknown origin has at KEY; "", NAN, NULL: it is missing or of another type. */
const char *gs_reader_report_text(const json_t *object, const char *key);
double gs_reader_report_number(const json_t *object, const char *key);
const json_t *gs_reader_report_list(const json_t *object, const char *key);

/* ---- writing (page_incident_parts.c) -------------------------------------------------------------------------------------- */

/* Add <TAG class="CLASS">WORDS</TAG>; CLASS may be NULL. WORDS are escaped, TAG and CLASS are our own. */
void gs_reader_report_element(struct gs_text *out, const char *tag, const char *class_name, const char *words);
/* The same for a number in a cell. VALUE NAN: an empty cell. */
void gs_reader_report_cell(struct gs_text *out, double value, enum gs_unit unit);
/* Begin a section, with the heading TITLE; end it, or remove it if nothing was written into it. */
struct gs_page_mark { size_t before, after; };
struct gs_page_mark gs_reader_report_section(struct gs_text *out, const char *id, const char *title);
void gs_reader_report_section_end(struct gs_text *out, struct gs_page_mark mark);

struct gs_page_place { const char *function, *file; int64_t line; }; // borrowed from a profile; line 0: not known
/* Where the culprit's function is, as its profile has it. PLACE stays as it is if that has no line (page_incident_source.c). */
void gs_reader_report_culprit_place(const struct gs_incident_page *page, struct gs_page_place *place);

/* ---- the processes before (page_incident_past.c) ------------------------------------------------------------------------- */

enum { GS_PAGE_LIVES_MAX = 100 };
struct gs_page_life {             // a process, and the times of its first and last row
    struct gs_history_owner owner;
    int64_t from_ns, to_ns;
};
struct gs_page_past {
    struct gs_history *history;   // the metrics of OWN, of all these processes, each one marked; NULL: the page has metrics.json alone. The caller frees it
    struct gs_page_life life[GS_PAGE_LIVES_MAX]; // the oldest first; the last is the incident's process
    size_t lives, beside;         // beside: other processes that were recorded in this time, and are not shown
    bool failed;                  // memory ran out
};
/* What the program's history file has of the time before OWN, the history of metrics.json, which has a row. */
void gs_reader_report_past(struct gs_incident_page *page, const struct gs_history *own, struct gs_page_past *out);

/* ---- sections, in the order of the page ------------------------------------------------------------------------------- */

void gs_reader_report_verdict(struct gs_incident_page *page);     // page_incident_verdict.c
void gs_reader_report_history(struct gs_incident_page *page);     // page_incident_history.c
void gs_reader_report_memory(struct gs_incident_page *page);      // page_incident_memory.c
void gs_reader_report_profiles(struct gs_incident_page *page);    // page_incident_profiles.c
void gs_reader_report_sources(struct gs_incident_page *page);     // page_incident_source.c
void gs_reader_report_threads(struct gs_incident_page *page);     // page_incident_threads.c
void gs_reader_report_deadlock(struct gs_incident_page *page);    // page_incident_waits.c
void gs_reader_report_waits(struct gs_incident_page *page);       // page_incident_waits.c
void gs_reader_report_descriptors(struct gs_incident_page *page); // page_incident_notes.c
void gs_reader_report_notes(struct gs_incident_page *page);       // page_incident_notes.c
void gs_reader_report_rules(struct gs_incident_page *page);       // page_incident_notes.c
