/* pages.c - where the heap in use is: in memory, swapped out, or never touched, stack by stack.
 *
 *   sampled live blocks (probe) ──▶ the state of each block's pages (sys/pagemap.h) ──▶ the block's share of its stack's bytes
 *
 * A sampled block stands for others of its stack; its pages stand for theirs. The block may be freed while its pages are read,
 * which then look like pages that were never touched: so the sample is looked up again after the reading, and a block that has
 * gone is not counted.
 * Who:    the watcher, or the thread of gumshoe_write_profile.
 * Bounds: READ_NS of reading. Blocks are read in the order of the probe's table, which is that of a hash: if the time is not
 *         enough, those that were read are a fair choice, and the rest is inuse_unknown. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/units.h"
#include "gather/inside.h"
#include "profile/profile.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define READ_NS GS_NS_PER_S

/* The sample types. UNWRITTEN is a part of RESIDENT; only if the kernel records which pages were written. */
enum page_value { RESIDENT, SWAPPED, UNTOUCHED, UNKNOWN, UNWRITTEN, PAGE_VALUES };

struct block_bytes {
    uint64_t resident, swapped, unwritten;
}; // the rest was never touched

struct pages_by_stack {
    struct gs_pages *source;
    bool tracks_writes;
    uint32_t count; // of stacks
    int64_t (*of)[PAGE_VALUES];
    uint64_t blocks, unread;
};

/* The bytes of a block of LENGTH bytes at START by the state of their pages. False: not all of its pages could be read. */
static bool read_block(struct gs_pages *source, uint64_t start, uint64_t length, struct block_bytes *out)
{
    uint64_t words[GS_PAGES_STEP], at = start, end = start + length;
    *out = (struct block_bytes){0};
    while (at < end) {
        size_t got = gs_pagemap_read(source, at / GS_PAGE, (end - 1) / GS_PAGE + 1, words);
        if (!got)
            return false;
        for (size_t i = 0; i < got; i++) {
            uint64_t next = (at / GS_PAGE + 1) * GS_PAGE, bytes = (next < end ? next : end) - at;
            out->resident += words[i] & GS_PAGE_PRESENT ? bytes : 0;
            out->swapped += !(words[i] & GS_PAGE_PRESENT) && words[i] & GS_PAGE_SWAPPED ? bytes : 0;
            out->unwritten += words[i] & GS_PAGE_PRESENT && !(words[i] & GS_PAGE_WRITTEN) ? bytes : 0;
            at += bytes;
        }
    }
    return true;
}

static bool is_live(size_t at, const struct gs_live_sample *sample)
{
    struct gs_live_sample now;
    return gs_probe_live_next(&at, &now) && now.address == sample->address &&
           now.born_ns == sample->born_ns && now.stack == sample->stack;
}

/* PART of a block of SIZE bytes, which stands for BYTES. */
static int64_t scaled(uint64_t bytes, uint64_t part, uint64_t size)
{
    return (int64_t)((double)bytes * ((double)part / (double)size) + 0.5);
}

/* Add the block of SAMPLE, which is in slot AT of the live blocks. */
static void add_block(struct pages_by_stack *pages, size_t at, const struct gs_live_sample *sample)
{
    struct block_bytes part;
    uint64_t size = sample->objects ? (sample->bytes << GS_OBJECT_SHIFT) / sample->objects : 0;
    if (!size || sample->stack >= pages->count) // a stack that is younger than the count
        return;
    bool known = read_block(pages->source, sample->address, size, &part);
    if (!is_live(at, sample))
        return;
    int64_t *value = pages->of[sample->stack], bytes = (int64_t)sample->bytes;
    pages->blocks++;
    if (!known) {
        pages->unread++;
        value[UNKNOWN] += bytes;
        return;
    }
    int64_t resident = scaled(sample->bytes, part.resident, size),
            written = scaled(sample->bytes, part.resident + part.swapped, size);
    value[RESIDENT] += resident;
    value[SWAPPED] += written - resident;
    value[UNTOUCHED] += bytes - written;
    value[UNWRITTEN] += scaled(sample->bytes, part.unwritten, size);
}

static void read_blocks(struct pages_by_stack *pages)
{
    struct gs_live_sample sample;
    for (size_t at = 0; gs_probe_live_next(&at, &sample) && !pages->source->error;)
        add_block(pages, at - 1, &sample);
}

static struct gs_profile *new_profile(const struct gs_gather *how, bool tracks_writes)
{
    struct gs_profile *profile = gs_profile_new();
    if (!profile)
        return NULL;
    gs_profile_add_sample_type(profile, "inuse_resident", "bytes");
    gs_profile_add_sample_type(profile, "inuse_swapped", "bytes");
    gs_profile_add_sample_type(profile, "inuse_untouched", "bytes");
    gs_profile_add_sample_type(profile, "inuse_unknown", "bytes");
    if (tracks_writes)
        gs_profile_add_sample_type(profile, "inuse_unwritten", "bytes");
    profile->default_sample_type = RESIDENT;
    gs_gather_describe_heap_now(profile, how);
    gs_profile_add_comment(
        profile, "inuse_resident, inuse_swapped, inuse_untouched and inuse_unknown add up to the heap "
                 "in use, except for blocks that came or went while pages were read");
    if (!tracks_writes)
        gs_profile_add_comment(profile,
                               "which pages were written is not known: this kernel has no soft-dirty bits");
    return profile;
}

/* Report what was not read as a note and as a comment of the profile. */
static void report_unread(const struct pages_by_stack *pages, struct gs_gathered *out)
{
    struct gs_text text = {0};
    char limit[GS_UNIT_TEXT];
    if (!pages->unread)
        return;
    gs_text_add(&text, "of %" PRIu64 " sampled blocks, %" PRIu64 " not read", pages->blocks, pages->unread);
    if (pages->source->cut)
        gs_text_add(&text, " within %s", gs_units_print_duration(READ_NS, limit));
    gs_text_add(&out->notes, "pages: %s: inuse_unknown in heap.pages.pb.gz\n", text.failed ? "" : text.bytes);
    gs_profile_add_comment(out->profile, "%s", text.failed ? "" : text.bytes);
    out->profile->failed |= text.failed;
    gs_text_fini(&text);
}

static int make_profile(const struct gs_gather *how, const struct pages_by_stack *pages,
                        struct gs_gathered *out)
{
    static const int64_t none[PAGE_VALUES];
    out->profile = new_profile(how, pages->tracks_writes);
    if (!out->profile)
        return -ENOMEM;
    for (uint32_t stack = 0; stack < pages->count; stack++)
        if (memcmp(pages->of[stack], none, sizeof none) != 0)
            gs_gather_add_stack(out->profile, stack, pages->of[stack]);
    report_unread(pages, out);
    gs_gather_symbolize(out->profile, how->maps);
    return out->profile->failed ? -ENOMEM : 0;
}

int gs_gather_pages_by(const struct gs_gather *how, struct gs_pages *source, bool tracks_writes,
                       struct gs_gathered *out)
{
    struct pages_by_stack pages = {
        .source = source, .tracks_writes = tracks_writes, .count = gs_probe_stack_count()};
    if (pages.count == 0)
        return -ENODATA;
    pages.of = gs_alloc(pages.count * sizeof *pages.of);
    if (!pages.of)
        return -ENOMEM;
    read_blocks(&pages);
    int error = source->error || !pages.blocks ? -ENODATA : make_profile(how, &pages, out);
    gs_free(pages.of);
    return error;
}

int gs_gather_pages(const struct gs_gather *how, struct gs_gathered *out)
{
    int fd = gs_file_openat(AT_FDCWD, "/proc/thread-self/pagemap", O_RDONLY, 0), result = -ENODATA;
    struct gs_pages source = {
        .fd = fd, .until_ns = gs_clock_monotonic_ns() + READ_NS, .error = fd < 0 ? fd : 0};
    if (fd >= 0) {
        result = gs_gather_pages_by(how, &source, gs_pagemap_tracks_writes(&source), out);
        close(fd);
    }
    if (source.error)
        gs_text_add(&out->notes, "the pages of the heap could not be read: /proc/self/pagemap: %s\n",
                    strerrordesc_np(-source.error));
    return result;
}
