/* ship/otlp.h - what the files that build OTLP messages share. */
#pragma once
#include "base/index.h"
#include "otlp.pb-c.h"
#include "ship/inside.h"

/* Memory that is freed as a whole (arena.c). take: COUNT zeroed items of SIZE bytes; NULL, and `failed` is set: no memory. */
struct gs_ship_chunk { struct gs_ship_chunk *next; uint64_t align; };
struct gs_ship_arena { struct gs_ship_chunk *chunk; char *at; size_t left; bool failed; };
void *gs_ship_arena_take(struct gs_ship_arena *arena, size_t count, size_t size);
void gs_ship_arena_fini(struct gs_ship_arena *arena);

/* The dictionary of a request while it is built (otlp_dictionary.c). Each table begins with its zero value, and has no item
 * twice. Failure: arena.failed; indexes are then 0. */
struct gs_ship_table { void **item; size_t count, capacity; struct gs_index index; };
struct gs_ship_dictionary {
    struct gs_ship_arena arena;
    struct gs_ship_table strings, attributes, stacks; // char *, Gs__Otlp__Attribute *, Gs__Otlp__Stack *
    Gs__Otlp__Dictionary message;
};
void gs_ship_dictionary_init(struct gs_ship_dictionary *dictionary);
void gs_ship_dictionary_fini(struct gs_ship_dictionary *dictionary);
int32_t gs_ship_dictionary_string(struct gs_ship_dictionary *dictionary, const char *text);
/* TEXT NULL: the value is NUMBER. */
int32_t gs_ship_dictionary_attribute(struct gs_ship_dictionary *dictionary, const char *key, const char *text, int64_t number,
                                     const char *unit);
/* The stack of DEPTH locations, indexes of the profile's, leaf first. */
int32_t gs_ship_dictionary_stack(struct gs_ship_dictionary *dictionary, const uint32_t *location, uint32_t depth);
/* Set the message: the tables so far, and PROFILE's mappings, functions and locations. */
struct gs_profile;
void gs_ship_dictionary_end(struct gs_ship_dictionary *dictionary, const struct gs_profile *profile);
/* TEXT as a string of a message: UTF-8, control characters escaped. */
char *gs_ship_dictionary_text(struct gs_ship_dictionary *dictionary, const char *text);
