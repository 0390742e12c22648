/* merge.c - `gumshoe merge`: adds up several profiles: the sample types that all of them have. */
#include "cli/options.h"
#include "cli/view.h"
#include <errno.h>
#include <string.h>

/* Write PROFILE to OUT. Returns an exit status. */
static int write_profile(const struct gs_profile *profile, const char *out)
{
    int error = gs_reader_write_profile(profile, out);
    return error ? gs_cli_complain(GS_EXIT_IO, "%s: %s", out, strerrordesc_np(-error)) : GS_EXIT_OK;
}

/* Add the profile in PATH to *SUM, which is NULL before the first. Returns an exit status. */
static int add(struct gs_profile **sum, const char *path)
{
    struct gs_profile *profile = gs_cli_read_profile(path);
    if (!profile)
        return GS_EXIT_IO;
    if (!*sum) {
        *sum = profile;
        return GS_EXIT_OK;
    }
    gs_profile_keep_common_types(*sum, profile);
    int error = gs_profile_add(*sum, profile);
    gs_profile_free(profile);
    if (error == -EINVAL)
        return gs_cli_complain(GS_EXIT_NEGATIVE, "%s: its sample types are not those of the first profile",
                               path);
    return error ? gs_cli_complain(GS_EXIT_IO, "there is not enough memory") : GS_EXIT_OK;
}

int gs_cli_run_merge(struct gs_arguments *arguments)
{
    const char *out = NULL;
    struct gs_profile *sum = NULL;
    int status;
    const struct gs_option options[] = {
        {NULL, 'o', .argument = "FILE", .text = &out, .help = "where the sum is written"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (!out || arguments->operand_count == 0)
        return gs_cli_usage(arguments->command,
                            out ? "which profiles?" : "-o FILE is missing: it says where the sum is written");
    for (size_t i = 0; i < arguments->operand_count && status == GS_EXIT_OK; i++)
        status = add(&sum, arguments->operand[i]);
    if (status == GS_EXIT_OK)
        status = write_profile(sum, out);
    gs_profile_free(sum);
    return status;
}
