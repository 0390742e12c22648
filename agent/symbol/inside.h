/* symbol/inside.h - what the files of symbol/ share. */
#pragma once
#include "symbol/symbol.h"
#include <elf.h>

/* Bytes of some ELF image: a file, or a process's memory. Reads are all or nothing. */
struct gs_image {
    int fd;            // of a file; -1: memory
    int pid;           // whose memory, when fd is -1
    uint64_t base;     // where the image begins in that memory
    uint64_t size;     // of the file or of bytes; UINT64_MAX for memory
    const char *bytes; // its beginning, when fd is -1 and pid 0
};
bool gs_symbol_image_read(const struct gs_image *image, uint64_t offset, void *out, size_t length);
/* COUNT items of SIZE bytes each at OFFSET, in memory that the caller frees with gs_free; NULL when they are not
 * there, or more than MAX_TABLE bytes. */
void *gs_symbol_image_table(const struct gs_image *image, uint64_t offset, uint64_t count, uint64_t size);

/* The ELF header, if this is an ELF file of this machine's word size and byte order. */
bool gs_symbol_elf_header(const struct gs_image *image, Elf64_Ehdr *out);
/* The program headers; the caller frees them. *COUNT of them. */
Elf64_Phdr *gs_symbol_elf_segments(const struct gs_image *image, const Elf64_Ehdr *header, size_t *count);
/* The GNU build id of a file into OUT (GS_BUILD_ID_MAX); returns its length, 0 when there is none. */
unsigned gs_symbol_elf_build_id(const struct gs_image *file, unsigned char *out);
/* The same out of an image that is loaded, whose header lies at image->base and has SEGMENT[0..COUNT): its notes are read where
 * they are in memory. BIAS: of the file, so that its address 0 is at that of the memory. */
unsigned gs_symbol_elf_loaded_build_id(const struct gs_image *image, const Elf64_Phdr *segment, size_t count,
                                uint64_t bias, unsigned char *out);

/* Where the file with SEGMENT[0..COUNT), of which MAPPING of MAPS shows a part, lies: an address less *BIAS (both may wrap) is
 * the file's own. False: MAPPING can be of none of these segments. */
bool gs_symbol_elf_bias(const Elf64_Phdr *segment, size_t count, const struct gs_maps *maps,
                 const struct gs_mapping *mapping, uint64_t *bias) GS_CHECK_RESULT;
/* A and B show parts of one file (maps_line.c). */
bool gs_symbol_maps_same_file(const struct gs_maps_line *a, const struct gs_maps_line *b);
