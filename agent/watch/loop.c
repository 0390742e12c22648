/* loop.c - the watcher's loop: sleep, read, judge, capture.
 *
 *   gs_probe_wait ──▶ a tick is due   ──▶ gs_metrics_set_read ─▶ gs_rules_judge_tick ─▶ gs_watch_captures_begin …; baseline, budget, box
 *     ▲           ├─▶ heap past a line ─▶ a copy of the peak; an early tick, or the box alone
 *     │           ├─▶ a look is due, or the kernel gave notice ─▶ looks.c: memory past a line? ─▶ an early tick
 *     │           ├─▶ a request       ──▶ answers.c
 *     │           └─▶ each time: credentials, active captures, on_incident, boxes of dead processes, the rules file
 *     └─────────────── until gs_watch_must_end, or until the last host thread has ended
 *
 * Who:    the watcher's thread only, from thread.c.
 * Memory: never the host's malloc. */
#include "base/clock.h"
#include "base/units.h"
#include "host/credentials.h"
#include "host/memory_lock.h"
#include "host/on_incident.h"
#include "host/shell.h"
#include "host/step_aside.h"
#include "probe/probe.h"
#include "sys/log.h"
#include "watch/account.h"
#include "watch/active_captures.h"
#include "watch/control.h"
#include "watch/crash.h"
#include "watch/governor.h"
#include "watch/inside.h"
#include "watch/limit.h"
#include "watch/looks.h"
#include "watch/notices.h"
#include "watch/reload.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECOVERY_PAUSE_MAX_NS (60 * GS_NS_PER_S)
#define SLOW_FACTS_PAUSE_NS   (5 * GS_NS_PER_S)
#define USERS_PAUSE_NS        (30 * GS_NS_PER_S)

static struct {
    struct gs_governor governor;
    uint64_t baselines_cpu_ns; // CPU time that baselines, accounts and limit_users have taken
    uint64_t file_limit;       // limit of file descriptors, at the last refresh_slow_facts
    int64_t slow_facts_due_ns;
    uint64_t gauges_refused;   // calls, when they were last logged
    int64_t users_due_ns;      // when to look at the directories of other users
    int64_t recovery_due_ns;   // when to look for boxes of dead processes; INT64_MAX: none are left
    int64_t recovery_pause_ns; // from a look to the next
    bool host_has_ended;       // no host thread was left at the last tick
    bool crossed;              // an early tick runs because a look found a value past a line
    bool alarm_is_peaks;       // the probe's alarm is set to the line of the next peak
    bool changes_user;         // enter_other_user is due
} loop;

/* ---- a tick ----------------------------------------------------------------------------------------------------------- */

static struct gs_cost cost_so_far(void)
{
    return (struct gs_cost){gs_clock_monotonic_ns(), gs_probe_sampling_ns(),
                            gs_clock_thread_cpu_ns() - gs_watch_captures_cpu_ns() - loop.baselines_cpu_ns};
}

/* Take a baseline if one is due. Its cost does not count for the budget: baselines are rare, and evidence. */
static void take_baseline(int64_t now_ns)
{
    int64_t age_ns = gs_watcher.settings.rules->heap.baseline_ns;
    bool due =
        gs_gather_baselines_due(gs_watcher.settings.baselines, gs_watcher.settings.start_ns, age_ns, now_ns);
    uint64_t began_ns = due ? gs_clock_thread_cpu_ns() : 0;
    gs_gather_baselines_tick(gs_watcher.settings.baselines, gs_watcher.settings.start_ns, age_ns, now_ns);
    if (due)
        loop.baselines_cpu_ns += gs_clock_thread_cpu_ns() - began_ns;
}

/* Read what changes seldom: limits, control groups, the credentials. The hooks miss a change of credentials if
 * the program makes the system call directly, or is linked with libgumshoe.a, which does not hook these functions. */
static void refresh_slow_facts(int64_t now_ns)
{
    if (now_ns < loop.slow_facts_due_ns)
        return;
    loop.slow_facts_due_ns = now_ns + SLOW_FACTS_PAUSE_NS;
    loop.file_limit = gs_metrics_file_limit();
    gs_credentials_look();
    if (!gs_watch_captures_count() && gs_watch_limit_follow(&gs_watcher.settings))
        gs_watch_looks_begin(&gs_watcher.settings);
}

/* Log that calls of gumshoe_gauge were refused: at the first, and whenever their number has doubled. */
static void log_refused_gauges(void)
{
    const char *first;
    uint64_t count = gs_probe_gauges_refused(&first);
    if (count == 0 || count < 2 * loop.gauges_refused)
        return;
    loop.gauges_refused = count;
    gs_log(GS_LOG_WARNING,
           "gumshoe_gauge: %" PRIu64 " call%s ignored, the first for \"%s\": a name has 1 to %d of "
           "a-z 0-9 . _ -, and there is room for %d names",
           count, count == 1 ? " was" : "s were", first, GS_GAUGE_NAME - 1, GS_GAUGES_MAX);
}

/* Log refused names, and record the gauges that the program has set for the first time from this tick on. */
static void follow_gauges(void)
{
    log_refused_gauges();
    if (!gs_watch_captures_count() && gs_watch_record_add_gauges(&gs_watcher.settings))
        gs_box_request_rewrite(gs_watcher.box);
}

/* Hold the store's limits where processes that have become another user write. Not part of the budget, as baselines. */
static void limit_users(int64_t now_ns)
{
    if (now_ns < loop.users_due_ns)
        return;
    uint64_t began_ns = gs_clock_thread_cpu_ns();
    bool unfinished = gs_store_limit_users(gs_watcher.settings.store);
    loop.users_due_ns = now_ns + (unfinished ? GS_NS_PER_S : USERS_PAUSE_NS);
    loop.baselines_cpu_ns += gs_clock_thread_cpu_ns() - began_ns;
}

/* Tell the sampler how many times to double its distance, so that the cost stays within the budget. */
static void keep_within_budget(int64_t now_ns)
{
    if (!gs_watch_governor_is_due(&loop.governor, now_ns))
        return;
    struct gs_cost cost = cost_so_far();
    unsigned before = loop.governor.doublings, now = gs_watch_governor_tick(&loop.governor, &cost);
    gs_probe_widen(now);
    if (now != before) {
        char bytes[GS_UNIT_TEXT];
        gs_log(GS_LOG_INFO, "budget: the heap is sampled every %s from now on",
               gs_units_print_size((double)gs_probe_sampling().bytes, bytes));
    }
}

static struct gs_now read_clocks(void)
{
    return (struct gs_now){gs_clock_monotonic_ns(), gs_clock_realtime_ns()};
}

/* False: incidents of this program's other processes have used up the hourly limit. True: the incident is in the ledger
 * now. */
static bool may_begin(const struct gs_verdict *verdict)
{
    const char *rule = gs_watcher.settings.rules->rule[verdict->rule].name;
    struct gs_ledger_entry entry = {
        .rule = rule,
        .value = verdict->value,
        .limits = gs_rules_judge_hour_limits(gs_watcher.settings.judge, verdict->rule),
        .judge = gs_watcher.settings.judge,
        .now = read_clocks(),
    };
    int64_t until_ns;
    enum gs_hour_room room = gs_store_ledger_begin(gs_watcher.settings.store, &entry, &until_ns);
    if (room == GS_HOUR_HAS_ROOM)
        return true;
    gs_rules_judge_incident_denied(gs_watcher.settings.judge, verdict->rule, room,
                                   entry.now.judge_ns + (until_ns - entry.now.real_ns));
    gs_log(
        GS_LOG_INFO,
        "rule %s: suppressed, because the hourly limit is reached with the incidents of other processes: %s",
        rule, verdict->reason);
    return false;
}

/* The single allocation that a rule on METRIC fires for; bytes 0: METRIC is not about one. */
static struct gs_allocation allocation_of(const char *metric)
{
    struct gs_notable_alloc found = {0};
    if (metric && strcmp(metric, "largest_alloc") == 0)
        found = gs_probe_largest_alloc();
    else if (metric && strcmp(metric, "alloc_failures") == 0)
        (void)gs_probe_alloc_failures(&found);
    return (struct gs_allocation){found.bytes, found.stack};
}

static void capture_verdict(const struct gs_verdict *verdict)
{
    const struct gs_rule *rule = &gs_watcher.settings.rules->rule[verdict->rule];
    struct gs_incident_trigger trigger = {
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
        .triggered_ns = gs_clock_realtime_ns(),
        .allocation = allocation_of(rule->metric),
    };
    gs_watch_captures_begin(&gs_watcher.settings, &trigger, verdict->rule, NULL);
}

/* Set the alarm for the heap size at which a rule may fire, at which the box is out of date, or at which a peak is to be
 * copied. */
static void set_alarm(void)
{
    uint64_t line = gs_rules_judge_alarm_line(gs_watcher.settings.judge, gs_clock_monotonic_ns()),
             box_line = gs_box_heap_line(gs_watcher.box), peak_line = gs_gather_peak_line();
    line = box_line < line ? box_line : line;
    loop.alarm_is_peaks = peak_line < line;
    gs_probe_alarm_at(loop.alarm_is_peaks ? peak_line : line);
}

static void write_box(enum gs_box_when when)
{
    gs_box_write(gs_watcher.box, gs_watcher.settings.context, gs_probe_heap_in_use(), when);
    set_alarm();
}

/* No host thread is left? An ended main thread stays in /proc/self/task until the process ends, but has no memory and no exe
 * link. */
static bool host_has_ended(void)
{
    struct stat tasks;
    char exe[1];
    if (!gs_metrics_set_main_has_ended(gs_watcher.settings.metrics) || stat("/proc/self/task", &tasks) != 0 ||
        tasks.st_nlink < 3 || tasks.st_nlink - 2 > gs_probe_own_threads() + 1)
        return false;
    return readlink("/proc/self/exe", exe, sizeof exe) < 0 && errno == ENOENT;
}

/* A rule has fired between two ticks. Record the values that a look found past a line: replaying the history shows then
 * what fired. Write the box before the capture, during which the program may be killed. */
static void record_early(void)
{
    if (loop.crossed)
        gs_history_add(gs_watcher.settings.history, gs_clock_realtime_ns(), gs_watcher.settings.values);
    write_box(GS_BOX_EARLY);
}

/* Read, judge, record. EARLY: before its time. */
static void tick(bool early)
{
    struct gs_now now = read_clocks();
    const int64_t now_ns = now.judge_ns;
    struct gs_notable_alloc largest = gs_probe_largest_alloc();
    refresh_slow_facts(now_ns);
    follow_gauges();
    if (gs_watcher.settings.rules->children != GS_CHILDREN_ALL)
        gs_shell_tick(now_ns);
    gs_metrics_set_read(gs_watcher.settings.metrics, now_ns, gs_watcher.settings.values);
    loop.host_has_ended = host_has_ended();
    if (loop.host_has_ended)
        return;
    if (!early)
        gs_history_add(gs_watcher.settings.history, now.real_ns, gs_watcher.settings.values);
    gs_rules_judge_set_limit(gs_watcher.settings.judge, GS_OF_FILE_LIMIT, loop.file_limit);
    struct gs_tick this_tick = {.time_ns = now_ns, .value = gs_watcher.settings.values, .early = early};
    size_t fired = gs_rules_judge_tick(gs_watcher.settings.judge, &this_tick, gs_watcher.settings.verdicts);
    if (early && fired)
        record_early();
    for (size_t i = 0; i < fired; i++)
        if (may_begin(&gs_watcher.settings.verdicts[i]))
            capture_verdict(&gs_watcher.settings.verdicts[i]);
    if (fired) // the captures have begun: that takes time
        now = read_clocks();
    take_baseline(now.judge_ns);
    loop.baselines_cpu_ns += gs_watch_account_tick(gs_watcher.box, now_ns);
    (void)gs_gather_peak_tick(now.judge_ns); // just before the box: it has the same values then
    gs_probe_anchor_tick(gs_watcher.settings.baselines, gs_gather_peak_for_anchor(),
                         gs_watcher.settings.start_ns, now_ns, now.real_ns);
    if (!early) // an early tick is seldom recorded: the next one shows its largest allocation again
        gs_probe_forget_largest_alloc(largest);
    keep_within_budget(now_ns);
    gs_watch_focus_tick(&gs_watcher.settings, now_ns);
    write_box(early ? GS_BOX_EARLY : GS_BOX_TICK);
    limit_users(now_ns);
    gs_watch_looks_plan(&gs_watcher.settings, now.judge_ns);
    if (!early)
        gs_watch_history_tick(gs_watcher.history, gs_watcher.settings.context, now);
}

/* The heap has reached the alarm's line. First of all look for a peak: it may be over soon. */
static void handle_alarm(void)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    bool peaked = gs_gather_peak_look(now_ns, loop.alarm_is_peaks);
    uint64_t in_use = gs_probe_heap_in_use();
    if (in_use >= gs_rules_judge_alarm_line(gs_watcher.settings.judge, now_ns))
        tick(true);
    else if (peaked || !loop.alarm_is_peaks || in_use >= gs_box_heap_line(gs_watcher.box))
        write_box(GS_BOX_EARLY);
    else
        set_alarm();
}

/* Look at memory, if that is due. An early tick lets the rules judge what is past a line. */
static void look_at_memory(enum gs_wake woken)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    if (woken == GS_WAKE_NOTICE)
        gs_watch_looks_noticed(&gs_watcher.settings, now_ns);
    loop.crossed =
        now_ns >= gs_watch_looks_due_ns() && gs_watch_looks_find_crossed(&gs_watcher.settings, now_ns);
    if (loop.crossed)
        tick(true);
    loop.crossed = false;
}

/* ---- the loop --------------------------------------------------------------------------------------------------------- */

/* Credentials have changed: wake the agent's other threads, and log it if the store is no longer writable. */
static void wake_others(void)
{
    gs_watch_control_wake();
    gs_on_incident_wake();
    gs_watch_crash_wake();
    gs_watch_notices_wake();
    gs_store_log_if_unwritable(gs_watcher.settings.store);
}

/* How long to sleep: until the next tick, poll of CPU samples, look at memory, check of the rules file
 * or recovery, whichever is first. */
static int64_t pause_ns(int64_t next_ns)
{
    int64_t now_ns = gs_clock_monotonic_ns(), left_ns = next_ns - now_ns,
            rules_file_ns = gs_watch_rules_file_pause_ns(&gs_watcher.settings.file, now_ns);
    if (rules_file_ns < left_ns)
        left_ns = rules_file_ns;
    if (loop.recovery_due_ns - now_ns < left_ns)
        left_ns = loop.recovery_due_ns - now_ns;
    if (gs_watch_looks_due_ns() - now_ns < left_ns)
        left_ns = gs_watch_looks_due_ns() - now_ns;
    return gs_watch_captures_count() && left_ns > GS_CPU_POLL_NS ? GS_CPU_POLL_NS : left_ns;
}

/* Note fatal signals in the box, if the rules say so. The thread for that is missing after a stop for a while. */
static void apply_crash(bool on)
{
    gs_watch_crash_handle(on);
    if (on)
        gs_watch_crash_start();
    else
        gs_watch_crash_stop();
}

/* Apply those rules that are not kept in the settings. */
static void apply_rules(void)
{
    const struct gs_rules *rules = gs_watcher.settings.rules;
    gs_gather_cpu_configure(&(struct gs_cpu_settings){rules->cpu.hertz, rules->cpu.before_ns});
    loop.governor.budget = rules->budget;
    gs_gather_peak_configure(&(struct gs_peak_settings){rules->heap.peak_ns, rules->budget});
    gs_box_request_rewrite(gs_watcher.box);
    atomic_store(&gs_watcher.cpu_duration_ns, rules->cpu.duration_ns);
    atomic_store(&gs_watcher.children, rules->children);
    gs_on_incident_expect(rules);
    apply_crash(rules->crash);
    gs_watch_looks_begin(&gs_watcher.settings);
}

/* Take over cooldowns that earlier processes of this program left in the ledger. */
static void recall_cooldowns(void)
{
    size_t cooling =
        gs_store_ledger_recall(gs_watcher.settings.store, gs_watcher.settings.judge, read_clocks());
    if (cooling)
        gs_log(GS_LOG_INFO,
               "%zu %s in cooldown after incidents before this start: gumshoe status shows the time left",
               cooling, cooling == 1 ? "rule is" : "rules are");
}

/* Reload the rules file if it has changed. Then tick at once, instead of waiting for the end of the old interval. */
static void follow_rules(int64_t *next_ns)
{
    if (!gs_watch_reload_look(&gs_watcher.settings, gs_clock_monotonic_ns()))
        return;
    apply_rules();
    tick(true);
    gs_store_ledger_note_due(gs_watcher.settings.store, gs_watcher.settings.judge, read_clocks());
    *next_ns = gs_clock_monotonic_ns() + gs_watcher.settings.rules->interval_ns;
}

/* Make the incident of one dead process. While another process makes such incidents, try less and less often. */
static void recover_dead_process(void)
{
    enum gs_recovered recovered = gs_watch_captures_recover(&gs_watcher.settings);
    int64_t longer_ns = 2 * loop.recovery_pause_ns > GS_NS_PER_S ? 2 * loop.recovery_pause_ns : GS_NS_PER_S;
    loop.recovery_pause_ns = recovered != GS_RECOVERED_BUSY      ? 0
                             : longer_ns < RECOVERY_PAUSE_MAX_NS ? longer_ns
                                                                 : RECOVERY_PAUSE_MAX_NS;
    loop.recovery_due_ns =
        recovered == GS_RECOVERED_ALL ? INT64_MAX : gs_clock_monotonic_ns() + loop.recovery_pause_ns;
}

/* ---- the program becomes another user for good (store/users.c) --------------------------------------------------------- */

/* The program is user UID of group GID now. This thread still is the store's user: leave nothing behind in the store, and
 * open a directory for the new user. In a new child nothing runs yet. If there can be no directory, the watch goes on
 * without one. */
static void leave_for_other_user(uid_t uid, gid_t gid)
{
    struct gs_settings *settings = &gs_watcher.settings;
    if (gs_store_is_of_user(settings->store)) // this thread could not follow at the last try
        return;
    int fd = gs_store_user_make(settings->store, uid, gid);
    if (fd < 0) {
        gs_log(GS_LOG_WARNING, "%s: no directory for user %u, group %u: %s", gs_store_path(settings->store),
               (unsigned)uid, (unsigned)gid,
               fd == -EDQUOT ? "too many other users have one" : strerrordesc_np(-fd));
        return;
    }
    if (atomic_load(&gs_watcher.running)) {
        gs_watch_captures_continue(settings, true);
        gs_watch_crash_stop();
        gs_watch_control_stop();
        gs_box_remove_file(gs_watcher.box);
        loop.changes_user = true;
    }
    (void)!gs_store_use_user(settings->store, fd);
}

/* This thread is the new user, too: go on in its directory. */
static void enter_other_user(void)
{
    struct gs_store *store = gs_watcher.settings.store;
    loop.changes_user = false;
    gs_log(GS_LOG_INFO, "the process is user %u now: incidents in %s", (unsigned)geteuid(),
           gs_store_path(store));
    gs_store_sweep(store);
    gs_watch_control_start(store);
    if (gs_watcher.settings.rules->crash)
        gs_watch_crash_start();
    recall_cooldowns();
    write_box(GS_BOX_EARLY);
    loop.recovery_due_ns = loop.recovery_pause_ns = 0;
}

void gs_watch_follow_credentials(void)
{
    gs_step_aside_follow(leave_for_other_user, wake_others);
    if (loop.changes_user)
        enter_other_user();
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

/* Run until gs_watch_must_end, or until the last host thread has ended. */
static void run_loop(void)
{
    int64_t next_ns = gs_clock_monotonic_ns() + gs_watcher.settings.rules->interval_ns;
    tick(false);
    gs_store_ledger_note_due(gs_watcher.settings.store, gs_watcher.settings.judge, read_clocks());
    loop.recovery_due_ns = loop.recovery_pause_ns = 0;
    while (!gs_watch_must_end() && !loop.host_has_ended) {
        enum gs_wake woken = gs_probe_wait(pause_ns(next_ns));
        gs_watch_follow_credentials();
        gs_memory_lock_serve();
        if (gs_watch_captures_count() || gs_watcher.settings.rules->cpu.before_ns)
            gs_watch_captures_continue(&gs_watcher.settings, false);
        gs_on_incident_continue();
        if (woken == GS_WAKE_CALL)
            gs_watch_answer();
        else if (woken == GS_WAKE_ALARM)
            handle_alarm();
        look_at_memory(woken);
        if (loop.recovery_due_ns != INT64_MAX && gs_clock_monotonic_ns() >= loop.recovery_due_ns)
            recover_dead_process();
        follow_rules(&next_ns);
        int64_t now_ns = gs_clock_monotonic_ns();
        if (now_ns < next_ns || gs_watch_must_end())
            continue;
        tick(false);
        next_ns += gs_watcher.settings.rules->interval_ns;
        // late (after a capture, or a stopped machine): skip ticks, do not catch up
        if (next_ns < now_ns)
            next_ns = now_ns + gs_watcher.settings.rules->interval_ns;
    }
}

void gs_watch_loop(bool first_run)
{
    loop.governor = (struct gs_governor){.before = cost_so_far()};
    loop.changes_user = false; // of the parent, in a child
    apply_rules();
    // first: it removes sockets of dead processes, and recovery takes a process with a socket for alive
    gs_watch_control_start(gs_watcher.settings.store);
    if (first_run)
        recall_cooldowns();
    run_loop();
}
