/* abort_message.c - finds the C library's message of abort ("malloc(): corrupted top size", a failed assertion).
 *
 *   __abort_msg ──▶ { unsigned size; char text[] } ──▶ crash.c copies it
 *
 * glibc keeps it for debuggers, under a private name; where there is no such name, crashes have no message. A static program
 * has no name to look up.
 * Who: the thread that loads the library. */
#include "probe/hooks/inside.h"

__attribute__((constructor)) static void find_message(void)
{
    if (!gs_hooks_program_is_static())
        gs_threads_abort_message = gs_hooks_next_object_has("__abort_msg");
}
