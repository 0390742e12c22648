/* futex.h - futex(2) for locks and events. Keeps errno. Context: any. */
#pragma once
#include "base/clock.h"
#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleep while *WORD is VALUE, at most TIMEOUT_NS; negative: no limit. May return early. */
static inline void gs_futex_sleep(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / GS_NS_PER_S, timeout_ns % GS_NS_PER_S};
    int saved_errno = errno;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    errno = saved_errno;
}

/* Wake HOW_MANY threads that sleep on WORD. */
static inline void gs_futex_wake(_Atomic uint32_t *word, int how_many)
{
    int saved_errno = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, how_many, NULL, NULL, 0);
    errno = saved_errno;
}
