/* loop.c - the watcher's loop: sleep, read, judge, capture.
 *
 *   gs_probe_wait ──▶ a tick is due   ──▶ gs_metrics_set_read ─▶ gs_rules_judge_tick ─▶ gs_watch_captures_begin …; baseline, budget, box
 *     ▲           ├─▶ a line crossed  ──▶ a tick between two, or the box alone
 *     │           ├─▶ a request       ──▶ answers.c
 *     │           └─▶ each time: credentials, captures under way, on_incident, the dead, the rules file
 *     └─────────────── until gs_watch_must_end, or until no thread of the host's is left
 *
 * Who:    the watcher's thread, which thread.c brings here; nobody else.
 * Memory: none of the host's malloc. */
#include "base/clock.h"
#include "base/units.h"
#include "host/credentials.h"
#include "host/on_incident.h"
#include "host/step_aside.h"
#include "probe/probe.h"
#include "sys/log.h"
#include "watch/active_captures.h"
#include "watch/control.h"
#include "watch/governor.h"
#include "watch/inside.h"
#include "watch/reload.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEAD_PAUSE_MAX_NS (60 * GS_NS_PER_S)
#define LOOK_UP_AGAIN_NS  (5 * GS_NS_PER_S)

static struct {
    struct gs_governor governor;
    uint64_t baselines_cpu_ns; // what baselines have cost
    uint64_t file_limit;       // of descriptors, as last looked up
    int64_t look_up_due_ns;
    int64_t dead_due_ns;   // when to look for boxes of those who died here before; INT64_MAX: there are none
    int64_t dead_pause_ns; // until the look after that
} l;

/* ---- a tick ------------------------------------------------------------------------------------------------------------ */

static struct gs_cost cost_so_far(void)
{
    return (struct gs_cost){gs_clock_monotonic_ns(), gs_probe_sampling_ns(),
                            gs_clock_thread_cpu_ns() - gs_watch_captures_cpu_ns() - l.baselines_cpu_ns};
}

/* A baseline is evidence, too: rare, and worth its price. */
static void take_baseline(int64_t now_ns)
{
    int64_t age_ns = gs_watcher.settings.rules->heap.baseline_ns;
    bool due =
        gs_gather_baselines_due(gs_watcher.settings.baselines, gs_watcher.settings.start_ns, age_ns, now_ns);
    uint64_t began_ns = due ? gs_clock_thread_cpu_ns() : 0;
    gs_gather_baselines_tick(gs_watcher.settings.baselines, gs_watcher.settings.start_ns, age_ns, now_ns);
    if (due)
        l.baselines_cpu_ns += gs_clock_thread_cpu_ns() - began_ns;
}

/* What is changed seldom: the limit of descriptors; and the credentials, where the program makes the system calls by itself, or
 * is linked with libgumshoe.a, which does not hear of them. */
static void refresh_slow_facts(int64_t now_ns)
{
    if (now_ns < l.look_up_due_ns)
        return;
    l.look_up_due_ns = now_ns + LOOK_UP_AGAIN_NS;
    l.file_limit = gs_metrics_file_limit();
    gs_credentials_changed((int)getpid());
}

/* Keep within the budget: tell the sampler how often to double its distance. */
static void govern(void)
{
    struct gs_cost cost = cost_so_far();
    unsigned before = l.governor.doublings, now = gs_watch_governor_tick(&l.governor, &cost);
    gs_probe_widen(now);
    if (now != before) {
        char bytes[GS_UNIT_TEXT];
        gs_log(GS_LOG_INFO, "budget: the heap is sampled every %s from now on",
               gs_units_print_size((double)gs_probe_sampling().bytes, bytes));
    }
}

static struct gs_now present(void)
{
    return (struct gs_now){gs_clock_monotonic_ns(), gs_clock_realtime_ns()};
}

/* Other processes of this program may have filled the hour. What begins is written down first. */
static bool may_begin(const struct gs_verdict *verdict)
{
    const char *rule = gs_watcher.settings.rules->rule[verdict->rule].name;
    struct gs_ledger_entry entry = {
        .rule = rule,
        .value = verdict->value,
        .limits = gs_rules_judge_hour_limits(gs_watcher.settings.judge, verdict->rule),
        .judge = gs_watcher.settings.judge,
        .now = present(),
    };
    int64_t until_ns;
    enum gs_hour_room room = gs_store_ledger_begin(gs_watcher.settings.store, &entry, &until_ns);
    if (room == GS_HOUR_HAS_ROOM)
        return true;
    gs_rules_judge_incident_denied(gs_watcher.settings.judge, verdict->rule, room,
                                   entry.now.judge_ns + (until_ns - entry.now.real_ns));
    gs_log(GS_LOG_INFO,
           "rule %s: held back: the hourly limit is reached, with the incidents of other processes: %s", rule,
           verdict->reason);
    return false;
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
    };
    gs_watch_captures_begin(&gs_watcher.settings, &trigger, verdict->rule, NULL);
}

/* Write the box, and have us woken at the next line: a rule's, or the one where the box is too far behind. */
static void write_box(enum gs_box_when when)
{
    uint64_t rule_line = gs_rules_judge_alarm_line(gs_watcher.settings.judge, gs_clock_monotonic_ns());
    gs_box_write(gs_watcher.box, gs_watcher.settings.context, gs_probe_heap_in_use(), when);
    gs_probe_alarm_at(rule_line < gs_box_heap_line(gs_watcher.box) ? rule_line
                                                                   : gs_box_heap_line(gs_watcher.box));
}

static void tick(bool early)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    gs_metrics_set_read(gs_watcher.settings.metrics, now_ns, gs_watcher.settings.values);
    if (!early)
        gs_history_add(gs_watcher.settings.history, gs_clock_realtime_ns(), gs_watcher.settings.values);
    refresh_slow_facts(now_ns);
    gs_rules_judge_set_limit(gs_watcher.settings.judge, GS_OF_FILE_LIMIT, l.file_limit);
    struct gs_tick this_tick = {.time_ns = now_ns, .value = gs_watcher.settings.values, .early = early};
    size_t fired = gs_rules_judge_tick(gs_watcher.settings.judge, &this_tick, gs_watcher.settings.verdicts);
    for (size_t i = 0; i < fired; i++)
        if (may_begin(&gs_watcher.settings.verdicts[i]))
            capture_verdict(&gs_watcher.settings.verdicts[i]);
    take_baseline(gs_clock_monotonic_ns());
    gs_probe_anchor_tick(gs_watcher.settings.baselines, gs_watcher.settings.start_ns, now_ns,
                         gs_clock_realtime_ns());
    govern();
    write_box(early ? GS_BOX_EARLY : GS_BOX_TICK);
}

static void alarmed(void)
{
    if (gs_probe_heap_in_use() >=
        gs_rules_judge_alarm_line(gs_watcher.settings.judge, gs_clock_monotonic_ns()))
        tick(true);
    else
        write_box(GS_BOX_EARLY);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------- */

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

/* The program has changed its credentials: the other threads of ours look, and the store may be closed to us. */
static void wake_others(void)
{
    gs_watch_control_wake();
    gs_on_incident_wake();
    gs_store_log_if_unwritable(gs_watcher.settings.store);
}

void gs_watch_follow_credentials(void)
{
    gs_step_aside_follow(wake_others);
}

/* How long to sleep: to the next tick, or to the next look at what is under way, or at the rules file. */
static int64_t pause_ns(int64_t next_ns)
{
    int64_t now_ns = gs_clock_monotonic_ns(), left_ns = next_ns - now_ns,
            look_ns = gs_watch_rules_file_pause_ns(&gs_watcher.settings.file, now_ns);
    if (look_ns < left_ns)
        left_ns = look_ns;
    if (l.dead_due_ns - now_ns < left_ns)
        left_ns = l.dead_due_ns - now_ns;
    return gs_watch_captures_count() && left_ns > GS_CPU_POLL_NS ? GS_CPU_POLL_NS : left_ns;
}

/* What the rules settle outside of the settings. */
static void apply_rules(void)
{
    const struct gs_rules *rules = gs_watcher.settings.rules;
    gs_gather_cpu_configure(&(struct gs_cpu_settings){rules->cpu.hertz, rules->cpu.before_ns});
    l.governor.budget = rules->budget;
    gs_box_request_rewrite(gs_watcher.box);
    atomic_store(&gs_watcher.cpu_duration_ns, rules->cpu.duration_ns);
    atomic_store(&gs_watcher.children, rules->children);
    gs_on_incident_expect(rules);
}

/* What this program's processes did before this one. */
static void recall(void)
{
    size_t cooling = gs_store_ledger_recall(gs_watcher.settings.store, gs_watcher.settings.judge, present());
    if (cooling)
        gs_log(GS_LOG_INFO,
               "%zu %s down after incidents of before the start: gumshoe status says for how long", cooling,
               cooling == 1 ? "rule cools" : "rules cool");
}

/* Go by the rules file, should it have changed: from a tick at once, so that a longer interval of before is not sat out. */
static void follow_rules(int64_t *next_ns)
{
    if (!gs_watch_reload_look(&gs_watcher.settings, gs_clock_monotonic_ns()))
        return;
    apply_rules();
    tick(true);
    gs_store_ledger_note_due(gs_watcher.settings.store, gs_watcher.settings.judge, present());
    *next_ns = gs_clock_monotonic_ns() + gs_watcher.settings.rules->interval_ns;
}

/* One of those who died here before becomes an incident. While another process makes incidents of the dead, ask less and less. */
static void recover_dead(void)
{
    enum gs_recovered recovered = gs_watch_captures_recover(&gs_watcher.settings);
    int64_t longer_ns = 2 * l.dead_pause_ns > GS_NS_PER_S ? 2 * l.dead_pause_ns : GS_NS_PER_S;
    l.dead_pause_ns = recovered != GS_RECOVERED_BUSY  ? 0
                      : longer_ns < DEAD_PAUSE_MAX_NS ? longer_ns
                                                      : DEAD_PAUSE_MAX_NS;
    l.dead_due_ns = recovered == GS_RECOVERED_ALL ? INT64_MAX : gs_clock_monotonic_ns() + l.dead_pause_ns;
}

/* Until the watch is to end, or this thread is. */
static void run_loop(void)
{
    int64_t next_ns = gs_clock_monotonic_ns() + gs_watcher.settings.rules->interval_ns;
    tick(false);
    gs_store_ledger_note_due(gs_watcher.settings.store, gs_watcher.settings.judge, present());
    l.dead_due_ns = l.dead_pause_ns = 0;
    while (!gs_watch_must_end()) {
        enum gs_wake woken = gs_probe_wait(pause_ns(next_ns));
        gs_watch_follow_credentials();
        if (gs_watch_captures_count() || gs_watcher.settings.rules->cpu.before_ns)
            gs_watch_captures_continue(&gs_watcher.settings, false);
        gs_on_incident_continue();
        if (woken == GS_WAKE_CALL)
            gs_watch_answer();
        else if (woken == GS_WAKE_ALARM)
            alarmed();
        if (gs_clock_monotonic_ns() >= l.dead_due_ns)
            recover_dead();
        follow_rules(&next_ns);
        int64_t now_ns = gs_clock_monotonic_ns();
        if (now_ns < next_ns || gs_watch_must_end())
            continue;
        if (host_has_ended())
            break;
        tick(false);
        next_ns += gs_watcher.settings.rules->interval_ns;
        // late (a capture, a stopped machine): a gap, not a burst
        if (next_ns < now_ns)
            next_ns = now_ns + gs_watcher.settings.rules->interval_ns;
    }
}

void gs_watch_loop(bool anew)
{
    l.governor = (struct gs_governor){.before = cost_so_far()};
    apply_rules();
    // which sweeps away the sockets of the dead: those who have one count as alive
    gs_watch_control_start(gs_watcher.settings.store);
    if (anew)
        recall();
    run_loop();
}
