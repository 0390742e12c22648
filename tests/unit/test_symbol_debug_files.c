/* A stripped library whose symbol table is in another file: where it is looked for, and when it is believed. */
#include "symbol/inside.h"
#include "base/memory.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64];

/* Run the commands, with the folder as working directory. */
static void run(const char *commands)
{
    char line[2000];
    snprintf(line, sizeof line, "cd %s && %s", folder, commands);
    assert_int_equal(system(line), 0);
}

/* A library whose local function only .symtab names; its debug file is beside it, and the link to it inside. */
static void build(const char *build_id)
{
    char command[1000];
    snprintf(command, sizeof command,
             "rm -rf lib.so lib.debug .debug && printf '%%s' "
             "'static __attribute__((noinline,noclone)) int leak_local(int x) { __asm__(\"\" : \"+r\"(x)); "
             "return x + 1; }"
             " int (*where(void))(int) { return leak_local; }' | gcc -x c -O1 -shared -fPIC "
             "-Wl,--build-id=%s -o lib.so -",
             build_id);
    run(command);
    run("objcopy --only-keep-debug lib.so lib.debug && objcopy --strip-all --add-gnu-debuglink=lib.debug "
        "lib.so");
}

/* The name of the local function in the library as it is mapped now; "" where it has none. */
static const char *name(void)
{
    static char found[100];
    char path[100];
    snprintf(path, sizeof path, "%s/lib.so", folder);
    void *library = dlopen(path, RTLD_NOW);
    assert_non_null(library);
    int (*(*where)(void))(int) = (int (*(*)(void))(int))dlsym(library, "where");
    uint64_t address = (uintptr_t)where() + 1;
    struct gs_maps *maps = gs_symbol_maps_read(0);
    struct gs_symbols *symbols = gs_symbol_table_new(maps, &address, 1);
    struct gs_symbol symbol = gs_symbol_table_find(symbols, address);
    assert_true(symbol.in_file);
    snprintf(found, sizeof found, "%s", symbol.name ? symbol.name : "");
    gs_symbol_table_free(symbols);
    gs_symbol_maps_free(maps);
    dlclose(library);
    return found;
}

static void it_is_found_beside_the_file_and_in_its_debug_folder(void **state)
{
    (void)state;
    build("sha1");
    assert_string_equal(name(), "leak_local");
    run("mkdir .debug && mv lib.debug .debug/");
    assert_string_equal(name(), "leak_local");
    run("rm -r .debug");
    assert_string_equal(name(), "");
}

static void the_debug_file_of_another_build_is_not_believed(void **state)
{
    (void)state;
    build("sha1");
    run("mv lib.debug other.debug");
    build("0x0123456789abcdef0123456789abcdef01234567");
    assert_string_equal(name(), "leak_local");
    run("mv other.debug lib.debug");
    assert_string_equal(name(), "");
}

/* Neither has a build id: then the CRC-32 decides. */
static void without_build_ids_the_crc_decides(void **state)
{
    (void)state;
    build("none");
    assert_string_equal(name(), "leak_local");
    run("printf x >> lib.debug");
    assert_string_equal(name(), "");
}

static void what_is_no_regular_file_is_not_opened(void **state)
{
    (void)state;
    build("sha1");
    run("rm lib.debug && mkfifo lib.debug"); // opening it for reading alone would wait for a writer
    assert_string_equal(name(), "");
    run("rm lib.debug && mkdir lib.debug");
    assert_string_equal(name(), "");
    run("rmdir lib.debug");
}

/* The file has been removed since it was loaded, but its debug file is where a distribution installs it. */
static void a_removed_file_is_named_by_its_build_id(void **state)
{
    char path[100];
    (void)state;
    if (geteuid() != 0)
        skip();
    build("0xfe57000000000000000000000000000000000001");
    run("mkdir -p /usr/lib/debug/.build-id/fe && cp lib.debug "
        "/usr/lib/debug/.build-id/fe/57000000000000000000000000000000000001.debug");
    snprintf(path, sizeof path, "%s/lib.so", folder);
    void *library = dlopen(path, RTLD_NOW);
    int (*(*where)(void))(int) = (int (*(*)(void))(int))dlsym(library, "where");
    run("rm lib.so");
    uint64_t address = (uintptr_t)where() + 1;
    struct gs_maps *maps = gs_symbol_maps_read(0);
    struct gs_symbols *symbols = gs_symbol_table_new(maps, &address, 1);
    run("rm /usr/lib/debug/.build-id/fe/57000000000000000000000000000000000001.debug"
        " && (rmdir -p /usr/lib/debug/.build-id/fe 2> /dev/null || true)");
    assert_string_equal(gs_symbol_table_find(symbols, address).name, "leak_local");
    assert_int_equal(gs_symbol_table_note_count(symbols), 0);
    gs_symbol_table_free(symbols);
    gs_symbol_maps_free(maps);
    dlclose(library);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/gumshoe-test-debug-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    run("cd / && rm -rf \"$OLDPWD\"");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_found_beside_the_file_and_in_its_debug_folder),
        cmocka_unit_test(the_debug_file_of_another_build_is_not_believed),
        cmocka_unit_test(without_build_ids_the_crc_decides),
        cmocka_unit_test(what_is_no_regular_file_is_not_opened),
        cmocka_unit_test(a_removed_file_is_named_by_its_build_id),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
