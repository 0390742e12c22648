/* static.c - what is different in a program without a loader, which libgumshoe.a is linked into.
 *
 * dlsym would look for the files of shared libraries there, and _dl_find_object knows the extent of the code alone, although
 * the unwind tables lie after it. The program's own headers tell.
 * Who: host threads. */
#include "probe/inside.h"
#include <elf.h>
#include <sys/auxv.h>

/* Where a program begins that this is linked into statically. */
extern const uint8_t __ehdr_start[] __attribute__((weak, visibility("hidden")));

/* The program's, as the kernel told it. */
static const Elf64_Phdr *segments(unsigned *count)
{
    *count = (unsigned)getauxval(AT_PHNUM);
    return (const Elf64_Phdr *)getauxval(AT_PHDR);
}

bool gs_program_is_static(void)
{
    unsigned count;
    const Elf64_Phdr *segment = segments(&count);
    for (unsigned i = 0; i < count; i++)
        if (segment[i].p_type == PT_INTERP)
            return false;
    return gs_is_archive() && count > 0;
}

bool gs_program_extent(const uint8_t **start, const uint8_t **end)
{
    unsigned count;
    const Elf64_Phdr *segment = segments(&count);
    uintptr_t low = UINTPTR_MAX, high = 0;
    for (unsigned i = 0; i < count; i++)
        if (segment[i].p_type == PT_LOAD) {
            low = segment[i].p_vaddr < low ? segment[i].p_vaddr : low;
            high = segment[i].p_vaddr + segment[i].p_memsz > high ? segment[i].p_vaddr + segment[i].p_memsz
                                                                  : high;
        }
    *start = __ehdr_start; // it is where the lowest segment is loaded
    *end = *start + (high - low);
    return __ehdr_start && high > low;
}
