/* anonymous_profile.c - an anonymous copy of a profile: figures, addresses and lines stay; names become stand-ins; comments, and what
 * no sample needs, are left out. */
#include "base/memory.h"
#include "reader/anonymous.h"
#include <string.h>

static const char *word_or_stand_in(struct gs_anonymizer *anonymizer, enum gs_named what, const char *text,
                                    char out[GS_STAND_IN])
{
    return gs_reader_is_our_word(text) ? text : gs_reader_stand_in(anonymizer, what, text, out);
}

static void copy_head(struct gs_anonymizer *anonymizer, const struct gs_profile *from, struct gs_profile *to)
{
    char type[GS_STAND_IN], unit[GS_STAND_IN];
    for (unsigned i = 0; i < from->sample_type_count; i++)
        gs_profile_add_sample_type(
            to, word_or_stand_in(anonymizer, GS_NAMED_VALUE, from->sample_type[i].type, type),
            word_or_stand_in(anonymizer, GS_NAMED_VALUE, from->sample_type[i].unit, unit));
    to->default_sample_type = from->default_sample_type;
    if (from->period_type.type) {
        to->period_type.type =
            gs_profile_string(to, word_or_stand_in(anonymizer, GS_NAMED_VALUE, from->period_type.type, type));
        to->period_type.unit =
            gs_profile_string(to, word_or_stand_in(anonymizer, GS_NAMED_VALUE, from->period_type.unit, unit));
    }
    to->period = from->period;
    to->time_ns = from->time_ns;
    to->duration_ns = from->duration_ns;
    to->drop_frames = gs_profile_string(to, "");
    gs_profile_add_comment(to, "an anonymous copy: names are replaced by stand-ins");
}

static void copy_mapping(struct gs_anonymizer *anonymizer, const struct gs_profile_mapping *from,
                         struct gs_profile *to)
{
    char module[GS_STAND_IN], build_id[GS_STAND_IN];
    struct gs_profile_mapping mapping = *from;
    mapping.path = gs_reader_module_stand_in(anonymizer, from->path, module);
    mapping.build_id = gs_reader_stand_in(anonymizer, GS_NAMED_ID, from->build_id, build_id);
    gs_profile_add_mapping(to, &mapping);
}

static uint32_t copy_function(struct gs_anonymizer *anonymizer, const struct gs_function *from,
                              struct gs_profile *to)
{
    char name[GS_STAND_IN], system_name[GS_STAND_IN], file[GS_STAND_IN];
    return gs_profile_add_function(
        to, gs_reader_stand_in(anonymizer, GS_NAMED_FUNCTION, from->name, name),
        gs_reader_stand_in(anonymizer, GS_NAMED_FUNCTION, from->system_name, system_name),
        gs_reader_stand_in(anonymizer, GS_NAMED_FILE, from->file, file), from->start_line);
}

static void copy_location(const struct gs_profile *from, const struct gs_location *location,
                          const uint32_t *function, struct gs_profile *to)
{
    struct gs_location copy = *location;
    struct gs_line *line = gs_alloc((location->line_count + 1) * sizeof *line);
    for (uint32_t i = 0; line && i < location->line_count; i++)
        line[i] = (struct gs_line){function[location->line[i].function], location->line[i].line};
    copy.line = line;
    if (copy.mapping > from->mapping_count)
        copy.mapping = 0;
    if (line)
        gs_profile_add_location(to, &copy);
    to->failed |= !line;
    gs_free(line);
}

/* What the label KEY, one of those that gumshoe sets on threads, has as its value; GS_NAMED_LABEL: it is the program's. */
static enum gs_named label_kind(const char *key)
{
    if (strcmp(key, "name") == 0)
        return GS_NAMED_THREAD;
    if (strcmp(key, "wchan") == 0)
        return GS_NAMED_FUNCTION;
    return strcmp(key, "state") == 0 || strcmp(key, "call") == 0 || strcmp(key, "tid") == 0 ||
                   strcmp(key, "waits_for") == 0
               ? GS_NAMED_VALUE
               : GS_NAMED_LABEL;
}

static struct gs_label_value copy_label(struct gs_anonymizer *anonymizer, const struct gs_label_value *from,
                                        struct gs_profile *to)
{
    char out[GS_STAND_IN];
    struct gs_label_value label = *from;
    enum gs_named kind = label_kind(from->key), value = kind == GS_NAMED_LABEL ? GS_NAMED_VALUE : kind;
    if (kind == GS_NAMED_LABEL)
        label.key = gs_profile_string(to, gs_reader_stand_in(anonymizer, kind, from->key, out));
    if (from->text)
        label.text = gs_profile_string(to, kind == GS_NAMED_VALUE
                                               ? word_or_stand_in(anonymizer, value, from->text, out)
                                               : gs_reader_stand_in(anonymizer, value, from->text, out));
    if (from->unit)
        label.unit = gs_profile_string(to, word_or_stand_in(anonymizer, GS_NAMED_VALUE, from->unit, out));
    return label;
}

static void copy_sample(struct gs_anonymizer *anonymizer, const struct gs_sample *from, struct gs_profile *to)
{
    struct gs_sample sample = *from;
    struct gs_label_value *label = gs_alloc((from->label_count + 1) * sizeof *label);
    for (uint32_t i = 0; label && i < from->label_count; i++)
        label[i] = copy_label(anonymizer, &from->label[i], to);
    sample.label = label;
    if (label)
        gs_profile_append_sample(to, &sample);
    to->failed |= !label;
    gs_free(label);
}

struct gs_profile *gs_reader_anonymize_profile(struct gs_anonymizer *anonymizer, struct gs_profile *profile)
{
    struct gs_profile *to = gs_profile_new();
    uint32_t *function = gs_alloc((profile->function_count + 1) * sizeof *function);
    bool failed = !to || !function || gs_profile_apply_drop_frames(profile) != 0;
    if (!failed)
        copy_head(anonymizer, profile, to);
    for (size_t i = 0; !failed && i < profile->mapping_count; i++)
        copy_mapping(anonymizer, &profile->mapping[i], to);
    for (size_t i = 0; !failed && i < profile->function_count; i++)
        function[i] = copy_function(anonymizer, &profile->function[i], to);
    for (size_t i = 0; !failed && i < profile->location_count; i++)
        copy_location(profile, &profile->location[i], function, to);
    for (size_t i = 0; !failed && i < profile->sample_count; i++)
        copy_sample(anonymizer, &profile->sample[i], to);
    gs_free(function);
    if (!failed && !to->failed && !anonymizer->failed)
        return to;
    gs_profile_free(to);
    return NULL;
}
