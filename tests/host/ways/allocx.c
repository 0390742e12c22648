/* allocx.c - a host that tests for jemalloc's own functions, as programs do that can run without it, and uses them if they are
 * there. Built by allocx.sh in many ways: as a program, as the library that it needs, as a plugin that it opens.
 *
 *   tells         which of the functions are there: by weak reference and by dlsym, from program, library and plugin
 *   by_mallocx    blocks of mallocx, kept
 *   all others    allocated in one way and given back in another; nothing of them is in use in the end
 * Usage: allocx PLUGIN. Where it is watched, its profiles go to the working directory: full.pb.gz, empty.pb.gz. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 400, BLOCK_BYTES = 5000 };
typedef void *hoard[BLOCKS];

extern void *mallocx(size_t, int) __attribute__((weak));
extern void *rallocx(void *, size_t, int) __attribute__((weak));
extern size_t xallocx(void *, size_t, size_t, int) __attribute__((weak));
extern void dallocx(void *, int) __attribute__((weak));
extern void sdallocx(void *, size_t, int) __attribute__((weak));
extern void free_sized(void *, size_t) __attribute__((weak));
extern void free_aligned_sized(void *, size_t, size_t) __attribute__((weak));

static void tell_weak(const char *who)
{
    printf("%s: %d%d%d%d%d%d%d\n", who, !!mallocx, !!rallocx, !!xallocx, !!dallocx, !!sdallocx, !!free_sized,
           !!free_aligned_sized);
}

#if defined( \
    LIBRARY) /* ---- the library: calls dallocx without a look whether it is there ------------------------------ */

__attribute__((noipa)) void library_tells(void)
{
    extern void *nallocx(size_t, int) __attribute__((weak));
    printf("library: %d\n", !!nallocx);
}

void dallocx_of_library(void *ptr);
__attribute__((noipa)) void dallocx_of_library(void *ptr)
{
    dallocx(ptr, 0);
}

#elif defined( \
    PLUGIN) /* ---- the plugin ----------------------------------------------------------------------------------- */

void plugin_tells(void)
{
    tell_weak("plugin");
}

void dallocx_of_plugin(void *ptr)
{
    if (dallocx)
        dallocx(ptr, 0);
}

#else /* ---- the program --------------------------------------------------------------------------------------------------- */

void library_tells(void);
void dallocx_of_library(void *ptr);
static void (*dallocx_by_dlsym)(void *, int);
static void (*dallocx_of_plugin)(void *);

static void tell_dlsym(const char *who, void *where)
{
    static const char *const name[] = {"mallocx",  "rallocx",    "xallocx",           "dallocx",
                                       "sdallocx", "free_sized", "free_aligned_sized"};
    printf("%s: ", who);
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        dlerror();
        void *found = dlsym(where, name[i]);
        printf("%d", found ? 1 : dlerror() ? 0 : 2); // 2: a function whose address is nowhere
    }
    putchar('\n');
}

/* noipa: each keeps its name; a profile is asked for it. */
#define HOARDER(name, allocate)                        \
    __attribute__((noipa)) static void name(hoard all) \
    {                                                  \
        for (int i = 0; i < BLOCKS; i++)               \
            all[i] = allocate;                         \
        __asm__ volatile("" ::: "memory");             \
    }
HOARDER(by_mallocx, mallocx(BLOCK_BYTES, 0))
HOARDER(to_dallocx, malloc(BLOCK_BYTES))
HOARDER(to_sdallocx, malloc(BLOCK_BYTES))
HOARDER(to_dlsym, malloc(BLOCK_BYTES))
HOARDER(to_library, malloc(BLOCK_BYTES))
HOARDER(to_plugin, malloc(BLOCK_BYTES))
HOARDER(to_free, mallocx(BLOCK_BYTES, 0))
HOARDER(to_free_sized, malloc(BLOCK_BYTES))
HOARDER(to_free_aligned_sized, aligned_alloc(64, 5120))
HOARDER(to_grow, malloc(BLOCK_BYTES))
HOARDER(to_resize, mallocx(16 * BLOCK_BYTES, 0))
HOARDER(to_refuse, malloc(BLOCK_BYTES))

/* Moved to twice the size by rallocx, given back by dallocx. */
__attribute__((noipa)) static void by_rallocx(hoard all)
{
    for (int i = 0; i < BLOCKS; i++)
        all[i] = rallocx(all[i], 2 * BLOCK_BYTES, 0);
}

/* Shrunk in place. */
__attribute__((noipa)) static void by_xallocx(hoard all)
{
    for (int i = 0; i < BLOCKS; i++)
        if (xallocx(all[i], 4 * BLOCK_BYTES, 0, 0) >= 16 * BLOCK_BYTES)
            exit(2);
}

/* What it asks for cannot be had: the blocks stay as they are. */
__attribute__((noipa)) static void in_vain(hoard all)
{
    for (int i = 0; i < BLOCKS; i++)
        if (xallocx(all[i], (size_t)1 << 40, 0, 0) >= (size_t)1 << 40 || rallocx(all[i], (size_t)1 << 62, 0))
            exit(3);
}

static void write_profile(const char *path)
{
    int (*write_kind)(int, int);
    void *found = dlsym(RTLD_DEFAULT, "gumshoe_write_profile");
    memcpy(&write_kind, &found, sizeof found);
    int fd = found ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (found && (fd < 0 || write_kind(1, fd) != 0)) // 1: GUMSHOE_HEAP
        exit(1);
    if (found)
        close(fd);
}

static hoard kept, of_dallocx, of_sdallocx, of_dlsym, of_library, of_plugin, of_free, of_sized, of_aligned,
    grown, resized, refused;

static void use_them(void)
{
    by_mallocx(kept);
    to_dallocx(of_dallocx);
    to_sdallocx(of_sdallocx);
    to_dlsym(of_dlsym);
    to_library(of_library);
    to_plugin(of_plugin);
    to_free(of_free);
    to_grow(grown);
    by_rallocx(grown);
    to_resize(resized);
    by_xallocx(resized);
    to_refuse(refused);
    in_vain(refused);
    write_profile("full.pb.gz");
    for (int i = 0; i < BLOCKS; i++) {
        dallocx(of_dallocx[i], 0);
        sdallocx(of_sdallocx[i], BLOCK_BYTES, 0);
        dallocx_by_dlsym(of_dlsym[i], 0);
        dallocx_of_library(of_library[i]);
        dallocx_of_plugin(of_plugin[i]);
        free(of_free[i]);
        dallocx(grown[i], 0);
        dallocx(resized[i], 0);
        dallocx(refused[i], 0);
    }
}

static void use_sized(void)
{
    to_free_sized(of_sized);
    to_free_aligned_sized(of_aligned);
    write_profile("full.pb.gz");
    for (int i = 0; i < BLOCKS; i++) {
        free_sized(of_sized[i], BLOCK_BYTES);
        free_aligned_sized(of_aligned[i], 64, 5120);
    }
}

int main(int argc, char **argv)
{
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL, *found;
    void (*plugin_tells)(void);
    if (!plugin)
        return 4;
    found = dlsym(plugin, "plugin_tells");
    memcpy(&plugin_tells, &found, sizeof found);
    found = dlsym(plugin, "dallocx_of_plugin");
    memcpy(&dallocx_of_plugin, &found, sizeof found);
    found = dlsym(RTLD_DEFAULT, "dallocx");
    memcpy(&dallocx_by_dlsym, &found, sizeof found);
    tell_weak("program");
    library_tells();
    plugin_tells();
    tell_dlsym("default", RTLD_DEFAULT);
    tell_dlsym("next", RTLD_NEXT);
    tell_dlsym("program's scope", dlopen(NULL, RTLD_NOW));
    for (int i = 0; i < 100; i++) { // a thread's first samples may be far apart still
        void *volatile block = malloc(1 << 20);
        free(block);
    }
    if (dallocx)
        use_them();
    if (free_sized)
        use_sized();
    write_profile("empty.pb.gz");
    puts("done");
    return 0;
}
#endif
