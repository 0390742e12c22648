/* A program with a small JIT compiler: it writes a function into anonymous memory, says so in a perf map if its first argument is
 * "map", and allocates through it. Arguments: map|none, MiB to keep, and "wait" to go on living. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* void *f(void *(*allocate)(size_t), size_t size) { return allocate(size); } */
static const unsigned char machine_code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf8,
                                             0x48, 0x89, 0xf7, 0xff, 0xd0, 0x5d, 0xc3};

void *volatile kept;

int main(int argc, char **argv)
{
    enum { BLOCK = 100000 };
    char path[64];
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (argc < 3 || code == MAP_FAILED)
        return 2;
    memcpy(code + 256, machine_code, sizeof machine_code);
    if (mprotect(code, 4096, PROT_READ | PROT_EXEC))
        return 2;
    if (strcmp(argv[1], "map") == 0) {
        snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
        FILE *map = fopen(path, "w");
        if (!map)
            return 2;
        fprintf(map, "%lx 100 JS:before app.js:1\n%lx %zx JS:*render_page app.js:12\n",
                (unsigned long)(uintptr_t)code, (unsigned long)(uintptr_t)code + 256, sizeof machine_code);
        fclose(map);
    }
    void *(*generated)(void *(*)(size_t), size_t) =
        (void *(*)(void *(*)(size_t), size_t))(uintptr_t)(code + 256);
    for (long i = 0; i < atol(argv[2]) * 10; i++)
        kept = memset(generated(malloc, BLOCK), 1, BLOCK);
    puts("done");
    fflush(stdout);
    while (argc > 3)
        pause();
    return 0;
}
