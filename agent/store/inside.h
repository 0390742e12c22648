/* store/inside.h - what the files of store/ share. */
#pragma once
#include "store/store.h"

struct gs_store {
    struct gs_owned_fd held;       // the directory
    bool closed;               // it was said that nothing can be written there any more
    char home[PATH_MAX];       // where it was opened
    char path[PATH_MAX];       // where it is now
    bool adrift;               // the log knows that the two differ
    struct gs_store_limits limits;
};

/* Is NAME a file that an incident of ours may hold? */
bool gs_store_is_incident_file(const char *name);
/* Remove folder NAME of DIRFD (own_folder.c) if it holds nothing but files of ours; 0 or -errno (-ENOTEMPTY: there is more in
 * it). */
int gs_store_folder_remove(int dirfd, const char *name);
/* Append TEXT to the array KEY of an incident.json, made if there is none. 0 or -ENOMEM. */
int gs_store_append_to_incident(json_t *json, const char *key, const char *text) GS_CHECK_RESULT;
/* The same for a folder that has its name already: what comes of it afterwards. */
int gs_store_replace_incident_json(const struct gs_owned_fd *folder, const json_t *json) GS_CHECK_RESULT;
/* {"name","size","crc32"} of a file of FOLDERFD, as incident.json has it. 0 or -errno. */
int gs_store_file_entry(int folderfd, const char *name, json_t **out) GS_CHECK_RESULT;

/* Is there a control socket of the process called KEY in the open .live? Those of the dead are swept away at each start. */
bool gs_store_live_has_socket(int live, const char *key);

/* The ledger as text, and back. Reading takes what makes sense and passes over the rest; -EBADMSG: it is no ledger at all;
 * -ENOMEM. */
int gs_store_ledger_parse(const char *text, size_t length, struct gs_ledger *out) GS_CHECK_RESULT;
void gs_store_ledger_print(const struct gs_ledger *ledger, const char *program, struct gs_text *out);
