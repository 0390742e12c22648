/* split.h - what the files share that read split DWARF: .dwo files (gcc -gsplit-dwarf) and .dwp files (dwp, llvm-dwp).
 * Context of all functions: CLI. */
#pragma once
#include "reader/lines.h"

enum gs_split_section {
    GS_SPLIT_INFO,
    GS_SPLIT_ABBREV,
    GS_SPLIT_LINE,
    GS_SPLIT_STR,
    GS_SPLIT_STR_OFFSETS,
    GS_SPLIT_RNGLISTS,
    GS_SPLIT_RANGES,
    GS_SPLIT_ADDR,
    GS_SPLIT_PARTS
};

struct gs_split_part {            // of a section; borrowed
    const char *bytes;            // NULL: none
    size_t size;
    int fd;                       // the file that it lies in, at OFFSET; -1: it was unpacked
    uint64_t offset;
};

struct gs_split_source {          // the parts of one unit
    struct gs_split_part part[GS_SPLIT_PARTS];
    uint64_t id, low_pc;          // as in the program's unit
    unsigned char ident[EI_NIDENT]; // of the program
    uint16_t machine;
};

struct gs_split_image { Dwarf *dwarf; Elf *elf; char *bytes; size_t size; }; // all zero: none

/* Make the image of SOURCE (split_image.c), with one unit. False: it is damaged, or has another id. */
bool gs_reader_split_image(const struct gs_split_source *source, struct gs_split_image *out) GS_CHECK_RESULT;
void gs_reader_split_image_close(struct gs_split_image *image);

struct gs_split_index {           // .debug_cu_index of a .dwp file; points into its bytes
    uint32_t version, columns, units, slots;
    const char *signature, *row;  // of each slot: the id of a unit, and its row (from 1; 0: the slot is free)
    const char *column;           // of each column: the section
    const char *offset, *size;    // of each row and column: the unit's part of the section
};
/* Read SIZE bytes of untrusted origin. False: damaged. */
bool gs_reader_split_index(const void *bytes, size_t size, struct gs_split_index *out) GS_CHECK_RESULT;
/* The row of unit ID, from 0; UINT32_MAX: none. */
uint32_t gs_reader_split_row(const struct gs_split_index *index, uint64_t id);

/* Find the other part of the unit SKELETON of MODULE, whose DWARF is in PROGRAM, in a .dwp or .dwo file (split_files.c). False: it
 * is missing, or is not split. */
bool gs_reader_open_split(struct gs_module *module, const struct gs_debug_elf *program, Dwarf_Die *skeleton,
                          struct gs_split_image *out) GS_CHECK_RESULT;
