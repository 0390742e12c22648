/* box_story.c - a host in a store of its own, and the black box that it writes (box_story.h). */
#include "box_story.h"
#include "gather/gather.h"
#include "history/history.h"
#include "probe/heap/inside.h"
#include "probe/probe.h"
#include "rules/rules.h"
#include "base/clock.h"
#include "sys/file.h"
#include "base/memory.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct box_story box_story;
const char box_story_rules[] = "{\"version\":1,\"heap\":{\"baseline\":\"10m\"},\"rules\":[{\"name\":\"a\",\"metric\":\"rss\",\"above\":\"1GiB\"}]}";

int in_a_fresh_store(void **state)
{
    const char *const names[] = {"rss"};
    struct gs_errors errors = {0};
    (void)state;
    box_story.store = fresh_store(box_story.dir);
    if (!box_story.store)
        return -1;
    box_story.context = (struct gs_incident_context){
        .rules = gs_rules_read(box_story_rules, strlen(box_story_rules), "rules", &errors),
        .history = gs_history_new(names, 1, SECOND),
        .baselines = gs_gather_baselines_new(NULL),
        .limit_bytes = MiB(512),
        .limit_from = "cgroup /x/memory.max",
        .start_ns = gs_clock_monotonic_ns(),
        .started_ns = gs_clock_realtime_ns() - 60 * SECOND,
    };
    box_story.box = gs_box_open(box_story.store);
    return box_story.context.rules && box_story.context.history && box_story.context.baselines && box_story.box ? 0 : -1;
}

int remove_store(void **state)
{
    (void)state;
    gs_box_close(box_story.box);
    gs_rules_free((struct gs_rules *)box_story.context.rules);
    gs_history_free((struct gs_history *)box_story.context.history);
    gs_gather_baselines_free((struct gs_baselines *)box_story.context.baselines);
    return remove_store_at(box_story.store, box_story.dir);
}

uint32_t site(uintptr_t offset)
{
    uintptr_t frames[] = {(uintptr_t)in_a_fresh_store + offset, (uintptr_t)remove_store + 4};
    return gs_heap_stack_intern(frames, 2, false, 0);
}

void allocate(uint32_t stack, uint64_t objects, uint64_t bytes) { gs_heap_stack_count_alloc(stack, objects << GS_OBJECT_SHIFT, bytes); }

void tick(double rss)
{
    gs_history_add((struct gs_history *)box_story.context.history, gs_clock_realtime_ns(), &rss);
    gs_box_write(box_story.box, &box_story.context, 0, GS_BOX_TICK);
}

const char *box_path(void)
{
    static char path[200];
    char name[GS_LIVE_NAME];
    gs_store_live_name((int)getpid(), name);
    snprintf(path, sizeof path, "%s/.live/%s.box", box_story.dir, name);
    return path;
}

char *file_now(size_t *length)
{
    char *bytes;
    assert_int_equal(gs_file_read(AT_FDCWD, box_path(), 64 << 20, &bytes, length), 0);
    return bytes;
}

struct gs_box_contents *read_now(void)
{
    size_t length;
    char why[200], *bytes = file_now(&length);
    struct gs_box_contents *contents = gs_box_read(bytes, length, why, sizeof why);
    if (!contents)
        fail_msg("%s", why);
    gs_free(bytes);
    return contents;
}

const struct gs_given_stack *found(const struct gs_box_contents *contents, uintptr_t offset)
{
    for (size_t i = 0; i < contents->heap.count; i++)
        if (contents->stack[i].depth == 2 && contents->stack[i].frame[0] == (uintptr_t)in_a_fresh_store + offset)
            return &contents->stack[i];
    return NULL;
}
