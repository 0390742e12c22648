/* lines.h - what the files share that find functions, lines and inlined frames in debug information (lines*.c, debug_*.c).
 *
 *   profile ──▶ addresses of one file, sorted ──▶ its symbol tables, its DWARF ──▶ lines of a new profile
 *
 * Everything is read with elfutils from files that anybody may have written: it runs in a process of its own
 * (lines_apart.c), except in tests. Context of all functions: CLI. */
#pragma once
#include "reader/reader.h"
#include <elfutils/libdw.h>
#include <gelf.h>
#include <limits.h>

struct gs_resolver {              // one call of gs_reader_symbolize
    const struct gs_profile *from;
    struct gs_profile *to;        // owns all strings of the results
    const struct gs_symbolize_options *options;
    struct gs_text *notes;
    struct gs_line *line;         // of all addresses
    size_t line_count, line_capacity;
    bool failed;                  // memory ran out
};

struct gs_wanted {                // an address whose lines are sought
    uint64_t address;             // in its file
    uint32_t location;            // in the profile
    const struct gs_function *known; // the profile's function for it, unless that is made of the address alone; else NULL
    const char *symbol;           // from a symbol table; owned by gs_resolver.to; NULL: none
    uint64_t unit;                // offset of the DIE of its compilation unit; UINT64_MAX: none
    uint32_t scope;               // the innermost scope found so far (lines_scopes.c)
    size_t first_line;            // the result: gs_resolver.line[first_line] and the following
    uint32_t line_count;          // 0: nothing was found
};

struct gs_debug_elf {              // all zero: not open
    Elf *elf;
    int fd;
    char path[PATH_MAX];
    char *bytes;                  // of an image that was unpacked into memory; else NULL
};

struct gs_module {                // a file of the profile, and the files with its debug information; open one at a time
    const char *path, *build_id;  // as the profile has them; build_id in hex, "" if it has none
    const struct gs_symbolize_options *options;
    struct gs_debug_elf program;   // not open: missing, or another build
    struct gs_debug_elf debug;     // its separate debug file
    struct gs_debug_elf supplement; // what dwz moved out of it
    struct gs_debug_elf mini;      // its MiniDebugInfo
    struct gs_debug_elf package;   // its .dwp file
    bool package_sought;
    bool split_missing;           // a .dwo file was not found
    bool wrong_build;             // a file at PATH has another build id
};

/* ---- files (debug_elf.c, debug_files.c, debug_search.c, debug_mini.c) ------------------------------------------------------------- */

enum { GS_ELF_ID_HEX = 2 * 64 + 1 };
/* Open PATH if it is an ELF file. False: it is not, or it is not a regular file. */
bool gs_reader_open_elf(const char *path, struct gs_debug_elf *file) GS_CHECK_RESULT;
void gs_reader_close_elf(struct gs_debug_elf *file);
/* The build id of ELF as hex into HEX (GS_ELF_ID_HEX bytes); "" if it has none, or one of more than 64 bytes. */
void gs_reader_elf_build_id(Elf *elf, char *hex);
/* Does ELF have a section NAME with contents? */
bool gs_reader_elf_has(Elf *elf, const char *name);
/* The contents of section NAME of ELF; NULL: none. */
Elf_Data *gs_reader_elf_section(Elf *elf, const char *name);
/* Open the program's file and its debug file. Closed with gs_reader_close_module. */
void gs_reader_open_module(struct gs_module *module);
void gs_reader_close_module(struct gs_module *module);
/* The file with MODULE's DWARF; NULL: there is none. */
struct gs_debug_elf *gs_reader_module_dwarf(struct gs_module *module);
/* If DWARF (of FROM) names a file that dwz moved common parts into, open it as *SUPPLEMENT and make DWARF use it; the caller
 * ends it with dwarf_end after DWARF. Only a regular file with the build id that DWARF names is opened, wherever it lies.
 * False, and *SUPPLEMENT NULL: there is no such file, or it is damaged; then DWARF must not be read. */
bool gs_reader_open_supplement(struct gs_module *module, const struct gs_debug_elf *from, Dwarf *dwarf,
                               Dwarf **supplement) GS_CHECK_RESULT;
/* Look for the debug file of MODULE: by build id, by the program's .gnu_debuglink, and in the directories of --debug-dir. */
bool gs_reader_find_debug(struct gs_module *module) GS_CHECK_RESULT;
/* Look for a file by BUILD_ID where debug files are. DEBUG: the debug file; else the program itself. */
bool gs_reader_find_by_id(const struct gs_module *module, const char *build_id, bool debug,
                          struct gs_debug_elf *file) GS_CHECK_RESULT;
/* Unpack MODULE's .gnu_debugdata into MODULE->mini, if the program has one. */
void gs_reader_open_mini(struct gs_module *module);
/* Unpack PACKED, an xz file of untrusted origin, to at most 64 MiB. The caller frees it with gs_free. NULL: it is damaged or too
 * large. */
char *gs_reader_unpack_xz(const void *packed, size_t packed_length, size_t *length) GS_CHECK_RESULT;

/* ---- names and lines ------------------------------------------------------------------------------------------------- */

/* Set WANTED[0..COUNT).symbol, where it is NULL, from the symbol table of ELF of TYPE (SHT_SYMTAB, SHT_DYNSYM). WANTED is in
 * order of address. The rules are those of gs_symbol_table_new. */
void gs_reader_symbol_names(struct gs_resolver *resolver, Elf *elf, uint32_t type, struct gs_wanted *wanted, size_t count);

/* Find lines for WANTED[0..COUNT), in any order, in the DWARF of MODULE. Reorders WANTED. Returns a reason if there are none;
 * NULL: it was read. */
const char *gs_reader_dwarf_lines(struct gs_resolver *resolver, struct gs_module *module, struct gs_wanted *wanted,
                                  size_t count);

struct gs_compile_unit {                  // what the lines of one compilation unit are made from
    Dwarf_Die die;                // its functions are below
    const char *dir;              // where it was compiled: names of files may be relative to it; NULL: unknown
    Dwarf_Files *files;           // what their DW_AT_call_file refers to; NULL: unknown
    Dwarf_Lines *lines;
    size_t line_count;
};
/* Add the lines of WANTED[0..COUNT), which are addresses of UNIT, in order of address. */
void gs_reader_unit_lines(struct gs_resolver *resolver, const struct gs_compile_unit *unit, struct gs_wanted *wanted, size_t count);

/* ---- the whole profile (lines.c) ---------------------------------------------------------------------------------- */

enum { GS_LEFT_OUT_MAX = 4 };
struct gs_symbolize_progress {    // shared by the process that reads files and the one that waits for it
    volatile uint32_t file;       // number of the mapping whose file is being read; UINT32_MAX: none
    uint32_t left_out[GS_LEFT_OUT_MAX]; // files that are not to be read
    size_t left_out_count;
    size_t filled;                // locations that got lines or a name
};
/* As gs_reader_symbolize. */
struct gs_profile *gs_reader_symbolize_files(const struct gs_profile *profile, const struct gs_symbolize_options *options,
                                             struct gs_symbolize_progress *progress, struct gs_text *notes) GS_CHECK_RESULT;
