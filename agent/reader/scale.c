/* scale.c - prints quantities as pprof does: one unit for a whole table, chosen from its smallest and largest values. */
#include "reader/reader.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct unit_step {
    const char *suffix, *names[4];
    double factor;
};
struct family {
    const struct unit_step *step;
    size_t count, fallback;
}; // fallback: index of the step for values below 1 in every step

static const struct unit_step bytes[] = {
    {"B", {"b", "byte"}, 1},
    {"kB", {"kb", "kbyte", "kilobyte"}, 0x1p10},
    {"MB", {"mb", "mbyte", "megabyte"}, 0x1p20},
    {"GB", {"gb", "gbyte", "gigabyte"}, 0x1p30},
    {"TB", {"tb", "tbyte", "terabyte"}, 0x1p40},
    {"PB", {"pb", "pbyte", "petabyte"}, 0x1p50},
};
static const struct unit_step times[] = {
    {"ns", {"ns", "nanosecond"}, 1},    {"us", {"us", "microsecond"}, 1e3},
    {"ms", {"ms", "millisecond"}, 1e6}, {"s", {"s", "sec", "second"}, 1e9},
    {"hrs", {"hour", "hr"}, 3600e9},
};
static const struct family families[] = {{bytes, 6, 0}, {times, 5, 3}};

/* Find the step named UNIT; case and a plural s do not matter. NULL if FAMILY has none. */
static const struct unit_step *find(const struct family *family, const char *unit)
{
    char name[32];
    size_t length = strnlen(unit, sizeof name - 1);
    for (size_t i = 0; i < length; i++)
        name[i] = (char)tolower((unsigned char)unit[i]);
    if (length > 2 && name[length - 1] == 's')
        length--;
    name[length] = 0;
    for (size_t i = 0; i < family->count; i++)
        for (size_t n = 0; n < 4 && family->step[i].names[n]; n++)
            if (strcmp(name, family->step[i].names[n]) == 0)
                return &family->step[i];
    return NULL;
}

static bool is_known(const char *unit)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (find(&families[i], unit))
            return true;
    return false;
}

static const struct unit_step *best(const struct family *family, double value)
{
    const struct unit_step *chosen = NULL;
    for (size_t i = 0; i < family->count; i++)
        if (value / family->step[i].factor >= 1)
            chosen = &family->step[i];
    return chosen ? chosen : &family->step[family->fallback];
}

static const char *suffix_of_other_unit(const char *unit)
{
    static const char *const units_without_suffix[] = {"count", "sample", "unit", "minimum", "auto"};
    for (size_t i = 0; i < sizeof units_without_suffix / sizeof *units_without_suffix; i++)
        if (strcmp(unit, units_without_suffix[i]) == 0)
            return "";
    return unit;
}

struct gs_scale gs_reader_scale_for(const char *unit, long long min, long long max)
{
    min = min < 0 ? -min : min;
    max = max < 0 ? -max : max;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const struct unit_step *from = find(&families[i], unit);
        if (!from)
            continue;
        const struct unit_step *chosen = best(&families[i], (double)min * from->factor);
        if (chosen != best(&families[i], (double)max * from->factor) && min * 100 < max)
            chosen =
                best(&families[i], (double)min * 100 * from->factor); // so that the smallest still reads 0.01
        return (struct gs_scale){unit, from->factor / chosen->factor, chosen->suffix};
    }
    return (struct gs_scale){unit, 1, suffix_of_other_unit(unit)};
}

const char *gs_reader_print_scaled(long long value, const struct gs_scale *scale, char *out, size_t size)
{
    int length = snprintf(out, size, "%.2f", (double)value * scale->factor);
    if (length > 3 && strcmp(out + length - 3, ".00") == 0)
        out[length -= 3] = 0;
    if (strcmp(out, "0") == 0 || strcmp(out, "-0") == 0)
        return strcpy(out, "0");
    snprintf(out + length, size - (size_t)length, "%s", scale->suffix);
    return out;
}

const char *gs_reader_print_label(long long value, const char *unit, char *out, size_t size)
{
    struct gs_scale scale = gs_reader_scale_for(unit, value, value);
    if (!is_known(unit))
        scale.suffix = ""; // as pprof prints a single value
    return gs_reader_print_scaled(value, &scale, out, size);
}

const char *gs_reader_print_share(long long value, long long total, char *out, size_t size)
{
    double percent = total ? fabs((double)value / (double)total) * 100 : 0;
    if (percent >= 99.95 && percent <= 100.05)
        snprintf(out, size, "  100%%");
    else
        snprintf(out, size, percent >= 1 ? "%5.2f%%" : "%5.2g%%", percent);
    return out;
}

bool gs_reader_convert(double value, const char *from, const char *to, double *out)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const struct unit_step *source = find(&families[i], from), *target = find(&families[i], to);
        if (source && target) {
            *out = value * source->factor / target->factor;
            return true;
        }
    }
    return false;
}
