/* A pprof profile as a page and a picture: whatever its names say, no markup and no control character of theirs is in the output.
 * The bytes are also taken for a name by themselves. */
#include "base/json.h"
#include "base/memory.h"
#include "fuzz.h"
#include "profile/profile.h"
#include "reader/page.h"
#include "reader/reader.h"
#include <string.h>

/* Text that was escaped: printable, valid UTF-8, nothing that HTML or XML would read. */
static void check_escaped(const char *name)
{
    struct gs_text plain = {0}, escaped = {0}, again = {0};
    gs_reader_page_plain(&plain, name);
    gs_reader_page_escape(&escaped, name);
    gs_must(!strpbrk(escaped.bytes ? escaped.bytes : "", "<>\"'"));
    for (size_t i = 0; i < escaped.length; i++)
        gs_must((unsigned char)escaped.bytes[i] >= 0x20 && escaped.bytes[i] != 0x7f);
    json_t *text = json_string(plain.bytes ? plain.bytes : "");
    gs_must(text != NULL); // jansson refuses what is not UTF-8
    json_decref(text);
    gs_reader_page_plain(&again, plain.bytes ? plain.bytes : "");
    gs_must(again.length == plain.length &&
            (!plain.length || memcmp(again.bytes, plain.bytes, plain.length) == 0));
    gs_text_fini(&plain);
    gs_text_fini(&escaped);
    gs_text_fini(&again);
}

static size_t characters(const struct gs_text *text)
{
    size_t count = 0;
    for (size_t i = 0; i < text->length; i++)
        count += (text->bytes[i] & 0xc0) != 0x80;
    return count;
}

static void check_short(const char *name)
{
    struct gs_text plain = {0};
    gs_reader_page_plain(&plain, name);
    const char *words = plain.bytes ? plain.bytes : "";
    for (size_t room = 0; room < 50; room += 7) {
        struct gs_text compact = {0}, fitting = {0};
        gs_must(gs_reader_compact_name(words, &compact) <= compact.length);
        gs_reader_fit_name(words, room, &fitting);
        gs_must(characters(&fitting) <= room);
        gs_text_fini(&compact);
        gs_text_fini(&fitting);
    }
    gs_text_fini(&plain);
}

/* The page's data ends where it is meant to, and is JSON. */
static void check_page(const struct gs_page_tree *tree)
{
    struct gs_json views = gs_json_array();
    struct gs_text page = {0};
    gs_reader_page_views(tree, &views);
    json_t *json = gs_json_take(&views);
    gs_must(json != NULL);
    gs_reader_page_begin(&page, GS_PAGE_FLAME, "");
    gs_reader_page_text(tree, 0, &page);
    gs_reader_page_end(&page, GS_PAGE_FLAME, json);
    json_decref(json);
    gs_must(!page.failed);
    static const char begin[] = "id=\"gumshoe-data\">";
    const char *data = strstr(page.bytes, begin), *end = data ? strstr(data, "</script>") : NULL;
    gs_must(data && end);
    data += sizeof begin - 1;
    json_error_t error;
    json_t *read = gs_json_read(data, (size_t)(end - data), 0, &error);
    gs_must(read != NULL);
    json_decref(read);
    gs_text_fini(&page);
}

static void check_tree(const struct gs_profile *profile, const struct gs_profile *base)
{
    struct gs_page_view view[GS_SAMPLE_TYPES_MAX];
    struct gs_text picture = {0};
    for (unsigned i = 0; i < profile->sample_type_count; i++)
        view[i] = (struct gs_page_view){
            .id = profile->sample_type[i].type, .label = profile->sample_type[i].type, .type = (int)i};
    struct gs_page_tree *tree = gs_reader_page_tree(profile, base, view, profile->sample_type_count);
    gs_must(tree != NULL);
    check_page(tree);
    gs_reader_flame_svg(tree, "", &picture);
    gs_must(!picture.failed && strstr(picture.bytes, "</svg>"));
    gs_text_fini(&picture);
    gs_reader_page_tree_free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char why[160] = "", *copy = gs_fuzz_copy(bytes, length, 1);
    check_escaped(copy);
    if (length < 4096)
        check_short(copy);
    struct gs_profile *profile = gs_reader_profile(copy, length, why, sizeof why);
    if (profile && profile->sample_type_count) {
        check_tree(profile, NULL);
        check_tree(profile, profile);
    }
    gs_profile_free(profile);
    free(copy);
    return 0;
}
