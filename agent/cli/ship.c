/* ship.c - `gumshoe ship`: sends incidents to other machines. The options; ship_run.c finds what is to be sent. */
#include "cli/ship.h"
#include "cli/options.h"
#include <limits.h>
#include <stdio.h>

/* Fill SHIP's operands in, and run it to DEST. */
static int run(struct gs_arguments *arguments, struct gs_cli_ship *ship, const char *dest,
               const struct gs_ship_options *how)
{
    char why[400], dir[PATH_MAX], *operands[] = {dir};
    if (!gs_ship_load(why, sizeof why))
        return gs_cli_complain(GS_EXIT_IO, "%s", why);
    ship->destination = gs_ship_destination_open(dest, how, why, sizeof why);
    if (!ship->destination)
        return gs_cli_usage(arguments->command, "%s", why);
    snprintf(dir, sizeof dir, "%s", gs_cli_default_dir());
    ship->operand = arguments->operand_count ? arguments->operand : operands;
    ship->operand_count = arguments->operand_count ? arguments->operand_count : 1;
    int status = gs_cli_ship_run(ship);
    gs_ship_destination_close(ship->destination);
    return status;
}

int gs_cli_run_ship(struct gs_arguments *arguments)
{
    const char *dest = NULL;
    long long silence_s = 30;
    int status;
    struct gs_ship_options how = {0};
    struct gs_cli_ship ship = {.retries = 5};
    const struct gs_option options[] = {
        {"to", .argument = "DEST", .text = &dest,
         .help = "s3://BUCKET/PREFIX, https://HOST/PATH, pyroscope+https://HOST, or otlp+https://HOST\n"
                 "(experimental). Keys come from the environment: AWS_ACCESS_KEY_ID, …, or\n"
                 "GUMSHOE_SHIP_HEADERS"},
        {"follow", .set = &ship.follow, .help = "go on: send each incident as it comes"},
        {"retries", .argument = "N", .number = &ship.retries, .min = 0, .max = 1000,
         .help = "how often an incident is tried again if the destination does not answer, is busy\n"
                 "or full (default: 5; with --follow without end)"},
        {"timeout", .argument = "N", .number = &silence_s, .min = 1, .max = 3600,
         .help = "seconds without a byte after which a request ends (default: 30)"},
        {"headers", .argument = "FILE", .text = &how.headers_file,
         .help = "headers for each request, one \"Name: value\" in each line"},
        {"ca", .argument = "FILE", .text = &how.ca,
         .help = "certificates to trust instead of the system's; they are always checked"},
        {"journal", .argument = "FILE", .text = &ship.journal,
         .help = "the record of what was sent (default: .shipped in each directory)"},
        {.argument = "INCIDENT|DIR", .help = "default: $GUMSHOE_DIR, else ./incidents"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (!dest)
        return gs_cli_usage(arguments->command, "--to DEST is missing: it says where the incidents are sent");
    how.silence_s = (unsigned)silence_s;
    return run(arguments, &ship, dest, &how);
}
