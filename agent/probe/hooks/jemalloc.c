/* jemalloc.c - allocation functions that only some allocators have: jemalloc's own (mallocx, dallocx, ...) and C23's
 * free_sized and free_aligned_sized.
 *
 *   the loader relocates our library ──▶ show_names: does the allocator define the name? ──yes──▶ our symbol gets a visible
 *                                                                                                 version: lookups find it
 *                                                                                                 before the allocator's
 *                                                                                       └─no───▶ our symbol stays hidden
 *
 * A program tests for these names (weak references, dlsym) to learn whether it runs on jemalloc. So our symbols must be
 * invisible if the allocator does not define the names. They are linked with a hidden version (packaging/versions.map),
 * which the loader skips. Our own calls of the same names are weak and have no version: the loader resolves them to the
 * allocator's functions, or to NULL. To show a symbol we write to our own version table; its page is writable meanwhile.
 *
 * The loader relocates the main program after our library, so all references of the program find the hooks. So do dlsym,
 * lazily bound calls, and libraries that are opened later. A library that is relocated before ours and binds its references
 * at once (-z now, or it takes the function's address) already has the allocator's functions: docs/limits.md.
 * Only in the shared library: in a static one, every program that links it would see these names.
 * Blocks in an arena that the caller names (MALLOCX_ARENA) are not counted: the caller may reset the whole arena without
 * freeing each block, and its blocks would stay counted.
 * Who:    host threads; show_names once, from the loader, before any constructor. */
#include "probe/hooks/inside.h"
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define HOOK                 __attribute__((visibility("default"), used))
#define NOT_INLINED          static __attribute__((noinline))
#define HIDDEN_VERSION(name) __asm__(".symver gs_hooks_" #name ", " #name "@GUMSHOE_ALLOCATOR")

enum { PAGE = 4096, ARENA_SHIFT = 20 }; // jemalloc's flags hold the arena's number plus 1, from this bit on

/* ---- the allocator's functions ----------------------------------------------------------------------------------- */

/* Only call these functions; do not take their addresses. An address may be that of the program's PLT entry, which leads
 * back to our hook. */
#define ALLOCATORS_OWN __attribute__((weak))
ALLOCATORS_OWN void *mallocx(size_t size, int flags);
ALLOCATORS_OWN void *rallocx(void *ptr, size_t size, int flags);
ALLOCATORS_OWN size_t xallocx(void *ptr, size_t size, size_t extra, int flags);
ALLOCATORS_OWN void dallocx(void *ptr, int flags);
ALLOCATORS_OWN void sdallocx(void *ptr, size_t size, int flags);
ALLOCATORS_OWN void free_sized(void *ptr, size_t size);
ALLOCATORS_OWN void free_aligned_sized(void *ptr, size_t alignment, size_t size);

/* ---- the hooks --------------------------------------------------------------------------------------------------- */

NOT_INLINED void *sampled_mallocx(size_t size, int flags)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = gs_heap_sampler_begin(size);
    void *ptr = mallocx(size, flags);
    gs_heap_sampler_record(ptr, size, drawn_with, caller);
    return ptr;
}

HIDDEN_VERSION(mallocx);
HOOK void *gs_hooks_mallocx(size_t size, int flags);
HOOK void *gs_hooks_mallocx(size_t size, int flags)
{
    if (flags >> ARENA_SHIFT)
        return mallocx(size, flags);
    return gs_due(size) ? sampled_mallocx(size, flags) : mallocx(size, flags);
}

NOT_INLINED void *sampled_rallocx(void *ptr, size_t size, int flags, bool due)
{
    struct gs_caller caller = GS_CALLER();
    struct gs_live live;
    uint64_t drawn_with = due ? gs_heap_sampler_begin(size) : 0;
    bool was_sampled = gs_maybe_sampled(ptr) && gs_heap_live_take(ptr, &live);
    void *moved = rallocx(ptr, size, flags);
    if (was_sampled && !moved)
        gs_heap_sampler_put_back(ptr, &live);
    else if (was_sampled)
        gs_heap_sampler_release(&live);
    gs_heap_sampler_record(moved, size, drawn_with, caller);
    return moved;
}

HIDDEN_VERSION(rallocx);
HOOK void *gs_hooks_rallocx(void *ptr, size_t size, int flags);
HOOK void *gs_hooks_rallocx(void *ptr, size_t size, int flags)
{
    bool due = !(flags >> ARENA_SHIFT) && gs_due(size);
    return due || gs_maybe_sampled(ptr) ? sampled_rallocx(ptr, size, flags, due) : rallocx(ptr, size, flags);
}

/* The block at PTR was resized in place to SIZE bytes. Count it as a new block of that size. Returns USABLE. */
NOT_INLINED size_t sampled_resize(void *ptr, size_t size, size_t usable, bool due)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = due ? gs_heap_sampler_begin(size) : 0;
    gs_heap_sampler_forget(ptr);
    gs_heap_sampler_record(ptr, size, drawn_with, caller);
    return usable;
}

HIDDEN_VERSION(xallocx);
HOOK size_t gs_hooks_xallocx(void *ptr, size_t size, size_t extra, int flags);
HOOK size_t gs_hooks_xallocx(void *ptr, size_t size, size_t extra, int flags)
{
    size_t usable = xallocx(ptr, size, extra, flags);
    if (usable < size)
        return usable; // the allocator could not grow the block: it is unchanged
    size_t new_size = usable - size < extra ? usable : size + extra;
    bool due = !(flags >> ARENA_SHIFT) && gs_due(new_size);
    return due || gs_maybe_sampled(ptr) ? sampled_resize(ptr, new_size, usable, due) : usable;
}

static inline void forget_sampled(void *ptr)
{
    if (gs_maybe_sampled(ptr))
        gs_heap_sampler_forget(ptr);
}

HIDDEN_VERSION(dallocx);
HOOK void gs_hooks_dallocx(void *ptr, int flags);
HOOK void gs_hooks_dallocx(void *ptr, int flags)
{
    forget_sampled(ptr);
    dallocx(ptr, flags);
}

HIDDEN_VERSION(sdallocx);
HOOK void gs_hooks_sdallocx(void *ptr, size_t size, int flags);
HOOK void gs_hooks_sdallocx(void *ptr, size_t size, int flags)
{
    forget_sampled(ptr);
    sdallocx(ptr, size, flags);
}

HIDDEN_VERSION(free_sized);
HOOK void gs_hooks_free_sized(void *ptr, size_t size);
HOOK void gs_hooks_free_sized(void *ptr, size_t size)
{
    forget_sampled(ptr);
    free_sized(ptr, size);
}

HIDDEN_VERSION(free_aligned_sized);
HOOK void gs_hooks_free_aligned_sized(void *ptr, size_t alignment, size_t size);
HOOK void gs_hooks_free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
    forget_sampled(ptr);
    free_aligned_sized(ptr, alignment, size);
}

/* ---- show the names that the allocator defines ------------------------------------------------------------------- */

/* Our own dynamic symbols. DT_GNU_HASH is the loader's hash table: the symbols of one bucket are adjacent in
 * the symbol table. */
struct symbols {
    const uint32_t *hash;
    const ElfW(Sym) * symbol;
    const char *text;
    uint16_t *version;       // one for each symbol; 0x8000 and above: hidden
    const ElfW(Rela) * call; // PLT relocations: one for each function of another library that we call
    size_t call_count;
};

extern const char __ehdr_start[]
    __attribute__((visibility("hidden"))); // set by the linker: the start of our library

/* Some loaders have already added our start address to these entries; others leave the file's values. */
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
            own.call_count = entry->d_un.d_val / sizeof(ElfW(Rela));
    }
    return own;
}

static bool is_name(const char *text, const char *name)
{
    while (*text == *name && *name)
        text++, name++;
    return *text == *name;
}

/* The version entry of our symbol NAME. NULL: no such symbol, or a table is missing. */
static uint16_t *version_of(const struct symbols *own, const char *name)
{
    if (!own->hash || !own->symbol || !own->text || !own->version)
        return NULL;
    uint32_t buckets = own->hash[0], first = own->hash[1],
             words = own->hash[2] * (uint32_t)(sizeof(uintptr_t) / 4), name_hash = 5381;
    const uint32_t *bucket = own->hash + 4 + words, *chain = bucket + buckets;
    for (const char *at = name; *at; at++)
        name_hash = name_hash * 33 + (uint8_t)*at;
    for (uint32_t i = bucket[name_hash % buckets]; i >= first; i++) {
        if ((chain[i - first] | 1) == (name_hash | 1) && is_name(own->text + own->symbol[i].st_name, name))
            return &own->version[i];
        if (chain[i - first] & 1)
            break;
    }
    return NULL;
}

/* mprotect as a bare system call: the loader is still relocating us, so no function of the C library may be called. */
static bool protect(uintptr_t page, int protection)
{
#if defined(__x86_64__)
    long result = SYS_mprotect;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(page), "S"(PAGE), "d"(protection)
                     : "rcx", "r11", "memory");
    return result == 0;
#elif defined(__aarch64__)
    register long number __asm__("x8") = SYS_mprotect, length __asm__("x1") = PAGE,
                         how __asm__("x2") = protection, result __asm__("x0") = (long)page;
    __asm__ volatile("svc #0" : "+r"(result) : "r"(number), "r"(length), "r"(how) : "memory");
    return result == 0;
#else
    (void)page, (void)protection;
    return false;
#endif
}

/* Make our symbol NAME visible. If mprotect fails, it stays hidden. */
static void show(const struct symbols *own, const char *name)
{
    uint16_t *version = version_of(own, name);
    uintptr_t page = (uintptr_t)version & ~(uintptr_t)(PAGE - 1);
    if (!version || *version == VER_NDX_GLOBAL || !protect(page, PROT_READ | PROT_WRITE))
        return;
    *version = VER_NDX_GLOBAL; // no particular version: matches a reference to any version
    protect(page, PROT_READ);
}

static bool is_hook_name(const char *name)
{
    static const char names[][20] = {"mallocx",  "rallocx",    "xallocx",           "dallocx",
                                     "sdallocx", "free_sized", "free_aligned_sized"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_name(names[i], name))
            return true;
    return false;
}

/* Is CALL bound to a function of another library? Before it is bound, its slot points into our own PLT. */
static bool is_bound(const ElfW(Rela) * call)
{
    extern const char _end[]
        __attribute__((visibility("hidden"))); // set by the linker: the end of our library
    uintptr_t target = *(const uintptr_t *)(__ehdr_start + call->r_offset);
    return target != 0 && (target < (uintptr_t)__ehdr_start || target >= (uintptr_t)_end);
}

static void do_nothing(void)
{
}

/* The ifunc resolver of gs_names_shown. Context: the loader, at the end of our relocation. It must call no function of
 * another library. */
static void (*show_names(void))(void)
{
    struct symbols own = own_symbols();
    for (const ElfW(Rela) *call = own.call; call && call < own.call + own.call_count; call++) {
        const char *name = own.text + own.symbol[ELF64_R_SYM(call->r_info)].st_name;
        if (ELF64_R_TYPE(call->r_info) == R_X86_64_JUMP_SLOT && is_hook_name(name) && is_bound(call))
            show(&own, name);
    }
    return do_nothing;
}

/* The loader calls the resolver of an indirect function before it relocates the program: that is how show_names gets to run.
 * The pointer below is the reference that makes the loader call it; nothing refers to the pointer itself, so "retain" keeps it from
 * the linker's --gc-sections. */
void gs_names_shown(void) __attribute__((ifunc("show_names"), visibility("hidden")));
static void (*const volatile names_shown_reference)(void) __attribute__((used, retain)) = gs_names_shown;
