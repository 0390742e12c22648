/* memory.c - shared by both allocators (sys/memory_*.c): growing arrays, strings, allocators for zlib and protobuf-c. */
#include "base/memory.h"
#include <errno.h>
#include <protobuf-c/protobuf-c.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

static _Atomic size_t failures;

size_t gs_memory_failures(void)
{
    return atomic_load_explicit(&failures, memory_order_relaxed);
}

void *gs_memory_failed(void)
{
    atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
    return NULL;
}

char *gs_strndup(const char *text, size_t length)
{
    char *copy = gs_alloc(length + 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *gs_strdup(const char *text)
{
    return gs_strndup(text, strlen(text));
}

int gs_grow(void *items, size_t *capacity, size_t needed, size_t item_size)
{
    if (needed <= *capacity)
        return 0;
    size_t new_capacity = *capacity ? *capacity : 16;
    while (new_capacity < needed && new_capacity <= SIZE_MAX / 2)
        new_capacity *= 2;
    size_t bytes;
    if (new_capacity < needed || __builtin_mul_overflow(new_capacity, item_size, &bytes))
        return -ENOMEM;
    void *old, *grown;
    memcpy(&old, items, sizeof old); // ITEMS points at a pointer of any type
    grown = gs_realloc(old, bytes);
    if (!grown)
        return -ENOMEM;
    memcpy(items, &grown, sizeof grown);
    *capacity = new_capacity;
    return 0;
}

static void *protobuf_alloc(void *data, size_t size)
{
    (void)data;
    return gs_alloc(size);
}

static void protobuf_free(void *data, void *ptr)
{
    (void)data;
    gs_free(ptr);
}

struct ProtobufCAllocator *gs_memory_for_protobuf(void)
{
    static ProtobufCAllocator allocator = {.alloc = protobuf_alloc, .free = protobuf_free};
    return &allocator;
}

void *gs_memory_zalloc(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    return gs_alloc((size_t)items * size);
}

void gs_memory_zfree(void *opaque, void *ptr)
{
    (void)opaque;
    gs_free(ptr);
}
