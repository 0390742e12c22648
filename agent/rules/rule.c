/* rule.c - one rule of the file: its members, and those that do not go together.
 *
 * The metric is read first, wherever it stands: what "above" may say depends on it.
 * Who: read.c. */
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table)      (sizeof(table) / sizeof(table)[0])
#define CONDITION_KINDS   (condition_kind_count())
#define DEFAULT_COOLDOWN  (600 * 1000000000LL)

enum { CONDITIONS_MAX = 16 };

/* ---- members of their own kind --------------------------------------------------------------------------------------- */

static bool name_is_good(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    return name[length] == 0 && length >= 1 && length <= GS_RULE_NAME_MAX;
}

GS_FIELD_READER(read_name);
GS_FIELD_READER(read_name)
{
    (void)field;
    if (!json_is_string(value)) {
        gs_refuse_type(reader, value, place, "a string");
        return;
    }
    const char *name = json_string_value(value);
    if (!name_is_good(name))
        gs_refuse(reader, place, GS_THE_VALUE, "it becomes part of a folder's name",
                  "bad name \"%.60s\": a rule's name is 1 to %d of a-z 0-9 . _ -", name, GS_RULE_NAME_MAX);
    const char *copy = gs_keep_text(reader, name);
    memcpy(into, &copy, sizeof copy);
}
