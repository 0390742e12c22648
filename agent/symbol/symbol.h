/* symbol/symbol.h - the door of symbol/: addresses to mappings, functions, and whose they are.
 * Opened by: profile, incident, cli, tests.  Opens: base. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GS_BUILD_ID_MAX = 20 };

struct gs_mapping {            // one executable mapping of a file
    uint64_t start, end;       // addresses in the process
    uint64_t offset;           // of start, in the file
    bool has_bias;             // the file's own headers were seen in memory, and say:
    uint64_t bias;             // an address less this is the address as the file counts, as addr2line takes it
    char *path;                // as the kernel tells it; "[vdso]" and the like included
    unsigned char build_id[GS_BUILD_ID_MAX]; // of what is mapped, not of what lies on disk by now
    unsigned build_id_length;  // 0: none
    bool deleted;              // the file was removed or replaced since
    size_t line;               // where its line begins in gs_maps.text
};

struct gs_maps {               // executable mappings in address order
    struct gs_mapping *mapping;
    size_t count;
    size_t main;               // index of the main program's mapping; SIZE_MAX if there is none
    int pid;                   // whose memory it describes; 0: a process's that has died
    char *text;                // /proc/PID/maps as it was
    size_t text_length;
};

/* The mappings of process PID (0: this one). Build ids are read from the process's memory. NULL with errno.
 * Context: watcher, CLI. */
struct gs_maps *gs_symbol_maps_read(int pid) GS_CHECK_RESULT;
/* The same of a process that has died, out of TEXT, which may be anything; EXE is the main program's path. Build ids and biases
 * are the caller's to fill in. NULL when memory is out. */
struct gs_maps *gs_symbol_maps_parse(const char *text, size_t length, const char *exe) GS_CHECK_RESULT;
void gs_symbol_maps_free(struct gs_maps *maps);
const struct gs_mapping *gs_symbol_maps_find(const struct gs_maps *maps, uint64_t address); // NULL: none
/* BUILD_ID as lower-case hex into OUT (2 * GS_BUILD_ID_MAX + 1 bytes); returns OUT. */
const char *gs_symbol_build_id_hex(const struct gs_mapping *mapping, char *out);

/* Fill in the build id and the bias of MAPS->mapping[INDEX] out of the first LENGTH BYTES of its file, as they lay in memory at
 * ADDRESS. They may be anything. Context: any (pure). */
void gs_symbol_maps_take_image(struct gs_maps *maps, size_t index, uint64_t address, const void *bytes, size_t length);

enum { GS_MAPS_TEXT_MAX = 16 << 20 };
struct gs_maps_line {          // any mapping, as a line of /proc/PID/maps tells it
    uint64_t start, end, offset, inode;
    unsigned major, minor;     // of the device
    bool readable, writable, executable, shared;
    const char *path;          // in the text; not terminated
    size_t path_length;        // 0: anonymous
};
/* The next line of TEXT (as in gs_maps.text) from byte *AT on, which moves behind it; false: there is none. */
bool gs_symbol_maps_next_line(const char *text, size_t length, size_t *at, struct gs_maps_line *out);

struct gs_symbol {             // all zero: not known
    const char *name;          // plain (gs_symbol_plain_name); borrowed from the gs_symbols. NULL: no function is known to lie here
    const char *system_name;   // as the symbol table spells it
    uint64_t start;            // the function's first address in the process
    bool in_file;              // also where there is no name:
    uint64_t file_address;     // the address as its file counts, as addr2line takes it
};

struct gs_symbols;             // names of the addresses that were asked for

/* Look up ADDRESS[0..COUNT) (any order) in the symbol tables (.symtab, else .dynsym) of the files that
 * MAPS names. A function has an address when it lies within the function's size; a symbol without a size reaches to the next, and
 * no further than its section. A file whose build id is not that of what is mapped is not used. Files are mapped one at a time
 * and read once. NULL when memory is out. Context: watcher, CLI. */
struct gs_symbols *gs_symbol_table_new(const struct gs_maps *maps, const uint64_t *address, size_t count);
void gs_symbol_table_free(struct gs_symbols *symbols);
struct gs_symbol gs_symbol_table_find(const struct gs_symbols *symbols, uint64_t address);
/* Files whose names were not used, and why ("/usr/bin/x: rebuilt since it was mapped (build id differs)"). */
size_t gs_symbol_table_note_count(const struct gs_symbols *symbols);
const char *gs_symbol_table_note(const struct gs_symbols *symbols, size_t index);

/* MANGLED (C++ or Rust) as people write it, into a string that the caller frees with gs_free; NULL when it is
 * not mangled or memory is out. No malloc. */
char *gs_symbol_demangle(const char *mangled) GS_CHECK_RESULT;
/* SYSTEM_NAME as people write it: demangled if it is mangled, and without the suffix of a compiler's clone ("f.cold",
 * "f.isra.0" are f). The caller frees it with gs_free; NULL when memory is out. */
char *gs_symbol_plain_name(const char *system_name) GS_CHECK_RESULT;

/* True when PATH is one of the C and C++ runtime's libraries, an allocator's, the loader, the vDSO, or ours: a
 * culprit is never one of these. */
bool gs_symbol_path_is_runtime(const char *path);
/* True when FUNCTION (demangled) is an allocation wrapper wherever it lives (operator new, malloc, calloc, …,
 * std::allocator, __gnu_cxx::new_allocator, std:: containers' inner members). */
bool gs_symbol_function_is_runtime(const char *function);
