/* A pprof profile: read; if it is one, everything that the commands work out of it, and written again. */
#include "profile/profile.h"
#include "reader/reader.h"
#include "base/memory.h"
#include "fuzz.h"
#include <fcntl.h>
#include <unistd.h>

static void work_out(struct gs_profile *profile, int type)
{
    struct gs_top top;
    struct gs_stacks stacks;
    char name[128];
    gs_must(gs_profile_top(profile, type, &top) == 0);
    gs_profile_top_fini(&top);
    gs_must(gs_profile_stacks(profile, type, &stacks) == 0);
    for (size_t i = 0; i < stacks.count && i < 100; i++) {
        const struct gs_stack_row *row = &stacks.row[i];
        if (row->depth) {
            uint32_t own = gs_profile_own_frame(profile, row->location, row->depth);
            gs_must(own < row->depth);
            (void)gs_profile_frame_name(profile, row->location[own], name, sizeof name);
        }
    }
    gs_profile_stacks_fini(&stacks);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static int sink = -1;
    char why[160] = "", *copy = gs_fuzz_copy(bytes, length, 0);
    if (sink < 0)
        sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct gs_profile *profile = gs_reader_profile(copy, length, why, sizeof why);
    struct gs_profile *again = profile ? gs_reader_profile(copy, length, why, sizeof why) : NULL;
    gs_must((profile == NULL) == (why[0] != 0) && (again == NULL) == (profile == NULL));
    for (unsigned i = 0; profile && i < profile->sample_type_count; i++)
        work_out(profile, (int)i);
    if (profile) {
        gs_must(gs_profile_write(profile, sink) == 0);
        gs_must(gs_profile_subtract(profile, again) == 0);
        work_out(profile, (int)profile->default_sample_type);
    }
    gs_profile_free(again);
    gs_profile_free(profile);
    free(copy);
    return 0;
}
