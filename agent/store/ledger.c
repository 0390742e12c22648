/* ledger.c - DIR/.live/<program>-<hash of its path>.ledger: read, changed and put back in one go.
 *
 *   lock ──▶ read, tidy ──▶ change ──▶ written anew beside it, renamed ──▶ unlock
 *
 * One ledger for all processes of a program: a restarted one finds what its predecessor did, and a pool of workers shares the
 * hour. By the program's path and not by its number, which changes.
 * It is not synced: a crash of the host loses nothing, a crash of the machine at most the last lines; and nobody waits for a disk
 * before the evidence is taken.
 * Who: the watcher, some times an hour. Bounds: TEXT_MAX bytes; PATIENCE for the lock, then memory alone will do. */
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

enum { TEXT_MAX = 1 << 20, TRIES = 20 };
#define PATIENCE_NS (5 * GS_NS_PER_MS) /* between two tries */

struct visit { // to the ledger, under its lock
    int live, lock;
    char program[PATH_MAX], name[96], key[GS_LIVE_NAME];
    struct gs_ledger ledger;
};

static void tell_once(const struct gs_store *store, const char *what, int error)
{
    static bool told;
    if (!told)
        gs_log(GS_LOG_WARNING,
               "%s/.live: the ledger cannot be %s (%s): cooldowns and hourly limits end with this process",
               gs_store_path(store), what, strerrordesc_np(-error));
    told = true;
}

/* ---- one visit --------------------------------------------------------------------------------------------------------- */

/* The program's path, also when it was replaced since. */
static void find_program(char out[PATH_MAX])
{
    static const char deleted[] = " (deleted)";
    ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
    out[length > 0 ? length : 0] = 0;
    if (length >= (ssize_t)sizeof deleted && strcmp(out + length - (sizeof deleted - 1), deleted) == 0)
        out[length - (ssize_t)(sizeof deleted - 1)] = 0;
}

static void name_ledger(const char *program, char *out, size_t size)
{
    const char *slash = strrchr(program, '/');
    unsigned long long hash = gs_hash_bytes(program, strlen(program));
    int length = snprintf(out, size, "%.40s", slash ? slash + 1 : "program");
    for (char *at = out; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *at))
            *at = '_'; // never a dot-file, nor one that a terminal stumbles over
    snprintf(out + length, size - (size_t)length, "-%016llx.ledger", hash);
}

static int take_lock(int live)
{
    const struct timespec pause = {.tv_nsec = PATIENCE_NS};
    int lock = gs_file_openat(live, ".ledgers", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600),
        error = lock;
    for (int i = 0; lock >= 0 && i < TRIES; i++) {
        if (flock(lock, LOCK_EX | LOCK_NB) == 0)
            return lock;
        error = -errno;
        nanosleep(&pause, NULL);
    }
    if (lock >= 0)
        close(lock);
    return error;
}

/* What stands there; nothing, when there is none or it is spoilt. */
static int read_ledger(struct visit *visit, int64_t now_ns)
{
    char *text;
    size_t length;
    int fd = gs_store_open_regular(visit->live, visit->name), error = fd < 0 ? fd : 0;
    if (!error)
        error = gs_file_read_all(fd, TEXT_MAX, &text, &length);
    if (fd >= 0)
        close(fd);
    if (!error) {
        error = gs_store_ledger_parse(text, length, &visit->ledger);
        gs_free(text);
    }
    if (error == -ENOMEM) // it stays as it is
        return error;
    if (error && error != -ENOENT)
        gs_log(GS_LOG_WARNING, ".live/%s is begun anew: %s", visit->name, strerrordesc_np(-error));
    gs_rules_ledger_tidy(&visit->ledger, now_ns);
    for (size_t i = 0; i < visit->ledger.count; i++) {
        struct gs_ledger_incident *incident = &visit->ledger.incident[i];
        incident->of_other_process = strcmp(incident->owner, visit->key) != 0 &&
                               gs_store_live_has_socket(visit->live, incident->owner);
    }
    return 0;
}

static void leave(struct visit *visit)
{
    gs_rules_ledger_fini(&visit->ledger);
    flock(visit->lock, LOCK_UN); // a child that was forked meanwhile has it open as well
    close(visit->lock);
    close(visit->live);
}

static int enter(struct gs_store *store, int64_t now_ns, struct visit *visit)
{
    *visit = (struct visit){.live = gs_store_live_open(store)};
    if (visit->live < 0)
        return visit->live;
    find_program(visit->program);
    name_ledger(visit->program, visit->name, sizeof visit->name);
    (void)gs_store_live_name((int)getpid(), visit->key);
    visit->lock = take_lock(visit->live);
    int error = visit->lock < 0 ? visit->lock : read_ledger(visit, now_ns);
    if (visit->lock < 0)
        close(visit->live);
    else if (error)
        leave(visit);
    return error;
}

static int put_back(const struct visit *visit)
{
    char fresh[sizeof visit->name + 8];
    struct gs_text text = {0};
    gs_store_ledger_print(&visit->ledger, visit->program, &text);
    snprintf(fresh, sizeof fresh, "%s.new", visit->name);
    unlinkat(visit->live, fresh, 0);
    int fd = text.failed ? -ENOMEM
                         : gs_file_openat(visit->live, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    int error = fd < 0 ? fd : gs_file_write_all(fd, text.bytes, text.length);
    if (fd >= 0)
        close(fd);
    if (!error && renameat(visit->live, fresh, visit->live, visit->name) != 0)
        error = -errno;
    if (error)
        unlinkat(visit->live, fresh, 0);
    gs_text_fini(&text);
    return error;
}

/* ---- what is done there ---------------------------------------------------------------------------------------------------- */

static int write_down(struct visit *visit, const struct gs_ledger_entry *entry)
{
    struct gs_ledger_incident incident = {.began_ns = entry->now.real_ns, .value = entry->value};
    snprintf(incident.rule, sizeof incident.rule, "%s", entry->rule);
    snprintf(incident.owner, sizeof incident.owner, "%.39s", visit->key);
    int error = gs_rules_ledger_add(&visit->ledger, &incident);
    if (entry->judge)
        (void)gs_rules_judge_record_due(entry->judge, entry->now, &visit->ledger);
    return error ? error : put_back(visit);
}

enum gs_hour_room gs_store_ledger_begin(struct gs_store *store, const struct gs_ledger_entry *entry,
                                        int64_t *until_ns)
{
    struct visit visit;
    int error = enter(store, entry->now.real_ns, &visit);
    if (error) {
        tell_once(store, "read", error);
        return GS_HOUR_HAS_ROOM;
    }
    enum gs_hour_room room =
        gs_rules_ledger_room(&visit.ledger, entry->rule, entry->limits, entry->now.real_ns, until_ns);
    error = room == GS_HOUR_HAS_ROOM ? write_down(&visit, entry)
                                     : put_back(&visit); // times may have been put right
    if (error)
        tell_once(store, "written", error);
    leave(&visit);
    return room;
}

void gs_store_ledger_end(struct gs_store *store, const char *rule, bool kept, int64_t now_ns)
{
    struct visit visit;
    int error = enter(store, now_ns, &visit);
    if (!error) {
        struct gs_ledger_incident *last = NULL;
        for (size_t i = 0; i < visit.ledger.count; i++) {
            struct gs_ledger_incident *incident = &visit.ledger.incident[i];
            if (!incident->ended_ns && strcmp(incident->rule, rule) == 0 &&
                strcmp(incident->owner, visit.key) == 0)
                last = incident;
        }
        if (last) {
            last->ended_ns = now_ns;
            last->value = kept ? last->value : NAN;
            error = put_back(&visit);
        }
        leave(&visit);
    }
    if (error)
        tell_once(store, "written", error);
}

size_t gs_store_ledger_recall(struct gs_store *store, struct gs_judge *judge, struct gs_now now)
{
    struct visit visit;
    int error = enter(store, now.real_ns, &visit);
    if (error) {
        tell_once(store, "read", error);
        return 0;
    }
    size_t cooling = gs_rules_judge_recall(judge, &visit.ledger, now);
    leave(&visit);
    return cooling;
}

static bool has_news(const struct gs_judge *judge, struct gs_now now)
{
    struct gs_ledger empty = {0};
    bool news = gs_rules_judge_record_due(judge, now, &empty);
    gs_rules_ledger_fini(&empty);
    return news;
}

void gs_store_ledger_note_due(struct gs_store *store, const struct gs_judge *judge, struct gs_now now)
{
    struct visit visit;
    if (!has_news(judge, now))
        return;
    int error = enter(store, now.real_ns, &visit);
    if (!error) {
        error = gs_rules_judge_record_due(judge, now, &visit.ledger) ? put_back(&visit) : 0;
        leave(&visit);
    }
    if (error)
        tell_once(store, "written", error);
}
