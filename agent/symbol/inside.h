/* symbol/inside.h - what the files of symbol/ share. */
#pragma once
#include "symbol/symbol.h"
#include <elf.h>

/* An ELF image: a file, a process's memory, or bytes. A read gets all bytes or fails. */
struct gs_image {
    int fd;            // of a file; -1: memory
    int pid;           // whose memory, when fd is -1
    uint64_t base;     // where the image begins in that memory
    uint64_t size;     // of the file or of bytes; UINT64_MAX for memory
    const char *bytes; // its beginning, when fd is -1 and pid 0
};
bool gs_symbol_image_read(const struct gs_image *image, uint64_t offset, void *out, size_t length);
/* COUNT items of SIZE bytes each at OFFSET, in memory that the caller frees with gs_free; NULL if they cannot be
 * read, or exceed MAX_TABLE bytes. */
void *gs_symbol_image_table(const struct gs_image *image, uint64_t offset, uint64_t count, uint64_t size);

/* The ELF header, if this is an ELF file of this machine's word size and byte order. */
bool gs_symbol_elf_header(const struct gs_image *image, Elf64_Ehdr *out);
/* The program headers; the caller frees them. *COUNT of them. */
Elf64_Phdr *gs_symbol_elf_segments(const struct gs_image *image, const Elf64_Ehdr *header, size_t *count);
/* The GNU build id of a file into OUT (GS_BUILD_ID_MAX); returns its length, 0 when there is none. */
unsigned gs_symbol_elf_build_id(const struct gs_image *file, unsigned char *out);
/* The same of a loaded image with its header at image->base and SEGMENT[0..COUNT): the notes are read from memory, at BIAS
 * plus their file address. */
unsigned gs_symbol_elf_loaded_build_id(const struct gs_image *image, const Elf64_Phdr *segment, size_t count,
                                uint64_t bias, unsigned char *out);

/* Find the bias of the file with SEGMENT[0..COUNT) that MAPPING of MAPS shows a part of: address - *BIAS (may wrap) is the
 * address in the file. False: MAPPING matches none of these segments. */
bool gs_symbol_elf_bias(const Elf64_Phdr *segment, size_t count, const struct gs_maps *maps,
                 const struct gs_mapping *mapping, uint64_t *bias) GS_CHECK_RESULT;
/* Do A and B show parts of the same file? (maps_line.c) */
bool gs_symbol_maps_same_file(const struct gs_maps_line *a, const struct gs_maps_line *b);

/* ---- ELF files (elf_file.c) ------------------------------------------------------------------------------------------- */

struct gs_elf_file {           // image.fd -1: not open
    struct gs_image image;
    Elf64_Ehdr header;
    Elf64_Phdr *segment;
    size_t segment_count;
};
/* Open PATH. NULL: success; else the reason of the failure. Close OUT in both cases. */
const char *gs_symbol_elf_open(const char *path, struct gs_elf_file *out);
/* The same, if it has MAPPING's build id. */
const char *gs_symbol_elf_open_mapped(const char *path, const struct gs_mapping *mapping, struct gs_elf_file *out);
/* The vDSO has no file: its image is in the memory of process PID. */
const char *gs_symbol_elf_open_vdso(const struct gs_mapping *mapping, int pid, struct gs_elf_file *out);
void gs_symbol_elf_close(struct gs_elf_file *file);
/* FILE's section headers, header.e_shnum of them, which the caller frees; NULL: it has none, or they cannot be read. */
Elf64_Shdr *gs_symbol_elf_sections(const struct gs_elf_file *file);
/* The first section called NAME (at most 31 bytes); false: there is none. */
bool gs_symbol_elf_find_section(const struct gs_elf_file *file, const char *name, Elf64_Shdr *out);

/* ---- one symbol table (elf_table.c) ----------------------------------------------------------------------------------- */

struct gs_elf_table {
    Elf64_Shdr *section;       // all of the file's
    size_t section_count;
    Elf64_Sym *symbol;
    size_t symbol_count;
    char *strings;             // not terminated
    size_t strings_length;
};
/* Read FILE's first symbol table of TYPE (SHT_SYMTAB, SHT_DYNSYM). True: free OUT with gs_symbol_elf_table_free. False: there is
 * none, or it cannot be read. */
bool gs_symbol_elf_table_read(const struct gs_elf_file *file, uint32_t type, struct gs_elf_table *out) GS_CHECK_RESULT;
void gs_symbol_elf_table_free(struct gs_elf_table *table);
/* The name at AT of the strings, without a version ("f@VERSION"); the caller frees it with gs_free. NULL: no name there, or no
 * memory. */
char *gs_symbol_elf_table_name(const struct gs_elf_table *table, size_t at) GS_CHECK_RESULT;

/* ---- names from one symbol table (elf_names.c) ------------------------------------------------------------------------ */

struct gs_symbol_candidate {   // a symbol that may be the function of an address
    uint64_t start, size;      // addresses of the file
    uint32_t name;             // offset in the string table
    uint16_t section;
    int rank;                  // quality of the name; 0: no candidate
};
struct gs_symbol_wanted {      // an address that is to be named
    uint64_t address;
    uint64_t vaddr;            // the address in its file
    struct gs_symbol_candidate covers; // the closest start among symbols whose size includes this address
    struct gs_symbol_candidate below;  // the closest start below, of any size
    struct gs_symbol symbol;   // its names are freed by the gs_symbols
};
/* Find names for WANTED[0..COUNT), sorted, in FILE's section of TYPE (SHT_SYMTAB, SHT_DYNSYM). False: it has none, or it
 * cannot be read. */
bool gs_symbol_elf_names(const struct gs_elf_file *file, uint32_t type, struct gs_symbol_wanted *wanted, size_t count);

/* ---- where stripped symbol tables are (debug_files.c) ----------------------------------------------------------------- */

/* Open the debug file of MAPPING that its build id names; false: there is none. */
bool gs_symbol_debug_file_by_build_id(const struct gs_mapping *mapping, struct gs_elf_file *out);
/* Open the debug file that the section .gnu_debuglink of FILE, which MAPPING shows, names; false: there is none. */
bool gs_symbol_debug_file_by_link(const struct gs_mapping *mapping, const struct gs_elf_file *file, struct gs_elf_file *out);

/* ---- generated code (perf_map.c) -------------------------------------------------------------------------------------- */

/* Name those of WANTED[0..COUNT), sorted by address, that are in generated code (symbol.generated), from the perf map of the
 * living process PID. Returns the reason why the map at PATH (set here) was not used; NULL: it was used, or there is none. */
const char *gs_symbol_perf_map_names(int pid, struct gs_symbol_wanted *wanted, size_t count, char path[64]);
/* The same from FD. */
void gs_symbol_perf_map_read(int fd, struct gs_symbol_wanted *wanted, size_t count);
