/* suggest.c - `gumshoe suggest`: rules fitted to a history (reader/suggest.c), as a file ready for use on standard output; what
 * was left out, and why, on standard error. */
#include "base/units.h"
#include "cli/cli.h"
#include "history/history.h"
#include "reader/reader.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PER_WEEK_MAX = 1000 };

static bool read_per_week(const char *text, uint64_t *per_week)
{
    char *end;
    *per_week = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && *per_week <= PER_WEEK_MAX;
}

/* The notes, a line each, behind "gumshoe: ". */
static void print_notes(const struct gs_text *notes)
{
    const char *line = notes->bytes ? notes->bytes : "";
    for (const char *end; (end = strchr(line, '\n')); line = end + 1)
        (void)gs_complain(GS_FINE, "%.*s", (int)(end - line), line);
}

static int print(const struct gs_history *history, const struct gs_suggest_wish *wish)
{
    struct gs_text out = {0}, notes = {0};
    int error = gs_suggest(history, wish, &out, &notes), status = GS_FINE;
    print_notes(&notes);
    if (error == -ENODATA)
        status = GS_NO;
    else if (error)
        status = gs_complain(GS_IO, "no rules could be fitted: %s", strerrordesc_np(-error));
    else if (fwrite(out.bytes, 1, out.length, stdout) != out.length || fflush(stdout))
        status = gs_complain(GS_IO, "standard output: %s", strerrordesc_np(errno));
    gs_text_fini(&out);
    gs_text_fini(&notes);
    return status;
}

static int suggest(const char *path, struct gs_suggest_wish *wish)
{
    struct gs_history_about about = {0};
    int status = GS_FINE;
    struct gs_history *history = gs_load_history(path, &about, &status);
    if (!history)
        return status;
    if (!wish->limit_bytes)
        wish->limit_bytes = about.limit_bytes;
    status = print(history, wish);
    gs_history_free(history);
    return status;
}

int gs_cmd_suggest(int argc, char **argv)
{
    static const struct option known[] = {{"per-week", required_argument, NULL, 'w'},
                                          {"limit", required_argument, NULL, 'l'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct gs_suggest_wish wish = {.per_week = 1};
    struct gs_unit_error error;
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;)
        switch (option) {
        case 'w':
            if (!read_per_week(optarg, &wish.per_week))
                return gs_usage("suggest", "--per-week: 0 to %d are wanted, not \"%s\"", PER_WEEK_MAX,
                                optarg);
            break;
        case 'l':
            if (gs_read_size(optarg, &wish.limit_bytes, &error) || wish.limit_bytes == 0)
                return gs_usage("suggest", "--limit: a size such as 512MiB is wanted, not \"%s\"", optarg);
            break;
        case 'h': gs_command_help("suggest"); return GS_FINE;
        default: return gs_usage("suggest", "see gumshoe suggest --help");
        }
    if (argc - optind != 1)
        return gs_usage("suggest", optind == argc ? "which history?" : "one history at a time");
    return suggest(argv[optind], &wish);
}
