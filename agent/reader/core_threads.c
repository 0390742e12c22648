/* core_threads.c - walks the stacks in a core file with libunwind-coredump.
 *
 *   core ──▶ child: registers from _UCD_…, memory and unwind tables from gs_reader_core_read, unw_step ──▶ shared memory ──▶ parent
 *
 * libunwind trusts its input, and a core file may contain anything. So it runs in a child process, which may crash or hang
 * without losing the incident. libunwind 1.6's own reader of mapped files confuses a mapping's start with the file's
 * start, so gs_reader_core_read reads the memory, and the unwind tables are found in that memory.
 * Bounds: TIMEOUT_S for all threads together. */
#include "reader/reader.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libunwind-coredump.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_S = 60, SEGMENTS_MAX = 64, DEPTH_MAX = 1 << 20 };
enum {
    OUTER = 32,
    INNER = GS_GIVEN_DEPTH - OUTER
}; // what is kept of the first thread's stack, if it is deeper

/* A function of libunwind for callers with their own unwind tables; no header declares it. */
extern int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t space, unw_word_t pc, unw_dyn_info_t *table,
                                              unw_proc_info_t *out, int need_unwind_info, void *of);

struct walk { // the argument that libunwind passes to our accessors
    const struct gs_core *core;
    struct UCD_info *info;
};

struct walk_results { // in memory shared with the child
    uint64_t depth;   // frames of the first thread; above GS_GIVEN_DEPTH those from OUTER on are a ring
    bool complete;
    struct gs_given_thread thread[0];
};

/* ---- the unwind table of the image that an address lies in ------------------------------------------------------------ */

struct image {
    uint64_t bias;         // runtime address minus address in the file
    uint64_t start, end;   // of its segments
    uint64_t frame_header; // .eh_frame_hdr
};

static bool read_image(const struct gs_core *core, uint64_t base, struct image *out)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment[SEGMENTS_MAX];
    if (!base || !gs_reader_core_read(core, base, &header, sizeof header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phnum > SEGMENTS_MAX ||
        !gs_reader_core_read(core, base + header.e_phoff, segment, header.e_phnum * sizeof *segment))
        return false;
    *out = (struct image){.start = UINT64_MAX};
    uint64_t first = UINT64_MAX;
    for (int i = 0; i < header.e_phnum; i++)
        if (segment[i].p_type == PT_LOAD && segment[i].p_vaddr < first)
            first = segment[i].p_vaddr & ~(uint64_t)4095;
    out->bias = base - first;
    for (int i = 0; i < header.e_phnum; i++) {
        uint64_t start = out->bias + segment[i].p_vaddr, end = start + segment[i].p_memsz;
        if (segment[i].p_type == PT_GNU_EH_FRAME)
            out->frame_header = start;
        if (segment[i].p_type == PT_LOAD && start < out->start)
            out->start = start;
        if (segment[i].p_type == PT_LOAD && end > out->end)
            out->end = end;
    }
    return out->frame_header != 0;
}

/* Find .eh_frame_hdr in the format that every linker writes: version 1, entries of four bytes relative to its start. */
static bool find_table(const struct gs_core *core, uint64_t pc, unw_dyn_info_t *out)
{
    struct {
        uint8_t version, frame_encoding, count_encoding, table_encoding;
        uint32_t frame, count;
    } header;
    struct image image;
    if (!read_image(core, gs_reader_core_image(core, pc), &image) ||
        !gs_reader_core_read(core, image.frame_header, &header, sizeof header) || header.version != 1 ||
        header.count_encoding != 0x03 || header.table_encoding != 0x3b)
        return false;
    *out = (unw_dyn_info_t){
        .start_ip = image.start, .end_ip = image.end, .format = UNW_INFO_FORMAT_REMOTE_TABLE};
    out->u.rti.segbase = image.frame_header;
    out->u.rti.table_data = image.frame_header + sizeof header;
    out->u.rti.table_len = (unw_word_t)header.count * 8 / sizeof(unw_word_t);
    return true;
}

/* ---- what libunwind asks for ------------------------------------------------------------------------------------------ */

static int find_proc_info(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t *out, int need_unwind_info,
                          void *of)
{
    const struct walk *walk = of;
    unw_dyn_info_t table;
    if (!find_table(walk->core, pc, &table))
        return -UNW_ENOINFO;
    return UNW_OBJ(dwarf_search_unwind_table)(space, pc, &table, out, need_unwind_info, of);
}

static int access_mem(unw_addr_space_t space, unw_word_t at, unw_word_t *value, int write, void *of)
{
    const struct walk *walk = of;
    (void)space;
    return !write && gs_reader_core_read(walk->core, at, value, sizeof *value) ? 0 : -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write, void *of)
{
    return _UCD_access_reg(space, number, value, write, ((const struct walk *)of)->info);
}

static int no_dynamic_tables(unw_addr_space_t space, unw_word_t *list, void *of)
{
    (void)space, (void)list, (void)of;
    return -UNW_ENOINFO;
}

static void put_nothing(unw_addr_space_t space, unw_proc_info_t *info, void *of)
{
    (void)space, (void)info, (void)of;
}

static unw_accessors_t accessors = {
    .find_proc_info = find_proc_info,
    .put_unwind_info = put_nothing,
    .get_dyn_info_list_addr = no_dynamic_tables,
    .access_mem = access_mem,
    .access_reg = access_reg,
};

/* ---- the child -------------------------------------------------------------------------------------------------------- */

/* Keep the frame AT, number DEPTH: in a full stack, in the ring of its outer frames. */
static void keep_frame(struct gs_given_thread *thread, uint64_t depth, uintptr_t at)
{
    if (depth < GS_GIVEN_DEPTH)
        thread->frames[thread->depth++] = at;
    else
        thread->frames[INNER + (depth - INNER) % OUTER] = at;
}

/* Walk THREAD's stack; at most MAX frames. Returns their number. */
static uint64_t walk_one(unw_addr_space_t space, struct walk *walk, struct gs_given_thread *thread,
                         uint64_t max)
{
    unw_cursor_t cursor;
    unw_word_t pc;
    bool exact = true;
    int more = 1;
    uint64_t depth = 0;
    if (unw_init_remote(&cursor, space, walk) != 0)
        return 0;
    for (; more > 0 && depth < max; more = unw_step(&cursor)) {
        if (unw_get_reg(&cursor, UNW_REG_IP, &pc) != 0 || pc == 0)
            break;
        keep_frame(thread, depth++, (uintptr_t)pc + exact);
        exact = unw_is_signal_frame(&cursor) > 0;
    }
    thread->cut = more != 0;
    return depth;
}

/* The first thread may have overflowed its stack: count its frames, to the outermost. */
static void walk_first(unw_addr_space_t space, struct walk *walk, struct walk_results *out)
{
    uintptr_t ring[OUTER];
    struct gs_given_thread *thread = &out->thread[0];
    uint64_t depth = walk_one(space, walk, thread, DEPTH_MAX);
    if (depth > GS_GIVEN_DEPTH) {
        memcpy(ring, thread->frames + INNER, sizeof ring);
        for (unsigned i = 0; i < OUTER; i++)
            thread->frames[INNER + i] = ring[(depth - INNER + i) % OUTER];
    }
    out->depth = depth;
    out->complete = true;
}

static void walk_all(const struct gs_core *core, struct walk_results *out)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    alarm(TIMEOUT_S);
    struct walk walk = {core, _UCD_create(core->path)};
    unw_addr_space_t space = unw_create_addr_space(&accessors, 0);
    if (!space || !walk.info)
        _exit(1);
    unw_set_caching_policy(space, UNW_CACHE_GLOBAL);
    int count = _UCD_get_num_threads(walk.info);
    for (int i = 0; i < count && (size_t)i < core->thread_count; i++) {
        _UCD_select_thread(walk.info, i);
        if (i == 0)
            walk_first(space, &walk, out);
        else
            (void)walk_one(space, &walk, &out->thread[i], GS_GIVEN_DEPTH);
    }
    _exit(0);
}

static int walk_in_child(const struct gs_core *core, struct walk_results *out)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null_fd, STDERR_FILENO); // hides libunwind's debug output
        walk_all(core, out);
    }
    if (child < 0)
        return -errno;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* ---- the parent ------------------------------------------------------------------------------------------------------- */

static void copy_threads(const struct gs_core *core, const struct walk_results *results,
                         struct gs_given_thread *thread, struct gs_text *notes)
{
    size_t without = 0;
    for (size_t i = 0; i < core->thread_count; i++) {
        thread[i] = (struct gs_given_thread){
            .tid = core->thread[i].tid, .call = core->thread[i].call, .cut = results->thread[i].cut};
        thread[i].state = thread[i].call < 0 ? '?' : 'S';
        for (int k = 0; k < 6; k++)
            thread[i].argument[k] = (uintptr_t)core->thread[i].argument[k];
        if (core->thread[i].tid == core->pid)
            memcpy(thread[i].name, core->program, sizeof core->program);
        thread[i].depth = results->thread[i].depth <= GS_GIVEN_DEPTH ? results->thread[i].depth
                                                                     : 0; // do not trust the child
        memcpy(thread[i].frames, results->thread[i].frames, thread[i].depth * sizeof thread[i].frames[0]);
        without += thread[i].depth == 0;
    }
    if (core->threads_left_out)
        gs_text_add(notes, "%zu more thread%s of the core %s left out\n", core->threads_left_out,
                    core->threads_left_out == 1 ? "" : "s", core->threads_left_out == 1 ? "is" : "are");
    if (without)
        gs_text_add(notes, "%zu of %zu threads without a stack: libunwind could not read it from the core\n",
                    without, core->thread_count);
}

/* What the results say of the first thread's stack, which the child may have left in disorder. */
static void describe_first(const struct walk_results *results, struct gs_given_thread *thread,
                           struct gs_core_stack *out)
{
    if (!results->complete && thread->depth > INNER) {
        thread->depth = INNER;
        thread->cut = true;
    }
    out->depth = results->complete && results->depth <= DEPTH_MAX ? results->depth : thread->depth;
    out->inner = out->depth > thread->depth && thread->depth > INNER ? INNER : thread->depth;
}

int gs_reader_core_threads(const struct gs_core *core, struct gs_given_thread *thread,
                           struct gs_core_stack *first, struct gs_text *notes)
{
    size_t size = sizeof(struct walk_results) + core->thread_count * sizeof *thread;
    struct walk_results *results =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED)
        return -errno;
    int error = walk_in_child(core, results);
    if (!error) {
        copy_threads(core, results, thread, notes);
        describe_first(results, &thread[0], first);
    }
    munmap(results, size);
    return error;
}
