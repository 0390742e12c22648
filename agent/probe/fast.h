/* probe/fast.h - the two checks that every malloc and free of the host makes, in as few instructions as possible: a compiler
 * would load, change, store and compare where one instruction also sets the flags.
 * Context: host thread. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)

/* Subtract BYTES from *COUNT; true if *COUNT was at most BYTES. One instruction, so that a signal handler's malloc cannot
 * come in between; unsigned, so that no size, however large, wraps the countdown unnoticed. */
static inline bool gs_count_down(uint64_t *count, uint64_t bytes)
{
    bool out;
    __asm__("subq %2, %0" : "+m"(*count), "=@ccbe"(out) : "r"(bytes));
    return out;
}

static inline bool gs_byte_is_set(const _Atomic uint8_t *byte)
{
    bool set;
    __asm__ volatile("cmpb $0, %1" : "=@ccne"(set) : "m"(*byte));
    return set;
}

#else

static inline bool gs_count_down(uint64_t *count, uint64_t bytes)
{
    uint64_t before = *count;
    *count = before - bytes;
    return before <= bytes;
}

static inline bool gs_byte_is_set(const _Atomic uint8_t *byte)
{
    return atomic_load_explicit(byte, memory_order_relaxed) != 0;
}

#endif
