#!/bin/bash
# Allocations before the library is ready: from the first constructor of the process, out of dlsym, from static objects
# of C++. Blocks of that time may be freed, resized and measured at any later time.
. "$(dirname "$0")/lib.sh"
cd "$tmp"

# A library whose constructor runs before every other one (initfirst), and before it the program's own preinit.
cat > first.c <<'C'
#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
char *first_block, *first_grown;
size_t (*first_strlen)(const char *);
__attribute__((constructor)) static void first(void)
{
    first_block = strcpy(malloc(100), "from the first constructor");
    first_grown = calloc(1, 64);
    *(void **)&first_strlen = dlsym(RTLD_NEXT, "strlen");
    dlsym(RTLD_NEXT, "no such name"); /* dlerror's message is allocated */
    free(malloc(1000));
    first_grown = realloc(first_grown, 100000);
}
C
cat > early.c <<'C'
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
extern char *first_block, *first_grown;
extern size_t (*first_strlen)(const char *);
static char *preinit_block, *constructor_block;
static void preinit(void) { preinit_block = strcpy(malloc(50), "before all constructors"); }
__attribute__((section(".preinit_array"), used)) static void (*run_preinit)(void) = preinit;
__attribute__((constructor(101))) static void constructor(void)
{
    constructor_block = strcpy(calloc(1, 50), "from a constructor");
    for (int i = 0; i < 10000; i++)
        free(malloc((size_t)i));
}
__attribute__((destructor(101))) static void destructor(void)
{
    free(constructor_block);
    free(malloc(1 << 20));
}
static void at_exit(void) { free(preinit_block); }
int main(void)
{
    printf("%s, %s, %s\n", preinit_block, first_block, constructor_block);
    printf("%zu %d\n", first_strlen("four"), malloc_usable_size(first_block) >= 100);
    first_block = realloc(first_block, 5000);
    first_grown = realloc(first_grown, 10);
    printf("%s\n", first_block);
    free(first_block);
    free(first_grown);
    atexit(at_exit);
    return 9;
}
C
gcc -D_GNU_SOURCE -O1 -shared -fPIC -Wl,-z,initfirst first.c -o libfirst.so
gcc -O1 early.c -o early -L. -lfirst -Wl,-rpath,"$tmp"

# both PROGRAM…: its output and its exit status are the same with and without the watch.
both() {
    local plain watched
    "$@" > plain 2>&1 && plain=0 || plain=$?
    "$gumshoe" run --rules "$rules_file" --dir d -- "$@" > watched 2>&1 && watched=0 || watched=$?
    diff plain watched || fail "$1: < plain, > watched"
    equal "$watched" "$plain" "exit status of $1"
}
rules_file=$(rules early '{ "version": 1, "interval": "50ms", "heap": { "sample": "1KiB" }, "rules": [
    { "name": "never", "metric": "rss", "above": "1TiB" } ] }')

it "works in preinit functions, first constructors and dlsym, and accepts their blocks in free"
both ./early
equal "$(head -n 1 plain)" "before all constructors, from the first constructor, from a constructor"
it "works in a program whose own dlsym is the first to allocate"
cat > dlsym.c <<'C'
#include <dlfcn.h>
#include <stdio.h>
int main(void)
{
    for (int i = 0; i < 1000; i++)
        if (dlsym(RTLD_DEFAULT, "no such name") || !dlerror() || dlopen("no such library", RTLD_NOW) || !dlerror())
            return 1;
    puts("dlsym is itself");
    return 0;
}
C
gcc -D_GNU_SOURCE -O1 dlsym.c -o with_dlsym
both ./with_dlsym

it "works with a dlsym that allocates, as other C libraries' do, while we look for the allocator through it"
cat > allocating.c <<'C'
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static char *kept[3];
/* Ours is found first: by the library, too. It asks the C library's own, and needs memory of every kind to do it. */
void *dlsym(void *handle, const char *name)
{
    static void *(*below)(void *, const char *);
    static void *libc;
    if (!below) {
        kept[0] = strcpy(malloc(100), "malloc'ed early");
        kept[1] = strcpy(calloc(10, 10), "calloc'ed early");
        kept[2] = strcpy(realloc(NULL, 100), "realloc'ed early");
        below = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
        libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    }
    free(malloc(1000));
    return below(handle == RTLD_NEXT ? libc : handle, name);
}
int main(void)
{
    dlsym(RTLD_DEFAULT, "malloc");
    for (int i = 0; i < 3; i++)
        printf("%s, room enough %d\n", kept[i], malloc_usable_size(kept[i]) >= 100);
    kept[0] = realloc(kept[0], 100000);
    kept[1] = reallocarray(kept[1], 20, 1);
    printf("%s, %.6s\n", kept[0], kept[1]);
    for (int i = 0; i < 3; i++)
        free(kept[i]);
    void *fresh[1000];
    for (int i = 0; i < 1000; i++)
        fresh[i] = malloc(100);
    for (int i = 0; i < 1000; i++)
        free(fresh[i]);
    return 4;
}
C
gcc -D_GNU_SOURCE -O1 -rdynamic allocating.c -o allocating
both ./allocating
equal "$(tail -n 1 plain)" "malloc'ed early, calloc"

it "works for static objects and every form of new and delete, in C++"
cat > forms.cpp <<'C'
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <vector>
static std::vector<std::string> early(1000, std::string(200, 'x')); // before main, freed after it
struct alignas(128) wide { char bytes[512]; ~wide() { bytes[0] = 0; } };
struct thrower { char bytes[3000]; thrower() { throw 7; } };
int main()
{
    size_t sum = 0, misaligned = 0, thrown = 0;
    for (int i = 0; i < 1000; i++) {
        auto one = std::make_unique<std::string>(3000, 'y');
        auto many = std::make_unique<int[]>(1000);
        auto *aligned = new wide[3];
        misaligned += reinterpret_cast<uintptr_t>(aligned) % 128;
        sum += one->size() + (many[999] == 0);
        delete[] aligned;
        operator delete(operator new(3000), size_t{3000});                  // sized
        operator delete(operator new(3000, std::align_val_t{256}), std::align_val_t{256});
        operator delete[](operator new[](3000, std::nothrow), std::nothrow);
        try { delete new thrower; } catch (int) { thrown++; }
    }
    volatile size_t much = PTRDIFF_MAX;
    bool refused = operator new(much, std::nothrow) == nullptr;
    try { operator delete(operator new(much)); } catch (const std::bad_alloc &) { thrown++; }
    std::printf("%zu %zu %zu %d %zu\n", sum, misaligned, thrown, refused, early.size());
    return early[999].size() == 200 ? 3 : 1;
}
C
g++ -std=c++17 -O1 -w forms.cpp -o forms
both ./forms
equal "$(cat plain)" "3001000 0 1001 1 1000"
it "was watching all the time"
equal "$(grep -c watching: log)" 4 "watched programs"
