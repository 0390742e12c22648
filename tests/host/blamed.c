/* blamed.c - a server with a planted fault, for tests/host/culprits.sh: each fault has one function that a person would name. It
 * says "ready", does one more step for each line that it reads, says so, and ends with its input. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FUNCTION __attribute__((noinline, noclone))
#define DONE     __asm__ volatile("" ::: "memory") /* what was called last returns here: no tail call */

static void *volatile kept[1 << 20];
static size_t kept_count;

static FUNCTION void keep(void *block)
{
    kept[kept_count++] = block;
}

/* ---- wrapper: all allocations go through one function that no table knows ------------------------------------------------- */

FUNCTION void *grab(size_t size)
{
    void *block = malloc(size);
    memset(block, 1, size);
    DONE;
    return block;
}

/* Twelve parts of the server; the second of each three gives back what it got. */
#define PART(name, size, temporary)                  \
    FUNCTION void name(void)                         \
    {                                                \
        for (int i = 0; i < 2000000 / (size); i++) { \
            void *block = grab(size);                \
            if (temporary)                           \
                free(block);                         \
            else                                     \
                keep(block);                         \
        }                                            \
        DONE;                                        \
    }
PART(read_config, 48, 0)
PART(parse_header, 100, 1)
PART(build_index, 700, 0)
PART(read_body, 8000, 1)
PART(render_page, 20000, 1)
PART(log_line, 120, 1)
PART(open_table, 4000, 0)
PART(add_route, 64, 0)
PART(copy_name, 40, 0)
PART(send_reply, 16000, 1)
PART(load_template, 9000, 0)
PART(read_cookie, 300, 1)
FUNCTION void session_leak(void)
{
    for (int i = 0; i < 40000; i++)
        keep(grab(500));
    DONE;
}

static void wrapper(void)
{
    read_config(), parse_header(), build_index(), read_body(), render_page(), log_line(), open_table(),
        add_route();
    copy_name(), send_reply(), load_template(), read_cookie(), session_leak();
}

/* ---- cache: twelve functions fill one cache, of entries of one kind ----------------------------------------------------------- */

FUNCTION void cache_insert(void)
{
    void *entry = malloc(600);
    memset(entry, 1, 600);
    keep(entry);
    DONE;
}
#define FILLER(name)                   \
    FUNCTION void name(void)           \
    {                                  \
        for (int i = 0; i < 3000; i++) \
            cache_insert();            \
        DONE;                          \
    }
FILLER(get_user)
FILLER(get_page) FILLER(get_image) FILLER(get_style) FILLER(get_script) FILLER(get_font) FILLER(put_user)
    FILLER(put_page) FILLER(put_image) FILLER(put_style) FILLER(put_script) FILLER(put_font)

        static void cache(void)
{
    get_user(), get_page(), get_image(), get_style(), get_script(), get_font();
    put_user(), put_page(), put_image(), put_style(), put_script(), put_font();
}

/* ---- catalogue: it is loaded on one path and renewed on another, beside a leak that is smaller ------------------------------------ */

enum { ITEMS = 20000 };
static void *volatile item[ITEMS];

FUNCTION void catalogue_add(int i)
{
    free(item[i]);
    item[i] = malloc(1000);
    memset(item[i], 1, 1000);
    DONE;
}

FUNCTION void catalogue_load(void)
{
    for (int i = 0; i < ITEMS; i++)
        catalogue_add(i);
    DONE;
}

FUNCTION void catalogue_refresh(void)
{
    for (int i = 0; i < ITEMS; i++)
        catalogue_add(i);
    DONE;
}

FUNCTION void handle_forgotten(void)
{
    for (int i = 0; i < 8000; i++)
        keep(memset(malloc(700), 1, 700));
    DONE;
}

/* ---- library: what the program asks of a library of the distribution -------------------------------------------------------------- */

FUNCTION void session_open(void)
{
    z_stream *stream = calloc(1, sizeof *stream);
    if (deflateInit(stream, 6) != Z_OK)
        abort();
    keep(stream);
    DONE;
}

static void library(void)
{
    for (int i = 0; i < 100; i++)
        session_open();
}

/* ---- helper: a shared function, most of it for one caller ------------------------------------------------------------------------- */

FUNCTION void score(int count)
{
    for (int i = 0; i < count; i++)
        keep(memset(malloc(1000), 1, 1000));
    DONE;
}

FUNCTION void rank_hits(void)
{
    score(18000);
    DONE;
}

FUNCTION void warm_up(void)
{
    score(4000);
    DONE;
}

/* ---- plugin ------------------------------------------------------------------------------------------------------------------------ */

static void plugin(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    void (*run)(void) = library ? (void (*)(void))dlsym(library, "plugin_run") : NULL;
    if (!run)
        abort();
    run();
}

int main(int argc, char **argv)
{
    const char *fault = argc > 1 ? argv[1] : "";
    char line[80];
    if (!strcmp(fault, "wrapper"))
        wrapper();
    else if (!strcmp(fault, "cache"))
        cache();
    else if (!strcmp(fault, "catalogue"))
        catalogue_load();
    else if (!strcmp(fault, "library"))
        library();
    else if (!strcmp(fault, "helper"))
        rank_hits(), warm_up();
    else if (!strcmp(fault, "plugin"))
        plugin(argv[2]);
    else
        return 2;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        catalogue_refresh();
        handle_forgotten();
        puts("stepped");
        fflush(stdout);
    }
    return 0;
}
