/* symbol/symbol.h - the door of symbol/: addresses to mappings and functions, and which of them are runtime code.
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
    bool has_bias;             // the file's headers were found in memory; then:
    uint64_t bias;             // address - bias = address in the file, as for addr2line
    char *path;                // as in /proc/PID/maps; also "[vdso]" and similar
    unsigned char build_id[GS_BUILD_ID_MAX]; // of what is mapped, not of the file on disk now
    unsigned build_id_length;  // 0: none
    bool deleted;              // the file was removed or replaced since
    bool unloaded;             // of gs_maps.library: it is no longer in memory
    size_t line;               // where its line begins in gs_maps.text
};

struct gs_maps {               // executable mappings in address order
    struct gs_mapping *mapping;
    size_t count;
    size_t main;               // index of the main program's mapping; SIZE_MAX if there is none
    int pid;                   // the process; 0: it has died
    char *text;                // /proc/PID/maps as it was
    size_t text_length;
    struct gs_mapping *library; // number n is [n - 1]: the libraries that recorded frames were in; NULL: frames are as of now
    size_t library_count;
};

/* The frames of heap and CPU samples have the number of a library above their address (probe.h); a library in gs_maps.library
 * lies at such addresses. 0: the first library that covers the address, if any does. */
enum { GS_LIBRARY_SHIFT = 48, GS_NO_LIBRARY = 0x7fff }; // no library: code that the program generated
#define GS_ADDRESS_MASK (((uint64_t)1 << GS_LIBRARY_SHIFT) - 1)
/* Move LIBRARY, which has the addresses that it had in memory, to those of number NUMBER. */
void gs_symbol_library_place(struct gs_mapping *library, uint32_t number);
/* The address by which FRAME, a recorded one, is looked up: without the number if the mapping there still shows its library. */
uint64_t gs_symbol_maps_resolve(const struct gs_maps *maps, uint64_t frame);

/* The mappings of process PID (0: this one). Build ids are read from the process's memory. NULL with errno.
 * Context: watcher, CLI. */
struct gs_maps *gs_symbol_maps_read(int pid) GS_CHECK_RESULT;
/* The same for a process that died, from TEXT, which is not trusted; EXE is the main program's path. The caller sets build
 * ids and biases. NULL: no memory. */
struct gs_maps *gs_symbol_maps_parse(const char *text, size_t length, const char *exe) GS_CHECK_RESULT;
void gs_symbol_maps_free(struct gs_maps *maps);
/* The mapping, or the library, at ADDRESS; NULL: none. */
const struct gs_mapping *gs_symbol_maps_find(const struct gs_maps *maps, uint64_t address);
/* BUILD_ID as lower-case hex into OUT (2 * GS_BUILD_ID_MAX + 1 bytes); returns OUT. */
const char *gs_symbol_build_id_hex(const struct gs_mapping *mapping, char *out);

/* Set the build id and the bias of MAPS->mapping[INDEX] from BYTES, the first LENGTH bytes of its file, which were in memory
 * at ADDRESS. They are not trusted. Context: any (pure). */
void gs_symbol_maps_take_image(struct gs_maps *maps, size_t index, uint64_t address, const void *bytes, size_t length);

enum { GS_MAPS_TEXT_MAX = 16 << 20 };
struct gs_maps_line {          // any mapping: one line of /proc/PID/maps
    uint64_t start, end, offset, inode;
    unsigned major, minor;     // of the device
    bool readable, writable, executable, shared;
    const char *path;          // in the text; not terminated
    size_t path_length;        // 0: anonymous
};
/* The next line of TEXT (as in gs_maps.text) from byte *AT, which moves to the line after it; false: no more lines. */
bool gs_symbol_maps_next_line(const char *text, size_t length, size_t *at, struct gs_maps_line *out);

struct gs_symbol {             // all zero: not known
    const char *name;          // plain (gs_symbol_plain_name); borrowed from the gs_symbols. NULL: no function is known here
    const char *system_name;   // as the symbol table spells it
    uint64_t start;            // the function's first address in the process
    bool in_file;              // also if there is no name:
    uint64_t file_address;     // the address in its file, as for addr2line
    bool unloaded;             // the file was unloaded since
    bool generated;            // in executable memory that shows no file: code that the program generates (a JIT compiler)
};

struct gs_symbols;             // the names of a set of addresses

/* Look up ADDRESS[0..COUNT) (any order) in the symbol tables of the files that MAPS names: .symtab, else that of a debug file
 * (/usr/lib/debug/.build-id, .gnu_debuglink), else .dynsym. Generated code of a living process is looked up in its perf map. An
 * address belongs to a function if it is within the function's size; a symbol without a size extends to the next symbol or
 * the end of its section. A file whose build id differs from the mapped one is not used. Files are read once, one at a time.
 * NULL: no memory. Context: watcher, CLI. */
struct gs_symbols *gs_symbol_table_new(const struct gs_maps *maps, const uint64_t *address, size_t count);
void gs_symbol_table_free(struct gs_symbols *symbols);
struct gs_symbol gs_symbol_table_find(const struct gs_symbols *symbols, uint64_t address);
/* Files whose names were not used, and why ("/usr/bin/x: rebuilt since it was mapped (build id differs)"). */
size_t gs_symbol_table_note_count(const struct gs_symbols *symbols);
const char *gs_symbol_table_note(const struct gs_symbols *symbols, size_t index);

/* The variable that an address lies in (variables.c). */
struct gs_symbol_variable {
    uint64_t address;          // set by the caller
    char *name;                // plain; the caller frees it with gs_free. NULL: no global or static variable is known here
    uint64_t offset;           // of the address in the variable
};
enum { GS_VARIABLES_MAX = 32 };
/* Name VARIABLE[0..COUNT), at most GS_VARIABLES_MAX, by the symbol tables of the files that MAPS names, like functions.
 * Context: watcher, CLI. */
void gs_symbol_name_variables(const struct gs_maps *maps, struct gs_symbol_variable *variable, size_t count);

/* Demangle MANGLED (C++ or Rust). The caller frees the string with gs_free; NULL: it is not mangled, or no memory. No
 * malloc. */
char *gs_symbol_demangle(const char *mangled) GS_CHECK_RESULT;
/* SYSTEM_NAME as in the source: demangled, and without the suffix of a compiler's clone ("f.cold", "f.isra.0" become f). The
 * caller frees it with gs_free; NULL: no memory. */
char *gs_symbol_plain_name(const char *system_name) GS_CHECK_RESULT;

/* Is PATH a library of the C or C++ runtime, an allocator, the loader, the vDSO, or gumshoe? A culprit is never in one. */
bool gs_symbol_path_is_runtime(const char *path);
/* Is PATH a shared library directly in one of the loader's standard directories (/usr/lib/x86_64-linux-gnu/libssl.so.3)? Such a
 * library belongs to the distribution, not to the program. Plug-ins lie in other directories. */
bool gs_symbol_path_is_distribution(const char *path);
/* Is PATH the library of a language's interpreter or virtual machine (libruby-3.1.so.3.1)? */
bool gs_symbol_path_is_interpreter(const char *path);
/* Is FUNCTION (demangled) of the C, C++ or Rust runtime, in whichever file? (operator new, malloc, std:: templates, _start, …) */
bool gs_symbol_function_is_runtime(const char *function);
/* Is the source FILE a header of the C or C++ library ("/usr/include/x86_64-linux-gnu/bits/stdio2.h")? Its functions are inlined into
 * the program, but not its code. */
bool gs_symbol_source_is_runtime(const char *file);
/* Does FUNCTION (demangled) allocate for its callers: a known wrapper of malloc, a pool, a container (plumbing.c)? */
bool gs_symbol_function_is_plumbing(const char *function);
/* Is FUNCTION (demangled) an entry of an allocator: malloc, or a function that an allocator which is linked in has in its place? */
bool gs_symbol_function_is_allocator(const char *function);
/* Does PATTERN match all of FUNCTION's qualified name, with or without its parameters? '*' stands for any text, '?' for a byte. */
bool gs_symbol_matches(const char *pattern, const char *function);
/* Where in FUNCTION (demangled) its qualified name begins: behind the return type that template functions have. */
const char *gs_symbol_qualified_name(const char *function);
/* Where in FUNCTION its own name begins, behind namespaces and classes: "put(Session const&)" of "cache::Store<int>::put(…)". */
const char *gs_symbol_own_name(const char *function);
/* The length of NAME, a qualified name, up to the '(' of its parameters. */
size_t gs_symbol_length_without_parameters(const char *name);
/* The bracket that closes the one at AT, in NAME; NULL: none does. */
const char *gs_symbol_closing_bracket(const char *name, const char *at);
/* Behind that bracket; the end of the name if there is none. */
const char *gs_symbol_after_brackets(const char *name, const char *at);
/* The length of the operator's name at AT, in NAME, with its signs: "operator<<", "operator()", "operator" of "operator new"; 0: there
 * is none. */
size_t gs_symbol_operator_length(const char *name, const char *at);
/* Do template arguments begin at AT, in NAME? AT is not in an operator's name. */
bool gs_symbol_begins_arguments(const char *name, const char *at);
struct gs_text;
/* Add FUNCTION for people: without return type, long template arguments elided, control characters escaped. */
void gs_symbol_add_short_name(struct gs_text *out, const char *function);
