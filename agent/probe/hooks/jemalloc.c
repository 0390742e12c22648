/* jemalloc.c - allocation functions that only some allocators have: jemalloc's own (mallocx, dallocx, ...) and C23's
 * free_sized and free_aligned_sized.
 *
 *   the loader relocates us ──▶ show_names: has the allocator below this name? ──yes──▶ its version becomes that of malloc:
 *                                                                                       from here on it is found before the
 *                                                                                       allocator's
 *                                                                             └─no───▶ it stays hidden
 *
 * A program tests for these names (weak references, dlsym) to learn whether it runs on jemalloc. So they must not be seen
 * where the allocator has none. They are linked with a version that is hidden (packaging/versions.map): the loader passes
 * over them. Our own calls of the same names are weak and have no version, so that the loader resolves them to the
 * allocator's functions, or to NULL. What is written to is our own table of versions, one page, made writable meanwhile.
 *
 * The main program is relocated after us, so all its references come by here, as do dlsym, calls that are bound when they
 * are first made, and libraries that are opened later. A library that is relocated before us with its references bound at
 * once (-z now, or it takes the function's address) has the allocator's functions already: docs/limits.md.
 * In the shared library alone: in a static one these names would be seen by every program that is linked with it.
 * Blocks in an arena that the caller names (MALLOCX_ARENA) are not counted: such an arena may be emptied as a whole, and
 * what it held would stay counted.
 * Who:    host threads; show_names once, from the loader, before any constructor. */
#include "probe/hooks/inside.h"
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define HOOK         __attribute__((visibility("default"), used))
#define CALLED       static __attribute__((noinline))
#define HIDDEN(name) __asm__(".symver gs_hooks_" #name ", " #name "@GUMSHOE_ALLOCATOR")

enum { PAGE = 4096, ARENA_SHIFT = 20 }; // of jemalloc's flags: from this bit on, the arena's number plus 1

/* ---- the allocator's functions ----------------------------------------------------------------------------------- */

/* They are called and nothing else. A reference for their address might lead to the program's own entry for calls of it, and
 * that leads here. */
#define THEIRS __attribute__((weak))
THEIRS void *mallocx(size_t size, int flags);
THEIRS void *rallocx(void *ptr, size_t size, int flags);
THEIRS size_t xallocx(void *ptr, size_t size, size_t extra, int flags);
THEIRS void dallocx(void *ptr, int flags);
THEIRS void sdallocx(void *ptr, size_t size, int flags);
THEIRS void free_sized(void *ptr, size_t size);
THEIRS void free_aligned_sized(void *ptr, size_t alignment, size_t size);

/* ---- the hooks --------------------------------------------------------------------------------------------------- */

CALLED void *sampled_mallocx(size_t size, int flags)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = gs_heap_sampler_begin(size);
    void *ptr = mallocx(size, flags);
    gs_heap_sampler_record(ptr, size, drawn_with, caller);
    return ptr;
}

HIDDEN(mallocx);
HOOK void *gs_hooks_mallocx(size_t size, int flags);
HOOK void *gs_hooks_mallocx(size_t size, int flags)
{
    if (flags >> ARENA_SHIFT)
        return mallocx(size, flags);
    return gs_due(size) ? sampled_mallocx(size, flags) : mallocx(size, flags);
}

CALLED void *sampled_rallocx(void *ptr, size_t size, int flags, bool due)
{
    struct gs_caller caller = GS_CALLER();
    struct gs_live held;
    uint64_t drawn_with = due ? gs_heap_sampler_begin(size) : 0;
    bool known = gs_maybe_sampled(ptr) && gs_heap_live_take(ptr, &held);
    void *moved = rallocx(ptr, size, flags);
    if (known && !moved)
        gs_heap_sampler_put_back(ptr, &held);
    else if (known)
        gs_heap_sampler_release(&held);
    gs_heap_sampler_record(moved, size, drawn_with, caller);
    return moved;
}

HIDDEN(rallocx);
HOOK void *gs_hooks_rallocx(void *ptr, size_t size, int flags);
HOOK void *gs_hooks_rallocx(void *ptr, size_t size, int flags)
{
    bool due = !(flags >> ARENA_SHIFT) && gs_due(size);
    return due || gs_maybe_sampled(ptr) ? sampled_rallocx(ptr, size, flags, due) : rallocx(ptr, size, flags);
}

/* The block at PTR stays where it is and now holds SIZE bytes: from here on it is a block like any other of that size. */
CALLED size_t sampled_resize(void *ptr, size_t size, size_t usable, bool due)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = due ? gs_heap_sampler_begin(size) : 0;
    gs_heap_sampler_forget(ptr);
    gs_heap_sampler_record(ptr, size, drawn_with, caller);
    return usable;
}

HIDDEN(xallocx);
HOOK size_t gs_hooks_xallocx(void *ptr, size_t size, size_t extra, int flags);
HOOK size_t gs_hooks_xallocx(void *ptr, size_t size, size_t extra, int flags)
{
    size_t usable = xallocx(ptr, size, extra, flags);
    if (usable < size)
        return usable; // it could not: the block is as it was
    size_t asked = usable - size < extra ? usable : size + extra;
    bool due = !(flags >> ARENA_SHIFT) && gs_due(asked);
    return due || gs_maybe_sampled(ptr) ? sampled_resize(ptr, asked, usable, due) : usable;
}

static inline void forget(void *ptr)
{
    if (gs_maybe_sampled(ptr))
        gs_heap_sampler_forget(ptr);
}

HIDDEN(dallocx);
HOOK void gs_hooks_dallocx(void *ptr, int flags);
HOOK void gs_hooks_dallocx(void *ptr, int flags)
{
    forget(ptr);
    dallocx(ptr, flags);
}

HIDDEN(sdallocx);
HOOK void gs_hooks_sdallocx(void *ptr, size_t size, int flags);
HOOK void gs_hooks_sdallocx(void *ptr, size_t size, int flags)
{
    forget(ptr);
    sdallocx(ptr, size, flags);
}

HIDDEN(free_sized);
HOOK void gs_hooks_free_sized(void *ptr, size_t size);
HOOK void gs_hooks_free_sized(void *ptr, size_t size)
{
    forget(ptr);
    free_sized(ptr, size);
}

HIDDEN(free_aligned_sized);
HOOK void gs_hooks_free_aligned_sized(void *ptr, size_t alignment, size_t size);
HOOK void gs_hooks_free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
    forget(ptr);
    free_aligned_sized(ptr, alignment, size);
}

/* ---- shown where the allocator has them --------------------------------------------------------------------------- */

/* Our own dynamic symbols, as the loader finds them by DT_GNU_HASH: buckets of neighbours in the table of symbols. */
struct symbols {
    const uint32_t *hash;
    const ElfW(Sym) * symbol;
    const char *text;
    uint16_t *version;       // of each symbol; from 0x8000 on: hidden
    const ElfW(Rela) * call; // what we call of others, one for each function
    size_t calls;
};

extern const char __ehdr_start[] __attribute__((visibility("hidden"))); // of the linker: where we begin

/* The loader has added our address to these entries already, or it leaves them as they are in the file. */
static uintptr_t address_of(const ElfW(Dyn) * entry)
{
    uintptr_t at = entry->d_un.d_ptr, start = (uintptr_t)__ehdr_start;
    return at < start ? at + start : at;
}

static struct symbols own_symbols(void)
{
    struct symbols own = {0};
    for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++) {
        uintptr_t at = address_of(entry);
        if (entry->d_tag == DT_GNU_HASH)
            own.hash = (const uint32_t *)at;
        else if (entry->d_tag == DT_SYMTAB)
            own.symbol = (const ElfW(Sym) *)at;
        else if (entry->d_tag == DT_STRTAB)
            own.text = (const char *)at;
        else if (entry->d_tag == DT_VERSYM)
            own.version = (uint16_t *)at;
        else if (entry->d_tag == DT_JMPREL)
            own.call = (const ElfW(Rela) *)at;
        else if (entry->d_tag == DT_PLTRELSZ)
            own.calls = entry->d_un.d_val / sizeof(ElfW(Rela));
    }
    return own;
}

static bool is_name(const char *text, const char *name)
{
    while (*text == *name && *name)
        text++, name++;
    return *text == *name;
}

/* The version of our symbol NAME; NULL: there is no such symbol, or no such table. */
static uint16_t *version_of(const struct symbols *own, const char *name)
{
    if (!own->hash || !own->symbol || !own->text || !own->version)
        return NULL;
    uint32_t buckets = own->hash[0], first = own->hash[1],
             words = own->hash[2] * (uint32_t)(sizeof(uintptr_t) / 4), sought = 5381;
    const uint32_t *bucket = own->hash + 4 + words, *chain = bucket + buckets;
    for (const char *at = name; *at; at++)
        sought = sought * 33 + (uint8_t)*at;
    for (uint32_t i = bucket[sought % buckets]; i >= first; i++) {
        if ((chain[i - first] | 1) == (sought | 1) && is_name(own->text + own->symbol[i].st_name, name))
            return &own->version[i];
        if (chain[i - first] & 1)
            break;
    }
    return NULL;
}

/* From inside the loader, which has not finished with us: by the system call itself. */
static bool protect(uintptr_t page, int protection)
{
    long error = SYS_mprotect;
    __asm__ volatile("syscall"
                     : "+a"(error)
                     : "D"(page), "S"(PAGE), "d"(protection)
                     : "rcx", "r11", "memory");
    return error == 0;
}

/* Should the kernel refuse, the name stays hidden. */
static void show(const struct symbols *own, const char *name)
{
    uint16_t *version = version_of(own, name);
    uintptr_t page = (uintptr_t)version & ~(uintptr_t)(PAGE - 1);
    if (!version || *version == VER_NDX_GLOBAL || !protect(page, PROT_READ | PROT_WRITE))
        return;
    *version = VER_NDX_GLOBAL; // none in particular, so that it answers a reference to any
    protect(page, PROT_READ);
}

static bool is_hidden_name(const char *name)
{
    static const char names[][20] = {"mallocx",  "rallocx",    "xallocx",           "dallocx",
                                     "sdallocx", "free_sized", "free_aligned_sized"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_name(names[i], name))
            return true;
    return false;
}

/* Does CALL lead to a function of somebody's? One that is not bound yet leads into ourselves. */
static bool is_bound(const ElfW(Rela) * call)
{
    extern const char _end[] __attribute__((visibility("hidden"))); // of the linker: where we end
    uintptr_t to = *(const uintptr_t *)(__ehdr_start + call->r_offset);
    return to != 0 && (to < (uintptr_t)__ehdr_start || to >= (uintptr_t)_end);
}

static void nothing(void)
{
}

/* Context: the loader, at the end of our relocation. No function of another library may be called. */
static void (*show_names(void))(void)
{
    struct symbols own = own_symbols();
    for (const ElfW(Rela) *call = own.call; call && call < own.call + own.calls; call++) {
        const char *name = own.text + own.symbol[ELF64_R_SYM(call->r_info)].st_name;
        if (ELF64_R_TYPE(call->r_info) == R_X86_64_JUMP_SLOT && is_hidden_name(name) && is_bound(call))
            show(&own, name);
    }
    return nothing;
}

/* What the loader calls of a library before it relocates the program is the choice of an indirect function's code. */
void gs_names_shown(void) __attribute__((ifunc("show_names"), visibility("hidden")));
static void (*const volatile chosen)(void) __attribute__((used)) = gs_names_shown;
