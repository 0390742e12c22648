/* rename_threads.c - puts new names into a stored threads.txt.
 *
 *       0x55d0c1a2  shop+0x1a2        ──address──▶ location of the profile with lines ──▶      0x55d0c1a2  insert (cache.c:88)
 *                                                                                                         serve (shop.c:12)
 *
 * serve, into which the compiler has put insert inline, has no address of its own. Context: CLI. */
#include "base/memory.h"
#include "base/search.h"
#include "base/sort.h"
#include "incident/inside.h"
#include <stdlib.h>
#include <string.h>

struct named_address {
    uint64_t address;
    uint32_t location;
};

static int by_address(const void *a, const void *b)
{
    const struct named_address *x = a, *y = b;
    return (x->address > y->address) - (x->address < y->address);
}

/* The locations of THREADS by address. NULL: no memory. */
static struct named_address *sort_addresses(const struct gs_profile *threads)
{
    struct named_address *known = gs_alloc((threads->location_count + 1) * sizeof *known);
    for (uint32_t i = 0; known && i < threads->location_count; i++)
        known[i] = (struct named_address){threads->location[i].address, i};
    if (known)
        gs_sort(known, threads->location_count, sizeof *known, by_address);
    return known;
}

/* The location at ADDRESS that has functions; NULL: none. */
static const struct gs_location *find(const struct gs_profile *threads, const struct named_address *known,
                                      uint64_t address)
{
    struct gs_search search = {.high = threads->location_count};
    while (gs_search_next(&search))
        gs_search_step(&search, known[search.middle].address < address);
    if (search.low == threads->location_count || known[search.low].address != address)
        return NULL;
    const struct gs_location *found = &threads->location[known[search.low].location];
    return found->line_count ? found : NULL;
}

/* The address of the frame that LINE shows: four spaces, the address in 18 columns, two spaces, the name. 0: it shows none. */
static uint64_t address_of(const char *line)
{
    enum { ADDRESS_END = 22 };
    const char *at = line + strspn(line, " ");
    char *end;
    if (at - line < 4 || strncmp(at, "0x", 2) != 0)
        return 0;
    uint64_t address = strtoull(at, &end, 16);
    return end - line == ADDRESS_END && strncmp(end, "  ", 2) == 0 ? address : 0;
}

static void add_frames(struct gs_text *out, const struct gs_profile *threads,
                       const struct gs_location *location)
{
    for (uint32_t i = 0; i < location->line_count; i++) {
        const struct gs_line *line = &location->line[i];
        const struct gs_function *function = &threads->function[line->function];
        if (i == 0)
            gs_text_add(out, "    %#18llx  ", (unsigned long long)location->address);
        else
            gs_text_add(out, "    %18s  ", "");
        gs_text_add_printable(out, function->name);
        gs_incident_add_line_number(out, function->file, line->line);
        gs_text_add(out, "\n");
    }
}

static void rename_frames(const struct gs_profile *threads, const struct named_address *known,
                          struct gs_text *text)
{
    struct gs_text renamed = {0};
    for (const char *line = text->bytes; *line;) {
        const char *end = strchrnul(line, '\n'), *next = *end ? end + 1 : end;
        uint64_t address = address_of(line);
        const struct gs_location *location = address ? find(threads, known, address) : NULL;
        if (location)
            add_frames(&renamed, threads, location);
        else
            gs_text_add_bytes(&renamed, line, (size_t)(next - line));
        line = next;
    }
    gs_text_fini(text);
    *text = renamed;
}

void gs_incident_rename_threads(const struct gs_incident_words *before, const struct gs_incident_words *after,
                                const struct gs_profile *threads, struct gs_text *text)
{
    struct named_address *known = sort_addresses(threads);
    if (!known)
        text->failed = true;
    else if (text->bytes && strlen(text->bytes) == text->length) {
        gs_incident_replace_lines(&before->threads_head, &after->threads_head, text);
        rename_frames(threads, known, text);
    }
    gs_free(known);
}
