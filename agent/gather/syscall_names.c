/* syscall_names.c - names of system calls, from the kernel's header (CMakeLists.txt generates the list). Context: any
 * (pure). */
#include "gather/inside.h"

static const char *const names[] = {
#include "calls.inc"
};

const char *gs_gather_syscall_name(int number)
{
    return number >= 0 && (size_t)number < sizeof names / sizeof *names ? names[number] : NULL;
}
