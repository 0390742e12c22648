/* Names of generated code: lines that any program may have written, and files that anybody may have put into /tmp. */
#include "symbol/inside.h"
#include "base/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* The name that the perf map TEXT gives to ADDRESS, which is in generated code; freed with gs_free. */
static char *name_in(const char *text, size_t length, uint64_t address)
{
    struct gs_symbol_wanted wanted = {.address = address, .symbol.generated = true};
    int fd = memfd_create("map", 0);
    assert_int_equal(write(fd, text, length), length);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    gs_symbol_perf_map_read(fd, &wanted, 1);
    close(fd);
    gs_free((char *)wanted.symbol.system_name);
    return (char *)wanted.symbol.name;
}

static void names(const char *text, uint64_t address, const char *wanted)
{
    char *name = name_in(text, strlen(text), address);
    if (wanted)
        assert_string_equal(name, wanted);
    else
        assert_null(name);
    gs_free(name);
}

static void lines_of_the_usual_jits(void **state)
{
    static const char map[] =
        "3ef414c0 398 JS:*render file:///srv/app.js:12:3\n"  // node
        "0x00007f0010000000 0x40 Lcom/example/Cache;::put\n" // java, with and without 0x
        "7f0010000040 20 _ZN6engine4stepEi\n";               // LLVM's JIT keeps C++ names
    (void)state;
    names(map, 0x3ef414c0, "JS:*render file:///srv/app.js:12:3");
    names(map, 0x3ef414c0 + 0x397, "JS:*render file:///srv/app.js:12:3");
    names(map, 0x3ef414c0 + 0x398, NULL); // the first byte behind it
    names(map, 0x3ef414bf, NULL);
    names(map, 0x7f001000003f, "Lcom/example/Cache;::put");
    names(map, 0x7f0010000040, "engine::step");
}

/* The compiler has thrown a function away and put another where it was. */
static void a_later_line_counts(void **state)
{
    (void)state;
    names("1000 100 old\n1080 10 new\n", 0x1084, "new");
    names("1000 100 old\n1080 10 new\n", 0x1090, "old");
}

static void other_lines_are_skipped(void **state)
{
    static const char *const bad[] = {"1000 0 empty\n",
                                      "1000 100\n",
                                      "1000 100 \n",
                                      "1000\n",
                                      "\n",
                                      " 1000 100 f\n",
                                      "100g 100 f\n",
                                      "1000 -1 f\n",
                                      "ffffffffffffff00 200 beyond\n",
                                      "11111111111111111 100 f\n",
                                      "1000 100 unfinished"};
    char text[200];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        names(bad[i], 0x1010, NULL);
        snprintf(text, sizeof text, "2000 100 before\n%s%s3000 100 behind\n", bad[i],
                 strchr(bad[i], '\n') ? "" : "\n");
        names(text, 0x2000, "before");
        names(text, 0x3000, "behind");
    }
}

static void names_cannot_write_to_a_terminal(void **state)
{
    (void)state;
    names("1000 100 \x1b[2Jgone\rx\n", 0x1000, "\\x1b[2Jgone\\x0dx");
}

/* Lines cross the pieces that the file is read in; one is longer than a piece; the name of another is cut. */
static void a_map_of_any_length_is_read(void **state)
{
    enum { LINES = 20000 };
    size_t length = 0, room = LINES * 40 + (300 << 10);
    char *text = malloc(room), expected[40];
    (void)state;
    for (int i = 0; i < LINES; i++) {
        length += (size_t)sprintf(text + length, "%x 10 function_%d\n", i * 16, i);
        if (i == LINES / 2) { // 200 KiB that begin like a line, and would end like one
            memset(text + length, 'x', 200 << 10);
            length += 200 << 10;
            length += (size_t)sprintf(text + length, " 10 10 nothing\n");
        }
    }
    for (int i = 0; i < LINES; i += 997) {
        char *name = name_in(text, length, (uint64_t)i * 16 + 15);
        snprintf(expected, sizeof expected, "function_%d", i);
        assert_string_equal(name, expected);
        gs_free(name);
    }
    length = (size_t)sprintf(text, "1000 10 ");
    memset(text + length, 'y', 5000);
    text[length + 5000] = '\n';
    char *name = name_in(text, length + 5001, 0x1000);
    assert_int_equal(strlen(name), 1024);
    gs_free(name);
    free(text);
}

/* Over 64 MiB the end counts, which has the newest. */
static void of_a_huge_map_the_end_is_read(void **state)
{
    struct gs_symbol_wanted wanted[] = {{.address = 0x1000, .symbol.generated = true},
                                        {.address = 0x2000, .symbol.generated = true}};
    int fd = memfd_create("map", 0);
    (void)state;
    assert_int_equal(pwrite(fd, "1000 10 first\n", 14, 0), 14);
    assert_int_equal(pwrite(fd, "\n2000 10 last\n", 14, 80 << 20), 14);
    gs_symbol_perf_map_read(fd, wanted, 2);
    assert_null(wanted[0].symbol.name);
    assert_string_equal(wanted[1].symbol.name, "last");
    gs_free((char *)wanted[1].symbol.name);
    gs_free((char *)wanted[1].symbol.system_name);
    close(fd);
}

/* ---- the file of this process ------------------------------------------------------------------------------------------- */

static char path[64];
static void *code;

static struct gs_symbol name_of_code(struct gs_symbols **symbols)
{
    uint64_t address = (uintptr_t)code + 8;
    struct gs_maps *maps = gs_symbol_maps_read(0);
    *symbols = gs_symbol_table_new(maps, &address, 1);
    gs_symbol_maps_free(maps);
    return gs_symbol_table_find(*symbols, address);
}

static void write_map(const char *to)
{
    FILE *map = fopen(to, "w");
    fprintf(map, "%lx 100 handle_request\n", (unsigned long)(uintptr_t)code);
    fclose(map);
}

static void refused(const char *why)
{
    struct gs_symbols *symbols;
    struct gs_symbol symbol = name_of_code(&symbols);
    assert_null(symbol.name);
    assert_true(symbol.generated);
    assert_int_equal(gs_symbol_table_note_count(symbols), why != NULL);
    if (why) {
        assert_non_null(strstr(gs_symbol_table_note(symbols, 0), path));
        assert_non_null(strstr(gs_symbol_table_note(symbols, 0), why));
    }
    gs_symbol_table_free(symbols);
}

static void the_map_of_a_living_process_is_used(void **state)
{
    struct gs_symbols *symbols;
    (void)state;
    write_map(path);
    struct gs_symbol symbol = name_of_code(&symbols);
    assert_string_equal(symbol.name, "handle_request");
    assert_int_equal(symbol.start, (uintptr_t)code);
    assert_false(symbol.in_file);
    gs_symbol_table_free(symbols);
    unlink(path);
    refused(NULL);
}

static void a_map_that_others_may_have_put_there_is_not_used(void **state)
{
    char target[80];
    (void)state;
    snprintf(target, sizeof target, "%s.target", path);
    write_map(target);
    assert_int_equal(symlink(target, path), 0);
    refused("not a regular file");
    unlink(path);
    assert_int_equal(link(target, path), 0);
    refused("written by another user");
    unlink(target);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    refused("not a regular file");
    unlink(path);
    write_map(path);
    if (geteuid() == 0 && chown(path, 65534, 65534) == 0)
        refused("written by another user");
    unlink(path);
}

static int map_code(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return code == MAP_FAILED;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_the_usual_jits),
        cmocka_unit_test(a_later_line_counts),
        cmocka_unit_test(other_lines_are_skipped),
        cmocka_unit_test(names_cannot_write_to_a_terminal),
        cmocka_unit_test(a_map_of_any_length_is_read),
        cmocka_unit_test(of_a_huge_map_the_end_is_read),
        cmocka_unit_test(the_map_of_a_living_process_is_used),
        cmocka_unit_test(a_map_that_others_may_have_put_there_is_not_used),
    };
    return cmocka_run_group_tests(tests, map_code, NULL);
}
