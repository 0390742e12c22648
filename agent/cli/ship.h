/* ship.h - what ship.c and ship_run.c share. */
#pragma once
#include "cli/cli.h"
#include "cli/progress.h"
#include "ship/ship.h"

struct gs_cli_ship {
    struct gs_ship_destination *destination;
    const char *journal;        // --journal; NULL: .shipped in each directory
    char *const *operand;       // incidents and directories
    size_t operand_count;
    bool follow;
    long long retries;
    /* The state of a run. */
    struct gs_ship_progress telling; // ship/ reports bytes through it
    struct gs_cli_progress progress;
    struct gs_ship_journal session; // what this run has sent or given up
    size_t sent, unfit, waiting; // incidents: sent; given up; found in this pass and not sent yet
    unsigned failures;          // of the destination, in a row
    bool stopped;               // the destination does not take anything, and this run does not wait for it
    bool journal_failed;        // said once
};
/* Send what has not gone yet; with `follow`, for ever. Returns an exit status. */
int gs_cli_ship_run(struct gs_cli_ship *ship);
/* Send the incident FOLDER of directory DIR, unless the journal says that it has gone. Tries again as `follow` and `retries` say
 * (ship_one.c). */
void gs_cli_ship_one(struct gs_cli_ship *ship, const char *dir, const char *folder);
