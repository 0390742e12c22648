/* archive.c - what libgumshoe.a alone needs: its hooks live in the program itself, among what else is linked into it.
 *
 * Static allocators: ours is the first malloc that the linker meets, so it would leave an allocator's archive that is named after
 * us out, without a word. The names below are asked for instead, so that it comes in; being strong, its malloc is the program's
 * then, and ours gives way (next_function.c). A name that nobody has does no harm in a program: nothing refers to it. A shared
 * library that libgumshoe.a is linked into keeps it among its undefined names, unless it is linked with --gc-sections.
 * Static programs: the real functions are in archive members that nothing else may ask for; what refers to them here is in
 * the shared C library as well. */
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
