/* expression.c - evaluates DWARF expressions in unwind data symbolically: register + constant, at most one load.
 *
 *   DW_OP_breg7 8  DW_OP_deref   ──stack of terms──▶   *(sp + 8)
 *
 * That covers what compilers and the linker's PLT produce; anything else is refused.
 * Who: host threads on a cache miss, the watcher. Bounds: DEPTH terms on a stack of its own; the expression's length. */
#include "probe/unwind/dwarf.h"

/* The supported operations; for a range (lit0 to lit31): its first and last. */
enum {
    DW_OP_deref = 0x06,
    DW_OP_const1u = 0x08, // const1u, const1s, const2u, …: the unsigned ones are even
    DW_OP_const8s = 0x0f,
    DW_OP_constu = 0x10,
    DW_OP_consts = 0x11,
    DW_OP_and = 0x1a,
    DW_OP_minus = 0x1c,
    DW_OP_mul = 0x1e,
    DW_OP_or = 0x21,
    DW_OP_plus = 0x22,
    DW_OP_plus_uconst = 0x23,
    DW_OP_shl = 0x24,
    DW_OP_shr = 0x25,
    DW_OP_xor = 0x27,
    DW_OP_eq = 0x29,
    DW_OP_ge = 0x2a,
    DW_OP_gt = 0x2b,
    DW_OP_le = 0x2c,
    DW_OP_lt = 0x2d,
    DW_OP_ne = 0x2e,
    DW_OP_lit0 = 0x30,
    DW_OP_lit31 = 0x4f,
    DW_OP_breg0 = 0x70,
    DW_OP_breg31 = 0x8f,
};

enum { DEPTH = 8 };
struct evaluation {
    struct gs_cursor code;
    uintptr_t pc;
    unsigned depth; // number of terms on the stack
    bool bad;       // the expression uses an operation that we do not support
    struct gs_term stack[DEPTH];
};

/* ---- operations that push a term --------------------------------------------------------------------------------- */

static void push(struct evaluation *e, struct gs_term term)
{
    if (e->depth == DEPTH)
        e->bad = true;
    else
        e->stack[e->depth++] = term;
}

static struct gs_term constant(int64_t value)
{
    return (struct gs_term){.base = GS_TERM_CONSTANT, .value = value};
}

/* The register REG plus the offset that follows in the code. The pc's value is known, so the result is a constant. */
static struct gs_term take_register(struct evaluation *e, unsigned reg)
{
    struct gs_term term = constant(gs_unwind_cursor_take_sleb(&e->code));
    if (reg == GS_REG_SP)
        term.base = GS_TERM_SP;
    else if (reg == GS_REG_BP)
        term.base = GS_TERM_BP;
    else if (reg == GS_REG_BX)
        term.base = GS_TERM_BX;
    else if (reg == GS_REG_PC)
        term.value += (int64_t)e->pc;
    else
        e->bad = true;
    return term;
}

static struct gs_term take_constant(struct evaluation *e, uint8_t op)
{
    size_t bytes = (size_t)1 << ((op - DW_OP_const1u) / 2);
    uint64_t value = gs_cursor_take(&e->code, bytes);
    return constant(op & 1 ? gs_unwind_sign_extend(value, bytes) : (int64_t)value);
}

/* Run OP if it pushes a term. False: it does not. */
static bool push_operand(struct evaluation *e, uint8_t op)
{
    if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
        push(e, constant(op - DW_OP_lit0));
    else if (op >= DW_OP_breg0 && op <= DW_OP_breg31)
        push(e, take_register(e, op - (unsigned)DW_OP_breg0));
    else if (op >= DW_OP_const1u && op <= DW_OP_const8s)
        push(e, take_constant(e, op));
    else if (op == DW_OP_constu)
        push(e, constant((int64_t)gs_cursor_take_uleb(&e->code)));
    else if (op == DW_OP_consts)
        push(e, constant(gs_unwind_cursor_take_sleb(&e->code)));
    else
        return false;
    return true;
}

/* ---- operations on terms on the stack ---------------------------------------------------------------------------- */

static int64_t combine(uint8_t op, int64_t a, int64_t b, bool *bad)
{
    // clang-format off
    switch (op) {
    case DW_OP_and: return a & b;
    case DW_OP_minus: return (int64_t)((uint64_t)a - (uint64_t)b);
    case DW_OP_mul: return (int64_t)((uint64_t)a * (uint64_t)b);
    case DW_OP_or: return a | b;
    case DW_OP_plus: return (int64_t)((uint64_t)a + (uint64_t)b);
    case DW_OP_shl: return (int64_t)((uint64_t)a << (b & 63));
    case DW_OP_shr: return (int64_t)((uint64_t)a >> (b & 63));
    case DW_OP_xor: return a ^ b;
    case DW_OP_eq: return a == b;
    case DW_OP_ge: return a >= b;
    case DW_OP_gt: return a > b;
    case DW_OP_le: return a <= b;
    case DW_OP_lt: return a < b;
    case DW_OP_ne: return a != b;
    default: *bad = true; return 0;
    }
    // clang-format on
}

/* a OP b. Two constants are computed; a register plus or minus a constant stays a term. All else sets *BAD. */
static struct gs_term apply(uint8_t op, struct gs_term a, struct gs_term b, bool *bad)
{
    if (a.base == GS_TERM_CONSTANT && b.base != GS_TERM_CONSTANT && op == DW_OP_plus) {
        struct gs_term swapped = a;
        a = b;
        b = swapped;
    }
    if (b.base != GS_TERM_CONSTANT ||
        (a.base != GS_TERM_CONSTANT && (a.loaded || (op != DW_OP_plus && op != DW_OP_minus))))
        *bad = true;
    a.value = combine(op, a.value, b.value, bad);
    return a;
}

/* Make *TERM a load from its address: only for a register plus a constant, and only once. */
static void make_load(struct gs_term *term, bool *bad)
{
    *bad = term->base == GS_TERM_CONSTANT || term->loaded;
    term->loaded = true;
}

/* Run OP, which works on the top term or the top two terms. */
static void apply_operation(struct evaluation *e, uint8_t op)
{
    if (op == DW_OP_deref && e->depth >= 1) {
        make_load(&e->stack[e->depth - 1], &e->bad);
    } else if (op == DW_OP_plus_uconst && e->depth >= 1) {
        struct gs_term addend = constant((int64_t)gs_cursor_take_uleb(&e->code));
        e->stack[e->depth - 1] = apply(DW_OP_plus, e->stack[e->depth - 1], addend, &e->bad);
    } else if (e->depth >= 2) {
        e->depth--;
        e->stack[e->depth - 1] = apply(op, e->stack[e->depth - 1], e->stack[e->depth], &e->bad);
    } else {
        e->bad = true;
    }
}

bool gs_unwind_expression_evaluate(const struct gs_expression *expression, uintptr_t pc, struct gs_term *out)
{
    struct evaluation e = {.code = {.at = expression->at, .end = expression->at + expression->length},
                           .pc = pc};
    while (e.code.at < e.code.end && !e.code.bad && !e.bad) {
        uint8_t op = (uint8_t)gs_cursor_take(&e.code, 1);
        if (!push_operand(&e, op))
            apply_operation(&e, op);
    }
    if (e.bad || e.code.bad || e.depth == 0)
        return false;
    *out = e.stack[e.depth - 1];
    return true;
}
