/* otlp_dictionary.c - the tables of an OTLP request: strings, attributes and stacks as they come; mappings, functions and locations
 * are the profile's, one further, because index 0 means none. */
#include "base/hash.h"
#include "base/memory.h"
#include "profile/profile.h"
#include "ship/otlp.h"
#include <string.h>

/* ---- tables --------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of_string(const void *items, uint32_t number)
{
    const char *text = ((void *const *)items)[number];
    return gs_hash_bytes(text, strlen(text));
}

static uint64_t hash_of_attribute(const void *items, uint32_t number)
{
    const Gs__Otlp__Attribute *attribute = ((void *const *)items)[number];
    uint64_t value =
        attribute->value->value_case == GS__OTLP__ANY_VALUE__VALUE_STRING_VALUE
            ? gs_hash_bytes(attribute->value->string_value, strlen(attribute->value->string_value))
            : gs_hash_mix((uint64_t)attribute->value->int_value + 1);
    return gs_hash_mix(value ^ (uint64_t)attribute->key_strindex);
}

static uint64_t hash_of_stack(const void *items, uint32_t number)
{
    const Gs__Otlp__Stack *stack = ((void *const *)items)[number];
    return gs_hash_bytes(stack->location_indices,
                         stack->n_location_indices * sizeof *stack->location_indices);
}

/* Append ITEM, which is not in TABLE yet. Returns its number. */
static int32_t append(struct gs_ship_dictionary *dictionary, struct gs_ship_table *table, void *item,
                      uint64_t (*hash_of)(const void *items, uint32_t number))
{
    if (!item || table->count >= INT32_MAX ||
        gs_grow(&table->item, &table->capacity, table->count + 1, sizeof *table->item)) {
        dictionary->arena.failed = true;
        return 0;
    }
    uint32_t number = (uint32_t)table->count;
    table->item[number] = item;
    if (gs_index_add(&table->index, hash_of(table->item, number), number, hash_of, table->item)) {
        dictionary->arena.failed = true;
        return 0;
    }
    table->count++;
    return (int32_t)number;
}

char *gs_ship_dictionary_text(struct gs_ship_dictionary *dictionary, const char *text)
{
    struct gs_text safe = {0};
    gs_text_add_printable(&safe, text);
    char *copy = gs_ship_arena_take(&dictionary->arena, safe.length + 1, 1);
    if (safe.failed)
        dictionary->arena.failed = true;
    if (copy && safe.length)
        memcpy(copy, safe.bytes, safe.length);
    gs_text_fini(&safe);
    return copy ? copy : (char *)"";
}

int32_t gs_ship_dictionary_string(struct gs_ship_dictionary *dictionary, const char *text)
{
    size_t at = SIZE_MAX;
    const char *copy = gs_ship_dictionary_text(dictionary, text ? text : "");
    uint64_t hash = gs_hash_bytes(copy, strlen(copy));
    for (uint32_t number; (number = gs_index_next(&dictionary->strings.index, hash, &at)) != UINT32_MAX;)
        if (strcmp(dictionary->strings.item[number], copy) == 0)
            return (int32_t)number;
    return append(dictionary, &dictionary->strings, (void *)copy, hash_of_string);
}

static bool equal_attributes(const Gs__Otlp__Attribute *a, const Gs__Otlp__Attribute *b)
{
    if (a->key_strindex != b->key_strindex || a->unit_strindex != b->unit_strindex ||
        a->value->value_case != b->value->value_case)
        return false;
    return a->value->value_case == GS__OTLP__ANY_VALUE__VALUE_STRING_VALUE
               ? strcmp(a->value->string_value, b->value->string_value) == 0
               : a->value->int_value == b->value->int_value;
}

int32_t gs_ship_dictionary_attribute(struct gs_ship_dictionary *dictionary, const char *key, const char *text,
                                     int64_t number, const char *unit)
{
    size_t at = SIZE_MAX;
    Gs__Otlp__Attribute *attribute = gs_ship_arena_take(&dictionary->arena, 1, sizeof *attribute);
    Gs__Otlp__AnyValue *value = gs_ship_arena_take(&dictionary->arena, 1, sizeof *value);
    if (!attribute || !value)
        return 0;
    gs__otlp__attribute__init(attribute);
    gs__otlp__any_value__init(value);
    attribute->key_strindex = gs_ship_dictionary_string(dictionary, key);
    attribute->unit_strindex = gs_ship_dictionary_string(dictionary, unit);
    attribute->value = value;
    value->value_case = text ? GS__OTLP__ANY_VALUE__VALUE_STRING_VALUE : GS__OTLP__ANY_VALUE__VALUE_INT_VALUE;
    if (text)
        value->string_value = gs_ship_dictionary_text(dictionary, text);
    else
        value->int_value = number;
    void *item = attribute;
    uint64_t hash = hash_of_attribute(&item, 0);
    for (uint32_t other; (other = gs_index_next(&dictionary->attributes.index, hash, &at)) != UINT32_MAX;)
        if (other && equal_attributes(dictionary->attributes.item[other], attribute))
            return (int32_t)other;
    return append(dictionary, &dictionary->attributes, attribute, hash_of_attribute);
}

int32_t gs_ship_dictionary_stack(struct gs_ship_dictionary *dictionary, const uint32_t *location,
                                 uint32_t depth)
{
    size_t at = SIZE_MAX;
    Gs__Otlp__Stack *stack = gs_ship_arena_take(&dictionary->arena, 1, sizeof *stack);
    int32_t *index = gs_ship_arena_take(&dictionary->arena, depth, sizeof *index);
    if (!stack || !index)
        return 0;
    gs__otlp__stack__init(stack);
    for (uint32_t i = 0; i < depth; i++)
        index[i] = (int32_t)location[i] + 1;
    stack->location_indices = index;
    stack->n_location_indices = depth;
    void *item = stack;
    uint64_t hash = hash_of_stack(&item, 0);
    for (uint32_t other; (other = gs_index_next(&dictionary->stacks.index, hash, &at)) != UINT32_MAX;) {
        const Gs__Otlp__Stack *known = dictionary->stacks.item[other];
        if (known->n_location_indices == depth &&
            memcmp(known->location_indices, index, depth * sizeof *index) == 0)
            return (int32_t)other;
    }
    return append(dictionary, &dictionary->stacks, stack, hash_of_stack);
}

/* ---- begin and end ---------------------------------------------------------------------------------------------------- */

void gs_ship_dictionary_init(struct gs_ship_dictionary *dictionary)
{
    *dictionary = (struct gs_ship_dictionary){0};
    gs_ship_dictionary_string(dictionary, "");
    Gs__Otlp__Attribute *none = gs_ship_arena_take(&dictionary->arena, 1, sizeof *none);
    Gs__Otlp__AnyValue *nothing = gs_ship_arena_take(&dictionary->arena, 1, sizeof *nothing);
    if (none && nothing) {
        gs__otlp__attribute__init(none);
        gs__otlp__any_value__init(nothing);
        none->value = nothing; // for its hash; the end removes it
    }
    append(dictionary, &dictionary->attributes, nothing ? none : NULL, hash_of_attribute);
    gs_ship_dictionary_stack(dictionary, NULL, 0);
}

static void fini_table(struct gs_ship_table *table)
{
    gs_free(table->item);
    gs_index_fini(&table->index);
}

void gs_ship_dictionary_fini(struct gs_ship_dictionary *dictionary)
{
    fini_table(&dictionary->strings);
    fini_table(&dictionary->attributes);
    fini_table(&dictionary->stacks);
    gs_ship_arena_fini(&dictionary->arena);
}

static void add_mappings(struct gs_ship_dictionary *dictionary, const struct gs_profile *profile)
{
    size_t count = profile->mapping_count + 1;
    Gs__Otlp__Mapping *all = gs_ship_arena_take(&dictionary->arena, count, sizeof *all), **list;
    int32_t *attribute = gs_ship_arena_take(&dictionary->arena, count, sizeof *attribute);
    list = gs_ship_arena_take(&dictionary->arena, count, sizeof *list);
    for (size_t i = 0; all && attribute && list && i < count; i++) {
        list[i] = &all[i];
        gs__otlp__mapping__init(&all[i]);
        if (i == 0)
            continue;
        const struct gs_profile_mapping *from = &profile->mapping[i - 1];
        all[i].memory_start = from->start;
        all[i].memory_limit = from->end;
        all[i].file_offset = from->offset;
        all[i].filename_strindex = gs_ship_dictionary_string(dictionary, from->path);
        if (!from->build_id || !*from->build_id)
            continue;
        attribute[i] = gs_ship_dictionary_attribute(dictionary, "process.executable.build_id.gnu",
                                                    from->build_id, 0, "");
        all[i].attribute_indices = &attribute[i];
        all[i].n_attribute_indices = 1;
    }
    dictionary->message.mapping_table = list;
    dictionary->message.n_mapping_table = count;
}

static void add_functions(struct gs_ship_dictionary *dictionary, const struct gs_profile *profile)
{
    size_t count = profile->function_count + 1;
    Gs__Otlp__Function *all = gs_ship_arena_take(&dictionary->arena, count, sizeof *all), **list;
    list = gs_ship_arena_take(&dictionary->arena, count, sizeof *list);
    for (size_t i = 0; all && list && i < count; i++) {
        list[i] = &all[i];
        gs__otlp__function__init(&all[i]);
        if (i == 0)
            continue;
        const struct gs_function *from = &profile->function[i - 1];
        all[i].name_strindex = gs_ship_dictionary_string(dictionary, from->name);
        all[i].system_name_strindex = gs_ship_dictionary_string(dictionary, from->system_name);
        all[i].filename_strindex = gs_ship_dictionary_string(dictionary, from->file);
        all[i].start_line = from->start_line;
    }
    dictionary->message.function_table = list;
    dictionary->message.n_function_table = count;
}

static void add_lines(struct gs_ship_dictionary *dictionary, const struct gs_location *from,
                      Gs__Otlp__Location *to)
{
    Gs__Otlp__Line *all = gs_ship_arena_take(&dictionary->arena, from->line_count, sizeof *all), **list;
    list = gs_ship_arena_take(&dictionary->arena, from->line_count, sizeof *list);
    for (uint32_t i = 0; all && list && i < from->line_count; i++) {
        list[i] = &all[i];
        gs__otlp__line__init(&all[i]);
        all[i].function_index = (int32_t)from->line[i].function + 1;
        all[i].line = from->line[i].line;
    }
    to->lines = list;
    to->n_lines = from->line_count;
}

static void add_locations(struct gs_ship_dictionary *dictionary, const struct gs_profile *profile)
{
    size_t count = profile->location_count + 1;
    Gs__Otlp__Location *all = gs_ship_arena_take(&dictionary->arena, count, sizeof *all), **list;
    list = gs_ship_arena_take(&dictionary->arena, count, sizeof *list);
    for (size_t i = 0; all && list && i < count; i++) {
        list[i] = &all[i];
        gs__otlp__location__init(&all[i]);
        if (i == 0)
            continue;
        all[i].mapping_index = (int32_t)profile->location[i - 1].mapping; // an index + 1, as here
        all[i].address = profile->location[i - 1].address;
        add_lines(dictionary, &profile->location[i - 1], &all[i]);
    }
    dictionary->message.location_table = list;
    dictionary->message.n_location_table = count;
}

static void add_no_link(struct gs_ship_dictionary *dictionary)
{
    Gs__Otlp__Link *link = gs_ship_arena_take(&dictionary->arena, 1, sizeof *link), **list;
    list = gs_ship_arena_take(&dictionary->arena, 1, sizeof *list);
    if (!link || !list)
        return;
    gs__otlp__link__init(link);
    link->trace_id.data = gs_ship_arena_take(&dictionary->arena, 16, 1);
    link->trace_id.len = 16;
    link->span_id.data = link->trace_id.data;
    link->span_id.len = 8;
    list[0] = link;
    dictionary->message.link_table = list;
    dictionary->message.n_link_table = 1;
}

void gs_ship_dictionary_end(struct gs_ship_dictionary *dictionary, const struct gs_profile *profile)
{
    Gs__Otlp__Dictionary *message = &dictionary->message;
    gs__otlp__dictionary__init(message);
    add_mappings(dictionary, profile);
    add_functions(dictionary, profile);
    add_locations(dictionary, profile);
    add_no_link(dictionary);
    if (dictionary->arena.failed)
        return;
    ((Gs__Otlp__Attribute *)dictionary->attributes.item[0])->value = NULL;
    message->string_table = (char **)dictionary->strings.item;
    message->n_string_table = dictionary->strings.count;
    message->attribute_table = (Gs__Otlp__Attribute **)dictionary->attributes.item;
    message->n_attribute_table = dictionary->attributes.count;
    message->stack_table = (Gs__Otlp__Stack **)dictionary->stacks.item;
    message->n_stack_table = dictionary->stacks.count;
}
