/* fds.c - the fds profile: the descriptors that are open now, by the stack that opened each, and what they refer to.
 *
 *   /proc/self/fd/N ──▶ link ──▶ its type ("socket", "pipe", "file", …) ┐
 *   gs_probe_descriptor(N) ──▶ the stack that opened number N ──────────┴▶ of a function that opens such? ──▶ sample
 *
 * The kernel's list says what is open; the probe's table only says who. An entry of a function that cannot open what N now
 * refers to is of a descriptor that was closed unseen: it counts as not seen, like one without an entry.
 * Who: a thread of the agent. Bounds: FDS descriptors are looked at one by one; those beyond are counted as not seen. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/sort.h"
#include "gather/inside.h"
#include "profile/profile.h"
#include "sys/file.h"
#include "sys/process.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FDS = 1 << 20, NOT_SEEN = -1 };

/* ---- one descriptor -------------------------------------------------------------------------------------------------- */

/* What the probe's kinds are in a link, by its type. */
static bool can_be(enum gs_descriptor_kind kind, const char *type)
{
    static const char *const events[] = {"eventfd", "eventpoll", "inotify", "timerfd", "signalfd"};
    switch (kind) {
    case GS_DESCRIPTOR_FILE:
        return !strcmp(type, "file") || !strcmp(type, "pipe"); // /proc/self/fd/3, /dev/fd/3
    case GS_DESCRIPTOR_SOCKET: return !strcmp(type, "socket");
    case GS_DESCRIPTOR_PIPE: return !strcmp(type, "pipe");
    case GS_DESCRIPTOR_EVENTS:
        for (size_t i = 0; i < sizeof events / sizeof *events; i++)
            if (!strcmp(type, events[i]))
                return true;
        return false;
    default: return true;
    }
}

/* "socket", "pipe", "file", or the name in "anon_inode:[eventpoll]". */
static void print_type(const char *link, char type[GS_FD_TYPE])
{
    static const char anonymous[] = "anon_inode:";
    if (strncmp(link, "socket:", 7) == 0 || strncmp(link, "pipe:", 5) == 0)
        snprintf(type, GS_FD_TYPE, "%.*s", (int)strcspn(link, ":"), link);
    else if (strncmp(link, anonymous, sizeof anonymous - 1) == 0) {
        const char *name = link + sizeof anonymous - 1;
        name += *name == '[';
        snprintf(type, GS_FD_TYPE, "%.*s", (int)strcspn(name, "]"), name);
    } else
        snprintf(type, GS_FD_TYPE, "file");
}

/* The number of TYPE, the last if there are too many. */
static uint32_t number_of_type(struct gs_fds *fds, const char *type)
{
    uint32_t at = 0;
    while (at < fds->type_count && strcmp(fds->type[at], type) != 0)
        at++;
    if (at == fds->type_count && at < GS_FD_TYPES)
        snprintf(fds->type[fds->type_count++], GS_FD_TYPE, "%s", at == GS_FD_TYPES - 1 ? "other" : type);
    return at < GS_FD_TYPES ? at : GS_FD_TYPES - 1;
}

static void record(struct gs_fds *fds, const char *name, const char *link)
{
    char what[GS_FD_TARGET], type[GS_FD_TYPE];
    struct gs_descriptor seen;
    unsigned number = (unsigned)strtoul(name, NULL, 10);
    print_type(link, type);
    bool known = gs_probe_descriptor(number, &seen) && can_be(seen.kind, type);
    gs_gather_describe_fd(fds, name, link, what, sizeof what);
    struct gs_open_fd *fd = &fds->fd[fds->count++];
    *fd = (struct gs_open_fd){.group = gs_gather_group_fd(fds, what, (int)number),
                              .type = number_of_type(fds, type),
                              .stack = known ? (int64_t)seen.stack : NOT_SEEN};
    fds->not_seen += !known;
    fds->caller_only += known && seen.caller_only;
}

static int read_all(struct gs_fds *fds)
{
    struct gs_dir dir;
    size_t room = 0;
    gs_file_dir_start(&dir, fds->directory);
    for (const char *name; (name = gs_file_dir_next(&dir));) {
        char link[GS_FD_TARGET - 8];
        ssize_t length = readlinkat(fds->directory, name, link, sizeof link - 1);
        if (length < 0)
            continue;
        link[length] = 0;
        if (fds->count == FDS) {
            fds->beyond++;
            continue;
        }
        if (gs_grow(&fds->fd, &room, fds->count + 1, sizeof *fds->fd))
            return -ENOMEM;
        record(fds, name, link);
    }
    return 0;
}

/* ---- the profile ----------------------------------------------------------------------------------------------------- */

static int by_stack(const void *a, const void *b)
{
    const struct gs_open_fd *x = a, *y = b;
    if (x->stack != y->stack)
        return x->stack < y->stack ? -1 : 1;
    return (x->type > y->type) - (x->type < y->type);
}

static void add_sample(struct gs_profile *profile, int64_t stack, const char *type, size_t count)
{
    const int64_t value = (int64_t)count;
    const struct gs_label_value label = {.key = "kind", .text = type};
    if (stack == NOT_SEEN)
        gs_profile_add_named_sample(profile, GS_NOT_SEEN, &value, &label, 1);
    else
        gs_gather_add_stack_with(profile, (uint32_t)stack, &value, &label);
}

/* The function that opened the descriptors of SAMPLE. */
static const char *opener_of(struct gs_profile *profile, const struct gs_sample *sample)
{
    char room[300];
    uint32_t own = gs_profile_own_frame(profile, sample->location, sample->depth);
    return gs_profile_string(profile, gs_profile_own_name(profile, sample->location[own], room, sizeof room));
}

/* Add one sample for each stack and type. The descriptors of sample I are those with sample == I. */
static void add_samples(struct gs_profile *profile, struct gs_fds *fds)
{
    gs_sort(fds->fd, fds->count, sizeof *fds->fd, by_stack);
    for (size_t i = 0; i < fds->count;) {
        size_t first = i;
        while (i < fds->count && by_stack(&fds->fd[first], &fds->fd[i]) == 0)
            fds->fd[i++].sample = (uint32_t)profile->sample_count;
        add_sample(profile, fds->fd[first].stack, fds->type[fds->fd[first].type], i - first);
    }
    if (fds->beyond)
        add_sample(profile, NOT_SEEN, "other", fds->beyond);
}

static void set_openers(struct gs_profile *profile, struct gs_fds *fds)
{
    for (size_t i = 0; i < fds->count; i++) {
        struct gs_open_fd *fd = &fds->fd[i];
        bool same = i && fd[-1].sample == fd->sample;
        if (fd->stack != NOT_SEEN && fd->sample < profile->sample_count)
            fd->opener = same ? fd[-1].opener : opener_of(profile, &profile->sample[fd->sample]);
    }
}

static void add_comments(struct gs_profile *profile, const struct gs_fds *fds, struct gs_text *notes)
{
    size_t all = fds->count + fds->beyond, not_seen = fds->not_seen + fds->beyond;
    if (!gs_probe_descriptors_are_seen()) {
        static const char why[] =
            "who opens descriptors is not recorded here: libgumshoe.so has to be linked or preloaded, and no "
            "sanitizer may be in the program";
        gs_profile_add_comment(profile, "%s", why);
        gs_text_add(notes, "%s\n", why);
        return;
    }
    gs_profile_add_comment(
        profile,
        "%zu of %zu descriptors: it was not seen who opened them: they were inherited, or opened "
        "inside the C library, by a direct system call, or while sampling was off",
        not_seen, all);
    if (fds->caller_only)
        gs_profile_add_comment(
            profile,
            "%zu descriptors were opened while more than 2000 a second were: of their stacks only the "
            "first frame is known",
            fds->caller_only);
}

static void describe_profile(struct gs_profile *profile, const struct gs_gather *how)
{
    gs_profile_add_sample_type(profile, "descriptors", "count");
    profile->period_type = (struct gs_value_type){gs_profile_string(profile, "descriptors"),
                                                  gs_profile_string(profile, "count")};
    profile->period = 1;
    profile->time_ns = gs_clock_realtime_ns();
    profile->duration_ns = how->now_ns - how->start_ns;
    gs_profile_add_comment(profile, "%s", how->reason);
}

static int gather(struct gs_fds *fds, const struct gs_gather *how, struct gs_gathered *out)
{
    int error = read_all(fds);
    if (error)
        return error;
    describe_profile(out->profile, how);
    add_samples(out->profile, fds);
    add_comments(out->profile, fds, &out->notes);
    gs_gather_symbolize(out->profile, how->maps);
    if (out->profile->failed)
        return -ENOMEM;
    set_openers(out->profile, fds);
    gs_gather_fds_text(fds, &out->text, &out->summary);
    return out->profile->failed || out->text.failed || out->summary.failed ? -ENOMEM : 0;
}

int gs_gather_fds(const struct gs_gather *how, struct gs_gathered *out)
{
    int directory = how->open_descriptors ? how->open_descriptors() : -ENODATA;
    if (directory < 0)
        return directory;
    struct gs_fds *fds = gs_alloc(sizeof *fds);
    int error = -ENOMEM;
    out->profile = gs_profile_new();
    if (fds && out->profile) {
        fds->directory = directory;
        fds->process = gs_process_handle();
        error = gather(fds, how, out);
        if (fds->process >= 0)
            close(fds->process);
        gs_free(fds->fd);
    }
    gs_free(fds);
    close(directory);
    return error;
}
