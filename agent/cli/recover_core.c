/* recover_core.c - `gumshoe recover CORE`: makes an incident of a core file.
 *
 *   core ──▶ threads (libunwind) ──┐
 *        ├─▶ heap (the anchor)   ──┼──▶ gs_post_mortem ──▶ incident
 *        └─▶ mapped files          ┘ */
#include "base/memory.h"
#include "base/text.h"
#include "box/box.h"
#include "cli/cli.h"
#include "gather/gather.h"
#include "reader/reader.h"
#include "symbol/symbol.h"
#include "sys/identity.h"
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_PAGE = 4096, NOTES_MAX = 64, OWN_MAX = 64 };

/* ---- mappings ----------------------------------------------------------------------------------------------------------- */

static const char *exe_of(const struct gs_core *core)
{
    const struct gs_core_file *main = core->entry ? gs_reader_core_file_at(core, core->entry) : NULL;
    return main ? main->path : core->program;
}

static void write_line(struct gs_text *out, uint64_t start, uint64_t end, const char *permissions,
                       const struct gs_core_file *file)
{
    gs_text_add(out, "%08llx-%08llx %s %08llx 00:00 0 ", (unsigned long long)start, (unsigned long long)end,
                permissions, (unsigned long long)(file ? file->offset + (start - file->start) : 0));
    if (file)
        gs_text_add_printable(out, file->path);
    gs_text_add(out, "\n");
}

/* Write the mappings in the form of /proc/PID/maps; a core file has no inodes. A mapped file without a segment was left out by
 * a debugger, which only happens to code: it gets the permissions r-xp. */
static void write_maps(const struct gs_core *core, struct gs_text *out)
{
    const struct gs_core_file *file = core->file, *files_end = core->file + core->file_count;
    for (size_t i = 0; i <= core->segment_count; i++) {
        const struct gs_core_segment *segment = i < core->segment_count ? &core->segment[i] : NULL;
        for (; file < files_end && (!segment || file->start <= segment->start); file++)
            if (!segment || file->start < segment->start)
                write_line(out, file->start, file->end, "r-xp", file);
        if (!segment)
            break;
        const char permissions[] = {segment->flags & PF_R ? 'r' : '-', segment->flags & PF_W ? 'w' : '-',
                                    segment->flags & PF_X ? 'x' : '-', 'p', 0};
        write_line(out, segment->start, segment->end, permissions,
                   gs_reader_core_file_at(core, segment->start));
    }
}

static struct gs_maps *read_maps(const struct gs_core *core)
{
    struct gs_text text = {0};
    char page[FIRST_PAGE];
    write_maps(core, &text);
    struct gs_maps *maps =
        text.failed ? NULL : gs_symbol_maps_parse(text.bytes ? text.bytes : "", text.length, exe_of(core));
    for (size_t i = 0; maps && i < maps->count; i++) {
        uint64_t image = gs_reader_core_image(core, maps->mapping[i].start);
        if (image && gs_reader_core_read(core, image, page, sizeof page))
            gs_symbol_maps_take_image(maps, i, image, page, sizeof page);
    }
    gs_text_fini(&text);
    return maps;
}

/* ---- the heap ----------------------------------------------------------------------------------------------------------- */

struct core_memory {
    struct gs_memory memory;
    const struct gs_core *core;
};

static bool read_memory(const struct gs_memory *memory, uint64_t at, void *out, size_t length)
{
    return gs_reader_core_read(((const struct core_memory *)memory)->core, at, out, length);
}

/* Find the anchor: it lies in the data of libgumshoe.so, or of a program that is linked with libgumshoe.a. Returns 0 if there
 * is none. */
static uint64_t find_anchor(const struct core_memory *memory)
{
    const struct gs_core *core = memory->core;
    uint64_t found = 0;
    for (size_t i = 0; i < core->segment_count && !found; i++) {
        const struct gs_core_segment *segment = &core->segment[i];
        if (segment->flags & PF_W && gs_reader_core_file_at(core, segment->start))
            found = gs_gather_anchor_find(&memory->memory, segment->start, segment->bytes);
    }
    return found;
}

static struct gs_anchored *read_heap(const struct core_memory *memory, uint64_t anchor, struct gs_text *notes)
{
    char why[160];
    if (!anchor) {
        gs_text_add(notes, "no heap profile: the process had no agent, or its memory was not dumped\n");
        return NULL;
    }
    struct gs_anchored *anchored = gs_gather_anchored_read(&memory->memory, anchor, why, sizeof why);
    if (!anchored)
        gs_text_add(notes, "no heap profile: %s\n", why);
    return anchored;
}

/* The libraries that the frames were in go from HEAP, which may be NULL, to MAPS. */
static void move_libraries(struct gs_anchored *heap, struct gs_maps *maps)
{
    if (!heap)
        return;
    maps->library = heap->library; // freed with the maps
    maps->library_count = heap->library_count;
    heap->library = NULL;
}

/* ---- the threads --------------------------------------------------------------------------------------------------------- */

static bool is_among(int tid, const int *tids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tids[i] == tid)
            return true;
    return false;
}

/* Leave the agent's threads out, but for one that crashed: OF_AGENT says that it did. */
static void leave_out_own(const struct core_memory *memory, uint64_t anchor, struct gs_given_threads *threads,
                          struct gs_given_thread *thread, bool *of_agent)
{
    int own[OWN_MAX];
    size_t count = anchor ? gs_gather_anchored_own_threads(&memory->memory, anchor, own, OWN_MAX) : 0,
           kept = 0;
    for (size_t i = 0; i < threads->count; i++) {
        bool is_own = is_among(thread[i].tid, own, count), died = thread[i].tid == threads->died;
        *of_agent |= is_own && died;
        if (!is_own || died)
            thread[kept++] = thread[i];
    }
    threads->count = kept;
}

/* ---- the incident -------------------------------------------------------------------------------------------------------- */

/* Split NOTES into lines, in place. Returns their number. */
static size_t split_notes(struct gs_text *notes, const char *line[NOTES_MAX])
{
    size_t count = 0;
    for (char *rest = notes->bytes, *next_line;
         rest && count < NOTES_MAX && (next_line = strsep(&rest, "\n"));)
        if (*next_line)
            line[count++] = next_line;
    return count;
}

static void describe_end(const struct gs_core *core, char *out, size_t size)
{
    const char *name = sigabbrev_np(core->signal);
    if (core->signal)
        snprintf(out, size, "killed by signal %d (SIG%s), and left a core file", core->signal,
                 name ? name : "?");
    else
        snprintf(out, size, "it left a core file");
}

struct core_threads {
    struct gs_given_thread *thread; // as many as the core has
    struct gs_core_stack first;
    struct gs_given_crash *crash;
};

static struct gs_given_threads given_threads(const struct gs_core *core, const struct gs_memory *memory,
                                             const struct gs_given_thread *thread)
{
    return (struct gs_given_threads){.pid = core->pid,
                                     .memory = memory,
                                     .partial = core->threads_left_out != 0,
                                     .died = core->signal ? core->thread[0].tid : 0,
                                     .thread = thread,
                                     .count = core->thread_count};
}

/* Make the incident of CORE, whose threads were READ. An exit status. */
static int write_incident(const struct gs_core *core, const struct core_threads *read, struct gs_maps *maps,
                          struct gs_text *notes, const char *dir, const struct gs_option_list *plumbing,
                          char path[PATH_MAX])
{
    const char *note[NOTES_MAX];
    char how[96];
    struct core_memory memory = {{read_memory}, core};
    struct gs_given_threads threads = given_threads(core, &memory.memory, read->thread);
    bool crashed = gs_reader_core_crash(core, &read->first, &read->thread[0], read->crash);
    uint64_t anchor = find_anchor(&memory);
    leave_out_own(&memory, anchor, &threads, read->thread, &read->crash->of_agent);
    struct gs_anchored *heap = read_heap(&memory, anchor, notes);
    move_libraries(heap, maps);
    struct gs_identity identity;
    gs_reader_core_identity(core, exe_of(core), &identity);
    describe_end(core, how, sizeof how);
    struct gs_post_mortem post_mortem = {
        .pid = core->pid,
        .exe = exe_of(core),
        .host = identity.host,
        .identity = &identity,
        .last_seen_ns = core->written_ns,
        .how = how,
        .signal = core->signal,
        .maps = maps,
        .heap = heap ? &heap->heap : NULL,
        .threads = &threads,
        .threads_are_all = true,
        .crash = crashed ? read->crash : NULL,
        .note = note,
        .note_count = split_notes(notes, note),
    };
    int status = gs_cli_write_post_mortem(core->path, &post_mortem, dir, plumbing, path);
    gs_gather_anchored_free(heap);
    return status;
}

static int recover(const struct gs_core *core, struct gs_text *notes, const char *dir,
                   const struct gs_option_list *plumbing, char path[PATH_MAX])
{
    struct core_threads read = {.thread = gs_alloc(core->thread_count * sizeof *read.thread),
                                .crash = gs_alloc(sizeof *read.crash)};
    struct gs_maps *maps = read_maps(core);
    int error = read.thread && read.crash && maps
                    ? gs_reader_core_threads(core, read.thread, &read.first, notes)
                    : -ENOMEM;
    int status = error ? gs_cli_complain(GS_EXIT_IO, "%s: %s", core->path, strerrordesc_np(-error))
                       : write_incident(core, &read, maps, notes, dir, plumbing, path);
    gs_symbol_maps_free(maps);
    gs_free(read.thread);
    gs_free(read.crash);
    return status;
}

int gs_cli_recover_core(const char *core_path, const char *exe, const char *dir,
                        const struct gs_option_list *plumbing, char path[])
{
    char why[160];
    struct gs_core core;
    struct gs_text notes = {0};
    if (gs_reader_core_open(core_path, exe, &core, &notes, why, sizeof why))
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", core_path, why);
    int status = recover(&core, &notes, dir, plumbing, path);
    gs_reader_core_close(&core);
    gs_text_fini(&notes);
    return status;
}
