/* collect.c - `gumshoe collect`: makes incidents of the black boxes of processes that died, also where nobody starts again, and
 * where a whole container was killed: run beside it, or once for each machine. */
#include "cli/collect.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "incident/incident.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SUMMARY_MAX = 1 << 20, LOG_LINES = 10, LOG_BYTES = 4096 }; // Kubernetes shows 4096 bytes
#define RECENT_NS (300 * GS_NS_PER_S)

struct collection {
    struct gs_collector *collector;
    size_t count;
    const char *termination_log; // NULL: none
    char newest[PATH_MAX];       // the last incident; "": none
};

/* ---- the termination log ------------------------------------------------------------------------------------------------- */

/* The length of the first ten lines of TEXT, at most 4 KiB, cut between characters. */
static size_t beginning_of(const char *text, size_t length)
{
    size_t end = 0;
    for (int line = 0; line < LOG_LINES && end < length; line++) {
        const char *newline = memchr(text + end, '\n', length - end);
        end = newline ? (size_t)(newline - text) + 1 : length;
    }
    if (end <= LOG_BYTES)
        return end;
    for (end = LOG_BYTES;
         end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80;) // inside a character of UTF-8
        end--;
    return end;
}

/* Write the beginning of the summary of incident PATH into FILE, which may be mounted: it is written in place. */
static int write_termination_log(const char *file, const char *path)
{
    char *text;
    size_t length;
    int error = gs_store_read_incident_file(path, "summary.txt", SUMMARY_MAX, &text, &length);
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s/summary.txt: %s", path, strerrordesc_np(-error));
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
    error = fd < 0 ? -errno : gs_file_write_all(fd, text, beginning_of(text, length));
    if (fd >= 0 && close(fd) != 0 && !error)
        error = -errno;
    gs_free(text);
    return error ? gs_cli_complain(GS_EXIT_IO, "%s: %s", file, strerrordesc_np(-error)) : GS_EXIT_OK;
}

/* Find the newest incident of a death in DIR that is not older than RECENT_NS: `gumshoe run` may have made it already. */
static void find_recent_death(const char *dir, char out[PATH_MAX])
{
    struct gs_store_list list;
    int64_t since_ns = gs_clock_realtime_ns() - RECENT_NS;
    if (gs_store_list(dir, &list))
        return;
    for (size_t i = list.count; i-- > 0 && list.entry[i].triggered_ns >= since_ns;)
        if (strcmp(gs_cli_json_text(list.entry[i].json, "rule", ""), GS_DIED_RULE) == 0) {
            if (snprintf(out, PATH_MAX, "%s/%s", dir, list.entry[i].name) >= PATH_MAX)
                *out = 0;
            break;
        }
    gs_store_list_fini(&list);
}

/* ---- collecting ---------------------------------------------------------------------------------------------------------- */

/* One look at all directories. Returns an exit status. */
static int collect_all(struct collection *collection, int64_t quiet_ns, bool wait)
{
    unsigned made = 0;
    int status = GS_EXIT_OK;
    for (size_t i = 0; i < collection->count; i++) {
        struct gs_collector *collector = &collection->collector[i];
        made += gs_cli_collect(collector, quiet_ns, wait, collection->newest);
        collector->failed |= !gs_cli_collect_users(collector->dir, quiet_ns);
    }
    if (made && collection->termination_log)
        status = write_termination_log(collection->termination_log, collection->newest);
    return status;
}

static int collect_once(struct collection *collection)
{
    int status = collect_all(collection, 0, true);
    for (size_t i = 0; i < collection->count && collection->termination_log && !*collection->newest; i++) {
        find_recent_death(collection->collector[i].dir, collection->newest);
        if (*collection->newest)
            status = write_termination_log(collection->termination_log, collection->newest);
    }
    for (size_t i = 0; i < collection->count; i++)
        if (collection->collector[i].failed)
            status = GS_EXIT_IO;
    return status;
}

/* Look every second, until SIGTERM or SIGINT. */
static int collect_forever(struct collection *collection)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    do
        (void)collect_all(collection, GS_COLLECT_QUIET_NS, false);
    while (sigtimedwait(&stop, NULL, &(struct timespec){.tv_sec = 1}) < 0);
    (void)collect_all(collection, 0, false); // who is asked to end will not look again
    return GS_EXIT_OK;
}

int gs_cli_run_collect(struct gs_arguments *arguments)
{
    bool follow = false;
    struct collection collection = {0};
    int status;
    const struct gs_option options[] = {
        {"follow", .set = &follow, .help = "go on until SIGTERM or SIGINT"},
        {"termination-log", .argument = "FILE", .text = &collection.termination_log,
         .help = "write the first ten lines of the last incident's summary, at most 4 KiB, into FILE\n"
                 "(Kubernetes: /dev/termination-log)"},
        {.argument = "DIR", .help = "a directory of incidents"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count == 0)
        return gs_cli_usage(arguments->command, "which directories?");
    collection.count = arguments->operand_count;
    collection.collector = calloc(collection.count, sizeof *collection.collector);
    if (!collection.collector)
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    for (size_t i = 0; i < collection.count; i++)
        collection.collector[i].dir = arguments->operand[i];
    status = follow ? collect_forever(&collection) : collect_once(&collection);
    for (size_t i = 0; i < collection.count; i++)
        gs_cli_collect_close(&collection.collector[i]);
    free(collection.collector);
    return status;
}
