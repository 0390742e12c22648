/* bundle.h - what the files of `gumshoe bundle` share.
 *
 *   INCIDENT ──copy──▶ $TMPDIR/gumshoe-bundle-…/NAME/ ──lines, or stand-ins──▶ archive ──rename──▶ OUT      the copy is removed */
#pragma once
#include "base/json.h"
#include "reader/reader.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct gs_bundle_copy {         // a copy of an incident's folder that may be changed (bundle_copy.c)
    char base[PATH_MAX];        // the temporary directory; "": none
    char name[NAME_MAX + 1];    // of the folder in it, and in the archive
    int fd;                     // of the folder; -1: not open
    struct gs_json left_out;    // texts: what the bundle lacks, and why
};
struct gs_bundle_files { char **name; size_t count; }; // names in a folder, sorted

/* Copy the files of the incident in folder PATH. Returns an exit status; the error was printed. */
int gs_cli_bundle_copy(const char *path, struct gs_bundle_copy *out);
/* Remove the copy. */
void gs_cli_bundle_remove(struct gs_bundle_copy *copy);
/* Give the copy's folder another name. 0 or -errno. */
int gs_cli_bundle_rename(struct gs_bundle_copy *copy, const char *name) GS_CHECK_RESULT;
/* Write the LENGTH bytes of TEXT as file NAME of the copy; an existing one is replaced. 0 or -errno. */
int gs_cli_bundle_write(const struct gs_bundle_copy *copy, const char *name, const char *bytes, size_t length) GS_CHECK_RESULT;
/* Write JSON as incident.json of the copy, with its other files as they are now in "files". 0 or -errno. */
int gs_cli_bundle_list(const struct gs_bundle_copy *copy, json_t *json) GS_CHECK_RESULT;
/* Add "NAME: WHY" to what the bundle lacks, and print it. */
void gs_cli_bundle_leave_out(struct gs_bundle_copy *copy, const char *name, const char *why);
/* The names of the copy's files. 0 or -errno. Free them with gs_cli_bundle_files_fini. */
int gs_cli_bundle_files(const struct gs_bundle_copy *copy, struct gs_bundle_files *out) GS_CHECK_RESULT;
void gs_cli_bundle_files_fini(struct gs_bundle_files *files);

/* Replace every name in the copy by a stand-in (bundle_anonymous.c). KEY_FILE: a file with the key; NULL: a random one. NAMES: a file
 * to write the stand-ins and their names to, or NULL. Returns an exit status; the error was printed. */
int gs_cli_bundle_anonymize(struct gs_bundle_copy *copy, const char *key_file, const char *names);

/* The files that the incident's process had mapped, by its profiles (bundle_symbols.c). */
struct gs_bundle_module { char *path, *build_id, *file; }; // file: on this machine, with its symbols; NULL: none
struct gs_bundle_modules { struct gs_bundle_module *item; size_t count, capacity; };
/* Collect the modules of the copy's profiles. With OPTIONS, also look for their files on this machine. 0 or -errno. */
int gs_cli_bundle_modules(const struct gs_bundle_copy *copy, const struct gs_symbolize_options *options,
                          struct gs_bundle_modules *out) GS_CHECK_RESULT;
void gs_cli_bundle_modules_fini(struct gs_bundle_modules *modules);
/* "symbols/.build-id/ab/cdef.debug" for MODULE, into OUT; false: its build id makes no name. */
bool gs_cli_bundle_symbol_name(const struct gs_bundle_module *module, char out[PATH_MAX]);
