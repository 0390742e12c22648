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
bool gs_image_read(const struct gs_image *image, uint64_t offset, void *out, size_t length);
/* COUNT items of SIZE bytes each at OFFSET, in memory that the caller frees with gs_free; NULL when they are not
 * there, or more than MAX_TABLE bytes. */
void *gs_image_table(const struct gs_image *image, uint64_t offset, uint64_t count, uint64_t size);

/* The ELF header, if this is an ELF file of this machine's word size and byte order. */
bool gs_elf_header(const struct gs_image *image, Elf64_Ehdr *out);
/* The program headers; the caller frees them. *COUNT of them. */
Elf64_Phdr *gs_elf_segments(const struct gs_image *image, const Elf64_Ehdr *header, size_t *count);
/* The GNU build id into OUT (GS_BUILD_ID_MAX); returns its length, 0 when there is none. LOADED: read notes where they
 * are in memory (p_vaddr) rather than in the file. */
unsigned gs_elf_build_id(const struct gs_image *image, bool loaded, unsigned char *out);
