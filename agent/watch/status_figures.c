/* status_figures.c - the part of a status that needs no rule: figures of the process and of the agent, for `gumshoe serve`.
 * Everything here is cheap: nothing that grows with the number of threads, descriptors or blocks is read.
 * Context: watcher. */
#include "account/account.h"
#include "base/clock.h"
#include "gumshoe/gumshoe.h"
#include "metrics/metrics.h"
#include "probe/probe.h"
#include "sys/file.h"
#include "sys/identity.h"
#include "watch/account.h"
#include "watch/control.h"
#include "watch/looks.h"
#include "watch/notices.h"
#include "watch/status.h"
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char program[64]; // "": not looked up yet

static json_t *bytes_json(uint64_t bytes)
{
    return json_integer((json_int_t)bytes);
}

/* Total size and resident size, in pages; 0: not known. */
static void read_pages(uint64_t *size, uint64_t *resident)
{
    char text[128] = "";
    int fd = gs_file_openat(AT_FDCWD, "/proc/self/statm", O_RDONLY, 0);
    *size = *resident = 0;
    if (fd < 0)
        return;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length > 0)
        (void)sscanf(text, "%" SCNu64 " %" SCNu64, size, resident);
}

/* Number of threads of the program, without the agent's; 0: not known. */
static json_int_t count_threads(void)
{
    struct stat tasks;
    if (stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink < 3)
        return 0;
    json_int_t threads = (json_int_t)tasks.st_nlink - 2 - (json_int_t)gs_probe_own_threads();
    return threads > 0 ? threads : 0;
}

static json_t *process_json(void)
{
    uint64_t size, resident, page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct timespec cpu = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    read_pages(&size, &resident);
    return json_pack("{s:f, s:o, s:o, s:I, s:I}", "cpu_seconds",
                     (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9, "rss", bytes_json(resident * page),
                     "virtual", bytes_json(size * page), "threads", count_threads(), "max_fds",
                     (json_int_t)gs_metrics_file_limit());
}

static json_t *agent_json(void)
{
    struct gs_probe_drops drops = gs_probe_drops();
    double cpu_ns = (double)(gs_probe_sampling_ns() + gs_clock_thread_cpu_ns() + gs_watch_control_cpu_ns() +
                             gs_watch_notices_cpu_ns());
    return json_pack("{s:s, s:f, s:I, s:I, s:I, s:I}", "version", GUMSHOE_VERSION, "cpu_seconds",
                     cpu_ns / 1e9, "samples_dropped", (json_int_t)drops.samples, "stacks_full",
                     (json_int_t)drops.stacks_full, "stacks_cut", (json_int_t)drops.stacks_cut, "mappings",
                     (json_int_t)drops.mappings);
}

/* Resident memory by use, of the last account; null: none was taken yet. */
static json_t *memory_json(void)
{
    const struct gs_account_parts *last = gs_watch_account_last();
    if (!last->time_ns)
        return json_null();
    struct gs_json parts = gs_json_object();
    for (int i = 0; i < GS_PARTS; i++)
        gs_json_set(&parts, gs_part_names[i], bytes_json(last->part[i]));
    return json_pack("{s:o, s:o}", "time", gs_json_time(last->time_ns), "parts", gs_json_take(&parts));
}

static json_t *gauges_json(void)
{
    struct gs_json gauges = gs_json_object();
    const char *name;
    double value;
    for (unsigned i = 0; (name = gs_probe_gauge_name(i)); i++)
        if (gs_probe_gauge_read(name, &value))
            gs_json_set(&gauges, name, gs_json_real(value));
    return gs_json_take(&gauges);
}

static json_t *labels_json(const struct gs_rules *rules)
{
    struct gs_json labels = gs_json_object();
    for (size_t i = 0; i < rules->label_count; i++)
        gs_json_set(&labels, rules->label[i].key, gs_json_text(rules->label[i].value));
    return gs_json_take(&labels);
}

/* The program's name, looked up once: that reads several files. */
static json_t *program_json(void)
{
    char exe[PATH_MAX] = "";
    struct gs_identity identity;
    if (!*program && readlink("/proc/self/exe", exe, sizeof exe - 1) > 0) {
        gs_identity_of_self(exe, &identity);
        snprintf(program, sizeof program, "%s", identity.program);
    }
    return gs_json_text(program);
}

void gs_watch_status_add_figures(struct gs_json *status, const struct gs_rules *rules)
{
    gs_json_set(status, "program", program_json());
    gs_json_set(status, "labels", labels_json(rules));
    gs_json_set(status, "process", process_json());
    gs_json_set(status, "heap_in_use", bytes_json(gs_probe_heap_in_use()));
    gs_json_set(status, "agent", agent_json());
    gs_json_set(status, "memory", memory_json());
    gs_json_set(status, "gauges", gauges_json());
    gs_watch_looks_describe(status);
}
