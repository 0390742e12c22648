/* memory.h - memory that does not come from the host's malloc.
 *
 * The watcher must finish a capture even when the host's malloc returns NULL or its heap is corrupt, so it never calls
 * malloc: the library uses its own mappings (sys/memory_mapped.c). The command and the unit tests link sys/memory_malloc.c
 * instead, so that sanitizers and valgrind see every block. jansson, zlib and protobuf-c use this memory, too
 * (gs_json_use_our_memory of json.h, gs_memory_for_protobuf, gs_memory_zalloc).
 * Context: watcher, CLI; any thread, except inside a hook. Thread-safe. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SIZE zeroed bytes, 16-byte aligned; NULL: out of memory. */
void *gs_alloc(size_t size) GS_CHECK_RESULT;
/* As realloc(3); new bytes are not zeroed. NULL: out of memory, PTR is unchanged. */
void *gs_realloc(void *ptr, size_t size) GS_CHECK_RESULT;
void  gs_free(void *ptr);
char *gs_strdup(const char *text) GS_CHECK_RESULT;
char *gs_strndup(const char *text, size_t length) GS_CHECK_RESULT;

/* Make room for NEEDED items of ITEM_SIZE in *ITEMS (a pointer variable, passed by address), doubling
 * *CAPACITY. Returns 0 or -ENOMEM; then the array is unchanged. */
int gs_grow(void *items, size_t *capacity, size_t needed, size_t item_size) GS_CHECK_RESULT;

/* Number of failed allocations so far, on any thread. If it grows during a piece of work, the result may be incomplete. */
size_t gs_memory_failures(void);
/* Count a failed allocation. Returns NULL. For sys/memory_*.c. */
void *gs_memory_failed(void);

/* Write the address ranges of our mappings to OUT, at most MAX. Returns how many; 0 with memory_malloc.c. */
struct gs_memory_range { uintptr_t start, end; };
enum { GS_RANGES_MAX = 1024 };
size_t gs_memory_ranges(struct gs_memory_range *out, size_t max);

/* Reserve address space for times when mmap fails (sys/address_reserve.h). Once, before the watcher starts. _limit: RLIMIT_AS is LIMIT
 * bytes now; give back what is too much of it, unless another thread keeps the lock. Context: any, in a signal handler, too. */
void gs_memory_reserve(void);
void gs_memory_limit(uint64_t limit);

/* STAY: mlockall(MCL_FUTURE) is in force; mappings that are made from now on unlock themselves. */
void gs_memory_stay_unlocked(bool stay);

/* In the child of a fork, before any other function here: free the lock and drop the free lists. */
void gs_memory_after_fork(void);

/* The allocator to hand to protobuf-c. */
struct ProtobufCAllocator *gs_memory_for_protobuf(void);
/* zlib's zalloc and zfree; opaque is not used. */
void *gs_memory_zalloc(void *opaque, unsigned items, unsigned size);
void  gs_memory_zfree(void *opaque, void *ptr);
