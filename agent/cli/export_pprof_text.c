/* export_pprof_text.c - `gumshoe export --pprof-text`: the whole profile as text, in the words of `go tool pprof -raw`, which people
 * compare with diff. (What pprof calls -text is its table of functions: `gumshoe top`.) */
#include "base/memory.h"
#include "cli/export.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the head ---------------------------------------------------------------------------------------------------- */

/* As Go prints a time: fractions without trailing zeros. */
static void print_time(int64_t time_ns)
{
    char text[64], fraction[16] = "", zone[64];
    time_t seconds = (time_t)(time_ns / 1000000000);
    long rest = (long)(time_ns % 1000000000);
    struct tm local;
    localtime_r(&seconds, &local);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    strftime(zone, sizeof zone, "%z %Z", &local);
    if (rest > 0) {
        snprintf(fraction, sizeof fraction, ".%09ld", rest);
        for (char *end = fraction + strlen(fraction); end[-1] == '0';)
            *--end = 0;
    }
    printf("Time: %s%s %s\n", text, fraction, zone);
}

/* As Go prints a duration: "1m3.5s", "813.525ms". pprof prints its first four characters. */
static void print_duration(int64_t duration_ns)
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}};
    struct gs_text text = {0};
    char number[40];
    size_t unit = 0;
    uint64_t ns = (uint64_t)(duration_ns < 0 ? -duration_ns : duration_ns), minutes = ns / 60000000000u;
    if (minutes >= 60)
        gs_text_add(&text, "%lluh", (unsigned long long)(minutes / 60));
    if (minutes)
        gs_text_add(&text, "%llum", (unsigned long long)(minutes % 60));
    for (ns %= 60000000000u; !minutes && unit < 3 && (double)ns < units[unit].ns;)
        unit++;
    snprintf(number, sizeof number, "%.9f", (double)ns / units[unit].ns);
    for (char *end = number + strlen(number); end[-1] == '0' || end[-1] == '.';) {
        bool point = end[-1] == '.';
        *--end = 0;
        if (point)
            break;
    }
    gs_text_add(&text, "%s%s", number, units[unit].unit);
    const char *end = text.bytes ? text.bytes : "";
    for (size_t i = 0; i < 4 && *end; i++) // characters: "µ" has two bytes
        end += (end[1] & 0xc0) == 0x80 ? 2 : 1;
    printf("Duration: %.*s\n", text.bytes ? (int)(end - text.bytes) : 0, text.bytes ? text.bytes : "");
    gs_text_fini(&text);
}

static void print_head(const struct gs_profile *profile)
{
    struct gs_text types = {0};
    for (size_t i = 0; i < profile->comment_count; i++) {
        fputs("Comment: ", stdout);
        gs_cli_print_line(profile->comment[i]);
    }
    if (profile->period_type.type) {
        gs_text_add(&types, "PeriodType: %s %s", profile->period_type.type, profile->period_type.unit);
        gs_cli_print_line(types.bytes ? types.bytes : "");
        gs_text_fini(&types);
    }
    printf("Period: %lld\n", (long long)profile->period);
    if (profile->time_ns)
        print_time(profile->time_ns);
    if (profile->duration_ns)
        print_duration(profile->duration_ns);
    puts("Samples:");
    for (unsigned i = 0; i < profile->sample_type_count; i++)
        gs_text_add(&types, "%s%s/%s%s", i ? " " : "", profile->sample_type[i].type,
                    profile->sample_type[i].unit, i == profile->default_sample_type ? "[dflt]" : "");
    gs_cli_print_line(types.bytes ? types.bytes : "");
    gs_text_fini(&types);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* pprof numbers locations and mappings in the order of their first use; the first mapping stays the first. */
struct numbers {
    const struct gs_profile *profile;
    uint32_t *location, *location_order; // its number, from 1 (0: not used); the index of number n + 1
    uint32_t *mapping, *mapping_order;
    uint32_t locations, mappings;
};

static void number_mapping(struct numbers *numbers, uint32_t mapping)
{
    if (numbers->mapping[mapping])
        return;
    numbers->mapping_order[numbers->mappings++] = mapping;
    numbers->mapping[mapping] = numbers->mappings;
}

static void number_location(struct numbers *numbers, uint32_t location)
{
    if (numbers->location[location])
        return;
    numbers->location_order[numbers->locations++] = location;
    numbers->location[location] = numbers->locations;
    if (numbers->profile->location[location].mapping)
        number_mapping(numbers, numbers->profile->location[location].mapping - 1);
}

/* False: no memory. Either way numbers_fini frees OUT. */
static bool number_parts(const struct gs_profile *profile, struct numbers *out)
{
    size_t locations = profile->location_count + 1, mappings = profile->mapping_count + 1;
    *out = (struct numbers){.profile = profile,
                            .location = gs_alloc(locations * sizeof(uint32_t)),
                            .location_order = gs_alloc(locations * sizeof(uint32_t)),
                            .mapping = gs_alloc(mappings * sizeof(uint32_t)),
                            .mapping_order = gs_alloc(mappings * sizeof(uint32_t))};
    if (!out->location || !out->location_order || !out->mapping || !out->mapping_order)
        return false;
    if (profile->mapping_count)
        number_mapping(out, 0);
    for (size_t i = 0; i < profile->sample_count; i++)
        for (uint32_t at = 0; at < profile->sample[i].depth; at++)
            number_location(out, profile->sample[i].location[at]);
    return true;
}

static void numbers_fini(struct numbers *numbers)
{
    gs_free(numbers->location);
    gs_free(numbers->location_order);
    gs_free(numbers->mapping);
    gs_free(numbers->mapping_order);
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "key:[value value]" with all values of the key at FIRST; NULL: the key was before, or no memory. */
static char *label_text(const struct gs_sample *sample, uint32_t first)
{
    const struct gs_label_value *label = &sample->label[first];
    struct gs_text text = {0};
    bool more = false;
    for (uint32_t i = 0; i < first; i++)
        if (strcmp(sample->label[i].key, label->key) == 0 && !sample->label[i].text == !label->text)
            return NULL;
    gs_text_add(&text, "%s:[", label->key);
    for (uint32_t i = first; i < sample->label_count; i++) {
        const struct gs_label_value *next = &sample->label[i];
        if (strcmp(next->key, label->key) != 0 || !next->text != !label->text)
            continue;
        if (next->text)
            gs_text_add(&text, "%s%s", more ? " " : "", next->text);
        else
            gs_text_add(&text, "%s%lld%s%s", more ? " " : "", (long long)next->number,
                        next->unit && *next->unit ? " " : "", next->unit ? next->unit : "");
        more = true;
    }
    gs_text_add(&text, "]");
    return text.bytes;
}

static void print_labels(const struct gs_sample *sample, bool texts)
{
    char **label = gs_alloc((sample->label_count + 1) * sizeof *label);
    struct gs_text line = {0};
    size_t count = 0;
    for (uint32_t i = 0; label && i < sample->label_count; i++)
        if ((sample->label[i].text != NULL) == texts && (label[count] = label_text(sample, i)) != NULL)
            count++;
    if (count)
        qsort(label, count, sizeof *label, by_text);
    for (size_t i = 0; i < count; i++) {
        gs_text_add(&line, "%s%s", i ? " " : "                ", label[i]);
        gs_free(label[i]);
    }
    if (line.bytes)
        gs_cli_print_line(line.bytes);
    gs_text_fini(&line);
    gs_free(label);
}

static void print_sample(const struct numbers *numbers, const struct gs_sample *sample)
{
    const struct gs_profile *profile = numbers->profile;
    for (unsigned i = 0; i < profile->sample_type_count; i++)
        printf(" %10lld", (long long)sample->value[i]);
    fputs(": ", stdout);
    for (uint32_t i = 0; i < sample->depth; i++)
        printf("%u ", numbers->location[sample->location[i]]);
    putchar('\n');
    print_labels(sample, true);
    print_labels(sample, false);
}

/* ---- locations and mappings --------------------------------------------------------------------------------------- */

static void print_location(const struct numbers *numbers, uint32_t number)
{
    const struct gs_profile *profile = numbers->profile;
    const struct gs_location *location = &profile->location[numbers->location_order[number]];
    printf("%6u: 0x%llx ", number + 1, (unsigned long long)location->address);
    if (location->mapping)
        printf("M=%u ", numbers->mapping[location->mapping - 1]);
    else if (!profile->mapping_count)
        fputs("M=1 ", stdout); // pprof makes one up
    if (!location->line_count)
        putchar('\n');
    for (uint32_t i = 0; i < location->line_count; i++) {
        const struct gs_function *function = &profile->function[location->line[i].function];
        struct gs_text text = {0};
        gs_text_add(&text, "%s%s %s:%lld s=%lld", i ? "             " : "", function->name, function->file,
                    (long long)location->line[i].line, (long long)function->start_line);
        if (strcmp(function->name, function->system_name) != 0)
            gs_text_add(&text, "(%s)", function->system_name);
        gs_cli_print_line(text.bytes ? text.bytes : "");
        gs_text_fini(&text);
    }
}

static void print_mapping(const struct gs_profile_mapping *mapping, uint32_t number)
{
    struct gs_text text = {0};
    gs_text_add(&text, "%u: 0x%llx/0x%llx/0x%llx %s %s %s%s%s%s", number, (unsigned long long)mapping->start,
                (unsigned long long)mapping->end, (unsigned long long)mapping->offset, mapping->path,
                mapping->build_id, mapping->has_functions ? "[FN]" : "", mapping->has_filenames ? "[FL]" : "",
                mapping->has_line_numbers ? "[LN]" : "", mapping->has_inline_frames ? "[IN]" : "");
    gs_cli_print_line(text.bytes ? text.bytes : "");
    gs_text_fini(&text);
}

static void print_profile(const struct numbers *numbers)
{
    const struct gs_profile *profile = numbers->profile;
    print_head(profile);
    for (size_t i = 0; i < profile->sample_count; i++)
        print_sample(numbers, &profile->sample[i]);
    puts("Locations");
    for (uint32_t i = 0; i < numbers->locations; i++)
        print_location(numbers, i);
    puts("Mappings");
    for (uint32_t i = 0; i < numbers->mappings; i++)
        print_mapping(&profile->mapping[numbers->mapping_order[i]], i + 1);
    if (!profile->mapping_count)
        print_mapping(&(struct gs_profile_mapping){.path = "", .build_id = ""}, 1);
}

int gs_cli_export_pprof_text(const struct gs_view *view)
{
    struct numbers numbers;
    bool numbered = number_parts(view->profile, &numbers);
    if (numbered)
        print_profile(&numbers);
    numbers_fini(&numbers);
    return numbered ? GS_EXIT_OK : gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
}
