/* units.c - reads and prints quantities with units.
 *
 *   "1.5GiB" ──▶ decimal { digits 15, places 1 } + "GiB" ──▶ 15 × 2^30 / 10^1
 *
 * Why not strtod and "%.1f": they use the host's locale; with a German one they would read and write "1,5".
 * Who: rules/ reads; rules/, incident/ and the CLI print. */
#include "base/units.h"
#include "base/errors.h"
#include "base/numbers.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

struct unit {
    const char *name;
    uint64_t worth; // bytes, nanoseconds or seconds
};

// clang-format off
static const struct unit sizes[] = {
    {"B", 1},
    {"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"TiB", 1ULL << 40},
    {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000},
};
static const struct unit durations[] = {
    {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000},
};
static const struct unit per_times[] = { {"s", 1}, {"min", 60}, {"h", 3600} };
static const struct unit frequencies[] = { {"Hz", 1} };
static const struct unit percents[] = { {"%", 1} };

/* Common wrong spellings of units that edit distance does not find. */
static const struct { const char *written, *meant; } misspellings[] = {
    {"k", "KiB"}, {"K", "KiB"}, {"Ki", "KiB"}, {"m", "MiB"}, {"M", "MiB"}, {"Mi", "MiB"}, {"g", "GiB"},
    {"G", "GiB"}, {"Gi", "GiB"}, {"T", "TiB"}, {"Ti", "TiB"}, {"TB", "TiB"}, {"b", "B"}, {"bytes", "B"},
    {"msec", "ms"}, {"sec", "s"}, {"secs", "s"}, {"second", "s"}, {"seconds", "s"}, {"min", "m"},
    {"mins", "m"}, {"minute", "m"}, {"minutes", "m"}, {"m", "min"}, {"minute", "min"}, {"second", "s"},
    {"hr", "h"}, {"hour", "h"}, {"hours", "h"}, {"day", "d"}, {"days", "d"}, {"percent", "%"}, {"hz", "Hz"},
};
// clang-format on

enum { DIGITS_MAX = 18 }; // 10^18 fits in 64 bits

// clang-format off
static const uint64_t powers_of_ten[DIGITS_MAX + 1] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000,
    1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000,
    1000000000000000000,
};
// clang-format on

struct decimal { // digits / 10^places
    uint64_t digits;
    unsigned places;
};

/* A kind of quantity, with words for its error messages. */
struct quantity_kind {
    const char *noun;    // "a size"
    const char *example; // "512MiB"
    const char *units;   // "B, KiB, …"
    const struct unit *unit;
    size_t unit_count;
};

// clang-format off
static const struct quantity_kind size_kind = {"a size", "512MiB", "B KiB MiB GiB TiB kB MB GB", sizes, COUNT(sizes)};
static const struct quantity_kind duration_kind = {"a duration", "10s", "ms s m h d", durations, COUNT(durations)};
static const struct quantity_kind rate_kind = {"a rate", "1MiB/min", "B KiB MiB GiB TiB kB MB GB", sizes, COUNT(sizes)};
static const struct quantity_kind count_rate_kind = {"a rate", "10/min", "", NULL, 0};
static const struct quantity_kind share_rate_kind = {"a rate", "1%/h", "%", percents, COUNT(percents)};
static const struct quantity_kind per_time_kind = {"a time of a rate", "1MiB/min", "s min h", per_times, COUNT(per_times)};
static const struct quantity_kind frequency_kind = {"a frequency", "99Hz", "Hz", frequencies, COUNT(frequencies)};
static const struct quantity_kind percent_kind = {"a percentage", "25%", "%", percents, COUNT(percents)};
// clang-format on

/* ---- reading ---------------------------------------------------------------------------------------------- */

GS_PRINTF(4, 5)
static int refuse(struct gs_unit_error *error, int code, const char *hint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error->why, sizeof error->why, format, args);
    va_end(args);
    snprintf(error->hint, sizeof error->hint, "%s", hint);
    return code;
}

static int refuse_malformed(const struct quantity_kind *kind, const char *text, struct gs_unit_error *error)
{
    return refuse(error, -EINVAL, "", "expected %s such as \"%s\", found \"%.40s\"", kind->noun,
                  kind->example, text);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Append DIGIT. False: too many digits. Further zeros of a fraction are ignored. */
static bool add_digit(struct decimal *number, char digit, bool fraction)
{
    if (number->digits >= powers_of_ten[DIGITS_MAX - 1] || number->places == DIGITS_MAX)
        return fraction && digit == '0';
    number->digits = number->digits * 10 + (uint64_t)(digit - '0');
    number->places += fraction;
    return true;
}

/* Read the number at the start of TEXT; *REST: the text after it. 0 or -errno. */
static int read_decimal(const char *text, const struct quantity_kind *kind, struct decimal *number,
                        const char **rest, struct gs_unit_error *error)
{
    const char *at = text;
    *number = (struct decimal){0};
    if (*at == '-' && (is_digit(at[1]) || at[1] == '.'))
        return refuse(error, -ERANGE, "", "\"%.40s\" is negative", text);
    if (!is_digit(*at))
        return refuse_malformed(kind, text, error);
    bool fits = true;
    for (; is_digit(*at); at++)
        fits &= add_digit(number, *at, false);
    if (at[0] == '.' && !is_digit(at[1]))
        return refuse_malformed(kind, text, error);
    if (at[0] == '.')
        for (at++; is_digit(*at); at++)
            fits &= add_digit(number, *at, true);
    if (!fits)
        return refuse(error, -ERANGE, "", "\"%.40s\" has too many digits", text);
    *rest = at;
    return 0;
}

static const char *guess_unit(const char *word, const struct quantity_kind *kind)
{
    for (size_t i = 0; i < COUNT(misspellings); i++)
        for (size_t k = 0; k < kind->unit_count; k++)
            if (!strcmp(misspellings[i].written, word) && !strcmp(misspellings[i].meant, kind->unit[k].name))
                return misspellings[i].meant;
    return gs_errors_nearest(word, &kind->unit[0].name, kind->unit_count, sizeof kind->unit[0]);
}

static int refuse_unit(const char *word, const struct quantity_kind *kind, struct gs_unit_error *error)
{
    char hint[sizeof error->hint];
    const char *meant = guess_unit(word + strspn(word, " "), kind);
    if (meant)
        snprintf(hint, sizeof hint, "did you mean \"%s\"?", meant);
    else
        snprintf(hint, sizeof hint, "%s is written with %s%s", kind->noun,
                 kind->unit_count > 1 ? "one of " : "", kind->units);
    if (*word == ' ' && meant)
        return refuse(error, -EINVAL, "write it without the space", "a space stands before the unit");
    return refuse(error, -EINVAL, hint, "unknown unit \"%.40s\"", word);
}

/* The unit named WORD; NULL: unknown, and *ERROR is filled. */
static const struct unit *find_unit(const char *word, const struct quantity_kind *kind,
                                    struct gs_unit_error *error)
{
    for (size_t i = 0; i < kind->unit_count; i++)
        if (!strcmp(kind->unit[i].name, word))
            return &kind->unit[i];
    (void)!refuse_unit(word, kind, error);
    return NULL;
}

static int refuse_without_unit(const char *text, const struct quantity_kind *kind,
                               struct gs_unit_error *error)
{
    char hint[sizeof error->hint];
    snprintf(hint, sizeof hint, "write %s such as \"%s\"", kind->noun, kind->example);
    return refuse(error, -EINVAL, hint, "\"%.40s\" has no unit", text);
}

/* NUMBER × WORTH, rounded. False: above MAX, or a positive number would be rounded to 0. */
static bool multiply(struct decimal number, uint64_t worth, uint64_t max, uint64_t *out)
{
    uint64_t scale = powers_of_ten[number.places];
    unsigned __int128 product = (unsigned __int128)number.digits * worth;
    unsigned __int128 rounded = (product + scale / 2) / scale;
    *out = (uint64_t)rounded;
    return rounded <= max && (rounded > 0 || number.digits == 0);
}

/* Read all of TEXT as an integer in the base unit of KIND. */
static int read_whole(const char *text, const struct quantity_kind *kind, uint64_t max, uint64_t *out,
                      struct gs_unit_error *error)
{
    struct decimal number;
    const char *rest;
    int failed = read_decimal(text, kind, &number, &rest, error);
    if (failed)
        return failed;
    *out = 0;
    if (!*rest && number.digits == 0)
        return 0;
    if (!*rest)
        return refuse_without_unit(text, kind, error);
    const struct unit *unit = find_unit(rest, kind, error);
    if (!unit)
        return -EINVAL;
    if (!multiply(number, unit->worth, max, out))
        return refuse(error, -ERANGE, "", "\"%.40s\" is out of range", text);
    return 0;
}

int gs_units_read_size(const char *text, uint64_t *bytes, struct gs_unit_error *error)
{
    return read_whole(text, &size_kind, 1ULL << 62, bytes, error);
}

int gs_units_read_duration(const char *text, int64_t *ns, struct gs_unit_error *error)
{
    uint64_t unsigned_ns;
    int failed = read_whole(text, &duration_kind, 36525 * 86400000000000ULL, &unsigned_ns, error);
    if (!failed)
        *ns = (int64_t)unsigned_ns;
    return failed;
}

static double as_double(struct decimal number)
{
    return (double)number.digits / (double)powers_of_ten[number.places];
}

/* Read all of TEXT as "AMOUNT/TIME"; AMOUNT has a unit of KIND, or none if KIND has none. */
static int read_per_time(const char *text, const struct quantity_kind *kind, double *per_second,
                         struct gs_unit_error *error)
{
    struct decimal number;
    const char *rest;
    int failed = read_decimal(text, kind, &number, &rest, error);
    if (failed)
        return failed;
    const char *slash = strchr(rest, '/');
    if (!slash)
        return refuse(error, -EINVAL, "write /s, /min or /h after it",
                      "\"%.40s\" has no time: expected %s such as \"%s\"", text, kind->noun, kind->example);
    if ((slash == rest) != (kind->unit_count == 0))
        return refuse_malformed(kind, text, error);
    static const struct unit one = {"", 1};
    char amount_unit[48];
    snprintf(amount_unit, sizeof amount_unit, "%.*s", (int)(slash - rest < 40 ? slash - rest : 40), rest);
    const struct unit *amount = kind->unit_count ? find_unit(amount_unit, kind, error) : &one;
    const struct unit *time = amount ? find_unit(slash + 1, &per_time_kind, error) : NULL;
    if (!time)
        return -EINVAL;
    *per_second = as_double(number) * (double)amount->worth / (double)time->worth;
    return *per_second <= 0x1p62 ? 0 : refuse(error, -ERANGE, "", "\"%.40s\" is out of range", text);
}

int gs_units_read_rate(const char *text, double *bytes_per_second, struct gs_unit_error *error)
{
    return read_per_time(text, &rate_kind, bytes_per_second, error);
}

int gs_units_read_count_rate(const char *text, double *per_second, struct gs_unit_error *error)
{
    return read_per_time(text, &count_rate_kind, per_second, error);
}

int gs_units_read_share_rate(const char *text, double *per_second, struct gs_unit_error *error)
{
    double percent = 0;
    int failed = read_per_time(text, &share_rate_kind, &percent, error);
    if (!failed)
        *per_second = percent / 100;
    return failed;
}

/* Read all of TEXT as a number with KIND's only unit. */
static int read_real(const char *text, const struct quantity_kind *kind, struct decimal *number,
                     struct gs_unit_error *error)
{
    const char *rest = text;
    int failed = read_decimal(text, kind, number, &rest, error);
    if (failed)
        return failed;
    if (!*rest)
        return refuse_without_unit(text, kind, error);
    if (!find_unit(rest, kind, error))
        return -EINVAL;
    return as_double(*number) <= 1e9 ? 0 : refuse(error, -ERANGE, "", "\"%.40s\" is out of range", text);
}

int gs_units_read_frequency(const char *text, double *hertz, struct gs_unit_error *error)
{
    struct decimal number;
    int failed = read_real(text, &frequency_kind, &number, error);
    if (!failed)
        *hertz = as_double(number);
    return failed;
}

int gs_units_read_percent(const char *text, double *share, struct gs_unit_error *error)
{
    struct decimal number;
    int failed = read_real(text, &percent_kind, &number, error);
    if (!failed) // one division, so that "25%" is exactly 0.25 and "27%" the double nearest to 0.27
        *share = (double)number.digits / ((double)powers_of_ten[number.places] * 100);
    return failed;
}

/* ---- printing ---------------------------------------------------------------------------------------------- */

/* Print VALUE with LEAST to MOST decimals (without further zeros) and SUFFIX. Returns OUT. */
static const char *print_decimal(double value, unsigned least, unsigned most, const char *suffix, char *out)
{
    double size = value < 0 ? -value : value;
    if (isnan(value) || size * (double)powers_of_ten[most] > 9e18) {
        snprintf(out, GS_UNIT_TEXT, "%s%s", isnan(value) ? "unknown" : value < 0 ? "-huge" : "huge", suffix);
        return out;
    }
    uint64_t digits = (uint64_t)(size * (double)powers_of_ten[most] + 0.5);
    const char *sign = value < 0 && digits > 0 ? "-" : "";
    for (; most > least && digits % 10 == 0; most--)
        digits /= 10;
    unsigned long long units = digits / powers_of_ten[most], fraction = digits % powers_of_ten[most];
    if (most > 0)
        snprintf(out, GS_UNIT_TEXT, "%s%llu.%0*llu%s", sign, units, (int)most, fraction, suffix);
    else
        snprintf(out, GS_UNIT_TEXT, "%s%llu%s", sign, units, suffix);
    return out;
}

/* Print BYTES as "130 MiB", followed by AFTER ("/s"), with up to MORE further decimals. A value that would be rounded up to 1024
 * gets the next unit. */
static const char *print_bytes(double bytes, const char *after, unsigned more, char *out)
{
    static const char *const unit[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    size_t at = 0;
    for (; (bytes >= 1023.95 || bytes <= -1023.95) && at + 1 < COUNT(unit); at++)
        bytes /= 1024;
    char suffix[16];
    snprintf(suffix, sizeof suffix, "%s%s", unit[at], after);
    return print_decimal(bytes, 0, (at ? 1 : 0) + more, suffix, out);
}

const char *gs_units_print_size(double bytes, char *out)
{
    return print_bytes(bytes, "", 0, out);
}

const char *gs_units_print_duration(int64_t ns, char *out)
{
    static const char *const suffix[COUNT(durations)] = {" ms", " s", " min", " h",
                                                         " d"}; // not " m": a metre
    size_t at = COUNT(durations) - 1;
    while (at > 0 && (ns < 0 ? -(uint64_t)ns : (uint64_t)ns) < durations[at].worth)
        at--;
    return print_decimal((double)ns / (double)durations[at].worth, 0, 1, suffix[at], out);
}

const char *gs_units_print_percent(double share, char *out)
{
    return print_decimal(share * 100, 0, 1, " %", out);
}

const char *gs_units_print_measured_percent(double share, char *out)
{
    return print_decimal(share * 100, 1, 1, " %", out);
}

static const char *print_count(double count, const char *suffix, unsigned more, char *out)
{
    bool small = count < 10 && count > -10; // a gauge may be a ratio: 0.05 must not become 0.1
    return print_decimal(count, 0, (small ? 3 : 1) + more, suffix, out);
}

const char *gs_units_print_count(double count, char *out)
{
    return print_count(count, "", 0, out);
}

/* Print VALUE with up to MORE further decimals. */
static const char *print_value(double value, enum gs_unit unit, unsigned more, char *out)
{
    switch (unit) {
    case GS_BYTES: return print_bytes(value, "", more, out);
    case GS_BYTES_PER_SECOND: return print_bytes(value, "/s", more, out);
    case GS_PERCENT: return print_decimal(value, 0, 1 + more, " %", out);
    case GS_PER_SECOND: return print_count(value, "/s", more, out);
    case GS_COUNT: break;
    }
    return print_count(value, "", more, out);
}

const char *gs_units_print_value(double value, enum gs_unit unit, char *out)
{
    return print_value(value, unit, 0, out);
}

/* How many further decimals of SIZE can be printed. */
static unsigned decimals_for(double size)
{
    unsigned more = 0;
    while (more < 10 && size * (double)powers_of_ten[more + 4] < 1e18)
        more++;
    return more;
}

static bool look_the_same(double value, double line, const char *value_text, const char *line_text)
{
    return value != line && strcmp(value_text, line_text) == 0;
}

void gs_units_print_apart(double value, double line, enum gs_unit unit, char *value_out, char *line_out)
{
    double size = gs_larger(value < 0 ? -value : value, line < 0 ? -line : line);
    bool bytes = unit == GS_BYTES || unit == GS_BYTES_PER_SECOND;
    unsigned most = bytes ? 4 : decimals_for(size), more = 0;
    do {
        print_value(value, unit, more, value_out);
        print_value(line, unit, more, line_out);
    } while (more++ < most && look_the_same(value, line, value_out, line_out));
    if (bytes && look_the_same(value, line, value_out, line_out)) {
        const char *suffix = unit == GS_BYTES ? " B" : " B/s";
        print_decimal(value, 0, 3, suffix, value_out);
        print_decimal(line, 0, 3, suffix, line_out);
    }
}
