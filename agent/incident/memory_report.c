/* memory_report.c - reports the memory account: memory.json, two lines of the summary, and the culprit for memory outside
 * the heap.
 * Context: watcher. */
#include "base/memory.h"
#include "base/units.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include <stdio.h>
#include <string.h>

enum { STACKS_MAX = 200, LITTLE = 1 << 20 };

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

static json_t *address_json(uint64_t address)
{
    char text[24];
    snprintf(text, sizeof text, "%#llx", (unsigned long long)address);
    return json_string(text);
}

static json_t *stack_json(struct gs_profile *profile, const struct gs_stack_row *row)
{
    struct gs_json stack = gs_json_array(), addresses = gs_json_array();
    for (uint32_t i = 0; i < row->depth; i++) {
        gs_json_add(&stack, frame_json(profile, row->location[i]));
        gs_json_add(&addresses, address_json(profile->location[row->location[i]].address));
    }
    uint32_t own = gs_profile_own_frame(profile, row->location, row->depth);
    char room[300];
    return json_pack("{s:I, s:o, s:o, s:o}", "bytes", (json_int_t)row->value, "function",
                     gs_json_printable(gs_profile_own_name(profile, row->location[own], room, sizeof room)),
                     "stack", gs_json_take(&stack), "addresses", gs_json_take(&addresses));
}

/* The stacks that mapped memory of TYPE ("anonymous", "shared"), the heaviest first. NULL: no memory. */
static json_t *mappings_json(struct gs_profile *profile, const char *type)
{
    struct gs_stacks stacks;
    if (gs_profile_stacks(profile, gs_profile_sample_type(profile, type), &stacks))
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
        json_pack("{s:i, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "version", 1, "rss", (json_int_t)account->rss,
                  "counted", (json_int_t)account->counted, "parts", parts_json(account->part), "heap_unseen",
                  gs_json_printable(account->heap_unseen), "anonymous_by_stack",
                  mappings_json(account->mappings, "anonymous"), "shared_by_stack",
                  mappings_json(account->mappings, "shared"), "baseline", baseline_json(account));
    if (json && account->of_dead &&
        json_object_set_new(json, "age_s", json_real((double)account->age_ns / 1e9)) != 0)
        out->failed = true;
    gs_json_print(json, JSON_INDENT(2), out);
    json_decref(json);
}

/* ---- the two lines of the summary ----------------------------------------------------------------------------------- */

static void add_sum(const struct gs_account *account, struct gs_text *out)
{
    const char *const words[GS_PARTS] = {
        "live heap",     account->heap_unseen ? "heap, live or kept" : "kept by the allocator",
        "thread stacks", "files",
        "shared memory", "other anonymous",
        "gumshoe"};
    char size[GS_UNIT_TEXT];
    const char *sign = "=";
    gs_text_add(out, "\nMemory");
    if (account->of_dead)
        gs_text_add(out, " (as of %s before the end)", gs_units_print_duration(account->age_ns, size));
    gs_text_add(out, ": RSS %s", gs_units_print_size((double)account->rss, size));
    for (int i = 0; i < GS_PARTS; i++) {
        if (account->part[i] == 0)
            continue;
        gs_text_add(out, " %s %s %s", sign, words[i], gs_units_print_size((double)account->part[i], size));
        sign = "+";
    }
    gs_text_add(out, "\n");
}

/* Growth of PART since the baseline, in bytes; without SINCE_BASE its size. */
static int64_t gain(const struct gs_account *account, enum gs_account_part part, bool since_base)
{
    return (int64_t)account->part[part] - (since_base ? (int64_t)account->base[part] : 0);
}

/* The part that grew most, or without SINCE_BASE the largest; *MOST is its growth or size. The two parts of the heap count
 * as one, GS_HEAP_LIVE. */
static enum gs_account_part most_of(const struct gs_account *account, bool since_base, int64_t *most)
{
    enum gs_account_part found = GS_HEAP_LIVE;
    *most = gain(account, GS_HEAP_LIVE, since_base) + gain(account, GS_HEAP_KEPT, since_base);
    for (enum gs_account_part part = GS_STACKS; part < GS_PARTS; part++)
        if (gain(account, part, since_base) > *most) {
            found = part;
            *most = gain(account, part, since_base);
        }
    return found;
}

/* Find the function that mapped most memory of TYPE, a sample type of account->mappings; false: no mapping was seen. */
static bool find_mapper(const struct gs_account *account, const char *type, const char *kind,
                        struct gs_culprit *out)
{
    return gs_incident_culprit_find(account->mappings, gs_profile_sample_type(account->mappings, type), kind,
                                    out);
}

static void explain_heap(const struct gs_account *account, bool since_base, int64_t most, struct gs_text *out)
{
    char size[GS_UNIT_TEXT];
    int64_t live = gain(account, GS_HEAP_LIVE, since_base);
    if (account->heap_unseen)
        return;
    live = live < 0 ? 0 : live > most ? most : live;
    gs_text_add(out, ", of it live %s: %s", gs_units_print_size((double)live, size),
                live >= most / 2
                    ? "live blocks explain it"
                    : "fragmentation or memory kept by the allocator, not a leak of live blocks");
}

static void explain_anonymous(const struct gs_account *account, bool since_base, struct gs_text *out)
{
    struct gs_culprit mapper;
    char size[GS_UNIT_TEXT];
    if (!find_mapper(account, since_base ? "growth" : "anonymous", "", &mapper)) {
        gs_text_add(out,
                    ": written data of programs and libraries, and mappings whose creation was not seen");
        return;
    }
    gs_text_add(out, ", of it %s mapped %sby ", gs_units_print_size((double)mapper.value, size),
                account->heap_unseen ? "" : "outside malloc ");
    gs_text_add_printable(out, mapper.function);
}

static void explain_shared(const struct gs_account *account, bool since_base, struct gs_text *out)
{
    struct gs_culprit mapper;
    char size[GS_UNIT_TEXT];
    if (find_mapper(account, since_base ? "shared_growth" : "shared", "", &mapper)) {
        gs_text_add(out, ", of it %s mapped by ", gs_units_print_size((double)mapper.value, size));
        gs_text_add_printable(out, mapper.function);
    }
    gs_text_add(out, ": possibly shared with other processes");
}

/* ", of it live 80 MiB: …": what is known of the MOST bytes in PART. */
static void explain(const struct gs_account *account, enum gs_account_part part, bool since_base,
                    int64_t most, struct gs_text *out)
{
    static const char *const why[GS_PARTS] = {
        [GS_STACKS] = ": more threads, or deeper calls",
        [GS_FILES] = ": mapped files, whose unwritten pages the kernel takes back when it needs them",
        [GS_AGENT] = ": its tables, and the profiles of this incident",
    };
    if (part == GS_HEAP_LIVE)
        explain_heap(account, since_base, most, out);
    else if (part == GS_ANONYMOUS)
        explain_anonymous(account, since_base, out);
    else if (part == GS_SHARED)
        explain_shared(account, since_base, out);
    else
        gs_text_add(out, "%s", why[part]);
    gs_text_add(out, "\n");
    if (!account->heap_unseen || (part != GS_HEAP_LIVE && part != GS_ANONYMOUS))
        return;
    gs_text_add(out, "  gumshoe does not see this program's allocator: live blocks are not known (");
    gs_text_add_printable(out, account->heap_unseen);
    gs_text_add(out, ")\n");
}

/* Was the baseline taken so late that MOST, the largest growth since, is not what led to the incident? */
static bool misses_climb(const struct gs_account *account, const struct gs_climb *climb, int64_t most)
{
    return !gs_incident_is_of_climb(climb, account->base_age_ns, (double)most);
}

/* "heap grew 1.2 GiB in 10 min, of it live 80 MiB: …"; if nothing grew, which part is the largest. */
static void add_gain(const struct gs_account *account, const struct gs_climb *climb, struct gs_text *out)
{
    static const char *const name[GS_PARTS] = {
        [GS_HEAP_LIVE] = "heap",
        [GS_STACKS] = "thread stacks",
        [GS_FILES] = "files",
        [GS_SHARED] = "shared memory",
        [GS_ANONYMOUS] = "anonymous memory outside the heap",
        [GS_AGENT] = "gumshoe",
    };
    char size[GS_UNIT_TEXT], age[GS_UNIT_TEXT];
    int64_t most;
    bool since_base = account->has_base;
    enum gs_account_part part = most_of(account, since_base, &most);
    gs_units_print_duration(account->base_age_ns, age);
    bool missed =
        since_base && misses_climb(account, climb, most); // summary.c says that the baseline is too young
    if (since_base && !missed && most < LITTLE)
        gs_text_add(out, "  no part of it grew by 1 MiB in the last %s\n", age);
    if (missed || (since_base && most < LITTLE))
        part = most_of(account, since_base = false, &most);
    gs_text_add(out, since_base ? "  %s grew %s in %s" : "  %s: %s, the largest part", name[part],
                gs_units_print_size((double)most, size), age);
    explain(account, part, since_base, most, out);
}

void gs_incident_summarise_memory(const struct gs_account *account, const struct gs_climb *climb,
                                  struct gs_text *out)
{
    add_sum(account, out);
    if (!account->of_dead)
        add_gain(account, climb, out);
}

/* ---- the culprit ---------------------------------------------------------------------------------------------------- */

/* Bytes of the heap that mappings must exceed to be the cause; if live blocks are not known, any of the heap may be live. */
static int64_t heap_bytes(const struct gs_account *account, bool since_base)
{
    return gain(account, GS_HEAP_LIVE, since_base) +
           (account->heap_unseen ? gain(account, GS_HEAP_KEPT, since_base) : 0);
}

/* The function that mapped most, private or shared, since the baseline or in total. */
static bool find_largest_mapper(const struct gs_account *account, bool since_base, struct gs_culprit *out)
{
    struct gs_culprit shared;
    const char *kind = since_base ? "growth" : "in_use";
    if (!find_mapper(account, since_base ? "growth" : "anonymous", kind, out))
        *out = (struct gs_culprit){0};
    out->mapped = account->heap_unseen ? "what is mapped" : "what is mapped outside malloc";
    if (find_mapper(account, since_base ? "shared_growth" : "shared", kind, &shared) &&
        shared.value > out->value) {
        *out = shared;
        out->mapped = "the shared memory";
    }
    return out->function;
}

bool gs_incident_culprit_of_mappings(const struct gs_account *account, const struct gs_climb *climb,
                                     struct gs_culprit *out)
{
    int64_t min_bytes = (int64_t)account->rss / 100,
            grown = account->has_base ? heap_bytes(account, true) : 0;
    bool found = account->has_base && find_largest_mapper(account, true, out) && out->value > min_bytes &&
                 out->value > grown && !misses_climb(account, climb, out->value);
    if (!found &&
        (grown < min_bytes || misses_climb(account, climb, grown))) // nothing grew, or there is no baseline
        found = find_largest_mapper(account, false, out) && out->value > min_bytes &&
                out->value > heap_bytes(account, false);
    if (!found)
        *out = (struct gs_culprit){0};
    return found;
}
