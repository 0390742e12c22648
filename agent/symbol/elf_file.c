/* elf_file.c - opens ELF files, and finds their sections.
 *
 * A path may come from a box that anybody may have written. So a file is opened only if it is regular: opening some devices
 * has effects. Who: symbols.c, variables.c, debug_files.c. Context: watcher, CLI. */
#include "base/memory.h"
#include "symbol/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void gs_symbol_elf_close(struct gs_elf_file *file)
{
    if (file->image.fd >= 0)
        close(file->image.fd);
    gs_free(file->segment);
    *file = (struct gs_elf_file){.image.fd = -1};
}

const char *gs_symbol_elf_open(const char *path, struct gs_elf_file *out)
{
    struct stat status;
    *out = (struct gs_elf_file){.image.fd = gs_file_open_regular(path)};
    if (out->image.fd < 0)
        return out->image.fd == -EINVAL ? "not a regular file" : strerrordesc_np(-out->image.fd);
    out->image.size = fstat(out->image.fd, &status) == 0 ? (uint64_t)status.st_size : 0;
    if (!gs_symbol_elf_header(&out->image, &out->header))
        return "not an ELF file of this machine";
    out->segment = gs_symbol_elf_segments(&out->image, &out->header, &out->segment_count);
    return out->segment ? NULL : "damaged: no program headers";
}

const char *gs_symbol_elf_open_mapped(const char *path, const struct gs_mapping *mapping,
                                      struct gs_elf_file *out)
{
    unsigned char id[GS_BUILD_ID_MAX];
    const char *why = gs_symbol_elf_open(path, out);
    if (why)
        return why;
    unsigned length = gs_symbol_elf_build_id(&out->image, id);
    if (length != mapping->build_id_length || memcmp(id, mapping->build_id, length) != 0)
        return "rebuilt since it was mapped (build id differs): its names are not used";
    if (length == 0 && mapping->deleted)
        return "possibly another file: it was replaced, and neither has a build id";
    return NULL;
}

const char *gs_symbol_elf_open_vdso(const struct gs_mapping *mapping, int pid, struct gs_elf_file *out)
{
    *out = (struct gs_elf_file){.image = {.fd = -1, .pid = pid, .base = mapping->start, .size = UINT64_MAX}};
    if (!gs_symbol_elf_header(&out->image, &out->header))
        return "not readable";
    out->segment = gs_symbol_elf_segments(&out->image, &out->header, &out->segment_count);
    return out->segment ? NULL : "not readable";
}

Elf64_Shdr *gs_symbol_elf_sections(const struct gs_elf_file *file)
{
    if (file->header.e_shentsize != sizeof(Elf64_Shdr))
        return NULL;
    return gs_symbol_image_table(&file->image, file->header.e_shoff, file->header.e_shnum,
                                 sizeof(Elf64_Shdr));
}

bool gs_symbol_elf_find_section(const struct gs_elf_file *file, const char *name, Elf64_Shdr *out)
{
    char found[32];
    size_t length = strlen(name) + 1;
    Elf64_Shdr *section = gs_symbol_elf_sections(file);
    size_t count = section ? file->header.e_shnum : 0, names = file->header.e_shstrndx;
    bool is_there = false;
    for (size_t i = 0; i < count && names < count && length <= sizeof found && !is_there; i++) {
        uint64_t at;
        is_there = section[i].sh_name < section[names].sh_size &&
                   !__builtin_add_overflow(section[names].sh_offset, section[i].sh_name, &at) &&
                   gs_symbol_image_read(&file->image, at, found, length) && memcmp(found, name, length) == 0;
        if (is_there)
            *out = section[i];
    }
    gs_free(section);
    return is_there;
}
