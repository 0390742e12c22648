/* otlp.c - one profile to an OpenTelemetry collector: POST BASE/v1development/profiles, protobuf, gzip'd. Experimental, as the
 * signal is: a collector must know the same revision of it (otlp.proto).
 *
 *   profile with N sample types ──▶ N profiles, the default one first, with one dictionary */
#include "ship/otlp.h"
#include "base/memory.h"
#include "gumshoe/gumshoe.h"
#include "profile/profile.h"
#include <stdio.h>
#include <string.h>
#include <zlib.h>

struct build {
    const struct gs_ship_incident *incident;
    const char *name; // of the profile's file
    const struct gs_profile *profile;
    struct gs_ship_dictionary dictionary;
};

static void *take(struct build *build, size_t count, size_t size)
{
    return gs_ship_arena_take(&build->dictionary.arena, count, size);
}

/* ---- samples ---------------------------------------------------------------------------------------------------------- */

/* The semantic conventions' name of a label. */
static const char *attribute_name(const char *key)
{
    return strcmp(key, "tid") == 0 ? "thread.id" : strcmp(key, "name") == 0 ? "thread.name" : key;
}

/* The attributes of SAMPLE; of labels with one key the first counts. */
static void add_attributes(struct build *build, const struct gs_sample *sample, Gs__Otlp__Sample *out)
{
    out->attribute_indices = take(build, sample->label_count, sizeof *out->attribute_indices);
    for (uint32_t i = 0; out->attribute_indices && i < sample->label_count; i++) {
        const struct gs_label_value *label = &sample->label[i];
        bool known = false;
        for (uint32_t before = 0; before < i; before++)
            known = known || strcmp(sample->label[before].key, label->key) == 0;
        if (!known)
            out->attribute_indices[out->n_attribute_indices++] =
                gs_ship_dictionary_attribute(&build->dictionary, attribute_name(label->key), label->text,
                                             label->number, label->text ? "" : label->unit);
    }
}

/* The samples of sample type TYPE whose value is not 0. */
static void add_samples(struct build *build, unsigned type, Gs__Otlp__Profile *out)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < build->profile->sample_count; i++)
        count += build->profile->sample[i].value[type] != 0;
    Gs__Otlp__Sample *all = take(build, count, sizeof *all);
    int64_t *value = take(build, count, sizeof *value);
    out->samples = take(build, count, sizeof *out->samples);
    if (!all || !value || !out->samples)
        return;
    for (size_t i = 0; i < build->profile->sample_count; i++) {
        const struct gs_sample *from = &build->profile->sample[i];
        if (!from->value[type])
            continue;
        gs__otlp__sample__init(&all[at]);
        all[at].stack_index = gs_ship_dictionary_stack(&build->dictionary, from->location, from->depth);
        add_attributes(build, from, &all[at]);
        value[at] = from->value[type];
        all[at].values = &value[at];
        all[at].n_values = 1;
        out->samples[at] = &all[at];
        at++;
    }
    out->n_samples = count;
}

/* ---- profiles --------------------------------------------------------------------------------------------------------- */

static Gs__Otlp__ValueType *value_type(struct build *build, const struct gs_value_type *from)
{
    Gs__Otlp__ValueType *type = take(build, 1, sizeof *type);
    if (!type)
        return NULL;
    gs__otlp__value_type__init(type);
    type->type_strindex = gs_ship_dictionary_string(&build->dictionary, from->type);
    type->unit_strindex = gs_ship_dictionary_string(&build->dictionary, from->unit);
    return type;
}

/* An id that is the same when the profile is sent again: of the incident, the file and the sample type. */
static void set_id(struct build *build, unsigned type, Gs__Otlp__Profile *out)
{
    char hex[GS_SHIP_SHA256_HEX], text[400];
    unsigned char *id = take(build, 16, 1);
    snprintf(text, sizeof text, "%s/%s/%u", build->incident->id, build->name, type);
    gs_ship_sha256_text(text, hex);
    for (size_t i = 0; id && i < 16; i++)
        sscanf(hex + 2 * i, "%2hhx", &id[i]);
    out->profile_id.data = id;
    out->profile_id.len = id ? 16 : 0;
}

static Gs__Otlp__Profile *make_profile(struct build *build, unsigned type)
{
    Gs__Otlp__Profile *out = take(build, 1, sizeof *out);
    if (!out)
        return NULL;
    gs__otlp__profile__init(out);
    out->sample_type = value_type(build, &build->profile->sample_type[type]);
    out->time_unix_nano = (uint64_t)build->profile->time_ns;
    if (!gs_ship_is_over_time(build->profile)) // as the specification prefers it: from the process's start
        out->time_unix_nano -= (uint64_t)build->profile->duration_ns;
    out->duration_nano = (uint64_t)build->profile->duration_ns;
    out->period_type = value_type(build, &build->profile->period_type);
    out->period = build->profile->period;
    set_id(build, type, out);
    add_samples(build, type, out);
    return out;
}

static void add_resource(struct build *build, Gs__Otlp__Resource *resource, const char *key,
                         const char *value)
{
    Gs__Otlp__KeyValue *pair = take(build, 1, sizeof *pair);
    Gs__Otlp__AnyValue *any = take(build, 1, sizeof *any);
    if (!pair || !any || !*value)
        return;
    gs__otlp__key_value__init(pair);
    gs__otlp__any_value__init(any);
    any->value_case = GS__OTLP__ANY_VALUE__VALUE_STRING_VALUE;
    any->string_value = gs_ship_dictionary_text(&build->dictionary, value);
    pair->key = gs_ship_dictionary_text(&build->dictionary, key);
    pair->value = any;
    resource->attributes[resource->n_attributes++] = pair;
}

/* The process, in the semantic conventions' names; then the rules' labels. */
static Gs__Otlp__Resource *make_resource(struct build *build)
{
    enum { OURS = 10, LABELS_MAX = 64 };
    const json_t *json = build->incident->json;
    json_t *labels = json_object_get(json, "labels"), *value;
    const char *key;
    Gs__Otlp__Resource *resource = take(build, 1, sizeof *resource);
    if (!resource)
        return NULL;
    gs__otlp__resource__init(resource);
    resource->attributes = take(build, OURS + LABELS_MAX, sizeof *resource->attributes);
    if (!resource->attributes)
        return NULL;
    add_resource(build, resource, "service.name", gs_ship_service(build->incident));
    add_resource(build, resource, "host.name", gs_ship_text(json, "host"));
    add_resource(build, resource, "process.executable.path", gs_ship_text(json, "exe"));
    add_resource(build, resource, "process.executable.build_id.gnu", gs_ship_text(json, "build_id"));
    add_resource(build, resource, "container.id", gs_ship_text(json_object_get(json, "container"), "id"));
    add_resource(build, resource, "k8s.pod.name", gs_ship_text(json, "pod"));
    add_resource(build, resource, "k8s.namespace.name", gs_ship_text(json, "namespace"));
    add_resource(build, resource, "gumshoe.incident", build->incident->id);
    add_resource(build, resource, "gumshoe.rule", gs_ship_text(json, "rule"));
    json_object_foreach(labels, key, value) if (resource->n_attributes < OURS + LABELS_MAX &&
                                                strcmp(key, "service") != 0 && json_is_string(value))
        add_resource(build, resource, key, json_string_value(value));
    return resource;
}

/* ---- the request -------------------------------------------------------------------------------------------------------- */

/* MESSAGE, packed and gzip'd, into BODY (gs_text_fini). */
static void pack(const Gs__Otlp__ExportRequest *message, struct gs_text *body)
{
    size_t length = gs__otlp__export_request__get_packed_size(message);
    unsigned char *packed = gs_alloc(length + 1);
    z_stream zip = {.zalloc = gs_memory_zalloc, .zfree = gs_memory_zfree};
    unsigned char out[16 << 10];
    if (!packed || length > UINT32_MAX / 2 ||
        deflateInit2(&zip, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        gs_free(packed);
        body->failed = true;
        return;
    }
    gs__otlp__export_request__pack(message, packed);
    zip.next_in = packed;
    zip.avail_in = (unsigned)length;
    do {
        zip.next_out = out;
        zip.avail_out = sizeof out;
        deflate(&zip, Z_FINISH);
        gs_text_add_bytes(body, out, sizeof out - zip.avail_out);
    } while (zip.avail_out == 0 && !body->failed);
    deflateEnd(&zip);
    gs_free(packed);
}

static void make_body(struct build *build, struct gs_text *body)
{
    unsigned count = build->profile->sample_type_count, first = build->profile->default_sample_type;
    Gs__Otlp__ExportRequest request = GS__OTLP__EXPORT_REQUEST__INIT;
    Gs__Otlp__ResourceProfiles of_resource = GS__OTLP__RESOURCE_PROFILES__INIT, *resources = &of_resource;
    Gs__Otlp__ScopeProfiles of_scope = GS__OTLP__SCOPE_PROFILES__INIT, *scopes = &of_scope;
    Gs__Otlp__Scope scope = GS__OTLP__SCOPE__INIT;
    Gs__Otlp__Profile *profile[GS_SAMPLE_TYPES_MAX];
    for (unsigned i = 0; i < count; i++)
        profile[i] = make_profile(build, i == 0 ? first : i <= first ? i - 1 : i);
    scope.name = (char *)"gumshoe";
    scope.version = (char *)GUMSHOE_VERSION;
    of_scope.scope = &scope;
    of_scope.profiles = profile;
    of_scope.n_profiles = count;
    of_resource.resource = make_resource(build);
    of_resource.scope_profiles = &scopes;
    of_resource.n_scope_profiles = 1;
    request.resource_profiles = &resources;
    request.n_resource_profiles = 1;
    gs_ship_dictionary_end(&build->dictionary, build->profile);
    request.dictionary = &build->dictionary.message;
    if (build->dictionary.arena.failed)
        body->failed = true;
    else
        pack(&request, body);
}

/* Did the collector take all of it, as ANSWER says? The message it sends is not shown: it could repeat secrets. */
static void read_answer(const struct gs_ship_answer *answer, struct gs_ship_result *out)
{
    Gs__Otlp__ExportResponse *response = gs__otlp__export_response__unpack(
        gs_memory_for_protobuf(), answer->length, (const uint8_t *)answer->bytes);
    if (response && response->partial_success && response->partial_success->rejected_profiles > 0)
        gs_ship_fail(out, GS_SHIP_UNFIT, "the collector rejected %lld profile%s; its log says why",
                     (long long)response->partial_success->rejected_profiles,
                     gs_text_plural((double)response->partial_success->rejected_profiles));
    gs__otlp__export_response__free_unpacked(response, gs_memory_for_protobuf());
}

void gs_ship_to_otlp(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                     const struct gs_ship_profile *profile, struct gs_ship_progress *progress,
                     struct gs_ship_result *out)
{
    struct build build = {.incident = incident, .name = profile->name, .profile = profile->profile};
    struct gs_text bytes = {0};
    struct gs_ship_answer answer = {0};
    gs_ship_dictionary_init(&build.dictionary);
    make_body(&build, &bytes);
    gs_ship_dictionary_fini(&build.dictionary);
    struct gs_ship_body body = {
        .bytes = bytes.bytes, .length = bytes.length, .type = "application/x-protobuf", .gzip = true};
    if (bytes.failed)
        gs_ship_fail(out, GS_SHIP_LATER, "there is not enough memory");
    else {
        gs_ship_post(destination, destination->base, &body, progress, &answer, out);
        if (out->end == GS_SHIP_SENT && answer.length)
            read_answer(&answer, out);
        gs_free(answer.bytes);
    }
    gs_text_fini(&bytes);
}
