/* own_tls.c - thread-local storage (TLS) in the layout of the C library, in our own memory.
 *
 *   x86-64   [ blocks of the modules, at fixed distances below ][ thread pointer: control block ][ table of modules ]
 *   aarch64  [ control block below ][ thread pointer: 16 bytes ][ blocks of the modules, at fixed distances above ][ table ]
 *
 *   block              the module's relocated PT_TLS image from memory, then zeroes
 *   distance           from the thread pointer, the same in every thread: measured in the calling thread
 *   control block      the thread pointer itself, stack guard, pointer guard, zeroes: as in a process with one thread
 *   table of modules   module number ──▶ block, for __tls_get_addr
 *
 * Our threads need only what the C library functions that they call need: errno, the locale and the guards. The locale is
 * always "C", because the host may change its locale at any time. Our threads do not use what pthread_create sets up in
 * addition (cancellation, robust mutexes, malloc's cache, restartable sequences): tests/check/agent_symbols.sh lists what
 * they may call.
 * Source: "ELF Handling For Thread-Local Storage" (Drepper); the x86-64 ABI supplement: the thread pointer is stored at its
 * own address, the stack guard at +0x28; glibc's sysdeps/x86_64/nptl/tls.h for the pointer guard (0x30) and the table.
 * Bounds: MODULES; further modules, and modules that are loaded later, get no block. */
#include "host/own_tls.h"
#include <errno.h>
#include <link.h>
#include <locale.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    MODULES = 128,
    PAGE = 4096,
    CONTROL = 4096,          // bytes: glibc's struct pthread has 2,304
    SPARE_MODULES = 128,     // numbers for modules that are loaded later
    DISTANCE_MAX = 64 << 10, // a block farther away was allocated separately: its distance is not fixed
    STACK_GUARD = 0x28,
    POINTER_GUARD = 0x30, // both from the thread pointer, on x86-64
};
#define NO_BLOCK ((void *)-1) // the C library's mark for a block that is allocated on first use

union slot { // an entry of the table of modules
    size_t number;
    struct {
        void *block, *to_free;
    } module;
};

static struct {
    bool is_learned;
    locale_t locale;
    struct module {
        size_t number, size, image_size;
        const void *image;
        ptrdiff_t distance; // of its block from the thread pointer
    } module[MODULES];
    size_t count, highest;
    size_t below, above; // bytes of blocks on each side of the thread pointer
    uintptr_t stack_guard, pointer_guard;
    size_t generation; // of the loader's list of modules
} tls;

static char *thread_pointer(void)
{
    return __builtin_thread_pointer();
}

static size_t page_up(size_t size)
{
    return (size + PAGE - 1) & ~(size_t)(PAGE - 1);
}

/* Where the thread with thread pointer POINTER keeps its pointer to the table of modules. */
static union slot **table_of(char *pointer)
{
#if defined(__x86_64__)
    return (union slot **)(void *)(pointer + sizeof(void *));
#else
    return (union slot **)(void *)pointer;
#endif
}

static int learn_module(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    if (info->dlpi_tls_modid > tls.highest)
        tls.highest = info->dlpi_tls_modid;
    ptrdiff_t distance = (char *)info->dlpi_tls_data - thread_pointer();
    if (!info->dlpi_tls_data || distance > DISTANCE_MAX || distance < -DISTANCE_MAX || tls.count == MODULES)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_TLS)
            continue;
        tls.module[tls.count++] = (struct module){
            .number = info->dlpi_tls_modid,
            .size = header->p_memsz,
            .image_size = header->p_filesz,
            .image = (const void *)(info->dlpi_addr + header->p_vaddr),
            .distance = distance,
        };
        if (distance < 0 && (size_t)-distance > tls.below)
            tls.below = (size_t)-distance;
        if (distance >= 0 && (size_t)distance + header->p_memsz > tls.above)
            tls.above = (size_t)distance + header->p_memsz;
    }
    return 0;
}

int gs_own_tls_learn(void)
{
    if (tls.is_learned)
        return 0;
#if defined(__x86_64__)
    memcpy(&tls.stack_guard, thread_pointer() + STACK_GUARD, sizeof tls.stack_guard);
    memcpy(&tls.pointer_guard, thread_pointer() + POINTER_GUARD, sizeof tls.pointer_guard);
#elif !defined(__aarch64__)
    return -ENOTSUP;
#endif
    tls.locale = newlocale(LC_ALL_MASK, "C", NULL); // a constant object of the C library
    tls.generation = (*table_of(thread_pointer()))[0].number;
    dl_iterate_phdr(learn_module, NULL);
    tls.is_learned = tls.count > 0; // the C library has TLS
    return tls.is_learned ? 0 : -ENOTSUP;
}

static size_t table_size(void)
{
    return (2 + tls.highest + SPARE_MODULES) * sizeof(union slot);
}

/* Bytes below the thread pointer, and from it upward. */
static size_t size_below(void)
{
    return page_up(tls.below + CONTROL);
}

static size_t size_above(void)
{
    return page_up(tls.above + CONTROL) + page_up(table_size());
}

size_t gs_own_tls_size(void)
{
    return PAGE + size_below() + size_above();
}

/* Make the table at AT: first its length, then the generation of the loader's list as entry 0, then one entry per module. */
static union slot *make_table(char *at, char *pointer)
{
    union slot *slot = (union slot *)(void *)at, *table = slot + 1;
    size_t length = tls.highest + SPARE_MODULES;
    slot->number = length;
    table[0].number = tls.generation;
    for (size_t i = 1; i <= length; i++)
        table[i].module.block = NO_BLOCK;
    for (size_t i = 0; i < tls.count; i++)
        table[tls.module[i].number].module.block = pointer + tls.module[i].distance;
    return table;
}

void *gs_own_tls_make(void *at)
{
    char *pointer = (char *)page_up((uintptr_t)at) + size_below();
    memset(at, 0, gs_own_tls_size());
    for (size_t i = 0; i < tls.count; i++)
        memcpy(pointer + tls.module[i].distance, tls.module[i].image, tls.module[i].image_size);
#if defined(__x86_64__)
    void *self = pointer;
    memcpy(pointer, &self, sizeof self); // the control block's own address
    memcpy(pointer + 2 * sizeof self, &self,
           sizeof self); // pthread_self()
    memcpy(pointer + STACK_GUARD, &tls.stack_guard, sizeof tls.stack_guard);
    memcpy(pointer + POINTER_GUARD, &tls.pointer_guard, sizeof tls.pointer_guard);
#endif
    *table_of(pointer) = make_table(pointer + page_up(tls.above + CONTROL), pointer);
    return pointer;
}

void gs_own_tls_begin(void)
{
    uselocale(tls.locale);
}
