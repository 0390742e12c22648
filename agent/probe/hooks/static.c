/* static.c - is the program that libgumshoe.a is linked into a static one, without a loader? There dlsym would look for the files
 * of shared libraries. The program's own headers tell.
 * Who: host threads. */
#include "probe/hooks/inside.h"
#include <elf.h>
#include <sys/auxv.h>

bool gs_hooks_program_is_static(void)
{
    unsigned count = (unsigned)getauxval(AT_PHNUM); // as the kernel told them
    const Elf64_Phdr *segment = (const Elf64_Phdr *)getauxval(AT_PHDR);
    for (unsigned i = 0; i < count; i++)
        if (segment[i].p_type == PT_INTERP)
            return false;
    return gs_hooks_is_archive() && count > 0;
}
