/* cursor.c - numbers and pointers in DWARF's encodings, read from a cursor (dwarf.h).
 * Who: host threads on a cache miss, the watcher. Bounds: a cursor never reads beyond its end. */
#include "probe/unwind/dwarf.h"

int64_t gs_unwind_cursor_take_sleb(struct gs_cursor *c)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = gs_cursor_take(c, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && (byte & 0x40))
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

int64_t gs_unwind_sign_extend(uint64_t value, size_t bytes)
{
    unsigned unused = (unsigned)(64 - 8 * bytes);
    return (int64_t)(value << unused) >> unused;
}

/* The low four bits of an encoding are the format of the number; the next three say which address it is relative to. */
enum {
    DW_EH_PE_absptr = 0x00,
    DW_EH_PE_uleb128 = 0x01,
    DW_EH_PE_udata2 = 0x02,
    DW_EH_PE_udata4 = 0x03,
    DW_EH_PE_udata8 = 0x04,
    DW_EH_PE_sleb128 = 0x09,
    DW_EH_PE_sdata2 = 0x0a,
    DW_EH_PE_sdata4 = 0x0b,
    DW_EH_PE_sdata8 = 0x0c,
    DW_EH_PE_pcrel = 0x10,
    DW_EH_PE_omit = 0xff,
    FORM = 0x0f,
    RELATIVE_TO = 0x70,
};

uintptr_t gs_unwind_cursor_take_encoded(struct gs_cursor *c, uint8_t encoding)
{
    uintptr_t own_address = (uintptr_t)c->at + (uintptr_t)c->shift;
    int64_t value;
    if (encoding == DW_EH_PE_omit)
        return 0;
    // clang-format off
    switch (encoding & FORM) {
    case DW_EH_PE_absptr: value = (int64_t)gs_cursor_take(c, 8); break;
    case DW_EH_PE_uleb128: value = (int64_t)gs_cursor_take_uleb(c); break;
    case DW_EH_PE_udata2: value = (int64_t)gs_cursor_take(c, 2); break;
    case DW_EH_PE_udata4: value = (int64_t)gs_cursor_take(c, 4); break;
    case DW_EH_PE_udata8: value = (int64_t)gs_cursor_take(c, 8); break;
    case DW_EH_PE_sleb128: value = gs_unwind_cursor_take_sleb(c); break;
    case DW_EH_PE_sdata2: value = gs_unwind_sign_extend(gs_cursor_take(c, 2), 2); break;
    case DW_EH_PE_sdata4: value = gs_unwind_sign_extend(gs_cursor_take(c, 4), 4); break;
    case DW_EH_PE_sdata8: value = (int64_t)gs_cursor_take(c, 8); break;
    default: c->bad = true; return 0;
    }
    // clang-format on
    return (encoding & RELATIVE_TO) == DW_EH_PE_pcrel ? own_address + (uintptr_t)value : (uintptr_t)value;
}
