/* import.c - reads a history that another program wrote: tells the format by its first bytes, and says how it was read.
 *
 *   { or [          JSON of Prometheus (metrics.json is ours: history.c)
 *   Linux …, # Time pidstat, sar
 *   # TYPE, x{…} 1  OpenMetrics, Prometheus text, promtool
 *   all others      CSV */
#include "reader/import.h"
#include "base/json.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include <string.h>

static void read_format(struct gs_importer *importer, const char *bytes, size_t length, const json_t *json)
{
    if (json)
        gs_reader_import_prometheus(importer, json);
    else if (gs_reader_is_sysstat(bytes, length))
        gs_reader_import_sysstat(importer, bytes, length);
    else if (gs_reader_is_openmetrics(bytes, length))
        gs_reader_import_openmetrics(importer, bytes, length);
    else
        gs_reader_import_csv(importer, bytes, length);
}

struct gs_history *gs_reader_import(const char *bytes, size_t length, const json_t *json, const char *file,
                                    struct gs_import *how, struct gs_history_about *about,
                                    struct gs_errors *errors)
{
    struct gs_import nothing_given = {0};
    struct gs_importer importer = {.file = file, .errors = errors, .how = how ? how : &nothing_given};
    read_format(&importer, bytes, length, json);
    if (!gs_reader_import_failed(&importer))
        gs_reader_import_check_columns(&importer);
    struct gs_history *history = gs_reader_import_history(&importer);
    gs_reader_import_count_refused(&importer);
    about->foreign = true;
    about->limit_bytes = importer.limit_bytes;
    about->plain_seconds = importer.clock == GS_CLOCK_SECONDS || importer.undated_days;
    about->no_date = !gs_reader_import_has_dates(&importer);
    if (history) {
        gs_reader_import_note_times(&importer);
        gs_reader_import_note_names(&importer);
    }
    if (history && importer.how->notes.failed) {
        gs_errors_add(errors, GS_ERROR, file, 0, 0, NULL, "not enough memory");
        gs_history_free(history);
        history = NULL;
    }
    gs_reader_importer_fini(&importer);
    gs_text_fini(&nothing_given.notes);
    return history;
}
