/* A .gnu_debugaltlink: it names the file that dwz moved common parts of debug information into, and that file's build id. It
 * may name anything, also a device, a folder, or a file of another build.
 *
 *   bytes ──▶ the section, in an ELF file that has nothing else ──▶ gs_reader_open_supplement
 *   "/proc/self/fd/N" of the other file below: the only one with the right build id */
#include "base/memory.h"
#include "fuzz.h"
#include "reader/lines.h"
#include <string.h>

static const unsigned char right_id[] = {0xab, 0xcd, 0xef, 0x12};
static const char names[] = "\0.shstrtab\0.debug_line\0.gnu_debugaltlink\0.note.gnu.build-id";

struct section {
    const char *name;
    uint32_t type;
    const void *bytes;
    size_t length;
};

/* Write an ELF file with SECTION[0..COUNT) and their names. Returns its length. OUT has room for it. */
static size_t make_elf(const struct section *section, size_t count, char *out)
{
    Elf64_Ehdr head = {.e_type = ET_DYN,
                       .e_machine = EM_X86_64,
                       .e_version = EV_CURRENT,
                       .e_ehsize = sizeof head,
                       .e_shentsize = sizeof(Elf64_Shdr),
                       .e_shnum = (uint16_t)(count + 1),
                       .e_shstrndx = 1};
    size_t at = sizeof head + (count + 1) * sizeof(Elf64_Shdr);
    memcpy(head.e_ident, ELFMAG, SELFMAG);
    head.e_ident[EI_CLASS] = ELFCLASS64;
    head.e_ident[EI_DATA] = ELFDATA2LSB;
    head.e_ident[EI_VERSION] = EV_CURRENT;
    head.e_shoff = sizeof head;
    memcpy(out, &head, sizeof head);
    memset(out + sizeof head, 0, sizeof(Elf64_Shdr));
    for (size_t i = 0; i < count; i++) {
        const char *name = memmem(names, sizeof names, section[i].name, strlen(section[i].name) + 1);
        Elf64_Shdr header = {.sh_name = (uint32_t)(name - names),
                             .sh_type = section[i].type,
                             .sh_offset = at,
                             .sh_size = section[i].length,
                             .sh_addralign = 4};
        memcpy(out + sizeof head + (i + 1) * sizeof header, &header, sizeof header);
        memcpy(out + at, section[i].bytes, section[i].length);
        at = (at + section[i].length + 3) & ~(size_t)3;
    }
    return at;
}

/* The file with the right build id; CHAINED: it names a supplementary file itself, which is not allowed. */
static const char *supplement_path(const uint8_t *link, size_t length, bool chained)
{
    static char image[1 << 17];
    struct {
        Elf64_Nhdr head;
        char owner[4];
        unsigned char id[4];
    } note = {{4, 4, NT_GNU_BUILD_ID}, "GNU", {0}};
    memcpy(note.id, right_id, sizeof right_id);
    const struct section section[] = {{".shstrtab", SHT_STRTAB, names, sizeof names},
                                      {".debug_line", SHT_PROGBITS, "\0\0\0\0", 4},
                                      {".note.gnu.build-id", SHT_NOTE, &note, sizeof note},
                                      {".gnu_debugaltlink", SHT_PROGBITS, link, length}};
    return gs_fuzz_file(image, make_elf(section, chained ? 4 : 3, image));
}

/* What the section says where the bytes begin with "@": the path of the right file, then the rest of the bytes. */
static size_t expand(const uint8_t *bytes, size_t length, const char *right, char *out)
{
    size_t before = length && bytes[0] == '@' ? strlen(right) : 0, skip = before ? 1 : 0;
    memcpy(out, right, before);
    memcpy(out + before, bytes + skip, length - skip);
    return before + length - skip;
}

static void open_by(char *section_bytes, size_t length, const char *right, bool chained)
{
    static char image[1 << 17];
    const struct gs_symbolize_options options = {.seconds = 1};
    struct gs_module module = {.path = "", .build_id = "", .options = &options};
    struct gs_debug_elf from = {.path = "/proc/self/exe"};
    const struct section section[] = {{".shstrtab", SHT_STRTAB, names, sizeof names},
                                      {".debug_line", SHT_PROGBITS, "\0\0\0\0", 4},
                                      {".gnu_debugaltlink", SHT_PROGBITS, section_bytes, length}};
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory(image, make_elf(section, 3, image));
    Dwarf *dwarf = elf ? dwarf_begin_elf(elf, DWARF_C_READ, NULL) : NULL, *supplement = NULL;
    if (dwarf && gs_reader_open_supplement(&module, &from, dwarf, &supplement) && supplement) {
        char id[GS_ELF_ID_HEX];
        gs_reader_elf_build_id(module.supplement.elf, id);
        size_t name = strnlen(section_bytes, length);
        gs_must(!chained || strcmp(module.supplement.path, right) != 0);
        gs_must(name + 1 + strlen(id) / 2 == length && dwarf_getalt(dwarf) == supplement);
        for (size_t i = 0; id[2 * i]; i++)
            gs_must(strtoul((char[]){id[2 * i], id[2 * i + 1], 0}, NULL, 16) ==
                    (unsigned char)section_bytes[name + 1 + i]);
    }
    if (dwarf)
        dwarf_end(dwarf);
    if (supplement)
        dwarf_end(supplement);
    gs_reader_close_elf(&module.supplement);
    if (elf)
        elf_end(elf);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static char section[1 << 16];
    if (length == 0 || length > sizeof section - 64)
        return 0;
    bool chained = bytes[0] & 1;
    const char *right = supplement_path(bytes + 1, length - 1, chained);
    open_by(section, expand(bytes + 1, length - 1, right, section), right, chained);
    return 0;
}
