/* Names for addresses, held against what readelf and the linker know; files that changed, were cut, or lie. */
#include "symbol/inside.h"
#include "base/memory.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

int a_function_of_ours(int x);
__attribute__((noinline)) int a_function_of_ours(int x)
{
    return x * 7 + 1;
}

static struct gs_symbol name_of(const void *at)
{
    static struct gs_symbols *symbols;
    uint64_t address = (uintptr_t)at;
    struct gs_maps *maps = gs_maps_read(0);
    gs_symbols_free(symbols);
    symbols = gs_symbols_new(maps, &address, 1);
    gs_maps_free(maps);
    return gs_symbols_find(symbols, address);
}

static void our_own_functions_have_names(void **state)
{
    (void)state;
    struct gs_symbol symbol = name_of((const char *)(uintptr_t)a_function_of_ours + 3);
    assert_string_equal(symbol.name, "a_function_of_ours");
    assert_int_equal(symbol.start, (uintptr_t)a_function_of_ours);
}

static void functions_of_the_c_library_have_names(void **state)
{
    (void)state;
    void *at = dlsym(RTLD_NEXT, "hcreate_r");
    assert_string_equal(name_of((char *)at + 1).name, "hcreate_r");
}

static void the_heap_has_no_name(void **state)
{
    (void)state;
    char *block = calloc(1, 100);
    assert_null(name_of(block).name);
    free(block);
}

static void the_main_program_and_its_build_id_are_known(void **state)
{
    char hex[2 * GS_BUILD_ID_MAX + 1], command[200], told[100] = "";
    (void)state;
    struct gs_maps *maps = gs_maps_read(0);
    assert_true(maps->main < maps->count);
    snprintf(command, sizeof command, "readelf -n %s | sed -n 's/.*Build ID: //p'", maps->mapping[maps->main].path);
    FILE *readelf = popen(command, "r");
    assert_non_null(fgets(told, sizeof told, readelf));
    pclose(readelf);
    told[strcspn(told, "\n")] = 0;
    assert_string_equal(gs_build_id_hex(&maps->mapping[maps->main], hex), told);
    gs_maps_free(maps);
}

/* Every function that readelf finds in the C++ library: its middle has a name that starts where the function does. */
static void every_symbol_of_a_large_library_is_found(void **state)
{
    char line[4096], name[3000];
    unsigned long value, size, looked = 0, right = 0;
    (void)state;
    void *library = dlopen("libstdc++.so.6", RTLD_NOW);
    assert_non_null(library);
    struct gs_maps *maps = gs_maps_read(0);
    const struct gs_mapping *text = NULL;
    for (size_t i = 0; i < maps->count && !text; i++)
        if (strstr(maps->mapping[i].path, "libstdc++.so"))
            text = &maps->mapping[i];
    assert_non_null(text);
    snprintf(line, sizeof line, "readelf --dyn-syms -W %s", text->path);
    FILE *readelf = popen(line, "r");
    enum { MOST = 2000 };
    static uint64_t address[MOST], start[MOST];
    while (looked < MOST && fgets(line, sizeof line, readelf))
        if (sscanf(line, " %*d: %lx %lu FUNC GLOBAL DEFAULT %*d %2999s", &value, &size, name) == 3 && size > 1 && value) {
            start[looked] = text->start - text->offset + value; // this library's text has the same address and offset
            address[looked++] = text->start - text->offset + value + size / 2;
        }
    pclose(readelf);
    assert_true(looked > 500);
    struct gs_symbols *symbols = gs_symbols_new(maps, address, looked);
    for (size_t i = 0; i < looked; i++)
        right += gs_symbols_find(symbols, address[i]).start == start[i];
    assert_int_equal(right, looked);
    gs_symbols_free(symbols);
    gs_maps_free(maps);
}

/* A library is rebuilt while it is mapped: the new file's names are not used for the old code, and that is said. */
static void a_file_that_was_rebuilt_is_not_believed(void **state)
{
    char path[] = "/tmp/gumshoe-test-lib-XXXXXX", command[300];
    (void)state;
    close(mkstemp(path));
    const char *build = "echo 'int %s(int x) { return x; }' | gcc -x c -shared -fPIC -Wl,--build-id=sha1 -o %s.so -";
    snprintf(command, sizeof command, build, "before", path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s.so", path);
    void *library = dlopen(command, RTLD_NOW), *at = dlsym(library, "before");
    assert_string_equal(name_of(at).name, "before");
    snprintf(command, sizeof command, "rm %s.so", path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, build, "after", path);
    assert_int_equal(system(command), 0);
    uint64_t address = (uintptr_t)at;
    struct gs_maps *maps = gs_maps_read(0);
    assert_true(gs_maps_find(maps, address)->deleted);
    struct gs_symbols *symbols = gs_symbols_new(maps, &address, 1);
    assert_null(gs_symbols_find(symbols, address).name);
    assert_int_equal(gs_symbols_note_count(symbols), 1);
    assert_non_null(strstr(gs_symbols_note(symbols, 0), "its names are not used"));
    gs_symbols_free(symbols);
    gs_maps_free(maps);
    dlclose(library);
    snprintf(command, sizeof command, "rm -f %s %s.so", path, path);
    assert_int_equal(system(command), 0);
}

/* This very program's file, cut short and with bytes changed: read without a crash, whatever it says. */
static void damaged_files_are_survived(void **state)
{
    unsigned seed = 11;
    (void)state;
    int self = open("/proc/self/exe", O_RDONLY), copy = memfd_create("elf", MFD_CLOEXEC);
    off_t size = lseek(self, 0, SEEK_END);
    char *bytes = malloc((size_t)size);
    assert_int_equal(pread(self, bytes, (size_t)size, 0), size);
    for (int i = 0; i < 300; i++) {
        unsigned char id[GS_BUILD_ID_MAX];
        Elf64_Ehdr header;
        size_t count;
        off_t length = i % 3 ? size : (off_t)((unsigned)rand_r(&seed) % (unsigned)size);
        assert_int_equal(ftruncate(copy, 0), 0);
        assert_int_equal(pwrite(copy, bytes, (size_t)length, 0), length);
        for (int n = 0; n < 8; n++) // in the headers, mostly
            assert_int_equal(pwrite(copy, &(char){(char)rand_r(&seed)}, 1, (off_t)((unsigned)rand_r(&seed) % 1024)), 1);
        struct gs_image image = {.fd = copy, .size = (uint64_t)length};
        (void)gs_elf_build_id(&image, false, id);
        if (gs_elf_header(&image, &header))
            gs_free(gs_elf_segments(&image, &header, &count));
    }
    free(bytes);
    close(self);
    close(copy);
}

static void names_are_demangled(void **state)
{
    static const char *const names[][2] = {
        {"_ZN5cache3putERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", "cache::put"},
        {"_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back"},
        {"_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"},
        {"_RNvC6server4main", "server::main"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *got = gs_demangle(names[i][0]);
        assert_non_null(got);
        assert_string_equal(got, names[i][1]);
        gs_free(got);
    }
    assert_null(gs_demangle("main"));
    assert_null(gs_demangle("_Zthis is not mangled"));
    char *long_name = calloc(1, 100001);
    memset(long_name, 'N', 100000);
    memcpy(long_name, "_Z", 2);
    assert_null(gs_demangle(long_name)); // it would take the stack with it
    free(long_name);
}

static void runtimes_are_told_from_programs(void **state)
{
    static const char *const theirs[] = {"/lib/x86_64-linux-gnu/libc.so.6", "/lib/libc-2.31.so", "libstdc++.so.6.0.30",
                                         "/usr/lib/libjemalloc.so.2", "/lib64/ld-linux-x86-64.so.2", "[vdso]",
                                         "/opt/libgumshoe.so.1", "libm.so.6"};
    static const char *const ours[] = {"/usr/bin/redis-server", "/usr/lib/libcurl.so.4", "libcrypto.so.3", "libcache.so",
                                       "/home/me/libc", "libmylib.so", "libm4.so.1"};
    (void)state;
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        assert_true(gs_path_is_runtime(theirs[i]));
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_false(gs_path_is_runtime(ours[i]));
    assert_true(gs_function_is_runtime("operator new(unsigned long)") && gs_function_is_runtime("std::vector<int>::push_back"));
    assert_true(gs_function_is_runtime("malloc") && gs_function_is_runtime("__libc_start_call_main"));
    assert_false(gs_function_is_runtime("zmalloc") || gs_function_is_runtime("main") || gs_function_is_runtime("malloc_conf_init"));
}

/* A function whose rarely run half stands elsewhere is one function to whoever reads the profile. */
static void a_clone_has_its_functions_name(void **state)
{
    static const char *const names[][2] = {
        {"take_order.cold", "take_order"},       {"f.isra.0", "f"},
        {"f.part.0.isra.1.cold", "f"},           {"f.constprop.12", "f"},
        {"_Z3fooi.cold", "foo"},            {"_ZN3fooC2Ev.part.3", "foo::foo"},
        {"main", "main"},                        {"main.part", "main.part"},
        {"main.coldstart", "main.coldstart"},    {".cold", ".cold"},
        {"runtime.mallocgc", "runtime.mallocgc"}, {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *got = gs_plain_name(names[i][0]);
        assert_string_equal(got, names[i][1]);
        gs_free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_functions_have_names),
        cmocka_unit_test(functions_of_the_c_library_have_names),
        cmocka_unit_test(the_heap_has_no_name),
        cmocka_unit_test(the_main_program_and_its_build_id_are_known),
        cmocka_unit_test(every_symbol_of_a_large_library_is_found),
        cmocka_unit_test(a_file_that_was_rebuilt_is_not_believed),
        cmocka_unit_test(damaged_files_are_survived),
        cmocka_unit_test(names_are_demangled),
        cmocka_unit_test(a_clone_has_its_functions_name),
        cmocka_unit_test(runtimes_are_told_from_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
