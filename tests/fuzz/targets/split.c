/* Split DWARF: the index of a .dwp file, and a unit with its abbreviations, from which an image is made.
 *
 *   bytes: 'i', id, the index      or      'u', id, length of the abbreviations (2), abbreviations, unit */
#include "base/memory.h"
#include "fuzz.h"
#include "reader/split.h"
#include <string.h>

static void read_index(const char *bytes, size_t length, uint64_t id)
{
    struct gs_split_index index;
    if (!gs_reader_split_index(bytes, length, &index))
        return;
    uint32_t row = gs_reader_split_row(&index, id);
    gs_must(row == UINT32_MAX || row < index.units);
    if (row != UINT32_MAX && index.columns)
        gs_must(index.size + 4 * ((size_t)row * index.columns + index.columns) <= bytes + length);
}

static void make_image(const char *bytes, size_t length, uint64_t id)
{
    struct gs_split_source source = {.id = id, .low_pc = 0x1000, .machine = EM_X86_64};
    struct gs_split_image image;
    uint16_t abbrev = 0;
    memcpy(source.ident, ELFMAG, SELFMAG);
    source.ident[EI_CLASS] = ELFCLASS64;
    source.ident[EI_DATA] = ELFDATA2LSB;
    source.ident[EI_VERSION] = EV_CURRENT;
    if (length < sizeof abbrev)
        return;
    memcpy(&abbrev, bytes, sizeof abbrev);
    if (abbrev > length - sizeof abbrev)
        return;
    // Copies, so that the sanitizer watches the end of each.
    size_t info = length - sizeof abbrev - abbrev;
    char *parts[] = {gs_fuzz_copy((const uint8_t *)bytes + sizeof abbrev, abbrev, 0),
                     gs_fuzz_copy((const uint8_t *)bytes + sizeof abbrev + abbrev, info, 0)};
    source.part[GS_SPLIT_ABBREV] = (struct gs_split_part){parts[0], abbrev, -1, 0};
    source.part[GS_SPLIT_INFO] = (struct gs_split_part){parts[1], info, -1, 0};
    elf_version(EV_CURRENT);
    if (gs_reader_split_image(&source, &image))
        gs_reader_split_image_close(&image);
    free(parts[0]);
    free(parts[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    uint64_t id;
    if (length < 1 + sizeof id)
        return 0;
    memcpy(&id, bytes + 1, sizeof id);
    char *copy = gs_fuzz_copy(bytes + 1 + sizeof id, length - 1 - sizeof id, 0);
    if (bytes[0] == 'i')
        read_index(copy, length - 1 - sizeof id, id);
    else
        make_image(copy, length - 1 - sizeof id, id);
    free(copy);
    return 0;
}
