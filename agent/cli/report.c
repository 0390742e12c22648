/* report.c - `gumshoe report`: writes the page of an incident. */
#include "cli/cli.h"
#include "cli/options.h"
#include "reader/reader.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Make the page of the incident in folder PATH. */
static int make_page(const char *path, struct gs_page_incident *from, struct gs_text *page)
{
    char why[200];
    from->folder = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (from->folder < 0)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", path, strerrordesc_np(-from->folder));
    int error = gs_reader_page_incident(from, page, why, sizeof why);
    close(from->folder);
    return error ? gs_cli_complain(GS_EXIT_IO, "%s: %s", path, why) : GS_EXIT_OK;
}

int gs_cli_run_report(struct gs_arguments *arguments)
{
    struct gs_page_incident from = {.symbolize = true};
    struct gs_text page = {0};
    const char *out = NULL;
    int status;
    const struct gs_option options[] = {
        {NULL, 'o', .argument = "FILE", .text = &out, .help = "write the page there (needed)"},
        {"source", .argument = "DIR", .text = &from.source_dir,
         .help = "show source lines of the heaviest stack, from files below DIR (default: none)"},
        {"no-symbolize", .clear = &from.symbolize,
         .help = "do not look for lines and inlined functions in debug information on this machine"},
        {.argument = "INCIDENT", .help = "an incident's folder"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count != 1)
        return gs_cli_usage(arguments->command,
                            arguments->operand_count ? "one incident at a time" : "which incident?");
    if (!out)
        return gs_cli_usage(arguments->command, "-o FILE says where the page is written");
    status = make_page(arguments->operand[0], &from, &page);
    int error = status == GS_EXIT_OK ? gs_reader_write_text(&page, out) : 0;
    gs_text_fini(&page);
    return error ? gs_cli_complain(GS_EXIT_IO, "%s: %s", out, strerrordesc_np(-error)) : status;
}
