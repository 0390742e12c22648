/* sanitizer.c - is a sanitizer's runtime in this process?
 *
 * AddressSanitizer and its relatives take over the same functions as we do, check every call of them, and know only threads
 * that they saw created: an agent thread would crash in their malloc, and our hooks would hide blocks from them. So in such
 * a process hooks pass on, nothing is sampled, no watcher starts. UndefinedBehaviorSanitizer takes nothing over and is not
 * checked for.
 * Who: host threads, at samples and at the start. */
#include "probe/hooks/inside.h"

extern const char __asan_init[] __attribute__((weak)), __hwasan_init[] __attribute__((weak)),
    __tsan_init[] __attribute__((weak)), __msan_init[] __attribute__((weak)),
    __lsan_init[] __attribute__((weak));

const char *gs_probe_cannot_serve(void)
{
    if (!&gs_hooks_mark) // nothing is taken over here
        return NULL;
    return __asan_init     ? "this program runs under AddressSanitizer"
           : __hwasan_init ? "this program runs under HWAddressSanitizer"
           : __tsan_init   ? "this program runs under ThreadSanitizer"
           : __msan_init   ? "this program runs under MemorySanitizer"
           : __lsan_init   ? "this program runs under LeakSanitizer"
                           : NULL;
}
