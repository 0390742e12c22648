/* rows.c - from an address to the rule that leads to its caller: .eh_frame_hdr searched, the DWARF call frame
 * program run, the outcome put into one gs_row.
 *
 *   pc ──_dl_find_object──▶ object's .eh_frame_hdr ──binary search──▶ FDE ──▶ CIE ──▶ run both programs up to pc
 *
 * _dl_find_object takes no lock and allocates nothing; the tables are part of the mapped object, and every read is
 * checked against the object's end. An object that a thread stands in stays mapped; one that an address merely seems to lead
 * into may be on its way out (dlclose, on another thread): its tables are read by a system call that answers an error, a
 * piece at a time, into copies. Format: Linux Standard Base, "Exception Frames"; DWARF 4, section 6.4.
 * Expressions are worked out symbolically (register + constant, at most one load): that covers what compilers and
 * the PLT emit; anything else is GS_ROW_STRANGE.
 * Who:    host threads on a cache miss, the watcher. About half a kilobyte of stack; a kilobyte with copies. */
#include "probe/inside.h"
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#if !defined(__x86_64__)
#error "the stack walk knows x86-64 only: port the register numbers below and the signal frame in walk.c"
#endif
enum { REG_BX = 3, REG_BP = 6, REG_SP = 7, REG_PC = 16 };

/* Weak: a reference that has to be there would put the loader beside the C library in our NEEDED list. Where it is not
 * (a C library before 2.35) there are no rows, and frame pointers are followed. */
#pragma weak _dl_find_object

/* ---- reading bytes ----------------------------------------------------------------------------------------- */

struct cursor {
    const uint8_t *at, *end;
    intptr_t shift; // what is read is a copy, of what lies at its address + shift; 0: it is no copy
    bool cut;       // the copy ends before what it is of does
    bool bad;
};

static uint64_t take(struct cursor *c, size_t bytes)
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

static uint64_t take_uleb(struct cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint64_t byte = take(c, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

static int64_t take_sleb(struct cursor *c)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = take(c, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && (byte & 0x40))
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

static int64_t sign_extend(uint64_t value, size_t bytes)
{
    unsigned unused = (unsigned)(64 - 8 * bytes);
    return (int64_t)(value << unused) >> unused;
}

/* A pointer in one of the encodings DW_EH_PE_*; 0 where it is omitted. */
static uintptr_t take_encoded(struct cursor *c, uint8_t encoding)
{
    uintptr_t here = (uintptr_t)c->at + (uintptr_t)c->shift;
    int64_t value;
    if (encoding == 0xff)
        return 0;
    // clang-format off
    switch (encoding & 0x0f) {
    case 0x00: value = (int64_t)take(c, 8); break;
    case 0x01: value = (int64_t)take_uleb(c); break;
    case 0x02: value = (int64_t)take(c, 2); break;
    case 0x03: value = (int64_t)take(c, 4); break;
    case 0x04: value = (int64_t)take(c, 8); break;
    case 0x09: value = take_sleb(c); break;
    case 0x0a: value = sign_extend(take(c, 2), 2); break;
    case 0x0b: value = sign_extend(take(c, 4), 4); break;
    case 0x0c: value = (int64_t)take(c, 8); break;
    default: c->bad = true; return 0;
    }
    // clang-format on
    return (encoding & 0x70) == 0x10 ? here + (uintptr_t)value : (uintptr_t)value;
}

/* ---- finding the FDE ------------------------------------------------------------------------------------------- */

/* Room for the copies of what an object that may go away says of one address. Longer programs are followed as far as they
 * are copied. */
enum { COPY_ROOM = 256 };
struct copies {
    uint8_t fde[COPY_ROOM], cie[COPY_ROOM];
};

struct object {
    const uint8_t *start, *end, *hdr; // of the memory that the tables lie in
    struct copies *copies; // NULL: the object stays, and is read in place
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

/* The object of PC. One with holes between its segments (a program aligned for huge pages) is several to the loader, and its
 * tables may lie in another of them than the code. */
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

/* A cursor over LENGTH bytes at AT, which lie inside OBJECT: in place, or a copy of them in ROOM, as much as that holds. */
static struct cursor cursor_at(const struct object *object, const uint8_t *at, size_t length,
                               uint8_t room[COPY_ROOM])
{
    struct cursor c = {.at = at, .end = at + length};
    if (!object->copies)
        return c;
    c.cut = length > COPY_ROOM;
    if (c.cut)
        length = COPY_ROOM;
    c.bad = !gs_probe_peek(getpid(), (uintptr_t)at, room, length);
    c.at = room;
    c.end = room + (c.bad ? 0 : length);
    c.shift = (intptr_t)((uintptr_t)at - (uintptr_t)room);
    return c;
}

struct entry { // of the sorted table
    int32_t start, fde;
};

static bool entry_at(const struct object *object, const uint8_t *at, struct entry *out)
{
    if (object->copies)
        return gs_probe_peek(getpid(), (uintptr_t)at, out, sizeof *out);
    memcpy(out, at, sizeof *out);
    return true;
}

/* The FDE that may cover PC, or NULL: the last entry of the sorted table that starts at or below it. */
static const uint8_t *search(const struct object *object, uintptr_t pc)
{
    enum { DATAREL_SDATA4 = 0x3b, UDATA4 = 0x03, HEADER_MAX = 4 + 8 + 4 };
    size_t left = (size_t)(object->end - object->hdr);
    struct cursor c = cursor_at(object, object->hdr, object->copies && left > HEADER_MAX ? HEADER_MAX : left,
                                object->copies ? object->copies->fde : NULL);
    uint64_t version = take(&c, 1), encoding = take(&c, 1);
    if (version != 1 || take(&c, 1) != UDATA4 || take(&c, 1) != DATAREL_SDATA4)
        return NULL;
    take_encoded(&c, (uint8_t)encoding);
    size_t count = take(&c, 4);
    const uint8_t *table = c.at + c.shift;
    if (c.bad || count > (size_t)(object->end - table) / sizeof(struct entry))
        return NULL;
    struct entry entry;
    int64_t wanted = (int64_t)(pc - (uintptr_t)object->hdr);
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (!entry_at(object, table + middle * sizeof entry, &entry))
            return NULL;
        if (entry.start <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !entry_at(object, table + (low - 1) * sizeof entry, &entry))
        return NULL;
    const uint8_t *fde = object->hdr + entry.fde;
    return fde >= object->start && fde < object->end ? fde : NULL;
}

/* ---- CIE and FDE --------------------------------------------------------------------------------------------------- */

struct frame_entry { // what an FDE and its CIE say
    uint64_t code_align;
    int64_t data_align;
    uint8_t encoding;
    bool augmented, signal;
    uintptr_t start, length; // of the code
    struct cursor initial, program;
};

/* A cursor over the record at AT, which lies inside OBJECT, after its length. ROOM: for a copy. */
static struct cursor record_at(const uint8_t *at, const struct object *object, uint8_t room[COPY_ROOM])
{
    size_t left = (size_t)(object->end - at);
    struct cursor c = cursor_at(object, at, object->copies && left > 4 ? 4 : left, room);
    uint64_t length = take(&c, 4);
    if (c.bad || length >= 0xfffffff0 || length > left - 4) {
        c.bad = true;
        return c;
    }
    if (object->copies)
        return cursor_at(object, at + 4, length, room);
    c.end = c.at + length;
    return c;
}

static bool read_cie(const uint8_t *at, const struct object *object, struct frame_entry *out)
{
    struct cursor c = record_at(at, object, object->copies ? object->copies->cie : NULL);
    if (take(&c, 4) != 0)
        return false;
    uint64_t version = take(&c, 1);
    const char *letters = (const char *)c.at;
    while (!c.bad && take(&c, 1))
        ;
    out->code_align = take_uleb(&c);
    out->data_align = take_sleb(&c);
    if (version == 1)
        take(&c, 1); // the return address register
    else
        take_uleb(&c);
    out->encoding = 0;
    out->signal = false;
    out->augmented = !c.bad && *letters == 'z';
    if (out->augmented) {
        uint64_t length = take_uleb(&c);
        struct cursor data = c;
        if (length > (uint64_t)(c.end - c.at))
            return false;
        data.end = c.at += length;
        for (const char *l = letters + 1; *l; l++) {
            if (*l == 'R')
                out->encoding = (uint8_t)take(&data, 1);
            else if (*l == 'P')
                take_encoded(&data, (uint8_t)take(&data, 1));
            else if (*l == 'L')
                take(&data, 1);
            else if (*l == 'S')
                out->signal = true;
        }
    }
    out->initial = c;
    return !c.bad;
}

static bool read_fde(const uint8_t *at, const struct object *object, struct frame_entry *out)
{
    struct cursor c = record_at(at, object, object->copies ? object->copies->fde : NULL);
    const uint8_t *here = c.at + c.shift;
    uint64_t back = take(&c, 4);
    if (c.bad || back == 0 || back > (uint64_t)(here - object->start) || !read_cie(here - back, object, out))
        return false;
    out->start = take_encoded(&c, out->encoding);
    out->length = take_encoded(&c, out->encoding & 0x0f);
    if (out->augmented) {
        uint64_t length = take_uleb(&c);
        if (length > (uint64_t)(c.end - c.at))
            return false;
        c.at += length;
    }
    out->program = c;
    return !c.bad;
}

/* ---- expressions ------------------------------------------------------------------------------------------------------- */

struct block { // an expression
    const uint8_t *at;
    uint32_t length;
};

struct term { // register + value, or *(register + value)
    enum { CONSTANT, SP, BP, BX } base;
    bool loaded;
    int64_t value;
};

static int64_t combine(uint8_t op, int64_t a, int64_t b, bool *bad)
{
    // clang-format off
    switch (op) {
    case 0x1a: return a & b;
    case 0x1c: return (int64_t)((uint64_t)a - (uint64_t)b);
    case 0x1e: return (int64_t)((uint64_t)a * (uint64_t)b);
    case 0x21: return a | b;
    case 0x22: return (int64_t)((uint64_t)a + (uint64_t)b);
    case 0x24: return (int64_t)((uint64_t)a << (b & 63));
    case 0x25: return (int64_t)((uint64_t)a >> (b & 63));
    case 0x27: return a ^ b;
    case 0x29: return a == b;
    case 0x2a: return a >= b;
    case 0x2b: return a > b;
    case 0x2c: return a <= b;
    case 0x2d: return a < b;
    case 0x2e: return a != b;
    default: *bad = true; return 0;
    }
    // clang-format on
}

/* a OP b: constants by arithmetic; a register plus or minus a constant stays a term. */
static struct term apply(uint8_t op, struct term a, struct term b, bool *bad)
{
    if (a.base == CONSTANT && b.base != CONSTANT && op == 0x22) {
        struct term swapped = a;
        a = b;
        b = swapped;
    }
    if (b.base != CONSTANT || (a.base != CONSTANT && (a.loaded || (op != 0x22 && op != 0x1c))))
        *bad = true;
    a.value = combine(op, a.value, b.value, bad);
    return a;
}

/* The sum that the expression BLOCK stands for, at PC; false for what we do not follow. */
static bool evaluate(const struct block *block, uintptr_t pc, struct term *out)
{
    struct cursor c = {.at = block->at, .end = block->at + block->length};
    enum { ROOM = 8 };
    struct term stack[ROOM];
    unsigned depth = 0;
    bool bad = false;
    while (c.at < c.end && !c.bad && !bad) {
        uint8_t op = (uint8_t)take(&c, 1);
        struct term pushed = {CONSTANT, false, 0};
        if (op >= 0x30 && op <= 0x4f) {
            pushed.value = op - 0x30;
        } else if (op >= 0x70 && op <= 0x8f) {
            unsigned reg = op - 0x70u;
            pushed.value = take_sleb(&c);
            if (reg == REG_SP || reg == REG_BP || reg == REG_BX)
                pushed.base = reg == REG_SP ? SP : reg == REG_BP ? BP : BX;
            else if (reg == REG_PC)
                pushed.value += (int64_t)pc;
            else
                bad = true;
        } else if (op >= 0x08 && op <= 0x0f) { // const1u, const1s, const2u, …, const8s
            size_t bytes = (size_t)1 << ((op - 0x08) / 2);
            uint64_t value = take(&c, bytes);
            pushed.value = op & 1 ? sign_extend(value, bytes) : (int64_t)value;
        } else if (op == 0x10) {
            pushed.value = (int64_t)take_uleb(&c);
        } else if (op == 0x11) {
            pushed.value = take_sleb(&c);
        } else if (op == 0x06 && depth) { // deref
            bad = stack[depth - 1].base == CONSTANT || stack[depth - 1].loaded;
            stack[depth - 1].loaded = true;
            continue;
        } else if (op == 0x23 && depth) { // plus_uconst
            pushed.value = (int64_t)take_uleb(&c);
            stack[depth - 1] = apply(0x22, stack[depth - 1], pushed, &bad);
            continue;
        } else if (depth >= 2) {
            depth--;
            stack[depth - 1] = apply(op, stack[depth - 1], stack[depth], &bad);
            continue;
        } else {
            bad = true;
        }
        if (depth == ROOM)
            return false;
        stack[depth++] = pushed;
    }
    if (bad || c.bad || depth == 0)
        return false;
    *out = stack[depth - 1];
    return true;
}

/* ---- the call frame program -------------------------------------------------------------------------------------------------- */

/* Kept small: several of these are on a host's stack at once. */
enum rule { SAME, UNDEFINED, AT_CFA, EXPRESSION, OTHER };
struct place {
    int32_t offset;
    uint8_t rule;
};
struct rules {
    int64_t offset;
    struct block cfa, bp_at; // where they are by expression
    struct place bp, bx, pc;
    uint8_t reg;
    bool by_expression;
};

static uint8_t known_register(uint64_t reg)
{
    return reg <= REG_PC ? (uint8_t)reg : UINT8_MAX;
}

static struct place *place_of(struct rules *rules, uint64_t reg)
{
    return reg == REG_BP ? &rules->bp : reg == REG_BX ? &rules->bx : reg == REG_PC ? &rules->pc : NULL;
}

static void set_place(struct rules *rules, uint64_t reg, enum rule rule, int64_t offset)
{
    struct place *place = place_of(rules, reg);
    if (place) {
        place->rule = offset == (int32_t)offset ? (uint8_t)rule : OTHER;
        place->offset = (int32_t)offset;
    }
}

static void restore_place(struct rules *rules, const struct rules *initial, uint64_t reg)
{
    if (reg == REG_BP) {
        rules->bp = initial->bp;
        rules->bp_at = initial->bp_at;
    } else if (reg == REG_BX)
        rules->bx = initial->bx;
    else if (reg == REG_PC)
        rules->pc = initial->pc;
}

static struct block take_block(struct cursor *c)
{
    uint64_t length = take_uleb(c);
    const uint8_t *at = c->at;
    if (length > UINT32_MAX || length > (uint64_t)(c->end - at)) {
        c->bad = true;
        length = 0;
    }
    c->at += length;
    return (struct block){at, (uint32_t)length};
}

/* Run PROGRAM until the row of PC. *LOCATION is where the rules hold from. False when it cannot be followed. */
static bool run(struct cursor c, const struct frame_entry *entry, uintptr_t pc, uintptr_t *location,
                const struct rules *initial, struct rules *rules)
{
    enum { REMEMBERED = 3 };
    struct rules remembered[REMEMBERED];
    unsigned depth = 0;
    while (c.at < c.end && !c.bad) {
        uint8_t byte = (uint8_t)take(&c, 1), op = byte & 0xc0 ? byte & 0xc0 : byte;
        uint64_t low = byte & 0x3f, reg, steps = 0;
        bool advances = false;
        // clang-format off
        switch (op) {
        case 0x00: break;
        case 0x40: steps = low; advances = true; break;
        case 0x02: steps = take(&c, 1); advances = true; break;
        case 0x03: steps = take(&c, 2); advances = true; break;
        case 0x04: steps = take(&c, 4); advances = true; break;
        case 0x01: // set_loc
            *location = take_encoded(&c, entry->encoding);
            if (*location > pc)
                return true;
            break;
        case 0x80: set_place(rules, low, AT_CFA, (int64_t)take_uleb(&c) * entry->data_align); break;
        case 0x05: reg = take_uleb(&c); set_place(rules, reg, AT_CFA, (int64_t)take_uleb(&c) * entry->data_align); break;
        case 0x11: reg = take_uleb(&c); set_place(rules, reg, AT_CFA, take_sleb(&c) * entry->data_align); break;
        case 0x2f: reg = take_uleb(&c); set_place(rules, reg, AT_CFA, -(int64_t)take_uleb(&c) * entry->data_align); break;
        case 0xc0: restore_place(rules, initial, low); break;
        case 0x06: restore_place(rules, initial, take_uleb(&c)); break;
        case 0x07: set_place(rules, take_uleb(&c), UNDEFINED, 0); break;
        case 0x08: set_place(rules, take_uleb(&c), SAME, 0); break;
        case 0x09: reg = take_uleb(&c); take_uleb(&c); set_place(rules, reg, OTHER, 0); break;
        case 0x14: reg = take_uleb(&c); take_uleb(&c); set_place(rules, reg, OTHER, 0); break;
        case 0x15: reg = take_uleb(&c); take_sleb(&c); set_place(rules, reg, OTHER, 0); break;
        case 0x16: reg = take_uleb(&c); take_block(&c); set_place(rules, reg, OTHER, 0); break;
        case 0x10: {
            reg = take_uleb(&c);
            struct block block = take_block(&c);
            set_place(rules, reg, EXPRESSION, 0);
            if (reg == REG_BP)
                rules->bp_at = block;
            break;
        }
        case 0x0a:
            if (depth == REMEMBERED)
                return false;
            remembered[depth++] = *rules;
            break;
        case 0x0b:
            if (depth == 0)
                return false;
            *rules = remembered[--depth];
            break;
        case 0x0c: rules->by_expression = false; rules->reg = known_register(take_uleb(&c)); rules->offset = (int64_t)take_uleb(&c); break;
        case 0x12: rules->by_expression = false; rules->reg = known_register(take_uleb(&c)); rules->offset = take_sleb(&c) * entry->data_align; break;
        case 0x0d: rules->reg = known_register(take_uleb(&c)); break;
        case 0x0e: rules->offset = (int64_t)take_uleb(&c); break;
        case 0x13: rules->offset = take_sleb(&c) * entry->data_align; break;
        case 0x0f: rules->by_expression = true; rules->cfa = take_block(&c); break;
        case 0x2e: take_uleb(&c); break; // GNU_args_size
        default: return false;
        }
        // clang-format on
        if (advances && (*location += steps * entry->code_align) > pc)
            return true;
    }
    return !c.bad && !c.cut;
}

/* ---- from rules to a row ----------------------------------------------------------------------------------------------------------- */

static const struct gs_row STRANGE = {.kind = GS_ROW_STRANGE};

static bool fits(int64_t offset)
{
    return offset == (int32_t)offset;
}

/* What a packed row has room for (walk.c). */
static bool fits_place(int64_t offset)
{
    return offset % 8 == 0 && offset > GS_BX_LOST && offset < -GS_BX_LOST;
}

static enum gs_row_kind kind_of(struct term cfa)
{
    switch (cfa.base) {
    case SP: return cfa.loaded ? GS_ROW_SP_DEREF : GS_ROW_SP;
    case BP: return cfa.loaded ? GS_ROW_BP_DEREF : GS_ROW_BP;
    case BX: return cfa.loaded ? GS_ROW_STRANGE : GS_ROW_BX;
    case CONSTANT: break;
    }
    return GS_ROW_STRANGE;
}

static void set_bp(struct gs_row *row, const struct rules *rules, uintptr_t pc)
{
    const struct place *bp = &rules->bp;
    struct term at;
    row->bp = GS_BP_LOST;
    if (bp->rule == SAME) {
        row->bp = GS_BP_SAME;
    } else if (bp->rule == AT_CFA && fits_place(bp->offset)) {
        row->bp = GS_BP_AT_CFA;
        row->bp_offset = bp->offset;
    } else if (bp->rule == EXPRESSION && evaluate(&rules->bp_at, pc, &at) && at.base == BP && !at.loaded &&
               fits_place(at.value)) {
        row->bp = GS_BP_AT_BP;
        row->bp_offset = (int32_t)at.value;
    }
}

static void set_bx(struct gs_row *row, const struct place *bx)
{
    if (bx->rule == AT_CFA && bx->offset != GS_BX_SAME && fits_place(bx->offset))
        row->bx_offset = bx->offset;
    else
        row->bx_offset = bx->rule == SAME ? GS_BX_SAME : GS_BX_LOST;
}

static struct gs_row row_of(const struct rules *rules, uintptr_t pc)
{
    struct gs_row row = {.kind = GS_ROW_STRANGE};
    struct term cfa = {rules->reg == REG_SP   ? SP
                       : rules->reg == REG_BP ? BP
                       : rules->reg == REG_BX ? BX
                                              : CONSTANT,
                       false, rules->offset};
    if (rules->pc.rule == UNDEFINED)
        return (struct gs_row){.kind = GS_ROW_END};
    if (rules->pc.rule != AT_CFA || rules->pc.offset != -8)
        return STRANGE;
    if (rules->by_expression && !evaluate(&rules->cfa, pc, &cfa))
        return STRANGE;
    if (!fits(cfa.value))
        return STRANGE;
    row.kind = kind_of(cfa);
    row.cfa_offset = (int32_t)cfa.value;
    set_bp(&row, rules, pc);
    set_bx(&row, &rules->bx);
    return row;
}

static struct gs_row compile(uintptr_t pc, struct copies *copies)
{
    struct object object = {.copies = copies};
    struct frame_entry entry;
    const uint8_t *fde = find_object(pc, &object) ? search(&object, pc) : NULL;
    if (!fde)
        return (struct gs_row){.kind = GS_ROW_NONE};
    if (!read_fde(fde, &object, &entry))
        return STRANGE;
    if (pc - entry.start >= entry.length)
        return (struct gs_row){.kind = GS_ROW_NONE};
    if (entry.signal)
        return (struct gs_row){.kind = GS_ROW_SIGNAL};
    struct rules initial = {.pc = {.rule = AT_CFA, .offset = -8}}, rules;
    uintptr_t location = 0;
    if (!run(entry.initial, &entry, UINTPTR_MAX, &location, &initial, &initial))
        return STRANGE;
    rules = initial;
    location = entry.start;
    if (!run(entry.program, &entry, pc, &location, &initial, &rules))
        return STRANGE;
    return row_of(&rules, pc);
}

struct gs_row gs_row_compile(uintptr_t pc)
{
    return compile(pc, NULL);
}

struct gs_row gs_row_compile_unsure(uintptr_t pc)
{
    struct copies copies;
    return compile(pc, &copies);
}

bool gs_row_function(uintptr_t pc, uintptr_t *start, uintptr_t *end)
{
    struct copies copies;
    struct object object = {.copies = &copies};
    struct frame_entry entry;
    const uint8_t *fde = find_object(pc, &object) ? search(&object, pc) : NULL;
    if (!fde || !read_fde(fde, &object, &entry) || pc - entry.start >= entry.length)
        return false;
    *start = entry.start;
    *end = entry.start + entry.length;
    return true;
}
