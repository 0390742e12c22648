/* post_mortem.c - makes the incident of a process that died, with the code that captures a running one.
 *
 *   box or core file ──▶ struct gs_post_mortem ──▶ trigger and context ──▶ capture.c
 *
 * Who: the watcher, for boxes that it finds; the command, for boxes and core files. */
#include "base/clock.h"
#include "box/box.h"
#include "incident/inside.h"
#include "rules/rules.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_lock(struct gs_store *store)
{
    int live = gs_store_live_open(store);
    if (live < 0)
        return live;
    int lock = gs_file_openat(live, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
    close(live);
    return lock;
}

/* The lock belongs to the process (fcntl), as in store/rotate.c: a flock would be held by each child that the host forks
 * meanwhile, until the child ends. */
int gs_incident_lock_recovery(struct gs_store *store)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int lock = open_lock(store);
    if (lock < 0 || fcntl(lock, F_SETLK, &whole) == 0)
        return lock;
    int error = errno == EACCES ? -EWOULDBLOCK : -errno;
    close(lock);
    return error;
}

int gs_incident_recovering_pid(struct gs_store *store)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int lock = open_lock(store);
    bool held = lock >= 0 && fcntl(lock, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
    if (lock >= 0)
        close(lock);
    return held && whole.l_pid > 0 ? whole.l_pid : 0;
}

/* Read the rules, for their labels and interval. NULL: no rules, or rules of a version that we cannot read. */
static struct gs_rules *read_rules(const struct gs_post_mortem *post_mortem)
{
    struct gs_errors errors = {0};
    struct gs_rules *rules = post_mortem->rules ? gs_rules_read(post_mortem->rules, post_mortem->rules_length,
                                                                "rules.json", &errors)
                                                : NULL;
    gs_errors_fini(&errors);
    return rules;
}

static int capture(struct gs_store *store, const struct gs_incident_trigger *trigger,
                   const struct gs_incident_context *context, char path[PATH_MAX])
{
    struct gs_incident *incident;
    int error = gs_incident_begin(store, trigger, context, &incident);
    return error ? error : gs_incident_end(incident, path);
}

/* Make the incident of POST_MORTEM, whose `how` is final. */
static int write_incident(struct gs_store *store, const struct gs_post_mortem *post_mortem,
                          char path[PATH_MAX])
{
    struct gs_text reason = {0};
    struct gs_rules *rules = read_rules(post_mortem);
    if (*post_mortem->exe)
        gs_incident_add_program(&reason, post_mortem->identity ? post_mortem->identity->program : "",
                                post_mortem->exe);
    else
        gs_text_add(&reason, "the process");
    gs_text_add(&reason, ", pid %d, died: ", post_mortem->pid);
    gs_text_add_printable(&reason, post_mortem->how);
    struct gs_incident_trigger trigger = {
        .rule = GS_DIED_RULE,
        .condition = "died",
        .reason = reason.bytes,
        .value = NAN,
        .line = NAN,
        .capture = GS_HEAP | GS_THREADS, // the source removes what does not exist
        .triggered_ns = post_mortem->last_seen_ns ? post_mortem->last_seen_ns : gs_clock_realtime_ns(),
        .plumbing = post_mortem->plumbing,
        .plumbing_count = post_mortem->plumbing_count,
        .post_mortem = post_mortem,
    };
    struct gs_incident_context context = {
        .rules = rules,
        .history = post_mortem->history,
        .limit_bytes = post_mortem->limit_bytes,
        .limit_from = post_mortem->limit_from,
        .started_ns = post_mortem->started_ns,
    };
    int error = reason.failed ? -ENOMEM : capture(store, &trigger, &context, path);
    gs_rules_free(rules);
    gs_text_fini(&reason);
    return error;
}

int gs_incident_write_post_mortem(struct gs_store *store, const struct gs_post_mortem *post_mortem,
                                  char path[PATH_MAX])
{
    struct gs_post_mortem death = *post_mortem;
    struct gs_text how = {0};
    if (death.crash) {
        gs_incident_describe_crash(&death, &how);
        death.how = how.failed ? death.how : how.bytes;
        death.signal = death.crash->signal;
    }
    int error = write_incident(store, &death, path);
    gs_text_fini(&how);
    return error;
}

int gs_incident_from_post_mortem(struct gs_store *store, const struct gs_post_mortem *post_mortem,
                                 char path[PATH_MAX])
{
    int lock = gs_incident_lock_recovery(store);
    if (lock < 0)
        return lock;
    int error = gs_incident_write_post_mortem(store, post_mortem, path);
    close(lock);
    return error;
}
