/* debug_elf.c - opens ELF files with elfutils, and looks at their sections and build ids.
 *
 * Who: the CLI. Bounds: files are mapped, not read. */
#include "base/memory.h"
#include "reader/lines.h"
#include "sys/file.h"
#include <elfutils/libdwelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool gs_reader_open_elf(const char *path, struct gs_debug_elf *file)
{
    *file = (struct gs_debug_elf){.fd = gs_file_open_regular(path)};
    if (file->fd < 0)
        return false;
    elf_version(EV_CURRENT);
    file->elf = elf_begin(file->fd, ELF_C_READ_MMAP, NULL);
    if (file->elf && elf_kind(file->elf) == ELF_K_ELF) {
        snprintf(file->path, sizeof file->path, "%s", path);
        return true;
    }
    gs_reader_close_elf(file);
    return false;
}

void gs_reader_close_elf(struct gs_debug_elf *file)
{
    if (file->elf)
        elf_end(file->elf);
    if (file->fd > 0)
        close(file->fd);
    gs_free(file->bytes);
    *file = (struct gs_debug_elf){0};
}

void gs_reader_elf_build_id(Elf *elf, char *hex)
{
    const void *bytes = NULL;
    ssize_t length = dwelf_elf_gnu_build_id(elf, &bytes);
    *hex = 0;
    for (ssize_t i = 0; i < length && length <= (GS_ELF_ID_HEX - 1) / 2; i++)
        sprintf(hex + 2 * i, "%02x", ((const unsigned char *)bytes)[i]);
}

/* The section NAME of ELF that has contents in the file; NULL: none. */
static Elf_Scn *find_section(Elf *elf, const char *name)
{
    size_t strings;
    GElf_Shdr header;
    if (elf_getshdrstrndx(elf, &strings) != 0)
        return NULL;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
        const char *found = gelf_getshdr(section, &header) ? elf_strptr(elf, strings, header.sh_name) : NULL;
        if (found && strcmp(found, name) == 0 && header.sh_type != SHT_NOBITS && header.sh_size)
            return section;
    }
    return NULL;
}

bool gs_reader_elf_has(Elf *elf, const char *name)
{
    return find_section(elf, name) != NULL;
}

Elf_Data *gs_reader_elf_section(Elf *elf, const char *name)
{
    Elf_Scn *section = find_section(elf, name);
    GElf_Shdr header;
    if (!section || !gelf_getshdr(section, &header))
        return NULL;
    if (header.sh_flags & SHF_COMPRESSED && elf_compress(section, 0, 0) < 0)
        return NULL;
    return elf_getdata(section, NULL);
}
