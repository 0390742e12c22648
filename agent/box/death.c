/* death.c - how the process of a black box died, as far as that can still be found out.
 *
 *   gumshoe run was its parent   ──▶ the signal
 *   the cgroup's oom_kill count  ──▶ has grown since the last write: the OOM killer
 *   the last rss and the limit   ──▶ rss close to the limit: probably the OOM killer
 *   the machine's boot id        ──▶ differs: the machine was rebooted
 *
 * Who: the watcher, the command. */
#include "box/inside.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const double CLOSE_TO_LIMIT = 0.9;

/* The last value of metric NAME in HISTORY; NAN: none. */
static double last_value(const struct gs_history *history, const char *name)
{
    size_t metric = history ? gs_history_find(history, name) : SIZE_MAX;
    size_t at = metric == SIZE_MAX ? 0 : gs_history_length(history);
    while (at-- > 0)
        if (!isnan(gs_history_value(history, at, metric)))
            return gs_history_value(history, at, metric);
    return NAN;
}

/* The box is not trusted: it may name only a file of /sys/fs/cgroup or the one that this process would read itself. */
static bool may_be_read(const char *oom_file)
{
    char own[256];
    return (strncmp(oom_file, "/sys/fs/cgroup/", strlen("/sys/fs/cgroup/")) == 0 &&
            !strstr(oom_file, "/../")) ||
           (gs_metrics_oom_file("", own, sizeof own) && strcmp(own, oom_file) == 0);
}

static bool oom_kill_count_has_grown(const struct gs_box_contents *contents)
{
    return contents->oom_kills >= 0 && may_be_read(contents->oom_file) &&
           gs_metrics_oom_kills(contents->oom_file) > contents->oom_kills;
}

/* Write "the OOM killer: …" or "probably the OOM killer: …" to OUT, with the reason; false: no sign of the OOM killer. */
static bool find_oom_killer(const struct gs_box_contents *contents, char *out, size_t size)
{
    double rss = last_value(contents->history, "rss"), limit = (double)contents->post_mortem.limit_bytes;
    char rss_text[GS_UNIT_TEXT], limit_text[GS_UNIT_TEXT];
    if (oom_kill_count_has_grown(contents)) {
        snprintf(out, size, "the OOM killer: the oom_kill count in %.120s has grown", contents->oom_file);
        return true;
    }
    if (!(rss >= CLOSE_TO_LIMIT * limit) || limit == 0)
        return false;
    snprintf(out, size, "probably the OOM killer: rss was %.0f %% of the limit (%s of %s)", 100 * rss / limit,
             gs_units_print_size(rss, rss_text), gs_units_print_size(limit, limit_text));
    return true;
}

static void describe_signal(const struct gs_box_contents *contents, int number, char out[GS_DEATH_TEXT])
{
    const char *name = sigabbrev_np(number);
    char killer[GS_DEATH_TEXT - 40];
    int length = snprintf(out, GS_DEATH_TEXT, "killed by signal %d%s%s%s", number, name ? " (SIG" : "",
                          name ? name : "", name ? ")" : "");
    if (number == SIGKILL && find_oom_killer(contents, killer, sizeof killer))
        snprintf(out + length, GS_DEATH_TEXT - (size_t)length, ", %s", killer);
}

void gs_box_describe_death(const struct gs_box_contents *contents, int number, char out[GS_DEATH_TEXT])
{
    char boot[GS_BOOT_ID];
    gs_store_boot_id(boot);
    if (number)
        describe_signal(contents, number, out);
    else if (strcmp(boot, contents->boot_id) != 0)
        snprintf(out, GS_DEATH_TEXT,
                 "unknown: the machine was rebooted since then, or this is another machine");
    else if (!find_oom_killer(contents, out, GS_DEATH_TEXT))
        snprintf(out, GS_DEATH_TEXT, "unknown: it ended without stopping the watch (a signal, or _exit)");
}

const struct gs_post_mortem *gs_box_post_mortem(struct gs_box_contents *contents)
{
    char boot[GS_BOOT_ID];
    gs_store_boot_id(boot);
    if (strcmp(boot, contents->boot_id) == 0 && gs_store_live_is_running(&contents->id))
        return NULL;
    gs_box_describe_death(contents, 0, contents->how);
    contents->post_mortem.how = contents->how;
    return &contents->post_mortem;
}
