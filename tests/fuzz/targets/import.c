/* A history that another program wrote, of any format. What --column, --series and --cpus say depends on the first byte, which is
 * not part of the file. */
#include "base/json.h"
#include "base/text.h"
#include "fuzz.h"
#include "history/history.h"
#include "reader/reader.h"
#include <string.h>

static const char *const columns[] = {"rss=RSS", "gauge:a=Value #A", "time=When", "cpu={}",
                                      "fds=process_open_fds{pid=\"7\"}"};
static const char *const labels[] = {"pid=7", "name=web"};

static struct gs_import choose(unsigned byte)
{
    return (struct gs_import){.column = columns,
                              .column_count = byte & 1 ? 1 + (byte >> 4) % 5 : 0,
                              .series = labels,
                              .series_count = byte & 2 ? 1 + (byte >> 3 & 1) : 0,
                              .cpus = byte & 4 ? 3 : 0};
}

/* Notes are whole lines of text for a terminal: of bounded length, and no more than a few. */
static void check_notes(const struct gs_text *notes)
{
    gs_must(notes->length < 64 << 10);
    gs_must(notes->length == 0 || notes->bytes[notes->length - 1] == '\n');
}

static void check_rows(const struct gs_history *history)
{
    gs_must(gs_history_length(history) > 0 && gs_history_interval_ns(history) > 0);
    for (size_t i = 1; i < gs_history_length(history); i++)
        gs_must(gs_history_time(history, i - 1) < gs_history_time(history, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct gs_errors errors = {0};
    struct gs_history_about about = {0};
    if (length == 0)
        return 0;
    struct gs_import how = choose(bytes[0]);
    char *copy = gs_fuzz_copy(bytes + 1, length - 1, 0);
    gs_json_use_our_memory();
    struct gs_history *history = gs_reader_history_from(copy, length - 1, "h", &how, &about, &errors);
    gs_must((history == NULL) == (errors.count > 0));
    gs_must(errors.count <= 1000 && (!about.foreign || errors.count <= 9)); // one a kind, and their number
    check_notes(&how.notes);
    if (history && about.foreign)
        check_rows(history);
    gs_history_free(history);
    gs_text_fini(&how.notes);
    gs_errors_fini(&errors);
    free(copy);
    return 0;
}
