/* ledger.c - DIR/.live/<program>-<hash of its path>.ledger: read, changed and written under one lock.
 *
 *   lock ──▶ read, tidy ──▶ change ──▶ write <name>.new, rename ──▶ unlock
 *
 * All processes of a program share one ledger: a restarted process finds the incidents of its predecessor, and a pool of
 * workers shares one hourly limit. The name uses the program's path, because pids change.
 * The file is not synced, so that a capture never waits for a disk: a crash of the host loses nothing, a crash of the
 * machine loses at most the last entries.
 * Who: the watcher, a few times an hour. Bounds: TEXT_MAX bytes; LOCK_TRIES for the lock, then the limits are kept in
 * memory. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "rules/rules.h"
#include "store/inside.h"
#include "sys/file.h"
#include "sys/log.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 20, LOCK_TRIES = 20 };
#define LOCK_PAUSE_NS (5 * GS_NS_PER_MS) /* between two tries */

struct locked_ledger { // one read, change and write
    int live, lock;    // descriptors: .live, .ledgers
    char program[PATH_MAX], name[96], key[GS_LIVE_NAME];
    struct gs_ledger ledger;
};

static void log_once(const struct gs_store *store, const char *what, int error)
{
    static bool logged;
    if (!logged)
        gs_log(GS_LOG_WARNING,
               "%s/.live: the ledger cannot be %s (%s): a restart of this process resets cooldowns and "
               "hourly limits",
               gs_store_path(store), what, strerrordesc_np(-error));
    logged = true;
}

/* ---- open, write, close --------------------------------------------------------------------------------------------- */

void gs_store_find_program(char out[PATH_MAX])
{
    static const char deleted[] = " (deleted)";
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[length > 0 ? length : 0] = 0;
    if (length >= (ssize_t)sizeof deleted && strcmp(out + length - (sizeof deleted - 1), deleted) == 0)
        out[length - (ssize_t)(sizeof deleted - 1)] = 0;
}

void gs_store_name_of_program(const char *shown, const char *hashed, const char *ending, char *out,
                              size_t size)
{
    unsigned long long hash = gs_hash_bytes(hashed, strlen(hashed));
    int length = snprintf(out, size, "%.40s", *shown ? shown : "program");
    for (char *at = out; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *at))
            *at = '_'; // no dot-file, no control characters for a terminal
    snprintf(out + length, size - (size_t)length, "-%016llx%s", hash, ending);
}

static int take_lock(int live)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
    int lock = gs_file_openat(live, ".ledgers", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600),
        error = lock;
    for (int i = 0; lock >= 0 && i < LOCK_TRIES; i++) {
        if (flock(lock, LOCK_EX | LOCK_NB) == 0)
            return lock;
        error = -errno;
        nanosleep(&pause, NULL);
    }
    if (lock >= 0)
        close(lock);
    return error;
}

/* Read the ledger into LOCKED; empty if the file is missing or damaged. 0 or -ENOMEM. */
static int read_ledger(struct locked_ledger *locked, int64_t now_ns)
{
    char *text;
    size_t length;
    int fd = gs_store_open_regular(locked->live, locked->name), error = fd < 0 ? fd : 0;
    if (!error)
        error = gs_file_read_all(fd, TEXT_MAX, &text, &length);
    if (fd >= 0)
        close(fd);
    if (!error) {
        error = gs_store_ledger_parse(text, length, &locked->ledger);
        gs_free(text);
    }
    if (error == -ENOMEM) // the file stays as it is
        return error;
    if (error && error != -ENOENT)
        gs_log(GS_LOG_WARNING, ".live/%s cannot be read and is started again, empty: %s", locked->name,
               strerrordesc_np(-error));
    gs_rules_ledger_tidy(&locked->ledger, now_ns);
    for (size_t i = 0; i < locked->ledger.count; i++) {
        struct gs_ledger_incident *incident = &locked->ledger.incident[i];
        incident->of_other_process = strcmp(incident->owner, locked->key) != 0 &&
                                     gs_store_live_has_socket(locked->live, incident->owner);
    }
    return 0;
}

static void close_ledger(struct locked_ledger *locked)
{
    gs_rules_ledger_fini(&locked->ledger);
    flock(locked->lock, LOCK_UN); // closing is not enough: a child forked meanwhile has it open, too
    close(locked->lock);
    close(locked->live);
}

static int open_ledger(struct gs_store *store, int64_t now_ns, struct locked_ledger *locked)
{
    *locked = (struct locked_ledger){.live = gs_store_live_open(store)};
    if (locked->live < 0)
        return locked->live;
    gs_store_find_program(locked->program);
    const char *slash = strrchr(locked->program, '/');
    gs_store_name_of_program(slash ? slash + 1 : "", locked->program, ".ledger", locked->name,
                             sizeof locked->name);
    (void)gs_store_live_name((int)getpid(), locked->key);
    locked->lock = take_lock(locked->live);
    int error = locked->lock < 0 ? locked->lock : read_ledger(locked, now_ns);
    if (locked->lock < 0)
        close(locked->live);
    else if (error)
        close_ledger(locked);
    return error;
}

static int write_ledger(const struct locked_ledger *locked)
{
    char new_name[sizeof locked->name + 8];
    struct gs_text text = {0};
    gs_store_ledger_print(&locked->ledger, locked->program, &text);
    snprintf(new_name, sizeof new_name, "%s.new", locked->name);
    unlinkat(locked->live, new_name, 0);
    int fd = text.failed
                 ? -ENOMEM
                 : gs_file_openat(locked->live, new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    int error = fd < 0 ? fd : gs_file_write_all(fd, text.bytes, text.length);
    if (fd >= 0)
        close(fd);
    if (!error && renameat(locked->live, new_name, locked->live, locked->name) != 0)
        error = -errno;
    if (error)
        unlinkat(locked->live, new_name, 0);
    gs_text_fini(&text);
    return error;
}

/* ---- incidents and due times ---------------------------------------------------------------------------------------- */

static int record_incident(struct locked_ledger *locked, const struct gs_ledger_entry *entry)
{
    struct gs_ledger_incident incident = {.began_ns = entry->now.real_ns, .value = entry->value};
    snprintf(incident.rule, sizeof incident.rule, "%s", entry->rule);
    snprintf(incident.owner, sizeof incident.owner, "%.39s", locked->key);
    int error = gs_rules_ledger_add(&locked->ledger, &incident);
    if (entry->judge)
        (void)gs_rules_judge_record_due(entry->judge, entry->now, &locked->ledger);
    return error ? error : write_ledger(locked);
}

enum gs_hour_room gs_store_ledger_begin(struct gs_store *store, const struct gs_ledger_entry *entry,
                                        int64_t *until_ns)
{
    struct locked_ledger locked;
    int error = open_ledger(store, entry->now.real_ns, &locked);
    if (error) {
        log_once(store, "read", error);
        return GS_HOUR_HAS_ROOM;
    }
    enum gs_hour_room room =
        gs_rules_ledger_room(&locked.ledger, entry->rule, entry->limits, entry->now.real_ns, until_ns);
    error = room == GS_HOUR_HAS_ROOM ? record_incident(&locked, entry)
                                     : write_ledger(&locked); // reading may have corrected times
    if (error)
        log_once(store, "written", error);
    close_ledger(&locked);
    return room;
}

void gs_store_ledger_end(struct gs_store *store, const char *rule, bool published, int64_t now_ns)
{
    struct locked_ledger locked;
    int error = open_ledger(store, now_ns, &locked);
    if (!error) {
        struct gs_ledger_incident *last = NULL;
        for (size_t i = 0; i < locked.ledger.count; i++) {
            struct gs_ledger_incident *incident = &locked.ledger.incident[i];
            if (!incident->ended_ns && strcmp(incident->rule, rule) == 0 &&
                strcmp(incident->owner, locked.key) == 0)
                last = incident;
        }
        if (last) {
            last->ended_ns = now_ns;
            last->value = published ? last->value : NAN;
            error = write_ledger(&locked);
        }
        close_ledger(&locked);
    }
    if (error)
        log_once(store, "written", error);
}

size_t gs_store_ledger_recall(struct gs_store *store, struct gs_judge *judge, struct gs_now now)
{
    struct locked_ledger locked;
    int error = open_ledger(store, now.real_ns, &locked);
    if (error) {
        log_once(store, "read", error);
        return 0;
    }
    size_t cooling = gs_rules_judge_recall(judge, &locked.ledger, now);
    close_ledger(&locked);
    return cooling;
}

static bool has_due_times(const struct gs_judge *judge, struct gs_now now)
{
    struct gs_ledger empty = {0};
    bool any = gs_rules_judge_record_due(judge, now, &empty);
    gs_rules_ledger_fini(&empty);
    return any;
}

void gs_store_ledger_note_due(struct gs_store *store, const struct gs_judge *judge, struct gs_now now)
{
    struct locked_ledger locked;
    if (!has_due_times(judge, now))
        return;
    int error = open_ledger(store, now.real_ns, &locked);
    if (!error) {
        error = gs_rules_judge_record_due(judge, now, &locked.ledger) ? write_ledger(&locked) : 0;
        close_ledger(&locked);
    }
    if (error)
        log_once(store, "written", error);
}
