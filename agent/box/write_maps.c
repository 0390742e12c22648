/* write_maps.c - the memory map in a black box: the files that the stacks' frames lie in, and their build ids.
 * It is written again when a stack has a frame outside it, because a library was loaded. Who: the watcher. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "box/write.h"
#include "symbol/symbol.h"
#include <string.h>

enum { MAPS_MAX = 1 << 20 };             // bytes; of a longer map only executable mappings are written
#define MAPS_PAUSE_NS (60 * GS_NS_PER_S) // longest pause between two readings of the map for unknown frames

static int64_t min_ns(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void gs_box_drop_stale_maps(struct gs_box *box, const struct gs_given_stack *stack)
{
    for (uint32_t i = 0; box->maps && i < stack->depth; i++)
        if (stack->frame[i] <= GS_ADDRESS_MASK && // else write_libraries.c writes where it is
            !gs_symbol_maps_find(box->maps, stack->frame[i] - 1)) {
            gs_symbol_maps_free(box->maps);
            box->maps = NULL;
        }
}

/* Write the map; of a very long one only the executable mappings, which are enough to resolve frames. */
static void put_map_text(struct gs_box *box, const struct gs_maps *maps)
{
    struct gs_text text = {0};
    bool whole = maps->text_length <= MAPS_MAX;
    for (const char *at = maps->text; !whole && *at;) {
        size_t length = strcspn(at, "\n"), line = length + (at[length] == '\n');
        const char *permissions = memchr(at, ' ', length);
        if (permissions && at + length - permissions > 4 && permissions[3] == 'x')
            gs_text_add_bytes(&text, at, line);
        at += line;
    }
    if (whole)
        gs_box_long_text(&box->out, GS_BOX_MAPS, maps->text, maps->text_length);
    else
        gs_box_long_text(&box->out, GS_BOX_MAPS, text.bytes, text.length);
    gs_text_fini(&text);
}

static void put_build_ids(struct gs_box *box, const struct gs_maps *maps)
{
    struct gs_box_out *out = &box->out;
    gs_box_begin(out, GS_BOX_BUILD_IDS);
    for (size_t i = 0; i < maps->count; i++) {
        const struct gs_mapping *mapping = &maps->mapping[i];
        if (mapping->build_id_length == 0)
            continue;
        if (gs_box_room(out) < 64) {
            gs_box_end(out);
            gs_box_begin(out, GS_BOX_BUILD_IDS);
        }
        gs_box_number(out, mapping->start);
        gs_box_number(out, mapping->build_id_length);
        gs_box_bytes(out, mapping->build_id, mapping->build_id_length);
    }
    gs_box_end(out);
}

void gs_box_put_maps(struct gs_box *box)
{
    struct gs_maps *maps = gs_symbol_maps_read(0);
    if (!maps)
        return;
    put_map_text(box, maps);
    put_build_ids(box, maps);
    gs_free(maps->text); // only the address ranges are needed now
    maps->text = NULL;
    gs_symbol_maps_free(box->maps);
    box->maps = maps;
}

/* Write the map again if a stack has a frame outside it. Code generated at run time stays outside for ever, so the pauses
 * grow. */
void gs_box_put_new_maps(struct gs_box *box)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    if (box->maps || now_ns < box->maps_look_ns)
        return;
    gs_box_put_maps(box);
    if (now_ns - box->maps_look_ns > MAPS_PAUSE_NS)
        box->maps_pause_ns = 0; // no unknown frame for a long time
    box->maps_pause_ns = min_ns(2 * box->maps_pause_ns + GS_NS_PER_S / 8, MAPS_PAUSE_NS);
    box->maps_look_ns = now_ns + box->maps_pause_ns;
}
