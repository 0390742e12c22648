/* anonymous_text.c - anonymous copies of an incident's texts: maps.txt line by line, summary.txt made anew from incident.json. */
#include "base/units.h"
#include "reader/anonymous.h"
#include <stdio.h>
#include <string.h>

/* ---- maps.txt --------------------------------------------------------------------------------------------------- */

static void copy_map(struct gs_anonymizer *anonymizer, const char *line, struct gs_text *out)
{
    unsigned long long start, end, offset;
    char rights[5], stand_in[GS_STAND_IN];
    int path = 0;
    if (sscanf(line, "%llx-%llx %4[rwxsp-] %llx %*s %*s %n", &start, &end, rights, &offset, &path) != 4 ||
        !path)
        return;
    const char *name = gs_reader_module_stand_in(anonymizer, line + path, stand_in);
    gs_text_add(out, "%llx-%llx %s %08llx 00:00 0%s%s\n", start, end, rights, offset, *name ? " " : "", name);
}

void gs_reader_anonymize_maps(struct gs_anonymizer *anonymizer, const char *text, struct gs_text *out)
{
    enum { LINE_MAX_BYTES = 4200 };
    char line[LINE_MAX_BYTES];
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        if (length >= sizeof line)
            continue;
        memcpy(line, text, length);
        line[length] = 0;
        copy_map(anonymizer, line, out);
    }
}

/* ---- summary.txt ------------------------------------------------------------------------------------------------ */

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

static void add_culprit(const json_t *culprit, struct gs_text *out)
{
    char share[GS_UNIT_TEXT];
    const json_t *stack = json_object_get(culprit, "stack"), *frame,
                 *line = json_object_get(culprit, "line_number"), *part = json_object_get(culprit, "share");
    size_t i;
    gs_text_add(out, "\nCulprit: %s in %s", text_of(culprit, "function"), text_of(culprit, "module"));
    if (*text_of(culprit, "file"))
        gs_text_add(out, ", %s:%lld", text_of(culprit, "file"), (long long)json_integer_value(line));
    gs_text_add(out, " (%s", text_of(culprit, "kind"));
    if (json_is_number(part))
        gs_text_add(out, ", %s", gs_units_print_percent(json_number_value(part), share));
    gs_text_add(out, ")\n");
    json_array_foreach(stack, i, frame)
    {
        gs_text_add(out, "  %s %s\n", i ? "←" : " ",
                    json_string_value(frame) ? json_string_value(frame) : "?");
    }
}

void gs_reader_anonymous_summary(const json_t *incident, struct gs_text *out)
{
    const json_t *culprit = json_object_get(incident, "culprit");
    gs_text_add(out, "%s: %s\n", text_of(incident, "rule"), text_of(incident, "reason"));
    gs_text_add(out, "%s  %s on %s\n", text_of(incident, "triggered"), text_of(incident, "exe"),
                text_of(incident, "host"));
    if (json_is_object(culprit))
        add_culprit(culprit, out);
    gs_text_add(out, "\nThis is an anonymous copy: names are replaced by stand-ins, texts are left out.\n");
}
