/* next.h - what an incident's reader may do next, and what the incident says in a sentence. */
#pragma once
#include "base/json.h"
#include "base/text.h"
#include <stddef.h>

enum { GS_NEXT_MAX = 16 };
struct gs_next_step {
    struct gs_text command; // "gumshoe list cache_insert incidents/2026…": for the shell, with every word quoted that needs it
    const char *shows;      // "the source lines of cache_insert": a text that follows the command
};
/* Store the next commands for the incident in folder PATH, whose incident.json is INCIDENT, in STEP; most useful first. Only
 * commands that this build has, and files that the folder has. Returns their number. Free them with gs_cli_next_fini. */
size_t gs_cli_next_steps(const char *path, const json_t *incident, struct gs_next_step step[GS_NEXT_MAX]);
void gs_cli_next_fini(struct gs_next_step *step, size_t count);

/* Add the culprit with its source line, "cache_insert (leaky_server.c:61)", in COLUMNS if possible (0: any number); "" if there is
 * none. Control characters are escaped. */
void gs_cli_add_culprit(struct gs_text *out, const json_t *incident, size_t columns);
/* Add what the culprit did: "97 MiB more than 5.1 s ago, 100 % of all growth"; "" if there is none. */
void gs_cli_add_charge(struct gs_text *out, const json_t *incident);
