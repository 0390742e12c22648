/* sanitizer.c - is a sanitizer's runtime in this process?
 *
 * AddressSanitizer and its kin take over the functions that we take over, check every call of them, and know threads that they
 * saw created alone: a thread of ours would crash in their malloc, and our hooks would hide blocks from them. So there we step
 * back: hooks pass on, nothing is sampled, no watcher starts. UndefinedBehaviorSanitizer takes nothing over and is not among
 * them.
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
