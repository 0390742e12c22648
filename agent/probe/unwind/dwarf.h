/* probe/unwind/dwarf.h - reading .eh_frame: what cursor.c, frame_entry.c, expression.c and rows.c share.
 *
 *   pc ──frame_entry.c──▶ struct gs_frame_entry (contents of FDE and CIE) ──rows.c: run the programs──▶ struct gs_row
 *                                                                          └─▶ expression.c: rules that are expressions
 *
 * Tables are read in place, or from copies if their object may be unmapped meanwhile. Reading by a cursor works for both.
 * Who: host threads on a cache miss, the watcher. No lock, no allocation. Bounds: the lengths in the tables.
 * Format: Linux Standard Base, "Exception Frames"; DWARF 4, sections 2.5 and 6.4. */
#pragma once
#include "probe/unwind/inside.h"
#include <string.h>

/* DWARF's numbers for the x86-64 registers that the walk follows. */
enum { GS_REG_BX = 3, GS_REG_BP = 6, GS_REG_SP = 7, GS_REG_PC = 16 };

/* ---- bytes, read in order (cursor.c) ------------------------------------------------------------------------- */

/* A read position. Reading beyond END sets BAD, moves to END and returns 0, so a caller may check BAD once after several
 * reads. */
struct gs_cursor {
    const uint8_t *at, *end;
    intptr_t shift; // the bytes are a copy; the original is at address + shift; 0: not a copy
    bool cut;       // the copy ends before the original does
    bool bad;
};

/* The next BYTES bytes (at most 8) as a number. */
static inline uint64_t gs_cursor_take(struct gs_cursor *c, size_t bytes)
{
    uint64_t value = 0;
    if ((size_t)(c->end - c->at) < bytes) {
        c->bad = true;
        c->at = c->end;
        return 0;
    }
    memcpy(&value, c->at, bytes);
    c->at += bytes;
    return value;
}

/* Read a LEB128 number (7 bits a byte, lowest bits first), unsigned or signed. Bits beyond 64 are dropped. */
static inline uint64_t gs_cursor_take_uleb(struct gs_cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint64_t byte = gs_cursor_take(c, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}
int64_t gs_unwind_cursor_take_sleb(struct gs_cursor *c);
/* The lowest BYTES bytes of VALUE as a signed number. */
int64_t gs_unwind_sign_extend(uint64_t value, size_t bytes);
/* Read a pointer in ENCODING (DW_EH_PE_*); 0 if it is omitted. */
uintptr_t gs_unwind_cursor_take_encoded(struct gs_cursor *c, uint8_t encoding);

/* ---- the entry of an address (frame_entry.c) ------------------------------------------------------------------------ */

/* Buffers for copies of one entry, for an object that may be unmapped. A longer program is run only as far
 * as it was copied. */
enum { GS_ENTRY_COPY_ROOM = 256 };
struct gs_entry_copies {
    uint8_t fde[GS_ENTRY_COPY_ROOM], cie[GS_ENTRY_COPY_ROOM];
};

struct gs_frame_entry { // the contents of an FDE and its CIE
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding;                 // encoding of pointers in the program
    bool augmented, signal;           // signal: it is the kernel's signal frame
    uintptr_t start, length;          // of the code
    struct gs_cursor initial, program; // the CIE's program, and the FDE's, which continues it
};

enum gs_entry_found {
    GS_ENTRY_FOUND,
    GS_ENTRY_NONE,    // no unwind data covers this address
    GS_ENTRY_UNSUPPORTED, // the data is damaged, or of an unknown kind
};
/* Find and read the entry that covers PC, into *OUT. COPIES: buffers for copies, if the object of PC may be unmapped
 * meanwhile; they must live as long as *OUT is used. NULL: a thread runs in the object, so it stays mapped and is read in
 * place. With COPIES, errno may change. */
enum gs_entry_found gs_unwind_frame_entry_find(uintptr_t pc, struct gs_entry_copies *copies, struct gs_frame_entry *out);

/* ---- expressions (expression.c) ----------------------------------------------------------------------------------- */

struct gs_expression {
    const uint8_t *at;
    uint32_t length;
};
struct gs_term { // base + value, or *(base + value)
    enum { GS_TERM_CONSTANT, GS_TERM_SP, GS_TERM_BP, GS_TERM_BX } base;
    bool loaded;
    int64_t value;
};
/* Evaluate EXPRESSION at PC. False: the result is not a gs_term, or an operation is not supported. */
bool gs_unwind_expression_evaluate(const struct gs_expression *expression, uintptr_t pc, struct gs_term *out);
