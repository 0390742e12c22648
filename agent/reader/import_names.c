/* import_names.c - the names that other programs have for our metrics.
 *
 *   exact names   of the metrics, of Prometheus' exporters, of sysstat's columns
 *   usual names   "RSS (bytes)", "Open FDs", "MemUsage": compared by their letters and digits, without the unit
 *
 * A name that is in none of these tables is no metric: a wrong guess would be worse. */
#include "metrics/metrics.h"
#include "reader/import.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { COUNTER = 1, OF_ONE_CPU = 2, ADDS = 4 };
#define COUNT(table) (sizeof(table) / sizeof *(table))

struct known_name {
    const char *name, *metric;
    double factor;
    unsigned flags;
    const char *key, *value; // only with this label; NULL: with any
};

// clang-format off
static const struct known_name prometheus_names[] = {
    {"process_resident_memory_bytes", "rss", 1, 0, NULL, NULL},
    {"process_cpu_seconds_total", "cpu", 100, COUNTER | OF_ONE_CPU, NULL, NULL},
    {"process_open_fds", "fds", 1, 0, NULL, NULL},
    {"process_threads", "threads", 1, 0, NULL, NULL},
    {"process_num_threads", "threads", 1, 0, NULL, NULL},
    {"container_memory_working_set_bytes", "group_memory", 1, 0, NULL, NULL},
    {"container_memory_swap", "swap", 1, 0, NULL, NULL},
    {"container_cpu_usage_seconds_total", "cpu", 100, COUNTER | OF_ONE_CPU, NULL, NULL},
    {"container_threads", "threads", 1, 0, NULL, NULL},
    {"container_file_descriptors", "fds", 1, 0, NULL, NULL},
    {"namedprocess_namegroup_memory_bytes", "rss", 1, 0, "memtype", "resident"},
    {"namedprocess_namegroup_memory_bytes", "swap", 1, 0, "memtype", "swapped"},
    {"namedprocess_namegroup_num_threads", "threads", 1, 0, NULL, NULL},
    {"namedprocess_namegroup_open_filedesc", "fds", 1, 0, NULL, NULL},
    {"namedprocess_namegroup_major_page_faults_total", "major_faults", 1, COUNTER, NULL, NULL},
    {"node_pressure_memory_waiting_seconds_total", "memory_pressure", 100, COUNTER, NULL, NULL},
    {"node_pressure_io_waiting_seconds_total", "io_wait", 100, COUNTER, NULL, NULL},
};

/* pidstat's columns (kB are KiB there), and of sar's those that do not mean the whole machine alone: pressure. */
static const struct known_name sysstat_names[] = {
    {"RSS", "rss", 1024, 0, NULL, NULL},
    {"%CPU", "cpu", 1, OF_ONE_CPU, NULL, NULL},
    {"threads", "threads", 1, 0, NULL, NULL},
    {"fd-nr", "fds", 1, 0, NULL, NULL},
    {"majflt/s", "major_faults", 1, 0, NULL, NULL},
    {"cswch/s", "context_switches", 1, ADDS, NULL, NULL},
    {"nvcswch/s", "context_switches", 1, ADDS, NULL, NULL},
    {"%smem-10", "memory_pressure", 1, 0, NULL, NULL},
    {"%sio-10", "io_wait", 1, 0, NULL, NULL},
};

/* By letters and digits, without the unit. */
static const char *const usual_names[][2] = {
    {"rss", "rss"}, {"res", "rss"}, {"vmrss", "rss"}, {"residentmemory", "rss"}, {"residentset", "rss"},
    {"residentsetsize", "rss"}, {"memoryrss", "rss"}, {"rssmemory", "rss"}, {"memrss", "rss"},
    {"processresidentmemory", "rss"},
    {"heapinuse", "heap_in_use"},
    {"threads", "threads"}, {"threadcount", "threads"}, {"numthreads", "threads"}, {"nlwp", "threads"},
    {"pids", "threads"}, {"processthreads", "threads"},
    {"cpu", "cpu"}, {"cpuperc", "cpu"}, {"cpuusage", "cpu"}, {"pcpu", "cpu"}, {"processcpu", "cpu"},
    {"processcpuusage", "cpu"},
    {"fds", "fds"}, {"openfds", "fds"}, {"fdnr", "fds"}, {"openfiles", "fds"}, {"openfiledescriptors", "fds"},
    {"filedescriptors", "fds"}, {"processopenfds", "fds"},
    {"majorfaults", "major_faults"}, {"majflts", "major_faults"},
    {"memusage", "group_memory"}, {"memusagelimit", "group_memory"}, {"workingset", "group_memory"},
    {"memoryworkingset", "group_memory"},
    {"swap", "swap"}, {"vmswap", "swap"}, {"swapused", "swap"},
    {"contextswitches", "context_switches"},
};

static const char *const time_names[] = {"time", "timestamp", "datetime", "date", "ts", "epoch", "unixtime",
                                         "times", "timems", "timestamps", "timestampms"};
// clang-format on

/* ---- labels ------------------------------------------------------------------------------------------------------- */

bool gs_reader_import_has_label(const char *labels, const char *key, size_t key_length, const char *value,
                                size_t value_length)
{
    for (const char *at = labels; (at = strstr(at, "=\"")); at++) {
        const char *text = at + 2;
        size_t before = (size_t)(at - labels);
        bool starts = before == key_length || (before > key_length && strchr(", {", *(at - key_length - 1)));
        if (starts && strncasecmp(at - key_length, key, key_length) == 0 &&
            strncmp(text, value, value_length) == 0 && text[value_length] == '"')
            return true;
    }
    return false;
}

/* ---- names without their unit --------------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_a_unit(const char *text)
{
    return !strcmp(text, "%") || !strcmp(text, "seconds") || gs_reader_import_unit(text, GS_BYTES) > 0 ||
           gs_reader_import_unit(text, GS_BYTES_PER_SECOND) > 0 ||
           gs_reader_import_unit(text, GS_PERCENT) > 0;
}

/* Cut the unit off NAME, if it ends in one: in brackets, or as its last word. "%" may be anywhere. */
static void cut_unit(char *name, char unit[16])
{
    size_t length = strlen(name);
    char *open =
        length && strchr(")]", name[length - 1]) ? strrchr(name, name[length - 1] == ')' ? '(' : '[') : NULL;
    char *percent = strchr(name, '%'), *start = name + length;
    if (open && length - (size_t)(open - name) - 2 < 16) {
        snprintf(unit, 16, "%.*s", (int)(name + length - open - 2), open + 1);
        if (is_a_unit(unit)) {
            *open = 0;
            return;
        }
    }
    unit[0] = 0;
    while (start > name && is_letter(start[-1]))
        start--;
    if (percent) {
        *percent = ' ';
        snprintf(unit, 16, "%%");
    } else if (start > name && strlen(start) < 16 && is_a_unit(start)) {
        snprintf(unit, 16, "%s", start);
        *start = 0;
    }
}

const char *gs_reader_import_plain_name(const char *name, char out[GS_IMPORT_NAME], char unit[16])
{
    size_t length = 0;
    for (; length < GS_IMPORT_NAME - 1 && name[length] && name[length] != '{'; length++)
        out[length] =
            name[length] >= 'A' && name[length] <= 'Z' ? (char)(name[length] - 'A' + 'a') : name[length];
    while (length && (out[length - 1] == ' ' || out[length - 1] == '_'))
        length--;
    out[length] = 0;
    cut_unit(out, unit);
    length = 0;
    for (const char *at = out; *at; at++)
        if (is_letter(*at))
            out[length++] = *at;
    out[length] = 0;
    return out;
}

/* "cpu_seconds_total": cut "_total" off the copy of NAME in OUT. True: it was there. */
static bool cut_total(const char *name, char out[GS_IMPORT_NAME])
{
    static const char total[] = "_total";
    size_t length = strcspn(name, "{");
    snprintf(out, GS_IMPORT_NAME, "%.*s", (int)(length < GS_IMPORT_NAME ? length : GS_IMPORT_NAME - 1), name);
    length = strlen(out);
    if (length <= sizeof total - 1 || strcmp(out + length - (sizeof total - 1), total) != 0)
        return false;
    out[length - (sizeof total - 1)] = 0;
    return true;
}

/* ---- meanings -------------------------------------------------------------------------------------------------------- */

/* Is METRIC measured as an increase per second, so that a counter can be it? */
static bool is_rate(enum gs_unit unit)
{
    return unit == GS_PERCENT || unit == GS_PER_SECOND || unit == GS_BYTES_PER_SECOND;
}

bool gs_reader_import_mean(const char *metric, const char *name, struct gs_import_meaning *out)
{
    char plain[GS_IMPORT_NAME], cut[GS_IMPORT_NAME], unit[16];
    const struct gs_metric *row = gs_metrics_find(metric);
    bool total = cut_total(name, cut);
    *out = (struct gs_import_meaning){.factor = 1, .cpus = 1, .unit = row ? row->unit : GS_COUNT};
    snprintf(out->metric, sizeof out->metric, "%.*s", GS_METRIC_NAME - 1, metric);
    out->counter = total && is_rate(out->unit);
    gs_reader_import_plain_name(cut, plain, unit);
    if (!unit[0])
        return true;
    if (out->counter && out->unit == GS_PERCENT && strcmp(unit, "seconds") == 0)
        out->factor = 100; // seconds of CPU time per second
    else if (out->counter && out->unit == GS_BYTES_PER_SECOND)
        out->factor = gs_reader_import_unit(unit, GS_BYTES);
    else
        out->factor = gs_reader_import_unit(unit, out->unit);
    return out->factor > 0;
}

static bool is_known_as(const struct known_name *known, const char *name, const char *labels)
{
    return strcmp(known->name, name) == 0 &&
           (!known->key || gs_reader_import_has_label(labels, known->key, strlen(known->key), known->value,
                                                      strlen(known->value)));
}

static bool find_in(const struct known_name *table, size_t count, const char *name, const char *labels,
                    struct gs_import_meaning *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct known_name *known = &table[i];
        if (!is_known_as(known, name, labels) || !gs_reader_import_mean(known->metric, "", out))
            continue;
        out->factor = known->factor;
        out->counter = known->flags & COUNTER;
        out->adds = known->flags & ADDS;
        out->of_one_cpu = known->flags & OF_ONE_CPU;
        return true;
    }
    return false;
}

/* NAME in any spelling, with its unit. Of cpu, 100 % may be one CPU. */
static bool find_usual(const char *name, struct gs_import_meaning *out)
{
    char cut[GS_IMPORT_NAME], plain[GS_IMPORT_NAME], unit[16];
    cut_total(name, cut);
    gs_reader_import_plain_name(cut, plain, unit);
    for (size_t i = 0; i < COUNT(usual_names); i++)
        if (strcmp(usual_names[i][0], plain) == 0 && gs_reader_import_mean(usual_names[i][1], name, out)) {
            out->of_one_cpu = strcmp(usual_names[i][1], "cpu") == 0;
            return true;
        }
    return false;
}

/* gumshoe's own /metrics: gumshoe_gauge{name="queue"}, and gumshoe_METRIC with its unit. */
static bool find_ours(const char *name, const char *labels, struct gs_import_meaning *out)
{
    static const char prefix[] = "gumshoe_", label[] = "name=\"";
    char gauge[GS_METRIC_NAME], plain[GS_IMPORT_NAME], ours[GS_IMPORT_NAME], unit[16], none[16];
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *value = strcmp(name, "gumshoe_gauge") == 0 ? strstr(labels, label) : NULL;
    if (value && (value == labels || value[-1] == ',')) {
        value += sizeof label - 1;
        snprintf(gauge, sizeof gauge, "gauge:%.*s", (int)strcspn(value, "\""), value);
        return gs_metrics_find(gauge) && gs_reader_import_mean(gauge, "", out);
    }
    gs_reader_import_plain_name(name + sizeof prefix - 1, plain, unit);
    for (const struct gs_metric *metric = gs_metrics; metric->name; metric++)
        if (strcmp(gs_reader_import_plain_name(metric->name, ours, none), plain) == 0)
            return gs_reader_import_mean(metric->name, name, out);
    return false;
}

bool gs_reader_import_known(enum gs_import_dialect dialect, const char *name, const char *labels,
                            struct gs_import_meaning *out)
{
    char base[GS_IMPORT_NAME];
    if (dialect == GS_DIALECT_SYSSTAT)
        return find_in(sysstat_names, COUNT(sysstat_names), name, labels, out);
    if (gs_metrics_find(name))
        return gs_reader_import_mean(name, "", out);
    snprintf(base, sizeof base, "%.*s", (int)strcspn(name, "{"), name);
    const char *all_labels = *labels ? labels : name; // a column's name may have its labels in it
    return find_in(prometheus_names, COUNT(prometheus_names), base, all_labels, out) ||
           find_ours(base, all_labels, out) || (dialect == GS_DIALECT_CSV && find_usual(name, out));
}

bool gs_reader_import_names_time(const char *name)
{
    char plain[GS_IMPORT_NAME], unit[16];
    gs_reader_import_plain_name(name, plain, unit);
    for (size_t i = 0; i < COUNT(time_names); i++)
        if (strcmp(plain, time_names[i]) == 0)
            return true;
    return false;
}
