/* ship_one.c - one incident of `gumshoe ship`: has it gone, may it go now, attempts, and the journal.
 *
 *   journal ──▶ attempt, with a lock ──▶ sent: journal, "sent FOLDER to …"
 *                   ▲       │ later ──▶ wait 1, 2, 4, … s, each time between half of it and all
 *                   └───────┘
 *
 * The lock: one byte of .shipping in the incident directory for each destination, so that of two processes (on_incident, and one
 * that follows) one sends an incident, and the other sees in the journal that it has gone. It is not held during a wait. */
#include "base/clock.h"
#include "base/text.h"
#include "cli/ship.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MAX_S = 64, WAIT_FOLLOW_MAX_S = 300, SETTLED_S = 15, TRIES_IN_TURN = 8 };

/* When incident.json of the folder PATH was written, ns; 0: there is none. */
static int64_t version_of(const char *path)
{
    char file[PATH_MAX + 16];
    struct stat status;
    snprintf(file, sizeof file, "%s/incident.json", path);
    if (stat(file, &status) != 0)
        return 0;
    return status.st_mtim.tv_sec * GS_NS_PER_S + status.st_mtim.tv_nsec;
}

/* The folder of incident KEY (store/store.h) in DIR. */
static void folder_path(const char *dir, const char *key, char out[PATH_MAX])
{
    char folder[GS_STORE_KEY_PATH];
    gs_store_key_path(key, folder);
    snprintf(out, PATH_MAX, "%s/%s", dir, folder);
}

static void journal_path(const struct gs_cli_ship *ship, const char *dir, char out[PATH_MAX])
{
    if (ship->journal)
        snprintf(out, PATH_MAX, "%s", ship->journal);
    else
        snprintf(out, PATH_MAX, "%s/" GS_SHIP_JOURNAL, dir);
}

/* Has the incident that WANTED describes gone? One that was changed since is sent again where that replaces it. */
static bool has_gone(const struct gs_cli_ship *ship, const char *dir, const struct gs_ship_gone *wanted)
{
    char path[PATH_MAX];
    bool replaces = gs_ship_destination_replaces(ship->destination);
    struct gs_ship_journal journal = {0};
    const struct gs_ship_gone *gone =
        gs_ship_journal_find(&ship->session, wanted->destination, wanted->folder);
    if (gone && (!replaces || gone->version == wanted->version))
        return true;
    journal_path(ship, dir, path);
    if (gs_ship_journal_read(path, &journal)) // then it is sent once more
        return false;
    gone = gs_ship_journal_find(&journal, wanted->destination, wanted->folder);
    bool has = gone && (!replaces || gone->version == wanted->version);
    gs_ship_journal_fini(&journal);
    return has;
}

/* Take this destination's lock in DIR. The descriptor to close; -1: there can be no lock there. */
static int lock(const struct gs_cli_ship *ship, const char *dir)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/.shipping", dir);
    int fd = gs_file_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_len = 1,
                         .l_start = (off_t)(gs_ship_destination_id(ship->destination) & INT32_MAX)};
    if (fd < 0)
        return -1;
    while (fcntl(fd, F_OFD_SETLKW, &lock) != 0)
        if (errno != EINTR) {
            close(fd);
            return -1;
        }
    return fd;
}

/* Remember GONE, in memory and, if it was SENT, in the journal. */
static void remember(struct gs_cli_ship *ship, const char *dir, const struct gs_ship_gone *gone, bool sent)
{
    char path[PATH_MAX];
    journal_path(ship, dir, path);
    int error = sent ? gs_ship_journal_add(path, dir, gone) : 0;
    if (error && !ship->journal_failed) {
        gs_cli_progress_clear(&ship->progress);
        gs_cli_complain(
            GS_EXIT_OK,
            "%s: %s: the next run will send the same incidents again; --journal FILE can be elsewhere", path,
            strerrordesc_np(-error));
    }
    ship->journal_failed = ship->journal_failed || error;
    if (gs_ship_journal_remember(&ship->session, gone))
        gs_cli_complain(GS_EXIT_OK, "there is not enough memory to remember what was sent");
}

/* One attempt, unless another process has sent it meanwhile. */
static void attempt(struct gs_cli_ship *ship, const char *dir, struct gs_ship_gone *gone,
                    struct gs_ship_result *out)
{
    char path[PATH_MAX];
    int fd = lock(ship, dir);
    folder_path(dir, gone->folder, path);
    gone->version = version_of(path);
    *out = (struct gs_ship_result){.end = GS_SHIP_SENT};
    if (!has_gone(ship, dir, gone)) {
        gs_ship_send(ship->destination, path, &ship->telling, out);
        if (out->end == GS_SHIP_SENT) {
            remember(ship, dir, gone, true);
            ship->sent++;
            gs_cli_progress_clear(&ship->progress);
            printf("sent %s to ", gone->folder);
            gs_cli_print_line(out->where);
            fflush(stdout);
        }
    }
    if (fd >= 0)
        close(fd);
}

/* Wait between half of SECONDS and SECONDS: many machines that lost a destination together do not come back together. */
static void wait_a_while(struct gs_cli_ship *ship, int64_t seconds, const char *why)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
        random = (uint32_t)gs_clock_monotonic_ns();
    int64_t until_ns = gs_clock_monotonic_ns() + seconds * GS_NS_PER_S / 2 +
                       (int64_t)((double)seconds * 0.5 * GS_NS_PER_S * random / UINT32_MAX);
    for (int64_t left_ns; (left_ns = until_ns - gs_clock_monotonic_ns()) > 0;) {
        const struct timespec step = {.tv_nsec = left_ns < 200 * GS_NS_PER_MS ? left_ns : 200 * GS_NS_PER_MS};
        gs_cli_progress_tell(&ship->progress, "%zu sent, %zu left; next try in %lld s: %s", ship->sent,
                             ship->waiting, (long long)(left_ns / GS_NS_PER_S + 1), why);
        nanosleep(&step, NULL);
    }
}

/* Print why FOLDER was not sent; NEXT says what happens now. */
static void complain(struct gs_cli_ship *ship, const char *folder, const struct gs_ship_result *result,
                     const char *next)
{
    struct gs_text text = {0};
    gs_text_add_printable(&text, result->what);
    gs_cli_progress_clear(&ship->progress);
    gs_cli_complain(GS_EXIT_OK, "%s: %s: %s%s", gs_ship_destination_name(ship->destination), folder,
                    text.bytes ? text.bytes : "", next);
    gs_text_fini(&text);
}

/* The wait after `failures` failures in a row. */
static int64_t wait_after(const struct gs_cli_ship *ship, const struct gs_ship_result *result)
{
    int64_t most = ship->follow ? WAIT_FOLLOW_MAX_S : WAIT_MAX_S;
    int64_t wait_s = ship->failures < 10 ? 1LL << (ship->failures - 1) : most;
    wait_s = wait_s < most ? wait_s : most;
    return wait_s > result->wait_s ? wait_s : result->wait_s;
}

/* Is another try due, after TRIES tries? The others get their turn as well: one that follows comes back to this one later. */
static bool may_try_again(struct gs_cli_ship *ship, const struct gs_ship_gone *gone, long long tries,
                          const struct gs_ship_result *result)
{
    if (!ship->follow && (result->end == GS_SHIP_REFUSED || tries > ship->retries)) {
        complain(ship, gone->folder, result, tries > 1 ? ": given up; run it again later" : "");
        ship->stopped = true;
        return false;
    }
    if (tries == 1 || ship->follow)
        complain(ship, gone->folder, result, ": trying again");
    wait_a_while(ship, wait_after(ship, result), result->what);
    return !ship->follow || tries < TRIES_IN_TURN;
}

static void ship_with_retries(struct gs_cli_ship *ship, const char *dir, struct gs_ship_gone *gone)
{
    struct gs_ship_result result;
    for (long long tries = 1;; tries++) {
        attempt(ship, dir, gone, &result);
        ship->failures = result.end == GS_SHIP_SENT || result.end == GS_SHIP_UNFIT ? 0 : ship->failures + 1;
        if (result.end == GS_SHIP_SENT)
            return;
        if (result.end == GS_SHIP_UNFIT) {
            complain(ship, gone->folder, &result, ": not sent");
            remember(ship, dir, gone, false);
            ship->unfit++;
            return;
        }
        if (!may_try_again(ship, gone, tries, &result))
            return;
    }
}

void gs_cli_ship_one(struct gs_cli_ship *ship, const char *dir, const char *folder)
{
    struct gs_ship_gone gone = {.destination = gs_ship_destination_id(ship->destination)};
    char path[PATH_MAX];
    if (!gs_ship_is_folder_name(folder)) {
        gs_cli_complain(GS_EXIT_OK, "an incident was not sent: its folder's name has spaces or is too long");
        ship->unfit++;
        return;
    }
    snprintf(gone.folder, sizeof gone.folder, "%s", folder);
    folder_path(dir, folder, path);
    gone.version = version_of(path);
    if (!gone.version || has_gone(ship, dir, &gone)) // no incident.json: it is being removed
        return;
    if (ship->follow && !gs_ship_destination_replaces(ship->destination) &&
        gs_clock_realtime_ns() - gone.version < SETTLED_S * GS_NS_PER_S)
        return; // `gumshoe symbolize` may be adding lines, and what was sent cannot be replaced
    ship_with_retries(ship, dir, &gone);
}
