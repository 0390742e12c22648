/* memory_report.c - reports the memory account: memory.json, two lines of the summary, and the culprit for memory outside
 * the heap.
 * Context: watcher. */
#include "base/memory.h"
#include "base/units.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include <string.h>

enum { STACKS_MAX = 200 };

/* ---- memory.json --------------------------------------------------------------------------------------------------- */

static json_t *parts_json(const uint64_t part[GS_PARTS])
{
    struct gs_json parts = gs_json_object();
    for (int i = 0; i < GS_PARTS; i++)
        gs_json_set(&parts, gs_part_names[i], json_integer((json_int_t)part[i]));
    return gs_json_take(&parts);
}

static json_t *frame_json(const struct gs_profile *profile, uint32_t location)
{
    char room[300];
    return gs_json_printable(gs_profile_frame_name(profile, location, room, sizeof room));
}

static json_t *stack_json(struct gs_profile *profile, const struct gs_stack_row *row)
{
    struct gs_json stack = gs_json_array();
    for (uint32_t i = 0; i < row->depth; i++)
        gs_json_add(&stack, frame_json(profile, row->location[i]));
    uint32_t own = gs_profile_own_frame(profile, row->location, row->depth);
    return json_pack("{s:I, s:o, s:o}", "bytes", (json_int_t)row->value, "function",
                     frame_json(profile, row->location[own]), "stack", gs_json_take(&stack));
}

/* The stacks that mapped anonymous memory, the heaviest first. NULL: no memory. */
static json_t *mappings_json(struct gs_profile *profile)
{
    struct gs_stacks stacks;
    if (gs_profile_stacks(profile, gs_profile_sample_type(profile, "anonymous"), &stacks))
        return NULL;
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < stacks.count && i < STACKS_MAX; i++)
        if (stacks.row[i].depth)
            gs_json_add(&list, stack_json(profile, &stacks.row[i]));
    gs_profile_stacks_fini(&stacks);
    return gs_json_take(&list);
}

static json_t *baseline_json(const struct gs_account *account)
{
    if (!account->has_base)
        return json_null();
    return json_pack("{s:f, s:o}", "age_s", (double)account->base_age_ns / 1e9, "parts",
                     parts_json(account->base));
}

void gs_incident_write_memory(const struct gs_account *account, struct gs_text *out)
{
    json_t *json =
        json_pack("{s:i, s:I, s:I, s:o, s:o, s:o}", "version", 1, "rss", (json_int_t)account->rss, "counted",
                  (json_int_t)account->counted, "parts", parts_json(account->part), "anonymous_by_stack",
                  mappings_json(account->mappings), "baseline", baseline_json(account));
    gs_json_print(json, JSON_INDENT(2), out);
    json_decref(json);
}

/* ---- the two lines of the summary ----------------------------------------------------------------------------------- */

static void add_sum(const struct gs_account *account, struct gs_text *out)
{
    static const char *const words[GS_PARTS] = {"live heap", "kept by the allocator", "thread stacks",
                                                "files",     "shared memory",         "other anonymous",
                                                "gumshoe"};
    char size[GS_UNIT_TEXT];
    const char *sign = "=";
    gs_text_add(out, "\nMemory: RSS %s", gs_units_print_size((double)account->rss, size));
    for (int i = 0; i < GS_PARTS; i++) {
        if (account->part[i] == 0)
            continue;
        gs_text_add(out, " %s %s %s", sign, words[i], gs_units_print_size((double)account->part[i], size));
        sign = "+";
    }
    gs_text_add(out, "\n");
}

/* Growth of PART since the baseline, in bytes; without a baseline, its size. */
static int64_t gain(const struct gs_account *account, enum gs_account_part part)
{
    return (int64_t)account->part[part] - (account->has_base ? (int64_t)account->base[part] : 0);
}

/* The part that grew most; *MOST is its growth. The two parts of the heap count as one, GS_HEAP_LIVE. */
static enum gs_account_part most_gained(const struct gs_account *account, int64_t *most)
{
    enum gs_account_part found = GS_HEAP_LIVE;
    *most = gain(account, GS_HEAP_LIVE) + gain(account, GS_HEAP_KEPT);
    for (enum gs_account_part part = GS_STACKS; part < GS_PARTS; part++)
        if (gain(account, part) > *most) {
            found = part;
            *most = gain(account, part);
        }
    return found;
}

/* Find the function that mapped most anonymous memory, since the baseline (TYPE "growth") or in total ("anonymous"); false:
 * no mapping was seen. */
static bool find_mapper(const struct gs_account *account, const char *type, const char *kind,
                        struct gs_culprit *out)
{
    return gs_incident_culprit_find(account->mappings, gs_profile_sample_type(account->mappings, type), kind,
                                    out);
}

static void explain_heap(const struct gs_account *account, int64_t most, struct gs_text *out)
{
    char size[GS_UNIT_TEXT];
    int64_t live = gain(account, GS_HEAP_LIVE);
    live = live < 0 ? 0 : live > most ? most : live;
    gs_text_add(out, ", of it live %s: %s", gs_units_print_size((double)live, size),
                live >= most / 2
                    ? "live blocks explain it"
                    : "fragmentation or memory kept by the allocator, not a leak of live blocks");
}

static void explain_anonymous(const struct gs_account *account, struct gs_text *out)
{
    struct gs_culprit mapper;
    char size[GS_UNIT_TEXT];
    if (!find_mapper(account, account->has_base ? "growth" : "anonymous", "", &mapper)) {
        gs_text_add(out,
                    ": written data of programs and libraries, and mappings whose creation was not seen");
        return;
    }
    gs_text_add(out, ", of it %s mapped outside malloc by ", gs_units_print_size((double)mapper.value, size));
    gs_text_add_printable(out, mapper.function);
}

/* "heap grew 1.2 GiB in 10 m, of it live 80 MiB: …" */
static void add_gain(const struct gs_account *account, struct gs_text *out)
{
    enum { LITTLE = 1 << 20 };
    static const struct {
        const char *part, *why;
    } words[GS_PARTS] = {
        [GS_HEAP_LIVE] = {"heap", ""},
        [GS_STACKS] = {"thread stacks", ": more threads, or deeper calls"},
        [GS_FILES] = {"files",
                      ": mapped files, whose unwritten pages the kernel takes back when it needs them"},
        [GS_SHARED] = {"shared memory", ": possibly shared with other processes"},
        [GS_ANONYMOUS] = {"anonymous memory outside the heap", ""},
        [GS_AGENT] = {"gumshoe", ": its tables, and the profiles of this incident"},
    };
    char size[GS_UNIT_TEXT], age[GS_UNIT_TEXT];
    int64_t most;
    enum gs_account_part part = most_gained(account, &most);
    gs_units_print_duration(account->base_age_ns, age);
    if (account->has_base && most < LITTLE) {
        gs_text_add(out, "  no part of it grew by 1 MiB in the last %s\n", age);
        return;
    }
    gs_text_add(out, account->has_base ? "  %s grew %s in %s" : "  %s: %s, the largest part",
                words[part].part, gs_units_print_size((double)most, size), age);
    if (part == GS_HEAP_LIVE)
        explain_heap(account, most, out);
    else if (part == GS_ANONYMOUS)
        explain_anonymous(account, out);
    else
        gs_text_add(out, "%s", words[part].why);
    gs_text_add(out, "\n");
}

void gs_incident_summarise_memory(const struct gs_account *account, struct gs_text *out)
{
    add_sum(account, out);
    add_gain(account, out);
}

/* ---- the culprit ---------------------------------------------------------------------------------------------------- */

bool gs_incident_culprit_of_mappings(const struct gs_account *account, struct gs_culprit *out)
{
    int64_t min_bytes = (int64_t)account->rss / 100,
            live = account->has_base ? gain(account, GS_HEAP_LIVE) : 0;
    bool found = account->has_base && find_mapper(account, "growth", "growth", out) &&
                 out->value > min_bytes && out->value > live;
    if (!found && live < min_bytes) // nothing grew, or there is no baseline
        found = find_mapper(account, "anonymous", "in_use", out) &&
                out->value > (int64_t)account->part[GS_HEAP_LIVE];
    if (!found)
        *out = (struct gs_culprit){0};
    out->mapped = found;
    return found;
}
