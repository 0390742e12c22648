/* frame_entry.c - finds and reads the entry of .eh_frame that covers an address.
 *
 *   pc ──_dl_find_object──▶ object's .eh_frame_hdr ──binary search──▶ FDE ──▶ CIE ──▶ struct gs_frame_entry
 *
 * _dl_find_object takes no lock and allocates nothing. The tables are part of the mapped object, and every read is checked
 * against the object's end. An object whose code a thread is running stays mapped. If the address is only a guess, the
 * object may be unmapped at any moment (dlclose on another thread): its tables are copied piece by piece, by a system call
 * that returns an error instead of crashing.
 * Who:    host threads on a cache miss, the watcher.
 * Bounds: the steps of the binary search; with copies, a system call for each of its steps and for each record. */
#include "probe/unwind/dwarf.h"
#include <dlfcn.h>
#include <unistd.h>

/* Weak: a strong reference would add the loader to our NEEDED list, which holds only the C library. Where it is missing
 * (a C library before 2.35) there are no rows, and the walk follows frame pointers. */
#pragma weak _dl_find_object

/* ---- the object ------------------------------------------------------------------------------------------------- */

struct object {
    const uint8_t *start, *end;     // the memory that contains the tables
    const uint8_t *hdr;             // .eh_frame_hdr, in that memory
    struct gs_entry_copies *copies; // NULL: the object stays mapped and is read in place
};

static void set_bounds(struct object *object, const struct dl_find_object *found)
{
    object->start = found->dlfo_map_start;
    object->end = found->dlfo_map_end;
}

static bool holds_tables(const struct object *object)
{
    return object->hdr >= object->start && object->hdr + 12 <= object->end;
}

/* Find the object that contains PC. The loader reports an object with holes between its segments (a program aligned for huge
 * pages) as several objects, and the tables may lie in another one than the code. */
static bool find_object(uintptr_t pc, struct object *object)
{
    struct dl_find_object found;
    if (!_dl_find_object || _dl_find_object((void *)pc, &found) != 0 || !found.dlfo_eh_frame)
        return false;
    object->hdr = found.dlfo_eh_frame;
    set_bounds(object, &found);
    if (!holds_tables(object) && _dl_find_object((void *)object->hdr, &found) == 0)
        set_bounds(object, &found);
    return holds_tables(object);
}

/* A cursor over LENGTH bytes at AT, inside OBJECT: in place, or over a copy in ROOM, cut if ROOM is too small. */
static struct gs_cursor cursor_at(const struct object *object, const uint8_t *at, size_t length,
                                  uint8_t room[GS_ENTRY_COPY_ROOM])
{
    struct gs_cursor c = {.at = at, .end = at + length};
    if (!object->copies)
        return c;
    c.cut = length > GS_ENTRY_COPY_ROOM;
    if (c.cut)
        length = GS_ENTRY_COPY_ROOM;
    c.bad = !gs_probe_peek(getpid(), (uintptr_t)at, room, length);
    c.at = room;
    c.end = room + (c.bad ? 0 : length);
    c.shift = (intptr_t)((uintptr_t)at - (uintptr_t)room);
    return c;
}

/* ---- .eh_frame_hdr: a table sorted by address -------------------------------------------------------------------- */

struct table_entry { // relative to .eh_frame_hdr
    int32_t start, fde;
};

struct sorted_table {
    const uint8_t *at;
    size_t count;
};

static bool read_header(const struct object *object, struct sorted_table *out)
{
    enum { DATAREL_SDATA4 = 0x3b, UDATA4 = 0x03, HEADER_MAX = 4 + 8 + 4 };
    size_t bytes_left = (size_t)(object->end - object->hdr);
    struct gs_cursor c =
        cursor_at(object, object->hdr, object->copies && bytes_left > HEADER_MAX ? HEADER_MAX : bytes_left,
                  object->copies ? object->copies->fde : NULL);
    uint64_t version = gs_cursor_take(&c, 1), encoding = gs_cursor_take(&c, 1);
    if (version != 1 || gs_cursor_take(&c, 1) != UDATA4 || gs_cursor_take(&c, 1) != DATAREL_SDATA4)
        return false;
    gs_unwind_cursor_take_encoded(&c, (uint8_t)encoding); // the start of .eh_frame, which we do not need
    out->count = gs_cursor_take(&c, 4);
    out->at = c.at + c.shift;
    return !c.bad && out->count <= (size_t)(object->end - out->at) / sizeof(struct table_entry);
}

static bool read_table_entry(const struct object *object, const struct sorted_table *table, size_t number,
                             struct table_entry *out)
{
    const uint8_t *at = table->at + number * sizeof *out;
    if (object->copies)
        return gs_probe_peek(getpid(), (uintptr_t)at, out, sizeof *out);
    memcpy(out, at, sizeof *out);
    return true;
}

/* The FDE that may cover PC: the last one in the sorted table that starts at or below PC. NULL: there is none. */
static const uint8_t *find_fde(const struct object *object, uintptr_t pc)
{
    struct sorted_table table;
    struct table_entry entry;
    if (!read_header(object, &table))
        return NULL;
    int64_t pc_offset = (int64_t)(pc - (uintptr_t)object->hdr);
    size_t low = 0, high = table.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (!read_table_entry(object, &table, middle, &entry))
            return NULL;
        if (entry.start <= pc_offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !read_table_entry(object, &table, low - 1, &entry))
        return NULL;
    const uint8_t *fde = object->hdr + entry.fde;
    return fde >= object->start && fde < object->end ? fde : NULL;
}

/* ---- the records: CIE and FDE ------------------------------------------------------------------------------------- */

/* A cursor over the record at AT, inside OBJECT, without the record's length field. ROOM: for a copy. */
static struct gs_cursor record_at(const uint8_t *at, const struct object *object,
                                  uint8_t room[GS_ENTRY_COPY_ROOM])
{
    size_t bytes_left = (size_t)(object->end - at);
    struct gs_cursor c = cursor_at(object, at, object->copies && bytes_left > 4 ? 4 : bytes_left, room);
    uint64_t length = gs_cursor_take(&c, 4);
    if (c.bad || length >= 0xfffffff0 || length > bytes_left - 4) {
        c.bad = true;
        return c;
    }
    if (object->copies)
        return cursor_at(object, at + 4, length, room);
    c.end = c.at + length;
    return c;
}

/* Step over the augmentation: a length, then that many bytes. Returns a cursor over the bytes. */
static struct gs_cursor take_augmentation(struct gs_cursor *c)
{
    uint64_t length = gs_cursor_take_uleb(c);
    struct gs_cursor bytes = *c;
    if (length > (uint64_t)(c->end - c->at)) {
        c->bad = true;
        return bytes;
    }
    bytes.end = c->at += length;
    return bytes;
}

/* Read the CIE's augmentation BYTES. LETTERS, which follow the 'z', say what the bytes are. */
static void read_augmentation(const char *letters, struct gs_cursor bytes, struct gs_frame_entry *out)
{
    for (; *letters; letters++) {
        if (*letters == 'R')
            out->encoding = (uint8_t)gs_cursor_take(&bytes, 1);
        else if (*letters == 'P') // the personality function
            gs_unwind_cursor_take_encoded(&bytes, (uint8_t)gs_cursor_take(&bytes, 1));
        else if (*letters == 'L') // the encoding of language-specific data
            gs_cursor_take(&bytes, 1);
        else if (*letters == 'S')
            out->signal = true;
    }
}

static bool read_cie(const uint8_t *at, const struct object *object, struct gs_frame_entry *out)
{
    struct gs_cursor c = record_at(at, object, object->copies ? object->copies->cie : NULL);
    if (gs_cursor_take(&c, 4) != 0)
        return false;
    uint64_t version = gs_cursor_take(&c, 1);
    const char *letters = (const char *)c.at;
    while (!c.bad && gs_cursor_take(&c, 1))
        ;
    out->code_align = gs_cursor_take_uleb(&c);
    out->data_align = gs_unwind_cursor_take_sleb(&c);
    if (version == 1)
        gs_cursor_take(&c, 1); // the return address register
    else
        gs_cursor_take_uleb(&c);
    out->encoding = 0;
    out->signal = false;
    out->augmented = !c.bad && *letters == 'z';
    if (out->augmented) {
        struct gs_cursor bytes = take_augmentation(&c);
        if (!c.bad)
            read_augmentation(letters + 1, bytes, out);
    }
    out->initial = c;
    return !c.bad;
}

static bool read_fde(const uint8_t *at, const struct object *object, struct gs_frame_entry *out)
{
    enum { FORM = 0x0f }; // the number's format; a length is not relative to an address
    struct gs_cursor c = record_at(at, object, object->copies ? object->copies->fde : NULL);
    const uint8_t *cie_field = c.at + c.shift;
    uint64_t cie_distance = gs_cursor_take(&c, 4);
    if (c.bad || cie_distance == 0 || cie_distance > (uint64_t)(cie_field - object->start) ||
        !read_cie(cie_field - cie_distance, object, out))
        return false;
    out->start = gs_unwind_cursor_take_encoded(&c, out->encoding);
    out->length = gs_unwind_cursor_take_encoded(&c, out->encoding & FORM);
    if (out->augmented)
        take_augmentation(&c);
    out->program = c;
    return !c.bad;
}

enum gs_entry_found gs_unwind_frame_entry_find(uintptr_t pc, struct gs_entry_copies *copies,
                                               struct gs_frame_entry *out)
{
    struct object object = {.copies = copies};
    const uint8_t *fde = find_object(pc, &object) ? find_fde(&object, pc) : NULL;
    if (!fde)
        return GS_ENTRY_NONE;
    if (!read_fde(fde, &object, out))
        return GS_ENTRY_UNSUPPORTED;
    return pc - out->start < out->length ? GS_ENTRY_FOUND : GS_ENTRY_NONE;
}

bool gs_unwind_row_function(uintptr_t pc, uintptr_t *start, uintptr_t *end)
{
    struct gs_entry_copies copies;
    struct gs_frame_entry entry;
    if (gs_unwind_frame_entry_find(pc, &copies, &entry) != GS_ENTRY_FOUND)
        return false;
    *start = entry.start;
    *end = entry.start + entry.length;
    return true;
}
