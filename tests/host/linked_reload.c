/* reload.c - a host that reloads a plugin: ten libraries in turn at one address, in which the same instruction stands in
 * frames of ten different sizes. Through each it allocates twenty blocks. Its heap profile
 * goes to standard output.
 *   reload LIBRARY… */
#include <dlfcn.h>
#include <gumshoe/gumshoe.h>
#include <stdio.h>
#include <stdlib.h>

static size_t size;
static void *volatile kept;

__attribute__((noinline)) static void allocate(void)
{
    for (int i = 0; i < 20; i++)
        kept = malloc(size);
}

int main(int argc, char **argv)
{
    void *first = NULL;
    for (int i = 1; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW);
        void (*through)(void (*)(void)) = library ? (void (*)(void (*)(void)))dlsym(library, "through") : NULL;
        if (!through) {
            fprintf(stderr, "%s\n", dlerror());
            return 2;
        }
        if (first && (void *)through != first)
            return 77; // not at one address: nothing would be shown
        first = (void *)through;
        size = (size_t)16 << 20; // far beyond the sampling distance: each is sampled, and never touched
        through(allocate);
        if (dlclose(library))
            return 2;
    }
    return gumshoe_write_profile(GUMSHOE_HEAP, 1) != 0;
}
