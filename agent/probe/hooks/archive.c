/* archive.c - what only libgumshoe.a needs: its hooks are part of the program.
 *
 * Static allocators: our malloc is the first that the linker finds, so it would silently leave out an allocator's archive
 * that is named after ours. To pull it in, we refer to the names below. Its malloc is strong, so the program uses it, and
 * ours passes calls on (next_function.c). A name that no archive has does no harm in a program: nothing uses it. A shared
 * library that libgumshoe.a is linked into keeps these as undefined names, unless it is linked with --gc-sections.
 * Static programs: the real functions are in archive members that nothing else may refer to; the names used here to pull
 * them in are in the shared C library as well. */
#include "probe/hooks/inside.h"
#include <threads.h>

const bool gs_archive_mark = true;

__asm__(".globl mallctlbymib\n"                // jemalloc
        ".globl tc_malloc_skip_new_handler\n"  // tcmalloc
        ".globl mi_heap_new\n"                 // mimalloc
        ".globl scalable_allocation_command"); // oneTBB

void *__libc_malloc(size_t size);
__attribute__((used)) static const struct {
    void *(*malloc)(size_t);
    int (*create)(thrd_t *, thrd_start_t, void *);
} needed = {__libc_malloc, thrd_create}; // malloc.o and pthread_create.o
