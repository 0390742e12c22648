/* new.c - C++'s operator new and delete, where the allocator below brings its own.
 *
 *   new ──▶ libstdc++'s ──▶ malloc           seen by malloc.c: passed through
 *   new ──▶ tcmalloc's or jemalloc's own     never comes by malloc: counted down and sampled here
 *
 * Which of the two it is, one block of each form tells: allocated with the real operator, it moves the thread's
 * countdown if it came by our malloc. (An allocator may bring some forms and have others come by malloc.) The real
 * operators are found at the first call, and a program without C++ never makes one. A plugin may bring the only C++
 * library there is, out of sight of RTLD_NEXT: then the calling object is asked.
 * The forms differ in their arguments - a size or a block, then up to two of size, alignment and the nothrow tag -
 * which all are passed on in registers, so one shape serves them all. In the shared library alone: in a static one
 * these names would keep libstdc++'s own out of the program.
 * Who:    host threads. The first call takes the loader's lock, as a first call through the PLT may. */
#include "probe/hooks/inside.h"
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#pragma weak _dl_find_object // see unwind/frame_entry.c

#define HOOK   __attribute__((visibility("default")))
#define CALLED static __attribute__((noinline))

typedef void *new_function(size_t size, uintptr_t second, uintptr_t third);
typedef void delete_function(void *ptr, uintptr_t second, uintptr_t third);

// clang-format off
#define FORMS_OF_NEW(X) /* form, what its second argument is, how to release its blocks */                            \
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

#define FIRST_NEW(name, kind, release) static new_function first##name;
#define FIRST_DELETE(name)    static delete_function first##name;
FORMS_OF_NEW(FIRST_NEW)
FORMS_OF_DELETE(FIRST_DELETE)

#define MEMBER_NEW(name, kind, release)  new_function *name;
#define MEMBER_DELETE(name)     delete_function *name;
#define INITIAL_NEW(name, kind, release) first##name,
#define INITIAL_DELETE(name)    first##name,
static struct {
    FORMS_OF_NEW(MEMBER_NEW)
    FORMS_OF_DELETE(MEMBER_DELETE)
} real = {FORMS_OF_NEW(INITIAL_NEW) FORMS_OF_DELETE(INITIAL_DELETE)};

#define PROTOTYPE_NEW(name, kind, release) HOOK new_function name;
#define PROTOTYPE_DELETE(name)    HOOK delete_function name;
FORMS_OF_NEW(PROTOTYPE_NEW)
FORMS_OF_DELETE(PROTOTYPE_DELETE)
// clang-format on

#define FLAG_NEW(name, kind, release) bool name;
static struct {
    FORMS_OF_NEW(FLAG_NEW)
} counted_here; // this form calls neither malloc nor another form: count and sample it here
static bool any_counted_here;

/* ---- finding the real operators ----------------------------------------------------------------------------------- */

/* NAME as the object that contains CALLER would find it without us. The object that defines it is kept loaded, because we
 * keep its address. */
static void *find_for(uintptr_t caller, const char *name, const void *ours)
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

static void find(void *slot, const char *name, const void *ours, const void *instead, uintptr_t caller)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        found = find_for(caller, name, ours);
    memcpy(slot, found ? (void *)&found : (void *)&instead, sizeof found);
}

/* Used if no C++ library can be found: blocks come from malloc. bad_alloc cannot be thrown then, so failure returns NULL. */
static void *plain_instead(size_t size, uintptr_t second, uintptr_t third)
{
    (void)second, (void)third;
    return gs_hooks_malloc(size);
}

static void *aligned_instead(size_t size, uintptr_t alignment, uintptr_t third)
{
    (void)third;
    return gs_hooks_memalign(alignment, size);
}

static void delete_instead(void *ptr, uintptr_t second, uintptr_t third)
{
    (void)second, (void)third;
    gs_hooks_free(ptr);
}

static void find_all(uintptr_t caller)
{
#define FIND_NEW(name, kind, release) \
    find(&real.name, #name, (void *)(uintptr_t)name, (void *)(uintptr_t)kind##_instead, caller);
#define FIND_DELETE(name) \
    find(&real.name, #name, (void *)(uintptr_t)name, (void *)(uintptr_t)delete_instead, caller);
    FORMS_OF_NEW(FIND_NEW)
    FORMS_OF_DELETE(FIND_DELETE)
    dlerror(); // clear the error: the host must not see a failed lookup of ours
}

/* Does ALLOCATE leave the countdown as it is, that is, does it not call our malloc? */
static bool bypasses_malloc(new_function *allocate, uintptr_t second, delete_function *release)
{
    enum { ALIGNMENT = 64 };
    uint64_t before = gs_thread.countdown;
    void *ptr = allocate(1, second ? second : ALIGNMENT, (uintptr_t) "");
    bool nowhere = ptr && gs_thread.countdown == before;
    release(ptr, ALIGNMENT, 0);
    return nowhere;
}

static void try_all(void)
{
    static const char nothrow;
    const uintptr_t plain = (uintptr_t)&nothrow, aligned = 0;
#define TRY_NEW(name, kind, release) \
    any_counted_here |= counted_here.name = bypasses_malloc(real.name, kind, real.release);
    FORMS_OF_NEW(TRY_NEW)
}

CALLED void resolve(uintptr_t caller)
{
    int saved_errno = errno;
    find_all(caller);
    try_all();
    errno = saved_errno;
}

/* ---- sampled ---------------------------------------------------------------------------------------------------------- */

CALLED void *sampled_new(size_t size, uintptr_t second, uintptr_t third, new_function *allocate)
{
    struct gs_caller caller = GS_CALLER();
    uint64_t drawn_with = gs_heap_sampler_begin(size);
    void *ptr = allocate(size, second, third); // may throw: nothing is held meanwhile
    gs_heap_sampler_record(ptr, size, drawn_with, caller);
    return ptr;
}

CALLED void known_delete(void *ptr, uintptr_t second, uintptr_t third, delete_function *release)
{
    gs_heap_sampler_forget(ptr);
    release(ptr, second, third);
}

/* ---- the hooks, and the first call of each ------------------------------------------------------------------------------ */

#define HOOK_NEW(name, kind, release)                                                                       \
    HOOK void *name(size_t size, uintptr_t second, uintptr_t third)                                         \
    {                                                                                                       \
        return GS_UNLIKELY(counted_here.name) && gs_due(size) ? sampled_new(size, second, third, real.name) \
                                                              : real.name(size, second, third);             \
    }                                                                                                       \
    static void *first##name(size_t size, uintptr_t second, uintptr_t third)                                \
    {                                                                                                       \
        resolve((uintptr_t)__builtin_return_address(0));                                                    \
        return name(size, second, third);                                                                   \
    }
#define HOOK_DELETE(name)                                                 \
    HOOK void name(void *ptr, uintptr_t second, uintptr_t third)          \
    {                                                                     \
        if (GS_UNLIKELY(any_counted_here) && gs_maybe_sampled(ptr))       \
            known_delete(ptr, second, third, real.name);                  \
        else                                                              \
            real.name(ptr, second, third);                                \
    }                                                                     \
    static void first##name(void *ptr, uintptr_t second, uintptr_t third) \
    {                                                                     \
        resolve((uintptr_t)__builtin_return_address(0));                  \
        name(ptr, second, third);                                         \
    }
FORMS_OF_NEW(HOOK_NEW)
FORMS_OF_DELETE(HOOK_DELETE)
