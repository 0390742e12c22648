/* name.c - reads an incident folder's name, and knows the files that the folder may contain. Context: any (pure). */
#include "base/clock.h"
#include "rules/rules.h"
#include "store/inside.h"
#include <stdlib.h>
#include <string.h>

/* Digits FROM to TO of TEXT as a number; -1 if they are not digits. */
static int digits(const char *text, int from, int to)
{
    int value = 0;
    for (int i = from; i < to; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* Days from 1970-01-01 to the date. Years are counted from March, so that the leap day is the last day. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* Copy TEXT without its punctuation: "20261124T030509123Z". */
static bool strip_punctuation(const char *text, char out[20])
{
    size_t length = 0;
    for (; *text && length < 19; text++)
        if (*text != '-' && *text != ':' && *text != '.')
            out[length++] = *text;
    out[length] = 0;
    return length == 19 && *text == 0 && out[8] == 'T' && out[18] == 'Z';
}

bool gs_store_time_read(const char *text, int64_t *realtime_ns)
{
    enum { YEAR_MAX = 2261 }; // the last whole year in 64 bits of nanoseconds
    char compact[20];
    if (strnlen(text, 32) > 24 || !strip_punctuation(text, compact))
        return false;
    int year = digits(compact, 0, 4), month = digits(compact, 4, 6), day = digits(compact, 6, 8),
        hour = digits(compact, 9, 11);
    int minute = digits(compact, 11, 13), second = digits(compact, 13, 15), ms = digits(compact, 15, 18);
    if (year < 1970 || year > YEAR_MAX || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || ms < 0)
        return false;
    int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *realtime_ns = seconds * GS_NS_PER_S + ms * GS_NS_PER_MS;
    return true;
}

static bool number_at(const char *text, int *value, const char **end)
{
    enum { DIGITS_MAX = 9 }; // an int holds them
    *value = 0;
    *end = text;
    for (; **end >= '0' && **end <= '9' && *end - text < DIGITS_MAX; ++*end)
        *value = *value * 10 + (**end - '0');
    return *end > text && (**end < '0' || **end > '9');
}

/* Read what follows the rule: <pid> or <pid>-<n>. */
static bool read_pid_part(const char *text, int *pid)
{
    const char *end;
    int n;
    if (!number_at(text, pid, &end))
        return false;
    return *end == 0 || (*end == '-' && number_at(end + 1, &n, &end) && *end == 0);
}

bool gs_store_folder_name_read(const char *name, struct gs_folder_name *out)
{
    enum { TIME = 20 }; // 20261124T030509.123Z
    char time[TIME + 1];
    if (strlen(name) <= TIME + 3 || name[TIME] != '-')
        return false;
    memcpy(time, name, TIME);
    time[TIME] = 0;
    if (!gs_store_time_read(time, &out->time_ns))
        return false;
    const char *rule = name + TIME + 1;
    for (const char *at = strchr(rule, '-'); at;
         at = strchr(at + 1, '-')) { // a rule's name may contain dashes, too
        size_t length = (size_t)(at - rule);
        if (length == 0 || length > GS_RULE_NAME_MAX || !read_pid_part(at + 1, &out->pid))
            continue;
        if (strspn(rule, "abcdefghijklmnopqrstuvwxyz0123456789._-") < length)
            return false;
        memcpy(out->rule, rule, length);
        out->rule[length] = 0;
        return true;
    }
    return false;
}

bool gs_store_original_name(const char *name, char out[GS_STORE_FILE_NAME])
{
    static const char *const endings[] = {".pb.gz", ".txt", ".json"};
    size_t length = strlen(name), stem = 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0)
            stem = length - ending;
    }
    return stem && snprintf(out, GS_STORE_FILE_NAME, "%.*s.orig%s", (int)stem, name, name + stem) <
                       GS_STORE_FILE_NAME;
}

/* Is NAME a file of kind KIND, or the original of such a profile? */
static bool is_of_kind(const struct gs_kind_entry *kind, const char *name)
{
    const char *files[] = {kind->file, kind->base_file, kind->text_file};
    char original[GS_STORE_FILE_NAME];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] && (strcmp(name, files[i]) == 0 ||
                         (gs_store_original_name(files[i], original) && strcmp(name, original) == 0)))
            return true;
    return false;
}

bool gs_store_is_incident_file(const char *name)
{
    static const char *const fixed[] = {
        "incident.json", "summary.txt",      "metrics.json", "rules.json",       "maps.txt",
        "memory.json",   "memory.orig.json", "report.html",  "allocation.pb.gz", "allocation.orig.pb.gz"};
    char whole[GS_STORE_FILE_NAME];
    size_t length = strlen(name);
    if (length >= sizeof whole)
        return false;
    strcpy(whole, name);
    if (length > 4 && strcmp(name + length - 4, ".new") == 0) // a replacement that was interrupted
        whole[length - 4] = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(whole, fixed[i]) == 0)
            return true;
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
        if (is_of_kind(kind, whole))
            return true;
    return false;
}
