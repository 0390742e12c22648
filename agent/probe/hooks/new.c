/* new.c - hooks for C++'s operator new and delete: needed for allocators that define their own.
 *
 *   new ──▶ libstdc++'s ──▶ malloc                       malloc.c counts it: passed through here, by one jump
 *   new ──▶ counted_… ──▶ tcmalloc's or jemalloc's own   does not call malloc: counted down and sampled here
 *
 * To learn which case applies, we allocate one block with the real operator of each form: if the form calls our malloc, the
 * thread's countdown changes. (An allocator may define some forms, and let others call malloc.) The real operators are
 * looked up at the first call; a program without C++ never makes one. If a plugin loads the only C++ library, RTLD_NEXT
 * does not find it: then the lookup uses the scope of the calling object.
 * The forms differ in their arguments: a size or a block, then up to two of size, alignment and nothrow tag. All arguments
 * are passed in registers, so one function type fits all forms. Only in the shared library: in a static one these names
 * would replace libstdc++'s in the program.
 * Who:    host threads. The first call takes the loader's lock, as the first call of any function through the PLT may. */
#include "probe/hooks/inside.h"
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#pragma weak _dl_find_object // see unwind/frame_entry.c

#define HOOK        __attribute__((visibility("default")))
#define NOT_INLINED static __attribute__((noinline))

typedef void *new_function(size_t size, uintptr_t second, uintptr_t third);
typedef void delete_function(void *ptr, uintptr_t second, uintptr_t third);

// clang-format off
#define FORMS_OF_NEW(X) /* form, kind (aligned: its second argument is the alignment), its delete */                \
    X(_Znwm, plain, _ZdlPv) X(_ZnwmRKSt9nothrow_t, plain, _ZdlPv)                                                      \
    X(_Znam, plain, _ZdaPv) X(_ZnamRKSt9nothrow_t, plain, _ZdaPv)                                                      \
    X(_ZnwmSt11align_val_t, aligned, _ZdlPvSt11align_val_t)                                                            \
    X(_ZnamSt11align_val_t, aligned, _ZdaPvSt11align_val_t)                                                            \
    X(_ZnwmSt11align_val_tRKSt9nothrow_t, aligned, _ZdlPvSt11align_val_t)                                              \
    X(_ZnamSt11align_val_tRKSt9nothrow_t, aligned, _ZdaPvSt11align_val_t)
#define FORMS_OF_DELETE(X)                                                                                             \
    X(_ZdlPv) X(_ZdlPvm) X(_ZdlPvRKSt9nothrow_t) X(_ZdlPvSt11align_val_t) X(_ZdlPvmSt11align_val_t)                   \
    X(_ZdaPv) X(_ZdaPvm) X(_ZdaPvRKSt9nothrow_t) X(_ZdaPvSt11align_val_t) X(_ZdaPvmSt11align_val_t)                   \
    X(_ZdlPvSt11align_val_tRKSt9nothrow_t) X(_ZdaPvSt11align_val_tRKSt9nothrow_t)

#define FIRST_NEW(name, kind, release) static new_function first##name, counted##name;
#define FIRST_DELETE(name)    static delete_function first##name, counted##name;
FORMS_OF_NEW(FIRST_NEW)
FORMS_OF_DELETE(FIRST_DELETE)

#define MEMBER_NEW(name, kind, release)  new_function *name;
#define MEMBER_DELETE(name)     delete_function *name;
#define INITIAL_NEW(name, kind, release) first##name,
#define INITIAL_DELETE(name)    first##name,
static struct {
    FORMS_OF_NEW(MEMBER_NEW)
    FORMS_OF_DELETE(MEMBER_DELETE)
} real, // the real operators
  next = {FORMS_OF_NEW(INITIAL_NEW) FORMS_OF_DELETE(INITIAL_DELETE)}; // where a hook jumps: first_…, counted_…, or the real one

#define PROTOTYPE_NEW(name, kind, release) HOOK new_function name;
#define PROTOTYPE_DELETE(name)    HOOK delete_function name;
FORMS_OF_NEW(PROTOTYPE_NEW)
FORMS_OF_DELETE(PROTOTYPE_DELETE)
// clang-format on

/* ---- finding the real operators ---------------------------------------------------------------------------------- */

/* Look up NAME in the scope of the object that contains CALLER. NULL: not found, or only OURS, our hook, was found. The
 * object that defines NAME is never unloaded afterwards, because we store the address. */
static void *find_from_caller(uintptr_t caller, const char *name, const void *ours)
{
    struct dl_find_object object;
    if (!_dl_find_object || _dl_find_object((void *)caller, &object) != 0)
        return NULL;
    void *scope = dlopen(object.dlfo_link_map->l_name, RTLD_LAZY | RTLD_NOLOAD);
    void *found = scope ? dlsym(scope, name) : NULL;
    if (found == ours)
        found = NULL;
    if (found && _dl_find_object(found, &object) == 0)
        (void)!dlopen(object.dlfo_link_map->l_name, RTLD_LAZY | RTLD_NOLOAD);
    if (scope)
        dlclose(scope);
    return found;
}

/* Store the real operator NAME in SLOT; FALLBACK if there is none. */
static void find_real(void *slot, const char *name, const void *ours, const void *fallback, uintptr_t caller)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        found = find_from_caller(caller, name, ours);
    memcpy(slot, found ? (void *)&found : (void *)&fallback, sizeof found);
}

/* The fallbacks, if no C++ library is found: they use malloc. They cannot throw bad_alloc, so failure returns NULL. */
static void *plain_fallback(size_t size, uintptr_t second, uintptr_t third)
{
    (void)second, (void)third;
    return gs_hooks_malloc(size);
}

static void *aligned_fallback(size_t size, uintptr_t alignment, uintptr_t third)
{
    (void)third;
    return gs_hooks_memalign(alignment, size);
}

static void delete_fallback(void *ptr, uintptr_t second, uintptr_t third)
{
    (void)second, (void)third;
    gs_hooks_free(ptr);
}

static void find_all_real(uintptr_t caller)
{
#define FIND_NEW(name, kind, release) \
    find_real(&real.name, #name, (void *)(uintptr_t)name, (void *)(uintptr_t)kind##_fallback, caller);
#define FIND_DELETE(name) \
    find_real(&real.name, #name, (void *)(uintptr_t)name, (void *)(uintptr_t)delete_fallback, caller);
    FORMS_OF_NEW(FIND_NEW)
    FORMS_OF_DELETE(FIND_DELETE)
    dlerror(); // clear the error of a failed lookup: the host must not see it
}

/* True: ALLOCATE does not call our malloc, so the countdown stays unchanged. SECOND: its second argument; 0: alignment. */
static bool bypasses_malloc(new_function *allocate, uintptr_t second, delete_function *release)
{
    enum { ALIGNMENT = 64 };
    const uint64_t far = 1ull << 40, before = gs_thread.countdown;
    gs_thread.countdown = far;
    void *ptr = allocate(1, second ? second : ALIGNMENT, (uintptr_t) "");
    bool bypassed = ptr && gs_thread.countdown == far;
    release(ptr, ALIGNMENT, 0);
    gs_thread.countdown = before;
    return bypassed;
}

/* Count here the forms of new that call neither malloc nor another form. If there is one, check all forms of delete: from before
 * the first such block on. */
static void test_all_forms(void)
{
    static const char nothrow;
    const uintptr_t plain = (uintptr_t)&nothrow, aligned = 0;
    bool any = false;
#define TEST_NEW(name, kind, release)                                           \
    const bool bypasses##name = bypasses_malloc(real.name, kind, real.release); \
    any |= bypasses##name;
#define COUNT_DELETE(name) next.name = counted##name;
#define COUNT_NEW(name, kind, release) \
    if (bypasses##name)                \
        next.name = counted##name;
    FORMS_OF_NEW(TEST_NEW)
    if (!any)
        return;
    FORMS_OF_DELETE(COUNT_DELETE)
    atomic_thread_fence(memory_order_release);
    FORMS_OF_NEW(COUNT_NEW)
}

/* Afterwards all real operators are known. The first thread that gets here tests them; another one, meanwhile, may find that its
 * hook still jumps here: then it calls the real operator. */
NOT_INLINED void find_and_test_all(uintptr_t caller)
{
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    int saved_errno = errno;
    find_all_real(caller);
    if (!atomic_flag_test_and_set(&begun)) {
        next = real; // before the tests: some forms call others
        test_all_forms();
    }
    errno = saved_errno;
}

/* ---- sampled blocks ---------------------------------------------------------------------------------------------- */

NOT_INLINED void *sampled_new(size_t size, uintptr_t second, uintptr_t third, new_function *allocate)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = gs_heap_sampler_begin(size);
    void *ptr = allocate(size, second, third); // may throw: we hold no lock or memory here
    gs_heap_sampler_record(ptr, size, drawn_with, caller);
    return ptr;
}

NOT_INLINED void sampled_delete(void *ptr, uintptr_t second, uintptr_t third, delete_function *release)
{
    gs_heap_sampler_forget(ptr);
    release(ptr, second, third);
}

/* ---- the hooks, and the first call of each ----------------------------------------------------------------------- */

#define HOOK_NEW(name, kind, release)                                                                       \
    HOOK void *name(size_t size, uintptr_t second, uintptr_t third)                                         \
    {                                                                                                       \
        return next.name(size, second, third);                                                              \
    }                                                                                                       \
    static void *counted##name(size_t size, uintptr_t second, uintptr_t third)                              \
    {                                                                                                       \
        return gs_due(size) ? sampled_new(size, second, third, real.name) : real.name(size, second, third); \
    }                                                                                                       \
    static void *first##name(size_t size, uintptr_t second, uintptr_t third)                                \
    {                                                                                                       \
        find_and_test_all((uintptr_t)__builtin_return_address(0));                                          \
        new_function *known = next.name == first##name ? real.name : next.name;                             \
        return known(size, second, third);                                                                  \
    }
#define HOOK_DELETE(name)                                                          \
    HOOK void name(void *ptr, uintptr_t second, uintptr_t third)                   \
    {                                                                              \
        next.name(ptr, second, third);                                             \
    }                                                                              \
    static void counted##name(void *ptr, uintptr_t second, uintptr_t third)        \
    {                                                                              \
        if (gs_maybe_sampled(ptr))                                                 \
            sampled_delete(ptr, second, third, real.name);                         \
        else                                                                       \
            real.name(ptr, second, third);                                         \
    }                                                                              \
    static void first##name(void *ptr, uintptr_t second, uintptr_t third)          \
    {                                                                              \
        find_and_test_all((uintptr_t)__builtin_return_address(0));                 \
        delete_function *known = next.name == first##name ? real.name : next.name; \
        known(ptr, second, third);                                                 \
    }
FORMS_OF_NEW(HOOK_NEW)
FORMS_OF_DELETE(HOOK_DELETE)
