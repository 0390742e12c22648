/* Libraries that come and go: frames in them keep their meaning. */
#include "probe/inside.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64];

static void run(const char *commands)
{
    char line[1000];
    snprintf(line, sizeof line, "cd %s && %s", folder, commands);
    assert_int_equal(system(line), 0);
}

static void *load(const char *name)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    void *library = dlopen(path, RTLD_NOW);
    assert_non_null(library);
    return library;
}

/* A frame in LIBRARY, as a walk stores it. */
static uintptr_t frame_in(void *library)
{
    return (uintptr_t)dlsym(library, "here") + 1;
}

static uintptr_t tagged(uintptr_t frame)
{
    gs_unwind_libraries_tag(&frame, 1);
    assert_true(gs_unwind_libraries_note(&frame, 1));
    return frame;
}

static void close_as_the_hook_does(void *library)
{
    gs_unwind_libraries_before_close();
    dlclose(library);
    gs_unwind_libraries_after_close();
}

static const struct gs_library *library_of(uintptr_t frame)
{
    uint32_t number = (uint32_t)(frame >> GS_FRAME_LIBRARY_SHIFT);
    uintptr_t at = (frame & (((uintptr_t)1 << GS_FRAME_LIBRARY_SHIFT) - 1)) - 1;
    for (uint32_t i = 1; !number && i <= gs_probe_library_count(); i++)
        if (at - gs_probe_library(i)->start < gs_probe_library(i)->end - gs_probe_library(i)->start)
            number = i;
    assert_true(number && number <= gs_probe_library_count());
    return gs_probe_library(number);
}

static void is_in(uintptr_t frame, const char *name)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_string_equal(library_of(frame)->path, path);
}

static void frames_in_two_libraries_at_one_place_differ(void **state)
{
    (void)state;
    void *a = load("a.so");
    uintptr_t address = frame_in(a), in_a = tagged(address);
    assert_int_equal(in_a, address);
    assert_int_equal(library_of(in_a)->state, GS_LIBRARY_LOADED);
    assert_int_equal(library_of(in_a)->build_id_length, 20);
    close_as_the_hook_does(a);
    assert_int_equal(library_of(in_a)->state, GS_LIBRARY_GONE);
    void *b = load("b.so");
    if (frame_in(b) != address)
        skip(); // the kernel has put it elsewhere
    uintptr_t in_b = tagged(address);
    assert_int_not_equal(in_b, in_a);
    is_in(in_a, "a.so");
    is_in(in_b, "b.so");
    close_as_the_hook_does(b);
    a = load("a.so"); // back again: the same frames as before
    assert_int_equal(frame_in(a), address);
    uint32_t count = gs_probe_library_count();
    assert_int_equal(tagged(address), in_a);
    assert_int_equal(gs_probe_library_count(), count);
    close_as_the_hook_does(a);
}

/* One thread is in dlclose, and has not yet seen what is gone, when another loads a library at the same place and allocates. */
static void a_library_that_comes_during_a_dlclose_is_told_apart(void **state)
{
    (void)state;
    void *a = load("c.so");
    uintptr_t address = frame_in(a), in_a = tagged(address);
    gs_unwind_libraries_before_close();
    assert_int_equal(tagged(address), in_a); // its destructors allocate
    dlclose(a);
    void *b = load("d.so");
    if (frame_in(b) != address)
        skip();
    uintptr_t in_b = tagged(address);
    gs_unwind_libraries_after_close();
    assert_int_not_equal(in_b, in_a);
    is_in(in_b, "d.so");
    assert_int_equal(tagged(address), in_b);
    close_as_the_hook_does(b);
}

/* dlclose of a library that somebody else still uses, and of one that a library needs. */
static void only_what_is_unmapped_is_gone(void **state)
{
    (void)state;
    void *twice = load("e.so");
    uintptr_t frame = tagged(frame_in(twice));
    load("e.so");
    close_as_the_hook_does(twice);
    assert_int_equal(library_of(frame)->state, GS_LIBRARY_LOADED);
    close_as_the_hook_does(twice);
    assert_int_equal(library_of(frame)->state, GS_LIBRARY_GONE);
    void *user = load("user.so");
    uintptr_t (*needed)(void) = (uintptr_t(*)(void))dlsym(user, "needed");
    frame = tagged(needed() + 1);
    is_in(frame, "needed.so");
    close_as_the_hook_does(user);
    assert_int_equal(library_of(frame)->state, GS_LIBRARY_GONE);
}

static void code_without_a_library_where_one_was(void **state)
{
    (void)state;
    void *a = load("a.so");
    uintptr_t address = frame_in(a);
    (void)tagged(address);
    close_as_the_hook_does(a);
    uintptr_t frame = tagged(address);
    assert_int_equal(frame, address | (uintptr_t)GS_FRAME_NO_LIBRARY << GS_FRAME_LIBRARY_SHIFT);
    assert_int_equal(tagged(0x1234), 0x1234); // never anything there
}

/* The child of a fork in the middle of another thread's dlclose is not in a dlclose for ever. */
static void a_child_starts_without_the_closes_of_other_threads(void **state)
{
    (void)state;
    void *library = load("a.so");
    uintptr_t frame = tagged(frame_in(library));
    gs_unwind_libraries_before_close();
    pid_t child = fork();
    if (child == 0) {
        gs_unwind_libraries_after_fork();
        dlclose(library); // not through the hook: only a sample during a dlclose would see that it is gone
        (void)tagged(frame);
        _exit(library_of(frame)->state != GS_LIBRARY_LOADED);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    gs_unwind_libraries_after_close();
    close_as_the_hook_does(library);
}

static void a_relative_path_becomes_absolute(void **state)
{
    char *before = getcwd(NULL, 0);
    (void)state;
    assert_int_equal(chdir(folder), 0);
    void *library = dlopen("./relative.so", RTLD_NOW);
    uintptr_t frame = tagged(frame_in(library));
    assert_int_equal(chdir(before), 0);
    is_in(frame, "./relative.so");
    close_as_the_hook_does(library);
    free(before);
}

/* Last, because the table stays full. */
static void a_full_table_refuses_new_stacks_only(void **state)
{
    char name[32];
    uintptr_t old_frame = 0, frame = 0;
    bool noted = true;
    (void)state;
    run("for i in $(seq 1100); do cp plain.so full$i.so; done");
    for (int i = 1; i <= 1100 && noted; i++) {
        snprintf(name, sizeof name, "full%d.so", i);
        frame = frame_in(load(name));
        noted = gs_unwind_libraries_note(&frame, 1);
        old_frame = noted ? frame : old_frame;
    }
    assert_false(noted);
    assert_int_equal(gs_probe_library_count(), GS_LIBRARIES_MAX);
    assert_true(gs_unwind_libraries_note(&old_frame, 1));
}

static int build(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/gumshoe-test-libraries-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    run("for n in a b c d e relative; do echo \"const char name[] = \\\"$n\\\"; void here(void) {}\" |"
        " gcc -x c -shared -fPIC -Wl,--build-id=sha1 -o $n.so -; done");
    run("echo 'void here(void) {}' | gcc -x c -shared -fPIC -Wl,--build-id=none -o plain.so -");
    run("echo 'void inner(void) {}' | gcc -x c -shared -fPIC -o needed.so -");
    run("echo 'void inner(void); unsigned long needed(void) { return (unsigned long)inner; }' |"
        " gcc -x c -shared -fPIC -o user.so - -x none $PWD/needed.so");
    return 0;
}

static int clean(void **state)
{
    (void)state;
    run("rm -rf \"$PWD\"");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_in_two_libraries_at_one_place_differ),
        cmocka_unit_test(a_library_that_comes_during_a_dlclose_is_told_apart),
        cmocka_unit_test(only_what_is_unmapped_is_gone),
        cmocka_unit_test(code_without_a_library_where_one_was),
        cmocka_unit_test(a_child_starts_without_the_closes_of_other_threads),
        cmocka_unit_test(a_relative_path_becomes_absolute),
        cmocka_unit_test(a_full_table_refuses_new_stacks_only),
    };
    return cmocka_run_group_tests(tests, build, clean);
}
