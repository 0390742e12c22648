/* renaming.h - an incident that is named anew, in memory: what it says now, as it was captured, and with better names.
 *
 *   gs_cli_renaming_read ─▶ lines, or further plumbing (the caller) ─▶ gs_cli_renaming_words ─▶ summary, JSON in the new names
 *
 * Used by `gumshoe symbolize INCIDENT`, which writes it, and `gumshoe show --plumbing`, which prints it. */
#pragma once
#include "cli/options.h"
#include "incident/incident.h"
#include "reader/reader.h"
#include "store/store.h"

enum { GS_RENAMING_FILES_MAX = 32, GS_RENAMING_PATTERNS_MAX = 2 * GS_CLI_PLUMBING_MAX };

struct gs_renamed_profile {
    const char *name; // "heap.pb.gz"; borrowed
    const struct gs_profile **before, **original,
        **after;                               // where the evidence has it; NULL: it is no part of that
    struct gs_profile *now, *captured, *named; // as it is, as captured, with lines; two may be the same
};

struct gs_renaming {
    const char *path;
    struct gs_owned_fd folder; // opened by the caller
    json_t *json;              // incident.json, as it was at the start
    struct gs_rules *rules;
    struct gs_renamed_profile file[GS_RENAMING_FILES_MAX];
    size_t file_count;
    struct gs_profile *memory, *named_memory; // the stacks of memory.json, as captured and with lines; NULL: none
    json_t *memory_json;                      // memory.json, as captured; NULL: there is none
    const char *plumbing[GS_RENAMING_PATTERNS_MAX]; // those of incident.json come first
    size_t stored_plumbing, plumbing_count;
    struct gs_incident_evidence before, original, after;
    struct gs_incident_words words_before, words_original, words_after; // by gs_cli_renaming_words
    struct gs_text summary, threads, notes; // summary.txt as it is; threads.txt as captured; what gave no lines
    size_t locations, with_lines;
};

/* Read the incident in RENAMING->folder (path: for messages) into the rest of RENAMING, which is zero. Returns an exit status; after an
 * error was printed, too, gs_cli_renaming_fini frees what was read, and the folder stays open. */
int gs_cli_renaming_read(struct gs_renaming *renaming) GS_CHECK_RESULT;
void gs_cli_renaming_fini(struct gs_renaming *renaming);
/* Functions that match LIST are no culprits, beside those that incident.json names. Returns an exit status. */
int gs_cli_renaming_add_plumbing(struct gs_renaming *renaming, const struct gs_option_list *list) GS_CHECK_RESULT;
/* Describe the evidence in its three states, and put the new words into RENAMING->summary. 0 or -ENOMEM. */
int gs_cli_renaming_words(struct gs_renaming *renaming) GS_CHECK_RESULT;
/* Put the new words into JSON, an incident.json. 0 or -ENOMEM. */
int gs_cli_renaming_json(const struct gs_renaming *renaming, json_t *json) GS_CHECK_RESULT;
/* Read file NAME of the incident. 0 or -errno. */
int gs_cli_renaming_file(const struct gs_renaming *renaming, const char *name, size_t max, char **bytes,
                         size_t *length) GS_CHECK_RESULT;
