/* A history of any values and times, as packs may have it: its faults are found, and each is a rise. Now and
 * then rules are fitted to a gauge: what suggest writes the rules reader takes. (Rules on growth would take too long here.) */
#include "base/json.h"
#include "base/memory.h"
#include "fuzz.h"
#include "history/history.h"
#include "reader/suggest.h"
#include <errno.h>
#include <math.h>

enum { ROWS_MAX = 256, METRICS = 3 };

/* The first three bytes: the limit, the step, what is done with it. Then a time and three values a row. */
static struct gs_history *read_rows(const uint8_t *bytes, size_t length, const char *const *names)
{
    int64_t step_ns = (1 + bytes[1]) * GS_NS_PER_S, time_ns = 0;
    size_t rows = (length - 3) / (METRICS + 1);
    const struct gs_history_shape shape = {.part = {{ROWS_MAX, step_ns}}};
    struct gs_history *history = gs_history_shaped(names, METRICS, &shape);
    gs_must(history != NULL);
    for (size_t i = 0; i < rows && i < ROWS_MAX; i++) {
        const uint8_t *row = bytes + 3 + i * (METRICS + 1);
        double value[METRICS];
        for (size_t k = 0; k < METRICS; k++)
            value[k] = row[k + 1] == 255 ? NAN : row[k + 1] == 254 ? 1e300 : pow(row[k + 1], 4);
        time_ns += row[0] == 255   ? -1000 * step_ns
                   : row[0] == 254 ? INT64_MAX / 512
                                   : step_ns * (1 + row[0] / 128);
        gs_history_put(history, time_ns, step_ns, value);
    }
    return history;
}

static void check_faults(const struct gs_suggested *found)
{
    for (size_t i = 0; i < found->fault_count; i++) {
        const struct gs_fault *fault = &found->fault[i];
        gs_must(fault->part_count > 0 && fault->part_count <= GS_FAULT_PARTS);
        for (size_t k = 0; k < fault->part_count; k++)
            gs_must(fault->part[k].to > fault->part[k].from);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char *const memory[METRICS] = {"rss", "cpu", "fds"}, *const gauges[METRICS] = {
                                                                          "gauge:a", "gauge:b",
                                                                          "memory_pressure"};
    struct gs_suggested *suggested = NULL;
    gs_json_use_our_memory();
    if (length < 3)
        return 0;
    bool fit = bytes[2] % 16 == 0;
    const struct gs_suggest_constraints constraints = {bytes[2] / 16, (uint64_t)bytes[0] << 24};
    struct gs_history *history = read_rows(bytes, length, fit ? gauges : memory);
    if (fit) {
        int error = gs_reader_suggest(history, &constraints, &suggested);
        gs_must(error == 0 || error == -ENODATA);
    } else {
        struct gs_suggestions *suggestions = calloc(1, sizeof *suggestions);
        suggested = gs_alloc(sizeof *suggested);
        gs_must(suggestions && suggested);
        suggestions->history = history;
        suggestions->constraints = &constraints;
        suggestions->out = suggested;
        suggestions->notes = &suggested->notes;
        gs_must(gs_reader_study_history(suggestions) == 0 || suggested->fault_count == 0);
        free(suggestions);
    }
    check_faults(suggested);
    gs_reader_suggested_free(suggested);
    gs_history_free(history);
    return 0;
}
