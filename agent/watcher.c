/* watcher.c - the loop: sleep, read, judge, capture.
 *
 *   gumshoe_start ──▶ thread:  gs_probe_wait ─▶ gs_watch_read ─▶ gs_judge_tick ─▶ gs_incident_begin … end ─▶ callback
 *                                   ▲ tick, alarm (heap line crossed), call (gumshoe_capture, gumshoe_stop)
 *
 * An incident that samples CPU time stays under way for seconds: the watch goes on meanwhile, and others may begin.
 *
 * Who:    one thread, with every signal blocked, so that none meant for the host ends here. Public calls come from
 *         host threads: they take `gate` (start, stop) or ask through calls.c, which wakes the thread.
 * Memory: none of the host's malloc once the thread runs. Starting it does use it: pthread_create must.
 * Fork:   the child has no watcher; it may start one of its own. */
#include "watcher.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/kinds.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/units.h"
#include "calls.h"
#include "control.h"
#include "governor.h"
#include "incident/incident.h"
#include "metrics/metrics.h"
#include "probe/probe.h"
#include "profile/profile.h"
#include "rules/rules.h"
#include "status.h"
#include <errno.h>
#include <fcntl.h>
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

enum { STACK_BYTES = 1 << 20, HISTORY_TICKS = 3600, NICE = 5, UNDER_WAY_MAX = 4 };
#define STOP_PATIENCE_NS GS_NS_PER_S
#define PROGRESS_NS      (10 * GS_NS_PER_S)

/* An incident that is being captured. */
struct under_way {
    struct gs_incident *incident; // NULL: this place is free
    size_t rule;
    struct gs_call *call;         // or who asked for it; NULL: the rule fired
    int64_t began_ns, told_ns;    // and when the log last heard of it
};

/* What a running watcher works with: made by start, dropped by stop. */
struct parts {
    struct gs_rules *rules;
    struct gs_judge *judge;
    struct gs_watch *watch;
    struct gs_history *history;
    struct gs_baselines *baselines;
    struct gs_store *store;
    double *values;              // one for each metric
    struct gs_verdict *verdicts; // room for one from each rule
    char **unavailable;
    size_t unavailable_count;
    struct gs_incident_scene scene;
    struct gs_governor governor;
    uint64_t capturing_ns;       // CPU time that captures took
    struct under_way under_way[UNDER_WAY_MAX];
    char limit_from[160];
};

static struct {
    pthread_mutex_t gate;      // start and stop
    pthread_mutex_t gathering; // one gatherer at a time: threads are asked through shared slots
    pthread_t thread;
    _Atomic bool running, stopping;
    bool fork_known;
    _Atomic(void (*)(const char *, void *)) callback;
    _Atomic(void *) callback_user;
    struct parts parts;
} w = {
    .gate = PTHREAD_MUTEX_INITIALIZER,
    .gathering = PTHREAD_MUTEX_INITIALIZER,
};

/* ---- errors of gumshoe_start ------------------------------------------------------------------------------------ */

static int refuse(struct gumshoe_error *error, int code, const char *file, const char *message)
{
    if (error) {
        error->code = code;
        snprintf(error->file, sizeof error->file, "%s", file);
        snprintf(error->message, sizeof error->message, "%s", message);
    }
    gs_log(GS_LOG_ERROR, "not watching: %s%s%s", file, *file ? ": " : "", message);
    return code;
}

/* All errors of a rules file go to the log, the first to the caller. */
static int refuse_rules(struct gumshoe_error *error, const char *file, const struct gs_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        char line[640];
        gs_error_format(&errors->item[i], line, sizeof line);
        gs_log(GS_LOG_ERROR, "%s", line);
    }
    const struct gs_error *first = errors->count ? &errors->item[0] : NULL;
    if (error && first) {
        error->line = first->line;
        error->column = first->col;
    }
    return refuse(error, -EINVAL, file, first ? first->text : "the rules could not be read");
}

/* ---- setting up ---------------------------------------------------------------------------------------------------- */

static const char *setting(const char *variable, const char *option)
{
    const char *value = secure_getenv(variable);
    return value && *value ? value : option;
}

static int read_rules(const struct gumshoe_options *options)
{
    const char *file = setting("GUMSHOE_RULES", options->rules_file),
               *name = file ? file : "(built-in rules)";
    const char *text = gs_default_rules_text;
    char *read = NULL;
    size_t length = gs_default_rules_length;
    if (file) {
        int error = gs_read_file(AT_FDCWD, file, GS_RULES_TEXT_MAX, &read, &length);
        if (error)
            return refuse(options->error, error, file, strerrordesc_np(-error));
        text = read;
    } else if (options->rules_json) {
        name = "(rules_json)";
        text = options->rules_json;
        length = strlen(text);
    }
    struct gs_errors errors = {0};
    w.parts.rules = gs_rules_read(text, length, name, &errors);
    int error = w.parts.rules ? 0 : refuse_rules(options->error, name, &errors);
    gs_errors_fini(&errors);
    gs_free(read);
    return error;
}

static int open_store(const struct gumshoe_options *options)
{
    const char *dir = setting("GUMSHOE_DIR", options->dir);
    char why[256];
    struct gs_store_limits limits = {w.parts.rules->incidents.keep, w.parts.rules->incidents.max_bytes,
                                     w.parts.rules->incidents.max_age_ns};
    if (!dir)
        dir = w.parts.rules->incidents.dir;
    w.parts.store = gs_store_open(dir, &limits, why, sizeof why);
    return w.parts.store ? 0 : refuse(options->error, errno ? -errno : -EIO, dir, why);
}

static void forget_unavailable(void)
{
    for (size_t i = 0; i < w.parts.unavailable_count; i++)
        gs_free(w.parts.unavailable[i]);
    w.parts.unavailable_count = 0;
}

/* Find out which metrics the rules ask for in vain just now: said at the start, and in every incident. */
static void find_unavailable(void)
{
    forget_unavailable();
    for (size_t i = 0; i < gs_watch_count(w.parts.watch); i++) {
        const char *why = gs_watch_unavailable(w.parts.watch, i);
        struct gs_text line = {0};
        if (!why)
            continue;
        gs_text_add(&line, "%s: %s", gs_watch_name(w.parts.watch, i), why);
        if (line.bytes)
            w.parts.unavailable[w.parts.unavailable_count++] = line.bytes; // ours from here on
    }
    w.parts.scene.unavailable_count = w.parts.unavailable_count;
}

/* Make one allocation as the program does, so that the hooks have seen one if they see any. */
static void try_hooks(void)
{
    void *volatile block = malloc(1);
    free(block);
}

static bool make_parts(void)
{
    size_t metrics = w.parts.rules->metric_count, rules = w.parts.rules->rule_count;
    uint64_t limit = gs_memory_limit("", w.parts.limit_from, sizeof w.parts.limit_from);
    w.parts.judge = gs_judge_new(w.parts.rules, limit);
    w.parts.watch = gs_watch_new(w.parts.rules->metric, metrics, "");
    w.parts.history = gs_history_new(w.parts.rules->metric, metrics, HISTORY_TICKS);
    w.parts.baselines = gs_baselines_new();
    w.parts.values = gs_alloc((metrics + 1) * sizeof *w.parts.values);
    w.parts.verdicts = gs_alloc((rules + 1) * sizeof *w.parts.verdicts);
    w.parts.unavailable = gs_alloc((metrics + 1) * sizeof *w.parts.unavailable);
    if (!w.parts.judge || !w.parts.watch || !w.parts.history || !w.parts.baselines || !w.parts.values ||
        !w.parts.verdicts || !w.parts.unavailable)
        return false;
    w.parts.scene = (struct gs_incident_scene){
        .rules = w.parts.rules,
        .history = w.parts.history,
        .baselines = w.parts.baselines,
        .unavailable = (const char *const *)w.parts.unavailable,
        .limit_bytes = limit,
        .limit_from = w.parts.limit_from,
        .start_ns = gs_monotonic_ns(),
        .started_ns = gs_process_started_ns(0),
    };
    find_unavailable();
    for (size_t i = 0; i < w.parts.unavailable_count; i++)
        gs_log(GS_LOG_WARNING, "metric not available: %s", w.parts.unavailable[i]);
    return true;
}

static void drop_parts(void)
{
    gs_judge_free(w.parts.judge);
    gs_watch_free(w.parts.watch);
    gs_history_free(w.parts.history);
    gs_baselines_free(w.parts.baselines);
    gs_store_close(w.parts.store);
    forget_unavailable();
    gs_free(w.parts.unavailable);
    gs_free(w.parts.values);
    gs_free(w.parts.verdicts);
    gs_rules_free(w.parts.rules);
    w.parts = (struct parts){0};
}

static uint64_t cpu_time_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * GS_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Keep within the budget: tell the sampler how often to double its distance. */
static void govern(void)
{
    struct gs_cost cost = {
        .time_ns = gs_monotonic_ns(),
        .sampling_ns = gs_probe_sampling_ns(),
        .watching_ns = cpu_time_ns() - w.parts.capturing_ns,
    };
    unsigned before = w.parts.governor.doublings, now = gs_governor_tick(&w.parts.governor, &cost);
    gs_probe_widen(now);
    if (now != before) {
        char bytes[GS_UNIT_TEXT];
        gs_log(GS_LOG_INFO, "budget: the heap is sampled every %s from now on",
               gs_print_size((double)gs_probe_sampling().bytes, bytes));
    }
}

/* ---- incidents --------------------------------------------------------------------------------------------------------- */

static void tell(const char *path)
{
    void (*callback)(const char *, void *) = atomic_load(&w.callback);
    gs_log(GS_LOG_INFO, "incident: %s", path);
    if (callback)
        callback(path, atomic_load(&w.callback_user));
}

/* What the incident has come to, for the rule or for who asked. */
static void settle(const struct under_way *under_way, int error, const char *path)
{
    if (under_way->call) {
        snprintf(under_way->call->path, sizeof under_way->call->path, "%s", error ? "" : path);
        gs_call_done(under_way->call, error);
    } else if (error)
        gs_judge_incident_failed(w.parts.judge, under_way->rule, gs_monotonic_ns());
    else
        gs_judge_incident_over(w.parts.judge, under_way->rule, gs_monotonic_ns());
}

static void end_incident(struct under_way *under_way)
{
    char path[PATH_MAX];
    uint64_t began_ns = cpu_time_ns();
    pthread_mutex_lock(&w.gathering);
    int error = gs_incident_end(under_way->incident, path);
    pthread_mutex_unlock(&w.gathering);
    under_way->incident = NULL;
    w.parts.capturing_ns += cpu_time_ns() - began_ns;
    if (error)
        gs_log(GS_LOG_ERROR, "the incident could not be written: %s", strerrordesc_np(-error));
    else
        tell(path);
    settle(under_way, error, path);
}

/* A place for one more; the oldest is ended early when there is none. */
static struct under_way *place_for_one(void)
{
    for (struct under_way *place = w.parts.under_way; place < w.parts.under_way + UNDER_WAY_MAX; place++)
        if (!place->incident)
            return place;
    struct under_way *oldest = &w.parts.under_way[0];
    for (struct under_way *place = oldest + 1; place < w.parts.under_way + UNDER_WAY_MAX; place++)
        if (place->began_ns < oldest->began_ns)
            oldest = place;
    end_incident(oldest);
    return oldest;
}

/* Begin the incident of RULE, or the one that CALL asks for; one that is ready at once is ended at once. */
static void begin_incident(const struct gs_incident_facts *facts, size_t rule, struct gs_call *call)
{
    struct under_way *place = place_for_one();
    uint64_t began_ns = cpu_time_ns();
    find_unavailable();
    gs_log(GS_LOG_INFO, "rule %s: %s", facts->rule, facts->reason);
    pthread_mutex_lock(&w.gathering);
    int error = gs_incident_begin(w.parts.store, facts, &w.parts.scene, &place->incident);
    pthread_mutex_unlock(&w.gathering);
    w.parts.capturing_ns += cpu_time_ns() - began_ns;
    place->rule = rule;
    place->call = call;
    place->began_ns = place->told_ns = gs_monotonic_ns();
    if (error) {
        gs_log(GS_LOG_ERROR, "rule %s: the incident could not be written: %s", facts->rule, strerrordesc_np(-error));
        settle(place, error, "");
    } else if (gs_incident_is_ready(place->incident, gs_monotonic_ns())) {
        end_incident(place);
    } else {
        gs_log(GS_LOG_INFO, "rule %s: CPU time is being sampled", facts->rule);
    }
}

static bool any_under_way(void)
{
    for (size_t i = 0; i < UNDER_WAY_MAX; i++)
        if (w.parts.under_way[i].incident)
            return true;
    return false;
}

/* A long capture shows that it goes on. */
static void tell_progress(struct under_way *place, int64_t now_ns)
{
    char text[GS_UNIT_TEXT];
    if (now_ns - place->told_ns < PROGRESS_NS)
        return;
    place->told_ns = now_ns;
    gs_log(GS_LOG_INFO, "CPU time has been sampled for %s", gs_print_duration(now_ns - place->began_ns, text));
}

/* See to those under way; ALL: end them all, ready or not. */
static void go_on_with_incidents(bool all)
{
    int64_t now_ns = gs_monotonic_ns();
    gs_cpu_poll(now_ns);
    for (struct under_way *place = w.parts.under_way; place < w.parts.under_way + UNDER_WAY_MAX; place++)
        if (place->incident && (all || gs_incident_is_ready(place->incident, now_ns)))
            end_incident(place);
        else if (place->incident)
            tell_progress(place, now_ns);
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
    begin_incident(&facts, verdict->rule, NULL);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------- */

static void tick(bool early)
{
    int64_t now_ns = gs_monotonic_ns();
    gs_watch_read(w.parts.watch, now_ns, w.parts.values);
    if (!early)
        gs_history_add(w.parts.history, gs_realtime_ns(), w.parts.values);
    struct gs_tick this_tick = {.time_ns = now_ns, .value = w.parts.values, .early = early};
    size_t fired = gs_judge_tick(w.parts.judge, &this_tick, w.parts.verdicts);
    for (size_t i = 0; i < fired; i++)
        capture_verdict(&w.parts.verdicts[i]);
    gs_baselines_tick(w.parts.baselines, w.parts.scene.start_ns, w.parts.rules->heap.baseline_ns,
                      gs_monotonic_ns());
    govern();
    gs_probe_alarm_at(gs_judge_alarm_line(w.parts.judge, gs_monotonic_ns()));
}

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
    begin_incident(&facts, SIZE_MAX, call);
}

static void answer_status(struct gs_call *call)
{
    struct gs_status status = {
        .rules = w.parts.rules,
        .judge = w.parts.judge,
        .watch = w.parts.watch,
        .values = w.parts.values,
        .dir = gs_store_path(w.parts.store),
        .limit_from = w.parts.limit_from,
        .limit_bytes = w.parts.scene.limit_bytes,
        .started_ns = w.parts.scene.started_ns,
    };
    for (size_t i = 0; i < UNDER_WAY_MAX; i++)
        status.under_way += w.parts.under_way[i].incident != NULL;
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

static void settle_in(void)
{
    enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_BEST_EFFORT_LAST = 2 << 13 | 7 };
    prctl(PR_SET_NAME, "gumshoe");
    setpriority(PRIO_PROCESS, 0, NICE); // on Linux: of this thread alone
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_BEST_EFFORT_LAST);
}

/* How long to sleep: to the next tick, or to the next look at what is under way. */
static int64_t pause_ns(int64_t next_ns)
{
    int64_t left_ns = next_ns - gs_monotonic_ns();
    return any_under_way() && left_ns > GS_CPU_POLL_NS ? GS_CPU_POLL_NS : left_ns;
}

static void *watch(void *unused)
{
    (void)unused;
    settle_in();
    gs_probe_own_thread();
    gs_cpu_configure(&(struct gs_cpu_settings){w.parts.rules->cpu.hertz, w.parts.rules->cpu.before_ns});
    gs_control_start(w.parts.store);
    int64_t next_ns = gs_monotonic_ns() + w.parts.rules->interval_ns;
    w.parts.governor.before = (struct gs_cost){gs_monotonic_ns(), gs_probe_sampling_ns(), cpu_time_ns()};
    tick(false);
    while (!atomic_load(&w.stopping)) {
        enum gs_wake woken = gs_probe_wait(pause_ns(next_ns));
        if (any_under_way() || w.parts.rules->cpu.before_ns)
            go_on_with_incidents(false);
        if (woken == GS_WAKE_CALL)
            answer_calls();
        else if (woken == GS_WAKE_ALARM)
            tick(true);
        int64_t now_ns = gs_monotonic_ns();
        if (now_ns < next_ns || atomic_load(&w.stopping))
            continue;
        tick(false);
        next_ns += w.parts.rules->interval_ns;
        if (next_ns < now_ns)
            next_ns = now_ns +
                      w.parts.rules->interval_ns; // late (a capture, a stopped machine): a gap, not a burst
    }
    go_on_with_incidents(true);
    gs_calls_refuse(-ESRCH);
    gs_control_stop();
    gs_cpu_configure(&(struct gs_cpu_settings){.hertz = w.parts.rules->cpu.hertz});
    return NULL;
}

/* ---- starting and stopping ------------------------------------------------------------------------------------------------ */

/* The child has the watcher's memory but not its thread, and whatever the thread held is still held: forget it all. */
static void after_fork_in_child(void)
{
    gs_memory_after_fork();
    gs_probe_after_fork();
    gs_cpu_after_fork();
    gs_calls_after_fork();
    gs_control_after_fork();
    pthread_mutex_init(&w.gate, NULL);
    pthread_mutex_init(&w.gathering, NULL);
    w.parts = (struct parts){0};
    atomic_store(&w.running, false);
}

static int start_thread(void)
{
    sigset_t all, old;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = gs_probe_create_own_thread(&w.thread, &attributes, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return -error;
}

static int start(const struct gumshoe_options *options)
{
    int error = read_rules(options);
    if (error)
        return error;
    error = open_store(options);
    if (error)
        return error;
    struct gs_probe_settings settings = {w.parts.rules->heap.sample_bytes, w.parts.rules->heap.depth};
    gs_probe_widen(0);
    gs_probe_start(&settings);
    w.parts.governor.budget = w.parts.rules->budget;
    try_hooks();
    if (!make_parts())
        return refuse(options->error, -ENOMEM, "", "no memory for the watcher's own tables");
    atomic_store(&w.stopping, false);
    error = start_thread();
    if (error)
        return refuse(options->error, error, "", "the watcher's thread could not be created");
    if (!w.fork_known)
        pthread_atfork(NULL, NULL, after_fork_in_child);
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
    gs_log_to(setting("GUMSHOE_LOG", options.log));
    if (disabled())
        return refuse(options.error, -ECANCELED, "", "GUMSHOE_DISABLE is set");
    pthread_mutex_lock(&w.gate);
    int error;
    if (atomic_load(&w.running)) {
        error = refuse(options.error, -EALREADY, "", "the watcher runs already");
    } else {
        gs_memory_for_json();
        gs_memory_put_by();
        error = start(&options);
        atomic_store(&w.running, error == 0);
        if (error)
            drop_parts();
    }
    pthread_mutex_unlock(&w.gate);
    return error;
}

void gs_watcher_stop(void)
{
    pthread_mutex_lock(&w.gate);
    if (atomic_load(&w.running) && !pthread_equal(pthread_self(), w.thread)) {
        struct timespec until;
        atomic_store(&w.stopping, true);
        gs_probe_wake();
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += STOP_PATIENCE_NS / GS_NS_PER_S;
        if (pthread_timedjoin_np(w.thread, NULL, &until) == 0) {
            drop_parts();
            atomic_store(&w.running, false);
        } // else it is in the middle of a capture, needs its parts, and ends after it
    }
    pthread_mutex_unlock(&w.gate);
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

void gs_watcher_on_incident(void (*callback)(const char *dir, void *user), void *user)
{
    atomic_store(&w.callback, NULL);
    atomic_store(&w.callback_user, user);
    atomic_store(&w.callback, callback);
}

/* Sample for as long as the rules say, on the calling thread: the watcher, if there is one, goes on. */
static struct gs_cpu_session *sample_cpu(void)
{
    char why[160];
    int64_t duration_ns = w.parts.rules ? w.parts.rules->cpu.duration_ns : 10 * GS_NS_PER_S;
    struct gs_cpu_session *session = gs_cpu_open(duration_ns, why, sizeof why);
    if (!session)
        gs_log(GS_LOG_WARNING, "gumshoe_write_profile: %s", why);
    while (session && !gs_cpu_is_over(session, gs_monotonic_ns())) {
        nanosleep(&(struct timespec){.tv_nsec = GS_CPU_POLL_NS}, NULL);
        gs_cpu_poll(gs_monotonic_ns());
    }
    return session;
}

static int write_profile(const struct gs_capture *kind, struct gs_cpu_session *cpu, int fd)
{
    struct gs_gathered gathered = {0};
    struct gs_gather how = {
        .maps = gs_maps_read(0),
        .now_ns = gs_monotonic_ns(),
        .start_ns = w.parts.scene.start_ns ? w.parts.scene.start_ns : gs_monotonic_ns(),
        .reason = "asked for by the program (gumshoe_write_profile)",
        .cpu = cpu,
    };
    int error = how.maps ? kind->gather(&how, &gathered) : -errno;
    if (!how.maps)
        gs_cpu_abandon(cpu);
    if (!error)
        error = gs_profile_write(gathered.profile, fd);
    gs_gathered_fini(&gathered);
    gs_maps_free((struct gs_maps *)how.maps);
    return error;
}

int gs_watcher_write_profile(enum gumshoe_kind wanted, int fd)
{
    for (const struct gs_capture *kind = gs_captures; kind->name; kind++) {
        if ((unsigned)kind->kind != (unsigned)wanted)
            continue;
        gs_memory_for_json();
        struct gs_cpu_session *cpu = kind->kind == GS_CPU ? sample_cpu() : NULL;
        if (kind->kind == GS_CPU && !cpu)
            return -EBUSY;
        pthread_mutex_lock(&w.gathering);
        int error = write_profile(kind, cpu, fd);
        pthread_mutex_unlock(&w.gathering);
        return error;
    }
    return -EINVAL;
}
