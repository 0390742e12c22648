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
