/* futex.h - futex(2), as locks and events sleep by it. errno is kept. Context: any. */
#pragma once
#include "base/clock.h"
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleep while *WORD is VALUE, for TIMEOUT_NS at most; negative: for any time. */
static inline void gs_futex_sleep(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / GS_NS_PER_S, timeout_ns % GS_NS_PER_S};
    int kept = errno;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    errno = kept;
}

/* Wake HOW_MANY of those who sleep on WORD. */
static inline void gs_futex_wake(_Atomic uint32_t *word, int how_many)
{
    int kept = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, how_many, NULL, NULL, 0);
    errno = kept;
}
