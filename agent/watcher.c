/* watcher.c - the loop: sleep, read, judge, capture.
 *
 *   gumshoe_start ──▶ thread:  gs_probe_wait ─▶ gs_watch_read ─▶ gs_judge_tick ─▶ gs_under_way_begin … ─▶ callback
 *                                   ▲               └─▶ gs_box_write
 *                                   ▲ tick, alarm (heap line crossed), call (gumshoe_capture, gumshoe_stop)
 *
 * Who:    one thread, with every signal blocked, so that none meant for the host ends here. Public calls come from
 *         host threads: they take `gate` (start, stop) or ask through calls.c, which wakes the thread.
 * Memory: none of the host's malloc once the thread runs. Starting it does use it: pthread_create must.
 * Fork:   the child has a thread that sleeps until the child has grown (children.c), and then watches it with parts of its
 *         own (gs_parts_inherit). Until then the parent's are kept, also for children that it forks itself. */
#include "watcher.h"
#include "after_incident.h"
#include "base/clock.h"
#include "base/kinds.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/spare.h"
#include "base/units.h"
#include "calls.h"
#include "children.h"
#include "control.h"
#include "governor.h"
#include "own_thread.h"
#include "parts.h"
#include "probe/probe.h"
#include "reload.h"
#include "status.h"
#include "under_way.h"
#include "write_profile.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 1 << 20, NICE = 5 };
#define STOP_PATIENCE_NS GS_NS_PER_S
#define FILE_LIMIT_AGAIN_NS (5 * GS_NS_PER_S)

static struct {
    pthread_mutex_t gate; // start and stop
    pthread_t thread;
    _Atomic bool running, stopping;
    bool fork_known;
    bool heir; // of a fork: not running, and `parts` are still the parent's
    _Atomic enum gs_children children;
    struct gs_parts parts;
    struct gs_governor governor;
    uint64_t baselines_cpu_ns; // what baselines have cost
    uint64_t file_limit;
    int64_t file_limit_due_ns;
    struct gs_box *box; // NULL: there was no memory for it
    bool dead_left;     // there may be boxes of those who died here before
    _Atomic int64_t cpu_duration_ns; // of a profile that the program asks for
} w = {
    .gate = PTHREAD_MUTEX_INITIALIZER,
    .cpu_duration_ns = 10 * GS_NS_PER_S,
};

/* ---- a tick ------------------------------------------------------------------------------------------------------------ */

static struct gs_cost cost_so_far(void)
{
    return (struct gs_cost){gs_monotonic_ns(), gs_probe_sampling_ns(),
                            gs_thread_cpu_ns() - gs_under_way_cpu_ns() - w.baselines_cpu_ns};
}

/* A baseline is evidence, too: rare, and worth its price. */
static void take_baseline(int64_t now_ns)
{
    int64_t age_ns = w.parts.rules->heap.baseline_ns;
    bool due = gs_baselines_due(w.parts.baselines, w.parts.start_ns, age_ns, now_ns);
    uint64_t began_ns = due ? gs_thread_cpu_ns() : 0;
    gs_baselines_tick(w.parts.baselines, w.parts.start_ns, age_ns, now_ns);
    if (due)
        w.baselines_cpu_ns += gs_thread_cpu_ns() - began_ns;
}

/* A limit is changed seldom, and by hand. */
static void look_up_file_limit(int64_t now_ns)
{
    if (now_ns < w.file_limit_due_ns)
        return;
    w.file_limit_due_ns = now_ns + FILE_LIMIT_AGAIN_NS;
    w.file_limit = gs_file_limit();
}

/* Keep within the budget: tell the sampler how often to double its distance. */
static void govern(void)
{
    struct gs_cost cost = cost_so_far();
    unsigned before = w.governor.doublings, now = gs_governor_tick(&w.governor, &cost);
    gs_probe_widen(now);
    if (now != before) {
        char bytes[GS_UNIT_TEXT];
        gs_log(GS_LOG_INFO, "budget: the heap is sampled every %s from now on",
               gs_print_size((double)gs_probe_sampling().bytes, bytes));
    }
}

static struct gs_now present(void)
{
    return (struct gs_now){gs_monotonic_ns(), gs_realtime_ns()};
}

/* Other processes of this program may have filled the hour. What begins is written down first. */
static bool may_begin(const struct gs_verdict *verdict)
{
    const char *rule = w.parts.rules->rule[verdict->rule].name;
    struct gs_ledger_entry entry = {
        .rule = rule,
        .value = verdict->value,
        .limits = gs_judge_hour_limits(w.parts.judge, verdict->rule),
        .judge = w.parts.judge,
        .now = present(),
    };
    int64_t until_ns;
    enum gs_hour_room room = gs_ledger_begin(w.parts.store, &entry, &until_ns);
    if (room == GS_HOUR_HAS_ROOM)
        return true;
    gs_judge_incident_denied(w.parts.judge, verdict->rule, room,
                             entry.now.judge_ns + (until_ns - entry.now.real_ns));
    gs_log(GS_LOG_INFO,
           "rule %s: held back: the hourly limit is reached, with the incidents of other processes: %s", rule,
           verdict->reason);
    return false;
}

static void capture_verdict(const struct gs_verdict *verdict)
{
    const struct gs_rule *rule = &w.parts.rules->rule[verdict->rule];
    struct gs_incident_facts facts = {
        .rule = rule->name,
        .why = rule->why,
        .metric = rule->metric,
        .condition = verdict->condition,
        .reason = verdict->reason,
        .value = verdict->value,
        .line = verdict->line,
        .unit = rule->unit,
        .window_ns = verdict->window_ns,
        .capture = rule->capture,
        .triggered_ns = gs_realtime_ns(),
    };
    gs_under_way_begin(&w.parts, &facts, verdict->rule, NULL);
}

/* Write the box, and have us woken at the next line: a rule's, or the one where the box is too far behind. */
static void write_box(enum gs_box_when when)
{
    uint64_t rule_line = gs_judge_alarm_line(w.parts.judge, gs_monotonic_ns());
    gs_box_write(w.box, w.parts.scene, gs_probe_heap_in_use(), when);
    gs_probe_alarm_at(rule_line < gs_box_line(w.box) ? rule_line : gs_box_line(w.box));
}

static void tick(bool early)
{
    int64_t now_ns = gs_monotonic_ns();
    gs_watch_read(w.parts.watch, now_ns, w.parts.values);
    if (!early)
        gs_history_add(w.parts.history, gs_realtime_ns(), w.parts.values);
    look_up_file_limit(now_ns);
    gs_judge_set_limit(w.parts.judge, GS_OF_FILE_LIMIT, w.file_limit);
    struct gs_tick this_tick = {.time_ns = now_ns, .value = w.parts.values, .early = early};
    size_t fired = gs_judge_tick(w.parts.judge, &this_tick, w.parts.verdicts);
    for (size_t i = 0; i < fired; i++)
        if (may_begin(&w.parts.verdicts[i]))
            capture_verdict(&w.parts.verdicts[i]);
    take_baseline(gs_monotonic_ns());
    gs_probe_anchor_tick(w.parts.baselines, w.parts.start_ns, now_ns, gs_realtime_ns());
    govern();
    write_box(early ? GS_BOX_EARLY : GS_BOX_TICK);
}

static void alarmed(void)
{
    if (gs_probe_heap_in_use() >= gs_judge_alarm_line(w.parts.judge, gs_monotonic_ns()))
        tick(true);
    else
        write_box(GS_BOX_EARLY);
}

/* ---- calls of other threads -------------------------------------------------------------------------------------------- */

static void answer_capture(struct gs_call *call)
{
    struct gs_incident_facts facts = {
        .rule = call->reason,
        .condition = "call",
        .reason = call->asker,
        .value = NAN,
        .line = NAN,
        .capture = call->kinds,
        .cpu_ns = call->cpu_ns,
        .triggered_ns = gs_realtime_ns(),
    };
    gs_under_way_begin(&w.parts, &facts, SIZE_MAX, call);
}

static void answer_status(struct gs_call *call)
{
    struct gs_status status = {
        .rules = w.parts.rules,
        .judge = w.parts.judge,
        .watch = w.parts.watch,
        .values = w.parts.values,
        .file = &w.parts.file,
        .dir = gs_store_path(w.parts.store),
        .other_dir = gs_reload_other_dir(&w.parts),
        .limit_from = w.parts.limit_from,
        .limit_bytes = w.parts.scene->limit_bytes,
        .started_ns = w.parts.scene->started_ns,
        .under_way = gs_under_way_count(),
    };
    gs_status_write(&status, &call->text);
    gs_call_done(call, call->text.failed ? -ENOMEM : 0);
}

static void answer_calls(void)
{
    for (struct gs_call *call; (call = gs_call_next());)
        if (call->kind == GS_CALL_STATUS)
            answer_status(call);
        else
            answer_capture(call);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------- */

static void settle_in(void)
{
    enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_BEST_EFFORT_LAST = 2 << 13 | 7 };
    prctl(PR_SET_NAME, "gumshoe");
    setpriority(PRIO_PROCESS, 0, NICE); // on Linux: of this thread alone
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_BEST_EFFORT_LAST);
}

/* How long to sleep: to the next tick, or to the next look at what is under way, or at the rules file. */
static int64_t pause_ns(int64_t next_ns)
{
    int64_t now_ns = gs_monotonic_ns(), left_ns = next_ns - now_ns,
            look_ns = gs_rules_file_pause_ns(&w.parts.file, now_ns);
    if (look_ns < left_ns)
        left_ns = look_ns;
    bool busy = gs_under_way_count() || w.dead_left;
    return busy && left_ns > GS_CPU_POLL_NS ? GS_CPU_POLL_NS : left_ns;
}

/* What the rules settle outside of the parts. */
static void go_by_rules(void)
{
    const struct gs_rules *rules = w.parts.rules;
    gs_cpu_configure(&(struct gs_cpu_settings){rules->cpu.hertz, rules->cpu.before_ns});
    w.governor.budget = rules->budget;
    gs_box_renew(w.box);
    atomic_store(&w.cpu_duration_ns, rules->cpu.duration_ns);
    atomic_store(&w.children, rules->children);
    gs_after_incident_expect(rules);
}

/* What this program's processes did before this one. */
static void recall(void)
{
    size_t cooling = gs_ledger_recall(w.parts.store, w.parts.judge, present());
    if (cooling)
        gs_log(GS_LOG_INFO,
               "%zu %s down after incidents of before the start: gumshoe status says for how long", cooling,
               cooling == 1 ? "rule cools" : "rules cool");
}

/* Go by the rules file, should it have changed: from a tick at once, so that a longer interval of before is not sat out. */
static void follow_rules(int64_t *next_ns)
{
    if (!gs_reload_look(&w.parts, gs_monotonic_ns()))
        return;
    go_by_rules();
    tick(true);
    gs_ledger_note_due(w.parts.store, w.parts.judge, present());
    *next_ns = gs_monotonic_ns() + w.parts.rules->interval_ns;
}

static void *watch(void *unused)
{
    (void)unused;
    settle_in();
    gs_probe_own_thread();
    w.governor = (struct gs_governor){.before = cost_so_far()};
    go_by_rules();
    gs_control_start(w.parts.store);
    recall();
    int64_t next_ns = gs_monotonic_ns() + w.parts.rules->interval_ns;
    tick(false);
    gs_ledger_note_due(w.parts.store, w.parts.judge, present());
    w.dead_left = true;
    while (!atomic_load(&w.stopping)) {
        enum gs_wake woken = gs_probe_wait(pause_ns(next_ns));
        if (gs_under_way_count() || w.parts.rules->cpu.before_ns)
            gs_under_way_go_on(&w.parts, false);
        gs_after_incident_go_on();
        if (woken == GS_WAKE_CALL)
            answer_calls();
        else if (woken == GS_WAKE_ALARM)
            alarmed();
        if (w.dead_left)
            w.dead_left = gs_under_way_recover(&w.parts);
        follow_rules(&next_ns);
        int64_t now_ns = gs_monotonic_ns();
        if (now_ns < next_ns || atomic_load(&w.stopping))
            continue;
        tick(false);
        next_ns += w.parts.rules->interval_ns;
        if (next_ns < now_ns)
            next_ns = now_ns +
                      w.parts.rules->interval_ns; // late (a capture, a stopped machine): a gap, not a burst
    }
    gs_under_way_go_on(&w.parts, true);
    gs_reload_drop();
    gs_box_give_up(w.box);
    gs_calls_refuse(-ESRCH);
    gs_control_stop();
    gs_after_incident_stop();
    gs_cpu_configure(&(struct gs_cpu_settings){.hertz = w.parts.rules->cpu.hertz});
    return NULL;
}

/* ---- starting and stopping ------------------------------------------------------------------------------------------------ */

static int start_thread(void *(*routine)(void *))
{
    return gs_own_thread_start(&w.thread, routine, NULL, STACK_BYTES);
}

/* What this child has inherited is of no use: it is not to be watched, or its program sees to that itself. Holds the gate. */
static void disinherit(void)
{
    if (!w.heir)
        return;
    gs_parts_let_go(&w.parts);
    w.parts = (struct gs_parts){0};
    w.heir = false;
}

/* Be the watcher from here on, unless another has been started or stopped meanwhile. Holds the gate. */
static bool succeed(void)
{
    if (!w.heir)
        return false;
    int error = gs_parts_inherit(&w.parts);
    w.thread = pthread_self();
    atomic_store(&w.running, error == 0);
    w.heir = false; // after that: a child that is forked just now finds the one or the other
    if (error)
        gs_parts_drop(&w.parts);
    else
        w.box = gs_box_open(w.parts.store);
    return error == 0;
}

/* The child's thread: asleep until the child is worth watching. */
static void *grow_up(void *unused)
{
    struct timespec left = {.tv_nsec = GS_CHILD_GROWN_NS};
    while (nanosleep(&left, &left) !=
           0) // setuid(3) has each thread do the same, by a signal that cannot be blocked
        ;
    gs_children_grown();
    pthread_mutex_lock(&w.gate);
    bool watching = succeed();
    pthread_mutex_unlock(&w.gate);
    if (!watching) {
        pthread_detach(pthread_self());
        return NULL;
    }
    gs_log(GS_LOG_INFO, "watching: forked by %d, incidents in %s", (int)getppid(),
           gs_store_path(w.parts.store));
    return watch(unused);
}

/* The child has the watcher's memory but not its thread, and whatever the thread held is still held: forget it all. */
static void after_fork_in_child(void)
{
    w.heir |= atomic_load(&w.running);
    gs_memory_after_fork();
    gs_probe_after_fork();
    gs_cpu_after_fork();
    gs_calls_after_fork();
    gs_control_after_fork();
    gs_under_way_forget();
    gs_reload_after_fork();
    gs_after_incident_after_fork();
    gs_box_after_fork(w.box);
    w.box = NULL;
    gs_spare_give_all();
    pthread_mutex_init(&w.gate, NULL);
    atomic_store(&w.running, false);
    atomic_store(&w.stopping, false);
    enum gs_children children = atomic_load(&w.children);
    if (children == GS_CHILDREN_OFF)
        gs_probe_stop();
    bool wanted = w.heir && children != GS_CHILDREN_OFF && gs_children_may_work();
    if (w.heir && (!wanted || start_thread(grow_up)))
        gs_parts_let_go(&w.parts);
}

static void drop_all(void)
{
    gs_box_close(w.box);
    w.box = NULL;
    gs_parts_drop(&w.parts);
}

/* A program that ends by _exit(0) ends well: a forked child that has done its work. One that ends by another status may have
 * caught its own crash. */
static void leave(int status)
{
    if (status == 0)
        gs_box_leave();
}

static int start(const struct gumshoe_options *options)
{
    int error = gs_parts_make(&w.parts, options);
    if (w.parts.rules)
        atomic_store(&w.children, w.parts.rules->children);
    if (error)
        return error;
    gs_children_prepare();
    gs_probe_tell_exit(leave);
    atomic_store(&w.stopping, false);
    w.box = gs_box_open(w.parts.store);
    error = start_thread(watch);
    if (error)
        return gs_refuse_start(options->error, error, "", "the watcher's thread could not be created");
    if (!w.fork_known)
        pthread_atfork(gs_children_before_fork, NULL, after_fork_in_child);
    w.fork_known = true;
    gs_log(GS_LOG_INFO, "watching: %zu rules from %s, incidents in %s", w.parts.rules->rule_count,
           w.parts.rules->file, gs_store_path(w.parts.store));
    return 0;
}

static bool disabled(void)
{
    const char *disable = secure_getenv("GUMSHOE_DISABLE");
    return disable && *disable && strcmp(disable, "0") != 0;
}

int gs_watcher_start(const struct gumshoe_options *given)
{
    struct gumshoe_options options = {0};
    if (given) // a program built with an older header knows fewer options
        memcpy(&options, given, given->size && given->size < sizeof options ? given->size : sizeof options);
    if (options.error)
        *options.error = (struct gumshoe_error){0};
    gs_log_to(gs_setting("GUMSHOE_LOG", options.log));
    if (disabled())
        return gs_refuse_start(options.error, -ECANCELED, "", "GUMSHOE_DISABLE is set");
    pthread_mutex_lock(&w.gate);
    int error;
    if (atomic_load(&w.running)) {
        error = gs_refuse_start(options.error, -EALREADY, "", "the watcher runs already");
    } else {
        gs_memory_for_json();
        gs_memory_put_by();
        disinherit();
        gs_after_incident_prepare();
        error = start(&options);
        atomic_store(&w.running, error == 0);
        if (error)
            drop_all();
    }
    pthread_mutex_unlock(&w.gate);
    return error;
}

void gs_watcher_stop(void)
{
    pthread_mutex_lock(&w.gate);
    disinherit();
    if (atomic_load(&w.running) && !pthread_equal(pthread_self(), w.thread)) {
        struct timespec until;
        atomic_store(&w.stopping, true);
        gs_probe_wake();
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += STOP_PATIENCE_NS / GS_NS_PER_S;
        if (pthread_timedjoin_np(w.thread, NULL, &until) == 0) {
            drop_all();
            atomic_store(&w.running, false);
        } else { // it is in the middle of a capture, needs its parts, and ends after it
            gs_box_give_up(w.box);
        }
    }
    pthread_mutex_unlock(&w.gate);
}

enum gs_children gs_watcher_children(void)
{
    return atomic_load(&w.children);
}

/* ---- calls ----------------------------------------------------------------------------------------------------------------- */

static bool known_kinds(unsigned kinds)
{
    for (const struct gs_kind_name *kind = gs_kinds; kind->name; kind++)
        kinds &= ~(unsigned)kind->kind;
    return kinds == 0;
}

static bool good_reason(const char *reason)
{
    size_t length = reason ? strspn(reason, "abcdefghijklmnopqrstuvwxyz0123456789._-") : 0;
    return length > 0 && length <= GS_RULE_NAME_MAX && reason[length] == 0;
}

int gs_watcher_capture(const char *reason, unsigned kinds)
{
    if (!good_reason(reason) || kinds == 0 || !known_kinds(kinds))
        return -EINVAL;
    if (!atomic_load(&w.running) || pthread_equal(pthread_self(), w.thread))
        return -ESRCH;
    struct gs_call ask = {.kind = GS_CALL_CAPTURE, .kinds = kinds}, *call;
    snprintf(ask.reason, sizeof ask.reason, "%s", reason);
    snprintf(ask.asker, sizeof ask.asker, "asked for by the program (gumshoe_capture)");
    while (!(call = gs_call_post(&ask))) // too many ask at once
        nanosleep(&(struct timespec){.tv_nsec = GS_CPU_POLL_NS}, NULL);
    while (!gs_call_wait(call, GS_NS_PER_S) && atomic_load(&w.running))
        ; // the watcher may have been stopped meanwhile
    int result = gs_call_wait(call, 0) ? call->result : -ESRCH;
    gs_call_forget(call);
    return result;
}

int gs_watcher_write_profile(enum gumshoe_kind kind, int fd)
{
    struct gs_write_profile what = {
        .kind = kind,
        .cpu_ns = atomic_load(&w.cpu_duration_ns), // not by way of the rules: they may be changing
        .start_ns = w.parts.start_ns,
    };
    return gs_write_profile(&what, fd);
}
