/* split_image.c - makes an ELF image with the debug information of one split unit, as if it had never been split.
 *
 *   .dwo, or the unit's part of a .dwp:  .debug_info.dwo  .debug_abbrev.dwo  .debug_str.dwo  .debug_str_offsets.dwo  …
 *   the program:                         .debug_addr from the unit's base on, .debug_ranges from its base on, its low_pc
 *   image:                               .debug_info      .debug_abbrev      .debug_str      …  .debug_addr  .debug_ranges
 *
 * libdw 0.188 does not read .dwp files; and it takes the bases from the program's unit only where it has found the .dwo by
 * itself. Here every base is 0, which is the default, except low_pc: it is put into the unit's first entry, in the place of the
 * unit's id, which has the same eight bytes. No offset in the unit changes.
 *
 * Who: the CLI. Bounds: large sections are mapped into the image, small ones are copied. */
#include "base/memory.h"
#include "base/varint.h"
#include "reader/split.h"
#include <dwarf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, COPIED_MAX = 64 << 10 };

/* ---- abbreviations and the first entry -------------------------------------------------------------------------- */

struct byte_cursor {
    const unsigned char *at, *end;
    bool bad;
};

static uint64_t read_uleb(struct byte_cursor *cursor)
{
    uint64_t value = 0;
    cursor->bad |= !gs_varint_read(&cursor->at, cursor->end, &value);
    return value;
}

/* The next pair of an attribute and its form; false: the declaration ends. */
static bool read_pair(struct byte_cursor *abbrev, uint64_t *attribute, uint64_t *form)
{
    *attribute = read_uleb(abbrev);
    *form = read_uleb(abbrev);
    if (*form == DW_FORM_implicit_const)
        read_uleb(abbrev);
    return !abbrev->bad && (*attribute || *form);
}

/* Move ABBREV to the pairs of the declaration of CODE. */
static bool find_declaration(struct byte_cursor *abbrev, uint64_t code)
{
    uint64_t attribute, form, found;
    while ((found = read_uleb(abbrev)) != 0 && !abbrev->bad) {
        read_uleb(abbrev); // the tag
        if (abbrev->at == abbrev->end)
            return false;
        abbrev->at++; // has it children?
        if (found == code)
            return true;
        while (read_pair(abbrev, &attribute, &form))
            ;
    }
    return false;
}

/* Skip a value of FORM in ENTRY; false: a form that compilers do not use in the first entry of a unit. */
static bool skip_value(struct byte_cursor *entry, uint64_t form)
{
    size_t size = 0;
    switch (form) {
    case DW_FORM_flag_present:
    case DW_FORM_implicit_const: break;
    case DW_FORM_data1:
    case DW_FORM_flag:
    case DW_FORM_strx1: size = 1; break;
    case DW_FORM_data2:
    case DW_FORM_strx2: size = 2; break;
    case DW_FORM_strx3: size = 3; break;
    case DW_FORM_data4:
    case DW_FORM_sec_offset:
    case DW_FORM_strp:
    case DW_FORM_strx4: size = 4; break;
    case DW_FORM_data8: size = 8; break;
    case DW_FORM_string: size = strnlen((const char *)entry->at, (size_t)(entry->end - entry->at)) + 1; break;
    case DW_FORM_udata:
    case DW_FORM_sdata:
    case DW_FORM_strx:
    case DW_FORM_GNU_str_index: read_uleb(entry); return !entry->bad;
    default: return false;
    }
    if (size > (size_t)(entry->end - entry->at))
        return false;
    entry->at += size;
    return true;
}

/* Add a copy of ABBREV to OUT in which, at AT, LENGTH bytes are replaced by the pair low_pc, addr. */
static void add_changed(struct gs_text *out, const struct gs_split_part *abbrev, const unsigned char *at,
                        size_t length)
{
    static const char pair[] = {DW_AT_low_pc, DW_FORM_addr};
    size_t before = (size_t)(at - (const unsigned char *)abbrev->bytes);
    gs_text_add_bytes(out, abbrev->bytes, before);
    gs_text_add_bytes(out, pair, sizeof pair);
    gs_text_add_bytes(out, abbrev->bytes + before + length, abbrev->size - before - length);
}

/* DWARF 5: the header has the id, which moves out: eight bytes less before the entry, eight more for low_pc in it. */
static bool change_version_5(const struct gs_split_source *source, char *info, struct gs_text *abbrev_out)
{
    const size_t header = 20, plain_header = 12;
    const struct gs_split_part *abbrev = &source->part[GS_SPLIT_ABBREV],
                               *whole = &source->part[GS_SPLIT_INFO];
    struct byte_cursor entry = {(unsigned char *)info + header, (unsigned char *)info + whole->size, false};
    struct byte_cursor declared = {(const unsigned char *)abbrev->bytes,
                                   (const unsigned char *)abbrev->bytes + abbrev->size, false};
    uint64_t id;
    memcpy(&id, info + plain_header, sizeof id);
    uint64_t code = read_uleb(&entry);
    size_t code_length = (size_t)((char *)entry.at - info) - header;
    if (id != source->id || entry.bad || code_length > 8 || !find_declaration(&declared, code))
        return false;
    add_changed(abbrev_out, abbrev, declared.at, 0);
    memmove(info + plain_header, info + header, code_length);
    memcpy(info + plain_header + code_length, &source->low_pc, sizeof source->low_pc);
    info[6] = DW_UT_compile;
    return true;
}

/* DWARF 4: the id is an attribute of the first entry. */
static bool change_version_4(const struct gs_split_source *source, char *info, struct gs_text *abbrev_out)
{
    const size_t header = 11;
    const struct gs_split_part *abbrev = &source->part[GS_SPLIT_ABBREV],
                               *whole = &source->part[GS_SPLIT_INFO];
    struct byte_cursor entry = {(unsigned char *)info + header, (unsigned char *)info + whole->size, false};
    struct byte_cursor declared = {(const unsigned char *)abbrev->bytes,
                                   (const unsigned char *)abbrev->bytes + abbrev->size, false};
    uint64_t attribute, form, id;
    if (!find_declaration(&declared, read_uleb(&entry)) || entry.bad)
        return false;
    for (const unsigned char *pair = declared.at; read_pair(&declared, &attribute, &form);
         pair = declared.at) {
        size_t at = (size_t)((char *)entry.at - info);
        if (!skip_value(&entry, form))
            return false;
        if (attribute != DW_AT_GNU_dwo_id || form != DW_FORM_data8)
            continue;
        memcpy(&id, info + at, sizeof id);
        memcpy(info + at, &source->low_pc, sizeof source->low_pc);
        add_changed(abbrev_out, abbrev, pair, (size_t)(declared.at - pair));
        return id == source->id;
    }
    return false;
}

/* Copy the unit into *INFO, as an ordinary one, and its abbreviations into ABBREV. False: it is another unit, or damaged. */
static bool copy_unit(const struct gs_split_source *source, char **info, struct gs_text *abbrev)
{
    const struct gs_split_part *from = &source->part[GS_SPLIT_INFO];
    uint32_t abbrev_offset = 0;
    uint16_t version;
    if (from->size < 32)
        return false;
    *info = gs_alloc(from->size);
    if (!*info)
        return false;
    memcpy(*info, from->bytes, from->size);
    memcpy(&version, *info + 4, sizeof version);
    memcpy(*info + (version == 5 ? 8 : 6), &abbrev_offset,
           sizeof abbrev_offset); // part[GS_SPLIT_ABBREV] begins there
    if (version == 5)
        return change_version_5(source, *info, abbrev) && !abbrev->failed;
    return version == 4 && change_version_4(source, *info, abbrev) && !abbrev->failed;
}

/* ---- the image ------------------------------------------------------------------------------------------------------ */

static const char *const section_names[GS_SPLIT_PARTS] = {
    [GS_SPLIT_INFO] = ".debug_info",
    [GS_SPLIT_ABBREV] = ".debug_abbrev",
    [GS_SPLIT_LINE] = ".debug_line",
    [GS_SPLIT_STR] = ".debug_str",
    [GS_SPLIT_STR_OFFSETS] = ".debug_str_offsets",
    [GS_SPLIT_RNGLISTS] = ".debug_rnglists",
    [GS_SPLIT_RANGES] = ".debug_ranges",
    [GS_SPLIT_ADDR] = ".debug_addr",
};
enum { SECTIONS = GS_SPLIT_PARTS + 2, NAMES = 256 }; // and the first one, and the one with the names

struct image_layout {
    Elf64_Ehdr header;
    Elf64_Shdr section[SECTIONS];
    char names[NAMES];
    size_t names_length, size;
};

static bool is_mapped(const struct gs_split_part *part)
{
    return part->fd >= 0 && part->size > COPIED_MAX;
}

static void add_section(struct image_layout *layout, size_t index, const char *name, uint32_t type,
                        size_t offset, size_t size)
{
    layout->section[index] = (Elf64_Shdr){.sh_name = (uint32_t)layout->names_length,
                                          .sh_type = type,
                                          .sh_offset = offset,
                                          .sh_size = size,
                                          .sh_addralign = 1};
    strcpy(layout->names + layout->names_length, name);
    layout->names_length += strlen(name) + 1;
}

/* Choose where each part lies: what is mapped keeps its offset in a page. */
static void lay_out(const struct gs_split_part *part, struct image_layout *layout)
{
    *layout = (struct image_layout){.names_length = 1, .size = sizeof *layout};
    for (size_t i = 0; i < GS_SPLIT_PARTS; i++) {
        size_t start = (layout->size + 7) & ~(size_t)7;
        if (is_mapped(&part[i]))
            start = ((layout->size + PAGE - 1) & -(size_t)PAGE) + (part[i].offset & (PAGE - 1));
        if (part[i].size)
            add_section(layout, i + 1, section_names[i], SHT_PROGBITS, start, part[i].size);
        layout->size =
            is_mapped(&part[i]) ? (start + part[i].size + PAGE - 1) & -(size_t)PAGE : start + part[i].size;
    }
    add_section(layout, SECTIONS - 1, ".shstrtab", SHT_STRTAB, offsetof(struct image_layout, names), NAMES);
    layout->header = (Elf64_Ehdr){.e_type = ET_DYN,
                                  .e_version = EV_CURRENT,
                                  .e_shoff = offsetof(struct image_layout, section),
                                  .e_ehsize = sizeof(Elf64_Ehdr),
                                  .e_shentsize = sizeof(Elf64_Shdr),
                                  .e_shnum = SECTIONS,
                                  .e_shstrndx = SECTIONS - 1};
}

static bool fill(char *image, const struct gs_split_part *part, const struct image_layout *layout)
{
    memcpy(image, layout, sizeof *layout);
    for (size_t i = 0; i < GS_SPLIT_PARTS; i++) {
        char *to = image + layout->section[i + 1].sh_offset;
        if (part[i].size && !is_mapped(&part[i]))
            memcpy(to, part[i].bytes, part[i].size);
        if (!is_mapped(&part[i]))
            continue;
        size_t within = part[i].offset & (PAGE - 1);
        if (mmap(to - within, part[i].size + within, PROT_READ, MAP_PRIVATE | MAP_FIXED, part[i].fd,
                 (off_t)(part[i].offset - within)) == MAP_FAILED)
            return false;
    }
    return true;
}

static bool make_image(const struct gs_split_source *source, const struct gs_split_part *part,
                       struct gs_split_image *out)
{
    struct image_layout layout;
    lay_out(part, &layout);
    memcpy(layout.header.e_ident, source->ident, EI_NIDENT);
    layout.header.e_machine = source->machine;
    out->size = layout.size;
    out->bytes = mmap(NULL, out->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (out->bytes == MAP_FAILED) {
        out->bytes = NULL;
        return false;
    }
    if (!fill(out->bytes, part, &layout))
        return false;
    out->elf = elf_memory(out->bytes, out->size);
    out->dwarf = out->elf ? dwarf_begin_elf(out->elf, DWARF_C_READ, NULL) : NULL;
    return out->dwarf != NULL;
}

bool gs_reader_split_image(const struct gs_split_source *source, struct gs_split_image *out)
{
    struct gs_split_part part[GS_SPLIT_PARTS];
    struct gs_text abbrev = {0};
    char *info = NULL;
    *out = (struct gs_split_image){0};
    memcpy(part, source->part, sizeof part);
    bool made = copy_unit(source, &info, &abbrev);
    part[GS_SPLIT_INFO] = (struct gs_split_part){info, part[GS_SPLIT_INFO].size, -1, 0};
    part[GS_SPLIT_ABBREV] = (struct gs_split_part){abbrev.bytes, abbrev.length, -1, 0};
    made = made && make_image(source, part, out);
    gs_free(info);
    gs_text_fini(&abbrev);
    if (!made)
        gs_reader_split_image_close(out);
    return made;
}

void gs_reader_split_image_close(struct gs_split_image *image)
{
    if (image->dwarf)
        dwarf_end(image->dwarf);
    if (image->elf)
        elf_end(image->elf);
    if (image->bytes)
        munmap(image->bytes, image->size);
    *image = (struct gs_split_image){0};
}
