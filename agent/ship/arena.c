/* arena.c - memory for the many small parts of a message, freed as a whole. Context: CLI. */
#include "base/memory.h"
#include "ship/otlp.h"
#include <string.h>

enum { CHUNK = 256 << 10, ALIGN = 16 };

void *gs_ship_arena_take(struct gs_ship_arena *arena, size_t count, size_t size)
{
    size_t wanted = (count * size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (size && count > SIZE_MAX / 2 / size)
        wanted = SIZE_MAX / 2;
    if (!arena->failed && wanted > arena->left) {
        size_t room = wanted > CHUNK ? wanted : CHUNK;
        struct gs_ship_chunk *chunk = gs_alloc(sizeof *chunk + room); // zeroed
        if (chunk) {
            chunk->next = arena->chunk;
            arena->chunk = chunk;
            arena->at = (char *)(chunk + 1);
            arena->left = room;
        }
    }
    if (arena->failed || wanted > arena->left) {
        arena->failed = true;
        return NULL;
    }
    void *taken = arena->at;
    arena->at += wanted;
    arena->left -= wanted;
    return taken;
}

void gs_ship_arena_fini(struct gs_ship_arena *arena)
{
    for (struct gs_ship_chunk *chunk = arena->chunk, *next; chunk; chunk = next) {
        next = chunk->next;
        gs_free(chunk);
    }
    *arena = (struct gs_ship_arena){0};
}
