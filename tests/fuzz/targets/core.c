/* A core file: its headers and notes, and memory read out of it all over. */
#include "reader/reader.h"
#include "base/memory.h"
#include "sys/identity.h"
#include "fuzz.h"
#include <string.h>

/* Memory at both ends of what there is, and in the middle. */
static void read_around(const struct gs_core *core, uint64_t start, uint64_t end)
{
    char out[64];
    const uint64_t at[] = {start - 1, start, start + (end - start) / 2, end - 8, end};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        (void)gs_reader_core_read(core, at[i], out, sizeof out);
        (void)gs_reader_core_image(core, at[i]);
        const struct gs_core_file *file = gs_reader_core_file_at(core, at[i]);
        gs_must(!file || (file->start <= at[i] && at[i] < file->end));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    enum { LOOKED_AT = 20 };
    char why[160] = "";
    struct gs_core core;
    struct gs_text notes = {0};
    int error = gs_reader_core_open(gs_fuzz_file(bytes, length), "/usr/bin/server", &core, &notes, why, sizeof why);
    gs_must((error != 0) == (why[0] != 0));
    for (size_t i = 0; !error && i < core.segment_count && i < LOOKED_AT; i++)
        read_around(&core, core.segment[i].start, core.segment[i].end);
    for (size_t i = 0; !error && i < core.file_count && i < LOOKED_AT; i++) {
        gs_must(strlen(core.file[i].path) <= length || strcmp(core.file[i].path, "/usr/bin/server") == 0);
        read_around(&core, core.file[i].start, core.file[i].end);
    }
    if (!error) {
        struct gs_identity identity;
        gs_must(strlen(core.program) <= 16 && core.thread_count > 0);
        gs_reader_core_identity(&core, "/usr/bin/server", &identity);
        gs_must(strspn(identity.pod, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == strlen(identity.pod));
        gs_reader_core_close(&core);
    }
    gs_text_fini(&notes);
    return 0;
}
