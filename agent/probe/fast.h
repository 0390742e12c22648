/* probe/fast.h - the two questions that every malloc and free of the host asks, in as few instructions as the machine
 * has for them: the compiler would load, change, store and compare where one instruction sets the flags.
 * Context: host thread. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)

/* Take BYTES off *COUNT; true if it was no more than that. One instruction, so a signal handler's malloc never comes
 * in between; unsigned, so that no size, however absurd, turns the countdown round. */
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
