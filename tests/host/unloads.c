/* A program with plug-ins: it loads a library, allocates through it, and unloads it, one library after the other, so that each is
 * likely to lie where the one before it was. Arguments: one word for each step.
 *
 *   LIBRARY=MiB       load, allocate so much through run(), unload; the blocks stay
 *   +LIBRARY=MiB      the same, and it stays loaded
 *   LIBRARY*TIMES     the same so often, with blocks that are freed
 *   LIBRARY~          load, use CPU time in spin() for a while, unload
 *   wait              say "done" and go on living; or, after "ever", begin again
 *
 * Prints where each library's run() was. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 100000 };

static void step(const char *word)
{
    char path[4096];
    int stays = *word == '+';
    snprintf(path, sizeof path, "%s", word + stays);
    char *number = path + strcspn(path, "=*~");
    int again = *number == '*', spins = *number == '~';
    *number = 0;
    for (long i = 0; i < (again ? atol(number + 1) : 1); i++) {
        void *library = dlopen(path, RTLD_NOW);
        void *(*run)(size_t) = (void *(*)(size_t))dlsym(library, "run");
        void (*spin)(long) = (void (*)(long))dlsym(library, "spin");
        if (!run || !spin)
            exit(2);
        if (spins)
            spin(20000000);
        for (long block = 0; block < (again ? 10 : spins ? 0 : atol(number + 1) * 10); block++) {
            void *memory = memset(run(BLOCK), 1, BLOCK);
            if (again)
                free(memory);
        }
        if (i == 0 && !spins)
            printf("%s %p\n", path, *(void **)(void *)&run);
        if (!stays)
            dlclose(library);
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "ever") == 0)
            continue;
        if (strcmp(argv[i], "wait") != 0) {
            step(argv[i]);
            continue;
        }
        puts("done");
        fflush(stdout);
        while (strcmp(argv[1], "ever") != 0)
            pause();
        for (;;)
            for (int again = 2; again < i; again++)
                step(argv[again]);
    }
    return 0;
}
