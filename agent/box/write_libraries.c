/* write_libraries.c - the libraries that the stacks' frames were in, in a black box: some may have been unloaded since, and
 * others may lie at their addresses. Who: the watcher. */
#include "base/memory.h"
#include "box/write.h"
#include "gather/gather.h"
#include "symbol/symbol.h"
#include <string.h>

enum { ENTRY_MAX = 512 }; // bytes of one library at most

static void put_library(struct gs_box_out *out, const struct gs_mapping *library, size_t number)
{
    uint64_t shift = (uint64_t)number << GS_LIBRARY_SHIFT;
    gs_box_number(out, library->path ? library->start - shift : 0);
    gs_box_number(out, library->path ? library->end - shift : 0);
    gs_box_number(out, library->offset);
    gs_box_number(out, library->bias - shift);
    gs_box_number(out, library->unloaded);
    gs_box_number(out, library->build_id_length);
    gs_box_bytes(out, library->build_id, library->build_id_length);
    gs_box_text(out, library->path);
}

void gs_box_put_libraries(struct gs_box *box)
{
    struct gs_box_out *out = &box->out;
    size_t count;
    uint32_t changes = gs_gather_library_changes();
    struct gs_mapping *library = gs_gather_libraries(&count); // no memory: the whole write fails (write.c)
    if (!library)
        return;
    gs_box_begin(out, GS_BOX_LIBRARIES);
    gs_box_number(out, 0);
    for (size_t i = 0; i < count; i++) {
        if (gs_box_room(out) < ENTRY_MAX) {
            gs_box_end(out);
            gs_box_begin(out, GS_BOX_LIBRARIES);
            gs_box_number(out, 1);
        }
        put_library(out, &library[i], i + 1);
    }
    gs_box_end(out);
    gs_gather_libraries_free(library, count);
    box->library_changes = changes;
}

void gs_box_put_new_libraries(struct gs_box *box)
{
    if (gs_gather_library_changes() != box->library_changes)
        gs_box_put_libraries(box);
}
