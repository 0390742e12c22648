/* static.c - is the program that libgumshoe.a is linked into static, without a loader? In one, dlsym would search for the
 * files of shared libraries. The program's headers show it.
 * Who: host threads. */
#include "probe/hooks/inside.h"
#include <elf.h>
#include <sys/auxv.h>

bool gs_hooks_program_is_static(void)
{
    unsigned count = (unsigned)getauxval(AT_PHNUM); // the kernel passes the headers in the auxiliary vector
    const Elf64_Phdr *segment = (const Elf64_Phdr *)getauxval(AT_PHDR);
    for (unsigned i = 0; i < count; i++)
        if (segment[i].p_type == PT_INTERP)
            return false;
    return gs_hooks_is_archive() && count > 0;
}
