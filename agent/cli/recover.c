/* recover.c - `gumshoe recover`: makes an incident of the black box or core file of a process that died. */
#include "cli/cli.h"
#include "cli/options.h"
#include "reader/reader.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int recover(const char *post_mortem, const char *exe, const char *dir,
                   const struct gs_option_list *plumbing)
{
    char path[PATH_MAX];
    int fd = open(post_mortem, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", post_mortem, strerrordesc_np(errno));
    bool core = gs_reader_is_core(fd), box = !core && gs_cli_is_box_file(fd);
    close(fd);
    int status =
        core  ? gs_cli_recover_core(post_mortem, exe, dir ? dir : gs_cli_default_dir(), plumbing, path)
        : box ? gs_cli_recover_box(post_mortem, dir, plumbing, path)
              : gs_cli_complain(GS_EXIT_IO, "%s: it is neither a black box nor a core file", post_mortem);
    if (status == GS_EXIT_OK)
        puts(path);
    return status;
}

int gs_cli_run_recover(struct gs_arguments *arguments)
{
    const char *dir = NULL, *patterns[GS_CLI_PLUMBING_MAX];
    struct gs_option_list plumbing = {
        .item = patterns, .max = GS_CLI_PLUMBING_MAX, .what = "patterns of --plumbing"};
    char exe[PATH_MAX] = "";
    int status;
    const struct gs_option options[] = {
        {"exe", .argument = "FILE", .file = exe, .help = "for a core file: the program, if it was moved"},
        {"dir", .argument = "DIR", .text = &dir,
         .help = "the incident directory (default: the box's own; for a core file $GUMSHOE_DIR, else "
                 "./incidents)"},
        GS_OPTION_PLUMBING(&plumbing, ""),
        {.argument = "BOX", .help = "a black box: DIR/.live/PID-START-NAMESPACE.box"},
        {.argument = "CORE", .help = "a core file"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count != 1)
        return gs_cli_usage(arguments->command, "give one black box or core file");
    return recover(arguments->operand[0], *exe ? exe : NULL, dir, &plumbing);
}
