/* lines.c - makes a profile anew with functions, files, lines and inlined frames from the mapped files' debug information.
 *
 *   location ─▶ mapping ─▶ file (path and build id) ─▶ all addresses of one file, in order ─▶ names, then lines
 *                                                                                                   │
 *   new profile: the same samples and mappings; each location has its new lines, or its old ones ◀──┘
 *
 * Who: the CLI, usually in a process of its own (lines_apart.c). Bounds: one file with its debug files is open at a time. */
#include "reader/lines.h"
#include "base/hash.h"
#include "base/index.h"
#include "base/memory.h"
#include "base/sort.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

struct result { // of a location
    size_t first_line;
    uint32_t line_count; // 0: only SYMBOL, if that is not NULL
    const char *symbol;
};

/* ---- which file a mapping shows ------------------------------------------------------------------------------------- */

struct file_numbers {
    const struct gs_profile *profile;
    struct gs_index index;
    uint32_t *number; // of each mapping's file: the first mapping of it
};

static uint64_t hash_of_file(const void *context, uint32_t mapping)
{
    const struct gs_profile_mapping *of = &((const struct gs_profile *)context)->mapping[mapping];
    return gs_hash_mix((uintptr_t)of->path * 31 +
                       (uintptr_t)of->build_id); // interned: equal strings are equal pointers
}

static uint32_t number_of_file(struct file_numbers *files, uint32_t mapping, bool *failed)
{
    const struct gs_profile_mapping *all = files->profile->mapping;
    uint64_t hash = hash_of_file(files->profile, mapping);
    size_t at = SIZE_MAX;
    for (uint32_t other; (other = gs_index_next(&files->index, hash, &at)) != UINT32_MAX;)
        if (all[other].path == all[mapping].path && all[other].build_id == all[mapping].build_id)
            return other;
    *failed |= gs_index_add(&files->index, hash, mapping, hash_of_file, files->profile) != 0;
    return mapping;
}

static bool number_files(const struct gs_profile *profile, struct file_numbers *out)
{
    bool failed = false;
    *out = (struct file_numbers){.profile = profile};
    out->number = gs_alloc((profile->mapping_count + 1) * sizeof *out->number);
    for (uint32_t i = 0; out->number && i < profile->mapping_count; i++)
        out->number[i] = number_of_file(out, i, &failed);
    gs_index_fini(&out->index);
    return out->number && !failed;
}

/* ---- which addresses are sought ------------------------------------------------------------------------------------- */

/* Is NAME made of the address alone ("memcached+0x1a2b")? */
static bool is_made_of_address(const char *name, const char *path)
{
    const char *base = gs_text_base_name(path);
    size_t length = strlen(base);
    if (strncmp(name, base, length) != 0 || strncmp(name + length, "+0x", 3) != 0)
        return false;
    name += length + 3;
    return *name && name[strspn(name, "0123456789abcdef")] == 0;
}

/* The function that LOCATION has from a symbol table; NULL: none. */
static const struct gs_function *known_function(const struct gs_profile *profile,
                                                const struct gs_location *location)
{
    const char *path = profile->mapping[location->mapping - 1].path;
    const struct gs_function *function =
        location->line_count ? &profile->function[location->line[0].function] : NULL;
    return function && *function->name && !is_made_of_address(function->name, path) ? function : NULL;
}

static bool needs_lines(const struct gs_profile *profile, const struct gs_location *location)
{
    const struct gs_profile_mapping *mapping =
        location->mapping ? &profile->mapping[location->mapping - 1] : NULL;
    if (!mapping || mapping->path[0] != '/' || mapping->has_line_numbers)
        return false;
    return location->line_count == 0 || (location->line_count == 1 && location->line[0].line == 0 &&
                                         !*profile->function[location->line[0].function].file);
}

static int by_file(const void *a, const void *b)
{
    const struct gs_wanted *left = a, *right = b;
    if (left->unit != right->unit)
        return left->unit < right->unit ? -1 : 1;
    return left->location < right->location ? -1 : left->location > right->location;
}

/* The locations to find lines for, in order of their files; the file's number is in `unit`. NULL: no memory. */
static struct gs_wanted *collect(const struct gs_profile *profile, const uint32_t *file_number, size_t *count)
{
    struct gs_wanted *wanted = gs_alloc((profile->location_count + 1) * sizeof *wanted);
    *count = 0;
    for (uint32_t i = 0; wanted && i < profile->location_count; i++) {
        const struct gs_location *location = &profile->location[i];
        if (needs_lines(profile, location))
            wanted[(*count)++] = (struct gs_wanted){.address = location->address,
                                                    .location = i,
                                                    .known = known_function(profile, location),
                                                    .unit = file_number[location->mapping - 1]};
    }
    if (wanted)
        gs_sort(wanted, *count, sizeof *wanted, by_file);
    return wanted;
}

/* ---- addresses in the file -------------------------------------------------------------------------------------- */

/* The bias of MAPPING by the program's segments: an executable one with bytes in the mapped part of the file. */
static bool bias_by_program(Elf *elf, const struct gs_profile_mapping *mapping, uint64_t *bias)
{
    GElf_Phdr segment;
    size_t count = 0;
    bool found = false;
    elf_getphdrnum(elf, &count);
    for (int i = 0; i < (int)count; i++) {
        if (!gelf_getphdr(elf, i, &segment) || segment.p_type != PT_LOAD || segment.p_filesz == 0 ||
            !(segment.p_flags & PF_X))
            continue;
        bool overlaps = mapping->offset >= segment.p_offset
                            ? mapping->offset - segment.p_offset < segment.p_filesz
                            : segment.p_offset - mapping->offset < mapping->end - mapping->start;
        if (overlaps && !found) {
            *bias = mapping->start - mapping->offset + segment.p_offset - segment.p_vaddr;
            found = true;
        }
    }
    return found;
}

/* The bias of MAPPING where there is only a debug file, whose segments have no offsets that could be trusted: by the executable
 * segment of the mapping's length. */
static bool bias_by_debug_file(Elf *elf, const struct gs_profile_mapping *mapping, uint64_t *bias)
{
    const uint64_t page = 4096;
    GElf_Phdr segment;
    size_t count = 0, found = 0;
    elf_getphdrnum(elf, &count);
    for (int i = 0; i < (int)count; i++) {
        if (!gelf_getphdr(elf, i, &segment) || segment.p_type != PT_LOAD || !(segment.p_flags & PF_X))
            continue;
        uint64_t start = segment.p_vaddr & -page,
                 end = (segment.p_vaddr + segment.p_memsz + page - 1) & -page;
        if (end - start != mapping->end - mapping->start)
            continue;
        *bias = mapping->start - start;
        found++;
    }
    return found == 1;
}

/* Turn the addresses of WANTED[0..COUNT) into those of MODULE's file. Returns how many could be; they come first. */
static size_t translate(const struct gs_resolver *resolver, const struct gs_module *module,
                        struct gs_wanted *wanted, size_t count)
{
    const struct gs_profile *from = resolver->from;
    uint32_t last = 0; // mapping number + 1; 0: none yet
    uint64_t bias = 0;
    bool known = false;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t number = from->location[wanted[i].location].mapping;
        const struct gs_profile_mapping *mapping = &from->mapping[number - 1];
        if (number != last)
            known = module->program.elf ? bias_by_program(module->program.elf, mapping, &bias)
                                        : bias_by_debug_file(module->debug.elf, mapping, &bias);
        last = number;
        if (!known || wanted[i].address < mapping->start || wanted[i].address >= mapping->end)
            continue;
        wanted[kept] = wanted[i];
        wanted[kept++].address -= bias;
    }
    return kept;
}

/* ---- one file ------------------------------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
    const struct gs_wanted *left = a, *right = b;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    return left->location < right->location ? -1 : left->location > right->location;
}

static void find_names(struct gs_resolver *resolver, struct gs_module *module, struct gs_wanted *wanted,
                       size_t count)
{
    bool all_known = true;
    for (size_t i = 0; i < count; i++)
        all_known &= wanted[i].known != NULL;
    if (all_known)
        return;
    gs_sort(wanted, count, sizeof *wanted, by_address);
    if (module->program.elf)
        gs_reader_symbol_names(resolver, module->program.elf, SHT_SYMTAB, wanted, count);
    if (module->debug.elf)
        gs_reader_symbol_names(resolver, module->debug.elf, SHT_SYMTAB, wanted, count);
    gs_reader_open_mini(module);
    if (module->mini.elf)
        gs_reader_symbol_names(resolver, module->mini.elf, SHT_SYMTAB, wanted, count);
    if (module->program.elf)
        gs_reader_symbol_names(resolver, module->program.elf, SHT_DYNSYM, wanted, count);
}

static void add_note(struct gs_resolver *resolver, const char *path, const char *why)
{
    if (resolver->options->only_failures)
        return;
    gs_text_add_printable(resolver->notes, path);
    gs_text_add(resolver->notes, ": %s\n", why);
}

static void resolve_file(struct gs_resolver *resolver, struct gs_wanted *wanted, size_t count,
                         struct result *results)
{
    const struct gs_profile_mapping *mapping = &resolver->from->mapping[wanted->unit];
    struct gs_module module = {
        .path = mapping->path, .build_id = mapping->build_id, .options = resolver->options};
    const char *why = NULL;
    gs_reader_open_module(&module);
    if (module.program.elf || module.debug.elf)
        count = translate(resolver, &module, wanted, count);
    else
        why = module.wrong_build ? "wrong build id: it was rebuilt, or is another file"
                                 : "it is not on this machine";
    if (!why && count == 0)
        why = "its mapping is in no segment of the file";
    if (!why) {
        find_names(resolver, &module, wanted, count);
        why = gs_reader_dwarf_lines(resolver, &module, wanted, count);
        for (size_t i = 0; i < count; i++)
            results[wanted[i].location] = (struct result){wanted[i].first_line, wanted[i].line_count,
                                                          wanted[i].known ? NULL : wanted[i].symbol};
    }
    if (why)
        add_note(resolver, mapping->path, why);
    gs_reader_close_module(&module);
}

/* ---- the new profile ------------------------------------------------------------------------------------------------ */

static void copy_head(const struct gs_profile *from, struct gs_profile *to)
{
    for (unsigned i = 0; i < from->sample_type_count; i++)
        gs_profile_add_sample_type(to, from->sample_type[i].type, from->sample_type[i].unit);
    to->default_sample_type = from->default_sample_type;
    to->period_type.type = gs_profile_string(to, from->period_type.type);
    to->period_type.unit = gs_profile_string(to, from->period_type.unit);
    to->period = from->period;
    to->time_ns = from->time_ns;
    to->duration_ns = from->duration_ns;
    to->drop_frames = gs_profile_string(to, from->drop_frames);
    for (size_t i = 0; i < from->comment_count; i++)
        gs_profile_add_comment(to, "%s", from->comment[i]);
    for (size_t i = 0; i < from->mapping_count; i++)
        gs_profile_add_mapping(to, &from->mapping[i]);
}

/* Add LOCATION with LINE[0..COUNT), which are of the new profile. */
static void add_location(struct gs_profile *to, const struct gs_location *location,
                         const struct gs_line *line, uint32_t count)
{
    struct gs_location copy = *location;
    copy.line = line;
    copy.line_count = count;
    if (gs_profile_add_location(to, &copy) == UINT32_MAX || !count || !copy.mapping)
        return;
    struct gs_profile_mapping *mapping = &to->mapping[copy.mapping - 1];
    for (uint32_t i = 0; i < count; i++)
        if (line[i].line)
            mapping->has_functions = mapping->has_filenames = mapping->has_line_numbers =
                mapping->has_inline_frames = true;
}

/* Add LOCATION as it was. */
static void copy_location(const struct gs_profile *from, struct gs_profile *to,
                          const struct gs_location *location)
{
    struct gs_line *line = gs_alloc((location->line_count + 1) * sizeof *line);
    if (!line) {
        to->failed = true;
        return;
    }
    for (uint32_t i = 0; i < location->line_count; i++) {
        const struct gs_function *function = &from->function[location->line[i].function];
        line[i] = (struct gs_line){gs_profile_add_function(to, function->name, function->system_name,
                                                           function->file, function->start_line),
                                   location->line[i].line};
        to->failed |= line[i].function == UINT32_MAX;
    }
    if (!to->failed)
        add_location(to, location, line, location->line_count);
    gs_free(line);
}

/* Add LOCATION with a name that was found in a symbol table. */
static void add_named(struct gs_profile *to, const struct gs_location *location, const char *symbol)
{
    char *plain = gs_symbol_plain_name(symbol);
    struct gs_line line = {plain ? gs_profile_add_function(to, plain, symbol, "", 0) : UINT32_MAX, 0};
    if (line.function == UINT32_MAX)
        to->failed = true;
    else {
        add_location(to, location, &line, 1);
        to->mapping[location->mapping - 1].has_functions = true;
    }
    gs_free(plain);
}

/* Returns how many locations got lines or a name. */
static size_t build(struct gs_resolver *resolver, const struct result *results)
{
    size_t filled = 0;
    const struct gs_profile *from = resolver->from;
    struct gs_profile *to = resolver->to;
    for (size_t i = 0; i < from->location_count && !to->failed; i++) {
        const struct gs_location *location = &from->location[i];
        if (results[i].line_count)
            add_location(to, location, &resolver->line[results[i].first_line], results[i].line_count);
        else if (results[i].symbol)
            add_named(to, location, results[i].symbol);
        else
            copy_location(from, to, location);
        filled += results[i].line_count || results[i].symbol;
    }
    for (size_t i = 0; i < from->sample_count && !to->failed; i++)
        gs_profile_append_sample(to, &from->sample[i]);
    return filled;
}

static bool is_left_out(const struct gs_symbolize_progress *progress, uint64_t file)
{
    for (size_t i = 0; i < progress->left_out_count; i++)
        if (progress->left_out[i] == file)
            return true;
    return false;
}

static void resolve_files(struct gs_resolver *resolver, struct gs_wanted *wanted, size_t count,
                          struct result *results, struct gs_symbolize_progress *progress)
{
    for (size_t at = 0, end; at < count && !resolver->failed; at = end) {
        for (end = at + 1; end < count && wanted[end].unit == wanted[at].unit;)
            end++;
        if (is_left_out(progress, wanted[at].unit))
            continue;
        progress->file = (uint32_t)wanted[at].unit;
        resolve_file(resolver, &wanted[at], end - at, results);
        progress->file = UINT32_MAX;
    }
}

struct gs_profile *gs_reader_symbolize(const struct gs_profile *profile,
                                       const struct gs_symbolize_options *options, struct gs_text *notes)
{
    struct gs_symbolize_progress progress = {.left_out_count = 0};
    return gs_reader_symbolize_files(profile, options, &progress, notes);
}

bool gs_reader_lacks_lines(const struct gs_profile *profile)
{
    for (size_t i = 0; i < profile->location_count; i++)
        if (needs_lines(profile, &profile->location[i]))
            return true;
    return false;
}

struct gs_profile *gs_reader_symbolize_files(const struct gs_profile *profile,
                                             const struct gs_symbolize_options *options,
                                             struct gs_symbolize_progress *progress, struct gs_text *notes)
{
    struct gs_resolver resolver = {
        .from = profile, .to = gs_profile_new(), .options = options, .notes = notes};
    struct file_numbers files = {0};
    struct gs_wanted *wanted = NULL;
    size_t count = 0;
    struct result *results = gs_alloc((profile->location_count + 1) * sizeof *results);
    if (resolver.to && results && number_files(profile, &files))
        wanted = collect(profile, files.number, &count);
    if (wanted) {
        copy_head(profile, resolver.to);
        resolve_files(&resolver, wanted, count, results, progress);
        progress->filled = build(&resolver, results);
    }
    bool failed = !wanted || resolver.failed || resolver.to->failed;
    gs_free(wanted);
    gs_free(files.number);
    gs_free(results);
    gs_free(resolver.line);
    if (failed) {
        gs_profile_free(resolver.to);
        return NULL;
    }
    return resolver.to;
}
