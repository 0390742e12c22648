/* rows.c - computes the row of an address: runs the call frame program of its unwind data and converts the result to a
 * gs_row.
 *
 *   pc ──frame_entry.c──▶ FDE, CIE ──▶ run both programs up to pc ──▶ struct rules ──▶ struct gs_row
 *
 * Only the rules that compilers and the linker's PLT produce fit into a row (sp, bp, bx, and where they were saved); for all
 * others the row is GS_ROW_UNSUPPORTED.
 * Who:    host threads on a cache miss, the watcher.
 * Bounds: the length of the programs; 800 bytes of stack, 1300 with copies. */
#include "probe/unwind/dwarf.h"

#if !defined(__x86_64__)
#error "the stack walk knows x86-64 only: port the register numbers in dwarf.h and the signal frame in walk.c"
#endif

/* ---- rules ------------------------------------------------------------------------------------------------------- */

/* Where the caller's registers are. Kept small: several of these are on a host's stack at once. */
enum rule { SAME, UNDEFINED, AT_CFA, EXPRESSION, OTHER };
struct register_rule {
    int32_t offset;
    uint8_t rule;
};
struct rules {
    int64_t offset;                  // CFA = reg + offset, unless cfa_by_expression
    struct gs_expression cfa, bp_at; // set if the CFA, or the address of the saved bp, is an expression
    struct register_rule bp, bx, pc;
    uint8_t reg;
    bool cfa_by_expression;
};

static uint8_t register_or_unknown(uint64_t reg)
{
    return reg <= GS_REG_PC ? (uint8_t)reg : UINT8_MAX;
}

static struct register_rule *rule_of(struct rules *rules, uint64_t reg)
{
    return reg == GS_REG_BP   ? &rules->bp
           : reg == GS_REG_BX ? &rules->bx
           : reg == GS_REG_PC ? &rules->pc
                              : NULL;
}

static void set_rule(struct rules *rules, uint64_t reg, enum rule rule, int64_t offset)
{
    struct register_rule *of_reg = rule_of(rules, reg);
    if (of_reg) {
        of_reg->rule = offset == (int32_t)offset ? (uint8_t)rule : OTHER;
        of_reg->offset = (int32_t)offset;
    }
}

static void restore_rule(struct rules *rules, const struct rules *initial, uint64_t reg)
{
    if (reg == GS_REG_BP) {
        rules->bp = initial->bp;
        rules->bp_at = initial->bp_at;
    } else if (reg == GS_REG_BX)
        rules->bx = initial->bx;
    else if (reg == GS_REG_PC)
        rules->pc = initial->pc;
}

/* ---- the call frame program -------------------------------------------------------------------------------------- */

/* The instructions. The first three carry an operand in their low six bits. */
enum {
    DW_CFA_advance_loc = 0x40,
    DW_CFA_offset = 0x80,
    DW_CFA_restore = 0xc0,
    DW_CFA_nop = 0x00,
    DW_CFA_set_loc = 0x01,
    DW_CFA_advance_loc1 = 0x02,
    DW_CFA_advance_loc2 = 0x03,
    DW_CFA_advance_loc4 = 0x04,
    DW_CFA_offset_extended = 0x05,
    DW_CFA_restore_extended = 0x06,
    DW_CFA_undefined = 0x07,
    DW_CFA_same_value = 0x08,
    DW_CFA_register = 0x09,
    DW_CFA_remember_state = 0x0a,
    DW_CFA_restore_state = 0x0b,
    DW_CFA_def_cfa = 0x0c,
    DW_CFA_def_cfa_register = 0x0d,
    DW_CFA_def_cfa_offset = 0x0e,
    DW_CFA_def_cfa_expression = 0x0f,
    DW_CFA_expression = 0x10,
    DW_CFA_offset_extended_sf = 0x11,
    DW_CFA_def_cfa_sf = 0x12,
    DW_CFA_def_cfa_offset_sf = 0x13,
    DW_CFA_val_offset = 0x14,
    DW_CFA_val_offset_sf = 0x15,
    DW_CFA_val_expression = 0x16,
    DW_CFA_GNU_args_size = 0x2e,
    DW_CFA_GNU_negative_offset_extended = 0x2f,
};

enum { REMEMBERED_MAX = 3 };
struct program { // a program that is being run
    struct gs_cursor code;
    const struct gs_frame_entry *entry;
    uintptr_t pc, location;      // the address whose rules we want; where the current rules begin
    const struct rules *initial; // what DW_CFA_restore restores
    struct rules *rules;         // the current rules
    unsigned remembered;
    struct rules stack[REMEMBERED_MAX]; // saved by DW_CFA_remember_state
};

enum progress { CONTINUES, REACHED, UNSUPPORTED }; // REACHED: the current rules are those of pc

static struct gs_expression take_expression(struct gs_cursor *c)
{
    uint64_t length = gs_cursor_take_uleb(c);
    const uint8_t *at = c->at;
    if (length > UINT32_MAX || length > (uint64_t)(c->end - at)) {
        c->bad = true;
        length = 0;
    }
    c->at += length;
    return (struct gs_expression){at, (uint32_t)length};
}

static enum progress move_to(struct program *p, uintptr_t location)
{
    p->location = location;
    return location > p->pc ? REACHED : CONTINUES;
}

static enum progress advance(struct program *p, uint64_t steps)
{
    return move_to(p, p->location + steps * p->entry->code_align);
}

static enum progress remember(struct program *p)
{
    if (p->remembered == REMEMBERED_MAX)
        return UNSUPPORTED;
    p->stack[p->remembered++] = *p->rules;
    return CONTINUES;
}

static enum progress restore_remembered(struct program *p)
{
    if (p->remembered == 0)
        return UNSUPPORTED;
    *p->rules = p->stack[--p->remembered];
    return CONTINUES;
}

/* The instructions that set the rule for the CFA. */
static enum progress define_cfa(struct program *p, uint8_t op)
{
    struct rules *rules = p->rules;
    struct gs_cursor *c = &p->code;
    if (op == DW_CFA_def_cfa_expression) {
        rules->cfa_by_expression = true;
        rules->cfa = take_expression(c);
        return CONTINUES;
    }
    if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_sf)
        rules->cfa_by_expression = false;
    if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_sf || op == DW_CFA_def_cfa_register)
        rules->reg = register_or_unknown(gs_cursor_take_uleb(c));
    if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_offset)
        rules->offset = (int64_t)gs_cursor_take_uleb(c);
    if (op == DW_CFA_def_cfa_sf || op == DW_CFA_def_cfa_offset_sf)
        rules->offset = gs_unwind_cursor_take_sleb(c) * p->entry->data_align;
    return CONTINUES;
}

/* The instructions that set the rule for the caller's register REG. */
static enum progress define_register(struct program *p, uint8_t op, uint64_t reg)
{
    struct rules *rules = p->rules;
    struct gs_cursor *c = &p->code;
    int64_t align = p->entry->data_align;
    // clang-format off
    switch (op) {
    case DW_CFA_offset:
    case DW_CFA_offset_extended: set_rule(rules, reg, AT_CFA, (int64_t)gs_cursor_take_uleb(c) * align); break;
    case DW_CFA_offset_extended_sf: set_rule(rules, reg, AT_CFA, gs_unwind_cursor_take_sleb(c) * align); break;
    case DW_CFA_GNU_negative_offset_extended: set_rule(rules, reg, AT_CFA, -(int64_t)gs_cursor_take_uleb(c) * align); break;
    case DW_CFA_restore:
    case DW_CFA_restore_extended: restore_rule(rules, p->initial, reg); break;
    case DW_CFA_undefined: set_rule(rules, reg, UNDEFINED, 0); break;
    case DW_CFA_same_value: set_rule(rules, reg, SAME, 0); break;
    case DW_CFA_register:
    case DW_CFA_val_offset: gs_cursor_take_uleb(c); set_rule(rules, reg, OTHER, 0); break;
    case DW_CFA_val_offset_sf: gs_unwind_cursor_take_sleb(c); set_rule(rules, reg, OTHER, 0); break;
    case DW_CFA_val_expression: take_expression(c); set_rule(rules, reg, OTHER, 0); break;
    case DW_CFA_expression: {
        struct gs_expression at = take_expression(c);
        set_rule(rules, reg, EXPRESSION, 0);
        if (reg == GS_REG_BP)
            rules->bp_at = at;
        break;
    }
    default: return UNSUPPORTED;
    }
    // clang-format on
    return CONTINUES;
}

static enum progress run_instruction(struct program *p)
{
    struct gs_cursor *c = &p->code;
    uint8_t byte = (uint8_t)gs_cursor_take(c, 1), op = byte & 0xc0 ? byte & 0xc0 : byte, low = byte & 0x3f;
    switch (op) {
    case DW_CFA_nop: return CONTINUES;
    case DW_CFA_advance_loc: return advance(p, low);
    case DW_CFA_advance_loc1: return advance(p, gs_cursor_take(c, 1));
    case DW_CFA_advance_loc2: return advance(p, gs_cursor_take(c, 2));
    case DW_CFA_advance_loc4: return advance(p, gs_cursor_take(c, 4));
    case DW_CFA_set_loc: return move_to(p, gs_unwind_cursor_take_encoded(c, p->entry->encoding));
    case DW_CFA_remember_state: return remember(p);
    case DW_CFA_restore_state: return restore_remembered(p);
    case DW_CFA_def_cfa:
    case DW_CFA_def_cfa_sf:
    case DW_CFA_def_cfa_register:
    case DW_CFA_def_cfa_offset:
    case DW_CFA_def_cfa_offset_sf:
    case DW_CFA_def_cfa_expression: return define_cfa(p, op);
    case DW_CFA_offset:
    case DW_CFA_restore: return define_register(p, op, low);
    case DW_CFA_GNU_args_size: gs_cursor_take_uleb(c); return CONTINUES;
    default: return define_register(p, op, gs_cursor_take_uleb(c));
    }
}

/* Run PROGRAM of ENTRY, which starts at LOCATION, until RULES are those of PC. False: PROGRAM is damaged, cut, or uses an
 * instruction that we do not support. */
static bool run_program(struct gs_cursor program, const struct gs_frame_entry *entry, uintptr_t location,
                        uintptr_t pc, const struct rules *initial, struct rules *rules)
{
    struct program p;
    p.code = program;
    p.entry = entry;
    p.pc = pc;
    p.location = location;
    p.initial = initial;
    p.rules = rules;
    p.remembered = 0;
    while (p.code.at < p.code.end && !p.code.bad) {
        enum progress progress = run_instruction(&p);
        if (progress != CONTINUES)
            return progress == REACHED;
    }
    return !p.code.bad && !p.code.cut;
}

/* ---- from rules to a row ----------------------------------------------------------------------------------------- */

static const struct gs_row UNSUPPORTED_ROW = {.kind = GS_ROW_UNSUPPORTED};

static bool fits_int32(int64_t offset)
{
    return offset == (int32_t)offset;
}

/* Can a packed row hold OFFSET: 13 bits, in units of 8 (walk.c)? */
static bool fits_row(int64_t offset)
{
    return offset % 8 == 0 && offset > GS_BX_LOST && offset < -GS_BX_LOST;
}

static enum gs_row_kind kind_of(struct gs_term cfa)
{
    switch (cfa.base) {
    case GS_TERM_SP: return cfa.loaded ? GS_ROW_SP_DEREF : GS_ROW_SP;
    case GS_TERM_BP: return cfa.loaded ? GS_ROW_BP_DEREF : GS_ROW_BP;
    case GS_TERM_BX: return cfa.loaded ? GS_ROW_UNSUPPORTED : GS_ROW_BX;
    case GS_TERM_CONSTANT: break;
    }
    return GS_ROW_UNSUPPORTED;
}

static void set_bp(struct gs_row *row, const struct rules *rules, uintptr_t pc)
{
    const struct register_rule *bp = &rules->bp;
    struct gs_term at;
    row->bp = GS_BP_LOST;
    if (bp->rule == SAME) {
        row->bp = GS_BP_SAME;
    } else if (bp->rule == AT_CFA && fits_row(bp->offset)) {
        row->bp = GS_BP_AT_CFA;
        row->bp_offset = bp->offset;
    } else if (bp->rule == EXPRESSION && gs_unwind_expression_evaluate(&rules->bp_at, pc, &at) &&
               at.base == GS_TERM_BP && !at.loaded && fits_row(at.value)) {
        row->bp = GS_BP_AT_BP;
        row->bp_offset = (int32_t)at.value;
    }
}

static void set_bx(struct gs_row *row, const struct register_rule *bx)
{
    if (bx->rule == AT_CFA && bx->offset != GS_BX_SAME && fits_row(bx->offset))
        row->bx_offset = bx->offset;
    else
        row->bx_offset = bx->rule == SAME ? GS_BX_SAME : GS_BX_LOST;
}

static struct gs_row row_of(const struct rules *rules, uintptr_t pc)
{
    struct gs_row row = {.kind = GS_ROW_UNSUPPORTED};
    struct gs_term cfa = {rules->reg == GS_REG_SP   ? GS_TERM_SP
                          : rules->reg == GS_REG_BP ? GS_TERM_BP
                          : rules->reg == GS_REG_BX ? GS_TERM_BX
                                                    : GS_TERM_CONSTANT,
                          false, rules->offset};
    if (rules->pc.rule == UNDEFINED)
        return (struct gs_row){.kind = GS_ROW_END};
    if (rules->pc.rule != AT_CFA || rules->pc.offset != -8)
        return UNSUPPORTED_ROW;
    if (rules->cfa_by_expression && !gs_unwind_expression_evaluate(&rules->cfa, pc, &cfa))
        return UNSUPPORTED_ROW;
    if (!fits_int32(cfa.value))
        return UNSUPPORTED_ROW;
    row.kind = kind_of(cfa);
    row.cfa_offset = (int32_t)cfa.value;
    set_bp(&row, rules, pc);
    set_bx(&row, &rules->bx);
    return row;
}

/* See gs_unwind_frame_entry_find for COPIES. */
static struct gs_row compile(uintptr_t pc, struct gs_entry_copies *copies)
{
    struct gs_frame_entry entry;
    enum gs_entry_found found = gs_unwind_frame_entry_find(pc, copies, &entry);
    if (found == GS_ENTRY_NONE)
        return (struct gs_row){.kind = GS_ROW_NONE};
    if (found == GS_ENTRY_UNSUPPORTED)
        return UNSUPPORTED_ROW;
    if (entry.signal)
        return (struct gs_row){.kind = GS_ROW_SIGNAL};
    struct rules initial = {.pc = {.rule = AT_CFA, .offset = -8}}, rules;
    if (!run_program(entry.initial, &entry, 0, UINTPTR_MAX, &initial, &initial))
        return UNSUPPORTED_ROW;
    rules = initial;
    if (!run_program(entry.program, &entry, entry.start, pc, &initial, &rules))
        return UNSUPPORTED_ROW;
    return row_of(&rules, pc);
}

struct gs_row gs_unwind_row_compile(uintptr_t pc)
{
    return compile(pc, NULL);
}

struct gs_row gs_unwind_row_compile_unsure(uintptr_t pc)
{
    struct gs_entry_copies copies;
    return compile(pc, &copies);
}
