/* program_kind.c - finds out whether libgumshoe.so can be preloaded into a program.
 *
 *   name ──PATH──▶ file ──#!──▶ interpreter ──▶ ELF: class, machine, loader, names in its dynamic section
 *
 * A program that cannot be watched still runs as usual: where its loader or runtime would fail with the library, it is started
 * without the preload. A file that cannot be read is assumed to be an ordinary program: exec will report the error. */
#include "cli/cli.h"
#include "sys/path_search.h"
#include <elf.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENTS_MAX = 256, NAMES_MAX = 16 << 20, INTERPRETERS_MAX = 4 };

/* The runtimes that replace malloc and thread functions themselves; each is recognised by a symbol or a library of the
 * program. */
static const struct {
    const char *name, *what;
} sanitizers[] = {
    {"__asan_init", "AddressSanitizer"}, {"__hwasan_init", "HWAddressSanitizer"},
    {"__tsan_init", "ThreadSanitizer"},  {"__msan_init", "MemorySanitizer"},
    {"__lsan_init", "LeakSanitizer"},    {"liblsan.so", "LeakSanitizer"},
};
static const char *const sanitizer_files[] = {"libasan.so", "libhwasan.so", "libtsan.so", "liblsan.so",
                                              "libclang_rt."};

/* ---- an ELF file ------------------------------------------------------------------------------------------------------- */

struct elf {
    int fd;
    Elf64_Ehdr header;
    Elf64_Phdr segment[SEGMENTS_MAX];
};

static bool read_at(int fd, uint64_t offset, void *out, size_t size)
{
    return pread(fd, out, size, (off_t)offset) == (ssize_t)size;
}

static bool is_elf(struct elf *elf)
{
    return read_at(elf->fd, 0, &elf->header, sizeof elf->header) &&
           memcmp(elf->header.e_ident, ELFMAG, SELFMAG) == 0;
}

static bool read_segments(struct elf *elf)
{
    return elf->header.e_phentsize == sizeof *elf->segment && elf->header.e_phnum <= SEGMENTS_MAX &&
           read_at(elf->fd, elf->header.e_phoff, elf->segment, elf->header.e_phnum * sizeof *elf->segment);
}

static const Elf64_Phdr *segment_of(const struct elf *elf, uint32_t type)
{
    for (unsigned i = 0; i < elf->header.e_phnum; i++)
        if (elf->segment[i].p_type == type)
            return &elf->segment[i];
    return NULL;
}

/* The file offset that address AT is loaded from; 0 if no segment contains it. */
static uint64_t offset_of(const struct elf *elf, uint64_t at)
{
    for (unsigned i = 0; i < elf->header.e_phnum; i++) {
        const Elf64_Phdr *segment = &elf->segment[i];
        if (segment->p_type == PT_LOAD && at >= segment->p_vaddr && at - segment->p_vaddr < segment->p_filesz)
            return at - segment->p_vaddr + segment->p_offset;
    }
    return 0;
}

struct dynamic_names { // what a program's dynamic section names
    char *names;       // its string table: names of needed libraries and of symbols; NULL: none
    size_t length;     // of it
    Elf64_Sym *symbol; // the symbols, and perhaps other bytes after them; NULL: they are not before the names
    size_t symbol_count;
};

static void *read_block(const struct elf *elf, uint64_t offset, uint64_t size)
{
    void *block = offset && size && size <= NAMES_MAX ? malloc(size) : NULL;
    if (block && !read_at(elf->fd, offset, block, size)) {
        free(block);
        block = NULL;
    }
    return block;
}

/* Read what the dynamic section names. All linkers put the symbols before their names; nothing there says how many they
 * are. */
static void read_dynamic(const struct elf *elf, struct dynamic_names *out)
{
    const Elf64_Phdr *dynamic = segment_of(elf, PT_DYNAMIC);
    uint64_t names = 0, size = 0, symbols = 0;
    Elf64_Dyn entry;
    for (uint64_t at = 0; dynamic && at + sizeof entry <= dynamic->p_filesz; at += sizeof entry) {
        if (!read_at(elf->fd, dynamic->p_offset + at, &entry, sizeof entry) || entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_STRTAB)
            names = offset_of(elf, entry.d_un.d_ptr);
        else if (entry.d_tag == DT_STRSZ)
            size = entry.d_un.d_val;
        else if (entry.d_tag == DT_SYMTAB)
            symbols = offset_of(elf, entry.d_un.d_ptr);
    }
    *out = (struct dynamic_names){.names = read_block(elf, names, size)};
    out->length = out->names ? size : 0;
    out->symbol = symbols && symbols < names ? read_block(elf, symbols, names - symbols) : NULL;
    out->symbol_count = out->symbol ? (names - symbols) / sizeof *out->symbol : 0;
}

/* Does the program use or define a symbol whose name begins with NAME? A weak reference does not count: libgumshoe.a has
 * them, to recognise these runtimes. */
static bool has_symbol(const struct dynamic_names *dynamic, const char *name)
{
    size_t length = strlen(name);
    if (!dynamic->symbol)
        return memmem(dynamic->names, dynamic->length, name, length);
    for (size_t i = 0; i < dynamic->symbol_count; i++) {
        const Elf64_Sym *symbol = &dynamic->symbol[i];
        bool weak = ELF64_ST_BIND(symbol->st_info) == STB_WEAK && symbol->st_shndx == SHN_UNDEF;
        if (!weak && symbol->st_name < dynamic->length && length < dynamic->length - symbol->st_name &&
            memcmp(dynamic->names + symbol->st_name, name, length) == 0)
            return true;
    }
    return false;
}

static const char *sanitizer_of(const struct elf *elf)
{
    struct dynamic_names dynamic;
    const char *found = NULL;
    read_dynamic(elf, &dynamic);
    for (size_t i = 0; dynamic.names && !found && i < sizeof sanitizers / sizeof *sanitizers; i++) {
        const char *name = sanitizers[i].name;
        bool is_library = strncmp(name, "lib", 3) == 0;
        if (is_library ? memmem(dynamic.names, dynamic.length, name, strlen(name)) != NULL
                       : has_symbol(&dynamic, name))
            found = sanitizers[i].what;
    }
    free(dynamic.names);
    free(dynamic.symbol);
    return found;
}

/* ---- the verdict ------------------------------------------------------------------------------------------------------- */

static void set_unwatched(struct gs_program *out, bool preload, const char *format, ...) GS_PRINTF(3, 4);
static void set_unwatched(struct gs_program *out, bool preload, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->unwatched, sizeof out->unwatched, format, arguments);
    va_end(arguments);
    out->preload = preload;
}

/* Is LOADER the one of the C library that libgumshoe.so needs? */
static bool is_our_loader(const char *loader)
{
    const char *name = gs_text_base_name(loader);
    return strncmp(name, "ld-linux", 8) == 0 || strncmp(name, "ld64", 4) == 0;
}

static void judge_elf(struct elf *elf, struct gs_program *out)
{
    char loader[256] = "";
    if (elf->header.e_ident[EI_CLASS] != ELFCLASS64) {
        set_unwatched(out, false, "is not a 64-bit program");
        return;
    }
    if (!read_segments(elf))
        return;
    const Elf64_Phdr *interpreter = segment_of(elf, PT_INTERP);
    if (!interpreter) { // keep the preload: a program that it execs in its place can be watched
        set_unwatched(out, true, "is linked statically: nothing can be preloaded");
        return;
    }
    size_t length = interpreter->p_filesz < sizeof loader ? interpreter->p_filesz : sizeof loader - 1;
    if (!read_at(elf->fd, interpreter->p_offset, loader, length))
        return;
    const char *sanitizer = sanitizer_of(elf);
    if (!is_our_loader(loader))
        set_unwatched(out, false, "was built for another C library (its loader is %s)", loader);
    else if (sanitizer)
        set_unwatched(out, false, "runs under %s, which takes over the same functions", sanitizer);
}

/* Store the interpreter that a script names in its first line in FILE. Returns false if the file is not a script. */
static bool read_interpreter(int fd, char file[PATH_MAX])
{
    char line[256];
    ssize_t length = pread(fd, line, sizeof line - 1, 0);
    if (length < 3 || line[0] != '#' || line[1] != '!')
        return false;
    line[length] = 0;
    char *start = line + 2 + strspn(line + 2, " \t");
    start[strcspn(start, " \t\n")] = 0;
    snprintf(file, PATH_MAX, "%s", start);
    return *start;
}

static void judge_file(struct gs_program *out, int interpreters_left)
{
    struct stat status;
    if (stat(out->file, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    if ((status.st_mode & (S_ISUID | S_ISGID)) && geteuid() != 0) {
        set_unwatched(out, true, "gains privileges at its start (setuid or setgid): it ignores the preload");
        return;
    }
    struct elf elf = {.fd = open(out->file, O_RDONLY | O_CLOEXEC)};
    if (is_elf(&elf))
        judge_elf(&elf, out);
    else if (interpreters_left && read_interpreter(elf.fd, out->file))
        judge_file(out, interpreters_left - 1);
    if (elf.fd >= 0)
        close(elf.fd);
}

/* Does LD_PRELOAD name a sanitizer's library? It must come first in the list; otherwise it ends the program. */
static bool preloads_sanitizer(void)
{
    const char *list = getenv("LD_PRELOAD");
    bool found = false;
    for (size_t i = 0; list && i < sizeof sanitizer_files / sizeof *sanitizer_files; i++)
        found |= strstr(list, sanitizer_files[i]) != NULL;
    return found;
}

/* Find the file that execvp would run for NAME. Returns false if there is none. */
static bool find_program(const char *name, char out[PATH_MAX])
{
    const char *path = getenv("PATH");
    if (strchr(name, '/'))
        return snprintf(out, PATH_MAX, "%s", name) < PATH_MAX && access(out, F_OK) == 0;
    return gs_path_search_find(path ? path : "/bin:/usr/bin", name, ".", out);
}

void gs_cli_inspect_program(const char *name, struct gs_program *out)
{
    *out = (struct gs_program){.preload = true};
    if (!find_program(name, out->file))
        return;
    judge_file(out, INTERPRETERS_MAX);
    if (out->preload && preloads_sanitizer())
        set_unwatched(out, false, "gets a sanitizer's library by LD_PRELOAD, which has to come first");
}
