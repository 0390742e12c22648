/* defaults.c - what a rules file means where it leaves a key out. This is the only table of defaults: the readers read it as
 * they read a file. rules/rules.schema.json, docs/rules.md and docs/gumshoe-rules.5 have the same values, which
 * tests/check/defaults.sh compares.
 * Who: read.c, rule.c and the conditions. */
#include "rules/inside.h"
#include <string.h>

#define AS_JSON(...) #__VA_ARGS__

// clang-format off
static const struct {
    const char *object, *members;
} defaults[] = {
    {"file", AS_JSON({
        "interval": "1s",
        "heap": {"sample": "512KiB", "depth": 64, "baseline": "10m", "peak": "1h", "focus": "1h"},
        "cpu": {"rate": "99Hz", "duration": "10s", "before": "0s"},
        "incidents": {"dir": "incidents", "keep": 50, "max_bytes": "1GiB", "max_age": "14d", "max_per_hour": 12, "report": false},
        "history": {"file": "on", "max": "16MiB"},
        "budget": "1%",
        "children": "forks",
        "crash": "off",
        "symbolize": "auto"
    })},
    {"rule", AS_JSON({"for": "0s", "cooldown": "10m", "again": "10%", "max_per_hour": 0, "capture": ["heap", "threads"]})},
    {"rule on cpu", AS_JSON({"capture": ["cpu", "threads"]})},
    {"rule without metric", AS_JSON({"cooldown": "0s"})},
    {"jitter", AS_JSON({"over": 10})},
    {"growth", AS_JSON({"over": "10m"})},
    {"reaches", AS_JSON({"over": "10m"})},
    {"unusual", AS_JSON({"score": 6, "over": "30m"})},
};
// clang-format on

static const char *members_of(const char *object)
{
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (strcmp(defaults[i].object, object) == 0)
            return defaults[i].members;
    return "";
}

void gs_rules_read_defaults(struct gs_rules_reader *reader, const char *object, const json_t *given,
                            const struct gs_json_path *path, const struct gs_field *field, size_t count,
                            void *into)
{
    const char *members = members_of(object);
    json_error_t why;
    if (given && !json_is_object(given)) // which is an error already, or will be one
        return;
    json_t *json = gs_json_read(members, strlen(members), 0, &why);
    if (!json) {
        gs_rules_refuse_file(reader, NULL, "out of memory");
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)given, key, value) json_object_del(json, key);
    reader->reads_defaults = true;
    gs_rules_read_fields(reader, json, path, field, count, into);
    reader->reads_defaults = false;
    json_decref(json);
}
