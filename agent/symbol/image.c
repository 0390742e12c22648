/* image.c - reads an ELF image that may be hostile, truncated, or unmapped while we read.
 *
 * A file is read with pread, never mapped: if a mapped file is truncated, access raises SIGBUS, which would kill the host.
 * Memory, also of this process, is read with process_vm_readv, which returns an error where a plain read would fault. Who:
 * the watcher, the CLI. */
#include "base/memory.h"
#include "symbol/inside.h"
#include "sys/file.h"
#include <string.h>
#include <sys/uio.h>

enum { MAX_TABLE = 256 << 20, SEGMENTS_MAX = 256, NOTES_MAX = 64 << 10 };

static bool read_file(const struct gs_image *image, uint64_t offset, char *out, size_t length)
{
    if (offset > image->size || length > image->size - offset)
        return false;
    return gs_file_read_at(image->fd, offset, out, length);
}

static bool copy_bytes(const struct gs_image *image, uint64_t offset, void *out, size_t length)
{
    if (offset > image->size || length > image->size - offset)
        return false;
    memcpy(out, image->bytes + offset, length);
    return true;
}

bool gs_symbol_image_read(const struct gs_image *image, uint64_t offset, void *out, size_t length)
{
    if (image->fd >= 0)
        return read_file(image, offset, out, length);
    if (image->pid == 0)
        return copy_bytes(image, offset, out, length);
    struct iovec to = {out, length}, from = {(void *)(uintptr_t)(image->base + offset), length};
    return process_vm_readv(image->pid, &to, 1, &from, 1, 0) == (ssize_t)length;
}

void *gs_symbol_image_table(const struct gs_image *image, uint64_t offset, uint64_t count, uint64_t size)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes == 0 || bytes > MAX_TABLE)
        return NULL;
    if (image->fd >= 0 && (offset > image->size || bytes > image->size - offset))
        return NULL; // before memory is allocated for it
    void *table = gs_alloc(bytes);
    if (table && gs_symbol_image_read(image, offset, table, bytes))
        return table;
    gs_free(table);
    return NULL;
}

bool gs_symbol_elf_header(const struct gs_image *image, Elf64_Ehdr *out)
{
    static const unsigned char wanted[] = {
        ELFMAG0,
        ELFMAG1,
        ELFMAG2,
        ELFMAG3,
        ELFCLASS64,
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        ELFDATA2LSB
#else
        ELFDATA2MSB
#endif
    };
    return gs_symbol_image_read(image, 0, out, sizeof *out) &&
           memcmp(out->e_ident, wanted, sizeof wanted) == 0;
}

Elf64_Phdr *gs_symbol_elf_segments(const struct gs_image *image, const Elf64_Ehdr *header, size_t *count)
{
    *count = header->e_phnum;
    if (header->e_phentsize != sizeof(Elf64_Phdr) || *count > SEGMENTS_MAX)
        return NULL;
    return gs_symbol_image_table(image, header->e_phoff, *count, sizeof(Elf64_Phdr));
}

static uint64_t align_up(uint64_t size, uint64_t alignment)
{
    return (size + alignment - 1) & ~(alignment - 1);
}

/* The build id among the notes in BYTES: name "GNU", type 3. */
static unsigned find_build_id(const unsigned char *bytes, size_t length, uint64_t alignment,
                              unsigned char *out)
{
    for (size_t at = 0; length - at >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr note;
        memcpy(&note, bytes + at, sizeof note);
        uint64_t name = at + sizeof note, value = align_up(name + note.n_namesz, alignment);
        uint64_t end = align_up(value + note.n_descsz, alignment);
        if (value + note.n_descsz > length)
            return 0;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(bytes + name, "GNU", 4) == 0) {
            unsigned kept = note.n_descsz < GS_BUILD_ID_MAX ? note.n_descsz : GS_BUILD_ID_MAX;
            memcpy(out, bytes + value, kept);
            return kept;
        }
        if (end >= length)
            return 0;
        at = end;
    }
    return 0;
}

/* The build id in the notes of SEGMENT[0..COUNT), at p_offset of a file, or at p_vaddr + SHIFT of a loaded image. 0: none. */
static unsigned search_notes(const struct gs_image *image, const Elf64_Phdr *segment, size_t count,
                             bool loaded, uint64_t shift, unsigned char *out)
{
    unsigned found = 0;
    for (size_t i = 0; i < count && !found; i++) {
        if (segment[i].p_type != PT_NOTE || segment[i].p_filesz > NOTES_MAX)
            continue;
        uint64_t at = loaded ? segment[i].p_vaddr + shift : segment[i].p_offset;
        unsigned char *notes = gs_symbol_image_table(image, at, segment[i].p_filesz, 1);
        if (notes)
            found = find_build_id(notes, segment[i].p_filesz, segment[i].p_align == 8 ? 8 : 4, out);
        gs_free(notes);
    }
    return found;
}

unsigned gs_symbol_elf_build_id(const struct gs_image *file, unsigned char *out)
{
    Elf64_Ehdr header;
    size_t count;
    Elf64_Phdr *segment =
        gs_symbol_elf_header(file, &header) ? gs_symbol_elf_segments(file, &header, &count) : NULL;
    unsigned length = segment ? search_notes(file, segment, count, false, 0, out) : 0;
    gs_free(segment);
    return length;
}

unsigned gs_symbol_elf_loaded_build_id(const struct gs_image *image, const Elf64_Phdr *segment, size_t count,
                                       uint64_t bias, unsigned char *out)
{
    return search_notes(image, segment, count, true, bias - image->base, out);
}
