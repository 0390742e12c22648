/* huge_pages.c - no huge pages for the tables of the library, of which a program uses some KiB here and there: where the kernel gives
 * them to everybody (/sys/kernel/mm/transparent_hugepage/enabled: always, Debian's default), each first use would make 2 MiB resident.
 *
 * In libgumshoe.so alone: in a program that libgumshoe.a is linked into, .bss is the program's. Who: the main thread, once. */
#include "probe/hooks/inside.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char __bss_start[] __attribute__((visibility("hidden"))), _end[] __attribute__((visibility("hidden")));

/* First of the constructors. Before, only reads and the first few allocations have used .bss. */
__attribute__((constructor(101))) static void decline(void)
{
    enum { PAGE = 4096 };
    uintptr_t start = ((uintptr_t)__bss_start + PAGE - 1) & -(uintptr_t)PAGE,
              end = ((uintptr_t)_end + PAGE - 1) & -(uintptr_t)PAGE;
    syscall(SYS_madvise, start, end - start, MADV_NOHUGEPAGE);
}
