/* debug_files.c - finds the file that has the symbol table which was stripped from a program or library.
 *
 *   build id       ──▶ /usr/lib/debug/.build-id/xx/yyyy.debug
 *   .gnu_debuglink ──▶ NAME, CRC-32 ──▶ DIR/NAME ▶ DIR/.debug/NAME ▶ /usr/lib/debug/DIR/NAME     DIR: of the mapped file
 *
 * A debug file is used if it has the build id of what is mapped. If either has no build id, it is used if its CRC-32 is the
 * one in .gnu_debuglink; else not at all.
 * Who: symbols.c. Bounds: CRC_MAX bytes are read for a CRC-32, in pieces. */
#include "base/memory.h"
#include "symbol/inside.h"
#include "sys/file.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { PIECE = 64 << 10, CRC_MAX = 256 << 20 };

/* ---- .gnu_debuglink ------------------------------------------------------------------------------------------------- */

struct debuglink { // the section: a file name, zeros up to a multiple of 4, the CRC-32 of the named file
    char name[NAME_MAX + 1];
    uint32_t crc;
};

static bool read_debuglink(const struct gs_elf_file *file, struct debuglink *out)
{
    Elf64_Shdr section;
    char bytes[NAME_MAX + 8] = {0};
    if (!gs_symbol_elf_find_section(file, ".gnu_debuglink", &section) || section.sh_type == SHT_NOBITS ||
        section.sh_size > sizeof bytes ||
        !gs_symbol_image_read(&file->image, section.sh_offset, bytes, section.sh_size))
        return false;
    size_t length = strnlen(bytes, section.sh_size), crc_at = (length + 4) & ~(size_t)3;
    if (length == 0 || length > NAME_MAX || crc_at + sizeof out->crc > section.sh_size ||
        memchr(bytes, '/', length))
        return false;
    memcpy(out->name, bytes, length + 1);
    memcpy(&out->crc, bytes + crc_at, sizeof out->crc);
    return true;
}

static bool has_crc(const struct gs_image *file, uint32_t wanted)
{
    unsigned char *piece = file->size <= CRC_MAX ? gs_alloc(PIECE) : NULL;
    uLong crc = 0;
    bool read = piece != NULL;
    for (uint64_t at = 0; read && at < file->size; at += PIECE) {
        size_t length = file->size - at < PIECE ? file->size - at : PIECE;
        read = gs_symbol_image_read(file, at, piece, length);
        crc = crc32(crc, piece, (uInt)length);
    }
    gs_free(piece);
    return read && crc == wanted;
}

/* ---- candidates ----------------------------------------------------------------------------------------------------- */

/* Open PATH if it belongs to MAPPING: by the build ids if both have one, else by CRC (NULL: not by it). */
static bool open_debug_file(const char *path, const struct gs_mapping *mapping, const uint32_t *crc,
                            struct gs_elf_file *out)
{
    unsigned char id[GS_BUILD_ID_MAX];
    if (gs_symbol_elf_open(path, out) == NULL) {
        unsigned length = gs_symbol_elf_build_id(&out->image, id);
        if (length && mapping->build_id_length
                ? length == mapping->build_id_length && memcmp(id, mapping->build_id, length) == 0
                : crc && has_crc(&out->image, *crc))
            return true;
    }
    gs_symbol_elf_close(out);
    return false;
}

bool gs_symbol_debug_file_by_build_id(const struct gs_mapping *mapping, struct gs_elf_file *out)
{
    char hex[2 * GS_BUILD_ID_MAX + 1], path[128];
    if (mapping->build_id_length < 2)
        return false;
    gs_symbol_build_id_hex(mapping, hex);
    snprintf(path, sizeof path, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
    return open_debug_file(path, mapping, NULL, out);
}

bool gs_symbol_debug_file_by_link(const struct gs_mapping *mapping, const struct gs_elf_file *file,
                                  struct gs_elf_file *out)
{
    static const char *const formats[] = {"%.*s/%s", "%.*s/.debug/%s", "/usr/lib/debug%.*s/%s"};
    const char *slash = strrchr(mapping->path, '/');
    struct debuglink link;
    char path[PATH_MAX];
    if (!slash || !read_debuglink(file, &link))
        return false;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        int length =
            snprintf(path, sizeof path, formats[i], (int)(slash - mapping->path), mapping->path, link.name);
        if (length > 0 && (size_t)length < sizeof path && open_debug_file(path, mapping, &link.crc, out))
            return true;
    }
    return false;
}
