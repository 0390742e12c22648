/* store/inside.h - what the files of store/ share. */
#pragma once
#include "store/store.h"

struct gs_store {
    struct gs_owned_fd directory;
    bool unwritable_logged;    // the log says that this process may not write there any more
    char opened_path[PATH_MAX]; // absolute path when it was opened
    char path[PATH_MAX];       // absolute path now
    bool move_logged;          // the log says that the two paths differ
    bool of_user;              // a directory of users.c: reached through its descriptor alone
    struct gs_store_limits limits;
};

/* Is NAME a file that our incident folders may contain? */
bool gs_store_is_incident_file(const char *name);
/* Hold STORE's limits in the directories of its users, also against what these write without an agent (users_limit.c). True:
 * there is more to do. Context: the store's owner, under the lock of gs_store_rotate. */
bool gs_store_users_limit(const struct gs_store *store);
enum { GS_STORE_USER_INCIDENTS_MAX = 1000 }; // that a user's directory has, and that are read of it
/* Remove the empty directories of users in DIRFD that nobody uses (users.c). Context: its owner. */
void gs_store_users_sweep(int dirfd);
/* Open the incident folder PATH; its last part may not be a link. A folder of this process's own store of a user, which
 * has no path for this process, is opened through the store's descriptor. The descriptor, or -errno. */
int gs_store_open_folder(const char *path);
/* Remove folder NAME of DIRFD (own_folder.c). 0 or -errno; -ENOTEMPTY: it contains other files than ours, and stays. */
int gs_store_folder_remove(int dirfd, const char *name);
/* Append TEXT to the array KEY of JSON, an incident.json; the array is created if missing. 0 or -ENOMEM. */
int gs_store_append_to_incident(json_t *json, const char *key, const char *text) GS_CHECK_RESULT;
/* Does LIVE, the open .live directory, contain a control socket of the process KEY (gs_store_live_name)? Each start of an
 * agent removes the sockets of dead processes. */
bool gs_store_live_has_socket(int live, const char *key);

/* Read the ledger from text, and print it. Reading skips invalid entries; -EBADMSG: the text is no ledger; -ENOMEM. */
int gs_store_ledger_parse(const char *text, size_t length, struct gs_ledger *out) GS_CHECK_RESULT;
void gs_store_ledger_print(const struct gs_ledger *ledger, const char *program, struct gs_text *out);
