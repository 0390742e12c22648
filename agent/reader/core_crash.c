/* core_crash.c - how the process of a core file crashed: the signal's siginfo, a stack overflow, the C library's message.
 *
 *   NT_SIGINFO ──▶ code, address or sender ;  sp, address and the segments ──▶ is the fault just below the stack?
 *   the C library's .dynsym ──▶ __abort_msg ──▶ { unsigned size; char text[] }
 *
 * The core file is not trusted: each read may fail, and counts are bounded.
 * Context: CLI. */
#include "reader/reader.h"
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- an overflow ------------------------------------------------------------------------------------------------------ */

/* As probe/threads/crash_walk.c has it: the fault is near SP, in no readable memory, and SP is at the low end of the first
 * readable memory above it. */
static bool has_overflowed(const struct gs_core *core, const struct gs_given_crash *crash)
{
    enum { RED_ZONE = 64 << 10, FRAME_MAX = 1 << 20, PAGE = 4096 };
    uint64_t sp = core->sp, address = crash->address;
    if (crash->signal != SIGSEGV || !crash->has_address || address == core->pc || address + RED_ZONE < sp ||
        address > sp + FRAME_MAX)
        return false;
    for (size_t i = 0; i < core->segment_count; i++) {
        const struct gs_core_segment *segment = &core->segment[i];
        if (segment->end <= address || !(segment->flags & PF_R))
            continue;
        return segment->start > address && segment->start - address <= RED_ZONE + FRAME_MAX &&
               sp < segment->start + PAGE;
    }
    return false;
}

/* ---- the C library's message -------------------------------------------------------------------------------------------- */

enum { SEGMENTS_MAX = 64, DYNAMIC_MAX = 256, SYMBOLS_MAX = 1 << 16 };

struct dynamic { // addresses in the process
    uint64_t symbols, names;
};

/* The loader stores addresses there; in a file that was never loaded they are relative to BIAS. */
static uint64_t rebase(uint64_t value, uint64_t base, uint64_t bias)
{
    return value < base ? value + bias : value;
}

static bool read_dynamic(const struct gs_core *core, uint64_t base, uint64_t at, struct dynamic *out)
{
    Elf64_Dyn entry;
    for (int i = 0; i < DYNAMIC_MAX; i++, at += sizeof entry) {
        if (!gs_reader_core_read(core, at, &entry, sizeof entry) || entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_SYMTAB)
            out->symbols = rebase(entry.d_un.d_ptr, base, base);
        else if (entry.d_tag == DT_STRTAB)
            out->names = rebase(entry.d_un.d_ptr, base, base);
    }
    return out->symbols && out->names > out->symbols; // glibc's names follow its symbols
}

/* The dynamic section of the image at BASE, which begins at address 0 of its file, as shared libraries do. */
static bool find_dynamic(const struct gs_core *core, uint64_t base, struct dynamic *out)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment[SEGMENTS_MAX];
    if (!gs_reader_core_read(core, base, &header, sizeof header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phnum > SEGMENTS_MAX ||
        !gs_reader_core_read(core, base + header.e_phoff, segment, header.e_phnum * sizeof *segment))
        return false;
    for (int i = 0; i < header.e_phnum; i++)
        if (segment[i].p_type == PT_DYNAMIC)
            return read_dynamic(core, base, base + segment[i].p_vaddr, out);
    return false;
}

/* The address of the variable NAME in the image at BASE; 0: none. */
static uint64_t find_variable(const struct gs_core *core, uint64_t base, const char *name)
{
    struct dynamic dynamic = {0};
    char here[32] = "";
    if (!find_dynamic(core, base, &dynamic) || strlen(name) >= sizeof here)
        return 0;
    uint64_t count = (dynamic.names - dynamic.symbols) / sizeof(Elf64_Sym);
    for (uint64_t i = 1; i < count && i < SYMBOLS_MAX; i++) {
        Elf64_Sym symbol;
        if (!gs_reader_core_read(core, dynamic.symbols + i * sizeof symbol, &symbol, sizeof symbol))
            return 0;
        if (ELF64_ST_TYPE(symbol.st_info) == STT_OBJECT && symbol.st_shndx != SHN_UNDEF &&
            gs_reader_core_read(core, dynamic.names + symbol.st_name, here, strlen(name) + 1) &&
            memcmp(here, name, strlen(name) + 1) == 0)
            return base + symbol.st_value;
    }
    return 0;
}

/* The start of the C library's image; 0: it is not in the core. */
static uint64_t find_c_library(const struct gs_core *core)
{
    for (size_t i = 0; i < core->file_count; i++) {
        const char *name = gs_text_base_name(core->file[i].path);
        if (core->file[i].offset == 0 &&
            (strncmp(name, "libc.so", 7) == 0 || strncmp(name, "libc-2", 6) == 0))
            return gs_reader_core_image(core, core->file[i].start);
    }
    return 0;
}

static void read_message(const struct gs_core *core, char out[GS_CRASH_TEXT])
{
    uint64_t base = find_c_library(core), message;
    uint64_t variable = base ? find_variable(core, base, "__abort_msg") : 0;
    uint32_t size;
    if (!variable || !gs_reader_core_read(core, variable, &message, sizeof message) || !message ||
        !gs_reader_core_read(core, message, &size, sizeof size) || size <= sizeof size)
        return;
    size_t length = size - sizeof size < GS_CRASH_TEXT - 1 ? size - sizeof size : GS_CRASH_TEXT - 1;
    if (!gs_reader_core_read(core, message + sizeof size, out, length))
        length = 0;
    out[length] = 0;
    for (size_t end = strlen(out); end > 0 && out[end - 1] == '\n'; end--)
        out[end - 1] = 0;
}

/* ---- the crash ---------------------------------------------------------------------------------------------------------- */

/* Signals that a fault of the program raises, or that the program sends itself because of one. */
static bool is_of_crash(int signal)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (signals[i] == signal)
            return true;
    return false;
}

bool gs_reader_core_crash(const struct gs_core *core, const struct gs_core_stack *stack,
                          const struct gs_given_thread *thread, struct gs_given_crash *out)
{
    if (!is_of_crash(core->signal))
        return false;
    *out = (struct gs_given_crash){
        .signal = core->signal,
        .code = core->has_siginfo ? core->siginfo.si_code : 1, // without it, take it for a fault
        .time_ns = core->written_ns,
        .depth = stack->depth > thread->depth ? stack->depth : thread->depth,
        .inner = stack->inner < thread->depth ? stack->inner : thread->depth,
        .thread = *thread,
    };
    if (core->has_siginfo && out->code > 0) {
        out->address = (uint64_t)(uintptr_t)core->siginfo.si_addr;
        out->has_address = out->code != SI_KERNEL && out->signal != SIGTRAP;
    } else if (core->has_siginfo) {
        out->sender = core->siginfo.si_pid;
    } else if (out->signal == SIGABRT) { // only programs send it
        out->sender = core->pid;
        out->code = SI_TKILL;
    }
    out->overflow = has_overflowed(core, out);
    if (out->signal == SIGABRT)
        read_message(core, out->message);
    return true;
}
