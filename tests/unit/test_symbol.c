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
    struct gs_maps *maps = gs_symbol_maps_read(0);
    gs_symbol_table_free(symbols);
    symbols = gs_symbol_table_new(maps, &address, 1);
    gs_symbol_maps_free(maps);
    return gs_symbol_table_find(symbols, address);
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
    struct gs_maps *maps = gs_symbol_maps_read(0);
    assert_true(maps->main < maps->count);
    snprintf(command, sizeof command, "readelf -n %s | sed -n 's/.*Build ID: //p'", maps->mapping[maps->main].path);
    FILE *readelf = popen(command, "r");
    assert_non_null(fgets(told, sizeof told, readelf));
    pclose(readelf);
    told[strcspn(told, "\n")] = 0;
    assert_string_equal(gs_symbol_build_id_hex(&maps->mapping[maps->main], hex), told);
    gs_symbol_maps_free(maps);
}

/* Every function that readelf finds in the C++ library: its middle has a name that starts where the function does. */
static void every_symbol_of_a_large_library_is_found(void **state)
{
    char line[4096], name[3000];
    unsigned long value, size, looked = 0, right = 0;
    (void)state;
    void *library = dlopen("libstdc++.so.6", RTLD_NOW);
    assert_non_null(library);
    struct gs_maps *maps = gs_symbol_maps_read(0);
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
    struct gs_symbols *symbols = gs_symbol_table_new(maps, address, looked);
    for (size_t i = 0; i < looked; i++)
        right += gs_symbol_table_find(symbols, address[i]).start == start[i];
    assert_int_equal(right, looked);
    gs_symbol_table_free(symbols);
    gs_symbol_maps_free(maps);
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
    struct gs_maps *maps = gs_symbol_maps_read(0);
    assert_true(gs_symbol_maps_find(maps, address)->deleted);
    struct gs_symbols *symbols = gs_symbol_table_new(maps, &address, 1);
    assert_null(gs_symbol_table_find(symbols, address).name);
    assert_int_equal(gs_symbol_table_note_count(symbols), 1);
    assert_non_null(strstr(gs_symbol_table_note(symbols, 0), "its names are not used"));
    gs_symbol_table_free(symbols);
    gs_symbol_maps_free(maps);
    dlclose(library);
    snprintf(command, sizeof command, "rm -f %s %s.so", path, path);
    assert_int_equal(system(command), 0);
}

/* A library without a build id is removed, and another is put in its place: nothing tells the two apart, so its names are not used. */
static void a_removed_file_without_a_build_id_is_not_believed(void **state)
{
    char path[] = "/tmp/gumshoe-test-lib-XXXXXX", command[400];
    (void)state;
    close(mkstemp(path));
    snprintf(command, sizeof command,
             "echo 'int before(int x) { return x; }' | gcc -x c -shared -fPIC -Wl,--build-id=none -o %s -", path);
    assert_int_equal(system(command), 0);
    void *library = dlopen(path, RTLD_NOW), *at = dlsym(library, "before");
    assert_string_equal(name_of(at).name, "before");
    snprintf(command, sizeof command,
             "rm %s; echo 'int after(int x) { return x; }' | gcc -x c -shared -fPIC -Wl,--build-id=none -o %s -", path, path);
    assert_int_equal(system(command), 0);
    struct gs_symbol symbol = name_of(at);
    assert_null(symbol.name);
    assert_true(symbol.in_file); // its headers are still in memory
    dlclose(library);
    unlink(path);
}

/* Machine code by hand, as the linker lays it: what lies where is in the comments. Where no symbol reaches there is no name, and
 * the address in the file all the same. */
static void an_address_that_no_symbol_reaches_has_no_name(void **state)
{
    static const char code[] = "    .text\n"
                               "    .globl sized\n    .type sized, @function\n"
                               "sized: .skip 8, 0x90\n    .size sized, 8\n" //     0 ..   8
                               "    .skip 56, 0x90\n"                       //     8 ..  64  nobody's
                               "    .globl bare\n"                          //              a label without type or size
                               "bare: .skip 16, 0x90\n"                     //    64 ..  80
                               "    .globl next\n    .type next, @function\n"
                               "next: .skip 8, 0x90\n    .size next, 8\n"   //    80 ..  88
                               "    .skip 8, 0x90\n"                        //    88 ..  96  nobody's
                               "    .globl behind\n    .type behind, @function\n"
                               "behind: .skip 8, 0x90\n"                    //    96 .. 104  without a size, the section's last
                               "    .section elsewhere, \"ax\", @progbits\n"
                               ".Lelsewhere: .skip 64, 0x90\n"              //              nobody's
                               "    .data\n    .globl place\n    .type place, @object\n"
                               "place: .quad .Lelsewhere\n    .size place, 8\n"
                               "    .section .note.GNU-stack, \"\", @progbits\n";
    static const struct { size_t at; const char *name; } wanted[] = {
        {0, "sized"}, {7, "sized"}, {8, NULL}, {63, NULL}, {64, "bare"}, {79, "bare"},
        {80, "next"}, {87, "next"}, {88, NULL}, {95, NULL}, {96, "behind"}, {103, "behind"}};
    char path[] = "/tmp/gumshoe-test-lib-XXXXXX", command[300];
    (void)state;
    close(mkstemp(path));
    snprintf(command, sizeof command, "gcc -x assembler -shared -nostdlib -o %s -", path);
    FILE *gcc = popen(command, "w");
    assert_int_equal(fputs(code, gcc) < 0, 0);
    assert_int_equal(pclose(gcc), 0);
    void *library = dlopen(path, RTLD_NOW);
    const char *sized = dlsym(library, "sized");
    Dl_info where;
    assert_int_not_equal(dladdr(sized, &where), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct gs_symbol symbol = name_of(sized + wanted[i].at);
        if (wanted[i].name)
            assert_string_equal(symbol.name, wanted[i].name);
        else
            assert_null(symbol.name);
        assert_true(symbol.in_file);
        assert_int_equal(symbol.file_address, sized + wanted[i].at - (const char *)where.dli_fbase);
    }
    const char *elsewhere = *(const char **)dlsym(library, "place");
    assert_true(elsewhere > sized); // so that "behind" is the closest symbol below it
    assert_null(name_of(elsewhere).name);
    assert_null(name_of(elsewhere + 63).name);
    dlclose(library);
    unlink(path);
}

/* An entry of the PLT, and the rarely executed part of a function, which the compiler puts elsewhere: once with the symbol that GCC
 * gives it, once without, as in a stripped library. The symbols before them do not reach so far. */
static void the_plt_and_stripped_cold_parts_have_no_name(void **state)
{
    static const char code[] = "    .section .text.unlikely, \"ax\", @progbits\n"
                               "    .type take.cold, @function\n"
                               "take.cold: .skip 8, 0x90\n    .size take.cold, 8\n"
                               ".Lgive_cold: .skip 8, 0x90\n"
                               "    .text\n"
                               "    .globl take\n    .type take, @function\n"
                               "take: leaq puts@PLT(%rip), %rax\n    ret\n    .size take, . - take\n"
                               "    .data\n    .globl cold\n    .type cold, @object\n"
                               "cold: .quad take.cold, .Lgive_cold\n    .size cold, 16\n"
                               "    .section .note.GNU-stack, \"\", @progbits\n";
    char path[] = "/tmp/gumshoe-test-lib-XXXXXX", command[300];
    (void)state;
    close(mkstemp(path));
    snprintf(command, sizeof command, "gcc -x assembler -shared -nostdlib -o %s -", path);
    FILE *gcc = popen(command, "w");
    assert_int_equal(fputs(code, gcc) < 0, 0);
    assert_int_equal(pclose(gcc), 0);
    void *library = dlopen(path, RTLD_NOW);
    assert_non_null(library);
    const char *(*take)(void) = (const char *(*)(void))dlsym(library, "take"), *const *cold = dlsym(library, "cold");
    Dl_info where;
    assert_int_not_equal(dladdr(*(void *const *)&take, &where), 0);
    assert_string_equal(name_of(cold[0] + 7).name, "take");
    assert_string_equal(name_of(cold[0]).system_name, "take.cold");
    const char *const nameless[] = {cold[1], cold[1] + 7, take(), take() + 4};
    for (size_t i = 0; i < sizeof nameless / sizeof *nameless; i++) {
        struct gs_symbol symbol = name_of(nameless[i]);
        assert_null(symbol.name);
        assert_true(symbol.in_file);
        assert_int_equal(symbol.file_address, nameless[i] - (const char *)where.dli_fbase);
    }
    dlclose(library);
    unlink(path);
}

/* ---- where a file lies -------------------------------------------------------------------------------------------------- */

enum { SEGMENTS_OF_LLD = 4 };

/* The bias of mapping number INDEX of MAPS, of a file with COUNT SEGMENTS; UINT64_MAX: it has none. */
static uint64_t bias_in(const char *maps, size_t index, const Elf64_Phdr *segments, size_t count)
{
    struct gs_maps *read = gs_symbol_maps_parse(maps, strlen(maps), "/srv/app");
    uint64_t bias;
    assert_non_null(read);
    assert_true(index < read->count);
    if (!gs_symbol_elf_bias(segments, count, read, &read->mapping[index], &bias))
        bias = UINT64_MAX;
    gs_symbol_maps_free(read);
    return bias;
}

/* readelf -lW of a small program of lld's: one page of the file belongs to all four segments. Segment 1 is the code. */
static const Elf64_Phdr small_of_lld[SEGMENTS_OF_LLD] = {
    {.p_type = PT_LOAD, .p_flags = PF_R, .p_offset = 0, .p_vaddr = 0, .p_filesz = 0x710, .p_memsz = 0x710},
    {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 0x710, .p_vaddr = 0x1710, .p_filesz = 0x1f0, .p_memsz = 0x1f0},
    {.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0x900, .p_vaddr = 0x2900, .p_filesz = 0x1d8, .p_memsz = 0x1d8},
    {.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0xad8, .p_vaddr = 0x3ad8, .p_filesz = 0x50, .p_memsz = 0xc35a8},
};
#define LINE(start, end, may, offset) start "-" end " " may " " offset " fe:00 42 /srv/app\n"

static void segments_that_share_a_page_are_told_apart(void **state)
{
    static const char maps[] = LINE("560000000000", "560000001000", "r--p", "00000000")
        LINE("560000001000", "560000002000", "r-xp", "00000000") LINE("560000002000", "560000003000", "r--p", "00000000")
        LINE("560000003000", "560000004000", "rw-p", "00000000") "560000004000-5600000c8000 rw-p 00000000 00:00 0 \n"
        "7f0000000000-7f0000001000 r-xp 00000000 fe:00 43 /srv/other\n";
    (void)state;
    assert_int_equal(bias_in(maps, 0, small_of_lld, SEGMENTS_OF_LLD), 0x560000000000);
    // all of it may be executed, as under `setarch -X`: then every line is a mapping, and each says the same
    char executable[sizeof maps];
    memcpy(executable, maps, sizeof maps);
    for (char *at = executable; (at = strstr(at, "r--p")) || (at = strstr(executable, "rw-p "));)
        at[2] = 'x';
    for (size_t i = 0; i < SEGMENTS_OF_LLD; i++)
        assert_int_equal(bias_in(executable, i, small_of_lld, SEGMENTS_OF_LLD), 0x560000000000);
}

/* A black box with little room has the lines of code alone: then what may be executed is taken for the code. */
static void a_line_alone_is_the_codes(void **state)
{
    (void)state;
    assert_int_equal(bias_in(LINE("560000001000", "560000002000", "r-xp", "00000000"), 0, small_of_lld, SEGMENTS_OF_LLD),
                     0x560000000000);
}

static void a_file_that_is_loaded_twice_lies_at_two_places(void **state)
{
    static const char twice[] = LINE("560000000000", "560000001000", "r--p", "00000000")
        LINE("560000001000", "560000002000", "r-xp", "00000000") LINE("560000002000", "560000003000", "r--p", "00000000")
        LINE("560000003000", "560000004000", "rw-p", "00000000") LINE("560000004000", "560000005000", "r--p", "00000000")
        LINE("560000005000", "560000006000", "r-xp", "00000000") LINE("560000006000", "560000007000", "r--p", "00000000")
        LINE("560000007000", "560000008000", "rw-p", "00000000");
    (void)state;
    assert_int_equal(bias_in(twice, 0, small_of_lld, SEGMENTS_OF_LLD), 0x560000000000);
    assert_int_equal(bias_in(twice, 1, small_of_lld, SEGMENTS_OF_LLD), 0x560000004000);
}

/* A prelinked library that had to lie below where it was linked for: the bias is negative, and wraps. Its code was cut by mprotect. */
static void a_bias_may_be_negative(void **state)
{
    static const Elf64_Phdr prelinked[] = {
        {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_offset = 0, .p_vaddr = 0x3000000000, .p_filesz = 0x4100, .p_memsz = 0x4100},
        {.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_offset = 0x4100, .p_vaddr = 0x3000005100, .p_filesz = 0x900, .p_memsz = 0x900},
    };
    static const char maps[] = LINE("1000000000", "1000001000", "r-xp", "00000000") LINE("1000001000", "1000002000", "rwxp", "00001000")
        LINE("1000002000", "1000005000", "r-xp", "00002000") LINE("1000005000", "1000006000", "rw-p", "00004000");
    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(bias_in(maps, i, prelinked, 2), 0x1000000000 - 0x3000000000);
}

static void what_is_of_no_segment_lies_nowhere(void **state)
{
    (void)state;
    assert_int_equal(bias_in(LINE("560000001000", "560000002000", "r-xp", "00008000"), 0, small_of_lld, SEGMENTS_OF_LLD),
                     UINT64_MAX);
    assert_int_equal(bias_in(LINE("560000001000", "560000002000", "r-xp", "00000000"), 0, small_of_lld, 0), UINT64_MAX);
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
        (void)gs_symbol_elf_build_id(&image, id);
        if (gs_symbol_elf_header(&image, &header))
            gs_free(gs_symbol_elf_segments(&image, &header, &count));
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
        char *got = gs_symbol_demangle(names[i][0]);
        assert_non_null(got);
        assert_string_equal(got, names[i][1]);
        gs_free(got);
    }
    assert_null(gs_symbol_demangle("main"));
    assert_null(gs_symbol_demangle("_Zthis is not mangled"));
    char *long_name = calloc(1, 100001);
    memset(long_name, 'N', 100000);
    memcpy(long_name, "_Z", 2);
    assert_null(gs_symbol_demangle(long_name)); // it would take the stack with it
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
        assert_true(gs_symbol_path_is_runtime(theirs[i]));
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_false(gs_symbol_path_is_runtime(ours[i]));
    assert_true(gs_symbol_function_is_runtime("operator new(unsigned long)") && gs_symbol_function_is_runtime("std::vector<int>::push_back"));
    assert_true(gs_symbol_function_is_runtime("malloc") && gs_symbol_function_is_runtime("__libc_start_call_main"));
    assert_false(gs_symbol_function_is_runtime("zmalloc") || gs_symbol_function_is_runtime("main") || gs_symbol_function_is_runtime("malloc_conf_init"));
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
        char *got = gs_symbol_plain_name(names[i][0]);
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
        cmocka_unit_test(a_removed_file_without_a_build_id_is_not_believed),
        cmocka_unit_test(an_address_that_no_symbol_reaches_has_no_name),
        cmocka_unit_test(the_plt_and_stripped_cold_parts_have_no_name),
        cmocka_unit_test(segments_that_share_a_page_are_told_apart),
        cmocka_unit_test(a_line_alone_is_the_codes),
        cmocka_unit_test(a_file_that_is_loaded_twice_lies_at_two_places),
        cmocka_unit_test(a_bias_may_be_negative),
        cmocka_unit_test(what_is_of_no_segment_lies_nowhere),
        cmocka_unit_test(damaged_files_are_survived),
        cmocka_unit_test(names_are_demangled),
        cmocka_unit_test(a_clone_has_its_functions_name),
        cmocka_unit_test(runtimes_are_told_from_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
