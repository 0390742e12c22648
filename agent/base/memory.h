/* memory.h - memory that is not the host's.
 *
 * The agent's watcher must finish a capture when the host's malloc returns NULL or lies in ruins, so it never
 * calls malloc: in the library these calls are served from mappings of our own (memory_mapped.c). The
 * command and the unit tests link memory_malloc.c instead, so that sanitizers and valgrind see every block.
 * jansson, zlib and protobuf-c are pointed here too (gs_json_use_our_memory of json.h, gs_memory_for_protobuf).
 * Context: watcher, CLI; any thread may call (a lock of our own). Never a host thread inside a hook. */
#pragma once
#include "base/attributes.h"
#include <stddef.h>
#include <stdint.h>

/* SIZE zeroed bytes, 16-byte aligned; NULL when there are none. */
void *gs_alloc(size_t size) GS_CHECK_RESULT;
/* As realloc(3); what is new is not zeroed. NULL leaves PTR as it was. */
void *gs_realloc(void *ptr, size_t size) GS_CHECK_RESULT;
void  gs_free(void *ptr);
char *gs_strdup(const char *text) GS_CHECK_RESULT;
char *gs_strndup(const char *text, size_t length) GS_CHECK_RESULT;

/* Make room for NEEDED items of ITEM_SIZE in *ITEMS (a pointer variable, passed by address), doubling
 * *CAPACITY. Returns 0 or -ENOMEM, which leaves the array as it was. */
int gs_grow(void *items, size_t *capacity, size_t needed, size_t item_size) GS_CHECK_RESULT;

/* How many allocations have failed by now, anybody's: what was made while this grew may lack something. */
size_t gs_memory_failures(void);
/* One more has: NULL. For memory_*.c. */
void *gs_memory_failed(void);

/* How many bytes are mapped for us now; 0 where malloc serves. */
size_t gs_memory_mapped_bytes(void);

/* Where they are: at most MAX ranges into OUT; returns how many. 0 where malloc serves. */
struct gs_memory_range { uintptr_t start, end; };
enum { GS_RANGES_MAX = 1024 };
size_t gs_memory_ranges(struct gs_memory_range *out, size_t max);

/* Put address space by for the time when there is none left (address_reserve.h). Once, before the watcher starts. */
void gs_memory_put_by(void);

/* In the child of a fork, before anything else here: what another thread was doing is forgotten. */
void gs_memory_after_fork(void);

/* The allocator to hand to protobuf-c. */
struct ProtobufCAllocator *gs_memory_for_protobuf(void);
/* zlib's zalloc and zfree; opaque is not used. */
void *gs_memory_zalloc(void *opaque, unsigned items, unsigned size);
void  gs_memory_zfree(void *opaque, void *ptr);
