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

/* The areas of which no stack is known, those that grew most first. */
static json_t *areas_json(const struct gs_account *account)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < account->areas; i++) {
        const struct gs_account_area *area = &account->area[i];
        gs_json_add(&list,
                    json_pack("{s:o, s:s, s:o, s:o, s:I, s:o, s:I}", "name", gs_json_printable(area->name),
                              "part", gs_part_names[area->part], "start", address_json(area->start), "end",
                              address_json(area->end), "bytes", (json_int_t)area->bytes, "growth",
                              account->has_base ? json_integer(area->growth) : json_null(),
                              "size_at_baseline", (json_int_t)area->size_then));
    }
    return gs_json_take(&list);
}

/* The threads whose stacks grew most first. */
static json_t *threads_json(const struct gs_account *account)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < account->threads; i++) {
        const struct gs_account_thread *thread = &account->thread[i];
        gs_json_add(&list,
                    json_pack("{s:i, s:o, s:I, s:o, s:o}", "tid", thread->tid, "name",
                              gs_json_printable(thread->name), "bytes", (json_int_t)thread->bytes, "growth",
                              account->has_base ? json_integer(thread->growth) : json_null(), "in_use",
                              thread->in_use ? json_integer((json_int_t)thread->in_use) : json_null()));
    }
    return gs_json_take(&list);
}

static json_t *baseline_json(const struct gs_account *account)
{
    if (!account->has_base)
        return json_null();
    return json_pack("{s:f, s:o}", "age_s", (double)account->base_age_ns / 1e9, "parts",
                     parts_json(account->base));
}

void gs_incident_write_memory(const struct gs_account *account, const struct gs_waste_facts *waste,
                              struct gs_text *out)
{
    struct gs_json memory = gs_json_object();
    struct gs_profile *mappings = account->mappings;
    gs_json_set(&memory, "version", json_integer(1));
    gs_json_set(&memory, "rss", json_integer((json_int_t)account->rss));
    gs_json_set(&memory, "counted", json_integer((json_int_t)account->counted));
    gs_json_set(&memory, "parts", parts_json(account->part));
    gs_json_set(&memory, "heap_unseen", gs_json_printable(account->heap_unseen));
    gs_json_set(&memory, "anonymous_by_stack", mappings_json(mappings, "anonymous"));
    gs_json_set(&memory, "shared_by_stack", mappings_json(mappings, "shared"));
    gs_json_set(&memory, "stacks_by_function", mappings_json(mappings, "deep_stacks"));
    gs_json_set(&memory, "stacks_by_creator", mappings_json(mappings, "created_stacks"));
    gs_json_set(&memory, "stacks_by_thread", threads_json(account));
    gs_json_set(&memory, "areas", areas_json(account));
    gs_json_set(&memory, "baseline", baseline_json(account));
    gs_json_set(&memory, "waste", gs_incident_waste_facts_json(waste));
    if (account->of_dead)
        gs_json_set(&memory, "age_s", json_real((double)account->age_ns / 1e9));
    json_t *json = gs_json_take(&memory);
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

static int64_t area_gain(const struct gs_account_area *area, bool since_base)
{
    return since_base ? area->growth : (int64_t)area->bytes;
}

/* Of the areas of PART, the one that grew most, or without SINCE_BASE the largest; *SUM: of all with its name. NULL: none. */
static const struct gs_account_area *largest_area(const struct gs_account *account, enum gs_account_part part,
                                                  bool since_base, int64_t *sum)
{
    const struct gs_account_area *found = NULL;
    for (size_t i = 0; i < account->areas; i++)
        if (account->area[i].part == part && area_gain(&account->area[i], since_base) > 0 &&
            (!found || area_gain(&account->area[i], since_base) > area_gain(found, since_base)))
            found = &account->area[i];
    *sum = 0;
    for (size_t i = 0; found && i < account->areas; i++)
        if (account->area[i].part == part && strcmp(account->area[i].name, found->name) == 0)
            *sum += area_gain(&account->area[i], since_base);
    return found;
}

/* ", of it 60 MiB in [anonymous mapping]: 2 GiB at 0x7f0012340000, which was there before; the call that made it was not seen" */
static void explain_area(const struct gs_account_area *area, int64_t sum, bool since_base,
                         struct gs_text *out)
{
    char size[GS_UNIT_TEXT];
    gs_text_add(out, ", of it %s in ", gs_units_print_size((double)sum, size));
    gs_text_add_printable(out, area->name);
    if (!area->start)
        return;
    gs_text_add(out, ": %s at %#llx", gs_units_print_size((double)(area->end - area->start), size),
                (unsigned long long)area->start);
    if (since_base && area->size_then)
        gs_text_add(out, ", which was there before");
    if (area->by_call)
        gs_text_add(out, "; the call that made it was not seen");
}

static void explain_heap(const struct gs_account *account, bool since_base, int64_t most, struct gs_text *out)
{
    char size[GS_UNIT_TEXT];
    int64_t live = gain(account, GS_HEAP_LIVE, since_base), sum;
    const struct gs_account_area *foreign = largest_area(account, GS_HEAP_KEPT, since_base, &sum);
    if (foreign && sum >= most / 2)
        explain_area(foreign, sum, since_base, out);
    if (account->heap_unseen || (foreign && sum >= most / 2))
        return;
    live = live < 0 ? 0 : live > most ? most : live;
    gs_text_add(out, ", of it live %s: %s", gs_units_print_size((double)live, size),
                live >= most / 2
                    ? "live blocks explain it"
                    : "fragmentation or memory kept by the allocator, not a leak of live blocks");
}

/* Who mapped most of PART by a stack of COLUMN, or the area of PART, if that is more. False: neither is known. */
static bool explain_mapping(const struct gs_account *account, enum gs_account_part part,
                            enum gs_account_column column, bool since_base, struct gs_text *out)
{
    struct gs_culprit mapper;
    char size[GS_UNIT_TEXT];
    int64_t sum;
    const struct gs_account_area *area = largest_area(account, part, since_base, &sum);
    bool known = find_mapper(account, gs_account_columns[2 * column + since_base], "", &mapper);
    if (area && (!known || sum > mapper.value)) {
        explain_area(area, sum, since_base, out);
    } else if (known) {
        bool outside = part == GS_ANONYMOUS && !account->heap_unseen;
        gs_text_add(out, ", of it %s mapped %sby ", gs_units_print_size((double)mapper.value, size),
                    outside ? "outside malloc " : "");
        gs_text_add_printable(out, mapper.function);
    }
    return area || known;
}

static void explain_anonymous(const struct gs_account *account, bool since_base, struct gs_text *out)
{
    if (!explain_mapping(account, GS_ANONYMOUS, GS_MAPPED_ANONYMOUS, since_base, out))
        gs_text_add(out,
                    ": written data of programs and libraries, and mappings whose creation was not seen");
}

static void explain_shared(const struct gs_account *account, bool since_base, struct gs_text *out)
{
    (void)explain_mapping(account, GS_SHARED, GS_MAPPED_SHARED, since_base, out);
    gs_text_add(out, ": possibly shared with other processes");
}

static void explain_files(const struct gs_account *account, bool since_base, struct gs_text *out)
{
    int64_t sum;
    char size[GS_UNIT_TEXT];
    const struct gs_account_area *area = largest_area(account, GS_FILES, since_base, &sum);
    if (area) {
        gs_text_add(out, ", of it %s of ", gs_units_print_size((double)sum, size));
        gs_text_add_printable(out, area->name);
    }
    gs_text_add(out, ": mapped files, whose unwritten pages the kernel takes back when it needs them");
}

static void explain_stacks(const struct gs_account *account, bool since_base, struct gs_text *out)
{
    struct gs_culprit deep, creator;
    char size[GS_UNIT_TEXT];
    bool is_deep = find_mapper(account, gs_account_columns[2 * GS_STACKS_DEEP + since_base], "", &deep),
         is_created =
             find_mapper(account, gs_account_columns[2 * GS_STACKS_CREATED + since_base], "", &creator);
    const struct gs_account_thread *first = account->thread;
    if (is_deep && (!is_created || deep.value >= creator.value)) {
        gs_text_add(out, ", of it %s under frames of ", gs_units_print_size((double)deep.value, size));
        gs_text_add_printable(out, deep.function);
    } else if (is_created) {
        gs_text_add(out, ", of it %s of threads created by ",
                    gs_units_print_size((double)creator.value, size));
        gs_text_add_printable(out, creator.function);
    }
    if (!account->threads) {
        gs_text_add(out, ": more threads, or deeper calls");
        return;
    }
    gs_text_add(out, "; the largest: %s of ",
                gs_units_print_size((double)(since_base ? first->growth : (int64_t)first->bytes), size));
    gs_text_add_printable(out, first->name);
    gs_text_add(out, " (%d)", first->tid);
    if (first->in_use && first->in_use < first->bytes / 2)
        gs_text_add(out, ", which uses %s now and was deeper before",
                    gs_units_print_size((double)first->in_use, size));
}

/* ", of it live 80 MiB: …": what is known of the MOST bytes in PART. */
static void explain(const struct gs_account *account, enum gs_account_part part, bool since_base,
                    int64_t most, struct gs_text *out)
{
    static const char *const why[GS_PARTS] = {
        [GS_AGENT] = ": its tables, and the profiles of this incident",
    };
    if (part == GS_HEAP_LIVE)
        explain_heap(account, since_base, most, out);
    else if (part == GS_ANONYMOUS)
        explain_anonymous(account, since_base, out);
    else if (part == GS_SHARED)
        explain_shared(account, since_base, out);
    else if (part == GS_FILES)
        explain_files(account, since_base, out);
    else if (part == GS_STACKS)
        explain_stacks(account, since_base, out);
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

/* Memory that may be the cause: each kind's growth since the baseline is a candidate, and what is in use if ALSO_IN_USE. */
static const struct candidate {
    enum gs_account_column column;
    const char *mapped; // NULL: depends on whether the heap is seen
    bool also_in_use;
} candidates[] = {
    {GS_MAPPED_ANONYMOUS, NULL, true},
    {GS_MAPPED_SHARED, "the shared memory", true},
    {GS_MAPPED_UNSEEN, "the memory that was mapped unseen", true},
    {GS_MAPPED_FILES, "the mapped files", false},
    {GS_STACKS_DEEP, "the threads' stacks", true},
    {GS_STACKS_CREATED, "the threads' stacks", true},
};

/* Bytes of the heap that mappings must exceed to be the cause; if live blocks are not known, any of the heap may be live,
 * except what is a candidate itself. */
static int64_t heap_bytes(const struct gs_account *account, bool since_base, bool unseen)
{
    return gain(account, GS_HEAP_LIVE, since_base) +
           (account->heap_unseen && !unseen ? gain(account, GS_HEAP_KEPT, since_base) : 0);
}

/* Is what CANDIDATE's largest function or area has enough to be the cause? Areas without a stack are always there, if little
 * of each: what they hold must be much, and what they grew by more than nearly nothing. */
static bool is_enough(const struct gs_account *account, const struct candidate *candidate, bool since_base,
                      int64_t value)
{
    bool unseen = candidate->column >= GS_MAPPED_UNSEEN;
    int64_t min_bytes = (int64_t)account->rss / (unseen && !since_base ? 4 : 100);
    if (unseen && min_bytes < LITTLE)
        min_bytes = LITTLE;
    return value > min_bytes && value > heap_bytes(account, since_base, unseen);
}

/* Stacks of threads that have ended since the baseline are not held against those of new ones: all of them together did not grow
 * by more than their part. Returns *VALUE, corrected. */
static int64_t bounded(const struct gs_account *account, const struct candidate *candidate, bool since_base,
                       int64_t *value)
{
    int64_t most = gain(account, GS_STACKS, since_base);
    if (candidate->column >= GS_STACKS_DEEP && *value > most)
        *value = most;
    return *value;
}

/* What mapped most, of all candidates, since the baseline or in total. */
static bool find_largest_mapper(const struct gs_account *account, bool since_base, struct gs_culprit *out)
{
    *out = (struct gs_culprit){0};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        const struct candidate *candidate = &candidates[i];
        struct gs_culprit found;
        if ((!since_base && !candidate->also_in_use) ||
            !find_mapper(account, gs_account_columns[2 * candidate->column + since_base],
                         since_base ? "growth" : "in_use", &found) ||
            bounded(account, candidate, since_base, &found.value) <= out->value ||
            !is_enough(account, candidate, since_base, found.value))
            continue;
        *out = found;
        out->mapped = candidate->mapped      ? candidate->mapped
                      : account->heap_unseen ? "what is mapped"
                                             : "what is mapped outside malloc";
    }
    return out->function;
}

bool gs_incident_culprit_of_mappings(const struct gs_account *account, const struct gs_climb *climb,
                                     struct gs_culprit *out)
{
    int64_t min_bytes = (int64_t)account->rss / 100,
            grown = account->has_base ? heap_bytes(account, true, false) : 0;
    bool found = account->has_base && find_largest_mapper(account, true, out) &&
                 !misses_climb(account, climb, out->value);
    if (!found &&
        (grown < min_bytes || misses_climb(account, climb, grown))) // nothing grew, or there is no baseline
        found = find_largest_mapper(account, false, out);
    if (!found)
        *out = (struct gs_culprit){0};
    return found;
}
