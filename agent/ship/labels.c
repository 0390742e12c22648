/* labels.c - what Pyroscope and OTLP call an incident's process: its service, and labels. All words come from incident.json. */
#include "ship/inside.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *gs_ship_service(const struct gs_ship_incident *incident)
{
    const char *service = gs_ship_text(json_object_get(incident->json, "labels"), "service");
    const char *program = gs_ship_text(incident->json, "program"), *exe = gs_ship_text(incident->json, "exe");
    if (*service)
        return service;
    if (*program)
        return program;
    return *exe ? gs_text_base_name(exe) : "unknown";
}

/* Add TEXT to OUT with everything but letters, digits and KEPT as "_", at most MAX bytes. */
static void add_safe(struct gs_text *out, const char *text, const char *kept, size_t max)
{
    for (size_t i = 0; text[i] && i < max; i++)
        gs_text_add(out, "%c", isalnum((unsigned char)text[i]) || strchr(kept, text[i]) ? text[i] : '_');
}

static void add_label(struct gs_text *out, const char *key, const char *value)
{
    enum { KEY_MAX = 64, VALUE_MAX = 200 };
    if (!*value || !*key)
        return;
    gs_text_add(out, "%s%s", out->length && out->bytes[out->length - 1] != '{' ? "," : "",
                isdigit((unsigned char)*key) ? "_" : "");
    add_safe(out, key, "_", KEY_MAX);
    gs_text_add(out, "=");
    add_safe(out, value, "-._:/+@ ", VALUE_MAX);
}

/* SERVICE{host=h,rule=r,…}: Pyroscope's name of a profile. What its own syntax uses is replaced by "_". */
void gs_ship_pyroscope_name(const struct gs_ship_incident *incident, struct gs_text *out)
{
    static const char *const keys[] = {"host", "rule", "pod", "namespace"};
    json_t *labels = json_object_get(incident->json, "labels");
    const char *key;
    json_t *value;
    add_safe(out, gs_ship_service(incident), "-._/", 200);
    gs_text_add(out, "{");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        add_label(out, keys[i], gs_ship_text(incident->json, keys[i]));
    char container[13] = "";
    snprintf(container, sizeof container, "%s",
             gs_ship_text(json_object_get(incident->json, "container"), "id"));
    add_label(out, "container", container);
    add_label(out, "incident", incident->id);
    json_object_foreach(labels, key, value)
    {
        bool ours =
            strcmp(key, "service") == 0 || strcmp(key, "container") == 0 || strcmp(key, "incident") == 0;
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            ours = ours || strcmp(key, keys[i]) == 0;
        if (!ours && json_is_string(value))
            add_label(out, key, json_string_value(value));
    }
    gs_text_add(out, "}");
}
