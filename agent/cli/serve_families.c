/* serve_families.c - the metrics of /metrics: their names, and how samples are written.
 *
 *   OpenMetrics:      # TYPE process_cpu_seconds counter      process_cpu_seconds_total{…} 1.5      …  # EOF
 *   Prometheus text:  # TYPE process_cpu_seconds_total counter   the same lines */
#include "cli/serve_families.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum metric_type { GAUGE, COUNTER, INFO };
enum { LABEL_NAME_MAX = 64, LABEL_VALUE_MAX = 512, DESCRIPTORS_MAX = 1 << 20 };

// clang-format off
static const struct {
    const char *name;          // a counter's without "_total", an info's without "_info"
    enum metric_type type;
    const char *unit, *help;   // unit: "": none
} families[GS_FAMILIES] = {
    [GS_FAMILY_UP]              = {"gumshoe_up", GAUGE, "", "1 if the agent in the process has answered, 0 if not in time."},
    [GS_FAMILY_PROCESS_CPU]     = {"process_cpu_seconds", COUNTER, "seconds", "CPU time that the process has used, the agent's included."},
    [GS_FAMILY_PROCESS_RSS]     = {"process_resident_memory_bytes", GAUGE, "bytes", "Resident memory."},
    [GS_FAMILY_PROCESS_VIRTUAL] = {"process_virtual_memory_bytes", GAUGE, "bytes", "Size of the address space."},
    [GS_FAMILY_PROCESS_FDS]     = {"process_open_fds", GAUGE, "", "Open file descriptors."},
    [GS_FAMILY_PROCESS_MAX_FDS] = {"process_max_fds", GAUGE, "", "Limit of open file descriptors."},
    [GS_FAMILY_PROCESS_START]   = {"process_start_time_seconds", GAUGE, "seconds", "When the process started, since 1970."},
    [GS_FAMILY_PROCESS_THREADS] = {"process_threads", GAUGE, "", "Threads of the program, without the agent's."},
    [GS_FAMILY_HEAP_IN_USE]     = {"gumshoe_heap_in_use_bytes", GAUGE, "bytes", "Live heap, as the heap profile totals it (estimated from samples)."},
    [GS_FAMILY_MEMORY]          = {"gumshoe_memory_bytes", GAUGE, "bytes", "Resident memory by use, of the last memory account; the parts add up to the resident memory of that moment."},
    [GS_FAMILY_RULE_VALUE]      = {"gumshoe_rule_value", GAUGE, "", "Last value of the rule's metric, in the metric's unit."},
    [GS_FAMILY_RULE_LINE]       = {"gumshoe_rule_line", GAUGE, "", "The line that the rule fires at, in the metric's unit."},
    [GS_FAMILY_RULE_ARMED]      = {"gumshoe_rule_armed", GAUGE, "", "1 if only the value keeps the rule from firing, 0 if its window is not full, it cools down, or is suppressed."},
    [GS_FAMILY_INCIDENTS]       = {"gumshoe_incidents", COUNTER, "", "Incidents of the rule since the process started."},
    [GS_FAMILY_STORED]          = {"gumshoe_stored_incidents", GAUGE, "", "Incidents of the rule in the directory, those of processes that died included."},
    [GS_FAMILY_NEWEST]          = {"gumshoe_newest_incident_timestamp_seconds", GAUGE, "seconds", "When the newest incident of the rule in the directory was triggered, since 1970."},
    [GS_FAMILY_DROPPED]         = {"gumshoe_samples_dropped", COUNTER, "", "Heap samples that found no room."},
    [GS_FAMILY_AGENT_CPU]       = {"gumshoe_agent_cpu_seconds", COUNTER, "seconds", "CPU time that the agent has used in the process."},
    [GS_FAMILY_GAUGE]           = {"gumshoe_gauge", GAUGE, "", "A number of the program's own (gumshoe_gauge)."},
    [GS_FAMILY_BUILD_INFO]      = {"gumshoe_build", INFO, "", "Version of the agent in the process."},
};
// clang-format on

static const char *suffix_of(enum metric_type type)
{
    return type == COUNTER ? "_total" : type == INFO ? "_info" : "";
}

/* ---- labels --------------------------------------------------------------------------------------------------------------- */

/* Add VALUE, at most LABEL_VALUE_MAX bytes of it, as the format escapes it. */
static void add_value(struct gs_text *out, const char *value)
{
    struct gs_text printable = {0};
    gs_text_add_printable(&printable, value);
    for (size_t i = 0; i < printable.length && i < LABEL_VALUE_MAX; i++) {
        if (i + 8 > LABEL_VALUE_MAX && ((unsigned char)printable.bytes[i] & 0xc0) != 0x80)
            break; // before a character, not in it
        if (printable.bytes[i] == '"' || printable.bytes[i] == '\\')
            gs_text_add_bytes(out, "\\", 1);
        gs_text_add_bytes(out, &printable.bytes[i], 1);
    }
    out->failed |= printable.failed;
    gs_text_fini(&printable);
}

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Make a valid label name of KEY: "team-name" is team_name. Names that we use ourselves get a prefix. */
static void label_name(const char *key, char out[LABEL_NAME_MAX])
{
    static const char *const ours[] = {"pid",     "program", "rule", "part",    "name",
                                       "version", "dir",     "job",  "instance"};
    bool taken = (*key >= '0' && *key <= '9') || strncmp(key, "__", 2) == 0 || *key == 0;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        taken |= strcmp(key, ours[i]) == 0;
    snprintf(out, LABEL_NAME_MAX, "%s%s", taken ? "label_" : "", key);
    for (char *c = out; *c; c++)
        if (!is_name_character(*c))
            *c = '_';
}

void gs_cli_family_labels(const char *pid, const char *program, const json_t *labels, struct gs_text *out)
{
    const char *key;
    json_t *value;
    gs_text_add(out, "pid=\"");
    add_value(out, pid);
    gs_text_add(out, "\",program=\"");
    add_value(out, program);
    gs_text_add(out, "\"");
    json_object_foreach((json_t *)labels, key, value)
    {
        char name[LABEL_NAME_MAX], pattern[LABEL_NAME_MAX + 4];
        label_name(key, name);
        snprintf(pattern, sizeof pattern, ",%s=\"", name);
        if (!json_is_string(value) || !out->bytes || strstr(out->bytes, pattern))
            continue; // two keys with one name: the first counts
        gs_text_add(out, "%s", pattern);
        add_value(out, json_string_value(value));
        gs_text_add(out, "\"");
    }
}

void gs_cli_family_dir_label(const char *dir, struct gs_text *out)
{
    gs_text_add(out, "dir=\"");
    add_value(out, dir);
    gs_text_add(out, "\"");
}

/* ---- samples -------------------------------------------------------------------------------------------------------------- */

void gs_cli_family_add(struct gs_families *all, enum gs_family family, const char *labels, const char *key,
                       const char *value_of_key, double value)
{
    struct gs_text *out = &all->text[family];
    if (isnan(value))
        return;
    gs_text_add(out, "%s%s{%s", families[family].name, suffix_of(families[family].type), labels);
    if (key) {
        gs_text_add(out, ",%s=\"", key);
        add_value(out, value_of_key);
        gs_text_add(out, "\"");
    }
    if (isinf(value))
        gs_text_add(out, "} %sInf\n", value > 0 ? "+" : "-");
    else
        gs_text_add(out, "} %.15g\n", value);
}

static void print_head(enum gs_family family, bool open_metrics, struct gs_text *out)
{
    static const char *const types[] = {[GAUGE] = "gauge", [COUNTER] = "counter", [INFO] = "info"};
    enum metric_type type = families[family].type;
    const char *name = families[family].name, *suffix = open_metrics ? "" : suffix_of(type);
    gs_text_add(out, "# HELP %s%s %s\n", name, suffix, families[family].help);
    gs_text_add(out, "# TYPE %s%s %s\n", name, suffix, !open_metrics && type == INFO ? "gauge" : types[type]);
    if (open_metrics && *families[family].unit)
        gs_text_add(out, "# UNIT %s %s\n", name, families[family].unit);
}

void gs_cli_families_print(const struct gs_families *all, bool open_metrics, struct gs_text *out)
{
    for (enum gs_family family = 0; family < GS_FAMILIES; family++) {
        const struct gs_text *samples = &all->text[family];
        out->failed |= samples->failed;
        if (samples->length == 0)
            continue;
        print_head(family, open_metrics, out);
        gs_text_add_bytes(out, samples->bytes, samples->length);
    }
    if (open_metrics)
        gs_text_add(out, "# EOF\n");
}

void gs_cli_families_fini(struct gs_families *all)
{
    for (int i = 0; i < GS_FAMILIES; i++)
        gs_text_fini(&all->text[i]);
}

double gs_cli_count_descriptors(int pid)
{
    char path[32];
    struct stat status;
    struct gs_dir dir;
    double count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    int fd = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return NAN;
    if (fstat(fd, &status) == 0 && status.st_size > 0) // the kernel's count, since Linux 6.2
        count = (double)status.st_size;
    else
        for (gs_file_dir_start(&dir, fd); count < DESCRIPTORS_MAX && gs_file_dir_next(&dir);)
            count++;
    close(fd);
    return count;
}
