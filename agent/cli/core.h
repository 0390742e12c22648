/* core.h - a core file, read as what it is: bytes of unknown origin.
 *
 *   gs_core_open ──▶ segments (memory), notes (threads, signal, mapped files) ──▶ gs_core_read, gs_core_threads
 *
 * Context: CLI. */
#pragma once
#include "base/attributes.h"
#include "base/text.h"
#include "profile/profile.h"
#include <stdbool.h>
#include <stdint.h>

struct gs_core_segment {
    uint64_t start, end, offset, bytes;
    unsigned flags;
};                               // bytes of it are in the file, from offset on
struct gs_core_file {            // a mapping
    uint64_t start, end, offset; // offset in bytes
    const char *path;            // in the notes
    int fd;                      // of the file as it is here; -1: it is not here, or another by now
};

struct gs_core {
    const char *path;
    int fd, pid, signal;             // signal 0: none was noted
    char program[17];                // the process's name, as the kernel cuts it
    struct gs_core_segment *segment; // in address order
    size_t segment_count;
    struct gs_core_file *file; // in address order
    size_t file_count;
    int *tid; // in the core's order: the thread that died comes first
    size_t thread_count, threads_left_out;
    uint64_t entry;     // of the main program; 0: not known
    int64_t written_ns; // CLOCK_REALTIME
    char *notes;        // what paths point into
    uint64_t notes_length;
};

/* Is FD's file a core file of this kind of machine? */
bool gs_is_core(int fd);
/* Read PATH's headers and notes, and open the files that were mapped (EXE, an absolute path that
 * outlives the core, in place of the main program's, if it is not NULL): what
 * is not as it was, or not here, is said in NOTES. 0; else -errno, with a sentence in WHY. */
int gs_core_open(const char *path, const char *exe, struct gs_core *out, struct gs_text *notes, char *why,
                 size_t why_size) GS_CHECK_RESULT;
void gs_core_close(struct gs_core *core);
/* LENGTH bytes of the process's memory at AT, out of the core or, where they were not dumped, out of the file that was mapped
 * there; false when they cannot be had. */
bool gs_core_read(const struct gs_core *core, uint64_t at, void *out, size_t length);
/* Where the ELF image begins that AT lies in; 0: none. */
uint64_t gs_core_image(const struct gs_core *core, uint64_t at);
/* The mapped file that holds AT; NULL: none. */
const struct gs_core_file *gs_core_file_at(const struct gs_core *core, uint64_t at);

/* The incident of the core file CORE_PATH in the store DIR; its folder into PATH. EXE: the main program's file, if it is not where
 * it was; NULL. Returns an exit status (recover_core.c). */
int gs_recover_core(const char *core_path, const char *exe, const char *dir, char path[]);

/* The threads' stacks, walked by libunwind. THREAD[0..core->thread_count) is filled in; what could not be walked is said in
 * NOTES. 0 or -errno. */
int gs_core_threads(const struct gs_core *core, struct gs_given_thread *thread,
                    struct gs_text *notes) GS_CHECK_RESULT;
