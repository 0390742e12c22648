/* watch.c - the loop: sleep, read, judge, capture.
 *
 *   gumshoe_start ──▶ thread:  gs_probe_wait ─▶ gs_watch_read ─▶ gs_judge_tick ─▶ gs_under_way_begin … ─▶ callback
 *                                   ▲               └─▶ gs_box_write
 *                                   ▲ tick, alarm (heap line crossed), call (gumshoe_capture, gumshoe_stop)
 *
 * Who:    one thread of our own (own_thread.h), which opens and closes everything that the agent has open. Public calls come
 *         from host threads: they take `gate` (start, stop) or ask through calls.c, which wakes the thread.
 * Memory: none of the host's malloc.
 * Lives:  the thread ends as the watch is stopped, as the last thread of the host's has ended, and for the time of a call of the
 *         host's that must find none of ours (unshare, setns); then everything but what is open stays, and it begins again.
 * Fork:   the child has a thread that sleeps until the child has grown (children.c), and then watches it with parts of its
 *         own (gs_parts_inherit). Nothing of the parent's is open in it. */
#include "watch/watch.h"
#include "base/clock.h"
#include "base/kinds.h"
#include "base/memory.h"
#include "base/units.h"
#include "host/callback.h"
#include "host/children.h"
#include "host/credentials.h"
#include "host/on_incident.h"
#include "host/own_thread.h"
#include "host/own_tls.h"
#include "probe/probe.h"
#include "sys/lock.h"
#include "sys/log.h"
#include "sys/owned_fd.h"
#include "sys/process.h"
#include "watch/active_captures.h"
#include "watch/after_fork.h"
#include "watch/control.h"
#include "watch/governor.h"
#include "watch/reload.h"
#include "watch/requests.h"
#include "watch/settings.h"
#include "watch/status.h"
#include "watch/write_profile.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 1 << 20, NICE = 5 };
#define STOP_PATIENCE_NS   GS_NS_PER_S
#define FOLLOW_PATIENCE_NS (20 * GS_NS_PER_MS) /* for our threads to have the program's new credentials */
#define DEAD_PAUSE_MAX_NS  (60 * GS_NS_PER_S)
#define LOOK_UP_AGAIN_NS   (5 * GS_NS_PER_S)
/* Calls that change what a thread is, more often than this in REST_NS: they do not wait for our threads to follow, and those that
 * want a process of one thread do not find ours again until there was none for so long. */
enum { CHANGES_MAX = 16 };
#define REST_NS GS_NS_PER_S

static struct {
    struct gs_lock gate; // start, stop, and being sent away: host threads'
    struct gs_own_thread thread;
    struct gs_event told;             // the thread has said something: how it started, what it has followed
    _Atomic bool running;             // there is a watch, if perhaps sent away
    _Atomic bool stopping, sent_away; // asks the thread to end: for good, or for a while
    _Atomic bool inherited;    // this is a fork's child, not watched yet, and `parts` are still the parent's
    struct gs_event woken;     // for the thread of such a child
    _Atomic bool store_opened; // by that thread
    _Atomic uint32_t followed; // changes of credentials
    _Atomic pid_t pid;         // of the process that all this is of: a child of vfork has our memory, too
    _Atomic int64_t changes_since_ns;
    _Atomic unsigned changes;
    unsigned away_depth;
    bool fork_known;
    _Atomic enum gs_children children;
    struct gs_parts parts;
    struct gs_governor governor;
    uint64_t baselines_cpu_ns; // what baselines have cost
    uint64_t file_limit;
    int64_t look_up_due_ns;
    struct gs_box *box; // NULL: there was no memory for it
    int64_t dead_due_ns,
        dead_pause_ns; // when to look for boxes of those who died here before; INT64_MAX: there are none
    _Atomic int64_t cpu_duration_ns; // of a profile that the program asks for
} w = {
    .gate.rank = GS_RANK_GATE,
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

/* What is changed seldom: the limit of descriptors; and the credentials, where the program makes the system calls by itself, or
 * is linked with libgumshoe.a, which does not hear of them. */
static void look_up_now_and_then(int64_t now_ns)
{
    if (now_ns < w.look_up_due_ns)
        return;
    w.look_up_due_ns = now_ns + LOOK_UP_AGAIN_NS;
    w.file_limit = gs_file_limit();
    gs_credentials_changed((int)getpid());
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
    look_up_now_and_then(now_ns);
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
    setpriority(PRIO_PROCESS, 0, NICE); // on Linux: of this thread alone
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_BEST_EFFORT_LAST);
}

/* No thread of the host's is left. The first one stays in the list until the process ends, but has no program any more. */
static bool host_has_ended(void)
{
    struct stat tasks;
    char exe[1];
    if (stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink < 3 ||
        tasks.st_nlink - 2 > gs_probe_own_threads() + 1)
        return false;
    return readlink("/proc/self/exe", exe, sizeof exe) < 0 && errno == ENOENT;
}

/* The watch is to end, or this thread is to. */
static bool must_end(void)
{
    return atomic_load(&w.stopping) || atomic_load(&w.sent_away);
}

/* Have what the program's threads have, and say that it is so. */
static void follow_credentials(void)
{
    uint32_t changes = gs_credentials_changes();
    if (atomic_load(&w.followed) == changes)
        return;
    if (gs_credentials_follow()) {
        gs_control_wake();
        gs_after_incident_wake();
        gs_store_say_if_closed(w.parts.store);
    }
    atomic_store(&w.followed, changes);
    gs_event_signal(&w.told);
}

/* How long to sleep: to the next tick, or to the next look at what is under way, or at the rules file. */
static int64_t pause_ns(int64_t next_ns)
{
    int64_t now_ns = gs_monotonic_ns(), left_ns = next_ns - now_ns,
            look_ns = gs_rules_file_pause_ns(&w.parts.file, now_ns);
    if (look_ns < left_ns)
        left_ns = look_ns;
    if (w.dead_due_ns - now_ns < left_ns)
        left_ns = w.dead_due_ns - now_ns;
    return gs_under_way_count() && left_ns > GS_CPU_POLL_NS ? GS_CPU_POLL_NS : left_ns;
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

/* One of those who died here before becomes an incident. While another process makes incidents of the dead, ask less and less. */
static void recover_dead(void)
{
    enum gs_recovered recovered = gs_under_way_recover(&w.parts);
    int64_t longer_ns = 2 * w.dead_pause_ns > GS_NS_PER_S ? 2 * w.dead_pause_ns : GS_NS_PER_S;
    w.dead_pause_ns = recovered != GS_RECOVERED_BUSY  ? 0
                      : longer_ns < DEAD_PAUSE_MAX_NS ? longer_ns
                                                      : DEAD_PAUSE_MAX_NS;
    w.dead_due_ns = recovered == GS_RECOVERED_ALL ? INT64_MAX : gs_monotonic_ns() + w.dead_pause_ns;
}

/* Until the watch is to end, or this thread is. */
static void go_round(void)
{
    int64_t next_ns = gs_monotonic_ns() + w.parts.rules->interval_ns;
    tick(false);
    gs_ledger_note_due(w.parts.store, w.parts.judge, present());
    w.dead_due_ns = w.dead_pause_ns = 0;
    while (!must_end()) {
        enum gs_wake woken = gs_probe_wait(pause_ns(next_ns));
        follow_credentials();
        if (gs_under_way_count() || w.parts.rules->cpu.before_ns)
            gs_under_way_go_on(&w.parts, false);
        gs_after_incident_go_on();
        if (woken == GS_WAKE_CALL)
            answer_calls();
        else if (woken == GS_WAKE_ALARM)
            alarmed();
        if (gs_monotonic_ns() >= w.dead_due_ns)
            recover_dead();
        follow_rules(&next_ns);
        int64_t now_ns = gs_monotonic_ns();
        if (now_ns < next_ns || must_end())
            continue;
        if (host_has_ended())
            break;
        tick(false);
        next_ns += w.parts.rules->interval_ns;
        if (next_ns < now_ns)
            next_ns = now_ns +
                      w.parts.rules->interval_ns; // late (a capture, a stopped machine): a gap, not a burst
    }
}

static void drop_all(void)
{
    gs_reload_drop();
    gs_box_close(w.box);
    w.box = NULL;
    gs_parts_drop(&w.parts);
}

/* What this thread has open or has started goes; the rest stays if it is to come back. */
static void leave_off(bool for_good)
{
    gs_under_way_go_on(&w.parts, true);
    if (for_good)
        gs_calls_refuse(-ESRCH);
    gs_control_stop();
    gs_after_incident_stop();
    gs_cpu_configure(&(struct gs_cpu_settings){.hertz = w.parts.rules->cpu.hertz});
    if (for_good)
        drop_all();
    else
        gs_box_put_away(w.box);
    gs_held_new_table(); // what was open ends with this thread
}

static void watch(bool anew)
{
    settle_in();
    w.governor = (struct gs_governor){.before = cost_so_far()};
    go_by_rules();
    gs_control_start(
        w.parts.store); // which sweeps away the sockets of the dead: those who have one count as alive
    if (anew)
        recall();
    go_round();
    bool host_ended = !must_end();
    bool for_good = atomic_load(&w.stopping) || host_ended;
    leave_off(for_good);
    if (for_good)
        atomic_store(&w.running, false);
    if (host_ended) {
        gs_callback_end();
        gs_own_thread_end_with(gs_process_first_threads_status());
    }
}

/* After the thread was sent away. */
static void watch_on(void *unused)
{
    (void)unused;
    watch(false);
}

/* ---- starting and stopping ------------------------------------------------------------------------------------------------ */

static int start_thread(void (*routine)(void *), void *argument)
{
    const struct gs_own_start start = {"gumshoe", routine, argument, STACK_BYTES, GS_TABLE_FRESH};
    atomic_store(&w.stopping, false);
    atomic_store(&w.sent_away, false);
    return gs_own_thread_start(&w.thread, &start);
}

/* Ask the thread to end, and wait for it. False: it is in the middle of a capture, and ends after it. */
static bool end_thread(_Atomic bool *how)
{
    atomic_store(how, true);
    gs_event_signal(&w.woken);
    gs_probe_wake();
    return gs_own_thread_join(&w.thread, STOP_PATIENCE_NS);
}

struct beginning { // of a watch: what the host's thread asks for, and waits for
    const struct gumshoe_options *options;
    int error;
    _Atomic bool told;
};

/* Make the parts. Context: the watcher. */
static int begin(const struct gumshoe_options *options)
{
    int error = gs_parts_make(&w.parts, options);
    if (w.parts.rules)
        atomic_store(&w.children, w.parts.rules->children);
    if (error)
        return error;
    w.box = gs_box_open(w.parts.store);
    gs_log(GS_LOG_INFO, "watching: %zu rules from %s, incidents in %s", w.parts.rules->rule_count,
           w.parts.rules->file, gs_store_path(w.parts.store));
    return 0;
}

static void begin_and_watch(void *of)
{
    struct beginning *beginning = of;
    int error = begin(beginning->options);
    if (error) {
        drop_all();
        gs_held_new_table();
    }
    atomic_store(&w.running, error == 0);
    beginning->error = error;
    atomic_store(&beginning->told, true);
    gs_event_signal(&w.told); // `beginning` is the host's again
    if (!error)
        watch(true);
}

static bool has_begun(const void *of)
{
    const struct beginning *beginning = of;
    return atomic_load(&beginning->told);
}

static int start(const struct gumshoe_options *options)
{
    struct beginning beginning = {.options = options};
    int error = start_thread(begin_and_watch, &beginning);
    if (error)
        return gs_refuse_start(options->error, error, "", "the watcher's thread could not be created");
    (void)gs_event_wait_until(&w.told, has_begun, &beginning, INT64_MAX / 2);
    if (beginning.error)
        (void)gs_own_thread_join(&w.thread, STOP_PATIENCE_NS);
    return beginning.error;
}

/* ---- calls of the host's that must find none of our threads, or change what they are --------------------------------------- */

/* Is this the process that is watched? A child of vfork has its memory, and no thread of ours. */
static bool is_ours(void)
{
    return atomic_load(&w.pid) == getpid();
}

/* Have the thread run again after it was sent away. Holds the gate. */
static void bring_back(void)
{
    bool inherited = atomic_load(&w.inherited);
    if (w.away_depth || gs_own_thread_runs(&w.thread) || !(inherited || atomic_load(&w.running)))
        return;
    if (!inherited)
        w.thread.start.routine = watch_on;
    atomic_store(&w.sent_away, false);
    if (gs_own_thread_start_again(&w.thread))
        gs_log(GS_LOG_ERROR, "the watch is interrupted: its thread could not be created again");
}

/* With a sample, after calls that had come too often: it was quiet for long enough. Context: host thread, inside malloc. */
static void bring_back_after_rest(void)
{
    if (!is_ours() || !gs_lock_try(&w.gate, 0))
        return;
    bring_back();
    gs_lock_give(&w.gate);
}

/* Count this call; true: they come so often that none is to cost the host more than it must. */
static bool come_often(void)
{
    int64_t now_ns = gs_monotonic_ns();
    if (now_ns - atomic_load(&w.changes_since_ns) > REST_NS) {
        atomic_store(&w.changes_since_ns, now_ns);
        atomic_store(&w.changes, 0);
    }
    return atomic_fetch_add(&w.changes, 1) >= CHANGES_MAX;
}

/* The thread of a young child has opened the store where it stood for its parent, or has ended. */
static bool has_opened_store(const void *unused)
{
    (void)unused;
    return atomic_load(&w.store_opened) || !gs_own_thread_runs(&w.thread);
}

static void send_away(void)
{
    if (!gs_lock_try(&w.gate, STOP_PATIENCE_NS))
        return;
    w.away_depth++;
    if (gs_own_thread_runs(&w.thread) && !end_thread(&w.sent_away))
        gs_log(GS_LOG_WARNING,
               "a capture is under way while the program changes its namespaces: the kernel may refuse that");
    gs_lock_give(&w.gate);
}

static void before_change(enum gs_change change)
{
    if (!is_ours() || gs_own_thread_is_me())
        return;
    if (change == GS_CHANGE_ROOT) {
        if (atomic_load(&w.inherited)) // its thread opens the store before the child goes to another root
            (void)gs_event_wait_until(&w.told, has_opened_store, NULL, FOLLOW_PATIENCE_NS);
        return;
    }
    gs_callback_leave();
    if (change == GS_CHANGE_NAMESPACES)
        send_away();
}

static void return_thread(void)
{
    if (!gs_lock_try(&w.gate, STOP_PATIENCE_NS))
        return;
    w.away_depth -= w.away_depth > 0;
    if (come_often())
        gs_probe_tell_sample(bring_back_after_rest, gs_monotonic_ns() + REST_NS);
    else
        bring_back();
    gs_lock_give(&w.gate);
}

/* The watcher has followed the change of credentials of the number at OF, or has ended. */
static bool has_followed(const void *of)
{
    const uint32_t *change = of;
    return (int32_t)(atomic_load(&w.followed) - *change) >= 0 || !gs_own_thread_runs(&w.thread);
}

/* Have our threads do as the calling one has done. Where it is done often, the watcher does so in its own time. */
static void lead_thread(void)
{
    gs_credentials_changed((int)syscall(SYS_gettid));
    if (!gs_own_thread_runs(&w.thread))
        return;
    uint32_t change = gs_credentials_changes();
    gs_event_signal(&w.woken);
    gs_probe_wake();
    if (!come_often())
        (void)gs_event_wait_until(&w.told, has_followed, &change, FOLLOW_PATIENCE_NS);
}

static void after_change(enum gs_change change)
{
    if (change == GS_CHANGE_ROOT || !is_ours() || gs_own_thread_is_me())
        return;
    if (change == GS_CHANGE_NAMESPACES)
        return_thread();
    else
        lead_thread();
    gs_callback_return();
}

/* ---- forks ------------------------------------------------------------------------------------------------------------------ */

/* Be the watcher from here on. Context: the child's thread. */
static bool take_over(void)
{
    int error = gs_parts_inherit(&w.parts);
    atomic_store(&w.running, error == 0);
    atomic_store(&w.inherited,
                 false); // after that: a child that is forked just now finds the one or the other
    if (error)
        gs_parts_drop(&w.parts);
    else
        w.box = gs_box_open(w.parts.store);
    return error == 0;
}

/* The child's thread: asleep until the child is worth watching. */
static void grow_up(void *unused)
{
    char why[256];
    (void)unused;
    int64_t until_ns = gs_monotonic_ns() + GS_CHILD_GROWN_NS;
    (void)!gs_store_open_again(w.parts.store, why,
                               sizeof why); // before the child goes to another root; tried again below
    atomic_store(&w.store_opened, true);
    gs_event_signal(&w.told);
    for (int64_t left_ns; !must_end() && (left_ns = until_ns - gs_monotonic_ns()) > 0;) {
        uint32_t seen = gs_event_seen(&w.woken);
        follow_credentials();
        if (!must_end())
            gs_event_wait(&w.woken, seen, left_ns);
    }
    if (must_end())
        return;
    gs_children_grown();
    if (!take_over())
        return;
    gs_log(GS_LOG_INFO, "watching: forked by %d, incidents in %s", (int)getppid(),
           gs_store_path(w.parts.store));
    watch(true);
}

/* The child has the watcher's memory but not its thread, and whatever the thread held is still held: forget it all. */
static void after_fork_in_child(void)
{
    bool inherited = atomic_load(&w.inherited) || atomic_load(&w.running);
    gs_after_fork();
    w.box = NULL;
    gs_lock_after_fork(&w.gate);
    gs_own_thread_after_fork(&w.thread);
    w.away_depth = 0;
    atomic_store(&w.pid, getpid());
    atomic_store(&w.running, false);
    enum gs_children children = atomic_load(&w.children);
    if (children == GS_CHILDREN_OFF)
        gs_probe_stop();
    bool wanted = inherited && children != GS_CHILDREN_OFF && gs_children_may_work();
    atomic_store(&w.store_opened, false);
    atomic_store(&w.inherited, wanted);
    if (wanted && start_thread(grow_up, NULL))
        atomic_store(&w.inherited, false);
}

/* A program that ends by _exit(0) ends well: a forked child that has done its work. One that ends by another status may have
 * caught its own crash. */
static void leave(int status)
{
    if (status == 0)
        gs_box_leave();
}

/* ---- the host's calls -------------------------------------------------------------------------------------------------------- */

/* Once: what is to be done on a thread of the host's, before the first watch. */
static int prepare(void)
{
    int error = gs_own_tls_learn();
    if (error)
        return error;
    gs_memory_for_json();
    gs_memory_put_by();
    gs_parts_try_hooks();
    gs_after_incident_prepare();
    gs_children_prepare();
    gs_probe_tell_exit(leave);
    gs_probe_tell_change(before_change, after_change);
    atomic_store(&w.pid, getpid());
    if (!w.fork_known)
        pthread_atfork(gs_children_before_fork, NULL, after_fork_in_child);
    w.fork_known = true;
    return 0;
}

/* What this child has inherited is of no use: its program sees to that itself. Holds the gate. */
static void forget_inherited(void)
{
    if (!atomic_load(&w.inherited))
        return;
    (void)end_thread(&w.stopping);
    if (atomic_load(&w.inherited)) // else it has taken over just now
        w.parts = (struct gs_parts){0};
    atomic_store(&w.inherited, false);
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
    const char *why = gs_probe_cannot_serve();
    if (why)
        return gs_refuse_start(options.error, -ENOTSUP, "", why);
    gs_lock_take(&w.gate);
    forget_inherited();
    int error = prepare();
    if (error)
        error = gs_refuse_start(options.error, error, "", "this machine's thread-local storage is not known");
    else if (atomic_load(&w.running))
        error = gs_refuse_start(options.error, -EALREADY, "", "the watcher runs already");
    else
        error = start(&options);
    gs_lock_give(&w.gate);
    return error;
}

void gs_watcher_stop(void)
{
    if (gs_own_thread_is_me())
        return;
    gs_lock_take(&w.gate);
    forget_inherited();
    if (atomic_load(&w.running) && !gs_own_thread_runs(&w.thread)) { // sent away
        drop_all();
        atomic_store(&w.running, false);
    } else if (atomic_load(&w.running) && !end_thread(&w.stopping)) {
        gs_box_leave(); // it is in the middle of a capture, and ends after it; the process may be sooner
    }
    gs_lock_give(&w.gate);
}

enum gs_children gs_watcher_children(void)
{
    return atomic_load(&w.children);
}

/* ---- calls ----------------------------------------------------------------------------------------------------------------- */

static bool known_kinds(unsigned kinds)
{
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
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
    if (!atomic_load(&w.running))
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
